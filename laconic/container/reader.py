"""Reads an archive with random access: finds the indexes from the end, decodes the frames that a range needs, checks everything."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

from laconic import _core
from laconic.container import format as f
from laconic.container.base import BaseResolver
from laconic.container.codec import Codec
from laconic.container.decoder import FrameDecoder
from laconic.container.frame import MAX_PREFIX, FrameHead, check_payload, parse_frame_head, parse_header
from laconic.container.hashing import ContentHash
from laconic.container.index import Part, Stream, parse_index, parse_trailer
from laconic.container.meta import parse_meta_frame
from laconic.container.scan import Recovered, recover
from laconic.container.source import ArchiveBytes
from laconic.container.table import Entry
from laconic.errors import CorruptDataError

EARNED = 1 << 26  # an output up to this size is allocated at once; a larger one only when the stored bytes make it plausible
EARNED_RATIO = 64
IN_PIECES = 1 << 16  # bytes objects below this size are joined from their frames
CACHED_FRAMES = 4
PAST_CACHES = 1 << 23  # an output from this size on is not in a core's cache any more when it is complete


class Reader:
    """The parts of an archive and the bytes of their entries. Thread-safe.

    `torn` is None for a complete archive; otherwise what a scan found (see laconic.container.scan).
    """

    def __init__(
        self,
        data: ArchiveBytes,
        codecs: Callable[[str], Codec],
        *,
        jobs: int = 1,
        resolve_base: BaseResolver | None = None,
        check_frames: bool = False,
    ) -> None:
        self.data = data
        self.decoder = FrameDecoder(codecs, resolve_base)
        self._jobs = max(1, jobs)
        self._cache: OrderedDict[int, memoryview] = OrderedDict()
        self._lock = threading.Lock()
        self._streams_by_id: dict[int, list[Stream]] | None = None
        if data.size == 0:
            raise CorruptDataError(f"{data.name}: the file is empty")
        self.parts, self.torn = self._find_parts(check_frames)

    # ------------------------------------------------------------------ parts

    def _find_parts(self, lenient: bool) -> tuple[list[Part], Recovered | None]:
        parts, end = self._indexed_parts(self.data.size, check_headers=not lenient)
        if end == 0:
            return parts, None
        if bytes(self.data.read_at(0, len(f.MAGIC))) != f.MAGIC and not parts:
            raise CorruptDataError(f"{self.data.name}: not a laconic archive (the first bytes are not its magic)")
        if not parts:
            header = self.data.read_at(0, f.HEADER_SIZE)
            parse_header(header, self.data.name)  # a damaged or newer header is the error to report
        found = recover(self.data, 0, end, check=lenient)
        if not lenient and found.torn and all(offset >= found.complete_end for offset, _ in found.gaps):
            # Only the tail is torn. The indexes before it know more than a scan: hashes, which bases are found by.
            complete, rest = self._indexed_parts(found.complete_end, check_headers=True)
            if rest == 0:
                found.parts = complete + [part for part in found.parts if part.start >= found.complete_end]
        return found.parts + parts, found if found.torn else None

    def _indexed_parts(self, end: int, *, check_headers: bool) -> tuple[list[Part], int]:
        """The parts before `end` by their indexes, in order, and where the first of them starts."""
        parts: list[Part] = []
        while end > 0:
            part = self._part_before(end)
            if part is None:
                break
            if check_headers:  # a version that this one can't read, or a damaged header
                parse_header(
                    self.data.read_at(part.start, f.HEADER_SIZE), f"{self.data.name} at {part.start}" if part.start else self.data.name
                )
            parts.append(part)
            end = part.start
        parts.reverse()
        return parts, end

    def _part_before(self, end: int) -> Part | None:
        """The indexed part whose trailer ends at `end`, or None."""
        if end < f.HEADER_SIZE + f.TRAILER_SIZE:
            return None
        trailer = parse_trailer(self.data.read_at(end - f.TRAILER_SIZE, f.TRAILER_SIZE), end)
        if trailer is None:
            return None
        index_at = end - f.TRAILER_SIZE - trailer.index_size
        index = self.data.read_at(index_at, trailer.index_size)
        if not trailer.matches(index):
            return None
        region = end - trailer.covered
        where = f"{self.data.name} at {index_at}"
        raw = parse_meta_frame(index, where, f.max_index_raw(trailer.covered))
        streams, table = parse_index(raw, region, index_at, where)
        return Part(region, end, streams, table)

    def entries(self) -> Iterator[tuple[Part, int, str]]:
        """(part, row, name) of every entry, in order; equal names may occur, and the last one counts."""
        for part in self.parts:
            names = part.entries.names if hasattr(part.entries, "names") else [entry.name for entry in part.entries]
            for i, name in enumerate(names):
                yield part, i, name

    # ------------------------------------------------------------------ raw bytes

    def check_extent(self, part: Part, entry: Entry) -> Stream | None:
        """The stream of `entry` (None for an entry without bytes); CorruptDataError if it lies outside."""
        if entry.size == 0:
            return None
        if entry.stream >= len(part.streams):
            raise CorruptDataError(f"{self.data.name}: entry {entry.name!r} has no stream")
        stream = part.streams[entry.stream]
        if entry.start + entry.size > stream.size:
            raise CorruptDataError(f"{self.data.name}: entry {entry.name!r} claims {entry.size} bytes of a stream that ends before")
        return stream

    def blocks(
        self, part: Part, entry: Entry, start: int = 0, stop: int | None = None, *, jobs: int | None = None,
        whole: ContentHash | None = None, place: Callable[[int, int], memoryview | None] | None = None,
    ) -> Iterator[memoryview]:  # fmt: skip
        """Raw bytes [start, stop) of `entry`, in pieces of at most a frame; decoded ahead by `jobs` threads, memory bounded.

        `whole` takes them too, before they come out. A frame that is wanted whole is decoded to where `place(start, stop)` says.
        """
        jobs = jobs or self._jobs
        stream = self.check_extent(part, entry)
        stop = entry.size if stop is None else stop
        if stream is None or start >= stop:
            return
        a, b = entry.start + start, entry.start + stop
        frames = stream.frames(a, b)

        def piece(i: int, *hashes: ContentHash) -> memoryview:
            first, last = stream.ends[i], stream.ends[i + 1]
            if a <= first and last <= b:
                return self._raw_frame(stream, i, entry.name, place(first - a, last - a) if place else None, *hashes)
            raw = self._cached_frame(stream, i, entry.name)[max(a, first) - first : min(b, last) - first]
            for hash_ in hashes:
                hash_.update(raw)
            return raw

        hashes = () if whole is None else (whole,)
        if jobs == 1 or len(frames) == 1:
            yield from (piece(i, *hashes) for i in frames)
            return
        with ThreadPoolExecutor(min(jobs, len(frames)), thread_name_prefix="laconic") as pool:
            ahead = 2 * jobs
            waiting = [pool.submit(piece, i) for i in frames[:ahead]]
            try:
                for k in range(len(frames)):
                    raw = waiting.pop(0).result()
                    for hash_ in hashes:
                        hash_.update(raw)
                    yield raw
                    if k + ahead < len(frames):
                        waiting.append(pool.submit(piece, frames[k + ahead]))
            finally:
                for future in waiting:
                    future.cancel()

    def read(self, part: Part, entry: Entry, start: int, stop: int) -> bytes:
        """Raw bytes [start, stop) of `entry`; the whole entry's hash is checked when all of it is read."""
        stream = self.check_extent(part, entry)
        if stream is None or stop - start < IN_PIECES or not self._earned(stream, entry.start + start, entry.start + stop):
            return self._read_pieces(part, entry, start, stop)
        new: _core.NewBytes = self.read_into(part, entry, start, stop, _core.NewBytes)
        return new.take()

    @staticmethod
    def _earned(stream: Stream, a: int, b: int) -> bool:
        """Whether what is stored of [a, b) makes its size plausible; else it has to prove itself piece by piece."""
        if b - a <= EARNED:
            return True
        frames = stream.frames(a, b)
        return b - a <= EARNED_RATIO * sum(stream.lengths[frames.start : frames.stop])

    def _read_pieces(self, part: Part, entry: Entry, start: int, stop: int) -> bytes:
        if start > 0 or stop < entry.size or not entry.hash:
            return b"".join(self.blocks(part, entry, start, stop))
        whole = ContentHash()
        raw = b"".join(self.blocks(part, entry, whole=whole))
        self._compare_hash(entry, whole.digest())
        return raw

    def read_into(self, part: Part, entry: Entry, start: int, stop: int, allocate: Callable[[int], Any]) -> Any:
        """As `read`, into the buffer that `allocate(size)` makes."""
        stream = self.check_extent(part, entry)
        size = max(0, stop - start)
        if stream is None or size == 0:
            return allocate(0)
        a, b = entry.start + start, entry.start + stop
        frames = stream.frames(a, b)
        if not self._earned(stream, a, b):
            raw = self._read_pieces(part, entry, start, stop)
            out = allocate(size)
            memoryview(out).cast("B")[:] = raw
            return out
        out = allocate(size)
        view = memoryview(out).cast("B")

        whole = ContentHash() if size == entry.size and entry.hash else None
        alone = self._jobs == 1 or len(frames) == 1
        meanwhile = (whole,) if whole is not None and alone else ()  # hashes that take a frame as it is made
        past_caches = alone and size >= PAST_CACHES

        def fill(i: int) -> None:
            first, last = stream.ends[i], stream.ends[i + 1]
            if a <= first and last <= b:
                self._raw_frame(stream, i, entry.name, view[first - a : last - a], *meanwhile, past_caches=past_caches)
            else:
                lo, hi = max(a, first), min(b, last)
                piece = self._cached_frame(stream, i, entry.name)[lo - first : hi - first]
                view[lo - a : hi - a] = piece
                for hash_ in meanwhile:
                    hash_.update(piece)

        with ExitStack() as stack:
            if alone:
                done: Iterator[None] = map(fill, frames)
            else:
                pool = ThreadPoolExecutor(min(self._jobs, len(frames)), thread_name_prefix="laconic")
                done = stack.enter_context(pool).map(fill, frames)
            for i, _ in zip(frames, done, strict=True):
                if whole is not None and not alone:
                    whole.update(view[stream.ends[i] - a if stream.ends[i] > a else 0 : stream.ends[i + 1] - a])
        if whole is not None:
            self._compare_hash(entry, whole.digest())
        return out

    def _compare_hash(self, entry: Entry, digest: bytes) -> None:
        if digest != entry.hash:
            raise CorruptDataError(f"{self.data.name}: entry {entry.name!r} is not what was encoded (its content hash differs)")

    # ------------------------------------------------------------------ frames

    def frame(self, stream: Stream, i: int) -> tuple[FrameHead, memoryview]:
        """Head and checked payload of frame i."""
        offset, length = stream.offsets[i], stream.lengths[i]
        where = f"{self.data.name} at {offset}"
        data = self.data.read_at(offset, length)
        if len(data) < length:
            raise CorruptDataError(f"{where}: the frame is cut short ({len(data)} of {length} bytes)")
        if bytes(data[:4]) == f.SYNC:
            head, prefix = parse_frame_head(data[:MAX_PREFIX], where)
        else:
            head, prefix = parse_frame_head(data[:MAX_PREFIX], where, sync=False)
        if head.type == f.OBJECT:
            expected = (0, 0)
        elif head.type in (f.DATA, f.COPY):
            expected = (stream.id, stream.ends[i])
        else:
            raise CorruptDataError(f"{where}: a frame of type {head.type} where data belongs")
        if (head.stream, head.raw_start) != expected or head.raw_size != stream.ends[i + 1] - stream.ends[i]:
            raise CorruptDataError(f"{where}: the frame belongs to another place in the archive")
        if prefix + head.stored_size != length:
            raise CorruptDataError(f"{where}: the frame has {length - prefix} bytes of payload and says {head.stored_size}")
        payload = data[prefix:]
        check_payload(head, payload, where)
        return head, payload

    def _cached_frame(self, stream: Stream, i: int, name: str) -> memoryview:
        """A frame of which only a part is wanted: neighbours will likely be asked for next."""
        key = stream.offsets[i]
        with self._lock:
            raw = self._cache.get(key)
            if raw is not None:
                self._cache.move_to_end(key)
                return raw
        raw = self._raw_frame(stream, i, name, None)
        with self._lock:
            self._cache[key] = raw
            while len(self._cache) > CACHED_FRAMES:
                self._cache.popitem(last=False)
        return raw

    def _raw_frame(
        self, stream: Stream, i: int, name: str, out: memoryview | None, *hashes: ContentHash, copies: bool = True,
        past_caches: bool = False,
    ) -> memoryview:  # fmt: skip
        """Raw bytes of frame i, in `out` if given; the hashes take them too."""
        head, payload = self.frame(stream, i)
        offset = stream.offsets[i]
        where = f"{self.data.name}: entry {name!r}, frame {i} at {offset}"

        def read_copy(number: int, start: int, size: int, where: str) -> memoryview:
            return self._copied(number, start, size, offset, name, where)

        return self.decoder.raw(head, payload, where, out, read_copy if copies else None, *hashes, past_caches=past_caches)

    def _copied(self, number: int, start: int, size: int, offset: int, name: str, where: str) -> memoryview:
        stream = self._stream_before(number, offset)
        if stream is None or start + size > stream.size:
            raise CorruptDataError(f"{where}: a copy of bytes that the archive does not have")
        out = bytearray()
        for i in stream.frames(start, start + size):
            if stream.offsets[i] >= offset:
                raise CorruptDataError(f"{where}: a copy of bytes that come later")
            raw = self._raw_frame(stream, i, name, None, copies=False)
            first = stream.ends[i]
            out += raw[max(start, first) - first : min(start + size, stream.ends[i + 1]) - first]
        return memoryview(out)

    def _stream_before(self, number: int, offset: int) -> Stream | None:
        """The last stream of this id that begins before `offset` (concatenated archives may use an id again)."""
        if self._streams_by_id is None:
            table: dict[int, list[Stream]] = {}
            for part in self.parts:
                for stream in part.streams:
                    if stream.offsets:
                        table.setdefault(stream.id, []).append(stream)
            for streams in table.values():
                streams.sort(key=lambda s: s.offsets[0])
            self._streams_by_id = table
        streams = self._streams_by_id.get(number, [])
        i = bisect_left(streams, offset, key=lambda s: s.offsets[0])
        return streams[i - 1] if i else None

    def close(self) -> None:
        self.data.close()
