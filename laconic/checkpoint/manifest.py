"""The description of a step: its tree, what its arrays are, and in which groups their bytes lie. One CBOR map, an entry of its own.

A step `s` is the entry `s`, its manifest, followed by one entry `s/k` for each group k. See docs/checkpoints.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import cbor2

from laconic.checkpoint.tree import Node, paths
from laconic.codecs.checkpoint import layout as lay
from laconic.container import format as f
from laconic.container.cbor import load_plain
from laconic.errors import CorruptDataError, UnsupportedError

VERSION = 1
CHUNK = 1 << 18  # elements of each member in one frame


@dataclass(frozen=True, slots=True)
class MemberSpec:
    """One column of a group: what its arrays have in common. The codec's frame parameters hold the same three numbers."""

    role: int
    element: int  # element format of the weights codec
    floats: int  # float format of the kernels, or -1
    width: int  # bytes an element


@dataclass(frozen=True, slots=True)
class Group:
    """Arrays that are coded together: rows of parts, of which each has one array for each member.

    A part has the same number of elements in every member; members are the concatenation of their parts' arrays. Bytes lie in chunks of
    elements: chunk 0 of member 0, of member 1, ..., chunk 1 of member 0, ...
    """

    members: tuple[MemberSpec, ...]
    counts: tuple[int, ...]  # elements of each part
    arrays: tuple[tuple[int, ...], ...]  # of each part: array numbers by member

    @property
    def count(self) -> int:
        return sum(self.counts)

    @property
    def element(self) -> int:
        return sum(member.width for member in self.members)

    @property
    def size(self) -> int:
        return self.count * self.element

    @property
    def chunk(self) -> int:
        """Elements of each chunk but the last one: cut evenly, so that no frame is a small rest."""
        chunks = max(1, (self.count + CHUNK // 2) // CHUNK)
        return max(1, -(-self.count // chunks))

    def chunks(self) -> list[tuple[int, int]]:
        """[start, stop) elements of each chunk."""
        return [(a, min(a + self.chunk, self.count)) for a in range(0, self.count, self.chunk)]


@dataclass(frozen=True, slots=True)
class ArraySpec:
    """An array's type ("ndarray", "torch", ...), dtype and shape, as entries have them."""

    type: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(slots=True)
class Manifest:
    step: int
    tree: Node
    arrays: list[ArraySpec]
    groups: list[Group]
    settings: dict[tuple[str, int], dict[str, Any]] = field(default_factory=dict)  # of optimizers: see laconic.checkpoint.optimizers
    _paths: list[str] | None = field(default=None)

    def paths(self) -> list[str]:
        """By array number, the (first) path of each array."""
        if self._paths is None:
            found: dict[int, str] = {}
            for path, index in paths(self.tree):
                found.setdefault(index, path)
            if sorted(found) != list(range(len(self.arrays))):
                raise CorruptDataError("the manifest is damaged: arrays without a place in its tree")
            self._paths = [found[i] for i in range(len(self.arrays))]
        return self._paths

    def signature(self, group: Group) -> tuple[Any, ...]:
        """Equal for groups of two steps that lie alike: one can be the base of the other."""
        names = self.paths()
        return group.members, group.counts, tuple(tuple(names[i] for i in row) for row in group.arrays)

    def pack(self) -> bytes:
        groups = [
            [[[m.role, m.element, m.floats, m.width] for m in g.members], list(g.counts), [list(row) for row in g.arrays]]
            for g in self.groups
        ]
        arrays = [[a.type, a.dtype, list(a.shape)] for a in self.arrays]
        settings = [[path, number, values] for (path, number), values in self.settings.items()]
        return cbor2.dumps(
            {"version": VERSION, "step": self.step, "tree": self.tree, "arrays": arrays, "groups": groups, "settings": settings}
        )


def parse(data: bytes) -> Manifest:
    """The manifest in `data`; CorruptDataError if it is none."""
    try:
        found = load_plain(data, "the manifest", max_depth=2 * f.MAX_NESTING + 8, big_integers=True)
        if found["version"] > VERSION:
            raise UnsupportedError(f"a manifest of version {found['version']} - install a newer laconic")
        arrays = [ArraySpec(_text(a[0]), _text(a[1]), tuple(map(_count, a[2]))) for a in found["arrays"]]
        groups = [Group(_members(g[0]), tuple(map(_count, g[1])), tuple(tuple(map(_count, row)) for row in g[2])) for g in found["groups"]]
        settings = {(_text(path), _count(number)): _values(values) for path, number, values in found["settings"]}
        manifest = Manifest(_count(found["step"]), found["tree"], arrays, groups, settings)
        used = [i for group in groups for row in group.arrays for i in row]
        if sorted(used) != list(range(len(arrays))):
            raise ValueError("arrays without a group")
        for group in groups:
            if any(len(row) != len(group.members) for row in group.arrays) or len(group.arrays) != len(group.counts):
                raise ValueError("a group of uneven parts")
        manifest.paths()
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError) as error:
        if isinstance(error, CorruptDataError):
            raise
        raise CorruptDataError(f"the manifest is damaged ({error})") from error
    return manifest


def _members(rows: Any) -> tuple[MemberSpec, ...]:
    """Those that the codec takes: what is written anew (by pruning) has to be what it was."""
    members = tuple(MemberSpec(*row) for row in rows)
    parsed = lay.parse(lay.pack([(m.role, m.element, m.floats) for m in members])).members
    if any(type(m.width) is not int or m.width != found.width for m, found in zip(members, parsed, strict=True)):
        raise ValueError("elements of another width")
    return members


def _values(settings: Any) -> dict[str, Any]:
    """Numbers and tuples of them, by name."""
    return {_text(key): tuple(value) if isinstance(value, list) else value for key, value in settings.items()}


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 62:
        raise ValueError("no count")
    return value


def _text(value: Any) -> str:
    if type(value) is not str:
        raise ValueError("no text")
    return value
