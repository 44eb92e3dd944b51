"""What the adaptors of audio files share: where the samples lie, how they are stored, and the pieces and the view made of that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from laconic.container import Piece, Source, View
from laconic.container.varint import Cursor, put_uvarint
from laconic.errors import CorruptDataError

SIGNED, UNSIGNED, FLOAT = 0, 1, 2

MAX_CHANNELS = 65535
MAX_CHUNKS = 1000  # chunks before the samples; more is no file that anybody wrote
FRAME_SECONDS = 4
MIN_FRAME = 1 << 14  # raw bytes: what resetting the adaptive filters and the tables costs must not show
MAX_FRAME = 1 << 20

_DTYPES = {
    (SIGNED, 1): "i1", (SIGNED, 2): "i2", (SIGNED, 4): "i4", (UNSIGNED, 1): "u1", (UNSIGNED, 2): "u2", (UNSIGNED, 4): "u4",
    (FLOAT, 4): "f4", (FLOAT, 8): "f8",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class SampleFormat:
    """How samples are stored: the frame parameters.

    Packed as one byte (width - 1 | kind << 4 | big-endian << 7) and the number of channels as uvarint, 0 where it is not known.
    """

    width: int  # bytes: 1 to 4; floats 4 or 8
    kind: int = SIGNED
    big_endian: bool = False
    channels: int = 0

    def pack(self) -> bytes:
        out = bytearray(((self.width - 1) | self.kind << 4 | self.big_endian << 7,))
        put_uvarint(out, self.channels)
        return bytes(out)

    @classmethod
    def parse(cls, params: bytes) -> SampleFormat:
        if len(params) < 2:
            raise CorruptDataError(f"{len(params)} bytes of audio parameters")
        cursor = Cursor(params, "the audio parameters")
        cursor.pos = 1
        channels = cursor.uvarint()
        form = cls((params[0] & 15) + 1, params[0] >> 4 & 7, bool(params[0] >> 7), channels)
        if cursor.pos != len(params) or not form.is_valid():
            raise CorruptDataError(f"no such sample format ({params.hex()})")
        return form

    def is_valid(self) -> bool:
        widths = (4, 8) if self.kind == FLOAT else (1, 2, 3, 4)
        return self.kind <= FLOAT and self.width in widths and 0 <= self.channels <= MAX_CHANNELS

    def view_type(self, frames: int) -> tuple[str, tuple[int, ...]]:
        """dtype and shape of so many frames: (frames, channels); samples of 3 bytes are (frames, channels, 3) bytes."""
        name = _DTYPES.get((self.kind, self.width))
        if name is None:
            return "|u1", (frames, self.channels, self.width)
        return ("|" if self.width == 1 else ">" if self.big_endian else "<") + name, (frames, self.channels)


@dataclass(frozen=True, slots=True)
class Samples:
    """Interleaved PCM at bytes [start, start + size) of a file; size None: to the end."""

    format: SampleFormat
    rate: float
    start: int
    size: int | None


def layout(source: Source, found: Samples) -> Iterator[Piece | View]:
    """The bytes before the samples, the samples in frames of up to 4 s, and the rest. ValueError if the format is none of ours."""
    form = found.format
    if not form.is_valid() or form.channels == 0:
        raise ValueError("no sample format that the audio codec knows")
    size = found.size
    if source.size is not None:
        left = max(0, source.size - found.start)
        size = left if size is None else min(size, left)
    unit = form.width * form.channels
    if size is not None and size >= unit:
        frames = size // unit
        dtype, shape = form.view_type(frames)
        view = View("samples", dtype, shape, found.start, frames * unit)
    else:
        view = None
    yield Piece(found.start, codec="bytes")
    if view is not None:
        yield view
    params = form.pack()
    seconds = max(MIN_FRAME, min(MAX_FRAME, int(FRAME_SECONDS * min(max(found.rate, 0), 1e6)) * unit))
    step = max(unit, seconds - seconds % unit)
    if size is None or source.size is None:  # a pipe: what is declared may never come
        yield Piece(size, params, unit=unit)
        return
    while size > 0:
        take = min(step, size)
        yield Piece(take, params, unit=unit)
        size -= take
