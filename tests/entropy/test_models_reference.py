"""The same bytes from a second implementation, in Python integers, written from docs/entropy-models.md and
not from the C++.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from laconic import _core
from laconic._core import entropy_models as native
from laconic.entropy import (
    Bernoulli,
    Categorical,
    CategoricalRows,
    Gaussian,
    GeneralisedGaussian,
    Laplace,
    LocationScale,
    Logistic,
    Mixture,
    Model,
    QueueEncoder,
    Stack,
    Uniform,
    decode,
    encode,
)

T = 2**24
ESCAPE = (T - 256, 256)
TAILS, _, SCALES = native.tables()  # (16, 705) and (16, 256); test_models_tables.py checks what is in them


def nearest(x: Fraction) -> int:
    return round(x)  # ties to even


def unpack(packed: int) -> tuple[int, int, int]:
    return packed >> 16, packed >> 8 & 255, packed & 255


def tail(packed: int, x: int) -> tuple[bool, int]:
    """Whether the lower edge of bin x is below the mean, and the tail beyond the edge in 2^-32."""
    mean, family, k = unpack(packed)
    inverse = SCALES[family][k] & (2**27 - 1)
    edge = 256 * x - 128 - mean
    z = min(min(abs(edge), 2**25 - 1) * inverse + 2**25, 2**36 - 1)  # in 2^-30, beginning at 2^-5
    octave = z.bit_length() - 26
    cell = (octave << 6) + ((z << 6 >> (octave + 25)) - 64)
    part = (z << 30 >> (octave + 25)) & (2**24 - 1)
    left, right = TAILS[family][cell], TAILS[family][cell + 1]
    return edge < 0, left - ((left - right) * part >> 24)


def window(packed: int) -> tuple[int, int]:
    mean, family, k = unpack(packed)
    centre, half = (mean + 128) >> 8, SCALES[family][k] >> 27 & 32767
    return centre - half, centre + half


class Single:
    def __init__(self, packed: int) -> None:
        self.packed = packed
        self.low, self.high = window(packed)

    def cdf(self, x: int) -> int:
        if x <= self.low:
            return 0
        if x > self.high:
            return T - 256
        rest = T - 256 - (self.high - self.low + 1)
        below, q = tail(self.packed, x)
        return x - self.low + ((rest * q >> 32) if below else rest - (rest * q >> 32))


class Mixed:
    def __init__(self, packed: list[int], weights: list[int]) -> None:
        self.parts = [(p, w) for p, w in zip(packed, weights, strict=True) if w]
        windows = [window(p) for p, _ in self.parts]
        self.low, self.high = min(w[0] for w in windows), max(w[1] for w in windows)
        if self.high - self.low > 65534:
            heaviest = max(self.parts, key=lambda part: part[1])[0]
            centre = (unpack(heaviest)[0] + 128) >> 8
            self.low, self.high = max(self.low, centre - 32767), min(self.high, centre + 32767)

    def cdf(self, x: int) -> int:
        if x <= self.low:
            return 0
        if x > self.high:
            return T - 256
        mass = 0
        for packed, weight in self.parts:
            below, q = tail(packed, x)
            mass += weight * q if below else (weight << 32) - weight * q
        rest = T - 256 - (self.high - self.low + 1)
        return x - self.low + (rest * (mass >> 17) >> 31)


def steps(distribution: Single | Mixed, x: int) -> list[tuple[int, int]]:
    """Intervals of one symbol, in decoding order."""
    low, high = distribution.low, distribution.high
    if low <= x <= high:
        start = distribution.cdf(x)
        return [(start, distribution.cdf(x + 1) - start)]
    v = 1 + (2 * (x - high - 1) if x > high else 2 * (low - 1 - x) + 1)
    width = v.bit_length()
    out = [ESCAPE, (width << 18, 1 << 18)]
    left = width - 1
    while left:
        piece = min(left, 16)
        left -= piece
        out.append(((v >> left & (2**piece - 1)) << (24 - piece), 1 << (24 - piece)))
    return out


def rescale(weights: list[int]) -> list[int]:
    total, k = sum(weights), len(weights)
    factor = (T - k << 32) // total
    return [i + (sum(weights[:i]) * factor >> 32) for i in range(k)] + [T]


def rows_of(model: Model, x: np.ndarray, extra: list | None = None) -> list[list[tuple[int, int]]]:
    """Each symbol's intervals by the formulas of the document."""
    flat = [int(v) for v in x.reshape(-1)]
    if isinstance(model, LocationScale):
        packed = np.broadcast_to(model.parameters, x.shape).reshape(-1)
        return [steps(Single(int(p)), v) for p, v in zip(packed, flat, strict=True)]
    assert extra is not None
    return [steps(d, v) if isinstance(d, Mixed) else [(d[v], d[v + 1] - d[v])] for d, v in zip(extra, flat, strict=True)]


