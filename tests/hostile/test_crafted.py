"""Archives whose checksums are all valid and whose content lies: sizes, offsets, counts, shapes, references, metadata."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import cbor2
import pytest
import zstandard
from forge import Piece, archive, columns, copy_frame, data_frame, frame, head_body, raw_head, reseal, single, split, table_frame
from hostile import GOLDEN, run

from laconic.container import format as f
from laconic.container import table as t
from laconic.container.frame import Base, FrameHead, check32, check64, parse_frame_head
from laconic.container.index import COUNTS, FRAME_GAP, FRAME_LENGTH, FRAME_RAW, STREAM_FRAMES, STREAM_ID, Stream, pack_index
from laconic.container.meta import parse_meta_frame
from laconic.container.table import Entry, pack_columns, pack_ints, pack_table
from laconic.container.varint import put_uvarint
from laconic.errors import CorruptDataError

TORCH = find_spec("torch") is not None
NUMBERS = [0, 1, 2, 19, 127, 128, 255, 1 << 16, (1 << 25) - 1, 1 << 25, (1 << 25) + 1, 1 << 31, 1 << 32, 1 << 60, 1 << 62, (1 << 63) - 1]
ARCHIVES = sorted(path.stem for path in GOLDEN.glob("*.lac"))
# Archives whose payloads are slow to decode, and are damaged by their codecs' own tests: left to `make test-large`.
_SLOW = ("checkpoints", "file-audio", "file-bytes", "file-gguf", "file-log", "file-torch", "kv", "single-image", "single-wide", "weights1")
QUICK_ARCHIVES = [pytest.param(name, marks=pytest.mark.large) if name.startswith(_SLOW) else name for name in ARCHIVES]
# The singles of the mixing models: these read a text once and are kept.
WARM = [
    (GOLDEN / f"{name}.lac").read_bytes()
    for name in ("tree", "pack-dict", "single-f32", "file-safetensors", "streams", "appended", "single-mixed", "single-wide")
]


def check(cases: list[tuple[str, bytes]], **options: Any) -> dict[str, int]:
    return run([(label, blob, None) for label, blob in cases], warm=WARM, **options)


def stored(
    raw: bytes,
    entries: list[Entry],
    *,
    frames: list[bytes] | None = None,
    index: dict[int, bytes] | None = None,
    count: int | None = None,
    journal: bool = True,
) -> bytes:
    """An archive of one stored frame (or `frames`, all of stream 1) with these entries; `index` replaces columns of its index."""
    frames = [data_frame(1, 0, raw)] if frames is None else frames
    head = 13
    before = [table_frame(f.ENTRIES, pack_columns(pack_table(entries), len(entries)))] if journal else []
    stream, offset, end = Stream(1), head + sum(map(len, before)), 0
    for data in frames:
        size = split_head(data).raw_size
        stream.add(offset, len(data), size)
        offset, end = offset + len(data), end + size
    placed = [replace(entry, stream=0) for entry in entries]
    raw_index = pack_index([stream], placed, 0)
    if index is not None:
        found_count, found = t.parse_columns(raw_index, "test")
        merged = {k: bytes(v) for k, v in found.items()} | index
        raw_index = pack_columns(merged, found_count if count is None else count)
    return archive([*before, *frames], raw_index)


def split_head(data: bytes) -> FrameHead:
    """The head of a frame, as a careless reader would take it."""
    try:
        return parse_frame_head(data, "test")[0]
    except CorruptDataError:
        return FrameHead(f.DATA, stream=1, raw_size=1)


# ---------------------------------------------------------------------- heads


def test_frame_heads_that_lie() -> None:
    raw = b"payload " * 30
    entry = Entry("a", stream=1, size=len(raw))
    table = table_frame(f.ENTRIES, pack_columns(pack_table([entry]), 1))
    good = FrameHead(f.DATA, stream=1, raw_size=len(raw), stored_size=len(raw), raw_check=check64(raw))
    cases = []
    for field in ("stream", "raw_start", "raw_size", "stored_size", "version", "raw_check"):
        for number in NUMBERS:
            for codec in ("", "bytes", "weights", "logs", "nobody/has-this"):
                head = replace(good, codec=codec, params=b"\2" if codec == "weights" else b"")
                data = replace(head, **{field: number}).pack() + raw
                stream = Stream(1)
                stream.add(13 + len(table), len(data), number if field == "raw_size" else len(raw))
                index = pack_index([stream], [replace(entry, stream=0)], 0)
                label = f"{field} {number} {codec}"
                cases += [(label, archive([table, data], index)), (f"torn {label}", archive([table, data]))]
    for size in (0, 1, 1023, 1024, 1025, 4000, 5000):
        cases.append((f"params of {size}", archive([table, replace(good, params=bytes(size)).pack() + raw])))
    check(cases)


def test_objects_that_lie() -> None:
    cases = []
    for name in ARCHIVES:
        if not name.startswith("single-"):
            continue
        piece = split((GOLDEN / f"{name}.lac").read_bytes())[1]
        assert piece.head is not None
        for field in ("raw_size", "stored_size", "version", "raw_check"):
            for number in NUMBERS:
                changed = replace(piece.head, **{field: number})
                cases.append((f"{name} {field} {number}", single(changed, piece.payload, **{field: number})))
        for codec in ("", "bytes", "weights", "logs", "x" * 64, "x" * 65):
            cases.append((f"{name} as {codec}", single(replace(piece.head, codec=codec, version=1), piece.payload)))
        for shape in ((), (0,), (1 << 62,), (1 << 31, 1 << 31), (0, 1 << 62), (1,) * 64, (1,) * 65, (0,) * 64, (2,) * 64, (7, 0, 1 << 61)):
            for dtype in ("", "<f4", "|V0", "bfloat16", "[('a', '<f4', (1000000000,))]", "[]", "|S0"):
                for kind in ("ndarray", "scalar", "torch", "memoryview", "tensor", "bytes", "value", "dict", "file", "dir", "symlink"):
                    descriptor = bytearray()
                    t.pack_signature(descriptor, Entry("", kind, "bytes", dtype))
                    put_uvarint(descriptor, len(shape))
                    for n in shape:
                        put_uvarint(descriptor, n)
                    params = bytearray()
                    put_uvarint(params, len(descriptor))
                    if name == "single-stored" and len(params) + len(descriptor) < 1000:
                        head = replace(piece.head, params=bytes(params + descriptor))
                        cases.append((f"{kind} {dtype} {shape}", single(head, piece.payload)))
                        empty = replace(head, raw_size=0, raw_check=check64(b""))
                        cases.append((f"empty {kind} {dtype} {shape}", single(empty, b"")))
    check(cases, ways=["index", "decode", "pipe"], torch=TORCH)


DTYPES = [
    "",
    "O",
    "|O",
    "[('a', 'O')]",
    "T",
    "f4,O",
    "[" * 500,
    "[" * 60_000,
    "(" * 60_000,
    "[" + "-" * 60_000 + "1]",
    "[('a'," * 3000,
    "S2147483647",
    "V4294967296",
    "(1000000,1000000)f4",
    "[('a', '<f4', (2147483647, 2147483647))]",
    "[('a', '<f4', -1)]",
    "M8[99999999999999999999s]",
    "M8[s/0]",
    "M8[generic]",
    ",".join(["f4"] * 15_000),
    "[" + ",".join(f"('f{k}','u1')" for k in range(4000)) + "]",
    "\0",
    "f4\0",
    "\udc80",
    "[('a', '<f4'), ('a', '<f4')]",
    "[(1, 2)]",
    "[[]]",
    "[{}]",
    "[None]",
    "[('a', [('b', [('c', 'O')])])]",
    "{'names': ['a'], 'formats': ['O']}",
    "object",
    "int",
    "float",
    "str",
    "bool_",
    "class",
    "e" * 70_000,
    "[1e400]",
    "[" + "9" * 6000 + "]",
    "[('a', '" + "9" * 6000 + "f4')]",
    "9" * 5000 + "f4",
    "[b'x']",
    "[(b'x', '<f4')]",
    "[('', '|V10'), ('a', '<f4')]",
    "datetime64",
    "g",
    "S-1",
    "U999999999",
    "[('a', 'U536870912')]",
    "([('a','<f4')],)",
    "[(('t', 'a'), '<f4'), (('t', 'b'), '<f4')]",
    "a" * 40_000,
]


@pytest.mark.parametrize("kind", ["ndarray", "scalar", "tensor", "torch", "memoryview"])
def test_dtypes_that_are_none(kind: str) -> None:
    raw = bytes(24)
    cases = []
    for dtype in DTYPES:
        for shape, size in (((), 24), ((6,), 24), ((0,), 0), ((1 << 40, 0), 0), ((24,), 24), ((3,), 24)):
            entry = Entry("a", kind, "weights", dtype, shape, 1, 0, size)
            cases.append((f"{kind} {dtype[:30]} {shape}", stored(raw, [entry])))
    check(cases, ways=["index", "decode"], torch=TORCH and kind == "torch")


# ---------------------------------------------------------------------- tables and indexes


def test_columns_that_lie() -> None:
    raw = b"0123456789" * 10
    entries = [Entry(f"e{k}", "bytes", stream=1, start=10 * k, size=10) for k in range(10)]
    wide = [*NUMBERS, (1 << 64) - 1]
    cases = []
    for column, rows in (
        (t.NAME_SIZES, 10),
        (t.SIGNATURE, 10),
        (t.NDIM, 10),
        (t.DIMS, 10),
        (t.STREAM, 10),
        (t.START, 10),
        (t.SIZE, 10),
        (t.META_SIZES, 10),
        (t.BASE, 10),
        (STREAM_ID, 1),
        (STREAM_FRAMES, 1),
        (FRAME_GAP, 1),
        (FRAME_LENGTH, 1),
        (FRAME_RAW, 1),
    ):
        for number in wide:
            for values in ([number] * rows, [0] * (rows - 1) + [number], [number] + [1] * (rows - 1), [number] * (rows + 1), [number]):
                cases.append((f"column {column} {values[:2]}", stored(raw, entries, index={column: pack_ints(values)})))
        for junk in (b"\1", b"\3abc", b"\x08" + bytes(8), b"\0" * 11, b"\xff" * 100):
            cases.append((f"column {column} is {junk[:4]!r}", stored(raw, entries, index={column: junk})))
    for a in NUMBERS:
        for b in NUMBERS:
            counts = bytearray()
            put_uvarint(counts, a)
            put_uvarint(counts, b)
            cases.append((f"{a} streams, {b} frames", stored(raw, entries, index={COUNTS: bytes(counts)})))
        cases.append((f"{a} entries", stored(raw, entries, index={}, count=a)))
    for junk in (b"", b"\0", b"\xff" * 16, bytes(160), bytes(range(256))):
        for column in (t.NAME_BYTES, t.SIGNATURES, t.HASH, t.META_BYTES, t.BASE_BYTES):
            cases.append((f"column {column} junk", stored(raw, entries, index={column: junk})))
    good = pack_table(entries)
    pairs = [(k, v) for k, v in good.items() if v]
    cases.append(("a column twice", archive([table_frame(f.ENTRIES, columns(10, [*pairs, pairs[0]]))])))
    cases.append(("a column twice in the index", archive([], columns(10, [*pairs, pairs[0]]))))
    for number in (15, 20, 22, 100, 1 << 60):
        cases.append((f"an unknown column {number}", stored(raw, entries, index={number: b"abc"})))
    check(cases, ways=["index", "decode"])


def test_frames_over_each_other() -> None:
    raw = bytes(range(256)) * 2
    first, second = data_frame(1, 0, raw), data_frame(1, len(raw), raw[::-1])
    entry = Entry("a", stream=0, size=2 * len(raw))
    cases = []
    for offsets in ((13, 13), (13, 14), (13, 13 + len(first) - 1), (13 + len(first), 13), (0, 13), (13, 0), (13, 1 << 60)):
        stream = Stream(1)
        for offset, data in zip(offsets, (first, second), strict=True):
            stream.add(offset, len(data), len(raw))
        cases.append((f"frames at {offsets}", archive([first, second], pack_index([stream], [entry], 0))))
    many = Stream(1)
    for _ in range(10_000):
        many.add(13, len(first), len(raw))
    cases.append(("one frame 10,000 times", archive([first], pack_index([many], [replace(entry, size=10_000 * len(raw))], 0))))
    inside = data_frame(1, 0, b"--" + data_frame(2, 0, b"inner") + b"--")
    outer, inner = Stream(1), Stream(2)
    outer.add(13, len(inside), len(inside) - (len(inside) - len(data_frame(2, 0, b"inner")) - 4))
    inner.add(13 + inside.index(data_frame(2, 0, b"inner")), len(data_frame(2, 0, b"inner")), 5)
    cases.append(("a frame inside another", archive([inside], pack_index([outer, inner], [entry], 0))))
    for covered in (0, 1, 45, 1 << 40):
        cases.append((f"covers {covered}", archive([first], pack_index([], [], 0), covered=covered)))
    check(cases)


def test_views_and_entries_outside_streams() -> None:
    raw = bytes(100)
    cases = []
    for start in (0, 1, 99, 100, 101, 1 << 32, 1 << 61):
        for size in (0, 1, 99, 100, 101, 1 << 32, 1 << 40, 1 << 61):
            for kind in ("bytes", "bytearray", "tensor", "ndarray", "file"):
                dtype, shape = ("|u1", (size,)) if kind in ("tensor", "ndarray") else ("", ())
                cases.append((f"{kind} {size} from {start}", stored(raw, [Entry("a", kind, "bytes", dtype, shape, 1, start, size)])))
    many = [Entry(f"v{k}", "tensor", "bytes", "|u1", (100,), 1, 0, 100) for k in range(5000)]
    cases.append(("5,000 views of the same bytes", stored(raw, many)))
    check(cases)


def test_names_that_fight() -> None:
    raw = bytes(10)
    cases = []
    for names in (
        ["a", "a"],
        ["", ""],
        ["a", "a/b", "a/b/c"],
        ["/".join("a" * 2000)],
        ["x" * 4096],
        ["x" * 4097],
        ["a//b"],
        ["\0"],
        ["~ix", "~i1"],
    ):
        for kind in ("dict", "list", "bytes", "odict", "tuple", "value", "file", "dir", "symlink"):
            entries = [Entry(name, kind, stream=1, size=10 if kind in ("bytes", "file") else 0) for name in names]
            cases.append((f"{kind} {names[0][:20]}", stored(raw, entries)))
    deep = [Entry("/".join("a" * k), "dict") for k in range(1, 500)]
    cases.append(("500 levels of dicts", stored(raw, deep)))
    deep = [Entry("", "list")] + [Entry("/".join(["~i0"] * k), "list") for k in range(1, 900)]
    cases.append(("900 levels of lists", stored(raw, deep)))
    for keys in (["d/~ix"], ["d/~i"], ["d/~i9" + "9" * 4000], ["d/~i1", "d/~i01"], ["d/~i\u0661"], ["d/~q"]):
        cases.append((f"keys {keys[0][:9]}", stored(raw, [Entry("d", "dict"), *(Entry(k, stream=1, size=10) for k in keys)])))
    check(cases)


# ---------------------------------------------------------------------- metadata

CBOR = [
    b"\xa1",
    b"\xff",
    b"\xbf",
    b"\xbf\xff",
    b"\xa0\xa0",
    b"\x80",
    b"\x01",
    b"\xf6",
    b"\x9f\xff",
    b"\x5f\xff",
    b"\x7f\xff",
    b"\xc0\x60",
    b"\xa1\x61v" + b"\x81" * 15 + b"\x00",
    b"\xa1\x61v" + b"\x81" * 30_000 + b"\x00",
    b"\xa1\x61v" + b"\xa1\x00" * 20_000 + b"\x00",
    b"\xa1\x61v\x9b" + b"\xff" * 8,
    b"\xa1\x61v\xbb" + b"\xff" * 8,
    b"\xa1\x61v\x5b" + b"\x7f" * 8,
    b"\xa1\x61v\x7b" + b"\x00\x00\x00\x40" + bytes(4),
    b"\xa2\x61v\x01\x61v\x02",
    b"\xa1\x01\x02",
    b"\xa1\x80\x02",
    b"\xa1\xa0\x02",
    b"\xa1\x61v\xfa\x7f\xc0\x00\x01",
    b"\xa1\x61v\xf9\x7c\x01",
    b"\xa1\x61v\x7a\x00\x00\x00\x02\xff\xff",
    b"\xa1\x61v\xf7",
    b"\xa1\x61v\xf8\x20",
    b"\xa1\x61v\xe0",
    b"\xa1\x62v",
    *(
        b"\xa1\x61v" + cbor2.dumps(cbor2.CBORTag(tag, value))
        for tag in (0, 1, 2, 3, 4, 5, 21, 24, 25, 28, 29, 30, 35, 36, 37, 43000, 100, 256, 258, 260, 261, 1004, 55799, 12345678901)
        for value in ("2020-01-01T00:00:00Z", 1, b"\xff" * 20, [1, 2], [10**9, 1], "(a+)+$", {})
    ),
    cbor2.dumps({"v": 2**70}),
    cbor2.dumps({"v": -(2**70)}),
    cbor2.dumps({"v": 1.5}),
    cbor2.dumps({"f": b"1234567"}),
    cbor2.dumps({"f": 1}),
    cbor2.dumps({"v": [1]}),
    cbor2.dumps({"v": {"a": b"x"}}),
    cbor2.dumps({"target": 5, "mode": "x", "mtime_ns": 2**63}),
]


def test_metadata_that_is_none() -> None:
    cases = []
    for meta in CBOR:
        for kind in ("value", "bytes", "file", "symlink", "dict"):
            entries = [Entry("a", kind, stream=1, size=4 if kind in ("bytes", "file") else 0)]
            sizes = {t.META_BYTES: meta, t.META_SIZES: pack_ints([len(meta)])}
            cases.append((f"{kind} {meta[:12].hex()}", stored(b"data", entries, index=sizes, journal=False)))
            journal = pack_columns(pack_table(entries) | sizes, 1)
            cases.append((f"journal {kind} {meta[:12].hex()}", archive([table_frame(f.ENTRIES, journal), data_frame(1, 0, b"data")])))
    check(cases)


# ---------------------------------------------------------------------- references


def test_copies_that_go_nowhere() -> None:
    raw = bytes(range(250)) * 30
    size, sum_ = len(raw), check64(raw)
    first = data_frame(1, 0, raw)
    entry = Entry("a", stream=2, size=size)
    table = table_frame(f.ENTRIES, pack_columns(pack_table([entry]), 1))
    cases = []

    def add(label: str, *frames: bytes) -> None:
        data = [table, first, *frames]
        streams: dict[int, Stream] = {}
        offset = 13
        for one in data:
            head = split_head(one)
            if head.type in (f.DATA, f.COPY):
                streams.setdefault(head.stream, Stream(head.stream)).add(offset, len(one), head.raw_size)
            offset += len(one)
        found = list(streams.values())
        placed = replace(entry, stream=next((i for i, s in enumerate(found) if s.id == 2), 0))
        cases.extend([(label, archive(data, pack_index(found, [placed], 0))), (f"torn {label}", archive(data))])

    add("a good copy", copy_frame(2, 0, size, sum_, (1, 0)))
    add("of itself", copy_frame(2, 0, size, sum_, (2, 0)))
    add("of what follows", copy_frame(2, 0, size, sum_, (3, 0)), data_frame(3, 0, raw))
    add("of a copy", copy_frame(2, 0, size, sum_, (3, 0)), copy_frame(3, 0, size, sum_, (1, 0)))
    add("of a copy before it", copy_frame(3, 0, size, sum_, (1, 0)), copy_frame(2, 0, size, sum_, (3, 0)))
    add("in a circle", copy_frame(2, 0, size, sum_, (3, 0)), copy_frame(3, 0, size, sum_, (2, 0)))
    for number in NUMBERS:
        add(f"of stream {number}", copy_frame(2, 0, size, sum_, (number, 0)))
        add(f"from {number}", copy_frame(2, 0, size, sum_, (1, number)))
        add(f"{number} bytes", copy_frame(2, 0, number, sum_, (1, 0)))
    half = data_frame(1, size, raw[: size // 2])
    add("over a frame border", half, copy_frame(2, 0, 200, check64((raw + raw)[size - 100 : size + 100]), (1, size - 100)))
    for payload in (b"", b"\1", b"\1\0\0", b"\x80" * 9 + b"\1", b"\xff" * 30):
        head = FrameHead(f.COPY, stream=2, raw_size=size, stored_size=len(payload), raw_check=sum_)
        add(f"payload {payload[:4].hex()}", head.pack() + payload)
    check(cases)


def test_small_copies_of_large_ranges() -> None:
    """A chain of copies can't make a small file an endless one: the sum of what comes out is what its frames say."""
    raw = bytes(1 << 20)
    frames = [data_frame(1, 0, raw)]
    frames += [copy_frame(2, k << 20, 1 << 20, check64(raw), (1, 0)) for k in range(40)]
    entry = Entry("a", stream=2, size=40 << 20)
    table = table_frame(f.ENTRIES, pack_columns(pack_table([Entry("b", stream=1, size=1 << 20), entry]), 2))
    streams, offset = (Stream(1), Stream(2)), 13 + len(table)
    for data in frames:
        head = split_head(data)
        streams[head.stream - 1].add(offset, len(data), head.raw_size)
        offset += len(data)
    counts = check([("40 copies", archive([table, *frames], pack_index(streams, [replace(entry, stream=1)], 0)))])
    assert counts["other"] == 4


