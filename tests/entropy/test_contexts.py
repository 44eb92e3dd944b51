"""Context-selected tables: round trips on every instruction set, an independent decoder, sizes, damage."""

from __future__ import annotations

import contextlib
import importlib.util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laconic import CorruptDataError, _core
from laconic.entropy.contexts import ContextTables, decode_contexts, decode_order1, encode_contexts, encode_order1

ISAS = ["scalar", "avx2", "avx512"]
HERE = ISAS[: ISAS.index(_core.best_isa()) + 1]

REFERENCE = Path(__file__).parent / "reference.py"
spec = importlib.util.spec_from_file_location("laconic_block_reference", REFERENCE)
assert spec is not None
assert spec.loader is not None
reference = importlib.util.module_from_spec(spec)
spec.loader.exec_module(reference)


def on_every_isa(function):
    before = _core.active_isa()
    try:
        results = []
        for isa in HERE:
            _core.set_isa(isa)
            results.append(function())
        return results
    finally:
        _core.set_isa(before)


def problem(seed: int, n: int, contexts: int, alphabet: int, dtype) -> tuple[np.ndarray, np.ndarray]:
    """Symbols whose spread grows with their context."""
    rng = np.random.default_rng(seed)
    of = rng.integers(0, contexts, n, dtype=np.uint16)
    spread = 0.3 + of % 7 * alphabet / 20
    symbols = np.abs(np.rint(rng.standard_normal(n) * spread)) % alphabet
    return symbols.astype(dtype), of


problems = st.builds(
    problem,
    st.integers(0, 2**32 - 1),
    st.integers(0, 6000),
    st.sampled_from([1, 2, 30, 400, 65536]),
    st.sampled_from([1, 2, 20, 256]),
    st.sampled_from([np.uint8, np.uint16]),
) | st.builds(
    problem,
    st.integers(0, 2**32 - 1),
    st.integers(0, 6000),
    st.sampled_from([1, 5, 60]),
    st.sampled_from([300, 1000, 9000]),
    st.just(np.uint16),
)


@settings(max_examples=150, deadline=None)
@given(problems, st.sampled_from([0, 10, 11, 12, 13, 14]))
def test_fitted_round_trip_same_bytes_everywhere(case, precision):
    symbols, contexts = case
    encoded = on_every_isa(lambda: encode_contexts(symbols, contexts, precision=precision))
    assert len(set(encoded)) == 1
    for decoded in on_every_isa(lambda: decode_contexts(encoded[0], contexts, dtype=symbols.dtype)):
        np.testing.assert_array_equal(decoded, symbols)


@settings(max_examples=100, deadline=None)
@given(problems, st.sampled_from([10, 12, 14]))
def test_given_tables_round_trip(case, precision):
    symbols, contexts = case
    contexts = contexts % 50
    alphabet = max(2, int(symbols.max(initial=0)) + 1)
    counts = np.zeros((50, alphabet), np.int64)
    np.add.at(counts, (contexts, symbols), 100)
    counts[:, 0] += 1
    if alphabet > 1 << precision:
        precision = 14
    tables = ContextTables.from_counts(counts, precision=precision, dtype=symbols.dtype)
    assert (tables.freqs.sum(axis=1, dtype=np.int64) == 1 << precision).all()
    encoded = on_every_isa(lambda: tables.encode(symbols, contexts))
    assert len(set(encoded)) == 1
    for decoded in on_every_isa(lambda: tables.decode(encoded[0], contexts)):
        np.testing.assert_array_equal(decoded, symbols)


