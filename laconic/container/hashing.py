"""XXH3 of bytes that pass by in frames: a frame's check and the content hashes of what it belongs to are taken in one pass."""

from __future__ import annotations

from xxhash import xxh3_64_intdigest, xxh3_128_digest

from laconic import _core

Bytes = bytes | bytearray | memoryview

_SHORT = 240  # bytes up to which XXH3 is another function, which the core does not have
_MOST = 3  # hashes that the core takes beside a frame's check


class ContentHash:
    """xxh3_128 of bytes that come in pieces."""

    __slots__ = ("state",)

    def __init__(self) -> None:
        self.state = _core.Xxh3()

    def update(self, data: Bytes) -> None:
        self.state.update(data)

    def digest(self) -> bytes:
        return xxh3_128_digest(self.state.short_input()) if self.state.total <= _SHORT else self.state.digest()


def in_one_pass(size: int, hashes: tuple[ContentHash, ...]) -> bool:
    """Whether the core can take the check of a frame of `size` bytes and these hashes together."""
    return size > _SHORT and len(hashes) <= _MOST


def check_and_feed(raw: Bytes, *hashes: ContentHash) -> int:
    """xxh3_64 of `raw`, all of which the hashes take too."""
    if in_one_pass(len(raw), hashes):
        return _core.hash_frame(raw, [hash_.state for hash_ in hashes])
    for hash_ in hashes:
        hash_.update(raw)
    return int(xxh3_64_intdigest(raw))
