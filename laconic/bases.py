"""Bases for delta coding: where the bytes come from that a frame was, or may be, coded against."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xxhash

from laconic import registry
from laconic.choice import layout_of
from laconic.container import format as f
from laconic.container.codec import View
from laconic.container.source import FileSource
from laconic.container.views import ViewHashes

if TYPE_CHECKING:
    from laconic.archive import ArchiveReader


@dataclass(frozen=True, slots=True)
class Base:
    """An entry, or a tensor in a plain file, whose bytes can be had."""

    hash: bytes
    size: int
    place: tuple[int, ...]  # what tells it from another entry of the same content
    _read: Callable[[int, int], bytes] = field(compare=False)

    def read(self, start: int, stop: int) -> memoryview:
        return memoryview(self._read(start, stop))


class Bases:
    """Bases given by the user (archives or plain files), and the entries of the archive that is being read (`own`)."""

    def __init__(self, base: Any, open_archive: Callable[..., ArchiveReader], own: ArchiveReader | None = None) -> None:
        self._open_archive = open_archive  # of a path or bytes; given, since archives themselves are built on bases
        self.parent: Bases | None = None  # where else to look: a base may itself need another one that was given
        given = [] if base is None else list(base) if isinstance(base, (list, tuple)) else [base]
        self.given = bool(given)
        self._own = own
        self._own_hashes: dict[bytes, list[Base]] | None = None
        self._sources = [self._open(item) for item in given]

    def _open(self, item: Any) -> _ArchiveBases | _FileBases:
        if isinstance(item, (bytes, bytearray, memoryview)):
            return self._archive(self._open_archive(item, jobs=1))
        if not isinstance(item, (str, os.PathLike)):
            return _ArchiveBases(item, owned=False)
        with open(item, "rb") as file:
            magic = file.read(len(f.MAGIC))
        if magic == f.MAGIC:
            return self._archive(self._open_archive(item, jobs=1))
        return _FileBases(Path(item))

    def _archive(self, archive: ArchiveReader) -> _ArchiveBases:
        archive._bases.parent = self
        return _ArchiveBases(archive, owned=True)

    def by_name(self, entry: str, view: str, size: int) -> Base | None:
        """A base for `entry` (or the tensor `view` in it) with the same raw size (-1: any)."""
        for source in self._sources:
            base = source.by_name(entry, view)
            if base is not None and size in (-1, base.size):
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
    def read(start: int, stop: int) -> bytes:
        # In this thread: it knows which bases are being read, and so where a chain of them ends.
        return b"".join(archive._reader.blocks(part, entry, start, stop, jobs=1))

    return Base(entry.hash, entry.size, (id(archive), id(part), entry.stream, entry.start), read)


class _ArchiveBases:
    def __init__(self, archive: ArchiveReader, *, owned: bool) -> None:
        self._archive = archive
        self._owned = owned
        self._table = _hashes(archive)
        files = [name for name in archive.names() if archive.entry(name).type == "file"]
        self._only = files[0] if len(files) == 1 else None

    def by_name(self, entry: str, view: str) -> Base | None:
        names = [entry] if self._only is None else [entry, self._only]
        for name in names:
            full = f"{name}/{view}" if view and name else name or view
            if full in self._archive:
                found = self._table.get(self._archive.entry(full).hash)
                if found:
                    return found[0]
        return None

    def by_hash(self, digest: bytes, busy: Collection[object]) -> Base | None:
        return _idle(self._table.get(digest, ()), busy)

    def close(self) -> None:
        if self._owned:
            self._archive.close()


class _FileBases:
    """A plain file: itself, and the tensors that its codec finds in it."""

    def __init__(self, path: Path) -> None:
        self._file = open(path, "rb")
        size = os.fstat(self._file.fileno()).st_size
        source = FileSource(self._file, size)
        codec = registry.get(registry.sniff(source.head(registry.SNIFF_BYTES), size))
        whole, views = xxhash.xxh3_128(), ViewHashes()
        for item in layout_of(codec, source)[0]:
            if isinstance(item, View):
                views.add(item)
        start = 0
        while len(raw := source.take(1 << 20)):
            whole.update(raw)
            views.update(start, raw)
            start += len(raw)
        self._whole = self._base(0, size, whole.digest())
        self._views = {view.name: self._base(view.start, view.size, digest) for view, digest in views.finished()}

    def _base(self, start: int, size: int, digest: bytes) -> Base:
        fd = self._file.fileno()
        return Base(digest, size, (id(self), start), lambda a, b: os.pread(fd, b - a, start + a))

    def by_name(self, entry: str, view: str) -> Base | None:
        return self._views.get(view) if view else self._whole

    def by_hash(self, digest: bytes, busy: Collection[object]) -> Base | None:
        return _idle((base for base in (self._whole, *self._views.values()) if base.hash == digest), busy)

    def close(self) -> None:
        self._file.close()
