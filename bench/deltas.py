"""Kind ``deltas``: what a checkpoint takes when the one before it is at hand, on pairs that `bench/train_gpt.py` trains.

Sets name what is coded and how far apart the two are: ``bf16 +10`` is 10 steps of training, ``bf16 low +1`` one step with a learning
rate of 3e-6; ``bf16 3 %`` is one array of 64 MB in which 3 % of the elements, anywhere, became their next larger neighbours. Ours is
`laconic.weights.diff` and `apply` of all tensors; peers get all parameters as one array, which favours them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

from bench import tensors
from bench.codec import NotInstalledError, versions
from bench.measure import Row, machine
from bench.suite import Options, matches, say
from bench.train_gpt import DISTANCES, LOW_LR_STEPS, START, checkpoints, parameters

LARGE = "bf16 3 %"

Arrays = dict[str, np.ndarray[Any, Any]]
Pair = tuple[Callable[[], Any], Callable[[Any], Any]]  # makes a patch; applies it and returns the new arrays, or their bytes


def run(options: Options) -> list[Row]:
    paths = checkpoints()
    later = {f"+{d}": f"step{START + d}" for d in DISTANCES} | {f"low +{n}": f"low{n}" for n in LOW_LR_STEPS}
    rows: list[Row] = []
    for dtype, cast in (("bf16", tensors.cast_bf16), ("fp32", np.asarray)):
        old = {name: cast(array) for name, array in parameters(paths[f"step{START}"]).items()}
        for distance, name in later.items():
            new = {key: cast(array) for key, array in parameters(paths[name]).items()}
            if matches(f"{dtype} {distance}", options.sets):
                rows += _pair(f"{dtype} {distance}", old, new, options)
    if matches(LARGE, options.sets) and not options.quick:
        rows += _pair(LARGE, *_large(), options)
    return rows


def _large() -> tuple[Arrays, Arrays]:
    rng = np.random.default_rng(0)
    old = tensors.cast_bf16(rng.standard_normal(1 << 25, np.float32) * np.float32(0.02))
    new = old.copy()
    new.view(np.uint16)[rng.integers(0, new.size, new.size * 3 // 100)] += 1
    return {"w": old}, {"w": new}


def _pair(set_: str, old: Arrays, new: Arrays, options: Options) -> list[Row]:
    values = sum(array.size for array in new.values())
    size = sum(array.nbytes for array in new.values())
    same = sum(int((_bits(old[name]) == _bits(new[name])).sum()) for name in new)
    rows: list[Row] = []
    for name, packages, make in _codecs(options):
        if not matches(name, options.codecs):
            continue
        row: Row = {"kind": "deltas", "set": set_, "file": "gpt", "codec": name, "raw_bytes": size, "machine": machine()}
        try:
            found = versions(packages)
            encode, decode = make(old, new)
        except NotInstalledError as reason:
            rows.append(row | {"error": str(reason)})
            continue
        patch, encode_s = _timed(encode, options.repeat)
        result, decode_s = _timed(lambda d=decode, p=patch: d(p), options.repeat)
        rows.append(
            row
            | {
                "stored_bytes": len(patch),
                "bits_per_weight": round(8 * len(patch) / values, 4),
                "unchanged": round(same / values, 4),
                "encode_mbps": float(f"{size / 1e6 / encode_s:.4g}"),
                "decode_mbps": float(f"{size / 1e6 / decode_s:.4g}"),
                "exact": result == _joined(new).tobytes(),
                "versions": found,
            }
        )
        say(f"{set_} {name}: {rows[-1]['bits_per_weight']} bit a weight")
    return rows


def _codecs(options: Options) -> list[tuple[str, tuple[str, ...], Callable[[Arrays, Arrays], Pair]]]:
    ours = [(f"laconic:{level}", ("laconic",), lambda old, new, level=level: _ours(old, new, level)) for level in options.levels]
    return [
        *ours,
        ("xor+zstd:3", ("zstandard",), _xor_zstd),
        ("xor+zipnn", ("zipnn", "torch"), _xor_zipnn),
        ("z4ai:delta", ("z4ai",), _z4ai),
    ]


def _ours(old: Arrays, new: Arrays, level: str) -> Pair:
    from laconic import weights

    target = {name: array.copy() for name, array in old.items()}

    def apply(patch: bytes) -> bytes:
        for name, array in old.items():  # what the last run changed; 1 % of the time
            target[name][...] = array
        weights.apply(target, patch, jobs=1)
        return b""

    def check(patch: bytes) -> bytes:
        apply(patch)
        return _joined(target).tobytes()

    return (lambda: weights.diff(old, new, level=level, jobs=1)), _Checked(apply, check)


class _Checked:
    """Applies; the first time also returns all bytes for comparison."""

    def __init__(self, apply: Callable[[bytes], Any], check: Callable[[bytes], bytes]) -> None:
        self._apply, self._check, self._result = apply, check, b""

    def __call__(self, patch: bytes) -> bytes:
        if not self._result:
            self._result = self._check(patch)
        else:
            self._apply(patch)
        return self._result


def _xor_zstd(old: Arrays, new: Arrays) -> Pair:
    import zstandard

    a, b = _bits(_joined(old)), _bits(_joined(new))
    return (lambda: zstandard.ZstdCompressor(3).compress((a ^ b).tobytes())), (
        lambda patch: (a ^ np.frombuffer(zstandard.ZstdDecompressor().decompress(patch), a.dtype)).tobytes()
    )


def _xor_zipnn(old: Arrays, new: Arrays) -> Pair:
    from zipnn import ZipNN

    a, b = _bits(_joined(old)), _bits(_joined(new))
    codec = ZipNN(bytearray_dtype="bfloat16" if a.itemsize == 2 else "float32", threads=1)
    return (lambda: codec.compress(bytearray((a ^ b).tobytes()))), (
        lambda patch: (a ^ np.frombuffer(codec.decompress(patch), a.dtype)).tobytes()
    )


def _z4ai(old: Arrays, new: Arrays) -> Pair:
    import z4ai

    a, b = _joined(old), _joined(new)
    dtype = "bfloat16" if a.itemsize == 2 else "float32"
    before, after = a.tobytes(), b.tobytes()
    return (lambda: z4ai.compress_delta(after, before, dtype=dtype, threads=1)), (lambda patch: bytes(z4ai.decompress_delta(patch, before)))


def _joined(arrays: Arrays) -> np.ndarray[Any, Any]:
    return np.concatenate([array.reshape(-1) for array in arrays.values()])


def _bits(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return array.view(f"u{array.itemsize}")


def _timed(call: Callable[[], Any], repeat: int) -> tuple[Any, float]:
    """The result, and CPU seconds: the median of runs after a warm-up."""
    result = call()
    seconds = []
    for _ in range(repeat):
        start = time.process_time()
        call()
        seconds.append(max(time.process_time() - start, 1e-9))
        if sum(seconds) > 4:
            break
    return result, median(seconds)
