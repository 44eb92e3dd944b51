"""Size, speed, memory and exactness of one codec on one file.

Headline speeds are raw bytes per second of process CPU time (MB = 10**6 bytes): on a shared machine the wall
clock measures the neighbours too. Both are medians of warm runs. Memory is the peak resident size above what
was held just before the call, taken on the first, cold run.
"""

from __future__ import annotations

import ctypes
import importlib
import multiprocessing
import platform
import re
import resource
import statistics
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

from bench.codec import Buffer, Codec, NotInstalledError, Source, versions

PIECE_OVERHEAD = 4  # bytes charged for each boundary where a codec returns several pieces
SLOW_RUN_S = 2.0  # no more runs after this much CPU time: page faults and clock noise no longer matter
ENOUGH_S = 0.25  # short calls are repeated beyond the asked number until this much CPU time was measured
MOST_RUNS = 100

Row = dict[str, Any]
_T = TypeVar("_T")


def measure(codec: Codec, source: Source, repeat: int = 5) -> Row:
    """Encodes, decodes and compares ``source`` in this process.

    Args:
        repeat: timed runs after one warm-up, at least 1; fewer for slow calls, more for very short ones.

    Returns:
        The fields of a row that were measured: ``raw_bytes, stored_bytes, encode_mbps, decode_mbps,
        encode_wall_mbps, decode_wall_mbps, encode_runs, decode_runs, peak_mib, exact``.
    """
    importlib.import_module(codec.module)
    size = len(source.data)
    pieces, encode_peak, encode_cold = _cold(codec.encode, codec.prepare(source))
    decoded, decode_peak, decode_cold = _cold(codec.decode, pieces)
    exact = same_bytes(decoded, Source(source.path).data)  # read again: a codec may have written to its input
    del decoded
    _keep_freed_memory()
    encode = _time(codec.encode, lambda: codec.prepare(source), encode_cold, repeat)
    decode = _time(codec.decode, lambda: pieces, decode_cold, repeat)
    return {
        "raw_bytes": size,
        "stored_bytes": sum(map(len, pieces)) + PIECE_OVERHEAD * (len(pieces) - 1),
        "encode_mbps": _mbps(size, [cpu for cpu, _ in encode]),
        "decode_mbps": _mbps(size, [cpu for cpu, _ in decode]),
        "encode_wall_mbps": _mbps(size, [wall for _, wall in encode]),
        "decode_wall_mbps": _mbps(size, [wall for _, wall in decode]),
        "encode_runs": len(encode),
        "decode_runs": len(decode),
        "peak_mib": round(max(encode_peak, decode_peak) / 2**20, 1),
        "exact": exact,
    }


def measure_in_child(codec: Codec, source: Source, repeat: int = 5) -> Row:
    """``measure`` in a fresh process, so that no codec inherits another's memory, threads or crash.

    Returns:
        ``measure``'s fields and ``versions``; or ``raw_bytes`` and a sentence as ``error``.
    """
    size = source.path.stat().st_size
    try:
        found = versions(codec.packages) or {"python": platform.python_version()}
    except NotInstalledError as reason:
        return {"raw_bytes": size, "versions": {}, "error": str(reason)}
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(sender, codec, source.path, repeat))
    child.start()
    sender.close()
    try:
        result: Row = receiver.recv()
    except EOFError:
        result = {}
    child.join()
    if not result:
        result = {"error": f"the process died with exit code {child.exitcode}"}
    return {"raw_bytes": size, "versions": found} | result


def same_bytes(pieces: list[Buffer], expected: bytes) -> bool:
    """Whether the concatenated pieces are ``expected``, without building the concatenation."""
    view, at = memoryview(expected), 0
    for piece in pieces:
        flat = memoryview(piece).cast("B")  # type: ignore[arg-type]
        # Through bytes: memoryview's own comparison goes item by item.
        if bytes(flat) != bytes(view[at : at + len(flat)]):
            return False
        at += len(flat)
    return at == len(expected)


def machine() -> dict[str, str | int]:
    """What the figures were measured on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists() and (found := re.search(r"model name\s*:\s*(.+)", cpuinfo.read_text())):
        model = found[1]
    return {
        "cpu": model,
        "cores": multiprocessing.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def _child(sender: Connection, codec: Codec, path: Path, repeat: int) -> None:
    try:
        sender.send(measure(codec, Source(path), repeat))
    except Exception as reason:  # a peer may raise anything; its row says what
        sender.send({"error": f"{type(reason).__name__}: {reason}"})


def _cpu_time() -> float:
    """CPU seconds of this process and of the commands that it ran."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _cold(call: Callable[[Any], _T], argument: Any) -> tuple[_T, int, tuple[float, float]]:
    """Calls once: its result, peak memory in bytes above the start, (CPU, wall) seconds."""
    before = _reset_peak()
    cpu, wall = _cpu_time(), time.perf_counter()
    result = call(argument)
    wall, cpu = time.perf_counter() - wall, _cpu_time() - cpu
    return result, max(0, _peak() - before), (cpu, wall)


def _time(call: Callable[[Any], Any], prepare: Callable[[], Any], cold: tuple[float, float], repeat: int) -> list[tuple[float, float]]:
    """(CPU, wall) seconds of each timed run; only the cold run's where that was slow."""
    if cold[0] > SLOW_RUN_S:
        return [cold]
    runs: list[tuple[float, float]] = []
    warm_ups = 1
    while True:
        argument = prepare()
        cpu, wall = _cpu_time(), time.perf_counter()
        result = call(argument)
        wall, cpu = time.perf_counter() - wall, _cpu_time() - cpu
        # Freed before the next run, which then writes to the same, already mapped pages.
        del result, argument
        if warm_ups:
            warm_ups -= 1
            continue
        runs.append((cpu, wall))
        total = sum(cpu for cpu, _ in runs)
        enough = len(runs) >= repeat and total >= ENOUGH_S
        if enough or len(runs) >= MOST_RUNS or total > SLOW_RUN_S:
            return runs


def _mbps(size: int, seconds: list[float]) -> float:
    return float(f"{size / 1e6 / max(statistics.median(seconds), 1e-9):.4g}")


def _reset_peak() -> int:
    """Sets the process's peak memory back to the present one, where the system can; returns that in bytes."""
    if sys.platform != "linux":
        return _peak()
    Path("/proc/self/clear_refs").write_text("5")
    return _proc_status("VmRSS")


def _peak() -> int:
    if sys.platform == "linux":
        return _proc_status("VmHWM")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _proc_status(field: str) -> int:
    text = Path("/proc/self/status").read_text()
    found = re.search(rf"{field}:\s*(\d+) kB", text)
    assert found, f"/proc/self/status has no {field}"
    return int(found[1]) * 1024


def _keep_freed_memory() -> None:
    """Tells glibc to reuse freed buffers instead of returning them, so that timed runs find warm pages."""
    m_trim_threshold, m_mmap_max = -1, -4
    try:
        libc = ctypes.CDLL(None)
        libc.mallopt(m_mmap_max, 0)
        libc.mallopt(m_trim_threshold, 2**31 - 1)
    except (OSError, AttributeError):
        pass  # another C library: buffers are then as warm as it keeps them
