"""Objects, files and pipes into an archive."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, BinaryIO

from laconic import objects, registry
from laconic.archive.checks import available_jobs, check_level, check_meta, is_name
from laconic.archive.reader import ArchiveReader, open_reader
from laconic.bases import Bases
from laconic.choice import codec_for, layout_of, unit_of
from laconic.container import format as f
from laconic.container.codec import Codec, Piece, View
from laconic.container.sink import Sink
from laconic.container.source import BufferSource, FileSource, PipeSource, RawSource
from laconic.container.table import Entry
from laconic.container.writer import PACK_ENTRY, Tally, Writer


class ArchiveWriter:
    """An archive open for writing or appending. Made by `laconic.open(path, "w")` or `"a"`; usable as a context manager."""

    def __init__(
        self, sink: Sink, *, level: str = "default", jobs: int | None = None, base: Any = None,
        old: ArchiveReader | None = None, progress: Any = None,
    ) -> None:  # fmt: skip
        self._level = check_level(level)
        self._bases = Bases(base, open_reader)
        self._old = old
        self._names: set[str] = set(old.names()) if old is not None else set()
        self._containers: set[str] = set()
        self._parents: set[str] = set()  # names that others were added below
        self._writer = Writer(
            sink, registry.get, jobs=available_jobs(jobs), previous=old._reader.parts if old is not None else None,
            find_base=self._bases if base is not None else None, progress=progress,
        )  # fmt: skip

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def add(self, name: str, obj: Any, *, kind: str | None = None, level: str | None = None, meta: dict[str, Any] | None = None) -> None:
        """Encode `obj` as the entry `name`.

        `obj`: bytes-like, a numpy array or scalar, a torch tensor, a Pillow image, a pathlib.Path (the file's content, kind found by
        content), or a dict, list or tuple of these (and of None, bool, int, float, str inside). `kind` forces a codec, `level` one of
        fast, default, high, max. `meta`: a map with text keys and plain values, at most 64 KiB. Raises TypeError for objects that would
        not come back exactly, ValueError for a name that is taken.
        """
        level = check_level(level or self._level)
        meta = check_meta(name, meta)
        if isinstance(obj, os.PathLike):
            self.add_file(obj, name, kind=kind, level=level, meta=meta)
            return
        self._add(name, obj, kind, level, meta, depth=0)

    def _add(self, name: str, obj: Any, kind: str | None, level: str, meta: dict[str, Any], *, depth: int) -> None:
        leaf = objects.leaf(obj)
        if leaf is None and depth:
            leaf = objects.text_leaf(obj)
        if not depth:
            self._check_parents(name)
        if leaf is not None:
            self._add_leaf(name, leaf, kind, level, meta)
            return
        container = objects.container_type(obj)
        if container is not None:
            if name in self._parents:
                raise ValueError(f"entries below {name!r} were added before; they would become items of the {container}")
            self._writer.add_entry(Entry(self._claim(name), container, meta=meta))
            self._containers.add(name)
            if depth == f.MAX_NESTING:
                raise ValueError(f"{name[:80]!r}: nested too deep (more than {f.MAX_NESTING} levels, or a container inside itself)")
            for key, value in objects.children(obj):
                self._add(f"{name}/{key}" if name else key, value, kind, level, {}, depth=depth + 1)
            return
        value = objects.value_meta(obj) if depth else None
        if value is None:
            raise objects.refuse(obj)
        self._writer.add_entry(Entry(self._claim(name), "value", meta=value))

    def _add_leaf(self, name: str, leaf: objects.Leaf, kind: str | None, level: str, meta: dict[str, Any]) -> None:
        codec, params = codec_for(leaf, kind)
        entry = Entry(self._claim(name), leaf.type, codec.name, leaf.dtype, leaf.shape, meta=meta | leaf.meta)
        if len(leaf.raw) < PACK_ENTRY and not self._bases.given:
            self._writer.add_small(entry, bytes(leaf.raw), codec, params, level)
            return
        piece = Piece(len(leaf.raw), params, unit=unit_of(codec, params, leaf))
        self._writer.add_stream(entry, BufferSource(leaf.raw), (piece,), codec, level)

    def add_file(
        self, path: str | os.PathLike[str], name: str, *, kind: str | None = None, level: str | None = None,
        meta: dict[str, Any] | None = None,
    ) -> Entry | None:  # fmt: skip
        """Encode the content of the regular file `path` as `name`, with its mode and modification time."""
        with open(path, "rb") as file:
            stat = os.fstat(file.fileno())
            meta = {"mode": stat.st_mode & 0o7777, "mtime_ns": stat.st_mtime_ns} | check_meta(name, meta)
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
        return self._add_source(PipeSource(file), name, kind, check_level(level or self._level), check_meta(name, meta))

    def _add_source(self, source: RawSource, name: str, kind: str | None, level: str, meta: dict[str, Any]) -> Entry | None:
        self._check_parents(name)
        codec = registry.get(kind or registry.sniff(source.head(registry.SNIFF_BYTES), source.size))
        if source.size is not None and source.size < PACK_ENTRY and codec.name == "bytes" and not self._bases.given:
            raw = bytes(source.take(source.size))
            self._writer.add_small(Entry(self._claim(name), "file", "bytes", meta=meta), raw, codec, b"", level)
            return None
        layout, codec = layout_of(codec, source)
        entry = Entry(self._claim(name), "file", codec.name, meta=meta)
        return self._writer.add_stream(entry, source, self._claim_views(name, layout), codec, level, announce=True)

    def _claim_views(self, name: str, layout: Iterator[Piece | View]) -> Iterator[Piece | View]:
        """`layout` without the views whose names are taken (a tensor in a file never hides an entry of its own) or can't be names."""
        for item in layout:
            if isinstance(item, View):
                full = f"{name}/{item.name}" if name else item.name
                if full in self._names or not is_name(full):
                    continue
                self._names.add(full)
            yield item

    def add_stream(
        self, name: str, source: RawSource, pieces: Iterable[Piece | View], codec: Codec, *, meta: dict[str, Any] | None = None,
        level: str | None = None,
    ) -> Entry:  # fmt: skip
        """An entry of type bytes whose raw bytes come from `source`, cut and coded as `pieces` say: for kinds with writers of their own."""
        self._check_parents(name)
        entry = Entry(self._claim(name), "bytes", codec.name, meta=check_meta(name, meta))
        return self._writer.add_stream(entry, source, pieces, codec, check_level(level or self._level))

    def add_special(self, name: str, type_: str, meta: dict[str, Any]) -> None:
        """A folder or a symbolic link (type "dir" or "symlink")."""
        self._writer.add_entry(Entry(self._claim(name), type_, meta=meta))

    def _claim(self, name: str) -> str:
        if not is_name(name):
            raise ValueError(f"the name {name[:40]!r} is longer than {f.MAX_NAME} bytes, or holds lone surrogates")
        if name in self._names:
            raise ValueError(f"the archive already has an entry {name!r}")
        self._names.add(name)
        return name

    def _check_parents(self, name: str) -> None:
        """An entry added as `a/b` would become an item of a dict or list that was added as `a`."""
        parent = name
        while "/" in parent:
            parent = parent.rpartition("/")[0]
            self._parents.add(parent)
            before = self._old is not None and parent in self._old and self._old.entry(parent).type in objects.CONTAINER_TYPES
            if before or parent in self._containers:
                raise ValueError(f"{name!r} would become an item of the container {parent!r}")

    @property
    def raw_bytes(self) -> int:
        """Raw bytes written so far."""
        return self._writer.raw_bytes

    @property
    def stored_bytes(self) -> int:
        """Bytes of the archive written by this writer so far, headers and index included."""
        return self._writer.stored_bytes

    @property
    def kinds(self) -> dict[str, Tally]:
        """Number of entries, raw and stored bytes of each kind written so far."""
        return self._writer.tallies

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
