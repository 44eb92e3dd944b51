"""Pillow images to raw pixels and back. Pillow is imported where one is met.

Kept are the mode, the size, every pixel (of RGBA also where alpha is 0), the palette and, of `info`, what says how to see the pixels:
`transparency`, `icc_profile` and `exif`. An image comes back as a plain `PIL.Image.Image`, whatever file it was opened from; of one
with several frames, the present one.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from laconic.errors import CorruptDataError, UnsupportedError

if TYPE_CHECKING:
    from PIL.Image import Image

# By mode: dtype, and the samples of a pixel. Bilevel pixels are bytes of 0 and 255.
_MODES = {
    "1": ("|u1", 1), "L": ("|u1", 1), "P": ("|u1", 1), "LA": ("|u1", 2), "La": ("|u1", 2), "PA": ("|u1", 2), "RGB": ("|u1", 3),
    "YCbCr": ("|u1", 3), "LAB": ("|u1", 3), "HSV": ("|u1", 3), "RGBA": ("|u1", 4), "RGBa": ("|u1", 4), "RGBX": ("|u1", 4),
    "CMYK": ("|u1", 4), "I;16": ("<u2", 1), "I;16L": ("<u2", 1), "I;16B": (">u2", 1), "I": ("=i4", 1), "F": ("=f4", 1),
}  # fmt: skip
_KEPT = ("transparency", "icc_profile", "exif")


def is_image(obj: Any) -> bool:
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(obj, module.Image)


def take_apart(image: Image) -> tuple[str, tuple[int, ...], bytes, dict[str, Any]]:
    """dtype, shape ((height, width) or (height, width, channels)), raw bytes and metadata of an image."""
    if image.mode not in _MODES:
        raise TypeError(f"a Pillow image of mode {image.mode} can't be encoded; convert it to one of {', '.join(_MODES)}")
    dtype, channels = _MODES[image.mode]
    image.load()
    raw = (image.convert("L") if image.mode == "1" else image).tobytes() if image.width and image.height else b""
    meta: dict[str, Any] = {"mode": image.mode}
    if image.mode in ("P", "PA") and image.palette is not None:
        meta |= {"palette": bytes(image.getpalette(image.palette.mode) or ()), "palette_mode": image.palette.mode}
    info = {key: _plain(image.info[key]) for key in _KEPT if key in image.info}
    shape = (image.height, image.width) if channels == 1 else (image.height, image.width, channels)
    return _native(dtype), shape, raw, {"pillow": meta | ({"info": info} if info else {})}


def put_together(name: str, dtype: str, shape: tuple[int, ...], raw: Any, meta: Any) -> Image:
    """The image again; CorruptDataError if metadata and pixels are not those of one."""
    try:
        from PIL import Image
    except ImportError as error:
        raise UnsupportedError(
            f"entry {name!r} is a Pillow image and Pillow is not installed: pip install 'laconic[image]', or use read()"
        ) from error
    mode = str(meta.get("mode")) if isinstance(meta, dict) else ""
    expected, channels = _MODES.get(mode, ("", 0))
    if not channels or dtype != _native(expected) or len(shape) != 2 + (channels > 1) or shape[2:] not in ((), (channels,)):
        raise CorruptDataError(f"entry {name!r}: no Pillow image of mode {mode!r}, shape {shape} and dtype {dtype[:80]!r}")
    try:
        size = shape[1], shape[0]
        if 0 in size:
            image = Image.new(mode, size)
        elif mode == "1":
            image = Image.frombytes("L", size, bytes(raw)).convert("1", dither=Image.Dither.NONE)
        else:
            image = Image.frombytes(mode, size, bytes(raw))
        if "palette" in meta:
            image.putpalette(meta["palette"], meta["palette_mode"])
        info = meta.get("info", {})
        image.info = {key: tuple(info[key]) if isinstance(info[key], list) else info[key] for key in _KEPT if key in info}
    except (ValueError, TypeError, KeyError, OverflowError, MemoryError) as error:
        raise CorruptDataError(f"entry {name!r}: no Pillow image ({error})") from error
    return image


def _native(dtype: str) -> str:
    return dtype.replace("=", "<" if sys.byteorder == "little" else ">")


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
