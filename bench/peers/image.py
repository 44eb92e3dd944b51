"""Lossless image coders, and ours, on the pixels of a picture: arrays in, arrays out, one thread.

A case's file holds the pixels alone; its name tells their shape.
"""

from __future__ import annotations

import importlib
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import laconic
from bench.codec import Buffer, Source

Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]


def pixel_file(pixels: Pixels, path: Path) -> Path:
    """Writes (height, width[, channels]) uint8 or uint16 beside ``path``; ``pixels_of`` reads them."""
    shape = "x".join(map(str, pixels.shape))
    target = path.with_name(f"{path.name}.{shape}.{pixels.dtype.str[1:]}")
    target.write_bytes(pixels.tobytes())
    return target


def pixels_of(source: Source) -> Pixels:
    found = re.fullmatch(r".*\.([0-9x]+)\.(u[12])", source.path.name)
    assert found
    array: Pixels = np.frombuffer(source.data, found[2]).reshape([int(n) for n in found[1].split("x")])
    return array


@dataclass(frozen=True)
class _OnPixels:
    level: str = ""
    packages: Sequence[str] = ("imagecodecs",)
    module: str = "imagecodecs"

    def prepare(self, source: Source) -> Any:
        return pixels_of(source)

    def _library(self) -> Any:
        return importlib.import_module(self.module)


@dataclass(frozen=True)
class LaconicPixels(_OnPixels):
    packages: Sequence[str] = ("laconic",)
    module: str = "laconic.codecs.image"
    options: str = "kind=image, array in, array out, one job"

    @property
    def name(self) -> str:
        return f"laconic:{self.level}"

    def encode(self, prepared: Any) -> list[bytes]:
        return [laconic.encode(prepared, kind="image", level=self.level, jobs=1)]

    def decode(self, pieces: list[bytes]) -> list[Buffer]:
        return [laconic.decode(pieces[0], jobs=1)]


@dataclass(frozen=True)
class JpegXl(_OnPixels):
    options: str = "lossless, effort as the level says, one thread"

    @property
    def name(self) -> str:
        return f"jpegxl:e{self.level}"

    def encode(self, prepared: Any) -> list[bytes]:
        return [self._library().jpegxl_encode(prepared, lossless=True, effort=int(self.level), numthreads=1)]

    def decode(self, pieces: list[bytes]) -> list[Buffer]:
        return [self._library().jpegxl_decode(pieces[0], numthreads=1)]


@dataclass(frozen=True)
class JpegLs(_OnPixels):
    name: str = "jpeg-ls"
    options: str = "lossless, CharLS"

    def encode(self, prepared: Any) -> list[bytes]:
        return [self._library().jpegls_encode(prepared)]

    def decode(self, pieces: list[bytes]) -> list[Buffer]:
        return [self._library().jpegls_decode(pieces[0])]


@dataclass(frozen=True)
class QOI(_OnPixels):
    """8-bit RGB and RGBA."""

    name: str = "qoi"
    options: str = ""

    def encode(self, prepared: Any) -> list[bytes]:
        if prepared.dtype != np.uint8 or prepared.ndim != 3:
            raise ValueError("takes 8-bit RGB or RGBA")
        return [self._library().qoi_encode(prepared)]

    def decode(self, pieces: list[bytes]) -> list[Buffer]:
        return [self._library().qoi_decode(pieces[0])]


@dataclass(frozen=True)
class AVIF(_OnPixels):
    """8-bit colour; gray is stored as colour."""

    name: str = "avif"
    level: str = "8"
    options: str = "lossless (identity matrix, 4:4:4), speed as the level says, one thread"

    def encode(self, prepared: Any) -> list[bytes]:
        if prepared.dtype != np.uint8 or prepared.ndim != 3:
            raise ValueError("takes 8-bit RGB or RGBA")
        return [self._library().avif_encode(prepared, level=100, speed=int(self.level), numthreads=1)]

    def decode(self, pieces: list[bytes]) -> list[Buffer]:
        return [self._library().avif_decode(pieces[0], numthreads=1)]


@dataclass(frozen=True)
class _Pillow(_OnPixels):
    packages: Sequence[str] = ("pillow",)
    module: str = "PIL.Image"

    def _save(self, prepared: Any, **options: Any) -> list[bytes]:
        file = io.BytesIO()
        self._library().fromarray(prepared).save(file, **options)
        return [file.getvalue()]


@dataclass(frozen=True)
class Png(_Pillow):
    name: str = "png"
    options: str = "Pillow, its default level"

    def encode(self, prepared: Any) -> list[bytes]:
        return self._save(prepared, format="PNG")

    def decode(self, pieces: list[bytes]) -> list[Buffer]:
        pixels = np.asarray(self._library().open(io.BytesIO(pieces[0])))
        return [pixels.astype(np.uint16) if pixels.dtype == np.int32 else pixels]


@dataclass(frozen=True)
class WebP(_Pillow):
    """8-bit; gray is stored as colour."""

    options: str = "Pillow, lossless, exact, method as the level says, quality 75"

    @property
    def name(self) -> str:
        return f"webp:m{self.level}"

    def encode(self, prepared: Any) -> list[bytes]:
        if prepared.dtype != np.uint8:
            raise ValueError("takes 8 bits a sample")
        flag = b"L" if prepared.ndim == 2 else b"C"
        return [flag, *self._save(prepared, format="WEBP", lossless=True, exact=True, method=int(self.level), quality=75)]

    def decode(self, pieces: list[bytes]) -> list[Buffer]:
        pixels = np.asarray(self._library().open(io.BytesIO(pieces[1])))
        return [np.ascontiguousarray(pixels[..., 0]) if pieces[0] == b"L" else pixels]
