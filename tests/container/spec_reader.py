"""A second reader of `.lac` archives, written from docs/format.md, the FORMAT.md files of the codecs and docs/entropy.md alone.

It holds the whole archive in memory and is slow; what counts is that it shares no line with laconic. `read(data)` goes through the trailers
and indexes, `read_forward(data)` through the frames from front to back. Both return the entries by name, in the order of the archive.
Codecs: stored, bytes (methods 1 and 4), weights.
"""

from __future__ import annotations

import importlib.util
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import cbor2
import xxhash
import zstandard

_spec = importlib.util.spec_from_file_location("laconic_block_reference", Path(__file__).parent.parent / "entropy" / "reference.py")
assert _spec is not None
assert _spec.loader is not None
reference = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(reference)

PRIMER = (Path(__file__).parents[2] / "codecs" / "bytes" / "primer" / "primer.zdict").read_bytes()
HEADER_MAGIC = b"\x8aLAC\r\n\x1a\n"
TRAILER_MAGIC = b"\x8bLAC\r\n\x1a\n"
SYNC = b"\xf5\xd7\x4c\x9b"
HEADER_SIZE, TRAILER_SIZE = 13, 32
SINGLE, COPIES = 1, 2
DATA, COPY, OPEN, ENTRIES, INDEX, OBJECT = 1, 2, 3, 4, 5, 6
PAYLOAD_CHECK, HAS_BASE = 16, 32
FRAME_LIMIT, TABLE_LIMIT, SIZE_LIMIT = 1 << 25, 1 << 20, 1 << 62

KINDS = ["stored", "bytes", "weights", "logs", "image", "audio", "kv", "text", "checkpoint"]
TYPES = [
    "bytes", "bytearray", "memoryview", "ndarray", "scalar", "torch", "value", "dict", "odict", "list", "tuple", "file", "dir", "symlink",
    "tensor", "text", "image",
]  # fmt: skip
DTYPES = [
    "|b1", "|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8", "<c8", "<c16", "bfloat16", "float8_e4m3fn",
    "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu", "float8_e4m3", "float8_e3m4", "float8_e4m3b11fnuz",
    "float4_e2m1fn", "float6_e2m3fn", "float6_e3m2fn", "int4", "uint4", "int2", "uint2", ">f2", ">f4", ">f8", ">i2", ">i4", ">i8",
    ">u2", ">u4", ">u8",
]  # fmt: skip


class DamageError(ValueError):
    """The archive is not what the specification says."""


class UnknownError(ValueError):
    """A codec, method or version that this reader does not know."""


class BaseError(ValueError):
    """The entry that a frame is coded against is not there."""


def need(condition: object, what: str) -> None:
    if not condition:
        raise DamageError(what)


def check32(data: bytes) -> int:
    return xxhash.xxh3_64_intdigest(data) & 0xFFFFFFFF


