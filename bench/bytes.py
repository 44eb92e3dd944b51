"""Kind ``bytes``: files taken as bytes, against general-purpose compressors."""

from __future__ import annotations

import sysconfig
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.codec import Codec
from bench.laconic_codec import laconic_codecs
from bench.measure import Row
from bench.peers.general import Brotli, Bzip2, Xz, Zstd
from bench.suite import Case, Options, run_files, unpacked

QUICK_BYTES = 1 << 20  # --quick leaves out larger files
_SETS = ("text", "logs")
_NOT_DATA = {".md", ".sha256"}


def run(options: Options) -> list[Row]:
    """Sets ``text`` and ``logs`` are sub-folders of these names; without them the files are one set."""
    peers: list[Codec] = [Zstd("3"), Brotli("5"), Bzip2()]
    if not options.quick:
        peers += [Zstd("19"), Xz("6"), Xz("9e"), Brotli("11")]
    ours = laconic_codecs(options.levels, kind="bytes")
    return run_files("bytes", _cases(options), [*ours, *peers], options)


def examples(folder: Path) -> list[Path]:
    """Real files of any machine with Python: sources of its standard library, a numpy binary."""
    library = Path(sysconfig.get_path("stdlib"))
    sources = sorted(path for part in ("json", "email", "asyncio") for path in (library / part).glob("*.py"))
    text = folder / "python-sources.txt"
    text.write_bytes(b"".join(path.read_bytes() for path in sources))
    return [text, *sorted(Path(np.__file__).parent.glob("random/_mt19937*.so"))]


def _cases(options: Options) -> Iterator[Case]:
    if options.data is None:
        raise SystemExit("bytes: --data DIR is needed")
    sets = [name for name in _SETS if (options.data / name).is_dir()]
    for name in sets or [options.data.name]:
        folder = options.data / name if sets else options.data
        files = (path for path in folder.iterdir() if path.is_file() and path.suffix not in _NOT_DATA)
        for stored in sorted(files):
            path = unpacked(stored, options.scratch)
            if not options.quick or path.stat().st_size <= QUICK_BYTES:
                yield Case(name, path.name, path)
