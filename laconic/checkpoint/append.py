"""One step onto the end of an archive: a part of its own with its index, so that a crash leaves all earlier steps as they were."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np

from laconic import registry
from laconic.archive.reader import ArchiveReader
from laconic.checkpoint import optimizers
from laconic.checkpoint.groups import Plan
from laconic.checkpoint.manifest import Group, Manifest
from laconic.checkpoint.snapshot import Snapshot
from laconic.checkpoint.steps import StepInfo, find_steps, group_name, read_manifest
from laconic.codecs.checkpoint import layout as lay
from laconic.container import format as f
from laconic.container.base import BaseFinder
from laconic.container.codec import Piece, View
from laconic.container.reader import Reader
from laconic.container.sink import FileSink
from laconic.container.source import BufferSource, FileBytes
from laconic.container.table import Entry
from laconic.container.writer import Writer
from laconic.durable import lock, sync_folder
from laconic.errors import CorruptDataError, TornArchiveWarning

ReadBytes = Callable[[int, int], memoryview]  # (start, stop) in a group's stream


@dataclass(frozen=True, slots=True)
class Saved:
    """A step as it was written: its manifest with its content hash, and the content hash of each group."""

    info: StepInfo
    manifest: Manifest
    digest: bytes
    groups: list[bytes]


class Bases(Protocol):
    """Where the bytes of an earlier step come from."""

    def group(self, number: int, entry: Entry) -> ReadBytes | None:
        """The bytes of group `number`, which are `entry` in the archive; None if they are not here."""
        ...


class ArchiveBases:
    """The archive itself: frames are decoded as they are asked for."""

    def __init__(self, archive: ArchiveReader) -> None:
        self._archive = archive

    def group(self, number: int, entry: Entry) -> ReadBytes:
        part, found = self._archive._entry(entry.name)
        return lambda start, stop: memoryview(b"".join(self._archive._reader.blocks(part, found, start, stop, jobs=1)))


class Scratch:
    """The step that was saved last, raw in a file without a name: it takes no memory, and a crash leaves nothing of it."""

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)
        self._places: list[tuple[int, int, bytes]] = []  # (offset, size, content hash) by group

    def hold(self, snapshot: Snapshot, saved: Saved) -> None:
        """Keep this step instead of the one before; or none, where the disk is full."""
        self._places, places, at = [], [], 0
        try:
            for data, digest in zip(snapshot.data, saved.groups, strict=True):
                view = memoryview(data)  # type: ignore[arg-type]
                done = 0
                while done < len(view):
                    done += os.pwrite(self._file.fileno(), view[done : done + (1 << 26)], at + done)
                places.append((at, len(view), digest))
                at += len(view)
        except OSError:
            self._file.truncate(0)
            return
        self._places = places

    def group(self, number: int, entry: Entry) -> ReadBytes | None:
        """None unless this is what the archive holds: another writer may have written the step again."""
        if number >= len(self._places) or self._places[number][1:] != (entry.size, entry.hash):
            return None
        offset = self._places[number][0]

        def read(start: int, stop: int) -> memoryview:
            buffer = memoryview(np.empty(stop - start, np.uint8))  # type: ignore[arg-type]
            done = 0
            while done < len(buffer):
                n = os.preadv(self._file.fileno(), [buffer[done:]], offset + start + done)
                if n == 0:
                    raise OSError("the scratch file of a checkpoint stream became shorter")
                done += n
            return buffer

        return read

    def close(self) -> None:
        self._file.close()


class Stream:
    """An archive of checkpoints that is open for one append. A torn tail, what a crash left of a step, is cut off."""

    def __init__(self, path: Path) -> None:
        existed = path.exists()
        self._file: BinaryIO = open(path, "r+b" if existed else "w+b", buffering=0)
        self.archive: ArchiveReader | None = None
        try:
            lock(self._file, path)
            if not existed:
                sync_folder(path)
            self._cut_torn_tail(path)
            if self._size():
                self.archive = ArchiveReader(FileBytes(self._file, str(path), owned=False), jobs=1)
        except BaseException:
            self._file.close()
            raise
        self.steps = find_steps(self.archive) if self.archive is not None else {}

    def _size(self) -> int:
        return os.fstat(self._file.fileno()).st_size

    def _cut_torn_tail(self, path: Path) -> None:
        size = self._size()
        head = os.pread(self._file.fileno(), len(f.MAGIC), 0)
        if not f.MAGIC.startswith(head):
            raise CorruptDataError(f"{path}: not a laconic archive (the first bytes are not its magic)")
        end = 0
        if size >= f.HEADER_SIZE:
            reader = Reader(FileBytes(self._file, str(path), owned=False), registry.get)
            if reader.torn is None or reader._part_before(size) is not None:  # damage further up is no torn tail
                return
            end = reader.torn.complete_end
            if os.pread(self._file.fileno(), len(f.TRAILER_MAGIC), size - len(f.TRAILER_MAGIC)) == f.TRAILER_MAGIC:
                raise CorruptDataError(f"{path}: the archive is damaged; `laconic salvage` reads what is intact")
        if end < size:
            warnings.warn(
                f"{path}: the last write was interrupted; {size - end} bytes of an unfinished step are dropped",
                TornArchiveWarning,
                stacklevel=5,
            )
            self._file.truncate(end)
            os.fsync(self._file.fileno())

    def append(self, snapshot: Snapshot, *, key_every: int, level: str, jobs: int, bases: list[Bases], last: Saved | None) -> Saved:
        """Write `snapshot` as the last step. `last`: the step that was written before, where it is remembered."""
        manifest = snapshot.manifest
        base = self._base_for(manifest.step, key_every)
        past = self._manifest_of(base.step, last) if base is not None else None
        info = StepInfo(manifest.step, base.step if base else None, base.chain + 1 if base else 0, snapshot.size, len(self.steps))
        found: dict[str, _Base] = {}
        groups: list[bytes] = []
        codec = registry.get("checkpoint")
        with self._part(manifest, info, _Found(found), jobs) as (writer, digest):
            sources = self._bases(manifest, past, base, bases)
            for number, (plan, data, source) in enumerate(zip(snapshot.plans, snapshot.data, sources, strict=True)):
                name = f"{manifest.step}/{number}"
                if source is not None:
                    found[name] = source
                step = _step(plan, data, source, manifest.settings, past) if source is not None and past is not None else lay.Step()
                entry = Entry(name, "bytes", "checkpoint")
                groups.append(writer.add_stream(entry, BufferSource(data), _pieces(plan.group, step), codec, level).hash)
        return Saved(info, manifest, digest, groups)

    def _manifest_of(self, step: int, last: Saved | None) -> Manifest:
        assert self.archive is not None
        if last is not None and last.info.step == step and last.digest == self.archive.entry(str(step)).hash:
            return last.manifest
        return read_manifest(self.archive, step)

    def copy(self, source: ArchiveReader, info: StepInfo, manifest: Manifest) -> None:
        """Take over a step of another archive, frame by frame as they were coded; what it is coded against must be here."""
        with self._part(manifest, info, None, 1) as (writer, _):
            for number in range(len(manifest.groups)):
                part, entry = source._entry(group_name(source, manifest, number))
                stream = source._reader.check_extent(part, entry)
                frames = (source._reader.frame(stream, i) for i in range(len(stream.offsets))) if stream is not None else iter(())
                writer.add_coded(entry, frames)

    @contextmanager
    def _part(self, manifest: Manifest, info: StepInfo, find_base: BaseFinder | None, jobs: int) -> Iterator[tuple[Writer, bytes]]:
        """A part that begins with a step's manifest (whose hash is given), and ends with its index when all else was written."""
        parts = self.archive._reader.parts if self.archive is not None else []
        sink = FileSink(self._file, self._file.seek(0, os.SEEK_END), readable=True)
        writer = Writer(sink, registry.get, jobs=jobs, previous=list(parts), find_base=find_base)
        try:
            raw = manifest.pack()
            entry = writer.add_stream(
                Entry(str(manifest.step), meta=info.meta()), BufferSource(raw), (Piece(len(raw)),), registry.get("bytes"), "default"
            )
            yield writer, entry.hash
            writer.close()
        except BaseException:
            writer.stop()
            raise
        os.fsync(self._file.fileno())

    def _base_for(self, step: int, key_every: int) -> StepInfo | None:
        """The nearest step before `step`, unless it is time for a key step."""
        before = [info for info in self.steps.values() if info.step < step]
        base = max(before, key=lambda info: info.step) if before else None
        return base if base is not None and base.chain + 1 < key_every else None

    def _bases(self, manifest: Manifest, past: Manifest | None, base: StepInfo | None, bases: list[Bases]) -> Iterator[_Base | None]:
        """For each group, the same group of the base."""
        if base is None or past is None or self.archive is None:
            yield from (None for _ in manifest.groups)
            return
        places = {past.signature(group): number for number, group in enumerate(past.groups)}
        for group in manifest.groups:
            number = places.get(manifest.signature(group))
            if number is None or group.size == 0:
                yield None
                continue
            entry = self.archive.entry(group_name(self.archive, past, number))
            reads = (source.group(number, entry) for source in (*bases, ArchiveBases(self.archive)))
            read = next(found for found in reads if found is not None)
            yield _Base(entry.hash, entry.size, read)

    def close(self) -> None:
        if self.archive is not None:
            self.archive.close()
        self._file.close()


