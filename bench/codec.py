"""What the benchmark asks of a codec, ours or a peer's."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

Buffer = bytes | bytearray | memoryview | np.ndarray[Any, Any]


@dataclass(frozen=True)
class Source:
    """One file to compress. ``data`` is read once and stays in memory, so that disks are not measured."""

    path: Path

    @cached_property
    def data(self) -> bytes:
        return self.path.read_bytes()


class Codec(Protocol):
    """A codec with its options fixed. Instances are picklable: each file is measured in a fresh process."""

    @property
    def name(self) -> str:
        """``package:what`` for peers, ``laconic:<level>`` for us; unique within a kind."""

    @property
    def level(self) -> str:
        """The codec's own word for its effort: ``"default"``, ``"19"``, ``""`` where it has none."""

    @property
    def options(self) -> str:
        """Everything else needed to repeat the run."""

    @property
    def packages(self) -> Sequence[str]:
        """Distributions whose versions go into the results; empty for the standard library."""

    @property
    def module(self) -> str:
        """Imported before anything is measured."""

    def prepare(self, source: Source) -> Any:
        """Brings the file into the form this codec takes. Not timed, called before every encode."""

    def encode(self, prepared: Any) -> list[bytes]:
        """Timed. The stored size is the sum of the pieces + 4 bytes for each boundary between them."""

    def decode(self, pieces: list[bytes]) -> list[Buffer]:
        """Timed. Concatenated, the result is the file; from ``pieces`` alone."""


class NotInstalledError(Exception):
    """A peer's package is missing."""


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Installed versions of ``packages``.

    Raises:
        NotInstalledError: naming the first that is missing.
    """
    found = {}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            raise NotInstalledError(f"{package} is not installed") from None
    return found