def test_bases_in_circles() -> None:
    raw = bytes(1000)
    digests = [bytes([k]) * 16 for k in range(60)]

    def coded(k: int, base: bytes, start: int = 0) -> bytes:
        payload = zstandard.ZstdCompressor().compress(raw)
        head = FrameHead(f.DATA, "bytes", 1, k + 1, 0, len(raw), len(payload), b"", check64(raw), check32(payload), Base(base, start))
        return head.pack() + payload

    def linked(bases: list[bytes], hashes: list[bytes], start: int = 0) -> bytes:
        streams, frames, entries, offset = [], [], [], 13
        for k, (base, digest) in enumerate(zip(bases, hashes, strict=True)):
            frames.append(coded(k, base, start))
            streams.append(Stream(k + 1))
            streams[-1].add(offset, len(frames[-1]), len(raw))
            offset += len(frames[-1])
            entries.append(Entry(f"e{k}", stream=k, size=len(raw), hash=digest))
        return archive(frames, pack_index(streams, entries, 0))

    cases = [
        ("of itself", linked(digests[:1], digests[:1])),
        ("of each other", linked(digests[1::-1], digests[:2])),
        ("a long chain", linked([*digests[1:], bytes(16)], digests)),
        ("a long circle", linked([*digests[1:], digests[0]], digests)),
        ("missing", linked([b"\xee" * 16], digests[:1])),
        *((f"from {n}", linked([digests[1], b"\xee" * 16], digests[:2], n)) for n in NUMBERS if n < 1 << 62),
    ]
    counts = check(cases)
    assert counts["error"] >= 3 * len(cases)


