"""AIFF and AIFF-C, Sun/NeXT AU, Apple CAF, NIST SPHERE: where their samples lie.

Formats: Apple "Audio Interchange File Format AIFF-C" (1991); the AU header of Sun's audio(4) manual page; Apple "Core Audio Format
Specification"; NIST "SPHERE Header Structure".
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from laconic.codecs.audio.pcm import FLOAT, MAX_CHUNKS, SIGNED, UNSIGNED, SampleFormat, Samples
from laconic.container import SourceReader

# Compression types of AIFF-C: kind, little-endian, width (None: from the sample size).
_AIFC: dict[bytes, tuple[int, bool, int | None]] = {
    b"NONE": (SIGNED, False, None), b"twos": (SIGNED, False, None), b"sowt": (SIGNED, True, None), b"raw ": (UNSIGNED, False, 1),
    b"in24": (SIGNED, False, 3), b"in32": (SIGNED, False, 4), b"fl32": (FLOAT, False, 4), b"FL32": (FLOAT, False, 4),
    b"fl64": (FLOAT, False, 8), b"FL64": (FLOAT, False, 8),
}  # fmt: skip

# Encodings of AU: kind and width.
_AU = {2: (SIGNED, 1), 3: (SIGNED, 2), 4: (SIGNED, 3), 5: (SIGNED, 4), 6: (FLOAT, 4), 7: (FLOAT, 8)}


def find_aiff(reader: SourceReader) -> Samples:
    compressed = reader.at(8, 4) == b"AIFC"
    position, form, rate = 12, None, 0.0
    for _ in range(MAX_CHUNKS):
        chunk = reader.at(position, 8)
        if len(chunk) < 8:
            break
        name, size = struct.unpack(">4sI", chunk)
        if name == b"COMM":
            common = reader.at(position + 8, min(size, 22))
            if len(common) < (22 if compressed else 18):
                break
            channels, _, bits = struct.unpack(">hIh", common[:8])
            known = _AIFC.get(common[18:22] if compressed else b"NONE")
            if known is None:
                break
            kind, little, width = known
            width = width or (bits + 7) // 8
            form = SampleFormat(width, kind, not little and width > 1, channels)
            exponent, mantissa = struct.unpack(">HQ", common[8:18])  # an 80-bit float
            rate = mantissa * 2.0 ** min(100, (exponent & 0x7FFF) - 16383 - 63)
        elif name == b"SSND" and form is not None:
            offset = reader.at(position + 8, 4)
            if len(offset) < 4:
                break
            skip = int.from_bytes(offset, "big")
            return Samples(form, rate, position + 16 + skip, size - 8 - skip if size >= 8 + skip else None)
        position += 8 + size + size % 2
    raise ValueError("no linear PCM in this file")


def find_au(reader: SourceReader) -> Samples:
    head = reader.at(0, 24)
    if len(head) < 24:
        raise ValueError("the AU header is cut short")
    start, size, encoding, rate, channels = struct.unpack(">IIIII", head[4:])
    if encoding not in _AU or start < 24:
        raise ValueError("the samples are not linear PCM")
    kind, width = _AU[encoding]
    return Samples(SampleFormat(width, kind, width > 1, channels), float(rate), start, None if size == 0xFFFFFFFF else size)


def find_caf(reader: SourceReader) -> Samples:
    position, form, rate = 8, None, 0.0
    for _ in range(MAX_CHUNKS):
        chunk = reader.at(position, 12)
        if len(chunk) < 12:
            break
        name, size = struct.unpack(">4sq", chunk)
        if name == b"desc":
            text = reader.at(position + 12, 32)
            if len(text) < 32:
                break
            rate, kind, flags, packet, frames, channels, _ = struct.unpack(">d4sIIIII", text)
            if kind != b"lpcm" or frames != 1 or channels == 0 or packet % channels:
                break
            width = packet // channels
            form = SampleFormat(width, FLOAT if flags & 1 else SIGNED, not flags & 2 and width > 1, channels)
            rate = rate if 0 <= rate < 1e9 else 0.0
        elif name == b"data" and form is not None:
            return Samples(form, rate, position + 16, size - 4 if size >= 4 else None)
        if size < 0:
            break
        position += 12 + size
    raise ValueError("no linear PCM in this file")


def find_sphere(reader: SourceReader) -> Samples:
    head = reader.at(0, 1024)
    try:
        start = int(head[8:16])
        fields = {}
        for line in reader.at(16, max(0, start - 16)).decode("latin-1").split("\n"):
            if line == "end_head":
                break
            name, kind, value = line.split(" ", 2)
            fields[name] = value.strip() if kind.startswith("-s") else float(value)
        width, channels = int(fields["sample_n_bytes"]), int(fields["channel_count"])
        rate, order = float(fields.get("sample_rate", 0)), fields.get("sample_byte_format", "01")
    except (ValueError, KeyError, OverflowError) as error:
        raise ValueError("the SPHERE header is damaged") from error
    if fields.get("sample_coding", "pcm") != "pcm" or not 0 <= start <= 1 << 15:
        raise ValueError("the samples are not linear PCM")
    return Samples(SampleFormat(width, SIGNED, order in ("10", "3210") and width > 1, channels), rate, start, None)


def sniff(head: bytes) -> Callable[[SourceReader], Samples] | None:
    """What finds the samples of a file that begins with `head`; None if it is none of these."""
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return find_aiff
    if head[:4] == b".snd":
        return find_au
    if head[:8] == b"caff\0\1\0\0":
        return find_caf
    if head[:8] == b"NIST_1A\n":
        return find_sphere
    return None
