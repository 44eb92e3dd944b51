"""Code lengths as a measure: how many bits data has, what it adds to what is known, how far two things are apart.

A good compressor's code length is an upper bound of the information in data, and needs no training and no parameters. That is enough to
choose training data near a target (ZIP-FIT: E. Obbad and others, 2024), to compare texts with what a language model says of them, and to
cluster anything (R. Cilibrasi, P. Vitanyi, "Clustering by compression", 2005).
"""

from __future__ import annotations

from functools import cache

from laconic import _core
from laconic.container import zstd
from laconic.errors import LimitError

MOST_BYTES = 1 << 24  # of data and prefix together: one block of the strongest model


def bits(data: bytes | bytearray | memoryview | str, given: bytes | bytearray | memoryview | str = b"", *, level: str = "high") -> int:
    """Bits that `data` costs, for a reader who knows `given`.

    Args:
        data: the bytes, or text taken as UTF-8. With `given`, 16 MiB at most.
        given: what comes before. The result is the code length of both minus that of `given` alone: small where `data` says what
            `given` says. (It can be 0, but not less.)
        level: "fast" (zstd, hundreds of MB/s), "default" (sorting, MB/s; it takes no heed of the order of the two) or "high" (context
            mixing, about 1 MB/s, the best bound).

    Returns:
        A number of bits, a multiple of 8: streams end with whole bytes. Containers, names and checksums are not counted.

    Raises:
        LimitError: more than 16 MiB.

    >>> import laconic
    >>> laconic.bits(b"") <= 8
    True
    >>> rain = b"The rain in Spain stays mainly in the plain. " * 3
    >>> laconic.bits(rain) < 8 * len(rain) / 2
    True
    >>> laconic.bits(rain, given=rain) < laconic.bits(rain) / 10
    True
    """
    known, new = _as_bytes(given), _as_bytes(data)
    if len(known) + len(new) > MOST_BYTES:
        raise LimitError(f"{len(known) + len(new)} bytes are more than the {MOST_BYTES} that one measurement takes")
    if not known:
        return 8 * _coded(new, level)
    return max(0, 8 * (_coded(known + new, level) - _coded(known, level)))


def distance(a: bytes | bytearray | memoryview | str, b: bytes | bytearray | memoryview | str, *, level: str = "high") -> float:
    """How unlike two things are: the normalised compression distance of Cilibrasi and Vitanyi (2005), made symmetric.

        (C(ab) - min(C(a), C(b))) / max(C(a), C(b)),   C(ab) = the smaller of both orders

    Args:
        a, b: bytes, or text taken as UTF-8; 16 MiB together at most.
        level: as for `bits`.

    Returns:
        About 0 for the same content, about 1 where nothing is shared (never below 0, rarely above 1.1). Things of less than a few hundred
        bytes are mostly overhead: compare longer ones.

    Raises:
        LimitError: more than 16 MiB.

    >>> import laconic
    >>> rain = "The rain in Spain stays mainly in the plain, and so do we when it rains. " * 2
    >>> code = "for (size_t i = 0; i < size; ++i) sum += values[i] * weights[i]; return sum; "
    >>> laconic.distance(rain, rain.replace("Spain", "Wales")) < laconic.distance(rain, code)
    True
    """
    x, y = _as_bytes(a), _as_bytes(b)
    if len(x) + len(y) > MOST_BYTES:
        raise LimitError(f"{len(x) + len(y)} bytes are more than the {MOST_BYTES} that one measurement takes")
    if x == y == b"":
        return 0.0
    alone = _coded(x, level), _coded(y, level)
    both = min(_coded(x + y, level), _coded(y + x, level))
    return max(0.0, (both - min(alone)) / max(alone))


def _as_bytes(value: bytes | bytearray | memoryview | str) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)


@cache
def _mixed() -> _core.ByteCoder:
    return _core.mixed_coder()


def _coded(data: bytes, level: str) -> int:
    """Bytes of the bare stream of one block."""
    if not data:
        return 0
    if level == "fast":
        return len(zstd.compress(data, 3, long=True))
    if level == "default":
        return len(_core.encode_sorted(data))
    if level == "high":
        return len(_mixed().encode(data))
    raise ValueError(f"no level {level!r} to measure with: fast, default or high")
