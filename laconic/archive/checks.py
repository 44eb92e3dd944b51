"""What is asked of options, names and metadata before anything is written."""

from __future__ import annotations

import os
from typing import Any

import cbor2

from laconic.container import format as f
from laconic.container.codec import LEVELS
from laconic.container.table import encode_name, pack_meta, parse_meta
from laconic.errors import CorruptDataError


def available_jobs(jobs: int | None) -> int:
    """`jobs`, or the number of processors this process may use."""
    if jobs is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if jobs < 1:
        raise ValueError(f"jobs must be at least 1, not {jobs}")
    return jobs


def check_level(level: str) -> str:
    if level not in LEVELS:
        raise ValueError(f"unknown level {level!r}; one of {', '.join(LEVELS)}")
    return level


def is_name(name: str) -> bool:
    """Whether an entry of this name would come back under it. Surrogates may stand for bytes that are not UTF-8, and only for those."""
    try:
        encoded = encode_name(name)
    except UnicodeEncodeError:
        return False
    return len(encoded) <= f.MAX_NAME and (name.isascii() or encoded.decode("utf-8", "surrogateescape") == name)


def check_meta(name: str, meta: dict[str, Any] | None) -> dict[str, Any]:
    """`meta` if it would come back as it is; TypeError or ValueError if not."""
    if not meta:
        return {}
    try:
        again = parse_meta(pack_meta(meta, name), "metadata")
    except (CorruptDataError, cbor2.CBOREncodeError, UnicodeEncodeError, RecursionError) as error:
        raise TypeError(f"metadata of entry {name!r} is no map of text to plain values: {error}") from error
    if again != meta:
        raise TypeError(f"metadata of entry {name!r} would not come back as it is; use text keys, numbers, text, bytes, lists and dicts")
    return meta
