"""`.safetensors` files: an 8-byte size, a JSON header, tensor data. The header is kept verbatim; any layout comes back as it was.

Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from math import prod
from typing import TypeGuard

from laconic.codecs.weights.tensors import Formats, apart, pieces
from laconic.container import Piece, Source, View, names

MAX_DIMS = 64  # numpy's limit, and the container's
HEADER_LIMIT = 100_000_000  # bytes, from the format's own reader

# dtype -> (our name, bits an element). Packed sub-byte types are kept as bytes without a view when a row does not end on a byte.
DTYPES = {
    "BOOL": ("|b1", 8), "U8": ("|u1", 8), "I8": ("|i1", 8), "F8_E5M2": ("float8_e5m2", 8), "F8_E4M3": ("float8_e4m3fn", 8),
    "F8_E4M3FNUZ": ("float8_e4m3fnuz", 8), "F8_E5M2FNUZ": ("float8_e5m2fnuz", 8), "F8_E8M0": ("float8_e8m0fnu", 8),
    "I16": ("<i2", 16), "U16": ("<u2", 16), "F16": ("<f2", 16), "BF16": ("bfloat16", 16), "I32": ("<i4", 32), "U32": ("<u4", 32),
    "F32": ("<f4", 32), "I64": ("<i8", 64), "U64": ("<u8", 64), "F64": ("<f8", 64), "C64": ("<c8", 64),
}  # fmt: skip


def sniff(head: bytes, size: int | None) -> float:
    if len(head) < 10:
        return 0.0
    header = int.from_bytes(head[:8], "little")
    plausible = 2 <= header <= HEADER_LIMIT and (size is None or 8 + header <= size)
    return 0.95 if plausible and head[8:9] == b"{" and head[9:10] in b'"} \n\r\t' else 0.0


def layout(source: Source, formats: Formats) -> Iterator[Piece | View]:
    """Views named like the tensors, keys escaped as in laconic.objects."""
    size = int.from_bytes(source.head(8), "little")
    if size > HEADER_LIMIT:
        raise ValueError("not a safetensors file")
    header = source.head(8 + size)
    if len(header) != 8 + size:
        raise ValueError("the safetensors header is cut short")
    try:
        tensors = json.loads(header[8:])
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError("the safetensors header is not JSON") from error
    views = _views(tensors, 8 + size, source.size)
    yield Piece(8 + size, codec="bytes")
    end = source.size if source.size is not None else max((v.start + v.size for v, _ in views), default=0)
    yield from pieces(views, 8 + size, end, formats)


def _views(tensors: object, data: int, file_size: int | None) -> list[tuple[View, int]]:
    """Tensors in order of position; those that overlap, lie outside or are not understood are left out (their bytes are kept)."""
    if not isinstance(tensors, dict):
        raise ValueError("the safetensors header is no JSON object")
    found: list[tuple[View, int]] = []
    for name, entry in tensors.items():
        if name == "__metadata__" or not isinstance(entry, dict):
            continue
        dtype, shape, offsets = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
        if not isinstance(dtype, str) or dtype not in DTYPES or not _naturals(shape) or not _naturals(offsets) or len(offsets) != 2:
            continue
        ours, bits = DTYPES[dtype]
        start, stop = data + offsets[0], data + offsets[1]
        if start <= stop <= (file_size if file_size is not None else stop) and stop - start == prod(shape) * bits // 8:
            found.append((View(names.escape(name), ours, tuple(shape), start, stop - start), bits // 8))
    return apart(found, data)


def _naturals(value: object) -> TypeGuard[list[int]]:
    return isinstance(value, list) and len(value) <= MAX_DIMS and all(type(n) is int and 0 <= n < 1 << 62 for n in value)
