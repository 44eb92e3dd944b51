"""Entries over 4 GiB and over 2**32 elements, offsets beyond 2**32, and bounded memory. `pytest -m large tests/limits`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import laconic
from laconic.archive import ArchiveWriter
from laconic.container.codec import Piece
from laconic.container.sink import FileSink
from laconic.container.table import Entry

GIB = 1 << 30


class Generated:
    """A source of `size` bytes: zeros, with a mark of 8 bytes at each multiple of 256 MiB."""

    def __init__(self, size: int | None, length: int) -> None:
        self.size = size
        self._length, self._pos = length, 0
        self._zeros = bytes(1 << 25)

    def head(self, size: int) -> bytes:
        return bytes(size)

    def read_at(self, start: int, size: int) -> bytes:
        raise AssertionError

    def take(self, size: int) -> memoryview:
        return memoryview(self.read(size))

    def read(self, size: int) -> bytes:
        size = min(size, self._length - self._pos)
        start, self._pos = self._pos, self._pos + size
        mark = -(-start // (GIB // 4)) * (GIB // 4)
        if start <= mark and mark + 8 <= start + size:
            out = bytearray(size)
            out[mark - start : mark - start + 8] = mark.to_bytes(8, "little")
            return bytes(out)
        return self._zeros[:size] if size <= len(self._zeros) else bytes(size)


@pytest.mark.large
def test_an_entry_of_more_than_2_to_the_32_elements(tmp_path: Path) -> None:
    size = 4 * GIB + 4 * GIB // 16
    path = tmp_path / "big.lac"
    codec = laconic.registry.get("bytes")  # type: ignore[attr-defined]
    with laconic.open(path, "w", jobs=2) as archive:
        entry = Entry("x", "ndarray", "bytes", "|u1", (size,))
        archive._writer.add_stream(entry, Generated(size, size), [Piece(size, b"")], codec, "fast")
        archive.add("after", b"small")
    assert path.stat().st_size < 20 << 20
    with laconic.open(path, jobs=2) as archive:
        assert archive.entry("x").shape == (size,)
        for k in (0, 1, 15, 16, 17):
            if k * GIB // 4 + 8 <= size:
                part = archive.read("x", k * GIB // 4 - (k > 0) * 3, k * GIB // 4 + 8)
                assert part[-8:].tobytes() == (k * GIB // 4).to_bytes(8, "little")
        assert archive["after"] == b"small"
        assert archive.read("x", size - 5).tobytes() == bytes(5)
        total = sum(len(block) for block in archive.blocks("x"))
    assert total == size


@pytest.mark.large
def test_a_sparse_file_over_4_gib(tmp_path: Path) -> None:
    source = tmp_path / "sparse"
    with open(source, "wb") as file:
        for at in (0, 4 * GIB - 4, 4 * GIB + 1000):
            file.seek(at)
            file.write(b"marked!!")
    out, back = tmp_path / "out.lac", tmp_path / "back"
    subprocess.run([sys.executable, "-m", "laconic", "encode", source, "-o", out, "--level", "fast", "-q"], check=True)
    assert out.stat().st_size < 10 << 20
    done = subprocess.run(
        [sys.executable, "-m", "laconic", "cat", out, "--range", f"{4 * GIB - 4}:{4 * GIB + 4}"], check=True, capture_output=True
    )
    assert done.stdout == b"marked!!"
    with subprocess.Popen([sys.executable, "-m", "laconic", "-dc", out], stdout=subprocess.PIPE) as child, open(source, "rb") as file:
        assert child.stdout is not None
        while block := child.stdout.read(1 << 24):
            assert file.read(len(block)) == block
        assert not file.read(1)
    assert child.returncode == 0
    back.unlink(missing_ok=True)


@pytest.mark.large
def test_offsets_beyond_4_gib_in_the_archive(tmp_path: Path) -> None:
    """A sparse hole of 5 GiB before the archive's own bytes: everything that follows has offsets beyond 2**32."""
    path = tmp_path / "far.lac"
    with open(path, "w+b") as file:
        file.seek(5 * GIB)
        with ArchiveWriter(FileSink(file, 5 * GIB, readable=True)) as archive:
            archive.add("x", np.arange(100_000))
            archive.add("y", np.arange(100_000))
            archive.add("z", {"k": b"v"})
    with laconic.open(path, recover=True) as archive2:  # by its index; the hole is reported as damage
        assert archive2.gaps == [(0, 5 * GIB)]
        assert archive2["x"][-1] == archive2["y"][-1] == 99_999
        assert archive2["z"] == {"k": b"v"}


MEMORY = """
import resource, subprocess, sys
subprocess.run([sys.executable, "-m", "laconic", *sys.argv[1:]], check=True, stdin=sys.stdin, stdout=sys.stdout)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
"""


def peak_mib(*args: Any, **options: Any) -> int:
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, *map(str, args)], check=True, stderr=subprocess.PIPE, text=True, timeout=600, **options
    )
    return int(done.stderr.split()[-1]) >> 10


@pytest.mark.large
@pytest.mark.parametrize("kind", ["noise", "weights"])
def test_memory_of_streaming_a_gigabyte(kind: str, tmp_path: Path) -> None:
    """<= 200 MiB, both ways, from files and through pipes."""
    source, out, back = tmp_path / "in.npy", tmp_path / "out.lac", tmp_path / "back"
    block = np.random.default_rng(1).normal(size=1 << 22).astype("f4")
    with open(source, "wb") as file:
        if kind == "weights":
            np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (60 * len(block),)})
        for k in range(60):
            file.write(np.roll(block, k) if kind == "weights" else os.urandom(1 << 24))
    used = {
        "encode": peak_mib("encode", source, "-o", out, "--level", "fast", "-q", "-j", "2"),
        "decode": peak_mib("decode", out, "-o", back, "-q", "-j", "2"),
    }
    assert subprocess.run(["cmp", source, back]).returncode == 0
    with open(source, "rb") as stdin, open(out, "wb") as stdout:
        used["encode from a pipe"] = peak_mib("-1", "-T2", stdin=stdin, stdout=stdout)
    with open(out, "rb") as stdin, open(back, "wb") as stdout:
        used["decode to a pipe"] = peak_mib("-d", "-T2", stdin=stdin, stdout=stdout)
    used["verify"] = peak_mib("verify", out, "-q", "-j", "2")
    assert subprocess.run(["cmp", source, back]).returncode == 0
    log = os.environ.get("LACONIC_HOSTILE_LOG")
    if log:
        with open(log, "a") as lines:
            lines.write(f'{{"test": "memory {kind}", "mib": "{used}"}}\n')
    assert max(used.values()) <= 200, used
