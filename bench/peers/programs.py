"""Peers that are programs of their own: a file in, a file out, in a temporary folder. Their CPU time counts, as that of children does.

On Debian: apt install zpaq p7zip-full bzip3.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.codec import Buffer, NotInstalledError, Source


@dataclass(frozen=True)
class _Program:
    level: str
    packages: Sequence[str] = ()
    options: str = ""
    module: str = "subprocess"

    def prepare(self, source: Source) -> bytes:
        return source.data

    def encode(self, prepared: bytes) -> list[bytes]:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "raw").write_bytes(prepared)
            self._run(self.encoding(), folder)
            return [(folder / "packed").read_bytes()]

    def decode(self, pieces: list[bytes]) -> list[Buffer]:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "packed").write_bytes(pieces[0])
            self._run(self.decoding(), folder)
            return [(folder / "raw").read_bytes()]

    def encoding(self) -> list[str]:
        """The command that makes `packed` of `raw` in its working folder."""
        raise NotImplementedError

    def decoding(self) -> list[str]:
        """The command that makes `raw` of `packed`."""
        raise NotImplementedError

    @staticmethod
    def _run(command: list[str], folder: Path) -> None:
        if shutil.which(command[0]) is None:
            raise NotInstalledError(f"{command[0]} is not installed")
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


@dataclass(frozen=True)
class Zpaq(_Program):
    options: str = "zpaq a -t1, journaling format"

    @property
    def name(self) -> str:
        return f"zpaq:{self.level}"

    def encoding(self) -> list[str]:
        return ["sh", "-c", f"zpaq a packed.zpaq raw -m{self.level} -t1 && mv packed.zpaq packed"]

    def decoding(self) -> list[str]:
        return ["sh", "-c", "mv packed packed.zpaq && zpaq x packed.zpaq -t1"]


@dataclass(frozen=True)
class SevenZip(_Program):
    options: str = "7z a -mmt1, method PPMd, the order that the level says, 256 MB"

    @property
    def name(self) -> str:
        return f"7z-ppmd:{self.level}"

    def encoding(self) -> list[str]:
        return ["sh", "-c", f"7z a -mmt1 -m0=PPMd:o={self.level}:mem=256m packed.7z raw && mv packed.7z packed"]

    def decoding(self) -> list[str]:
        return ["sh", "-c", "mv packed packed.7z && 7z x -y packed.7z"]
