"""What the adaptors share: how pixels lie in rows, and the pieces and the view made of that."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from laconic.container import Piece, SourceReader, View
from laconic.container.varint import Cursor, put_uvarint
from laconic.errors import CorruptDataError

PIXELS, PNG = 0, 1  # first byte of the frame parameters

MAX_CHANNELS = 64
MAX_STRIDE = 1 << 24
FRAME = 1 << 22  # raw bytes: what starting the adaptive models anew costs must not show
_BITS = (1, 2, 4, 8, 16)


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """How the pixels of a row are stored: the frame parameters.

    Packed as byte 0, one byte (log2 bits | big-endian << 3 | signed << 4 | reversed << 5), and the uvarints channels, width, padding.
    """

    width: int  # pixels of a row
    channels: int = 1  # interleaved; 1 where bits < 8
    bits: int = 8  # of a sample: 1, 2, 4 (packed), 8 or 16
    big_endian: bool = False
    signed: bool = False
    reversed: bool = False  # blue, green, red
    padding: int = 0  # bytes after each row

    @property
    def row_bytes(self) -> int:
        return -(-self.width * self.bits // 8) if self.bits < 8 else self.width * self.channels * self.bits // 8

    @property
    def stride(self) -> int:
        return self.row_bytes + self.padding

    def is_valid(self) -> bool:
        return (
            self.bits in _BITS
            and 1 <= self.channels <= (MAX_CHANNELS if self.bits >= 8 else 1)
            and self.width >= 1
            and self.padding >= 0
            and self.stride <= MAX_STRIDE
            and not (self.signed and self.bits < 8)
        )

    def pack(self) -> bytes:
        flags = _BITS.index(self.bits) | self.big_endian << 3 | self.signed << 4 | self.reversed << 5
        out = bytearray((PIXELS, flags))
        for value in (self.channels, self.width, self.padding):
            put_uvarint(out, value)
        return bytes(out)

    @classmethod
    def parse(cls, params: bytes) -> PixelFormat:
        if len(params) < 5 or params[0] != PIXELS or params[1] & 7 >= len(_BITS) or params[1] >> 6:
            raise CorruptDataError(f"no such image parameters ({params.hex()})")
        cursor = Cursor(params, "the image parameters")
        cursor.pos = 2
        channels, width, padding = cursor.uvarint(), cursor.uvarint(), cursor.uvarint()
        flags = params[1]
        form = cls(width, channels, _BITS[flags & 7], bool(flags & 8), bool(flags & 16), bool(flags & 32), padding)
        if cursor.pos != len(params) or not form.is_valid():
            raise CorruptDataError(f"no such image parameters ({params.hex()})")
        return form

    def view_type(self, rows: int) -> tuple[str, tuple[int, ...]] | None:
        """dtype and shape of so many rows as an array; None where pixels are packed or rows padded."""
        if self.bits < 8 or self.padding:
            return None
        dtype = ("|" if self.bits == 8 else ">" if self.big_endian else "<") + ("i" if self.signed else "u") + str(self.bits // 8)
        return dtype, (rows, self.width) if self.channels == 1 else (rows, self.width, self.channels)


@dataclass(frozen=True, slots=True)
class Area:
    """Rows of pixels in a file: `rows` of them from byte `start`."""

    format: PixelFormat
    start: int
    rows: int

    @property
    def size(self) -> int:
        return self.rows * self.format.stride


def layout(reader: SourceReader, areas: list[Area]) -> Iterator[Piece | View]:
    """The areas, and the bytes around them. ValueError if there is none, or one is not of ours or overlaps another."""
    position = 0
    found: list[tuple[Area, int]] = []
    for area in sorted(areas, key=lambda area: area.start):
        form = area.format
        size = area.size
        if reader.size is not None:
            size = min(size, reader.size - area.start)
        elif form.stride > FRAME:
            raise ValueError("rows too long for a pipe")
        if not form.is_valid() or area.start < position or size < form.stride:
            raise ValueError("no pixels that the image codec knows")
        found.append((area, size))
        position = area.start + size
    if not found:
        raise ValueError("no pixels that the image codec knows")
    return _pieces(found)


def _pieces(found: list[tuple[Area, int]]) -> Iterator[Piece | View]:
    position = 0
    for number, (area, size) in enumerate(found):
        yield Piece(area.start - position, codec="bytes")
        rows = size // area.format.stride
        shape = area.format.view_type(rows)
        if shape is not None:
            name = "pixels" if number == 0 else f"pixels{number}"
            yield View(name, *shape, area.start, rows * area.format.stride)
        yield Piece(size, area.format.pack(), unit=area.format.stride)
        position = area.start + size


def of_array(dtype: str, shape: tuple[int, ...]) -> PixelFormat | None:
    """How an array's elements are pixels: (..., rows, width) or, with up to 16 channels in the last axis, (..., rows, width, channels).

    `dtype`: |u1, |i1, or u2 or i2 of either byte order. None for others, and for rows of more than 2**24 bytes.

    >>> of_array("|u1", (480, 640, 3)), of_array("<u2", (480, 640))
    (PixelFormat(width=640, channels=3, bits=8, big_endian=False, signed=False, reversed=False, padding=0), PixelFormat(width=640, \
channels=1, bits=16, big_endian=False, signed=False, reversed=False, padding=0))
    """
    if dtype[1:] not in ("u1", "i1", "u2", "i2") or 0 in shape:
        return None
    channels = shape[-1] if len(shape) >= 3 and shape[-1] <= 16 else 1
    width = (shape[-2] if channels > 1 or (len(shape) >= 3 and shape[-1] == 1) else shape[-1]) if shape else 1
    form = PixelFormat(width, channels, 8 * int(dtype[2]), dtype[0] == ">" and dtype[2] == "2", dtype[1] == "i")
    return form if form.is_valid() and math.prod(shape) else None
