"""Samples predicted and coded by csrc/audio; floats that are no scaled integers as byte planes. See FORMAT.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from laconic import _core
from laconic.codecs.audio import others, riff
from laconic.codecs.audio.pcm import FLOAT, MAX_FRAME, SIGNED, UNSIGNED, SampleFormat, layout
from laconic.container import Piece, Source, SourceReader, View, zstd
from laconic.errors import CorruptDataError

# Payload methods (first byte); 1 and 2 are written by csrc/audio/frame.cpp.
LPC, CASCADE, PLANES, ZSTD = 1, 2, 3, 4

_NAMES = {LPC: "lpc", CASCADE: "cascade", PLANES: "planes", ZSTD: "zstd"}
_ZSTD_LEVEL = {"fast": 3, "default": 9, "high": 19, "max": 19}
_ROTATE = {4: 1, 8: 4}  # of float planes, as in codecs/weights/FORMAT.md
_DTYPES = {
    "i1": (1, SIGNED), "i2": (2, SIGNED), "i4": (4, SIGNED), "u1": (1, UNSIGNED), "u2": (2, UNSIGNED), "u4": (4, UNSIGNED),
    "f4": (4, FLOAT), "f8": (8, FLOAT),
}  # fmt: skip


class AudioCodec:
    """Integers of 8 to 32 bits and floats, any number of channels."""

    name = "audio"
    version = 1

    def sniff(self, head: bytes, size: int | None) -> float:
        return 0.98 if others.sniff(head) else riff.sniff(head, size)

    def layout(self, source: Source) -> Iterator[Piece | View]:
        reader = SourceReader(source)
        find = others.sniff(reader.at(0, 12)) or riff.find
        return layout(source, find(reader))

    def params(self, dtype: str, itemsize: int) -> bytes | None:
        known = _DTYPES.get(dtype[1:]) if dtype[:1] in ("<", ">", "|") else None
        if known is None:
            return None
        return SampleFormat(*known, big_endian=dtype[0] == ">" and known[0] > 1).pack()

    def frame_size(self, level: str) -> int:
        return MAX_FRAME

    def encode(self, raw: memoryview, params: bytes, level: str, base: memoryview | None) -> bytes | None:
        form = SampleFormat.parse(params)
        payload = _core.encode_audio(raw, form.width, form.kind, form.big_endian, form.channels, level == "fast")
        if not payload:
            payload = bytes((PLANES,)) + _core.encode_planes(raw, form.width, _ROTATE[form.width], form.big_endian, None, level == "fast")
            payload = min(payload, bytes((ZSTD,)) + zstd.compress(raw, _ZSTD_LEVEL[level]), key=len)
        if base is not None:
            payload = min(payload, bytes((ZSTD,)) + zstd.compress(raw, 3, base=base), key=len)
        return payload

    def decode(self, payload: memoryview, params: bytes, version: int, out: memoryview, base: memoryview | None) -> None:
        form = SampleFormat.parse(params)
        method = payload[0] if len(payload) else 0
        if method in (LPC, CASCADE):
            _core.decode_audio(payload, out, form.width, form.kind, form.big_endian, form.channels)
        elif method == PLANES and form.kind == FLOAT:
            _core.decode_planes(payload[1:], out, form.width, _ROTATE[form.width], form.big_endian, None)
        elif method == ZSTD:
            out[:] = zstd.decompress(payload[1:], len(out), "the zstd payload", base)
        else:
            raise CorruptDataError(f"no such audio method ({method})")

    def info(self, payload: memoryview, params: bytes, version: int, raw_size: int) -> dict[str, Any]:
        method = payload[0]
        found: dict[str, Any] = {"method": _NAMES.get(method, "unknown")}
        if method in (LPC, CASCADE):
            found["channels"] = _core.inspect_audio(payload)[1]
        return found


codec = AudioCodec()