@settings(max_examples=100, deadline=None)
@given(problems, st.integers(0, 20))
def test_escapes(case, escape):
    symbols, contexts = case
    contexts = contexts % 50
    alphabet = max(escape, int(symbols.max(initial=0))) + 1
    counts = np.zeros((50, alphabet), np.int64)
    np.add.at(counts, (contexts[::3], symbols[::3]), 1000)
    tables = ContextTables.from_counts(counts, dtype=symbols.dtype, escape=escape)
    encoded = on_every_isa(lambda: tables.encode(symbols, contexts))
    assert len(set(encoded)) == 1
    for decoded in on_every_isa(lambda: tables.decode(encoded[0], contexts)):
        np.testing.assert_array_equal(decoded, symbols)
    for size in range(0, len(encoded[0]), 1 + len(encoded[0]) // 20):
        with pytest.raises(CorruptDataError):
            tables.decode(encoded[0][:size], contexts)


@settings(max_examples=40, deadline=None)
@given(problems)
def test_reference_decoder_agrees(case):
    symbols, contexts = case
    encoded = encode_contexts(symbols, contexts)
    assert reference.decode_fitted(encoded, contexts.tolist()) == symbols.tolist()


@pytest.mark.parametrize("n", [(1 << 20) - 1, 1 << 20, (1 << 20) + 1, (2 << 20) + 5000, 3 << 20])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_chunks(n, dtype):
    symbols, contexts = problem(n, n, 64, 200, dtype)
    encoded = on_every_isa(lambda: encode_contexts(symbols, contexts))
    assert len(set(encoded)) == 1
    for decoded in on_every_isa(lambda: decode_contexts(encoded[0], contexts, dtype=dtype)):
        np.testing.assert_array_equal(decoded, symbols)


def test_size_is_near_the_tables_ideal():
    symbols, contexts = problem(1, 1 << 20, 64, 200, np.uint8)
    counts = np.ones((64, 256), np.int64)
    np.add.at(counts, (contexts, symbols), 1)
    tables = ContextTables.from_counts(counts)
    ideal = -np.log2(tables.freqs[contexts, symbols] / 4096).sum() / 8
    assert len(tables.encode(symbols, contexts)) < 1.001 * ideal


def test_contexts_that_are_alike_share_tables():
    # 1000 contexts, but only 7 distributions: stored tables must cost about 7, not 1000.
    symbols, contexts = problem(2, 1 << 18, 1000, 200, np.uint8)
    few = encode_contexts(symbols, contexts % 7)
    many = encode_contexts(symbols, contexts)
    assert len(many) < len(few) + 1500
    # One context for each symbol: nothing to learn, no worse than order 0 by more than the map's bytes.
    alone = encode_contexts(symbols[:5000], np.arange(5000, dtype=np.uint16))
    together = encode_contexts(symbols[:5000], np.zeros(5000, np.uint8))
    assert len(alone) < len(together) + 50


def test_shapes_and_empty():
    symbols, contexts = problem(3, 600, 5, 9, np.uint8)
    decoded = decode_contexts(encode_contexts(symbols.reshape(20, 30), contexts.reshape(20, 30)), contexts.reshape(20, 30))
    np.testing.assert_array_equal(decoded, symbols.reshape(20, 30))
    none = np.zeros((0, 3), np.uint8)
    assert encode_contexts(none, none) == b""
    assert decode_contexts(b"", none).shape == (0, 3)


def test_errors():
    tables = ContextTables.from_counts([[3, 1, 0], [1, 1, 1]])
    two = np.array([0, 1], np.uint8)
    assert tables.decode(tables.encode(two, two), two).tolist() == [0, 1]
    with pytest.raises(ValueError, match="context has no table"):
        tables.encode(two, np.array([0, 2], np.uint8))
    with pytest.raises(ValueError, match="no frequency"):
        tables.encode(np.array([2, 0], np.uint8), np.array([0, 0], np.uint8))
    with pytest.raises(ValueError, match="no frequency"):
        tables.encode(np.full(5000, 2, np.uint8), np.zeros(5000, np.uint8))
    with pytest.raises(ValueError, match="outside the alphabet"):
        tables.encode(np.array([3, 0], np.uint8), two)
    with pytest.raises(ValueError, match="as many contexts"):
        tables.encode(two, two[:1])
    with pytest.raises(TypeError, match="contexts must be"):
        tables.encode(two, two.astype(np.int64))
    with pytest.raises(TypeError, match="symbols must be"):
        tables.encode(two.astype(np.int32), two)
    with pytest.raises(ValueError, match="do not sum"):
        ContextTables([[1, 2]])
    with pytest.raises(ValueError, match="must sum to"):
        ContextTables.from_counts([[0, 0]])
    with pytest.raises(ValueError, match="precision"):
        ContextTables([[256, 256]], precision=9)
    with pytest.raises(ValueError, match=r"2\^14"):
        encode_contexts(np.array([1 << 14], np.uint16), two[:1])


def outcome(data: bytes, contexts: np.ndarray) -> bytes | None:
    def attempt():
        try:
            return decode_contexts(data, contexts).tobytes()
        except CorruptDataError:
            return None

    outcomes = on_every_isa(attempt)
    assert len(set(outcomes)) == 1
    return outcomes[0]


@pytest.mark.parametrize("n", [60, 4200])
def test_damage(n):
    symbols, contexts = problem(4, n, 3, 4, np.uint8)
    good = encode_contexts(symbols, contexts)
    for bit in range(8 * len(good)):
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        outcome(bytes(bad), contexts)
    for size in range(len(good)):
        assert outcome(good[:size], contexts) is None
    assert outcome(good + b"\0", contexts) is None


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400), st.integers(1, 5000))
def test_garbage(data, n):
    outcome(data, np.arange(n, dtype=np.uint16) % 20)
    tables = ContextTables.from_counts(np.ones((20, 40), np.int64))
    for isa in HERE:
        _core.set_isa(isa)
        with contextlib.suppress(CorruptDataError):
            tables.decode(data, np.arange(n, dtype=np.uint16) % 20)