# ---------------------------------------------------------------------- payloads


def test_zstd_payloads_that_lie() -> None:
    entry = Entry("a", stream=1, size=1000)
    table = table_frame(f.ENTRIES, pack_columns(pack_table([entry]), 1))
    bomb = zstandard.ZstdCompressor(level=19)
    unsized = zstandard.ZstdCompressor(write_content_size=False)
    payloads = {
        "larger": bomb.compress(bytes(1 << 30 >> 3)),
        "smaller": bomb.compress(bytes(10)),
        "unsized": unsized.compress(bytes(1000)),
        "unsized bomb": unsized.compress(bytes(1 << 27)),
        "two frames": bomb.compress(bytes(500)) * 2,
        "skippable": b"\x50\x2a\x4d\x18" + bytes(100),
        "empty": b"",
        "magic only": b"\x28\xb5\x2f\xfd",
        "with checksum": zstandard.ZstdCompressor(write_checksum=True).compress(bytes(1000)),
        "trailing": bomb.compress(bytes(1000)) + b"x",
        "cut": bomb.compress(bytes(1000))[:-1],
        "window of 2 GiB": b"\x28\xb5\x2f\xfd\x40\xa8\xe8\x02" + bytes(20),
        "declares 2^60": b"\x28\xb5\x2f\xfd\xe0" + (1 << 60).to_bytes(8, "little") + bytes(20),
        "dictionary id": b"\x28\xb5\x2f\xfd\x21\x07\xe8" + bytes(20),
    }
    cases = []
    for label, payload in payloads.items():
        for raw_size in (1000, 0, 1, 1 << 25, len(payload)):
            for codec, params in (("bytes", b""), ("bytes", b"x"), ("weights", b"\2")):
                data = payload if codec == "bytes" else b"\2" + payload
                head = FrameHead(f.DATA, codec, 1, 1, 0, raw_size, len(data), params, check64(bytes(raw_size)), check32(data))
                frame_ = head.pack() + data
                stream = Stream(1)
                stream.add(13 + len(table), len(frame_), raw_size)
                index = pack_index([stream], [replace(entry, stream=0, size=raw_size)], 0)
                cases.append((f"{label} as {raw_size} {codec}", archive([table, frame_], index)))
        for kind in (f.OPEN, f.ENTRIES, f.INDEX):
            for raw_size in (1000, 1 << 20, 1 << 25, 1 << 40):
                head = FrameHead(kind, "bytes", 1, raw_size=raw_size, stored_size=len(payload), raw_check=0, payload_check=check32(payload))
                cases.append((f"table {label}", archive([head.pack() + payload])))
    for kind in (f.ENTRIES, f.INDEX):
        for codec, version in (("weights", 1), ("bytes", 2), ("logs", 1), ("x", 1)):
            head = FrameHead(kind, codec, version, raw_size=5, stored_size=5, raw_check=check64(b"\0\0\0\0\0"))
            cases.append((f"a table by {codec} {version}", archive([head.pack() + b"\0\0\0\0\0"])))
    check(cases)


