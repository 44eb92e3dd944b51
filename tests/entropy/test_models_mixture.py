"""Mixtures straight from floats give the slots of mixtures of quantised components, and refuse what those refuse."""

from __future__ import annotations

import numpy as np
import pytest

from laconic import CorruptDataError, _core
from laconic.entropy import Gaussian, GaussianMixture, Mixture, Stack, decode, encode


def arrays(n: int, components: int, dtype: type, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng([n, components, seed])
    scale = np.exp(rng.uniform(-3, 8, (n, components)))
    mean = rng.normal(0, 1, (n, 1)) * 10.0 ** rng.integers(0, 9, (n, 1)) + rng.normal(0, 3, (n, components)) * scale
    weights = rng.dirichlet(np.full(components, 0.5), n)
    weights[: n // 8, 0] += weights[: n // 8, -1]  # a component that does not exist
    weights[: n // 8, -1] = -0.0 if components > 1 else 1
    return mean.astype(dtype), scale.astype(dtype), weights.astype(dtype)


def symbols(mean: np.ndarray, scale: np.ndarray, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.normal(mean[:, 0], scale[:, 0])
    x[::50] += rng.normal(0, 1e6, x[::50].shape)  # escapes
    return np.rint(x).clip(-(2**31), 2**31 - 1).astype(np.int32)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("components", [1, 2, 3, 4, 5, 7, 8, 13, 16])
def test_the_same_bytes_as_quantised_components(components: int, dtype: type, isa: str) -> None:
    for n in (1, 3, 37, 1000, 17000):
        mean, scale, weights = arrays(n, components, dtype)
        x = symbols(mean, scale)
        model = GaussianMixture(mean, scale, weights)
        data = encode(x, model, checksum=True)
        assert data == encode(x, Mixture(Gaussian(mean, scale), weights), checksum=True)
        assert (decode(data, model) == x).all()
        assert (decode(data, Mixture(Gaussian(mean, scale), weights)) == x).all()
        _core.set_isa("scalar")
        assert data == encode(x, model, checksum=True)
        _core.set_isa(isa)


def test_one_row_for_all_symbols(isa: str) -> None:
    x = symbols(np.zeros((20000, 1)), np.full((20000, 1), 5.0))
    model = GaussianMixture([0.0, 3.0], [5.0, 2.0], [0.5, 0.5])
    assert model.shape is None
    data = encode(x, model)
    assert data == encode(x, Mixture(Gaussian([0.0, 3.0], [5.0, 2.0]), [0.5, 0.5]))
    assert (decode(data, model, x.shape) == x).all()


def test_arrays_are_broadcast_and_any_floats_will_do(isa: str) -> None:
    mean, scale, weights = np.arange(6.0).reshape(3, 2, 1).astype(np.float16), np.array([1.0, 4.0, 9.0]), [0.2, 0.3, 0.5]
    x = np.arange(6, dtype=np.int16).reshape(3, 2)
    model = GaussianMixture(mean, scale, weights)
    assert model.shape == (3, 2)
    assert encode(x, model) == encode(x, Mixture(Gaussian(mean, scale), weights))
    coder = Stack()
    coder.push(x, model)
    assert (coder.pop(model, (3, 2)) == x).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("which", "value", "message"),
    [
        (0, np.nan, "mean nan at position 70"),
        (0, -np.inf, "mean -inf at position 70"),
        (0, 1e10, "at position 70 is not a number in"),
        (1, 0.0, "scale 0.000000 at position 70"),
        (1, -1.0, "scale -1.000000 at position 70"),
        (1, np.nan, "scale nan at position 70"),
        (1, np.inf, "scale inf at position 70"),
        (2, np.nan, "weights at position 70"),
        (2, -0.001, "weights at position 70"),
        (2, 0.9, "weights at position 70"),
        (2, np.inf, "weights at position 70"),
    ],
)
def test_bad_rows_are_value_errors_when_used(which: int, value: float, message: str, dtype: type, isa: str) -> None:
    good = arrays(100, 3, dtype)
    x = symbols(good[0], good[1])
    data = encode(x, GaussianMixture(*good))
    bad = [a.copy() for a in good]
    bad[which][70, 1] = value
    model = GaussianMixture(*bad)
    with pytest.raises(ValueError, match=message):
        encode(x, model)
    with pytest.raises(ValueError, match=message):
        decode(data, model)
    with pytest.raises(ValueError, match=message):
        Stack().push(x, model)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GaussianMixture(0.0, 1.0, 1.0), "last axis"),
        (lambda: GaussianMixture([0.0, 1.0], 1.0, [1.0]), "last axis"),
        (lambda: GaussianMixture([0.0, 1.0], 1.0, 0.5), "last axis"),
        (lambda: GaussianMixture(np.zeros(17), 1.0, np.full(17, 1 / 17)), "16"),
        (lambda: GaussianMixture(np.zeros((3, 0)), np.zeros((3, 0)), np.zeros((3, 0))), "16"),
        (lambda: encode(np.zeros(3, np.int8), GaussianMixture(np.zeros((2, 2)), 1.0, [0.5, 0.5])), "shape"),
    ],
)
def test_shapes_that_do_not_fit(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_no_symbols() -> None:
    model = GaussianMixture(np.zeros((0, 4)), 1.0, np.full(4, 0.25))
    assert decode(encode(np.zeros(0, np.int8), model), model).size == 0


def test_damage_is_noticed(isa: str) -> None:
    mean, scale, weights = arrays(300, 4, np.float32)
    x, model = symbols(mean, scale), GaussianMixture(mean, scale, weights)
    data = encode(x, model, checksum=True)
    for at in range(0, len(data), 7):
        broken = bytearray(data)
        broken[at] ^= 1 << at % 8
        with pytest.raises(CorruptDataError):
            decode(bytes(broken), model)
        with pytest.raises(CorruptDataError):
            decode(data[:at], model)
