"""`get_slice`: an index to the range of bytes that it touches, so that only the frames which hold them are decoded."""

from __future__ import annotations

from math import prod
from operator import index as as_index
from typing import Any

from laconic.safetensors.files import Read
from laconic.safetensors.frameworks import Framework
from laconic.safetensors.header import BITS, TensorInfo


class Slice:
    """A tensor that is read by indexing: integers, slices with positive steps, `...`, None, and (torch) lists and tensors.

    Leading integers, and the slice or list of integers after them, narrow what is decoded; the rest is indexed in memory.
    """

    def __init__(self, info: TensorInfo, read: Read, framework: Framework) -> None:
        self._info = info
        self._read = read
        self._framework = framework

    def get_shape(self) -> list[int]:
        return list(self._info.shape)

    def get_dtype(self) -> str:
        return self._info.dtype

    def __getitem__(self, index: Any) -> Any:
        items = index if isinstance(index, tuple) else (index,)
        for item in items:
            if isinstance(item, slice) and item.step is not None and as_index(item.step) <= 0:
                raise ValueError("step must be greater than zero") if as_index(item.step) else ValueError("slice step cannot be zero")
        start, shape, rest = 0, self._info.shape, items
        if BITS[self._info.dtype] >= 8:
            start, shape, rest = self._narrow(items)
        itemsize = BITS[self._info.dtype] / 8
        first = self._info.start + int(start * itemsize)
        raw = self._read(first, first + int(prod(shape) * itemsize))
        tensor = self._framework.tensor(raw, self._info.dtype, shape)
        try:
            return tensor[rest if len(rest) != 1 else rest[0]] if rest else tensor
        except IndexError as error:
            raise self._framework.index_error(str(error)) from None

    def _narrow(self, items: tuple[Any, ...]) -> tuple[int, tuple[int, ...], tuple[Any, ...]]:
        """(first element, shape, what is left to index) of a contiguous part that holds all that `items` ask for."""
        start, shape = 0, self._info.shape
        for axis, item in enumerate(items):
            if not shape:
                break
            step = prod(shape[1:])
            if isinstance(item, slice):
                a, b, stride = item.indices(shape[0])
                b = max(a, b)
                return start + a * step, (b - a, *shape[1:]), (slice(0, b - a, stride), *items[axis + 1 :])
            if isinstance(item, list) and item and all(type(k) is int for k in item):
                rows = [self._row(k, shape[0], axis) for k in item]
                low = min(rows)
                return start + low * step, (max(rows) + 1 - low, *shape[1:]), ([k - low for k in rows], *items[axis + 1 :])
            row = _integer(item)
            if row is None:
                return start, shape, items[axis:]
            start += self._row(row, shape[0], axis) * step
            shape = shape[1:]
        return start, shape, items[len(self._info.shape) - len(shape) :]

    def _row(self, row: int, size: int, axis: int) -> int:
        if not -size <= row < size:
            raise self._framework.index_error(f"index {row} is out of bounds for dimension {axis} with size {size}")
        return row % size


def _integer(item: Any) -> int | None:
    """`item` as an integer, if it selects one row; a boolean does not."""
    if isinstance(item, bool) or getattr(item, "ndim", None):
        return None
    try:
        return as_index(item)
    except TypeError:
        return None