def test_an_index_that_unpacks_to_much() -> None:
    """A few kilobytes may not become a gigabyte of index, nor a million entries."""
    cases = []
    for size in (1 << 20, 1 << 22, 1 << 27):
        table = bytearray()
        put_uvarint(table, size - 20)  # unnamed entries without bytes
        raw = bytes(table) + columns(0, [(t.SIGNATURES, b"\0\1\0")])[1:]
        raw += b"\x63" + b"\x80\x80\x80\x01"[:0]
        body = columns(min(size, 1 << 20), [(t.SIGNATURES, b"\0\1\0"), (99, bytes(size - 30))])
        frame_ = table_frame(f.INDEX, body, coded=True)
        from laconic.container.frame import pack_header
        from laconic.container.index import Trailer

        start = pack_header(0)
        cases.append((f"{size} bytes of index", start + frame_ + Trailer.of(len(start) + len(frame_) + 32, frame_).pack()))
        cases.append((f"{size} bytes of table", archive([table_frame(f.ENTRIES, body, coded=True)])))
    check(cases)


def mutations(data: bytes, chance: random.Random, count: int) -> Iterator[bytes]:
    """`data` with a few bytes changed, removed or doubled."""
    interesting = (0, 1, 0x7F, 0x80, 0xFF, 0xFE, 0x40)
    for _ in range(count):
        out = bytearray(data)
        for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
            if not out:
                break
            at = chance.randrange(len(out))
            edit = chance.randrange(6)
            if edit <= 1:
                out[at] = chance.randrange(256)
            elif edit == 2:
                out[at] = chance.choice(interesting)
            elif edit == 3:
                out[at] ^= 1 << chance.randrange(8)
            elif edit == 4:
                del out[at : at + chance.choice((1, 2, 8))]
            else:
                out[at:at] = bytes(chance.choice((0, 255)) for _ in range(chance.choice((1, 2, 9))))
        yield bytes(out)


