"""The logs codec below its container and above it: determinism, filters, hostile streams, sniffing, memory."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import laconic
from laconic import _core
from laconic.codecs.logs import codec
from laconic.codecs.logs.codec import FRAME, summarise
from laconic.container import Piece
from laconic.container.source import BufferSource
from laconic.errors import CorruptDataError

ISAS = ["scalar", "avx2", "avx512"]


def lines(count: int, seed: int = 0) -> bytes:
    rng = random.Random(seed)
    return b"".join(
        b"2024-05-01 12:%02d:%02d,%03d INFO [w-%d] app.Server: request %d from 10.1.2.%d took %d ms, id %08x\n"
        % (k // 60 % 60, k % 60, rng.randrange(1000), k % 7, k, rng.randrange(9), rng.randrange(200), rng.getrandbits(32))
        for k in range(count)
    )


@pytest.fixture(scope="module")
def large() -> bytes:
    raw = lines(100_000) + b"a rare Xylophone literal, once\n" + lines(100_000, seed=1)
    assert len(raw) > 2 * FRAME
    return raw


def test_bytes_do_not_depend_on_jobs_or_path(large: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(large)
    for level in ("fast", "default"):
        one, two = (laconic.encode(tmp_path / "a.log", level=level, jobs=jobs) for jobs in (1, 2))
        assert one == two
        assert laconic.decode(two) == large
        with laconic.open(two) as archive:
            (name,) = archive.names()
            assert archive.entry(name).kind == "logs"
            assert archive.read(name, FRAME - 5, FRAME + 5) == large[FRAME - 5 : FRAME + 5]


def test_frames_of_files_end_with_lines(large: bytes) -> None:
    sizes = [piece.size for piece in codec.layout(BufferSource(memoryview(large))) if isinstance(piece, Piece)]
    ends = [sum(sizes[: k + 1]) for k in range(len(sizes))]  # type: ignore[misc]
    assert ends[-1] == len(large)
    assert all(large[end - 1] == ord("\n") for end in ends)
    assert max(sizes) <= FRAME  # type: ignore[type-var]


def test_summaries_tell_lines_and_literals(large: bytes) -> None:
    payload = memoryview(codec.encode(memoryview(large)[:FRAME], b"", "default", None) or b"")
    summary = summarise(payload)
    assert summary.newlines == large[:FRAME].count(b"\n")
    assert summary.may_hold(b"Server: request")
    assert summary.may_hold(b"SERVER: REQUEST")
    assert summary.may_hold(b"12:00")  # too short, or digits: not known
    assert not summary.may_hold(b"Xylophone")


@settings(max_examples=200, deadline=None)
@given(data=st.binary(min_size=1, max_size=300), bits=st.integers(3, 12), part=st.data())
def test_a_filter_never_denies_what_is_there(data: bytes, bits: int, part: st.DataObject) -> None:
    grams = _core.collect_grams(data, bits)
    start = part.draw(st.integers(0, len(data)))
    stop = part.draw(st.integers(start, len(data)))
    literal = data[start:stop]
    assert _core.may_hold_grams(grams, literal)
    assert _core.may_hold_grams(grams, literal.swapcase() if literal.isascii() else literal)


@settings(max_examples=300, deadline=None)
@given(streams=st.lists(st.binary(max_size=40), min_size=6, max_size=6), size=st.integers(0, 200))
def test_arbitrary_streams(streams: list[bytes], size: int) -> None:
    """Any streams: CorruptDataError, or exactly `size` bytes."""
    with contextlib.suppress(CorruptDataError):
        _core.join_log_columns(streams, bytearray(size))


@settings(max_examples=300, deadline=None)
@given(payload=st.binary(max_size=200), size=st.integers(0, 3000))
def test_arbitrary_rows(payload: bytes, size: int) -> None:
    with contextlib.suppress(CorruptDataError):
        _core.decode_log_rows(payload, bytearray(size))


def test_streams_changed_before_compression() -> None:
    """Damage that the entropy coders can't see: each stream of a columns frame, changed and packed again."""
    raw = lines(300)
    streams = _core.split_log_columns(raw)
    assert streams is not None
    rng = random.Random(3)
    for _ in range(3000):
        changed = [bytearray(stream) for stream in streams]
        target = rng.choice([stream for stream in changed if stream])
        for _ in range(rng.choice((1, 3))):
            target[rng.randrange(len(target))] = rng.randrange(256)
        if rng.random() < 0.2:
            del target[rng.randrange(len(target)) :]
        with contextlib.suppress(CorruptDataError):
            _core.join_log_columns([bytes(stream) for stream in changed], bytearray(len(raw)))


