"""Audio files with headers of every kind, made by hand: what the adaptors must find, or refuse, without losing a byte."""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np


def tone(frames: int, channels: int, bits: int = 16, seed: int = 0) -> np.ndarray:
    """(frames, channels) int64: a few decaying sines and noise, `bits` wide."""
    rng = np.random.default_rng(seed)
    t = np.arange(frames)[:, None]
    x = sum(np.sin(t * w + rng.uniform(0, 6, channels)) for w in rng.uniform(0.01, 0.6, 4)) / 5
    return np.rint((x + rng.normal(0, 0.002, (frames, channels))).clip(-1, 1) * (2 ** (bits - 1) - 1)).astype(np.int64)


def to_bytes(samples: np.ndarray, width: int, big: bool = False, unsigned: bool = False) -> bytes:
    """Integers as `width` bytes each."""
    offset = 1 << (8 * width - 1) if unsigned else 0
    rows = (samples.reshape(-1, 1) + offset >> np.arange(0, 8 * width, 8)).astype(np.uint8)
    return (rows[:, ::-1] if big else rows).tobytes()


def wav(
    data: bytes, channels: int, width: int, *, tag: int = 1, rate: int = 8000, extra: bytes = b"", before: bytes = b"", after: bytes = b"",
    size: int | None = None, riff_size: int | None = None, order: str = "<", pad: bool = True,
) -> bytes:  # fmt: skip
    """A WAV file; `extra` ends the format chunk, `before` and `after` are chunks around the data chunk."""
    fmt = struct.pack(order + "HHIIHH", tag, channels, rate, rate * channels * width, channels * width, 8 * width) + extra
    body = b"WAVE" + chunk(b"fmt ", fmt, order) + before + b"data" + struct.pack(order + "I", len(data) if size is None else size) + data
    body += b"\0" * (len(data) % 2 if pad else 0) + after
    return (b"RIFF" if order == "<" else b"RIFX") + struct.pack(order + "I", len(body) if riff_size is None else riff_size) + body


def chunk(name: bytes, body: bytes, order: str = "<") -> bytes:
    return name + struct.pack(order + "I", len(body)) + body + b"\0" * (len(body) % 2)


