"""Temporary files: what a killed writer left goes with the next write to its folder; what others use, or made, stays."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

import laconic
from laconic import durable

fcntl = pytest.importorskip("fcntl")


def aged(path: Path) -> Path:
    path.write_bytes(b"half an archive")
    os.utime(path, (time.time() - 3600,) * 2)
    return path


def test_only_what_dead_writers_left_is_removed(tmp_path: Path) -> None:
    durable._remove_stale.cache_clear()
    dead = aged(tmp_path / ".laconic-0123456789ab.tmp")
    young = tmp_path / ".laconic-0123456789ac.tmp"
    young.write_bytes(b"")
    busy = aged(tmp_path / ".laconic-0123456789ad.tmp")
    others = [aged(tmp_path / name) for name in (".laconic-notes.tmp", "laconic-0123456789ab.tmp", ".laconic-0123456789ab.tmp.txt")]
    link = tmp_path / ".laconic-0123456789ae.tmp"
    link.symlink_to(others[0])
    with open(busy, "rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with laconic.open(tmp_path / "a.lac", "w") as archive:
            archive.add("x", np.arange(10))
    assert not dead.exists()
    assert all(path.exists() for path in (young, busy, link, *others))
    assert laconic.open(tmp_path / "a.lac")["x"].tolist() == list(range(10))


def test_a_live_writer_keeps_its_file(tmp_path: Path) -> None:
    with laconic.open(tmp_path / "a.lac", "w") as archive:
        (temporary,) = tmp_path.glob(".laconic-*")
        os.utime(temporary, (time.time() - 3600,) * 2)
        durable._remove_stale.cache_clear()
        with laconic.open(tmp_path / "b.lac", "w") as other:
            other.add("y", b"bytes")
        assert temporary.exists()
        archive.add("x", b"bytes")
    assert laconic.open(tmp_path / "a.lac")["x"] == b"bytes"
