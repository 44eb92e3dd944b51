"""torch.distributed.checkpoint: shards written and read by several processes, resharded, alone, in the background, and overwritten."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from same import same

import laconic
import laconic.checkpoint as lc

torch: Any = pytest.importorskip("torch", reason="needs torch: pip install 'laconic[torch]'")
if not torch.distributed.is_available():
    pytest.skip("this torch has no torch.distributed", allow_module_level=True)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")
WORKER = Path(__file__).parent / "dcp_worker.py"


def run(folder: Path, world: int, *actions: str) -> None:
    (folder / f"rendezvous-{world}-{len(actions)}").unlink(missing_ok=True)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TORCH_CPP_LOG_LEVEL": "ERROR"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", str(WORKER), str(folder), str(rank), str(world), *actions],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for rank in range(world)
    ]  # fmt: skip
    outputs = [process.communicate(timeout=240)[0] for process in processes]
    for process, output in zip(processes, outputs, strict=True):
        assert process.returncode == 0, output


def stored(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in sorted(folder.glob("*.lac"))}


def check_sharded_training(folder: Path) -> None:
    """FSDP2's own state dicts (DTensors, moments by name): steps are replayed in each shard."""
    for rank in range(2):
        with lc.CheckpointReader(folder / f"rank{rank}.lac") as reader:
            sizes = [reader.stored_bytes(step) for step in range(3)]
            methods = {method for row in reader.describe(2) for method in row["methods"]}
        assert any("weight replayed" in method for method in methods), methods
        assert sizes[2] < 0.45 * sizes[0]


def test_two_processes_save_one_and_three_load(tmp_path: Path) -> None:
    run(tmp_path, 2, "save:0", "save:1", "save:2:async", "load:1", "save:2:stock", "load:2:stock", "load:2", "fsdp:3")
    check_sharded_training(tmp_path / "fsdp")
    assert sorted(stored(tmp_path / "ours")) == ["metadata.lac", "rank0.lac", "rank1.lac"]
    infos = lc.steps(tmp_path / "ours" / "rank0.lac")
    assert [info.step for info in infos] == [0, 1, 2]
    with lc.CheckpointReader(tmp_path / "ours" / "rank0.lac") as reader:
        archive = reader.archive
        sizes = [sum(archive.info(n)["stored_bytes"] for n in archive.names() if n.startswith(f"{s}/")) for s in range(3)]
        raw = infos[0].raw_bytes
        methods = {method for n in archive.names() if n.startswith("2/") for method in archive.info(n)["frames"]}
        assert any("weight replayed" in method for method in methods), methods
    assert raw / sizes[1] > 2.5
    assert raw / sizes[2] > 2.5
    run(tmp_path, 1, "load:2", "load:0")
    run(tmp_path, 3, "load:1", "load:2", "load:0")


