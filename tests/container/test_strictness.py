"""What docs/format.md forbids is refused, also where every checksum is right and the data could still be read."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import cbor2
import pytest
from forge import archive, copy_frame, data_frame, frame, single, table_frame

import laconic
from laconic import registry
from laconic.container import format as f
from laconic.container.frame import Base, FrameHead, check64
from laconic.container.index import Stream, pack_index
from laconic.container.stream import Data, StreamReader
from laconic.container.table import META_BYTES, META_SIZES, Entry, pack_columns, pack_ints, pack_table, parse_meta
from laconic.container.zstd import compress
from laconic.errors import CorruptDataError

RAW = b"raw bytes of an entry, " * 9
ENTRY = Entry("a", stream=1, size=len(RAW))
STORED = FrameHead(f.DATA, stream=1, raw_size=len(RAW), stored_size=len(RAW), raw_check=check64(RAW))
CODED = replace(STORED, codec="bytes", version=1)
TABLE = pack_columns(pack_table([ENTRY]), 1)
ZSTD = b"\1" + compress(RAW, 3)


def of(data: bytes, table: bytes | None = None) -> bytes:
    """An archive of one data frame."""
    before = table_frame(f.ENTRIES, TABLE) if table is None else table
    stream = Stream(1)
    stream.add(13 + len(before), len(data), len(RAW))
    return archive([before, data], pack_index([stream], [replace(ENTRY, stream=0)], 0))


def read(blob: bytes) -> bytes:
    with laconic.open(blob) as opened:
        return bytes(opened.read("a"))


def read_forward(blob: bytes) -> bytes:
    return b"".join(bytes(event.raw) for event in StreamReader(io.BytesIO(blob), registry.get).events() if isinstance(event, Data))


def refused(blob: bytes, *, forward_only: bool = False) -> None:
    for way in (read_forward,) if forward_only else (read, read_forward):
        with pytest.raises((CorruptDataError, laconic.UnsupportedError)):
            way(blob)


def test_what_the_others_are_changes_of() -> None:
    for data in (frame(STORED, RAW), frame(CODED, ZSTD)):
        assert read(of(data)) == read_forward(of(data)) == RAW


def test_parameters_where_there_are_none() -> None:
    refused(of(frame(STORED, RAW, params=b"\0")))
    for kind in (f.OPEN, f.ENTRIES):
        for coded in (False, True):
            head: dict[str, Any] = {"params": b"\0"}
            payload = b"\1" + compress(TABLE, 3) if coded else TABLE
            if coded:
                head |= {"codec": "bytes", "version": 1}
            table = FrameHead(kind, raw_size=len(TABLE), stored_size=len(payload), raw_check=check64(TABLE))
            refused(of(frame(STORED, RAW), replace(table, **head).pack() + payload), forward_only=True)


def test_a_base_where_there_is_none() -> None:
    base = Base(bytes(16), 0)
    refused(of(frame(STORED, RAW, base=base)))
    refused(of(frame(STORED, RAW), table_frame(f.ENTRIES, TABLE, base=base)), forward_only=True)
    refused(single(replace(STORED, stream=0, params=b"\3\0\1\0"), RAW, base=base))


def test_a_copy_that_is_coded() -> None:
    entries = [ENTRY, Entry("b", stream=2, size=len(RAW))]
    table = table_frame(f.ENTRIES, pack_columns(pack_table(entries), 2))
    for changes in ({"codec": "bytes", "version": 1}, {"params": b"\0"}):
        coded = copy_frame(2, 0, len(RAW), check64(RAW), (1, 0), **changes)
        with pytest.raises(CorruptDataError, match=r"cop|parameters"):
            read_forward(archive([table, frame(STORED, RAW), coded]))


def test_metadata_beyond_its_limit() -> None:
    for size, good in ((f.MAX_META, True), (f.MAX_META + 1, False)):
        meta = cbor2.dumps({"k": bytes(size - 6)})
        assert len(meta) == size
        columns = pack_table([ENTRY]) | {META_BYTES: meta, META_SIZES: pack_ints([size])}
        blob = of(frame(STORED, RAW), table_frame(f.ENTRIES, pack_columns(columns, 1)))
        if good:
            assert read_forward(blob) == RAW
        else:
            refused(blob, forward_only=True)


def nested(depth: int) -> Any:
    return {"k": nested(depth - 1)} if depth else 1


@pytest.mark.parametrize(
    "data",
    [
        cbor2.dumps({"k": 1}) + b"\0",
        cbor2.dumps({"k": cbor2.undefined}),
        cbor2.dumps({"k": [cbor2.CBORSimpleValue(7)]}),
        cbor2.dumps({"k": {b"bytes": 1}}),
        cbor2.dumps({b"k": 1}),
        cbor2.dumps([1]),
        cbor2.dumps({"k": 2**70}),
        cbor2.dumps(nested(17)),
        b"\xbf\x61k\x01\xff",  # of indefinite length
        b"\xa2\x61k\x01\x61k\x02",  # one key twice
        b"\xa1\x61k",
    ],
    ids=lambda data: data[:12].hex(),
)
def test_metadata_that_is_not_plain(data: bytes) -> None:
    with pytest.raises(CorruptDataError):
        parse_meta(data, "test")


def test_metadata_of_the_greatest_depth() -> None:
    assert parse_meta(cbor2.dumps(nested(16)), "test") == nested(16)


def test_a_stream_that_begins_twice() -> None:
    table = table_frame(f.ENTRIES, TABLE)
    again = [table, data_frame(1, 0, RAW), table, data_frame(1, 0, RAW)]
    with pytest.raises(CorruptDataError, match="does not follow"):
        read_forward(archive(again))
    whole = of(frame(STORED, RAW))
    assert read_forward(whole + whole) == 2 * RAW  # in another part the id is free again
