"""constriction, an independent implementation: the same models make the same symbols as small, and read the
same bits' worth.
"""

from __future__ import annotations

import numpy as np
import pytest

from laconic.entropy import (
    Bernoulli,
    Categorical,
    CategoricalRows,
    Gaussian,
    Laplace,
    Logistic,
    Mixture,
    decode,
    encode,
)

constriction = pytest.importorskip("constriction", reason="constriction is not installed")
stream = pytest.importorskip("constriction").stream

N = 1_000_000  # what 16 lanes cost, about 100 bytes, is then below 0.03 %


def theirs(symbols: np.ndarray, model, *parameters: np.ndarray) -> int:
    """Bytes, after checking that they come back."""
    coder = stream.stack.AnsCoder()
    coder.encode_reverse(symbols.astype(np.int32), model, *parameters)
    size = len(coder.get_compressed()) * 4
    if parameters:
        assert (coder.decode(model, *parameters) == symbols).all()
    else:
        assert (coder.decode(model, symbols.size) == symbols).all()
    return size


def ours(symbols: np.ndarray, model) -> int:
    data = encode(symbols, model)
    assert (decode(data, model, symbols.shape) == symbols).all()
    return len(data)


@pytest.mark.parametrize("spread", [(0.2, 2.0), (0.3, 30.0), (20.0, 500.0)])
def test_gaussian_and_laplace_with_parameters_for_each_symbol(spread: tuple[float, float]) -> None:
    rng = np.random.default_rng(20)
    mean = rng.uniform(-50, 50, N)
    scale = np.exp(rng.uniform(*np.log(spread), N))
    x = np.rint(rng.normal(mean, scale)).astype(np.int32)
    y = np.rint(rng.laplace(mean, scale)).astype(np.int32)
    low, high = -8000, 8000
    assert ours(x, Gaussian(mean, scale)) <= 1.001 * theirs(x, stream.model.QuantizedGaussian(low, high), mean, scale)
    assert ours(y, Laplace(mean, scale)) <= 1.001 * theirs(y, stream.model.QuantizedLaplace(low, high), mean, scale)


def test_categorical_and_rows() -> None:
    rng = np.random.default_rng(21)
    n = N // 4
    rows = rng.dirichlet([0.2] * 64, n).astype(np.float32)
    x = np.minimum((rows.cumsum(1) < rng.uniform(0, 1, (n, 1))).sum(1), 63).astype(np.uint8)
    assert ours(x, CategoricalRows(rows)) <= 1.001 * theirs(x, stream.model.Categorical(perfect=False), rows)
    one = np.bincount(x, minlength=64) / n
    model = stream.model.Categorical(one.astype(np.float32), perfect=False)
    assert ours(x, Categorical(one)) <= 1.001 * theirs(x, model)


def test_bernoulli() -> None:
    rng = np.random.default_rng(22)
    p = rng.beta(0.3, 0.7, N)
    x = (rng.uniform(0, 1, N) < p).astype(np.uint8)
    assert ours(x, Bernoulli(p)) <= 1.001 * theirs(x, stream.model.Bernoulli(), p.clip(1e-6, 1 - 1e-6))


def test_mixture_as_a_categorical_row() -> None:
    """constriction has no mixtures: it gets the same bins as rows of probabilities."""
    rng = np.random.default_rng(23)
    n = 16_000  # one lane
    mean, scale = rng.uniform(-20, 20, (n, 3)), np.exp(rng.uniform(0, 1.5, (n, 3)))
    weights = rng.dirichlet([1] * 3, n)
    chosen = (weights.cumsum(1) > rng.uniform(0, 1, (n, 1))).argmax(1)[:, None]
    x = np.rint(rng.logistic(np.take_along_axis(mean, chosen, 1), np.take_along_axis(scale, chosen, 1)))[:, 0]
    x = x.clip(-99, 99).astype(np.int32)
    edges = np.arange(-99.5, 100)
    cdf = (weights[..., None] / (1 + np.exp(-(edges - mean[..., None]) / scale[..., None]))).sum(1)
    rows = np.diff(cdf, axis=1)
    rows /= rows.sum(1, keepdims=True)
    size = ours(x, Mixture(Logistic(mean, scale), weights))
    assert size <= 1.001 * theirs(x + 99, stream.model.Categorical(perfect=False), rows)
