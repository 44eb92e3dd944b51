"""The header of a safetensors file, read and written, with the checks that safetensors makes.

Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, TypeGuard

from laconic.safetensors.errors import SafetensorError

HEADER_LIMIT = 100_000_000  # bytes, safetensors' own

# Bits of an element. Their order is that in which safetensors writes tensors, last ones first.
BITS = {
    "BOOL": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8,
    "F8_E5M2FNUZ": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "C64": 64, "F64": 64, "I64": 64,
    "U64": 64,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """A tensor in a file: bytes [start, stop) of it."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Header:
    tensors: dict[str, TensorInfo]  # by position
    metadata: dict[str, str] | None


def read_header(read: Callable[[int, int], Any], size: int) -> Header:
    """The header of a file of `size` bytes, whose bytes [start, stop) `read(start, stop)` gives; SafetensorError if it is none."""
    if size < 8:
        raise _bad("header too small")
    length = int.from_bytes(read(0, 8), "little")
    if length > HEADER_LIMIT:
        raise _bad("header too large")
    if 8 + length > size:
        raise _bad("invalid header length")
    try:
        found = json.loads(bytes(read(8, 8 + length)))
    except (ValueError, RecursionError) as error:
        raise _bad(f"invalid JSON in header: {error}") from None
    if not isinstance(found, dict):
        raise _bad("the header is no JSON object")
    metadata = found.pop("__metadata__", None)
    if metadata is not None and not (isinstance(metadata, dict) and all(isinstance(value, str) for value in metadata.values())):
        raise _bad("the metadata is no map of text to text")
    infos = {name: _tensor(name, entry, 8 + length) for name, entry in found.items()}
    infos = dict(sorted(infos.items(), key=lambda item: (item[1].start, item[1].stop)))
    end = 8 + length
    for name, info in infos.items():
        if info.start != end:
            raise _bad(f"invalid offset for tensor `{name}`")
        end = info.stop
    if end != size:
        raise _bad("incomplete metadata, file not fully covered")
    return Header(infos, metadata)


def write_header(tensors: Mapping[str, tuple[str, tuple[int, ...], int]], metadata: Mapping[str, str] | None) -> tuple[bytes, list[str]]:
    """The header for tensors given as name: (dtype, shape, bytes), and their names in the order in which the data follows."""
    rank = {dtype: k for k, dtype in enumerate(BITS)}
    order = sorted(tensors, key=lambda name: (-rank[tensors[name][0]], name))
    header: dict[str, Any] = {} if metadata is None else {"__metadata__": dict(metadata)}
    end = 0
    for name in order:
        dtype, shape, size = tensors[name]
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text, order


def _tensor(name: str, entry: Any, data: int) -> TensorInfo:
    if not isinstance(entry, dict):
        raise _bad(f"tensor `{name}` is no JSON object")
    dtype, shape, offsets = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in BITS:
        raise _bad(f"tensor `{name}` has the unknown dtype {str(dtype)[:40]!r}")
    if not _sizes(shape) or not _sizes(offsets) or len(offsets) != 2 or offsets[1] < offsets[0]:
        raise _bad(f"tensor `{name}` has no shape or no offsets")
    bits = prod(shape) * BITS[dtype]
    if bits % 8 or offsets[1] - offsets[0] != bits // 8:
        raise _bad(f"tensor `{name}`: shape and offsets differ")
    return TensorInfo(dtype, tuple(shape), data + offsets[0], data + offsets[1])


def _sizes(value: Any) -> TypeGuard[list[int]]:
    return isinstance(value, list) and len(value) <= 64 and all(type(n) is int and 0 <= n < 1 << 62 for n in value)


def _bad(text: str) -> SafetensorError:
    return SafetensorError(f"Error while deserializing header: {text}")
