"""``python -m bench.cuda_instructions --json OUT``: machine instructions of the loops that decode on CUDA devices.

A count where there is no device: the kernels are compiled for one architecture and disassembled. Needs nvcc and nvdisasm, both of the
CUDA toolkit. The limit is what a device could decode if it issued one instruction a cycle and partition and waited for nothing.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
ISSUES_A_SECOND = 132 * 4 * 1.755e9  # an H200: multiprocessors, partitions, cycles
LOOPS = {1: "B", 8: "A"}  # by ballots: rows of 32 symbols in a round


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.cuda_instructions", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="OUT")
    parser.add_argument("--arch", default="sm_90")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="laconic-bench-") as folder:
        cubin = Path(folder) / "kernels.cubin"
        kernels = ROOT / "csrc" / "cuda" / "kernels.cu"
        command = ["nvcc", "-std=c++20", "-O3", f"-arch={arguments.arch}", "-cubin", f"-I{ROOT / 'csrc'}", str(kernels), "-o", str(cubin)]
        subprocess.run(command, check=True)
        code = subprocess.run(["nvdisasm", "-c", cubin], check=True, capture_output=True, text=True).stdout
    rows = [
        {"arch": arguments.arch, "kernel": kernel, "instructions_a_row": count, "limit_gsyms": round(32 * ISSUES_A_SECOND / count / 1e9)}
        for kernel, count in sorted(loops(code).items())
    ]
    for row in rows:
        print(f"{row['kernel']:10} {row['instructions_a_row']:6.1f} a row of 32 symbols, at most {row['limit_gsyms']:,} G symbols/s")
    if arguments.json is not None:
        arguments.json.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
    return 0


def loops(code: str) -> dict[str, float]:
    """Instructions a row of 32 symbols, by profile and output: of the longest loop, as each form of block has its own.

    Only loops of one basic block count: those for whole rows, not those that take care of the last ones.
    """
    found: dict[str, float] = {}
    for section in re.split(r"\.section\s+\.text\.", code)[1:]:
        output = next((name for name in ("Bytes", "Pairs") if f"{len(name)}{name}" in section.split(",", 1)[0]), None)
        if output is None:
            continue
        best: dict[str, list[float]] = {}
        for label, body in re.findall(r"^(\.L_x_\d+):\n((?:(?!^\.L_x_).*\n)*)", section, re.MULTILINE):
            instructions = re.findall(r"/\*[0-9a-f]{4,5}\*/\s+(.*?);", body)
            end = next((k for k, text in enumerate(instructions) if re.search(rf"BRA .*`\({re.escape(label)}\)", text)), None)
            if end is not None and (votes := sum("VOTE" in text for text in instructions[: end + 1])) in LOOPS:
                best.setdefault(LOOPS[votes], []).append((end + 1) / votes)
        found |= {f"{profile} to {output.lower()}": round(max(counts), 1) for profile, counts in best.items()}
    return found


if __name__ == "__main__":
    raise SystemExit(main())
