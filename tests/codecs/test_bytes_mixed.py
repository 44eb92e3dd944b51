"""The context-mixing methods of the bytes codec: exact, the same for every instruction set, safe on damaged streams."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from typing import NamedTuple

import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

import laconic
from laconic import _core
from laconic.codecs.bytes import codec, primer

TEXT = b"".join(b"%d bottles of beer on the wall, take one down and pass it around.\n" % n for n in range(120, 60, -1))
PAGES = b'<doc><title>A&amp;B</title><p a=\'1\'/>[{"k": [1, 2, 3]}, {"k": []}]\n' * 20 + bytes(range(256)) * 3 + b"]]}}</x>" * 5


PRIMER = TEXT[:700]
TEXTS = {0: "2d06800538d394c2", 1: "efb1982cd9008c2e", 2: "0d1459dc49c0b964"}


class Model(NamedTuple):
    plain: _core.ByteCoder
    primed: _core.ByteCoder
    binary: _core.ByteCoder
    known: str
    level: str


MODELS = {
    "mixed": Model(
        _core.mixed_coder(), _core.mixed_coder(PRIMER), _core.mixed_coder(binary=True), "0c8c6ab516ade99383309a67531906427708", "high"
    ),
    "wide": Model(
        _core.wide_coder(), _core.wide_coder(PRIMER), _core.wide_coder(binary=True), "0c8c31faccfde2689c1d3f7aa340307219619941", "max"
    ),
}
every_model = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)


def decode(coder: _core.ByteCoder, stream: bytes, size: int) -> bytes:
    out = bytearray(size)
    coder.decode(stream, out)
    return bytes(out)


@every_model
@given(data=st.binary(max_size=400) | st.text(max_size=300).map(str.encode) | st.binary(min_size=1, max_size=4).map(lambda b: b * 90))
@settings(max_examples=15, deadline=None)
def test_round_trip(model: Model, data: bytes) -> None:
    for coder in (model.plain, model.primed, model.binary):
        assert decode(coder, coder.encode(data), len(data)) == data


@every_model
@pytest.mark.parametrize("data", [TEXT, PAGES, bytes(3000), random.Random(5).randbytes(3000)], ids=["text", "pages", "zeros", "noise"])
def test_every_instruction_set_gives_the_same_stream(model: Model, data: bytes) -> None:
    best, streams, primed, binary = _core.active_isa(), set(), set(), set()
    try:
        for isa in ("scalar", "avx2", "avx512")[: ("scalar", "avx2", "avx512").index(_core.best_isa()) + 1]:
            _core.set_isa(isa)
            streams.add(model.plain.encode(data))
            binary.add(model.binary.encode(data))
            primed.add(model.primed.encode(data))
        assert len(streams) == len(primed) == len(binary) == 1
        _core.set_isa("scalar")
        for coder, stream in ((model.plain, *streams), (model.primed, *primed), (model.binary, *binary)):
            assert decode(coder, stream, len(data)) == data
    finally:
        _core.set_isa(best)


@every_model
def test_its_level_beats_zstd_on_text(model: Model) -> None:
    stream = laconic.encode(TEXT, level=model.level)
    assert len(stream) < 0.8 * len(laconic.encode(TEXT, level="fast"))
    assert laconic.decode(stream) == TEXT


@every_model
def test_predictable_input_costs_next_to_nothing(model: Model) -> None:
    """A sure bit costs less than 1/1000 of a bit once the model has settled."""
    assert len(model.plain.encode(bytes(100_000))) < 100


@every_model
def test_known_stream(model: Model) -> None:
    """The model is part of the format: this stream never changes."""
    assert model.plain.encode(b"the cat sat on the mat; the cat sat").hex() == model.known


@every_model
@pytest.mark.parametrize("seed", range(12))
def test_damage_is_an_error_or_data(model: Model, seed: int) -> None:
    rng = random.Random(seed)
    stream = bytearray(model.plain.encode(PAGES[:600]))
    for _ in range(3):
        stream[rng.randrange(len(stream))] ^= 1 << rng.randrange(8)
    for cut in (len(stream), rng.randrange(len(stream)), 0):
        try:
            assert len(decode(model.plain, bytes(stream[:cut]), 600)) == 600
        except laconic.CorruptDataError:
            pass


@every_model
def test_a_size_that_the_stream_does_not_hold(model: Model) -> None:
    stream = model.plain.encode(TEXT)
    for size in (0, 1, len(TEXT) // 2, 2 * len(TEXT), 1 << 20):
        with pytest.raises(laconic.CorruptDataError):
            decode(model.plain, stream, size)


@every_model
def test_a_primer_saves_bytes(model: Model) -> None:
    assert len(model.primed.encode(TEXT[700:1500])) < 0.7 * len(model.plain.encode(TEXT[700:1500]))
    long = bytes(1 << 18) + TEXT  # beyond what starts from a copy
    if model.level == "high":
        assert decode(model.primed, model.primed.encode(long), len(long)) == long


@every_model
def test_tables_are_earned(model: Model) -> None:
    for bits in (0, 11, 14, 23, 24, 255):
        with pytest.raises(laconic.CorruptDataError, match="earned"):
            decode(model.plain, bytes((bits,)) + TEXT[:20], 1 << 24)
    with pytest.raises(laconic.CorruptDataError):
        decode(model.plain, model.plain.encode(TEXT), (1 << 24) + 1)
    with pytest.raises(ValueError, match="16 MiB"):
        model.plain.encode(bytes((1 << 24) + 1))


HOSTILE = """
import random, sys
from laconic import CorruptDataError, _core
def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
coder, out, rng = getattr(_core, sys.argv[1])(), bytearray(1 << 24), random.Random(3)
before = peak()
for seed in range(20):
    try:
        coder.decode(bytes((13,)) + rng.randbytes(20), out)
    except CorruptDataError:
        pass
assert peak() - before < 64 << 10, peak() - before
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.skipif("LACONIC_SANITIZED" in os.environ, reason="AddressSanitizer keeps what is freed")
@every_model
def test_a_small_stream_takes_little_memory(model: Model) -> None:
    name = "mixed_coder" if model.level == "high" else "wide_coder"
    subprocess.run([sys.executable, "-c", HOSTILE, name], check=True)


def test_the_texts_never_change() -> None:
    assert {n: xxhash.xxh3_64_hexdigest(primer.text(n)) for n in sorted(primer.NUMBERS)} == TEXTS


@every_model
def test_unknown_primers_are_refused(model: Model) -> None:
    payload = codec.encode(memoryview(TEXT), b"", model.level, None)
    assert payload is not None
    with pytest.raises(laconic.CorruptDataError, match="text"):
        codec.decode(memoryview(payload[:1] + b"\x09" + payload[2:]), b"", 1, memoryview(bytearray(len(TEXT))), None)
    with pytest.raises(laconic.CorruptDataError, match="text"):
        codec.decode(memoryview(payload[:1]), b"", 1, memoryview(bytearray(len(TEXT))), None)
