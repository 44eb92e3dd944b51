"""Code lengths as a measure."""

from __future__ import annotations

import random

import pytest

import laconic

A = " ".join(f"the {n}th line of the first kind of text" for n in range(60)).encode()
B = " ".join(f"<item id='{n * 7}'/>" for n in range(60)).encode()
NOISE = random.Random(3).randbytes(2000)


@pytest.mark.parametrize("level", ["fast", "default", "high"])
def test_known_content_costs_less(level: str) -> None:
    assert laconic.bits(A, given=A[:1000], level=level) < laconic.bits(A, level=level)
    assert laconic.bits(NOISE, level=level) >= 8 * len(NOISE)
    assert laconic.bits(A, level=level) % 8 == 0


@pytest.mark.parametrize("level", ["fast", "default", "high"])
def test_distance_orders_and_is_symmetric(level: str) -> None:
    same, near, far = (laconic.distance(A, x, level=level) for x in (A, A[500:] + B[:200], B))
    assert 0 <= same < 0.2
    assert near < far <= 1.2
    assert laconic.distance(A, B, level=level) == laconic.distance(B, A, level=level)


def test_text_is_its_utf8_and_nothing_is_nothing() -> None:
    assert laconic.bits("größer") == laconic.bits("größer".encode())
    assert laconic.bits(b"") == laconic.bits(b"", given=A) == 0
    assert laconic.distance("", "") == 0.0


def test_limits() -> None:
    with pytest.raises(laconic.LimitError):
        laconic.bits(b"x", given=bytes(1 << 24))
    with pytest.raises(laconic.LimitError):
        laconic.distance(bytes(1 << 23), bytes((1 << 23) + 1))
    with pytest.raises(ValueError):
        laconic.bits(b"x", level="extreme")
