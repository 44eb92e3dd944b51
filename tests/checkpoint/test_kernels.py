"""The kernels of csrc/checkpoint: inverses of each other, equal for every instruction set, and safe on damaged payloads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from laconic import _core
from laconic.errors import CorruptDataError

BF16, FP16, FP32 = range(3)
BITS = {BF16: np.uint16, FP16: np.uint16, FP32: np.uint32}


@pytest.fixture
def _restore_isa() -> Iterator[None]:
    before = _core.active_isa()
    yield
    _core.set_isa(before)


def isas() -> list[str]:
    names = ["scalar", "avx2", "avx512"]
    return names[: names.index(_core.best_isa()) + 1]


def some_bits(seed: int, n: int, fmt: int, kind: str) -> np.ndarray[Any, Any]:
    random = np.random.default_rng(seed)
    if kind == "any":
        return random.integers(0, 1 << (8 * BITS[fmt]().itemsize), n, dtype=np.uint64).astype(BITS[fmt])
    x = random.normal(0, 0.02, n).astype(np.float32)
    x = x.astype({BF16: ml_dtypes.bfloat16, FP16: np.float16, FP32: np.float32}[fmt])
    return abs(x).view(BITS[fmt]) if kind == "positive" else x.view(BITS[fmt])


@given(st.integers(0, 99), st.sampled_from([0, 1, 31, 100, 4097]), st.sampled_from(["any", "normal", "positive"]))
def test_fields(seed: int, n: int, kind: str) -> None:
    actual = some_bits(seed, n, FP32, kind).view(np.uint8)
    contexts = _core.exponent_context(some_bits(seed + 1, n, FP32, "normal").view(np.uint8))
    out = np.empty_like(actual)
    _core.decode_fields_by(_core.encode_fields_by(actual, contexts), contexts, out)
    assert (out == actual).all()


def test_contexts_are_worth_it() -> None:
    """Values of two scales, told apart by the context."""
    scale = np.random.default_rng(0).integers(0, 2, 1 << 16).astype(np.uint8)
    x = (some_bits(1, 1 << 16, FP32, "normal").view(np.float32) * np.where(scale, 1e-3, 1).astype(np.float32)).view(np.uint8)
    sizes = [len(_core.encode_fields_by(x, contexts)) for contexts in (scale, np.zeros_like(scale))]
    assert sizes[0] < sizes[1] - 0.6 * len(scale) / 8


def test_damaged_fields() -> None:
    """Data or CorruptDataError, whatever bit is flipped or byte is missing."""
    actual, other = (some_bits(seed, 50, FP32, "normal").view(np.uint8) for seed in (1, 2))
    contexts = _core.exponent_context(other)
    out = np.empty_like(actual)
    payload = _core.encode_fields_by(actual, contexts)
    damaged = [payload[:k] for k in range(len(payload))] + [payload + b"\0"]
    damaged += [payload[:k] + bytes((payload[k] ^ 1 << b,)) + payload[k + 1 :] for k in range(len(payload)) for b in range(8)]
    for data in damaged:
        try:
            _core.decode_fields_by(data, contexts, out)
        except CorruptDataError:
            pass


def test_ratios() -> None:
    m = np.array([0, 1, 1e-4, -1e-4, 1e30, np.inf, 1e-40], np.float32)
    v = np.array([1, 1, 1e-8, 1e-8, 1e-30, 1, 0], np.float32)
    exponents = [x.view(np.uint32).astype(int) >> 23 & 255 for x in (m, v)]
    want = np.clip(2 * exponents[0] - exponents[1] - 127, -31, 8) + 31
    assert (_core.ratio_context(m.view(np.uint8), v.view(np.uint8)) == want).all()
    assert (_core.exponent_context(m.view(np.uint8)) == exponents[0]).all()


def test_shares_are_found() -> None:
    """Those that the parameters were moved by, whatever else there is among the elements."""
    p, m0, v0 = replay_inputs()
    m1, v1 = m0[::-1].copy(), v0[::-1].copy()
    q = np.empty_like(p)
    moments = [x.view(np.uint8) for x in (m0, v0, m1, v1)]
    _core.replay_shares(p.view(np.uint8), *moments, -3e-4, 1e-4, q.view(np.uint8))
    with np.errstate(all="ignore"):
        eps = np.float32(1e-8)
        want = p + (np.float32(-3e-4) * (m1 / (np.sqrt(v1) + eps)) + np.float32(1e-4) * (m0 / (np.sqrt(v0) + eps)))
    number = ~np.isnan(want)
    assert (q.view(np.uint32)[number] == want.view(np.uint32)[number]).all()
    now, before = _core.fit_shares(p.view(np.uint8), q.view(np.uint8), *moments)
    assert abs(now + 3e-4) < 1e-6
    assert abs(before - 1e-4) < 1e-6
    nothing = np.zeros(4096, np.uint8)
    assert _core.fit_shares(*[nothing] * 6) == (0, 0)
    assert _core.fit_shares(*[nothing[:0]] * 6) == (0, 0)


@pytest.mark.parametrize("fmt", [BF16, FP16])
def test_casts_round_as_everyone_does(fmt: int) -> None:
    x = np.concatenate([some_bits(3, 1 << 16, FP32, "any"), np.arange(0x33000000 - 300, 0x33000000 + 300, dtype=np.uint32),
                        np.arange(0x387FE000, 0x38801000, dtype=np.uint32), np.arange(0x477FE000, 0x47801000, dtype=np.uint32),
                        some_bits(4, 1 << 16, FP32, "normal")]).view(np.float32)  # fmt: skip
    out = np.empty(len(x), np.uint16)
    _core.cast_from_fp32(x.view(np.uint8), fmt, out.view(np.uint8))
    with np.errstate(all="ignore"):
        want = x.astype(ml_dtypes.bfloat16 if fmt == BF16 else np.float16).view(np.uint16)
    number = ~np.isnan(x)
    assert (out[number] == want[number]).all()


def fma(a: np.ndarray[Any, Any], b: Any, c: Any) -> np.ndarray[Any, Any]:
    """Rounded once, for inputs whose product and sum are exact in extended precision."""
    return (a.astype(np.longdouble) * np.longdouble(b) + c).astype(np.float32)


def replay_inputs(n: int = 4099) -> tuple[np.ndarray[Any, Any], ...]:
    random = np.random.default_rng(5)
    p, m = (random.normal(0, s, n).astype(np.float32) for s in (0.02, 1e-4))
    v = (random.normal(0, 1e-3, n) ** 2).astype(np.float32)
    m[:50], v[:50], p[50:60] = 0, 0, np.array([np.nan, -np.inf, 1e-42, -0.0, 1e38] * 2, np.float32)
    v[60], m[61] = -1, np.nan
    return p, m, v


SCALARS = (0.999970018863678, -0.0003000000142492354, 0.9998999834060669, 9.99999993922529e-09, 0.10000000149011612, 0.95, 0.05)


def test_the_order_of_operations() -> None:
    p, m, v = replay_inputs()
    decay, step, correction, eps, rest, b2, b2_rest = (np.float32(s) for s in SCALARS)
    out = np.empty_like(p)
    with np.errstate(all="ignore"):
        q = (step * m) / (np.sqrt(v) / correction + eps)
        g = ((m.astype(np.float64) - p.astype(np.float64)) / np.float64(rest) + p.astype(np.float64)).astype(np.float32)
        expected = {
            ("adam", 0): p * decay + q,
            ("adam", 2): p * decay + m / (np.sqrt(v) / (correction * step) + eps / step),
            ("moment", 1): v * b2 + (b2_rest * g) * g,
            ("sgd", 1): p + m * np.float32(-0.1),
        }
        if np.finfo(np.longdouble).nmant >= 63:
            expected |= {("adam", 1): fma(p, decay, q), ("sgd", 0): fma(m, np.float32(-0.1), p)}
    for (what, order), want in expected.items():
        if what == "adam":
            _core.replay_adam(p.view(np.uint8), m.view(np.uint8), v.view(np.uint8), SCALARS, order, out.view(np.uint8))
        elif what == "moment":  # here p stands for the first moment before
            _core.replay_second_moment(p.view(np.uint8), m.view(np.uint8), v.view(np.uint8), SCALARS, order, out.view(np.uint8))
        else:
            _core.replay_sgd(p.view(np.uint8), v.view(np.uint8), m.view(np.uint8), (-0.1, 0.0, 1.0), order, out.view(np.uint8))
        number = ~np.isnan(want)
        assert (out.view(np.uint32)[number] == want.view(np.uint32)[number]).all(), (what, order)
        assert (out.view(np.uint32)[~number] == 0x7FC00000).all(), (what, order)


@pytest.mark.usefixtures("_restore_isa")
def test_every_instruction_set_computes_the_same() -> None:
    p, m, v = (x.view(np.uint8) for x in replay_inputs())
    results: dict[str, list[bytes]] = {}
    for isa in isas():
        _core.set_isa(isa)
        out = np.empty(len(p), np.uint8)
        found = results.setdefault(isa, [])
        for order in range(3):
            _core.replay_adam(p, m, v, SCALARS, order, out)
            found.append(out.tobytes())
        for order in range(4):
            _core.replay_second_moment(p, m, v, SCALARS, order, out)
            found.append(out.tobytes())
            _core.replay_sgd(p, v, m, (-0.1, 0.9, 1.0), order, out)
            found.append(out.tobytes())
        _core.replay_shares(p, m, v, m, v, -3e-4, 1e-4, out)
        found.append(out.tobytes())
        _core.scale_fp32(p, 0.9, out)
        found.append(out.tobytes())
        _core.maximum_fp32(p, m, out)
        found.append(out.tobytes())
        found.append(repr(_core.fit_shares(p, m, m, v, p, v)).encode())
        contexts = _core.ratio_context(m, v)
        found.append(contexts.tobytes())
        found.append(_core.encode_fields_by(m, contexts))
        found.append(_core.encode_delta(p, m, 4, 1, False, contexts))
    assert all(found == results["scalar"] for found in results.values())


def test_lengths_are_checked() -> None:
    x = np.zeros(40, np.uint8)
    for call in (
        lambda: _core.encode_fields_by(x, x[:9]),
        lambda: _core.decode_fields_by(b"", x[:9], x.copy()),
        lambda: _core.exponent_context(x[:39]),
        lambda: _core.ratio_context(x, x[:36]),
        lambda: _core.fit_shares(x, x, x, x, x, x[:36]),
        lambda: _core.replay_shares(x, x, x, x, x[:36], 0.0, 0.0, x.copy()),
        lambda: _core.replay_adam(x, x, x[:8], SCALARS, 0, x.copy()),
        lambda: _core.replay_adam(x, x, x, SCALARS, 3, x.copy()),
        lambda: _core.replay_adam(x, x, x, SCALARS[:6], 0, x.copy()),
        lambda: _core.cast_from_fp32(x, BF16, x.copy()),
        lambda: _core.cast_from_fp32(x, FP32, x.copy()),
    ):
        with pytest.raises(ValueError):
            call()
