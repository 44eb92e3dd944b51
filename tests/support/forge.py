"""Takes archives apart and puts them together again with valid checksums, so that crafted values reach the parsers behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from laconic.container import format as f
from laconic.container.frame import FrameHead, check32, check64, pack_header, parse_frame_head
from laconic.container.index import Trailer
from laconic.container.table import pack_columns
from laconic.container.varint import put_uvarint
from laconic.container.zstd import compress


@dataclass
class Piece:
    """A header, frame or trailer of an archive."""

    what: str
    data: bytes
    head: FrameHead | None = None
    payload: bytes = b""


def split(archive: bytes) -> list[Piece]:
    """The pieces of an intact archive."""
    pieces, position, single = [], 0, False
    while position < len(archive):
        rest = archive[position:]
        if rest.startswith(f.MAGIC):
            pieces.append(Piece("header", rest[: f.HEADER_SIZE]))
            single = bool(rest[10] & f.SINGLE)
        elif single or rest.startswith(f.SYNC):
            head, prefix = parse_frame_head(rest, "test", sync=not single)
            pieces.append(Piece("frame", rest[: prefix + head.stored_size], head, rest[prefix : prefix + head.stored_size]))
        else:
            pieces.append(Piece("trailer", rest[: f.TRAILER_SIZE]))
        position += len(pieces[-1].data)
    return pieces


def frame(head: FrameHead, payload: bytes, *, sync: bool = True, **changes: Any) -> bytes:
    """A frame with every check valid for `payload`, then `changes` to its head (which may make it lie)."""
    head = replace(head, stored_size=len(payload), payload_check=check32(payload) if head.payload_check is not None else None)
    return replace(head, **changes).pack(sync=sync) + payload


def raw_head(body: bytes, payload: bytes, *, sync: bool = True) -> bytes:
    """A frame from the bytes between its size and its check."""
    out = bytearray(f.SYNC if sync else b"")
    put_uvarint(out, len(body))
    out += body
    return bytes(out) + check32(bytes(out)).to_bytes(4, "little") + payload


def head_body(piece: Piece) -> bytes:
    """The inverse of `raw_head`: the head's own bytes."""
    start = len(f.SYNC) if piece.data.startswith(f.SYNC) else 0
    head = piece.data[start : len(piece.data) - len(piece.payload) - 4]
    return head[1:] if head[0] < 0x80 else head[2:]


def data_frame(stream: int, raw_start: int, raw: bytes, **changes: Any) -> bytes:
    """A stored DATA frame."""
    head = FrameHead(f.DATA, stream=stream, raw_start=raw_start, raw_size=len(raw), stored_size=len(raw), raw_check=check64(raw))
    return replace(head, **changes).pack() + raw


def copy_frame(stream: int, raw_start: int, raw_size: int, raw_check: int, of: tuple[int, int], **changes: Any) -> bytes:
    payload = bytearray()
    put_uvarint(payload, of[0])
    put_uvarint(payload, of[1])
    head = FrameHead(f.COPY, stream=stream, raw_start=raw_start, raw_size=raw_size, stored_size=len(payload), raw_check=raw_check)
    return replace(head, **changes).pack() + bytes(payload)


def table_frame(kind: int, raw: bytes, *, coded: bool = False, **changes: Any) -> bytes:
    """An OPEN, ENTRIES or INDEX frame with the table bytes `raw`."""
    payload = compress(raw, 3) if coded else raw
    head = FrameHead(
        kind, "bytes" if coded else "", int(coded), raw_size=len(raw), stored_size=len(payload), raw_check=check64(raw),
        payload_check=check32(payload) if coded else None,
    )  # fmt: skip
    return replace(head, **changes).pack() + payload


def archive(frames: Sequence[bytes], index: bytes | None = None, *, flags: int = f.COPIES, covered: int | None = None) -> bytes:
    """Header, frames, and (with the raw bytes of an index) index and trailer."""
    body = pack_header(flags) + b"".join(frames)
    if index is None:
        return body
    index_frame = table_frame(f.INDEX, index)
    size = len(body) + len(index_frame) + f.TRAILER_SIZE
    return body + index_frame + Trailer.of(size if covered is None else covered, index_frame).pack()


def single(head: FrameHead, payload: bytes, **changes: Any) -> bytes:
    """An archive of one OBJECT frame."""
    return pack_header(f.SINGLE) + frame(replace(head, type=f.OBJECT), payload, sync=False, **changes)


def reseal(pieces: Sequence[Piece]) -> bytes:
    """The archive of `pieces` (whose frames may have been changed) with its trailers made anew."""
    out, region, last = bytearray(), 0, b""
    for piece in pieces:
        if piece.what == "header" and not out[region:]:
            region = len(out)
        if piece.what == "trailer":
            out += Trailer.of(len(out) - region + f.TRAILER_SIZE, last).pack()
            region = len(out)
            continue
        out += piece.data
        last = piece.data
    return bytes(out)


def columns(count: int, pairs: Sequence[tuple[int, bytes]]) -> bytes:
    """A table from (column number, bytes) pairs, which may repeat."""
    if len({n for n, _ in pairs}) == len(pairs):
        return pack_columns(dict(pairs), count)
    out = bytearray()
    put_uvarint(out, count)
    for number, data in pairs:
        put_uvarint(out, number)
        put_uvarint(out, len(data))
        out += data
    return bytes(out)
