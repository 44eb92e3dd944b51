"""Set ``dcp`` of the kind ``checkpoint``: two processes save the shards of consecutive steps, one and three load them."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import train_gpt
from bench.measure import Row
from bench.suite import Options

SAVED = ("step400", "step401")  # as checkpoints 0 and 1


def dcp(options: Options) -> Iterator[Row]:
    folder = options.scratch / "dcp"
    folder.mkdir()
    walls = _processes(_save, 2, folder)
    exact = all(_processes(_load, world, folder) for world in (1, 3))
    stock = [sum(path.stat().st_size for path in (folder / f"stock{step}").glob("*.distcp")) for step in (0, 1)]
    ours = [0, 0]
    import laconic.checkpoint as lc

    for path in sorted((folder / "ours").glob("*.lac")):
        with lc.CheckpointReader(path) as reader:
            ours = [size + reader.stored_bytes(step) for step, size in enumerate(ours)]
    for step, label in enumerate(("a key step", "the step after it, async")):
        row = {"set": "dcp", "file": label, "codec": "laconic:default", "raw_bytes": stock[step], "stored_bytes": ours[step]}
        walls_here = {"save_s": walls[2 * step], "stock_save_s": walls[2 * step + 1]}
        yield row | {"exact": exact, "times_smaller": stock[step] / ours[step]} | walls_here


def _processes(work: Any, world: int, folder: Path) -> Any:
    """What process 0 of `world` gives back."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    meeting = folder / f"meeting-{work.__name__}-{world}"
    children = []
    for rank in range(world):
        children.append(context.Process(target=_child, args=(work, rank, world, folder, meeting, sender)))
        children[-1].start()
    sender.close()
    try:
        found = receiver.recv()
    except EOFError:
        found = None
    for child in children:
        child.join()
    if found is None or any(child.exitcode for child in children):
        raise RuntimeError(f"a process of {world} failed in {work.__name__}")
    return found


def _child(work: Any, rank: int, world: int, folder: Path, meeting: Path, sender: Any) -> None:
    import torch
    from torch import distributed
    from torch.distributed.device_mesh import init_device_mesh

    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=world)
    try:
        found = work(folder, init_device_mesh("cpu", (world,)))
        if rank == 0:
            sender.send(found)
        distributed.barrier()
    finally:
        distributed.destroy_process_group()


def _save(folder: Path, mesh: Any) -> list[float]:
    """Wall seconds of each save: ours, the stock writer's."""
    import torch.distributed.checkpoint as torch_dcp

    from laconic.checkpoint.dcp import LacStorageWriter

    writer, walls = LacStorageWriter(folder / "ours"), []
    for step, name in enumerate(SAVED):
        state = _sharded(_state(name), mesh)
        start = time.perf_counter()
        if step == 0:
            torch_dcp.save(state, storage_writer=writer)
        else:
            torch_dcp.async_save(state, storage_writer=writer).result()  # type: ignore[union-attr]
        walls.append(time.perf_counter() - start)
        start = time.perf_counter()
        torch_dcp.save(state, checkpoint_id=folder / f"stock{step}")
        walls.append(time.perf_counter() - start)
    writer.close()
    return walls


def _load(folder: Path, mesh: Any) -> bool:
    """Whether all tensors of both steps come back with the same bits."""
    import torch
    import torch.distributed.checkpoint as torch_dcp

    from laconic.checkpoint.dcp import LacStorageReader

    exact = True
    for step, name in enumerate(SAVED):
        wanted = _state(name)
        target = _sharded({key: torch.zeros_like(x) if hasattr(x, "dim") else None for key, x in wanted.items()}, mesh)
        torch_dcp.load(target, storage_reader=LacStorageReader(folder / "ours", step=step))
        for key, x in wanted.items():
            if not hasattr(x, "dim"):
                exact = exact and target[key] == x
                continue
            found = target[key].full_tensor()
            exact = exact and torch.equal(found.reshape(-1).view(torch.uint8), x.reshape(-1).view(torch.uint8))
    return exact


def _state(name: str) -> dict[str, Any]:
    """Names as torch.distributed.checkpoint.state_dict gives them; hyperparameters by parameter."""
    import torch

    state = torch.load(train_gpt.checkpoints()[name], weights_only=True)
    (group,) = state["optimizer"]["param_groups"]
    found: dict[str, Any] = {f"model.{key}": x for key, x in state["model"].items()}
    for key, slots in zip(state["model"], state["optimizer"]["state"].values(), strict=True):
        found |= {f"optim.state.{key}.{slot}": torch.as_tensor(value) for slot, value in slots.items()}
        found |= {f"optim.param_groups.{key}.{setting}": group[setting] for setting in ("lr", "betas", "eps", "weight_decay")}
    return found


def _sharded(state: dict[str, Any], mesh: Any) -> dict[str, Any]:
    """Matrices in rows, vectors in pieces, scalars everywhere."""
    from torch.distributed.tensor import Replicate, Shard, distribute_tensor

    return {key: distribute_tensor(x, mesh, [Shard(0) if x.dim() else Replicate()]) if hasattr(x, "dim") else x for key, x in state.items()}
