"""Files whose pixels are not compressed: PNM (PBM, PGM, PPM, PAM), BMP, TIFF.

Formats: the netpbm manual pages pbm(5), pgm(5), ppm(5), pam(5); Microsoft "Bitmap Storage"; Adobe "TIFF Revision 6.0" (1992).
"""

from __future__ import annotations

import re
import struct

from laconic.codecs.image.pixels import Area, PixelFormat
from laconic.container import SourceReader

_SPACE = rb"(?:[ \t\r\n\v\f]|#[^\r\n]*[\r\n])"
_PNM = re.compile(rb"P[456]" + _SPACE + rb"+(\d{1,9})" + _SPACE + rb"+(\d{1,9})")
_MAXVAL = re.compile(_SPACE + rb"+(\d{1,5})[ \t\r\n\v\f]")
_PAM = re.compile(rb"P7\n(?:[^\n]{0,200}\n){1,20}?ENDHDR\n")

MAX_PAGES = 1000  # of a TIFF
MAX_FIELDS = 4096  # of a page: a small file can claim 65,535 for each of very many


def is_plausible(head: bytes, size: int | None) -> bool:
    """Whether a file that begins like one of these has a header to match: two or four bytes alone say little."""
    if head[:2] == b"BM":
        return len(head) >= 54 and struct.unpack("<I", head[14:18])[0] in (40, 52, 56, 64, 108, 124)
    if head[:1] == b"P":
        return (_PAM if head[1:2] == b"7" else _PNM).match(head) is not None
    return True


def find_pnm(reader: SourceReader) -> list[Area]:
    head = reader.at(0, 4096)
    if head[:2] == b"P7":
        return [_find_pam(head)]
    sizes = _PNM.match(head)
    if sizes is None:
        raise ValueError("the PNM header is damaged")
    width, height = int(sizes[1]), int(sizes[2])
    if head[1:2] == b"4":
        return [Area(PixelFormat(width, bits=1), sizes.end() + 1, height)]
    end = _MAXVAL.match(head, sizes.end())
    if end is None or not 1 <= int(end[1]) <= 65535:
        raise ValueError("the PNM header is damaged")
    return [Area(_netpbm_samples(width, 3 if head[1:2] == b"6" else 1, int(end[1])), end.end(), height)]


def _find_pam(head: bytes) -> Area:
    found = _PAM.match(head)
    if found is None:
        raise ValueError("the PAM header is damaged")
    fields = dict(line.split(None, 1) for line in found[0].split(b"\n") if b" " in line and not line.startswith(b"#"))
    try:
        width, height, depth, maxval = (int(fields[name]) for name in (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL"))
    except KeyError as error:
        raise ValueError("the PAM header is damaged") from error
    return Area(_netpbm_samples(width, depth, maxval), found.end(), height)


def _netpbm_samples(width: int, channels: int, maxval: int) -> PixelFormat:
    return PixelFormat(width, channels, 8 if maxval < 256 else 16, maxval >= 256)


def find_bmp(reader: SourceReader) -> list[Area]:
    head = reader.at(0, 54)
    if len(head) < 54:
        raise ValueError("the BMP header is cut short")
    start, header, width, height, _, bits, compression = struct.unpack("<IIiiHHI", head[10:34])
    if header < 40 or width <= 0 or height == 0 or compression not in (0, 3) or bits not in (1, 4, 8, 24, 32):
        raise ValueError("no plain BMP")
    stride = (width * bits + 31) // 32 * 4
    if bits >= 24:
        form = PixelFormat(width, bits // 8, reversed=True, padding=stride - width * bits // 8)
    else:
        form = PixelFormat(width, bits=bits, padding=stride - (width * bits + 7) // 8)
    return [Area(form, start, abs(height))]


# Sizes of TIFF's field types that can hold what we read.
_TIFF_TYPES = {1: "B", 3: "H", 4: "I"}
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _OFFSETS, _SAMPLES, _COUNTS, _PLANAR, _SIGN = 256, 257, 258, 259, 273, 277, 279, 284, 339


def find_tiff(reader: SourceReader) -> list[Area]:
    order = "<" if reader.at(0, 2) == b"II" else ">"
    (place,) = struct.unpack(order + "I", reader.at(4, 4).ljust(4, b"\0"))
    areas: list[Area] = []
    seen: set[int] = set()
    while place and place not in seen and len(seen) < MAX_PAGES:
        seen.add(place)
        fields, place = _directory(reader, order, place)
        areas += _strips(fields, order)
    return areas


def _directory(reader: SourceReader, order: str, place: int) -> tuple[dict[int, tuple[int, ...]], int]:
    """The fields of a TIFF directory, and where the next one is."""
    count = int.from_bytes(reader.at(place, 2), "little" if order == "<" else "big")
    if count > MAX_FIELDS:
        raise ValueError("a TIFF directory has too many fields")
    text = reader.at(place + 2, 12 * count + 4)
    if len(text) < 12 * count + 4:
        raise ValueError("a TIFF directory is cut short")
    fields: dict[int, tuple[int, ...]] = {}
    for k in range(count):
        tag, kind, n = struct.unpack_from(order + "HHI", text, 12 * k)
        letter = _TIFF_TYPES.get(kind)
        if letter is None or n > 1 << 20 or tag not in (_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _OFFSETS, _SAMPLES, _COUNTS, _PLANAR, _SIGN):
            continue
        size = n * struct.calcsize(letter)
        raw = text[12 * k + 8 : 12 * k + 8 + size] if size <= 4 else reader.at(struct.unpack_from(order + "I", text, 12 * k + 8)[0], size)
        if len(raw) == size:
            fields[tag] = struct.unpack(f"{order}{n}{letter}", raw)
    return fields, struct.unpack_from(order + "I", text, 12 * count)[0]


def _strips(fields: dict[int, tuple[int, ...]], order: str) -> list[Area]:
    """A page's strips, joined where one follows the other; none if they are not plain integers."""

    def first(tag: int, otherwise: int) -> int:
        return fields.get(tag, (otherwise,))[0]

    bits, signs = fields.get(_BITS, (1,)), fields.get(_SIGN, (1,))
    channels = first(_SAMPLES, 1) if first(_PLANAR, 1) == 1 else 1
    offsets, counts = fields.get(_OFFSETS, ()), fields.get(_COUNTS, ())
    if first(_COMPRESSION, 1) != 1 or len(set(bits)) != 1 or len(set(signs)) != 1 or signs[0] not in (1, 2) or len(offsets) != len(counts):
        return []
    form = PixelFormat(first(_WIDTH, 0), channels, bits[0], order == ">", signs[0] == 2)
    if not form.is_valid():
        return []
    areas: list[Area] = []
    for start, size in zip(offsets, counts, strict=True):
        rows = size // form.stride
        if rows == 0 or size % form.stride:
            return []
        if areas and areas[-1].start + areas[-1].size == start:
            areas[-1] = Area(form, areas[-1].start, areas[-1].rows + rows)
        else:
            areas.append(Area(form, start, rows))
    return areas
