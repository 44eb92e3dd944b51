"""`.npy` files: a magic, a header with a Python literal, the elements. The header is kept verbatim.

Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from math import prod

from laconic.codecs.weights.tensors import Formats, pieces
from laconic.container import Piece, Source, View

MAGIC = b"\x93NUMPY"
MAX_DIMS = 64
HEADER_LIMIT = 1 << 16


def sniff(head: bytes, size: int | None) -> float:
    return 0.99 if head[:6] == MAGIC and len(head) >= 10 and head[6] in (1, 2, 3) else 0.0


def parse_header(head: bytes) -> tuple[str, tuple[int, ...], bool, int]:
    """(dtype string, shape, Fortran order, bytes before the data) of a file that begins with `head`; ValueError if it is none."""
    if sniff(head, None) == 0:
        raise ValueError("not a .npy file")
    width = 2 if head[6] == 1 else 4
    start = 8 + width
    end = start + int.from_bytes(head[8:start], "little")
    if end - start > HEADER_LIMIT or end > len(head):
        raise ValueError("the .npy header is too long or cut short")
    try:
        header = ast.literal_eval(head[start:end].decode("utf-8" if head[6] == 3 else "latin-1").strip())
        dtype, shape, fortran = header["descr"], header["shape"], header["fortran_order"]
    except (SyntaxError, ValueError, KeyError, TypeError, MemoryError, RecursionError) as error:
        raise ValueError("the .npy header is damaged") from error
    if not isinstance(shape, tuple) or len(shape) > MAX_DIMS or not all(type(n) is int and 0 <= n < 1 << 62 for n in shape):
        raise ValueError("the .npy header has no shape")
    if not isinstance(dtype, str):
        raise ValueError("a structured .npy file")
    return dtype, shape, bool(fortran), end


def view_of(head: bytes, start: int, stop: int, formats: Formats, name: str) -> tuple[View, int] | None:
    """The array in the .npy bytes [start, stop) that begin with `head`; None if its elements are no plain numbers."""
    dtype, shape, fortran, header = parse_header(head)
    itemsize = int("".join(c for c in dtype[2:] if c.isdigit()) or 0) if dtype[1:2] not in "mM" else 8
    if formats.params(dtype, itemsize) is None or prod(shape) * itemsize != stop - start - header:
        return None
    # A view shows the elements as they lie: an array in Fortran order is its transpose in C order.
    return View(name, dtype, shape[::-1] if fortran else shape, start + header, stop - start - header), itemsize


def layout(source: Source, formats: Formats) -> Iterator[Piece | View]:
    head = source.head(HEADER_LIMIT)
    size = source.size
    dtype, shape, _, header = parse_header(head)
    if size is None:  # a pipe: believe the header; what differs is kept as plain bytes
        size = header + prod(shape) * int("".join(c for c in dtype[2:] if c.isdigit()) or 0)
    found = view_of(head, 0, size, formats, "array")
    yield Piece(header, codec="bytes")
    yield from pieces([found] if found else [], header, size, formats)
