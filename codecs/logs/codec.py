"""Lines as templates and typed values: coded line by line with adaptive models, or (`fast`) column by column. See FORMAT.md."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from laconic import _core
from laconic.codecs.logs import sniffing
from laconic.container import Piece, Source, View, zstd
from laconic.container.varint import Cursor, put_uvarint
from laconic.errors import CorruptDataError

FRAME = 1 << 23  # raw bytes a frame: what repeats across a log is seen, and a search or a range decodes little more than it needs

# Payload methods (first byte).
ROWS = 1
COLUMNS = 2
ZSTD = 3
_METHODS = {ROWS: "rows", COLUMNS: "columns", ZSTD: "zstd"}

# Codings of a stream of a `columns` frame.
_RAW, _ZSTD, _BLOCK = 0, 1, 2
_STREAMS = 6
_STREAM_LEVEL = 9  # of zstd, for the streams of `fast`: tried 3 to 15, docs/notes/logs.md
_FALLBACK_LEVEL = {"fast": 3, "default": 9, "high": 19, "max": 19}

_POOR_RATIO = 5  # below it zstd might do as well, and is tried

_GRAM_BITS = range(9, 19)  # log2 of the sizes that a frame's filter may have
_GRAM_SHARE = 32  # the filter takes at most this part of the payload
_LARGE = 1 << 20  # raw bytes of a frame that is worth skipping, however well it packs
_GRAM_FILL = 0.3  # and no more than it needs: it is folded while fewer of its bits are set


@dataclass(frozen=True, slots=True)
class Summary:
    """What the head of a payload says without decoding: for `laconic grep` and `cat --lines`."""

    method: int
    newlines: int
    ends_line: bool  # whether the last raw byte is a newline
    grams: bytes  # a bit for each hash of four bytes that occur (csrc/log/grams.h); empty: not known
    body: memoryview

    def may_hold(self, literal: bytes) -> bool:
        """False only where the frame does not hold `literal`, in whatever case of ASCII letters."""
        return not self.grams or bool(_core.may_hold_grams(self.grams, literal))


def summarise(payload: memoryview) -> Summary:
    cursor = Cursor(payload, "the logs payload")
    method = cursor.u8()
    lines = cursor.uvarint()
    bits = cursor.u8()
    if method not in _METHODS or (bits and bits not in _GRAM_BITS):
        raise CorruptDataError(f"no such logs method ({method}, {bits})")
    grams = bytes(cursor.take((1 << bits) // 8)) if bits else b""
    return Summary(method, lines >> 1, bool(lines & 1), grams, payload[cursor.pos :])


class LogsCodec:
    name = "logs"
    version = 1

    def sniff(self, head: bytes, size: int | None) -> float:
        return sniffing.sniff(head)

    def layout(self, source: Source) -> Iterator[Piece | View]:
        if source.size is None:
            yield Piece(None)
            return
        start = 0
        while source.size - start > FRAME:  # frames of files end with a line, so that each can be searched on its own
            tail = source.read_at(start + FRAME - (1 << 16), 1 << 16)
            newline = tail.rfind(b"\n")
            size = FRAME - len(tail) + newline + 1 if newline >= 0 else FRAME
            yield Piece(size)
            start += size
        yield Piece(source.size - start)

    def params(self, dtype: str, itemsize: int) -> bytes | None:
        return b"" if not dtype else None

    def frame_size(self, level: str) -> int:
        return FRAME

    def encode(self, raw: memoryview, params: bytes, level: str, base: memoryview | None) -> bytes | None:
        coded = self._encode(raw, level) if base is None else None
        if coded is None or _POOR_RATIO * len(coded) > len(raw):
            plain = bytes((ZSTD,)) + zstd.compress(raw, _FALLBACK_LEVEL[level], base=base)
            coded = plain if coded is None or len(plain) < len(coded) else coded
        lines = bytearray()
        put_uvarint(lines, _core.count_newlines(raw) << 1 | (raw[-1:].tobytes() == b"\n"))
        return coded[:1] + bytes(lines) + _gram_filter(raw, len(coded)) + coded[1:]

    def _encode(self, raw: memoryview, level: str) -> bytes | None:
        """The frame as a log; None where its lines are too little alike."""
        if level == "fast":
            streams = _core.split_log_columns(raw)
            return None if streams is None else bytes((COLUMNS,)) + b"".join(map(_pack_stream, streams))
        rows = _core.encode_log_rows(raw)
        return None if rows is None else bytes((ROWS,)) + rows

    def decode(self, payload: memoryview, params: bytes, version: int, out: memoryview, base: memoryview | None) -> None:
        if params:
            raise CorruptDataError("the logs codec has no parameters")
        summary = summarise(payload)
        if summary.method == ZSTD:
            out[:] = zstd.decompress(summary.body, len(out), "the zstd payload", base)
        elif base is not None:
            raise CorruptDataError("a logs frame with a base is coded by zstd")
        elif summary.method == ROWS:
            _core.decode_log_rows(summary.body, out)
        else:
            _core.join_log_columns(_unpack_streams(summary.body, len(out)), out)

    def summarise(self, payload: memoryview, params: bytes, version: int) -> Summary:
        """What a frame says of its text without being decoded."""
        return summarise(payload)

    def info(self, payload: memoryview, params: bytes, version: int, raw_size: int) -> dict[str, Any]:
        summary = summarise(payload)
        return {"method": _METHODS[summary.method], "newlines": summary.newlines, "filter_bytes": len(summary.grams)}


def _gram_filter(raw: memoryview, payload_size: int) -> bytes:
    """log2 of the filter's bits, and the filter; a zero byte for a payload too small to have one."""
    bits = min(_GRAM_BITS[-1], (8 * payload_size // _GRAM_SHARE).bit_length() - 1)
    if len(raw) >= _LARGE:
        bits = max(bits, _GRAM_BITS[0] + 1)
    if bits not in _GRAM_BITS:
        return b"\0"
    grams = np.unpackbits(np.frombuffer(_core.collect_grams(raw, bits), np.uint8), bitorder="little")
    while bits > _GRAM_BITS[0] and grams.mean() < _GRAM_FILL:
        grams = grams.reshape(-1, 2).max(1)  # a hash of one bit less
        bits -= 1
    return bytes((bits,)) + np.packbits(grams, bitorder="little").tobytes()


def _pack_stream(stream: bytes) -> bytes:
    """The smallest of three codings: uvarint raw size * 4 + coding, uvarint coded size, bytes."""
    coding, coded = _RAW, stream
    if len(stream) >= 32:
        packed = zstd.compress(stream, _STREAM_LEVEL)
        block = _core.encode_block(np.frombuffer(stream, np.uint8), "auto", 0, False) if len(stream) <= 1 << 24 else stream
        coding, coded = min(((_RAW, stream), (_ZSTD, packed), (_BLOCK, block)), key=lambda choice: len(choice[1]))
    out = bytearray()
    put_uvarint(out, len(stream) << 2 | coding)
    put_uvarint(out, len(coded))
    return bytes(out) + coded


def _unpack_streams(body: memoryview, raw_size: int) -> list[bytes | memoryview]:
    cursor = Cursor(body, "the logs payload")
    left = 4 * raw_size + 4096
    streams: list[bytes | memoryview] = []
    for _ in range(_STREAMS):
        size, coding = divmod(cursor.uvarint(), 4)
        coded = cursor.take(cursor.uvarint())
        left -= size
        if left < 0:
            raise CorruptDataError("the streams of a logs frame are larger than the frame can need")
        if coding == _RAW and len(coded) == size:
            streams.append(coded)
        elif coding == _ZSTD:
            streams.append(zstd.decompress(coded, size, "a logs stream"))
        elif coding == _BLOCK and size <= 1 << 24:
            symbols = np.empty(size, np.uint8)
            _core.decode_block(coded, symbols)
            streams.append(symbols.data)
        else:
            raise CorruptDataError(f"a logs stream of {size} bytes has no coding {coding}")
    cursor.end()
    return streams


codec = LogsCodec()
