"""encode/decode by models: what goes in comes out, and everything else is a clear error."""

from __future__ import annotations

from contextlib import suppress

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laconic import CorruptDataError, UnsupportedError
from laconic.entropy import (
    Bernoulli,
    Categorical,
    CategoricalRows,
    Gaussian,
    GeneralisedGaussian,
    Laplace,
    Logistic,
    Mixture,
    QueueDecoder,
    QueueEncoder,
    Stack,
    Uniform,
    decode,
    encode,
)

DTYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32"]
finite = st.floats(-(2.0**32), 2.0**32, width=32)
positive = st.floats(2.0**-40, 2.0**40, width=32)


def models(rng: np.random.Generator, shape: tuple[int, ...]) -> dict[str, tuple[object, np.ndarray]]:
    """One model of each kind with symbols that it makes probable, and some that it does not."""
    mean = rng.normal(0, 300, shape)
    scale = np.exp(rng.uniform(-3, 6, shape))
    near = np.rint(rng.normal(mean, scale)).clip(-(2**31), 2**31 - 1).astype(np.int32)
    near.reshape(-1)[::17] = rng.integers(-(2**31), 2**31, near.reshape(-1)[::17].shape)
    rows = rng.dirichlet([0.3] * 37, shape)
    small = rng.integers(0, 37, shape).astype(np.uint8)
    cdf = np.zeros((*shape, 38), np.uint32)
    cdf[..., 1:] = np.arange(1, 38) + (np.cumsum(rows, -1) * (2**16 - 38)).astype(np.uint32)
    cdf[..., -1] = 2**16
    return {
        "gaussian": (Gaussian(mean, scale), near),
        "gaussian, one": (Gaussian(3.3, 100.0), near),
        "laplace": (Laplace(mean, scale), near),
        "logistic": (Logistic(mean, scale), near),
        "generalised": (GeneralisedGaussian(mean, scale, rng.uniform(0.3, 5, shape)), near),
        "mixture": (
            Mixture([Gaussian(mean, scale), Laplace(mean + 3, 2.0), Logistic(0.0, scale)], [0.5, 0.25, 0.25]),
            near,
        ),
        "mixture, one": (Mixture(Gaussian([0.0, 100.0], [1.0, 50.0]), [0.9, 0.1]), near),
        "categorical": (Categorical(rng.dirichlet([0.3] * 37)), small),
        "rows f64": (CategoricalRows(rows), small),
        "rows f32": (CategoricalRows(rows.astype(np.float32)), small),
        "rows u32": (CategoricalRows.from_cdf(cdf), small),
        "rows u16": (CategoricalRows.from_cdf(cdf.astype(np.uint16)), small),
        "rows by index": (CategoricalRows(rng.dirichlet([0.3] * 37, 5), rng.integers(0, 5, shape)), small),
        "uniform": (Uniform(37), small),
        "bernoulli": (Bernoulli(rng.uniform(0, 1, shape)), small & 1),
        "bernoulli, one": (Bernoulli(0.01), small & 1),
    }