def worker() -> Any:
    import importlib.util

    spec = importlib.util.spec_from_file_location("dcp_worker", WORKER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_one_process_without_a_group(tmp_path: Path) -> None:
    import torch.distributed.checkpoint as dcp

    from laconic.checkpoint.dcp import LacStorageReader, LacStorageWriter

    w = worker()
    states = [state | {"extra": {"name": "run", "list": [1, 2.5], "n": 7}, "rng": torch.arange(9).to(torch.uint8)} for state in w.states(3)]
    for state in states:  # a new writer each time, into the same folder
        dcp.save(state, checkpoint_id=tmp_path / "c", storage_writer=LacStorageWriter(tmp_path / "c"), no_dist=True)
    reader = LacStorageReader(tmp_path / "c")
    assert reader.steps() == [0, 1, 2, 3]
    for step in (None, 0, 2):
        target = w.emptied(states[step if step is not None else 3])
        target["extra"] = {"name": "", "list": [], "n": 0}
        dcp.load(target, storage_reader=LacStorageReader(tmp_path / "c", step=step), no_dist=True)
        assert same(target, states[step if step is not None else 3])
    partial = {"model": {"head.weight": torch.zeros(50, 301)}}
    dcp.load(partial, storage_reader=reader, no_dist=True)
    assert torch.equal(partial["model"]["head.weight"], states[3]["model"]["head.weight"])


def test_what_is_not_finished_is_not_there(tmp_path: Path) -> None:
    """A process that dies after writing its shards, before the coordinator's metadata."""
    import torch.distributed.checkpoint as dcp

    from laconic.checkpoint.dcp import LacStorageReader, LacStorageWriter

    class Dies(LacStorageWriter):
        def finish(self, metadata: Any, results: Any) -> None:
            raise RuntimeError("killed")

    w = worker()
    states = w.states(2)
    dcp.save(states[0], storage_writer=LacStorageWriter(tmp_path / "c"), no_dist=True)
    with pytest.raises(BaseException, match="killed"):  # a CheckpointException is no Exception
        dcp.save(states[1], storage_writer=Dies(tmp_path / "c"), no_dist=True)
    assert LacStorageReader(tmp_path / "c").steps() == [0]
    dcp.save(states[2], storage_writer=LacStorageWriter(tmp_path / "c"), no_dist=True)  # takes the number that became free
    assert LacStorageReader(tmp_path / "c").steps() == [0, 1]
    for step, state in ((0, states[0]), (1, states[2])):
        target = w.emptied(state)
        dcp.load(target, storage_reader=LacStorageReader(tmp_path / "c", step=step), no_dist=True)
        assert same(target, state)


def test_damaged_metadata(tmp_path: Path) -> None:
    from laconic.checkpoint.dcp import LacStorageReader

    for state in ({}, {"version": 1}, {"version": 1, "items": {"x": {"dtype": "torch.nothing"}}, "stored": [], "planner": None},
                  {"version": 1, "items": {}, "stored": [["x", None, None, 0, "../rank0.lac", "x"]], "planner": None}):  # fmt: skip
        path = tmp_path / "metadata.lac"
        path.unlink(missing_ok=True)
        lc.save(state, path, step=0)
        with pytest.raises(laconic.CorruptDataError, match="damaged"):
            LacStorageReader(tmp_path).read_metadata()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_stock_writer_with_our_stream(dtype: str, tmp_path: Path) -> None:
    import torch.distributed.checkpoint as dcp

    from laconic.checkpoint.dcp_stream import LacExtension, registry

    torch.manual_seed(0)
    state = {"w": (torch.randn(500, 300) * 0.02).to(getattr(torch, dtype)), "b": torch.zeros(3), "list": [1, "x"]}
    for folder, extensions in (("stock", None), ("ours", [LacExtension()])):
        dcp.save(state, storage_writer=dcp.FileSystemWriter(tmp_path / folder, _extensions=extensions), no_dist=True)
    target = {"w": torch.zeros_like(state["w"]), "b": torch.ones(3), "list": []}
    dcp.load(target, storage_reader=dcp.FileSystemReader(tmp_path / "ours", _extension_registry=registry()), no_dist=True)
    assert same(target, state)
    size = {folder: sum(path.stat().st_size for path in (tmp_path / folder).glob("*.distcp")) for folder in ("stock", "ours")}
    assert size["ours"] < (0.88 if dtype == "float32" else 0.72) * size["stock"]
    with pytest.raises(ValueError, match="another version"):
        LacExtension.from_descriptor("9")


def test_names_with_an_at_sign(tmp_path: Path) -> None:
    """A tensor may be called like another one's shard."""
    import torch.distributed.checkpoint as dcp

    from laconic.checkpoint.dcp import LacStorageReader, LacStorageWriter

    state = {
        "a": torch.ones(3),
        "a@0": torch.full((5,), 2.0),
        "a@0@-": torch.full((2,), 3.0),
        "a@0@": torch.tensor(4.0),
        "a@": b"",
        "x@y": [1],
    }
    dcp.save(state, storage_writer=LacStorageWriter(tmp_path), no_dist=True)
    target = worker().emptied(state) | {"x@y": [0]}
    dcp.load(target, storage_reader=LacStorageReader(tmp_path), no_dist=True)
    assert same(target, state)
