"""Kind ``checkpoint``: steps of a small GPT that is trained here (bench.train_gpt), each against the step before.

Sets: ``p+m+v`` and ``p`` are pairs of steps, with peers; ``copies`` what bf16 copies of fp32 masters cost; ``run`` 50 steps in a row,
saved each; ``training`` what saving costs a training loop; ``memory`` what it holds. Speeds are state bytes per second of CPU time, for
`run` those of loading the step with all that it depends on.
"""

from __future__ import annotations

import copy
import importlib.metadata
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench import tensors, train_gpt
from bench.measure import Row, _keep_freed_memory, _peak, _reset_peak, machine
from bench.suite import Options, matches, say

PAIRS = {"+1": "step401", "+10": "step410", "+50": "step450", "low rate +1": "low1"}
RUN_STEPS = 50
ROLES = ("weight", "first", "second")


def run(options: Options) -> list[Row]:
    """Rows of all sets that were asked for. Needs torch; trains once and keeps the result."""
    rows: list[Row] = []
    for name, measure in (("p+m+v", _pairs), ("copies", _copies), ("run", _run), ("training", _training), ("memory", _memory)):
        if matches(name, options.sets) or (name == "p+m+v" and matches("p", options.sets)):
            for row in measure(options):
                rows.append(_BASE | row | {"kind": "checkpoint", "machine": machine()})
                percent = 100 * row["stored_bytes"] / row["raw_bytes"]
                say(f"{row['set']}/{row['file']} {row['codec']}: {percent:.2f} % {_numbers(row)}")
    return rows


_BASE: Row = {"level": "", "options": "", "encode_mbps": None, "decode_mbps": None, "exact": True}


def _numbers(row: Row) -> str:
    return ", ".join(f"{key} {value:.4g}" for key, value in row.items() if isinstance(value, float) and key not in ("raw_bytes",))


def _state(name: str) -> dict[str, Any]:
    return train_gpt._load(train_gpt.checkpoints()[name])


def _flat(name: str) -> dict[str, np.ndarray[Any, Any]]:
    """p, m and v of all parameters, one after another."""
    path = train_gpt.checkpoints()[name]
    parts = (train_gpt.parameters(path), *train_gpt.moments(path))
    return {role: np.concatenate([x.ravel() for x in part.values()]) for role, part in zip(ROLES, parts, strict=True)}


# ---------------------------------------------------------------------- pairs of steps


def _pairs(options: Options) -> Iterator[Row]:
    before = _flat("step400")
    for label, name in PAIRS.items():
        now = _flat(name)
        found = _save_pair(options, _state("step400"), _state(name))
        yield {"set": "p+m+v", "file": label, "codec": "laconic:default", **found["all"]}
        yield {"set": "p", "file": label, "codec": "laconic:default", **found["weight"]}
        if label == "+1":
            yield {"set": "p+m+v", "file": "alone", "codec": "laconic:default", **found["key"]}
        for codec, (encode, decode, packages) in _peers().items():
            try:
                versions = {package: importlib.metadata.version(package) for package in packages}
            except importlib.metadata.PackageNotFoundError as error:
                say(f"{codec}: {error} is not installed")
                continue
            sizes: dict[str, int] = {}
            spent = [0.0, 0.0]
            exact = True
            for role in ROLES:
                start = time.process_time()
                payload = encode(now[role], before[role])
                middle = time.process_time()
                back = decode(payload, before[role])
                spent = [spent[0] + middle - start, spent[1] + time.process_time() - middle]
                sizes[role] = len(payload)
                exact = exact and bytes(memoryview(back).cast("B")) == now[role].tobytes()
            raw = sum(x.nbytes for x in now.values())
            speeds = {"encode_mbps": raw / spent[0] / 1e6, "decode_mbps": raw / spent[1] / 1e6}
            whole = {"raw_bytes": raw, "stored_bytes": sum(sizes.values()), "exact": exact, **speeds}
            yield {"set": "p+m+v", "file": label, "codec": codec, "versions": versions, **whole}
            yield {"set": "p", "file": label, "codec": codec, "versions": versions, "raw_bytes": now["weight"].nbytes,
                   "stored_bytes": sizes["weight"], "exact": exact}  # fmt: skip


