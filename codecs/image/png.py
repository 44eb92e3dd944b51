"""PNG files by their pixels: what makes the same file of them again, byte for byte.

A PNG file is chunks; the data of its IDAT chunks is one zlib stream of filtered rows. The stream is inflated, the filters are undone, and
the pixels are coded as an image. The file comes back if deflating the same filtered rows with some parameters of zlib gives the same
stream, or one that differs little from it; else the file is no image to us. What the chunks hold beside is kept as it is.

Formats: W3C "Portable Network Graphics (PNG) Specification (Third Edition)"; RFC 1950, RFC 1951.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import xxhash

from laconic import _core
from laconic.codecs.image.pixels import MAX_STRIDE, PixelFormat
from laconic.container import zstd
from laconic.container.varint import Cursor, put_uvarint
from laconic.errors import CorruptDataError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_FILE = 1 << 25  # one frame
MAX_FILTERED = 1 << 28  # bytes of filtered rows
MAX_GROWTH = 64  # of filtered rows over the file: what decoding may need in memory
_FREE = 1 << 20  # bytes of filtered rows that need no file to speak for them
BAND = 1 << 22  # bytes of pixels that are coded together

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
_PROBE, _PROBE_MIN = 1 << 15, 1 << 9  # bytes of filtered rows that a set of parameters is tried on at a time; of stream to compare
_MAX_TRIES = 4  # sets of parameters that make the stream's beginning, to be tried on all of it
_MAX_DIFFERENCE = 16  # a difference larger than 1/16 of the stream is not worth its pixels

EncodePixels = Callable[[memoryview, PixelFormat], bytes]
DecodePixels = Callable[[memoryview, PixelFormat, memoryview], None]


@dataclass(frozen=True, slots=True)
class Deflate:
    """Parameters of zlib's deflateInit2."""

    level: int
    strategy: int
    memory: int
    window: int

    def run(self, data: bytes | memoryview) -> bytes:
        compressor = zlib.compressobj(self.level, zlib.DEFLATED, self.window, self.memory, self.strategy)
        return compressor.compress(data) + compressor.flush()

    def begins_like(self, data: memoryview, stream: memoryview) -> bool:
        """Whether the stream of `data` begins like `stream`: as far as it takes to see enough of it, the header aside."""
        compressor = zlib.compressobj(self.level, zlib.DEFLATED, self.window, self.memory, self.strategy)
        begin = bytearray()
        for start in range(0, len(data), _PROBE):
            begin += compressor.compress(data[start : start + _PROBE])
            if len(begin) >= _PROBE_MIN:
                break
        else:
            begin += compressor.flush()
        return begin[2:] == stream[2 : len(begin)]


def candidates(stream: memoryview) -> Iterator[Deflate]:
    """Parameters that may have made a zlib stream, the likely ones first: its header tells the window and hints at the level."""
    window = max(9, (stream[0] >> 4) + 8)
    hinted = {0: (1, 0), 1: (5, 4, 3, 2), 2: (6,), 3: (9, 7, 8)}[stream[1] >> 6]
    levels = (*hinted, *(level for level in (6, 9, 5, 4, 3, 2, 1, 7, 8, 0) if level not in hinted))
    windows = (15,) if window == 15 else (15, window)
    for level in levels:
        for strategy in (zlib.Z_FILTERED, zlib.Z_DEFAULT_STRATEGY) if level else (zlib.Z_DEFAULT_STRATEGY,):
            for memory in (8, 9):
                for bits in windows:
                    yield Deflate(level, strategy, memory, bits)
    for strategy in (zlib.Z_RLE, zlib.Z_HUFFMAN_ONLY, zlib.Z_FIXED):
        for memory in (8, 9):
            yield Deflate(6, strategy, memory, 15)


@dataclass(frozen=True, slots=True)
class Parsed:
    """A PNG file taken apart: the file is `before`, IDAT chunks of these `sizes` that hold `stream`, `after`."""

    before: memoryview
    sizes: list[int]
    stream: memoryview
    after: memoryview
    format: PixelFormat
    height: int


