"""An archive as a mapping from names to objects."""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from laconic import objects, registry
from laconic.archive.checks import available_jobs
from laconic.bases import Bases
from laconic.container import format as f
from laconic.container.decoder import codec_params
from laconic.container.hashing import ContentHash
from laconic.container.index import Part
from laconic.container.reader import Reader
from laconic.container.source import ArchiveBytes, BufferBytes, FileBytes
from laconic.container.table import Entry
from laconic.errors import CorruptDataError, LimitError, TornArchiveWarning, UnsupportedError

if TYPE_CHECKING:
    import numpy as np


class ArchiveReader:
    """An archive open for reading. Made by `laconic.open(path)`; usable as a context manager, thread-safe."""

    def __init__(
        self, data: ArchiveBytes, *, jobs: int | None = None, base: Any = None, max_size: int | None = None,
        recover: bool = False, strict: bool = False,
    ) -> None:  # fmt: skip
        self._max_size = max_size
        self._bases = Bases(base, open_reader, own=self)
        self._reader = Reader(data, registry.get, jobs=available_jobs(jobs), resolve_base=self._bases.by_hash, check_frames=recover)
        torn = self._reader.torn
        if torn is not None and not recover:
            self._refuse_torn(data.name, torn.complete_end, strict)
        self._where = self._find_entries()
        self._children: dict[str, list[str]] | None = None

    def _find_entries(self) -> dict[str, tuple[Part, int]]:
        """Where each name was written last. What was below a name that was written again went with it (not so for folders)."""
        where: dict[str, tuple[Part, int]] = {}
        written: dict[str, int] = {}
        again: set[str] = set()
        for k, (part, i, name) in enumerate(self._reader.entries()):
            if name and name in where and part.entries[i].type != "dir":
                again.add(name)
            where[name] = (part, i)
            written[name] = k
        if again:
            lengths = sorted({len(name) for name in again})

            def gone(name: str) -> bool:
                above = (name[:n] for n in lengths if n < len(name) and name[n] == "/")
                return any(written[holder] > written[name] for holder in above if holder in again)

            where = {name: at for name, at in where.items() if not gone(name)}
        return where

    def _refuse_torn(self, name: str, complete_end: int, strict: bool) -> None:
        """Damage after a complete part is what an interrupted append leaves: the part before it is good."""
        torn = self._reader.torn
        assert torn is not None
        only_tail = complete_end > 0 and all(offset >= complete_end for offset, _ in torn.gaps)
        text = f"{name}: the archive is torn or damaged (no valid index at its end)"
        if strict or not only_tail:
            self._reader.close()
            raise CorruptDataError(f"{text}; `laconic salvage` or laconic.open(..., recover=True) reads what is intact")
        warnings.warn(f"{text}; everything before offset {complete_end} is intact", TornArchiveWarning, stacklevel=4)

    # -- the mapping

    def names(self) -> list[str]:
        """Names of all entries, in the order in which they were added (an entry written again counts once)."""
        return list(self._where)

    def __contains__(self, name: object) -> bool:
        return name in self._where

    def __len__(self) -> int:
        return len(self._where)

    def __iter__(self) -> Iterator[str]:
        return iter(self._where)

    def __getitem__(self, name: str) -> Any:
        """The object that was added as `name`: same type, dtype, shape and bits. A file's content comes back as bytes."""
        part, entry = self._entry(name)
        return self._object(part, entry, 0)

    def entry(self, name: str) -> Entry:
        """The entry's description: type, kind, dtype, shape, size, hash, metadata."""
        return self._entry(name)[1]

    def _entry(self, name: str) -> tuple[Part, Entry]:
        try:
            part, i = self._where[name]
        except KeyError:
            raise KeyError(f"no entry {name!r} in {self._reader.data.name}") from None
        return part, part.entries[i]

    def _object(self, part: Part, entry: Entry, depth: int) -> Any:
        if entry.type == "value":
            return objects.value_of(entry)
        if entry.type in ("dict", "odict", "list", "tuple"):
            if depth > f.MAX_NESTING:
                raise CorruptDataError(f"entry {entry.name[:80]!r}: nested more than {f.MAX_NESTING} levels deep")
            keys = self._keys_below(entry.name)
            prefix = f"{entry.name}/" if entry.name else ""
            items = [(key, self._object(*self._entry(prefix + key), depth + 1)) for key in keys]
            return objects.rebuild(entry.type, items)
        if entry.type in ("dir", "symlink"):
            raise TypeError(f"entry {entry.name!r} is a {entry.type}, which has no content; `laconic decode` restores it")
        if entry.type in ("ndarray", "scalar", "tensor", "torch", "image", "memoryview") and (entry.dtype or entry.shape):
            objects.check_shape(entry) if entry.type != "memoryview" else None
        return objects.from_raw(entry, entry.shape, self._raw(part, entry, 0, entry.size))

    def _raw(self, part: Part, entry: Entry, start: int, stop: int) -> Any:
        if self._max_size is not None and stop - start > self._max_size:
            raise LimitError(f"entry {entry.name!r} has {stop - start} bytes, more than max_size={self._max_size}")
        if entry.type in ("ndarray", "scalar", "tensor", "torch"):
            import numpy as np

            return self._reader.read_into(part, entry, start, stop, lambda size: np.empty(size, np.uint8))
        if entry.type == "bytearray":
            return self._reader.read_into(part, entry, start, stop, bytearray)
        return self._reader.read(part, entry, start, stop)

    def _keys_below(self, name: str) -> list[str]:
        """Escaped keys right below the container entry `name`, in order."""
        if self._children is None:
            self._children = {}
            for full in self._where:
                if full:
                    parent, _, key = full.rpartition("/")
                    self._children.setdefault(parent, []).append(key)
        return self._children.get(name, [])

    def read(self, name: str, start: int = 0, stop: int | None = None) -> Any:
        """A range of an entry, decoding only the frames that hold it.

        For images, and arrays and tensors with at least one axis: rows [start, stop) of the first axis, as an array. Otherwise bytes
        [start, stop). `start` and `stop` follow slice rules (negative counts from the end, past the end is cut).

        >>> import laconic, numpy as np, tempfile, pathlib
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "a.lac"
        >>> with laconic.open(path, "w") as archive:
        ...     archive.add("x", np.arange(12).reshape(6, 2))
        >>> laconic.open(path).read("x", 1, 3).tolist()
        [[2, 3], [4, 5]]
        """
        part, entry = self._entry(name)
        if entry.type == "image":
            entry = dataclasses.replace(entry, type="ndarray")
        if entry.type in ("ndarray", "tensor", "torch") and entry.shape:
            row = objects.check_shape(entry)
            a, b, _ = slice(start, stop).indices(entry.shape[0])
            b = max(a, b)
            return objects.from_raw(entry, (b - a, *entry.shape[1:]), self._raw(part, entry, a * row, b * row))
        if entry.type in ("dict", "odict", "list", "tuple", "value", "dir", "symlink"):
            raise TypeError(f"entry {name!r} is a {entry.type}, which has no bytes of its own")
        a, b, _ = slice(start, stop).indices(entry.size)
        return bytes(self._reader.read(part, entry, a, max(a, b)))

    def read_into(self, name: str, start: int, out: Any) -> None:
        """Raw bytes of an entry from `start` on into the writable buffer `out`, as many as it holds; ValueError past the entry's end."""
        part, entry = self._entry(name)
        size = memoryview(out).nbytes
        if start < 0 or start + size > entry.size:
            raise ValueError(f"entry {name!r} has {entry.size} bytes, not {start + size}")
        self._reader.read_into(part, entry, start, start + size, lambda _: out)

    def blocks(self, name: str) -> Iterator[memoryview]:
        """The entry's raw bytes as a sequence of blocks, in bounded memory. The content hash is checked at the end."""
        part, entry = self._entry(name)
        whole = ContentHash()
        yield from self._reader.blocks(part, entry, whole=whole)
        if entry.hash and whole.digest() != entry.hash:
            raise CorruptDataError(f"entry {name!r} is not what was encoded (its content hash differs)")

    def info(self, name: str) -> dict[str, Any]:
        """What is known of an entry: type, kind, dtype, shape, raw and stored bytes, frames by method, content hash, metadata."""
        part, entry = self._entry(name)
        stream = self._reader.check_extent(part, entry)
        stored, methods = 0, dict[str, int]()
        bases = set[str]()
        for i in stream.frames(entry.start, entry.start + entry.size) if stream else ():
            a, b = stream.ends[i], stream.ends[i + 1]  # type: ignore[union-attr]
            share = (min(b, entry.start + entry.size) - max(a, entry.start)) / (b - a)
            stored += round(stream.lengths[i] * share)  # type: ignore[union-attr]
            head, payload = self._reader.frame(stream, i)  # type: ignore[arg-type]
            method = self._method(head, payload)
            methods[method] = methods.get(method, 0) + 1
            if head.base:
                bases.add(head.base.hash.hex())
        return {
            "name": entry.name, "type": entry.type, "kind": entry.kind, "dtype": entry.dtype, "shape": list(entry.shape),
            "raw_bytes": entry.size, "stored_bytes": stored, "frames": methods, "hash": entry.hash.hex(), "bases": sorted(bases),
            "meta": entry.meta,
        }  # fmt: skip

    def _method(self, head: Any, payload: memoryview) -> str:
        if head.type == f.COPY:
            return "copy"
        if not head.codec:
            return "stored"
        try:
            codec = self._reader.decoder.codec_of(head, "")
        except UnsupportedError:
            return f"{head.codec}/{head.version} (not installed)"
        info = codec.info(payload, codec_params(head, "the frame"), head.version, head.raw_size)
        return f"{head.codec}: {info.get('method', '?')}"

    def verify(self) -> dict[str, int]:
        """Decode everything and check every checksum. Returns counts; raises the first error.

        {"entries": ..., "frames": ..., "raw_bytes": ...}
        """
        counts = {"entries": 0, "frames": 0, "raw_bytes": 0}
        for part in self._reader.parts:
            counts["frames"] += sum(len(stream.offsets) for stream in part.streams)
        for name in self._where:
            _, _entry = self._entry(name)
            for block in self.blocks(name):
                counts["raw_bytes"] += len(block)
            counts["entries"] += 1
        return counts

    @property
    def torn(self) -> bool:
        """Whether the end of the archive is missing or damaged."""
        return self._reader.torn is not None

    @property
    def incomplete(self) -> list[Entry]:
        """Entries of a torn archive whose data ends too early; `size` is what there is."""
        return [entry for _, entry in self._incomplete()]

    def _incomplete(self) -> list[tuple[Part, Entry]]:
        return self._reader.torn.incomplete if self._reader.torn else []

    def incomplete_blocks(self, entry: Entry) -> Iterator[memoryview]:
        """The bytes that there are of an entry in `incomplete`."""
        for part, found in self._incomplete():
            if found is entry:
                yield from self._reader.blocks(part, entry)

    def raw_range(self, name: str, start: int, stop: int) -> Iterator[memoryview]:
        """Raw bytes [start, stop) of any entry with bytes, as blocks."""
        part, entry = self._entry(name)
        return self._reader.blocks(part, entry, max(0, start), min(stop, entry.size))

    def raw(self, name: str, start: int, stop: int, out: np.ndarray[Any, Any] | None = None) -> np.ndarray[Any, Any]:
        """Raw bytes [start, stop) of any entry with bytes, in `out` (uint8, of that size) or a new array.

        Only the frames that hold them are decoded. An error leaves anything in `out`.
        """
        import numpy as np

        if out is not None and (out.dtype != np.uint8 or out.shape != (max(0, stop - start),)):
            raise ValueError(f"out must be {stop - start} uint8")

        part, entry = self._entry(name)
        if not 0 <= start <= stop <= entry.size:
            raise CorruptDataError(f"entry {name!r} has {entry.size} bytes, not [{start}, {stop})")
        if self._max_size is not None and stop - start > self._max_size:
            raise LimitError(f"{stop - start} bytes of entry {name!r} are more than max_size={self._max_size}")
        found: np.ndarray[Any, Any] = self._reader.read_into(
            part, entry, start, stop, lambda size: np.empty(size, np.uint8) if out is None else out
        )
        return found

    def summaries(self, name: str) -> Iterator[tuple[int, int, Any]]:
        """(start, stop, summary) of the frames of an entry: what their codec tells of raw bytes [start, stop) without decoding them.

        A summary has `newlines`, `ends_line` and `may_hold(literal)` (codecs that have a method `summarise`); None where nothing is told.
        """
        part, entry = self._entry(name)
        stream = self._reader.check_extent(part, entry)
        for i in stream.frames(entry.start, entry.start + entry.size) if stream else ():
            assert stream is not None
            a, b = stream.ends[i] - entry.start, stream.ends[i + 1] - entry.start
            summary = self._summary(stream, i) if a >= 0 and b <= entry.size else None
            yield max(0, a), min(b, entry.size), summary

    def _summary(self, stream: Any, i: int) -> Any:
        head, payload = self._reader.frame(stream, i)
        if head.type == f.COPY or not head.codec:
            return None
        summarise = getattr(self._reader.decoder.codec_of(head, "the frame"), "summarise", None)
        return summarise(payload, codec_params(head, "the frame"), head.version) if summarise else None

    @property
    def gaps(self) -> list[tuple[int, int]]:
        """(offset, length) of damaged bytes that a scan found."""
        return self._reader.torn.gaps if self._reader.torn else []

    def close(self) -> None:
        self._bases.close()
        self._reader.close()

    def __enter__(self) -> ArchiveReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_reader(file: Any, **options: Any) -> ArchiveReader:
    """Path, file object or bytes -> ArchiveReader. A file object that can't seek is copied to a temporary file first."""
    if isinstance(file, (bytes, bytearray, memoryview)):
        return ArchiveReader(BufferBytes(file), **options)
    if isinstance(file, (str, os.PathLike)):
        handle = open(file, "rb")
        try:
            return ArchiveReader(FileBytes(handle, os.fspath(file)), **options)
        except BaseException:
            handle.close()
            raise
    if not file.seekable():
        import shutil
        import tempfile

        spool = tempfile.TemporaryFile()
        shutil.copyfileobj(file, spool)
        spool.flush()
        return ArchiveReader(FileBytes(spool, str(getattr(file, "name", "pipe"))), **options)
    return ArchiveReader(FileBytes(file, str(getattr(file, "name", "archive")), owned=False), **options)
