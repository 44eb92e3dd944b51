"""torch.distributed.checkpoint, stored as compressed shards: each save is coded against the one before, and none is ever overwritten.

    writer = LacStorageWriter("run/checkpoints")
    dcp.save(state_dict, storage_writer=writer)  # or dcp.async_save; again and again, into the same folder
    dcp.load(state_dict, storage_reader=LacStorageReader("run/checkpoints"))  # any number of processes, any sharding

In the folder, process i appends its shards to `rank<i>.lac`, an archive of checkpoints as any other. When all have written, the coordinator
appends the checkpoint's metadata to `metadata.lac`: that makes it complete. A process that dies at any moment leaves every complete
checkpoint as it was.

What the planner turns into bytes itself (Python objects that are no tensors) is kept as the bytes that it makes and is given back to it.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.distributed.checkpoint.metadata import (
    BytesStorageMetadata,
    ChunkStorageMetadata,
    Metadata,
    MetadataIndex,
    StorageMeta,
    TensorProperties,
    TensorStorageMetadata,
)
from torch.distributed.checkpoint.planner import LoadItemType, LoadPlan, LoadPlanner, ReadItem, SavePlan, SavePlanner, WriteItemType
from torch.distributed.checkpoint.staging import BlockingAsyncStager
from torch.distributed.checkpoint.storage import StorageReader, StorageWriter, WriteResult
from torch.futures import Future

from laconic import objects
from laconic.checkpoint import optimizers
from laconic.checkpoint.reading import CheckpointReader
from laconic.checkpoint.snapshot import take_found
from laconic.checkpoint.writer import KEY_EVERY, CheckpointWriter, save
from laconic.errors import CorruptDataError

VERSION = 1
CheckpointId = str | os.PathLike[str]


@dataclass(frozen=True)
class _Place:
    """Where a process writes: chosen by the coordinator, so that all agree."""

    step: int
    file: str


@dataclass(frozen=True)
class _Stored:
    """Where an item lies: an array of step `step` in the archive `file`."""

    step: int
    file: str
    key: str


class LacStorageWriter(StorageWriter, BlockingAsyncStager):
    """Writes checkpoints into the folder `path`, each coded against the last one there.

    `step`: the number of the checkpoint; by default one more than the last. Set it before each save, or leave it. A writer that is kept for
    many saves needs not read back what it wrote. `key_every`, `level`, `jobs`, `scratch`: as in `laconic.checkpoint.CheckpointWriter`.
    """

    def __init__(
        self, path: CheckpointId, *, step: int | None = None, key_every: int = KEY_EVERY, level: str = "default", jobs: int = 1,
        scratch: str | os.PathLike[str] | bool | None = True,
    ) -> None:  # fmt: skip
        BlockingAsyncStager.__init__(self, cache_staged_state_dict=False, type_check=False)
        self.path = Path(path)
        self.step = step
        self._options: dict[str, Any] = {"key_every": key_every, "level": level, "jobs": jobs, "scratch": scratch}
        self._writer: tuple[Path, CheckpointWriter] | None = None
        self._chosen = 0
        self._rank: int | None = None
        self._collectives = True

    @classmethod
    def validate_checkpoint_id(cls, checkpoint_id: CheckpointId) -> bool:
        """Whether this is a folder on this machine, or could become one."""
        if "://" in str(checkpoint_id):
            return False
        path = Path(checkpoint_id)
        return path.is_dir() or not path.exists()

    def reset(self, checkpoint_id: CheckpointId | None = None) -> None:
        if checkpoint_id:
            self.path = Path(checkpoint_id)

    def storage_meta(self) -> StorageMeta | None:
        return StorageMeta(checkpoint_id=self.path, save_id=f"step-{self._chosen}")

    def set_up_storage_writer(self, is_coordinator: bool, *args: Any, **kwargs: Any) -> None:
        self._rank = kwargs.get("rank")
        self._collectives = kwargs.get("use_collectives", True)

    def prepare_local_plan(self, plan: SavePlan) -> SavePlan:
        self.path.mkdir(parents=True, exist_ok=True)
        if not self._collectives:
            plan = replace(plan, storage_data=_Place(self._next_step(), f"rank{self._rank or 0}.lac"))
        return plan

    def prepare_global_plan(self, plans: list[SavePlan]) -> list[SavePlan]:
        step = self._next_step()
        return [replace(plan, storage_data=plan.storage_data or _Place(step, f"rank{i}.lac")) for i, plan in enumerate(plans)]

    def _next_step(self) -> int:
        self._chosen = self.step if self.step is not None else max(_steps(self._metadata_path()), default=-1) + 1
        return self._chosen

    def _metadata_path(self) -> Path:
        return _metadata_path(self.path, None if self._collectives else self._rank)

    def write_data(self, plan: SavePlan, planner: SavePlanner) -> Future[list[WriteResult]]:
        place: _Place = plan.storage_data
        state: dict[str, Any] = {}
        results = []
        for item in plan.items:
            data: Any = planner.resolve_data(item)
            key = _key(item.index)
            # Bytes as an array of them: a state's short bytes would lie in its manifest.
            state[key] = np.frombuffer(data.getvalue(), np.uint8) if item.type == WriteItemType.BYTE_IO else data.detach()
            results.append(WriteResult(item.index, state[key].nbytes, _Stored(place.step, place.file, key)))
        writer = self._writer_of(self.path / place.file)
        writer.wait()
        writer.submit(take_found(state, place.step, _find_optimizers(state, planner), _weights(state), writer.buffers))
        future: Future[list[WriteResult]] = Future()
        future.set_result(results)
        return future

    def _writer_of(self, path: Path) -> CheckpointWriter:
        if self._writer is None or self._writer[0] != path:
            self.close()
            self._writer = (path, CheckpointWriter(path, background=False, **self._options))
        return self._writer[1]

    def finish(self, metadata: Metadata, results: list[list[WriteResult]]) -> None:
        """All processes have written: the checkpoint becomes complete."""
        stored = [result for found in results for result in found]
        save(_pack_metadata(metadata, stored), self._metadata_path(), step=self._chosen, key_every=1)

    def close(self) -> None:
        """Let go of the scratch file."""
        if self._writer is not None:
            self._writer[1].close()
            self._writer = None


class LacStorageReader(StorageReader):
    """Reads checkpoint `step` (default: the last complete one) from the folder `path`, decoding only what a process asks for."""

    def __init__(self, path: CheckpointId, *, step: int | None = None, jobs: int | None = None) -> None:
        self.path = Path(path)
        self.step = step
        self._jobs = jobs
        self._stored: dict[MetadataIndex, _Stored] = {}

    @classmethod
    def validate_checkpoint_id(cls, checkpoint_id: CheckpointId) -> bool:
        return "://" not in str(checkpoint_id) and Path(checkpoint_id).is_dir()

    def reset(self, checkpoint_id: CheckpointId | None = None) -> None:
        self._stored = {}
        if checkpoint_id:
            self.path = Path(checkpoint_id)

    def steps(self) -> list[int]:
        """Complete checkpoints, in the order in which they were written."""
        return _steps(_metadata_path(self.path, None))

    def read_metadata(self, *args: Any, **kwargs: Any) -> Metadata:
        with CheckpointReader(_metadata_path(self.path, kwargs.get("rank")), jobs=1) as reader:
            metadata = _unpack_metadata(reader.load(self.step))
        metadata.storage_meta = StorageMeta(checkpoint_id=self.path)
        return metadata

    def set_up_storage_reader(self, metadata: Metadata, is_coordinator: bool, *args: Any, **kwargs: Any) -> None:
        self._stored = metadata.storage_data

    def prepare_local_plan(self, plan: LoadPlan) -> LoadPlan:
        return plan

    def prepare_global_plan(self, plans: list[LoadPlan]) -> list[LoadPlan]:
        return plans

    def read_data(self, plan: LoadPlan, planner: LoadPlanner) -> Future[None]:
        files: dict[tuple[str, int], dict[str, list[ReadItem]]] = {}
        for item in plan.items:
            stored = self._stored[item.storage_index]
            files.setdefault((stored.file, stored.step), {}).setdefault(stored.key, []).append(item)
        for (file, step), wanted in files.items():
            with CheckpointReader(self.path / file, jobs=self._jobs) as reader:
                # A group at a time: what is coded together is decoded once, and no more than that lies in memory.
                for keys in reader.groups(step):
                    here = [key for key in keys if key in wanted]
                    for key, array in reader.load(step, here).items() if here else ():
                        for item in wanted.pop(key):
                            _give(planner, item, array)
            if wanted:
                raise CorruptDataError(f"{self.path / file}: step {step} lacks {', '.join(list(wanted)[:3])}")
        future: Future[None] = Future()
        future.set_result(None)
        return future


def _give(planner: LoadPlanner, item: ReadItem, array: Any) -> None:
    if item.type == LoadItemType.BYTE_IO:
        planner.load_bytes(item, io.BytesIO(array.tobytes()))
        return
    for axis, (start, length) in enumerate(zip(item.storage_offsets, item.lengths, strict=True)):
        array = array.narrow(axis, start, length)
    target = planner.resolve_tensor(item).detach()
    if target.size() != array.size():
        raise CorruptDataError(f"{item.storage_index.fqn}: stored with the shape {tuple(array.size())}, wanted {tuple(target.size())}")
    target.copy_(array)
    planner.commit_tensor(item, target)


def _key(index: MetadataIndex) -> str:
    """`name@offset`, or the name alone, which another may not be taken for: what is no offset follows a name that has an @."""
    if index.offset is not None:
        return objects.escape_key(f"{index.fqn}@{','.join(map(str, index.offset))}")
    return objects.escape_key(f"{index.fqn}@-" if "@" in index.fqn else index.fqn)


def _metadata_path(folder: Path, rank: int | None) -> Path:
    return folder / ("metadata.lac" if rank is None else f"metadata{rank}.lac")


def _steps(path: Path) -> list[int]:
    if not path.exists() or not path.stat().st_size:
        return []
    with CheckpointReader(path, jobs=1) as reader:
        return [info.step for info in reader.steps()]


# ---------------------------------------------------------------------- optimizers by name


def _find_optimizers(state: dict[str, Any], planner: SavePlanner) -> optimizers.Found:
    """Moments by their names, `<optimizer>.state.<parameter>.exp_avg`; settings as the planner holds them."""
    values: Any = getattr(planner, "state_dict", None)
    values = values if isinstance(values, dict) else {}
    found, numbers = _settings(values)
    owners: dict[tuple[str, str, str], dict[int, str]] = {}
    for key in state:
        name, offset = _split_offset(key)
        prefix, _, slot = name.rpartition(".")
        optimizer, mark, parameter = prefix.partition(".state.")
        if slot in optimizers.SLOT_ROLES and mark:
            owners.setdefault((optimizer, parameter, offset), {})[optimizers.SLOT_ROLES[slot]] = key
    for (optimizer, parameter, offset), arrays in owners.items():
        count = values.get(f"{optimizer}.state.{parameter}.step")
        count = optimizers.number(count.to_local() if hasattr(count, "to_local") else count)
        place = (optimizer, numbers.get((optimizer, parameter), 0))
        found.slots.append(optimizers.Slots(parameter + offset, arrays, place, count))
    return found


def _settings(values: dict[str, Any]) -> tuple[optimizers.Found, dict[tuple[str, str], int]]:
    """Settings from `<optimizer>.param_groups.<group number or parameter>.<key>`, and the group of each (optimizer, parameter)."""
    found = optimizers.Found()
    numbers: dict[tuple[str, str], int] = {}
    for name, value in values.items():
        optimizer, mark, rest = name.partition(".param_groups.")
        owner, _, key = rest.rpartition(".")
        if not mark or not owner:
            continue
        number = int(owner) if owner.isdecimal() else numbers.setdefault((optimizer, owner), len(found.settings))
        settings = found.settings.setdefault((optimizer, number), {})
        if key == "params" and isinstance(value, list):
            numbers |= {(optimizer, str(parameter)): number for parameter in value}
        else:
            settings[key] = optimizers.number(value)
    return found, numbers


def _split_offset(key: str) -> tuple[str, str]:
    """(name, "@offset" or "") of an item's key."""
    name, at, offset = str(objects.unescape_key(key)).rpartition("@")
    return (name, at + offset) if at else (offset, "")


