"""Tensor compressors on whole files of any format: all of a file as numbers of one width, which is what their users can do."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.codec import Buffer, Source


@dataclass(frozen=True)
class WholeZipNN:
    """ZipNN on the file as one byte array of `dtype`."""

    dtype: str
    name: str = "zipnn"
    level: str = ""
    packages: Sequence[str] = ("zipnn", "torch")
    module: str = "zipnn"

    @property
    def options(self) -> str:
        return f"threads=1, input_format=byte, bytearray_dtype={self.dtype}, the whole file"

    def prepare(self, source: Source) -> Any:
        return bytearray(source.data)  # ZipNN overwrites its input

    def encode(self, prepared: Any) -> list[bytes]:
        return [self._zipnn.compress(prepared)]

    def decode(self, pieces: list[bytes]) -> list[Buffer]:
        return [self._zipnn.decompress(pieces[0])]

    @property
    def _zipnn(self) -> Any:
        return importlib.import_module(self.module).ZipNN(input_format="byte", bytearray_dtype=self.dtype, threads=1)


@dataclass(frozen=True)
class WholeOpenZL:
    """OpenZL's generic graph on frames of 1 MiB of numbers of `width` bytes; what is left over is kept raw."""

    width: int
    name: str = "openzl:compress"
    level: str = ""
    packages: Sequence[str] = ("openzl",)
    module: str = "openzl.ext"

    _FRAME = 1 << 20

    @property
    def options(self) -> str:
        return f"generic graph on numbers of {self.width} bytes, 1 MiB frames, no checksums, frames left unjoined"

    def prepare(self, source: Source) -> Any:
        return source.data

    def encode(self, prepared: Any) -> list[bytes]:
        zl = importlib.import_module(self.module)
        compressor = zl.Compressor()
        compressor.set_parameter(zl.CParam.FormatVersion, zl.MAX_FORMAT_VERSION)
        compressor.select_starting_graph(zl.graphs.Compress()(compressor))
        context = zl.CCtx()
        context.ref_compressor(compressor)
        context.set_parameter(zl.CParam.StickyParameters, 1)
        disable = 2
        context.set_parameter(zl.CParam.ContentChecksum, disable)
        context.set_parameter(zl.CParam.CompressedChecksum, disable)
        whole = len(prepared) // self.width
        numbers = np.frombuffer(prepared, f"u{self.width}", whole)
        step = self._FRAME // self.width
        frames = [context.compress([zl.Input(zl.Type.Numeric, numbers[at : at + step])]) for at in range(0, whole, step)]
        return [*frames, prepared[whole * self.width :]]

    def decode(self, pieces: list[bytes]) -> list[Buffer]:
        context = importlib.import_module(self.module).DCtx()
        return [*(context.decompress(piece)[0].content.as_nparray() for piece in pieces[:-1]), pieces[-1]]
