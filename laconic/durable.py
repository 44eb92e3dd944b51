"""Files that appear under their names only when they are complete, and stay."""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

_TEMPORARY = re.compile(r"\.laconic-[0-9a-f]{12}\.tmp")
_GRACE = 600  # seconds without a write


def _token() -> str:
    return os.urandom(6).hex()


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
    """A new file beside `path` for what will be renamed to it; nothing that lies there is written to, no link followed.

    It is locked, and stays so while its writer lives. What writers left there that were killed has no lock, and is removed.
    """
    _remove_stale(path.parent)
    while True:
        temporary = path.with_name(f".laconic-{_token()}.tmp")
        try:
            file = open(temporary, "x+b")
            lock(file, path)
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


@lru_cache(maxsize=256)
def _remove_stale(folder: Path) -> None:
    """Temporary files of writers that are dead: unlocked, and too old to wait for its lock. Once for each folder."""
    try:
        import fcntl
    except ImportError:  # pragma: no cover - without locks, nobody knows
        return
    with suppress(OSError), os.scandir(folder) as found:
        for item in found:
            if not _TEMPORARY.fullmatch(item.name) or not item.is_file(follow_symlinks=False):
                continue
            with suppress(OSError):
                fd = os.open(item.path, os.O_RDWR | os.O_NOFOLLOW)
                try:
                    if time.time() - os.fstat(fd).st_mtime > _GRACE:
                        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        os.unlink(item.path)
                finally:
                    os.close(fd)


def sync_folder(path: Path) -> None:
    with suppress(OSError):
        fd = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
