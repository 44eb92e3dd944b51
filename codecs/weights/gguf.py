"""`.gguf` files: a header of typed key-value pairs, a table of tensors, aligned tensor data. The header is kept verbatim.

A tensor of quantised blocks is a view of records: `archive["f/blk.0.attn_q.weight"]["d"]` are its scales. Types that are not known here
pass as plain bytes.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from laconic.codecs.weights.fields import Records
from laconic.codecs.weights.tensors import Formats, apart, pieces
from laconic.container import Piece, Source, View, names

MAGIC = b"GGUF"
HEADER_LIMIT = 1 << 28  # bytes; vocabularies take some 10 MB
MAX_DIMS = 8  # ggml has 4
MAX_DEPTH = 8  # of arrays in arrays
ALIGNMENT = 32
ALIGNMENT_KEY = b"general.alignment"

_STEP = 1 << 20  # bytes of the header read at a time

# Sizes of the value types that have one; 8 is a string, 9 an array.
_SCALAR = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_STRING, _ARRAY, _UINT32 = 8, 9, 4


@dataclass(frozen=True, slots=True)
class Block:
    """A ggml type: `values` weights in one element of numpy dtype `dtype` (with "<" for the file's byte order)."""

    values: int
    dtype: str
    size: int


def _record(values: int, *fields: tuple[str, str, int]) -> Block:
    """A block as a structured dtype. A field is (name, dtype, count); a width of 4 or 8 on bytes means a pattern of that period."""
    size = sum(int(dtype[2:]) * count for _, dtype, count in fields)
    text = ", ".join(f"({name!r}, {dtype!r})" if count == 1 else f"({name!r}, {dtype!r}, ({count},))" for name, dtype, count in fields)
    return Block(values, f"[{text}]", size)


_D, _M = ("d", "<f2", 1), ("dmin", "<f2", 1)
# Six-bit scales and minima of eight sub-blocks: of the first four in bytes 0-3 and 4-7, of the others in bytes 8-11 and their top bits.
_SCALES_K = (("scales", "|u1", 4), ("mins", "|u1", 4), ("rest", "|u1", 4))

BLOCKS = {
    0: Block(1, "<f4", 4), 1: Block(1, "<f2", 2), 24: Block(1, "|i1", 1), 25: Block(1, "<i2", 2), 26: Block(1, "<i4", 4),
    27: Block(1, "<i8", 8), 28: Block(1, "<f8", 8), 30: Block(1, "bfloat16", 2),
    2: _record(32, _D, ("qs", "|u1", 16)),  # Q4_0
    3: _record(32, _D, ("m", "<f2", 1), ("qs", "|u1", 16)),  # Q4_1
    6: _record(32, _D, ("qh", "|u1", 4), ("qs", "|u1", 16)),  # Q5_0
    7: _record(32, _D, ("m", "<f2", 1), ("qh", "|u1", 4), ("qs", "|u1", 16)),  # Q5_1
    8: _record(32, _D, ("qs", "|i1", 32)),  # Q8_0
    9: _record(32, ("d", "<f4", 1), ("s", "<f4", 1), ("qs", "|i1", 32)),  # Q8_1
    10: _record(256, ("scales", "|u1", 16), ("qs", "|u1", 64), _D, _M),  # Q2_K
    11: _record(256, ("hmask", "|u1", 32), ("qs", "|u1", 64), ("scales", "|u1", 12), _D),  # Q3_K
    12: _record(256, _D, _M, *_SCALES_K, ("qs", "|u1", 128)),  # Q4_K
    13: _record(256, _D, _M, *_SCALES_K, ("qh", "|u1", 32), ("qs", "|u1", 128)),  # Q5_K
    14: _record(256, ("ql", "|u1", 128), ("qh", "|u1", 64), ("scales", "|i1", 16), _D),  # Q6_K
    15: _record(256, ("d", "<f4", 1), ("qs", "|i1", 256), ("bsums", "<i2", 16)),  # Q8_K
    16: _record(256, _D, ("qs", "<u8", 8)),  # IQ2_XXS: 4 bytes of grid indexes, 4 of signs and a scale, 8 times
    17: _record(256, _D, ("qs", "<u2", 32), ("scales", "|u1", 8)),  # IQ2_XS
    18: _record(256, _D, ("qs", "|u1", 64), ("signs", "<u4", 8)),  # IQ3_XXS
    19: _record(256, _D, ("qs", "|u1", 32), ("qh", "<u2", 8)),  # IQ1_S
    20: _record(32, _D, ("qs", "|u1", 16)),  # IQ4_NL
    21: _record(256, _D, ("qs", "|u1", 64), ("qh", "|u1", 8), ("signs", "|u1", 32), ("scales", "|u1", 4)),  # IQ3_S
    22: _record(256, _D, ("qs", "|u1", 32), ("signs", "|u1", 32), ("qh", "|u1", 8), ("scales", "|u1", 8)),  # IQ2_S
    23: _record(256, _D, ("scales_h", "<u2", 1), ("scales_l", "|u1", 4), ("qs", "|u1", 128)),  # IQ4_XS
    29: _record(256, ("qs", "|u1", 32), ("qh", "|u1", 16), ("scales", "<u2", 4)),  # IQ1_M
    34: _record(256, ("qs", "|u1", 48), ("qh", "|u1", 4), _D),  # TQ1_0
    35: _record(256, ("qs", "|u1", 64), _D),  # TQ2_0
    39: _record(32, ("e", "|u1", 1), ("qs", "|u1", 16)),  # MXFP4
    40: _record(64, ("d", "|u1", 4), ("qs", "|u1", 32)),  # NVFP4
    41: _record(128, _D, ("qs", "|u1", 16)),  # Q1_0
}  # fmt: skip


def sniff(head: bytes, size: int | None) -> float:
    if head[:4] != MAGIC or len(head) < 16:
        return 0.0
    return 0.99 if _byte_order(head) else 0.0


def layout(source: Source, formats: Formats) -> Iterator[Piece | View]:
    """Views named like the tensors, keys escaped as in laconic.objects."""
    cursor = _Cursor(source)
    tensors, alignment = _parse(cursor)
    data = -(-cursor.position // alignment) * alignment
    views = _views(tensors, data, source.size, cursor.order)
    end = source.size if source.size is not None else max((view.start + view.size for view, _ in views), default=cursor.position)
    header = min(data, end)
    yield Piece(header, codec="bytes")
    yield from pieces(views, header, end, Records(formats))


def _byte_order(head: bytes) -> str:
    """ "<" or ">", by the version (2 or 3) after the magic; "" for others. Version 1 had 32-bit counts and was never common."""
    return next((order for order in "<>" if struct.unpack_from(f"{order}I", head, 4)[0] in (2, 3)), "")


@dataclass(frozen=True, slots=True)
class _Tensor:
    name: str
    shape: tuple[int, ...]  # the last axis runs fastest
    type: int
    offset: int


def _parse(cursor: _Cursor) -> tuple[list[_Tensor], int]:
    """The tensor table and the alignment of the data; ValueError if the header is none."""
    cursor.skip(8)
    count, pairs = cursor.u64(), cursor.u64()
    alignment = ALIGNMENT
    for _ in range(cursor.earned(pairs, 13)):
        key, kind = cursor.string(), cursor.u32()
        if key == ALIGNMENT_KEY and kind == _UINT32:
            alignment = cursor.u32()
        else:
            cursor.skip_value(kind)
    if not 0 < alignment <= 1 << 20:
        raise ValueError("the GGUF header has an alignment out of range")
    tensors = []
    for _ in range(cursor.earned(count, 24)):
        name = cursor.string().decode("utf-8", "surrogateescape")
        dims = cursor.u32()
        if dims > MAX_DIMS:
            raise ValueError("a GGUF tensor of too many dimensions")
        shape = tuple(cursor.u64() for _ in range(dims))
        tensors.append(_Tensor(name, shape[::-1], cursor.u32(), cursor.u64()))
    return tensors, alignment


def _views(tensors: list[_Tensor], data: int, file_size: int | None, order: str) -> list[tuple[View, int]]:
    """Views with their item sizes, by position; tensors that overlap, lie outside or are not understood are left out."""
    found = []
    for tensor in tensors:
        block = BLOCKS.get(tensor.type)
        shape = tensor.shape or (1,)
        if block is None or shape[-1] % block.values or any(n >= 1 << 40 for n in shape):
            continue
        shape = (*shape[:-1], shape[-1] // block.values)
        start, size = data + tensor.offset, prod(shape) * block.size
        dtype = block.dtype.replace("<", ">") if order == ">" else block.dtype
        if order == ">" and dtype == "bfloat16":
            continue  # there is no name for it in the other byte order
        if start + size <= (file_size if file_size is not None else 1 << 62):
            found.append((View(names.escape(tensor.name), dtype, shape, start, size), block.size))
    return apart(found, data)


class _Cursor:
    """Reads a header front to back; every size is checked against the bytes that there are. ValueError at the end of them."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._head = source.head(_STEP)
        self.position = 0
        self.order = _byte_order(self._head) if len(self._head) >= 8 else ""
        if not self.order:
            raise ValueError("not a GGUF file of version 2 or 3")

    def _need(self, size: int) -> None:
        stop = self.position + size
        if stop > len(self._head):
            if stop > HEADER_LIMIT:
                raise ValueError("the GGUF header is too long")
            known = len(self._head)
            self._head = self._source.head(min(HEADER_LIMIT, max(stop, 2 * known)))
            if stop > len(self._head):
                raise ValueError("the GGUF header is cut short")

    def skip(self, size: int) -> None:
        self._need(size)
        self.position += size

    def u32(self) -> int:
        self.skip(4)
        value: int = struct.unpack_from(f"{self.order}I", self._head, self.position - 4)[0]
        return value

    def u64(self) -> int:
        self.skip(8)
        value: int = struct.unpack_from(f"{self.order}Q", self._head, self.position - 8)[0]
        return value

    def string(self) -> bytes:
        size = self.u64()
        self.skip(size)
        return self._head[self.position - size : self.position]

    def earned(self, count: int, least: int) -> int:
        """`count`, if the source can hold that many things of at least `least` bytes."""
        size = self._source.size
        if count * least > min(HEADER_LIMIT, HEADER_LIMIT if size is None else size):
            raise ValueError("the GGUF header counts more than the file can hold")
        return count

    def skip_value(self, kind: int, depth: int = 0) -> None:
        if kind in _SCALAR:
            self.skip(_SCALAR[kind])
        elif kind == _STRING:
            self.skip(self.u64())
        elif kind == _ARRAY and depth < MAX_DEPTH:
            inner, count = self.u32(), self.u64()
            if inner in _SCALAR:
                self.skip(count * _SCALAR[inner])
            elif inner == _STRING:
                self._skip_strings(self.earned(count, 8))
            else:
                for _ in range(self.earned(count, 12)):
                    self.skip_value(inner, depth + 1)
        else:
            raise ValueError("a GGUF value of unknown type")

    def _skip_strings(self, count: int) -> None:
        """As `count` calls of skip_value: a vocabulary has some 10^5 entries."""
        unpack, head, position = struct.Struct(f"{self.order}Q").unpack_from, self._head, self.position
        for _ in range(count):
            if position + 8 > len(head):
                self.position = position
                self._need(8)
                head = self._head
            position += 8 + unpack(head, position)[0]
        self.position = position
        self._need(0)
