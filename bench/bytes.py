"""Kind ``bytes``: files taken as bytes, against general-purpose compressors."""

from __future__ import annotations

import gzip
import lzma
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import zstandard

from bench import pieces
from bench.codec import Codec
from bench.laconic_codec import laconic_codecs
from bench.measure import Row
from bench.peers.general import Brotli, Bzip2, Bzip3, Xz, Zstd
from bench.peers.programs import SevenZip, Zpaq
from bench.pieces import LaconicPieces, ZstdPieces
from bench.suite import Case, Options, run_files, unpacked

QUICK_BYTES = 1 << 20  # --quick leaves out larger files
_SETS = ("text", "logs")
_NOT_DATA = {".md", ".sha256"}


def run(options: Options) -> list[Row]:
    """Sets ``text`` and ``logs`` are sub-folders of these names; without them the files are one set.

    Of ``enwik8`` the first 10**6 bytes are a set of their own. With both folders, two more sets are made of them: ``pieces``
    (bench/pieces.py), and ``compressed``, files that are compressed already.
    """
    peers: list[Codec] = [Zstd("3"), Brotli("5"), Bzip2()]
    if not options.quick:
        peers += [Zstd("19"), Xz("9e"), Brotli("11"), Bzip3("16"), SevenZip("16"), Zpaq("5")]
    ours = laconic_codecs(options.levels, kind="bytes")
    rows = run_files("bytes", _cases(options), [*ours, *peers], options)
    if options.data is not None and (options.data / "text").is_dir() and not options.quick:
        rows += run_files("bytes", _compressed(options), [*ours, Zstd("3"), Xz("9e")], options)
        small = [LaconicPieces(level) for level in options.levels]
        rows += run_files("bytes", pieces.cases(options), [*small, *(ZstdPieces("19", trained) for trained in (False, True))], options)
    return rows


def examples(folder: Path) -> list[Path]:
    """Real files of any machine with Python: sources of its standard library, a numpy binary."""
    library = Path(sysconfig.get_path("stdlib"))
    sources = sorted(path for part in ("json", "email", "asyncio") for path in (library / part).glob("*.py"))
    text = folder / "python-sources.txt"
    text.write_bytes(b"".join(path.read_bytes() for path in sources))
    return [text, *sorted(Path(np.__file__).parent.glob("random/_mt19937*.so"))]


def _compressed(options: Options) -> Iterator[Case]:
    """A text three ways: what archives and web servers hold."""
    assert options.data is not None
    packed, plain = options.data / "text" / "lcet10.txt.xz", options.data / "text" / "lcet10.txt"
    if not (packed.exists() or plain.exists()):
        return
    content = plain.read_bytes() if plain.exists() else lzma.decompress(packed.read_bytes())
    for name, data in (
        ("gzip", gzip.compress(content, 9, mtime=0)),
        ("xz", lzma.compress(content)),
        ("zstd", zstandard.ZstdCompressor(level=9).compress(content)),
    ):
        path = options.scratch / f"lcet10.{name}"
        path.write_bytes(data)
        yield Case("compressed", path.name, path)


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
            if path.name.startswith("enwik8"):
                first = options.scratch / "enwik8_1m"
                first.write_bytes(path.read_bytes()[:1_000_000])
                yield Case("first MB", first.name, first)
