"""Prune, export, the command line, and the hooks."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from adam import AdamW
from same import same

import laconic
import laconic.checkpoint as lc
from laconic.checkpoint import manifest
from laconic.checkpoint.hooks import CheckpointHook

SHAPES = {"layer.weight": (260, 300), "layer.bias": (260,)}


@pytest.fixture
def run(tmp_path: Path) -> tuple[Path, dict[int, Any]]:
    """Steps 1 to 13 of a run."""
    path, states, training = tmp_path / "run.lac", {}, AdamW(SHAPES)
    with lc.CheckpointWriter(path, key_every=5) as writer:
        for step in range(1, 14):
            training.step()
            states[step] = training.state()
            writer.save(states[step], step)
    return path, states


def cli(*arguments: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "laconic", "checkpoint", *map(str, arguments)], capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ({"last": 3}, [11, 12, 13]), ({"every": 4}, [4, 8, 12]), ({"last": 1, "every": 6, "keep": [2]}, [2, 6, 12, 13]), ({"keep": [7]}, [7]),
        ({"last": 99}, list(range(1, 14))), ({"last": 0, "keep": [1, 2, 3, 5]}, [1, 2, 3, 5]),
    ],
)  # fmt: skip
def test_prune(run: tuple[Path, dict[int, Any]], options: dict[str, Any], left: list[int]) -> None:
    path, states = run
    size = path.stat().st_size
    assert lc.prune(path, **options) == left
    assert [info.step for info in lc.steps(path)] == left
    for step in left:
        assert same(lc.load(path, step=step), states[step])
    assert path.stat().st_size < size or len(left) == 13
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    with laconic.open(path) as archive:
        assert not archive.torn
        archive.verify()
    infos = {info.step: info for info in lc.steps(path)}
    assert all(info.base is None or info.base in infos for info in infos.values())
    lc.save(states[13] | {"more": 1}, path, step=14)
    assert lc.load(path)["more"] == 1


def test_pruned_steps_stay_small(run: tuple[Path, dict[int, Any]]) -> None:
    """What is taken over keeps its replayed steps: a step after its base costs what it did."""
    path, _ = run
    with lc.CheckpointReader(path) as reader:
        before = {info.step: reader.stored_bytes(info.step) for info in reader.steps()}
    lc.prune(path, last=5)
    with lc.CheckpointReader(path) as reader:
        after = {info.step: reader.stored_bytes(info.step) for info in reader.steps()}
    assert before[9] < 0.6 * before[11] < after[9]  # 9 lost its base and is a key step now, as 11 was
    assert all(abs(after[step] - before[step]) < 200 for step in (10, 11, 12, 13))


def test_prune_refuses(run: tuple[Path, dict[int, Any]], tmp_path: Path) -> None:
    path, _ = run
    data = path.read_bytes()
    for options, error in (
        ({"last": 0}, ValueError),
        ({}, ValueError),
        ({"keep": [99]}, KeyError),
        ({"every": 0}, ValueError),
        ({"last": -1}, ValueError),
    ):
        with pytest.raises(error):
            lc.prune(path, **options)
    assert path.read_bytes() == data
    with laconic.open(path, "a") as archive:
        archive.add("notes", b"of mine")
    with pytest.raises(ValueError, match="'notes', which is no checkpoint"):
        lc.prune(path, last=1)
    with pytest.raises(FileNotFoundError):
        lc.prune(tmp_path / "none.lac", last=1)
    assert not list(tmp_path.glob(".laconic*"))


def test_prune_after_going_back(run: tuple[Path, dict[int, Any]]) -> None:
    """A step was written again, and others still depend on what it was first."""
    path, states = run
    other = AdamW(SHAPES, seed=9)
    other.step()
    lc.save(other.state(), path, step=12)
    lc.prune(path, keep=[11, 12, 13])
    assert same(lc.load(path, step=12), other.state())
    assert same(lc.load(path, step=13), states[13])
    assert same(lc.load(path, step=11), states[11])


def test_command_line(run: tuple[Path, dict[int, Any]], tmp_path: Path) -> None:
    path, states = run
    listed = cli("list", path)
    assert listed.returncode == 0, listed.stderr
    lines = listed.stdout.splitlines()
    assert len(lines) == 13
    assert "key" in lines[0]
    assert "from 1, chain 1" in lines[1]
    rows = [json.loads(line) for line in cli("list", path, "--json").stdout.splitlines()]
    assert [row["step"] for row in rows] == list(range(1, 14))
    assert all(row["stored_bytes"] < row["raw_bytes"] for row in rows)
    info = cli("info", path, "--step", 2).stdout
    assert "weight replayed" in info
    assert "step 2: from step 1, chain 1" in info
    assert json.loads(cli("info", path, "--step", 3, "--json").stdout)["groups"][0]["roles"] == ["weight", "first", "second"]
    assert cli("info", path, "--step", 99).returncode == 1
    out = tmp_path / "w.npz"
    assert cli("extract", path, "model", "--step", 5, "-o", out).returncode == 0
    with np.load(out) as found:
        assert same(found["model/layer.weight"], states[5]["model"]["layer.weight"])
        assert len(found.files) == 2
    assert cli("extract", path, "-o", out).returncode == 1  # it is there
    assert cli("extract", path, "nothing", "-f", "-o", out).returncode == 1
    assert cli("extract", path, "-o", tmp_path / "x.bin").returncode == 2
    assert cli("extract", path, "--step", 4, "-o", tmp_path / "x.safetensors").returncode == 0
    with laconic.open(_encoded(tmp_path / "x.safetensors")) as archive:
        name = next(name for name in archive.names() if name.endswith("exp_avg"))
        assert same(
            archive[name], states[4]["optimizer"]["state"][int(name.rpartition("~i")[2].split("~1")[0]) if "~i" in name else 0]["exp_avg"]
        )
    assert cli("prune", path).returncode == 2
    assert cli("prune", path, "--last", 2, "-n").stdout.split() == ["12", "13"]
    done = cli("prune", path, "--every", 5, "--last", 1)
    assert done.returncode == 0, done.stderr
    assert "3 steps left" in done.stdout
    assert [info.step for info in lc.steps(path)] == [5, 10, 13]
    assert cli("list", tmp_path / "none.lac").returncode == 1


def _encoded(path: Path) -> bytes:
    import io

    file = io.BytesIO()
    with laconic.open(file, "w") as archive:
        archive.add("x", path)
    return file.getvalue()


class Part:
    """A model, optimizer or scheduler, as far as hooks see one."""

    def __init__(self, **state: Any) -> None:
        self.state = state

    def state_dict(self) -> dict[str, Any]:
        return dict(self.state)


def test_hook_for_transformers(tmp_path: Path) -> None:
    hook = CheckpointHook(tmp_path / "run.lac", every=3)
    model, optimizer = Part(w=np.ones(9)), Part(state={}, param_groups=[])
    control = object()
    hook.on_train_begin(None, SimpleNamespace(), control, model=model)
    for step in range(1, 9):
        model.state["w"] = np.full(9, step)
        state = SimpleNamespace(global_step=step, is_world_process_zero=True)
        assert hook.on_step_end(None, state, control, model=model, optimizer=optimizer, lr_scheduler=Part(last=step)) is control
        hook.on_log(None, state, control, logs={})
    hook.on_train_end(None, state, control, model=model, optimizer=optimizer, lr_scheduler=None)
    assert [info.step for info in lc.steps(tmp_path / "run.lac")] == [3, 6, 8]
    back = lc.load(tmp_path / "run.lac", step=6)
    assert back["step"] == 6
    assert back["scheduler"] == {"last": 6}
    assert back["model"]["w"][0] == 6
    hook.close()
    with pytest.raises(AttributeError):
        hook.nothing  # noqa: B018


def test_hook_for_lightning(tmp_path: Path) -> None:
    hook = CheckpointHook(tmp_path / "run.lac", every=2)
    module = Part(w=np.ones(9))
    for optimizers in ([Part(state={}, param_groups=[])], [Part(a=1), Part(b=2)]):
        trainer = SimpleNamespace(global_step=0, optimizers=optimizers, is_global_zero=True)
        hook.setup(trainer, module, stage="fit")
        for step in range(6):
            trainer.global_step = step
            hook.on_train_batch_end(trainer, module, None, None, step)
        hook.on_train_end(trainer, module)
        hook.teardown(trainer, module, "fit")
    assert hook.state_dict() == {}
    assert sorted(info.step for info in lc.steps(tmp_path / "run.lac")) == [2, 4, 5]
    assert lc.load(tmp_path / "run.lac")["optimizer"] == {"0": {"a": 1}, "1": {"b": 2}}
    hook.close()


def test_the_example_resumes(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="needs torch: pip install 'laconic[torch]'")
    example = Path(__file__).parents[2] / "examples" / "train_with_checkpoints.py"
    for steps, words in ((20, "step 20"), (40, "resumed after step 20")):
        done = subprocess.run(
            [sys.executable, example, tmp_path / "run.lac", "--steps", str(steps)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert words in done.stdout
    assert [info.step for info in lc.steps(tmp_path / "run.lac")] == [10, 20, 30, 40]


class Crafted(lc.CheckpointReader):
    """Reads the archive with another manifest than its own, as if its checksums fitted."""

    crafted = b""

    def manifest(self, step: int) -> Any:
        return manifest.parse(self.crafted)


def test_damaged_manifests(tmp_path: Path) -> None:
    """Data or a LaconicError, whatever of a manifest is damaged, and never much time or memory."""
    import cbor2

    training = AdamW({"w": (30,)})
    training.step()
    lc.save(training.state(), tmp_path / "run.lac", step=7)
    with laconic.open(tmp_path / "run.lac") as archive:
        raw = archive["7"]
    chance = random.Random(1)
    with Crafted(tmp_path / "run.lac", jobs=1) as reader:
        for k in range(600):
            data = bytearray(raw)
            for _ in range(chance.randrange(1, 4) if k else 0):
                data[chance.randrange(len(data))] = chance.randrange(256)
            reader.crafted = bytes(data)
            try:
                reader.names(7), reader.groups(7), reader.describe(7), reader.stored_bytes(7), reader.load(7)
            except laconic.LaconicError:
                assert k
        good = cbor2.loads(raw)
        members, counts, rows = good["groups"][0]
        shared: list[Any] = ["v", None]
        for _ in range(30):
            shared = ["l", *[shared] * 99]
        for change in ({"version": 2}, {"arrays": []}, {"groups": []}, {"tree": ["a", 99]}, {"tree": None}, {"step": -1}, {"settings": 3},
                       {"groups": [[members, [1 << 61] * len(counts), rows]]}, {"groups": [[[], [1 << 61], [[]]], *good["groups"]]},
                       {"groups": [[[[1e999, 0, 0, 4]], counts, rows]]}, {"groups": [[[[99, 0, 0, 4]], counts, rows]]},
                       {"tree": shared}, {"step": cbor2.CBORTag(35, "(a+)+$")}):  # fmt: skip
            reader.crafted = cbor2.dumps(good | change, value_sharing="tree" in change)
            with pytest.raises(laconic.LaconicError):
                reader.load(7)


def test_states_as_deep_as_they_may_be(tmp_path: Path) -> None:
    state: Any = {"n": 1 << 200}
    for _ in range(63):
        state = {"x": state}
    lc.save(state, tmp_path / "run.lac", step=0)
    assert same(lc.load(tmp_path / "run.lac"), state)
    with pytest.raises(ValueError, match="nested too deep"):
        lc.save({"x": state}, tmp_path / "run.lac", step=1)


def test_a_pipe_has_no_steps_to_go_back_to(run: tuple[Path, dict[int, Any]]) -> None:
    """Predicted steps need the archive itself: as a file, or given as base."""
    from laconic import registry
    from laconic.archive.reader import open_reader
    from laconic.bases import Bases
    from laconic.container.stream import Data, StreamReader

    path, _ = run
    with pytest.raises(laconic.MissingBaseError, match="give the file or archive that holds it as base"), path.open("rb") as pipe:
        for _ in StreamReader(pipe, registry.get, jobs=1).events():
            pass
    resolve = Bases(path, open_reader).by_hash
    with path.open("rb") as pipe:
        events = StreamReader(pipe, registry.get, jobs=1, resolve_base=resolve).events()
        assert sum(len(event.raw) for event in events if isinstance(event, Data)) > sum(info.raw_bytes for info in lc.steps(path))


def test_missing_groups_are_damage(tmp_path: Path) -> None:
    lc.save({"w": np.ones(9)}, tmp_path / "run.lac", step=7)
    with laconic.open(tmp_path / "run.lac") as archive, laconic.open(tmp_path / "other.lac", "w") as other:
        other.add("7", archive["7"], meta=archive.entry("7").meta)
    with lc.CheckpointReader(tmp_path / "other.lac") as reader:
        for call in (reader.load, reader.describe, reader.stored_bytes):
            with pytest.raises(laconic.CorruptDataError, match="step 7: its group 0 is missing"):
                call(7)
