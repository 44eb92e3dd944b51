"""The audio codec on arrays and payloads: exact for any samples, one result everywhere, damage is found."""

from __future__ import annotations

import hashlib

import damage
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pcm_files import to_bytes, tone

import laconic
from laconic import CorruptDataError, _core
from laconic.codecs.audio import codec
from laconic.codecs.audio.pcm import FLOAT, SIGNED, UNSIGNED, SampleFormat

ISAS = ["scalar", "avx2", "avx512"]
HERE = ISAS[: ISAS.index(_core.best_isa()) + 1]
LEVELS = ["fast", "default"]


def payload_of(raw: bytes, form: SampleFormat, level: str) -> bytes:
    return damage.payload_of(codec, raw, form.pack(), level)


SHAPES = ["noise", "tone", "silence", "constant", "extremes", "wasted", "few", "equal", "steps"]


def signal(shape: str, frames: int, channels: int, bits: int, seed: int) -> np.ndarray:
    """(frames, channels) int64 of `bits` bits."""
    rng = np.random.default_rng(seed)
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    if shape == "noise":
        return rng.integers(low, high, (frames, channels), endpoint=True)
    if shape == "silence":
        return np.zeros((frames, channels), np.int64)
    if shape == "constant":
        return np.tile(rng.integers(low, high, channels, endpoint=True), (frames, 1))
    if shape == "extremes":
        return rng.choice([low, high], (frames, channels))
    if shape == "few":
        return rng.choice(rng.integers(low, high, 5), (frames, channels))
    if shape == "steps":
        return np.where(np.arange(frames)[:, None] // 97 % 2 == 0, low, high) + np.zeros((1, channels), np.int64)
    x = tone(frames, channels, bits, seed)
    if shape == "wasted":
        return x & ~7
    return np.tile(x[:, :1], (1, channels)) if shape == "equal" else x


@st.composite
def cases(draw: st.DrawFn) -> tuple[bytes, SampleFormat]:
    width = draw(st.integers(1, 4))
    channels = draw(st.sampled_from([1, 1, 2, 2, 3, 4, 7]))
    kind = draw(st.sampled_from([SIGNED, UNSIGNED]))
    big = draw(st.booleans()) and width > 1
    frames = draw(st.sampled_from([0, 1, 2, 3, 31, 32, 33, 500, 4095, 4096, 4097, 9000]))
    x = signal(draw(st.sampled_from(SHAPES)), frames, channels, 8 * width, draw(st.integers(0, 99)))
    raw = to_bytes(x, width, big, kind == UNSIGNED) + b"\x7f" * draw(st.integers(0, width * channels - 1))
    return raw, SampleFormat(width, kind, big, draw(st.sampled_from([channels, channels, 0])))


@pytest.mark.parametrize("level", LEVELS)
@settings(max_examples=120, deadline=None)
@given(case=cases())
def test_integers(level: str, case: tuple[bytes, SampleFormat]) -> None:
    payload_of(*case, level)


@pytest.mark.parametrize("level", LEVELS)
@settings(max_examples=60, deadline=None)
@given(
    width=st.sampled_from([4, 8]), big=st.booleans(), scale=st.integers(-160, 160), frames=st.integers(0, 400), seed=st.integers(0, 99),
    odd=st.sampled_from([None, None, -0.0, np.nan, np.inf, 1e-310, 5e-324]), channels=st.integers(0, 3),
)  # fmt: skip
def test_floats(level: str, width: int, big: bool, scale: int, frames: int, seed: int, odd: float | None, channels: int) -> None:
    x = tone(frames, max(1, channels), 16, seed).astype(np.float64) * 2.0**scale
    if odd is not None and frames:
        x[frames // 2] = odd
    with np.errstate(over="ignore"):
        raw = x.astype((">" if big else "<") + f"f{width}").tobytes()
    payload_of(raw, SampleFormat(width, FLOAT, big, channels), level)


@pytest.mark.parametrize("level", LEVELS)
@settings(max_examples=60, deadline=None)
@given(raw=st.binary(max_size=600), width=st.sampled_from([4, 8]))
def test_any_bits_as_floats(level: str, raw: bytes, width: int) -> None:
    payload_of(raw, SampleFormat(width, FLOAT, False, 2), level)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("width", [2, 3, 4])
@pytest.mark.parametrize("level", LEVELS)
def test_instruction_sets_agree(level: str, width: int, shape: str) -> None:
    raw, form = to_bytes(signal(shape, 9000, 2, 8 * width, 5), width), SampleFormat(width, SIGNED, False, 2)
    before = _core.active_isa()
    try:
        made = []
        for isa in HERE:
            _core.set_isa(isa)
            made.append(payload_of(raw, form, level))
        assert len(set(made)) == 1
    finally:
        _core.set_isa(before)


def test_simple_channels_cost_nothing() -> None:
    form = SampleFormat(2, SIGNED, False, 2)
    x = tone(20000, 2)
    mono = len(payload_of(to_bytes(x[:, :1], 2), SampleFormat(2, SIGNED, False, 1), "fast"))
    assert len(payload_of(bytes(80000), form, "fast")) < 16
    assert len(payload_of(to_bytes(np.repeat(x[:, :1], 2, axis=1), 2), form, "fast")) < mono + 16
    even = len(payload_of(to_bytes(x[:, :1] >> 3 << 3, 2), SampleFormat(2, SIGNED, False, 1), "fast"))
    assert abs(even - len(payload_of(to_bytes(x[:, :1] >> 3, 2), SampleFormat(2, SIGNED, False, 1), "fast"))) < 16
    floats = (x / 2**15).astype("<f4").tobytes()
    assert len(payload_of(floats, SampleFormat(4, FLOAT, False, 2), "fast")) < len(payload_of(to_bytes(x, 2), form, "fast")) + 16


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8"])
@pytest.mark.parametrize("peak", [1.0, 0.5, 0.9])
def test_normalised_floats(dtype: str, peak: float) -> None:
    """16-bit samples divided by their largest: quotients, or products that only a map of values catches."""
    kind = np.dtype(dtype)
    x = tone(20000, 1, 12)
    y = (x.astype(kind) * kind.type(peak) / kind.type(np.abs(x).max())).astype(kind)
    form = SampleFormat(kind.itemsize, FLOAT, dtype[0] == ">", 1)
    size = len(payload_of(y.tobytes(), form, "fast"))
    if peak != 0.9:
        assert size < len(payload_of(to_bytes(x, 2), SampleFormat(2, channels=1), "fast")) + 64


def test_few_values_of_a_large_range() -> None:
    x = tone(30000, 1, 9)
    form = SampleFormat(4, SIGNED, False, 1)
    steps = len(payload_of(to_bytes(x * 1234567 + x % 3, 4), form, "fast"))
    assert steps < len(payload_of(to_bytes(x, 4), form, "fast")) + 2500


@pytest.mark.parametrize("dtype", ["i1", "u1", "<i2", ">i2", "<u2", "<i4", ">u4", "<f4", ">f8"])
@pytest.mark.parametrize("level", LEVELS)
def test_arrays(dtype: str, level: str) -> None:
    kind = np.dtype(dtype)
    x = tone(6000, 2, 8)
    y = (x + 128 if kind.kind == "u" else x).astype(kind)
    back = laconic.decode(laconic.encode(y, kind="audio", level=level))
    assert back.dtype == y.dtype
    assert np.array_equal(back, y)


def test_other_dtypes_are_refused() -> None:
    with pytest.raises(ValueError, match="does not take"):
        laconic.encode(np.zeros(4, np.complex64), kind="audio")


def test_channels_are_found() -> None:
    x = tone(20000, 4)
    known = len(payload_of(to_bytes(x, 2), SampleFormat(2, SIGNED, False, 4), "fast"))
    payload = payload_of(to_bytes(x, 2), SampleFormat(2), "fast")
    assert codec.info(memoryview(payload), SampleFormat(2).pack(), 1, 0)["channels"] == 4
    assert len(payload) == known


def test_many_channels_in_few_samples() -> None:
    form = SampleFormat(1, SIGNED, False, 60000)
    payload = payload_of(bytes(range(250)) * 480, form, "default")
    assert payload[0] == 1
    with pytest.raises(CorruptDataError, match="too many channels"):
        codec.decode(memoryview(b"\2" + payload[1:]), form.pack(), 1, memoryview(bytearray(120000)), None)


@pytest.mark.parametrize("level", ["fast", "max"])
def test_against_a_base(level: str) -> None:
    form = SampleFormat(2, SIGNED, False, 2)
    base = to_bytes(tone(20000, 2), 2)
    raw = base[:40000] + bytes(100) + base[40100:]
    payload = codec.encode(memoryview(raw), form.pack(), level, memoryview(base))
    assert payload is not None
    assert len(payload) < 500
    out = bytearray(len(raw))
    codec.decode(memoryview(payload), form.pack(), 1, memoryview(out), memoryview(base))
    assert out == raw


def test_jobs_do_not_change_bytes(tmp_path) -> None:
    from pcm_files import wav

    path = tmp_path / "x.wav"
    path.write_bytes(wav(to_bytes(tone(150000, 2), 2), 2, 2))
    assert len({laconic.encode(path, jobs=jobs) for jobs in (1, 2, 5)}) == 1


@pytest.mark.parametrize("shape", ["tone", "few", "wasted", "noise"])
@pytest.mark.parametrize("level", LEVELS)
def test_damage(level: str, shape: str) -> None:
    form = SampleFormat(2, SIGNED, False, 2)
    raw = to_bytes(signal(shape, 5000, 2, 16, 1), 2)
    payload = payload_of(raw, form, level)
    others = (SampleFormat(1, channels=2), SampleFormat(4, FLOAT, channels=2), SampleFormat(2), SampleFormat(2, channels=3))
    damage.check_damage(codec, payload, form.pack(), len(raw), others=[other.pack() for other in others],
                 head=lambda rng: bytes((1 + int(rng.integers(4)), 2)))  # fmt: skip


def test_a_damaged_frame_leaves_the_others(tmp_path) -> None:
    from pcm_files import wav

    x = tone(120000, 1)
    path, target = tmp_path / "x.wav", tmp_path / "a.lac"
    path.write_bytes(wav(to_bytes(x, 2), 1, 2))
    with laconic.open(target, "w") as archive:
        archive.add("x.wav", path)
    blob = bytearray(target.read_bytes())
    blob[len(blob) // 2] ^= 255
    with laconic.open(bytes(blob)) as archive:
        with pytest.raises(CorruptDataError):
            archive["x.wav/samples"]
        assert np.array_equal(archive.read("x.wav/samples", 0, 30000), x[:30000])
        assert np.array_equal(archive.read("x.wav/samples", 100000), x[100000:])


# What version 1 of the payload is: the hash of what the encoder makes, so that a change of format cannot go unnoticed.
def test_payloads_do_not_change() -> None:
    x = np.cumsum(np.arange(12000) * 7919 % 201 - 100).reshape(-1, 2) % 20000 - 10000
    made = [hashlib.sha256(payload_of(to_bytes(x, 2), SampleFormat(2, channels=2), level)).hexdigest()[:16] for level in LEVELS]
    assert made == GOLDEN


GOLDEN = ["8af5aa19d7f9ea23", "5e8dbe0fbc8f3087"]
