"""Small inputs of the bytes codec start from the shipped primer; quick frames; damage."""

from __future__ import annotations

import random

import pytest
import xxhash

import laconic
from laconic.codecs.bytes import codec, primer, quick

LINES = b"".join(
    b'{"id": %d, "name": "item %d", "status": "active", "created_at": "2024-01-%02dT00:00:00Z"}\n' % (n, n, n % 28) for n in range(40)
)


def test_the_primer_never_changes() -> None:
    name, content = primer._primer()
    assert xxhash.xxh3_64_hexdigest(content) == "759f54466b5ecfaf"
    assert name.hex() == xxhash.xxh3_64_hexdigest(content)[:8]


@pytest.mark.parametrize("level", ["fast", "default", "high", "max"])
@pytest.mark.parametrize("size", [1, 2, 100, 1000, 3000])
def test_round_trip(level: str, size: int) -> None:
    data = LINES[:size]
    assert laconic.decode(laconic.encode(data, level=level)) == data


def test_priming_pays() -> None:
    data = LINES[:700]
    payload = codec.encode(memoryview(data), b"", "fast", None)
    assert payload is not None
    assert codec.info(memoryview(payload), b"", 1, len(data))["method"] == "primed"
    assert len(payload) < 0.9 * len(quick.compress(memoryview(data)))


@pytest.mark.parametrize("seed", range(15))
def test_damage_is_an_error_or_data(seed: int) -> None:
    rng = random.Random(seed)
    payload = bytearray(b"\x04" + primer.compress(LINES[:900], 3))
    payload[rng.randrange(len(payload))] ^= 1 << rng.randrange(8)
    out = bytearray(900)
    for cut in (len(payload), rng.randrange(len(payload))):
        try:
            codec.decode(memoryview(payload)[:cut], b"", 1, memoryview(out), None)
        except laconic.CorruptDataError:
            pass


def test_wrong_primer_and_sizes_are_named() -> None:
    payload = primer.compress(LINES, 3)
    with pytest.raises(laconic.CorruptDataError, match="primer"):
        primer.decompress(memoryview(b"abcd" + payload[4:]), len(LINES))
    for size in (0, 1, len(LINES) - 1, len(LINES) + 1, 1 << 60):
        with pytest.raises(laconic.CorruptDataError):
            primer.decompress(memoryview(payload), size)


@pytest.mark.parametrize("level", ["fast", "default", "high", "max"])
def test_compressed_input_passes_with_hardly_any_growth(level: str) -> None:
    noise = random.Random(5).randbytes(3 << 20)
    assert len(laconic.encode(noise, kind="bytes", level=level)) < 1.001 * len(noise)