def rf64(data: bytes, channels: int, width: int) -> bytes:
    ds64 = chunk(b"ds64", struct.pack("<QQQI", len(data) + 72, len(data), len(data) // (channels * width), 0))
    body = wav(data, channels, width, size=0xFFFFFFFF)[12:]
    return b"RF64\xff\xff\xff\xffWAVE" + ds64 + body


def wave64(data: bytes, channels: int, width: int) -> bytes:
    tail = bytes.fromhex("f3acd3118cd100c04f8edb8a")

    def part(name: bytes, body: bytes) -> bytes:
        return name + tail + struct.pack("<Q", 24 + len(body)) + body + b"\0" * (-len(body) % 8)

    fmt = struct.pack("<HHIIHH", 1, channels, 8000, 8000 * channels * width, channels * width, 8 * width)
    body = part(b"fmt ", fmt) + part(b"data", data)
    riff, wave = bytes.fromhex("726966662e91cf11a5d628db04c10000"), b"wave" + tail
    return riff + struct.pack("<Q", 40 + len(body)) + wave + body


def aiff(data: bytes, channels: int, width: int, compression: bytes = b"", offset: int = 0) -> bytes:
    rate = struct.pack(">HQ", 16383 + 12, 8000 << 51)
    common = struct.pack(">hIh", channels, len(data) // (channels * width), 8 * width) + rate
    if compression:
        common += compression + b"\0\0"
    sound = struct.pack(">II", offset, 0) + b"\xee" * offset + data
    body = (b"AIFC" if compression else b"AIFF") + chunk(b"COMM", common, ">") + chunk(b"SSND", sound, ">") + chunk(b"NAME", b"x", ">")
    return b"FORM" + struct.pack(">I", len(body)) + body


def au(data: bytes, channels: int, encoding: int, size: int | None = None) -> bytes:
    header = struct.pack(">IIIII", 28, len(data) if size is None else size, encoding, 8000, channels)
    return b".snd" + header + b"note" + data


def caf(data: bytes, channels: int, width: int, flags: int = 0) -> bytes:
    text = struct.pack(">d4sIIIII", 8000.0, b"lpcm", flags, channels * width, 1, channels, 8 * width)
    return b"caff\0\1\0\0" + b"desc" + struct.pack(">q", 32) + text + b"data" + struct.pack(">q", -1) + b"\0\0\0\1" + data


def sphere(data: bytes, channels: int, width: int, order: str = "01") -> bytes:
    text = f"NIST_1A\n   1024\nsample_rate -i 8000\nchannel_count -i {channels}\nsample_n_bytes -i {width}\n"
    text += f"sample_byte_format -s{len(order)} {order}\nsample_coding -s3 pcm\nend_head\n"
    return text.encode().ljust(1024, b" ") + data


def _files() -> dict[str, Callable[[], bytes]]:
    x, y, z = tone(3000, 2), tone(2000, 1, 8, 1), tone(1500, 3, 24, 2)
    le, be = to_bytes(x, 2), to_bytes(x, 2, big=True)
    f32, f64 = (x / 2**15).astype("<f4").tobytes(), (x / 2**15).astype("<f8").tobytes()
    extensible = struct.pack("<HHIH", 22, 16, 3, 1) + bytes.fromhex("000000001000800000aa00389b71")
    return {
        "plain": lambda: wav(le, 2, 2),
        "u8": lambda: wav(to_bytes(y, 1, unsigned=True), 1, 1),
        "s24": lambda: wav(to_bytes(z, 3), 3, 3),
        "s32": lambda: wav(to_bytes(z << 8, 4), 3, 4),
        "f32": lambda: wav(f32, 2, 4, tag=3, extra=b"\0\0"),
        "f64": lambda: wav(f64, 2, 8, tag=3),
        "extensible": lambda: wav(le, 2, 2, tag=0xFFFE, extra=extensible),
        "chunks": lambda: wav(
            le, 2, 2, before=chunk(b"fact", b"1234") + chunk(b"junk", b"odd"), after=chunk(b"LIST", b"INFOabc") + b"junk"
        ),
        "big": lambda: wav(be, 2, 2, order=">"),
        "no pad": lambda: wav(to_bytes(y, 1)[:-1], 1, 1, pad=False, after=chunk(b"id3 ", b"tag")),
        "truncated": lambda: wav(le, 2, 2)[:-1001],
        "size 0": lambda: wav(le, 2, 2, size=0, riff_size=0),
        "size ff": lambda: wav(le, 2, 2, size=0xFFFFFFFF, riff_size=0xFFFFFFFF),
        "size beyond": lambda: wav(le, 2, 2, size=0x7FFFFFF0),
        "rf64": lambda: rf64(le, 2, 2),
        "w64": lambda: wave64(le, 2, 2),
        "aiff": lambda: aiff(be, 2, 2),
        "aiff offset": lambda: aiff(be, 2, 2, offset=6),
        "aifc sowt": lambda: aiff(le, 2, 2, b"sowt"),
        "aifc fl32": lambda: aiff((x / 2**15).astype(">f4").tobytes(), 2, 4, b"fl32"),
        "au": lambda: au(be, 2, 3),
        "au to the end": lambda: au(be, 2, 3, size=0xFFFFFFFF),
        "caf": lambda: caf(be, 2, 2),
        "caf little": lambda: caf(le, 2, 2, flags=2),
        "sphere": lambda: sphere(le, 2, 2),
    }


FILES = _files()

# Files that look like audio and hold no linear PCM that the codec knows.
OTHERS = {
    "mp3 in wav": lambda: wav(b"\xff\xfb" * 500, 2, 2, tag=0x55),
    "no data": lambda: wav(b"", 2, 2)[:36],
    "no format": lambda: b"RIFF\0\0\0\0WAVEdata\4\0\0\0abcd",
    "no channels": lambda: wav(b"abcd" * 9, 0, 2),
    "fmt cut": lambda: wav(b"", 1, 2)[:24],
    "mu-law au": lambda: au(b"abcd" * 99, 1, 1),
    "mu-law aifc": lambda: aiff(b"abcd" * 99, 1, 1, b"ulaw"),
    "aiff cut": lambda: aiff(b"abcd", 1, 2)[:20],
    "caf cut": lambda: caf(b"abcd", 1, 2)[:30],
    "sphere lies": lambda: b"NIST_1A\n   zz24\n" + b"x" * 2000,
    "text": lambda: b"RIFF this is no WAVE at all",
}
