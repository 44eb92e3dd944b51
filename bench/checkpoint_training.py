"""Sets of the kind ``checkpoint`` that train while they measure: a run saved at each step, replay, what saving costs in time and memory."""

from __future__ import annotations

import copy
import multiprocessing
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench import train_gpt
from bench.measure import Row, _keep_freed_memory, _peak, _reset_peak
from bench.suite import Options

RUN_STEPS = 50
EVERY = 10  # steps from save to save


def equal(a: Any, b: Any) -> bool:
    """The same values, dtypes, shapes and bits."""
    if isinstance(a, dict):
        return list(a) == list(b) and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(equal, a, b))
    if hasattr(a, "numpy"):
        from laconic import objects

        return a.dtype == b.dtype and a.shape == b.shape and bytes(objects.leaf(a).raw) == bytes(objects.leaf(b).raw)  # type: ignore[union-attr]
    return bool(a == b)


def state_of(model: Any, optimizer: Any) -> dict[str, Any]:
    """A copy of what `save` stores of them."""
    return copy.deepcopy({"model": dict(model.state_dict()), "optimizer": optimizer.state_dict()})


def plain(state: dict[str, Any]) -> dict[str, Any]:
    """Without the ordered kind of dict that modules give."""
    return {"model": dict(state["model"]), "optimizer": state["optimizer"]}


class Training:
    """A run that goes on from step 400; `options` are AdamW's."""

    def __init__(self, **options: Any) -> None:
        import torch

        torch.manual_seed(1)
        state = torch.load(train_gpt.checkpoints()[f"step{train_gpt.START}"], weights_only=True)
        self.model = train_gpt._model()
        self.model.load_state_dict(state["model"])
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=train_gpt.LEARNING_RATE, betas=(0.9, 0.95), weight_decay=0.1, **options
        )
        flags = [{key: group[key] for key in ("foreach", "fused")} for group in self.optimizer.param_groups]
        self.optimizer.load_state_dict(state["optimizer"])
        for group, own in zip(self.optimizer.param_groups, flags, strict=True):
            group.update(own)
        self._corpus, self._batches = train_gpt._corpus(), np.random.default_rng(2)

    def step(self, count: int = 1) -> None:
        for _ in range(count):
            train_gpt._step(self.model, self.optimizer, self._corpus, self._batches)

    @property
    def parameters(self) -> int:
        return sum(x.numel() for x in self.model.parameters())


def run(options: Options) -> Iterator[Row]:
    """Every step of a stretch of training, with the default key steps; what loading the end of a chain takes beside a key step."""
    import laconic.checkpoint as lc

    steps = 12 if options.quick else RUN_STEPS
    path = options.scratch / "run.lac"
    kept: dict[int, Any] = {}
    training = Training()
    with lc.CheckpointWriter(path) as writer:
        for step in range(steps):
            training.step()
            writer.save((training.model, training.optimizer), step)
            if step >= steps - 8:
                kept[step] = state_of(training.model, training.optimizer)
    infos = {info.step: info for info in lc.steps(path)}
    times: dict[int, list[float]] = {}
    alone: list[float] = []
    _keep_freed_memory()
    name = "model/blocks.1.up.weight"
    with lc.CheckpointReader(path, jobs=1) as reader:
        sizes = {step: reader.stored_bytes(step) for step in infos}
        raw = infos[0].raw_bytes
        exact = True
        for turn in range(6):
            for step, state in kept.items():
                start = time.process_time()
                back = reader.load(step)
                if turn:
                    times.setdefault(infos[step].chain, []).append(time.process_time() - start)
                else:
                    exact = exact and equal(plain(back), state)
            start = time.process_time()
            one = reader.load(max(kept), [name])[name]
            alone.append(time.process_time() - start)
        exact = exact and equal(one, kept[max(kept)]["model"][name.partition("/")[2]])
    count = training.parameters
    seconds = {chain: statistics.median(found) for chain, found in times.items()}
    mean = sum(sizes.values()) // len(sizes)
    base = {"set": "run", "codec": "laconic:default", "exact": exact}
    for chain in sorted(seconds):
        yield base | {"file": f"load, chain of {chain}", "raw_bytes": raw, "stored_bytes": mean, "decode_mbps": raw / seconds[chain] / 1e6,
                      "times_of_a_key_step": seconds[chain] / seconds[0]}  # fmt: skip
    share = statistics.median(alone[1:]) / seconds[infos[max(kept)].chain]
    yield base | {"file": f"load, {name} of the last step", "raw_bytes": one.nbytes, "stored_bytes": mean * one.nbytes // raw,
                  "share_of_the_whole_time": share, "share_of_the_whole_state": one.nbytes / raw}  # fmt: skip
    predicted = [size for step, size in sizes.items() if not infos[step].key]
    yield base | {"file": f"{steps} steps, each saved", "raw_bytes": raw * steps, "stored_bytes": path.stat().st_size,
                  "bits_per_parameter": 8 * path.stat().st_size / count / steps,
                  "bits_per_parameter_predicted": 8 * statistics.median(predicted) / count}  # fmt: skip


