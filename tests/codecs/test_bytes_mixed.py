"""The context-mixing method of the bytes codec: exact, the same for every instruction set, safe on damaged streams."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import laconic
from laconic import _core

KNOWN = "9313376c7f4f70dc2701ed9c2c55b60b7f"
TEXT = b"".join(b"%d bottles of beer on the wall, take one down and pass it around.\n" % n for n in range(120, 60, -1))


def decode(stream: bytes, size: int) -> bytes:
    out = bytearray(size)
    _core.decode_mixed(stream, out)
    return bytes(out)


@given(st.binary(max_size=400) | st.text(max_size=300).map(str.encode) | st.binary(min_size=1, max_size=4).map(lambda b: b * 90))
@settings(max_examples=60, deadline=None)
def test_round_trip(data: bytes) -> None:
    assert decode(_core.encode_mixed(data), len(data)) == data


def test_every_instruction_set_gives_the_same_stream() -> None:
    best, streams = _core.active_isa(), set()
    try:
        for isa in ("scalar", "avx2", "avx512")[: ("scalar", "avx2", "avx512").index(_core.best_isa()) + 1]:
            _core.set_isa(isa)
            stream = _core.encode_mixed(TEXT)
            streams.add(stream)
            assert decode(stream, len(TEXT)) == TEXT
    finally:
        _core.set_isa(best)
    assert len(streams) == 1


def test_level_high_beats_zstd_on_text() -> None:
    assert len(laconic.encode(TEXT, level="high")) < 0.7 * len(laconic.encode(TEXT, level="default"))
    assert laconic.decode(laconic.encode(TEXT, level="high")) == TEXT


def test_known_stream() -> None:
    """The model is part of the format: this stream never changes."""
    assert _core.encode_mixed(b"the cat sat on the mat; the cat sat").hex() == KNOWN


@pytest.mark.parametrize("seed", range(20))
def test_damage_is_an_error_or_data(seed: int) -> None:
    rng = random.Random(seed)
    stream = bytearray(_core.encode_mixed(TEXT[:500]))
    for _ in range(3):
        stream[rng.randrange(len(stream))] ^= 1 << rng.randrange(8)
    for cut in (len(stream), rng.randrange(len(stream)), 0):
        try:
            assert len(decode(bytes(stream[:cut]), 500)) == 500
        except laconic.CorruptDataError:
            pass
