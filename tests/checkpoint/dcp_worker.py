"""One process of a distributed job: `python dcp_worker.py FOLDER RANK WORLD ACTION...`; the tests start several.

Actions, in order: `save:STEP[:async|:stock]`, `load:STEP[:stock]` (compares with what step STEP was); `fsdp:STEPS`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor, Replicate, Shard, distribute_tensor

SHAPES = {"layer.weight": (301, 200), "layer.bias": (301,), "head.weight": (50, 301)}
LR, BETAS, EPS, DECAY = 1e-3, (0.9, 0.95), 1e-8, 0.1


def states(steps: int) -> list[dict[str, Any]]:
    """Full tensors of each step of a run, the same in every process."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    params = {name: torch.nn.Parameter(torch.randn(shape) * 0.02) for name, shape in SHAPES.items()}
    optimizer = torch.optim.AdamW(params.values(), lr=LR, betas=BETAS, eps=EPS, weight_decay=DECAY)
    found = []
    for _ in range(steps + 1):
        for p in params.values():
            p.grad = torch.randn_like(p) * 1e-3
        optimizer.step()
        slots = {name: {key: torch.as_tensor(value).clone() for key, value in optimizer.state[p].items()} for name, p in params.items()}
        group = {key: value for key, value in optimizer.param_groups[0].items() if key != "params"} | {"params": list(SHAPES)}
        found.append({"model": {n: p.detach().clone() for n, p in params.items()}, "optim": {"state": slots, "param_groups": [group]}})
    return found


def sharded(state: Any, mesh: Any) -> Any:
    """Matrices in rows, vectors in pieces, scalars everywhere."""
    if isinstance(state, dict):
        return {key: sharded(value, mesh) for key, value in state.items()}
    if isinstance(state, torch.Tensor):
        return distribute_tensor(state, mesh, [Shard(0) if state.dim() else Replicate()])
    return state


def emptied(state: Any) -> Any:
    if isinstance(state, dict):
        return {key: emptied(value) for key, value in state.items()}
    return torch.zeros_like(state) if isinstance(state, torch.Tensor) else state


def whole(state: Any) -> Any:
    if isinstance(state, dict):
        return {key: whole(value) for key, value in state.items()}
    return state.full_tensor() if isinstance(state, DTensor) else state


def train_sharded(folder: Path, mesh: Any, steps: int) -> None:
    """A model under fully_shard (FSDP2), saved each step as torch's own state dicts, and loaded into a fresh one."""
    from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
    from torch.distributed.fsdp import fully_shard

    from laconic.checkpoint.dcp import LacStorageReader, LacStorageWriter

    def make() -> tuple[Any, Any]:
        model = torch.nn.Sequential(torch.nn.Linear(300, 401), torch.nn.Tanh(), torch.nn.Linear(401, 300))
        fully_shard(model, mesh=mesh)
        return model, torch.optim.AdamW(model.parameters(), lr=LR, betas=BETAS, eps=EPS, weight_decay=DECAY)

    torch.manual_seed(3)
    model, optimizer = make()
    writer, kept = LacStorageWriter(folder / "fsdp"), []
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.randn(16, 300)).square().mean().backward()
        optimizer.step()
        weights, moments = get_state_dict(model, optimizer)
        dcp.save({"model": weights, "optim": moments}, storage_writer=writer)
        kept = [x.full_tensor().clone() for x in (*weights.values(), *(optimizer.state[p]["exp_avg_sq"] for p in model.parameters()))]
    writer.close()
    torch.manual_seed(4)
    model, optimizer = make()
    weights, moments = get_state_dict(model, optimizer)
    state = {"model": weights, "optim": moments}
    dcp.load(state, storage_reader=LacStorageReader(folder / "fsdp"))
    set_state_dict(model, optimizer, model_state_dict=state["model"], optim_state_dict=state["optim"])
    back = (*model.state_dict().values(), *(optimizer.state[p]["exp_avg_sq"] for p in model.parameters()))
    assert all(torch.equal(a, b.full_tensor()) for a, b in zip(kept, back, strict=True))


def main() -> None:
    folder, rank, world, *actions = sys.argv[1:]
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous-{world}-{hash(tuple(actions)) & 0 or len(actions)}",
                            rank=int(rank), world_size=int(world))  # fmt: skip
    mesh = init_device_mesh("cpu", (int(world),))
    sys.path.insert(0, str(Path(__file__).parent.parent / "support"))
    from same import same

    from laconic.checkpoint.dcp import LacStorageReader, LacStorageWriter

    run = states(6)
    writer = LacStorageWriter(Path(folder) / "ours")
    for action in actions:
        what, number, *how = action.split(":")
        step = int(number)
        if what == "fsdp":
            train_sharded(Path(folder), mesh, step)
            continue
        state = sharded(run[step], mesh)
        if what == "save":
            if how == ["stock"]:
                dcp.save(state, checkpoint_id=Path(folder) / f"stock{step}")
                continue
            writer.step = step
            if how == ["async"]:
                dcp.async_save(state, storage_writer=writer).result()
            else:
                dcp.save(state, storage_writer=writer)
        else:
            target = emptied(state)
            reader = (
                dcp.FileSystemReader(Path(folder) / f"stock{step}")
                if how == ["stock"]
                else LacStorageReader(Path(folder) / "ours", step=step)
            )
            dcp.load(target, storage_reader=reader)
            assert same(whole(target), run[step]), f"step {step} differs"
    writer.close()
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
