"""Reads an archive front to back by its frames alone: for archives without a usable index, and to say what is intact in a damaged one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from laconic.container import format as f
from laconic.container.frame import (
    MAX_PREFIX,
    FrameHead,
    check_payload,
    check_raw,
    parse_frame_head,
    parse_header,
)
from laconic.container.index import Part, Stream, parse_trailer
from laconic.container.meta import unpack_meta_frame
from laconic.container.source import ArchiveBytes
from laconic.container.table import Entry, parse_signature, parse_table
from laconic.container.varint import Cursor
from laconic.errors import CorruptDataError, UnsupportedError

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Found:
    """Something whole at `offset`: a "header", "frame", "object" or "trailer", or a "gap" of damaged bytes of `length`."""

    what: str
    offset: int
    length: int
    head: FrameHead | None = None
    prefix: int = 0  # bytes before the payload


def scan(data: ArchiveBytes, start: int, stop: int) -> Iterator[Found]:
    """All that is recognisable in data[start:stop], in order. Payloads are not read, only located."""
    position = start
    sync = True
    while position < stop:
        found = _at(data, position, stop, sync)
        if found is None:
            after = _next_marker(data, position + 1, stop)
            yield Found("gap", position, after - position)
            position, sync = after, True
            continue
        yield found
        sync = not (found.what == "header" and found.prefix & f.SINGLE)
        position += found.length


def _at(data: ArchiveBytes, position: int, stop: int, sync: bool) -> Found | None:
    chunk = data.read_at(position, min(MAX_PREFIX, stop - position))
    where = f"{data.name} at {position}"
    if sync and bytes(chunk[:8]) == f.MAGIC:
        try:
            return Found("header", position, f.HEADER_SIZE, prefix=parse_header(chunk[: f.HEADER_SIZE], where))
        except CorruptDataError:
            return None
    if sync and bytes(chunk[:4]) != f.SYNC:
        trailer = parse_trailer(chunk[: f.TRAILER_SIZE], position + f.TRAILER_SIZE)
        if trailer is None:
            return None
        index = data.read_at(position - trailer.index_size, trailer.index_size)
        return Found("trailer", position, f.TRAILER_SIZE) if trailer.matches(index) else None
    try:
        head, prefix = parse_frame_head(chunk, where, sync=sync)
    except (CorruptDataError, UnsupportedError):
        return None
    if position + prefix + head.stored_size > stop or (head.type == f.OBJECT) == sync:
        return None
    return Found("frame" if sync else "object", position, prefix + head.stored_size, head, prefix)


def _next_marker(data: ArchiveBytes, position: int, stop: int) -> int:
    """Where the next sync marker, header or trailer may start; `stop` if nowhere."""
    while position < stop:
        block = bytes(data.read_at(position, min(_BLOCK + 32, stop - position)))
        hits = [i for marker in (f.SYNC, f.MAGIC) if (i := block.find(marker)) >= 0]
        trailer = block.find(f.TRAILER_MAGIC)
        if trailer >= 24:
            hits.append(trailer - 24)
        if hits:
            return position + min(hits)
        if len(block) < _BLOCK + 32:
            return stop
        position += _BLOCK
    return stop


@dataclass(slots=True)
class Recovered:
    """What a scan found. `parts` are usable like those of an index; `incomplete` are entries whose data ends too early."""

    parts: list[Part] = field(default_factory=list)
    incomplete: list[tuple[Part, Entry]] = field(default_factory=list)
    gaps: list[tuple[int, int]] = field(default_factory=list)  # (offset, length) of damaged bytes
    torn: bool = False  # the last part has no valid trailer
    complete_end: int = 0  # end of the last complete part


def recover(data: ArchiveBytes, start: int, stop: int, *, check: bool = False) -> Recovered:
    """Rebuild streams and entries of data[start:stop] from the journal. `check`: leave out frames whose payload is damaged."""
    result = Recovered()
    builder: _Builder | None = None
    for found in scan(data, start, stop):
        if found.what == "header":
            if builder is not None:
                result.torn = True
                builder.close(found.offset, result)
            builder = _Builder(found.offset)
        elif found.what == "gap":
            result.gaps.append((found.offset, found.length))
        elif found.what == "object":
            builder = None
            part = _object_part(data, found)
            if part is not None:
                result.parts.append(part)
                result.complete_end = found.offset + found.length
        elif found.what == "trailer":
            if builder is not None:
                builder.close(found.offset + found.length, result)
            builder = None
            result.complete_end = found.offset + found.length
        else:
            if builder is None:
                builder = _Builder(found.offset)
                result.torn = True
            builder.add(data, found, check)
    if builder is not None:
        result.torn = True
        builder.close(stop, result)
    if result.gaps:
        result.torn = True
    return result


class _Builder:
    """Collects one part."""

    def __init__(self, start: int) -> None:
        self.start = start
        self.streams: dict[int, Stream] = {}
        self.opened: dict[int, Entry] = {}
        self.entries: list[Entry] = []

    def add(self, data: ArchiveBytes, found: Found, check: bool) -> None:
        head = found.head
        assert head is not None
        if head.type in (f.DATA, f.COPY):
            stream = self.streams.setdefault(head.stream, Stream(head.stream))
            if check and not _payload_intact(data, found, head):
                return
            if head.raw_start == stream.size:  # a frame after a lost one can't be placed by extent alone: the stream ends here
                stream.add(found.offset, found.length, head.raw_size)
            return
        if head.type == f.INDEX:
            return
        try:
            table = parse_table(unpack_meta_frame(data, found.offset, found.length), f"{data.name} at {found.offset}: the table")
            entries = list(table)
        except CorruptDataError:
            return
        if head.type == f.OPEN:
            self.opened |= {entry.stream: entry for entry in entries}
        else:
            for entry in entries:
                self.opened.pop(entry.stream, None) if entry.start == 0 else None
            self.entries += entries

    def close(self, end: int, result: Recovered) -> None:
        streams = list(self.streams.values())
        position = {stream.id: i for i, stream in enumerate(streams)}
        entries: list[Entry] = []
        incomplete: list[Entry] = []
        for entry in self.entries:
            stream = self.streams.get(entry.stream)
            if entry.size == 0:
                entries.append(replace(entry, stream=0, start=0))
            elif stream is not None and entry.start + entry.size <= stream.size:
                entries.append(replace(entry, stream=position[entry.stream]))
            else:
                have = 0 if stream is None else max(0, min(entry.size, stream.size - entry.start))
                incomplete.append(replace(entry, stream=position.get(entry.stream, 0), size=have, hash=b""))
        for number, entry in self.opened.items():
            stream = self.streams.get(number)
            incomplete.append(replace(entry, stream=position.get(number, 0), size=stream.size if stream else 0, hash=b""))
        part = Part(self.start, end, streams, entries)
        result.parts.append(part)
        result.incomplete += [(part, entry) for entry in incomplete]


def _payload_intact(data: ArchiveBytes, found: Found, head: FrameHead) -> bool:
    payload = data.read_at(found.offset + found.prefix, head.stored_size)
    where = f"{data.name} at {found.offset}"
    try:
        check_payload(head, payload, where)
        if not head.codec and head.type == f.DATA:
            check_raw(head, payload, where)
    except CorruptDataError:
        return False
    return True


def _object_part(data: ArchiveBytes, found: Found) -> Part | None:
    head = found.head
    assert head is not None
    stream = Stream(0)
    stream.add(found.offset, found.length, head.raw_size)
    try:
        entry, _ = parse_object(head, f"{data.name} at {found.offset}")
    except CorruptDataError:
        return None
    return Part(found.offset - f.HEADER_SIZE, found.offset + found.length, [stream], [entry], single=True)


def parse_object(head: FrameHead, where: str) -> tuple[Entry, bytes]:
    """The entry of an OBJECT frame, and the codec's own parameters."""
    cursor = Cursor(head.params, f"{where}: the object's descriptor")
    size = cursor.uvarint()
    params_start = cursor.pos + size
    type_, kind, dtype = parse_signature(cursor)
    ndim = cursor.uvarint()
    if ndim > f.MAX_DIMS:
        raise CorruptDataError(f"{where}: an array of {ndim} dimensions (limit {f.MAX_DIMS})")
    shape = tuple(cursor.uvarint() for _ in range(ndim))
    if cursor.pos != params_start:
        raise CorruptDataError(f"{where}: the object's descriptor has the wrong size")
    return Entry("", type_, kind, dtype, shape, size=head.raw_size), bytes(head.params[params_start:])
