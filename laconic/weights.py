"""Patches between two versions of a model's weights: what changed, exactly, in the fewest bytes.

For syncing weights from a trainer to its inference servers, for fine-tunes, for keeping many checkpoints:

>>> import numpy as np
>>> from laconic import weights
>>> old = {"w": np.arange(6, dtype=np.float32), "b": np.zeros(2, np.float16)}
>>> new = {"w": old["w"] + np.float32(1e-6), "b": np.zeros(2, np.float16)}
>>> patch = weights.diff(old, new)
>>> weights.apply(old, patch)
>>> bool((old["w"] == new["w"]).all())
True

A patch is a `.lac` archive. Tensors of one dtype are coded as one stream of differences, so that a thousand small ones cost no more than
a large one; only a frame at a time is in memory. It holds hashes of what it applies to and of the result.
"""

from __future__ import annotations

import io
import json
import os
import tempfile
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, overload

from laconic import api, objects, registry
from laconic.archive.checks import available_jobs, check_level
from laconic.choice import codec_for
from laconic.container.codec import Piece, View
from laconic.container.hashing import ContentHash
from laconic.container.reader import Reader
from laconic.container.sink import FileSink
from laconic.container.source import BufferBytes
from laconic.container.table import Entry
from laconic.container.writer import Writer
from laconic.errors import CorruptDataError, MissingBaseError

__all__ = ["apply", "diff"]

_INDEX = "patch.json"  # the entry that lists the tensors; one entry for each dtype follows
_FORMAT = "laconic weights patch 1"
_STEP = 1 << 20  # bytes hashed or copied at a time

PathLike = str | os.PathLike[str]
Tensors = Mapping[str, Any]


@overload
def diff(old: Tensors, new: Tensors, *, level: str = ..., jobs: int | None = ...) -> bytes: ...
@overload
def diff(old: PathLike, new: PathLike, *, level: str = ..., jobs: int | None = ...) -> bytes: ...
def diff(old: Any, new: Any, *, level: str = "fast", jobs: int | None = None) -> bytes:
    """The patch that makes `new` of `old`.

    `old`, `new`: dicts of numpy arrays or torch tensors with the same names, dtypes and shapes (on any device); or two files, such as
    `.safetensors`, whose tensors are matched by name and shape. `level`: fast, default, high or max. `jobs` threads are used.

    Raises ValueError where names, dtypes or shapes differ, TypeError for what is no dense tensor.
    """
    check_level(level)
    if isinstance(new, (str, os.PathLike)):
        return api.encode(Path(new), level=level, jobs=jobs, base=Path(old))
    before, after = _streams(old), _streams(new)
    _check_alike(before, after, "old and new")
    file = io.BytesIO()
    changed = {dtype: stream for dtype, stream in after.items() if not stream.equals(before[dtype])}
    finder = _Finder({dtype: before[dtype] for dtype in changed})
    writer = Writer(FileSink(file), registry.get, jobs=available_jobs(jobs), find_base=finder)
    try:
        index = _index_of(before, changed)
        codec = registry.get("bytes")
        writer.add_small(Entry(_INDEX, "bytes", codec.name), index, codec, b"", level)
        for dtype, stream in changed.items():
            entry = Entry(dtype, "bytes", stream.codec.name)
            writer.add_stream(entry, stream.source(), (Piece(stream.size, stream.params, unit=stream.unit),), stream.codec, level)
        writer.close()
    finally:
        writer.stop()
    return file.getvalue()


