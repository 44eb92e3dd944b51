"""Fewer steps in less space: an archive is written anew without some of them, and takes the old one's place when it is complete."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from laconic.archive.reader import ArchiveReader
from laconic.checkpoint.append import Stream
from laconic.checkpoint.groups import Plan
from laconic.checkpoint.manifest import Manifest
from laconic.checkpoint.snapshot import Snapshot
from laconic.checkpoint.steps import StepInfo, group_name, prove, read_manifest
from laconic.checkpoint.writer import KEY_EVERY
from laconic.container import format as f
from laconic.durable import open_temporary, sync_folder


def select(steps: Collection[int], *, last: int | None = None, every: int | None = None, keep: Collection[int] = ()) -> list[int]:
    """Which of `steps` to keep: the last `last`, those that `every` divides, and those named in `keep`.

    >>> select(range(0, 100, 10), last=2, every=40)
    [0, 40, 80, 90]
    """
    ordered = sorted(steps)
    missing = sorted(set(keep) - set(ordered))
    if missing:
        raise KeyError(f"no step {missing[0]} to keep")
    if (last is not None and last < 0) or (every is not None and every < 1):
        raise ValueError("last is a number of steps, every a distance of at least 1")
    kept = set(keep) | set(ordered[len(ordered) - min(last or 0, len(ordered)) :])
    if every is not None:
        kept |= {step for step in ordered if step % every == 0}
    return sorted(kept)


def prune(
    path: str | os.PathLike[str], *, last: int | None = None, every: int | None = None, keep: Collection[int] = (),
    key_every: int = KEY_EVERY, level: str = "default", jobs: int = 1,
) -> list[int]:  # fmt: skip
    """Rewrite the archive of checkpoints `path` with only some of its steps (see `select`); returns those that are left.

    A step whose base stays is taken over as it is; any other is coded anew, against the step that is now before it or alone. The new
    archive is written beside the old one and renamed when it is complete: whatever happens, one of the two is there. Raises ValueError
    when nothing would be left, or when the archive holds anything but checkpoints.

    >>> import laconic.checkpoint, numpy as np, tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "run.lac"
    >>> for step in range(6):
    ...     laconic.checkpoint.save({"w": np.arange(9) * step}, path, step=step)
    >>> laconic.checkpoint.prune(path, last=1, every=2)
    [0, 2, 4, 5]
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such archive")
    old = Stream(path)
    try:
        kept = select(old.steps, last=last, every=every, keep=keep)
        if not kept or old.archive is None:
            raise ValueError(f"{path}: no step would be left")
        _refuse_others(old.archive, old.steps, path)
        if len(kept) == len(old.steps):
            return kept
        temporary, file = open_temporary(path)
        file.close()
        try:
            for step in sorted(kept, key=lambda step: old.steps[step].order):
                _move(old.archive, old.steps[step], temporary, key_every, level, jobs)
            os.chmod(temporary, path.stat().st_mode & 0o777)
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path)
        return kept
    finally:
        old.close()


def _refuse_others(archive: ArchiveReader, steps: dict[int, StepInfo], path: Path) -> None:
    for name in archive.names():
        step = name.partition("/")[0]
        if not step.isdecimal() or int(step) not in steps:
            raise ValueError(f"{path}: holds {name!r}, which is no checkpoint; pruning would lose it")


def _move(source: ArchiveReader, info: StepInfo, target: Path, key_every: int, level: str, jobs: int) -> None:
    manifest = read_manifest(source, info.step)
    stream = Stream(target)
    try:
        if _can_copy(source, manifest, stream.archive):
            base = stream.steps[info.base] if info.base is not None and info.base in stream.steps else None
            moved = StepInfo(info.step, base.step if base else None, base.chain + 1 if base else 0, info.raw_bytes, 0)
            stream.copy(source, moved, manifest)
        else:
            snapshot = Snapshot(manifest, [Plan(group, None) for group in manifest.groups], _Groups(source, manifest))
            stream.append(snapshot, key_every=key_every, level=level, jobs=jobs, bases=[], last=None)
    finally:
        stream.close()


def _can_copy(source: ArchiveReader, manifest: Manifest, target: ArchiveReader | None) -> bool:
    """Whether all that the step's frames are coded against is in `target`, and no frame is a copy of one elsewhere."""
    there = {entry.hash for part in target._reader.parts for entry in part.entries} if target is not None else set()
    for number in range(len(manifest.groups)):
        part, entry = source._entry(group_name(source, manifest, number))
        stream = source._reader.check_extent(part, entry)
        if stream is None:
            continue
        if entry.start or entry.size != stream.size:
            return False
        for i in range(len(stream.offsets)):
            head, _ = source._reader.frame(stream, i)
            if head.type == f.COPY or (head.base is not None and head.base.hash not in there):
                return False
    return True


class _Groups:
    """The bytes of a step's groups, one at a time."""

    def __init__(self, source: ArchiveReader, manifest: Manifest) -> None:
        self._source = source
        self._manifest = manifest

    def __iter__(self) -> Iterator[Any]:
        for number, group in enumerate(self._manifest.groups):
            name = group_name(self._source, self._manifest, number)
            prove(self._source, name)
            data, at = np.empty(group.size, np.uint8), 0
            for block in self._source.blocks(name):
                data[at : at + len(block)] = np.frombuffer(block, np.uint8)
                at += len(block)
            yield data
