"""The fallback for anything: zstd at the quick levels, context mixing at the strong ones, the bytes as they are where nothing is gained.

See FORMAT.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from laconic import _core
from laconic.container import Piece, Source, View, zstd
from laconic.errors import CorruptDataError

# Raw bytes a frame and zstd level. Larger frames find more; they bound memory and what a range read must decode.
_LEVELS = {"fast": (1 << 20, 1), "default": (1 << 24, 9), "high": (1 << 24, 19), "max": (1 << 24, 19)}
_MIXING = ("high", "max")

# Payload methods (first byte).
ZSTD = 1
MIXED = 2
SORTED = 3
WIDE = 4

_NAMES = {ZSTD: "zstd", MIXED: "mixed", SORTED: "sorted", WIDE: "wide"}

SORT_FROM = 4096  # raw bytes; below, the tables take longer to set up than the block takes to code

PROBE = 1 << 16  # bytes tried first: noise is not worth a slow search


class BytesCodec:
    name = "bytes"
    version = 1

    def sniff(self, head: bytes, size: int | None) -> float:
        return 0.01

    def layout(self, source: Source) -> Iterator[Piece | View]:
        yield Piece(None)

    def params(self, dtype: str, itemsize: int) -> bytes | None:
        return b""

    def frame_size(self, level: str) -> int:
        return _LEVELS[level][0]

    def encode(self, raw: memoryview, params: bytes, level: str, base: memoryview | None) -> bytes | None:
        if base is not None:
            return bytes((ZSTD,)) + zstd.compress(raw, max(_LEVELS[level][1], 3), base=base)
        if level != "fast" and _is_noise(raw):  # fast passes noise quickly by itself
            return None
        if level in _MIXING:
            wide = level == "max"
            mixed = _core.encode_wide(raw) if wide else _core.encode_mixed(raw)
            # Long repeats at a distance are what a dictionary coder does better; a quick one tells whether this is such a case.
            if len(mixed) <= len(zstd.compress(raw, 3)):
                return bytes((WIDE if wide else MIXED,)) + mixed
        elif level == "default" and len(raw) >= SORT_FROM:
            return bytes((SORTED,)) + _core.encode_sorted(raw)
        return bytes((ZSTD,)) + zstd.compress(raw, _LEVELS[level][1])

    def decode(self, payload: memoryview, params: bytes, version: int, out: memoryview, base: memoryview | None) -> None:
        if params:
            raise CorruptDataError("the bytes codec has no parameters")
        method, body = payload[0] if len(payload) else 0, payload[1:]
        if method == ZSTD:
            out[:] = zstd.decompress(body, len(out), "the zstd payload", base)
        elif method == MIXED and base is None:
            _core.decode_mixed(body, out)
        elif method == WIDE and base is None:
            _core.decode_wide(body, out)
        elif method == SORTED and base is None:
            _core.decode_sorted(body, out)
        else:
            raise CorruptDataError(f"no such bytes method ({method})")

    def info(self, payload: memoryview, params: bytes, version: int, raw_size: int) -> dict[str, Any]:
        return {"method": _NAMES.get(payload[0] if len(payload) else 0, "unknown")}


def _is_noise(raw: memoryview) -> bool:
    """Whether the quickest zstd gains nothing on a probe from the start, the middle and the end."""
    if len(raw) < 8 * PROBE:
        return False
    middle = len(raw) // 2
    probes = (raw[:PROBE], raw[middle : middle + PROBE], raw[-PROBE:])
    return all(len(zstd.compress(probe, 1)) >= 0.99 * len(probe) for probe in probes)


class StoredCodec:
    """Nothing but the container: for data that is known to be noise, and to measure what frames and checks cost."""

    name = "stored"
    version = 1

    def sniff(self, head: bytes, size: int | None) -> float:
        return 0.0

    def layout(self, source: Source) -> Iterator[Piece | View]:
        yield Piece(None)

    def params(self, dtype: str, itemsize: int) -> bytes | None:
        return b""

    def frame_size(self, level: str) -> int:
        return 1 << 20

    def encode(self, raw: memoryview, params: bytes, level: str, base: memoryview | None) -> None:
        return None

    def decode(self, payload: memoryview, params: bytes, version: int, out: memoryview, base: memoryview | None) -> None:
        raise CorruptDataError("stored frames have no payload to decode")

    def info(self, payload: memoryview, params: bytes, version: int, raw_size: int) -> dict[str, Any]:
        return {"method": "stored"}


codec = BytesCodec()
stored = StoredCodec()
