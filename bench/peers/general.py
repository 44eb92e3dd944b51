"""General-purpose compressors: the whole file as bytes."""

from __future__ import annotations

import importlib
import lzma
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from bench.codec import Buffer, Source


@dataclass(frozen=True)
class _WholeFile:
    """A package with `compress` and `decompress` over a whole buffer."""

    level: str
    tool: ClassVar[str]
    module: ClassVar[str]

    @property
    def name(self) -> str:
        return f"{self.tool}:{self.level}"

    @property
    def library(self) -> Any:
        return importlib.import_module(self.module)

    def prepare(self, source: Source) -> bytes:
        return source.data

    def decode(self, pieces: list[bytes]) -> list[Buffer]:
        return [self.library.decompress(pieces[0])]


@dataclass(frozen=True)
class Zstd(_WholeFile):
    packages: Sequence[str] = ("zstandard",)
    options: str = "one frame, one thread, size in the header"
    tool = "zstd"
    module = "zstandard"

    def encode(self, prepared: bytes) -> list[bytes]:
        return [self.library.ZstdCompressor(level=int(self.level)).compress(prepared)]

    def decode(self, pieces: list[bytes]) -> list[Buffer]:
        return [self.library.ZstdDecompressor().decompress(pieces[0])]


@dataclass(frozen=True)
class Xz(_WholeFile):
    packages: Sequence[str] = ()
    options: str = "preset as the level says, e = extreme"
    tool = "xz"
    module = "lzma"

    def encode(self, prepared: bytes) -> list[bytes]:
        preset = int(self.level.rstrip("e")) | (lzma.PRESET_EXTREME if self.level.endswith("e") else 0)
        return [lzma.compress(prepared, preset=preset)]


@dataclass(frozen=True)
class Brotli(_WholeFile):
    packages: Sequence[str] = ("Brotli",)
    options: str = "lgwin=24"
    tool = "brotli"
    module = "brotli"

    def encode(self, prepared: bytes) -> list[bytes]:
        return [self.library.compress(prepared, quality=int(self.level), lgwin=24)]


@dataclass(frozen=True)
class Bzip2(_WholeFile):
    level: str = "9"
    packages: Sequence[str] = ()
    options: str = "900 kB blocks"
    tool = "bzip2"
    module = "bz2"

    def encode(self, prepared: bytes) -> list[bytes]:
        return [self.library.compress(prepared, int(self.level))]


@dataclass(frozen=True)
class Lz4(_WholeFile):
    level: str = "0"
    packages: Sequence[str] = ("lz4",)
    options: str = "frame format, 4 MiB linked blocks, size in the header"
    tool = "lz4"
    module = "lz4.frame"

    def encode(self, prepared: bytes) -> list[bytes]:
        block = self.library.BLOCKSIZE_MAX4MB
        return [self.library.compress(prepared, compression_level=int(self.level), block_size=block, store_size=True)]


@dataclass(frozen=True)
class Bzip3(_WholeFile):
    level: str = "16"
    packages: Sequence[str] = ("bzip3",)
    options: str = "blocks of as many MiB as the level says"
    tool = "bzip3"
    module = "bz3"

    def encode(self, prepared: bytes) -> list[bytes]:
        return [self.library.compress(prepared, int(self.level) << 20)]


@dataclass(frozen=True)
class Ppmd(_WholeFile):
    level: str = "16"
    packages: Sequence[str] = ("pyppmd",)
    options: str = "PPMd variant I of the order that the level says, 256 MiB"
    tool = "ppmd"
    module = "pyppmd"

    def encode(self, prepared: bytes) -> list[bytes]:
        return [self.library.compress(prepared, max_order=int(self.level), mem_size=256 << 20)]

    def decode(self, pieces: list[bytes]) -> list[Buffer]:
        return [self.library.decompress(pieces[0], max_order=int(self.level), mem_size=256 << 20)]
