"""The context-mixing methods of the bytes codec: exact, the same for every instruction set, safe on damaged streams."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import laconic
from laconic import _core

TEXT = b"".join(b"%d bottles of beer on the wall, take one down and pass it around.\n" % n for n in range(120, 60, -1))
PAGES = b'<doc><title>A&amp;B</title><p a=\'1\'/>[{"k": [1, 2, 3]}, {"k": []}]\n' * 20 + bytes(range(256)) * 3 + b"]]}}</x>" * 5


class Model(NamedTuple):
    encode: Callable[[bytes], bytes]
    fill: Callable[[bytes, bytearray], None]
    known: str
    level: str

    def decode(self, stream: bytes, size: int) -> bytes:
        out = bytearray(size)
        self.fill(stream, out)
        return bytes(out)


MODELS = {
    "mixed": Model(_core.encode_mixed, _core.decode_mixed, "8c1949cdbef44765acb1149238dd5cb54fbd", "high"),
    "wide": Model(_core.encode_wide, _core.decode_wide, "8c96079061706788e5529ee7c56626d23b79", "max"),
}
every_model = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)


@every_model
@given(data=st.binary(max_size=400) | st.text(max_size=300).map(str.encode) | st.binary(min_size=1, max_size=4).map(lambda b: b * 90))
@settings(max_examples=40, deadline=None)
def test_round_trip(model: Model, data: bytes) -> None:
    assert model.decode(model.encode(data), len(data)) == data


@every_model
@pytest.mark.parametrize("data", [TEXT, PAGES, bytes(3000), random.Random(5).randbytes(3000)], ids=["text", "pages", "zeros", "noise"])
def test_every_instruction_set_gives_the_same_stream(model: Model, data: bytes) -> None:
    best, streams = _core.active_isa(), set()
    try:
        for isa in ("scalar", "avx2", "avx512")[: ("scalar", "avx2", "avx512").index(_core.best_isa()) + 1]:
            _core.set_isa(isa)
            stream = model.encode(data)
            streams.add(stream)
            assert model.decode(stream, len(data)) == data
    finally:
        _core.set_isa(best)
    assert len(streams) == 1


@every_model
def test_its_level_beats_zstd_on_text(model: Model) -> None:
    stream = laconic.encode(TEXT, level=model.level)
    assert len(stream) < 0.8 * len(laconic.encode(TEXT, level="fast"))
    assert laconic.decode(stream) == TEXT


@every_model
def test_predictable_input_costs_next_to_nothing(model: Model) -> None:
    """A sure bit costs less than 1/1000 of a bit once the model has settled."""
    assert len(model.encode(bytes(400_000))) < 300


@every_model
def test_known_stream(model: Model) -> None:
    """The model is part of the format: this stream never changes."""
    assert model.encode(b"the cat sat on the mat; the cat sat").hex() == model.known


@every_model
@pytest.mark.parametrize("seed", range(12))
def test_damage_is_an_error_or_data(model: Model, seed: int) -> None:
    rng = random.Random(seed)
    stream = bytearray(model.encode(PAGES[:600]))
    for _ in range(3):
        stream[rng.randrange(len(stream))] ^= 1 << rng.randrange(8)
    for cut in (len(stream), rng.randrange(len(stream)), 0):
        try:
            assert len(model.decode(bytes(stream[:cut]), 600)) == 600
        except laconic.CorruptDataError:
            pass


@every_model
def test_a_size_that_the_stream_does_not_hold(model: Model) -> None:
    stream = model.encode(TEXT)
    for size in (0, 1, len(TEXT) // 2, 2 * len(TEXT), 1 << 20):
        with pytest.raises(laconic.CorruptDataError):
            model.decode(stream, size)
