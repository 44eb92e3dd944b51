"""A progress bar on stderr, only when that is a terminal; rich is loaded only then."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any


class Progress:
    """Call `update(raw_bytes, stored_bytes)` as work proceeds. `total`: raw bytes to come, None if unknown."""

    def __init__(self, label: str, total: int | None, *, quiet: bool) -> None:
        self._bar: Any = None
        self._last = 0.0
        if quiet or not sys.stderr.isatty():
            return
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )
        from rich.progress import Progress as Bar

        columns = (
            TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TextColumn("{task.fields[ratio]}"),
            TimeRemainingColumn(),
        )  # fmt: skip
        self._bar = Bar(*columns, console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task(label, total=total, ratio="")

    def update(self, raw: int, stored: int | None = None) -> None:
        if self._bar is None:
            return
        now = time.monotonic()
        if now - self._last < 0.1:
            return
        self._last = now
        ratio = f"ratio {raw / stored:.3f}" if stored else ""
        self._bar.update(self._task, completed=raw, ratio=ratio)

    def __enter__(self) -> Progress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()
