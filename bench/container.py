"""Kind ``container``: what frames, checks and the index cost, on data that no codec can shorten."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import laconic
from bench.codec import Buffer, Codec, Source
from bench.laconic_codec import Laconic
from bench.measure import Row, machine
from bench.suite import Case, Options, matches, run_files

NOISE_BYTES = 256 << 20
TENSORS = 10_000


@dataclass(frozen=True)
class Copy:
    """One copy of memory into a warm buffer: the bound."""

    name: str = "memcpy"
    level: str = ""
    options: str = "bytearray(data), bytes(data)"
    packages: tuple[str, ...] = ()
    module: str = "builtins"

    def prepare(self, source: Source) -> Any:
        return source.data

    def encode(self, prepared: Any) -> list[bytes]:
        return [bytearray(prepared)]  # type: ignore[list-item]

    def decode(self, pieces: list[bytes]) -> list[Buffer]:
        return [bytes(pieces[0])]


def run(options: Options) -> list[Row]:
    """Sets ``frames`` (stored frames, checks on) and ``small`` (many tensors, one object, start-up)."""
    codecs: list[Codec] = [Laconic("fast", kind="stored"), Laconic("default", kind="bytes"), Copy()]
    rows = run_files("container", _noise(options), codecs, options)
    if matches("small", options.sets):
        rows += [{"machine": machine(), "kind": "container", "set": "small", "codec": "laconic:default"} | row for row in _small()]
    return rows


def _noise(options: Options) -> Iterator[Case]:
    path = options.scratch / "noise"
    size = NOISE_BYTES >> 4 if options.quick else NOISE_BYTES
    path.write_bytes(np.random.default_rng(0).bytes(size))
    yield Case("frames", "noise", path)


def _small() -> Iterator[dict[str, Any]]:
    rng = np.random.default_rng(0)
    tensors = {f"model.layers.{i // 7}.block.{i % 7}.weight": rng.integers(0, 256, 256, np.uint8) for i in range(TENSORS)}
    blob = laconic.encode(tensors)
    opened = []
    for _ in range(9):
        start = time.perf_counter()
        with laconic.open(blob) as archive:
            assert len(archive) == TENSORS + 1
        opened.append(time.perf_counter() - start)
    back = laconic.decode(blob)
    yield {
        "file": f"dict of {TENSORS} tensors of 256 bytes", "raw_bytes": 256 * TENSORS, "stored_bytes": len(blob),
        "overhead_per_tensor": round((len(blob) - 256 * TENSORS) / TENSORS, 2), "open_ms": round(1000 * median(opened), 1),
        "exact": all(np.array_equal(back[name], tensor) for name, tensor in tensors.items()),
    }  # fmt: skip
    noise = rng.integers(0, 2**32, (8, 16, 32), np.uint32).view(np.float32)
    for name, obj, size in (("bytes", b"laconic", 7), ("fp32 array (8, 16, 32) of noise", noise, noise.nbytes)):
        one = laconic.encode(obj)
        yield {"file": f"one object: {name}", "raw_bytes": size, "stored_bytes": len(one), "overhead": len(one) - size, "exact": True}
    for name, command in (("import laconic", ["-c", "import laconic"]), ("laconic --help", ["-m", "laconic", "--help"])):
        yield {"file": name, "raw_bytes": 0, "stored_bytes": 0, "start_ms": round(1000 * _start(command)), "exact": True}


def _start(arguments: list[str]) -> float:
    """Median wall time of a fresh interpreter, less that of one that does nothing."""

    def wall(command: list[str]) -> float:
        runs = []
        for _ in range(7):
            start = time.perf_counter()
            subprocess.run([sys.executable, *command], stdout=subprocess.DEVNULL, check=True, cwd=Path("/"))
            runs.append(time.perf_counter() - start)
        return median(runs)

    return wall(arguments) - wall(["-c", "pass"])
