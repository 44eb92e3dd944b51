"""Where raw bytes come from when they are encoded, and archive bytes when they are read."""

from __future__ import annotations

import os
import threading
from typing import Any, BinaryIO, Protocol

from laconic import _core


class RawSource(Protocol):
    """Raw bytes to encode, in order. See laconic.container.codec.Source for the part that codecs see."""

    @property
    def size(self) -> int | None: ...
    def head(self, size: int) -> bytes: ...
    def read_at(self, start: int, size: int) -> bytes: ...
    def take(self, size: int) -> memoryview:
        """The next `size` bytes; fewer only at the end. Valid as long as the caller holds it."""
        ...


class BufferSource:
    """An object's memory; nothing is copied."""

    def __init__(self, data: Any) -> None:
        view = memoryview(data)
        self._view = view if view.ndim == 1 and view.format == "B" else view.cast("B")
        self._pos = 0

    @property
    def size(self) -> int:
        return len(self._view)

    def head(self, size: int) -> bytes:
        return bytes(self._view[:size])

    def read_at(self, start: int, size: int) -> bytes:
        return bytes(self._view[start : start + size])

    def take(self, size: int) -> memoryview:
        self._pos += size
        return self._view[self._pos - size : self._pos]


class PipeSource:
    """Anything with `read(n)`; bytes looked at by `head` are kept until they are taken."""

    size: int | None = None

    def __init__(self, file: BinaryIO | Any) -> None:
        self._file = file
        self._ahead = b""
        self._started = False

    def head(self, size: int) -> bytes:
        if self._started:
            raise RuntimeError("head() after take()")
        if len(self._ahead) < size:
            self._ahead += self._read(size - len(self._ahead))
        return self._ahead[:size]

    def read_at(self, start: int, size: int) -> bytes:
        raise OSError("a pipe has no random access")

    def take(self, size: int) -> memoryview:
        self._started = True
        if self._ahead:
            data, self._ahead = self._ahead[:size], self._ahead[size:]
            if len(data) < size:
                data += self._read(size - len(data))
        else:
            data = self._read(size)
        return memoryview(data)

    def _read(self, size: int) -> bytes:
        """Up to `size` bytes, fewer only at the end; a pipe hands out what it has, so this asks until it is enough."""
        data = self._file.read(size)
        if data is None:
            raise BlockingIOError("the input is non-blocking and has nothing to read now")
        if len(data) in (0, size):
            return bytes(data)
        parts = [data]
        missing = size - len(data)
        while missing and (data := self._file.read(missing)):
            parts.append(data)
            missing -= len(data)
        return b"".join(parts)


class FileSource:
    """A regular file, read with `pread`: no mapping, so that a file that shrinks meanwhile is an error and not a crash."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._fd = file.fileno()
        self._file = file  # keeps it open
        self.size = size
        self._pos = 0

    def head(self, size: int) -> bytes:
        return self.read_at(0, size)

    def read_at(self, start: int, size: int) -> bytes:
        return os.pread(self._fd, min(size, max(0, self.size - start)), start)

    def take(self, size: int) -> memoryview:
        size = min(size, self.size - self._pos)
        view = memoryview(_core.Memory(size))
        done = 0
        while done < size:
            n = os.preadv(self._fd, [view[done:]], self._pos + done)
            if n == 0:
                raise OSError(f"{self._file.name}: the file became shorter while it was read")
            done += n
        self._pos += size
        return view


class ArchiveBytes(Protocol):
    """The bytes of an archive with random access; safe to read from several threads."""

    size: int
    name: str

    def read_at(self, offset: int, size: int) -> memoryview:
        """Up to `size` bytes from `offset`; fewer only at the end."""
        ...

    def close(self) -> None: ...


class BufferBytes:
    def __init__(self, data: Any, name: str = "archive") -> None:
        view = memoryview(data)
        self._view = view if view.ndim == 1 and view.format == "B" else view.cast("B")
        self.size = len(self._view)
        self.name = name

    def read_at(self, offset: int, size: int) -> memoryview:
        return self._view[offset : offset + size]

    def close(self) -> None:
        pass


class FileBytes:
    """A file object with a descriptor (`pread`), or any seekable one (a lock around seek and read)."""

    def __init__(self, file: BinaryIO | Any, name: str, *, owned: bool = True) -> None:
        self._file = file
        self._owned = owned
        self.name = name
        self._lock = threading.Lock()
        try:
            self._fd: int | None = file.fileno()
            self.size = os.fstat(self._fd).st_size
        except (AttributeError, OSError):
            self._fd = None
            self.size = file.seek(0, os.SEEK_END)

    def read_at(self, offset: int, size: int) -> memoryview:
        size = max(0, min(size, self.size - offset))
        if self._fd is not None:
            data = os.pread(self._fd, size, offset)
            while len(data) < size and (more := os.pread(self._fd, size - len(data), offset + len(data))):
                data += more
            return memoryview(data)
        with self._lock:
            self._file.seek(offset)
            return memoryview(self._file.read(size))

    def close(self) -> None:
        if self._owned:
            self._file.close()