def lanes_for(n: int) -> int:
    return 1 if n < 2**14 else 8 if n < 2**18 else 16


def rans(rows: list[list[tuple[int, int]]], lanes: int) -> bytes:
    """Profile C's block, by the definition of the stack."""
    states, words = [2**31] * lanes, []

    def push(lane: int, start: int, freq: int) -> None:
        if states[lane] >= freq << 39:
            words.append(states[lane] & 0xFFFFFFFF)
            states[lane] >>= 32
        states[lane] = (states[lane] // freq << 24) + states[lane] % freq + start

    for row in range((len(rows) - 1) // lanes * lanes, -1, -lanes):
        live = rows[row : row + lanes]
        for lane in reversed(range(len(live))):
            for interval in reversed(live[lane][1:]):
                push(lane, *interval)
        for lane in reversed(range(len(live))):
            push(lane, *live[lane][0])
    return b"".join(s.to_bytes(8, "little") for s in states) + b"".join(w.to_bytes(4, "little") for w in reversed(words))


def stack(rows: list[list[tuple[int, int]]]) -> bytes:
    block = rans(rows, 1)
    words = [block[i : i + 4] for i in range(8, len(block), 4)]
    return b"".join(reversed(words)) + block[:8]


def range_coder(intervals: list[tuple[int, int]], total_bits: int, word_bits: int, width: int) -> int | bytes:
    """The range coders, low kept as one unbounded integer: a carry is an addition."""
    low, span, shifted = 0, 2**width - 1, 0
    for start, freq in intervals:
        if total_bits == 24:
            unit = span >> 24
            low += unit * start
            span = span - unit * start if start + freq == T else unit * freq
        else:  # decisions: (bit, p1)
            one = span * freq >> 16
            low, span = (low, one) if start else (low + one, span - one)
        while span < 2 ** (width - word_bits if total_bits != 24 else 32):
            low, span, shifted = low << word_bits, span << word_bits, shifted + 1
    keep = width - word_bits
    top = low + 2**keep - 1 >> keep
    size = shifted + 1
    data = top.to_bytes(size * word_bits // 8, "big")
    step = word_bits // 8
    return b"".join(data[i : i + step][::-1] for i in range(0, len(data), step))


def message(payload: bytes, symbols: np.ndarray, profile: int) -> bytes:
    def leb(n: int) -> bytes:
        return bytes([n]) if n < 128 else bytes([n & 127 | 128]) + leb(n >> 7)

    kind = ["uint8", "int8", "uint16", "int16", "uint32", "int32"].index(symbols.dtype.name)
    return bytes([kind | profile << 4]) + leb(symbols.size) + leb(len(payload)) + payload


@pytest.fixture(params=["scalar", "avx2", "avx512"])
def isa(request: pytest.FixtureRequest):
    before = _core.active_isa()
    try:
        _core.set_isa(request.param)
    except ValueError:
        pytest.skip(f"this machine has no {request.param}")
    yield request.param
    _core.set_isa(before)


def location_scale_cases(n: int, seed: int = 0) -> list[tuple[LocationScale, np.ndarray]]:
    rng = np.random.default_rng(seed)
    mean = np.concatenate([rng.normal(0, 5, n // 2), rng.uniform(-(2**31), 2**31, n - n // 2)]).astype(np.float32)
    scale = np.exp(rng.uniform(-4, 9, n)).astype(np.float32)
    x = np.rint(mean + scale * rng.standard_t(2, n)).clip(-(2**31), 2**31 - 1).astype(np.int32)
    return [
        (Gaussian(mean, scale), x),
        (Laplace(mean, scale), x),
        (Logistic(mean, scale), x),
        (GeneralisedGaussian(mean, scale, rng.uniform(0.4, 4.5, n)), x),
    ]


@pytest.mark.parametrize("n", [1, 300, 2**14 + 77])
def test_location_scale_messages(n: int, isa: str) -> None:
    for model, x in location_scale_cases(n, n):
        expected = message(rans(rows_of(model, x), lanes_for(n)), x, 0)
        assert encode(x, model) == expected
        np.testing.assert_array_equal(decode(expected, model), x)


def test_mixture_messages(isa: str) -> None:
    rng = np.random.default_rng(9)
    for n, spread in ((300, 10.0), (300, 1e6), (2**14 + 3, 100.0)):
        parts = Laplace(rng.normal(0, spread, (n, 3)), np.exp(rng.uniform(-2, 5, (n, 3))))
        weights = rng.multinomial(2**16, [0.2, 0.5, 0.3], n)
        weights[::9] = [2**16, 0, 0]
        x = np.rint(rng.normal(0, spread, n)).astype(np.int32)
        mixed = [Mixed([int(p) for p in ps], [int(w) for w in ws]) for ps, ws in zip(parts.parameters, weights, strict=True)]
        model = Mixture(parts, weights / 2**16)
        expected = message(rans(rows_of(model, x, mixed), lanes_for(n)), x, 0)
        assert encode(x, model) == expected
        np.testing.assert_array_equal(decode(expected, model), x)


def test_categorical_messages(isa: str) -> None:
    rng = np.random.default_rng(10)
    for alphabet in (1, 2, 16, 37, 256, 300):
        n = 100
        rows = rng.dirichlet([0.2] * alphabet, n).astype(np.float32)
        x = rng.integers(0, alphabet, n).astype(np.uint16)
        cdfs = [rescale([math.floor(Fraction(float(p)) * 2**27) for p in row]) for row in rows]
        for model in (
            CategoricalRows(rows),
            CategoricalRows(rows.astype(np.float64)),
            CategoricalRows.from_cdf(np.array(cdfs, np.uint32)),
        ):
            expected = message(rans(rows_of(model, x, cdfs), 1), x, 0)
            assert encode(x, model) == expected
            np.testing.assert_array_equal(decode(expected, model), x)
        one = Categorical(rows[0])
        assert encode(x, one) == message(rans(rows_of(one, x, cdfs[:1] * n), 1), x, 0)
        flat = Uniform(alphabet)
        uniform = [i * T // alphabet for i in range(alphabet + 1)]
        expected = message(rans(rows_of(flat, x, [uniform] * n), 1), x, 0)
        assert encode(x, flat) == expected
        np.testing.assert_array_equal(decode(expected, flat, n), x)


def test_binary_messages() -> None:
    rng = np.random.default_rng(11)
    for n, low in ((0, 0.0), (1, 0.0), (5000, 0.0), (5000, 0.999), (20000, 0.99999)):
        p = rng.uniform(low, 1, n)
        x = (rng.uniform(0, 1, n) < p).astype(np.uint8)
        rounded = [min(max(nearest(Fraction(v) * 65536), 1), 65535) for v in p.tolist()]
        payload = range_coder(list(zip(x.tolist(), rounded, strict=True)), 16, 8, 32)
        assert encode(x, Bernoulli(p)) == message(payload, x, 1)


def test_stack_and_queue() -> None:
    for model, x in location_scale_cases(500, 12):
        rows = rows_of(model, x)
        coder, queue = Stack(), QueueEncoder()
        coder.push(x, model)
        queue.push(x, model)
        assert coder.to_bytes() == stack(rows)
        assert queue.to_bytes() == range_coder([v for row in rows for v in row], 24, 32, 64)


def test_quantised_parameters() -> None:
    """Nearest points of the grids, for every float: the scale's by exact comparison of 16th powers, not by
    logarithms.
    """
    rng = np.random.default_rng(13)
    mean = np.concatenate([rng.uniform(-(2**32), 2**32, 500), rng.normal(0, 1, 500), np.arange(-8, 8) / 512])
    scale = np.exp(rng.uniform(-12, 12, mean.size))
    for m, s, packed in zip(mean, scale, Gaussian(mean, scale).parameters.tolist(), strict=True):
        q, family, k = unpack(packed)
        assert (q, family) == (nearest(Fraction(m) * 256), 0)
        ratio = Fraction(s) ** 32  # k is right if 2^(2(k - 64) - 1) <= s^32 < 2^(2(k - 64) + 1), but for the ends of the grid
        assert k == 0 or ratio >= Fraction(2) ** (2 * (k - 64) - 1)
        assert k == 255 or ratio < Fraction(2) ** (2 * (k - 64) + 1)


def test_every_bin_has_a_slot_and_none_is_left_over(isa: str) -> None:
    """All bins of a window lie one after another from slot 0 to the escape: all families, many scales."""
    for family in range(16):
        for k in range(0, 256, 15):
            for mean in (0, 77, -128, 127, 12345):
                packed = mean * 65536 + family * 256 + k
                low, high = window(packed)
                model = native.LocationScaleModel(np.array([packed]), True)
                start, freq = model.intervals(np.arange(low, high + 1)).astype(np.int64).T
                assert (freq >= 1).all()
                assert start[0] == 0
                assert (start[1:] == start[:-1] + freq[:-1]).all()
                assert start[-1] + freq[-1] == T - 256
                outside = model.intervals(np.array([low - 1, high + 1, -(2**31), 2**32 - 1]))
                assert (outside == ESCAPE).all()
