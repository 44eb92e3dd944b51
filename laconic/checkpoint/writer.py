"""Saving while training runs: a copy of the state, then everything else in a thread of its own."""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from laconic.archive.checks import check_level
from laconic.checkpoint.append import Saved, Scratch, Stream
from laconic.checkpoint.snapshot import Buffers, Snapshot, take
from laconic.checkpoint.steps import StepInfo

KEY_EVERY = 3  # so that no step takes much more than three times as long to load as a key step (docs/checkpoints.md)
MOST_KEY_EVERY = 32  # the container's limit on bases of bases
NICENESS = 5


class CheckpointWriter:
    """Appends steps to the archive `path` (made if missing). Usable as a context manager; not for two threads at once.

    `key_every`: every so many steps one is written that decodes alone; those between are predicted from the step before. 1 to 32.
    `background`: encode and write in a thread; `save` returns when the state is copied. One save is under way at a time, the next waits
    for it. `jobs`: threads that encode. `scratch`: a folder for an unnamed file with the last saved step, raw, which the next is coded
    against; None: the archive itself is decoded for that, which takes longer. By default the archive's own folder.

    >>> import laconic.checkpoint, numpy as np, tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "run.lac"
    >>> with laconic.checkpoint.CheckpointWriter(path) as writer:
    ...     for step in range(3):
    ...         writer.save({"w": np.full(1000, step, np.float32), "lr": 0.1}, step)
    >>> laconic.checkpoint.load(path, step=1)["w"][:2].tolist()
    [1.0, 1.0]
    """

    def __init__(
        self, path: str | os.PathLike[str], *, key_every: int = KEY_EVERY, level: str = "default", jobs: int = 1, background: bool = True,
        scratch: str | os.PathLike[str] | bool | None = True,
    ) -> None:  # fmt: skip
        if not 1 <= key_every <= MOST_KEY_EVERY:
            raise ValueError(f"key_every must be 1 to {MOST_KEY_EVERY}, not {key_every}")
        self._path = Path(path)
        self._key_every = key_every
        self._level = check_level(level)
        self._jobs = max(1, jobs)
        folder = self._path.parent if scratch is True else Path(scratch) if scratch else None
        self._scratch = Scratch(folder) if folder is not None and key_every > 1 else None
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="laconic-save", initializer=_be_nice) if background else None
        self._pending: Future[StepInfo] | None = None
        self.buffers = Buffers()  # of snapshots
        self._saved: Saved | None = None
        self.last: StepInfo | None = None  # the step that was written last, once it was

    def save(self, state: Any, step: int) -> None:
        """Save `state` as step `step`.

        `state`: a nested dict, list or tuple of tensors, arrays and plain values; or (model, optimizer); or a dict of such things and of
        anything that has `state_dict()`. Whatever comes back from `load` has the same types, dtypes, shapes and bits. Raises TypeError
        for objects that would not, and what a save before this one ran into.
        """
        if type(step) is not int or not 0 <= step < 1 << 62:
            raise ValueError(f"a step is a number from 0, not {step!r}")
        self.wait()
        self.submit(take(state, step, self.buffers))

    def submit(self, snapshot: Snapshot) -> None:
        """Save a step that was copied already (into memory from `buffers`); nothing else may be under way."""
        if self._pool is None:
            self.last = self._write(snapshot)
        else:
            self._pending = self._pool.submit(self._write, snapshot)

    def _write(self, snapshot: Snapshot) -> StepInfo:
        try:
            stream = Stream(self._path)
            try:
                bases = [self._scratch] if self._scratch is not None else []
                saved = stream.append(
                    snapshot, key_every=self._key_every, level=self._level, jobs=self._jobs, bases=list(bases), last=self._saved
                )
            finally:
                stream.close()
            self._saved = saved
            if self._scratch is not None and saved.info.chain + 1 < self._key_every:  # else the next one is a key step
                self._scratch.hold(snapshot, saved)
            return saved.info
        finally:
            self.buffers.give_back(snapshot)

    def wait(self) -> StepInfo | None:
        """Wait until what was saved is on disk; raises what went wrong. Returns the last step."""
        pending, self._pending = self._pending, None
        if pending is not None:
            self.last = pending.result()
        return self.last

    def close(self) -> None:
        """Wait, and let go of threads and files."""
        try:
            self.wait()
        finally:
            if self._pool is not None:
                self._pool.shutdown()
            if self._scratch is not None:
                self._scratch.close()

    def __enter__(self) -> CheckpointWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _be_nice() -> None:
    """Training comes first. On Linux a thread has a priority of its own; elsewhere nothing is changed."""
    with suppress(AttributeError, OSError):
        if os.uname().sysname == "Linux":
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


def save(state: Any, stream: str | os.PathLike[str] | CheckpointWriter, *, step: int, **options: Any) -> None:
    """Append `state` as step `step` to the archive `stream` (made if missing), and return when it is on disk.

    See `CheckpointWriter` for `state` and `options`, and for saving in the background: a writer may be given as `stream`.

    >>> import laconic.checkpoint, numpy as np, tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "run.lac"
    >>> laconic.checkpoint.save({"w": np.ones(5), "epoch": 1}, path, step=10)
    >>> laconic.checkpoint.load(path)
    {'w': array([1., 1., 1., 1., 1.]), 'epoch': 1}
    """
    if isinstance(stream, CheckpointWriter):
        if options:
            raise TypeError("options belong to the CheckpointWriter that was given")
        stream.save(state, step)
        return
    with CheckpointWriter(stream, background=False, scratch=None, **options) as writer:
        writer.save(state, step)
