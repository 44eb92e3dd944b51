"""An extension for torch's own checkpoint writers: their files, compressed as they are written.

    writer = FileSystemWriter(path, _extensions=[LacExtension()])
    reader = FileSystemReader(path, _extension_registry=registry())

The stock writer hands over one `torch.save` file for each tensor, as bytes without name, dtype or shape, so there is no step before to
code it against. `laconic.checkpoint.dcp` knows all that and writes several times less; this is for setups that need the stock formats.
It does not work with `serialization_format=SAFETENSORS`, which leaves out what a reader needs to undo any extension.
"""

from __future__ import annotations

import io
from typing import IO, Any

from torch.distributed.checkpoint._extension import ExtensionRegistry, StreamTransformExtension

import laconic
from laconic import registry as codecs
from laconic.container.codec import Piece
from laconic.container.sink import FileSink
from laconic.container.source import BufferSource
from laconic.container.table import Entry
from laconic.container.writer import Writer

NAME = "stream.lac"
VERSION = "1"

_LARGE = 1 << 14  # bytes of one write from which they are taken for a tensor's
_SAMPLE = 1 << 16
_DTYPES = (("<f4", 4), ("bfloat16", 2), ("<f2", 2), ("|u1", 1))  # ways to cut a tensor's bytes, tried on a sample


class LacExtension(StreamTransformExtension):
    """Compresses each item of a stock writer on its own; as a stream, it is an archive with one entry."""

    def __init__(self, level: str = "fast") -> None:
        self._level = level

    @staticmethod
    def registry_name() -> str:
        return NAME

    @staticmethod
    def from_descriptor(version: str) -> LacExtension:
        if version != VERSION:
            raise ValueError(f"{NAME}/{version} was written by another version of laconic; this one has {NAME}/{VERSION}")
        return LacExtension()

    def get_descriptor(self) -> str:
        return f"{NAME}/{VERSION}"

    def transform_to(self, output: IO[bytes]) -> IO[bytes]:
        return _Encoder(output, self._level)  # type: ignore[return-value]

    def transform_from(self, input: IO[bytes]) -> IO[bytes]:
        with laconic.open(input.read()) as archive:
            return io.BytesIO(archive["item"])


def registry() -> Any:
    """An ExtensionRegistry that has this extension beside torch's own, for `FileSystemReader(..., _extension_registry=registry())`."""
    found = ExtensionRegistry()
    found.register(LacExtension)
    return found


class _Encoder(io.RawIOBase):
    """Collects an item; `close` encodes it. The write that is a tensor's is told from the rest by its size."""

    def __init__(self, output: IO[bytes], level: str) -> None:
        self._output = output
        self._level = level
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        return len(part)

    def close(self) -> None:
        if self.closed:
            return
        super().close()
        raw, self._parts = self._parts, []
        codec, weights = codecs.get("bytes"), codecs.get("weights")
        pieces = [Piece(len(part), *_params(weights, part)) for part in raw if part]
        writer = Writer(FileSink(self._output), codecs.get)
        writer.add_stream(Entry("item"), BufferSource(b"".join(raw)), pieces, codec, self._level)
        writer.close()


def _params(weights: Any, part: bytes) -> tuple[bytes, str]:
    """(parameters, codec) of a piece: elements as small as they get on a sample from the middle."""
    if len(part) < _LARGE:
        return b"", ""
    start = (len(part) - _SAMPLE) // 2 & ~7 if len(part) > _SAMPLE else 0
    sample = memoryview(part)[start : start + _SAMPLE]
    choices = [weights.params(dtype, size) for dtype, size in _DTYPES]
    return min(choices, key=lambda params: len(weights.encode(sample, params, "fast", None) or sample)), "weights"
