"""``python -m bench.cuda_entropy --json OUT``: blocks on a CUDA device, against a copy on the device.

Decodes bf16 exponents of N(0, 0.02) by profiles A and B in blocks of several lengths, by themselves and with the other byte to
bf16 weights; GB/s are of the output. Times are of events on the device's stream, medians of the runs. Needs a device, laconic
built with nvcc, and torch for its events and the copy.
"""

from __future__ import annotations

import argparse
import importlib
import json
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench.measure import Row, machine
from laconic import _core
from laconic.entropy import blocks, cuda

RUNS = 20


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.cuda_entropy", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="OUT")
    parser.add_argument("--symbols", type=int, default=1 << 28)
    arguments = parser.parse_args()
    if not cuda.available():
        print("no CUDA device, or laconic was built without nvcc", file=sys.stderr)
        return 1
    rows = measure(arguments.symbols)
    for row in rows:
        print(f"{row['codec']:24} {row['options']:32} {row['stored_bytes']:>12,} {row['device_gbps']:8.1f} GB/s {row['exact']}")
    if arguments.json is not None:
        arguments.json.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
    return 0 if all(row["exact"] for row in rows) else 1


def measure(n: int) -> list[Row]:
    torch = importlib.import_module("torch")
    weights = np.random.default_rng(1).standard_normal(n, dtype=np.float32) * np.float32(0.02)
    symbols = (weights.view(np.uint32) >> 23).astype(np.uint8)
    host: Row = machine() | {"device": torch.cuda.get_device_name()}
    common: Row = {"machine": host, "kind": "entropy", "set": "bf16_exponents", "file": f"bf16_exponents, {n} symbols", "level": ""}
    common |= {"raw_bytes": n, "versions": {"laconic": "0.1.0", "torch": torch.__version__, "cuda": torch.version.cuda}}
    on_device = torch.from_numpy(symbols).cuda()
    elements = (weights.view(np.uint32) >> 16).astype(np.uint16)
    low = torch.from_numpy((elements << 1 | elements >> 15).astype(np.uint8)).cuda()
    wanted = torch.from_numpy(elements.view(np.int16)).cuda()
    target = torch.empty_like(on_device)
    seconds = timed(torch, lambda: target.copy_(on_device))
    rows = [common | {"codec": "copy", "options": "on the device", "stored_bytes": n, "device_gbps": n / seconds / 1e9, "exact": True}]
    for profile in ("A", "B"):
        for block in (1 << 14, 1 << 16, 1 << 18):
            encoded = [blocks.encode_block(symbols[at : at + block], profile=profile) for at in range(0, n, block)]
            sizes = [len(b) for b in encoded]
            counts = [min(block, n - at) for at in range(0, n, block)]
            data = torch.frombuffer(bytearray(b"".join(encoded)), dtype=torch.uint8).cuda()
            decoded = cuda.decode_blocks(data, sizes, counts)
            decoded.check()
            exact = bool((torch.as_tensor(decoded.symbols, device="cuda") == on_device).all())
            seconds = timed(torch, lambda d=data, s=sizes, c=counts: cuda.decode_blocks(d, s, c))
            row = {"codec": f"laconic:{profile} decode", "options": f"blocks of {block} symbols", "stored_bytes": sum(sizes)}
            rows.append(common | row | {"device_gbps": n / seconds / 1e9, "exact": exact})
            pairs = cuda.decode_pairs(data, sizes, counts, low, rotation=1)
            pairs.check()
            exact = bool((torch.as_tensor(pairs.symbols, device="cuda") == wanted).all())
            seconds = timed(torch, lambda d=data, s=sizes, c=counts: cuda.decode_pairs(d, s, c, low, rotation=1))
            row |= {"codec": f"laconic:{profile} to bf16", "stored_bytes": sum(sizes) + n, "raw_bytes": 2 * n}
            rows.append(common | row | {"device_gbps": 2 * n / seconds / 1e9, "exact": exact})
    freqs = _core.normalise_counts(np.bincount(symbols, minlength=256).astype(np.uint32)[None], 12)[0]
    encoded_on_device = cuda.encode_blocks(on_device, freqs)
    back = [blocks.decode_block(b, min(1 << 16, n - (k << 16))) for k, b in enumerate(encoded_on_device.blocks())]
    exact = bool((np.concatenate(back) == symbols).all())
    seconds = timed(torch, lambda: cuda.encode_blocks(on_device, freqs))
    stored = int(np.frombuffer(encoded_on_device.sizes.to_host(), np.int64).sum())
    row = {"codec": "laconic:B encode", "options": "blocks of 65536 symbols", "stored_bytes": stored}
    return [*rows, common | row | {"device_gbps": n / seconds / 1e9, "exact": exact}]


def timed(torch: Any, call: Callable[[], Any]) -> float:
    """Median seconds between events around the call; its launches and small copies count too."""
    times = []
    for _ in range(RUNS):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        call()
        end.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(end) / 1e3)
    return statistics.median(times)


if __name__ == "__main__":
    sys.exit(main())
