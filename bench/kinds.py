"""The kinds of data the benchmark knows: a new kind is a new file of this folder, and nothing else."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

import bench

KINDS_OF_TWO_WORDS = frozenset({"weights_files"})  # other names with ``_`` are parts of a kind, or commands of their own


def kinds() -> dict[str, ModuleType]:
    """Every module ``bench/<kind>.py``, that has
    ``run(options: Options) -> list[Row]``.

    A kind may also have ``examples(folder: Path) -> list[Path]``, which makes the files that the demo shows.
    """
    found = (info.name for info in pkgutil.iter_modules(bench.__path__))
    names = [name for name in found if "_" not in name or name in KINDS_OF_TWO_WORDS]
    modules = {name: importlib.import_module(f"bench.{name}") for name in names}
    return {name: module for name, module in modules.items() if hasattr(module, "run")}
