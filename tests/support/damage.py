"""Payloads of one frame, whole and damaged, for a codec's decode: each raises CorruptDataError or gives data; nothing else may come out of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from laconic import CorruptDataError, UnsupportedError
from laconic.container.codec import Codec


def payload_of(codec: Codec, raw: bytes, params: bytes, level: str) -> bytes:
    """The payload of one frame, after it gave `raw` back and said how it is coded."""
    payload = codec.encode(memoryview(raw), params, level, None)
    assert payload is not None
    out = bytearray(len(raw))
    codec.decode(memoryview(payload), params, 1, memoryview(out), None)
    assert out == raw
    assert "method" in codec.info(memoryview(payload), params, 1, len(raw))
    return payload


def check_damage(codec: Codec, payload: bytes, params: bytes, size: int, *, others: Iterable[bytes] = (),
                 head: Callable[[np.random.Generator], bytes] = lambda _: b"") -> None:  # fmt: skip
    """Bit flips, cuts (which must be noticed), equal bits to the end, wrong sizes, other parameters (`others`), noise after `head`."""
    rng = np.random.default_rng(0)
    out = memoryview(bytearray(2 * size + 1))

    def attempt(data: bytes, params: bytes = params, n: int = size) -> bool:
        try:
            codec.decode(memoryview(data), params, 1, out[:n], None)
        except (CorruptDataError, UnsupportedError):
            return False
        return True

    def flipped(data: bytes, position: int, bit: int) -> bytes:
        return data[:position] + bytes((data[position] ^ 1 << bit,)) + data[position + 1 :]

    for position in [*range(min(len(payload), 300)), *map(int, rng.integers(0, len(payload), 150))]:
        attempt(flipped(payload, position, int(rng.integers(8))))
    for end in [*range(min(len(payload), 150)), *map(int, rng.integers(0, len(payload), 60))]:
        assert not attempt(payload[:end]), f"a payload cut at {end} of {len(payload)} bytes was decoded"
    for byte in (0, 255):  # decisions that are all alike: the largest numbers there are
        attempt(payload[: len(payload) // 2] + bytes((byte,)) * len(payload))
    for n in (0, 1, 2, 4, size // 2, size - 1, size + 1, 2 * size):
        attempt(payload, n=n)
    for changed in others:
        attempt(payload, changed)
    for position in range(len(params)):
        attempt(payload, params[:position])
        for bit in range(8):
            attempt(payload, flipped(params, position, bit))
    for _ in range(100):
        attempt(head(rng) + rng.bytes(int(rng.integers(1, 200))))
        attempt(payload[: int(rng.integers(1, 40))] + rng.bytes(200))
