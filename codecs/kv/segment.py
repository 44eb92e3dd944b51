"""What a frame's parameters say of a segment: the keys or the values of some tokens of one layer."""

from __future__ import annotations

from dataclasses import dataclass

from laconic.container.varint import Cursor, put_uvarint
from laconic.errors import CorruptDataError

MAX_CHANNELS = 1 << 16
_QUANTISED = 0x80

# Element codes. All bytes are alike to the lossless methods; quantised segments hold one of the others.
BYTE, BF16, FP16, FP32 = range(4)
WIDTHS = {BYTE: 1, BF16: 2, FP16: 2, FP32: 4}
_ELEMENTS = {"bfloat16": BF16, "<f2": FP16, "<f4": FP32}


def element_of(dtype: str) -> int | None:
    """The element code of a dtype of docs/format.md; None for what no KV cache holds."""
    if dtype.startswith("float8_"):
        return BYTE
    return _ELEMENTS.get(dtype)


@dataclass(frozen=True, slots=True)
class Coarse:
    """Where a quantised segment comes from: the profile by content hash, its set (2 * layer for keys, + 1 for values), the first
    token's position."""

    profile: bytes
    set: int
    position: int


@dataclass(frozen=True, slots=True)
class Segment:
    """Rows (tokens) of `channels` elements."""

    element: int
    channels: int
    coarse: Coarse | None = None

    @property
    def width(self) -> int:
        return WIDTHS[self.element]

    def pack(self) -> bytes:
        out = bytearray((self.element | (_QUANTISED if self.coarse else 0),))
        put_uvarint(out, self.channels)
        if self.coarse:
            out += self.coarse.profile
            put_uvarint(out, self.coarse.set)
            put_uvarint(out, self.coarse.position)
        return bytes(out)

    @classmethod
    def parse(cls, params: bytes) -> Segment:
        if not params:
            raise CorruptDataError("a KV frame without parameters")
        cursor = Cursor(params[1:], "KV parameters")
        element, channels = params[0] & ~_QUANTISED, cursor.uvarint()
        if element not in WIDTHS or not 0 < channels <= MAX_CHANNELS:
            raise CorruptDataError(f"no such KV segment (element {element}, {channels} channels)")
        coarse = None
        if params[0] & _QUANTISED:
            coarse = Coarse(bytes(cursor.take(16)), cursor.uvarint(), cursor.uvarint())
            if element == BYTE or coarse.position >> 40:
                raise CorruptDataError("no such quantised KV segment")
        cursor.end()
        return cls(element, channels, coarse)
