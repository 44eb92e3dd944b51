"""Kind ``kv``: keys and values that a small trained model makes of text. Exactly, against ZipNN; with loss, size against the divergence
of the model's next-token distributions.

DIR has a folder ``lm/`` with ``stories260K.bin`` (llama2.c's format; bench/kv_model.py runs it). The text is sampled from the model: 16
sequences, whose first 256 tokens are stored and whose next 256 are scored; profiles and static tables learn from 32 others.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import ml_dtypes
import numpy as np

from bench.codec import Buffer, Codec, Source
from bench.kv_model import Cache, Model, divergence
from bench.measure import Row, machine
from bench.peers import kv as peers
from bench.suite import Case, Options, matches, run_files, say

STORED, SCORED = 256, 256  # tokens
SEQUENCES, OTHERS = 16, 32
QUALITIES = (0.01, 0.001)  # divergences, nats, at which sizes are compared
STEPS = {"klt": (0.35, 0.5, 0.7, 1.0, 1.4, 2.0), "none": (0.3, 0.45, 0.6, 0.8, 1.1, 1.5)}

Array = np.ndarray[Any, Any]
DTYPES = {"bf16": ml_dtypes.bfloat16, "fp16": np.float16, "e4m3": ml_dtypes.float8_e4m3fn}


def run(options: Options) -> list[Row]:
    if options.data is None:
        raise SystemExit("kv: --data DIR is needed")
    folder = options.data if (options.data / "stories260K.bin").exists() else options.data / "lm"
    model = Model(folder / "stories260K.bin")
    text, others = (model.sample(n, STORED + SCORED, seed) for n, seed in ((SEQUENCES, 1), (OTHERS, 2)))
    computed = [model.run(tokens[:, :STORED], model.empty(len(tokens)))[1] for tokens in (text, others)]
    rows = _exact(*computed, options)
    cache, other = (one.rounded(STORED) for one in computed)
    if matches("s260k lossy", options.sets):
        rows += _lossy(_Judge(model, text, cache), other, options)
    return rows


# ---------------------------------------------------------------------- exactly


@dataclass(frozen=True)
class LaconicKV:
    """`laconic.kv.save` and `load` of one tensor in memory."""

    shape: tuple[int, ...]  # (layers, batch, tokens, heads, head size)
    dtype: str
    level: str
    packages: Sequence[str] = ("laconic",)
    module: str = "laconic.kv"

    @property
    def name(self) -> str:
        return f"laconic:kv {self.level}"

    @property
    def options(self) -> str:
        return 'layout="LBTHD", jobs=1; from and to numpy'

    def prepare(self, source: Source) -> Array:
        return np.frombuffer(source.data, DTYPES[self.dtype]).reshape(self.shape)

    def encode(self, prepared: Array) -> list[bytes]:
        import laconic.kv

        file = io.BytesIO()
        laconic.kv.save(prepared, file, "LBTHD", level=self.level, jobs=1)
        return [file.getvalue()]

    def decode(self, pieces: list[bytes]) -> list[Buffer]:
        import laconic.kv

        return [laconic.kv.load(pieces[0], jobs=1).view(np.uint8)]


@dataclass(frozen=True)
class ZipNNTensor:
    """ZipNN on the whole tensor, or on each of `pieces` equal parts of it, which is what reading a layer of a chunk alone takes."""

    dtype: str
    pieces: int = 1
    level: str = ""
    packages: Sequence[str] = ("zipnn", "torch")
    module: str = "zipnn"

    @property
    def name(self) -> str:
        return "zipnn" if self.pieces == 1 else "zipnn, segments"

    @property
    def options(self) -> str:
        return f"threads=1, input_format=byte, bytearray_dtype of the tensor, {self.pieces} parts"

    def _zipnn(self) -> Any:
        import zipnn

        names = {"bf16": "bfloat16", "fp16": "float16", "e4m3": "float8_e4m3fn"}
        return zipnn.ZipNN(input_format="byte", bytearray_dtype=names[self.dtype], threads=1)

    def prepare(self, source: Source) -> list[bytearray]:
        size = len(source.data) // self.pieces
        return [bytearray(source.data[at : at + size]) for at in range(0, len(source.data), size)]  # ZipNN overwrites its input

    def encode(self, prepared: list[bytearray]) -> list[bytes]:
        zipnn = self._zipnn()
        return [bytes(zipnn.compress(part)) for part in prepared]

    def decode(self, pieces: list[bytes]) -> list[Buffer]:
        zipnn = self._zipnn()
        return [zipnn.decompress(piece) for piece in pieces]


def _exact(cache: Cache, other: Cache, options: Options) -> list[Row]:
    """Keys and values as the model has them, and (wide) with all sequences side by side as heads: segments as large as of real models."""
    rows: list[Row] = []
    for what, tensor, more in (("keys", cache.keys, other.keys), ("values", cache.values, other.values)):
        layers, _, tokens, _, head = tensor.shape
        wide = np.concatenate([tensor, more], 1).transpose(0, 2, 1, 3, 4).reshape(layers, 1, tokens, -1, head)
        for form, x, dtypes in (("", tensor, DTYPES), (" wide", wide, ("bf16",))):
            for dtype in dtypes:
                path = options.scratch / f"{what}{form}.{dtype}".replace(" ", "-")
                path.write_bytes(x.astype(DTYPES[dtype]).tobytes())
                codecs: list[Codec] = [LaconicKV(x.shape, dtype, level) for level in options.levels if level in ("fast", "default")]
                codecs += [ZipNNTensor(dtype), ZipNNTensor(dtype, layers * x.shape[1])]
                rows += run_files("kv", [Case(f"s260k{form} {dtype}", f"{what}{form}.{dtype}", path)], codecs, options)
    return rows


# ---------------------------------------------------------------------- with loss


@dataclass
class _Judge:
    """Scores reconstructed caches."""

    model: Model
    text: Array
    cache: Cache
    batch: int = 4  # sequences at once

    def __post_init__(self) -> None:
        self.reference = self._logits(self.cache)

    def _logits(self, cache: Cache) -> Array:
        parts = []
        for at in range(0, len(self.text), self.batch):
            some = Cache(cache.keys[:, at : at + self.batch], cache.values[:, at : at + self.batch])
            parts.append(self.model.run(self.text[at : at + self.batch, STORED:], some)[0])
        return np.concatenate(parts)

    def __call__(self, keys: Array, values: Array) -> float:
        shape = self.cache.keys.shape
        return divergence(self.reference, self._logits(Cache(keys.reshape(shape), values.reshape(shape)).rounded(STORED)))


def _lossy(judge: _Judge, other: Cache, options: Options) -> list[Row]:
    methods = dict(_peers(judge.cache, other)) | {
        f"laconic:kv {transform}": [(str(step), partial(_ours, judge, other, transform, step)) for step in steps]
        for transform, steps in STEPS.items()
    }
    host, rows = machine(), []
    for name, settings in methods.items():
        if not matches(name, options.codecs):
            continue
        curve, with_profile = [], []
        for level, make in settings[:: 2 if options.quick else 1]:
            keys, values, bits, more = make()
            kl = judge(keys, values)
            note = f"{level}: KL {kl:.5f}" + (f", profile of {more['profile_bytes']} bytes apart" if "profile_bytes" in more else "")
            row = _row(judge.cache, name, level, bits, host) | {"kl": float(f"{kl:.4g}"), "note": note} | more
            say(f"{name} {level}: {row['bits_per_value']} bits a value, KL {kl:.5f}")
            curve.append((kl, bits))
            with_profile.append((kl, bits + 8 * more.get("profile_bytes", 0)))
            rows.append(row)
        for quality in QUALITIES:
            bits_there, bits_in_all = _interpolate(curve, quality), _interpolate(with_profile, quality)
            if bits_there is not None and bits_in_all is not None:
                details: Row = {"kl": quality, "note": f"at KL {quality}"}
                if bits_in_all != bits_there:  # for those who keep one cache only
                    values = _values_in(judge.cache)
                    details["bits_per_value_with_profile"] = round(bits_in_all / values, 4)
                    details["note"] = f"at KL {quality}: {bits_in_all / values:.2f} bits a value with the profile"
                rows.append(_row(judge.cache, name, f"KL {quality}", bits_there, host) | {"set": f"s260k lossy at KL {quality}"} | details)
    return rows


def _values_in(cache: Cache) -> int:
    return int(cache.keys.size + cache.values.size)


def _row(cache: Cache, codec: str, level: str, bits: float, host: dict[str, Any]) -> Row:
    count = _values_in(cache)
    return {
        "kind": "kv", "set": "s260k lossy", "file": f"{SEQUENCES} x {STORED} tokens, keys and values", "codec": codec, "level": level,
        "raw_bytes": 2 * count, "stored_bytes": round(bits / 8), "bits_per_value": round(bits / count, 4), "exact": None, "machine": host,
    }  # fmt: skip


def _interpolate(curve: list[tuple[float, float]], kl: float) -> float | None:
    """Bits at a divergence, on straight lines between the logarithms of both; None outside the measured range."""
    for (a, bits_a), (b, bits_b) in zip(sorted(curve), sorted(curve)[1:], strict=False):
        if a <= kl <= b:
            share = np.log(kl / a) / np.log(b / a)
            return float(np.exp(np.log(bits_a) * (1 - share) + np.log(bits_b) * share))
    return None


Setting = tuple[str, Callable[[], tuple[Array, Array, float, Row]]]


def _peers(cache: Cache, other: Cache) -> Iterator[tuple[str, list[Setting]]]:
    def flat(x: Array) -> Array:
        return x.reshape(*x.shape[:3], -1)

    k, v, k_other, v_other = (flat(x) for x in (cache.keys, cache.values, other.keys, other.values))

    def both(of_keys: Callable[[], peers.Coded], of_values: Callable[[], peers.Coded]) -> tuple[Array, Array, float, Row]:
        (keys, bits), (values, more) = of_keys(), of_values()
        return keys, values, bits + more, {}

    n = len(k)
    settings = [(f"{bins} bins", [bins] * n, [bins] * n) for bins in (8, 16, 32, 64, 128)]
    settings.append(("LMCache's bins", [32] * 10, [32] * 2 + [16] * 98))
    yield (
        "CacheGen",
        [
            (level, partial(both, partial(peers.cachegen, k, of_keys[:n]), partial(peers.cachegen, v, of_values[:n])))
            for level, of_keys, of_values in settings
        ],
    )
    for name, keys, values in (("KIVI g32", None, None), ("KIVI g32 + coding", k_other, v_other)):
        yield (
            name,
            [
                (f"{w} bits", partial(both, partial(peers.kivi, k, w, 32, True, keys), partial(peers.kivi, v, w, 32, False, values)))
                for w in (2, 3, 4, 5)
            ],
        )
    for name, keys, values in (("TurboQuant-like", None, None), ("TurboQuant-like + coding", k_other, v_other)):
        yield (
            name,
            [
                (f"{w} bits", partial(both, partial(peers.turboquant, k, w, keys), partial(peers.turboquant, v, w, values)))
                for w in (2, 3, 4, 5, 6)
            ],
        )


def _ours(judge: _Judge, other: Cache, transform: str, step: float) -> tuple[Array, Array, float, Row]:
    """The whole file but for the profile, which is told apart. No tokens are kept exact: they would not help this model."""
    import laconic.kv

    rope = laconic.kv.Rope(neighbours=True)
    learnt = tuple(x.astype(ml_dtypes.bfloat16) for x in (other.keys, other.values))
    profile = laconic.kv.calibrate(learnt, "LBTHD", step=step, transform=transform, rope=rope, sinks=0)
    file, prior = io.BytesIO(), io.BytesIO()
    tensors = tuple(x.astype(ml_dtypes.bfloat16) for x in (judge.cache.keys, judge.cache.values))
    laconic.kv.save(tensors, file, "LBTHD", profile=profile, embed=False, sinks=0, recent=0, jobs=1)
    with laconic.open(prior, "w", level="max") as archive:
        archive.add("kv-profile", profile.to_bytes())
    keys, values = (x.astype(np.float32) for x in laconic.kv.load(file.getvalue(), jobs=1))
    size = len(file.getvalue())
    details = {"profile_bytes": len(prior.getvalue()), "options": f"transform={transform!r}, step={step}, RoPE undone, sinks=0, recent=0"}
    return keys, values, 8.0 * size, details
