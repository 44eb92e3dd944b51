"""Runs probe.py on a plan in a child process and gives back its counts."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import probe

from laconic.errors import MissingBaseError

PROBE = Path(__file__).with_name("probe.py")
GOLDEN = Path(__file__).parents[1] / "golden"


Wanted = dict[str, dict[str, bytes]]


def run(cases: list[tuple[str, bytes, Wanted | None]], *, base: Any = None, warm: list[bytes] | None = None,
        ways: list[str] | None = None, torch: bool = False, timeout: float = 600) -> dict[str, Any]:  # fmt: skip
    """Counts of outcomes (see probe.py); asserts that nothing was wrong, crashed, hung or took too much memory."""
    with tempfile.NamedTemporaryFile(suffix=".pickle") as plan:
        pickle.dump({"base": base, "warm": warm or [], "ways": ways, "torch": torch, "cases": cases}, plan)
        plan.flush()
        done = subprocess.run([sys.executable, str(PROBE), plan.name], capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, f"the child died ({done.returncode}): {done.stderr[-2000:]}"
    result: dict[str, Any] = json.loads(done.stdout)
    log = os.environ.get("LACONIC_HOSTILE_LOG")
    if log:
        with open(log, "a") as file:
            test = os.environ.get("PYTEST_CURRENT_TEST", "").split(" ")[0]
            file.write(json.dumps({"test": test, "cases": len(cases), **result["counts"]}) + "\n")
    assert not result["bad"], "\n".join(result["bad"])
    return result["counts"]


def wanted(blob: bytes, base: Any = None) -> Wanted:
    """What every way of reading the intact archive gives: nothing from a pipe where entries have bases in the archive itself."""
    probe.BASE = base
    found = {}
    for way, read in probe.WAYS.items():
        try:
            found[way] = read(blob)
        except MissingBaseError:
            assert way == "pipe"
            found[way] = {}
    return found
