"""Where frames go. A sink knows how many bytes it was given; one that can be read back allows copies of equal content."""

from __future__ import annotations

from typing import Any, BinaryIO, Protocol

from laconic import _core


class Sink(Protocol):
    @property
    def position(self) -> int:
        """Offset of the next byte, counted from the start of the archive file."""
        ...

    readable: bool  # whether read_at works

    def write(self, *parts: bytes | bytearray | memoryview) -> None: ...

    def read_at(self, offset: int, size: int) -> bytes:
        """Bytes already written."""
        ...

    def flush(self) -> None: ...


class MemorySink:
    """Grows a `bytes` object; `room`: what will probably be written. `getvalue` gives it away."""

    readable = True

    def __init__(self, room: int = 0) -> None:
        self._bytes = _core.BytesWriter(room)

    @property
    def position(self) -> int:
        return self._bytes.size

    def write(self, *parts: bytes | bytearray | memoryview) -> None:
        for part in parts:
            self._bytes.write(part)

    def read_at(self, offset: int, size: int) -> bytes:
        return self._bytes.read_at(offset, size)

    def flush(self) -> None:
        pass

    def getvalue(self) -> bytes:
        return self._bytes.take()


class FileSink:
    """A binary file object, from its current position on; `readable` says whether what was written can be read back."""

    def __init__(self, file: BinaryIO | Any, position: int = 0, *, readable: bool = False) -> None:
        self.file = file
        self.position = position
        self.readable = readable

    def write(self, *parts: bytes | bytearray | memoryview) -> None:
        for part in parts:
            view = memoryview(part)
            while len(view):  # a raw (unbuffered) file may take less than it was offered
                written = self.file.write(view)
                if written is None:
                    raise BlockingIOError("the output is non-blocking and full")
                view = view[written:]
                self.position += written

    def read_at(self, offset: int, size: int) -> bytes:
        self.file.flush()
        here = self.file.tell()
        self.file.seek(offset)
        data = self.file.read(size)
        self.file.seek(here)
        return bytes(data)

    def flush(self) -> None:
        self.file.flush()
