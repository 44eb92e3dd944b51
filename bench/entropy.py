"""Kind ``entropy``: the coders alone, on symbols made by ``bench/entropy_*.py``, which give the rows."""

from __future__ import annotations

import importlib
import pkgutil

import bench
from bench.measure import Row, machine
from bench.suite import Options, matches, say

PREFIX = "entropy_"


def run(options: Options) -> list[Row]:
    """Collects ``rows(quick)`` of every module ``bench/entropy_*.py``."""
    host = machine()
    rows: list[Row] = []
    for module in sorted(info.name for info in pkgutil.iter_modules(bench.__path__) if info.name.startswith(PREFIX)):
        say(f"entropy: {module}")
        rows += importlib.import_module(f"bench.{module}").rows(options.quick)
    kept = [row for row in rows if matches(row["codec"], options.codecs) and matches(row["set"], options.sets)]
    return [{"machine": host} | row for row in kept]
