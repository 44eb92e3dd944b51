"""The demo's examples that are objects of a program and not files: a KV cache and the checkpoints of a training run.

Their raw bytes lie in a file, as for every codec of the benchmark; what is encoded are the arrays.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import ml_dtypes
import numpy as np

import laconic.checkpoint
from bench import demo_model
from bench.codec import Buffer, Codec, Source
from bench.demo_model import Array
from bench.kv import LaconicKV

KEPT = 6  # training steps
SEQUENCES = 4  # of the cache: with 256 tokens in all, the first layer's rows soon repeat, as those of a real vocabulary do not

Shapes = tuple[tuple[str, tuple[int, ...]], ...]


def examples(folder: Path, level: str) -> list[tuple[str, Codec, Path]]:
    """Kind, codec and file of each; the model behind them is trained here."""
    states = demo_model.train(KEPT)
    weights = states[-1]["weights"]
    cache = demo_model.keys_and_values(weights, SEQUENCES).astype(ml_dtypes.bfloat16)
    layout = (cache.shape[0], 2, SEQUENCES * demo_model.CONTEXT, 1, demo_model.WIDTH)  # keys and values as a batch of two
    cache_file, steps_file = folder / "keys-and-values.bf16", folder / f"{KEPT}-training-steps.fp32"
    cache_file.write_bytes(cache.tobytes())
    steps_file.write_bytes(b"".join(array.tobytes() for state in states for part in state.values() for array in part.values()))
    shapes = tuple((name, array.shape) for name, array in weights.items())
    return [
        ("kv", LaconicKV(layout, "bf16", level), cache_file),
        ("checkpoint", LaconicSteps(shapes, level), steps_file),
    ]


@dataclass(frozen=True)
class LaconicSteps:
    """`laconic.checkpoint.save` of each step into one archive, and `load` of all of them."""

    shapes: Shapes
    level: str
    packages: Sequence[str] = ("laconic",)
    module: str = "laconic.checkpoint"
    options: str = "one archive; numpy arrays"

    @property
    def name(self) -> str:
        return f"laconic:checkpoint {self.level}"

    def prepare(self, source: Source) -> list[demo_model.State]:
        values = np.frombuffer(source.data, np.float32)
        size = sum(int(np.prod(shape)) for _, shape in self.shapes)
        parts = [self._tensors(values[at : at + size]) for at in range(0, values.size, size)]
        return [dict(zip(("weights", "m", "v"), parts[at : at + 3], strict=True)) for at in range(0, len(parts), 3)]

    def _tensors(self, values: Array) -> dict[str, Array]:
        tensors, at = {}, 0
        for name, shape in self.shapes:
            size = int(np.prod(shape))
            tensors[name] = values[at : at + size].reshape(shape)
            at += size
        return tensors

    def encode(self, prepared: list[demo_model.State]) -> list[bytes]:
        with tempfile.TemporaryDirectory() as folder:
            archive = Path(folder) / "run.lac"
            for step, state in enumerate(prepared):
                laconic.checkpoint.save(state, archive, step=step, level=self.level)
            return [archive.read_bytes()]

    def decode(self, pieces: list[bytes]) -> list[Buffer]:
        steps = [info.step for info in laconic.checkpoint.steps(io.BytesIO(pieces[0]))]
        loaded = (laconic.checkpoint.load(io.BytesIO(pieces[0]), step=step) for step in steps)
        return [array for state in loaded for part in state.values() for array in part.values()]
