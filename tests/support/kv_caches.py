"""KV caches and profiles made of integers alone: the same on every machine and with every version of numpy."""

from __future__ import annotations

import ml_dtypes
import numpy as np
from make import noise

from laconic import _core
from laconic.codecs.kv.codec import GROUPS, QUANTISED
from laconic.codecs.kv.profile import Profile, Rotation, Set
from laconic.codecs.kv.segment import BF16, FP16, FP32, Coarse, Segment

HEADS, HEAD = 2, 8
DTYPES = ["bfloat16", "float16", "float32", "float8_e4m3fn", "float8_e5m2"]


def dtype_of(name: str) -> np.dtype:
    return np.dtype(getattr(ml_dtypes, name, None) or name)


def values(layers: int, tokens: int, dtype: str = "bfloat16", seed: int = 1) -> np.ndarray:
    """(2, layers, tokens, HEADS, HEAD): bell-shaped, each channel with a scale of its own."""
    n = 2 * layers * tokens * HEADS * HEAD
    total = sum(np.frombuffer(noise(n, seed + k), np.uint8).astype(np.int64) - 128 for k in range(4))
    scales = 2.0 ** -(np.arange(HEADS * HEAD) * 5 % 7).reshape(HEADS, HEAD)
    return ((total / 128.0).reshape(2, layers, tokens, HEADS, HEAD) * scales).astype(np.float32).astype(dtype_of(dtype))


def profile(layers: int, *, transform: bool = True, step: float = 0.25) -> Profile:
    """Steps that follow `values`' scales, a Hadamard transform of each head, RoPE of pairs, tables of a triangular shape."""
    hadamard = np.array([[1 - 2 * ((i & j).bit_count() % 2) for j in range(HEAD)] for i in range(HEAD)]) / np.float32(8**0.5)
    basis = np.tile(hadamard, (HEADS, 1)).astype(np.float16) if transform else np.zeros((HEADS * HEAD, 0), np.float16)
    counts = np.zeros((2, 256), np.uint32)
    for table in range(2):
        counts[table] = np.maximum(1, (1000 >> table) // (1 + np.arange(256) * (1 + table)))
    counts[1, 100:255] = 0  # symbols that must escape
    _, frequencies = _core.fit_kv_tables(counts, 11)
    scales = 2.0 ** -(np.arange(HEADS * HEAD) * 5 % 7)
    steps = np.full(HEADS * HEAD, step) if transform else scales * step
    table_of = np.arange(HEADS * HEAD) % len(frequencies)
    found = Set(np.full(HEADS * HEAD, 0.125, np.float32), steps.astype(np.float32), basis, table_of.astype(np.uint8))
    return Profile((found,) * (2 * layers), frequencies, 11, Rotation(0.5 ** np.arange(HEAD // 2), HEAD, False))


def quantised(
    x: np.ndarray, found: Profile, number: int = 0, position: int = 0, first: int = 0, last: int = 0
) -> tuple[bytes, Segment, bytes]:
    """Payload, its segment, and what the encoder says that it decodes to."""
    segment = Segment(
        {"bfloat16": BF16, "float16": FP16, "float32": FP32}[x.dtype.name], HEADS * HEAD, Coarse(found.hash, number, position)
    )
    out = bytearray(x.nbytes)
    quantiser = found.quantiser(number, HEADS * HEAD)
    payload = quantiser.encode(x, segment.element, position, first, last, GROUPS["default"], found.tables, out)
    assert payload[0] == QUANTISED
    return payload, segment, bytes(out)
