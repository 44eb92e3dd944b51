"""What small inputs start from: a zstd dictionary that ships with the package, made by `make.py` from samples of our own.

It is named in each payload by the first four bytes of its content's xxh3 hash, and is part of the format for ever: a better one is
added beside it. Measured: docs/notes/text.md.
"""

from __future__ import annotations

import threading
from functools import cache
from pathlib import Path

import xxhash
import zstandard

from laconic.errors import CorruptDataError

PRIMED_BELOW = 1 << 16  # raw bytes: from here on what a frame says itself is enough

_FILE = Path(__file__).with_name("primer.zdict")
_NAME_SIZE = 4
_local = threading.local()  # contexts are not thread-safe


@cache
def _primer() -> tuple[bytes, bytes]:
    content = _FILE.read_bytes()
    return xxhash.xxh3_64_digest(content)[:_NAME_SIZE], content


def compress(raw: bytes | memoryview, level: int) -> bytes:
    """The primer's name and a zstd frame that starts from it; the frame declares its size and has no checksum."""
    name, content = _primer()
    cached: dict[int, zstandard.ZstdCompressor] = _local.__dict__.setdefault("compressors", {})
    compressor = cached.get(level)
    if compressor is None:
        primed = zstandard.ZstdCompressionDict(content)
        primed.precompute_compress(level=level)
        compressor = cached[level] = zstandard.ZstdCompressor(level=level, dict_data=primed, write_checksum=False, write_dict_id=False)
    return name + compressor.compress(raw)


def decompress(payload: memoryview, raw_size: int) -> bytes:
    """The `raw_size` bytes of such a payload; CorruptDataError for anything else."""
    name, content = _primer()
    if payload[:_NAME_SIZE] != name:
        raise CorruptDataError(f"a payload that starts from primer {bytes(payload[:_NAME_SIZE]).hex()}, which this version does not have")
    frame = payload[_NAME_SIZE:]
    try:
        if zstandard.frame_content_size(frame) != raw_size:
            raise CorruptDataError(f"a primed frame does not declare the {raw_size} bytes that are expected")
        decompressor = _local.__dict__.get("decompressor")
        if decompressor is None:
            decompressor = _local.decompressor = zstandard.ZstdDecompressor(dict_data=zstandard.ZstdCompressionDict(content))
        raw: bytes = decompressor.decompress(frame, max_output_size=raw_size, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise CorruptDataError(f"a primed frame: {error}") from error
    if len(raw) != raw_size:
        raise CorruptDataError(f"a primed frame of {len(raw)} bytes where {raw_size} are expected")
    return raw
