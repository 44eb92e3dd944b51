"""Writes an archive: streams of frames in order, encoded in parallel, with a journal before and an index after. See docs/format.md.

The sink is only ever appended to, so a pipe will do. Order and content of the bytes depend on the input and the level alone, never on
`jobs`: frames are encoded by a pool and written in the order in which they were cut.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any

import xxhash

from laconic.container import format as f
from laconic.container.base import BaseEntry, BaseFinder
from laconic.container.codec import Codec, Piece, View
from laconic.container.frame import Base, FrameHead, check32, check64, pack_header, parse_frame_head
from laconic.container.hashing import ContentHash, check_and_feed
from laconic.container.index import Part, Stream, Trailer, pack_index
from laconic.container.meta import pack_meta_frame
from laconic.container.sink import Sink
from laconic.container.source import RawSource
from laconic.container.table import Entry, encode_name, pack_columns, pack_signature, pack_table
from laconic.container.varint import put_uvarint
from laconic.container.views import ViewHashes

PACK_ENTRY = 1 << 16  # entries below this size share frames with their neighbours
PACK_SIZE = 1 << 22  # raw bytes after which a pack is written
COPY_MIN = 1 << 12  # frames below this size are not looked up for copies
COPY_KNOWN = 1 << 17  # frames remembered for copies
TABLE_ROWS = 1 << 12  # entries of one journal table


@dataclass(slots=True)
class _Task:
    """A frame on its way to the sink: ready parts, or a future of them."""

    parts: Future[tuple[Any, ...]] | tuple[Any, ...]
    stream: Stream | None
    raw_size: int
    kind: str = ""


@dataclass(slots=True)
class Tally:
    """What became of the entries of one kind."""

    entries: int = 0
    raw_bytes: int = 0
    stored_bytes: int = 0


def encode_payload(codec: Codec, raw: memoryview, params: bytes, level: str, base: memoryview | None) -> Any:
    """The codec's payload, or None where storing is as good."""
    payload = codec.encode(raw, params, level, base)
    if payload is None or len(payload) >= len(raw):
        return None
    return payload


def _encode_frame(
    codec: Codec, raw: memoryview, params: bytes, level: str, stream: int, raw_start: int, raw_check: int,
    base: tuple[Base, memoryview] | None,
) -> tuple[Any, ...]:  # fmt: skip
    payload = encode_payload(codec, raw, params, level, base[1] if base else None)
    if payload is None:
        head = FrameHead(f.DATA, stream=stream, raw_start=raw_start, raw_size=len(raw), stored_size=len(raw), raw_check=raw_check)
        return head.pack(), raw
    head = FrameHead(
        f.DATA, codec.name, codec.version, stream, raw_start, len(raw), len(payload), params, raw_check, check32(payload),
        base[0] if base else None,
    )  # fmt: skip
    return head.pack(), payload


def pack_object(entry: Entry, raw: memoryview, codec: Codec, params: bytes, level: str) -> list[Any] | None:
    """A whole SINGLE part for one unnamed entry without metadata, or None if it does not fit one frame."""
    if len(raw) > f.MAX_FRAME_RAW or entry.name or entry.meta:
        return None
    payload = encode_payload(codec, raw, params, level, None) if len(raw) else None
    descriptor = bytearray()
    pack_signature(descriptor, entry)
    put_uvarint(descriptor, len(entry.shape))
    for n in entry.shape:
        put_uvarint(descriptor, n)
    if len(params) + len(descriptor) > f.MAX_PARAMS - 2:
        return None
    if payload is None:
        params = b""
    # The descriptor precedes the codec's parameters in the head's parameter field.
    field = bytearray()
    put_uvarint(field, len(descriptor))
    field += descriptor + params
    head = FrameHead(
        f.OBJECT, codec.name if payload is not None else "", codec.version if payload is not None else 0, raw_size=len(raw),
        stored_size=len(raw if payload is None else payload), params=bytes(field), raw_check=check64(raw),
    )  # fmt: skip
    return [pack_header(f.SINGLE), head.pack(sync=False), raw if payload is None else payload]


