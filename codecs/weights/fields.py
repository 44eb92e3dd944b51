"""Records of fields: structured dtypes to the layouts that `_core.encode_fields` takes. See FORMAT.md, "fields"."""

from __future__ import annotations

import ast
from math import prod
from typing import Any

from laconic.codecs.weights.tensors import Formats
from laconic.container.varint import put_uvarint

MARK = b"\x7c"  # first byte of the parameters; no element format begins so
MAX_FIELDS = 64
MAX_RECORD = 1 << 16


class Records:
    """Formats of plain elements, and of records of them."""

    def __init__(self, plain: Formats) -> None:
        self._plain = plain

    def params(self, dtype: str, itemsize: int) -> bytes | None:
        return layout_of(dtype, self._plain) if dtype[:1] == "[" else self._plain.params(dtype, itemsize)


def layout_of(dtype: str, formats: Formats) -> bytes | None:
    """Parameters for a structured dtype, as numpy describes it: a list of (name, dtype[, shape]); None if it is none we cut.

    >>> from laconic.codecs.weights import codec
    >>> layout_of("[('d', '<f2'), ('qs', '|i1', (32,))]", codec).hex()
    '7c05010020'
    """
    try:
        found = list(_fields(ast.literal_eval(dtype), 1, formats))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    size = sum(width * count for _, width, count in found)
    if not 0 < len(found) <= MAX_FIELDS or size > MAX_RECORD or any(count <= 0 for _, _, count in found):
        return None
    params = bytearray(MARK)
    for packed, _, count in found:
        params += packed
        put_uvarint(params, count)
    return bytes(params)


def _fields(descr: Any, repeat: int, formats: Formats) -> list[tuple[bytes, int, int]]:
    """(element format, its width, count) of each field in order; ValueError for a description that has no such fields."""
    if not isinstance(descr, list) or len(descr) > MAX_FIELDS or not 0 < repeat <= MAX_FIELDS:
        raise ValueError("not a list of fields")
    found: list[tuple[bytes, int, int]] = []
    for _ in range(repeat):
        for field in descr:
            _, inner, shape = field if len(field) == 3 else (*field, ())
            count = prod(shape if isinstance(shape, tuple) else (shape,))
            if isinstance(inner, list):
                found += _fields(inner, count, formats)
            else:
                packed, per_element = _element(inner, formats)
                found.append((packed, 1 << (packed[0] & 3), count * per_element))
            if len(found) > MAX_FIELDS:
                raise ValueError("too many fields")
    return found


def _element(dtype: str, formats: Formats) -> tuple[bytes, int]:
    """(element format, elements) of one field's dtype: two for a complex number."""
    found = formats.params(dtype, 0)
    if found is None or len(found) != 1:
        raise ValueError("no numbers")
    return found, 2 if dtype[1:2] == "c" else 1


def report(planes: list[list[tuple[str, int]]]) -> str:
    """Forms of a frame's planes, for `laconic info`: "A+raw B" is a field of two planes and one of one."""
    return " ".join("+".join(form for form, _ in field) for field in planes)