class Cursor:
    """Fields of `data`, one after another."""

    def __init__(self, data: bytes, at: int = 0, end: int | None = None) -> None:
        self.data, self.at, self.end = data, at, len(data) if end is None else end

    def take(self, size: int) -> bytes:
        need(size <= self.end - self.at, "cut short")
        self.at += size
        return self.data[self.at - size : self.at]

    def fixed(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def uvarint(self) -> int:
        value = 0
        for k in range(9):
            byte = self.fixed(1)
            value |= (byte & 127) << 7 * k
            if byte < 128:
                need(value <= SIZE_LIMIT, "number too large")
                return value
        raise DamageError("number too long")

    def text(self) -> str:
        return self.take(self.uvarint()).decode("utf-8", "surrogateescape")

    def codec(self) -> str:
        number = self.uvarint()
        if number == 127:
            return self.text()
        return KINDS[number] if number < len(KINDS) else f"codec {number}"

    def finish(self) -> None:
        need(self.at == self.end, "bytes left over")


# Frames


@dataclass
class Frame:
    start: int  # first byte, of the sync marker where there is one
    type: int
    codec: str
    version: int
    stream: int
    raw_start: int
    raw_size: int
    params: bytes
    base: tuple[bytes, int] | None
    raw_check: int
    payload: bytes
    descriptor: bytes
    end: int


def parse_header(data: bytes, at: int) -> int:
    """The flags."""
    header = Cursor(data, at).take(HEADER_SIZE)
    need(header[:8] == HEADER_MAGIC, "no header")
    need(int.from_bytes(header[11:], "little") == xxhash.xxh3_64_intdigest(header[:11]) & 0xFFFF, "header check")
    if header[8] != 1 or header[10] & ~(SINGLE | COPIES):
        raise UnknownError("version of the format, or flags of a part")
    return header[10]


def parse_frame(data: bytes, start: int, *, single: bool = False, limit: int | None = None) -> Frame:
    c = Cursor(data, start, limit)
    if not single:
        need(c.take(4) == SYNC, "no sync marker")
    head_size = c.uvarint()
    need(head_size <= 4096, "head too large")
    head = Cursor(c.take(head_size))
    expected = check32(data[start : c.at])
    need(c.fixed(4) == expected, "head check")
    flags = head.fixed(1)
    kind = flags & 15
    if kind not in (DATA, COPY, OPEN, ENTRIES, INDEX, OBJECT) or flags & ~(15 | PAYLOAD_CHECK | HAS_BASE):
        raise UnknownError(f"frame of type and flags {flags}")
    need(single == (kind == OBJECT), "an object frame belongs to a single part")
    codec = head.codec()
    version = head.uvarint() if codec != "stored" else 0
    stream, raw_start = (head.uvarint(), head.uvarint()) if kind in (DATA, COPY) else (0, 0)
    raw_size, stored_size = head.uvarint(), head.uvarint()
    need(kind not in (DATA, COPY, OBJECT) or raw_size <= FRAME_LIMIT, "frame too large")
    need(kind not in (OPEN, ENTRIES) or raw_size <= TABLE_LIMIT, "table too large")
    need(stored_size <= raw_size + 64, "stored size")
    if codec == "stored":
        need((kind == COPY or stored_size == raw_size) and not flags & HAS_BASE, "stored frame")
    params_size = head.uvarint()
    need(params_size <= 1024, "parameters too large")
    params, descriptor = head.take(params_size), b""
    if kind == OBJECT:
        p = Cursor(params)
        descriptor = p.take(p.uvarint())
        params = params[p.at :]
    need(codec != "stored" or not params, "parameters of a stored frame")
    base = (head.take(16), head.uvarint()) if flags & HAS_BASE else None
    raw_check = head.fixed(8)
    payload_check = head.fixed(4) if flags & PAYLOAD_CHECK else None
    head.finish()
    payload = c.take(stored_size)
    need(payload_check is None or payload_check == check32(payload), "payload check")
    return Frame(start, kind, codec, version, stream, raw_start, raw_size, params, base, raw_check, payload, descriptor, c.at)


def parse_trailer(data: bytes, end: int) -> tuple[int, int]:
    """Of the trailer that ends at `end`: bytes covered, size of the index frame."""
    need(end >= TRAILER_SIZE, "no trailer")
    c = Cursor(data, end - TRAILER_SIZE, end)
    covered, index_size, check = c.fixed(8), c.fixed(8), c.fixed(8)
    need(c.take(8) == TRAILER_MAGIC, "no trailer")
    need(HEADER_SIZE + index_size + TRAILER_SIZE <= covered <= end, "trailer")
    index = data[end - TRAILER_SIZE - index_size : end - TRAILER_SIZE]
    need(check == xxhash.xxh3_64_intdigest(struct.pack("<QQ", covered, xxhash.xxh3_64_intdigest(index))), "trailer check")
    return covered, index_size


# Codecs


def unzstd(payload: bytes, raw_size: int, prefix: bytes = b"") -> bytes:
    try:
        parameters = zstandard.get_frame_parameters(payload)
        need(parameters.content_size == raw_size, "size of the zstd frame")
        need(parameters.dict_id == 0, "zstd dictionary")
        prefix_dict = zstandard.ZstdCompressionDict(prefix, dict_type=zstandard.DICT_TYPE_RAWCONTENT) if prefix else None
        return zstandard.ZstdDecompressor(dict_data=prefix_dict).decompress(payload, raw_size, allow_extra_data=False)
    except zstandard.ZstdError as e:
        raise DamageError(str(e)) from e


def decode_bytes(frame: Frame, base: bytes | None) -> bytes:
    if frame.version != 1:
        raise UnknownError(f"bytes, version {frame.version}")
    need(not frame.params, "bytes has no parameters")
    need(frame.payload, "empty payload")
    if frame.payload[0] == 4:
        return unprimed(frame.payload[1:], frame.raw_size)
    if frame.payload[0] != 1:
        raise UnknownError(f"bytes, method {frame.payload[0]}")
    return unzstd(frame.payload[1:], frame.raw_size, base or b"")


def unprimed(payload: bytes, raw_size: int) -> bytes:
    need(payload[:4] == xxhash.xxh3_64_digest(PRIMER)[:4], "name of the primer")
    try:
        need(zstandard.get_frame_parameters(payload[4:]).content_size == raw_size, "size of the zstd frame")
        started = zstandard.ZstdDecompressor(dict_data=zstandard.ZstdCompressionDict(PRIMER))
        return started.decompress(payload[4:], raw_size, allow_extra_data=False)
    except zstandard.ZstdError as e:
        raise DamageError(str(e)) from e


def element(y: int, base: bytes | None, width: int, r: int, order: str) -> bytes:
    """An element of the weights codec from the bytes of its planes; `base`: the element of the base at the same place."""
    bits = 8 * width
    top, mask = 1 << (bits - 1), (1 << bits) - 1
    if base is None:
        x = (y >> r | y << (bits - r)) & mask
    else:
        b = int.from_bytes(base, order)  # type: ignore[arg-type]
        d = y >> 1 ^ (mask if y & 1 else 0)
        if r:
            o = (b ^ (mask if b & top else top)) + d & mask
            x = o ^ (top if o & top else mask)
        else:
            x = b + d & mask
    return x.to_bytes(width, order)  # type: ignore[arg-type]


def entropy_block(c: Cursor, m: int) -> bytes:
    """The m symbols of the block that follows, after its size."""
    block = c.take(c.fixed(3))
    need(block, "empty block")
    try:
        symbols = reference.decode_block(block, m)
    except (AssertionError, IndexError, KeyError, ValueError) as e:
        raise DamageError("entropy block") from e
    need(len(symbols) == m, "size of a plane")
    return bytes(symbols)


def decode_records(frame: Frame, base: bytes | None) -> bytes:
    """Frames of the weights codec whose parameters are a record layout."""
    p = Cursor(frame.params, 1)
    layout = []  # (width, r, order, count)
    while p.at < len(frame.params):
        form, start = p.fixed(1), p.at + 1
        width, r = 1 << (form & 3), form >> 2 & 31
        need(r in (0, 1, 4) and not (width == 1 and r), "element format")
        count = p.uvarint()
        need(count >= 1 and p.at - start < 3, "count of a field")
        layout.append((width, r, "big" if form & 128 else "little", count))
    record = sum(width * count for width, _, _, count in layout)
    need(1 <= len(layout) <= 64 and record <= 65536, "record layout")
    need(frame.payload, "empty payload")
    if frame.payload[0] == 2:
        need(base is None, "zstd with a base")
        return unzstd(frame.payload[1:], frame.raw_size)
    if frame.payload[0] != 16:
        raise UnknownError(f"weights, method {frame.payload[0]} of records")
    n = frame.raw_size // record
    c, out, at = Cursor(frame.payload, 1), bytearray(n * record), 0
    for width, r, order, count in layout:
        m = n * count
        step = -(-m // max(1, (m + 32768) // 65536))
        planes = [b"".join(entropy_block(c, min(step, m - first)) for first in range(0, m, step or 1)) for _ in range(width)]
        for i in range(m):
            place = i // count * record + at + i % count * width
            y = int.from_bytes(bytes(plane[i] for plane in planes), "big")
            out[place : place + width] = element(y, None if base is None else base[place : place + width], width, r, order)
        at += width * count
    out += c.take(frame.raw_size % record)  # the rest
    c.finish()
    return bytes(out)


def decode_weights(frame: Frame, base: bytes | None) -> bytes:
    if frame.version not in (1, 2):
        raise UnknownError(f"weights, version {frame.version}")
    if frame.params[:1] == b"\x7c":
        return decode_records(frame, base)
    need(len(frame.params) == 1, "weights has one byte of parameters")
    need(frame.payload, "empty payload")
    elements = Elements(frame.params[0], frame.raw_size)
    c = Cursor(frame.payload, 1)
    method = frame.payload[0]
    if method == 2:
        return unzstd(frame.payload[1:], frame.raw_size)
    if method == 1:
        out = decode_planes(elements, c, base)
    elif method == 4:
        need(base is not None, "differences without a base")
        out = decode_delta(elements, c, base or b"", frame.payload)
    else:
        return bytes(decode_elements(frame.params[0], frame.payload, frame.raw_size))
    out += c.take(frame.raw_size % elements.width)  # the rest
    c.finish()
    return bytes(out)


def decode_elements(form: int, payload: bytes, raw_size: int, *, inner: bool = False) -> bytearray:
    """Methods 3, 5 and 6, which may stand inside each other."""
    need(payload, "empty payload")
    e, c = Elements(form, raw_size), Cursor(payload, 1)
    if payload[0] == 3:
        out = decode_joint(e, c)
    elif payload[0] == 5 and not inner:
        value, distance = c.take(e.width), c.uvarint()
        bitmap = bytearray(sized_block(c, -(-e.n // 8)))
        need(distance == 0 or distance < len(bitmap), "distance in a bitmap")
        for i in range(distance, len(bitmap) if distance else 0):
            bitmap[i] ^= bitmap[i - distance]
        bits = int.from_bytes(bitmap, "little")
        need(bits >> e.n == 0, "size of a bitmap")
        size = bits.bit_count() * e.width
        nested = c.take(c.end - c.at - raw_size % e.width)
        need(size or not nested, "payload of no elements")
        others = Cursor(bytes(decode_elements(form, nested, size, inner=True)) if size else b"")
        out = bytearray(b"".join(others.take(e.width) if bits >> i & 1 else value for i in range(e.n)))
    elif payload[0] == 6:
        need(e.width > 1, "a palette of bytes")
        count = c.uvarint()
        need(1 <= count <= min(e.n, 16384), "size of a palette")
        coded = Cursor(c.take(c.fixed(3)))
        table = decode_joint(Elements(form & 131, count * e.width), coded)
        coded.finish()
        high = sized_block(c, e.n) if count > 256 else bytes(e.n)
        index = [h << 8 | low for h, low in zip(high, sized_block(c, e.n), strict=True)]
        need(max(index) < count, "index in a palette")
        out = bytearray(b"".join(table[k * e.width : (k + 1) * e.width] for k in index))
    else:
        raise UnknownError(f"weights, method {payload[0]}")
    out += c.take(raw_size % e.width)  # the rest
    c.finish()
    return out


class Elements:
    """An element format, and the arithmetic of its elements as unsigned integers."""

    def __init__(self, byte: int, raw_size: int) -> None:
        self.width, self.r = 1 << (byte & 3), byte >> 2 & 31
        self.order = "big" if byte & 128 else "little"
        need(self.r in (0, 1, 4) and not (self.width == 1 and self.r), "element format")
        self.bits, self.n = 8 * self.width, raw_size // self.width
        self.top, self.mask = 1 << (self.bits - 1), (1 << self.bits) - 1

    def rotated(self, y: int, r: int) -> int:
        """y rotated right by r."""
        return (y >> r | y << (self.bits - r)) & self.mask

    def at(self, data: bytes, i: int) -> int:
        return int.from_bytes(data[i * self.width : (i + 1) * self.width], self.order)  # type: ignore[arg-type]

    def bytes(self, x: int) -> bytes:
        return x.to_bytes(self.width, self.order)  # type: ignore[arg-type]

    def plus(self, b: int, z: int) -> int:
        """The element whose zigzag-coded difference from b is z."""
        d = z >> 1 ^ (self.mask if z & 1 else 0)
        if not self.r:
            return b + d & self.mask
        o = (b ^ (self.mask if b & self.top else self.top)) + d & self.mask
        return o ^ (self.top if o & self.top else self.mask)


def sized_block(c: Cursor, n: int) -> bytes:
    block = c.take(c.fixed(3))
    need(block, "empty block")
    try:
        symbols: bytes = reference.decode_block(block, n)
    except (AssertionError, IndexError, KeyError, ValueError) as e:
        raise DamageError("entropy block") from e
    need(len(symbols) == n, "size of a plane")
    return symbols


def decode_planes(e: Elements, c: Cursor, base: bytes | None) -> bytearray:
    size = 65536 if e.width == 1 else 131072
    chunks = max(1, (e.n + size // 2) // size)
    step = -(-e.n // chunks)
    out = bytearray()
    for first in range(0, e.n, step or 1):
        m = min(step, e.n - first)
        planes = [sized_block(c, m) for _ in range(e.width)]
        for i in range(m):
            y = int.from_bytes(bytes(plane[i] for plane in planes), "big")
            out += e.bytes(e.rotated(y, e.r) if base is None else e.plus(e.at(base, first + i), y))
    return out


def decode_joint(e: Elements, c: Cursor) -> bytearray:
    t = c.fixed(1)
    if t in (0, 3, 4):
        need(t == 0 or (e.r == 0 and e.width > 1), "forms of integers")
        planes = [sized_block(c, e.n) for _ in range(e.width)]
        out, x = bytearray(), 0
        for y in (int.from_bytes(bytes(y), "big") for y in zip(*planes, strict=True)):
            x = e.rotated(y, e.r) if t == 0 else (y >> 1 ^ (e.mask if y & 1 else 0)) + (x if t == 4 else 0) & e.mask
            out += e.bytes(x)
        return out
    need(t <= 2, "joint symbols")
    need(e.r == 1 and e.width in (2, 4) and e.order == "little", "joint symbols of such elements")
    lowest, coded, low_bits = c.fixed(1), c.fixed(1), 8 - t
    need(coded <= 1, "low parts")
    if coded:
        low = list(sized_block(c, e.n))
    else:
        packed = c.take(low_bits * -(-e.n // 8))
        groups = [int.from_bytes(packed[k : k + low_bits], "little") for k in range(0, len(packed), low_bits)]
        low = [groups[i // 8] >> (i % 8 * low_bits) & (1 << low_bits) - 1 for i in range(e.n)]
    planes = [sized_block(c, e.n) for _ in range(e.width - 2)]
    out = bytearray()
    for i, symbol in enumerate(sized_block(c, e.n)):
        index = symbol >> t
        y = [(index + lowest - 1) % 256 if index else 0, (symbol << low_bits & 255) | low[i], *(plane[i] for plane in planes)]
        out += e.bytes(e.rotated(int.from_bytes(bytes(y), "big"), e.r))
    return out


def decode_delta(e: Elements, c: Cursor, base: bytes, payload: bytes) -> bytearray:
    form = c.fixed(1)
    need(form <= 2, "form of differences")
    if form == 0:
        return bytearray(base[: e.n * e.width])
    flags = sized_block(c, -(-e.n // 64)) if form == 2 else b"\1" * -(-e.n // 64)
    need(set(flags) <= {0, 1}, "flags")
    places = [i for i in range(e.n) if flags[i // 64]]
    need(places, "no difference")
    tables = c.fixed(1)
    need(1 <= tables <= 32, "tables")
    lasts = [*c.take(tables - 1), 255]
    need(lasts == sorted(set(lasts)), "groups of contexts")
    contexts = [e.rotated(e.at(base, i), e.bits - e.r) >> (e.bits - 8) if e.r else 0 for i in places]
    table_of = [next(k for k, last in enumerate(lasts) if context <= last) for context in range(256)]
    m = len(places)
    counts = [m] if m < 65536 else [m // 64 * 32, m - m // 64 * 32]
    try:
        bits = reference.Bits(payload[c.at :])
        slots = [reference.slots_of(reference.read_table(bits, 12)) for _ in range(tables)]
        states = [reference.read_states(bits, 4 if m < 4096 else 32) for _ in counts]
        c.take(bits.finish())
        tokens: list[int] = []
        for count, of_lane in zip(counts, states, strict=True):
            of_part = contexts[len(tokens) : len(tokens) + count]
            tokens += reference.decode_words(lambda i, of=of_part: slots[table_of[of[i]]], of_lane, c.take(c.uvarint()), 12, count)
    except (AssertionError, IndexError, KeyError, ValueError) as error:
        raise DamageError("tokens") from error
    extra = [0 if token < 16 else (token - 16) // 4 + 2 for token in tokens]
    raw = reference.Bits(c.take(-(-sum(extra) // 8)))
    out = bytearray(base[: e.n * e.width])
    for place, token, count in zip(places, tokens, extra, strict=True):
        z = token if token < 16 else (4 | token & 3) << count | raw.get(count)
        need(z <= e.mask, "a difference is too wide")
        out[place * e.width : (place + 1) * e.width] = e.bytes(e.plus(e.at(base, place), z))
    return out


CODECS: dict[str, Callable[[Frame, bytes | None], bytes]] = {"bytes": decode_bytes, "weights": decode_weights}


# Entry tables


@dataclass
class Entry:
    name: str
    type: str
    kind: str
    dtype: str
    shape: tuple[int, ...]
    meta: dict[str, Any]
    size: int
    hash: bytes = b""  # empty where unknown
    base: bytes = b""  # content hash of its base
    stream: int = 0
    start: int = 0
    raw: bytes = b""
    refused: Exception | None = None  # why there are no raw bytes


def parse_signature(c: Cursor) -> tuple[str, str, str]:
    kind = c.fixed(1)
    need(kind < len(TYPES), "type of an entry")
    codec, code = c.codec(), c.fixed(1)
    need(code <= len(DTYPES), "dtype code")
    return TYPES[kind], codec, DTYPES[code - 1] if code else c.text()


def plain(item: object, depth: int = 0) -> bool:
    """Whether metadata is of the types that the specification allows."""
    if isinstance(item, dict):
        return depth < 16 and all(isinstance(k, str) and plain(v, depth + 1) for k, v in item.items())
    if isinstance(item, list):
        return depth < 16 and all(plain(v, depth + 1) for v in item)
    return item is None or type(item) in (int, float, str, bytes, bool)


def parse_meta(data: bytes) -> dict[str, Any]:
    if not data:
        return {}
    try:
        meta: dict[str, Any] = cbor2.loads(data)
    except (cbor2.CBORDecodeError, UnicodeDecodeError) as e:
        raise DamageError("metadata") from e
    need(isinstance(meta, dict) and plain(meta), "metadata")
    return meta


class Table:
    """An entry table, or an index."""

    def __init__(self, data: bytes, *, index: bool = False) -> None:
        c = Cursor(data)
        n = c.uvarint()
        need(n <= len(data) + 1, "number of entries")
        self.columns: dict[int, bytes] = {}
        while c.at < len(data):
            number = c.uvarint()
            need(number not in self.columns, "a column twice")
            self.columns[number] = c.take(c.uvarint())
        self.entries: list[Entry] = []
        self.counts = (0, 0)
        if index:
            counts = Cursor(self.columns.get(21, b""))
            self.counts = (counts.uvarint(), counts.uvarint()) if counts.data else (0, 0)
            counts.finish()
        signatures, c = [], Cursor(self.columns.get(2, b""))
        while c.at < c.end:
            signatures.append(parse_signature(c))
        names, metas = Cursor(self.columns.get(0, b"")), Cursor(self.columns.get(10, b""))
        dimensions = self.ints(4, n)
        need(max(dimensions, default=0) <= 64, "dimensions")
        shapes = iter(self.ints(5, sum(dimensions)))
        hashes, bases = self.columns.get(9) or bytes(16 * n), self.columns.get(12, b"")
        need(len(hashes) == 16 * n, "hashes")
        need(len(bases) % 16 == 0, "bases")
        end, before = 0, None
        rows = zip(*(self.ints(k, n) for k in (1, 3, 6, 7, 8, 11, 13)), dimensions, strict=True)
        for i, (name_size, signature, stream, start, size, meta_size, base, ndim) in enumerate(rows):
            need(name_size <= 4096 and meta_size <= 65536 and size <= SIZE_LIMIT, "limits of an entry")
            need(signature < len(signatures), "signature")
            need(base <= len(bases) // 16, "base")
            start = (start + (end if stream == before else 0)) % (1 << 64)
            end, before = start + size, stream
            need(end <= SIZE_LIMIT, "extent of an entry")
            name = names.take(name_size).decode("utf-8", "surrogateescape")
            meta, hash_ = parse_meta(metas.take(meta_size)), hashes[16 * i : 16 * i + 16]
            shape = tuple(next(shapes) for _ in range(ndim))
            type_, kind, dtype = signatures[signature]
            entry = Entry(name, type_, kind, dtype, shape, meta, size, hash_ if any(hash_) else b"")
            entry.base = bases[16 * base - 16 : 16 * base] if base else b""
            entry.stream, entry.start = stream, start
            self.entries.append(entry)
        names.finish()
        metas.finish()

    def ints(self, number: int, k: int) -> Sequence[int]:
        column = self.columns.get(number, b"")
        if not column:
            return [0] * k
        width = column[0]
        need(width in (1, 2, 4, 8) and len(column) == 1 + k * width, f"column {number}")
        return struct.unpack(f"<{k}{'_BH_I___Q'[width]}", column[1:])


# Archives


@dataclass
class Stream:
    id: int
    frames: list[Frame] = field(default_factory=list)

    @property
    def size(self) -> int:
        return sum(frame.raw_size for frame in self.frames)


class Archive:
    """What both ways of reading share: streams and entries."""

    def __init__(self, data: bytes, bases: Sequence[dict[str, Entry]]) -> None:
        self.data, self.bases = data, bases
        self.streams: list[Stream] = []
        self.placed: list[tuple[Entry, Stream | None]] = []
        self.decoded: dict[int, bytes] = {}
        self.decoding: set[int] = set()  # where the frames begin that are coded against what is looked for

    def table(self, frame: Frame) -> Table:
        need(frame.base is None and not frame.params, "a table with base or parameters")
        need(frame.codec == "stored" or (frame.codec == "bytes" and frame.version == 1), "codec of a table")
        return Table(self.raw(frame), index=frame.type == INDEX)

    def stream_before(self, id_: int, place: int) -> Stream:
        """The last stream with that id whose first frame lies before the place."""
        found = [stream for stream in self.streams if stream.id == id_ and stream.frames and stream.frames[0].start < place]
        need(found, f"no stream {id_}")
        return max(found, key=lambda stream: stream.frames[0].start)

    def raw(self, frame: Frame) -> bytes:
        """Decoded and checked."""
        if frame.start in self.decoded:
            return self.decoded[frame.start]
        base = None
        if frame.base is not None:
            self.decoding.add(frame.start)
            try:
                content, start = self.base(frame.base[0]), frame.base[1]
            finally:
                self.decoding.remove(frame.start)
            need(start + frame.raw_size <= len(content), "range of the base")
            base = content[start : start + frame.raw_size]
        if frame.type == COPY:
            need(frame.codec == "stored", "codec of a copy")
            c = Cursor(frame.payload)
            source, start = self.stream_before(c.uvarint(), frame.start), c.uvarint()
            c.finish()
            raw = b"".join(self.range(source, start, frame.raw_size, copied_by=frame))
        elif frame.codec == "stored":
            raw = frame.payload
        elif frame.codec in CODECS:
            raw = CODECS[frame.codec](frame, base)
        else:
            raise UnknownError(frame.codec)
        need(len(raw) == frame.raw_size and xxhash.xxh3_64_intdigest(raw) == frame.raw_check, "raw check")
        self.decoded[frame.start] = raw
        return raw

    def base(self, hash_: bytes) -> bytes:
        for entries in self.bases:
            for entry in entries.values():
                if entry.refused is None and (entry.hash or xxhash.xxh3_128_digest(entry.raw)) == hash_:
                    return entry.raw
        for entry, stream in self.placed:
            if stream is not None and entry.hash in (hash_, b"") and not any(frame.start in self.decoding for frame in stream.frames):
                try:
                    raw = b"".join(self.range(stream, entry.start, entry.size))
                except (UnknownError, BaseError):
                    continue
                if xxhash.xxh3_128_digest(raw) == hash_:
                    return raw
        raise BaseError(hash_.hex())

    def range(self, stream: Stream, start: int, size: int, copied_by: Frame | None = None) -> Iterator[bytes]:
        need(start + size <= stream.size, "extent past the end of its stream")
        for frame in stream.frames:
            low, high = max(start, frame.raw_start), min(start + size, frame.raw_start + frame.raw_size)
            if low < high:
                need(copied_by is None or (frame.type == DATA and frame.start < copied_by.start), "copy of a copy")
                yield self.raw(frame)[low - frame.raw_start : high - frame.raw_start]

    def single(self, at: int) -> int:
        """The part of one object at `at`; returns its end."""
        frame = parse_frame(self.data, at + HEADER_SIZE, single=True)
        c = Cursor(frame.descriptor)
        signature = parse_signature(c)
        ndim = c.uvarint()
        need(ndim <= 64, "dimensions")
        shape = tuple(c.uvarint() for _ in range(ndim))
        c.finish()
        self.placed.append((Entry("", *signature, shape, {}, frame.raw_size), Stream(-1, [frame])))
        return frame.end

    def region(self, start: int, index: Frame) -> None:
        """What an index describes."""
        parse_header(self.data, start)
        table = self.table(index)
        s, f = table.counts
        need(20 * f <= index.start - start and s <= f + len(table.entries) + 1, "counts")
        ids, counts = table.ints(16, s), table.ints(17, s)
        need(sum(counts) == f, "frames of the streams")
        listed = iter(zip(table.ints(18, f), table.ints(19, f), table.ints(20, f), strict=True))
        at, streams, extents = start, [], []
        for id_, count in zip(ids, counts, strict=True):
            stream = Stream(id_)
            for gap, length, raw_size in islice(listed, count):
                at = (at + gap) % (1 << 64)
                need(start < at and length >= 20 and at + length <= index.start, "frame outside its region")
                frame = parse_frame(self.data, at, limit=at + length)
                expected = (id_, stream.size, raw_size, at + length)
                need(
                    frame.type in (DATA, COPY) and (frame.stream, frame.raw_start, frame.raw_size, frame.end) == expected, "frame and index"
                )
                stream.frames.append(frame)
                extents.append((at, at + length))
                at += length
            streams.append(stream)
        extents.sort()
        need(all(a[1] <= b[0] for a, b in pairwise(extents)), "frames overlap")
        self.streams += streams
        for entry in table.entries:
            need(entry.stream < max(1, s), "stream of an entry")
            self.placed.append((entry, streams[entry.stream] if entry.size else None))

    def forward(self, end: int) -> None:
        """The parts in front of `end`."""
        at = 0
        while at < end:
            at = self.single(at) if parse_header(self.data, at) & SINGLE else self.part(at)
        need(at == end, "part past the end")

    def part(self, start: int) -> int:
        """The part at `start`, frame by frame; returns its end."""
        flags, at = parse_header(self.data, start), start + HEADER_SIZE
        streams: dict[int, Stream] = {}
        entries: list[Entry] = []
        named: set[int] = set()
        while (frame := parse_frame(self.data, at)).type != INDEX:
            at = frame.end
            if frame.type in (OPEN, ENTRIES):
                table = self.table(frame).entries
                named |= {entry.stream for entry in table}
                entries += table if frame.type == ENTRIES else []
                continue
            need(frame.type == DATA or flags & COPIES, "copy in a part without copies")
            need(frame.stream in named, "data before the table that names its stream")
            stream = streams.setdefault(frame.stream, Stream(frame.stream))
            need(frame.raw_start == stream.size, "gap in a stream")
            stream.frames.append(frame)
        end = frame.end + TRAILER_SIZE
        covered, index_size = parse_trailer(self.data, end)
        need(index_size == frame.end - frame.start and end - covered <= start, "trailer")
        self.streams += streams.values()
        self.placed += [(entry, streams.get(entry.stream)) for entry in entries]
        return end

    def finish(self) -> dict[str, Entry]:
        found: dict[str, Entry] = {}
        for entry, stream in self.placed:
            found[entry.name] = entry  # the last one counts, in the place of the first
            try:
                if entry.size:
                    need(stream is not None, "no such stream")
                    assert stream is not None
                    entry.raw = b"".join(self.range(stream, entry.start, entry.size))
                need(not entry.hash or xxhash.xxh3_128_digest(entry.raw) == entry.hash, f"content hash of {entry.name!r}")
            except (UnknownError, BaseError) as e:
                entry.refused = e
        return found


def read(data: bytes, bases: Sequence[dict[str, Entry]] = ()) -> dict[str, Entry]:
    """All entries, through trailers and indexes; what lies before a place where there is no trailer, through its frames."""
    archive = Archive(data, bases)
    regions: list[tuple[int, Frame]] = []
    end = len(data)
    need(data, "empty file")
    while end > 0:
        try:
            covered, index_size = parse_trailer(data, end)
        except DamageError:
            break
        index = parse_frame(data, end - TRAILER_SIZE - index_size, limit=end - TRAILER_SIZE)
        need(index.type == INDEX and index.end == end - TRAILER_SIZE, "index")
        need(index.raw_size <= TABLE_LIMIT + 16 * covered, "index too large")
        regions.append((end - covered, index))
        end -= covered
    archive.forward(end)
    for start, index in reversed(regions):
        archive.region(start, index)
    return archive.finish()


def read_forward(data: bytes, bases: Sequence[dict[str, Entry]] = ()) -> dict[str, Entry]:
    """All entries, through the frames from front to back. Nothing may be torn."""
    archive = Archive(data, bases)
    need(data, "empty file")
    archive.forward(len(data))
    return archive.finish()
