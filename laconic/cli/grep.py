"""`laconic grep`: lines of an archive's entries that match a pattern, decoding only the frames that can hold one."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import click

from laconic.cli.common import base_option, bases
from laconic.cli.errors import code_of, describe, say
from laconic.cli.patterns import Pattern, compile_pattern

SELECTED, NONE, TROUBLE = 0, 1, 2  # grep's exit codes


@dataclass(frozen=True, slots=True)
class Output:
    """What to print of the selected lines."""

    stream: BinaryIO
    count: bool
    names: bool
    numbers: bool


@click.command("grep")
@click.option("-i", "--ignore-case", is_flag=True, help="Ignore the case of ASCII letters.")
@click.option("-E", "--extended-regexp", "extended", is_flag=True, help="PATTERN is an extended regular expression.")
@click.option("-F", "--fixed-strings", "fixed", is_flag=True, help="PATTERN is plain text.")
@click.option("-n", "--line-number", "numbers", is_flag=True, help="Print line numbers.")
@click.option("-c", "--count", is_flag=True, help="Print only how many lines are selected.")
@click.option("-l", "--files-with-matches", "names", is_flag=True, help="Print only the names of entries with selected lines.")
@click.option("-v", "--invert-match", "invert", is_flag=True, help="Select lines that do not match.")
@base_option
@click.argument("pattern")
@click.argument("archive")
@click.argument("entries", nargs=-1, metavar="[ENTRY]...")
def grep_command(
    ignore_case: bool, extended: bool, fixed: bool, numbers: bool, count: bool, names: bool, invert: bool, base: tuple[Path, ...],
    pattern: str, archive: str, entries: tuple[str, ...],
) -> int:  # fmt: skip
    """Print the lines of ARCHIVE's entries (default: all files) that match PATTERN, as `LC_ALL=C grep -a` would of the decoded files.

    Exit codes as grep's: 0 lines were selected, 1 none were, 2 trouble. With several entries, each line follows its entry's name.
    """
    from laconic.cli.show import open_archive

    try:
        compiled = compile_pattern(os.fsencode(pattern), extended=extended, fixed=fixed, ignore_case=ignore_case)
        output = Output(sys.stdout.buffer, count, names, numbers)
        with open_archive(archive, base=bases(base), jobs=1) as opened:
            searched = list(entries) or [n for n in opened.names() if opened.entry(n).type not in ("tensor", "dir", "symlink", "value")]
            found = [_search(opened, name, compiled, invert, output, prefix=len(searched) > 1, archive=archive) for name in searched]
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except Exception as error:
        if code_of(error) is None:
            raise
        say(describe(error))
        return TROUBLE
    return SELECTED if any(found) else NONE


def _search(opened: Any, name: str, pattern: Pattern, invert: bool, output: Output, *, prefix: bool, archive: str) -> bool:
    label = os.fsencode(name or Path(archive).stem)
    lead = label + b":" if prefix else b""
    selected = 0
    for lines_before, text, hits in _blocks(opened, name, pattern, invert, output.count or output.names):
        selected += hits
        if output.names and selected:
            break
        if output.count or output.names or text is None:
            continue
        number, at = lines_before, 0
        for start, end in _selected_lines(text, pattern, invert):
            if output.numbers:
                number += text.count(b"\n", at, start)
                at = start
                output.stream.write(b"%s%d:%s\n" % (lead, number + 1, text[start:end]))
            else:
                output.stream.write(b"%s%s\n" % (lead, text[start:end]))
            selected += 1
    if output.names:
        if selected:
            output.stream.write(label + b"\n")
    elif output.count:
        output.stream.write(b"%s%d\n" % (lead, selected))
    return selected > 0


def _blocks(opened: Any, name: str, pattern: Pattern, invert: bool, only_count: bool) -> Iterator[tuple[int, bytes | None, int]]:
    """(lines before, text of whole lines, selected lines) of an entry; with `only_count` the lines are counted here."""
    lines, carry = 0, b""
    size = opened.entry(name).size
    for start, stop, summary in opened.summaries(name):
        last = stop == size
        if summary is not None and not carry and (summary.ends_line or last) and not pattern.may_match(summary.may_hold):
            frame_lines = summary.newlines + (not summary.ends_line)
            if not invert or only_count:
                yield lines, None, frame_lines if invert else 0
                lines += frame_lines
                continue
        text = carry + b"".join(opened.raw_range(name, start, stop))
        cut = len(text) if last else text.rfind(b"\n") + 1
        text, carry = text[:cut], text[cut:]
        if only_count:
            yield lines, None, sum(1 for _ in _selected_lines(text, pattern, invert))
        else:
            yield lines, text, 0
        lines += text.count(b"\n")


def _selected_lines(text: bytes, pattern: Pattern, invert: bool) -> Iterator[tuple[int, int]]:
    """(start, end) of the selected lines of text, without their newlines."""
    if not invert:
        yield from _matching_lines(text, pattern)
        return
    at = 0
    for start, end in _matching_lines(text, pattern):
        yield from _lines(text, at, start)
        at = end + 1
    yield from _lines(text, at, len(text))


def _matching_lines(text: bytes, pattern: Pattern) -> Iterator[tuple[int, int]]:
    search, at = pattern.regex.search, 0
    while at < len(text):
        match = search(text, at)
        if match is None or (match.start() >= len(text) and text.endswith(b"\n")):
            return
        start = text.rfind(b"\n", 0, match.start()) + 1
        end = text.find(b"\n", match.start())
        end = len(text) if end < 0 else end
        yield start, end
        at = end + 1


def _lines(text: bytes, start: int, stop: int) -> Iterator[tuple[int, int]]:
    """The lines of text[start:stop], which starts with a line and ends with one."""
    while start < stop:
        end = text.find(b"\n", start, stop)
        end = stop if end < 0 else end
        yield start, end
        start = end + 1