def parse(raw: memoryview) -> Parsed | None:
    """None unless the file is a PNG that can be made again from its parts, not interlaced."""
    position, first, sizes, data = 8, 0, [], []
    form, height = None, 0
    while position + 12 <= len(raw):
        size, name = struct.unpack(">I4s", raw[position : position + 8])
        end = position + 12 + size
        if end > len(raw):
            return None
        body = raw[position + 8 : end - 4]
        if name == b"IHDR" and form is None and size == 13:
            width, height, bits, colour, compression, filters, interlace = struct.unpack(">IIBBBBB", body)
            if compression or filters or interlace or colour not in _CHANNELS or not height:
                return None
            form = PixelFormat(width, _CHANNELS[colour], bits, big_endian=bits == 16)
        elif name == b"IDAT":
            if zlib.crc32(raw[position + 4 : end - 4]) != int.from_bytes(raw[end - 4 : end], "big"):
                return None
            first = first or position
            sizes.append(size)
            data.append(body)
        elif sizes:
            break
        position = end
    stream = memoryview(b"".join(data))
    if form is None or not form.is_valid() or len(stream) < 6:
        return None
    return Parsed(raw[:first], sizes, stream, raw[first + sum(sizes) + 12 * len(sizes) :], form, height)


def encode(raw: memoryview, encode_pixels: EncodePixels) -> bytes | None:
    """What decodes to this file; None if it can't be made again."""
    parsed = parse(raw)
    if parsed is None or parsed.height * (parsed.format.stride + 1) > _filtered_limit(len(raw)):
        return None
    stride, height = parsed.format.stride, parsed.height
    inflater = zlib.decompressobj()
    try:
        filtered = memoryview(inflater.decompress(parsed.stream, height * (stride + 1) + 1))
    except zlib.error:
        return None
    if len(filtered) != height * (stride + 1) or not inflater.eof or inflater.unused_data:
        return None
    found = _reproduce(filtered, parsed.stream)
    if found is None:
        return None
    deflate, difference = found
    pixels = bytearray(height * stride)
    kinds = bytearray(height)
    if not _core.unfilter_png(filtered, stride, _pixel_bytes(parsed.format), kinds, pixels):
        return None
    out = bytearray()
    put_uvarint(out, len(parsed.before))
    out += parsed.before
    put_uvarint(out, len(parsed.after))
    out += parsed.after
    out += parsed.format.pack()
    put_uvarint(out, height)
    sizes = bytearray()
    for size in parsed.sizes:
        put_uvarint(sizes, size)
    for part in (zstd.compress(sizes, 9), zstd.compress(kinds, 19)):
        put_uvarint(out, len(part))
        out += part
    out += bytes((deflate.level, deflate.strategy, deflate.memory, deflate.window))
    put_uvarint(out, len(parsed.sizes))
    put_uvarint(out, len(sizes))
    put_uvarint(out, len(difference))
    out += difference
    out += xxhash.xxh3_64_digest(parsed.stream)[::-1]
    for band in _bands(height, stride):
        payload = encode_pixels(memoryview(pixels)[band], parsed.format)
        put_uvarint(out, len(payload))
        out += payload
    return bytes(out)


def _reproduce(filtered: memoryview, stream: memoryview) -> tuple[Deflate, bytes] | None:
    """Parameters and the difference that is left: b"" for none."""
    for deflate in islice((d for d in candidates(stream) if d.begins_like(filtered, stream)), _MAX_TRIES):
        made = deflate.run(filtered)
        if made == stream:
            return deflate, b""
        if made[2:] == stream[2:]:  # another program's header
            return deflate, bytes(stream[:2])
        difference = zstd.compress(stream, 19, base=memoryview(made))
        if len(difference) < len(stream) // _MAX_DIFFERENCE:
            return deflate, difference
    return None