def _weights(state: dict[str, Any]) -> dict[tuple[str, str | int], str]:
    """The weight's key by (optimizer, parameter and offset): the tensor outside of optimizers whose name ends like that."""
    by_name: dict[str, str] = {}
    moments = []
    for key in state:
        name, offset = _split_offset(key)
        optimizer, mark, rest = name.partition(".state.")
        if mark:
            moments.append((optimizer, rest.rpartition(".")[0] + offset))
        elif ".param_groups." not in name:
            for suffix in _suffixes(name):
                by_name.setdefault(suffix + offset, key)
    return {(optimizer, parameter): by_name[parameter] for optimizer, parameter in moments if parameter in by_name}


def _suffixes(name: str) -> list[str]:
    """The name without its first parts."""
    parts = name.split(".")
    return [".".join(parts[i:]) for i in range(min(len(parts), 4))]


# ---------------------------------------------------------------------- metadata as plain values (the stock writer pickles it)


def _pack_metadata(metadata: Metadata, results: list[WriteResult]) -> dict[str, Any]:
    items: dict[str, Any] = {}
    for name, item in metadata.state_dict_metadata.items():
        if isinstance(item, TensorStorageMetadata):
            p = item.properties
            items[name] = {
                "dtype": str(p.dtype), "layout": str(p.layout), "requires_grad": p.requires_grad, "memory_format": str(p.memory_format),
                "pin_memory": p.pin_memory, "size": list(item.size), "chunks": [[list(c.offsets), list(c.sizes)] for c in item.chunks],
            }  # fmt: skip
        else:
            items[name] = None
    stored = []
    for result in results:
        index, at = result.index, result.storage_data
        stored.append([index.fqn, None if index.offset is None else list(index.offset), index.index, at.step, at.file, at.key])
    return {"version": VERSION, "items": items, "stored": stored, "planner": _plain(metadata.planner_data)}


