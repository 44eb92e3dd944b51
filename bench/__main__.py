"""``python -m bench KIND``: measures laconic and its installed peers on the same files, prints one table."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from bench import plot, table
from bench.kinds import kinds
from bench.suite import LEVELS, Options


def main(argv: list[str] | None = None) -> int:
    """Exit code 0, or 1 where a codec's result differed from its input."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("kind", choices=sorted(kinds()))
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of files to measure on")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the rows as a JSON list")
    parser.add_argument("--plot", type=Path, metavar="OUT", help="draw size against speed, .svg or .png")
    parser.add_argument("--level", action="append", choices=LEVELS, help="our levels (all)")
    parser.add_argument("--codec", action="append", metavar="PATTERN", help="only codecs like 'zstd:*'")
    parser.add_argument("--set", action="append", metavar="PATTERN", help="only sets of this name")
    parser.add_argument("--repeat", type=int, default=5, metavar="N", help="timed runs (5); medians count")
    parser.add_argument("--quick", action="store_true", help="small inputs and fast peers only")
    parser.epilog = "--level, --codec and --set can be given several times."
    arguments = parser.parse_args(argv)
    if arguments.data is not None and not arguments.data.is_dir():
        parser.error(f"--data {arguments.data} is not a folder")
    if arguments.plot is not None and arguments.plot.suffix not in plot.FORMATS:
        parser.error(f"--plot {arguments.plot}: the name must end in {' or '.join(plot.FORMATS)}")

    with tempfile.TemporaryDirectory(prefix="laconic-bench-") as scratch:
        options = Options(
            data=arguments.data,
            scratch=Path(scratch),
            levels=arguments.level or LEVELS,
            quick=arguments.quick,
            repeat=arguments.repeat,
            codecs=arguments.codec or ["*"],
            sets=arguments.set or ["*"],
        )
        rows = kinds()[arguments.kind].run(options)
    if not rows:
        parser.error("nothing to measure: no file or codec matched")
    print(table.render(rows))
    if arguments.json is not None:
        arguments.json.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
    if arguments.plot is not None:
        plot.write(rows, arguments.plot)
    return 0 if all(row.get("exact") is not False for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
