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


_temporaries: set[Path] = set()  # made by this process, and not yet published or discarded


def open_temporary(path: Path) -> tuple[Path, BinaryIO]:
    """A new file beside `path` for what will be renamed to it; nothing that lies there already is opened, nor any link followed."""
    while True:
        temporary = path.with_name(f".laconic-{secrets.token_hex(6)}.tmp")
        try:
            file = open(temporary, "x+b")
        except FileExistsError:
            continue
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from None  # the name that the user knows
        _temporaries.add(temporary)
        return temporary, file


def publish(temporary: Path, path: Path) -> None:
    """Give a complete file its name, durably."""
    os.replace(temporary, path)
    _temporaries.discard(temporary)
    sync_folder(path)


def discard(temporary: Path) -> None:
    temporary.unlink(missing_ok=True)
    _temporaries.discard(temporary)


def discard_all() -> None:
    """For a process that ends at once."""
    for temporary in list(_temporaries):
        with suppress(OSError):
            temporary.unlink()


def sync_folder(path: Path) -> None:
    with suppress(OSError):
        fd = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
