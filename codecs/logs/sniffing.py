"""Whether a file's beginning reads like a log: most lines carry a time or a severity, and begin alike."""

from __future__ import annotations

import re
from collections import Counter

_TIME = re.compile(
    rb"\d\d:\d\d:\d\d|\d{4}[-/.]\d\d[-/.]\d\d[ T_]|\b1\d{9}(?:\.\d+|\d{3})?\b|(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ 0-3]\d "
)
_SEVERITY = re.compile(rb"\b(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|FATAL|CRITICAL|LOG|[EWID]/\w+)\b")
_RUNS = re.compile(rb"[0-9]+|[A-Za-z\x80-\xff]+")

_MAX_LINES = 400
_MIN_LINES = 8
_HEAD = 400  # bytes of a line that are looked at
_START = 12  # bytes of a line's shape that lines share


def sniff(head: bytes) -> float:
    """How sure (0 to 1) that a file that begins with `head` is a log."""
    lines = head.split(b"\n")[: _MAX_LINES + 1]
    lines = [line[:_HEAD] for line in lines[:-1] if line.strip()]  # the last one may be cut
    if len(lines) < _MIN_LINES:
        return 0.0
    share = max(_share(_TIME, lines), _share(_SEVERITY, lines))
    if share < 0.5 and not (share >= 0.2 and _TIME.match(lines[0].lstrip(b"[<- "))):  # records of several lines
        return 0.0
    starts = Counter(_shape(line) for line in lines)
    alike = sum(count for _, count in starts.most_common(6)) / len(lines)
    return 0.8 if alike >= 0.3 else 0.0


def _share(pattern: re.Pattern[bytes], lines: list[bytes]) -> float:
    return sum(pattern.search(line) is not None for line in lines) / len(lines)


def _shape(line: bytes) -> bytes:
    return _RUNS.sub(lambda run: b"0" if run[0][:1].isdigit() else b"a", line[:64])[:_START]
