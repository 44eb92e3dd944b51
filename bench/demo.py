"""What ``make demo`` runs: encodes, decodes and compares a small example of every kind, or given files."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench import demo_objects
from bench.codec import Codec, Source
from bench.kinds import kinds
from bench.laconic_codec import Laconic, kind_of
from bench.measure import measure
from bench.peers.general import Xz, Zstd
from bench.suite import LEVELS

COMPARED_BYTES = 8_000_000  # zstd -19 and xz see at most this much of a file, so that nobody waits for them
_COLUMNS = ("kind", "file", "raw", "stored", "laconic", "zstd -19", "xz", "enc MB/s", "dec MB/s", "identical")


def main(argv: list[str] | None = None) -> int:
    """Exit code 0, or 1 where a file did not come back identical, 2 where one cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m bench.demo", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="your own files")
    parser.add_argument("--level", default="default", choices=LEVELS)
    arguments = parser.parse_args(argv)
    missing = [str(path) for path in arguments.files if not path.is_file()]
    if missing:
        parser.error(f"not a file: {', '.join(missing)}")
    codec = Laconic(arguments.level, by_path=True)

    with tempfile.TemporaryDirectory(prefix="laconic-demo-") as scratch:
        files = arguments.files
        lines = [_line(codec, path, Path(scratch)) for path in files] if files else _examples(codec, Path(scratch))
    _print_table(lines)
    return 0 if all(line[-1] == "yes" for line in lines) else 1


def _examples(codec: Laconic, scratch: Path) -> list[tuple[str, ...]]:
    """Files of this machine (Python's own sources, a numpy binary), and models, a cache and checkpoints made on the spot."""
    print("No files given: Python's own sources, a numpy binary, and two small models trained here and now.")
    makers = [module.examples for module in kinds().values() if hasattr(module, "examples")]
    lines = [_line(codec, path, scratch) for examples in makers for path in examples(scratch)]
    return lines + [_line(objects, path, scratch, kind) for kind, objects, path in demo_objects.examples(scratch, codec.level)]


def _line(codec: Codec, path: Path, scratch: Path, kind: str = "") -> tuple[str, ...]:
    source = Source(path)
    row = measure(codec, source, repeat=3)
    part = scratch / "part"
    part.write_bytes(source.data[:COMPARED_BYTES])
    whole = len(source.data) <= COMPARED_BYTES
    return (
        kind or kind_of(codec.encode(codec.prepare(source))[0]),
        path.name,
        f"{row['raw_bytes']:,}",
        f"{row['stored_bytes']:,}",
        _percent(row),
        _compared(Zstd("19"), Source(part), whole),
        _compared(Xz("6"), Source(part), whole),
        f"{row['encode_mbps']:.0f}",
        f"{row['decode_mbps']:.0f}",
        "yes" if row["exact"] else "NO",
    )


def _compared(peer: Codec, source: Source, whole: bool) -> str:
    stored = sum(map(len, peer.encode(peer.prepare(source))))
    return ("" if whole else "~") + _percent({"stored_bytes": stored, "raw_bytes": len(source.data)})


def _percent(row: dict[str, Any]) -> str:
    return f"{100 * row['stored_bytes'] / row['raw_bytes']:.1f} %" if row["raw_bytes"] else "-"


def _print_table(lines: list[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(_COLUMNS, *lines, strict=True)]
    for line in [_COLUMNS, *lines]:
        left = [f"{cell:<{width}}" for cell, width in zip(line[:2], widths[:2], strict=True)]
        right = [f"{cell:>{width}}" for cell, width in zip(line[2:], widths[2:], strict=True)]
        print("  ".join(left + right))
    print("Sizes in bytes and as % of raw; speeds are raw bytes per second of CPU time, MB = 10**6 bytes.")
    if any(cell.startswith("~") for line in lines for cell in line):
        print(f"~: of the file's first {COMPARED_BYTES // 10**6} MB only.")


if __name__ == "__main__":
    sys.exit(main())