@pytest.mark.parametrize("shape", [(0,), (1,), (7,), (64, 31), (3, 5, 2), (16384,), (16411,)])
def test_every_model_round_trips(shape: tuple[int, ...]) -> None:
    for name, (model, x) in models(np.random.default_rng(len(shape)), shape).items():
        for checksum in (False, True):
            data = encode(x, model, checksum=checksum)
            back = decode(data, model, shape)
            assert back.dtype == x.dtype, name
            np.testing.assert_array_equal(back, x, err_msg=name)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_gaussian_round_trips_whatever_the_parameters(data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from(DTYPES))
    x = data.draw(hnp.arrays(dtype, hnp.array_shapes(max_dims=2, max_side=40)))
    mean = data.draw(hnp.arrays(np.float32, x.shape, elements=finite))
    scale = data.draw(hnp.arrays(np.float32, x.shape, elements=positive))
    family = data.draw(st.sampled_from([Gaussian, Laplace, Logistic, lambda m, s: GeneralisedGaussian(m, s, 0.7)]))
    model = family(mean, scale)
    np.testing.assert_array_equal(decode(encode(x, model), model), x)
    stack = Stack()
    stack.push(x, model)
    np.testing.assert_array_equal(stack.pop(model, dtype=dtype), x)
    assert stack.empty


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_mixtures_round_trip_whatever_the_parameters(data: st.DataObject) -> None:
    x = data.draw(hnp.arrays(np.int32, hnp.array_shapes(max_dims=1, max_side=40)))
    parts = data.draw(st.integers(1, 5))
    mean = data.draw(hnp.arrays(np.float32, (*x.shape, parts), elements=finite))
    scale = data.draw(hnp.arrays(np.float32, (*x.shape, parts), elements=positive))
    weights = data.draw(hnp.arrays(np.int64, (*x.shape, parts), elements=st.integers(0, 5))) + np.eye(parts, dtype=int)[0]
    model = Mixture(Laplace(mean, scale), weights / weights.sum(-1, keepdims=True))
    np.testing.assert_array_equal(decode(encode(x, model), model), x)


def test_blocks_and_jobs_change_nothing() -> None:
    rng = np.random.default_rng(4)
    n = 2**21 + 12345
    x = rng.normal(0, 20, n).round().astype(np.int16)
    model = Gaussian(rng.normal(0, 1, n).astype(np.float32), 20.0)
    data = encode(x, model)
    assert encode(x, model, jobs=3) == data
    np.testing.assert_array_equal(decode(data, model, jobs=3), x)
    bits = (x > 3).astype(np.uint8)
    coin = Bernoulli(0.45)
    data = encode(bits, coin)
    assert encode(bits, coin, jobs=2) == data
    np.testing.assert_array_equal(decode(data, coin, n, jobs=2), bits)


def test_what_lies_in_memory_in_other_ways() -> None:
    x = np.arange(60, dtype=np.int16).reshape(6, 10)
    model = Gaussian(30.0, 20.0)
    plain = encode(np.ascontiguousarray(x[::2, ::3]), model)
    assert encode(x[::2, ::3], model) == plain
    assert encode(x[::2, ::3].astype(">i2"), model) == plain
    assert encode(memoryview(np.ascontiguousarray(x[::2, ::3])), model) == plain
    means = np.broadcast_to(np.float32(30), (3, 4))
    wide = Gaussian(means, np.float64(20))
    np.testing.assert_array_equal(decode(encode(x[::2, ::3], wide), wide), x[::2, ::3])


