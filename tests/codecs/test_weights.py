"""The weights codec: joint symbols, segments, differences; patches between two models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

import laconic
from laconic import _core, weights
from laconic.codecs.weights import codec

FORMATS = {
    "bfloat16": (2, 1),
    "float16": (2, 1),
    "float32": (4, 1),
    "float64": (8, 4),
    "int8": (1, 0),
    "uint16": (2, 0),
    "int32": (4, 0),
    "int64": (8, 0),
}
LEVELS = ("fast", "default")
ISAS = ("scalar", "avx2", "avx512")[: ("scalar", "avx2", "avx512").index(_core.best_isa()) + 1]


@pytest.fixture(params=["scalar", "avx2", "avx512"])
def isa(request: pytest.FixtureRequest) -> Any:
    before = _core.active_isa()
    if request.param not in ISAS:
        pytest.skip("this machine lacks it")
    _core.set_isa(request.param)
    yield request.param
    _core.set_isa(before)


def dtype_of(name: str) -> np.dtype[Any]:
    return np.dtype(getattr(ml_dtypes, name) if name == "bfloat16" else name)


def raw(array: np.ndarray[Any, Any]) -> memoryview:
    return memoryview(np.ascontiguousarray(array).reshape(-1).view(np.uint8))


def model(n: int, seed: int = 0) -> np.ndarray[Any, Any]:
    """Three tensors of different scale, some zeros, one outlier."""
    rng = np.random.default_rng(seed)
    x = (rng.standard_normal(n) * np.repeat([0.02, 0.3, 1e-4], -(-n // 3))[:n]).astype(np.float32)
    x[rng.integers(0, n, n // 50)] = 0
    x[n // 2] = 1e30
    return x


def cases() -> dict[str, np.ndarray[Any, Any]]:
    x = model(70_000)
    found: dict[str, np.ndarray[Any, Any]] = {}
    for name in FORMATS:
        dtype = dtype_of(name)
        with np.errstate(over="ignore"):  # 1e30 is infinite in the small formats
            found[name] = (np.nan_to_num(x * 300, posinf=0).clip(-100, 100) if dtype.kind in "iu" else x).astype(dtype)
    patterns = np.arange(1 << 16, dtype=np.uint32)
    found["all bf16"] = np.tile(patterns.astype(np.uint16), 2).view(ml_dtypes.bfloat16)
    found["fp32 of bf16"] = x.astype(ml_dtypes.bfloat16).astype(np.float32)
    found["palette"] = np.random.default_rng(1).choice(x[:11], 70_000).astype(ml_dtypes.bfloat16)
    found["zeros"] = np.zeros(70_000, np.float32)
    found["noise"] = np.random.default_rng(2).integers(0, 1 << 32, 70_000, dtype=np.uint32).view(np.float32)
    found["short"] = x[:17].astype(ml_dtypes.bfloat16)
    found["big-endian"] = x.astype(">f4")
    return found


CASES = cases()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", CASES)
def test_every_isa_writes_and_reads_the_same(name: str, level: str) -> None:
    x = CASES[name]
    params = codec.params("bfloat16" if x.dtype == ml_dtypes.bfloat16 else x.dtype.str, x.itemsize)
    assert params is not None
    before = _core.active_isa()
    payloads = set()
    try:
        for which in ISAS:
            _core.set_isa(which)
            for cut in (0, 1):  # an input that ends inside an element
                data = raw(x)[: len(raw(x)) - cut]
                payload = codec.encode(data, params, level, None)
                assert payload is not None
                payloads.add((cut, bytes(payload)))
                out = bytearray(len(data))
                codec.decode(memoryview(payload), params, codec.version, memoryview(out), None)
                assert out == data
                assert_delivered(memoryview(payload), params, data)
                assert codec.info(memoryview(payload), params, codec.version, len(data))["method"]
    finally:
        _core.set_isa(before)
    assert len(payloads) == 2


def assert_delivered(payload: memoryview, params: bytes, data: memoryview) -> None:
    """Decoding that hashes on its way gives the same bytes at any alignment, and the hashes of the library."""
    if len(data) <= 240:
        return
    for past_caches in (False, True):
        for start in (0, 3):
            out, whole = bytearray(start + len(data)), _core.Xxh3()
            whole.update(b"before")
            check = codec.deliver(payload, params, codec.version, memoryview(out)[start:], None, [whole], past_caches)
            assert out[start:] == data
            assert check == xxhash.xxh3_64_intdigest(data)
            assert whole.digest() == xxhash.xxh3_128_digest(b"before" + bytes(data))


@pytest.mark.parametrize("name", FORMATS)
def test_differences(name: str, isa: str) -> None:
    width, rotate = FORMATS[name]
    x = CASES[name]
    rng = np.random.default_rng(3)
    for change in (0.0, 1e-6, 1e-3, 1.0):
        y = x.copy()
        at = rng.random(len(y)) < (0.02 if change == 1e-3 else 1.0)
        if x.dtype.kind in "iu":
            y[at] += np.array(rng.integers(0, 3, at.sum()) if change else 0).astype(x.dtype)
        else:
            y[at] = (y[at].astype(np.float64) * (1 + change * rng.standard_normal(at.sum()))).astype(x.dtype)
        for size in (len(raw(x)), 1000 * width, width, width - 1, 0):
            new, old = raw(y)[:size], raw(x)[:size]
            payload = _core.encode_delta(new, old, width, rotate, False)
            out = bytearray(size)
            _core.decode_delta(payload, old, out, width, rotate, False)
            assert out == new
            in_place = bytearray(old)
            _core.decode_delta(payload, in_place, in_place, width, rotate, False)
            assert in_place == new
            if change == 0:
                assert len(payload) <= 1 + size % width
    contexts = rng.integers(0, 256, len(x), dtype=np.uint8)
    payload = _core.encode_delta(raw(y), raw(x), width, rotate, False, contexts)
    out = bytearray(len(raw(y)))
    _core.decode_delta(payload, raw(x), out, width, rotate, False, contexts)
    assert out == raw(y)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_differences_of_anything(data: st.DataObject) -> None:
    width, rotate = data.draw(st.sampled_from([(1, 0), (2, 0), (2, 1), (4, 1), (8, 0), (8, 4)]))
    new = data.draw(st.binary(max_size=300))
    old = data.draw(st.binary(min_size=len(new), max_size=len(new)))
    big = data.draw(st.booleans())
    payload = _core.encode_delta(new, old, width, rotate, big)
    out = bytearray(len(new))
    _core.decode_delta(payload, old, out, width, rotate, big)
    assert out == new


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=2000), st.sampled_from(["bfloat16", "<f2", "<f4", "<f8", "|u1", "<i8", ">f4"]), st.sampled_from(LEVELS))
def test_anything(data: bytes, dtype: str, level: str) -> None:
    params = codec.params(dtype, 1)
    assert params is not None
    payload = codec.encode(memoryview(data), params, level, None)
    out = bytearray(len(data))
    assert payload is not None
    codec.decode(memoryview(payload), params, codec.version, memoryview(out), None)
    assert out == data


def damaged(payload: bytes, seed: int) -> list[bytes]:
    rng = np.random.default_rng(seed)
    found = [payload[: int(n)] for n in rng.integers(0, len(payload), 12)] + [b"", payload + b"\0"]
    for _ in range(60):
        flipped = bytearray(payload)
        at = int(rng.integers(0, min(len(payload), 400)) if rng.random() < 0.7 else rng.integers(0, len(payload)))
        flipped[at] ^= 1 << int(rng.integers(0, 8))
        found.append(bytes(flipped))
    for size in (0, 1, 255, 0xFFFFFF):
        found.append(payload[:1] + size.to_bytes(3, "little") + payload[4:])
        found.append(payload[:3] + size.to_bytes(3, "little") + payload[6:])
    return found


@pytest.mark.parametrize("name", ["bfloat16", "float32", "int8", "palette"])
def test_damage_is_an_error_or_data(name: str, isa: str) -> None:
    x = CASES[name]
    params = codec.params("bfloat16" if x.dtype == ml_dtypes.bfloat16 else x.dtype.str, x.itemsize)
    assert params is not None
    for level in LEVELS:
        payload = codec.encode(raw(x), params, level, None)
        assert payload is not None
        for bad in damaged(bytes(payload), 4):
            try:
                codec.decode(memoryview(bad), params, codec.version, memoryview(bytearray(len(raw(x)))), None)
            except laconic.CorruptDataError:
                pass


@pytest.mark.parametrize("name", ["bfloat16", "float32", "int64"])
def test_damaged_differences_are_an_error_or_data(name: str, isa: str) -> None:
    width, rotate = FORMATS[name]
    x = CASES[name]
    for step in (1, 97):  # all changed, or few
        y = x.copy()
        y[::step] += np.array(1).astype(x.dtype)
        payload = _core.encode_delta(raw(y), raw(x), width, rotate, False)
        for bad in damaged(payload, 5):
            try:
                _core.decode_delta(bad, raw(x), bytearray(len(raw(x))), width, rotate, False)
            except laconic.CorruptDataError:
                pass


def test_a_base_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError):
        _core.encode_delta(b"12345678", b"1234", 4, 1, False)
    with pytest.raises(ValueError):
        _core.decode_delta(b"\0", b"1234", bytearray(8), 4, 1, False)


# ---------------------------------------------------------------------- patches


def state(seed: int, step: float = 0.0) -> dict[str, np.ndarray[Any, Any]]:
    rng = np.random.default_rng(seed)
    found: dict[str, np.ndarray[Any, Any]] = {}
    for k in range(5):
        x = rng.standard_normal((60 + k, 50)).astype(np.float32) * 0.02
        found[f"layer{k}.weight"] = (x + step * rng.standard_normal(x.shape)).astype(ml_dtypes.bfloat16)
        found[f"layer{k}.bias"] = (x[0] + step).astype(np.float32)
    found["steps"] = np.array(7 + (step > 0))
    found["nothing"] = np.zeros((0, 3), np.float16)
    return found


def test_patch_of_a_dict() -> None:
    old, new = state(0), state(0, 1e-5)
    patch = weights.diff(old, new)
    assert patch == weights.diff(old, new, jobs=3)
    assert len(patch) < 0.4 * sum(x.nbytes for x in new.values())
    weights.apply(old, patch, jobs=2)
    assert all(old[name].tobytes() == new[name].tobytes() for name in new)
    same = weights.diff(old, new)
    assert len(same) < 1500
    weights.apply(old, same)


def test_patch_of_the_wrong_weights() -> None:
    old, new = state(0), state(0, 1e-5)
    patch = weights.diff(old, new)
    other = state(1)
    before = {name: x.copy() for name, x in other.items()}
    with pytest.raises(laconic.MissingBaseError, match="not those that the patch was made for"):
        weights.apply(other, patch)
    assert all(other[name].tobytes() == before[name].tobytes() for name in before)
    del other["layer3.bias"]
    with pytest.raises(ValueError, match=r"layer3\.bias"):
        weights.apply(other, patch)
    with pytest.raises(ValueError, match=r"layer3\.bias"):
        weights.diff(other, new)
    with pytest.raises(TypeError, match="text"):
        weights.diff({"text": "x"}, {"text": "y"})
    old["steps"].flags.writeable = False
    with pytest.raises(ValueError, match="steps"):
        weights.apply(old, patch)
    with pytest.raises(laconic.CorruptDataError):
        weights.apply(state(0), laconic.encode(b"no patch"))


def test_damaged_patch() -> None:
    old, new = state(0), state(0, 1e-5)
    patch = weights.diff(old, new)
    for at in range(20, len(patch), max(1, len(patch) // 80)):
        bad = bytearray(patch)
        bad[at] ^= 16
        victim = state(0)
        try:
            weights.apply(victim, bytes(bad))
        except (laconic.CorruptDataError, laconic.UnsupportedError, ValueError):
            continue
        assert all(victim[name].tobytes() == new[name].tobytes() for name in new)


def test_patch_of_torch_tensors() -> None:
    torch = pytest.importorskip("torch")
    old = {"w": torch.randn(300, 20).bfloat16(), "b": torch.randn(9)}
    new = {name: x + 1e-4 for name, x in old.items()}
    weights.apply(old, weights.diff(old, new))
    assert all(torch.equal(old[name], new[name]) for name in new)


def test_patch_of_files(tmp_path: Path) -> None:
    def save(path: Path, step: float) -> bytes:
        x = (model(50_000) * np.float32(1 + step)).astype(np.float32)
        header = json.dumps({"w": {"dtype": "F32", "shape": [50_000], "data_offsets": [0, 200_000]}}).encode()
        path.write_bytes(len(header).to_bytes(8, "little") + header + x.tobytes())
        return path.read_bytes()

    old, new = tmp_path / "old.safetensors", tmp_path / "new.safetensors"
    before, after = save(old, 0), save(new, 1e-6)
    patch = weights.diff(old, new)
    assert len(patch) < len(after) / 5
    weights.apply(old, patch)
    assert old.read_bytes() == after
    save(old, 1e-3)
    with pytest.raises(laconic.MissingBaseError):
        weights.apply(old, patch)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.safetensors", "old.safetensors"]
    assert before != after


# ---------------------------------------------------------------------- structure


def structured() -> dict[str, tuple[np.ndarray[Any, Any], str, float]]:
    """Arrays with a structure, the method that finds it, and bits an element that it may take."""
    rng = np.random.default_rng(7)
    n = 60_000
    normal = rng.standard_normal(n).astype(np.float32) * np.float32(0.02)
    pruned = np.where(rng.random(n) < 0.6, 0, normal).astype(np.float32)
    keep = rng.permuted(np.tile([True, True, False, False], (n // 4, 1)), axis=1).reshape(-1)
    rows = np.where((rng.random(n // 500) < 0.5)[:, None], 0, normal.reshape(-1, 500)).astype(np.float32)
    columns = np.where(rng.random(200) < 0.7, 0, normal.reshape(-1, 200)).astype(np.float32)
    steps = (np.round(normal / np.float32(0.0004)) * np.float32(0.0004)).astype(np.float32)
    codebook = normal[:3000]
    small = (rng.standard_normal(n) * 20).astype(np.int64)
    bf16 = ml_dtypes.bfloat16
    return {
        "pruned bf16": (pruned.astype(bf16), "sparse joint", 0.971 + 0.4 * 10.7),
        "pruned fp32": (pruned, "sparse joint", 0.971 + 0.4 * 26.8),
        "2 of 4, bf16": (np.where(keep, normal, 0).astype(bf16), "sparse joint", 0.66 + 0.5 * 10.7),
        "empty rows, fp16": (rows.astype(np.float16), "sparse joint", 0.05 + 0.52 * 14),
        "empty columns, fp64": (columns.astype(np.float64), "sparse joint", 0.05 + 0.35 * 29),
        "bool, 2 of 4": (keep, "sparse joint", 0.67),
        "int8 as fp32": (steps, "palette", 8.0),
        "int8 as fp16": (steps.astype(np.float16), "palette", 8.0),
        "int8 as bf16, pruned": (np.where(keep, steps, 0).astype(bf16), "", 5.3),
        "codebook of 3,000, fp32": (rng.choice(codebook, n), "palette", 13.5),
        "codebook of 3,000, big-endian fp64": (rng.choice(codebook, n).astype(">f8"), "palette", 14),
        "fp32 of bf16": (normal.astype(bf16).astype(np.float32), "joint", 10.8),
        "fp32 of fp16": (normal.astype(np.float16).astype(np.float32), "joint", 13.9),
        "small int64": (small, "joint", 6.55),
        "small int16, big-endian": (small.astype(">i2"), "", 6.55),
        "positions": (np.arange(n), "joint", 0.02),
        "offsets": (np.cumsum(rng.integers(0, 50, n)).astype(np.int32), "joint", 6.8),
        "labels": (rng.choice(np.array([7, 1 << 40, -3]), n), "palette", 1.7),
        "one value": (np.full(n, -0.0, np.float32), "joint", 0.01),
        "complex": ((pruned[: n // 2] + 1j * pruned[n // 2 :]).astype(np.complex64), "sparse joint", 2 * (0.971 + 0.4 * 26.8)),
    }


STRUCTURED = structured()


@pytest.mark.parametrize("name", STRUCTURED)
def test_structure_is_found(name: str, isa: str) -> None:
    x, method, most = STRUCTURED[name]
    dtype = "bfloat16" if x.dtype == ml_dtypes.bfloat16 else x.dtype.str
    params = codec.params(dtype, x.itemsize)
    assert params is not None
    for cut in (0, x.itemsize - 1):  # an input that ends inside an element
        data = raw(x)[: len(raw(x)) - cut]
        payload = bytes(_core.encode_elements(data, *_format(params), effort=1))
        out = bytearray(len(data))
        codec.decode(memoryview(payload), params, codec.version, memoryview(out), None)
        assert out == data
    assert codec.info(memoryview(payload), params, codec.version, len(data))["method"].startswith(method)
    assert 8 * len(payload) / x.size <= most


def _format(params: bytes) -> tuple[int, int, bool]:
    return 1 << (params[0] & 3), params[0] >> 2 & 31, bool(params[0] >> 7)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_structure_of_anything(data: st.DataObject) -> None:
    width, rotate = data.draw(st.sampled_from([(1, 0), (2, 0), (2, 1), (4, 1), (8, 0), (8, 4)]))
    big = data.draw(st.booleans()) and width > 1
    values = data.draw(st.lists(st.binary(min_size=width, max_size=width), min_size=1, max_size=6))
    seed, n = data.draw(st.integers(0, 99)), data.draw(st.integers(0, 3000))
    rng = np.random.default_rng(seed)
    weights_ = data.draw(st.sampled_from([1, 10, 1000]))
    chosen = rng.choice(len(values), n, p=np.array([weights_] + [1] * (len(values) - 1)) / (weights_ + len(values) - 1))
    raw_ = b"".join(values[k] for k in chosen) + data.draw(st.binary(max_size=width - 1))
    payload = _core.encode_elements(raw_, width, rotate, big, data.draw(st.integers(0, 2)))
    out = bytearray(len(raw_))
    _core.decode_elements(payload, out, width, rotate, big)
    assert out == raw_


@pytest.mark.parametrize("name", ["2 of 4, bf16", "empty columns, fp64", "codebook of 3,000, fp32", "int8 as fp16", "offsets", "labels"])
def test_damaged_structure_is_an_error_or_data(name: str, isa: str) -> None:
    x, _, _ = STRUCTURED[name]
    params = codec.params("bfloat16" if x.dtype == ml_dtypes.bfloat16 else x.dtype.str, x.itemsize)
    assert params is not None
    payload = bytes(_core.encode_elements(raw(x), *_format(params), effort=1))
    for bad in damaged(payload, 6):
        for method in (bad[:1], b"\3", b"\5", b"\6"):
            try:
                codec.decode(memoryview(method + bad[1:]), params, codec.version, memoryview(bytearray(len(raw(x)))), None)
                codec.info(memoryview(method + bad[1:]), params, codec.version, len(raw(x)))
            except laconic.CorruptDataError:
                pass


def mixable() -> dict[str, np.ndarray[Any, Any]]:
    """Arrays whose rows and columns differ in scale."""
    rng = np.random.default_rng(8)
    x = rng.standard_normal((50, 120)) * np.exp(rng.standard_normal((50, 1)) + rng.standard_normal((1, 120)))
    x[rng.random(x.shape) < 0.01] = 0
    return {
        "bfloat16": x.astype(ml_dtypes.bfloat16),
        "float16": (np.round(x * 64) / 64).astype(np.float16),
        "float32": x.astype(np.float32),
        "big-endian float64": x.astype(np.float32).astype(">f8"),
        "float8_e4m3fn": (x * 8).clip(-400, 400).astype(ml_dtypes.float8_e4m3fn),
        "float8_e5m2": x.astype(ml_dtypes.float8_e5m2),
        "uint8": (x * 9 + 128).clip(0, 255).astype(np.uint8),
        "int8": (x * 9).clip(-128, 127).astype(np.int8),
    }


MIXABLE = mixable()


@pytest.mark.parametrize("name", MIXABLE)
def test_mixing(name: str) -> None:
    x = MIXABLE[name]
    params = codec.params(x.dtype.str if x.dtype.kind != "V" and x.dtype.isnative is False else x.dtype.name, x.itemsize)
    params = params or codec.params(x.dtype.str, x.itemsize)
    assert params is not None
    before = _core.active_isa()
    payloads = set()
    try:
        for which in ISAS:
            _core.set_isa(which)
            for cut in (0, x.itemsize - 1):
                data = raw(x)[: len(raw(x)) - cut]
                payload = bytes(_core.encode_elements(data, *_format(params), effort=2))
                assert payload[0] == 7
                assert len(payload) < len(_core.encode_elements(data, *_format(params), effort=1))
                payloads.add((cut, payload))
                out = bytearray(len(data))
                codec.decode(memoryview(payload), params, codec.version, memoryview(out), None)
                assert out == data
                assert codec.info(memoryview(payload), params, codec.version, len(data))["method"] == "mixed D"
    finally:
        _core.set_isa(before)
    assert len(payloads) == len({0, x.itemsize - 1})


@pytest.mark.parametrize("name", ["bfloat16", "float16", "uint8"])
def test_damage_to_mixed_elements_is_an_error_or_data(name: str) -> None:
    x = MIXABLE[name]
    form = (x.itemsize, int(x.itemsize > 1), False)
    payload = bytes(_core.encode_elements(raw(x), *form, effort=2))
    crafted = [payload[:1] + bytes((value,)) + payload[2:] for value in (0, 1, 2, 3, 255)]
    crafted += [payload[:at] + bytes((value,)) + payload[at + 1 :] for at in range(2, 16) for value in (0, 7, 8, 128, 255)]
    crafted += [payload[:9] + bytes(32) + payload[41:], payload[:7] + b"\xff\xff\xff\xff\x0f" + payload[9:]]
    for bad in damaged(payload, 9) + crafted:
        try:
            _core.decode_elements(bad, bytearray(x.nbytes), *form)
        except laconic.CorruptDataError:
            pass


def test_crafted_structure_is_refused() -> None:
    def decode(payload: bytes, size: int, width: int = 2) -> bytearray:
        out = bytearray(size)
        _core.decode_elements(payload, out, width, 0, False)
        return out

    constant = b"\2\0\0\1"  # an entropy block of equal symbols, after its size: its second byte is the symbol
    zeros = constant + b"\0"
    assert decode(b"\5" + b"ab" + b"\0" + b"\2\0\0\1\0", 16) == b"ab" * 8
    for bad in (
        b"\5" + b"ab" + b"\1" + zeros,  # no bitmap byte lies so far back
        b"\5" + b"ab" + b"\0" + zeros + b"\3",  # elements that the bitmap does not have
        b"\5" + b"ab" + b"\0" + constant + b"\xff",  # elements that the payload does not have
        b"\5" + b"ab" + b"\0" + constant + b"\xff" + b"\5" + b"ab" + b"\0" + zeros,  # sparse in sparse
        b"\6\0",
        b"\6\x09" + zeros,  # more values than elements
        b"\6\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"",
        b"\7",
        b"\x08",
    ):
        with pytest.raises(laconic.CorruptDataError):
            decode(bad, 16)
    with pytest.raises(laconic.CorruptDataError):
        decode(b"\5" + b"ab" + b"\0" + constant + b"\x80", 14)  # a bit past the last element
    with pytest.raises(laconic.CorruptDataError):
        decode(b"\6\1" + zeros * 2, 16, width=1)
