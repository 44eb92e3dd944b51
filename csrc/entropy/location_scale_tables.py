"""Writes location_scale_tables.cpp: the standard distributions as integers, the same on every machine.

    python csrc/entropy/location_scale_tables.py            # rewrites the C++ file beside this one
    python csrc/entropy/location_scale_tables.py --check    # exit status 1 if the file is not what this
    script writes

All arithmetic is decimal arithmetic of 50 digits in software (module `decimal`), so no libm and no processor
has a say in the result; every entry is the true value rounded to nearest. What the tables mean is said in
location_scale.h and docs/entropy-models.md.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Decimal, getcontext
from functools import cache
from pathlib import Path
from zlib import crc32

getcontext().prec = 50

# The same numbers stand in location_scale.h.
CELL_BITS = 6  # 64 cells an octave
FIRST_OCTAVE = 2**-5  # cells are those of z + 2^-5, so that the first 64 are uniform on [0, 2^-5)
OCTAVES = 11  # z + 2^-5 < 2^6
CELLS = OCTAVES << CELL_BITS
INVERSE_CELL_BITS = 5
INVERSE_LOW = 14  # the inverse table covers Q in [2^14, 2^31] of 2^32
INVERSE_CELLS = (31 - INVERSE_LOW) << INVERSE_CELL_BITS
SCALE_STEPS = 16  # an octave
SCALES = 256
SCALE_ORIGIN = 64  # index of scale 1
MAX_HALF_WINDOW = 32767
ESCAPE_MASS = Decimal(2) ** -16  # beyond the window on both sides together

SHAPES = [Decimal(2) ** (Decimal(j - 4) / 4) for j in range(13)]  # generalised Gaussian: 0.5 to 4

Tail = Callable[[Decimal], Decimal]


def lower_gamma(a: Decimal, x: Decimal) -> Decimal:
    """gamma(a, x) by its series x^a e^-x sum x^n / (a (a+1) ... (a+n)); every term is positive, so nothing
    cancels.
    """
    if x == 0:
        return Decimal(0)
    term = 1 / a
    total = term
    n = 0
    while term > total * Decimal(10) ** -48:
        n += 1
        term *= x / (a + n)
        total += term
    return total * (a * x.ln() - x).exp()


@cache
def gamma(a: Decimal) -> Decimal:
    return lower_gamma(a, Decimal(130))  # what is missing is below 130^a e^-130 < 1e-42


def gaussian(z: Decimal) -> Decimal:
    return upper_gamma_half(Decimal("0.5"), z * z / 2)


def upper_gamma_half(a: Decimal, x: Decimal) -> Decimal:
    return Decimal(0) if x > 60 else (1 - lower_gamma(a, x) / gamma(a)) / 2


def laplace(z: Decimal) -> Decimal:
    return (-z).exp() / 2


def logistic(z: Decimal) -> Decimal:
    return 1 / (1 + z.exp())


def alpha(beta: Decimal) -> Decimal:
    """The scale parameter of a generalised Gaussian of unit variance."""
    return (gamma(1 / beta) / gamma(3 / beta)).sqrt()


def generalised_gaussian(beta: Decimal) -> Tail:
    def tail(z: Decimal) -> Decimal:
        if z == 0:
            return Decimal("0.5")
        log_x = beta * (z / alpha(beta)).ln()
        return Decimal(0) if log_x > 5 else upper_gamma_half(1 / beta, log_x.exp())

    return tail


FAMILIES: list[Tail] = [gaussian, laplace, logistic, *(generalised_gaussian(beta) for beta in SHAPES)]


def round_int(x: Decimal) -> int:
    return int(x.quantize(Decimal(1), rounding=ROUND_HALF_EVEN))


def knots() -> list[Decimal]:
    """z at the left edge of each cell, and the end of the last one."""
    steps = 1 << CELL_BITS
    y = [Decimal(FIRST_OCTAVE) * 2 ** (c // steps) * (1 + Decimal(c % steps) / steps) for c in range(CELLS + 1)]
    return [v - Decimal(FIRST_OCTAVE) for v in y]


def tail_table(tail: Tail) -> list[int]:
    table = [round_int(tail(z) * 2**32) for z in knots()]
    table[-1] = 0
    return table


def inverse_table(tails: list[int]) -> list[int]:
    """z in units of 2^-24 at each knot of Q, on the polygon through `tails`; a starting point for a search,
    not a definition.
    """
    z = knots()
    steps = 1 << INVERSE_CELL_BITS
    out = []
    for c in range(INVERSE_CELLS + 1):
        q = (Decimal(2) ** INVERSE_LOW) * 2 ** (c // steps) * (1 + Decimal(c % steps) / steps)
        i = max(k for k in range(CELLS) if tails[k] >= q)
        drop = tails[i] - tails[i + 1]
        part = (tails[i] - q) / drop if drop else Decimal(0)
        out.append(round_int((z[i] + part * (z[i + 1] - z[i])) * 2**24))
    return out


def reach(tail: Tail) -> Decimal:
    """The z beyond which both tails together hold ESCAPE_MASS, to 2^-16, by bisection."""
    low, high = Decimal(0), Decimal(64)
    while high - low > Decimal(2) ** -16:
        middle = (low + high) / 2
        low, high = (middle, high) if 2 * tail(middle) > ESCAPE_MASS else (low, middle)
    return high


def scale(k: int) -> Decimal:
    return Decimal(2) ** (Decimal(k - SCALE_ORIGIN) / SCALE_STEPS)


def scale_entry(k: int, z_max: Decimal) -> int:
    """inverse scale (27 bits) | half window (15 bits) | scale (22 bits); see location_scale.h."""
    inverse = min(round_int(Decimal(2) ** 22 / scale(k)), 2**27 - 1)
    half = min(int(z_max * scale(k)) + 2, MAX_HALF_WINDOW)
    return inverse | half << 27 | round_int(scale(k) * 2**10) << 42


def thresholds() -> list[int]:
    """Mantissas (52 bits) at which the nearest scale index steps up within an octave; the last is never
    reached.
    """
    middle = [Decimal(2) ** ((j + Decimal("0.5")) / SCALE_STEPS) - 1 for j in range(SCALE_STEPS)]
    return [round_int(m * 2**52) for m in middle] + [2**52]


def words(values: list[int], width: int) -> str:
    per_line = 12 if width == 8 else 7
    texts = [f"0x{v:0{width}x}" for v in values]
    lines = [", ".join(texts[i : i + per_line]) for i in range(0, len(texts), per_line)]
    return ",\n    ".join(lines)


def generate() -> str:
    tails = [tail_table(f) for f in FAMILIES]
    inverses = [inverse_table(t) for t in tails]
    scales = [[scale_entry(k, z_max) for k in range(SCALES)] for z_max in map(reach, FAMILIES)]
    shape_factors = [float(1 / alpha(beta)) for beta in SHAPES]  # standard deviation / alpha, rounded to nearest
    shape_thresholds = [float(Decimal(2) ** ((j - Decimal("3.5")) / 4)) for j in range(len(SHAPES) - 1)]
    flat = [v for group in (tails, inverses, scales) for table in group for v in table]
    checksum = crc32(b"".join(v.to_bytes(8, "little") for v in flat))
    name_of = [
        "Gaussian",
        "Laplace",
        "logistic",
        *(f"generalised Gaussian, shape {float(b):.6g}" for b in SHAPES),
    ]

    def table(values: list[list[int]], width: int) -> str:
        return "\n".join(f"    // {n}\n    {words(v, width)}," for n, v in zip(name_of, values, strict=True))

    return f"""// Written by location_scale_tables.py; change that file, not this one. crc32 {checksum:08x}
// clang-format off
#include "entropy/location_scale.h"

namespace laconic::location_scale {{

const std::uint32_t kTails[kFamilies * kTailKnots] = {{
{table(tails, 8)}
}};

const std::uint32_t kInverse[kFamilies * kInverseKnots] = {{
{table(inverses, 8)}
}};

const std::uint64_t kScales[kFamilies * kScaleCount] = {{
{table(scales, 16)}
}};

const std::uint64_t kScaleThresholds[17] = {{
    {words(thresholds(), 16)},
}};

const double kShapeFactors[{len(SHAPES)}] = {{
    {", ".join(repr(f) for f in shape_factors)},
}};

const double kShapeThresholds[{len(SHAPES) - 1}] = {{
    {", ".join(repr(t) for t in shape_thresholds)},
}};

const std::uint32_t kTablesChecksum = 0x{checksum:08x};

}}  // namespace laconic::location_scale
"""


def main(arguments: list[str]) -> int:
    target = Path(__file__).with_suffix(".cpp")
    text = generate()
    if "--check" in arguments:
        return 0 if target.exists() and target.read_text() == text else 1
    target.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