def test_torch_tensors_are_arrays() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    x = torch.arange(-5, 5, dtype=torch.int32)
    model = Gaussian(torch.zeros(10), torch.full((10,), 3.0))
    np.testing.assert_array_equal(decode(encode(x, model), model), x.numpy())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Gaussian([0.0, np.nan], 1.0), "mean nan at position 1"),
        (lambda: Gaussian(0.0, [1.0, 2.0, 0.0]), "scale 0.000000 at position 2"),
        (lambda: Gaussian(0.0, [1.0, -2.0]), "scale -2.000000 at position 1"),
        (lambda: Gaussian(0.0, np.inf), "scale inf at position 0"),
        (lambda: Gaussian(1e10, 1.0), "mean"),
        (lambda: Gaussian([0.0, 1.0], [1.0, 1.0, 1.0]), "shape"),
        (lambda: GeneralisedGaussian(0.0, 1.0, 0.0), "shape"),
        (lambda: Mixture(Gaussian([0.0, 1.0], 1.0), [0.5, 0.4]), "weights at position 0"),
        (lambda: Mixture(Gaussian([0.0, 1.0], 1.0), [np.nan, 0.4]), "weights at position 0"),
        (lambda: Mixture(Gaussian([0.0, 1.0], 1.0), [1.0]), "last axis"),
        (lambda: Mixture(Gaussian(np.zeros(17), 1.0), np.full(17, 1 / 17)), "16"),
        (lambda: Categorical([0.5, 0.4]), "sum to 1"),
        (lambda: Categorical([0.0, 0.0]), "sum to 1"),
        (lambda: Categorical([1.5, -0.5]), "probability 0"),
        (lambda: Categorical([np.nan, 1.0]), "probability 0"),
        (lambda: Categorical([]), "alphabet"),
        (lambda: Categorical.from_cdf([0, 5, 3, 8]), "never falls"),
        (lambda: Categorical.from_cdf([1, 5, 8]), "from 0"),
        (lambda: Categorical.from_cdf([0, 5, 9]), "power of two"),
        (lambda: CategoricalRows(np.zeros((3, 0))), "alphabet"),
        (lambda: CategoricalRows(np.full((3, 2), 0.5), index=[0, 3]), "position 1"),
        (lambda: Uniform(0), "2\\*\\*24"),
        (lambda: Uniform(2**24 + 1), "2\\*\\*24"),
        (lambda: Bernoulli([0.5, 1.5]), "position 1"),
        (lambda: Bernoulli(np.nan), "position 0"),
        (lambda: encode(np.array([0, 3], np.uint8), Uniform(3)), "symbol 3 at position 1"),
        (lambda: encode(np.array([0, -1], np.int8), Categorical([0.5, 0.5])), "symbol -1 at position 1"),
        (lambda: encode(np.array([2], np.int8), Bernoulli(0.5)), "symbol 2 at position 0"),
        (
            lambda: encode(np.array([0, 1], np.int8), Categorical.from_cdf([0, 0, 4])),
            "symbol 0 at position 0 has zero",
        ),
        (lambda: encode(np.zeros(2, np.int8), CategoricalRows([[0.5, 0.5], [0.5, 0.4]])), "row 1"),
        (lambda: encode(np.zeros(2, np.int8), CategoricalRows([[0.5, 0.5], [np.nan, 0.4]])), "row 1"),
        (
            lambda: encode(np.zeros(1, np.int8), CategoricalRows.from_cdf(np.array([[0, 9, 8]], np.uint32))),
            "row 0",
        ),
        (lambda: encode(np.zeros(3, np.int8), Gaussian([0.0, 1.0], 1.0)), "shape"),
        (lambda: encode(np.zeros(0, np.int8), Gaussian([0.0, 1.0], 1.0)), "shape"),
        (lambda: encode(np.zeros(3, np.int8), Gaussian(np.zeros(0), 1.0)), "shape"),
        (lambda: decode(encode(np.zeros(3, np.int8), Uniform(3)), Uniform(3)), "needs a shape"),
    ],
)
def test_bad_models_and_symbols_are_value_errors(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("x", [np.zeros(2), np.zeros(2, np.int64), np.zeros(2, np.bool_), ["a"], np.zeros(2, complex)])
def test_what_is_no_symbol_is_a_type_error(x) -> None:
    with pytest.raises(TypeError, match="symbols are uint8"):
        encode(x, Uniform(3))
    with pytest.raises(TypeError):
        Stack().push(x, Uniform(3))
    with pytest.raises(TypeError):
        Gaussian(np.zeros(2, complex), 1.0)


def small_messages() -> list[tuple[str, object, np.ndarray]]:
    cases = models(np.random.default_rng(5), (40,))
    return [(name, model, x) for name, (model, x) in cases.items()]


def test_every_bit_flip_and_truncation_of_small_messages() -> None:
    """Some data of the right shape or CorruptDataError; with a checksum never wrong data."""
    for name, model, x in small_messages():
        for checksum in (False, True):
            data = encode(x, model, checksum=checksum)
            for bit in range(8 * len(data)):
                damaged = bytearray(data)
                damaged[bit // 8] ^= 1 << bit % 8
                try:
                    back = decode(bytes(damaged), model, x.shape)
                except (CorruptDataError, UnsupportedError):
                    pass
                else:
                    assert back.shape == x.shape
                    unharmed = back.dtype == x.dtype and (back == x).all()
                    assert not checksum or unharmed, (name, bit)
            for cut in range(len(data)):
                with pytest.raises(CorruptDataError):
                    decode(data[:cut], model, x.shape)
            with pytest.raises(CorruptDataError):
                decode(data + b"\0\0\0\0", model, x.shape)


def test_garbage_is_corrupt_or_data() -> None:
    rng = np.random.default_rng(6)
    for _, model, x in small_messages():
        good = encode(x, model)
        for _ in range(200):
            junk = good[:2] + rng.bytes(int(rng.integers(0, 300)) * 4 + int(rng.integers(0, 2)))
            with suppress(CorruptDataError):
                assert decode(junk, model, x.shape).shape == x.shape
            for coder in (Stack, QueueDecoder):
                with suppress(CorruptDataError):
                    coder(junk[2:]).pop(model, x.shape)


def test_wrong_count_and_wrong_model() -> None:
    x = np.arange(50, dtype=np.uint8)
    data = encode(x, Uniform(50), checksum=True)
    with pytest.raises(CorruptDataError, match="50 symbols, not 51"):
        decode(data, Uniform(50), 51)
    with pytest.raises(CorruptDataError):
        decode(data, Bernoulli(0.5), 50)
    with pytest.raises(CorruptDataError):
        decode(data, Uniform(51), 50)
    with pytest.raises(CorruptDataError):
        decode(b"\x00" + b"\xff" * 12, Uniform(50), 50)


def test_a_decoded_symbol_that_does_not_fit_its_type() -> None:
    data = bytearray(encode(np.array([300, -300] * 20, np.int16), Gaussian(0.0, 200.0)))
    data[0] = data[0] & ~7 | 1  # int8
    with pytest.raises(CorruptDataError, match="fit"):
        decode(bytes(data), Gaussian(0.0, 200.0), 40)


def test_coders_interleave_models() -> None:
    cases = models(np.random.default_rng(7), (50,))
    stack, queue = Stack(), QueueEncoder()
    for model, x in cases.values():
        stack.push(x, model)
        queue.push(x, model)
    assert len(stack) == len(stack.to_bytes())
    assert len(queue) == len(queue.to_bytes())
    stack, decoder = Stack(stack.to_bytes()), QueueDecoder(queue.to_bytes())
    for model, x in reversed(cases.values()):
        np.testing.assert_array_equal(stack.pop(model, x.shape, x.dtype), x)
    for model, x in cases.values():
        np.testing.assert_array_equal(decoder.pop(model, x.shape, x.dtype), x)
    assert stack.empty
    decoder.finish()
    with pytest.raises(CorruptDataError):
        stack.pop(Uniform(2**20), 5)
    with pytest.raises(CorruptDataError):
        decoder.pop(Uniform(2**20), 50)


def test_a_queue_that_is_not_at_its_end() -> None:
    encoder = QueueEncoder()
    encoder.push(np.arange(40, dtype=np.uint8), Uniform(256))
    decoder = QueueDecoder(encoder.to_bytes())
    decoder.pop(Uniform(256), 20)
    with pytest.raises(CorruptDataError):
        decoder.finish()

    def read(message: bytes) -> None:
        decoder = QueueDecoder(message)
        decoder.pop(Uniform(256), 40)
        decoder.finish()

    read(encoder.to_bytes())
    for cut in range(len(encoder)):
        with pytest.raises(CorruptDataError):
            read(encoder.to_bytes()[:cut])


def test_a_failed_push_leaves_the_coder_as_it_was() -> None:
    for coder in (Stack(), QueueEncoder()):
        coder.push(np.arange(10, dtype=np.uint8), Uniform(10))
        before = coder.to_bytes()
        with pytest.raises(ValueError):
            coder.push(np.array([1, 2, 10], np.uint8), Uniform(10))
        assert coder.to_bytes() == before
