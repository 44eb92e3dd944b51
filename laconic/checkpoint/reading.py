"""Loading steps: all of one, or some of its arrays."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from laconic import objects
from laconic.archive.checks import available_jobs
from laconic.archive.reader import ArchiveReader, open_reader
from laconic.checkpoint.manifest import Group, Manifest
from laconic.checkpoint.snapshot import copy
from laconic.checkpoint.steps import StepInfo, choose, find_steps, group_name, prove, read_manifest
from laconic.checkpoint.tree import build
from laconic.codecs.checkpoint import layout as lay
from laconic.container import format as f
from laconic.container.table import Entry
from laconic.errors import CorruptDataError, LaconicError, TornArchiveWarning


class CheckpointReader:
    """An archive of checkpoints, open for reading: a path, a file object, or bytes. Usable as a context manager.

    A torn tail, what a crash left of a step that was being saved, is reported as `laconic.TornArchiveWarning` and left out.
    """

    def __init__(self, stream: Any, *, jobs: int | None = None) -> None:
        self._jobs = available_jobs(jobs)
        self._name = os.fspath(stream) if isinstance(stream, (str, Path)) else "the archive"
        archive = _open(stream, self._name)
        self._steps = find_steps(archive) if archive is not None else {}
        self._opened = archive
        self._manifests: dict[int, Manifest] = {}

    @property
    def archive(self) -> ArchiveReader:
        return self._archive

    @property
    def _archive(self) -> ArchiveReader:
        if self._opened is None:
            raise KeyError(f"{self._name}: no checkpoint is complete in this archive")
        return self._opened

    def steps(self) -> list[StepInfo]:
        """All complete steps, in the order in which they were written."""
        return list(self._steps.values())

    def manifest(self, step: int) -> Manifest:
        if step not in self._manifests:
            self._manifests = {step: read_manifest(self._archive, step)}
        return self._manifests[step]

    def names(self, step: int | None = None) -> list[str]:
        """Paths of the arrays in a step (default: the one written last): keys, escaped as entry names are, joined with `/`."""
        return list(self.manifest(choose(self._steps, step, self._name).step).paths())

    def stored_bytes(self, step: int) -> int:
        """Bytes of the step's frames in the archive, without those of its base."""
        manifest = self.manifest(step)
        names = [str(step), *(group_name(self._archive, manifest, number) for number in range(len(manifest.groups)))]
        found = (self._archive._entry(name) for name in names)
        return sum(sum(part.streams[entry.stream].lengths) for part, entry in found if entry.size)

    def describe(self, step: int) -> list[dict[str, Any]]:
        """How a step is coded, a row for each group of arrays that are coded together.

        {"arrays": paths, "roles": of the members, "raw_bytes", "stored_bytes", "methods": frames by method}
        """
        manifest, paths = self.manifest(step), self.manifest(step).paths()
        rows = []
        for number, group in enumerate(manifest.groups):
            info = self._archive.info(group_name(self._archive, manifest, number))
            rows.append(
                {
                    "arrays": [paths[i] for row in group.arrays for i in row],
                    "roles": [lay.ROLE_NAMES[member.role] if member.role < len(lay.ROLE_NAMES) else "?" for member in group.members],
                    "raw_bytes": info["raw_bytes"],
                    "stored_bytes": info["stored_bytes"],
                    "methods": info["frames"],
                }
            )
        return rows

    def groups(self, step: int) -> list[list[str]]:
        """Paths of the arrays of a step, those together that are coded together."""
        manifest = self.manifest(choose(self._steps, step, self._name).step)
        paths = manifest.paths()
        return [[paths[i] for row in group.arrays for i in row] for group in manifest.groups]

    def load(self, step: int | None = None, names: Iterable[str] | None = None, *, as_numpy: bool = False) -> Any:
        """A step (default: the one written last), exactly as it was saved; or, with `names`, a dict of the arrays at these paths.

        A name may be a path from `names()`, or the beginning of some (`"model"` takes all that is below it). Only the frames that hold
        these arrays are decoded, along the chain of steps that they depend on. `as_numpy`: torch tensors come back as numpy arrays.
        Raises KeyError for a step or name that is not there, CorruptDataError or MissingBaseError with the step and array that they hit.
        """
        info = choose(self._steps, step, self._name)
        manifest = self.manifest(info.step)
        if names is None:
            arrays = self._arrays(manifest, set(range(len(manifest.arrays))), as_numpy)
            return build(manifest.tree, arrays.__getitem__)
        wanted = _select(manifest.paths(), [names] if isinstance(names, str) else list(names), info.step)
        arrays = self._arrays(manifest, set(wanted.values()), as_numpy)
        return {name: arrays[number] for name, number in wanted.items()}

    def _arrays(self, manifest: Manifest, wanted: set[int], as_numpy: bool) -> dict[int, Any]:
        raws: dict[int, Any] = {}
        tasks: list[tuple[int, Group, list[list[Any]], int, int]] = []
        for number, group in enumerate(manifest.groups):
            if not any(i in wanted for row in group.arrays for i in row):
                continue
            prove(self._archive, group_name(self._archive, manifest, number))
            for count, row in zip(group.counts, group.arrays, strict=True):
                for member, i in zip(group.members, row, strict=True):
                    if i in wanted:
                        raws[i] = np.empty(count * member.width, np.uint8)
            columns = [[raws.get(row[m]) for row in group.arrays] for m in range(len(group.members))]
            held = _spans(group, wanted)
            tasks += [(number, group, columns, a, b) for a, b in group.chunks() if any(a < hi and lo < b for lo, hi in held)]

        def decode(task: tuple[int, Group, list[list[Any]], int, int]) -> None:
            number, group, columns, a, b = task
            try:
                part, entry = self._archive._entry(f"{manifest.step}/{number}")
                blocks = list(self._archive._reader.blocks(part, entry, a * group.element, b * group.element, jobs=1))
                copy(group, columns, blocks[0] if len(blocks) == 1 else b"".join(blocks), gather=False, start=a, stop=b)
            except (LaconicError, OSError) as error:
                names = [manifest.paths()[i] for row in group.arrays for i in row if i in wanted]
                more = f" and {len(names) - 3} more" if len(names) > 3 else ""
                raise _same_error(error, f"step {manifest.step}, {', '.join(names[:3])}{more}: {error}") from error

        if self._jobs == 1 or len(tasks) < 2:
            for task in tasks:
                decode(task)
        else:
            with ThreadPoolExecutor(min(self._jobs, len(tasks)), thread_name_prefix="laconic") as pool:
                for _ in pool.map(decode, tasks):
                    pass
        return {i: self._array(manifest, i, raw, as_numpy) for i, raw in raws.items()}

    def _array(self, manifest: Manifest, number: int, raw: Any, as_numpy: bool) -> Any:
        spec = manifest.arrays[number]
        kind = "ndarray" if as_numpy and spec.type == "torch" else spec.type
        if as_numpy and spec.dtype == "complex32":
            raise TypeError(f"{manifest.paths()[number]}: numpy has no complex32")
        if kind in ("bytes", "bytearray", "memoryview"):
            raw = memoryview(raw)
        entry = Entry(manifest.paths()[number], kind, dtype=spec.dtype, shape=spec.shape, size=len(raw))
        if kind in ("ndarray", "scalar", "torch"):
            objects.check_shape(entry)
        return objects.from_raw(entry, spec.shape, raw)

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()

    def __enter__(self) -> CheckpointReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _open(stream: Any, name: str) -> ArchiveReader | None:
    """The archive without its torn tail; None for one whose first step was never finished."""
    try:
        return _complete(open_reader(stream, jobs=1))
    except CorruptDataError:
        head, tail = _ends(stream)
        # A header, or the beginning of one, and no trailer at the end: a save that was interrupted. Anything else is damage.
        if not f.MAGIC.startswith(head) or tail == f.TRAILER_MAGIC:
            raise
        warnings.warn(f"{name}: the first save was interrupted; no step is complete", TornArchiveWarning, stacklevel=4)
        return None


