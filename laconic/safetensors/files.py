"""Where the bytes of safetensors files come from: an archive, a plain file, a folder, or bytes. All give the same thing: `Model`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from laconic.container import format as f
from laconic.errors import CorruptDataError, UnsupportedError
from laconic.safetensors.errors import SafetensorError
from laconic.safetensors.header import Header, TensorInfo, read_header

if TYPE_CHECKING:
    import numpy as np

    from laconic.archive import ArchiveReader

Read = Callable[[int, int], "np.ndarray[Any, Any]"]  # bytes [start, stop) as a new, writable uint8 array

SUFFIX = ".safetensors"
INDEX_SUFFIX = ".safetensors.index.json"
INDEX_LIMIT = 1 << 28


@dataclass(frozen=True, slots=True)
class Shard:
    """One safetensors file. `error` is set where it can't be read; then it has no tensors."""

    name: str
    header: Header
    read: Read
    error: str = ""


class Model:
    """The tensors of one or several safetensors files, by name.

    Of a name in several shards, the one counts that the model's index names, else the first. A shard that is missing or damaged is an
    error only when a tensor of it is asked for.
    """

    def __init__(self, shards: list[Shard], weight_map: dict[str, str]) -> None:
        self.shards = shards
        self._where: dict[str, tuple[Shard, TensorInfo]] = {}
        by_name = {shard.name: shard for shard in shards}
        for shard in shards:
            for name, info in shard.header.tensors.items():
                if weight_map.get(name, shard.name) == shard.name or weight_map[name] not in by_name:
                    self._where.setdefault(name, (shard, info))
        self._lost = {name: shard for name, shard in weight_map.items() if name not in self._where}
        self._errors = {shard.name: shard.error for shard in shards if shard.error}

    def names(self) -> list[str]:
        """Names in file order: shard by shard, by position."""
        return list(self._where)

    def find(self, name: str) -> tuple[Shard, TensorInfo]:
        try:
            return self._where[name]
        except KeyError:
            pass
        shard = self._lost.get(name)
        if shard in self._errors:
            raise SafetensorError(f"tensor {name} is in the shard {shard}, which can't be read: {self._errors[shard]}")
        if shard is not None:
            raise SafetensorError(f"tensor {name} is in the shard {shard}, which is missing")
        unreadable = "".join(f"; the shard {shard} can't be read: {error}" for shard, error in self._errors.items())
        raise SafetensorError(f"File does not contain tensor {name}{unreadable}")

    def metadata(self) -> dict[str, str] | None:
        """The metadata of all shards, the first one's where they differ; None where no shard has any."""
        found = [shard.header.metadata for shard in self.shards if shard.header.metadata is not None]
        merged: dict[str, str] = {}
        for metadata in reversed(found):
            merged.update(metadata)
        return merged if found else None


def open_model(filename: str | os.PathLike[str], stack: ExitStack, **options: Any) -> Model:
    """`filename`: an archive, a safetensors file, or a folder of such files. What is opened is closed with `stack`."""
    path = Path(filename)
    if path.is_dir():
        found = [path / name for name in sorted(os.listdir(path)) if name.endswith((SUFFIX, INDEX_SUFFIX, f"{SUFFIX}.lac"))]
        return _sharded(
            [(p.name.removesuffix(".lac"), _opener(p, stack, options)) for p in found if not p.name.endswith(INDEX_SUFFIX)],
            [(p.name, p.read_bytes) for p in found if p.name.endswith(INDEX_SUFFIX)],
        )
    file = stack.enter_context(_open_file(path))
    if file.read(len(f.MAGIC)) == f.MAGIC:
        from laconic.archive import open_reader

        return _of_archive(stack.enter_context(open_reader(path, **options)))
    return Model([_plain(file, path.name)], {})


def model_of(data: Any) -> Model:
    """The model in the bytes of an archive or of a safetensors file."""
    view = memoryview(data).cast("B")
    if view[: len(f.MAGIC)] == f.MAGIC:
        from laconic.archive import open_reader

        return _of_archive(open_reader(data))

    def read(start: int, stop: int) -> np.ndarray[Any, Any]:
        import numpy as np

        return np.frombuffer(view[start:stop], np.uint8).copy()

    return Model([Shard("", read_header(read, len(view)), read)], {})


def _open_file(path: Path) -> BinaryIO:
    try:
        return open(path, "rb")
    except FileNotFoundError:
        raise FileNotFoundError(f"No such file or directory: {path}") from None


def _opener(path: Path, stack: ExitStack, options: dict[str, Any]) -> Callable[[], Shard]:
    def opened() -> Shard:
        (shard,) = open_model(path, stack, **options).shards
        return shard

    return opened


def _plain(file: BinaryIO, name: str) -> Shard:
    size = os.fstat(file.fileno()).st_size

    def read(start: int, stop: int) -> np.ndarray[Any, Any]:
        import numpy as np

        out = np.empty(stop - start, np.uint8)
        done = 0
        while done < len(out):
            n = os.preadv(file.fileno(), [memoryview(out)[done:]], start + done)  # type: ignore[arg-type]
            if n == 0:
                raise OSError(f"{name}: the file became shorter")
            done += n
        return out

    return Shard(name, read_header(read, size), read)


def _of_archive(archive: ArchiveReader) -> Model:
    def shard(name: str) -> Callable[[], Shard]:
        def opened() -> Shard:
            def read(start: int, stop: int) -> np.ndarray[Any, Any]:
                return archive.raw(name, start, stop)

            return Shard(name.rpartition("/")[2], read_header(read, archive.entry(name).size), read)

        return opened

    files = [name for name in archive.names() if archive.entry(name).type == "file"]
    weights = files if len(files) == 1 else [name for name in files if name.endswith(SUFFIX)]  # a lone file may have any name
    folders = {name.rpartition("/")[0] for name in weights}
    if len(folders) > 1:
        raise SafetensorError(f"the archive has safetensors files in several folders: {', '.join(sorted(folders))}")
    indexes = [name for name in files if name.endswith(INDEX_SUFFIX) and archive.entry(name).size <= INDEX_LIMIT]

    def content(name: str) -> Callable[[], bytes]:
        return lambda: bytes(archive.raw(name, 0, archive.entry(name).size))

    return _sharded([(name.rpartition("/")[2], shard(name)) for name in weights], [(name, content(name)) for name in indexes])


def _sharded(shards: list[tuple[str, Callable[[], Shard]]], indexes: list[tuple[str, Callable[[], bytes]]]) -> Model:
    if not shards and not indexes:
        raise SafetensorError("no safetensors file found")
    found = []
    for name, opened in shards:
        if len(shards) == 1:
            found.append(opened())
            continue
        try:
            found.append(opened())
        except (SafetensorError, CorruptDataError, UnsupportedError, OSError) as error:  # the other shards stay readable
            found.append(Shard(name, Header({}, None), _unreadable, str(error)))
    weight_map = {tensor: shard for _, read in indexes for tensor, shard in _weight_map(read)}
    return Model(found, weight_map)


def _unreadable(start: int, stop: int) -> np.ndarray[Any, Any]:
    raise SafetensorError("the shard can't be read")


def _weight_map(read: Callable[[], bytes]) -> Iterator[tuple[str, str]]:
    """(tensor, shard) from a model's index; nothing from one that is damaged."""
    try:
        found = json.loads(read())["weight_map"].items()
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError, CorruptDataError):
        return
    yield from ((tensor, shard) for tensor, shard in found if isinstance(shard, str))