class Writer:
    """Appends one part to `sink`. Not thread-safe; use from one thread and let `jobs` work inside."""

    def __init__(
        self,
        sink: Sink,
        codecs: Callable[[str], Codec],
        *,
        jobs: int = 1,
        previous: list[Part] | None = None,
        find_base: BaseFinder | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self._sink = sink
        self._codecs = codecs
        self._jobs = max(1, jobs)
        self._pool: ThreadPoolExecutor | None = None
        self._queue: deque[_Task] = deque()
        self._previous = previous or []
        self._find_base = find_base
        self._view_base: tuple[View, BaseEntry | None] | None = None  # of the tensor whose frames are being written
        self._progress = progress
        self._start = sink.position
        self._streams: list[Stream] = []
        self._next_id = max((s.id for part in self._previous for s in part.streams), default=0) + 1
        self._entries: list[Entry] = []  # Entry.stream is an id until the index is made
        self._journal: list[Entry] = []  # complete entries not yet in a table
        self._pack: list[tuple[Entry, bytes, Codec, bytes, str]] = []
        self._pack_size = 0
        self._pack_known: dict[bytes, tuple[int, bytes]] = {}
        self._known: dict[tuple[int, int], tuple[Stream, int]] = {}
        self._raw_done = 0
        self.tallies: dict[str, Tally] = {}  # by kind
        self._closed = False
        sink.write(pack_header(f.COPIES if sink.readable else 0))

    @property
    def raw_bytes(self) -> int:
        return self._raw_done

    @property
    def stored_bytes(self) -> int:
        return self._sink.position - self._start

    # ------------------------------------------------------------------ entries

    def add_entry(self, entry: Entry) -> None:
        """An entry without data of its own (a folder, a value, a container of entries)."""
        self._flush_pack()
        self._finish(entry, journal=True)

    def add_small(self, entry: Entry, raw: bytes, codec: Codec, params: bytes, level: str) -> None:
        """An entry of less than PACK_ENTRY bytes; it is written with its neighbours, at the latest by `flush`."""
        self._tally(codec.name).entries += 1
        digest = xxhash.xxh3_128_digest(raw)
        known = self._pack_known.get(digest)
        if known is not None and known[1] == raw:
            start = known[0]
        else:
            start = self._pack_size
            self._pack_size += len(raw)
            self._pack_known[digest] = (start, raw)
        self._pack.append((replace(entry, start=start, size=len(raw), hash=digest), raw, codec, params, level))
        if self._pack_size >= PACK_SIZE or len(self._pack) >= TABLE_ROWS:
            self._flush_pack()

    def add_stream(
        self,
        entry: Entry,
        source: RawSource,
        layout: Iterable[Piece | View],
        codec: Codec,
        level: str,
        *,
        announce: bool = False,
        finish: Callable[[], dict[str, Any]] | None = None,
    ) -> Entry:
        """An entry with a stream of its own, and the views that the layout finds in it. Returns the finished entry.

        `announce` writes the entry's name before its data, so that a reader of a pipe can begin to restore it (files). `finish` gives
        metadata that is known only at the end.
        """
        self._flush_pack()
        self._tally(codec.name).entries += 1
        stream = self._open_stream()
        entry = replace(entry, stream=stream.id)
        if announce:
            self._flush_journal()
            self._put_meta(f.OPEN, [entry])
        elif source.size is not None:
            self._journal.append(replace(entry, size=source.size))
            self._flush_journal()
        whole = ContentHash()
        views = ViewHashes()
        position = 0
        # Whatever the layout leaves (it may not know the whole of a pipe) is kept as plain bytes.
        if self._find_base is not None:
            layout = _apart(layout)
        for item in chain(layout, (Piece(None, codec="bytes"),)):
            if isinstance(item, View):
                views.add(item)
                continue
            for start, raw in _cut(source, item, self._codecs(item.codec) if item.codec else codec, level, position):
                raw_check = check_and_feed(raw, whole, *views.update(start, raw))
                base = self._base_for(entry, views.around(start, len(raw)), start, len(raw), source)
                coder = self._codecs(item.codec) if item.codec else codec
                self._put_raw(stream, codec.name, start, raw, coder, item.params, level, base, raw_check)
                position = start + len(raw)
        meta = entry.meta | finish() if finish else entry.meta
        entry = replace(entry, start=0, size=position, hash=whole.digest(), meta=meta)
        self._finish(entry, journal=announce or source.size is None)
        for view, digest in views.finished():
            name = f"{entry.name}/{view.name}" if entry.name else view.name
            if len(encode_name(name)) <= f.MAX_NAME and len(view.shape) <= f.MAX_DIMS:
                kind = codec.name
                self._finish(Entry(name, "tensor", kind, view.dtype, view.shape, stream.id, view.start, view.size, digest), journal=True)
        return entry

    def add_coded(self, entry: Entry, frames: Iterable[tuple[FrameHead, memoryview]]) -> None:
        """An entry with a stream of its own whose frames were coded before, in another archive; they are taken over as they are.

        What they are coded against is named by content hash, and has to be in this archive too (or given to whoever reads it).
        """
        self._flush_pack()
        stream = self._open_stream()
        entry = replace(entry, stream=stream.id, start=0)
        self._journal.append(entry)
        self._flush_journal()
        for head, payload in frames:
            self._queue.append(_Task((replace(head, stream=stream.id).pack(), payload), stream, head.raw_size))
            self._drain(0)
        self._finish(entry, journal=False)

    def _base_for(self, entry: Entry, view: View | None, start: int, size: int, source: RawSource) -> tuple[Base, memoryview] | None:
        if self._find_base is None:
            return None
        if view is not None:
            if self._view_base is None or self._view_base[0] is not view:  # asked once for all frames of a tensor
                digest = None if source.size is None else partial(_digest, source, view)
                self._view_base = view, self._find_base.for_view(entry.name, view, digest)
            base = self._view_base[1]
            if base is not None:
                start -= view.start
                return Base(base.hash, start), base.read(start, start + size)
        base = self._find_base.by_name(entry.name, -1 if source.size is None else source.size)
        if base is None or start + size > base.size:
            return None
        return Base(base.hash, start), base.read(start, start + size)

    def _finish(self, entry: Entry, *, journal: bool) -> None:
        self._entries.append(entry)
        if journal:
            self._journal.append(entry)
            if len(self._journal) >= TABLE_ROWS:
                self._flush_journal()

    def _flush_pack(self) -> None:
        if not self._pack:
            return
        pack, self._pack, self._pack_size, self._pack_known = self._pack, [], 0, {}
        stream = self._open_stream()
        self._flush_journal()
        end = 0
        runs: list[tuple[tuple[Any, ...], int, list[bytes]]] = []
        for entry, raw, codec, params, level in pack:
            entry = replace(entry, stream=stream.id)
            self._entries.append(entry)
            self._journal.append(replace(entry, hash=b""))
            if entry.start < end or not raw:
                continue  # empty, or equal to an entry before it in this pack
            key = (codec, params, level)
            limit = min(PACK_SIZE, codec.frame_size(level))
            if runs and runs[-1][0] == key and end - runs[-1][1] + len(raw) <= limit:
                runs[-1][2].append(raw)
            else:
                runs.append((key, end, [raw]))
            end += len(raw)
        self._flush_journal()
        for (codec, params, level), start, pieces in runs:
            joined = memoryview(b"".join(pieces))
            self._put_raw(stream, codec.name, start, joined, codec, params, level, None, check64(joined))

    def _open_stream(self) -> Stream:
        stream = Stream(self._next_id)
        self._next_id += 1
        self._streams.append(stream)
        return stream

    # ------------------------------------------------------------------ frames

    def _put_raw(
        self, stream: Stream, kind: str, start: int, raw: memoryview, codec: Codec, params: bytes, level: str,
        base: tuple[Base, memoryview] | None, raw_check: int,
    ) -> None:  # fmt: skip
        copied = self._find_copy(stream, start, raw, raw_check)
        if copied is not None:
            self._queue.append(_Task(copied, stream, len(raw), kind))
        elif self._jobs == 1:
            parts = _encode_frame(codec, raw, params, level, stream.id, start, raw_check, base)
            self._queue.append(_Task(parts, stream, len(raw), kind))
        else:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._jobs, thread_name_prefix="laconic")
            future = self._pool.submit(_encode_frame, codec, raw, params, level, stream.id, start, raw_check, base)
            self._queue.append(_Task(future, stream, len(raw), kind))
        self._drain(0 if self._jobs == 1 else 2 * self._jobs)

    def _find_copy(self, stream: Stream, start: int, raw: memoryview, raw_check: int) -> tuple[Any, ...] | None:
        """A COPY frame if the same bytes were written before. The hash proposes, a comparison decides (the hash is no defence)."""
        if len(raw) < COPY_MIN or not self._sink.readable:
            return None
        key = (raw_check, len(raw))
        known = self._known.get(key)
        if known is None:
            if len(self._known) < COPY_KNOWN:
                self._known[key] = (stream, start)
            return None
        self._drain(0)
        before, before_start = known
        if not self._same(before, before_start, raw):
            return None
        payload = bytearray()
        put_uvarint(payload, before.id)
        put_uvarint(payload, before_start)
        head = FrameHead(f.COPY, stream=stream.id, raw_start=start, raw_size=len(raw), stored_size=len(payload), raw_check=raw_check)
        return head.pack(), bytes(payload)

    def _same(self, stream: Stream, start: int, raw: memoryview) -> bool:
        i = stream.frames(start, start + 1)[0]
        data = self._sink.read_at(stream.offsets[i], stream.lengths[i])
        head, skip = parse_frame_head(data, "the frame just written")
        if head.type != f.DATA or head.raw_size != len(raw) or head.base is not None:
            return False
        payload = memoryview(data)[skip:]
        if not head.codec:
            return payload == raw
        out = bytearray(head.raw_size)
        self._codecs(head.codec).decode(payload, head.params, head.version, memoryview(out), None)
        return out == raw

    def _put_meta(self, kind: int, entries: list[Entry]) -> None:
        raw = pack_columns(pack_table(entries), len(entries))
        if len(raw) > f.MAX_TABLE_RAW and len(entries) > 1:
            half = len(entries) // 2
            self._put_meta(kind, entries[:half])
            self._put_meta(kind, entries[half:])
            return
        self._queue.append(_Task(pack_meta_frame(kind, raw), None, 0))

    def _flush_journal(self) -> None:
        if self._journal:
            self._put_meta(f.ENTRIES, self._journal)
            self._journal = []

    def _drain(self, keep: int) -> None:
        """Write what is ready, in order, until at most `keep` frames wait."""
        while len(self._queue) > keep:
            task = self._queue.popleft()
            parts = task.parts.result() if isinstance(task.parts, Future) else task.parts
            offset = self._sink.position
            self._sink.write(*parts)
            if task.stream is not None:
                task.stream.add(offset, self._sink.position - offset, task.raw_size)
                tally = self._tally(task.kind)
                tally.raw_bytes += task.raw_size
                tally.stored_bytes += self._sink.position - offset
            self._raw_done += task.raw_size
            if self._progress is not None:
                self._progress(self._raw_done, self._sink.position - self._start)

    def _tally(self, kind: str) -> Tally:
        return self.tallies.setdefault(kind, Tally())

    # ------------------------------------------------------------------ end

    def flush(self) -> None:
        """Write all that was added; a reader that scans finds it even if the process dies before `close`."""
        self._flush_pack()
        self._flush_journal()
        self._drain(0)
        self._sink.flush()

    def close(self) -> None:
        """Write the index and the trailer. The sink stays open."""
        if self._closed:
            return
        self.flush()
        self._closed = True
        self.stop()
        position = {stream.id: i for i, stream in enumerate(self._streams)}
        streams = list(self._streams)
        entries = [replace(e, stream=position.get(e.stream, 0)) for e in self._entries]
        start = self._start
        # An append merges the indexes before it that are no larger than its own, so that an archive that was appended to n times
        # has O(log n) indexes and every entry was rewritten O(log n) times.
        while self._previous and not self._previous[-1].single and len(self._previous[-1].entries) <= len(entries):
            part = self._previous.pop()
            entries = list(part.entries) + [replace(e, stream=e.stream + len(part.streams)) for e in entries]
            streams = part.streams + streams
            start = part.start
        entries = [e if e.size else replace(e, stream=0, start=0) for e in entries]  # nothing lies nowhere
        raw = pack_index(streams, entries, start)
        head, payload = pack_meta_frame(f.INDEX, raw)
        end = self._sink.position + len(head) + len(payload) + f.TRAILER_SIZE
        if len(raw) > f.max_index_raw(end - start):  # absurdly redundant (a million empty files): earn it by storing it
            head, payload = pack_meta_frame(f.INDEX, raw, stored=True)
            end = self._sink.position + len(head) + len(payload) + f.TRAILER_SIZE
        self._sink.write(head, payload, Trailer.of(end - start, head + payload).pack())
        self._sink.flush()

    def stop(self) -> None:
        """End the worker threads without writing anything more."""
        self._closed = True
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None


