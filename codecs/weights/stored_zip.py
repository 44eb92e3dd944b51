"""The members of a zip archive that are not compressed: where their bytes lie. Nothing is unpacked and nothing is changed.

Format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT (local file header, 4.3.7)
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass

from laconic.container import Source

LOCAL_HEADER = b"PK\x03\x04"
MEMBERS_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class Member:
    """Bytes [start, stop) of the file are those of the member `name`."""

    name: str
    start: int
    stop: int


def first_name(head: bytes) -> bytes:
    """The name of the first member of a file that begins with `head`; empty if it is no zip archive."""
    if head[:4] != LOCAL_HEADER or len(head) < 34:
        return b""
    return head[30 : 30 + int.from_bytes(head[26:28], "little")]


def members(source: Source) -> Iterator[Member]:
    """Stored members that lie inside the file, in the order of the directory; ValueError if there is none that can be read."""
    if source.size is None:
        raise ValueError("a zip file is read from its end, which a pipe does not offer")
    try:
        with zipfile.ZipFile(_Seekable(source)) as archive:
            found = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, RuntimeError, NotImplementedError) as error:
        raise ValueError("the zip directory is damaged") from error
    for member in found[:MEMBERS_LIMIT]:
        if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
            continue
        if not 0 <= member.header_offset <= source.size - 30:
            continue
        local = source.read_at(member.header_offset, 30)
        if local[:4] != LOCAL_HEADER:
            continue
        start = member.header_offset + 30 + int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little")
        if start + member.file_size <= source.size:
            yield Member(member.filename, start, start + member.file_size)


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
