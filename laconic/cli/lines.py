"""Lines of an entry: frames that are not asked for are counted, not decoded, where their codec tells how many lines they have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def count_lines(archive: Any, name: str) -> int:
    """How many lines an entry has; bytes after the last newline are a line."""
    lines, ends_line = 0, True
    for start, stop, summary in archive.summaries(name):
        if summary is not None:
            lines, ends_line = lines + summary.newlines, summary.ends_line
        else:
            for block in archive.raw_range(name, start, stop):
                raw = bytes(block)
                lines, ends_line = lines + raw.count(b"\n"), raw.endswith(b"\n")
    return lines + (not ends_line)


def read_lines(archive: Any, name: str, first: int, last: int) -> Iterator[bytes]:
    """Lines [first, last) of an entry, 0 being its first, in blocks."""
    before = 0  # newlines before the frame
    for start, stop, summary in archive.summaries(name):
        if before >= last:
            return
        if summary is not None and before + summary.newlines < first:
            before += summary.newlines
            continue
        raw = b"".join(archive.raw_range(name, start, stop))
        newlines = raw.count(b"\n")
        a = _after_newline(raw, first - before)
        b = _after_newline(raw, last - before) if before + newlines >= last else len(raw)
        yield raw[a:b]
        before += newlines


def _after_newline(raw: bytes, count: int) -> int:
    """Where the text after the first `count` newlines starts (0 if count <= 0; the end if there are fewer)."""
    at = 0
    for _ in range(count):
        at = raw.find(b"\n", at) + 1
        if at == 0:
            return len(raw)
    return at