def _apart(layout: Iterable[Piece | View]) -> Iterator[Piece | View]:
    """`layout` with a piece for each tensor: those that share frames could not have bases of their own."""
    waiting: list[View] = []
    position = 0
    for item in layout:
        if isinstance(item, View):
            waiting.append(item)
            continue
        starts = [view.start for view in waiting]
        if len(waiting) < 2 or item.size is None or starts[0] != position or starts != sorted(starts) or starts[-1] > position + item.size:
            yield from waiting
            yield item
        else:
            for view, after in zip(waiting, [*starts[1:], position + item.size], strict=True):
                yield view
                if after > view.start:
                    yield replace(item, size=after - view.start)
        waiting.clear()
        position += item.size or 0
    yield from waiting


def _digest(source: RawSource, view: View) -> bytes:
    """The content hash of a tensor that has not been taken from `source` yet."""
    digest = ContentHash()
    for start in range(view.start, view.start + view.size, 1 << 20):
        digest.update(source.read_at(start, min(1 << 20, view.start + view.size - start)))
    return digest.digest()


def _cut(source: RawSource, piece: Piece, codec: Codec, level: str, position: int) -> Iterator[tuple[int, memoryview]]:
    """The raw bytes of `piece` as (stream offset, bytes of one frame); fewer than its size where the input ends before."""
    size = min(codec.frame_size(level), f.MAX_FRAME_RAW)
    if piece.size is not None and piece.size > size:  # evenly, so that no frame is a small rest
        frames = max(1, (piece.size + size // 2) // size)
        size = min(-(-piece.size // frames), f.MAX_FRAME_RAW)
        size += -size % piece.unit
        if size > f.MAX_FRAME_RAW:
            size -= piece.unit
    size -= size % piece.unit
    left = piece.size
    while left is None or left > 0:
        want = size if left is None else min(size, left)
        raw = source.take(want)
        if len(raw):
            yield position, raw
        if len(raw) < want:
            return
        position += len(raw)
        left = None if left is None else left - len(raw)
