"""What the adaptors of tensor files share: dtype names, and pieces for a run of tensors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from laconic.container import Piece, View

# Neighbouring tensors of one dtype share frames up to this many bytes; a frame cuts itself into segments with tables of their own.
GROUP = 1 << 18


class Formats(Protocol):
    def params(self, dtype: str, itemsize: int) -> bytes | None: ...


def apart(views: Iterable[tuple[View, int]], start: int = 0) -> list[tuple[View, int]]:
    """`views` by position from `start` on, without those that overlap one before them."""
    kept: list[tuple[View, int]] = []
    for view, itemsize in sorted(views, key=lambda item: (item[0].start, item[0].size)):
        if view.start >= start:
            kept.append((view, itemsize))
            start = view.start + view.size
    return kept


def pieces(views: Iterable[tuple[View, int]], start: int, end: int, formats: Formats) -> Iterator[Piece | View]:
    """Pieces for raw bytes [start, end) that hold `views` (with their item sizes), given in order of position and not overlapping.

    Small neighbours of one dtype share a piece, so that a model with thousands of biases does not pay a frame for each; bytes between
    tensors are plain.
    """
    position = start
    group: list[View] = []
    group_params: bytes | None = None
    group_unit = 1

    def flush() -> Iterator[Piece | View]:
        if group:
            yield from group
            size = group[-1].start + group[-1].size - group[0].start
            yield Piece(size, group_params or b"", "" if group_params is not None else "bytes", group_unit)
            group.clear()

    for view, itemsize in views:
        params = formats.params(view.dtype, itemsize)
        together = group and params == group_params and view.start == position
        if group and not (together and position - group[0].start + view.size <= GROUP):
            yield from flush()
        if view.start > position:
            yield Piece(view.start - position, codec="bytes")
            position = view.start
        if view.size == 0 and not group:
            yield view
            continue
        group.append(view)
        group_params, group_unit = params, itemsize if params is not None else 1
        position = view.start + view.size
    yield from flush()
    if position < end:
        yield Piece(end - position, codec="bytes")
