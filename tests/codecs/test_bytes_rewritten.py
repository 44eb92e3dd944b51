"""Rewritings of the bytes codec: exact for every block and code, chosen where they pay, safe on damaged payloads."""

from __future__ import annotations

import random
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import laconic
from laconic import _core
from laconic.codecs.bytes import codec

CODES = (
    [(1, 0)] + [(calls | width << 1, stride) for calls in (0, 1) for width in (0, 1, 2, 4) for stride in (4, 12, 252)] + [(2, 1), (1, 255)]
)


def calls(functions: int = 40, count: int = 3000) -> bytes:
    """Code of a sort: calls of a few functions among other instructions."""
    rng, out = random.Random(2), bytearray()
    targets = [rng.randrange(1 << 16) for _ in range(functions)]
    for _ in range(count):
        out += rng.choice([b"\x48\x89\xe5", b"\x48\x8b\x45\xf8", b"\x5d\xc3", b"\x31\xc0"])
        out += b"\xe8" + struct.pack("<i", rng.choice(targets) - len(out) - 5)
    return bytes(out)


NUMBERS = {
    "counter": (np.arange(9000, dtype="<i4") * 3, 0.15),
    "times": (np.cumsum(np.arange(6000) * 37 % 1000).astype("<i8"), 0.6),
    "records": (np.array([(i, i * i % 97, i % 7 / 8, i // 3) for i in range(2000)], dtype="<i4,<i2,<f8,<i8"), 0.6),
}


@given(st.binary(max_size=900) | st.lists(st.sampled_from([b"\xe8", b"\xe9", b"\x00", b"\xff", b"\x12\x34"]), max_size=300).map(b"".join))
@settings(max_examples=60, deadline=None)
def test_every_rewriting_is_undone(data: bytes) -> None:
    for code in CODES:
        made = bytearray(data)
        _core.rewrite(bytes(code), made)
        _core.restore_rewritten(bytes(code), made)
        assert made == data


def test_calls_become_targets() -> None:
    data = bytearray(b"\x90\xe8\x05\x00\x00\x00" + b"\xe9\xf0\xff\xff\xff" + b"\xe8\x01\x02\x03\x04" + b"\xe8\xe8\x00")
    _core.rewrite(b"\1\0", data)
    assert data.hex(" ") == "90 e8 0b 00 00 00 e9 fb ff ff ff e8 01 02 03 04 e8 e8 00"


def test_columns_of_differences() -> None:
    data = bytearray(struct.pack("<4h", 100, 98, 101, -32768) + b"x")
    _core.rewrite(bytes((2 << 1, 2)), data)
    assert data == bytes((100, 3, 6, 0x36, 0, 0, 0, 0xFF)) + b"x"


@pytest.mark.parametrize("level", ["default", "high"])
@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_are_found(name: str, level: str) -> None:
    values, share = NUMBERS[name]
    data = values.tobytes()
    coder = _core.encode_sorted if level == "default" else _core.mixed_coder().encode
    payload = codec.encode(memoryview(data), b"", level, None)
    assert payload is not None
    assert codec.info(memoryview(payload), b"", 1, len(data))["method"] == "rewritten"
    assert len(payload) < share * len(coder(data))
    assert laconic.decode(laconic.encode(data, level=level)) == data


def test_calls_are_found() -> None:
    data = calls()
    assert _core.choose_rewriting(data) == b"\1\0"
    rewritten = bytearray(data)
    _core.rewrite(b"\1\0", rewritten)
    assert len(_core.encode_sorted(rewritten)) < 0.7 * len(_core.encode_sorted(data))


def test_other_data_stays_as_it_is() -> None:
    rng = random.Random(1)
    table = b"".join(b"%d,%d,name %d\n" % (n, n * 7, n % 5) for n in range(900))
    for data in (table, rng.randbytes(20000), bytes(rng.choice(b"\x00\xff\xe8") for _ in range(20000)), b"\0" * 9000, b"", b"\xe8" * 5000):
        assert _core.choose_rewriting(data) is None


@pytest.mark.parametrize("code", [(0, 0), (2, 0), (3, 0), (6, 3), (6, 6), (4, 3), (8, 6), (10, 5), (16, 8), (255, 255)])
def test_codes_that_do_not_exist(code: tuple[int, int]) -> None:
    payload = bytes((6, *code)) + bytes((1,)) + _core.encode_sorted(b"xxxx")
    with pytest.raises(laconic.CorruptDataError):
        _core.restore_rewritten(bytes(code), bytearray(8))
    with pytest.raises(laconic.CorruptDataError):
        codec.decode(memoryview(payload), b"", 1, memoryview(bytearray(4)), None)


def test_rewritings_do_not_nest_and_do_not_end_early() -> None:
    inner = b"\3" + _core.encode_sorted(bytes(4096))
    good = b"\6\1\0" + inner
    out = memoryview(bytearray(4096))
    codec.decode(memoryview(good), b"", 1, out, None)
    for bad in (b"\6\1\0" + good, b"\6", b"\6\1", b"\6\1\0"):
        with pytest.raises(laconic.CorruptDataError):
            codec.decode(memoryview(bad), b"", 1, out, None)


@pytest.mark.parametrize("level", ["high", "max"])
def test_repeats_are_taken_out(level: str) -> None:
    unit = random.Random(4).randbytes(700).hex().encode()
    data = b"".join(unit + b"%d\n" % n for n in range(60))
    payload = codec.encode(memoryview(data), b"", level, None)
    assert payload is not None
    assert codec.info(memoryview(payload), b"", 1, len(data))["method"] == "repeats"
    assert laconic.decode(laconic.encode(data, level=level)) == data
    out = memoryview(bytearray(len(data)))
    size = int.from_bytes(payload[2:5], "little")
    for bad in (
        payload[:1] + b"\x17" + payload[2:],
        payload[:2] + (size + 1).to_bytes(3, "little") + payload[5:],
        payload[:2] + len(data).to_bytes(3, "little") + payload[5:],
        payload[:2] + b"\0\0\0" + payload[5:],
        payload[:5] + payload,
        *(payload[:n] for n in range(1, 8)),
        payload[:-1],
    ):
        with pytest.raises(laconic.CorruptDataError):
            codec.decode(memoryview(bad), b"", 1, out, None)


@pytest.mark.parametrize("level", ["fast", pytest.param("default", marks=pytest.mark.large), "high", "max"])
def test_every_number_of_jobs_gives_the_same_archive(level: str) -> None:
    """The last size that is one frame, and two; repeats make them quick."""
    unit = random.Random(6).randbytes(3000).hex().encode()
    data = unit * ((15 << 20) // len(unit)) + unit[:77]
    whole = laconic.encode(data[: (15 << 20) - 1], kind="bytes", level=level)
    assert laconic.decode(whole) == data[: (15 << 20) - 1]
    data += unit * 99
    one = laconic.encode(data, kind="bytes", level=level, jobs=1)
    assert laconic.encode(data, kind="bytes", level=level, jobs=3) == one
    assert laconic.decode(one, jobs=3) == data
