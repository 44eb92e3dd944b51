"""Gives damaged archives to every way of reading one, and counts what comes of it. Runs as a child process, so that a crash is seen:

    python probe.py PLAN.pickle

A plan's cases are (label, archive bytes, wanted): `wanted` says for each way what the intact archive gives, or is None where the damage
was sealed with valid checksums and other data may come out. Prints one JSON object: counts of "error", "correct", "other" (where
`wanted` is None), "wrong", "crash" (an exception that is none of ours), "hang" (over LIMIT seconds of processor time) and "fat" (memory
over 80 MiB and four times what came out), and examples of the last four.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import resource
import signal
import sys
import time
import warnings
from collections import Counter
from typing import Any

import laconic
from laconic import registry
from laconic.container.stream import Begin, Data, End, StreamReader
from laconic.errors import CorruptDataError, TornArchiveWarning, UnsupportedError

LIMIT = 5.0
ALLOWED_MEMORY = 80 << 20  # more than a copy of the model of level `max` that has read a text (65 MiB)
SANITIZED = "LACONIC_SANITIZED" in os.environ
BASE: Any = None  # set by the plan
admitted = False  # whether the archive read last said that it is torn


class Hang(BaseException):
    pass


def by_index(blob: bytes) -> dict[str, bytes]:
    global admitted
    with laconic.open(blob, jobs=1, base=BASE) as archive:
        admitted = archive.torn
        return read_all(archive)


def recovered(blob: bytes) -> dict[str, bytes]:
    """What a damaged archive still gives entry by entry; an entry that fails is left out."""
    found = {}
    with laconic.open(blob, jobs=1, base=BASE, recover=True) as archive:
        for name in archive.names():
            try:
                found[name] = entry_bytes(archive, name)
                archive.info(name)
            except (CorruptDataError, UnsupportedError):
                continue
        for entry in archive.incomplete:
            try:
                for _ in archive.incomplete_blocks(entry):
                    pass
            except (CorruptDataError, UnsupportedError):
                continue
    return found


def read_all(archive: Any) -> dict[str, bytes]:
    found = {name: entry_bytes(archive, name) for name in archive.names()}
    archive.verify()
    return found


def entry_bytes(archive: Any, name: str) -> bytes:
    entry = archive.entry(name)
    if entry.type not in ("dir", "symlink"):
        _ = archive[name]
    if entry.type in ("ndarray", "tensor", "torch") and entry.shape:
        archive.read(name, 1, 2)
    return describe(entry) + b"".join(archive.blocks(name))


def describe(entry: Any) -> bytes:
    return repr((entry.type, entry.dtype, entry.shape, entry.meta)).encode()


def piped(blob: bytes) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    parts: list[bytes] = []
    name = ""
    for event in StreamReader(io.BytesIO(blob), registry.get, jobs=1, resolve_base=bases()).events():
        if isinstance(event, Begin):
            parts, name = [], event.entry.name
        elif isinstance(event, Data):
            parts.append(bytes(event.raw))
        elif isinstance(event, End):
            found[name] = describe(event.entry) + b"".join(parts)
    return found


def bases() -> Any:
    from laconic.archive import open_reader
    from laconic.bases import Bases

    return Bases(BASE, open_reader).by_hash


def decoded(blob: bytes) -> dict[str, bytes]:
    return {"": flat(laconic.decode(blob, jobs=1, base=BASE))}


def flat(obj: Any) -> bytes:
    """Bytes that differ wherever two decoded objects do."""
    if isinstance(obj, dict):
        return repr(type(obj)).encode() + b"".join(repr(key).encode() + flat(value) for key, value in obj.items())
    if isinstance(obj, (list, tuple)):
        return repr(type(obj)).encode() + b"".join(map(flat, obj))
    if isinstance(obj, (bytes, bytearray)):
        return repr(type(obj)).encode() + bytes(obj)
    if hasattr(obj, "dtype") and hasattr(obj, "tobytes"):
        return repr((type(obj), obj.dtype, obj.shape)).encode() + obj.tobytes()
    return repr((type(obj), obj)).encode()


WAYS = {"index": by_index, "recover": recovered, "pipe": piped, "decode": decoded}


Wanted = dict[str, dict[str, bytes]]


def judge(way: str, blob: bytes, wanted: Wanted | None) -> tuple[str, str, int]:
    """(outcome, message, bytes that came out)"""
    global admitted
    admitted = False
    try:
        found = WAYS[way](blob)
    except (CorruptDataError, UnsupportedError) as error:
        return "error", str(error), 0
    except Hang:
        return "hang", "", 0
    except Exception as error:
        return "crash", f"{type(error).__name__}: {error}", 0
    size = sum(map(len, found.values()))
    if wanted is None:
        return "other", "", size
    right = wanted[way]
    wrong = [name for name, raw in found.items() if name not in right or raw != right[name]]
    # Whole entries may be missing only where the reader admitted damage.
    missing = set() if way == "recover" or admitted else set(right) - set(found)
    return ("wrong", f"{wrong[:3]} {sorted(missing)[:3]}", size) if wrong or missing else ("correct", "", size)


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def alarm(*_: Any) -> None:
    raise Hang


def main(path: str) -> None:
    global BASE
    warnings.simplefilter("ignore", TornArchiveWarning)
    with open(path, "rb") as file:
        plan = pickle.load(file)
    BASE = plan["base"]
    if plan["torch"]:
        import torch  # noqa: F401
    for blob in plan["warm"]:  # imports and first allocations are not the damage's doing
        for way in WAYS:
            judge(way, blob, None)
    counts: Counter[str] = Counter()
    bad: list[str] = []
    signal.signal(signal.SIGPROF, alarm)
    if not SANITIZED:
        with open("/proc/self/statm") as statm:
            size = int(statm.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + (1 << 30), size + (1 << 30)))
    for label, blob, wanted in plan["cases"]:
        for way in plan.get("ways") or WAYS:
            before, start = peak(), time.monotonic()
            signal.setitimer(signal.ITIMER_PROF, LIMIT * (8 if SANITIZED else 1))
            outcome, message, size = judge(way, blob, wanted)
            signal.setitimer(signal.ITIMER_PROF, 0)
            if outcome == "hang":
                message = f"{time.monotonic() - start:.1f} s"
            elif not SANITIZED and peak() - before > ALLOWED_MEMORY + 4 * size:
                outcome, message = "fat", f"{(peak() - before) >> 20} MiB for {size} bytes"
            counts[outcome] += 1
            if outcome in ("wrong", "crash", "hang", "fat"):
                bad.append(f"{label} / {way}: {outcome} {message}")
    print(json.dumps({"counts": counts, "bad": bad[:40]}))


if __name__ == "__main__":
    main(sys.argv[1])
