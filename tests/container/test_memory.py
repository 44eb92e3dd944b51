"""Where results lie in memory: objects that are filled before anyone sees them."""

from __future__ import annotations

import numpy as np
import pytest

import laconic
from laconic import _core


def test_new_bytes_are_filled_and_taken_once() -> None:
    new = _core.NewBytes(5)
    memoryview(new)[:] = b"taken"
    assert new.take() == b"taken"
    with pytest.raises(ValueError, match="taken"):
        new.take()
    with pytest.raises((BufferError, ValueError)):
        memoryview(new)
    assert _core.NewBytes(0).take() == b""
    large = _core.NewBytes(9 << 20)  # with large pages, where the system has them
    memoryview(large)[-1] = 7
    assert large.take()[-1] == 7


@pytest.mark.parametrize("size", [0, 1, (1 << 16) - 1, 1 << 16, (5 << 20) + 3])
@pytest.mark.parametrize("jobs", [1, 2])
def test_bytes_of_every_size(size: int, jobs: int) -> None:
    """Joined from their frames below 64 KiB, in place from there on; whole, in part, and where the size is implausible."""
    data = np.random.default_rng(size).integers(0, 7, size, dtype=np.uint8).tobytes()
    with laconic.open(
        laconic.encode({"a": b"first", "b": data, "c": bytes(1 << 27) if size == 1 else b""}, jobs=jobs), jobs=jobs
    ) as archive:
        assert archive["b"] == data
        assert archive.read("b", 3, max(3, size - 5)) == data[3 : max(3, size - 5)]
        assert archive["c"].count(0) == (1 << 27 if size == 1 else 0)
