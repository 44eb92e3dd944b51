"""The image codec on arrays and payloads: exact for any pixels, one result everywhere, damage is found."""

from __future__ import annotations

import hashlib

import damage
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image_files import drawing, picture

import laconic
from laconic import CorruptDataError, _core
from laconic.codecs.image import codec
from laconic.codecs.image.pixels import PixelFormat, of_array

ISAS = ["scalar", "avx2", "avx512"]
HERE = ISAS[: ISAS.index(_core.best_isa()) + 1]
LEVELS = ["fast", "default"]


def payload_of(raw: bytes, form: PixelFormat, level: str) -> bytes:
    return damage.payload_of(codec, raw, form.pack(), level)


SHAPES = ["photo", "drawing", "noise", "constant", "extremes", "shifted", "sparse", "few", "grey", "alpha"]


def pixels(shape: str, height: int, width: int, channels: int, bits: int, seed: int) -> np.ndarray:
    """(height, width, channels) int64 below 2**bits."""
    rng = np.random.default_rng(seed)
    size, top = (height, width, channels), (1 << bits) - 1
    if shape == "noise":
        return rng.integers(0, top + 1, size)
    if shape == "constant":
        return np.tile(rng.integers(0, top + 1, channels), (height, width, 1))
    if shape == "extremes":
        return rng.choice([0, top], size)
    if shape == "few":
        return rng.integers(0, top + 1, (5, channels))[rng.integers(0, 5, (height, width))]
    if shape == "drawing":
        return drawing(height, width, channels, seed).astype(np.int64) & top
    z = picture(height, width, channels, bits, seed)
    if shape == "shifted":
        return z >> 3 << 3
    if shape == "sparse":
        return z // 5 * 5
    if shape == "grey":
        return np.repeat(z[..., :1], channels, axis=2)
    if shape == "alpha":
        z[..., -1] = np.where(z[..., -1] > top // 2, top, 0)
    return z


@st.composite
def cases(draw: st.DrawFn) -> tuple[bytes, PixelFormat]:
    bits = draw(st.sampled_from([1, 2, 4, 8, 8, 8, 16, 16]))
    channels = 1 if bits < 8 else draw(st.sampled_from([1, 1, 2, 3, 3, 4, 5, 7]))
    width = draw(st.sampled_from([1, 2, 3, 15, 16, 17, 31, 32, 33, 100, 257]))
    height = draw(st.sampled_from([1, 2, 3, 63, 64, 65, 90]))
    form = PixelFormat(
        width,
        channels,
        bits,
        draw(st.booleans()),
        bits >= 8 and draw(st.booleans()),
        draw(st.booleans()),
        draw(st.sampled_from([0, 0, 1, 3])),
    )
    z = pixels(draw(st.sampled_from(SHAPES)), height, width, channels, bits, draw(st.integers(0, 99)))
    padding = draw(st.sampled_from([b"\0", b"\1"]))
    return rows(z, form, padding) + b"\x7f" * draw(st.integers(0, form.stride - 1)), form


def rows(z: np.ndarray, form: PixelFormat, padding: bytes = b"\0") -> bytes:
    """The bytes of pixels in this format."""
    if form.bits < 8:
        bit = z[..., 0, None] >> np.arange(form.bits - 1, -1, -1) & 1
        packed = np.packbits(bit.reshape(len(z), -1).astype(np.uint8), axis=1)
        return b"".join(row.tobytes() + padding * form.padding for row in packed)
    dtype = (">" if form.big_endian else "<") + f"u{form.bits // 8}"
    return b"".join(row.astype(dtype).tobytes() + padding * form.padding for row in z)


@pytest.mark.parametrize("level", LEVELS)
@settings(max_examples=150, deadline=None)
@given(case=cases())
def test_any_pixels(level: str, case: tuple[bytes, PixelFormat]) -> None:
    payload_of(*case, level)


@pytest.mark.parametrize("level", LEVELS)
@settings(max_examples=60, deadline=None)
@given(raw=st.binary(min_size=1, max_size=900), width=st.integers(1, 40), channels=st.integers(1, 4), bits=st.sampled_from([8, 16]))
def test_any_bytes(level: str, raw: bytes, width: int, channels: int, bits: int) -> None:
    payload_of(raw, PixelFormat(width, channels, bits), level)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("level", LEVELS)
def test_instruction_sets_agree(level: str, bits: int, shape: str) -> None:
    form = PixelFormat(131, 4, bits)
    raw = rows(pixels(shape, 90, 131, 4, bits, 5), form)
    before = _core.active_isa()
    try:
        made = []
        for isa in HERE:
            _core.set_isa(isa)
            made.append(payload_of(raw, form, level))
        assert len(set(made)) == 1
    finally:
        _core.set_isa(before)


@pytest.mark.parametrize("level", LEVELS)
def test_simple_pictures_cost_little(level: str) -> None:
    form = PixelFormat(200, 3)
    assert len(payload_of(bytes(60000), form, level)) < 16
    z = picture(100, 200, 1)
    gray = len(payload_of(rows(z, PixelFormat(200)), PixelFormat(200), level))
    assert len(payload_of(rows(np.repeat(z, 3, 2), form), form, level)) < gray + 900  # three equal channels
    assert len(payload_of(rows(drawing(100, 200), form), form, level)) < 700
    deep = PixelFormat(200, 1, 16)
    twelve = picture(100, 200, 1, 12)
    assert abs(len(payload_of(rows(twelve << 4, deep), deep, level)) - len(payload_of(rows(twelve, deep), deep, level))) < 64
    assert len(payload_of(rows(z * 257, deep), deep, level)) < gray + 64


@pytest.mark.parametrize("dtype", ["|u1", "|i1", "<u2", ">u2", "<i2", ">i2"])
@pytest.mark.parametrize(
    "shape", [(50, 70), (50, 70, 1), (50, 70, 3), (50, 70, 4), (50, 70, 7), (3, 50, 70), (2, 30, 40, 3), (50, 70, 20), (99,)]
)
def test_arrays(shape: tuple[int, ...], dtype: str) -> None:
    z = np.resize(picture(60, 80, 3, 15).astype(dtype), shape)
    for level in LEVELS:
        back = laconic.decode(laconic.encode(z, kind="image", level=level))
        assert back.dtype == z.dtype
        assert np.array_equal(back, z)


def test_strided_arrays_and_lists() -> None:
    z = picture(90, 110).astype(np.uint8)
    views = [z[::2, ::-1], z[..., ::-1], z.transpose(1, 0, 2), np.asfortranarray(z), z[:, :, :2]]
    assert all(map(np.array_equal, laconic.decode(laconic.encode(views, kind="image")), views))


def test_small_pictures_share_frames() -> None:
    digits = [np.ascontiguousarray(p) for p in picture(28 * 100, 28, 1).astype(np.uint8).reshape(100, 28, 28)]
    together = laconic.encode(digits, kind="image")
    assert all(map(np.array_equal, laconic.decode(together), digits))
    assert len(together) < sum(len(laconic.encode(d, kind="image")) for d in digits) * 0.8


def test_other_arrays_are_refused() -> None:
    for bad in (np.zeros((4, 4), np.float32), np.zeros((4, 4), np.int32), np.uint8(3)[None][:0], b"bytes"):
        with pytest.raises(ValueError, match="does not take"):
            laconic.encode(bad, kind="image")


def test_shapes_to_formats() -> None:
    assert of_array("|u1", (5, 6, 16)) == PixelFormat(6, 16)
    assert of_array("|u1", (5, 6, 17)) == PixelFormat(17)
    assert of_array("|u1", (5, 6, 1)) == PixelFormat(6, 1)
    assert of_array(">u2", (4, 5, 6, 3)) == PixelFormat(6, 3, 16, True)
    assert of_array("|u1", (1, 1 << 25)) is None


def test_rows_read_alone() -> None:
    z = np.tile(picture(300, 400).astype(np.uint8), (12, 4, 1))
    for level in ("fast",):
        blob = laconic.encode({"z": z}, kind="image", level=level)
        with laconic.open(blob) as archive:
            assert np.array_equal(archive.read("z", 3000, 3010), z[3000:3010])
            assert archive.info("z")["kind"] == "image"


def test_jobs_do_not_change_bytes() -> None:
    z = np.tile(picture(300, 400).astype(np.uint8), (12, 4, 1))
    assert len({laconic.encode(z, kind="image", level="fast", jobs=jobs) for jobs in (1, 2, 5)}) == 1


def test_against_a_base() -> None:
    form, z = PixelFormat(200, 3), picture(100, 200)
    base = rows(z, form)
    raw = base[:20000] + bytes(100) + base[20100:]
    payload = codec.encode(memoryview(raw), form.pack(), "fast", memoryview(base))
    assert payload is not None
    assert len(payload) < 500
    out = bytearray(len(raw))
    codec.decode(memoryview(payload), form.pack(), 1, memoryview(out), memoryview(base))
    assert out == raw


@pytest.mark.parametrize("shape", ["photo", "drawing", "shifted", "noise", "few"])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("level", LEVELS)
def test_damage(level: str, bits: int, shape: str) -> None:
    form = PixelFormat(70, 3, bits, padding=2)
    raw = rows(pixels(shape, 60, 70, 3, bits, 1), form)
    payload = payload_of(raw, form, level)
    others = (PixelFormat(70), PixelFormat(70, 3, 24 - bits), PixelFormat(9, 1, 1), PixelFormat(35, 6, bits), PixelFormat(1 << 22, 4))
    damage.check_damage(codec, payload, form.pack(), len(raw), others=[other.pack() for other in others],
                 head=lambda rng: bytes((1 + int(rng.integers(4)),)))  # fmt: skip


@given(st.binary(max_size=12))
def test_parameters(params: bytes) -> None:
    try:
        form = PixelFormat.parse(params)
    except CorruptDataError:
        return
    assert PixelFormat.parse(form.pack()) == form


# What version 1 of the payload is: the hash of what the encoder makes, so that a change of format cannot go unnoticed.
def test_payloads_do_not_change() -> None:
    x, y = np.meshgrid(np.arange(96), np.arange(70))
    z = np.stack([(x * x + 3 * y * k + x * y // 9) // 40 % 256 for k in (1, 2, 3)], axis=2)
    made = [
        hashlib.sha256(payload_of(rows(z * scale, form), form, level)).hexdigest()[:16]
        for level in LEVELS
        for form, scale in ((PixelFormat(96, 3), 1), (PixelFormat(96, 3, 16), 251))
    ]
    assert made == GOLDEN


GOLDEN = ["009854df78a9811e", "1ee6fbe2852a95e7", "305b99acf37e573b", "2b96315f68434f8c"]
