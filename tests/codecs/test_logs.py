"""The logs codec: every byte comes back, whatever the lines; hostile payloads are refused or harmless."""

from __future__ import annotations

import contextlib
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from laconic.codecs.logs import codec
from laconic.errors import CorruptDataError

LEVELS = ("fast", "default")


def round_trip(raw: bytes, level: str) -> bytes:
    payload = codec.encode(memoryview(raw), b"", level, None)
    assert payload is not None
    out = bytearray(len(raw))
    codec.decode(memoryview(payload), b"", 1, memoryview(out), None)
    assert bytes(out) == raw
    return bytes(payload)


# Pieces that the parser types, nearly types, or must leave alone.
_tokens = st.one_of(
    st.integers(0, 10**20).map(str),
    st.sampled_from(["007", "0", "00", "1.5", "3.14159", "0.000786", "12345678901234567890", "999999999999999999"]),
    st.tuples(st.integers(0, 25), st.integers(0, 61), st.integers(0, 61)).map(lambda t: "{:02}:{:02}:{:02}".format(*t)),
    st.tuples(st.integers(0, 23), st.sampled_from(".,:"), st.integers(1, 10), st.integers(0, 10**10)).map(
        lambda t: f"{t[0]:02}:00:59{t[1]}{t[3] % 10 ** t[2]:0{t[2]}}"
    ),
    st.tuples(st.integers(0, 9999), st.integers(0, 13), st.integers(0, 32), st.sampled_from("-/.")).map(
        lambda t: f"{t[0]:04}{t[3]}{t[1]:02}{t[3]}{t[2]:02}"
    ),
    st.sampled_from(
        [
            "2024-01-02T03:04:05Z",
            "2024-01-02T03:04:05.678+00:00",
            "17/May/2015:10:05:03",
            "32/May/2015",
            "Jun  9",
            "Jun 09",
            "Feb 31",
            "Dec 39",
            "Xyz 12",
            "Jan  0",
            "1521911751.255387",
            "0521911751.25",
            "1521911751.123456789",
        ]
    ),
    st.lists(st.integers(0, 300), min_size=3, max_size=5).map(lambda parts: ".".join(map(str, parts))),
    st.uuids().map(str),
    st.sampled_from(
        [
            "INFO",
            "WARN",
            "thread-7",
            "0xdeadbeef",
            "blk_-16089996",
            "a.b.C$1",
            "é",
            "x86",
            "[main]",
            '"GET / HTTP/1.1"',
            '""',
            '"',
            "\r",
            "\0",
            "\x01d",
        ]
    ),
)
_line = st.lists(_tokens, max_size=6).map(" ".join)
_logs = st.tuples(
    st.lists(_line, min_size=1, max_size=4), st.lists(_line, max_size=4), st.randoms(use_true_random=False), st.booleans()
).map(lambda t: _vary(*t))


def _vary(repeated: list[str], rare: list[str], rng: random.Random, final: bool) -> bytes:
    """Lines that repeat with other numbers, so that templates form, and some that do not."""
    lines = []
    for _ in range(40):
        line = rng.choice(repeated)
        if rng.random() < 0.7:
            line = "".join(rng.choice("0123456789") if c.isascii() and c.isdigit() and rng.random() < 0.3 else c for c in line)
        lines.append(line)
        if rare and rng.random() < 0.1:
            lines.append(rng.choice(rare))
    return "\n".join(lines).encode() + (b"\n" if final else b"")


@pytest.mark.parametrize("level", LEVELS)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(raw=_logs)
def test_log_lines_come_back(level: str, raw: bytes) -> None:
    round_trip(raw, level)


@pytest.mark.parametrize("level", LEVELS)
@settings(max_examples=150, deadline=None)
@given(raw=st.one_of(st.binary(max_size=400), st.text('ab01 .:\n\r\x01"', max_size=400).map(str.encode)))
def test_any_bytes_come_back(level: str, raw: bytes) -> None:
    round_trip(raw, level)


def example(lines: int = 400, seed: int = 1) -> bytes:
    """A log with templates, a stack trace, an odd line and values of every class."""
    rng = random.Random(seed)
    out = []
    millis = 0
    for k in range(lines):
        millis += rng.randrange(900)
        stamp = f"2024-03-01 10:{millis // 60000 % 60:02}:{millis // 1000 % 60:02},{millis % 1000:03}"
        kind = rng.randrange(5)
        if kind == 0:
            out.append(
                f"{stamp} INFO [worker-{rng.randrange(4)}] server.Request: GET /item/{rng.randrange(50)} took {rng.randrange(300)} ms"
            )
        elif kind == 1:
            out.append(f"{stamp} WARN [main] cache.Cache: evicted {k} entries of 10.0.0.{rng.randrange(9)}:{rng.randrange(1 << 16)}")
        elif kind == 2:
            out += [
                f"{stamp} ERROR [main] server.Request: failed",
                "java.lang.IllegalStateException: closed",
                "\tat a.b.C.run(C.java:123)\r",
            ]
        elif kind == 3:
            out.append(f'{stamp} INFO [main] access: "GET /x{rng.random()} HTTP/1.1" 200 id={rng.getrandbits(128):032x}')
        else:
            out.append(rng.randbytes(rng.randrange(20)).replace(b"\n", b"").decode("latin-1"))
    return "\n".join(out).encode("latin-1")


@pytest.mark.parametrize("level", LEVELS)
def test_a_log_shrinks_below_zstd(level: str) -> None:
    import zstandard

    raw = example(4000)
    assert len(round_trip(raw, level)) < len(zstandard.compress(raw, 19))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n",
        b"\n\n\n",
        b"x",
        b"x" * 35000 + b"\n" + b"y 1\n" * 5,
        b"a 1\n" * 1000,
        b"a 1\r\n" * 1000 + b"a 2",
        bytes(5000),
        b"\x01d 5\n" * 10,
        b"5 " * 3000 + b"\n" + b"5 " * 3000,
    ],
)
def test_edges(level: str, raw: bytes) -> None:
    if raw:
        round_trip(raw, level)


@pytest.mark.parametrize("level", LEVELS)
def test_damaged_payloads(level: str) -> None:
    """Every truncation and many flipped bits: CorruptDataError, or some data, of the right size; nothing else."""
    raw = example(60)
    payload = round_trip(raw, level)
    rng = random.Random(2)
    cases = [payload[:size] for size in range(0, len(payload), 3)]
    for _ in range(1500):
        damaged = bytearray(payload)
        for _ in range(rng.choice((1, 1, 4))):
            damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        cases.append(bytes(damaged))
    for case in cases:
        with contextlib.suppress(CorruptDataError):
            codec.decode(memoryview(case), b"", 1, memoryview(bytearray(len(raw))), None)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("change", [-1, 1, 1000])
def test_another_raw_size_is_corrupt(level: str, change: int) -> None:
    raw = example(100)
    payload = round_trip(raw, level)
    with pytest.raises(CorruptDataError):
        codec.decode(memoryview(payload), b"", 1, memoryview(bytearray(len(raw) + change)), None)
