"""A step's bytes in memory, laid out as its groups' streams: what training waits for is the copy made here, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from laconic import objects
from laconic.checkpoint import groups, optimizers
from laconic.checkpoint.manifest import ArraySpec, Group, Manifest
from laconic.checkpoint.tree import flatten

Bytes = npt.NDArray[np.uint8]


@dataclass(slots=True)
class Snapshot:
    """A copied step: its manifest, for each group its bytes and the settings of its parameters, and all optimizers' settings."""

    manifest: Manifest
    plans: list[groups.Plan]
    data: list[Bytes]
    settings: dict[tuple[str, int], dict[str, Any]]

    @property
    def size(self) -> int:
        return sum(len(data) for data in self.data)


class Buffers:
    """Memory of snapshots that are done with, used again: pages that are fresh from the system cost more than the copy."""

    def __init__(self) -> None:
        self._free: dict[int, list[Bytes]] = {}

    def take(self, size: int) -> Bytes:
        free = self._free.get(size)
        return free.pop() if free else np.empty(size, np.uint8)

    def give_back(self, snapshot: Snapshot) -> None:
        """All others are let go: a state that changed its shape does not come back."""
        self._free = {}
        for data in snapshot.data:
            self._free.setdefault(len(data), []).append(data)


def state_of(state: Any) -> tuple[Any, dict[tuple[str, str | int], str]]:
    """(plain state, paths of optimizers' parameters) of what the user gave.

    `state`: a state, or a tuple (model, optimizer) of things that have `state_dict()`. In a dict, such things are replaced by their state.
    """
    if isinstance(state, tuple) and len(state) == 2 and all(hasattr(part, "state_dict") for part in state):
        state = {"model": state[0], "optimizer": state[1]}
    if not isinstance(state, dict):
        return state, {}
    names: dict[tuple[str, str | int], str] = {}
    parameters: dict[int, str] = {}
    for key, part in state.items():
        if hasattr(part, "named_parameters"):
            prefix = objects.escape_key(key)
            parameters |= {id(tensor): f"{prefix}/{objects.escape_key(name)}" for name, tensor in part.named_parameters()}
    for key, part in state.items():
        if hasattr(part, "param_groups") and hasattr(part, "state_dict"):
            flat = [tensor for group in part.param_groups for tensor in group["params"]]
            names |= {(objects.escape_key(key), i): parameters[id(tensor)] for i, tensor in enumerate(flat) if id(tensor) in parameters}
    return {key: part.state_dict() if hasattr(part, "state_dict") else part for key, part in state.items()}, names


def take(state: Any, step: int, buffers: Buffers) -> Snapshot:
    """Copy `state` (see `state_of`). TypeError, with its path, for an object that would not come back exactly."""
    plain, names = state_of(state)
    tree, found = flatten(plain)
    leaves = [_leaf(path, obj) for path, obj in found]
    arrays = [ArraySpec(leaf.type, leaf.dtype, leaf.shape) for leaf in leaves]
    raws = [leaf.raw for leaf in leaves]
    optimizer = optimizers.find(plain)
    plans = groups.make([path for path, _ in found], arrays, raws, optimizer, names)
    manifest = Manifest(step, tree, arrays, [plan.group for plan in plans])
    data = []
    for plan in plans:
        data.append(buffers.take(plan.group.size))
        columns = [[raws[row[m]] for row in plan.group.arrays] for m in range(len(plan.group.members))]
        copy(plan.group, columns, data[-1], gather=True)
    return Snapshot(manifest, plans, data, optimizer.settings)


def _leaf(path: str, obj: Any) -> objects.Leaf:
    if hasattr(obj, "detach") and hasattr(obj, "requires_grad"):
        if hasattr(obj, "to_local"):
            raise TypeError(f"{path}: a DTensor is one process's share of a tensor; save it with laconic.checkpoint.dcp")
        obj = obj.detach()  # an nn.Parameter comes back as a tensor, as from a state dict
    try:
        leaf = objects.leaf(obj)
    except TypeError as error:
        raise TypeError(f"{path}: {error}") from error
    if leaf is None:
        raise TypeError(f"{path}: {objects.refuse(obj)}")
    return leaf


def copy(group: Group, columns: list[list[Any]], stream: Any, *, gather: bool, start: int = 0, stop: int | None = None) -> None:
    """Arrays into a group's stream (`gather`) or out of it.

    `columns`: by member, the bytes of each part's array; None for an array that is not wanted. `stream`: the bytes of chunks that hold
    elements [start, stop), which begin with a chunk.
    """
    stop = group.count if stop is None else stop
    view = np.frombuffer(stream, np.uint8) if not isinstance(stream, np.ndarray) else stream
    flats = [[None if raw is None else np.frombuffer(raw, np.uint8) if len(raw) else None for raw in parts] for parts in columns]
    ends = np.cumsum((0, *group.counts))
    at = 0
    for a, b in group.chunks():
        if b <= start or a >= stop:
            continue
        first = int(np.searchsorted(ends, a, side="right")) - 1
        for member, parts in zip(group.members, flats, strict=True):
            part = first
            while part < len(parts) and ends[part] < b:
                lo, hi = max(a, int(ends[part])), min(b, int(ends[part + 1]))
                array = parts[part]
                if array is not None and hi > lo:
                    inside = array[(lo - int(ends[part])) * member.width : (hi - int(ends[part])) * member.width]
                    chunk = view[at + (lo - a) * member.width : at + (hi - a) * member.width]
                    if gather:
                        chunk[:] = inside
                    else:
                        inside[:] = chunk
                part += 1
            at += (b - a) * member.width
