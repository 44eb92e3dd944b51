"""Kind ``arrays``: one array in memory to bytes and back, one thread, as a program that moves tensors sees it. Needs no data.

The values are normal with a deviation of 0.02, as trained weights nearly are. ``memcpy`` is the scale: the same bytes, copied.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from bench.codec import Buffer, Source
from bench.laconic_codec import Laconic
from bench.measure import Row
from bench.suite import Case, Options, run_files

SIZE = 1 << 24  # bytes of an array
DTYPES = {"bf16": ml_dtypes.bfloat16, "fp32": np.float32}
ZIPNN = {"bf16": "bfloat16", "fp32": "float32"}


def run(options: Options) -> list[Row]:
    rows: list[Row] = []
    for dtype, kind in DTYPES.items():
        path = options.scratch / f"{dtype}.raw"
        count = SIZE // np.dtype(kind).itemsize // (8 if options.quick else 1)
        (np.random.default_rng(0).standard_normal(count, np.float32) * np.float32(0.02)).astype(kind).tofile(path)
        codecs = [*(LaconicArray(level, dtype=dtype) for level in options.levels), ZipNNBytes(dtype), Memcpy()]
        rows += run_files("arrays", [Case(dtype, path.name, path)], codecs, options)
    return rows


@dataclass(frozen=True)
class LaconicArray(Laconic):
    dtype: str = ""

    @property
    def options(self) -> str:
        return "numpy array in, numpy array out, one job"

    def prepare(self, source: Source) -> Any:
        return np.frombuffer(source.data, DTYPES[self.dtype])

    def decode(self, pieces: list[bytes]) -> list[Buffer]:
        return [array.view(np.uint8) for array in super().decode(pieces) if isinstance(array, np.ndarray)]


@dataclass(frozen=True)
class ZipNNBytes:
    dtype: str
    level: str = ""
    packages: Sequence[str] = ("zipnn", "torch")
    module: str = "zipnn"
    name: str = "zipnn"

    @property
    def options(self) -> str:
        return "threads=1, input_format=byte, bytearray_dtype of the array"

    def _zipnn(self) -> Any:
        return importlib.import_module(self.module).ZipNN(input_format="byte", bytearray_dtype=ZIPNN[self.dtype], threads=1)

    def prepare(self, source: Source) -> bytearray:
        return bytearray(source.data)  # ZipNN overwrites its input

    def encode(self, prepared: bytearray) -> list[bytes]:
        return [bytes(self._zipnn().compress(prepared))]

    def decode(self, pieces: list[bytes]) -> list[Buffer]:
        return [self._zipnn().decompress(pieces[0])]


@dataclass(frozen=True)
class Memcpy:
    level: str = ""
    packages: Sequence[str] = ()
    module: str = "numpy"
    name: str = "memcpy"
    options: str = "bytes copied, nothing else"

    def prepare(self, source: Source) -> bytearray:
        return bytearray(source.data)

    def encode(self, prepared: bytearray) -> list[bytes]:
        return [bytes(prepared)]

    def decode(self, pieces: list[bytes]) -> list[Buffer]:
        return [bytearray(pieces[0])]
