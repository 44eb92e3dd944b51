"""What several commands share: options, sizes in words, standard streams."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import click

from laconic.cli.errors import USAGE, Failed

F = TypeVar("F", bound=Callable[..., Any])

LEVELS = ("fast", "default", "high", "max")


def jobs_option(command: F) -> F:
    return click.option("-j", "-T", "--jobs", type=click.IntRange(1, 1024), help="Threads (default: all processors).")(command)


def base_option(command: F) -> F:
    return click.option(
        "--base", type=click.Path(exists=True, path_type=Path), multiple=True,
        help="An archive, file or folder that the differences are taken against; decoding needs it too.",
    )(command)  # fmt: skip


def bases(base: tuple[Path, ...]) -> list[Path] | None:
    return list(base) or None


def quiet_options(command: F) -> F:
    command = click.option("-v", "--verbose", is_flag=True, help="Say more.")(command)
    return click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")(command)


def json_option(command: F) -> F:
    return click.option("--json", "as_json", is_flag=True, help="One JSON object a line on stdout.")(command)


def print_json(row: dict[str, Any]) -> None:
    print(json.dumps(row, default=lambda value: value.hex() if isinstance(value, bytes) else str(value)))


def binary_stdin() -> BinaryIO:
    if sys.stdin.isatty():
        raise Failed("refusing to read an archive or data from a terminal; name a file or redirect the input", USAGE)
    return sys.stdin.buffer


def binary_stdout() -> BinaryIO:
    if sys.stdout.isatty():
        raise Failed("refusing to write binary data to a terminal; use -o FILE or redirect the output", USAGE)
    return sys.stdout.buffer


def human(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.2f} {unit}"
        size /= 1000
    return f"{size:.2f} TB"
