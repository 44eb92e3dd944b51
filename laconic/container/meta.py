"""Payloads of the container's own frames (tables, indexes): stored or one zstd frame, always with a known size."""

from __future__ import annotations

from laconic.container import format as f
from laconic.container import zstd
from laconic.container.frame import FrameHead, check32, check64, check_payload, check_raw, parse_frame_head
from laconic.container.source import ArchiveBytes
from laconic.errors import CorruptDataError, UnsupportedError

ZSTD = 1  # the one method of the `bytes` codec that the container itself uses (codecs/bytes/FORMAT.md)


def pack_meta_frame(kind: int, raw: bytes, *, stored: bool = False) -> tuple[bytes, bytes]:
    """Head and payload of a frame of the container's own."""
    packed = raw if stored else bytes((ZSTD,)) + zstd.compress(raw, 12)
    coded = len(packed) < len(raw)
    payload = packed if coded else raw
    head = FrameHead(
        kind, "bytes" if coded else "", 1 if coded else 0, raw_size=len(raw), stored_size=len(payload), raw_check=check64(raw),
        payload_check=check32(payload) if coded else None,
    )  # fmt: skip
    return head.pack(), payload


def parse_meta_frame(frame: bytes | memoryview, where: str, limit: int | None = None) -> bytes:
    """The raw bytes of a whole table or index frame; at most `limit` of them."""
    head, prefix = parse_frame_head(frame, where)
    payload = memoryview(frame)[prefix:]
    if len(payload) != head.stored_size:
        raise CorruptDataError(f"{where}: the frame has {len(payload)} bytes of payload and says {head.stored_size}")
    if limit is not None and head.raw_size > limit:
        raise CorruptDataError(f"{where}: an index of {head.raw_size} bytes in an archive that could not fill it")
    check_payload(head, payload, where)
    if not head.codec:
        raw = bytes(payload)
    elif len(payload) == 0:
        raise CorruptDataError(f"{where}: the frame has no payload")
    elif head.codec == "bytes" and head.version == 1 and payload[0] == ZSTD:
        raw = zstd.decompress(payload[1:], head.raw_size, where)
    else:
        raise UnsupportedError(f"{where}: a table coded by {head.codec} version {head.version}")
    check_raw(head, raw, where)
    return raw


def unpack_meta_frame(data: ArchiveBytes, offset: int, length: int) -> bytes:
    return parse_meta_frame(data.read_at(offset, length), f"{data.name} at {offset}", f.MAX_TABLE_RAW)
