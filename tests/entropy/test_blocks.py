"""Blocks: round trips, one result on every instruction set, an independent decoder, sizes, damage, golden."""

from __future__ import annotations

import hashlib
import importlib.util
import itertools
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from laconic import CorruptDataError, _core
from laconic.entropy import blocks, contexts
from tests.support.compiled import compile_program

ISAS = ["scalar", "avx2", "avx512"]
HERE = ISAS[: ISAS.index(_core.best_isa()) + 1]

spec = importlib.util.spec_from_file_location("laconic_block_reference", Path(__file__).parent / "reference.py")
assert spec is not None
assert spec.loader is not None
reference = importlib.util.module_from_spec(spec)
spec.loader.exec_module(reference)

PROFILES = ["auto", "raw", "run", "A", "B"]


def geometric(seed: int, n: int, p: float, alphabet: int, first: int = 0) -> np.ndarray:
    """Symbols that get rarer with their distance from `first`, wrapped into a byte."""
    rng = np.random.default_rng(seed)
    return ((rng.geometric(p, n) - 1) % alphabet + first).astype(np.uint8)


@st.composite
def symbols_of(draw: st.DrawFn, most: int = 6000) -> np.ndarray:
    return geometric(
        draw(st.integers(0, 2**32 - 1)),
        draw(st.integers(0, most)),
        draw(st.sampled_from([0.001, 0.02, 0.1, 0.3, 0.7, 0.95, 0.999])),
        draw(st.integers(1, 256)),
        draw(st.integers(0, 255)),
    )


def on_every_isa(function):
    """The results of one call on each instruction set there is."""
    before = _core.active_isa()
    try:
        results = []
        for isa in HERE:
            _core.set_isa(isa)
            results.append(function())
        return results
    finally:
        _core.set_isa(before)


def entropy_bytes(symbols: np.ndarray) -> float:
    counts = np.bincount(symbols, minlength=256)
    p = counts[counts > 0] / symbols.size
    return float(-(p * np.log2(p)).sum() * symbols.size / 8)


def bf16_exponents(n: int, seed: int = 0) -> np.ndarray:
    weights = np.random.default_rng(seed).standard_normal(n).astype(np.float32) * np.float32(0.02)
    return (weights.view(np.uint32) >> 23).astype(np.uint8)


@settings(max_examples=300, deadline=None)
@given(symbols_of(), st.sampled_from(PROFILES), st.sampled_from([0, 10, 11, 12, 13, 14]), st.booleans())
def test_round_trip_same_bytes_everywhere(symbols, profile, precision, prefer_speed):
    def encode():
        return blocks.encode_block(symbols, profile=profile, precision=precision, prefer_speed=prefer_speed)

    encoded = on_every_isa(encode)
    assert len(set(encoded)) == 1
    assert len(encoded[0]) <= symbols.size + 1
    for decoded in on_every_isa(lambda: blocks.decode_block(encoded[0], symbols.size)):
        np.testing.assert_array_equal(decoded, symbols)


@settings(max_examples=60, deadline=None)
@given(symbols_of(3000), st.sampled_from(PROFILES), st.sampled_from([0, 10, 13]))
def test_reference_decoder_agrees(symbols, profile, precision):
    encoded = blocks.encode_block(symbols, profile=profile, precision=precision)
    assert reference.decode_block(encoded, symbols.size) == symbols.tobytes()


@pytest.mark.parametrize("n", [4096, 32767, 32768, 65536, 100_003, 1 << 18])
@pytest.mark.parametrize("profile", ["auto", "A", "B", "run"])
@pytest.mark.parametrize("p", [0.02, 0.3, 0.9])
def test_long_blocks(n, profile, p):
    for alphabet in (3, 40, 256):
        symbols = geometric(n, n, p, alphabet, 100)
        encoded = on_every_isa(lambda x=symbols: blocks.encode_block(x, profile=profile, prefer_speed=n % 2 == 0))
        assert len(set(encoded)) == 1
        for decoded in on_every_isa(lambda e=encoded[0]: blocks.decode_block(e, n)):
            np.testing.assert_array_equal(decoded, symbols)


