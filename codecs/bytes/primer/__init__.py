"""What inputs start from: text of our own that ships with the package. It never changes, as payloads name it; better ones are added.

For zstd, a dictionary made by `make.py`, named by the first four bytes of its xxh3 hash. For the mixing models, texts that they read
before the input: a list of English words, then prose or data. Measured: docs/notes/text.md.
"""

from __future__ import annotations

import string
import threading
from functools import cache
from pathlib import Path

import xxhash
import zstandard

from laconic.errors import CorruptDataError

PRIMED_BELOW = 1 << 16  # raw bytes: from here on what a frame says itself is enough

PROSE, DATA = 1, 2  # numbers of the texts for the mixing models; 0: none
_TEXTS = {0: (), PROSE: ("words.txt", "prose.txt"), DATA: ("words.txt", "data.txt")}
NUMBERS = frozenset(_TEXTS)

_FOLDER = Path(__file__).parent
_NAME_SIZE = 4
_PROBE = 1 << 15
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r"))
_LETTERS = string.ascii_letters.encode()
_local = threading.local()  # contexts are not thread-safe


@cache
def _primer() -> tuple[bytes, bytes]:
    content = (_FOLDER / "primer.zdict").read_bytes()
    return xxhash.xxh3_64_digest(content)[:_NAME_SIZE], content


def text(number: int) -> bytes:
    """What a mixing model reads first; KeyError where there is no such text."""
    return b"".join((_FOLDER / name).read_bytes() for name in _TEXTS[number])


def text_for(raw: memoryview) -> int:
    """The number of the text that is most like the beginning of `raw`."""
    head = bytes(raw[:_PROBE])
    if len(head.translate(None, _CONTROLS)) < 0.98 * len(head):
        return 0
    letters = len(head) - len(head.translate(None, _LETTERS))
    return PROSE if letters > 0.65 * len(head) and head.count(b" ") > 0.08 * len(head) else DATA


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
