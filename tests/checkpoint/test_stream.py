"""Steps appended to an archive come back as they were: whole, in part, after damage, and whatever else is in the state."""

from __future__ import annotations

import errno
import os
import random
import struct
import subprocess
import sys
import threading
import warnings
from collections import OrderedDict
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from adam import AdamW
from hypothesis import given
from hypothesis import strategies as st
from same import same

import laconic
import laconic.checkpoint as lc

SHAPES = {"embed.weight": (300, 40), "layer.weight": (260, 300), "layer.bias": (260,), "norm": (40,)}


def run_of(steps: int, **options: Any) -> tuple[AdamW, list[dict[str, Any]]]:
    run, states = AdamW(SHAPES, **options), []
    for _ in range(steps):
        run.step()
        states.append(run.state())
    return run, states


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.lac"


def save_all(path: Path, states: list[Any], **options: Any) -> list[int]:
    """Saves step i + 1 each; archive sizes after each."""
    sizes = []
    with lc.CheckpointWriter(path, **options) as writer:
        for i, state in enumerate(states):
            writer.save(state, i + 1)
            writer.wait()
            sizes.append(path.stat().st_size)
    return sizes


@pytest.mark.parametrize("background", [True, False])
@pytest.mark.parametrize("scratch", [True, None])
def test_a_run(path: Path, background: bool, scratch: Any) -> None:
    _, states = run_of(12)
    sizes = save_all(path, states, key_every=4, background=background, scratch=scratch)
    for i, state in enumerate(states):
        assert same(lc.load(path, step=i + 1), state)
    assert same(lc.load(path), states[-1])
    infos = lc.steps(path)
    assert [info.step for info in infos] == list(range(1, 13))
    assert [info.chain for info in infos] == [0, 1, 2, 3] * 3
    assert [info.base for info in infos[:5]] == [None, 1, 2, 3, None]
    key, predicted = sizes[8] - sizes[7], sizes[11] - sizes[10]
    assert predicted < 0.5 * key
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_the_same_bytes_however_it_was_saved(tmp_path: Path) -> None:
    _, states = run_of(5)
    contents = []
    for k, options in enumerate(({"jobs": 1}, {"jobs": 3}, {"scratch": None}, {"background": False})):
        save_all(tmp_path / f"{k}.lac", states, key_every=3, **options)
        contents.append((tmp_path / f"{k}.lac").read_bytes())
    (tmp_path / "one by one.lac").unlink(missing_ok=True)
    for i, state in enumerate(states):
        lc.save(state, tmp_path / "one by one.lac", step=i + 1, key_every=3)
    contents.append((tmp_path / "one by one.lac").read_bytes())
    assert len(set(contents)) == 1


def test_names(path: Path) -> None:
    _, states = run_of(3)
    save_all(path, states)
    with lc.CheckpointReader(path) as reader:
        assert set(reader.names(2)) >= {"model/layer.weight", "optimizer/state/~i0/exp_avg"}
        found = reader.load(2, ["model/layer.weight", "optimizer/state/~i1"])
        assert list(found) == ["model/layer.weight", *(f"optimizer/state/~i1/{key}" for key in ("step", "exp_avg", "exp_avg_sq"))]
        assert same(found["model/layer.weight"], states[1]["model"]["layer.weight"])
        assert same(found["optimizer/state/~i1/exp_avg"], states[1]["optimizer"]["state"][1]["exp_avg"])
        with pytest.raises(KeyError, match="no array 'model/layer'"):
            reader.load(2, ["model/layer"])
        with pytest.raises(KeyError, match=r"no step 9 \(steps: 1, 2, 3\)"):
            reader.load(9)


