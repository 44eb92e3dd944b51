"""The core's XXH3 against the library's, on every instruction set, and frames hashed together with what they belong to."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from laconic import _core
from laconic.container.hashing import ContentHash, check_and_feed
from laconic.container.sink import MemorySink

DATA = np.random.default_rng(0).bytes(300_000)
SIZES = [0, 1, 16, 128, 240, 241, 255, 256, 1023, 1024, 1025, 1088, 2048, 2049, 40_000, 65_536, 65_537, 131_072]


@pytest.fixture(params=["scalar", "avx2", "avx512"])
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    before = _core.active_isa()
    try:
        _core.set_isa(request.param)
    except ValueError:
        pytest.skip("not on this machine")
    yield request.param
    _core.set_isa(before)


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("size", SIZES)
def test_hashes_are_those_of_the_library(size: int) -> None:
    data = DATA[:size]
    content = ContentHash()
    assert check_and_feed(data, content) == xxhash.xxh3_64_intdigest(data)
    assert content.digest() == xxhash.xxh3_128_digest(data)


@given(st.lists(st.sampled_from([*SIZES, 7, 100, 924, 3000]), max_size=8), st.integers(0, 2))
def test_frames_of_any_sizes(sizes: list[int], later: int) -> None:
    """The second hash joins after some frames, so that it is at another place in its block."""
    hashes, expected = [ContentHash()], [xxhash.xxh3_128()]
    position = 0
    for k, size in enumerate(sizes):
        if k == later:
            hashes.append(ContentHash())
            expected.append(xxhash.xxh3_128())
        frame = DATA[position : position + size]
        position += size
        assert check_and_feed(frame, *hashes) == xxhash.xxh3_64_intdigest(frame)
        for hash_ in expected:
            hash_.update(frame)
        assert [hash_.digest() for hash_ in hashes] == [hash_.digest() for hash_ in expected]


def test_bytes_in_memory_grow() -> None:
    sink = MemorySink(room=10)
    parts = [DATA[:5], b"", DATA[5:6000], bytearray(DATA[6000:200_000]), memoryview(DATA)[200_000:]]
    for part in parts:
        sink.write(part)
    assert sink.position == len(DATA)
    assert sink.read_at(5990, 20) == DATA[5990:6010]
    assert sink.read_at(len(DATA) - 5, 20) == DATA[-5:]
    assert sink.getvalue() == DATA
    with pytest.raises(ValueError, match="taken"):
        sink.write(b"x")
