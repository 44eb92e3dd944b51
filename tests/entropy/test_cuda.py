"""CUDA: the kernels' logic stepped lane by lane on the host equals the scalar coder; on a device, the kernels themselves."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laconic import CorruptDataError, UnsupportedError, _core
from laconic.entropy import blocks, cuda
from tests.support.compiled import compile_program

REFERENCE = Path(__file__).parent / "reference.py"
spec = importlib.util.spec_from_file_location("laconic_block_reference", REFERENCE)
assert spec is not None
assert spec.loader is not None
reference = importlib.util.module_from_spec(spec)
spec.loader.exec_module(reference)


def geometric(seed: int, n: int, p: float, alphabet: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return ((rng.geometric(p, n) - 1) % alphabet + 3).astype(np.uint8)


symbols_of = st.builds(
    geometric,
    st.integers(0, 2**32 - 1),
    st.integers(0, 9000),
    st.sampled_from([0.001, 0.02, 0.1, 0.3, 0.7, 0.99]),
    st.integers(1, 250),
)


def step(data: bytes, n: int) -> np.ndarray | None:
    """What the device would decode; None for forms it leaves to the host."""
    out = np.empty(n, np.uint8)
    return out if _core.decode_block_stepped(data, out) else None


@settings(max_examples=200, deadline=None)
@given(symbols_of, st.sampled_from(["A", "B", "raw"]), st.sampled_from([0, 10, 11, 12]))
def test_stepped_decoder_equals_the_scalar_one(symbols, profile, precision):
    block = blocks.encode_block(symbols, profile=profile, precision=precision)
    np.testing.assert_array_equal(step(block, symbols.size), symbols)


def test_stepped_decoder_on_long_blocks_with_escapes():
    weights = np.random.default_rng(0).standard_normal(1 << 17).astype(np.float32) * np.float32(0.02)
    symbols = (weights.view(np.uint32) >> 23).astype(np.uint8)
    for profile in ("A", "B"):
        np.testing.assert_array_equal(step(blocks.encode_block(symbols, profile=profile), symbols.size), symbols)


@pytest.mark.parametrize("prefer_speed", [True, False])
@pytest.mark.parametrize("n", [32_768, 70_001, 1 << 17])
def test_stepped_decoder_on_segments(n, prefer_speed):
    for alphabet, p in ((60, (0.05, 0.3, 0.5)), (250, (0.02, 0.1, 0.5))):
        symbols = np.concatenate([geometric(k, n // 3 + (k == 2) * (n % 3), p[k], alphabet) for k in range(3)])
        block = blocks.encode_block(symbols, prefer_speed=prefer_speed, segments=True)
        assert blocks.block_form(block) in {"A segments", "B segments"}
        np.testing.assert_array_equal(step(block, n), symbols)


@pytest.mark.parametrize("rotation", [0, 1, 15])
@pytest.mark.parametrize("profile", ["A", "B", "raw"])
def test_stepped_decoder_of_pairs(profile, rotation):
    symbols = geometric(5, 5001, 0.3, 40)
    low = np.random.default_rng(6).integers(0, 256, symbols.size, dtype=np.uint8)
    out = np.empty(symbols.size, np.uint16)
    assert _core.decode_pairs_stepped(blocks.encode_block(symbols, profile=profile), low, rotation, out)
    np.testing.assert_array_equal(out << rotation | out >> (16 - rotation) % 16, symbols.astype(np.uint16) << 8 | low)


def test_forms_left_to_the_host():
    sparse = np.zeros(1 << 16, np.uint8)
    sparse[::5000] = 1
    assert step(blocks.encode_block(sparse), sparse.size) is None
    assert step(blocks.encode_block(geometric(1, 9000, 0.1, 200), profile="B", precision=13), 9000) is None


@settings(max_examples=80, deadline=None)
@given(symbols_of, st.sampled_from([10, 11, 12]))
def test_stepped_encoder_writes_what_the_scalar_one_writes(symbols, precision):
    block = _core.encode_block_stepped(symbols, precision)
    assert len(block) <= symbols.size + 1
    np.testing.assert_array_equal(blocks.decode_block(block, symbols.size), symbols)
    np.testing.assert_array_equal(step(block, symbols.size), symbols)
    if symbols.size >= 4096 and np.unique(symbols).size > 1:  # where the scalar encoder takes 32 lanes too
        scalar = blocks.encode_block(symbols, profile="B", precision=precision)
        if len(scalar) <= symbols.size:
            assert block == scalar
        else:  # it goes by an estimate of the size, and keeps symbols raw that would hardly shrink
            assert len(block) > 0.98 * symbols.size


@pytest.mark.parametrize("profile", ["A", "B"])
@pytest.mark.parametrize("n", [400, 4200, 32_768])
def test_damage_is_judged_alike(profile, n):
    if n < 32_768:
        good = blocks.encode_block(geometric(3, n, 0.3, 20), profile=profile)
        ends, bits = range(len(good)), range(0, 8 * len(good), 1 if n == 400 else 7)
    else:
        alphabet, slow = (20, 0.3) if profile == "A" else (250, 0.02)
        symbols = np.concatenate([geometric(3, n // 2, slow, alphabet), geometric(4, n // 2, 0.5, alphabet)])
        good = blocks.encode_block(symbols, prefer_speed=profile == "A", segments=True)
        assert blocks.block_form(good) == f"{profile} segments"
        ends, bits = range(0, len(good), 50), [*range(400), *range(0, 8 * len(good), 401)]
    damaged = [good[:size] for size in ends] + [good + b"\0", good + b"\0\0"]
    for bit in bits:
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        damaged.append(bytes(bad))
    before = _core.active_isa()
    _core.set_isa("scalar")
    try:
        for bad in damaged:
            try:
                on_device = step(bad, n)
            except CorruptDataError:
                on_device = "corrupt"
            try:
                on_host = blocks.decode_block(bad, n)
            except CorruptDataError:
                on_host = "corrupt"
            if on_device is not None:
                assert np.array_equal(on_device, on_host)
    finally:
        _core.set_isa(before)


@pytest.fixture(scope="module")
def threads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """tests/entropy/warp_threads.cpp with ThreadSanitizer."""
    folder = tmp_path_factory.mktemp("threads")
    sanitize = ["-fsanitize=thread", "-g"]
    try:
        subprocess.run([compile_program(folder, "int main() {}", [], sanitize)], check=True, capture_output=True)
    except subprocess.CalledProcessError:
        pytest.skip("the compiler has no ThreadSanitizer that runs here")
    text = (Path(__file__).parent / "warp_threads.cpp").read_text()
    return compile_program(folder, text, [f"entropy/{name}.cpp" for name in ("tables", "rans_b", "cpu", "histogram")], sanitize)


@pytest.mark.parametrize("form", ["A", "B", "A segments", "B segments", "escapes", "raw"])
def test_lanes_wait_for_each_other(form: str, threads: Path, tmp_path: Path) -> None:
    """Each lane a thread of its own: no lane reads what another has yet to write."""
    if form.endswith("segments"):
        parts = [geometric(k, 1 << 14, p, 60 if form[0] == "A" else 250) for k, p in enumerate((0.02, 0.5))]
        symbols = np.concatenate(parts)
        block = blocks.encode_block(symbols, prefer_speed=form[0] == "A", segments=True)
        assert blocks.block_form(block) == form
    else:
        symbols = geometric(1, 3000, 0.3, 40)
        if form == "escapes":
            symbols[[5, 2999]] = 250
        block = blocks.encode_block(symbols, profile="A" if form == "escapes" else form)
    (tmp_path / "block").write_bytes(block)
    (tmp_path / "symbols").write_bytes(symbols.tobytes())
    for mode in ("decode", "pairs"):
        subprocess.run([threads, mode, tmp_path / "block", tmp_path / "symbols"], check=True)


def test_lanes_wait_for_each_other_when_encoding(threads: Path, tmp_path: Path) -> None:
    for symbols in (geometric(1, 3001, 0.3, 40), np.random.default_rng(0).integers(0, 256, 1000, dtype=np.uint8)):
        (tmp_path / "symbols").write_bytes(symbols.tobytes())
        (tmp_path / "block").write_bytes(_core.encode_block_stepped(symbols, 12))
        subprocess.run([threads, "encode", tmp_path / "symbols", tmp_path / "block"], check=True)


def test_says_what_is_missing():
    try:
        importlib.import_module("laconic._cuda")
    except ImportError:
        assert not cuda.available()
        with pytest.raises(UnsupportedError, match="without CUDA"):
            cuda.decode_blocks(b"", [], [])


needs_device = pytest.mark.skipif(not cuda.available(), reason="no CUDA device, or laconic was built without nvcc")


@needs_device
@pytest.mark.parametrize("profile", ["A", "B"])
def test_device_decodes(profile):
    parts = [geometric(k, n, 0.3, 40) for k, n in enumerate([70_000, 1, 0, 5000, 100_000, 300])]
    encoded = [blocks.encode_block(part, profile=profile) for part in parts]
    decoded = cuda.decode_blocks(b"".join(encoded), [len(b) for b in encoded], [part.size for part in parts])
    decoded.check()
    assert decoded.symbols.to_host() == b"".join(part.tobytes() for part in parts)
    bad = bytearray(b"".join(encoded))
    bad[len(encoded[0]) // 2] ^= 1
    with pytest.raises(CorruptDataError, match="block 0"):
        cuda.decode_blocks(bytes(bad), [len(b) for b in encoded], [part.size for part in parts]).check()


@needs_device
@pytest.mark.parametrize("profile", ["A", "B"])
def test_device_decodes_pairs(profile):
    weights = np.random.default_rng(0).standard_normal(300_000).astype(np.float32).view(np.uint32) >> 16
    elements = weights.astype(np.uint16)
    rotated = elements << 1 | elements >> 15
    symbols, low = (rotated >> 8).astype(np.uint8), rotated.astype(np.uint8)
    parts = [symbols[at : at + (1 << 16)] for at in range(0, symbols.size, 1 << 16)]
    encoded = [blocks.encode_block(part, profile=profile) for part in parts]
    decoded = cuda.decode_pairs(b"".join(encoded), [len(b) for b in encoded], [part.size for part in parts], low, rotation=1)
    decoded.check()
    assert decoded.symbols.to_host() == elements.tobytes()


@needs_device
def test_device_encodes():
    symbols = geometric(9, 200_000, 0.3, 40)
    counts = np.bincount(symbols, minlength=256).astype(np.uint32)
    freqs = _core.normalise_counts(counts[None], 12)[0]
    encoded = cuda.encode_blocks(cuda._module().upload(symbols, 0), freqs).blocks()
    decoded = [blocks.decode_block(b, min(1 << 16, symbols.size - (k << 16))) for k, b in enumerate(encoded)]
    np.testing.assert_array_equal(np.concatenate(decoded), symbols)
