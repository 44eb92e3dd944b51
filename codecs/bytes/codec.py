"""The fallback for anything: zstd, block sorting and context mixing, by level; the bytes as they are where nothing is gained.

See FORMAT.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from laconic import _core
from laconic.codecs.bytes import primer, quick
from laconic.container import Piece, Source, View, zstd
from laconic.errors import CorruptDataError

# Raw bytes a frame and zstd level. Larger frames find more; they bound memory and what a range read must decode. A stream is cut evenly, into
# frames of up to one and a half times as much; blocks that are sorted or mixed have 16 MiB at most, of which marks of capitals take some.
_LEVELS = {"fast": (1 << 23, 3), "default": (10 << 20, 9), "high": (10 << 20, 19), "max": (10 << 20, 19)}

# Payload methods (first byte).
ZSTD = 1
MIXED = 2
SORTED = 3
PRIMED = 4
WIDE = 5
REWRITTEN = 6
REPEATS = 7

# The mixing models of the strong levels. Their payloads go on with the number of the text that the model read first.
_MODELS = {"high": MIXED, "max": WIDE}
_MAKERS = {MIXED: _core.mixed_coder, WIDE: _core.wide_coder}

_NAMES = {ZSTD: "zstd", MIXED: "mixed", SORTED: "sorted", PRIMED: "primed", WIDE: "wide", REWRITTEN: "rewritten", REPEATS: "repeats"}

# Where half of a frame repeats at least so many bytes, the models are spared them: many times the speed for 3 % of the size
# (docs/notes/text.md).
_SHORTEST_REPEAT = 255

SORT_FROM = 4096  # raw bytes; below, its tables take longer to set up than the block takes to code, and zstd is as good

PROBE = 1 << 16  # bytes tried first, at most: noise is not worth a slow search


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
        if level != "fast" and (code := _core.choose_rewriting(raw)) is not None:
            rewritten = memoryview(bytearray(raw))
            _core.rewrite(code, rewritten)
            return bytes((REWRITTEN,)) + code + _encode(rewritten, level)
        return _encode(raw, level)

    def decode(self, payload: memoryview, params: bytes, version: int, out: memoryview, base: memoryview | None) -> None:
        if params:
            raise CorruptDataError("the bytes codec has no parameters")
        method, body = payload[0] if len(payload) else 0, payload[1:]
        if method == ZSTD:
            out[:] = zstd.decompress(body, len(out), "the zstd payload", base)
        elif method in _MAKERS and base is None:
            if not len(body) or body[0] not in primer.NUMBERS:
                raise CorruptDataError("a mixed payload that starts from a text which this version does not have")
            _coder(method, body[0]).decode(body[1:], out)
        elif method == SORTED and base is None:
            _core.decode_sorted(body, out)
        elif method == PRIMED and base is None:
            out[:] = primer.decompress(body, len(out))
        elif method == REWRITTEN and base is None and payload[3:4] != bytes((REWRITTEN,)):
            self.decode(payload[3:], params, version, out, None)
            _core.restore_rewritten(payload[1:3], out)
        elif method == REPEATS and base is None and payload[5:6] not in (bytes((REWRITTEN,)), bytes((REPEATS,))):
            size = int.from_bytes(payload[2:5], "little")
            if len(body) < 4 or size >= len(out):
                raise CorruptDataError("a form without repeats that is not shorter than its frame")
            form = memoryview(bytearray(size))
            self.decode(payload[5:], params, version, form, None)
            _core.restore_repeats(form, payload[1], out)
        else:
            raise CorruptDataError(f"no such bytes method ({method})")

    def info(self, payload: memoryview, params: bytes, version: int, raw_size: int) -> dict[str, Any]:
        return {"method": _NAMES.get(payload[0] if len(payload) else 0, "unknown")}


@cache
def _coder(method: int, text: int) -> _core.ByteCoder:
    return _MAKERS[method](primer.text(text), binary=text == 0)


def _encode_mixed(raw: memoryview, level: str) -> bytes:
    method, text = _MODELS[level], primer.text_for(raw)
    return bytes((method, text)) + _coder(method, text).encode(raw)


def _encode(raw: memoryview, level: str) -> bytes:
    """A payload by the level's way; not for noise."""
    if level in _MODELS and len(raw) >= primer.PRIMED_BELOW:
        form = _core.remove_repeats(raw, _SHORTEST_REPEAT)
        if len(form) < len(raw) // 2:
            return bytes((REPEATS, _SHORTEST_REPEAT)) + len(form).to_bytes(3, "little") + _encode_whole(memoryview(form), level)
    return _encode_whole(raw, level)


def _encode_whole(raw: memoryview, level: str) -> bytes:
    if len(raw) < primer.PRIMED_BELOW:
        return _encode_small(raw, level)
    if level in _MODELS:
        mixed = _encode_mixed(raw, level)
        # Long repeats at a distance are what a dictionary coder does better; a quick one tells whether this is such a case.
        if len(mixed) <= len(zstd.compress(raw, 3)):
            return mixed
    elif level == "default":
        return bytes((SORTED,)) + _core.encode_sorted(raw)
    elif len(raw) >= quick.QUICK_FROM:
        return bytes((ZSTD,)) + quick.compress(raw)
    return bytes((ZSTD,)) + zstd.compress(raw, _LEVELS[level][1])


def _encode_small(raw: memoryview, level: str) -> bytes:
    """The smallest of the ways that the level's speed allows."""
    ways = [bytes((ZSTD,)) + zstd.compress(raw, _LEVELS[level][1]), bytes((PRIMED,)) + primer.compress(raw, _LEVELS[level][1])]
    if level in _MODELS:
        ways.append(_encode_mixed(raw, level))
    elif level == "default" and len(raw) >= SORT_FROM:
        ways.append(bytes((SORTED,)) + _core.encode_sorted(raw))
    return min(ways, key=len)


def _is_noise(raw: memoryview) -> bool:
    """Whether the quickest zstd gains nothing on probes from the start, the middle and the end."""
    if len(raw) < SORT_FROM:
        return False
    size = min(PROBE, max(len(raw) // 8, SORT_FROM))
    starts = (0, (len(raw) - size) // 2, len(raw) - size)
    return all(len(zstd.compress(raw[start : start + size], 1)) >= 0.99 * size for start in starts)


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