def alphabets() -> dict[str, np.ndarray]:
    """Relative frequencies that profile B's decoder with look-ups in registers takes, and some that it just does not."""
    k = np.arange(64)
    return {
        "one of many": np.where(k == 9, 1, 1e-9),
        "even": np.ones(64),
        "one too many": np.ones(65),
        "rare at both ends": np.exp2(-np.abs(k[:40] - 20.0)),
        "rare in the middle": np.exp2(-np.minimum(k, 63 - k) / 2.0),
        "rare in two places": np.where(np.isin(k, [7, 8, 9, 40, 41, 42]), 0.03, 1),
        "rare in many places": np.where(k % 8 == 1, 1, 0.01),
        "two": np.array([0.3, 0.7]),
    }


@pytest.mark.parametrize("name", alphabets())
@pytest.mark.parametrize("precision", [10, 11, 12, 13, 14])
def test_few_symbols(name, precision):
    p = alphabets()[name]
    rng = np.random.default_rng(precision)
    symbols = (rng.choice(p.size, 3 * 5000 + 77, p=p / p.sum()) * (1 if precision % 2 else 3) + 50).astype(np.uint8)
    encoded = on_every_isa(lambda: blocks.encode_blocks(symbols, block=5000, profile="B", precision=precision))
    assert len(set(encoded)) == 1
    for decoded in on_every_isa(lambda: blocks.decode_blocks(encoded[0], symbols.size)):
        np.testing.assert_array_equal(decoded, symbols)
    # Of 16-bit symbols, with one context for all.
    wide, one = symbols.astype(np.uint16) + 300, np.zeros(symbols.size, np.uint16)
    encoded = on_every_isa(lambda: contexts.encode_contexts(wide, one, precision=precision))
    assert len(set(encoded)) == 1
    for decoded in on_every_isa(lambda: contexts.decode_contexts(encoded[0], one, dtype=np.uint16)):
        np.testing.assert_array_equal(decoded, wide)


def changing(seed: int, n: int, parts: int) -> np.ndarray:
    """Runs of different lengths and distributions."""
    rng = np.random.default_rng(seed)
    cuts = np.sort(rng.integers(0, n + 1, parts - 1))
    lengths = np.diff([0, *cuts, n])
    return np.concatenate([geometric(seed + k, m, [0.05, 0.3, 0.5][k % 3], 60, 37 * k % 256) for k, m in enumerate(lengths)])


@pytest.mark.parametrize("prefer_speed", [True, False])
@pytest.mark.parametrize(("n", "parts"), [(32768, 2), (70_001, 5), (1 << 17, 3), (262_145, 9)])
def test_segments(n, parts, prefer_speed):
    symbols = changing(n, n, parts)
    encoded = on_every_isa(lambda: blocks.encode_block(symbols, prefer_speed=prefer_speed, segments=True))
    assert len(set(encoded)) == 1
    assert blocks.block_form(encoded[0]) in {"A segments", "B segments"}
    assert len(encoded[0]) < 0.97 * len(blocks.encode_block(symbols, prefer_speed=prefer_speed))
    for decoded in on_every_isa(lambda: blocks.decode_block(encoded[0], n)):
        np.testing.assert_array_equal(decoded, symbols)
    assert reference.decode_block(encoded[0], n) == symbols.tobytes()


def test_a_with_escapes_in_a_long_block():
    symbols = bf16_exponents(70_000)
    symbols[[0, 1, 2, 300, 69_000, 69_999]] = [255, 0, 255, 7, 1, 200]
    encoded = on_every_isa(lambda: blocks.encode_block(symbols, profile="A"))
    assert len(set(encoded)) == 1
    assert blocks.block_form(encoded[0]) == "A"
    assert reference.decode_block(encoded[0], symbols.size) == symbols.tobytes()


