"""Results as one plain-text table: a block for each file, and one of totals for each set of several files."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from bench.measure import Row

_HEADER = (
    "codec",
    "stored",
    "% of raw",
    "enc MB/s",
    "dec MB/s",
    "enc wall",
    "dec wall",
    "peak MiB",
    "exact",
)
_SPEEDS = ("encode_mbps", "decode_mbps", "encode_wall_mbps", "decode_wall_mbps")


def render(rows: list[Row]) -> str:
    """The whole table. Speeds are of process CPU time unless the column says wall; MB = 10**6 bytes."""
    # The same codec with another instruction set is another line.
    rows = [row | {"codec": f"{row['codec']} {row['isa']}"} if row.get("isa") else row for row in rows]
    blocks: list[tuple[str, list[tuple[str, ...]]]] = []
    for name, in_set in grouped(rows, "set").items():
        files = grouped(in_set, "file")
        for file, of_file in files.items():
            blocks.append((f"{name} / {file}, {of_file[0]['raw_bytes']:,} bytes", [_cells(r) for r in of_file]))
        if len(files) > 1:
            total = sum(of_file[0]["raw_bytes"] for of_file in files.values())
            title = f"{name}, {len(files)} files, {total:,} bytes: totals, (geometric mean of %), mean speeds"
            blocks.append((title, [_cells(row) for row in totals(in_set)]))
    lines = [line for _, cells in blocks for line in cells]
    widths = [max(map(len, column)) for column in zip(_HEADER, *filter(_is_data, lines), strict=True)]
    parts = [_line(_HEADER, widths)]
    for title, cells in blocks:
        parts += ["", title, *(_line(line, widths) for line in cells)]
    return "\n".join(parts + _machine(rows))


def totals(rows: list[Row]) -> list[Row]:
    """One row per codec over the files of a set.

    Sizes add up and ``ratio_mean`` is the geometric mean of stored/raw; speeds are geometric means and memory
    is the largest. A codec that failed on some files has ``error`` saying on how many, and no sums.
    """
    result = []
    for codec, of_codec in grouped(rows, "codec").items():
        done = [row for row in of_codec if "error" not in row]
        row: Row = {"codec": codec, "raw_bytes": sum(row["raw_bytes"] for row in of_codec)}
        if len(done) < len(of_codec):
            reasons = ", ".join(sorted({r["error"] for r in of_codec if "error" in r}))
            row["error"] = f"no result on {len(of_codec) - len(done)} of {len(of_codec)} files: {reasons}"
        else:
            row["stored_bytes"] = sum(r["stored_bytes"] for r in done)
            row["ratio_mean"] = geometric_mean(r["stored_bytes"] / r["raw_bytes"] for r in done if r["raw_bytes"])
            for speed in _SPEEDS:
                row[speed] = geometric_mean(r[speed] for r in done if r.get(speed))
            row["peak_mib"] = max((r["peak_mib"] for r in done if r.get("peak_mib") is not None), default=None)
            row["exact"] = all(r["exact"] for r in done)
        result.append(row)
    return result


def geometric_mean(values: Iterable[float]) -> float | None:
    """None for no values."""
    logs = [math.log(value) for value in values]
    return math.exp(sum(logs) / len(logs)) if logs else None


def grouped(rows: list[Row], key: str) -> dict[str, list[Row]]:
    """Rows by ``row[key]``, in order of first appearance."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row[key], []).append(row)
    return groups


def _cells(row: Row) -> tuple[str, ...]:
    if "error" in row:
        return (row["codec"], row["error"], *[""] * (len(_HEADER) - 2))
    percent = f"{100 * row['stored_bytes'] / row['raw_bytes']:.2f}" if row["raw_bytes"] else "-"
    if row.get("ratio_mean"):
        percent += f" ({100 * row['ratio_mean']:.2f})"
    speeds = [_number(row.get(speed)) for speed in _SPEEDS]
    exact = {True: "yes", False: "NO", None: "lossy"}[row["exact"]]
    codec = f"{row['codec']}, {row['note']}" if "note" in row else row["codec"]
    return (codec, f"{row['stored_bytes']:,}", percent, *speeds, _number(row.get("peak_mib")), exact)


def _is_data(cells: tuple[str, ...]) -> bool:
    """False for a codec's error, which is a sentence and not columns."""
    return any(cells[2:])


def _number(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    first, *rest = cells
    if not _is_data(cells):
        return f"  {first:<{widths[0]}}  {rest[0]}"
    return "  ".join([f"  {first:<{widths[0]}}", *(f"{c:>{w}}" for c, w in zip(rest, widths[1:], strict=True))])


def _machine(rows: list[Row]) -> list[str]:
    hosts = {tuple(row["machine"].items()) for row in rows if "machine" in row}
    return ["", *(", ".join(f"{key} {value}" for key, value in host) for host in hosts)]