def _ends(stream: Any) -> tuple[bytes, bytes]:
    """The first and the last 8 bytes of a path, a file or bytes."""
    if isinstance(stream, (bytes, bytearray, memoryview)):
        data = bytes(stream)
        return data[:8], data[-8:]
    if isinstance(stream, (str, os.PathLike)):
        with open(stream, "rb") as file:
            return _ends(file)
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    head = stream.read(8)
    stream.seek(max(0, size - 8))
    return head, stream.read(8)


def _complete(archive: ArchiveReader) -> ArchiveReader:
    """The archive without its torn tail: a step that was not saved to its end is none, even where much of it is there."""
    torn = archive._reader.torn
    if torn is None or not torn.complete_end or any(offset < torn.complete_end for offset, _ in torn.gaps):
        return archive
    data: Any = archive._reader.data
    data.size = torn.complete_end
    return ArchiveReader(data, jobs=1)


def _same_error(error: Exception, text: str) -> Exception:
    return type(error)(text) if isinstance(error, LaconicError) else OSError(text)


def _spans(group: Group, wanted: set[int]) -> list[tuple[int, int]]:
    """[start, stop) elements of the parts with an array that is wanted."""
    spans, at = [], 0
    for count, row in zip(group.counts, group.arrays, strict=True):
        if any(i in wanted for i in row) and count:
            spans.append((at, at + count))
        at += count
    return spans


def _select(paths: list[str], names: list[str], step: int) -> dict[str, int]:
    number = {path: i for i, path in enumerate(paths)}
    found: dict[str, int] = {}
    for name in names:
        if name in number:
            found[name] = number[name]
            continue
        below = {path: i for path, i in number.items() if path.startswith(f"{name}/")} if name else number
        if not below:
            raise KeyError(f"step {step} has no array {name!r}")
        found |= below
    return found


def load(
    stream: Any, *, step: int | None = None, names: Iterable[str] | None = None, as_numpy: bool = False, jobs: int | None = None
) -> Any:
    """A step of the archive `stream` (default: the one written last), exactly as it was saved; or a dict of the arrays at `names`.

    See `CheckpointReader.load`. To load several, open a `CheckpointReader`.

    >>> import laconic.checkpoint, numpy as np, tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "run.lac"
    >>> for step in (1, 2):
    ...     laconic.checkpoint.save({"model": {"w": np.full(3, step), "b": np.zeros(1)}}, path, step=step)
    >>> laconic.checkpoint.load(path, step=1, names=["model/w"])
    {'model/w': array([1, 1, 1])}
    """
    with CheckpointReader(stream, jobs=jobs) as reader:
        return reader.load(step, names, as_numpy=as_numpy)


def steps(stream: Any) -> list[StepInfo]:
    """The complete steps of the archive `stream`, in the order in which they were written."""
    with CheckpointReader(stream, jobs=1) as reader:
        return reader.steps()
