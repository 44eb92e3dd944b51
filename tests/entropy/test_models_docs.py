"""Every example in the docstrings and in docs/entropy-models.md runs."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

MODULES = ["", ".arrays", ".coders", ".custom", ".distributions", ".messages"]
DOCUMENT = Path(__file__).parents[2] / "docs" / "entropy-models.md"


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name: str) -> None:
    failed, _ = doctest.testmod(importlib.import_module(f"laconic.entropy{name}"))
    assert failed == 0


def test_document() -> None:
    pytest.importorskip("numba", reason="numba is not installed: the document's examples use it")
    failed, tried = doctest.testfile(str(DOCUMENT), module_relative=False)
    assert tried > 0
    assert failed == 0
