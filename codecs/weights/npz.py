"""`.npz` files: zip archives of `.npy` members. Members that are not deflated are coded as tensors; all other bytes stay as they are.

Format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT (local file header, 4.3.7)
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator

from laconic.codecs.weights import npy
from laconic.codecs.weights.tensors import Formats, pieces
from laconic.container import Piece, Source, View, names

LOCAL_HEADER = b"PK\x03\x04"
MEMBERS_LIMIT = 1 << 16


def sniff(head: bytes, size: int | None) -> float:
    if head[:4] != LOCAL_HEADER or len(head) < 34:
        return 0.0
    name_size = int.from_bytes(head[26:28], "little")
    return 0.9 if head[30 : 30 + name_size].endswith(b".npy") else 0.0


def layout(source: Source, formats: Formats) -> Iterator[Piece | View]:
    if source.size is None:
        raise ValueError("a zip file is read from its end, which a pipe does not offer")
    found = sorted(_members(source, formats), key=lambda item: item[0].start)
    views: list[tuple[View, int]] = []
    end = 0
    for view, itemsize in found:
        if view.start >= end:
            views.append((view, itemsize))
            end = view.start + view.size
    yield from pieces(views, 0, source.size, formats)


def _members(source: Source, formats: Formats) -> Iterator[tuple[View, int]]:
    try:
        with zipfile.ZipFile(_Seekable(source)) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, RuntimeError, NotImplementedError) as error:
        raise ValueError("the zip directory is damaged") from error
    for member in members[:MEMBERS_LIMIT]:
        if member.compress_type != zipfile.ZIP_STORED or not member.filename.endswith(".npy") or member.flag_bits & 1:
            continue
        if not 0 <= member.header_offset <= (source.size or 0) - 30:
            continue
        local = source.read_at(member.header_offset, 30)
        if local[:4] != LOCAL_HEADER:
            continue
        start = member.header_offset + 30 + int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little")
        stop = start + member.file_size
        if stop > (source.size or 0):
            continue
        name = names.escape(member.filename.removesuffix(".npy"))
        try:
            found = npy.view_of(source.read_at(start, min(npy.HEADER_LIMIT, stop - start)), start, stop, formats, name)
        except ValueError:
            continue
        if found is not None:
            yield found


class _Seekable(io.RawIOBase):
    """A Source as a file for zipfile, which reads only the directory at its end."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._position = 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = 0) -> int:
        start = {0: 0, 1: self._position, 2: self._source.size or 0}[whence]
        if start + offset < 0:
            raise ValueError("before the start of the file")
        self._position = start + offset
        return self._position

    def read(self, size: int = -1) -> bytes:
        left = max(0, (self._source.size or 0) - self._position)
        data = self._source.read_at(self._position, left if size < 0 else min(size, left))
        self._position += len(data)
        return data
