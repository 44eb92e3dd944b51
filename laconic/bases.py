"""Bases for delta coding: where the bytes come from that a frame was, or may be, coded against."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from laconic import registry
from laconic.choice import layout_of
from laconic.container import format as f
from laconic.container.codec import View
from laconic.container.hashing import ContentHash, check_and_feed
from laconic.container.source import FileSource
from laconic.container.views import ViewHashes
from laconic.errors import CorruptDataError

if TYPE_CHECKING:
    from laconic.archive import ArchiveReader


@dataclass(frozen=True, slots=True)
class Base:
    """An entry, or a tensor in a plain file, whose bytes can be had."""

    hash: bytes
    size: int
    place: tuple[object, ...]  # what tells it from another entry of the same content
    _read: Callable[[int, int], bytes | memoryview] = field(compare=False)
    dtype: str = field(default="", compare=False)  # of a tensor
    shape: tuple[int, ...] = field(default=(), compare=False)

    def read(self, start: int, stop: int) -> memoryview:
        return memoryview(self._read(start, stop))

    def is_like(self, view: View) -> bool:
        return self.dtype == view.dtype and self.size == view.size


class Bases:
    """Bases given by the user (archives, plain files, folders of them), and the entries of the archive that is being read (`own`)."""

    def __init__(self, base: Any, open_archive: Callable[..., ArchiveReader], own: ArchiveReader | None = None) -> None:
        self._open_archive = open_archive  # of a path or bytes; given, since archives themselves are built on bases
        self.parent: Bases | None = None  # where else to look: a base may itself need another one that was given
        given = [] if base is None else list(base) if isinstance(base, (list, tuple)) else [base]
        self.given = bool(given)
        self._own = own
        self._own_hashes: dict[bytes, list[Base]] | None = None
        self._sources = [self._open(item) for item in given]

    def _open(self, item: Any) -> _Source:
        if isinstance(item, (bytes, bytearray, memoryview)):
            return self._archive(self._open_archive(item, jobs=1))
        if not isinstance(item, (str, os.PathLike)):
            return _ArchiveBases(item, owned=False)
        if os.path.isdir(item):
            return _FolderBases(Path(item), self._open_file)
        return self._open_file(Path(item))

    def _open_file(self, path: Path) -> _ArchiveBases | _FileBases:
        with open(path, "rb") as file:
            magic = file.read(len(f.MAGIC))
        if magic == f.MAGIC:
            return self._archive(self._open_archive(path, jobs=1))
        return _FileBases(path)

    def _archive(self, archive: ArchiveReader) -> _ArchiveBases:
        archive._bases.parent = self
        return _ArchiveBases(archive, owned=True)

    def by_name(self, entry: str, size: int) -> Base | None:
        """A base for the file or object `entry`, with the same raw size (-1: any)."""
        for source in self._sources:
            base = source.entry(entry)
            if base is not None and size in (-1, base.size):
                return base
        return None

    def for_view(self, entry: str, view: View, digest: Callable[[], bytes] | None) -> Base | None:
        """A base for the tensor `view` in `entry`, of the same dtype and size.

        In this order: the tensor of this name in the file of this name; a tensor of this name and shape in any file (shards are cut
        differently); a tensor of this content, whatever its name. `digest` gives the content hash, where the bytes can be read ahead.
        """
        for source in self._sources:
            base = source.tensor(entry, view.name)
            if base is not None and base.is_like(view):
                return base
        alike = [base for source in self._sources for base in source.tensors(view.name)]
        for base in alike:
            if base.is_like(view) and base.shape == view.shape:
                return base
        if digest is not None and any(source.may_hold(view) for source in self._sources):
            content = digest()
            for source in self._sources:
                if (base := source.by_hash(content, ())) is not None:
                    return base
        return None

    def by_hash(self, digest: bytes, busy: Collection[object] = ()) -> Base | None:
        """An entry with this content that is not `busy`: an entry that did not change has its base's hash and must not find itself.

        What was given comes first, then what the archive that asked was given, then the archive's own entries, oldest first.
        """
        for source in self._sources:
            base = source.by_hash(digest, busy)
            if base is not None:
                return base
        found = self.parent.by_hash(digest, busy) if self.parent else None
        if found is None and self._own is not None:
            if self._own_hashes is None:
                self._own_hashes = _hashes(self._own)
            found = _idle(self._own_hashes.get(digest, ()), busy)
        return found

    def close(self) -> None:
        for source in self._sources:
            source.close()


class _Source(Protocol):
    """One thing that the user gave as a base."""

    def entry(self, name: str) -> Base | None:
        """The file or object called `name`."""
        ...

    def tensor(self, entry: str, name: str) -> Base | None:
        """The tensor `name` in the file `entry`."""
        ...

    def tensors(self, name: str) -> Iterable[Base]:
        """Tensors called `name` in any file."""
        ...

    def may_hold(self, view: View) -> bool:
        """Whether some tensor has the view's dtype and size."""
        ...

    def by_hash(self, digest: bytes, busy: Collection[object]) -> Base | None: ...

    def close(self) -> None: ...


def _hashes(archive: ArchiveReader) -> dict[bytes, list[Base]]:
    table: dict[bytes, list[Base]] = {}
    for part in archive._reader.parts:
        for entry in part.entries:
            if entry.hash and entry.size:
                table.setdefault(entry.hash, []).append(_entry_base(archive, part, entry))
    return table


def _idle(bases: Iterable[Base], busy: Collection[object]) -> Base | None:
    return next((base for base in bases if base not in busy), None)


