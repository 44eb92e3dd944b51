"""kill -9 at random moments of saving, pruning and distributed saving: every step that was complete loads, bit for bit.

A quick number of kills by default; `make test-large` (the marker `large`) takes more than 200 of each.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from killing import Master
from same import same

import laconic
import laconic.checkpoint as lc

QUICK, MANY = 12, 210

# Started once and forked for each kill. Step s of the run is a function of s, so that any of them can be checked.
COMMON = """
    import os, sys
    sys.path.insert(0, {support!r})
    import numpy as np, laconic.checkpoint, laconic.checkpoint.pruning, laconic.codecs.checkpoint, laconic.codecs.weights, laconic.codecs.bytes
    from adam import AdamW
    run = AdamW({{"w": (200, 250), "b": (250,)}})
    states = []
    for _ in range(40):
        run.step()
        states.append(run.state())
    path = folder + "/run.lac"
    def reached(step):
        os.write(3, b"%d\\n" % step)
"""
SAVE = """
    def work(k):
        with laconic.checkpoint.CheckpointWriter(path, key_every=4) as writer:
            done = len(laconic.checkpoint.steps(path)) if os.path.exists(path) and os.path.getsize(path) > 1000 else 0
            for step in range(done, min(done + 6, 40)):
                writer.save(states[step], step)
                writer.wait()
                reached(step)
"""
PRUNE = """
    def work(k):
        laconic.checkpoint.prune(path, every=2 + k % 3, last=3)
        reached(k)
"""
DISTRIBUTED = """
    import torch
    import torch.distributed.checkpoint as dcp
    from laconic.checkpoint.dcp import LacStorageWriter, LacStorageReader
    torch.set_num_threads(1)
    def tensors(state):
        if isinstance(state, dict):
            return {str(key): tensors(value) for key, value in state.items()}
        return torch.from_numpy(np.array(state)) if isinstance(state, np.ndarray) else state
    def work(k):
        done = LacStorageReader(folder + "/dcp").steps() if os.path.exists(folder + "/dcp/metadata.lac") else []
        first = max(done, default=-1) + 1
        for step in range(first, min(first + 4, 40)):
            dcp.save(tensors(states[step]["model"]), storage_writer=LacStorageWriter(folder + "/dcp", step=step), no_dist=True)
            reached(step)
"""


def start(work: str, folder: Path) -> Master:
    support = str(Path(__file__).parents[1] / "support")
    return Master(f"folder = {str(folder)!r}\n", COMMON.format(support=support), work)


def kill_often(master: Master, count: int, chance: random.Random) -> Iterator[int]:
    """After each attempt its number, until `count` were killed before they ended."""
    whole = master.kill_after(60)[1]
    yield 0
    killed = 0
    for attempt in range(1, 20 * count):
        was_killed, ran = master.kill_after(chance.uniform(0, whole))
        killed += was_killed
        whole = whole if was_killed else min(whole, ran)
        yield attempt
        if killed == count:
            return
    pytest.fail(f"only {killed} of {attempt} attempts were killed before they ended")


def states() -> list[dict[str, Any]]:
    from adam import AdamW

    run, found = AdamW({"w": (200, 250), "b": (250,)}), []
    for _ in range(40):
        run.step()
        found.append(run.state())
    return found


def check(path: Path, expected: list[dict[str, Any]], complete: set[int]) -> list[int]:
    """All that is there is as it was saved, and all that was reported as complete is there."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", laconic.TornArchiveWarning)
        try:
            reader = lc.CheckpointReader(path, jobs=1)
        except (laconic.CorruptDataError, FileNotFoundError):
            assert not complete
            return []
    with reader:
        there = [info.step for info in reader.steps()]
        assert complete <= set(there)
        for step in there:
            assert same(reader.load(step), expected[step])
    return there


kills = pytest.mark.parametrize("count", [QUICK, pytest.param(MANY, marks=pytest.mark.large)])


@kills
def test_kill_save(count: int, tmp_path: Path) -> None:
    expected, master, chance = states(), start(SAVE, tmp_path), random.Random(1)
    path, complete = tmp_path / "run.lac", set[int]()
    try:
        for k in kill_often(master, count, chance):
            complete |= {step for (step,) in master.reports()}
            there = check(path, expected, complete)
            if len(there) >= 34 or k % 25 == 24:
                path.unlink(missing_ok=True)
                complete = set()
    finally:
        master.close()
    assert [p.name for p in tmp_path.iterdir()] == ["run.lac"] or not list(tmp_path.iterdir())


@kills
def test_kill_prune(count: int, tmp_path: Path) -> None:
    expected, chance = states(), random.Random(2)
    path = tmp_path / "run.lac"
    with lc.CheckpointWriter(path, key_every=4) as writer:
        for step in range(14):
            writer.save(expected[step], step)
    whole_archive = path.read_bytes()
    master = start(PRUNE, tmp_path)
    try:
        for _ in kill_often(master, count, chance):
            there = check(path, expected, {12, 13})
            assert len(there) == 14 or len(there) < 10  # as it was, or pruned
            for left in tmp_path.glob(".laconic-*"):
                left.unlink()
            path.write_bytes(whole_archive)
    finally:
        master.close()


@kills
def test_kill_distributed_save(count: int, tmp_path: Path) -> None:
    torch: Any = pytest.importorskip("torch", reason="needs torch: pip install 'laconic[torch]'")
    import torch.distributed.checkpoint as dcp

    from laconic.checkpoint.dcp import LacStorageReader

    expected, master, chance = states(), start(DISTRIBUTED, tmp_path), random.Random(3)
    complete = set[int]()
    try:
        for k in kill_often(master, count, chance):
            complete |= {step for (step,) in master.reports()}
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                there = LacStorageReader(tmp_path / "dcp").steps()
                assert complete <= set(there)
                for step in there if k % 10 == 9 else there[-3:]:
                    target = {name: torch.zeros(value.shape) for name, value in expected[step]["model"].items()}
                    dcp.load(target, storage_reader=LacStorageReader(tmp_path / "dcp", step=step), no_dist=True)
                    assert all(
                        (target[name].numpy().view(np.uint32) == value.view(np.uint32)).all()
                        for name, value in expected[step]["model"].items()
                    )
            if max(there, default=0) >= 36:
                for file in (tmp_path / "dcp").iterdir():
                    file.unlink()
                complete = set()
    finally:
        master.close()
