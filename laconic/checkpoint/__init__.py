"""Checkpoints of training, every step of them in one archive: exact, small, and readable at any step.

`save` appends a step and `load` reads one; `CheckpointWriter` saves in the background while training goes on. Weights, moments and
copies of a step are predicted from the step before - AdamW, Adam and SGD by computing their step once more - and what differs is coded;
every few steps one is written that decodes alone. See docs/checkpoints.md.

Nothing here needs torch: a state is a nested dict or list of numpy arrays, torch tensors and plain values. `laconic.checkpoint.dcp` is
for torch.distributed.checkpoint, `laconic.checkpoint.hooks` for training loops.

>>> import laconic.checkpoint, numpy as np, tempfile, pathlib
>>> path = pathlib.Path(tempfile.mkdtemp()) / "run.lac"
>>> laconic.checkpoint.save({"w": np.zeros(4, np.float32)}, path, step=0)
>>> laconic.checkpoint.save({"w": np.ones(4, np.float32)}, path, step=1)
>>> [info.step for info in laconic.checkpoint.steps(path)], laconic.checkpoint.load(path, step=0)["w"].sum()
([0, 1], np.float32(0.0))
"""

from laconic.checkpoint.reading import CheckpointReader, load, steps
from laconic.checkpoint.steps import StepInfo
from laconic.checkpoint.writer import CheckpointWriter, save

__all__ = ["CheckpointReader", "CheckpointWriter", "StepInfo", "load", "save", "steps"]
