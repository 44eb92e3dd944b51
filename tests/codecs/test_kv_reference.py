"""codecs/kv/FORMAT.md is enough to write a decoder: this is one, in plain Python and numpy scalars."""

from __future__ import annotations

import importlib.util
import math
import struct
from pathlib import Path

import numpy as np
import pytest
from kv_caches import DTYPES, HEAD, HEADS, profile, quantised, values

from laconic.codecs.kv import codec
from laconic.codecs.kv.segment import BF16, BYTE, FP16, FP32, Coarse, Segment

_spec = importlib.util.spec_from_file_location("laconic_block_reference", Path(__file__).parent.parent / "entropy" / "reference.py")
assert _spec is not None
assert _spec.loader is not None
reference = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(reference)

F = np.float32


class Cursor:
    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data, self.at = bytes(data), at

    def take(self, size: int) -> bytes:
        assert self.at + size <= len(self.data)
        self.at += size
        return self.data[self.at - size : self.at]

    def uvarint(self) -> int:
        value, self.at = reference.varint(self.data, self.at)
        return value

    def sized(self) -> bytes:
        return self.take(self.uvarint())

    def numbers(self, form: str, count: int) -> list:
        return list(struct.unpack(f"<{count}{form}", self.take(count * struct.calcsize(form))))

    def left(self) -> bytes:
        return self.take(len(self.data) - self.at)


def parameters(params: bytes) -> tuple[int, int, tuple[bytes, int, int] | None]:
    c = Cursor(params)
    element = c.take(1)[0]
    channels = c.uvarint()
    coarse = (c.take(16), c.uvarint(), c.uvarint()) if element & 128 else None
    assert not c.left()
    return element & 127, channels, coarse


