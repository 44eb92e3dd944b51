"""Bases of delta coding, as the container sees them: something with a content hash whose bytes can be had."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol


class BaseEntry(Protocol):
    """An entry that frames may be coded against."""

    @property
    def hash(self) -> bytes: ...
    @property
    def size(self) -> int: ...
    def read(self, start: int, stop: int) -> memoryview: ...


BaseFinder = Callable[[str, str, int], BaseEntry | None]  # (entry name, view name or "", raw size or -1 for any) -> base
BaseResolver = Callable[[bytes, Collection[BaseEntry]], BaseEntry | None]  # content hash, bases being read -> a base not among them
