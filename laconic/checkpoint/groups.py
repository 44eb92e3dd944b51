"""Which arrays are coded together: a weight with its moments and copies; what is small with its likes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from laconic import _core, objects, registry
from laconic.checkpoint.manifest import ArraySpec, Group, MemberSpec
from laconic.checkpoint.optimizers import Found, Slots
from laconic.codecs.checkpoint import layout as lay

SMALL = 1 << 16  # elements below which arrays share groups
_FLOATS = {"bfloat16": lay.BF16, "<f2": lay.FP16, "<f4": lay.FP32}


@dataclass(frozen=True, slots=True)
class Plan:
    """A group, and the settings of the parameters in it: (path of the optimizer, parameter group, steps so far), None without one."""

    group: Group
    settings: tuple[tuple[str, int], float | None] | None


def spec_of(role: int, array: ArraySpec) -> MemberSpec:
    """The member that holds arrays of this dtype in `role`."""
    return _spec(role, array.dtype, array.type == "memoryview")


@cache
def _spec(role: int, dtype: str, opaque: bool) -> MemberSpec:
    params = registry.get("weights").params(dtype, objects.itemsize(dtype)) if dtype and not opaque else None
    element = params[0] if params else 0  # what is no number is kept as bytes
    return MemberSpec(role, element, _FLOATS.get(dtype, -1), 1 << (element & 3))


def count_of(array: ArraySpec, size: int) -> int:
    """Elements, of the member's width, of an array of `size` bytes."""
    return size // spec_of(lay.PLAIN, array).width


def make(paths: list[str], arrays: list[ArraySpec], raws: list[Any], found: Found, names: dict[tuple[str, str | int], str]) -> list[Plan]:
    """Groups that hold every array once. `raws`: the arrays' bytes, for finding copies; `names`: the path of an optimizer's parameter, by
    (path of the optimizer, its name for the parameter), where it is known."""
    number = {path: i for i, path in enumerate(paths)}
    taken: set[int] = set()
    rows: list[tuple[tuple[Any, ...], list[tuple[int, int]]]] = []  # (what rows of one group share, [(role, array)])
    moments = {path for slots in found.slots for path in slots.arrays.values()}
    roots = {slots.settings[0] for slots in found.slots if slots.settings in found.settings}
    weights = [i for i, path in enumerate(paths) if path not in moments and not _below(path, roots)]
    search = _Search(paths, arrays, weights, names)
    for slots in found.slots:
        row = [(role, number[path]) for role, path in sorted(slots.arrays.items()) if path in number and number[path] not in taken]
        row = _alike(row, arrays, raws)
        weight = search.weight(slots, arrays[row[0][1]]) if row else None
        if weight is not None and weight not in taken:
            row = _alike([*row, (lay.WEIGHT, weight)], arrays, raws)
            row.sort()
        if row:
            taken.update(i for _, i in row)
            rows.append(((slots.settings, slots.count), row))
    _add_copies(rows, arrays, raws, [i for i in range(len(paths)) if i not in taken], taken)
    rows += [((), [(lay.PLAIN, i)]) for i in range(len(paths)) if i not in taken]
    return list(_pack(rows, arrays, raws))


def _below(path: str, roots: Iterable[str]) -> bool:
    return any(path.startswith(f"{root}/state/" if root else "state/") for root in roots)


def _alike(row: list[tuple[int, int]], arrays: list[ArraySpec], raws: list[Any]) -> list[tuple[int, int]]:
    """The members of `row` that have the shape of the first (factored or quantised moments have another), and as many elements."""

    def extent(i: int) -> tuple[tuple[int, ...], int]:
        return arrays[i].shape, count_of(arrays[i], len(raws[i]))

    return [(role, i) for role, i in row if extent(i) == extent(row[0][1])]


