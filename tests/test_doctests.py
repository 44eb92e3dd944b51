"""Every example in a public docstring runs."""

from __future__ import annotations

import doctest
import pkgutil
from importlib import import_module

import pytest

import laconic
import laconic.codecs
import laconic.entropy


def modules() -> list[str]:
    names = ["laconic"]
    for package in (laconic, laconic.codecs, laconic.entropy):
        names += [m.name for m in pkgutil.walk_packages(package.__path__, f"{package.__name__}.") if not m.name.endswith("._core")]
    return sorted({name for name in names if "_cuda" not in name})


@pytest.mark.parametrize("name", modules())
def test_examples(name: str) -> None:
    result = doctest.testmod(import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.failed == 0