def _entry_base(archive: ArchiveReader, part: Any, entry: Any) -> Base:
    def read(start: int, stop: int) -> bytes | memoryview:
        # In this thread: it knows which bases are being read, and so where a chain of them ends.
        blocks = list(archive._reader.blocks(part, entry, start, stop, jobs=1))
        return blocks[0] if len(blocks) == 1 else b"".join(blocks)

    return Base(entry.hash, entry.size, (id(archive), id(part), entry.stream, entry.start), read, entry.dtype, entry.shape)


def _below_root(name: str) -> str:
    """`name` without its first folder: what is encoded as NEW/x has OLD/x as its base."""
    return name.partition("/")[2] or name


class _ArchiveBases:
    def __init__(self, archive: ArchiveReader, *, owned: bool) -> None:
        self._archive = archive
        self._owned = owned
        self._table = _hashes(archive)
        files = [name for name in archive.names() if archive.entry(name).type == "file"]
        self._only = files[0] if len(files) == 1 else None
        self._below_root = {_below_root(name): name for name in reversed(files)}
        self._tensors: dict[str, list[str]] = {}
        self._kinds: set[tuple[str, int]] = set()
        for name in archive.names():
            entry = archive.entry(name)
            if entry.type == "tensor":
                self._tensors.setdefault(name.rpartition("/")[2], []).append(name)
                self._kinds.add((entry.dtype, entry.size))

    def entry(self, name: str) -> Base | None:
        return next((base for holder in self._holders(name) if (base := self._base(holder)) is not None), None)

    def tensor(self, entry: str, name: str) -> Base | None:
        full = (f"{holder}/{name}" if holder else name for holder in self._holders(entry))
        return next((base for held in full if (base := self._base(held)) is not None), None)

    def tensors(self, name: str) -> Iterable[Base]:
        return [base for held in self._tensors.get(name, ()) if (base := self._base(held)) is not None]

    def may_hold(self, view: View) -> bool:
        return (view.dtype, view.size) in self._kinds

    def _holders(self, name: str) -> list[str]:
        """Names under which the file or object `name` may be in the archive, likeliest first."""
        found = [name, self._below_root.get(_below_root(name)), self._only]
        return [holder for holder in found if holder is not None]

    def _base(self, name: str) -> Base | None:
        if name not in self._archive:
            return None
        found = self._table.get(self._archive.entry(name).hash)
        return found[0] if found else None

    def by_hash(self, digest: bytes, busy: Collection[object]) -> Base | None:
        return _idle(self._table.get(digest, ()), busy)

    def close(self) -> None:
        if self._owned:
            self._archive.close()


class _FileBases:
    """A plain file: itself, and the tensors that its codec finds in it. It is hashed once, and opened again for each range."""

    def __init__(self, path: Path) -> None:
        self._path = path
        whole, views = ContentHash(), ViewHashes()
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            source = FileSource(file, size)
            codec = registry.get(registry.sniff(source.head(registry.SNIFF_BYTES), size))
            for item in layout_of(codec, source)[0]:
                if isinstance(item, View):
                    views.add(item)
            start = 0
            while len(raw := source.take(1 << 20)):
                check_and_feed(raw, whole, *views.update(start, raw))
                start += len(raw)
        self._whole = self._base(0, size, whole.digest())
        self._views = {view.name: self._base(view.start, view.size, digest, view) for view, digest in views.finished()}

    def _base(self, start: int, size: int, digest: bytes, view: View | None = None) -> Base:
        def read(a: int, b: int) -> bytes:
            with open(self._path, "rb") as file:
                file.seek(start + a)
                raw = file.read(b - a)
            if len(raw) < b - a:
                raise CorruptDataError(f"{self._path}: the base became shorter after it was opened")
            return raw

        place = (str(self._path), start, size)
        return Base(digest, size, place, read, view.dtype if view else "", view.shape if view else ())

    def entry(self, name: str) -> Base | None:
        return self._whole

    def tensor(self, entry: str, name: str) -> Base | None:
        return self._views.get(name)

    def tensors(self, name: str) -> Iterable[Base]:
        return [self._views[name]] if name in self._views else []

    def may_hold(self, view: View) -> bool:
        return any(base.is_like(view) for base in self._views.values())

    def by_hash(self, digest: bytes, busy: Collection[object]) -> Base | None:
        return _idle((base for base in (self._whole, *self._views.values()) if base.hash == digest), busy)

    def close(self) -> None:
        pass


class _FolderBases:
    """A folder: each file in it, by its path below the folder, and all of them for what is looked up by tensor or content."""

    def __init__(self, path: Path, open_file: Callable[[Path], _ArchiveBases | _FileBases]) -> None:
        self._files: dict[str, _ArchiveBases | _FileBases] = {}
        for folder, folders, names in os.walk(path):
            folders.sort()
            for name in sorted(names):
                file = Path(folder) / name
                if stat.S_ISREG(file.lstat().st_mode):
                    self._files[file.relative_to(path).as_posix()] = open_file(file)

    def _file(self, entry: str) -> _ArchiveBases | _FileBases | None:
        found = (self._files.get(name) for name in (_below_root(entry), entry, entry.rpartition("/")[2]))
        return next((file for file in found if file is not None), None)

    def entry(self, name: str) -> Base | None:
        file = self._file(name)
        return file.entry(name) if file is not None else None

    def tensor(self, entry: str, name: str) -> Base | None:
        file = self._file(entry)
        return file.tensor(entry, name) if file is not None else None

    def tensors(self, name: str) -> Iterable[Base]:
        return [base for file in self._files.values() for base in file.tensors(name)]

    def may_hold(self, view: View) -> bool:
        return any(file.may_hold(view) for file in self._files.values())

    def by_hash(self, digest: bytes, busy: Collection[object]) -> Base | None:
        found = (file.by_hash(digest, busy) for file in self._files.values())
        return next((base for base in found if base is not None), None)

    def close(self) -> None:
        for file in self._files.values():
            file.close()
