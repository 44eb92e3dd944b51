"""Writes the tables of the README and of docs/entropy-models.md from the committed results: `python -m bench.readme` (or `--check`).

Every table stands between `<!-- bench:NAME -->` and `<!-- /bench -->`; nothing else in the files is touched.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
MODELS = ROOT / "docs" / "entropy-models.md"
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
    """Decoding speed of the static coders by instruction set, beside the best of each peer in the same run or on the same machine."""
    blocks = [row for row in rows("entropy") if row["set"] == "bf16_exponents"]
    peers = [row for row in rows("entropy_blocks_peers") if row["set"] == "bf16_exponents"]
    lines = ["| bf16 exponents | bits a symbol | encode MB/s | decode MB/s |", "|---|---|---|---|"]
    shown = [row for row in blocks if row["codec"] in ("laconic:A", "laconic:B") or row["codec"].startswith(("zstd", "constriction"))]
    shown += [
        max((row for row in peers if row["codec"] == codec), key=lambda row: row["decode_mbps"])
        for codec in ("htscodecs:r32x16-o0", "zstd:huf4x")
    ]
    for row in shown:
        isa = f" {row['isa']}" if row.get("isa") else ""
        bits = 8 * row["stored_bytes"] / row["raw_bytes"]
        lines.append(f"| {row['codec']}{isa} | {bits:.3f} | {row['encode_mbps']:,.0f} | {row['decode_mbps']:,.0f} |")
    return "\n".join(lines)


def models() -> str:
    """The coders with a model for each symbol on the best instruction set, and their peer: size over the information."""
    table = [row for row in rows("entropy") if "ideal_bytes" in row]
    best = max((row["isa"] for row in table), key=["scalar", "avx2", "avx512"].index)
    lines = ["| set | file | codec | isa | size | encode M/s | decode M/s | prepared |", "|---|---|---|---|---|---|---|---|"]
    for row in table:
        if row["codec"] == "laconic:C" and row["isa"] != best:
            continue
        size = 100 * (row["stored_bytes"] / row["ideal_bytes"] - 1)
        speeds = [row.get(f"{kind}{way}_msyms") for kind in ("", "prepared_") for way in ("encode", "decode")]
        prepared = f"{speeds[2]:.0f} / {speeds[3]:.0f}" if speeds[2] else ""
        cells = [row["set"], row["file"], row["codec"], row["isa"], f"{size:+.3f} %", f"{speeds[0]:.0f}", f"{speeds[1]:.0f}", prepared]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


TABLES = {README: {"weights": weights, "bytes": bytes_, "entropy": entropy}, MODELS: {"models": models}}


def render(path: Path) -> str:
    text = path.read_text()
    for name, table in TABLES[path].items():
        pattern = re.compile(rf"(<!-- bench:{name} -->\n).*?(<!-- /bench -->)", re.DOTALL)
        text, count = pattern.subn(lambda match, table=table: match[1] + table() + "\n" + match[2], text)
        if count != 1:
            raise SystemExit(f"{path.name} has {count} places for the table {name!r}")
    return text


def main() -> None:
    for path in TABLES:
        fresh = render(path)
        if "--check" not in sys.argv[1:]:
            path.write_text(fresh)
        elif fresh != path.read_text():
            raise SystemExit(f"{path.name} is not what `python -m bench.readme` writes")


if __name__ == "__main__":
    main()
