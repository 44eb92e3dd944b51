"""Static entropy blocks (profiles A and B, context-selected tables) beside the peers that have a package.

Sets, all made here: `bf16_exponents` of N(0, 0.02) weights, `skewed` (95 % zeros), `text_bytes` (Python's own standard
library), `uniform` noise, and `context_tables` (64 Gaussian scales, one table each, the case of learned latents).
"""

from __future__ import annotations

import importlib
import math
import sysconfig
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.codec import Buffer, Codec, Source
from bench.measure import Row, measure_in_child
from laconic import _core
from laconic.entropy import blocks
from laconic.entropy.contexts import ContextTables, decode_order1, encode_order1

ISAS = ("scalar", "avx2", "avx512")
SCALES = np.geomspace(0.11, 40.0, 64)
PRECISION = 12

U8 = npt.NDArray[np.uint8]


def rows(quick: bool) -> list[Row]:
    """One row per set, codec and instruction set; quick: 2**21 symbols a set instead of 2**24."""
    n = 1 << (21 if quick else 24)
    isas = ISAS[: ISAS.index(_core.best_isa()) + 1]
    block_codecs: list[Codec] = [Blocks(profile, isa) for profile in ("A", "B") for isa in isas]
    block_codecs += [Blocks("auto", isas[-1]), Copy(), Zstd("1"), Constriction()]
    context_codecs: list[Codec] = [*(Contexts(isa) for isa in isas), ConstrictionGaussian()]
    result = []
    with tempfile.TemporaryDirectory(prefix="laconic-bench-") as scratch:
        for name, symbols in sets(n).items():
            path = Path(scratch) / name
            path.write_bytes(symbols.tobytes())
            codecs = context_codecs if name == "context_tables" else block_codecs
            if name == "text_bytes":
                codecs = codecs + [Order1(isa) for isa in isas]
            for codec in codecs:
                row: Row = {"kind": "entropy", "set": name, "file": f"{name}, {symbols.size} symbols", "codec": codec.name}
                row |= {"level": codec.level, "options": codec.options, "isa": getattr(codec, "isa", "")}
                result.append(row | measure_in_child(codec, Source(path)))
    return result


def sets(n: int) -> dict[str, U8]:
    """The symbols of every set; `text_bytes` may have fewer than n."""
    rng = np.random.default_rng(1)
    weights = rng.standard_normal(n).astype(np.float32) * np.float32(0.02)
    sources = sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py")) + sorted(
        path for path in Path(sysconfig.get_paths()["stdlib"]).glob("*/*.py") if "site-packages" not in path.parts
    )
    text = b"".join(path.read_bytes() for path in sources)[:n]
    latents = np.rint(rng.standard_normal(n) * SCALES[scale_indexes(n)])
    return {
        "bf16_exponents": (weights.view(np.uint32) >> 23).astype(np.uint8),
        "skewed": np.where(rng.random(n) < 0.95, 0, rng.integers(1, 20, n)).astype(np.uint8),
        "text_bytes": np.frombuffer(text, np.uint8),
        "uniform": rng.integers(0, 256, n, dtype=np.uint8),
        "context_tables": np.clip(latents + 128, 0, 255).astype(np.uint8),
    }


@lru_cache(maxsize=1)
def scale_indexes(n: int) -> U8:
    """The scale of each symbol of `context_tables`: known to encoder and decoder."""
    return np.random.default_rng(2).integers(0, SCALES.size, n, dtype=np.uint8)


@lru_cache(maxsize=1)
def context_tables() -> ContextTables:
    """(64, 256) frequencies of rounded Gaussians, each row with the sum 2**12; -128 is the escape of the rarest."""
    edges = np.arange(257) - 128.5
    cdf = np.array([[0.5 * (1 + math.erf(x / scale / math.sqrt(2))) for x in edges] for scale in SCALES])
    counts = np.rint(np.diff(cdf, axis=1) * 2**24).astype(np.int64)
    return ContextTables.from_counts(counts, precision=PRECISION, escape=0)


@dataclass(frozen=True)
class _Symbols:
    level: str = ""

    def prepare(self, source: Source) -> U8:
        return np.frombuffer(source.data, np.uint8)


@dataclass(frozen=True)
class Blocks(_Symbols):
    """`laconic.entropy.blocks`, 2**18 symbols a block, one thread."""

    packages: Sequence[str] = ("laconic",)
    module: str = "laconic.entropy.blocks"
    profile: blocks.Profile = "auto"
    isa: str = ""

    def __init__(self, profile: blocks.Profile, isa: str) -> None:
        object.__setattr__(self, "profile", profile)
        object.__setattr__(self, "isa", isa)

    @property
    def name(self) -> str:
        return f"laconic:{self.profile}"

    @property
    def options(self) -> str:
        return f"blocks of 2^18 symbols, one thread, {self.isa}"

    def encode(self, prepared: U8) -> list[bytes]:
        _core.set_isa(self.isa)
        return [len(prepared).to_bytes(8, "little") + blocks.encode_blocks(prepared, profile=self.profile)]

    def decode(self, pieces: list[bytes]) -> list[Buffer]:
        _core.set_isa(self.isa)
        view = memoryview(pieces[0])
        return [blocks.decode_blocks(view[8:], int.from_bytes(view[:8], "little"))]


