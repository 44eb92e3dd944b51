from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import laconic
from laconic import registry

PYPROJECT = Path(__file__).parent.parent.parent / "pyproject.toml"


def test_our_own_codecs_are_the_entry_points() -> None:
    points = tomllib.loads(PYPROJECT.read_text())["project"]["entry-points"][registry.GROUP]
    assert points == registry.OWN
    assert all(registry.get(name).name == name for name in registry.OWN)
    assert set(registry.OWN) <= set(registry.kinds())


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(laconic.UnsupportedError, match=r"no codec named 'video' is installed \(installed: audio, bytes,"):
        registry.get("video")


def test_nothing_looks_through_the_installed_packages_for_them() -> None:
    code = "import sys, laconic; laconic.decode(laconic.encode(b'abc')); sys.exit('importlib.metadata' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
