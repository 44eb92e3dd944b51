"""The index (streams, their frames, all entries) and the trailer that finds it. See docs/format.md, "Index" and "Trailer"."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

from laconic.container import format as f
from laconic.container.frame import check64
from laconic.container.table import (
    FIRST_FREE_COLUMN,
    Entry,
    Table,
    pack_columns,
    pack_ints,
    pack_table,
    parse_columns,
    unpack_ints,
)
from laconic.container.varint import Cursor, put_uvarint
from laconic.errors import CorruptDataError

STREAM_ID, STREAM_FRAMES, FRAME_GAP, FRAME_LENGTH, FRAME_RAW = range(FIRST_FREE_COLUMN, FIRST_FREE_COLUMN + 5)
COUNTS = FIRST_FREE_COLUMN + 5  # uvarint number of streams, uvarint number of frames


@dataclass(slots=True)
class Stream:
    """A run of raw bytes cut into frames. `offsets[i]`, `lengths[i]`: where frame i lies in the file; `ends`: raw ends, ends[0] = 0."""

    id: int
    offsets: list[int] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=lambda: [0])

    def add(self, offset: int, length: int, raw_size: int) -> None:
        self.offsets.append(offset)
        self.lengths.append(length)
        self.ends.append(self.ends[-1] + raw_size)

    @property
    def size(self) -> int:
        return self.ends[-1]

    def frames(self, start: int, stop: int) -> range:
        """Numbers of the frames that hold raw bytes [start, stop)."""
        if start >= stop:
            return range(0)
        return range(bisect_right(self.ends, start) - 1, bisect_right(self.ends, stop - 1))


def pack_index(streams: Sequence[Stream], entries: Sequence[Entry], region: int) -> bytes:
    """The index's raw bytes. `entries[i].stream` is a position in `streams`, not an id; offsets are taken from `region`.

    Frames are listed stream by stream; an offset is coded as the gap from the end of the frame listed before it (modulo 2**64).
    """
    gaps, lengths, sizes = [], [], []
    position = region
    for stream in streams:
        for i, offset in enumerate(stream.offsets):
            gaps.append((offset - position) & (1 << 64) - 1)
            lengths.append(stream.lengths[i])
            sizes.append(stream.ends[i + 1] - stream.ends[i])
            position = offset + stream.lengths[i]
    counts = bytearray()
    put_uvarint(counts, len(streams))
    put_uvarint(counts, len(gaps))
    columns = pack_table(entries)
    columns |= {
        STREAM_ID: pack_ints([stream.id for stream in streams]),
        STREAM_FRAMES: pack_ints([len(stream.offsets) for stream in streams]),
        FRAME_GAP: pack_ints(gaps),
        FRAME_LENGTH: pack_ints(lengths),
        FRAME_RAW: pack_ints(sizes),
        COUNTS: bytes(counts),
    }
    return pack_columns(columns, len(entries))


def parse_index(data: bytes | memoryview, region: int, limit: int, where: str) -> tuple[list[Stream], Table]:
    """Streams and entries of the index in `data`; every frame lies inside [region, limit) of the file, and no two overlap."""
    what = f"{where}: the index"
    count, columns = parse_columns(data, what)
    table = Table(count, columns, what)
    cursor = Cursor(columns.get(COUNTS, b"\0\0"), what)
    stream_count, frame_count = cursor.uvarint(), cursor.uvarint()
    cursor.end()
    # A frame or a stream costs real bytes of the file (a frame head has at least 20).
    if frame_count * 20 > limit - region or stream_count > frame_count + len(table) + 1:
        raise CorruptDataError(f"{what} names {stream_count} streams and {frame_count} frames in {limit - region} bytes")
    ids = unpack_ints(columns.get(STREAM_ID, b""), stream_count, what)
    per_stream = unpack_ints(columns.get(STREAM_FRAMES, b""), stream_count, what)
    gaps, lengths, sizes = (unpack_ints(columns.get(c, b""), frame_count, what) for c in (FRAME_GAP, FRAME_LENGTH, FRAME_RAW))
    if sum(per_stream) != frame_count:
        raise CorruptDataError(f"{what}: the frame counts do not add up")
    streams: list[Stream] = []
    position, k = region, 0
    for number, frames in zip(ids, per_stream, strict=True):
        stream = Stream(number)
        for _ in range(frames):
            offset = (position + gaps[k]) & (1 << 64) - 1
            if lengths[k] < 20 or offset < region or offset + lengths[k] > limit:
                raise CorruptDataError(f"{what} places a frame at {offset}, outside the archive")
            if sizes[k] > f.MAX_FRAME_RAW:
                raise CorruptDataError(f"{what} names a frame of {sizes[k]} raw bytes (limit {f.MAX_FRAME_RAW})")
            stream.add(offset, lengths[k], sizes[k])
            position = offset + lengths[k]
            k += 1
        streams.append(stream)
    _check_overlap(streams, what)
    if len(table) and max(table.streams) >= max(1, stream_count):
        raise CorruptDataError(f"{what}: an entry names a stream that does not exist")
    return streams, table


def _check_overlap(streams: list[Stream], what: str) -> None:
    spans = [(o, n) for stream in streams for o, n in zip(stream.offsets, stream.lengths, strict=True)]
    if any(a[0] > b[0] for a, b in itertools.pairwise(spans)):
        spans.sort()
    for (a, n), (b, _) in itertools.pairwise(spans):
        if a + n > b:
            raise CorruptDataError(f"{what} places two frames over each other at {b}")


@dataclass(frozen=True, slots=True)
class Part:
    """A region of the file that has an index of its own: what the reader found there, and what an append may merge."""

    start: int
    end: int
    streams: list[Stream]
    entries: Sequence[Entry]  # Entry.stream is a position in `streams`
    single: bool = False


@dataclass(frozen=True, slots=True)
class Trailer:
    covered: int  # bytes from the start of the region that the index describes to the end of the trailer
    index_size: int  # bytes of the index frame, which ends where the trailer begins
    check: int

    @classmethod
    def of(cls, covered: int, index_frame: bytes | memoryview) -> Trailer:
        return cls(covered, len(index_frame), cls._check(covered, index_frame))

    @staticmethod
    def _check(covered: int, index_frame: bytes | memoryview) -> int:
        return check64(covered.to_bytes(8, "little") + check64(index_frame).to_bytes(8, "little"))

    def matches(self, index_frame: bytes | memoryview) -> bool:
        return self.check == self._check(self.covered, index_frame)

    def pack(self) -> bytes:
        numbers = (self.covered, self.index_size, self.check)
        return b"".join(n.to_bytes(8, "little") for n in numbers) + f.TRAILER_MAGIC


def parse_trailer(data: bytes | memoryview, end: int) -> Trailer | None:
    """The trailer in `data` (TRAILER_SIZE bytes that end at file offset `end`), or None if these bytes are none."""
    if len(data) != f.TRAILER_SIZE or bytes(data[24:]) != f.TRAILER_MAGIC:
        return None
    covered, index_size, check = (int.from_bytes(data[i : i + 8], "little") for i in (0, 8, 16))
    if covered > end or index_size + f.TRAILER_SIZE + f.HEADER_SIZE > covered:
        return None
    return Trailer(covered, index_size, check)


__all__ = ["Stream", "Trailer", "pack_index", "parse_index", "parse_trailer"]
