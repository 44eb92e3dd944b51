"""Small pieces, each coded alone: our frames against zstd, plain and with a dictionary trained on other pieces of the same kind.

Our priming ships with the package and knows nothing of the data; the trained dictionary has its size and does. Containers are left out:
a piece is what a frame of an archive, or a value in a database, holds.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bench.codec import Buffer, Source
from bench.suite import Case, Options, unpacked

SIZES = (1 << 10, 1 << 12, 1 << 14)
COUNT = 64
DICTIONARY_BYTES = 48 << 10  # as much as our primer
_KINDS = {
    "json": ("text/citm_catalog.json", "text/canada.json"),
    "code": ("text/pysrc.txt",),
    "logs": ("logs/apache_access.log", "logs/loghub2k_all16.log"),
}


def cases(options: Options) -> Iterator[Case]:
    """Files of COUNT pieces, taken evenly from the second halves; what is before, beside them as `NAME.train`."""
    assert options.data is not None
    for kind, names in _KINDS.items():
        found = [_found(options.data / name, options.scratch) for name in names]
        files = [path.read_bytes() for path in found if path is not None]
        if not files:
            continue
        for size in SIZES:
            each = COUNT // len(files)
            pieces = [data[len(data) // 2 + k * (len(data) // 2 - size) // each :][:size] for data in files for k in range(each)]
            path = options.scratch / f"{kind}-{size >> 10}k"
            path.write_bytes(b"".join(pieces))
            path.with_suffix(".train").write_bytes(b"".join(data[: len(data) // 2] for data in files))
            yield Case("pieces", path.name, path)


def _found(path: Path, scratch: Path) -> Path | None:
    packed = path.with_name(path.name + ".xz")
    return path if path.exists() else unpacked(packed, scratch) if packed.exists() else None


def _cut(source: Source) -> list[bytes]:
    size = int(source.path.name.split("-")[1][:-1]) << 10
    return [source.data[at : at + size] for at in range(0, len(source.data), size)]


@dataclass(frozen=True)
class LaconicPieces:
    level: str
    packages: Sequence[str] = ("laconic",)
    options: str = "frames of the bytes codec without a container"
    module: str = "laconic.codecs.bytes"

    @property
    def name(self) -> str:
        return f"laconic:{self.level}"

    def prepare(self, source: Source) -> list[bytes]:
        return _cut(source)

    def encode(self, prepared: list[bytes]) -> list[bytes]:
        codec = importlib.import_module(self.module).codec
        coded = [codec.encode(memoryview(piece), b"", self.level, None) for piece in prepared]
        # As frames do, the size stands apart from the payload; it takes the four bytes that are charged for each boundary.
        _sizes[:] = map(len, prepared)
        return [b"\0" + piece if payload is None else bytes(payload) for piece, payload in zip(prepared, coded, strict=True)]

    def decode(self, pieces: list[bytes]) -> list[Buffer]:
        codec = importlib.import_module(self.module).codec
        made: list[Buffer] = []
        for payload, size in zip(pieces, _sizes, strict=True):
            out = bytearray(size)
            if payload[0] == 0:
                out[:] = payload[1:]
            else:
                codec.decode(memoryview(payload), b"", 1, memoryview(out), None)
            made.append(out)
        return made


_sizes: list[int] = []


@dataclass(frozen=True)
class ZstdPieces:
    level: str
    trained: bool
    packages: Sequence[str] = ("zstandard",)
    module: str = "zstandard"

    @property
    def name(self) -> str:
        return f"zstd:{self.level}{'-trained' if self.trained else ''}"

    @property
    def options(self) -> str:
        return f"each piece a frame; {f'a dictionary of {DICTIONARY_BYTES} bytes, not counted' if self.trained else 'no dictionary'}"

    def prepare(self, source: Source) -> list[bytes]:
        if self.trained:
            _trained["content"] = _train(source.path.with_suffix(".train"), int(self.level))
        return _cut(source)

    def encode(self, prepared: list[bytes]) -> list[bytes]:
        zstandard = importlib.import_module(self.module)
        compressor = zstandard.ZstdCompressor(level=int(self.level), dict_data=self._dictionary(), write_dict_id=False)
        return [compressor.compress(piece) for piece in prepared]

    def decode(self, pieces: list[bytes]) -> list[Buffer]:
        zstandard = importlib.import_module(self.module)
        decompressor = zstandard.ZstdDecompressor(dict_data=self._dictionary())
        return [decompressor.decompress(piece) for piece in pieces]

    def _dictionary(self) -> object:
        return importlib.import_module(self.module).ZstdCompressionDict(_trained["content"]) if self.trained else None


_trained: dict[str, bytes] = {}  # what encoder and decoder of this process share; not counted, like our primer


@cache
def _train(path: Path, level: int) -> bytes:
    zstandard = importlib.import_module("zstandard")
    known = path.read_bytes()
    samples = [known[at : at + 2048] for at in range(0, len(known), 2048)]
    return bytes(zstandard.train_dictionary(DICTIONARY_BYTES, samples, level=level).as_bytes())