def test_sample_that_misleads_costs_little():
    # Where the sample looks (256 of each 1024), there is one distribution; elsewhere another one.
    rng = np.random.default_rng(5)
    symbols = rng.integers(100, 200, 1 << 16, dtype=np.uint8)
    quarter = 0
    for start in range(0, symbols.size, 1024):
        at = start + 256 * quarter
        symbols[at : at + 256] = rng.integers(0, 4, 256)
        quarter = (quarter + 3) % 4
    encoded = blocks.encode_block(symbols, profile="A")
    np.testing.assert_array_equal(blocks.decode_block(encoded, symbols.size), symbols)
    assert len(encoded) < 1.05 * entropy_bytes(symbols)


def test_forms_are_chosen():
    noise = np.random.default_rng(1).integers(0, 256, 10_000, dtype=np.uint8)
    assert blocks.block_form(blocks.encode_block(noise)) == "raw"
    assert blocks.encode_block(np.full(1 << 20, 7, np.uint8)) == b"\x01\x07"
    assert blocks.encode_block(np.zeros(0, np.uint8)) == b"\x00"
    sparse = np.zeros(1 << 16, np.uint8)
    sparse[::5000] = 1
    assert blocks.block_form(blocks.encode_block(sparse)) == "run"
    assert len(blocks.encode_block(sparse)) < 50
    exponents = bf16_exponents(1 << 16)
    assert blocks.block_form(blocks.encode_block(exponents)) == "B"
    assert blocks.block_form(blocks.encode_block(exponents, prefer_speed=True)) == "A"


@pytest.mark.parametrize(
    ("symbols", "profile", "limit"),
    [
        (bf16_exponents(1 << 18), "A", 1.02),
        (bf16_exponents(1 << 18), "B", 1.002),
        (bf16_exponents(1 << 16), "B", 1.006),
        (geometric(3, 1 << 18, 0.02, 200), "B", 1.002),
        (geometric(4, 1 << 18, 0.95, 20), "B", 1.01),
        (geometric(5, 3000, 0.2, 50), "B", 1.03),
        (geometric(6, 300, 0.3, 20), "B", 1.25),
    ],
)
def test_size_is_near_entropy(symbols, profile, limit):
    assert len(blocks.encode_block(symbols, profile=profile)) <= limit * entropy_bytes(symbols)


def test_table_costs_at_most_a_byte_a_live_symbol():
    for seed, alphabet in itertools.product(range(5), (5, 30, 100, 256)):
        symbols = geometric(seed, 1 << 16, 4 / alphabet, alphabet)
        live = np.unique(symbols).size
        states = 27 * 32 / 8
        overhead = len(blocks.encode_block(symbols, profile="B")) - entropy_bytes(symbols) - states
        assert overhead < 1.1 * live + 24  # and what 12 bits cost


def test_input_types():
    symbols = np.array([[-3, 4], [5, -3]], dtype=np.int8)
    np.testing.assert_array_equal(blocks.decode_block(blocks.encode_block(symbols), 4).view(np.int8), symbols.reshape(-1))
    strided = np.arange(20_000, dtype=np.uint8)[::3]
    np.testing.assert_array_equal(blocks.decode_block(blocks.encode_block(strided), strided.size), strided)
    with pytest.raises(TypeError, match="one-byte"):
        blocks.encode_block(np.zeros(3, np.int32))
    with pytest.raises(ValueError, match="precision"):
        blocks.encode_block(np.zeros(3, np.uint8), precision=9)
    with pytest.raises(ValueError, match="profile"):
        blocks.encode_block(np.zeros(3, np.uint8), profile="C")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="out must be"):
        blocks.decode_block(b"\x00", 0, out=np.zeros(3, np.uint8))


def test_output_array():
    symbols = bf16_exponents(5000)
    out = np.zeros(5000, np.uint8)
    assert np.shares_memory(blocks.decode_block(blocks.encode_block(symbols), 5000, out=out), out)
    np.testing.assert_array_equal(out, symbols)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(symbols_of(20_000), st.integers(1, 9000), st.sampled_from(PROFILES), st.integers(1, 3))
def test_many_blocks(symbols, block, profile, jobs):
    encoded = blocks.encode_blocks(symbols, block=block, profile=profile, jobs=jobs)
    assert encoded == blocks.encode_blocks(symbols, block=block, profile=profile)
    for decoded in on_every_isa(lambda: blocks.decode_blocks(encoded, symbols.size, jobs=jobs)):
        np.testing.assert_array_equal(decoded, symbols)


