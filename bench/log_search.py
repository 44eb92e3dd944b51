"""``python -m bench.log_search --data DIR --json OUT``: ``laconic grep`` against decoding all and piping it to grep.

The log is the concatenation of the top-level sets, so that a rare literal is in few frames. CPU seconds of the commands, all processes
together, interpreters' start included; the median of the runs.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.measure import machine
from bench.suite import unpacked

# From a word of most sets to nothing at all.
LITERALS = ("ERROR", "Sogou web spider", "WindowsShell", "pgbench_tellers", "no such literal")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()
    folder = args.data / "logs" if (args.data / "logs").is_dir() else args.data
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        log = Path(scratch) / "all.log"
        parts = sorted(path for path in folder.glob("*.log*") if path.is_file())
        log.write_bytes(b"".join(unpacked(path, Path(scratch)).read_bytes() for path in parts))
        for level in ("fast", "default"):
            archive = Path(scratch) / f"{level}.lac"
            _run(f"{_laconic('encode')} --kind logs --level {level} {log} -o {archive}", args.repeat and 1)
            for literal in LITERALS:
                rows.append(_row(log, archive, level, literal, args.repeat))
                print(rows[-1])
    args.json.write_text(json.dumps(rows, indent=1) + "\n")


def _row(log: Path, archive: Path, level: str, literal: str, repeat: int) -> dict[str, Any]:
    ours, found = _run(f"{_laconic('grep')} -F '{literal}' {archive}", repeat)
    all_of_it, expected = _run(f"{_laconic('cat')} {archive} | LC_ALL=C grep -a -F '{literal}'", repeat)
    return {
        "kind": "logs",
        "level": level,
        "raw_bytes": log.stat().st_size,
        "literal": literal,
        "lines": found.count(b"\n"),
        "same_output": found == expected,
        "grep_seconds": round(ours, 3),
        "decode_and_grep_seconds": round(all_of_it, 3),
        "times_faster": round(all_of_it / ours, 2),
        "machine": machine(),
    }


def _laconic(command: str) -> str:
    return f"{sys.executable} -c 'from laconic.cli import main; main()' {command}"


def _run(command: str, repeat: int) -> tuple[float, bytes]:
    """Median CPU seconds of a shell command and its output."""
    seconds, output = [], b""
    for _ in range(repeat):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        output = subprocess.run(command, shell=True, capture_output=True, check=False, env=os.environ).stdout
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    return statistics.median(seconds), output


if __name__ == "__main__":
    main()