def decode_rows(c: Cursor, width: int, channels: int, rows: int) -> bytes:
    precision, alphabet, count = c.take(1)[0], c.uvarint(), c.uvarint()
    table_of = reference.decode_block(c.sized(), channels) if count > 1 else bytes(channels)
    field = reference.Bits(c.sized())
    tables = [reference.slots_of(reference.read_table(field, precision, alphabet)) for _ in range(count)]
    symbols: list[int] = []
    upper = -(-rows // 2)
    for n in (upper * channels, (rows - upper) * channels):
        stream = c.sized()
        of_stream = reference.Bits(stream)
        states = reference.read_states(of_stream, 32 if n >= 4096 else 4)
        words = stream[of_stream.finish() :]
        symbols += reference.decode_words(lambda i: tables[table_of[i % channels]], states, words, precision, n)
    planes = [symbols] + [reference.decode_block(c.sized(), rows * channels) for _ in range(width - 1)]
    out = bytearray()
    for element in zip(*planes, strict=True):
        y = int.from_bytes(bytes(element), "big")
        out += (y if width == 1 else y >> 1 | (y & 1) << (8 * width - 1)).to_bytes(width, "little")
    return bytes(out)


def decode_exact(payload: bytes, width: int, channels: int, size: int) -> bytes:
    rows, row_bytes = size // (width * channels), width * channels
    c = Cursor(payload)
    method = c.take(1)[0]
    if method == 1:
        return decode_rows(c, width, channels, rows) + c.left()
    assert method == 2
    length = c.uvarint()
    backs = Cursor(reference.decode_block(c.sized(), length))
    numbers, new = [], 0
    for _ in range(rows):
        back = backs.uvarint()
        numbers.append(new - back)
        new += back == 0
    assert not backs.left()
    kept = decode_rows(c, width, channels, new)
    return b"".join(kept[k * row_bytes : (k + 1) * row_bytes] for k in numbers) + c.left()


def read_profile(data: bytes) -> dict:
    c = Cursor(data)
    assert c.take(17) == b"\x8aLAC KV profile\n\x01"
    precision, count = c.take(1)[0], c.uvarint()
    tables = [reference.slots_of(c.numbers("H", 256)) for _ in range(count)]
    frequencies = None
    head, neighbours = c.uvarint(), c.take(1)[0]
    frequencies = c.numbers("d", c.uvarint())
    sets = []
    for _ in range(c.uvarint()):
        channels, block = c.uvarint(), c.uvarint()
        mean, step, basis, table_of = (
            c.numbers(form, n) for form, n in (("f", channels), ("f", channels), ("e", channels * block), ("B", channels))
        )
        sets.append((channels, block, mean, step, basis, table_of))
    assert not c.left()
    return {"precision": precision, "tables": tables, "head": head, "neighbours": neighbours, "frequencies": frequencies, "sets": sets}


def sin_cos(a: float) -> tuple[np.float32, np.float32]:
    n = math.floor(a * float.fromhex("0x1.45f306dc9c883p-1") + 0.5)
    r = (a - n * float.fromhex("0x1.921fb544p+0")) - n * float.fromhex("0x1.0b4611a626331p-34")
    z = r * r
    sine, cosine = -1 / math.factorial(15), 1 / math.factorial(16)
    for k in (13, -11, 9, -7, 5, -3, 1):
        sine = sine * z + math.copysign(1, k) / math.factorial(abs(k))
    for k in (-14, 12, -10, 8, -6, 4, -2, 0):
        cosine = cosine * z + (-1 if k < 0 else 1) / math.factorial(abs(k))
    sine *= r
    c, s = ((cosine, sine), (-sine, cosine), (-cosine, -sine), (sine, -cosine))[n % 4]
    return F(c), F(s)


def decode_quantised(payload: bytes, element: int, channels: int, number: int, position: int, prior: bytes, size: int) -> bytes:
    width = 4 if element == FP32 else 2
    rows, row_bytes = size // (width * channels), width * channels
    found = read_profile(prior)
    c = Cursor(payload)
    assert c.take(1) == b"\3"
    first, last = c.uvarint(), c.uvarint()
    exact = decode_exact(c.sized(), width, channels, (first + last) * row_bytes) if first + last else b""
    n_channels, block, mean, step, basis, table_of = found["sets"][number]
    assert n_channels == channels
    out = bytearray(exact[: first * row_bytes])
    coarse = rows - first - last
    if coarse:
        symbols = decode_symbols(c.sized(), found, table_of * coarse)
        for i in range(coarse):
            codes = [s if s < 254 else 254 + c.uvarint() for s in symbols[i * channels : (i + 1) * channels]]
            q = [z >> 1 if z % 2 == 0 else -(z + 1 >> 1) for z in codes]
            row = [F(m) for m in mean]
            for k in range(channels):
                if block == 0:
                    row[k] = F(mean[k]) + F(q[k]) * F(step[k])
                elif q[k]:
                    v, at = F(q[k]) * F(step[k]), k // block * block
                    for j in range(block):
                        row[at + j] = row[at + j] + v * F(basis[k * block + j])
            pairs = len(found["frequencies"]) if number % 2 == 0 else 0
            turns = [sin_cos(float(position + first + i) * f) for f in found["frequencies"][:pairs]]
            for at in range(0, channels, found["head"] or channels):
                for p, (cosine, sine) in enumerate(turns):
                    a, b = (at + 2 * p, at + 2 * p + 1) if found["neighbours"] else (at + p, at + p + pairs)
                    row[a], row[b] = row[a] * cosine - row[b] * sine, row[a] * sine + row[b] * cosine
            for x in row:
                out += rounded(x, element)
    assert not c.left()
    return bytes(out) + exact[first * row_bytes :]


def rounded(x: np.float32, element: int) -> bytes:
    if element == FP32:
        return x.tobytes()
    if element == FP16:
        return np.float16(x).tobytes()
    u = int(x.view(np.uint32))
    return (u + 0x7FFF + (u >> 16 & 1) >> 16 & 0xFFFF).to_bytes(2, "little")


def decode_symbols(data: bytes, found: dict, contexts: list[int]) -> list[int]:
    """Escapes (docs/entropy.md), then the chunks."""
    c = Cursor(data)
    count = c.uvarint()
    escaped = list(reference.decode_block(c.sized(), count)) if count else []
    symbols = reference.decode_chunks(found["tables"], contexts, found["precision"], c.left())
    return [escaped.pop(0) if s == 255 else s for s in symbols]


def encoded(raw: bytes, segment: Segment) -> bytes:
    payload = codec.encode(memoryview(raw), segment.pack(), "default", None)
    assert payload is not None
    return payload


@pytest.mark.parametrize("dtype", DTYPES)
def test_channel_tables(dtype: str) -> None:
    x = values(1, 301, dtype)[0]
    segment = Segment({1: BYTE, 2: BF16, 4: FP32}[x.itemsize], HEADS * HEAD)
    raw = x.tobytes() + b"\1"
    assert parameters(segment.pack()) == (segment.element, segment.channels, None)
    assert decode_exact(encoded(raw, segment), segment.width, segment.channels, len(raw)) == raw


def test_repeated_rows() -> None:
    raw = b"".join(bytes([k % 7] * 6) for k in range(40)) + b"rest"
    payload = encoded(raw, Segment(FP16, 3))
    assert payload[0] == 2
    assert decode_exact(payload, 2, 3, len(raw)) == raw


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
@pytest.mark.parametrize("transform", [False, True])
@pytest.mark.parametrize("number", [0, 1])
def test_quantised(dtype: str, transform: bool, number: int) -> None:
    found = profile(1, transform=transform, step=2**-8)  # fine steps: large and escaped indices occur
    x = values(1, 50, dtype)[0, 0].reshape(50, -1)
    payload, segment, said = quantised(x, found, number, 100_000, 4, 3)
    element, channels, coarse = parameters(segment.pack())
    assert coarse == (found.hash, number, 100_000)
    assert Segment(element, channels, Coarse(*coarse)) == segment
    assert decode_quantised(payload, element, channels, number, 100_000, found.to_bytes(), x.nbytes) == said
