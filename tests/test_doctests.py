"""Every example in a public docstring runs."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

OPTIONAL = {"torch", "transformers"}  # what some modules are for, and need
ROOT = Path(__file__).parents[1]
PACKAGES = {"laconic": "laconic", "codecs": "laconic.codecs", "entropy": "laconic.entropy", "models": "laconic.models"}


def modules() -> list[str]:
    names = []
    for folder, package in PACKAGES.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            names.append(".".join((package, *(part for part in parts if part not in ("__init__", "__main__")))))
    return names


@pytest.mark.parametrize("name", modules())
def test_examples(name: str) -> None:
    try:
        module = import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in OPTIONAL:
            raise
        pytest.skip(f"{error.name} is not installed")
    assert doctest.testmod(module, optionflags=doctest.ELLIPSIS).failed == 0
