"""Files and folders to entries and back. Names in an archive are relative, with `/`; nothing is ever restored outside the output folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from laconic.archive import ArchiveWriter
from laconic.container.table import Entry
from laconic.durable import discard, open_temporary, publish
from laconic.errors import CorruptDataError


@dataclass(frozen=True, slots=True)
class Item:
    """Something to encode: a path, its name in the archive, and what it is ("file", "dir", "symlink")."""

    path: Path
    name: str
    type: str
    size: int


def walk(paths: list[Path], skip: Callable[[str], None]) -> Iterator[Item]:
    """The items of `paths`, folders recursively and in order of name; `skip` hears of what can't be kept (devices, sockets)."""
    for path in paths:
        name = path.name or path.resolve().name
        if name in ("", ".", ".."):
            name = path.resolve().name or "root"
        # What the user names is followed; links found inside folders are kept as links.
        yield from _walk(path, name, os.stat(path), skip)


def _walk(path: Path, name: str, info: os.stat_result, skip: Callable[[str], None]) -> Iterator[Item]:
    if stat.S_ISDIR(info.st_mode):
        yield Item(path, name, "dir", 0)
        with os.scandir(path) as found:
            children = sorted(found, key=lambda entry: os.fsencode(entry.name))
        for child in children:
            yield from _walk(Path(child.path), f"{name}/{child.name}", child.stat(follow_symlinks=False), skip)
    elif stat.S_ISLNK(info.st_mode):
        yield Item(path, name, "symlink", 0)
    elif stat.S_ISREG(info.st_mode):
        yield Item(path, name, "file", info.st_size)
    else:
        skip(f"{path}: not a regular file, folder or link; left out")


def add_item(archive: ArchiveWriter, item: Item, kind: str | None = None) -> None:
    if item.type == "file":
        archive.add_file(item.path, item.name, kind=kind)
    elif item.type == "dir":
        info = os.stat(item.path)
        archive.add_special(item.name, "dir", {"mode": info.st_mode & 0o7777, "mtime_ns": info.st_mtime_ns})
    else:
        target = os.readlink(item.path)
        try:
            target.encode()
        except UnicodeEncodeError:  # not UTF-8: kept as the bytes it is
            archive.add_special(item.name, "symlink", {"target": os.fsencode(target)})
        else:
            archive.add_special(item.name, "symlink", {"target": target})


def safe_parts(name: str) -> tuple[str, ...]:
    """The components of an entry name that may become a path; CorruptDataError for one that could leave the output folder."""
    parts = PurePosixPath(name).parts
    bad = not parts or name.startswith("/") or "\0" in name or any(part == ".." or ("\\" in part and os.sep == "\\") for part in parts)
    if bad or name.endswith("/") or "//" in name or any(len(os.fsencode(part)) > 255 for part in parts):
        raise CorruptDataError(f"the entry name {name!r} can't be restored as a path")
    if os.sep == "\\" and ":" in parts[0]:
        raise CorruptDataError(f"the entry name {name!r} can't be restored as a path")
    return parts


class Restorer:
    """Restores entries below `folder`. Files appear under their names only when complete; links and folder times come last."""

    def __init__(self, folder: Path, *, force: bool) -> None:
        self._folder = folder
        self._force = force
        self._links: list[tuple[Path, str]] = []
        self._folders: list[tuple[Path, dict[str, object]]] = []

    def target(self, name: str) -> Path:
        """Where `name` goes; its parent folders exist afterwards and none of them is a link."""
        parts = safe_parts(name)
        path = self._folder
        for part in parts[:-1]:
            path = path / part
            if path.is_symlink():
                raise CorruptDataError(f"the entry name {name!r} leads through the link {path}")
            path.mkdir(parents=True, exist_ok=True)
        return path / parts[-1]

    def folder(self, entry: Entry) -> None:
        path = self.target(entry.name)
        if path.is_symlink():
            raise CorruptDataError(f"the folder {entry.name!r} would replace the link {path}")
        path.mkdir(parents=True, exist_ok=True)
        self._folders.append((path, entry.meta))

    def link(self, entry: Entry) -> None:
        target = entry.meta.get("target")
        if isinstance(target, bytes):
            target = os.fsdecode(target)
        if not isinstance(target, str) or not target or "\0" in target:
            raise CorruptDataError(f"the link {entry.name!r} has no target")
        # The link's own folder, then the target: it must stay below the output folder.
        depth = 0
        for part in (*safe_parts(entry.name)[:-1], *PurePosixPath(target).parts):
            depth += -1 if part == ".." else 1
            if depth < 0 or part == "/":
                raise CorruptDataError(f"the link {entry.name!r} points outside ({target!r})")
        self._links.append((self.target(entry.name), target))

    def file(self, name: str) -> AtomicFile:
        path = self.target(name)
        return AtomicFile(path, force=self._force)

    def close(self) -> None:
        for path, target in self._links:
            if path.is_symlink() or path.exists():
                if not self._force:
                    raise FileExistsError(f"{path} exists (use --force to replace it)")
                path.unlink()
            path.symlink_to(target)
        for path, meta in reversed(self._folders):
            apply_meta(path, meta)


class AtomicFile:
    """Written beside its path and renamed when it is complete; nothing half-written ever has the final name."""

    def __init__(self, path: Path, *, force: bool) -> None:
        if path.is_dir():
            raise IsADirectoryError(f"{path} is a folder")
        if not force and (path.exists() or path.is_symlink()):
            raise FileExistsError(f"{path} exists (use --force to replace it)")
        self.path = path
        self._temporary, self.file = open_temporary(path)

    def commit(self, meta: dict[str, object]) -> None:
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        apply_meta(self._temporary, meta)
        publish(self._temporary, self.path)

    def discard(self) -> None:
        with suppress(OSError):
            self.file.close()
        discard(self._temporary)


def apply_meta(path: Path, meta: dict[str, object]) -> None:
    """Mode (without set-uid and set-gid) and modification time, where they are known."""
    mode, mtime = meta.get("mode"), meta.get("mtime_ns")
    if isinstance(mode, int):
        with suppress(OSError, OverflowError):
            os.chmod(path, mode & 0o1777 & ~stat.S_ISUID)
    if isinstance(mtime, int):
        with suppress(OSError, OverflowError):
            os.utime(path, ns=(mtime, mtime))
