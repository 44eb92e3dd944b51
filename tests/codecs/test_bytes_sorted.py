"""The sorting method of the bytes codec: exact on awkward input, the same everywhere, safe on damaged streams."""

from __future__ import annotations

import hashlib
import random
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import laconic
from laconic import _core
from tests.support.compiled import compile_program

KNOWN_PARTS = "7752b24bdf409ee71c3f6e8502ccc850"
KNOWN = "0523210000c12a8dff9e95017c3a3c7c0c18cad97bd35adef75ba6817f760675b0"
TEXT = b"".join(b"%d bottles of beer on the wall, take one down and pass it around.\n" % n for n in range(240, 60, -1))


def decode(stream: bytes, size: int) -> bytes:
    out = bytearray(size)
    _core.decode_sorted(stream, out)
    return bytes(out)


def chatter(size: int) -> bytes:
    """Text of chance, the same everywhere: from 256 KiB on it is coded in two parts."""
    rng = random.Random(5)
    words = [bytes(rng.choices(b"etaoinshrdlu", k=rng.randint(1, 8))) for _ in range(900)]
    text = b" ".join(words[min(rng.randrange(900), rng.randrange(900))] for _ in range(size // 4))
    return text[:size]


CHATTER = chatter(300_000)

PROSE = b"The Cat and the Dog, as NASA says, do not like McDonald; A bird IS aN iBis. "


@given(
    st.lists(st.sampled_from([b"the", b"The", b"THE", b"tHe", b"A", b"a", b" ", b". ", b"\xc3\x89t", b"I'M"]), max_size=60).map(b"".join)
)
@settings(max_examples=60, deadline=None)
def test_capitals(words: bytes) -> None:
    for data in (PROSE * 3 + words + PROSE, PROSE * 3 + words, PROSE * 40 + words + PROSE * 9):
        stream = _core.encode_sorted(data)
        assert stream[0] & 1
        assert decode(stream, len(data)) == data
    marked = bytearray(_core.encode_sorted(PROSE * 3 + b"\x01"))
    assert not marked[0] & 1


def fibonacci_word(size: int) -> bytes:
    """The worst case of many sorters."""
    a, b = b"a", b"ab"
    while len(b) < size:
        a, b = b, b + a
    return b[:size]


@given(
    st.binary(min_size=1, max_size=600)
    | st.text("ab", min_size=1, max_size=400).map(str.encode)
    | st.binary(min_size=1, max_size=4).map(lambda b: b * 90)
    | st.integers(1, 12000).map(fibonacci_word)
)
@settings(max_examples=80, deadline=None)
def test_round_trip(data: bytes) -> None:
    assert decode(_core.encode_sorted(data), len(data)) == data


@pytest.mark.parametrize(
    "data",
    [
        b"x" * 70001,
        bytes(range(256)) * 300,
        b"\0" * 30000 + b"\xff" * 30000,
        random.Random(1).randbytes(66000),
        TEXT * 12,
        CHATTER,
        CHATTER[: 1 << 18],
        CHATTER[: (1 << 18) - 1],
        b"x" * (1 << 18),  # two parts of one run
        b"x" * (1 << 18) + b"y",
        TEXT + bytes(range(256)) * 2 + TEXT[100:] + b"\x01" * 3000 + TEXT[700:],
        b"\n".join(TEXT[k : k + 200] for k in range(0, 9000, 37)),
        b"".join(bytes((i,)) * (1 + (1 << i // 12)) for i in range(200)),  # code lengths beyond the limit
    ],
)
def test_large_round_trip(data: bytes) -> None:
    assert decode(_core.encode_sorted(data), len(data)) == data
    assert laconic.decode(laconic.encode(data)) == data


def test_known_stream() -> None:
    """The model is part of the format: this stream never changes."""
    assert _core.encode_sorted(b"the cat sat on the mat; the cat sat").hex() == KNOWN
    assert hashlib.sha256(_core.encode_sorted(CHATTER)).hexdigest()[:32] == KNOWN_PARTS


def test_default_beats_every_zstd_on_text() -> None:
    import zstandard

    assert len(laconic.encode(TEXT)) < len(zstandard.compress(TEXT, 19))


@pytest.mark.parametrize("seed", range(20))
def test_damage_is_an_error_or_data(seed: int) -> None:
    rng = random.Random(seed)
    stream = bytearray(_core.encode_sorted(TEXT[:5000]))
    for _ in range(3):
        stream[rng.randrange(len(stream))] ^= 1 << rng.randrange(8)
    for cut in (len(stream), rng.randrange(len(stream)), rng.randrange(8), 0):
        try:
            assert len(decode(bytes(stream[:cut]), 5000)) == 5000
        except laconic.CorruptDataError:
            pass


def test_damage_of_two_parts() -> None:
    stream = _core.encode_sorted(CHATTER)
    head = 1 + 3 + 10 * 3  # after the form, the size with marks and the rows
    for k, byte in [(k, byte) for k in range(head, head + 8) for byte in (0, 1, 127, 255)] + [(head + 5000, 77), (len(stream) - 5000, 77)]:
        damaged = bytearray(stream)
        damaged[k] = byte
        try:
            assert len(decode(bytes(damaged), len(CHATTER))) == len(CHATTER)
        except laconic.CorruptDataError:
            pass
    for cut in (head, head + 7, head + 8, head + 12, len(stream) // 2, len(stream) - 4, len(stream) - 1):
        with pytest.raises(laconic.CorruptDataError):
            decode(stream[:cut], len(CHATTER))


def test_streams_of_the_older_form_are_refused() -> None:
    stream = bytearray(_core.encode_sorted(TEXT[:5000]))
    stream[0] &= 3
    with pytest.raises(laconic.CorruptDataError, match="form"):
        decode(bytes(stream), 5000)


def test_sizes_that_lie() -> None:
    stream = _core.encode_sorted(TEXT[:5000])
    for size in (1, 4999, 5001, 70000, 1 << 24):
        with pytest.raises(laconic.CorruptDataError):
            decode(stream, size)
    with pytest.raises(laconic.CorruptDataError):
        decode(stream, (1 << 24) + 1)


def test_blocks_beyond_the_limit_are_refused() -> None:
    for size in (0, (1 << 24) + 1):
        with pytest.raises(ValueError):
            _core.encode_sorted(bytes(size))


PORTABLE = """
#include <fstream>
#include <iterator>

#include "text/sorted_block.h"

int main(int, char **arguments) {
    std::ifstream in(arguments[1], std::ios::binary);
    const std::vector<char> text((std::istreambuf_iterator<char>(in)), {});
    const std::vector<uint8_t> bytes(text.begin(), text.end());
    const std::vector<uint8_t> stream = laconic::text::encode_sorted(bytes);
    std::vector<uint8_t> back(bytes.size());
    laconic::text::decode_sorted(stream, back);
    std::ofstream(arguments[2], std::ios::binary).write(reinterpret_cast<const char *>(stream.data()), stream.size());
    return back == bytes ? 0 : 1;
}
"""


def test_the_same_bytes_without_vectors(tmp_path: Path) -> None:
    """The loops that other machines than x86-64 run, where this is one."""
    names = ("sorted_block", "bwt", "bwt_coder", "suffix_sort", "prefix_code", "repeats", "capitals")
    program = compile_program(tmp_path, PORTABLE, [f"text/{name}.cpp" for name in names], ["-U__SSE2__"])
    (tmp_path / "text").write_bytes(CHATTER)
    subprocess.run([program, tmp_path / "text", tmp_path / "stream"], check=True)
    assert (tmp_path / "stream").read_bytes() == _core.encode_sorted(CHATTER)
