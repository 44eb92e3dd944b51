"""Lossless audio coders that come as commands: FLAC and WavPack, on WAV files as they are."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.codec import Buffer, NotInstalledError, Source


@dataclass(frozen=True)
class Command:
    """A command that turns the file ``IN`` into the file ``OUT``, both in memory where there is ``/dev/shm``.

    Its time counts with this process's.
    """

    program: str
    level: str
    encoder: Sequence[str]
    decoder: Sequence[str]
    suffix: str  # of its files
    packages: Sequence[str] = ()
    module: str = "subprocess"

    @property
    def name(self) -> str:
        return f"{self.program}:{self.level}"

    @property
    def options(self) -> str:
        return f"{' '.join(self.encoder)} ({self._version()})"

    def prepare(self, source: Source) -> bytes:
        if shutil.which(self.encoder[0]) is None or shutil.which(self.decoder[0]) is None:
            raise NotInstalledError(f"the command {self.encoder[0]} is not installed")
        return source.data

    def encode(self, prepared: bytes) -> list[bytes]:
        return [self._run(self.encoder, prepared, ".wav", self.suffix)]

    def decode(self, pieces: list[bytes]) -> list[Buffer]:
        return [self._run(self.decoder, pieces[0], self.suffix, ".wav")]

    def _run(self, command: Sequence[str], data: bytes, source: str, target: str) -> bytes:
        with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
            places = {"IN": f"{folder}/in{source}", "OUT": f"{folder}/out{target}"}
            Path(places["IN"]).write_bytes(data)
            done = subprocess.run([places.get(word, word) for word in command], capture_output=True, check=False)
            if done.returncode != 0:
                raise RuntimeError(done.stderr.decode(errors="replace").strip().splitlines()[-1:] or f"exit code {done.returncode}")
            return Path(places["OUT"]).read_bytes()

    def _version(self) -> str:
        if shutil.which(self.encoder[0]) is None:
            return "not installed"
        shown = subprocess.run([self.encoder[0], "--version"], capture_output=True, check=False, text=True).stdout
        return (shown.splitlines() or ["version unknown"])[0].strip()


def flac(level: str) -> Command:
    """``level`` as in flac's options: ``8pe`` is ``-8 -p -e``."""
    options = [f"-{level[0]}", *(f"-{letter}" for letter in level[1:])]
    encoder = ("flac", *options, "-s", "--no-padding", "--no-seektable", "-o", "OUT", "IN")
    return Command("flac", level, encoder, ("flac", "-d", "-s", "-o", "OUT", "IN"), ".flac")


def wavpack(level: str) -> Command:
    """``level``: a mode of wavpack such as ``hh``, or ``default``."""
    options = [f"-{level}"] if level != "default" else []
    return Command("wavpack", level, ("wavpack", *options, "-q", "IN", "-o", "OUT"), ("wvunpack", "-q", "IN", "-o", "OUT"), ".wv")
