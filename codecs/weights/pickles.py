"""Tensors that a pickle of torch speaks of, found by reading its opcodes. Nothing is imported, called or executed.

A pickle is a program for a stack machine. This one runs it on symbols: globals stay names, a call gives a tensor if it is one of torch's
own rebuild functions and an opaque object otherwise. A storage is what a persistent id names: ("storage", its type, key, location, size).

Opcodes: pickletools in the standard library. Rebuild functions: torch/_utils.py.
"""

from __future__ import annotations

import pickletools
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

MAX_OPCODES = 1 << 23
MAX_NAMED = 1 << 18  # tensors and containers that are looked at for names
MAX_DEPTH = 100

# Storage classes and dtypes of torch -> (our name, bytes).
STORAGES = {
    "DoubleStorage": ("<f8", 8), "FloatStorage": ("<f4", 4), "HalfStorage": ("<f2", 2), "BFloat16Storage": ("bfloat16", 2),
    "LongStorage": ("<i8", 8), "IntStorage": ("<i4", 4), "ShortStorage": ("<i2", 2), "CharStorage": ("|i1", 1),
    "ByteStorage": ("|u1", 1), "BoolStorage": ("|b1", 1), "ComplexFloatStorage": ("<c8", 8), "ComplexDoubleStorage": ("<c16", 16),
}  # fmt: skip
DTYPES = {
    "float64": ("<f8", 8), "float32": ("<f4", 4), "float16": ("<f2", 2), "bfloat16": ("bfloat16", 2), "int64": ("<i8", 8),
    "int32": ("<i4", 4), "int16": ("<i2", 2), "int8": ("|i1", 1), "uint8": ("|u1", 1), "bool": ("|b1", 1), "complex64": ("<c8", 8),
    "complex128": ("<c16", 16), "uint16": ("<u2", 2), "uint32": ("<u4", 4), "uint64": ("<u8", 8),
    "float8_e4m3fn": ("float8_e4m3fn", 1), "float8_e5m2": ("float8_e5m2", 1), "float8_e4m3fnuz": ("float8_e4m3fnuz", 1),
    "float8_e5m2fnuz": ("float8_e5m2fnuz", 1), "float8_e8m0fnu": ("float8_e8m0fnu", 1),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Storage:
    """Bytes in a member of the archive; `dtype` is "" where only its tensors know it."""

    key: str
    dtype: str
    itemsize: int


@dataclass(frozen=True, slots=True)
class Tensor:
    """Elements [offset, ...) of a storage, strides in elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    def is_contiguous(self) -> bool:
        step = 1
        for n, stride in zip(reversed(self.shape), reversed(self.stride), strict=True):
            if n != 1 and stride != step:
                return False
            step *= n
        return True


@dataclass(slots=True)
class _Global:
    name: str  # "module name"


@dataclass(slots=True, eq=False)
class _Map:
    """A dict, or an object that nothing is known of, with what was set in it."""

    items: list[tuple[Any, Any]] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class _Sequence:
    items: list[Any] = field(default_factory=list)


_MARK = object()


def tensors(data: bytes) -> list[tuple[str, Tensor]]:
    """(name, tensor) of all tensors in a pickle, in the order in which they were pickled; what can't be understood is left out.

    A name is the path to the tensor, keys joined by dots; the first path, if there are several.
    """
    machine = _Machine()
    try:
        for count, (opcode, arg, _) in enumerate(pickletools.genops(data)):
            if count == MAX_OPCODES or opcode.name == "STOP":
                break
            machine.step(opcode.name, arg)
    except (ValueError, TypeError, IndexError, KeyError, OverflowError, RecursionError, AttributeError, struct.error):
        pass  # the tensors before this opcode are known
    names = {id(tensor): name for name, tensor in reversed(list(_named(machine.root())))}
    return [(names.get(id(tensor), ""), tensor) for tensor in machine.tensors]


class _Machine:
    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self.tensors: list[Tensor] = []

    def root(self) -> Any:
        """What the pickle is, or was about to be when it ended."""
        return _Sequence([item for item in self._stack if isinstance(item, (_Map, _Sequence, tuple))][:1])

    def step(self, op: str, arg: Any) -> None:
        """One opcode; ValueError for one that torch does not write."""
        stack = self._stack
        if op in _LITERALS:
            stack.append(_LITERALS[op] if arg is None else arg)
        elif op in ("PUT", "BINPUT", "LONG_BINPUT"):
            self._memo[arg] = stack[-1]
        elif op == "MEMOIZE":
            self._memo[len(self._memo)] = stack[-1]
        elif op in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(self._memo[arg])
        elif op == "MARK":
            stack.append(_MARK)
        elif op in ("EMPTY_DICT", "EMPTY_SET"):
            stack.append(_Map() if op == "EMPTY_DICT" else _Sequence())
        elif op in ("EMPTY_LIST", "EMPTY_TUPLE"):
            stack.append(_Sequence() if op == "EMPTY_LIST" else ())
        elif op == "TUPLE":
            stack.append(tuple(self._marked()))
        elif op in ("TUPLE1", "TUPLE2", "TUPLE3"):
            stack.append(tuple(self._take(int(op[-1]))))
        elif op in ("LIST", "FROZENSET"):
            stack.append(_Sequence(self._marked()))
        elif op == "DICT":
            stack.append(_Map(_pairs(self._marked())))
        elif op == "SETITEM":
            self._set(_pairs(self._take(2)))
        elif op == "SETITEMS":
            self._set(_pairs(self._marked()))
        elif op == "APPEND":
            self._extend(self._take(1))
        elif op in ("APPENDS", "ADDITEMS"):
            self._extend(self._marked())
        elif op == "GLOBAL":
            stack.append(_Global(arg))
        elif op == "STACK_GLOBAL":
            module, name = self._take(2)
            stack.append(_Global(f"{module} {name}"))
        elif op in ("REDUCE", "NEWOBJ"):
            function, args = self._take(2)
            stack.append(self._call(function, args))
        elif op == "NEWOBJ_EX":
            self._take(3)
            stack.append(_Map())
        elif op == "BUILD":
            (state,) = self._take(1)
            if isinstance(stack[-1], _Map) and isinstance(state, _Map):
                stack[-1].items.extend(state.items)
        elif op == "BINPERSID":
            stack.append(_storage(self._take(1)[0]))
        elif op in ("POP", "POP_MARK"):
            self._take(1) if op == "POP" else self._marked()
        elif op == "DUP":
            stack.append(stack[-1])
        elif op not in ("PROTO", "FRAME"):
            raise ValueError(f"opcode {op}")

    def _take(self, count: int) -> list[Any]:
        """The top `count` items, which must lie above the last mark."""
        items = self._stack[len(self._stack) - count :]
        if len(items) < count or any(item is _MARK for item in items):
            raise ValueError("the stack is too short")
        del self._stack[len(self._stack) - count :]
        return items

    def _marked(self) -> list[Any]:
        items = []
        while (item := self._stack.pop()) is not _MARK:
            items.append(item)
        return items[::-1]

    def _set(self, pairs: list[tuple[Any, Any]]) -> None:
        if isinstance(self._stack[-1], _Map):
            self._stack[-1].items.extend(pairs)

    def _extend(self, items: list[Any]) -> None:
        if isinstance(self._stack[-1], _Sequence):
            self._stack[-1].items.extend(items)

    def _call(self, function: Any, args: Any) -> Any:
        """The symbol for `function(*args)`."""
        name = function.name.rpartition(" ")[2] if isinstance(function, _Global) else ""
        if not isinstance(args, tuple):
            return _Map()
        if name in ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3") and len(args) >= 4:
            tensor = _tensor(*args[:4], args[6] if name == "_rebuild_tensor_v3" and len(args) > 6 else None)
            if tensor is not None:
                self.tensors.append(tensor)
                return tensor
        if name in ("_rebuild_parameter", "_rebuild_parameter_with_state") and args:
            return args[0]
        return _Map()


# Opcodes that push their argument, or None's and the booleans' own.
_LITERALS: dict[str, Any] = {
    "NONE": None, "NEWTRUE": True, "NEWFALSE": False,
    **dict.fromkeys(("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"), 0),
    **dict.fromkeys(("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"), ""),
    **dict.fromkeys(("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"), b""),
}  # fmt: skip


def _pairs(items: list[Any]) -> list[tuple[Any, Any]]:
    return list(zip(items[::2], items[1::2], strict=True))


def _storage(pid: Any) -> Any:
    if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] != "storage" or not isinstance(pid[1], _Global) or not isinstance(pid[2], str):
        return _Map()
    dtype, itemsize = STORAGES.get(pid[1].name.rpartition(" ")[2], ("", 0))
    return Storage(pid[2], dtype, itemsize)


def _tensor(storage: Any, offset: Any, shape: Any, stride: Any, dtype: Any) -> Tensor | None:
    if not isinstance(storage, Storage) or not _is_size(offset) or not isinstance(shape, tuple) or not isinstance(stride, tuple):
        return None
    if len(shape) != len(stride) or len(shape) > 64 or not all(map(_is_size, (*shape, *stride))):
        return None
    if isinstance(dtype, _Global):
        name, itemsize = DTYPES.get(dtype.name.rpartition(" ")[2], ("", 0))
        storage = Storage(storage.key, name, itemsize)
    return Tensor(storage, offset, shape, stride)


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 62


def _named(root: Any) -> Iterator[tuple[str, Tensor]]:
    """(path, tensor) below `root`, each container once, in bounded time."""
    seen: set[int] = set()
    waiting: list[tuple[str, Any, int]] = [("", item, 0) for item in root.items]
    while waiting and len(seen) < MAX_NAMED:
        path, item, depth = waiting.pop()
        if isinstance(item, Tensor):
            yield path, item
        if id(item) in seen or depth > MAX_DEPTH or not isinstance(item, (_Map, _Sequence, tuple)):
            continue
        seen.add(id(item))
        children = item.items if isinstance(item, _Map) else enumerate(item if isinstance(item, tuple) else item.items)
        for key, child in reversed(list(children)):
            if isinstance(key, (str, int)) and isinstance(child, (Tensor, _Map, _Sequence, tuple)):
                waiting.append((f"{path}.{key}"[: 1 << 13] if path else str(key)[: 1 << 13], child, depth + 1))
