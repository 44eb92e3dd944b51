"""Rows of pixels predicted and coded by csrc/image; PNG files by their pixels and what makes the same file of them. See FORMAT.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from laconic import _core
from laconic.codecs.image import plain, png
from laconic.codecs.image.pixels import FRAME, PNG, Area, PixelFormat, layout, of_array
from laconic.container import Piece, Source, SourceReader, View, zstd
from laconic.errors import CorruptDataError

# Payload methods (first byte); 1 and 2 are written by csrc/image/frame.cpp.
FAST, MIXED, ZSTD, REPLAY = 1, 2, 3, 4

_NAMES = {FAST: "fast", MIXED: "mixed", ZSTD: "zstd", REPLAY: "png"}
_ZSTD_LEVEL = {"fast": 3, "default": 9, "high": 19, "max": 19}


class ImageCodec:
    """Samples of 1 to 16 bits, any number of channels."""

    name = "image"
    version = 1

    def sniff(self, head: bytes, size: int | None) -> float:
        if head[:8] == png.SIGNATURE:
            return 0.98
        return 0.98 if _finder(head) is not None and plain.is_plausible(head, size) else 0.0

    def layout(self, source: Source) -> Iterator[Piece | View]:
        reader = SourceReader(source)
        head = reader.at(0, 8)
        if head == png.SIGNATURE:
            if source.size is not None and source.size > png.MAX_FILE:
                raise ValueError("too large for one frame")
            return iter((Piece(source.size, bytes((PNG,)), unit=source.size or 1),))
        find = _finder(head)
        if find is None:
            raise ValueError("no image file that this codec knows")
        return layout(reader, find(reader))

    def params(self, dtype: str, itemsize: int) -> bytes | None:
        return None  # pixels need a shape

    def array_params(self, dtype: str, shape: tuple[int, ...]) -> bytes | None:
        form = of_array(dtype, shape)
        return form.pack() if form else None

    def unit(self, params: bytes) -> int:
        return PixelFormat.parse(params).stride

    def frame_size(self, level: str) -> int:
        return FRAME

    def encode(self, raw: memoryview, params: bytes, level: str, base: memoryview | None) -> bytes | None:
        payload = None
        if params == bytes((PNG,)):
            replayed = png.encode(raw, lambda pixels, form: self._pixels(pixels, form, level))
            payload = bytes((REPLAY,)) + replayed if replayed is not None else None
        else:
            payload = self._pixels(raw, PixelFormat.parse(params), level)
        if base is not None:
            against = bytes((ZSTD,)) + zstd.compress(raw, 3, base=base)
            payload = against if payload is None else min(payload, against, key=len)
        return payload

    def _pixels(self, raw: memoryview | bytearray, form: PixelFormat, level: str) -> bytes:
        payload = _core.encode_image(raw, *_layout_of(form), level == "fast")
        if level != "fast":  # flat drawings can be smaller by the quick method, which takes no time beside the other
            quick = _core.encode_image(raw, *_layout_of(form), True)
            payload = quick if quick and len(quick) < len(payload) else payload
        return payload or bytes((ZSTD,)) + zstd.compress(memoryview(raw), _ZSTD_LEVEL[level])

    def decode(self, payload: memoryview, params: bytes, version: int, out: memoryview, base: memoryview | None) -> None:
        method = payload[0] if len(payload) else 0
        if method == ZSTD:
            out[:] = zstd.decompress(payload[1:], len(out), "the zstd payload", base)
        elif method == REPLAY and params == bytes((PNG,)):
            png.decode(payload[1:], out, self._decode_pixels)
        else:
            self._decode_pixels(payload, PixelFormat.parse(params), out)

    def _decode_pixels(self, payload: memoryview, form: PixelFormat, out: memoryview) -> None:
        method = payload[0] if len(payload) else 0
        if method in (FAST, MIXED):
            _core.decode_image(payload, out, *_layout_of(form))
        elif method == ZSTD:
            out[:] = zstd.decompress(payload[1:], len(out), "the zstd payload")
        else:
            raise CorruptDataError(f"no such image method ({method})")

    def info(self, payload: memoryview, params: bytes, version: int, raw_size: int) -> dict[str, Any]:
        found: dict[str, Any] = {"method": _NAMES.get(payload[0], "unknown")}
        if payload[0] == REPLAY:
            found |= png.info(payload[1:])
        elif params[:1] != bytes((PNG,)):
            form = PixelFormat.parse(params)
            found |= {"width": form.width, "channels": form.channels, "bits": form.bits}
        return found


def _layout_of(form: PixelFormat) -> tuple[int, bool, bool, bool, int, int, int]:
    return form.bits, form.big_endian, form.signed, form.reversed, form.channels, form.width, form.padding


def _finder(head: bytes) -> Callable[[SourceReader], list[Area]] | None:
    """What finds the pixels of a file that begins with `head`; None if it is none of these."""
    if head[:1] == b"P" and head[1:2] in (b"4", b"5", b"6", b"7") and head[2:3] in (b" ", b"\t", b"\r", b"\n"):
        return plain.find_pnm
    if head[:2] == b"BM":
        return plain.find_bmp
    if head[:4] in (b"II*\0", b"MM\0*"):
        return plain.find_tiff
    return None


codec = ImageCodec()
