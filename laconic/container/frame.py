"""Part headers and frame heads: the self-delimiting layer. See docs/format.md, "Header" and "Frames"."""

from __future__ import annotations

from dataclasses import dataclass

from xxhash import xxh3_64_intdigest

from laconic.container import format as f
from laconic.container.hashing import ContentHash, check_and_feed
from laconic.container.varint import Cursor, put_uvarint
from laconic.errors import CorruptDataError, UnsupportedError


def check64(data: bytes | bytearray | memoryview) -> int:
    return int(xxh3_64_intdigest(data))


def check32(data: bytes | bytearray | memoryview) -> int:
    return int(xxh3_64_intdigest(data)) & 0xFFFFFFFF


def pack_header(flags: int = 0) -> bytes:
    body = f.MAGIC + bytes((f.MAJOR, f.MINOR, flags))
    return body + (check64(body) & 0xFFFF).to_bytes(2, "little")


def parse_header(data: bytes | memoryview, where: str) -> int:
    """Flags of the part header in `data` (HEADER_SIZE bytes)."""
    data = bytes(data)
    if data[: len(f.MAGIC)] != f.MAGIC:
        raise CorruptDataError(f"{where}: not a laconic archive (the first bytes are not its magic)")
    if len(data) < f.HEADER_SIZE:
        raise CorruptDataError(f"{where}: the header is cut short ({len(data)} of {f.HEADER_SIZE} bytes)")
    if check64(data[:-2]) & 0xFFFF != int.from_bytes(data[-2:], "little"):
        raise CorruptDataError(f"{where}: the header is damaged (its check does not match)")
    major, minor, flags = data[8], data[9], data[10]
    if major != f.MAJOR:
        raise UnsupportedError(
            f"{where}: written in format {major}.{minor}; this version of laconic reads {f.MAJOR}.x - install a newer laconic"
        )
    if flags & ~f.KNOWN_HEADER_FLAGS:
        raise UnsupportedError(f"{where}: the header has flags {flags:#x} that this version of laconic does not know")
    return flags


@dataclass(frozen=True, slots=True)
class Base:
    """A range of a base entry that a frame is coded against. The range starts at `start` and has the frame's raw size."""

    hash: bytes  # xxh3_128 of the whole raw base entry
    start: int


@dataclass(frozen=True, slots=True)
class FrameHead:
    """All that a frame says before its payload."""

    type: int
    codec: str = ""  # "" = stored
    version: int = 0
    stream: int = 0
    raw_start: int = 0
    raw_size: int = 0
    stored_size: int = 0
    params: bytes = b""
    raw_check: int = 0
    payload_check: int | None = None
    base: Base | None = None

    def pack(self, *, sync: bool = True) -> bytes:
        """The frame's bytes up to its payload: sync marker, head size, head, head check."""
        head = bytearray()
        flags = (f.PAYLOAD_CHECK if self.payload_check is not None else 0) | (f.HAS_BASE if self.base else 0)
        head.append(self.type | flags)
        _put_codec(head, self.codec, self.version)
        if self.type in (f.DATA, f.COPY):
            put_uvarint(head, self.stream)
            put_uvarint(head, self.raw_start)
        put_uvarint(head, self.raw_size)
        put_uvarint(head, self.stored_size)
        put_uvarint(head, len(self.params))
        head += self.params
        if self.base:
            head += self.base.hash
            put_uvarint(head, self.base.start)
        head += self.raw_check.to_bytes(8, "little")
        if self.payload_check is not None:
            head += self.payload_check.to_bytes(4, "little")
        out = bytearray(f.SYNC if sync else b"")
        put_uvarint(out, len(head))
        out += head
        out += check32(out).to_bytes(4, "little")
        return bytes(out)

    @property
    def name(self) -> str:
        return self.codec or "stored"


def _put_codec(out: bytearray, codec: str, version: int) -> None:
    if not codec:
        out.append(f.STORED)
        return
    number = f.CODEC_NUMBERS.get(codec, f.NAMED_CODEC)
    put_uvarint(out, number)
    if number == f.NAMED_CODEC:
        name = codec.encode()
        put_uvarint(out, len(name))
        out += name
    put_uvarint(out, version)


def _get_codec(cursor: Cursor) -> tuple[str, int]:
    number = cursor.uvarint()
    if number == f.STORED:
        return "", 0
    codec = cursor.text(64) if number == f.NAMED_CODEC else f.CODEC_NAMES.get(number, f"#{number}")
    return codec, cursor.uvarint()


_OWN_FRAMES = (f.OPEN, f.ENTRIES, f.INDEX)  # tables: the container's own

