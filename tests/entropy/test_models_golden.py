"""Messages of version 0, written once: every later version must read them, and this one must write them.

Inputs are integers and exact fractions, so that no generator of random numbers or libm has a say. To add a
case, add it to CASES and paste what the failing test prints; never change one that is there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
import pytest

from laconic.entropy import (
    Autoregressive,
    Bernoulli,
    Categorical,
    CategoricalRows,
    Gaussian,
    GeneralisedGaussian,
    Laplace,
    Logistic,
    Mixture,
    Model,
    QueueDecoder,
    QueueEncoder,
    Stack,
    Uniform,
    decode,
    encode,
)


def residuals(n: int) -> np.ndarray:
    i = np.arange(n, dtype=np.int64)
    return ((i * i * 7919 + i * 104729) % 101 - 50).astype(np.int16)


def means(n: int) -> np.ndarray:
    return (np.arange(n) * 37 % 64 - 32) / 16


def scales(n: int) -> np.ndarray:
    return (np.arange(n) * 11 % 256 + 64) / 8


def rows(n: int) -> np.ndarray:
    weights = (np.arange(n)[:, None] * 13 + np.arange(8) * 29) % 32 + 1
    return np.cumsum(weights * 2, axis=1)[:, :-1]


def cdfs(n: int) -> np.ndarray:
    return np.concatenate([np.zeros((n, 1)), rows(n), np.full((n, 1), 1024)], axis=1).astype(np.uint32)


def few(n: int) -> np.ndarray:
    return (residuals(n) & 7).astype(np.uint8)


N = 40
CASES: dict[str, tuple[Callable[[int], Model], Callable[[int], np.ndarray]]] = {
    "gaussian": (lambda n: Gaussian(means(n), scales(n)), residuals),
    "gaussian with escapes": (lambda n: Gaussian(means(n), 1.0), residuals),
    "laplace": (lambda n: Laplace(means(n), scales(n)), residuals),
    "logistic": (lambda n: Logistic(means(n), scales(n)), residuals),
    "generalised": (lambda n: GeneralisedGaussian(means(n), scales(n), 0.75), residuals),
    "mixture": (
        lambda n: Mixture([Gaussian(means(n), scales(n)), Laplace(-means(n), 4.0)], [0.25, 0.75]),
        residuals,
    ),
    "categorical": (lambda n: Categorical([0.125, 0.25, 0.0625, 0.0625, 0.125, 0.125, 0.125, 0.125]), few),
    "rows": (lambda n: CategoricalRows.from_cdf(cdfs(n)), few),
    "rows of floats": (lambda n: CategoricalRows(np.diff(cdfs(n).astype(np.float32), axis=1) / 1024), few),
    "uniform": (lambda n: Uniform(10), few),
    "bernoulli": (lambda n: Bernoulli((np.arange(n) % 15 + 1) / 16), lambda n: few(n) & 1),
    "autoregressive": (lambda n: Autoregressive(lambda h: Uniform(8 + len(h))), few),
}
GOLDEN: dict[str, tuple[str, ...]] = {
    "gaussian": (
        "0b282ceaa6a8b27dffffc314225016a67b6e92b22234a998a12651888fb609dd625e619b42fdde4a50005f8be7c4049ba32778",
        "8a3595b2bf16941a",
        "db6485b22113aa45",
    ),
    "gaussian with escapes": (
        "0b287ceaa6a8b215ffff581c942400b5ffff132fffffff4fff1be58fff1bc77fff1bf94fff0fff4fff1be941ff1bdfce"
        "431a89190909201fffe73f6fffffff1fff1fc497ff1fd4c7ff1bdff8ff13f71fff0fbf0fffffffd9ff1bc73fff13e7e5"
        "ff1bdf1dff3b7f13ffffffa8ffffff38ea1a34adc605fd20ff1bd180ff8f5f00ffd71f",
        "ec86055f3e639a63",
        "94d56ccd0aa5c801",
    ),
    "laplace": (
        "0b282ceaa6a8b2c95200db130000003fe4133d9213e876a093df92eb14248f47ba1e928a75d59e7165f3894682c2005e842d39",
        "1840c162f56b6ccf",
        "1a3a1adc8d64cf95",
    ),
    "logistic": (
        "0b282ceaa6a8b2a39900c700000000ee8c24903507d8f2fe5dccae88327bb983fe30c37f59c097a1ece71465e5ae762b114433",
        "914f5052dc6d0599",
        "73d8f5e0ac697b99",
    ),
    "generalised": (
        "0b282ceaa6a8b271040805220000002b122b6da0cc25253695c6b811a23c888946373d7706be726b10dbae3396b1d1b3e9428b",
        "ff10f32408bc0b57",
        "fe1da444423c608e",
    ),
    "mixture": (
        "0b2834eaa6a8b2feffff9f8e14000075481320c507fd5219a6109cbee5b00fd258fb4a596af3a387feff9a337c0b42f158003d5a9502b693f6f7cb",
        "ce1e8e5a83232be1",
        "1efddb5aa115a5c6",
    ),
    "categorical": (
        "0828145e6a05956e82c12f30840604cc85ed0fddfdc58bff031040",
        "07aa4a41d9e663e4",
        "c531f34dc4fe4ce1",
    ),
    "rows": (
        "08281c5e6a05959f96410ac95c0200d8b31801b8232836abb939381d5214e4008035c9",
        "cccffa1a9d617ba1",
        "3151b2f343a8bcf9",
    ),
    "rows of floats": (
        "08281c5e6a05957fd441c4c85c02005e2b18a5a9be26744a783b60f8cf132c7118358a",
        "f8713a50864b6111",
        "1b45c3b7b46a29fe",
    ),
    "uniform": (
        "0828185e6a0595e49aaab70e000000f1978b1e34e819ad04ac45e6ac10156d",
        "11f222b8e9f2993c",
        "0a45c3e0d177dfe0",
    ),
    "bernoulli": (
        "1828070ba34cc9153090870355d4",
        "02e8b8f544c1a239",
        "6cf28876adc76135",
    ),
    "autoregressive": ("282818d4052c639bc9aada7fb4302a6083b4633064509f9a2a5e96f9dfd655",),
    "stack": (
        "00ffd71f80ff8f5f20ff1bd1adc605fd38ea1a34a8ffffff13ffffff1dff3b7fe5ff1bdf3fff13e7d9ff1bc70fffffff"
        "1fff0fbff8ff13f7c7ff1bdf97ff1fd41fff1fc46fffffff1fffe73f19090920ce431a8941ff1bdf4fff1be94fff0fff"
        "7fff1bf98fff1bc74fff1be52fffffffb5ffff13157fd6555a16004acefc21e0a0760191a624a0fdc99400c298a41054"
        "97db765593abd602",
    ),
    "queue": (
        "4f1dffff8559f1fe56a2d56a4cdf1b69a77d0bfc8eb2b7bbbfb8ece5ef6f4a7becdfe4689af620fe06d54d0251c54ed2"
        "86046b6aea8f61a5a2fea87814d3ff8193fde92f7f5f4dfdfdbbc3d4a5ff744050d41fc7e29bfa3f8b8da9bf7f8b9efa"
        "d4ff58a652633e8de5d9142baef73637cd266aeaa333a6388cd3ff6b1d861a5b123dec1a918e89a79e77f2eac5b82aea"
        "90d31963",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_small_messages(name: str) -> None:
    model, symbols = CASES[name][0](N), CASES[name][1](N)
    golden = bytes.fromhex(GOLDEN[name][0])
    assert encode(symbols, model, checksum=True).hex() == golden.hex()
    np.testing.assert_array_equal(decode(golden, model, N), symbols)


@pytest.mark.parametrize("name", [name for name in CASES if name != "autoregressive"])
@pytest.mark.parametrize("n", [20_000, 300_000])
def test_large_messages(name: str, n: int) -> None:
    """8 and 16 lanes, by their digests."""
    data = encode(CASES[name][1](n), CASES[name][0](n))
    assert hashlib.sha256(data).hexdigest()[:16] == GOLDEN[name][1 if n < 2**18 else 2]


def test_stack_and_queue() -> None:
    stack, queue = Stack(), QueueEncoder()
    for name in ("gaussian with escapes", "rows", "bernoulli"):
        stack.push(CASES[name][1](N), CASES[name][0](N))
        queue.push(CASES[name][1](N), CASES[name][0](N))
    assert stack.to_bytes().hex() == GOLDEN["stack"][0]
    assert queue.to_bytes().hex() == GOLDEN["queue"][0]
    decoder = QueueDecoder(queue.to_bytes())
    for name in ("gaussian with escapes", "rows", "bernoulli"):
        np.testing.assert_array_equal(decoder.pop(CASES[name][0](N), N), CASES[name][1](N))
