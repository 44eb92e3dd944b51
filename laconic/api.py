"""`laconic.encode`, `laconic.decode` and `laconic.open`."""

from __future__ import annotations

import os
from typing import Any, BinaryIO, Literal, overload

from laconic import objects
from laconic.archive import ArchiveReader, ArchiveWriter, open_reader, open_writer
from laconic.archive.checks import check_level
from laconic.choice import codec_for
from laconic.container.format import MAX_NESTING
from laconic.container.sink import MemorySink
from laconic.container.source import BufferBytes
from laconic.container.table import Entry
from laconic.container.writer import pack_object
from laconic.errors import LimitError

HOLDERS = frozenset({"dict", "odict", "list", "tuple", "file"})  # entries that others belong to, as NAME/KEY
SINGLE_MAX = 1 << 20  # objects up to this size become one frame without an index


def encode(obj: Any, kind: str | None = None, level: str = "default", *, jobs: int | None = None, base: Any = None) -> bytes:
    """Encode one object into a self-contained `.lac` blob.

    `obj`: bytes, bytearray, memoryview; a numpy array or scalar of any dtype without Python objects (a dtype's flag `aligned` and
    its `metadata` are not kept); a torch tensor; a Pillow image (mode, pixels, palette, and of its `info` `transparency`,
    `icc_profile` and `exif`); a dict, list or tuple of these, nested as you like (a state dict); or a `pathlib.Path`, whose file
    content is encoded. `kind` forces a codec (see `laconic.kinds()`); `level` is one of fast, default,
    high, max; `jobs` threads are used (default: all processors; the bytes do not depend on it); `base`: an archive or file that
    the decoder will have too, to code differences against.

    Raises TypeError for an object that would not come back exactly, ValueError for an unknown level, UnsupportedError for an unknown kind.

    >>> import laconic, numpy as np
    >>> x = np.arange(6, dtype=np.float32).reshape(2, 3)
    >>> y = laconic.decode(laconic.encode(x))
    >>> y.dtype, y.shape, bool((x == y).all())
    (dtype('float32'), (2, 3), True)
    >>> laconic.decode(laconic.encode({"w": x, "step": 7}))["step"]
    7
    """
    check_level(level)
    if base is None and not isinstance(obj, os.PathLike):
        leaf = objects.leaf(obj)
        if leaf is not None and not leaf.meta and len(leaf.raw) <= SINGLE_MAX:
            codec, params = codec_for(leaf, kind)
            entry = Entry("", leaf.type, codec.name, leaf.dtype, leaf.shape)
            parts = pack_object(entry, leaf.raw, codec, params, level)
            if parts is not None:
                return b"".join(parts)
    sink = MemorySink(_room(obj))
    with ArchiveWriter(sink, level=level, jobs=jobs, base=base) as archive:
        archive.add("", obj, kind=kind)
    return sink.getvalue()


def _room(obj: Any) -> int:
    """Bytes that encoding an object may take, about."""
    try:
        return os.path.getsize(obj) if isinstance(obj, os.PathLike) else _raw_size(obj)
    except OSError:
        return 0


def _raw_size(obj: Any, depth: int = 0) -> int:
    """Bytes of the arrays in an object, about."""
    if isinstance(obj, (dict, list, tuple)):
        items = obj.values() if isinstance(obj, dict) else obj
        return sum(_raw_size(item, depth + 1) for item in items) if depth < MAX_NESTING else 0
    size = len(obj) if isinstance(obj, (bytes, bytearray)) else getattr(obj, "nbytes", 0)
    return size if isinstance(size, int) else 0


def decode(blob: Any, *, base: Any = None, jobs: int | None = None, max_size: int | None = None) -> Any:
    """The object in `blob` (bytes-like), exactly as it was given to `encode`: same type, dtype, shape and bits.

    A file's content comes back as bytes. A blob that holds several named entries gives a dict of them. `base`: what `encode` was given
    as base. `max_size`: refuse to make an object of more bytes than this.

    Raises CorruptDataError if the blob is damaged or no archive, UnsupportedError (MissingBaseError) if this installation lacks what it
    takes, LimitError.

    >>> import laconic
    >>> laconic.decode(laconic.encode(b"spam" * 1000)) == b"spam" * 1000
    True
    """
    with ArchiveReader(BufferBytes(blob, "blob"), base=base, jobs=jobs, max_size=max_size, strict=True) as archive:
        names = archive.names()
        if max_size is not None and sum(archive.entry(name).size for name in names) > max_size:
            raise LimitError(f"the blob decodes to more than max_size={max_size} bytes")
        if "" in archive and archive.entry("").type not in ("dir", "symlink"):
            return archive[""]
        # Items of a container and tensors of a file come with what holds them; folders and links have no content.
        holders = {name for name in names if archive.entry(name).type in HOLDERS}
        top = [name for name in names if name.rpartition("/")[0] not in holders and archive.entry(name).type not in ("dir", "symlink")]
        return {name: archive[name] for name in top}


@overload
def open(
    file: str | os.PathLike[str] | BinaryIO | bytes, mode: Literal["r"] = "r", *, jobs: int | None = None, base: Any = None,
    max_size: int | None = None, recover: bool = False,
) -> ArchiveReader: ...  # fmt: skip
@overload
def open(
    file: str | os.PathLike[str] | BinaryIO, mode: Literal["w", "a"], *, level: str = "default", jobs: int | None = None,
    base: Any = None,
) -> ArchiveWriter: ...  # fmt: skip
def open(file: Any, mode: str = "r", **options: Any) -> Any:
    """Open an archive for reading ("r"), writing ("w") or appending ("a").

    `file`: a path, or a binary file object (a pipe will do for "w"; for "r" a pipe is copied to a temporary file first). Reading also
    takes the bytes of an archive.

    "r": an `ArchiveReader`, a mapping from names to objects with `read(name, start, stop)` for ranges. `recover=True` reads what is intact
    in a torn or damaged archive; `base` is what the archive was coded against; `max_size` bounds the bytes of one object.
    "w": an `ArchiveWriter` with `add(name, obj)`. On a path, the archive appears under its name only when it is complete.
    "a": the same, on an existing archive in place (made if missing); what was in it stays readable if the process is killed.

    >>> import laconic, tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "run.lac"
    >>> with laconic.open(path, "w") as archive:
    ...     archive.add("notes", b"first")
    >>> with laconic.open(path, "a") as archive:
    ...     archive.add("more", [1, 2.5, None])
    >>> with laconic.open(path) as archive:
    ...     archive.names()[:2], archive["notes"], archive["more"]
    (['notes', 'more'], b'first', [1, 2.5, None])
    """
    if mode == "r":
        return open_reader(file, **options)
    if mode in ("w", "a"):
        return open_writer(file, mode, **options)
    raise ValueError(f"mode must be 'r', 'w' or 'a', not {mode!r}")