@dataclass(frozen=True)
class Order1(_Symbols):
    """`laconic.entropy.contexts.encode_order1`."""

    packages: Sequence[str] = ("laconic",)
    module: str = "laconic.entropy.contexts"
    isa: str = ""

    def __init__(self, isa: str) -> None:
        object.__setattr__(self, "isa", isa)

    @property
    def name(self) -> str:
        return "laconic:B-order1"

    @property
    def options(self) -> str:
        return f"messages of 2^20 symbols, 11 bits, one thread, {self.isa}"

    def encode(self, prepared: U8) -> list[bytes]:
        _core.set_isa(self.isa)
        parts = [prepared[at : at + (1 << 20)] for at in range(0, len(prepared), 1 << 20)]
        return [len(part).to_bytes(4, "little") + encode_order1(part) for part in parts]

    def decode(self, pieces: list[bytes]) -> list[Buffer]:
        _core.set_isa(self.isa)
        return [decode_order1(memoryview(piece)[4:], int.from_bytes(piece[:4], "little")) for piece in pieces]


@dataclass(frozen=True)
class Contexts(_Symbols):
    """`laconic.entropy.contexts` with the 64 tables known to both sides."""

    packages: Sequence[str] = ("laconic",)
    module: str = "laconic.entropy.contexts"
    isa: str = ""

    def __init__(self, isa: str) -> None:
        object.__setattr__(self, "isa", isa)

    @property
    def name(self) -> str:
        return "laconic:B"

    @property
    def options(self) -> str:
        return f"64 tables of {PRECISION} bits, known to both sides, one thread, {self.isa}"

    def encode(self, prepared: U8) -> list[bytes]:
        _core.set_isa(self.isa)
        return [len(prepared).to_bytes(8, "little") + context_tables().encode(prepared, scale_indexes(len(prepared)))]

    def decode(self, pieces: list[bytes]) -> list[Buffer]:
        _core.set_isa(self.isa)
        view = memoryview(pieces[0])
        return [context_tables().decode(view[8:], scale_indexes(int.from_bytes(view[:8], "little")))]


@dataclass(frozen=True)
class Copy(_Symbols):
    """A plain copy: what memory allows."""

    name: str = "memcpy"
    options: str = ""
    packages: Sequence[str] = ("numpy",)
    module: str = "numpy"

    def encode(self, prepared: U8) -> list[bytes]:
        return [prepared.tobytes()]

    def decode(self, pieces: list[bytes]) -> list[Buffer]:
        return [np.frombuffer(pieces[0], np.uint8).copy()]


@dataclass(frozen=True)
class Zstd(_Symbols):
    packages: Sequence[str] = ("zstandard",)
    module: str = "zstandard"
    options: str = "one frame, one thread"

    @property
    def name(self) -> str:
        return f"zstd:{self.level}"

    def encode(self, prepared: U8) -> list[bytes]:
        return [importlib.import_module(self.module).ZstdCompressor(level=int(self.level)).compress(prepared)]

    def decode(self, pieces: list[bytes]) -> list[Buffer]:
        return [importlib.import_module(self.module).ZstdDecompressor().decompress(pieces[0])]


@dataclass(frozen=True)
class Constriction(_Symbols):
    """Its stack coder with one categorical model, fitted to the whole set (the model is not counted)."""

    name: str = "constriction:ans"
    options: str = "AnsCoder, Categorical(perfect=False), one message"
    packages: Sequence[str] = ("constriction",)
    module: str = "constriction"

    def model(self, counts: npt.NDArray[np.int64]) -> Any:
        constriction = importlib.import_module(self.module)
        return constriction.stream.model.Categorical((counts + 1e-9) / counts.sum(), perfect=False)

    def encode(self, prepared: U8) -> list[bytes]:
        constriction = importlib.import_module(self.module)
        counts = np.bincount(prepared, minlength=256)
        coder = constriction.stream.stack.AnsCoder()
        coder.encode_reverse(prepared.astype(np.int32), self.model(counts))
        return [counts.tobytes(), coder.get_compressed().tobytes()]

    def decode(self, pieces: list[bytes]) -> list[Buffer]:
        constriction = importlib.import_module(self.module)
        counts = np.frombuffer(pieces[0], np.int64)
        coder = constriction.stream.stack.AnsCoder(np.frombuffer(pieces[1], np.uint32))
        return [coder.decode(self.model(counts), int(counts.sum())).astype(np.uint8)]


@dataclass(frozen=True)
class ConstrictionGaussian(_Symbols):
    """Its stack coder with a Gaussian per symbol: the same scales, computed instead of looked up."""

    name: str = "constriction:gaussian"
    options: str = "AnsCoder, QuantizedGaussian(-128, 127), mean 0, scale per symbol"
    packages: Sequence[str] = ("constriction",)
    module: str = "constriction"

    def coder(self, *data: Any) -> tuple[Any, Any]:
        constriction = importlib.import_module(self.module)
        return constriction.stream.stack.AnsCoder(*data), constriction.stream.model.QuantizedGaussian(-128, 127)

    def parameters(self, n: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        return np.zeros(n), SCALES[scale_indexes(n)]

    def encode(self, prepared: U8) -> list[bytes]:
        coder, family = self.coder()
        coder.encode_reverse(prepared.astype(np.int32) - 128, family, *self.parameters(len(prepared)))
        return [len(prepared).to_bytes(8, "little"), coder.get_compressed().tobytes()]

    def decode(self, pieces: list[bytes]) -> list[Buffer]:
        n = int.from_bytes(pieces[0], "little")
        coder, family = self.coder(np.frombuffer(pieces[1], np.uint32))
        return [(coder.decode(family, *self.parameters(n)) + 128).astype(np.uint8)]
