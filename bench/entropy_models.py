"""Entropy coding with a distribution for each symbol: ours on every instruction set, and constriction, on the
same generated arrays in one run.

    python bench/entropy_models.py [--quick] [--json OUT]

Sets `gaussian`, `laplace`, `mixture4`, `categorical256` (float32 probabilities, and uint16 CDFs) and
`binary`; all symbols are drawn from their models with a fixed seed. Times are process CPU time on one thread,
medians after a warm-up. `encode_msyms` and `decode_msyms` include making the model from the arrays (floats to
grid indexes); the `prepared_` ones do not. `ideal_bytes` is the information content under the float model.
`peak_mib` is the process's peak so far, data included.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import resource
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import laconic
from laconic import _core, entropy

Array = npt.NDArray[Any]


@dataclass
class Task:
    """One set: symbols, how to make our model, and how the peer codes them (None: it can't)."""

    set: str
    file: str
    profile: str
    symbols: Array
    model: Callable[[], entropy.Model]
    ideal_bits: float
    peer: Callable[[], tuple[Any, tuple[Array, ...]]] | None = None


def gaussian_cdf(z: Array) -> Array:
    return np.frompyfunc(lambda v: 0.5 * math.erfc(-v * 0.7071067811865476), 1, 1)(z).astype(float)


def information(cdf: Callable[[Array], Array], x: Array, mean: Array, scale: Array, weights: Array | None = None) -> float:
    """Bits of x in total; components on the last axis where there are weights. The tail that is the smaller
    is used on both sides.
    """
    x = x if weights is None else x[:, None]
    low, high = (x - 0.5 - mean) / scale, (x + 0.5 - mean) / scale
    flip = low > 0
    low, high = np.where(flip, -high, low), np.where(flip, -low, high)
    p = cdf(high) - cdf(low)
    if weights is not None:
        p = (p * weights).sum(-1)
    return float(-np.log2(np.maximum(p, 2.0**-60)).sum())


def mixture(rng: np.random.Generator, name: str, what: str, means: Array, scales: Array, weights: Array) -> Task:
    chosen = (weights.cumsum(1) > rng.uniform(0, 0.9999, (len(means), 1))).argmax(1)[:, None]
    x = np.rint(rng.normal(np.take_along_axis(means, chosen, 1), np.take_along_axis(scales, chosen, 1)))[:, 0].astype(np.int32)
    bits = information(gaussian_cdf, x, means.astype(float), scales.astype(float), weights.astype(float))
    return Task(name, what, "C", x, lambda: entropy.GaussianMixture(means, scales, weights), bits)


def tasks(quick: bool) -> list[Task]:
    rng = np.random.default_rng(1)
    n = 1 << (15 if quick else 20)
    out = []

    mean = rng.uniform(-50, 50, n).astype(np.float32)
    scale = np.exp(rng.uniform(np.log(0.3), np.log(30), n)).astype(np.float32)
    wide = mean.astype(np.float64), scale.astype(np.float64)

    def laplace_cdf(z: Array) -> Array:
        return np.where(z < 0, np.exp(np.minimum(z, 0)) / 2, 1 - np.exp(-np.maximum(z, 0)) / 2)

    for name, ours, peer, draw, cdf in (
        ("gaussian", entropy.Gaussian, "QuantizedGaussian", rng.normal, gaussian_cdf),
        ("laplace", entropy.Laplace, "QuantizedLaplace", rng.laplace, laplace_cdf),
    ):
        x = np.rint(draw(mean, scale)).astype(np.int32)
        bits = information(cdf, x, *wide)
        out.append(
            Task(
                name,
                f"{n} symbols, scale 0.3 to 30",
                "C",
                x,
                partial(ours, mean, scale),
                bits,
                partial(constriction_quantised, peer, wide),
            )
        )

    m = n // 4
    weights = rng.dirichlet([1.0] * 4, m).astype(np.float32)
    beside = mean[:m, None] + rng.normal(0, 1.5, (m, 4)) * scale[:m, None], scale[:m, None] * np.exp(rng.normal(0, 0.3, (m, 4)))
    for name, what, parts in (
        ("mixture4", "4 Gaussians each, side by side", beside),
        ("mixture4_apart", "4 Gaussians each, far apart", (rng.normal(0, 100, (m, 4)), rng.uniform(0.5, 1.5, (m, 4)))),
        (
            "mixture4_nested",
            "4 Gaussians each, scales 0.3 to 65",
            (mean[:m, None] + np.zeros(4), 0.3 * 6.0 ** np.arange(4) + np.zeros((m, 4))),
        ),
    ):
        out.append(mixture(rng, name, f"{m} symbols, {what}", *(a.astype(np.float32) for a in parts), weights))

    r = n // 8
    rows = rng.dirichlet([0.1] * 256, r).astype(np.float32)
    symbols = np.minimum((rows.cumsum(1) < rng.uniform(0, 1, (r, 1))).sum(1), 255).astype(np.uint8)
    bits = float(-np.log2(np.maximum(rows[np.arange(r), symbols], 2.0**-60).astype(float)).sum())
    cdf = np.zeros((r, 257), np.uint32)
    cdf[:, 1:] = np.arange(1, 257) + np.minimum(rows.cumsum(1, dtype=np.float64) * (65536 - 256), 65280).astype(np.uint32)
    cdf[:, -1] = 65536
    cdf16 = cdf.astype(np.uint16)

    def constriction_rows() -> tuple[Any, tuple[Array, ...]]:
        return _constriction().stream.model.Categorical(perfect=False), (rows,)

    out.append(
        Task(
            "categorical256",
            f"{r} rows, float32",
            "C",
            symbols,
            lambda: entropy.CategoricalRows(rows),
            bits,
            constriction_rows,
        )
    )
    out.append(
        Task(
            "categorical256",
            f"{r} rows, uint16 CDFs",
            "C",
            symbols,
            lambda: entropy.CategoricalRows.from_cdf(cdf16),
            bits,
        )
    )

    p = rng.beta(0.5, 0.5, n).clip(1e-4, 1 - 1e-4).astype(np.float32)
    y = (rng.uniform(0, 1, n) < p).astype(np.uint8)
    bits = float(-np.log2(np.where(y, p, 1 - p.astype(float))).sum())
    out.append(
        Task(
            "binary",
            f"{n} decisions",
            "D",
            y,
            lambda: entropy.Bernoulli(p),
            bits,
            lambda: (_constriction().stream.model.Bernoulli(perfect=False), (p.astype(np.float64),)),
        )
    )
    return out


def _constriction() -> Any:
    import constriction

    return constriction


def constriction_quantised(name: str, parameters: tuple[Array, ...]) -> tuple[Any, tuple[Array, ...]]:
    return getattr(_constriction().stream.model, name)(-1000, 1000), parameters


def cpu_seconds(work: Callable[[], Any], repeats: int) -> float:
    work()
    times = []
    for _ in range(repeats):
        begin = time.process_time_ns()
        work()
        times.append(time.process_time_ns() - begin)
    return sorted(times)[repeats // 2] / 1e9


def row(task: Task, codec: str, isa: str, stored: int, encode: float, decode: float, exact: bool) -> dict[str, Any]:
    n, raw = task.symbols.size, task.symbols.nbytes
    return {
        "kind": "entropy",
        "set": task.set,
        "file": task.file,
        "codec": codec,
        "isa": isa,
        "level": "default",
        "raw_bytes": raw,
        "stored_bytes": stored,
        "ideal_bytes": round(task.ideal_bits / 8),
        "encode_mbps": round(raw / encode / 1e6, 2),
        "decode_mbps": round(raw / decode / 1e6, 2),
        "encode_msyms": round(n / encode / 1e6, 2),
        "decode_msyms": round(n / decode / 1e6, 2),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "exact": exact,
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "numpy": np.__version__, "laconic": laconic.__version__}
    with suppress(PackageNotFoundError):
        found["constriction"] = version("constriction")
    return found


def ours(task: Task, isa: str, repeats: int) -> dict[str, Any]:
    _core.set_isa(isa)
    model, shape = task.model(), task.symbols.shape
    data = entropy.encode(task.symbols, model)
    exact = bool((entropy.decode(data, model, shape) == task.symbols).all())
    encode = cpu_seconds(lambda: entropy.encode(task.symbols, task.model()), repeats)
    decode = cpu_seconds(lambda: entropy.decode(data, task.model(), shape), repeats)
    out = row(task, f"laconic:{task.profile}", isa, len(data), encode, decode, exact)
    n = task.symbols.size / 1e6
    out["prepared_encode_msyms"] = round(n / cpu_seconds(lambda: entropy.encode(task.symbols, model), repeats), 2)
    out["prepared_decode_msyms"] = round(n / cpu_seconds(lambda: entropy.decode(data, model, shape), repeats), 2)
    return out


def theirs(task: Task, repeats: int) -> dict[str, Any]:
    assert task.peer is not None
    model, parameters = task.peer()
    ans = _constriction().stream.stack.AnsCoder
    symbols = task.symbols.astype(np.int32)

    def encode() -> Any:
        coder = ans()
        coder.encode_reverse(symbols, model, *parameters)
        return coder.get_compressed()

    words = encode()
    exact = bool((ans(words).decode(model, *parameters) == symbols).all())
    seconds = (
        cpu_seconds(encode, repeats),
        cpu_seconds(lambda: ans(words).decode(model, *parameters), repeats),
    )
    return row(task, "constriction", "scalar", len(words) * 4, *seconds, exact)


def rows(quick: bool) -> list[dict[str, Any]]:
    """One row for each set, codec and instruction set."""
    best = _core.active_isa()
    isas = ["scalar", "avx2", "avx512"]
    isas = isas[: isas.index(_core.best_isa()) + 1]
    repeats = 3 if quick else 9
    out = []
    try:
        for task in tasks(quick):
            # Profile D has no vector code.
            out += [ours(task, isa, repeats) for isa in (isas if task.profile == "C" else isas[:1])]
            if task.peer is not None and "constriction" in versions():
                out.append(theirs(task, 3))
    finally:
        _core.set_isa(best)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    table = rows(arguments.quick)
    for r in table:
        excess = 100 * (r["stored_bytes"] / r["ideal_bytes"] - 1)
        prepared = r.get("prepared_encode_msyms", "-"), r.get("prepared_decode_msyms", "-")
        print(
            f"{r['set']:15} {r['file']:34} {r['codec']:13} {r['isa']:7}",
            f"{r['stored_bytes']:9} {excess:+7.3f} %",
            f"enc {r['encode_msyms']:7} dec {r['decode_msyms']:7} M/s",
            f"prepared {prepared[0]:>7} {prepared[1]:>7} M/s",
            f"exact {r['exact']}",
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