def _save_pair(options: Options, first: Any, second: Any) -> dict[str, Row]:
    """Two saves in one archive, as a training run makes them; sizes of the second, its weights, and of the first (alone)."""
    import laconic.checkpoint as lc

    _keep_freed_memory()
    times: list[list[float]] = [[], [], []]
    for turn in range(4):
        path = options.scratch / f"pair{turn}.lac"
        with lc.CheckpointWriter(path, background=False) as writer:
            for kind, step in ((0, 0), (1, 1)):
                start = time.process_time()
                writer.save((first, second)[step], step)
                if turn:
                    times[kind].append(time.process_time() - start)
        start = time.process_time()
        back = lc.load(path, step=1, jobs=1)
        if turn:
            times[2].append(time.process_time() - start)
    exact = _equal(back, second)
    with lc.CheckpointReader(path) as reader:
        raw = reader.steps()[1].raw_bytes
        sizes = [reader.stored_bytes(step) for step in (0, 1)]
        weights = _member_bytes(reader, 1)["weight"]
    key, predicted, loading = (raw / statistics.median(found) / 1e6 for found in times)
    count = sum(x.numel() for x in second["model"].values())
    return {
        "all": {"raw_bytes": raw, "stored_bytes": sizes[1], "bits_per_parameter": 8 * sizes[1] / count, "encode_mbps": predicted,
                "decode_mbps": loading, "exact": exact},
        "key": {"raw_bytes": raw, "stored_bytes": sizes[0], "bits_per_parameter": 8 * sizes[0] / count, "encode_mbps": key},
        "weight": {"raw_bytes": 4 * count, "stored_bytes": weights, "bits_per_parameter": 8 * weights / count, "exact": exact},
    }  # fmt: skip


def _member_bytes(reader: Any, step: int) -> dict[str, int]:
    """Payload bytes by role."""
    from laconic import registry

    found: dict[str, int] = {}
    for number, group in enumerate(reader.manifest(step).groups):
        part, entry = reader.archive._entry(f"{step}/{number}")
        stream = part.streams[entry.stream]
        for i, (a, b) in enumerate(group.chunks()):
            head, payload = reader.archive._reader.frame(stream, i)
            if head.codec != "checkpoint":
                continue
            info = registry.get("checkpoint").info(payload, head.params, head.version, head.raw_size)
            for role, bits in zip(info["members"], info["bits_per_value"], strict=True):
                found[role] = found.get(role, 0) + round(bits * (b - a) / 8)
    return found


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return list(a) == list(b) and all(_equal(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(_equal, a, b))
    if hasattr(a, "numpy"):
        from laconic import objects

        return a.dtype == b.dtype and a.shape == b.shape and bytes(objects.leaf(a).raw) == bytes(objects.leaf(b).raw)  # type: ignore[union-attr]
    return bool(a == b)


_Peer = tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any], tuple[str, ...]]


def _peers() -> dict[str, _Peer]:
    def xor(a: Any, b: Any) -> bytes:
        return (np.frombuffer(a, np.uint32) ^ np.frombuffer(b, np.uint32)).tobytes()

    def zipnn(data: bytes | bytearray, call: str) -> Any:
        from zipnn import ZipNN

        return getattr(ZipNN(input_format="byte", bytearray_dtype="float32", threads=1), call)(bytearray(data))

    def zstd_on_xor(now: Any, before: Any) -> bytes:
        import zstandard

        return zstandard.ZstdCompressor(3).compress(xor(now, before))

    def from_zstd(payload: bytes, before: Any) -> bytes:
        import zstandard

        return xor(zstandard.ZstdDecompressor().decompress(payload), before)

    def z4ai_delta(now: Any, before: Any) -> bytes:
        import z4ai

        return bytes(z4ai.compress_delta(now.tobytes(), before.tobytes(), dtype="fp32", threads=1))

    def from_z4ai(payload: bytes, before: Any) -> bytes:
        import z4ai

        return bytes(z4ai.decompress_delta(payload, before.tobytes()))

    return {
        "z4ai:delta": (z4ai_delta, from_z4ai, ("z4ai",)),
        "zipnn": (lambda now, before: zipnn(now.tobytes(), "compress"), lambda payload, before: zipnn(payload, "decompress"), ("zipnn",)),
        "zipnn:xor": (
            lambda now, before: zipnn(xor(now, before), "compress"),
            lambda payload, before: xor(zipnn(payload, "decompress"), before),
            ("zipnn",),
        ),
        "zstd:3 on xor": (zstd_on_xor, from_zstd, ("zstandard",)),
    }


# ---------------------------------------------------------------------- what else is claimed


def _copies(options: Options) -> Iterator[Row]:
    """bf16 weights, which are the fp32 masters rounded, beside them."""
    import torch

    import laconic.checkpoint as lc

    state = _state("step401")
    halves = {
        name: torch.from_numpy(tensors.cast_bf16(x.numpy()).view(np.int16)).view(torch.bfloat16) for name, x in state["model"].items()
    }
    sizes = []
    for label, found in (("without", state), ("with", {**state, "model": halves, "masters": state["model"]})):
        path = options.scratch / f"copies-{label}.lac"
        for step, saved in ((0, found), (1, found)):
            lc.save(saved, path, step=step)
        with lc.CheckpointReader(path) as reader:
            sizes.append(sum(_member_bytes(reader, 0).get(role, 0) for role in (*ROLES, "copy")))
            copies = _member_bytes(reader, 0).get("copy", 0)
        exact = _equal(lc.load(path, step=0), found)
    count = sum(x.numel() for x in state["model"].values())
    yield {"set": "copies", "file": "bf16 of fp32", "codec": "laconic:default", "raw_bytes": 2 * count, "stored_bytes": copies,
           "bits_per_parameter": 8 * copies / count, "exact": exact}  # fmt: skip