def test_blocks_in_step_of_different_length():
    parts = [
        bf16_exponents(1 << 17, 1),
        geometric(2, 1 << 17, 0.02, 250),
        geometric(3, 1 << 17, 0.9, 9),
        bf16_exponents(99, 4),
    ]
    symbols = np.concatenate(parts)
    for precision in (10, 12, 14):
        encoded = blocks.encode_blocks(symbols, block=1 << 17, profile="B", precision=precision)
        for decoded in on_every_isa(lambda e=encoded: blocks.decode_blocks(e, symbols.size)):
            np.testing.assert_array_equal(decoded, symbols)


SMALL = {
    "raw": (np.arange(40, dtype=np.uint8) * 37, "raw"),
    "constant": (np.full(40, 9, np.uint8), "auto"),
    "run": (np.repeat(np.array([0, 3, 0, 2, 0], np.uint8), [60, 1, 300, 2, 50]), "run"),
    "B few lanes": (geometric(1, 400, 0.4, 10), "B"),
    "B": (geometric(1, 4100, 0.7, 10), "B"),
    "A": (geometric(2, 4100, 0.2, 60), "A"),
}


def decodes_or_complains(data: bytes, n: int) -> np.ndarray | None:
    """The same outcome on every instruction set: data or CorruptDataError."""

    def attempt():
        try:
            return blocks.decode_block(data, n).tobytes()
        except CorruptDataError:
            return None

    outcomes = on_every_isa(attempt)
    assert len(set(outcomes)) == 1
    return outcomes[0]


@pytest.mark.parametrize("name", SMALL)
def test_damage(name):
    symbols, profile = SMALL[name]
    good = blocks.encode_block(symbols, profile=profile)
    assert blocks.block_form(good) == name.split()[0]
    for bit in range(8 * len(good)):
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        decodes_or_complains(bytes(bad), symbols.size)
    for size in range(len(good)):
        assert decodes_or_complains(good[:size], symbols.size) is None
    assert decodes_or_complains(good + b"\0", symbols.size) is None
    assert decodes_or_complains(good + b"\0" * 1000, symbols.size) is None
    if name not in ("constant", "run"):  # those two hold for any (larger) number of symbols
        for n in (0, 1, symbols.size - 1, symbols.size + 1, 10 * symbols.size):
            assert decodes_or_complains(good, n) is None


def test_most_flips_in_a_stream_are_noticed():
    symbols = bf16_exponents(8192)
    for profile, least in (("A", 0.99), ("B", 0.99)):
        good = blocks.encode_block(symbols, profile=profile)
        wrong = 0
        rng = np.random.default_rng(0)
        positions = rng.integers(8 * (len(good) // 2), 8 * len(good), 300)
        for bit in positions:
            bad = bytearray(good)
            bad[bit // 8] ^= 1 << bit % 8
            wrong += decodes_or_complains(bytes(bad), symbols.size) is not None
        assert wrong <= (1 - least) * positions.size


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=800), st.integers(0, 5000), st.sampled_from([None, 0x02, 0x83, 0xA4, 0xC4, 0xE4, 0xB5]))
def test_garbage(data, n, first):
    if first is not None:
        data = bytes([first]) + data
    decodes_or_complains(data, n)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 5000))
def test_garbage_after_the_table(data, n):
    # A table of two symbols with half the slots each, then anything: the deepest that garbage can get.
    for profile in ("A", "B"):
        head = blocks.encode_block(np.tile(np.array([1, 2], np.uint8), 4096), profile=profile)
        cut = 6 if profile == "A" else 120
        decodes_or_complains(head[:cut] + data, n)


def test_damaged_lists_of_blocks():
    symbols = bf16_exponents(3000)
    good = blocks.encode_blocks(symbols, block=1000)
    for size in range(len(good)):
        with pytest.raises(CorruptDataError):
            blocks.decode_blocks(good[:size], 3000)
    for bit in range(8 * 16):
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CorruptDataError):
            blocks.decode_blocks(bytes(bad), 3000)


