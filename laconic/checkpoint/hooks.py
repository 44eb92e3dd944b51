"""Checkpoints from training frameworks: an object with the methods that they call, which imports none of them.

    trainer.add_callback(CheckpointHook("run.lac", every=10))  # transformers.Trainer
    Trainer(callbacks=[CheckpointHook("run.lac", every=10)])  # Lightning, either name of the package

A plain loop calls `hook.step(step, model, optimizer)` instead. See examples/train_with_checkpoints.py.
"""

from __future__ import annotations

import os
from typing import Any

from laconic.checkpoint.writer import CheckpointWriter


class CheckpointHook:
    """Saves {"step", "model", "optimizer", "scheduler"} every `every` optimizer steps, in the background, and once more at the end.

    `options` are those of `laconic.checkpoint.CheckpointWriter`. It answers to the events of transformers' TrainerCallback and of
    Lightning's Callback; those that it has no use for do nothing. In a distributed run only the first process saves; states that are
    sharded between processes belong to `laconic.checkpoint.dcp`.
    """

    def __init__(self, path: str | os.PathLike[str], *, every: int = 1, **options: Any) -> None:
        if every < 1:
            raise ValueError(f"every must be at least 1, not {every}")
        self.writer = CheckpointWriter(path, **options)
        self._every = every
        self._saved: int | None = None

    def step(self, step: int, model: Any, optimizer: Any, scheduler: Any = None, *, last: bool = False) -> None:
        """After optimizer step number `step`: save if it is one to be saved, or the `last`."""
        if step == self._saved or not (last or step % self._every == 0):
            return
        state = {"step": step, "model": model, "optimizer": optimizer, "scheduler": scheduler}
        self.writer.save({key: part for key, part in state.items() if part is not None}, step)
        self._saved = step

    def close(self) -> None:
        self.writer.close()

    # -- transformers.TrainerCallback: event(args, state, control, **kwargs)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        if getattr(state, "is_world_process_zero", True):
            self.step(state.global_step, kwargs["model"], kwargs["optimizer"], kwargs.get("lr_scheduler"))
        return control

    # -- Lightning's Callback: event(trainer, module, ...)

    def on_train_batch_end(self, trainer: Any, module: Any, *_: Any) -> None:
        self._lightning(trainer, module, last=False)

    def on_train_end(self, first: Any, second: Any, *rest: Any, **kwargs: Any) -> None:
        """Both call an event of this name; transformers' has the model among its keywords."""
        if "model" in kwargs:
            if getattr(second, "is_world_process_zero", True):
                self.step(second.global_step, kwargs["model"], kwargs["optimizer"], kwargs.get("lr_scheduler"), last=True)
        elif hasattr(first, "global_step"):
            self._lightning(first, second, last=True)
        self.writer.wait()

    def teardown(self, trainer: Any, module: Any, stage: str) -> None:
        self.writer.wait()

    def _lightning(self, trainer: Any, module: Any, *, last: bool) -> None:
        if not getattr(trainer, "is_global_zero", True) or not trainer.global_step:
            return
        optimizers = list(trainer.optimizers)
        optimizer = optimizers[0] if len(optimizers) == 1 else {str(i): part.state_dict() for i, part in enumerate(optimizers)}
        self.step(trainer.global_step, module, optimizer, last=last)

    def __getattr__(self, name: str) -> Any:
        """Any other event of either framework."""
        if name.startswith(("on_", "setup")):
            return _ignore
        if name in ("state_dict", "load_state_dict"):  # Lightning keeps its callbacks' states; there is none to keep
            return {"state_dict": dict, "load_state_dict": _ignore}[name]
        raise AttributeError(name)

    @property
    def state_key(self) -> str:
        """Lightning's name for this callback."""
        return type(self).__qualname__


def _ignore(*_: Any, **__: Any) -> None:
    return None
