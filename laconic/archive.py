"""`laconic.open`: an archive as a mapping from names to objects."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from laconic import objects, registry
from laconic.bases import Bases
from laconic.container import format as f
from laconic.container.codec import LEVELS, Piece, Source, View
from laconic.container.decoder import codec_params
from laconic.container.reader import Reader
from laconic.container.sink import FileSink, Sink
from laconic.container.source import BufferBytes, BufferSource, FileBytes, FileSource, PipeSource, RawSource
from laconic.container.table import Entry, encode_name
from laconic.container.writer import PACK_ENTRY, Part, Writer
from laconic.errors import CorruptDataError, LimitError, TornArchiveWarning, UnsupportedError


def available_jobs(jobs: int | None) -> int:
    """`jobs`, or the number of processors this process may use."""
    if jobs is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if jobs < 1:
        raise ValueError(f"jobs must be at least 1, not {jobs}")
    return jobs


def check_level(level: str) -> str:
    if level not in LEVELS:
        raise ValueError(f"unknown level {level!r}; one of {', '.join(LEVELS)}")
    return level


class ArchiveReader:
    """An archive open for reading. Made by `laconic.open(path)`; usable as a context manager, thread-safe."""

    def __init__(
        self, data: BufferBytes | FileBytes, *, jobs: int | None = None, base: Any = None, max_size: int | None = None,
        recover: bool = False, strict: bool = False,
    ) -> None:  # fmt: skip
        self._max_size = max_size
        self._bases = Bases(base, own=self)
        self._reader = Reader(data, registry.get, jobs=available_jobs(jobs), resolve_base=self._bases.by_hash, check_frames=recover)
        torn = self._reader.torn
        if torn is not None and not recover:
            self._refuse_torn(data.name, torn.complete_end, strict)
        self._where: dict[str, tuple[Part, int]] = {name: (part, i) for part, i, name in self._reader.entries()}
        self._children: dict[str, list[str]] | None = None

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
        return self._object(part, entry)

    def entry(self, name: str) -> Entry:
        """The entry's description: type, kind, dtype, shape, size, hash, metadata."""
        return self._entry(name)[1]

    def _entry(self, name: str) -> tuple[Part, Entry]:
        try:
            part, i = self._where[name]
        except KeyError:
            raise KeyError(f"no entry {name!r} in {self._reader.data.name}") from None
        return part, part.entries[i]

    def _object(self, part: Part, entry: Entry) -> Any:
        if entry.type == "value":
            return objects.value_of(entry)
        if entry.type in ("dict", "odict", "list", "tuple"):
            keys = self._keys_below(entry.name)
            prefix = f"{entry.name}/" if entry.name else ""
            return objects.rebuild(entry.type, [(key, self[prefix + key]) for key in keys])
        if entry.type in ("dir", "symlink"):
            raise TypeError(f"entry {entry.name!r} is a {entry.type}, which has no content; `laconic decode` restores it")
        if entry.type in ("ndarray", "scalar", "tensor", "torch", "memoryview") and (entry.dtype or entry.shape):
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

        For arrays and tensors with at least one axis: rows [start, stop) of the first axis, as an array. Otherwise bytes [start, stop).
        `start` and `stop` follow slice rules (negative counts from the end, past the end is cut).

        >>> import laconic, numpy as np, tempfile, pathlib
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "a.lac"
        >>> with laconic.open(path, "w") as archive:
        ...     archive.add("x", np.arange(12).reshape(6, 2))
        >>> laconic.open(path).read("x", 1, 3).tolist()
        [[2, 3], [4, 5]]
        """
        part, entry = self._entry(name)
        if entry.type in ("ndarray", "tensor", "torch") and entry.shape:
            row = objects.check_shape(entry)
            a, b, _ = slice(start, stop).indices(entry.shape[0])
            b = max(a, b)
            return objects.from_raw(entry, (b - a, *entry.shape[1:]), self._raw(part, entry, a * row, b * row))
        if entry.type in ("dict", "odict", "list", "tuple", "value", "dir", "symlink"):
            raise TypeError(f"entry {name!r} is a {entry.type}, which has no bytes of its own")
        a, b, _ = slice(start, stop).indices(entry.size)
        return bytes(self._reader.read(part, entry, a, max(a, b)))

    def blocks(self, name: str) -> Iterator[memoryview]:
        """The entry's raw bytes as a sequence of blocks, in bounded memory. The content hash is checked at the end."""
        import xxhash

        part, entry = self._entry(name)
        whole = xxhash.xxh3_128()
        for block in self._reader.blocks(part, entry):
            whole.update(block)
            yield block
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


