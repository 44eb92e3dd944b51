"""Kind ``logs``: log files against general-purpose compressors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench.codec import Codec
from bench.laconic_codec import laconic_codecs
from bench.measure import Row
from bench.peers.general import Bzip2, Bzip3, Ppmd, Xz, Zstd
from bench.suite import Case, Options, run_files, unpacked

QUICK_BYTES = 1 << 22  # --quick leaves out larger files
_ANONYMISED = ("ali_D.log",)  # its names and numbers were replaced by random ones: reported apart


def run(options: Options) -> list[Row]:
    """Sets: ``logs``; ``anonymised``; ``small`` for files in sub-folders."""
    peers: list[Codec] = [Zstd("3"), Bzip2(), Bzip3(), Ppmd()]
    if not options.quick:
        peers += [Zstd("19"), Xz("9e")]
    return run_files("logs", _cases(options), [*laconic_codecs(options.levels, kind="logs", by_path=True), *peers], options)


def examples(folder: Path) -> list[Path]:
    """A log of a server that never was: made here, the same everywhere."""
    state, lines, clock = 1, [], 0
    for number in range(20_000):
        state = state * 6364136223846793005 + 1442695040888963407 & (1 << 64) - 1
        a, b = state >> 40, state >> 20 & 0xFFFFF
        clock += a % 700
        stamp = f"2024-05-17 {clock // 3600000 % 24:02}:{clock // 60000 % 60:02}:{clock // 1000 % 60:02}.{clock % 1000:03}"
        lines.append(
            (
                f"{stamp} INFO  [worker-{b % 8}] http: GET /items/{a % 900} 200 {b % 5000} bytes in {a % 97} ms",
                f"{stamp} DEBUG [worker-{b % 8}] cache: hit for item {a % 900}, {number} lookups so far",
                f"{stamp} WARN  [main] pool: 10.0.0.{b % 16}:{30000 + a % 2000} is slow ({a % 3000} ms), retry {b % 3}",
            )[a % 3]
        )
    path = folder / "server.log"
    path.write_text("\n".join(lines) + "\n")
    return [path]


def _cases(options: Options) -> Iterator[Case]:
    if options.data is None:
        raise SystemExit("logs: --data DIR is needed")
    folder = options.data / "logs" if (options.data / "logs").is_dir() else options.data
    for stored in sorted(folder.rglob("*.log*")):
        path = unpacked(stored, options.scratch)
        if options.quick and path.stat().st_size > QUICK_BYTES:
            continue
        name = "anonymised" if path.name in _ANONYMISED else "logs" if stored.parent == folder else "small"
        yield Case(name, path.name, path)
