"""What saving numpy arrays and torch tensors share: header and data as one stream, into bytes, a plain file or an archive."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

from laconic.safetensors.header import write_header

Parts = Mapping[str, tuple[str, tuple[int, ...], Any]]  # name: dtype, shape, contiguous bytes


def save_bytes(tensors: Parts, metadata: Mapping[str, str] | None, level: str) -> bytes:
    """The archive of a safetensors file."""
    from laconic.archive import ArchiveWriter
    from laconic.container.sink import MemorySink

    sink = MemorySink()
    with ArchiveWriter(sink, level=level) as archive:
        archive.add_pipe(_pipe(tensors, metadata), "", kind="weights")
    return sink.getvalue()


def save_path(tensors: Parts, filename: str | os.PathLike[str], metadata: Mapping[str, str] | None, level: str) -> None:
    """An archive if the name ends in `.lac`, else a plain safetensors file; it appears under its name when it is complete."""
    from laconic.archive import open_writer
    from laconic.files import AtomicFile

    path = Path(filename)
    if path.suffix == ".lac":
        with open_writer(path, "w", level=level) as archive:
            archive.add_pipe(_pipe(tensors, metadata), path.name.removesuffix(".lac"), kind="weights")
        return
    file = AtomicFile(path, force=True)
    try:
        for part in _stream(tensors, metadata):
            file.file.write(part)
        file.commit({})
    except BaseException:
        file.discard()
        raise


def check_metadata(metadata: Any) -> None:
    if metadata is not None and not all(isinstance(item, str) for pair in metadata.items() for item in pair):
        raise TypeError("argument 'metadata': keys and values must be text")


def _stream(tensors: Parts, metadata: Mapping[str, str] | None) -> Iterable[Any]:
    check_metadata(metadata)
    header, order = write_header({name: (dtype, shape, len(raw)) for name, (dtype, shape, raw) in tensors.items()}, metadata)
    yield header
    for name in order:
        yield tensors[name][2]


def _pipe(tensors: Parts, metadata: Mapping[str, str] | None) -> BinaryIO:
    return cast(BinaryIO, _Pipe(_stream(tensors, metadata)))


class _Pipe(io.RawIOBase):
    """A stream of parts as a file to read from; the tensors are never put together."""

    def __init__(self, parts: Iterable[Any]) -> None:
        self._parts = iter(parts)
        self._part = memoryview(b"")

    def read(self, size: int = -1) -> Any:
        while not len(self._part):
            try:
                self._part = memoryview(next(self._parts))
            except StopIteration:
                return b""
        data, self._part = self._part[:size], self._part[size:]
        return data
