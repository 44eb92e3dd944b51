"""Compressors that know number formats.

They get a safetensors file's header raw and its tensor data by runs of one dtype, which is what their users
would write; finding the runs is not charged to their encode time.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bench import tensors
from bench.codec import Buffer, Source


class _TensorCodec:
    """Splits a file into runs; subclasses code one run."""

    def prepare(self, source: Source) -> list[tuple[str, Any]]:
        """The header as ("", bytes), then (safetensors dtype, tensor bytes) of each run."""
        view = memoryview(source.data)
        header = view[: tensors.header_bytes(view)]
        return [
            ("", bytes(header)),
            *((run.dtype, view[run.begin : run.end]) for run in tensors.runs(header)),
        ]

    def encode(self, prepared: list[tuple[str, Any]]) -> list[bytes]:
        (_, header), *segments = prepared
        return [header, *(piece for dtype, segment in segments for piece in self.compress(dtype, segment))]

    def decode(self, pieces: list[bytes]) -> list[Buffer]:
        header, rest = pieces[0], iter(pieces[1:])
        decoded: list[Buffer] = [header]
        for run in tensors.runs(header):
            decoded += self.decompress(run.dtype, run.end - run.begin, rest)
        return decoded

    def compress(self, dtype: str, segment: Any) -> list[bytes]:
        raise NotImplementedError

    def decompress(self, dtype: str, size: int, pieces: Iterator[bytes]) -> list[Buffer]:
        """Takes from ``pieces`` as many as ``compress`` made of this run."""
        raise NotImplementedError


@dataclass(frozen=True)
class ZipNN(_TensorCodec):
    """ZipNN on byte arrays. It refuses integers: bytes are given to it as fp8, anything wider is kept raw."""

    name: str = "zipnn"
    level: str = ""
    packages: Sequence[str] = ("zipnn", "torch")
    module: str = "zipnn"
    options: str = "threads=1, input_format=byte, bytearray_dtype of the run (U8, I8 as float8_e4m3fn)"

    _DTYPES: ClassVar = {
        "F32": "float32",
        "BF16": "bfloat16",
        "F16": "float16",
        "F8_E4M3": "float8_e4m3fn",
        "F8_E5M2": "float8_e5m2",
        "U8": "float8_e4m3fn",
        "I8": "float8_e4m3fn",
    }

    def prepare(self, source: Source) -> list[tuple[str, Any]]:
        # ZipNN overwrites its input: each run gets a copy of its own, outside the timing.
        return [(dtype, bytes(data) if not dtype else bytearray(data)) for dtype, data in super().prepare(source)]

    def compress(self, dtype: str, segment: Any) -> list[bytes]:
        return [self._zipnn(dtype).compress(segment) if dtype in self._DTYPES else bytes(segment)]

    def decompress(self, dtype: str, size: int, pieces: Iterator[bytes]) -> list[Buffer]:
        piece = next(pieces)
        return [self._zipnn(dtype).decompress(piece) if dtype in self._DTYPES else piece]

    def _zipnn(self, dtype: str) -> Any:
        return importlib.import_module(self.module).ZipNN(input_format="byte", bytearray_dtype=self._DTYPES[dtype], threads=1)


@dataclass(frozen=True)
class OpenZL(_TensorCodec):
    """OpenZL frames of 1 MiB. ``graph``: Huffman or Fse on exponents, the rest stored; or Compress.

    fp16 has no good split graph: its two bytes are coded as planes. One-byte numbers go to the entropy coder
    whole. Checksums are off. Decoded frames are not joined.
    """

    graph: str
    level: str = ""
    packages: Sequence[str] = ("openzl",)
    module: str = "openzl.ext"

    _FRAME = 1 << 20
    _SPLIT: ClassVar = {"BF16": "BFloat16Deconstruct", "F32": "Float32Deconstruct"}

    @property
    def name(self) -> str:
        return f"openzl:{self.graph.lower()}"

    @property
    def options(self) -> str:
        how = "generic graph" if self.graph == "Compress" else f"exponents {self.graph}, rest Store"
        return f"{how}, 1 MiB frames, no checksums, frames left unjoined"

    def compress(self, dtype: str, segment: Any) -> list[bytes]:
        zl = self._ext
        width = tensors.DTYPES[dtype].itemsize
        symbols = np.frombuffer(segment, f"u{width}")
        context = zl.CCtx()
        context.ref_compressor(self._compressor(dtype))
        context.set_parameter(zl.CParam.StickyParameters, 1)
        disable = 2
        context.set_parameter(zl.CParam.ContentChecksum, disable)
        context.set_parameter(zl.CParam.CompressedChecksum, disable)
        numeric = self.graph == "Compress" or dtype in self._SPLIT
        step = self._FRAME // (width if numeric else 1)
        symbols = symbols if numeric else symbols.view(np.uint8)
        type_ = zl.Type.Numeric if numeric else zl.Type.Serial
        return [context.compress([zl.Input(type_, symbols[at : at + step])]) for at in range(0, symbols.size, step)]

    def decompress(self, dtype: str, size: int, pieces: Iterator[bytes]) -> list[Buffer]:
        context = self._ext.DCtx()
        return [context.decompress(next(pieces))[0].content.as_nparray() for _ in range(0, size, self._FRAME)]

    @property
    def _ext(self) -> Any:
        return importlib.import_module(self.module)

    def _compressor(self, dtype: str) -> Any:
        zl = self._ext
        compressor = zl.Compressor()
        compressor.set_parameter(zl.CParam.FormatVersion, zl.MAX_FORMAT_VERSION)
        coder = getattr(zl.graphs, self.graph)()(compressor)
        if self.graph == "Compress":
            start = coder
        elif dtype in self._SPLIT:
            store = zl.graphs.Store()(compressor)
            start = getattr(zl.nodes, self._SPLIT[dtype])()(compressor, store, coder)
        else:
            width = tensors.DTYPES[dtype].itemsize
            start = coder if width == 1 else self._planes(compressor, coder, width)
        compressor.select_starting_graph(start)
        return compressor

    def _planes(self, compressor: Any, coder: Any, width: int) -> Any:
        zl = self._ext
        split = zl.nodes.TransposeSplit()(compressor, coder)
        return zl.nodes.ConvertSerialToStruct(struct_size_bytes=width)(compressor, split)


@dataclass(frozen=True)
class Blosc2(_TensorCodec):
    """Blosc2 with a byte or bit shuffle of the dtype's width before ``codec``."""

    filter: str
    codec: str
    level: str
    packages: Sequence[str] = ("blosc2",)
    module: str = "blosc2"

    @property
    def name(self) -> str:
        return f"blosc2:{self.filter.lower()}+{self.codec.lower()}:{self.level}"

    @property
    def options(self) -> str:
        return f"filter={self.filter}, codec={self.codec}, clevel={self.level}, typesize of the run, nthreads=1"

    def compress(self, dtype: str, segment: Any) -> list[bytes]:
        blosc2 = importlib.import_module(self.module)
        return [
            blosc2.compress2(
                np.frombuffer(segment, np.uint8),
                typesize=tensors.DTYPES[dtype].itemsize,
                codec=getattr(blosc2.Codec, self.codec),
                clevel=int(self.level),
                filters=[getattr(blosc2.Filter, self.filter)],
                nthreads=1,
            )
        ]

    def decompress(self, dtype: str, size: int, pieces: Iterator[bytes]) -> list[Buffer]:
        return [importlib.import_module(self.module).decompress2(next(pieces), nthreads=1)]


@dataclass(frozen=True)
class Z4ai(_TensorCodec):
    """z4ai. ``level``: its effort; "max" is meant for models that are coded once."""

    level: str
    packages: Sequence[str] = ("z4ai",)
    module: str = "z4ai"
    options: str = "threads=1, effort=the level, dtype of the run"

    _DTYPES: ClassVar = {
        "F32": "fp32",
        "BF16": "bf16",
        "F16": "fp16",
        "F8_E4M3": "fp8_e4m3",
        "F8_E5M2": "fp8_e5m2",
        "U8": "uint8",
        "I8": "int8",
    }

    @property
    def name(self) -> str:
        return f"z4ai:{self.level}"

    def compress(self, dtype: str, segment: Any) -> list[bytes]:
        z4ai = importlib.import_module(self.module)
        return [z4ai.compress(segment, dtype=self._DTYPES.get(dtype), threads=1, effort=None if self.level == "default" else self.level)]

    def decompress(self, dtype: str, size: int, pieces: Iterator[bytes]) -> list[Buffer]:
        return [importlib.import_module(self.module).decompress(next(pieces))]
