"""Writes the tables of the README from the committed results: `python -m bench.readme` (or `--check`).

Every table stands between `<!-- bench:NAME -->` and `<!-- /bench -->`; nothing else in the README is touched.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
RESULTS = ROOT / "bench" / "results"

Row = dict[str, Any]


def rows(name: str) -> list[Row]:
    found: list[Row] = json.loads((RESULTS / f"{name}.json").read_text())
    return [row for row in found if row.get("stored_bytes")]


def percent(row: Row) -> float:
    return float(100 * row["stored_bytes"] / row["raw_bytes"])


def cell(row: Row) -> str:
    return f"{percent(row):.2f} % ({row['encode_mbps']:,.0f} / {row['decode_mbps']:,.0f})"


def weights() -> str:
    """A line for each set: our two quick levels and the peers, sizes of the whole file and MB/s of CPU time."""
    table = rows("weights")
    peers = ("zipnn", "openzl:fse", "zstd:19")
    lines = [
        "| weights stored as | laconic `fast` | laconic `default` | ZipNN | OpenZL (FSE) | zstd -19 |",
        "|---|---|---|---|---|---|",
    ]
    for set_ in dict.fromkeys(row["set"] for row in table):
        by_codec = {row["codec"]: row for row in table if row["set"] == set_}
        ours = [cell(by_codec[f"laconic:{level}"]) for level in ("fast", "default")]
        lines.append(f"| {set_} | " + " | ".join([*ours, *(cell(by_codec[peer]) if peer in by_codec else "-" for peer in peers)]) + " |")
    return "\n".join(lines)


def bytes_() -> str:
    """Totals of the text set; speeds are of all bytes over all time."""
    table = [row for row in rows("bytes") if row["set"] == "text"]
    lines = ["| codec | % of raw | encode MB/s | decode MB/s |", "|---|---|---|---|"]
    for codec in sorted({row["codec"] for row in table}, key=lambda c: sum(row["stored_bytes"] for row in table if row["codec"] == c)):
        of = [row for row in table if row["codec"] == codec]
        raw = sum(row["raw_bytes"] for row in of)
        speeds = [raw / sum(row["raw_bytes"] / row[f"{way}_mbps"] for row in of) for way in ("encode", "decode")]
        stored = 100 * sum(row["stored_bytes"] for row in of) / raw
        lines.append(
            f"| {codec} | {stored:.2f} | " + " | ".join(f"{speed:,.3g}" if speed < 10 else f"{speed:,.0f}" for speed in speeds) + " |"
        )
    return "\n".join(lines)


def entropy() -> str:
    """Decoding speed of the static coders by instruction set, beside peers of the same run or machine."""
    blocks = [row for row in rows("entropy_blocks") if row["set"] == "bf16_exponents"]
    peers = [row for row in rows("entropy_blocks_peers") if row["set"] == "bf16_exponents"]
    lines = ["| bf16 exponents | bits a symbol | encode MB/s | decode MB/s |", "|---|---|---|---|"]
    shown = [row for row in blocks if row["codec"] in ("laconic:A", "laconic:B") or row["codec"].startswith(("zstd", "constriction"))]
    shown += [row for row in peers if row["codec"] == "zstd:huf4x" or (row["codec"] == "htscodecs:r32x16-o0" and row["isa"] == "avx512")]
    for row in shown:
        isa = f" {row['isa']}" if row.get("isa") else ""
        bits = 8 * row["stored_bytes"] / row["raw_bytes"]
        lines.append(f"| {row['codec']}{isa} | {bits:.3f} | {row['encode_mbps']:,.0f} | {row['decode_mbps']:,.0f} |")
    return "\n".join(lines)


TABLES = {"weights": weights, "bytes": bytes_, "entropy": entropy}


def render(text: str) -> str:
    for name, table in TABLES.items():
        pattern = re.compile(rf"(<!-- bench:{name} -->\n).*?(<!-- /bench -->)", re.DOTALL)
        text, count = pattern.subn(lambda match, table=table: match[1] + table() + "\n" + match[2], text)
        if count != 1:
            raise SystemExit(f"README.md has {count} places for the table {name!r}")
    return text


def main() -> None:
    text = README.read_text()
    fresh = render(text)
    if "--check" in sys.argv[1:]:
        raise SystemExit(0 if fresh == text else "README.md is not what `python -m bench.readme` writes")
    README.write_text(fresh)


if __name__ == "__main__":
    main()
