"""decode(encode(x)) has the type, dtype, shape and bits of x."""

from __future__ import annotations

import enum
import io
import pathlib
import struct
from collections import Counter, OrderedDict, defaultdict, namedtuple
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from same import same
from strategies import DTYPES, arrays, bytes_likes, lay_out, nested, objects, scalars

import laconic

LEVELS = ("fast", "default", "high", "max")


def back(obj: Any, **options: Any) -> Any:
    return laconic.decode(laconic.encode(obj, **options))


@given(arrays())
@settings(max_examples=400)
def test_arrays(x: np.ndarray) -> None:
    assert same(back(x), x)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("layout", ["c", "fortran", "reversed", "transposed", "strided", "broadcast", "unaligned"])
def test_every_dtype_in_every_layout(dtype: np.dtype, layout: str) -> None:
    for shape in ((), (0,), (1,), (3, 5), (2, 0, 3)):
        size = int(np.prod(shape, dtype=int)) * dtype.itemsize
        x = np.frombuffer(bytes(k % 2 for k in range(size)), dtype).reshape(shape) if size else np.empty(shape, dtype)
        x = lay_out(x, layout)
        assert same(back(x), x), shape


@given(bytes_likes)
def test_bytes(x: Any) -> None:
    assert same(back(x), x)


@given(scalars)
def test_scalars(x: np.generic) -> None:
    assert same(back(x), x)


@given(nested)
@settings(max_examples=200)
def test_containers(x: Any) -> None:
    assert same(back(x), x)


@given(objects, st.sampled_from(LEVELS), st.sampled_from([1, 2, 5]))
@settings(max_examples=40)
def test_levels_and_jobs(x: Any, level: str, jobs: int) -> None:
    blob = laconic.encode(x, level=level, jobs=jobs)
    assert blob == laconic.encode(x, level=level, jobs=1)
    assert same(laconic.decode(blob, jobs=jobs), x)


@pytest.mark.parametrize("width", [2, 4, 8])
def test_special_floats(width: int) -> None:
    """Every fp16 there is; for the others NaN payloads (quiet and signalling), infinities, -0.0, denormals."""
    if width == 2:
        bits = np.arange(1 << 16, dtype="<u2")
    else:
        top = {4: 0xFF << 23, 8: 0x7FF << 52}[width]
        sign = 1 << (8 * width - 1)
        special = [0, 1, 2, top - 1, top, top + 1, top | top >> 1, top | 0x1234, (1 << 23) - 1]
        bits = np.array([s | v for v in special for s in (0, sign)] * 9, f"<u{width}")
    x = bits.view(f"<f{width}")
    for array in (x, x.view(x.dtype).byteswap().view(x.dtype.newbyteorder(">"))):
        assert same(back(array), array)
        assert same(back({"x": array})["x"], array)


@pytest.mark.parametrize(
    "view",
    [
        memoryview(b""),
        memoryview(b"abc"),
        memoryview(bytearray(24)).cast("d"),
        memoryview(bytearray(24)).cast("i", (2, 3)),
        memoryview(bytearray(6)).cast("b"),
        memoryview(bytearray(6)).cast("c"),
        memoryview(bytearray(4)).cast("?"),
        memoryview(b"abcdef")[::2],
        memoryview(b"abcdef")[::-1],
        memoryview(bytearray(8)).cast("q", ()),
        memoryview(bytearray(24)).cast("h", (2, 3, 2)),
        memoryview(np.arange(6.0)),
        memoryview(np.arange(6).reshape(2, 3)),
        memoryview(np.zeros((2, 0), "f4")),
        memoryview(np.array(3, "u1")),
    ],
    ids=lambda v: f"{v.format}{v.shape}",
)
def test_memoryviews(view: memoryview) -> None:
    assert same(back(view), view)
    assert same(back([view])[0], view)


@pytest.mark.parametrize("key", ["", "/", "~", "~e", "~0", "~1", "~i3", "a/b", "a~b", "//", ".", "..", "\0", "\n", "é", "\udc9f"])
def test_keys(key: str) -> None:
    x = {key: b"1", "z": {key: 2, 7: {key: [None]}}}
    assert same(back(x), x)


def test_integer_keys_are_not_text_keys() -> None:
    x = {7: b"integer", "7": b"text", -1: 0, "~i7": 1, 10**30: 2}
    assert same(back(x), x)


def test_equal_content_keeps_its_own_type() -> None:
    raw = b"0123456789abcdef" * 8
    x = {"a": raw, "b": bytearray(raw), "c": np.frombuffer(raw, "f4"), "d": np.frombuffer(raw, "i8").reshape(4, 4), "e": raw}
    assert same(back(x), x)
    big = {key: np.frombuffer(raw * 10_000, dtype) for key, dtype in (("a", "f4"), ("b", "f8"), ("c", "u1"), ("d", "f4"))}
    assert same(back(big), big)


