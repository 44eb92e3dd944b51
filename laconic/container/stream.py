"""Reads an archive from a pipe, front to back, in bounded memory. Entries come out in the order of their data."""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, BinaryIO

from laconic.container import format as f
from laconic.container.base import BaseResolver
from laconic.container.codec import Codec
from laconic.container.decoder import FrameDecoder
from laconic.container.frame import FrameHead, check_payload, parse_frame_head, parse_header
from laconic.container.hashing import ContentHash
from laconic.container.index import Stream, Trailer
from laconic.container.meta import parse_meta_frame
from laconic.container.scan import parse_object
from laconic.container.source import PipeSource
from laconic.container.table import Entry, parse_table
from laconic.errors import CorruptDataError

PACK_LIMIT = 1 << 26  # raw bytes of small entries held back until they are whole


@dataclass(frozen=True, slots=True)
class Begin:
    """The data of `entry` begins; its size and hash may not be known yet."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class Data:
    raw: memoryview


@dataclass(frozen=True, slots=True)
class End:
    """The entry that began last is complete, and its content hash (if stored) was checked."""

    entry: Entry


Event = Begin | Data | End


class StreamReader:
    """Iterate over `events()`: Begin, Data..., End for each entry that has a stream of its own or a place in a pack.

    Tensors inside a file (views) are not reported: the file is. Only data whose checks passed comes out.
    """

    def __init__(
        self, file: BinaryIO | Any, codecs: Callable[[str], Codec], *, name: str = "<pipe>", jobs: int = 1,
        resolve_base: BaseResolver | None = None,
    ) -> None:  # fmt: skip
        self._source = PipeSource(file)
        self._name = name
        self._decoder = FrameDecoder(codecs, resolve_base)
        self._jobs = max(1, jobs)
        self._pool: ThreadPoolExecutor | None = None
        self._queue: deque[Future[memoryview] | memoryview | Callable[[], Iterator[Event]]] = deque()
        self._position = 0
        self._spool: BinaryIO | None = None
        self._streams: dict[int, Stream] = {}
        self._begun: set[int] = set()  # the streams of this part
        self._declared: dict[int, list[Entry]] = {}
        self._current: _Current | None = None

    def events(self) -> Iterator[Event]:
        try:
            first = True
            while True:
                header = self._take(f.HEADER_SIZE, optional=True)
                if not header:
                    break
                flags = parse_header(header, f"{self._name} at {self._position - len(header)}" if not first else self._name)
                first = False
                if flags & f.COPIES and self._spool is None:
                    self._spool = tempfile.TemporaryFile()
                    self._spool.seek(self._position)
                yield from self._single() if flags & f.SINGLE else self._part()
            if first:
                raise CorruptDataError(f"{self._name}: the input is empty")
        finally:
            if self._pool is not None:
                self._pool.shutdown(wait=True, cancel_futures=True)
            if self._spool is not None:
                self._spool.close()

    # ------------------------------------------------------------------ bytes

    def _take(self, size: int, *, optional: bool = False) -> bytes:
        data = bytes(self._source.take(size))
        self._position += len(data)
        if len(data) < size and not (optional and not data):
            raise CorruptDataError(f"{self._name}: the archive is torn: it ends at {self._position}, in the middle of something")
        if self._spool is not None:
            self._spool.write(data)
        return data

    def _frame_head(self, sync: bool) -> tuple[FrameHead, bytes]:
        """The next frame head and its bytes; for a trailer, a head of type 0."""
        where = f"{self._name} at {self._position}"
        start = self._take(len(f.SYNC) + 1 if sync else 1)
        if sync and start[:-1] != f.SYNC:
            rest = self._take(f.TRAILER_SIZE - len(start))
            if rest.endswith(f.TRAILER_MAGIC):
                return FrameHead(0), start + rest
            raise CorruptDataError(f"{where}: no frame starts here")
        if start[-1] >= 0x80:
            start += self._take(1)
        size = start[-1] << 7 | start[-2] & 0x7F if len(start) > (5 if sync else 1) else start[-1]
        if start[-1] >= 0x80 or size > f.MAX_HEAD:
            raise CorruptDataError(f"{where}: a frame head of {size} bytes (limit {f.MAX_HEAD})")
        data = start + self._take(size + 4)
        return parse_frame_head(data, where, sync=sync)[0], data

    # ------------------------------------------------------------------ parts

    def _single(self) -> Iterator[Event]:
        where = f"{self._name} at {self._position}"
        head, _ = self._frame_head(False)
        if head.type != f.OBJECT:
            raise CorruptDataError(f"{where}: a frame of type {head.type} where an object belongs")
        entry = parse_object(head, where)[0]
        payload = memoryview(self._take(head.stored_size))
        yield Begin(entry)
        raw = self._decoder.raw(head, payload, where, None, None)
        if len(raw):
            yield Data(raw)
        yield End(entry)

    def _part(self) -> Iterator[Event]:
        self._declared = {}
        self._begun = set()
        index: bytes | None = None
        while True:
            where = f"{self._name} at {self._position}"
            start = self._position
            head, data = self._frame_head(True)
            if head.type == 0:
                yield from self._drain(0)
                yield from self._finish(None)
                self._check_trailer(data, index, where)
                return
            payload = self._take(head.stored_size)
            if head.type in (f.DATA, f.COPY):
                index = None
                self._submit(head, memoryview(payload), where, start, len(data) + len(payload))
            elif head.type in (f.OPEN, f.ENTRIES):
                entries = list(parse_table(parse_meta_frame(data + payload, where, f.MAX_TABLE_RAW), f"{where}: the table"))
                self._queue.append(self._opened(entries) if head.type == f.OPEN else self._complete(entries))
            elif head.type == f.INDEX:
                index = data + payload
            else:
                raise CorruptDataError(f"{where}: a frame of type {head.type} inside a part")
            yield from self._drain(2 * self._jobs)

    def _check_trailer(self, data: bytes, index: bytes | None, where: str) -> None:
        covered, _, check = (int.from_bytes(data[i : i + 8], "little") for i in (0, 8, 16))
        if index is None or not Trailer(covered, len(index), check).matches(index):
            raise CorruptDataError(f"{where}: the index or the trailer is damaged")

    # ------------------------------------------------------------------ frames

    def _submit(self, head: FrameHead, payload: memoryview, where: str, offset: int, length: int) -> None:
        check_payload(head, payload, where)
        if head.stream not in self._begun:
            self._begun.add(head.stream)
            self._streams[head.stream] = Stream(head.stream)  # concatenated archives may use an id again
        stream = self._streams[head.stream]
        if head.raw_start != stream.size:
            raise CorruptDataError(f"{where}: the frame does not follow the one before it")
        stream.add(offset, length, head.raw_size)
        number = head.stream
        self._queue.append(lambda: self._enter(number, where))
        if head.type == f.COPY or self._jobs == 1:
            self._queue.append(self._decoder.raw(head, payload, where, None, self._read_copy))
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._jobs, thread_name_prefix="laconic")
        self._queue.append(self._pool.submit(self._decoder.raw, head, payload, where, None, None))

    def _read_copy(self, number: int, start: int, size: int, where: str) -> memoryview:
        stream = self._streams.get(number)
        if stream is None or self._spool is None or start + size > stream.size:
            raise CorruptDataError(f"{where}: a copy of bytes that the archive does not have")
        out = bytearray()
        here = self._spool.tell()
        for i in stream.frames(start, start + size):
            self._spool.seek(stream.offsets[i])
            data = memoryview(self._spool.read(stream.lengths[i]))
            head, prefix = parse_frame_head(data, where)
            raw = self._decoder.raw(head, data[prefix:], where, None, None)
            first = stream.ends[i]
            out += raw[max(start, first) - first : min(start + size, stream.ends[i + 1]) - first]
        self._spool.seek(here)
        return memoryview(out)

    def _drain(self, keep: int) -> Iterator[Event]:
        while len(self._queue) > keep:
            item = self._queue.popleft()
            if callable(item):
                yield from item()
            else:
                raw = item.result() if isinstance(item, Future) else item
                assert self._current is not None
                yield from self._current.data(raw)

    # ------------------------------------------------------------------ entries

    def _opened(self, entries: list[Entry]) -> Callable[[], Iterator[Event]]:
        def run() -> Iterator[Event]:
            for entry in entries:
                self._declared[entry.stream] = [entry]
            return iter(())

        return run

    def _complete(self, entries: list[Entry]) -> Callable[[], Iterator[Event]]:
        def run() -> Iterator[Event]:
            for entry in entries:
                if entry.type == "tensor":
                    continue
                current = self._current
                if current is not None and entry.stream == current.stream and current.announced:
                    yield from self._finish(entry)
                elif entry.size == 0:
                    yield from self._finish(None)  # what began before it is complete
                    if entry.type == "file":
                        self._declared.pop(entry.stream, None)
                    yield from (Begin(entry), End(entry))
                else:
                    self._declared.setdefault(entry.stream, []).append(entry)

        return run

    def _enter(self, stream: int, where: str) -> Iterator[Event]:
        """Before each block of data: the entry or pack that it belongs to."""
        if self._current is None or self._current.stream != stream:
            yield from self._finish(None)
            entries = self._declared.pop(stream, None)
            if entries is None:
                raise CorruptDataError(f"{where}: data that belongs to no entry")
            if len(entries) == 1 and entries[0].start == 0:
                self._current = _Whole(stream, entries[0])
                yield Begin(entries[0])
            else:
                self._current = _Pack(stream, entries)

    def _finish(self, entry: Entry | None) -> Iterator[Event]:
        current, self._current = self._current, None
        if current is not None:
            yield from current.end(entry, self._name)


class _Whole:
    """One entry with a stream of its own; its final description may come after its data."""

    def __init__(self, stream: int, entry: Entry) -> None:
        self.stream = stream
        self.entry = entry
        self.announced = entry.size == 0
        self.size = 0
        self.hash = ContentHash()

    def data(self, raw: memoryview) -> Iterator[Event]:
        self.size += len(raw)
        self.hash.update(raw)
        yield Data(raw)

    def end(self, entry: Entry | None, name: str) -> Iterator[Event]:
        final = entry or self.entry
        if (entry is None and self.announced) or final.size != self.size:
            raise CorruptDataError(f"{name}: entry {final.name!r} is not complete")
        if final.hash and self.hash.digest() != final.hash:
            raise CorruptDataError(f"{name}: entry {final.name!r} is not what was encoded (its content hash differs)")
        yield End(final)


class _Pack:
    """Small entries that share frames; they come out together once all their bytes are there."""

    announced = False

    def __init__(self, stream: int, entries: list[Entry]) -> None:
        self.stream = stream
        self.entries = entries
        self.raw = bytearray()
        self.limit = max(entry.start + entry.size for entry in entries)

    def data(self, raw: memoryview) -> Iterator[Event]:
        self.raw += raw
        if len(self.raw) > min(self.limit, PACK_LIMIT):
            raise CorruptDataError(f"a pack of small entries has more than {min(self.limit, PACK_LIMIT)} bytes")
        return iter(())

    def end(self, entry: Entry | None, name: str) -> Iterator[Event]:
        if len(self.raw) < self.limit:
            raise CorruptDataError(f"{name}: entry {self.entries[-1].name!r} is not complete")
        for item in self.entries:
            yield Begin(item)
            yield Data(memoryview(self.raw)[item.start : item.start + item.size])
            yield End(item)


_Current = _Whole | _Pack
