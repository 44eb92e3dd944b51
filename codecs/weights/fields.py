"""Records of fields: structured dtypes to the layouts that `_core.encode_fields` takes. See FORMAT.md, "fields"."""

from __future__ import annotations

import ast
from collections.abc import Callable
from math import prod
from typing import Any, Protocol

from laconic.container.varint import put_uvarint

MARK = b"\x7c"  # first byte of the parameters; no element format begins so
MAX_FIELDS = 64
MAX_RECORD = 1 << 16


class Packed(Protocol):
    def pack(self) -> bytes: ...


def layout_of(dtype: str, element_format: Callable[[str], Packed | None]) -> bytes | None:
    """Parameters for a structured dtype, as numpy describes it: a list of (name, dtype[, shape]); None if it is none we cut.

    >>> from laconic.codecs.weights.codec import element_format
    >>> layout_of("[('d', '<f2'), ('qs', '|i1', (32,))]", element_format).hex()
    '7c05010020'
    """
    try:
        found = list(_fields(ast.literal_eval(dtype), 1, element_format))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    size = sum(width * count for _, width, count in found)
    if not 0 < len(found) <= MAX_FIELDS or size > MAX_RECORD or any(count == 0 for _, _, count in found):
        return None
    params = bytearray(MARK)
    for packed, _, count in found:
        params += packed
        put_uvarint(params, count)
    return bytes(params)


def _fields(descr: Any, repeat: int, element_format: Callable[[str], Packed | None]) -> list[tuple[bytes, int, int]]:
    """(element format, its width, count) of each field in order; ValueError for a description that has no such fields."""
    if not isinstance(descr, list) or len(descr) > MAX_FIELDS or not 0 < repeat <= MAX_FIELDS:
        raise ValueError("not a list of fields")
    found: list[tuple[bytes, int, int]] = []
    for _ in range(repeat):
        for field in descr:
            _, inner, *rest = field
            shape = rest[0] if rest else ()
            count = prod(shape if isinstance(shape, tuple) else (shape,))
            if isinstance(inner, list):
                found += _fields(inner, count, element_format)
            else:
                packed, per_element = _element(inner, element_format)
                found.append((packed, 1 << (packed[0] & 3), count * per_element))
            if len(found) > MAX_FIELDS:
                raise ValueError("too many fields")
    return found


def _element(dtype: str, element_format: Callable[[str], Packed | None]) -> tuple[bytes, int]:
    """(element format, elements) of one field's dtype; texts and opaque bytes are cut into characters and bytes."""
    kind, size = dtype[1:2], dtype[2:]
    if kind in "SV" and size.isdecimal():
        return element_format("|u1").pack(), int(size)  # type: ignore[union-attr]
    if kind == "U" and size.isdecimal():
        return element_format(f"{dtype[0]}u4").pack(), int(size)  # type: ignore[union-attr]
    found = element_format(dtype)
    if found is None:
        raise ValueError("no numbers")
    complex_parts = 2 if kind == "c" else 1
    return found.pack(), complex_parts


def report(planes: list[list[tuple[str, int]]]) -> str:
    """Forms of a frame's planes, for `laconic info`: "A+raw B" is a field of two planes and one of one."""
    return " ".join("+".join(form for form, _ in field) for field in planes)