def test_declared_sizes_are_not_believed() -> None:
    """A few bytes that promise gigabytes are refused before anything is allocated for them."""
    payload = bytes((2, 2, 0)) + b"\xff\xff\xff\xff\x7f" + b"\x00"
    with pytest.raises(CorruptDataError):
        codec.decode(memoryview(payload), b"", 1, memoryview(bytearray(1000)), None)
    with pytest.raises(CorruptDataError):  # templates of 2^34 bytes
        codec.decode(memoryview(bytes((1, 2, 0)) + b"\xff\xff\xff\xff\x7f\x02" + bytes(20)), b"", 1, memoryview(bytearray(1000)), None)


def test_sniffing() -> None:
    assert codec.sniff(lines(50), None) > 0.5
    assert codec.sniff(b"".join(b"Jun %2d 10:00:%02d host sshd[%d]: Accepted\n" % (k % 28 + 1, k % 60, k) for k in range(50)), None) > 0.5
    csv = b"id,name,value\n" + b"".join(b"%d,name %d,%d.5\n" % (k, k, k * 3) for k in range(500))
    prose = b"It was the best of times, it was the worst of times,\nit was the age of wisdom, it was the age of foolishness.\n" * 20
    json = b"[\n" + b'  {"id": 1, "name": "x", "tags": ["a", "b"]},\n' * 100
    for text in (csv, prose, json, Path(__file__).read_bytes(), b"", b"\n" * 100, bytes(1000)):
        assert codec.sniff(text, None) < 0.5


def test_text_that_is_no_log_costs_little() -> None:
    rng = random.Random(5)
    words = ["".join(rng.choices("abcdefghijklmnop", k=rng.randrange(2, 9))) for _ in range(3000)]
    text = "\n".join(" ".join(rng.choices(words, k=12)) for _ in range(3000)).encode()
    for level in ("fast", "default"):
        as_logs = codec.encode(memoryview(text), b"", level, None)
        assert as_logs is not None
        assert len(as_logs) < 1.1 * len(laconic.encode(text, kind="bytes", level=level))


MEMORY = """
import resource, sys
from laconic.codecs.logs import codec

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

def coded(raw):
    return codec.encode(memoryview(raw), b"", sys.argv[2], None)

def decoded(payload, size):
    codec.decode(memoryview(payload), b"", 1, memoryview(bytearray(size)), None)

raw = open(sys.argv[1], "rb").read()
small = raw[: 1 << 14]
decoded(coded(small), len(small))  # what a first use imports and allocates
if sys.argv[3] == "encode":
    before = peak()
    payload = coded(raw)
    print(peak() - before)
    open(sys.argv[1] + ".payload", "wb").write(payload)
else:
    payload = open(sys.argv[1] + ".payload", "rb").read()
    before = peak()
    decoded(payload, len(raw))
    print(peak() - before)
"""


@pytest.mark.parametrize(("level", "encoding", "decoding"), [("fast", 64, 40), ("default", 96, 36)])
def test_memory_is_bounded(large: bytes, tmp_path: Path, level: str, encoding: int, decoding: int) -> None:
    """MiB beyond the raw frame that is given, as FORMAT.md claims; decoding's include the 8 MiB that it fills."""
    path = tmp_path / "frame"
    path.write_bytes(large[:FRAME])

    def mib(what: str) -> float:
        done = subprocess.run([sys.executable, "-c", MEMORY, str(path), level, what], check=True, capture_output=True, text=True)
        return float(done.stdout)

    assert mib("encode") < encoding
    assert mib("decode") < decoding


@pytest.mark.parametrize("seed", range(3))
def test_instruction_sets_agree(seed: int) -> None:
    raw = lines(3000, seed) + Path(__file__).read_bytes() + random.Random(seed).randbytes(1000)
    before, made = _core.active_isa(), set()
    try:
        for isa in ISAS[: ISAS.index(_core.best_isa()) + 1]:
            _core.set_isa(isa)
            made.add(_core.encode_log_rows(raw))
        assert len(made) == 1
        for isa in ISAS[: ISAS.index(_core.best_isa()) + 1]:
            _core.set_isa(isa)
            out = bytearray(len(raw))
            _core.decode_log_rows(next(iter(made)), out)
            assert out == raw
    finally:
        _core.set_isa(before)
