"""WAV and its relatives: RIFF, RIFX (big-endian), RF64 and BW64 (64-bit sizes in a `ds64` chunk), Sony Wave64.

Formats: Microsoft "Multiple Channel Audio Data and WAVE Files" (2001); EBU Tech 3306 (RF64); ITU-R BS.2088 (BW64).
"""

from __future__ import annotations

import struct

from laconic.codecs.audio.pcm import FLOAT, MAX_CHUNKS, SIGNED, UNSIGNED, SampleFormat, Samples
from laconic.container import SourceReader

_W64 = bytes.fromhex("726966662e91cf11a5d628db04c10000")  # the GUID of "riff"
_W64_WAVE = bytes.fromhex("77617665f3acd3118cd100c04f8edb8a")
_W64_TAIL = bytes.fromhex("f3acd3118cd100c04f8edb8a")  # of the GUIDs of its chunks
_PCM, _IEEE, _EXTENSIBLE = 1, 3, 0xFFFE
_UNKNOWN = (0, 0xFFFFFFFF)


def sniff(head: bytes, size: int | None) -> float:
    if head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64") and head[8:12] == b"WAVE":
        return 0.98
    return 0.98 if head[:16] == _W64 and head[24:40] == _W64_WAVE else 0.0


def find(reader: SourceReader) -> Samples:
    """Where the samples lie; ValueError if they are not linear PCM."""
    wave64 = reader.at(0, 4) == b"riff"
    order = ">" if reader.at(0, 4) == b"RIFX" else "<"
    position = 40 if wave64 else 12
    head, form, rate, data64 = 24 if wave64 else 8, None, 0.0, None
    for _ in range(MAX_CHUNKS):
        chunk = reader.at(position, head)
        if len(chunk) < head:
            break
        name = chunk[:4]
        if wave64:
            if chunk[4:16] != _W64_TAIL:
                break
            size, align = int.from_bytes(chunk[16:24], "little") - head, 8
        else:
            size, align = struct.unpack(order + "I", chunk[4:])[0], 2
        if size < 0:
            break
        start = position + head
        if name == b"ds64":
            sizes = reader.at(start, 16)
            data64 = int.from_bytes(sizes[8:16], "little") if len(sizes) == 16 else None
        elif name == b"fmt ":
            form, rate = _format(reader.at(start, min(size, 40)), order)
        elif name == b"data":
            if form is None:
                break
            known: int | None = size
            if not wave64 and size in _UNKNOWN:
                known = data64
            return Samples(form, rate, start, known)
        position = start + size + -size % align
    raise ValueError("no linear PCM in this file")


def _format(chunk: bytes, order: str) -> tuple[SampleFormat, float]:
    if len(chunk) < 16:
        raise ValueError("the format chunk is cut short")
    tag, channels, rate, _, align, bits = struct.unpack(order + "HHIIHH", chunk[:16])
    if tag == _EXTENSIBLE and len(chunk) >= 26:
        tag = struct.unpack(order + "H", chunk[24:26])[0]
    if tag not in (_PCM, _IEEE) or channels == 0:
        raise ValueError("the samples are not linear PCM")
    width = align // channels if align % channels == 0 and align else (bits + 7) // 8
    kind = FLOAT if tag == _IEEE else UNSIGNED if width == 1 else SIGNED
    return SampleFormat(width, kind, order == ">" and width > 1, channels), float(rate)
