"""Bases of delta coding, as the container sees them: something with a content hash whose bytes can be had."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol

from laconic.container.codec import View


class BaseEntry(Protocol):
    """An entry that frames may be coded against."""

    @property
    def hash(self) -> bytes: ...
    @property
    def size(self) -> int: ...
    def read(self, start: int, stop: int) -> memoryview: ...


class BaseFinder(Protocol):
    """Bases for what is being written, by name or content."""

    def by_name(self, entry: str, size: int) -> BaseEntry | None:
        """For a whole entry of `size` raw bytes (-1: any)."""
        ...

    def for_view(self, entry: str, view: View, digest: Callable[[], bytes] | None) -> BaseEntry | None:
        """For a tensor in an entry; `digest` gives its content hash, if it can be had."""
        ...


BaseResolver = Callable[[bytes, Collection[BaseEntry]], BaseEntry | None]  # content hash, bases being read -> a base not among them