@pytest.mark.parametrize("name", QUICK_ARCHIVES)
def test_random_edits_with_valid_checksums(name: str) -> None:
    """Mutated heads, payloads, tables and indexes, all resealed: the parsers see them, the checksums do not protect them."""
    blob = (GOLDEN / f"{name}.lac").read_bytes()
    base = (GOLDEN / "base.lac").read_bytes() if name.endswith("delta") else None
    chance = random.Random(f"reseal {name}")
    pieces = split(blob)
    cases = []
    for i, piece in enumerate(pieces):
        if piece.what != "frame":
            continue
        head = piece.head
        assert head is not None
        sync = piece.data.startswith(f.SYNC)
        changed: list[bytes] = [raw_head(body, piece.payload, sync=sync) for body in mutations(head_body(piece), chance, 60)]
        if head.type in (f.OPEN, f.ENTRIES, f.INDEX):
            raw = parse_meta_frame(piece.data, "test")
            changed += [table_frame(head.type, table) for table in mutations(raw, chance, 250)]
        else:
            changed += [frame(head, payload, sync=sync) for payload in mutations(piece.payload, chance, 100)]
            # The payload's mutation may pass for data where the check of the raw bytes is what the head says; it can't be made to match.
            sizes = [
                replace(head, raw_size=n).pack(sync=sync) + piece.payload for n in (0, 1, head.raw_size + 1, 1 << 25, 2 * head.raw_size)
            ]
            changed += sizes
        for k, data in enumerate(changed):
            cases.append((f"{name} frame {i} edit {k}", reseal([*pieces[:i], Piece("frame", data), *pieces[i + 1 :]])))
    if len(cases) > 500:
        cases = chance.sample(cases, 500)
    check(cases, base=base)