class ArchiveWriter:
    """An archive open for writing or appending. Made by `laconic.open(path, "w")` or `"a"`; usable as a context manager."""

    def __init__(
        self, sink: Sink, *, level: str = "default", jobs: int | None = None, base: Any = None, previous: list[Part] | None = None,
        taken: set[str] | None = None, progress: Any = None,
    ) -> None:  # fmt: skip
        self._level = check_level(level)
        self._bases = Bases(base)
        self._names: set[str] = taken or set()
        self._writer = Writer(
            sink, registry.get, jobs=available_jobs(jobs), previous=previous,
            find_base=self._bases.by_name if base is not None else None, progress=progress,
        )  # fmt: skip

    def add(self, name: str, obj: Any, *, kind: str | None = None, level: str | None = None, meta: dict[str, Any] | None = None) -> None:
        """Encode `obj` as the entry `name`.

        `obj`: bytes-like, a numpy array or scalar, a torch tensor, a pathlib.Path (the file's content, kind found by content), or a
        dict, list or tuple of these (and of None, bool, int, float, str inside). `kind` forces a codec, `level` one of fast, default,
        high, max. `meta`: a map with text keys and plain values, at most 64 KiB. Raises TypeError for objects that would not come back
        exactly, ValueError for a name that is taken.
        """
        level = check_level(level or self._level)
        meta = meta or {}
        if isinstance(obj, os.PathLike):
            self.add_file(obj, name, kind=kind, level=level, meta=meta)
            return
        self._add(name, obj, kind, level, meta, nested=False)

    def _add(self, name: str, obj: Any, kind: str | None, level: str, meta: dict[str, Any], *, nested: bool) -> None:
        leaf = objects.leaf(obj)
        if leaf is not None:
            self._add_leaf(name, leaf, kind, level, meta)
            return
        container = objects.container_type(obj)
        if container is not None:
            self._writer.add_entry(Entry(self._claim(name), container, meta=meta))
            for key, value in objects.children(obj):
                self._add(f"{name}/{key}" if name else key, value, kind, level, {}, nested=True)
            return
        value = objects.value_meta(obj) if nested else None
        if value is None:
            raise objects.refuse(obj)
        self._writer.add_entry(Entry(self._claim(name), "value", meta=value))

    def _add_leaf(self, name: str, leaf: objects.Leaf, kind: str | None, level: str, meta: dict[str, Any]) -> None:
        codec, params = codec_for(leaf, kind)
        entry = Entry(self._claim(name), leaf.type, codec.name, leaf.dtype, leaf.shape, meta=meta)
        if len(leaf.raw) < PACK_ENTRY and not self._bases.given:
            self._writer.add_small(entry, bytes(leaf.raw), codec, params, level)
            return
        piece = Piece(len(leaf.raw), params, unit=leaf.itemsize if leaf.itemsize <= 4096 else 1)
        self._writer.add_stream(entry, BufferSource(leaf.raw), (piece,), codec, level)

    def add_file(
        self, path: str | os.PathLike[str], name: str, *, kind: str | None = None, level: str | None = None,
        meta: dict[str, Any] | None = None,
    ) -> Entry | None:  # fmt: skip
        """Encode the content of the regular file `path` as `name`, with its mode and modification time."""
        with open(path, "rb") as file:
            stat = os.fstat(file.fileno())
            meta = {"mode": stat.st_mode & 0o7777, "mtime_ns": stat.st_mtime_ns} | (meta or {})
            source = FileSource(file, stat.st_size)
            return self._add_source(source, name, kind, check_level(level or self._level), meta)

    def add_pipe(
        self,
        file: BinaryIO,
        name: str = "",
        *,
        kind: str | None = None,
        level: str | None = None,
        meta: dict[str, Any] | None = None,
    ) -> Entry | None:
        """Encode what can be read from `file` (not seekable, of unknown length) as the file `name`."""
        return self._add_source(PipeSource(file), name, kind, check_level(level or self._level), meta or {})

    def _add_source(self, source: RawSource, name: str, kind: str | None, level: str, meta: dict[str, Any]) -> Entry | None:
        codec = registry.get(kind or registry.sniff(source.head(registry.SNIFF_BYTES), source.size))
        if source.size is not None and source.size < PACK_ENTRY and codec.name == "bytes" and not self._bases.given:
            raw = bytes(source.take(source.size))
            self._writer.add_small(Entry(self._claim(name), "file", "bytes", meta=meta), raw, codec, b"", level)
            return None
        layout, codec = layout_of(codec, source)
        entry = Entry(self._claim(name), "file", codec.name, meta=meta)
        return self._writer.add_stream(entry, source, layout, codec, level, announce=True)

    def add_special(self, name: str, type_: str, meta: dict[str, Any]) -> None:
        """A folder or a symbolic link (type "dir" or "symlink")."""
        self._writer.add_entry(Entry(self._claim(name), type_, meta=meta))

    def _claim(self, name: str) -> str:
        if len(encode_name(name)) > f.MAX_NAME:
            raise ValueError(f"the name {name[:40]!r}... is longer than {f.MAX_NAME} bytes")
        if name in self._names:
            raise ValueError(f"the archive already has an entry {name!r}")
        self._names.add(name)
        return name

    @property
    def raw_bytes(self) -> int:
        """Raw bytes written so far."""
        return self._writer.raw_bytes

    @property
    def stored_bytes(self) -> int:
        """Bytes of the archive written by this writer so far, headers and index included."""
        return self._writer.stored_bytes

    def flush(self) -> None:
        """Write out all that was added, so that it survives a crash of this process even without `close`."""
        self._writer.flush()

    def close(self) -> None:
        """Write the index. Until then the archive counts as torn (and can be recovered)."""
        self._writer.close()
        self._bases.close()

    def abort(self) -> None:
        """Stop without an index."""
        self._writer.stop()
        self._bases.close()

    def __enter__(self) -> ArchiveWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()


