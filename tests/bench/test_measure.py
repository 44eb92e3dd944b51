"""The measuring itself: what a row holds, that wrong results and crashes are seen, that memory counts."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import measure
from bench.codec import Buffer, NotInstalledError, Source, versions
from bench.peers.general import Bzip2, Xz
from bench.suite import Case, Options, run_files, unpacked

CONTRACT = {
    *("kind", "set", "file", "codec", "level", "raw_bytes", "stored_bytes", "encode_mbps", "decode_mbps"),
    *("peak_mib", "exact", "versions", "encode_wall_mbps", "decode_wall_mbps", "options", "machine"),
}


@dataclass(frozen=True)
class Stored:
    """Keeps the data; ``damage`` is what it does to it on the way back."""

    damage: Callable[[bytes], list[Buffer]] = lambda data: [data]
    name: str = "stored"
    level: str = ""
    options: str = ""
    packages: tuple[str, ...] = ()
    module: str = "sys"

    def prepare(self, source: Source) -> bytes:
        return source.data

    def encode(self, prepared: bytes) -> list[bytes]:
        return [prepared[:10], prepared[10:]]

    def decode(self, pieces: list[bytes]) -> list[Buffer]:
        return self.damage(b"".join(pieces))


@pytest.fixture
def source(tmp_path: Path) -> Source:
    path = tmp_path / "data"
    path.write_bytes(bytes(range(256)) * 8)
    return Source(path)


def test_exact_codec_is_measured(source: Source) -> None:
    row = measure.measure(Stored(), source, repeat=2)
    assert row["exact"] is True
    assert row["raw_bytes"] == 2048
    assert row["stored_bytes"] == 2048 + measure.PIECE_OVERHEAD
    assert row["encode_runs"] >= 2
    assert min(row[f"{what}_mbps"] for what in ("encode", "decode", "encode_wall", "decode_wall")) > 0


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: [data[:100], bytes([data[100] ^ 1]), data[101:]],
        lambda data: [data[:-1]],
        lambda data: [data, b"\0"],
        lambda data: [],
    ],
    ids=["bit flip", "too short", "too long", "nothing"],
)
def test_broken_codec_is_seen(source: Source, damage: Callable[[bytes], list[Buffer]]) -> None:
    assert measure.measure(Stored(damage), source, repeat=1)["exact"] is False


def test_pieces_of_any_buffer_type_are_compared() -> None:
    numbers = np.arange(4, dtype=np.float32)
    expected = b"ab" + numbers.tobytes() + b"c"
    assert measure.same_bytes([b"", bytearray(b"ab"), numbers, memoryview(b"c")], expected)
    assert not measure.same_bytes([b"ab", numbers + 1, b"c"], expected)


def test_median_of_runs(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    """CPU time by a fake clock: a call of 9 s is not repeated; the median ignores one slow run of three."""
    seconds = iter([1, 1, 1, 5])
    clock = [0.0]

    def encode(_: Any) -> list[bytes]:
        clock[0] += next(seconds)
        return [b""]

    monkeypatch.setattr(measure, "_cpu_time", lambda: clock[0])
    assert measure._time(encode, lambda: None, cold=(9, 10), repeat=3) == [(9, 10)]
    runs = measure._time(encode, lambda: None, cold=(1, 1), repeat=3)
    assert [cpu for cpu, _ in runs] == [1, 1, 5]
    assert measure._mbps(2_000_000, [cpu for cpu, _ in runs]) == 2


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak is reset on Linux only")
def test_peak_memory_is_counted(source: Source) -> None:
    grow = 256 << 20  # far above what this process may have freed and kept before
    row = measure.measure(Stored(lambda data: [data, np.ones(grow, np.uint8)][:1]), source, repeat=1)
    assert 128 < row["peak_mib"] < 272


def test_child_rows_have_the_contract_fields(source: Source, tmp_path: Path) -> None:
    options = Options(data=None, scratch=tmp_path, repeat=1, codecs=["b*"])
    (row,) = run_files("bytes", [Case("s", "data", source.path)], [Bzip2(), Xz("6")], options)
    assert row.keys() >= CONTRACT
    assert (row["kind"], row["set"], row["file"], row["codec"]) == ("bytes", "s", "data", "bzip2:9")
    assert row["exact"] is True
    assert row["machine"].keys() >= {"cpu", "cores", "python"}


def test_missing_package_is_reported(source: Source) -> None:
    with pytest.raises(NotInstalledError, match="no-such-package"):
        versions(["no-such-package"])
    row = measure.measure_in_child(Bzip2(packages=("no-such-package",)), source)
    assert row["error"] == "no-such-package is not installed"


def test_failing_codec_is_reported(source: Source) -> None:
    row = measure.measure_in_child(Bzip2(level="77"), source)
    assert row["error"].startswith("ValueError")


def test_dying_process_is_reported(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "_child", _exit)
    row = measure.measure_in_child(Bzip2(), source)
    assert row["error"] == "the process died with exit code 7"


def test_xz_files_are_unpacked(tmp_path: Path) -> None:
    import lzma

    (tmp_path / "a.txt.xz").write_bytes(lzma.compress(b"text"))
    assert unpacked(tmp_path / "a.txt.xz", tmp_path).read_bytes() == b"text"


def _exit(*_: Any) -> None:
    os._exit(7)
