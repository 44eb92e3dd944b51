"""States as trees: nested dicts, lists and scalars are kept exactly, as CBOR; arrays are leaves that lie elsewhere. No pickle.

A node is a list whose first item says what it is: `["a", i]` array number i, `["d", [key, node]...]` a dict, `"o"` an OrderedDict,
`["l", node...]` a list, `"t"` a tuple, `["v", x]` null, boolean, integer, text or bytes, `["f", 8 bytes]` a float, `["y", bytes]` a
bytearray.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

from laconic import objects
from laconic.container import format as f
from laconic.errors import CorruptDataError

Node = list[Any]

_CONTAINERS: dict[type, str] = {dict: "d", OrderedDict: "o", list: "l", tuple: "t"}
_INLINE = 1 << 12  # bytes objects above this are leaves


def flatten(state: Any) -> tuple[Node, list[tuple[str, Any]]]:
    """The tree of `state`, and its arrays as (path, object); an array that occurs twice (tied weights) is there once.

    A path is made of keys, escaped as entry names are, with `/` between them. Raises TypeError, with the path, for an object that would
    not come back exactly.
    """
    leaves: list[tuple[str, Any]] = []
    seen: dict[Any, int] = {}

    def walk(obj: Any, path: str, depth: int) -> Node:
        if depth > f.MAX_NESTING:
            raise ValueError(f"{path[:80]!r}: nested too deep (more than {f.MAX_NESTING} levels, or a container inside itself)")
        kind = _CONTAINERS.get(type(obj))
        if kind is not None:
            try:
                return [kind, *(_item(kind, key, walk(value, join(path, key), depth + 1)) for key, value in _items(obj))]
            except _BadKeyError as error:
                raise TypeError(f"{path or 'the state'}: {error}") from None
        value = _value(obj)
        if value is not None:
            return value
        if not is_array(obj):
            raise TypeError(f"{path or 'the state'}: {objects.refuse(obj)}")
        identity = _identity(obj)
        index = seen.setdefault(identity, len(leaves))
        if index == len(leaves):
            leaves.append((path, obj))
        return ["a", index]

    return walk(state, "", 0), leaves


class _BadKeyError(TypeError):
    pass


def join(path: str, key: Any) -> str:
    try:
        escaped = objects.escape_key(key)
    except TypeError as error:
        raise _BadKeyError(str(error)) from None
    return f"{path}/{escaped}" if path else escaped


def _items(obj: Any) -> Iterator[tuple[Any, Any]]:
    return iter(obj.items()) if isinstance(obj, dict) else enumerate(obj)


def _item(kind: str, key: Any, node: Node) -> Any:
    return [key, node] if kind in "do" else node


def _value(obj: Any) -> Node | None:
    if obj is None or type(obj) in (bool, int, str) or (type(obj) is bytes and len(obj) <= _INLINE):
        if type(obj) is str:
            objects.value_meta(obj)  # TypeError for lone surrogates
        return ["v", obj]
    if type(obj) is float:
        return ["f", struct.pack("<d", obj)]  # CBOR encoders may shorten a NaN
    if type(obj) is bytearray and len(obj) <= _INLINE:
        return ["y", bytes(obj)]
    return None


def is_array(obj: Any) -> bool:
    """Whether `obj` is an array, a tensor, a numpy scalar or a long bytes object."""
    if type(obj) in (bytes, bytearray):
        return True
    kind = type(obj)
    module = kind.__module__.partition(".")[0]
    return (module == "torch" and hasattr(obj, "data_ptr")) or (hasattr(obj, "dtype") and hasattr(obj, "tobytes"))


def _identity(obj: Any) -> Any:
    """Equal for two objects that are the same memory seen in the same way."""
    if hasattr(obj, "data_ptr") and hasattr(obj, "stride") and getattr(obj, "layout", None) is not None:
        try:
            if obj.numel() and obj.data_ptr():
                view = (obj.is_conj(), obj.is_neg())  # lazy: the same memory stands for other values
                return ("torch", str(obj.device), obj.data_ptr(), str(obj.dtype), tuple(obj.shape), tuple(obj.stride()), view)
        except (RuntimeError, NotImplementedError):  # tensors without storage are refused when their elements are asked for
            pass
    return ("id", id(obj))


def build(node: Any, array: Callable[[int], Any], depth: int = 0) -> Any:
    """The object whose tree is `node`; CorruptDataError if it is none."""
    if depth > f.MAX_NESTING or type(node) is not list or not node:
        raise CorruptDataError("the tree of a checkpoint is damaged")
    kind, items = node[0], node[1:]
    if kind in ("d", "o"):
        if not all(type(item) is list and len(item) == 2 and type(item[0]) in (str, int) for item in items):
            raise CorruptDataError("the tree of a checkpoint is damaged")
        pairs = ((key, build(child, array, depth + 1)) for key, child in items)
        return OrderedDict(pairs) if kind == "o" else dict(pairs)
    if kind in ("l", "t"):
        values = [build(child, array, depth + 1) for child in items]
        return tuple(values) if kind == "t" else values
    if len(items) == 1:
        value = items[0]
        if kind == "a" and type(value) is int:
            return array(value)
        if kind == "v" and (value is None or type(value) in (bool, int, str, bytes)):
            return value
        if kind == "f" and type(value) is bytes and len(value) == 8:
            return struct.unpack("<d", value)[0]
        if kind == "y" and type(value) is bytes:
            return bytearray(value)
    raise CorruptDataError("the tree of a checkpoint is damaged")


def paths(node: Any, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, int]]:
    """(path, array number) of every array in the tree."""
    if depth > f.MAX_NESTING or type(node) is not list or not node:
        raise CorruptDataError("the tree of a checkpoint is damaged")
    if node[0] == "a":
        yield prefix, node[1]
    elif node[0] in ("d", "o"):
        for key, child in node[1:]:
            yield from paths(child, join(prefix, key), depth + 1)
    elif node[0] in ("l", "t"):
        for i, child in enumerate(node[1:]):
            yield from paths(child, join(prefix, i), depth + 1)