def _plain(value: Any) -> Any:
    """torch's sizes are tuples of a kind of their own."""
    if isinstance(value, torch.Size):
        return tuple(value)
    if type(value) is dict:
        return {key: _plain(child) for key, child in value.items()}
    return value


def _unpack_metadata(found: Any) -> Metadata:
    try:
        if found["version"] > VERSION:
            raise CorruptDataError(f"metadata of version {found['version']} - install a newer laconic")
        items: dict[str, Any] = {}
        for name, item in found["items"].items():
            if item is None:
                items[name] = BytesStorageMetadata()
                continue
            properties = TensorProperties(
                dtype=_torch(item["dtype"], torch.dtype), layout=_torch(item["layout"], torch.layout),
                requires_grad=bool(item["requires_grad"]), memory_format=_torch(item["memory_format"], torch.memory_format),
                pin_memory=bool(item["pin_memory"]),
            )  # fmt: skip
            chunks = [ChunkStorageMetadata(torch.Size(offsets), torch.Size(sizes)) for offsets, sizes in item["chunks"]]
            items[name] = TensorStorageMetadata(properties, torch.Size(item["size"]), chunks)
        stored = {
            MetadataIndex(fqn, None if offset is None else torch.Size(offset), index): _Stored(step, _file_name(file), key)
            for fqn, offset, index, step, file, key in found["stored"]
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, CorruptDataError):
            raise
        raise CorruptDataError(f"the metadata of a distributed checkpoint is damaged ({error})") from error
    return Metadata(items, planner_data=found["planner"], storage_data=stored)


def _file_name(name: Any) -> str:
    """Never a path out of the folder."""
    if type(name) is not str or not name.removeprefix("rank").removesuffix(".lac").isdecimal():
        raise ValueError(f"no file of a distributed checkpoint ({name!r})")
    return name


def _torch(name: str, kind: type) -> Any:
    value = getattr(torch, name.removeprefix("torch."), None)
    if not isinstance(value, kind):
        raise ValueError(f"torch has no {name}")
    return value
