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


cases = st.tuples(st.integers(0, 99), st.sampled_from([0, 1, 7, 8, 9, 100, 4097]), st.sampled_from([BF16, FP16, FP32]))


@given(cases, st.sampled_from(["any", "normal", "positive"]), st.sampled_from(["any", "near", "same"]), st.booleans())
def test_residuals(case: tuple[int, int, int], kind: str, base: str, contexts: bool) -> None:
    seed, n, fmt = case
    actual = some_bits(seed, n, fmt, kind)
    predicted = some_bits(seed + 1, n, fmt, "any") if base == "any" else actual.copy()
    if base == "near":
        predicted += np.random.default_rng(seed).integers(0, 9, n).astype(predicted.dtype)
    chosen = _core.exponent_context(predicted.view(np.uint8), fmt) if contexts else None
    payload = _core.encode_residual(actual.view(np.uint8), predicted.view(np.uint8), chosen, fmt)
    out = np.empty_like(actual)
    _core.decode_residual(payload, predicted.view(np.uint8), chosen, fmt, out.view(np.uint8))
    assert (out == actual).all()


@given(cases, st.sampled_from(["any", "normal", "positive"]), st.booleans())
def test_fields(case: tuple[int, int, int], kind: str, contexts: bool) -> None:
    seed, n, fmt = case
    actual = some_bits(seed, n, fmt, kind)
    chosen = _core.exponent_context(some_bits(seed + 1, n, fmt, "normal").view(np.uint8), fmt) if contexts else None
    payload = _core.encode_split_floats(actual.view(np.uint8), chosen, fmt)
    out = np.empty_like(actual)
    _core.decode_split_floats(payload, chosen, fmt, out.view(np.uint8))
    assert (out == actual).all()


def test_positive_values_pay_no_sign() -> None:
    x = some_bits(1, 1 << 16, FP32, "positive")
    signed = some_bits(1, 1 << 16, FP32, "normal")
    assert (
        len(_core.encode_split_floats(x.view(np.uint8), None, FP32))
        < len(_core.encode_split_floats(signed.view(np.uint8), None, FP32)) - 8000
    )


@pytest.mark.parametrize("fmt", [BF16, FP16, FP32])
def test_damaged_payloads(fmt: int) -> None:
    """Data or CorruptDataError, whatever bit is flipped or byte is missing."""
    n = 50
    actual, predicted = some_bits(1, n, fmt, "normal"), some_bits(2, n, fmt, "normal")
    contexts = _core.exponent_context(predicted.view(np.uint8), fmt)
    out = np.empty_like(actual).view(np.uint8)

    def residual(data: bytes) -> None:
        _core.decode_residual(data, predicted.view(np.uint8), contexts, fmt, out)

    def fields(data: bytes) -> None:
        _core.decode_split_floats(data, contexts, fmt, out)

    payloads = {
        residual: _core.encode_residual(actual.view(np.uint8), predicted.view(np.uint8), contexts, fmt),
        fields: _core.encode_split_floats(actual.view(np.uint8), contexts, fmt),
    }
    for decode, payload in payloads.items():
        damaged = [payload[:k] for k in range(len(payload))] + [payload + b"\0"]
        damaged += [payload[:k] + bytes((payload[k] ^ 1 << b,)) + payload[k + 1 :] for k in range(len(payload)) for b in range(8)]
        for data in damaged:
            try:
                decode(data)
            except CorruptDataError:
                pass


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
        found.append(_core.encode_residual(p, m, _core.exponent_context(m, FP32), FP32))
        found.append(_core.encode_split_floats(m, _core.exponent_context(v, FP32), FP32))
    assert all(found == results["scalar"] for found in results.values())


def test_lengths_are_checked() -> None:
    x = np.zeros(40, np.uint8)
    for call in (
        lambda: _core.encode_residual(x, x[:36], None, FP32),
        lambda: _core.encode_residual(x, x, np.zeros(9, np.uint16), FP32),
        lambda: _core.encode_residual(x[:39], x[:39], None, FP32),
        lambda: _core.encode_split_floats(x, None, 3),
        lambda: _core.replay_adam(x, x, x[:8], SCALARS, 0, x.copy()),
        lambda: _core.replay_adam(x, x, x, SCALARS, 3, x.copy()),
        lambda: _core.replay_adam(x, x, x, SCALARS[:6], 0, x.copy()),
        lambda: _core.cast_from_fp32(x, BF16, x.copy()),
        lambda: _core.cast_from_fp32(x, FP32, x.copy()),
    ):
        with pytest.raises(ValueError):
            call()
