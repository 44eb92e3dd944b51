"""General-purpose compressors: the whole file as bytes."""

from __future__ import annotations

import bz2
import importlib
import lzma
from collections.abc import Sequence
from dataclasses import dataclass

from bench.codec import Buffer, Source


@dataclass(frozen=True)
class _WholeFile:
    level: str

    def prepare(self, source: Source) -> bytes:
        return source.data


@dataclass(frozen=True)
class Zstd(_WholeFile):
    packages: Sequence[str] = ("zstandard",)
    options: str = "one frame, one thread, size in the header"
    module: str = "zstandard"

    @property
    def name(self) -> str:
        return f"zstd:{self.level}"

    def encode(self, prepared: bytes) -> list[bytes]:
        zstandard = importlib.import_module(self.module)
        return [zstandard.ZstdCompressor(level=int(self.level)).compress(prepared)]

    def decode(self, pieces: list[bytes]) -> list[Buffer]:
        zstandard = importlib.import_module(self.module)
        return [zstandard.ZstdDecompressor().decompress(pieces[0])]


@dataclass(frozen=True)
class Xz(_WholeFile):
    packages: Sequence[str] = ()
    options: str = "preset as the level says, e = extreme"
    module: str = "lzma"

    @property
    def name(self) -> str:
        return f"xz:{self.level}"

    def encode(self, prepared: bytes) -> list[bytes]:
        preset = int(self.level.rstrip("e")) | (lzma.PRESET_EXTREME if self.level.endswith("e") else 0)
        return [lzma.compress(prepared, preset=preset)]

    def decode(self, pieces: list[bytes]) -> list[Buffer]:
        return [lzma.decompress(pieces[0])]


@dataclass(frozen=True)
class Brotli(_WholeFile):
    packages: Sequence[str] = ("Brotli",)
    options: str = "lgwin=24"
    module: str = "brotli"

    @property
    def name(self) -> str:
        return f"brotli:{self.level}"

    def encode(self, prepared: bytes) -> list[bytes]:
        brotli = importlib.import_module(self.module)
        return [brotli.compress(prepared, quality=int(self.level), lgwin=24)]

    def decode(self, pieces: list[bytes]) -> list[Buffer]:
        return [importlib.import_module(self.module).decompress(pieces[0])]


@dataclass(frozen=True)
class Bzip2(_WholeFile):
    level: str = "9"
    packages: Sequence[str] = ()
    options: str = "900 kB blocks"
    module: str = "bz2"

    @property
    def name(self) -> str:
        return f"bzip2:{self.level}"

    def encode(self, prepared: bytes) -> list[bytes]:
        return [bz2.compress(prepared, int(self.level))]

    def decode(self, pieces: list[bytes]) -> list[Buffer]:
        return [bz2.decompress(pieces[0])]


@dataclass(frozen=True)
class Lz4(_WholeFile):
    level: str = "0"
    packages: Sequence[str] = ("lz4",)
    options: str = "frame format, 4 MiB linked blocks, size in the header"
    module: str = "lz4.frame"

    @property
    def name(self) -> str:
        return f"lz4:{self.level}"

    def encode(self, prepared: bytes) -> list[bytes]:
        frame = importlib.import_module(self.module)
        level, block = int(self.level), frame.BLOCKSIZE_MAX4MB
        return [frame.compress(prepared, compression_level=level, block_size=block, store_size=True)]

    def decode(self, pieces: list[bytes]) -> list[Buffer]:
        return [importlib.import_module(self.module).decompress(pieces[0])]


@dataclass(frozen=True)
class Bzip3(_WholeFile):
    level: str = "16"
    packages: Sequence[str] = ("bzip3",)
    options: str = "blocks of as many MiB as the level says"
    module: str = "bz3"

    @property
    def name(self) -> str:
        return f"bzip3:{self.level}"

    def encode(self, prepared: bytes) -> list[bytes]:
        return [importlib.import_module(self.module).compress(prepared, int(self.level) << 20)]

    def decode(self, pieces: list[bytes]) -> list[Buffer]:
        return [importlib.import_module(self.module).decompress(pieces[0])]


@dataclass(frozen=True)
class Ppmd(_WholeFile):
    level: str = "16"
    packages: Sequence[str] = ("pyppmd",)
    options: str = "PPMd variant I of the order that the level says, 256 MiB"
    module: str = "pyppmd"

    @property
    def name(self) -> str:
        return f"ppmd:{self.level}"

    def encode(self, prepared: bytes) -> list[bytes]:
        return [importlib.import_module(self.module).compress(prepared, max_order=int(self.level), mem_size=256 << 20)]

    def decode(self, pieces: list[bytes]) -> list[Buffer]:
        return [importlib.import_module(self.module).decompress(pieces[0], max_order=int(self.level), mem_size=256 << 20)]