class _FileArchiveWriter(ArchiveWriter):
    """An ArchiveWriter on a path: "w" writes beside the path and renames at the end, "a" appends in place."""

    def __init__(self, path: Path, mode: str, **options: Any) -> None:
        self._path = path
        self._temporary: Path | None = None
        previous: list[Part] = []
        taken: set[str] = set()
        if mode == "a" and path.exists() and path.stat().st_size:
            self._file: BinaryIO = open(path, "r+b")
            try:
                lock(self._file, path)
                with warnings.catch_warnings():  # appending after a torn tail is how one goes on after a crash
                    warnings.simplefilter("ignore", TornArchiveWarning)
                    old = ArchiveReader(FileBytes(self._file, str(path), owned=False))
            except BaseException:
                self._file.close()
                raise
            previous, taken = old._reader.parts, set(old.names())
            position = self._file.seek(0, os.SEEK_END)
        else:
            if mode == "w":
                self._temporary = temporary_beside(path)
            self._file = open(self._temporary or path, "w+b")
            lock(self._file, path)
            position = 0
        try:
            super().__init__(FileSink(self._file, position, readable=True), previous=previous, taken=taken, **options)
        except BaseException:
            self._discard()
            raise

    def flush(self) -> None:
        super().flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        if self._file.closed:
            return
        try:
            super().close()
            self._file.flush()
            os.fsync(self._file.fileno())
        except BaseException:
            self._discard()
            raise
        self._file.close()
        if self._temporary is not None:
            os.replace(self._temporary, self._path)
            self._temporary = None
            sync_folder(self._path)

    def abort(self) -> None:
        super().abort()
        self._discard()

    def _discard(self) -> None:
        with suppress(OSError):
            self._file.close()
        if self._temporary is not None:
            self._temporary.unlink(missing_ok=True)


def codec_for(leaf: objects.Leaf, kind: str | None) -> tuple[Any, bytes]:
    """The codec and parameters for an object: `kind` if given, else the first that takes the dtype, else `bytes`."""
    if kind is not None:
        codec = registry.get(kind)
        params = codec.params(leaf.dtype, leaf.itemsize)
        if params is None:
            raise ValueError(f"codec {kind!r} does not take {leaf.dtype or 'bytes'}")
        return codec, params
    if leaf.dtype and leaf.type != "memoryview":
        codec = registry.get("weights")
        params = codec.params(leaf.dtype, leaf.itemsize)
        if params is not None:
            return codec, params
    return registry.get("bytes"), b""


def layout_of(codec: Any, source: Source) -> tuple[Iterator[Piece | View], Any]:
    """The codec's layout of `source`; that of `bytes` if the codec finds that the file is not its kind after all."""
    try:
        layout = iter(codec.layout(source))
        first = next(layout, None)
    except ValueError:
        codec = registry.get("bytes")
        layout = iter(codec.layout(source))
        first = next(layout, None)

    def whole() -> Iterator[Piece | View]:
        if first is not None:
            yield first
            yield from layout

    return whole(), codec


def lock(file: BinaryIO, path: Path) -> None:
    """One writer at a time; advisory, released when the file is closed (or its process dies)."""
    try:
        import fcntl
    except ImportError:  # pragma: no cover - Windows refuses a second writer by itself
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BlockingIOError(f"{path}: another process is writing to this archive") from None
    except OSError:  # a file system without locks
        return


def temporary_beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def sync_folder(path: Path) -> None:
    """Make a rename durable."""
    with suppress(OSError):
        fd = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


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
        return ArchiveReader(FileBytes(spool, str(getattr(file, "name", "pipe"))), **options)
    return ArchiveReader(FileBytes(file, str(getattr(file, "name", "archive")), owned=False), **options)


def open_writer(file: Any, mode: str, **options: Any) -> ArchiveWriter:
    if isinstance(file, (str, os.PathLike)):
        return _FileArchiveWriter(Path(file), mode, **options)
    if mode == "a":
        old = ArchiveReader(FileBytes(file, str(getattr(file, "name", "archive")), owned=False))
        options |= {"previous": old._reader.parts, "taken": set(old.names())}
        return ArchiveWriter(FileSink(file, file.seek(0, os.SEEK_END), readable=file.readable()), **options)
    readable = bool(getattr(file, "seekable", bool)() and getattr(file, "readable", bool)())
    position = file.tell() if readable else 0
    return ArchiveWriter(FileSink(file, position, readable=readable and position == 0), **options)


__all__ = ["ArchiveReader", "ArchiveWriter", "open_reader", "open_writer"]