class _Found:
    """The bases of one step, for the writer: groups are found by name, and have no views."""

    def __init__(self, groups: dict[str, _Base]) -> None:
        self._groups = groups

    def by_name(self, entry: str, size: int) -> _Base | None:
        return self._groups.get(entry)

    def for_view(self, entry: str, view: View, digest: Callable[[], bytes] | None) -> None:
        return None


class _Base:
    """A group of an earlier step, as frames are coded against it. What was read last is kept: the sample of a step, then its frame."""

    def __init__(self, digest: bytes, size: int, read: ReadBytes) -> None:
        self.hash = digest
        self.size = size
        self._read = read
        self._last: tuple[int, int, memoryview] | None = None

    def read(self, start: int, stop: int) -> memoryview:
        if self._last is None or self._last[:2] != (start, stop):
            self._last = (start, stop, self._read(start, stop))
        return self._last[2]


def _pieces(group: Group, step: lay.Step) -> Iterator[Piece]:
    params = lay.pack([(m.role, m.element, m.floats) for m in group.members], step)
    for a, b in group.chunks():
        yield Piece((b - a) * group.element, params)


def _step(plan: Plan, data: Any, base: _Base, settings: dict[tuple[str, int], dict[str, Any]], past: Manifest) -> lay.Step:
    """The optimizer's step between base and now, tried on the first elements of a group."""
    if plan.settings is None or plan.settings[0] not in past.settings:
        return lay.Step()
    group = plan.group
    a, b = group.chunks()[0]
    now, before = memoryview(data)[: (b - a) * group.element], base.read(0, (b - a) * group.element)
    sample: tuple[dict[int, Any], dict[int, Any]] = ({}, {})
    start = 0
    for member in group.members:
        if member.floats == lay.FP32:
            stop = start + min(optimizers.SAMPLE, b - a) * member.width
            for part, raw in zip(sample, (now, before), strict=True):
                part[member.role] = raw[start:stop]
        start += (b - a) * member.width
    place, count = plan.settings
    return optimizers.step_between(optimizers.Sample(*sample), settings[place], past.settings[place], count)
