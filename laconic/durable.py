"""Files that appear under their names only when they are complete, and stay."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO


def lock(file: BinaryIO, path: Path) -> None:
    """One writer at a time; advisory, released when the file is closed (or its process dies)."""
    try:
        import fcntl
    except ImportError:  # pragma: no cover - Windows refuses a second writer by itself
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BlockingIOError(f"{path}: another process is writing to this archive") from None
    except OSError:  # a file system without locks
        return


def open_temporary(path: Path) -> tuple[Path, BinaryIO]:
    """A new file beside `path` for what will be renamed to it; nothing that lies there already is opened, nor any link followed."""
    while True:
        temporary = path.with_name(f".laconic-{secrets.token_hex(6)}.tmp")
        try:
            return temporary, open(temporary, "x+b")
        except FileExistsError:
            continue
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from None  # the name that the user knows


def sync_folder(path: Path) -> None:
    """Make a rename durable."""
    with suppress(OSError):
        fd = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
