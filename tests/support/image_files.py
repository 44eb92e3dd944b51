"""Pictures and image files made by hand: what the adaptors must find, or refuse, without losing a byte."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

import numpy as np


def picture(height: int, width: int, channels: int = 3, bits: int = 8, seed: int = 0) -> np.ndarray:
    """(height, width, channels) int64: smooth shades with edges and noise, `bits` wide."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    base = np.sin(x / 17) + np.cos(y / 11) + ((x + y) // 29 % 2)
    planes = [base * rng.uniform(0.5, 1) + rng.normal(0, 0.02, base.shape) for _ in range(channels)]
    z = np.stack(planes, axis=2)
    return np.rint((z - z.min()) / max(np.ptp(z), 1e-9) * (2**bits - 1)).astype(np.int64)


def drawing(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    """(height, width, channels) uint8: boxes of few colours."""
    rng = np.random.default_rng(seed)
    z = np.full((height, width, channels), 240, np.uint8)
    for _ in range(12):
        y, x = rng.integers(0, height), rng.integers(0, width)
        z[y : y + height // 4 + 1, x : x + width // 5 + 1] = rng.integers(0, 256, channels)
    return z


def pnm(pixels: np.ndarray, *, comment: bytes = b"") -> bytes:
    magic = b"P6" if pixels.ndim == 3 else b"P5"
    head = b"%s\n%s%d %d\n%d\n" % (magic, comment, pixels.shape[1], pixels.shape[0], 65535 if pixels.dtype.itemsize == 2 else 255)
    return head + pixels.astype(pixels.dtype.newbyteorder(">")).tobytes()


def bmp(pixels: np.ndarray, tail: bytes = b"") -> bytes:
    height, width, channels = pixels.shape
    stride = (width * channels + 3) // 4 * 4
    rows = b"".join(row.tobytes().ljust(stride, b"\0") for row in pixels[::-1])
    palette = b"".join(bytes((k, k, k, 0)) for k in range(256)) if channels == 1 else b""
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8 * channels, 0, len(rows), 2835, 2835, 0, 0)
    start = 14 + len(info) + len(palette)
    return struct.pack("<2sIHHI", b"BM", start + len(rows), 0, 0, start) + info + palette + rows + tail


def tiff(pixels: np.ndarray, *, order: str = "<", strips: int = 1, planar: bool = False, gap: int = 0) -> bytes:
    height, width, channels = pixels.shape
    data = pixels.astype(pixels.dtype.newbyteorder(order))
    parts = [data[..., c] for c in range(channels)] if planar else [data]
    chunks = [piece.tobytes() for part in parts for piece in np.array_split(part, strips)]
    body, offsets = b"", []
    for chunk in chunks:
        offsets.append(8 + len(body))
        body += chunk + b"\xee" * gap
    body += b"\0" * (len(body) % 2)
    arrays = b""
    at = 8 + len(body)

    def field(tag: int, kind: str, values: list[int]) -> bytes:
        nonlocal arrays
        raw = struct.pack(f"{order}{len(values)}{kind}", *values)
        if len(raw) <= 4:
            inline = raw.ljust(4, b"\0")
        else:
            inline = struct.pack(order + "I", at + len(arrays))
            arrays += raw
        return struct.pack(order + "HHI", tag, {"H": 3, "I": 4}[kind], len(values)) + inline

    fields = [
        field(256, "I", [width]), field(257, "I", [height]), field(258, "H", [8 * pixels.dtype.itemsize] * channels), field(259, "H", [1]),
        field(262, "H", [2]), field(273, "I", offsets), field(277, "H", [channels]), field(278, "I", [-(-height // strips)]),
        field(279, "I", [len(c) for c in chunks]), field(284, "H", [2 if planar else 1]),
    ]  # fmt: skip
    directory = struct.pack(order + "H", len(fields)) + b"".join(fields) + struct.pack(order + "I", 0)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", at + len(arrays))
    return head + body + arrays + directory


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(
    rows: list[bytes], width: int, bits: int, colour: int, *, level: int = 6, strategy: int = 0, memory: int = 8, window: int = 15,
    idat: int = 8192, filters: int = 5, before: bytes = b"", after: bytes = b"", interlace: int = 0, deflate: Callable[[bytes], bytes] | None = None,
) -> bytes:  # fmt: skip
    """A PNG file of these unfiltered rows; row y has the filter y % `filters`."""
    step = max(1, {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour] * bits // 8)
    above, filtered = bytes(len(rows[0])), bytearray()
    for y, row in enumerate(rows):
        kind = y % filters
        filtered.append(kind)
        for x, value in enumerate(row):
            a, b, c = (row[x - step] if x >= step else 0), above[x], (above[x - step] if x >= step else 0)
            p = a + b - c
            nearest = min((a, b, c), key=lambda v, p=p: abs(p - v))
            filtered.append((value - (0, a, b, (a + b) // 2, nearest)[kind]) % 256)
        above = row
    packer = zlib.compressobj(level, zlib.DEFLATED, window, memory, strategy)
    stream = deflate(bytes(filtered)) if deflate else packer.compress(filtered) + packer.flush()
    out = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, len(rows), bits, colour, 0, 0, interlace)) + before
    for start in range(0, len(stream), idat):
        out += chunk(b"IDAT", stream[start : start + idat])
    return out + after + chunk(b"IEND", b"")


def png_of(pixels: np.ndarray, **options: object) -> bytes:
    """A PNG file of (height, width, channels) uint8 or uint16."""
    height, width, channels = pixels.shape
    big = pixels.astype(pixels.dtype.newbyteorder(">"))
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    return png([big[y].tobytes() for y in range(height)], width, 8 * pixels.dtype.itemsize, colour, **options)  # type: ignore[arg-type]


def small(channels: int = 3, dtype: str = "u1") -> np.ndarray:
    return picture(40, 61, channels, 8 * np.dtype(dtype).itemsize).astype(dtype)


PLAIN: dict[str, Callable[[], bytes]] = {
    "ppm": lambda: pnm(small()),
    "pgm": lambda: pnm(small()[..., 0], comment=b"# made by hand\n"),
    "ppm16": lambda: pnm(small(3, "u2")),
    "pgm16": lambda: pnm(small(1, "u2")[..., 0]),
    "pbm": lambda: b"P4 61 40\n" + np.packbits(small()[..., 0] > 99, axis=1).tobytes(),
    "pam": lambda: b"P7\nWIDTH 61\nHEIGHT 40\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n" + small(4).tobytes(),
    "two": lambda: pnm(small()) + pnm(small()),
    "tail": lambda: pnm(small()) + b"junk",
    "cut": lambda: pnm(small())[:-1000],
    "bmp": lambda: bmp(small()),
    "bmp32": lambda: bmp(small(4), b"tail"),
    "bmp8": lambda: bmp(small(1)),
    "tiff": lambda: tiff(small()),
    "tiff16": lambda: tiff(small(1, "u2"), order=">"),
    "strips": lambda: tiff(small(), strips=4),
    "gaps": lambda: tiff(small(), strips=4, gap=5),
    "planar": lambda: tiff(small(), planar=True),
}  # fmt: skip

PNG: dict[str, Callable[[], bytes]] = {
    "rgb": lambda: png_of(small()),
    "gray": lambda: png_of(small(1), level=9, strategy=1, memory=9),
    "rgba": lambda: png_of(small(4), level=1, idat=100),
    "gray alpha 16": lambda: png_of(small(2, "u2"), level=3),
    "rgb 16": lambda: png_of(small(3, "u2"), window=12),
    "text": lambda: png_of(small(), before=chunk(b"tEXt", b"Comment\0hello") + chunk(b"iCCP", b"x\0\0" + bytes(99)), after=chunk(b"eXIf", bytes(50))),
    "palette": lambda: png([bytes(r) for r in drawing(40, 61, 1)[..., 0]], 61, 8, 3, before=chunk(b"PLTE", bytes(range(256)) * 3), filters=1),
    "bilevel": lambda: png([np.packbits(r > 99).tobytes() for r in small()[..., 0]], 61, 1, 0),
    "four bits": lambda: png([bytes(v & 255 for v in r[:31]) for r in small()[..., 0]], 61, 4, 0, filters=1),
    "stored": lambda: png_of(small(), level=0),
    "rle": lambda: png_of(small(), strategy=3),
    "tail": lambda: png_of(small()) + b"after the end",
    "header": lambda: png_of(small(), deflate=lambda data: b"\x78\x5e" + zlib.compress(data, 9)[2:]),
}  # fmt: skip


def _two_halves(data: bytes) -> bytes:
    packer = zlib.compressobj(9)
    return packer.compress(data[:50]) + packer.flush(zlib.Z_FULL_FLUSH) + packer.compress(data[50:]) + packer.flush()


KEPT: dict[str, Callable[[], bytes]] = {
    "interlaced": lambda: png_of(small(), interlace=1),
    "bad crc": lambda: png_of(small())[:-30] + bytes(30),
    "no image": lambda: b"\x89PNG\r\n\x1a\n" + b"anything else " * 30,
    "cut": lambda: png_of(small())[:700],
    "adler": lambda: png_of(small(), deflate=lambda data: zlib.compress(data)[:-4] + bytes(4)),
    "more": lambda: png_of(small(), deflate=lambda data: zlib.compress(data + b"beyond")),
}
