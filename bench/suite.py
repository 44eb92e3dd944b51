"""Runs every codec of a kind on every file: what the kinds that compress files share."""

from __future__ import annotations

import lzma
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from bench.codec import Codec, Source
from bench.measure import Row, machine, measure_in_child

LEVELS = ("fast", "default", "high", "max")


@dataclass(frozen=True)
class Options:
    """What the command line asked for.

    Attributes:
        data: the folder of files, or None where the kind makes its own data.
        scratch: an empty folder for derived files, deleted after the run.
        levels: our levels to measure.
        quick: small files and fast peers only, for a first look in under a minute.
        repeat: timed runs per codec and file.
        codecs: patterns of codec names to measure, as in ``laconic:*``.
        sets: patterns of set names to measure.
    """

    data: Path | None
    scratch: Path
    levels: Sequence[str] = LEVELS
    quick: bool = False
    repeat: int = 5
    codecs: Sequence[str] = ("*",)
    sets: Sequence[str] = ("*",)


@dataclass(frozen=True)
class Case:
    """A file and the set it is counted in; ``file`` is its name in the results."""

    set: str
    file: str
    path: Path


def run_files(kind: str, cases: Iterable[Case], codecs: Sequence[Codec], options: Options) -> list[Row]:
    """One row per case and codec, measured one after another."""
    wanted = [codec for codec in codecs if matches(codec.name, options.codecs)]
    host = machine()
    rows: list[Row] = []
    for case in cases:
        if not matches(case.set, options.sets):
            continue
        for codec in wanted:
            result = measure_in_child(codec, Source(case.path), options.repeat)
            row: Row = {
                "kind": kind,
                "set": case.set,
                "file": case.file,
                "codec": codec.name,
                "level": codec.level,
            }
            row |= result | {"options": codec.options, "machine": host}
            rows.append(row)
            say(f"{case.set}/{case.file} {codec.name}: {row.get('error') or _short(row)}")
    return rows


def matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def unpacked(path: Path, scratch: Path) -> Path:
    """``path``, or for an ``.xz`` file its content in ``scratch``."""
    if path.suffix != ".xz":
        return path
    target = scratch / path.stem
    target.write_bytes(lzma.decompress(path.read_bytes()))
    return target


def say(text: str) -> None:
    """Progress, apart from the table on stdout."""
    print(text, file=sys.stderr, flush=True)


def _short(row: Row) -> str:
    percent = 100 * row["stored_bytes"] / max(1, row["raw_bytes"])
    note = "" if row["exact"] else " NOT EXACT"
    return f"{percent:.2f} % {row['encode_mbps']}/{row['decode_mbps']} MB/s{note}"