def apply(old: Any, patch: Any, *, jobs: int | None = None) -> None:
    """Make `old` what `diff` was given as `new`, in place.

    `old`: the dict (its arrays are written to: numpy arrays, or torch tensors on the CPU, contiguous and writable), or the file, which is
    replaced when its successor is complete. `patch`: bytes-like.

    Raises ValueError if names, dtypes or shapes differ from the patch's, MissingBaseError if `old` has other content than the patch was
    made for (nothing was changed then), CorruptDataError if the patch is damaged (tensors of a dict may then be partly changed; files
    are not).
    """
    if isinstance(old, (str, os.PathLike)):
        _apply_to_file(Path(old), patch)
        return
    with_room = _streams(old, writable=True)
    reader = Reader(BufferBytes(patch, "the patch"), registry.get, jobs=available_jobs(jobs), resolve_base=_resolver(with_room))
    entries = {entry.name: (part, entry) for part in reader.parts for entry in part.entries}
    if _INDEX not in entries:
        raise CorruptDataError("this is no patch of weights")
    hashes = _check_index(bytes(reader.read(*entries[_INDEX], 0, entries[_INDEX][1].size)), with_room)
    for dtype, digest in hashes.items():
        if with_room[dtype].digest() != digest:
            raise MissingBaseError(
                f"the {dtype} tensors are not those that the patch was made for (content hash {with_room[dtype].digest().hex()}, "
                f"expected {digest.hex()})"
            )
    for dtype, stream in with_room.items():
        if dtype not in entries:
            continue
        part, entry = entries[dtype]
        if entry.size != stream.size:
            raise CorruptDataError(f"the patch holds {entry.size} bytes of {dtype} where there are {stream.size}")
        whole, position = ContentHash(), 0
        # A frame reads its own range of the old bytes, and no other, so most are changed where they lie.
        for block in reader.blocks(part, entry, whole=whole, place=stream.place):
            if stream.place(position, position + len(block)) is None:
                stream.write(position, block)
            position += len(block)
        if whole.digest() != entry.hash:
            raise CorruptDataError(f"the {dtype} tensors are not what the patch should have made (their content hash differs)")


# ---------------------------------------------------------------------- tensors of one dtype as one stream


class _Stream:
    """The bytes of tensors of one dtype, one after the other, by name."""

    def __init__(self, leaves: list[tuple[str, objects.Leaf]]) -> None:
        self.names = [name for name, _ in leaves]
        self.shapes = [list(leaf.shape) for _, leaf in leaves]
        self._parts = [leaf.raw for _, leaf in leaves]
        self._ends = list(accumulate(map(len, self._parts)))
        self.size = self._ends[-1]
        self.codec, self.params = codec_for(leaves[0][1], None)
        self.unit = leaves[0][1].itemsize
        self._digest = b""

    def pieces(self, start: int, stop: int) -> Iterator[memoryview]:
        k = bisect_right(self._ends, start)
        while start < stop:
            first = self._ends[k] - len(self._parts[k])
            piece = self._parts[k][start - first : stop - first]
            yield piece
            start += len(piece)
            k += 1

    def read(self, start: int, stop: int) -> memoryview:
        found = list(self.pieces(start, stop))
        return found[0] if len(found) == 1 else memoryview(b"".join(found))

    def place(self, start: int, stop: int) -> memoryview | None:
        """The memory of these bytes, unless they lie in several tensors."""
        k = bisect_right(self._ends, start)
        first = self._ends[k] - len(self._parts[k])
        return self._parts[k][start - first : stop - first] if stop <= self._ends[k] else None

    def write(self, start: int, block: memoryview) -> None:
        done = 0
        for piece in self.pieces(start, start + len(block)):
            piece[:] = block[done : done + len(piece)]
            done += len(piece)

    def equals(self, other: _Stream) -> bool:
        """Whether all bytes are those of `other`, whose tensors have the same names and shapes. Stops at the first that are not."""
        for a, b in zip(self._parts, other._parts, strict=True):
            for start in range(0, len(a), _STEP):
                if bytes(a[start : start + _STEP]) != bytes(b[start : start + _STEP]):
                    return False
        return True

    def digest(self) -> bytes:
        """The content hash, taken once."""
        if not self._digest:
            whole = ContentHash()
            for piece in self._parts:
                whole.update(piece)
            self._digest = whole.digest()
        return self._digest

    hash = property(digest)

    def source(self) -> _Source:
        return _Source(self)


@dataclass
class _Source:
    """A stream as the container's writer takes it."""

    stream: _Stream
    position: int = 0

    @property
    def size(self) -> int:
        return self.stream.size

    def head(self, size: int) -> bytes:
        return self.read_at(0, size)

    def read_at(self, start: int, size: int) -> bytes:
        return bytes(self.stream.read(start, min(start + size, self.stream.size)))

    def take(self, size: int) -> memoryview:
        start, self.position = self.position, min(self.position + size, self.stream.size)
        return self.stream.read(start, self.position)


