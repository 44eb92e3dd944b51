"""`laconic list`, `info`, `verify` and `cat`: reading an archive without restoring files."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from laconic.cli.common import (
    base_option,
    bases,
    binary_stdin,
    binary_stdout,
    human,
    jobs_option,
    json_option,
    print_json,
)
from laconic.cli.errors import CORRUPT, Failed, say


def open_archive(archive: str, **options: Any) -> Any:
    import laconic

    if archive == "-":
        return laconic.open(binary_stdin(), **options)
    if os.path.isdir(archive):
        raise Failed(f"{archive}: is a folder, not an archive")
    return laconic.open(archive, **options)


# Formats that are compressed already and whose content no codec takes apart yet, by how they begin.
_KEPT_AS_BYTES = {b"fLaC": "a FLAC file: kept as the bytes it is, its samples are not coded anew"}


def note_of(opened: Any, name: str) -> str:
    """What the user may wonder about; empty in the usual case."""
    entry = opened.entry(name)
    if entry.type != "file" or entry.kind != "bytes" or entry.size < 4:
        return ""
    return _KEPT_AS_BYTES.get(bytes(opened.read(name, 0, 4)), "")


def shape_text(entry: Any) -> str:
    if not entry.dtype and not entry.shape:
        return ""
    dtype = entry.dtype if len(entry.dtype) <= 20 else "structured"
    return f"{dtype}[{','.join(map(str, entry.shape))}]"


@click.command("list")
@click.argument("archive")
@click.option("-t", "--tensors", is_flag=True, help="Also the tensors inside files.")
@json_option
def list_command(archive: str, tensors: bool, as_json: bool) -> int:
    """Names, types and sizes of the entries of ARCHIVE."""
    with open_archive(archive, jobs=1) as opened:
        for name in opened.names():
            entry = opened.entry(name)
            if entry.type == "tensor" and not tensors:
                continue
            if as_json:
                print_json({"name": name, "type": entry.type, "kind": entry.kind, "dtype": entry.dtype, "shape": list(entry.shape),
                            "raw_bytes": entry.size, "hash": entry.hash.hex(), "meta": entry.meta})  # fmt: skip
            else:
                print(f"{entry.size:>14,}  {entry.type:<8} {entry.kind:<8} {printable(name)}  {shape_text(entry)}".rstrip())
        return CORRUPT if opened.torn else 0


def printable(name: str) -> str:
    """A name that can't confuse a terminal."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in name) or '""'


@click.command("info")
@click.argument("archive")
@click.argument("entries", nargs=-1, metavar="[ENTRY]...")
@json_option
def info_command(archive: str, entries: tuple[str, ...], as_json: bool) -> int:
    """How the entries of ARCHIVE are coded: stored size, methods, hashes, bases."""
    with open_archive(archive, jobs=1) as opened:
        names = list(entries) or [n for n in opened.names() if opened.entry(n).type != "tensor"]
        raw = stored = 0
        for name in names:
            row = opened.info(name)
            note = note_of(opened, name)
            raw, stored = raw + row["raw_bytes"], stored + row["stored_bytes"]
            if as_json:
                print_json(row | ({"note": note} if note else {}))
                continue
            ratio = f" ({100 * row['stored_bytes'] / row['raw_bytes']:.2f} %)" if row["raw_bytes"] else ""
            print(f"{printable(name)}: {row['type']}, {row['kind']} {shape_text(opened.entry(name))}".rstrip())
            print(f"  {human(row['raw_bytes'])} -> {human(row['stored_bytes'])}{ratio}, hash {row['hash'] or '-'}")
            for method, count in sorted(row["frames"].items()):
                print(f"  {count} x {method}")
            for base in row["bases"]:
                print(f"  needs base {base}")
            if note:
                print(f"  {note}")
        if not as_json:
            size = sys.maxsize if archive == "-" else Path(archive).stat().st_size
            total = f", {human(size)} in the file" if archive != "-" else ""
            print(f"{len(names)} entries: {human(raw)} -> {human(stored)}{total}")
        return CORRUPT if opened.torn else 0


@click.command("verify")
@click.argument("archives", nargs=-1, required=True)
@base_option
@jobs_option
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
@json_option
def verify_command(archives: tuple[str, ...], base: tuple[Path, ...], jobs: int | None, quiet: bool, as_json: bool) -> int:
    """Decode everything in ARCHIVES and check every checksum."""
    from laconic.cli.errors import code_of, describe

    worst = 0
    for archive in archives:
        try:
            with open_archive(archive, base=bases(base), jobs=jobs) as opened:
                counts = opened.verify()
                if opened.torn:
                    worst = max(worst, CORRUPT)
            if as_json:
                print_json({"archive": archive, "ok": not opened.torn, **counts})
            elif not quiet:
                print(f"{archive}: {'torn, but the rest is' if opened.torn else ''} ok".replace(":  ok", ": ok")
                      + f" ({counts['entries']} entries, {human(counts['raw_bytes'])})")  # fmt: skip
        except Exception as error:
            code = code_of(error)
            if code is None:
                raise
            say(describe(error))
            if as_json:
                print_json({"archive": archive, "ok": False, "error": describe(error)})
            worst = max(worst, code)
    return worst


@click.command("cat")
@click.argument("archive")
@click.argument("entries", nargs=-1, metavar="[ENTRY]...")
@click.option("--range", "bounds", metavar="A:B", help="Only bytes A to B of the entry (slice rules).")
@click.option("--lines", "line_bounds", metavar="A:B", help="Only lines A to B of the entry (slice rules, from 0).")
@base_option
@jobs_option
def cat_command(
    archive: str, entries: tuple[str, ...], bounds: str | None, line_bounds: str | None, base: tuple[Path, ...], jobs: int | None
) -> int:
    """Write the raw bytes of entries (default: all files) to standard output. Text may go to a terminal."""
    with open_archive(archive, base=bases(base), jobs=jobs) as opened:
        names = list(entries) or [n for n in opened.names() if opened.entry(n).type not in ("tensor", "dir", "symlink", "value")]
        if bounds is not None or line_bounds is not None:
            if len(names) != 1 or None not in (bounds, line_bounds):
                raise Failed("--range and --lines need exactly one entry, and exclude each other")
            name = names[0]
            if bounds is not None:
                start, stop = _parse_range(bounds, opened.entry(name).size)
                blocks = opened.raw_range(name, start, stop)
            else:
                from laconic.cli.lines import count_lines, read_lines

                blocks = read_lines(opened, name, *_parse_range(line_bounds or "", count_lines(opened, name)))
            for block in blocks:
                _output().write(block)
            return 0
        for name in names:
            for block in opened.blocks(name):
                _output().write(block)
        return CORRUPT if opened.torn else 0


def _parse_range(text: str, size: int) -> tuple[int, int]:
    first, colon, last = text.partition(":")
    try:
        start, stop, _ = slice(int(first) if first else None, int(last) if last else None).indices(size)
    except ValueError:
        raise click.UsageError(f"the range {text!r} is not A:B") from None
    if not colon:
        raise click.UsageError(f"the range {text!r} is not A:B")
    return start, max(start, stop)


def _output() -> Any:
    return sys.stdout.buffer if sys.stdout.isatty() else binary_stdout()
