"""Models of the caller's own: arrays, Python callables, compiled functions, and bits-back coding."""

from __future__ import annotations

import ctypes
import threading
import time

import numpy as np
import pytest

from laconic import CorruptDataError
from laconic.entropy import Autoregressive, Categorical, Compiled, Gaussian, decode, encode

SIGNATURE = ctypes.CFUNCTYPE(
    None,
    ctypes.c_int64,
    ctypes.POINTER(ctypes.c_int32),
    ctypes.POINTER(ctypes.c_uint8),
    ctypes.POINTER(ctypes.c_uint32),
)


def adaptive_counts(alphabet: int):
    """Counts of what came before, plus one, in `state`: by ctypes, as slow as Python but needing nothing."""

    @SIGNATURE
    def next_weights(position, symbols, state, weights):
        counts = ctypes.cast(state, ctypes.POINTER(ctypes.c_uint32))
        if position:
            counts[symbols[position - 1]] += 1
        for k in range(alphabet):
            weights[k] = counts[k]

    return next_weights


def address(function) -> int:
    value = ctypes.cast(function, ctypes.c_void_p).value
    assert value is not None
    return value


def test_autoregressive_round_trip() -> None:
    rng = np.random.default_rng(30)
    x = rng.integers(0, 5, (20, 10)).astype(np.int16)

    def counts(history: np.ndarray) -> np.ndarray:
        assert history.dtype == np.int32
        assert not history.flags.writeable
        c = np.bincount(history, minlength=5) + 1.0
        return c / c.sum()

    model = Autoregressive(counts)
    np.testing.assert_array_equal(decode(encode(x, model, checksum=True), model, x.shape), x)


def test_autoregressive_may_return_any_model() -> None:
    x = np.cumsum(np.random.default_rng(31).normal(0, 3, 200)).round().astype(np.int32)
    x[50] = 10**8
    model = Autoregressive(lambda h: Gaussian(float(h[-1]) if len(h) else 0.0, 3.0))
    np.testing.assert_array_equal(decode(encode(x, model), model, x.shape), x)


def test_a_callable_that_fails_is_the_caller_s_error() -> None:
    with pytest.raises(ZeroDivisionError):
        encode(np.zeros(3, np.uint8), Autoregressive(lambda h: 1 / 0))
    with pytest.raises(ValueError, match="sum to 1"):
        encode(np.zeros(3, np.uint8), Autoregressive(lambda h: [0.5, 0.1]))


def test_compiled_round_trip() -> None:
    f = adaptive_counts(7)
    model = Compiled(address(f), 7, np.ones(7, np.uint32))
    x = np.random.default_rng(32).binomial(6, 0.3, 3000).astype(np.uint8)
    data = encode(x, model)
    np.testing.assert_array_equal(decode(data, model, x.shape), x)
    p = np.bincount(x, minlength=7) / x.size
    entropy = -(p[p > 0] * np.log2(p[p > 0])).sum()
    assert len(data) * 8 < x.size * entropy + 100
    for cut in range(0, len(data), 97):
        with pytest.raises(CorruptDataError):
            decode(data[:cut], model, x.shape)


def test_compiled_errors() -> None:
    @SIGNATURE
    def nothing(position, symbols, state, weights):
        for k in range(3):
            weights[k] = 0

    model = Compiled(address(nothing), 3)
    with pytest.raises(ValueError, match="position 0 sum to 0"):
        encode(np.zeros(1, np.uint8), model)
    with pytest.raises(ValueError, match="symbol 3 at position 0"):
        encode(np.array([3], np.uint8), model)
    with pytest.raises(ValueError, match="null"):
        Compiled(0, 3)


def test_a_numba_cfunc_runs_without_python() -> None:
    """Another Python thread keeps counting while the loop runs: it could not if the loop held the GIL, and
    the interpreter is not entered.
    """
    numba = pytest.importorskip("numba", reason="numba is not installed")
    types = numba.types

    @numba.cfunc(
        types.void(
            types.int64,
            types.CPointer(types.int32),
            types.CPointer(types.uint8),
            types.CPointer(types.uint32),
        ),
        nopython=True,
    )
    def order_one(position, symbols, state, weights):
        counts = numba.carray(state, 256 * 256 * 4).view(np.uint32).reshape(256, 256)
        row = symbols[position - 1] if position > 0 else 0
        if position > 1:
            counts[symbols[position - 2], row] += 32
        for k in range(256):
            weights[k] = counts[row, k]

    model = Compiled(order_one.address, 256, np.ones((256, 256), np.uint32))
    x = np.random.default_rng(33).binomial(255, 0.1, 400_000).astype(np.uint8)
    calls, ticks, stop = [], [0], threading.Event()

    def count() -> None:
        while not stop.is_set():
            ticks[0] += 1
            time.sleep(0)

    import sys

    thread = threading.Thread(target=count)
    thread.start()
    try:
        sys.setprofile(lambda frame, event, arg: calls.append(event))
        before = ticks[0]
        data = encode(x, model)
        during = ticks[0] - before
    finally:
        sys.setprofile(None)
        stop.set()
        thread.join()
    assert during > 100
    assert len(calls) < 1000
    np.testing.assert_array_equal(decode(data, model, x.shape), x)


def test_the_same_numbers_give_the_same_message_however_they_come() -> None:
    """One distribution as an array, a callable and a compiled function; the queue makes them differ from
    encode's stack, not from each other.
    """
    p = np.array([1, 2, 4, 8, 1]) / 16

    @SIGNATURE
    def constant(position, symbols, state, weights):
        for k, w in enumerate((1, 2, 4, 8, 1)):
            weights[k] = w

    x = np.random.default_rng(34).choice(5, 500, p=p).astype(np.uint8)
    data = encode(x, Autoregressive(lambda h: p))
    assert encode(x, Compiled(address(constant), 5)) == data
    assert encode(x, Autoregressive(lambda h: Categorical(p))) == data
