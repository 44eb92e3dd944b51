"""Segments of KV caches coded by csrc/kv. See FORMAT.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from laconic import _core
from laconic.codecs.kv import priors
from laconic.codecs.kv.segment import Segment, element_of
from laconic.container import Piece, Source, View
from laconic.container.format import MAX_FRAME_RAW
from laconic.errors import CorruptDataError

CHANNELS, REPEATED_ROWS, QUANTISED = 1, 2, 3  # methods: a payload's first byte
_NAMES = {CHANNELS: "channel tables", REPEATED_ROWS: "channel tables, repeated rows", QUANTISED: "lossy, quantised"}

# Groups of channels that tables are fitted to. On 1024 bf16 channels of scales spread by a factor of 2.2 (256 tokens): 8, 16 and
# 64 groups give 1.514, 1.516 and 1.516x at 660, 590 and 375 MB/s.
GROUPS = {"fast": 8, "default": 16, "high": 64, "max": 64}


class KVCodec:
    name = "kv"
    version = 1

    def sniff(self, head: bytes, size: int | None) -> float:
        return 0.0  # KV caches are no files

    def layout(self, source: Source) -> Iterator[Piece | View]:
        raise ValueError("a file is no KV cache")

    def params(self, dtype: str, itemsize: int) -> bytes | None:
        element = element_of(dtype)
        return None if element is None else Segment(element, 1).pack()

    def frame_size(self, level: str) -> int:
        return MAX_FRAME_RAW  # pieces are segments

    def encode(self, raw: memoryview, params: bytes, level: str, base: memoryview | None) -> bytes | None:
        segment = Segment.parse(params)
        return _core.encode_kv(raw, segment.width, segment.channels, GROUPS[level]) or None

    def decode(self, payload: memoryview, params: bytes, version: int, out: memoryview, base: memoryview | None) -> None:
        segment = Segment.parse(params)
        if not len(payload) or payload[0] != QUANTISED:
            _core.decode_kv(payload, out, segment.width, segment.channels)
            return
        coarse = segment.coarse
        if coarse is None or len(out) % (segment.width * segment.channels):
            raise CorruptDataError("a quantised KV segment without its parameters")
        profile = priors.get(coarse.profile)
        quantiser = profile.quantiser(coarse.set, segment.channels)
        quantiser.decode(payload, segment.element, coarse.position, profile.tables, out)

    def missing_prior(self, params: bytes) -> bytes | None:
        """The content hash of the profile that `decode` needs and this process has not seen yet."""
        coarse = Segment.parse(params).coarse
        return coarse.profile if coarse and not priors.known(coarse.profile) else None

    def give_prior(self, data: bytes) -> None:
        """The bytes that `missing_prior` asked for; CorruptDataError if they are no profile."""
        priors.register_bytes(data)

    def info(self, payload: memoryview, params: bytes, version: int, raw_size: int) -> dict[str, Any]:
        segment = Segment.parse(params)
        found: dict[str, Any] = {"method": _NAMES.get(payload[0], "unknown"), "channels": segment.channels}
        if segment.coarse:
            found["profile"] = segment.coarse.profile.hex()
        return found


codec = KVCodec()
