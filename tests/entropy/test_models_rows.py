"""Rows of probabilities: the same slots from every instruction set, at every length of a row, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from laconic import _core
from laconic.entropy import CategoricalRows, decode, encode

LENGTHS = [1, 2, 15, 16, 17, 50, 255, 256, 257, 512, 600, 1024, 1025, 3000]


def rows_of(length: int, dtype: type, rng: np.random.Generator, count: int = 20) -> np.ndarray:
    p = rng.dirichlet(np.full(length, 0.1), count).astype(dtype)
    p[p == 0] = -0.0  # a probability like any other zero
    return p


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("length", LENGTHS)
def test_slots_follow_the_formula(length: int, dtype: type, isa: str) -> None:
    p = rows_of(length, dtype, np.random.default_rng(length))
    weights = np.floor(p.astype(np.float64) * 2**27).astype(np.int64)
    model = CategoricalRows(p)._model
    for symbol in {0, length // 3, length // 2, length - 1}:
        slots = model.intervals(np.full(len(p), symbol, np.int64))
        for row, (start, freq) in zip(weights.tolist(), slots.tolist(), strict=True):
            factor = ((2**24 - length) << 32) // sum(row)
            edges = [i + (sum(row[:i]) * factor >> 32) if i < length else 2**24 for i in (symbol, symbol + 1)]
            assert [start, start + freq] == edges


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("length", LENGTHS)
def test_every_instruction_set_writes_the_same_bytes(length: int, dtype: type, isa: str) -> None:
    rng = np.random.default_rng(length)
    p = rows_of(length, dtype, rng, 37)
    index = rng.integers(0, len(p), 5000)  # few symbols are coded in one lane, many in several
    for model, n in ((CategoricalRows(p), len(p)), (CategoricalRows(p, np.resize(index, 20000)), 20000)):
        x = rng.integers(0, length, n, dtype=np.uint16)
        data = encode(x, model)
        assert (decode(data, model) == x).all()
        with_isa = _core.active_isa()
        _core.set_isa("scalar")
        same = encode(x, model)
        _core.set_isa(with_isa)
        assert data == same


def spoilt(length: int, at: int, value: float) -> np.ndarray:
    p = np.full((3, length), 1 / length, np.float32)
    p[1, at] = value
    return p


@pytest.mark.parametrize("length", [16, 100, 256, 300])
@pytest.mark.parametrize("value", [-1e-9, 1.01, np.nan, -np.nan, np.inf, -np.inf])
def test_what_is_no_probability_is_refused(length: int, value: float, isa: str) -> None:
    for at in (0, length // 2, length - 1):
        with pytest.raises(ValueError, match="row 1 of the model holds a number that is no probability"):
            encode(np.zeros(3, np.uint8), CategoricalRows(spoilt(length, at, value)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("ones", [0, 2, 16, 31, 32, 33, 256, 512, 4096])
def test_rows_that_do_not_sum_to_one_are_refused(ones: int, dtype: type, isa: str) -> None:
    """Sums that pass 2**32 must not come round to 1."""
    p = np.zeros((2, 4097), dtype)
    p[0, 0] = 1
    p[1, :ones] = 1
    with pytest.raises(ValueError, match="row 1 of the model does not sum to 1"):
        encode(np.zeros(2, np.uint8), CategoricalRows(p))
    p[1, : max(ones - 1, 1)] = 1
    p[1, 4096] = 1 / 64
    with pytest.raises(ValueError, match="row 1 of the model does not sum to 1"):
        encode(np.zeros(2, np.uint8), CategoricalRows(p))
