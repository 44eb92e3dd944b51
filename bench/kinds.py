"""The kinds of data the benchmark knows: a new kind is a new file of this folder, and nothing else."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

import bench


def kinds() -> dict[str, ModuleType]:
    """Every module ``bench/<kind>.py``, without ``_`` in its name, that has
    ``run(options: Options) -> list[Row]``.

    A kind may also have ``examples(folder: Path) -> list[Path]``, which makes the files that the demo shows.
    """
    names = [info.name for info in pkgutil.iter_modules(bench.__path__) if "_" not in info.name]
    modules = {name: importlib.import_module(f"bench.{name}") for name in names}
    return {name: module for name, module in modules.items() if hasattr(module, "run")}