class _Search:
    """Which array is the weight that some moments belong to."""

    def __init__(self, paths: list[str], arrays: list[ArraySpec], weights: list[int], names: dict[tuple[str, str | int], str]) -> None:
        self._paths, self._arrays, self._names = paths, arrays, names
        self._number = {path: i for i, path in enumerate(paths)}
        self._left = dict.fromkeys(weights)
        self._by_name: dict[str, list[int]] = {}
        for i in weights:
            self._by_name.setdefault(paths[i].rpartition("/")[2], []).append(i)

    def weight(self, slots: Slots, moment: ArraySpec) -> int | None:
        known = self._names.get((slots.settings[0], slots.parameter))
        found = self._number.get(known) if known is not None else None
        if found is None and isinstance(slots.parameter, str):
            found = self._first(self._by_name.get(objects.escape_key(slots.parameter), ()), moment)
        if found is None and known is None:
            # An optimizer's numbers follow the order of the parameters: the next array of the moments' shape, and best of their dtype.
            found = self._first(self._left, moment)
        if found is not None:
            self._left.pop(found, None)
        return found if found is not None and self._arrays[found].shape == moment.shape else None

    def _first(self, candidates: Iterable[int], moment: ArraySpec) -> int | None:
        fit = [i for i in candidates if i in self._left and self._arrays[i].shape == moment.shape]
        return next((i for i in fit if self._arrays[i].dtype == moment.dtype), fit[0] if fit else None)


def _add_copies(
    rows: list[tuple[tuple[Any, ...], list[tuple[int, int]]]], arrays: list[ArraySpec], raws: list[Any], left: list[int], taken: set[int]
) -> None:
    """16-bit arrays that are an fp32 weight, rounded: they join its row. fp32 arrays outside rows count as weights too."""
    masters: dict[tuple[int, ...], list[int]] = {}
    row_of = {i: row for _, row in rows for role, i in row if role == lay.WEIGHT and arrays[i].dtype == "<f4"}
    for i in [*row_of, *(i for i in left if arrays[i].dtype == "<f4")]:
        masters.setdefault(arrays[i].shape, []).append(i)
    for i in left:
        if arrays[i].dtype not in ("bfloat16", "<f2") or not len(raws[i]):
            continue
        for master in masters.get(arrays[i].shape, ()):
            if _is_copy(raws[i], raws[master], _FLOATS[arrays[i].dtype]):
                if master not in row_of:
                    row_of[master] = [(lay.WEIGHT, master)]
                    rows.append(((), row_of[master]))
                    taken.add(master)
                row_of[master].append((lay.COPY, i))
                taken.add(i)
                break


def _is_copy(copy: Any, master: Any, floats: int) -> bool:
    count = min(256, len(copy) // 2)
    out = np.empty(2 * count, np.uint8)
    _core.cast_from_fp32(master[: 4 * count], floats, out)
    return bytes(out) == bytes(copy[: 2 * count])


def _pack(rows: list[tuple[tuple[Any, ...], list[tuple[int, int]]]], arrays: list[ArraySpec], raws: list[Any]) -> Iterable[Plan]:
    """Rows to groups: large ones alone, small ones together with those of the same members and settings."""
    shared: dict[Any, list[tuple[int, list[int]]]] = {}
    for settings, row in rows:
        members = tuple(spec_of(role, arrays[i]) for role, i in row)
        numbers = [i for _, i in row]
        count = count_of(arrays[numbers[0]], len(raws[numbers[0]]))
        if len(members) > lay.MAX_MEMBERS:
            raise ValueError("a weight has more copies than a group can hold")
        if count >= SMALL:
            yield Plan(Group(members, (count,), (tuple(numbers),)), settings or None)
        else:
            shared.setdefault((settings, members), []).append((count, numbers))
    for (settings, members), parts in shared.items():
        group = Group(members, tuple(count for count, _ in parts), tuple(tuple(numbers) for _, numbers in parts))
        yield Plan(group, settings or None)