def _run(options: Options) -> Iterator[Row]:
    """Every step of a stretch of training, with the default key steps; time to load the last of a chain beside that of a key step."""
    import laconic.checkpoint as lc

    steps = 12 if options.quick else RUN_STEPS
    path = options.scratch / "run.lac"
    kept: dict[int, Any] = {}
    with lc.CheckpointWriter(path, background=False) as writer:
        for step, model, optimizer in _train(steps):
            writer.save((model, optimizer), step)
            if step >= steps - 8:
                kept[step] = copy.deepcopy({"model": model.state_dict(), "optimizer": optimizer.state_dict()})
    infos = lc.steps(path)
    times: dict[int, list[float]] = {}
    _keep_freed_memory()
    with lc.CheckpointReader(path, jobs=1) as reader:
        stored = sum(reader.stored_bytes(info.step) for info in infos)
        raw = infos[0].raw_bytes
        predicted = [reader.stored_bytes(info.step) for info in infos if not info.key]
        exact = True
        for turn in range(4):
            for step in kept:
                start = time.process_time()
                back = reader.load(step)
                if turn:
                    times.setdefault(next(i for i in infos if i.step == step).chain, []).append(time.process_time() - start)
                else:
                    exact = (
                        exact and _equal(back["model"], dict(kept[step]["model"])) and _equal(back["optimizer"], kept[step]["optimizer"])
                    )
    count = sum(x.numel() for x in back["model"].values())
    seconds = {chain: statistics.median(found) for chain, found in times.items()}
    for chain in sorted(seconds):
        yield {"set": "run", "file": f"load, chain of {chain}", "codec": "laconic:default", "raw_bytes": raw,
               "stored_bytes": stored // len(infos), "decode_mbps": raw / seconds[chain] / 1e6, "exact": exact,
               "times_of_a_key_step": seconds[chain] / seconds[0]}  # fmt: skip
    yield {"set": "run", "file": f"{steps} steps, each saved", "codec": "laconic:default", "raw_bytes": raw * len(infos),
           "stored_bytes": path.stat().st_size, "bits_per_parameter": 8 * path.stat().st_size / count / len(infos),
           "bits_per_parameter_predicted": 8 * statistics.median(predicted) / count, "exact": exact}  # fmt: skip


def _train(steps: int) -> Iterator[tuple[int, Any, Any]]:
    """(step, model, optimizer) of a run that goes on from step 400."""
    import torch

    torch.manual_seed(1)
    state = _state("step400")
    model = train_gpt._model()
    model.load_state_dict(state["model"])
    optimizer = torch.optim.AdamW(model.parameters(), lr=train_gpt.LEARNING_RATE, betas=(0.9, 0.95), weight_decay=0.1)
    optimizer.load_state_dict(state["optimizer"])
    corpus, batches = train_gpt._corpus(), np.random.default_rng(2)
    for step in range(steps):
        train_gpt._step(model, optimizer, corpus, batches)
        yield step, model, optimizer


def _training(options: Options) -> Iterator[Row]:
    """A save every 10 steps, in the background, against none. Stretches of both in turn, since the machine is not ours alone."""
    import laconic.checkpoint as lc

    stretches, every = (4, 10) if options.quick else (12, 10)
    path = options.scratch / "training.lac"
    wall: dict[bool, list[float]] = {True: [], False: []}
    stalls = []
    with lc.CheckpointWriter(path) as writer:
        steps = _train((stretches * 2 + 1) * every)
        for _ in range(every):
            next(steps)
        for stretch in range(stretches * 2):
            saving = stretch % 2 == 1
            start = time.perf_counter()
            for _ in range(every):
                step, model, optimizer = next(steps)
            if saving:
                begin = time.perf_counter()
                writer.save((model, optimizer), step)
                stalls.append(time.perf_counter() - begin)
            wall[saving].append(time.perf_counter() - start)
            if not saving:
                continue
            writer.wait()
    raw = lc.steps(path)[0].raw_bytes
    none = statistics.median(wall[False])
    yield {"set": "training", "file": f"a save every {every} steps", "codec": "laconic:default", "raw_bytes": raw * stretches,
           "stored_bytes": path.stat().st_size, "step_ms": 1000 * none / every, "stall_ms": 1000 * statistics.median(stalls),
           "stall_share": statistics.median(stalls) / none}  # fmt: skip


def _memory(options: Options) -> Iterator[Row]:
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