def replay(options: Options) -> Iterator[Row]:
    """Two steps in a row, however they were computed and whatever was done to them: exact, only larger."""
    import torch

    import laconic.checkpoint as lc

    def nothing(training: Training) -> None:
        training.step()

    def perturb(training: Training) -> None:
        training.step()
        with torch.no_grad():
            next(training.model.parameters())[3, 3] += 0.125

    def rate(training: Training) -> None:
        for group in training.optimizer.param_groups:
            group["lr"] *= 0.7
        training.step()

    def hidden_rate(training: Training) -> None:
        rate(training)
        for group in training.optimizer.param_groups:
            group["lr"] *= 0.9  # neither of the rates that were saved

    def threads(training: Training) -> None:
        torch.set_num_threads(1 if torch.get_num_threads() > 1 else 2)
        training.step()

    cases: dict[str, tuple[dict[str, Any], Any]] = {
        "single-tensor": ({"foreach": False}, nothing), "foreach": ({"foreach": True}, nothing), "fused": ({"fused": True}, nothing),
        "other threads": ({}, threads), "one weight perturbed": ({}, perturb), "learning rate changed": ({}, rate),
        "learning rate not known": ({}, hidden_rate), "two steps at once": ({}, lambda training: training.step(2)),
    }  # fmt: skip
    before = torch.get_num_threads()
    for k, (label, (flags, change)) in enumerate(cases.items()):
        path = options.scratch / f"replay{k}.lac"
        training = Training(**flags)
        training.step()
        states = []
        try:
            with lc.CheckpointWriter(path) as writer:
                for step in (0, 1):
                    if step:
                        change(training)
                    writer.save((training.model, training.optimizer), step)
                    states.append(state_of(training.model, training.optimizer))
        finally:
            torch.set_num_threads(before)
        exact = all(equal(plain(lc.load(path, step=step)), state) for step, state in enumerate(states))
        with lc.CheckpointReader(path) as reader:
            stored, raw = reader.stored_bytes(1), reader.steps()[1].raw_bytes
        yield {"set": "replay", "file": label, "codec": "laconic:default", "raw_bytes": raw, "stored_bytes": stored, "exact": exact,
               "bits_per_parameter": 8 * stored / training.parameters}  # fmt: skip


def training(options: Options) -> Iterator[Row]:
    """Wall time of a loop with one thread, with a save every 10 steps in the background and without. Blocks of both in turn; a block with
    saves ends when its last one is on disk."""
    import torch

    import laconic.checkpoint as lc

    pairs, saves = (1, 1) if options.quick else (5, 2)
    path = options.scratch / "training.lac"
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        found = Training()
        walls: dict[bool, list[float]] = {True: [], False: []}
        stalls, number = [], 0
        with lc.CheckpointWriter(path) as writer:
            writer.save((found.model, found.optimizer), number)  # memory that later saves use again
            found.step(EVERY)
            writer.wait()
            for block in range(2 * pairs):
                saving = block % 2 == 1
                start = time.perf_counter()
                for _ in range(saves):
                    if saving:
                        number += EVERY
                        begin = time.perf_counter()
                        writer.save((found.model, found.optimizer), number)
                        stalls.append(time.perf_counter() - begin)
                    found.step(EVERY)
                writer.wait()
                walls[saving].append((time.perf_counter() - start) / saves)
    finally:
        torch.set_num_threads(before)
    infos = lc.steps(path)
    without, with_saves = (statistics.median(walls[saving]) for saving in (False, True))
    yield {"set": "training", "file": f"a save every {EVERY} steps, one thread", "codec": "laconic:default",
           "raw_bytes": infos[0].raw_bytes * len(infos), "stored_bytes": path.stat().st_size, "step_ms": 1000 * without / EVERY,
           "step_ms_with_saves": 1000 * with_saves / EVERY, "slowdown": with_saves / without - 1,
           "stall_ms": 1000 * statistics.median(stalls), "stall_share": statistics.median(stalls) / without}  # fmt: skip


def memory(options: Options) -> Iterator[Row]:
    """Peak memory of saves above what the process held with its state, beside the size of one snapshot."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_memory_child, args=(sender, options.scratch / "memory.lac"))
    child.start()
    raw, peak, stored = receiver.recv()
    child.join()
    yield {"set": "memory", "file": "4 saves", "codec": "laconic:default", "raw_bytes": raw, "stored_bytes": stored // 4,
           "peak_mib": peak / 2**20, "peak_in_snapshots": peak / raw}  # fmt: skip


def _memory_child(sender: Any, path: Path) -> None:
    import laconic.checkpoint as lc

    random = np.random.default_rng(0)
    state = {"model": {str(i): random.standard_normal((1024, 1024), np.float32) for i in range(48)}}
    lc.save({"w": np.ones(1000, np.float32)}, path.with_name("first.lac"), step=0)  # what is imported and allocated once
    before = _reset_peak()
    with lc.CheckpointWriter(path) as writer:
        for step in range(4):
            writer.save(state, step)
            writer.wait()
            for array in state["model"].values():
                array *= np.float32(1.001)
        peak = _peak() - before
    sender.send((lc.steps(path)[0].raw_bytes, peak, path.stat().st_size))
