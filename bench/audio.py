"""Kind ``audio``: WAV files as they are, and FLAC files decoded to WAV by the ``flac`` command."""

from __future__ import annotations

import math
import random
import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

from bench.codec import Codec
from bench.laconic_codec import laconic_codecs
from bench.measure import Row
from bench.peers.audio import flac, wavpack
from bench.peers.general import Xz, Zstd
from bench.suite import Case, Options, run_files, unpacked

SETS = ("music", "music24", "speech", "environment", "multichannel", "float", "odd", "digits8k")
QUICK_FILES = 2  # of each set
_SUFFIXES = (".wav", ".sph", ".aif", ".aiff", ".au", ".caf", ".w64", ".flac")


def run(options: Options) -> list[Row]:
    """One set per folder. FLAC and WavPack refuse some files; their rows say so."""
    peers: list[Codec] = [flac("5"), flac("8"), wavpack("default"), Zstd("19")]
    if not options.quick:
        peers += [flac("8pe"), Xz("9")]
    return run_files("audio", _cases(options), [*laconic_codecs(options.levels, by_path=True), *peers], options)


def examples(folder: Path) -> list[Path]:
    """Three seconds of plucked strings (Karplus and Strong, 1983), 44.1 kHz 16-bit stereo; seeded."""
    rate, seconds = 44100, 3
    noise = random.Random(0)
    mix = [[0.0] * (rate * seconds) for _ in range(2)]
    for note, pitch in enumerate((110.0, 164.8, 220.0, 277.2, 329.6, 440.0)):
        start, period = note * rate // 3, round(rate / pitch)
        string = [noise.uniform(-1, 1) for _ in range(period)]
        left = 0.3 + 0.4 * (note % 2)
        for i in range(start, rate * seconds):
            k = (i - start) % period
            value = string[k]
            string[k] = 0.498 * (value + string[(k + 1) % period])
            mix[0][i] += left * value
            mix[1][i] += (1 - left) * value
    samples = [max(-32767, min(32767, math.floor(9000 * x + noise.uniform(0, 1)))) for pair in zip(*mix, strict=True) for x in pair]
    data = struct.pack(f"<{len(samples)}h", *samples)
    path = folder / "plucked-strings.wav"
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 1, 2, rate, 4 * rate, 4, 16, b"data", len(data))
    path.write_bytes(head + data)
    return [path]


def _cases(options: Options) -> Iterator[Case]:
    if options.data is None:
        raise SystemExit("audio: --data DIR is needed")
    folder = options.data / "audio" if (options.data / "audio").is_dir() else options.data
    for name in SETS:
        taken = 0
        for path in sorted((folder / name).glob("*")):
            if Path(path.name.removesuffix(".xz")).suffix.lower() not in _SUFFIXES or (options.quick and taken >= QUICK_FILES):
                continue
            plain = _decoded(path, options.scratch) if path.suffix == ".flac" else unpacked(path, options.scratch)
            if plain is not None:
                taken += 1
                yield Case(name, plain.name, plain)


def _decoded(path: Path, scratch: Path) -> Path | None:
    """The WAV file that ``path`` holds; None where the command is missing or refuses (some files are damaged on purpose)."""
    if shutil.which("flac") is None:
        return None
    target = scratch / f"{path.stem}.flac.wav"
    done = subprocess.run(["flac", "-d", "-s", "-f", "-o", str(target), str(path)], capture_output=True, check=False)
    return target if done.returncode == 0 else None
