"""Our own codecs as the benchmark sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import laconic
from bench.codec import Buffer, Source


@dataclass(frozen=True)
class Laconic:
    """``laconic.encode`` of a file's bytes, or (``by_path``) of the file, its kind found by content."""

    level: str
    kind: str | None = None
    by_path: bool = False
    packages: Sequence[str] = ("laconic",)
    module: str = "laconic"

    @property
    def name(self) -> str:
        return f"laconic:{self.level}"

    @property
    def options(self) -> str:
        return f"kind={self.kind or 'by content'}, {'path' if self.by_path else 'bytes'} in, one job"

    def prepare(self, source: Source) -> Any:
        return source.path if self.by_path else source.data

    def encode(self, prepared: Any) -> list[bytes]:
        return [laconic.encode(prepared, kind=self.kind, level=self.level, jobs=1)]

    def decode(self, pieces: list[bytes]) -> list[Buffer]:
        return [laconic.decode(pieces[0], jobs=1)]


def laconic_codecs(levels: Sequence[str], kind: str | None = None, by_path: bool = False) -> list[Laconic]:
    """One codec per level."""
    return [Laconic(level, kind, by_path) for level in levels]


def kind_of(blob: bytes) -> str:
    """The kind that an archive's first entry was coded as."""
    with laconic.open(blob) as archive:
        return str(archive.info(archive.names()[0])["kind"])