def test_one_array_is_read_without_the_others(path: Path) -> None:
    """Damage elsewhere does not matter."""
    run = AdamW({"a": (400, 400), "b": (400, 400)})
    run.step()
    lc.save(run.state(), path, step=1)
    data = bytearray(path.read_bytes())
    with laconic.open(path) as archive:
        part, entry = archive._entry("1/0")
        stream = part.streams[entry.stream]
        data[stream.offsets[0] + stream.lengths[0] // 2] ^= 1
    path.write_bytes(data)
    assert same(lc.load(path, names=["model/b"])["model/b"], run.weights["b"])
    with pytest.raises(laconic.CorruptDataError, match="step 1, model/a"):
        lc.load(path, names=["model/a"])


def test_damage_in_one_step(path: Path) -> None:
    _, states = run_of(8)
    save_all(path, states, key_every=4)
    data = bytearray(path.read_bytes())
    with laconic.open(path) as archive:
        part, entry = archive._entry("2/0")
        stream = part.streams[entry.stream]
        data[stream.offsets[0] + stream.lengths[0] - 9] ^= 4
    path.write_bytes(data)
    for step in (1, 5, 6, 7, 8):
        assert same(lc.load(path, step=step), states[step - 1])
    for step in (2, 3, 4):
        with pytest.raises(laconic.CorruptDataError, match=f"step {step}, "):
            lc.load(path, step=step)


def test_a_missing_base_is_named(path: Path, tmp_path: Path) -> None:
    """The second step's part alone, as if the first had been cut away."""
    _, states = run_of(2)
    first, second = save_all(path, states)
    part = tmp_path / "second.lac"
    data = path.read_bytes()
    # The second append's index covers the first part too; its frames alone are found by a scan.
    part.write_bytes(data[first:second])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", laconic.TornArchiveWarning)
        with laconic.open(part, recover=True) as archive:
            names = [name for name in archive.names() if name.startswith("2/")]
            assert names
            with pytest.raises(laconic.MissingBaseError, match="needs the base"):
                for name in names:
                    archive[name]


def test_anything_else_in_a_state(path: Path) -> None:
    tied = np.arange(5000.0)
    state = {
        "none": None, "flags": [True, False], "big": 1 << 200, "negative": -(1 << 70), "nan": struct.unpack("<d", b"\x01\0\0\0\0\0\xf8\x7f")[0],
        "zero": -0.0, "text": "é" * 3000, "empty": {}, "list": [], "tuple": (1, (2.5, "x")), "bytes": b"abc" * 9000, "short": b"\0",
        "array": bytearray(b"xyz"), "long array": bytearray(9000), "odict": OrderedDict(b=1, a=[None]), 7: {"-1": 0, -1: "int key", "a/b~": 3},
        "ints": np.arange(-5, 5, dtype=np.int8), "words": np.array(["a", "bcd"]), "big endian": np.arange(300, dtype=">f4"),
        "struct": np.zeros(3, [("a", "<i4"), ("b", "<f8", (2,))]), "scalar": np.float32(2.5), "zero-d": np.array(7), "bf16": np.ones(9, ml_dtypes.bfloat16),
        "f8": np.ones(9, ml_dtypes.float8_e4m3fn), "complex": np.ones(9, np.complex128), "long": np.ones(3, np.longdouble), "empty array": np.ones((3, 0, 2)),
        "fortran": np.asfortranarray(np.arange(12).reshape(3, 4)), "strided": np.arange(100)[::3], "dates": np.array(["2020-01-01"], "M8[D]"),
        "tied": [tied, tied, tied[:10]],
    }  # fmt: skip
    for step in (1, 2):
        lc.save(state, path, step=step)
        back = lc.load(path)
        assert same({**back, "long": 0}, {**state, "long": 0})
        assert (back["long"] == state["long"]).all()
        assert back["tied"][0] is back["tied"][1]


class Odd:
    pass


@pytest.mark.parametrize(
    ("state", "where"),
    [
        ({"a": {"b": [1, Odd()]}}, "a/b/~i1: can't encode"), ({"a": {1, 2}}, "a: can't encode"), ({"a": {(1, 2): 3}}, "a: dict keys"),
        ({"a": {True: 3}}, "a: dict keys"), ({"o": np.array([None])}, "o: arrays of Python objects"), ({"c": 1j}, "c: can't encode"), (Odd(), "the state"),
        ({"m": np.ma.masked_array([1.0])}, "m: MaskedArray"),
    ],
)  # fmt: skip
def test_what_would_not_come_back_is_refused(state: Any, where: str, path: Path) -> None:
    with pytest.raises(TypeError, match=where):
        lc.save(state, path, step=1)
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(ValueError, match="nested too deep"):
        lc.save(loop, path, step=1)


@given(
    st.lists(st.sampled_from(["step", "skip", "shape", "dtype", "rate", "perturb", "drop", "add", "resume"]), max_size=12),
    st.integers(1, 4),
)
def test_any_history(tmp_path_factory: pytest.TempPathFactory, events: list[str], key_every: int) -> None:
    """Whatever happens between two saves."""
    path = tmp_path_factory.mktemp("history") / "run.lac"
    run = AdamW({"a": (70, 5), "b": (33,)}, seed=1)
    writer = lc.CheckpointWriter(path, key_every=key_every, background=False)
    kept: dict[int, Any] = {}
    for number, event in enumerate(events):
        extra: dict[str, Any] = {}
        run.step()
        if event == "skip":
            run.step()
        elif event == "shape":
            run.weights["b"] = np.ones(40 + number, np.float32)
            run.moments["b"] = (np.zeros(40 + number, np.float32), np.zeros(40 + number, np.float32))
        elif event == "dtype":
            extra["half"] = run.weights["a"].astype(np.float16)
        elif event == "rate":
            run.lr *= 0.7
        elif event == "perturb":
            run.weights["a"][3, 3] = np.nan
            run.moments["a"][1][0, 0] = -1.0
        elif event == "drop" and len(run.weights) > 1:
            name = list(run.weights)[1]
            del run.weights[name], run.moments[name]
        elif event == "add":
            run.weights[f"n{number}"] = np.ones(8, np.float32)
            run.moments[f"n{number}"] = (np.ones(8, np.float32), np.ones(8, np.float32))
        elif event == "resume":
            writer.close()
            writer = lc.CheckpointWriter(path, key_every=key_every, background=False)
        kept[number] = run.state() | extra
        with np.errstate(all="ignore"):
            writer.save(kept[number], number)
    writer.close()
    for number, state in kept.items():
        assert same(lc.load(path, step=number, jobs=1), state)


def test_going_back(path: Path) -> None:
    """Training resumed from an earlier step writes later ones again; the last writing counts."""
    _, states = run_of(6)
    save_all(path, states)
    _, others = run_of(6, seed=5)
    lc.save(others[2], path, step=3)
    assert same(lc.load(path, step=3), others[2])
    assert lc.steps(path)[-1].step == 3
    assert lc.steps(path)[-1].base == 2
    assert same(lc.load(path), others[2])
    for step in (1, 2):
        assert same(lc.load(path, step=step), states[step - 1])
    for step in (4, 5, 6):  # coded against the step 3 that was written first, which is still there
        assert same(lc.load(path, step=step), states[step - 1])


def test_a_torn_tail(path: Path) -> None:
    """Cut anywhere in the last step: what was before loads, and the next save goes on from there."""
    _, states = run_of(4)
    sizes = save_all(path, states[:3], key_every=8)
    whole = path.read_bytes()
    chance = random.Random(1)
    for cut in [sizes[1] + 1, sizes[2] - 1, *(chance.randrange(sizes[1] + 1, sizes[2]) for _ in range(12))]:
        path.write_bytes(whole[:cut])
        with pytest.warns(laconic.TornArchiveWarning, match="torn"):
            assert same(lc.load(path), states[1])
        with pytest.warns(laconic.TornArchiveWarning, match="unfinished step"):
            lc.save(states[3], path, step=4)
        assert same(lc.load(path), states[3])
        assert same(lc.load(path, step=1), states[0])
        assert [info.step for info in lc.steps(path)] == [1, 2, 4]
    for cut in (0, 1, 8, 12, 13, 14, sizes[0] // 2, sizes[0] - 1):
        path.write_bytes(whole[:cut])
        with pytest.warns(laconic.TornArchiveWarning, match="no step is complete"):
            assert lc.steps(path) == []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", laconic.TornArchiveWarning)
            lc.save(states[3], path, step=4)
        assert same(lc.load(path), states[3])


def test_what_is_no_torn_tail_is_not_cut(path: Path) -> None:
    _, states = run_of(2)
    save_all(path, states)
    data = bytearray(path.read_bytes())
    data[-20] ^= 1  # the last trailer
    path.write_bytes(data)
    with pytest.raises(laconic.CorruptDataError, match="damaged"):
        lc.save(states[0], path, step=9)
    assert path.read_bytes() == data
    path.write_bytes(b"something else entirely")
    with pytest.raises(laconic.CorruptDataError, match="not a laconic archive"):
        lc.save(states[0], path, step=9)
    assert path.read_bytes() == b"something else entirely"


def test_other_entries_are_left_alone(path: Path) -> None:
    _, states = run_of(1)
    with laconic.open(path, "w") as archive:
        archive.add("notes", b"hello")
        archive.add("12", b"not a step")
    lc.save(states[0], path, step=3)
    with laconic.open(path, "a") as archive:
        archive.add("more", np.arange(9))
    lc.save(states[0], path, step=4)
    with laconic.open(path) as archive:
        assert archive["notes"] == b"hello"
        assert archive["12"] == b"not a step"
        assert archive.verify()["entries"] == len(archive)
    assert [info.step for info in lc.steps(path)] == [3, 4]


def test_saving_does_not_wait_for_the_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`save` returns when the state is copied: what training does to its tensors afterwards is not in the archive."""
    go = threading.Event()
    original = lc.CheckpointWriter._write

    def slow(self: Any, snapshot: Any) -> Any:
        assert go.wait(30)
        return original(self, snapshot)

    monkeypatch.setattr(lc.CheckpointWriter, "_write", slow)
    x = np.arange(10_000, dtype=np.float32)
    with lc.CheckpointWriter(path) as writer:
        writer.save({"x": x}, 1)
        x[:] = -1
        assert writer.last is None
        go.set()
        assert writer.wait() == writer.last
    assert lc.load(path)["x"][5] == 5


def test_errors_of_the_background_arrive(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    writer = lc.CheckpointWriter(folder / "run.lac")
    writer.save({"x": np.ones(9)}, 1)
    writer.wait()
    (folder / "run.lac").write_bytes(b"overwritten by someone")
    writer.save({"x": np.ones(9)}, 2)
    with pytest.raises(laconic.CorruptDataError, match="not a laconic archive"):
        writer.wait()
    (folder / "run.lac").unlink()
    writer.save({"x": np.full(9, 2.0)}, 3)
    writer.close()
    assert lc.load(folder / "run.lac")["x"][0] == 2.0


def test_two_writers_are_refused(path: Path) -> None:
    from laconic.checkpoint.append import Stream

    lc.save({"x": np.ones(9)}, path, step=1)
    stream = Stream(path)
    with pytest.raises(BlockingIOError, match="another process"):
        lc.save({"x": np.ones(9)}, path, step=2)
    stream.close()
    lc.save({"x": np.ones(9)}, path, step=2)


@pytest.mark.parametrize("bad", [{"key_every": 0}, {"key_every": 33}, {"level": "best"}])
def test_options_are_checked(path: Path, bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        lc.CheckpointWriter(path, **bad)


def test_step_numbers_are_checked(path: Path) -> None:
    for bad in (-1, 1.5, "3", True):
        with pytest.raises(ValueError, match="a step is a number"):
            lc.save({}, path, step=bad)  # type: ignore[arg-type]


def test_an_empty_state(path: Path) -> None:
    lc.save({}, path, step=0)
    lc.save({}, path, step=1)
    assert lc.load(path) == {}


def test_torch_is_not_imported() -> None:
    code = "import sys, laconic, laconic.checkpoint; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_long_chains_end(path: Path) -> None:
    run, states = run_of(40)
    save_all(path, states, key_every=32)
    assert max(info.chain for info in lc.steps(path)) == 31
    assert same(lc.load(path, step=32), states[31])
    del run


def test_large_arrays_span_frames(path: Path) -> None:
    run = AdamW({"w": (700, 500)})
    states = []
    for step in (1, 2, 3):
        run.step()
        states.append(run.state())
        lc.save(states[-1], path, step=step)
    for step in (1, 2, 3):
        assert same(lc.load(path, step=step, jobs=3), states[step - 1])


def test_a_step_that_another_writer_wrote_again(path: Path) -> None:
    """What a writer remembers of the step before counts only while the archive holds the same."""
    _, states = run_of(4)
    _, others = run_of(4, seed=5)
    with lc.CheckpointWriter(path, key_every=9) as writer:
        writer.save(states[0], 1)
        writer.wait()
        lc.save(others[0], path, step=1)  # the same shapes, other bytes
        writer.save(states[1], 2)
        writer.wait()
        lc.save({**others[1], "more": np.ones(9)}, path, step=2)  # another layout
        writer.save(states[2], 3)
    for step, state in ((1, others[0]), (2, {**others[1], "more": np.ones(9)}), (3, states[2])):
        assert same(lc.load(path, step=step), state)


def test_a_disk_without_room_for_the_scratch_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, "no space left on device")

    _, states = run_of(3)
    with lc.CheckpointWriter(path) as writer:
        monkeypatch.setattr(os, "pwrite", full)
        for step, state in enumerate(states):
            writer.save(state, step)
    for step, state in enumerate(states):
        assert same(lc.load(path, step=step), state)


def test_trees_as_jax_has_them(path: Path) -> None:
    """Parameters and optax's moments as dicts of arrays: moments are found by their names, and are contexts for each other."""
    run = AdamW({"dense/kernel": (300, 250), "dense/bias": (250,), "out/kernel": (250, 300)})
    tree = {"dense": {"kernel": "dense/kernel", "bias": "dense/bias"}, "out": {"kernel": "out/kernel"}}

    def grown(value: Any, leaf: Any) -> Any:
        return {key: grown(child, leaf) for key, child in value.items()} if isinstance(value, dict) else leaf(value).copy()

    states = []
    for _ in range(3):
        run.step()
        moments = {key: grown(tree, lambda name, k=k: run.moments[name][k]) for k, key in enumerate(("mu", "nu"))}
        opt_state = ({"count": np.int32(run.count), **moments}, {})
        half = grown(tree, lambda name: run.weights[name].astype(ml_dtypes.bfloat16))
        states.append({"params": grown(tree, run.weights.__getitem__), "opt": {"adam": opt_state[0], "rest": opt_state[1]}, "half": half})
    save_all(path, states)
    for i, state in enumerate(states):
        assert same(lc.load(path, step=i + 1), state)
    with lc.CheckpointReader(path) as reader:
        rows = reader.describe(2)
    large = [row for row in rows if "params/dense/kernel" in row["arrays"]]
    assert large[0]["arrays"] == ["params/dense/kernel", "opt/adam/mu/dense/kernel", "opt/adam/nu/dense/kernel", "half/dense/kernel"]
    assert all("weight shares of the direction" in method and "copy cast" in method for method in large[0]["methods"])


def test_flat_shards(path: Path) -> None:
    """One long vector a process, as FSDP's flat parameters: in frames, with its moments, replayed."""
    run = AdamW({"_flat_param": (400_003,)})
    states = []
    for _ in range(2):
        run.step()
        states.append(run.state())
    first, second = save_all(path, states)
    assert second - first < 0.45 * first
    assert same(lc.load(path, names=["model/_flat_param"])["model/_flat_param"], states[1]["model"]["_flat_param"])