def golden_symbols(n: int, alphabet: int) -> np.ndarray:
    """Skewed symbols by integers alone: the product of two uniform numbers, as a share of the alphabet."""
    x, out = 1, bytearray()
    for _ in range(n):
        x = (x * 6364136223846793005 + 1442695040888963407) % 2**64
        out.append((x >> 48) * ((x >> 32) & 0xFFFF) * alphabet >> 32)
    return np.frombuffer(bytes(out), np.uint8)


# Written by version 1 of the format; what decodes today decodes for ever.
GOLDEN = {
    ("A", 70_000, 40): (41862, "857215a697421387c233fa1db5e0dc95"),
    ("A", 5000, 12): (2264, "e84039dbec3c5ab6b4d14f68c9f2b62c"),
    ("B", 70_000, 40): (41418, "d5b6d414f28fa70dd2e504275fea0faa"),
    ("B", 5000, 250): (4772, "d7962d3d0620b8eb9608bf725d59f02c"),
    ("B", 500, 20): (256, "2d44182055e9150cad9eead346d9e586"),
    ("run", 5000, 3): (732, "a5addba2e6cad15c3c7dfe7360ea3acd"),
    ("auto", 100, 3): (26, "b73588771fb401ff3ba6c00a43bdd5a8"),
}


@pytest.mark.parametrize("case", GOLDEN)
def test_golden_bytes(case):
    profile, n, alphabet = case
    block = blocks.encode_block(golden_symbols(n, alphabet), profile=profile)
    assert (len(block), hashlib.sha256(block).hexdigest()[:32]) == GOLDEN[case]


STRAY = """
#include "entropy/cpu.h"
#include "entropy/rans_b.h"

using namespace laconic::entropy::rans_b;

// Exit code: bits of the instruction sets that coded a symbol without a frequency, wherever it lay.
int main() {
    int wrong = 0;
    std::array<uint16_t, 256> freqs{};
    for (int s = 0; s < 50; ++s) freqs[(230 + s) % 256] = s == 0 ? 1024 - 49 : 1;  // near each other, across the end
    for (const int first : {0, 180}) {
        if (first != 0) {
            freqs.fill(0);
            for (int s = 0; s < 50; ++s) freqs[first + s] = s == 0 ? 1024 - 49 : 1;
        }
        std::array<EncodeSymbol, 256> table;
        build_encode_table(freqs, table.data());
        for (laconic::Isa isa = laconic::Isa::scalar; isa <= laconic::best_isa(); isa = laconic::Isa(int(isa) + 1)) {
            laconic::set_isa(isa);
            for (int stray = 0; stray < 256; ++stray) {
                std::vector<uint8_t> symbols(5000, uint8_t(first == 0 ? 230 : first)), out(12000);
                symbols[stray * 19] = uint8_t(stray);
                EncodeJob<uint8_t> job{table.data(), 256, 10, 32, symbols.data(), nullptr, 5000, out.data(), out.data() + 12000, {}};
                bool refused = false;
                try {
                    encode(job);
                } catch (const std::invalid_argument &) {
                    refused = true;
                }
                if (refused != (freqs[stray] == 0)) wrong |= 1 << int(isa);
            }
        }
    }
    return wrong;
}
"""


def test_a_symbol_without_frequency_is_refused(tmp_path: Path) -> None:
    """By every kernel, those that keep 64 neighbouring symbols in registers included."""
    kernels = ["rans_b_avx2", "rans_b_encode_avx512", "rans_b_decode_avx512"] if _core.best_isa() == "avx512" else []
    wide = ["f", "bw", "dq", "vl", "vbmi", "vbmi2"]
    flags = (
        ["-DLACONIC_X86=1", "-mavx2", "-mbmi", "-mbmi2", "-mlzcnt", "-mpopcnt", *(f"-mavx512{k}" for k in wide), "-w"] if kernels else []
    )
    text = "#include <stdexcept>\n" + STRAY
    program = compile_program(tmp_path, text, [f"entropy/{name}.cpp" for name in ("rans_b", "cpu", *kernels)], flags)
    assert subprocess.run([program], check=False).returncode == 0