def chain(seed: int, n: int, alphabet: int) -> np.ndarray:
    """Bytes that mostly follow the byte before."""
    rng = np.random.default_rng(seed)
    return (np.cumsum(rng.geometric(0.6, n) - 1) % alphabet).astype(np.uint8)


chains = st.builds(chain, st.integers(0, 2**32 - 1), st.integers(0, 9000), st.sampled_from([1, 3, 40, 256]))


@settings(max_examples=80, deadline=None)
@given(chains, st.sampled_from([0, 10, 12, 14]))
def test_order1(symbols, precision):
    encoded = on_every_isa(lambda: encode_order1(symbols, precision=precision))
    assert len(set(encoded)) == 1
    for decoded in on_every_isa(lambda: decode_order1(encoded[0], symbols.size)):
        np.testing.assert_array_equal(decoded, symbols)
    assert reference.decode_order1(encoded[0], symbols.size) == symbols.tobytes()


@pytest.mark.parametrize("n", [8191, 8192, 8192 + 33, 2 * 8192 + 31, 3 * 8192 + 32 * 8])
def test_order1_where_tiles_of_rows_end(n):
    symbols = chain(n, n, 200)
    encoded = on_every_isa(lambda: encode_order1(symbols))
    assert len(set(encoded)) == 1
    assert reference.decode_order1(encoded[0], n) == symbols.tobytes()
    for decoded in on_every_isa(lambda: decode_order1(encoded[0], n)):
        np.testing.assert_array_equal(decoded, symbols)


@pytest.mark.parametrize("n", [1 << 20, (1 << 20) + 33, (2 << 20) + 5, (3 << 20) + 100_000, 4 << 20])
def test_order1_chunks(n):
    symbols = chain(n, n, 100)
    encoded = encode_order1(symbols)
    assert len(encoded) < n / 3.5
    for decoded in on_every_isa(lambda: decode_order1(encoded, n)):
        np.testing.assert_array_equal(decoded, symbols)


def order1_outcome(data: bytes, n: int) -> bytes | None:
    def attempt():
        try:
            return decode_order1(data, n).tobytes()
        except CorruptDataError:
            return None

    outcomes = on_every_isa(attempt)
    assert len(set(outcomes)) == 1
    return outcomes[0]


def test_order1_damage():
    for n in (300, 4200):
        good = encode_order1(chain(7, n, 5))
        for bit in range(8 * len(good)):
            bad = bytearray(good)
            bad[bit // 8] ^= 1 << bit % 8
            order1_outcome(bytes(bad), n)
        for size in range(len(good)):
            assert order1_outcome(good[:size], n) is None