# The most bytes before the payload: sync, head size (2 bytes at most: MAX_HEAD < 2**14), head, check.
MAX_PREFIX = len(f.SYNC) + 2 + f.MAX_HEAD + 4


def parse_frame_head(data: bytes | memoryview, where: str, *, sync: bool = True) -> tuple[FrameHead, int]:
    """Parse the frame that starts at data[0]; returns its head and the number of bytes before its payload.

    `data` holds MAX_PREFIX bytes, or fewer where the input ends. Raises CorruptDataError.
    """
    skip = len(f.SYNC) if sync else 0
    if sync and bytes(data[:skip]) != f.SYNC:
        raise CorruptDataError(f"{where}: no frame starts here (its sync marker is missing)")
    cursor = Cursor(data, f"{where}: the frame head")
    cursor.pos = skip
    size = cursor.uvarint()
    if size > f.MAX_HEAD:
        raise CorruptDataError(f"{where}: a frame head of {size} bytes (limit {f.MAX_HEAD})")
    start = cursor.pos
    head = cursor.take(size)
    covered = cursor.data[: cursor.pos]
    if cursor.u32() != check32(covered):
        raise CorruptDataError(f"{where}: the frame head is damaged (its check does not match)")
    return _parse_head(head, where), start + size + 4


def _parse_head(head: memoryview, where: str) -> FrameHead:
    cursor = Cursor(head, f"{where}: the frame head")
    first = cursor.u8()
    kind, flags = first & 0x0F, first & 0xF0
    if kind not in f.FRAME_TYPES or flags & ~f.KNOWN_FRAME_FLAGS:
        raise UnsupportedError(f"{where}: a frame of type {kind} with flags {flags:#x} that this version of laconic does not know")
    codec, version = _get_codec(cursor)
    stream, raw_start = (cursor.uvarint(), cursor.uvarint()) if kind in (f.DATA, f.COPY) else (0, 0)
    raw_size, stored_size = cursor.uvarint(), cursor.uvarint()
    params_size = cursor.uvarint()
    if params_size > f.MAX_PARAMS:
        raise CorruptDataError(f"{where}: {params_size} bytes of codec parameters (limit {f.MAX_PARAMS})")
    params = bytes(cursor.take(params_size))
    base = Base(bytes(cursor.take(16)), cursor.uvarint()) if flags & f.HAS_BASE else None
    raw_check = cursor.u64()
    payload_check = cursor.u32() if flags & f.PAYLOAD_CHECK else None
    cursor.end()
    if kind in (f.DATA, f.COPY, f.OBJECT) and raw_size > f.MAX_FRAME_RAW:
        raise CorruptDataError(f"{where}: a frame of {raw_size} raw bytes (limit {f.MAX_FRAME_RAW})")
    if kind in (f.OPEN, f.ENTRIES) and raw_size > f.MAX_TABLE_RAW:
        raise CorruptDataError(f"{where}: a table of {raw_size} raw bytes (limit {f.MAX_TABLE_RAW})")
    if stored_size > f.max_stored(raw_size):
        raise CorruptDataError(f"{where}: {stored_size} stored bytes for {raw_size} raw ones")
    if kind != f.COPY and not codec and stored_size != raw_size:
        raise CorruptDataError(f"{where}: a stored frame of {stored_size} bytes says {raw_size}")
    if kind == f.COPY and codec:
        raise CorruptDataError(f"{where}: a copy that is coded by {codec}")
    if params and (kind in _OWN_FRAMES or (kind != f.OBJECT and not codec)):
        raise CorruptDataError(f"{where}: codec parameters in a frame that has none")
    if base is not None and (kind in _OWN_FRAMES or not codec):
        raise CorruptDataError(f"{where}: a base in a frame that is not coded data")
    if raw_start + raw_size > f.MAX_COUNT:
        raise CorruptDataError(f"{where}: a frame beyond 2**62 bytes")
    return FrameHead(kind, codec, version, stream, raw_start, raw_size, stored_size, params, raw_check, payload_check, base)


def check_payload(head: FrameHead, payload: bytes | memoryview, where: str) -> None:
    if head.payload_check is not None and check32(payload) != head.payload_check:
        raise CorruptDataError(f"{where}: the payload is damaged (its check does not match)")


def check_raw(head: FrameHead, raw: bytes | bytearray | memoryview, where: str, *hashes: ContentHash) -> None:
    """CorruptDataError if they are not what the head says; content hashes that take all of them are fed meanwhile."""
    compare_check(head, check_and_feed(raw, *hashes), where)


def compare_check(head: FrameHead, check: int, where: str) -> None:
    if check != head.raw_check:
        raise CorruptDataError(f"{where}: the decoded bytes are wrong (their check does not match)")