def decode(payload: memoryview, out: memoryview, decode_pixels: DecodePixels) -> None:
    """Fill `out` with the file; CorruptDataError if that is not what comes out."""
    cursor = Cursor(payload, "the PNG payload")
    before = cursor.take(cursor.uvarint())
    after = cursor.take(cursor.uvarint())
    form, height = _parse_format(cursor)
    packed_sizes, packed_kinds = cursor.take(cursor.uvarint()), cursor.take(cursor.uvarint())
    deflate = Deflate(*cursor.take(4))
    chunks, sizes_size = cursor.uvarint(), cursor.uvarint()
    difference = cursor.take(cursor.uvarint())
    wanted = cursor.u64()
    stride = form.stride
    if height * (stride + 1) > _filtered_limit(len(out)) or 12 * chunks > len(out) or sizes_size > 9 * chunks:
        raise CorruptDataError("the PNG payload asks for more than its file could hold")
    sizes = Cursor(zstd.decompress(packed_sizes, sizes_size, "the sizes of the IDAT chunks"), "the sizes of the IDAT chunks")
    kinds = zstd.decompress(packed_kinds, height, "the filters of the PNG rows")
    pixels = bytearray(height * stride)
    for band in _bands(height, stride):
        decode_pixels(cursor.take(cursor.uvarint()), form, memoryview(pixels)[band])
    cursor.end()
    filtered = bytearray(height * (stride + 1))
    _core.filter_png(pixels, stride, _pixel_bytes(form), kinds, filtered)
    try:
        stream = deflate.run(filtered)
    except (ValueError, zlib.error) as error:
        raise CorruptDataError("the PNG payload names parameters that zlib does not have") from error
    if len(difference) == 2:
        stream = bytes(difference) + stream[2:]
    elif difference:
        size = len(out) - len(before) - len(after) - 12 * chunks
        stream = zstd.decompress(difference, max(0, size), "the difference of the PNG's stream", memoryview(stream))
    if xxhash.xxh3_64_intdigest(stream) != wanted:
        raise CorruptDataError(
            f"the PNG's stream does not come back: the data is damaged, or this zlib ({zlib.ZLIB_RUNTIME_VERSION}) deflates unlike "
            "the one it was encoded with"
        )
    _assemble(out, before, stream, [sizes.uvarint() for _ in range(chunks)], after)


def _assemble(out: memoryview, before: memoryview, stream: bytes, sizes: list[int], after: memoryview) -> None:
    if len(before) + len(after) + len(stream) + 12 * len(sizes) != len(out) or sum(sizes) != len(stream):
        raise CorruptDataError("the PNG payload does not have the size of its file")
    out[: len(before)] = before
    position, taken = len(before), 0
    for size in sizes:
        body = stream[taken : taken + size]
        taken += size
        chunk = struct.pack(">I4s", size, b"IDAT") + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(b"IDAT")))
        out[position : position + len(chunk)] = chunk
        position += len(chunk)
    out[position:] = after


def info(payload: memoryview) -> dict[str, int]:
    """Width, height, channels and bits of a payload's picture."""
    cursor = Cursor(payload, "the PNG payload")
    cursor.take(cursor.uvarint())
    cursor.take(cursor.uvarint())
    form, height = _parse_format(cursor)
    return {"width": form.width, "height": height, "channels": form.channels, "bits": form.bits}


def _parse_format(cursor: Cursor) -> tuple[PixelFormat, int]:
    start = cursor.pos
    cursor.take(2)
    for _ in range(3):
        cursor.uvarint()
    form, height = PixelFormat.parse(bytes(cursor.data[start : cursor.pos])), cursor.uvarint()
    if height == 0 or form.padding or form.channels > 4 or form.stride > MAX_STRIDE:
        raise CorruptDataError("the PNG payload holds no picture of a PNG")
    return form, height


def _filtered_limit(file_size: int) -> int:
    return min(MAX_FILTERED, MAX_GROWTH * file_size + _FREE)


def _pixel_bytes(form: PixelFormat) -> int:
    """The distance of PNG's filters: whole bytes of a pixel."""
    return max(1, form.channels * form.bits // 8)


def _bands(height: int, stride: int) -> Iterator[slice]:
    """Rows that are coded together, as ranges of bytes."""
    rows = max(1, BAND // stride)
    for y in range(0, height, rows):
        yield slice(y * stride, min(y + rows, height) * stride)
