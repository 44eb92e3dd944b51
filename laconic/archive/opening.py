"""Paths, file objects and bytes to readers and writers; what `laconic.open` does."""

from __future__ import annotations

import os
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from laconic.archive.reader import ArchiveReader
from laconic.archive.writer import ArchiveWriter
from laconic.container.sink import FileSink
from laconic.container.source import BufferBytes, FileBytes
from laconic.durable import discard, lock, open_temporary, publish
from laconic.errors import TornArchiveWarning


class _FileArchiveWriter(ArchiveWriter):
    """An ArchiveWriter on a path: "w" writes beside the path and renames at the end, "a" appends in place."""

    def __init__(self, path: Path, mode: str, **options: Any) -> None:
        self._path = path
        self._temporary: Path | None = None
        old: ArchiveReader | None = None
        if mode == "a" and path.exists() and path.stat().st_size:
            self._file: BinaryIO = open(path, "r+b")
            try:
                lock(self._file, path)
                with warnings.catch_warnings():  # appending after a torn tail is how one goes on after a crash
                    warnings.simplefilter("ignore", TornArchiveWarning)
                    old = ArchiveReader(FileBytes(self._file, str(path), owned=False))
            except BaseException:
                self._file.close()
                raise
            position = self._file.seek(0, os.SEEK_END)
        else:
            if mode == "w":
                self._temporary, self._file = open_temporary(path)
            else:
                self._file = open(path, "w+b")
            lock(self._file, path)
            position = 0
        try:
            super().__init__(FileSink(self._file, position, readable=True), old=old, **options)
        except BaseException:
            self._discard()
            raise

    def flush(self) -> None:
        super().flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        if self._file.closed:
            return
        try:
            super().close()
            self._file.flush()
            os.fsync(self._file.fileno())
        except BaseException:
            self._discard()
            raise
        self._file.close()
        if self._temporary is not None:
            publish(self._temporary, self._path)
            self._temporary = None

    def abort(self) -> None:
        super().abort()
        self._discard()

    def _discard(self) -> None:
        with suppress(OSError):
            self._file.close()
        if self._temporary is not None:
            discard(self._temporary)


def open_reader(file: Any, **options: Any) -> ArchiveReader:
    """Path, file object or bytes -> ArchiveReader. A file object that can't seek is copied to a temporary file first."""
    if isinstance(file, (bytes, bytearray, memoryview)):
        return ArchiveReader(BufferBytes(file), **options)
    if isinstance(file, (str, os.PathLike)):
        handle = open(file, "rb")
        try:
            return ArchiveReader(FileBytes(handle, os.fspath(file)), **options)
        except BaseException:
            handle.close()
            raise
    if not file.seekable():
        import shutil
        import tempfile

        spool = tempfile.TemporaryFile()
        shutil.copyfileobj(file, spool)
        spool.flush()
        return ArchiveReader(FileBytes(spool, str(getattr(file, "name", "pipe"))), **options)
    return ArchiveReader(FileBytes(file, str(getattr(file, "name", "archive")), owned=False), **options)


def open_writer(file: Any, mode: str, **options: Any) -> ArchiveWriter:
    if isinstance(file, (str, os.PathLike)):
        return _FileArchiveWriter(Path(file), mode, **options)
    if mode == "a":
        old = ArchiveReader(FileBytes(file, str(getattr(file, "name", "archive")), owned=False))
        return ArchiveWriter(FileSink(file, file.seek(0, os.SEEK_END), readable=file.readable()), old=old, **options)
    readable = bool(getattr(file, "seekable", bool)() and getattr(file, "readable", bool)())
    position = file.tell() if readable else 0
    return ArchiveWriter(FileSink(file, position, readable=readable and position == 0), **options)