def test_decoded_arrays_are_writable() -> None:
    for x in (np.arange(5), np.zeros(0), np.array(3), np.arange(100_000)):
        y = back(x)
        assert y.flags.writeable
        assert y.flags.owndata or y.base is not None


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, (1 << 22) + 5])
@pytest.mark.parametrize("level", LEVELS)
def test_sizes_around_the_borders(size: int, level: str) -> None:
    if level in ("high", "max") and size > 1 << 20:
        size >>= 3
    x = (b"0123456789" * (size // 10 + 1))[:size]
    assert back(x, level=level) == x
    y = np.frombuffer(x[: size // 4 * 4], "<f4")
    assert same(back(y, level=level), y)


class Sub(bytes):
    pass


class SubArray(np.ndarray):
    pass


class SubDict(dict):
    pass


class Color(enum.IntEnum):
    RED = 1


@pytest.mark.parametrize(
    "obj",
    [
        None,
        1,
        1.5,
        True,
        "text",
        object(),
        {1.5: b""},
        {(1,): b""},
        {None: b""},
        {True: b""},
        {b"k": b""},
        {"a": object()},
        {"a": {1, 2}},
        Sub(b"x"),
        np.zeros(3).view(SubArray),
        np.matrix([[1]]),
        np.ma.masked_array([1], [True]),
        np.array([object()]),
        np.zeros(2, [("a", "O")]),
        SubDict(a=b""),
        defaultdict(list, a=b""),
        Counter("ab"),
        namedtuple("P", "x")(b""),
        [1 << 63],
        [-(1 << 63) - 1],
        [1 + 2j],
        ["\ud800"],
        ["\udc80" * 999],
        {"p": pathlib.Path("x")},
        [Color.RED],
        {Color.RED: b""},
        np.recarray((2,), [("a", "i4")]),
        [np.str_],
        range(3),
        {"a": b""}.keys(),
        io.BytesIO(b""),
        np.array(["a"], np.dtypes.StringDType()) if hasattr(np.dtypes, "StringDType") else object(),
        memoryview(np.arange(6, dtype=">i4")),
        memoryview(np.zeros(2, [("a", "i4"), ("b", "f8")])),
        memoryview(np.zeros(2, "g")),
    ],
    ids=lambda o: type(o).__name__,
)
def test_refusals(obj: Any) -> None:
    """What would not come back exactly is a TypeError."""
    with pytest.raises(TypeError):
        laconic.encode(obj)


def test_deep_nesting_is_refused_and_never_recurses() -> None:
    deep: Any = b"leaf"
    for _ in range(60):
        deep = [deep]
    assert same(back(deep), deep)
    for _ in range(2000):
        deep = {"k": deep}
    with pytest.raises(ValueError, match="deep"):
        laconic.encode(deep)
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(ValueError, match="deep"):
        laconic.encode(loop)


def test_a_path_is_the_files_content(tmp_path: pathlib.Path) -> None:
    for content in (b"", b"text" * 9, bytes(100_000)):
        path = tmp_path / "file.bin"
        path.write_bytes(content)
        assert back(path) == content
    with pytest.raises(FileNotFoundError):
        laconic.encode(tmp_path / "none")
    with pytest.raises(IsADirectoryError):
        laconic.encode(tmp_path)


def test_options() -> None:
    for level in ("", "ultra", 3, None):
        with pytest.raises((ValueError, TypeError)):
            laconic.encode(b"", level=level)  # type: ignore[arg-type]
    with pytest.raises(laconic.UnsupportedError, match="nope"):
        laconic.encode(b"", kind="nope")
    with pytest.raises(ValueError):
        laconic.encode([b"abc"], jobs=0)
    with pytest.raises(ValueError, match="weights"):
        laconic.encode(b"plain", kind="weights")
    x = np.arange(100.0)
    assert same(back(x, kind="bytes"), x)
    with pytest.raises(laconic.LimitError):
        laconic.decode(laconic.encode(bytes(1000)), max_size=999)
    assert laconic.decode(laconic.encode(bytes(1000)), max_size=1000) == bytes(1000)
    with pytest.raises(laconic.LimitError):
        laconic.decode(laconic.encode([bytes(600), bytes(600)]), max_size=1000)


@pytest.mark.parametrize("blob", [b"", b"x", b"\x8aLAC", b"hello world, this is text", bytes(100), b"\x8aLAC\r\n\x1a\n"])
def test_no_archive(blob: bytes) -> None:
    with pytest.raises(laconic.CorruptDataError):
        laconic.decode(blob)
    with pytest.raises(laconic.CorruptDataError):
        laconic.open(blob)


def test_blobs_of_any_bytes_like_type() -> None:
    x = np.arange(50, dtype=np.int16)
    blob = laconic.encode(x)
    for form in (bytearray(blob), memoryview(blob), np.frombuffer(blob, np.uint8), memoryview(blob + b"x")[:-1]):
        assert same(laconic.decode(form), x)


def test_values_keep_their_bits() -> None:
    nan = struct.unpack("<d", bytes.fromhex("0100000000f4ff7f"))[0]
    x = [nan, -0.0, 5e-324, float("inf"), True, 1, 1.0, "1", None, "", 2**63 - 1, -(2**63)]
    y = back(x)
    assert same(y, x)
    assert [type(v) for v in y] == [type(v) for v in x]


def test_order_of_keys_is_kept() -> None:
    x = {str(k): bytes([k]) for k in (5, 3, 9, 1)} | {"big": bytes(200_000), "a": b""}
    assert list(back(x)) == list(x)
    y = OrderedDict(reversed(list(x.items())))
    assert same(back(y), y)