@dataclass
class _Finder:
    """The old stream of the same dtype is the base of each new one."""

    streams: dict[str, _Stream]

    def by_name(self, entry: str, size: int) -> _Stream | None:
        return self.streams.get(entry)

    def for_view(self, entry: str, view: View, digest: Callable[[], bytes] | None) -> None:
        return None


def _streams(tensors: Tensors, *, writable: bool = False) -> dict[str, _Stream]:
    """By dtype; names sorted, tensors without elements left out."""
    leaves: dict[str, list[tuple[str, objects.Leaf]]] = {}
    for name in sorted(tensors):
        leaf = objects.leaf(tensors[name])
        if leaf is None or leaf.type not in ("ndarray", "torch"):
            raise TypeError(f"{name}: a numpy array or a torch tensor is needed, not {type(tensors[name]).__name__}")
        if writable and len(leaf.raw) and (leaf.raw.readonly or not _in_place(tensors[name])):
            raise ValueError(f"{name}: only contiguous, writable arrays in the CPU's memory can be changed in place")
        if len(leaf.raw):
            leaves.setdefault(leaf.dtype, []).append((name, leaf))
    return {dtype: _Stream(found) for dtype, found in leaves.items()}


def _in_place(tensor: Any) -> bool:
    flags = getattr(tensor, "flags", None)
    if flags is not None:
        return bool(flags.c_contiguous)
    return bool(tensor.is_contiguous() and tensor.device.type == "cpu" and not (tensor.is_conj() or tensor.is_neg()))


def _layout(streams: Mapping[str, _Stream]) -> dict[str, tuple[str, list[int]]]:
    return {name: (dtype, shape) for dtype, stream in streams.items() for name, shape in zip(stream.names, stream.shapes, strict=True)}


def _check_alike(one: Mapping[str, _Stream], other: Mapping[str, _Stream], what: str) -> None:
    _check_layouts(_layout(one), _layout(other), what)


def _check_layouts(a: dict[str, tuple[str, list[int]]], b: dict[str, tuple[str, list[int]]], what: str) -> None:
    for name in sorted({*a, *b}):
        if a.get(name) != b.get(name):
            first, second = (f"{x[name][0]} {tuple(x[name][1])}" if name in x else "missing" for x in (a, b))
            raise ValueError(f"{what} differ in {name!r}: {first} and {second}")


# ---------------------------------------------------------------------- the patch


def _index_of(before: Mapping[str, _Stream], changed: Mapping[str, _Stream]) -> bytes:
    index = {
        "format": _FORMAT,
        "tensors": {dtype: list(zip(stream.names, stream.shapes, strict=True)) for dtype, stream in before.items()},
        "old": {dtype: before[dtype].digest().hex() for dtype in changed},
    }
    return json.dumps(index, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


def _check_index(data: bytes, streams: Mapping[str, _Stream]) -> dict[str, bytes]:
    """Hashes that the streams must have, by dtype, after comparing names and shapes."""
    try:
        index = json.loads(data.decode("utf-8", "surrogatepass"))
        if index["format"] != _FORMAT:
            raise ValueError("unknown format")
        there = {name: (dtype, shape) for dtype, tensors in index["tensors"].items() for name, shape in tensors}
        hashes = {dtype: bytes.fromhex(digest) for dtype, digest in index["old"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CorruptDataError("the patch's list of tensors is damaged, or of a newer version") from error
    _check_layouts(there, _layout(streams), "the patch and the weights")
    if not hashes.keys() <= streams.keys():
        raise CorruptDataError("the patch changes tensors that it does not list")
    return hashes


def _resolver(streams: Mapping[str, _Stream]) -> Callable[..., _Stream | None]:
    """Bases by their hash before anything was changed."""
    by_hash = {stream.digest(): stream for stream in streams.values()}
    return lambda digest, busy: by_hash.get(digest)


def _apply_to_file(path: Path, patch: Any) -> None:
    with api.open(bytes(patch), base=path, jobs=1) as archive:
        handle, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                for block in archive.blocks(""):
                    file.write(block)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(part, path.stat().st_mode & 0o7777)
            os.replace(part, path)
        except BaseException:
            Path(part).unlink(missing_ok=True)
            raise
