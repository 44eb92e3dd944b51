"""Kind ``checkpoint``: steps of a small GPT that is trained here (bench.train_gpt), each against the step before.

Sets: ``p+m+v`` and ``p`` are pairs of steps, with peers; ``copies`` what bf16 copies of fp32 masters cost; ``replay`` steps computed in
other ways, or tampered with; ``run`` 50 steps in a row, saved each, and what loading from it takes; ``training`` what saving costs a
training loop; ``memory`` what it holds; ``dcp`` two processes with torch.distributed.checkpoint. Speeds are state bytes per second of CPU
time, for `run` those of loading the step with all that it depends on; ``saving_mbps`` is that of the saving thread, without the copy that
training waits for.
"""

from __future__ import annotations

import importlib.metadata
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from bench import tensors, train_gpt
from bench.checkpoint_dcp import dcp
from bench.checkpoint_training import equal, memory, replay, training
from bench.checkpoint_training import run as training_run
from bench.measure import Row, _keep_freed_memory, machine
from bench.suite import Options, matches, say

PAIRS = {"+1": "step401", "+10": "step410", "+50": "step450", "low rate +1": "low1"}
ROLES = ("weight", "first", "second")


def run(options: Options) -> list[Row]:
    """Rows of all sets that were asked for. Needs torch; trains once and keeps the result."""
    rows: list[Row] = []
    sets: dict[str, Callable[[Options], Iterator[Row]]] = {
        "p+m+v": _pairs, "copies": _copies, "replay": replay, "run": training_run, "training": training, "memory": memory, "dcp": dcp,
    }  # fmt: skip
    for name, measure in sets.items():
        if matches(name, options.sets) or (name == "p+m+v" and matches("p", options.sets)):
            for row in measure(options):
                numbers = _numbers(row)
                rows.append(_BASE | row | ({"note": numbers} if numbers else {}) | {"kind": "checkpoint", "machine": machine()})
                percent = 100 * row["stored_bytes"] / row["raw_bytes"]
                say(f"{row['set']}/{row['file']} {row['codec']}: {percent:.2f} % {numbers}")
    return rows


_BASE: Row = {"level": "", "options": "", "encode_mbps": None, "decode_mbps": None, "exact": True}


def _numbers(row: Row) -> str:
    """What a row says beside sizes and speeds, for the table."""
    columns = ("encode_mbps", "decode_mbps")
    return ", ".join(
        f"{key.replace('_', ' ')} {value:.3g}" for key, value in row.items() if isinstance(value, float) and key not in columns
    )


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
    from laconic.checkpoint.snapshot import take

    _keep_freed_memory()
    times: dict[str, list[float]] = {}

    def clocked(what: str, call: Callable[[], Any]) -> Any:
        start = time.process_time()
        found = call()
        times.setdefault(what, []).append(time.process_time() - start)
        return found

    for turn in range(6):
        if turn == 1:
            times.clear()  # the first turn was cold
        path = options.scratch / f"pair{turn}.lac"
        with lc.CheckpointWriter(path, background=False) as writer:
            for step, state in enumerate((first, second)):
                snapshot = clocked(f"copy {step}", lambda state=state, step=step: take(state, step, writer.buffers))  # type: ignore[misc]
                clocked(f"save {step}", lambda snapshot=snapshot: writer.submit(snapshot))  # type: ignore[misc]
        back = clocked("load", lambda path=path: lc.load(path, step=1, jobs=1))  # type: ignore[misc]
    exact = equal(back, second)
    lc.save(second, options.scratch / "pair-alone.lac", step=1)
    with lc.CheckpointReader(options.scratch / "pair-alone.lac") as reader:
        alone = reader.stored_bytes(1)
    with lc.CheckpointReader(path) as reader:
        raw = reader.steps()[1].raw_bytes
        sizes = [reader.stored_bytes(step) for step in (0, 1)]
        weights = _member_bytes(reader, 1)["weight"]
    seconds = {what: statistics.median(found) for what, found in times.items()}
    speeds = [
        {"encode_mbps": raw / (seconds[f"copy {k}"] + seconds[f"save {k}"]) / 1e6, "saving_mbps": raw / seconds[f"save {k}"] / 1e6}
        for k in (0, 1)
    ]
    count = sum(x.numel() for x in second["model"].values())
    return {
        "all": {"raw_bytes": raw, "stored_bytes": sizes[1], "bits_per_parameter": 8 * sizes[1] / count, **speeds[1],
                "bits_per_parameter_alone": 8 * alone / count, "decode_mbps": raw / seconds["load"] / 1e6, "exact": exact},
        "key": {"raw_bytes": raw, "stored_bytes": sizes[0], "bits_per_parameter": 8 * sizes[0] / count, **speeds[0]},
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
        exact = equal(lc.load(path, step=0), found)
    count = sum(x.numel() for x in state["model"].values())
    yield {"set": "copies", "file": "bf16 of fp32", "codec": "laconic:default", "raw_bytes": 2 * count, "stored_bytes": copies,
           "bits_per_parameter": 8 * copies / count, "exact": exact}  # fmt: skip
