"""The generated tables: that they are what the generator writes, and that the generator is right."""

from __future__ import annotations

import importlib.util
import math
from fractions import Fraction
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest

from laconic._core import entropy_models as native

SOURCE = Path(__file__).parents[2] / "csrc" / "entropy" / "location_scale_tables.py"
TAILS, INVERSE, SCALES = native.tables()
KNOTS = [2.0**-5 * 2 ** (c // 64) * (1 + c % 64 / 64) - 2.0**-5 for c in range(705)]
SHAPES = [2.0 ** ((j - 4) / 4) for j in range(13)]


def generator():
    spec = importlib.util.spec_from_file_location("location_scale_tables", SOURCE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_committed_file_is_what_the_generator_writes() -> None:
    assert generator().main(["--check"]) == 0


def test_the_extension_holds_the_committed_tables() -> None:
    flat = [v for tables in (TAILS, INVERSE, SCALES) for table in tables for v in table]
    assert crc32(b"".join(v.to_bytes(8, "little") for v in flat)) == native.tables_checksum
    assert f"crc32 {native.tables_checksum:08x}" in SOURCE.with_suffix(".cpp").read_text()[:200]


def test_tails_fall_from_a_half_to_nothing() -> None:
    for table in TAILS:
        assert table[0] == 2**31
        assert table[-1] == 0
        assert (np.diff(np.array(table, np.int64)) <= 0).all()


def test_tails_are_right_by_the_machine_s_own_functions() -> None:
    """math's erfc and exp are good to 1e-15, the tables are in units of 2e-10."""
    for table, tail in (
        (TAILS[0], lambda z: math.erfc(z / math.sqrt(2)) / 2),
        (TAILS[1], lambda z: math.exp(-z) / 2),
        (TAILS[2], lambda z: 1 / (1 + math.exp(z))),
        (TAILS[3 + 4], lambda z: math.exp(-math.sqrt(2) * z) / 2),  # shape 1 is Laplace of unit variance
        (TAILS[3 + 8], lambda z: math.erfc(z / math.sqrt(2)) / 2),  # shape 2 is Gaussian
    ):
        for z, q in zip(KNOTS[:-1], table[:-1], strict=True):
            assert abs(q - tail(z) * 2**32) <= 0.5 + 1e-4, z


def test_tails_are_right_to_high_precision() -> None:
    mpmath = pytest.importorskip("mpmath", reason="mpmath is not installed")
    with mpmath.workdps(40):
        z = [mpmath.mpf(k) for k in KNOTS]
        true = [
            lambda x: mpmath.erfc(x / mpmath.sqrt(2)) / 2,
            lambda x: mpmath.exp(-x) / 2,
            lambda x: 1 / (1 + mpmath.exp(x)),
        ]
        for shape in SHAPES:
            b = mpmath.mpf(2) ** (mpmath.mpf(round(math.log2(shape) * 4)) / 4)
            alpha = mpmath.sqrt(mpmath.gamma(1 / b) / mpmath.gamma(3 / b))
            true.append(lambda x, b=b, a=alpha: mpmath.gammainc(1 / b, (x / a) ** b, regularized=True) / 2)
        for table, tail in zip(TAILS, true, strict=True):
            for c in range(0, 704, 7):
                assert table[c] == int(mpmath.nint(tail(z[c]) * 2**32)), (c, true.index(tail))


def test_scales() -> None:
    """2^22 / scale, 2^10 scale by exact powers; the window holds all but 2^-16 of the mass."""
    for family, table in enumerate(SCALES):
        for k, entry in enumerate(table):
            inverse, half, sigma = entry & (2**27 - 1), entry >> 27 & 32767, entry >> 42
            power = Fraction(2) ** (k - 64)  # scale^16
            assert k == 0 or (Fraction(2 * inverse - 1, 2**23)) ** 16 * power <= 1
            assert k == 0 or (Fraction(2 * inverse + 1, 2**23)) ** 16 * power >= 1
            assert (Fraction(2 * sigma - 1, 2**11)) ** 16 <= power <= (Fraction(2 * sigma + 1, 2**11)) ** 16
            if half < 32767:
                z = (half - 0.5) * inverse / 2**22
                beyond = np.interp(z, KNOTS, TAILS[family]) * 2
                assert beyond <= 2**16 * 1.05  # 2^22 / scale is rounded
                assert half <= 2 + sigma / 1024 * 20
