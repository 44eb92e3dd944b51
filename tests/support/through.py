"""A file through an archive and back."""

from __future__ import annotations

import io
from pathlib import Path

import laconic
from laconic.archive import ArchiveWriter
from laconic.container.sink import FileSink


def through(data: bytes, path: Path, *, level: str = "default", kind: str | None = None) -> laconic.ArchiveReader:
    """The archive of a file with these bytes, after a check that it comes back from a file and from a pipe."""
    path.write_bytes(data)
    file = io.BytesIO()
    with laconic.open(file, "w", level=level) as archive:
        archive.add("f", path, kind=kind)
    sink = io.BytesIO()
    with ArchiveWriter(FileSink(sink), level=level) as archive, open(path, "rb") as source:
        archive.add_pipe(source, "f", kind=kind)
    with laconic.open(sink.getvalue()) as piped:
        assert piped["f"] == data
    opened = laconic.open(file.getvalue())
    assert opened["f"] == data
    opened.verify()
    assert laconic.decode(laconic.encode(path)) == data
    return opened


def tensors(archive: laconic.ArchiveReader) -> list[str]:
    return [name for name in archive.names() if archive.entry(name).type == "tensor"]
