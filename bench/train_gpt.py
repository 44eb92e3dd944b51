"""Checkpoints for the benchmark: a small byte-level GPT trained here on the Python standard library's own sources.

    python -m bench.train_gpt            # trains once (minutes on one core), prints where the checkpoints lie

Plain torch: 3.3 M fp32 parameters, AdamW. Checkpoints of one run lie 1, 10 and 50 steps after step 400; from step 400 a second run goes
on with a learning rate of 3e-6, as reinforcement learning does. bf16 weights are the fp32 masters rounded to nearest even
(`bench.tensors.cast_bf16`), which is what mixed-precision training keeps. A checkpoint is what users save:

    {"step": int, "model": state_dict, "optimizer": state_dict}    # torch.load(path, weights_only=True)
"""

from __future__ import annotations

import math
import os
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

NAME = "gpt-1e-4"  # of the folder: another recipe has another name
START = 400  # the step that the others are compared with
DISTANCES = (1, 10, 50)
LOW_LR_STEPS = (1, 2)
LEARNING_RATE, LOW_LEARNING_RATE = 1e-4, 3e-6
WARM_UP = 40

WIDTH, LAYERS, HEADS, CONTEXT, BATCH, VOCABULARY = 256, 4, 4, 128, 8, 256
CORPUS_BYTES = 8_000_000

Arrays = dict[str, np.ndarray[Any, Any]]


def checkpoints(folder: Path | None = None) -> dict[str, Path]:
    """Paths by name: `step400`, `step401`, `step410`, `step450`, `low1`, `low2`; trained when the first is missing.

    `folder` is by default `$LACONIC_BENCH_CACHE`, or `laconic-bench` in the user's cache folder.
    """
    folder = folder or _cache()
    names = [f"step{START}", *(f"step{START + d}" for d in DISTANCES), *(f"low{n}" for n in LOW_LR_STEPS)]
    paths = {name: folder / f"{name}.pt" for name in names}
    if not all(path.exists() for path in paths.values()):
        folder.mkdir(parents=True, exist_ok=True)
        _train(paths)
    return paths


def parameters(path: Path) -> Arrays:
    """The fp32 parameters of a checkpoint by name, in the model's order."""
    return {name: tensor.numpy() for name, tensor in _load(path)["model"].items()}


def moments(path: Path) -> tuple[Arrays, Arrays]:
    """AdamW's first and second moments of the same parameters."""
    state = _load(path)
    names = list(state["model"])  # the optimizer numbers parameters in the model's order, which has no buffers
    slots = state["optimizer"]["state"]
    return tuple({names[i]: slots[i][key].numpy() for i in sorted(slots)} for key in ("exp_avg", "exp_avg_sq"))  # type: ignore[return-value]


def _load(path: Path) -> dict[str, Any]:
    import torch

    state: dict[str, Any] = torch.load(path, weights_only=True)
    return state


def _cache() -> Path:
    given = os.environ.get("LACONIC_BENCH_CACHE")
    if given:
        return Path(given) / NAME
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "laconic-bench" / NAME


def _train(paths: dict[str, Path]) -> None:
    import torch

    torch.manual_seed(0)
    corpus = _corpus()
    batches = np.random.default_rng(0)
    model = _model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.95), weight_decay=0.1)
    for step in range(1, START + max(DISTANCES) + 1):
        _set_rate(optimizer, LEARNING_RATE * min(1.0, step / WARM_UP))
        _step(model, optimizer, corpus, batches)
        if f"step{step}" in paths:
            _save(paths[f"step{step}"], step, model, optimizer)
    state = _load(paths[f"step{START}"])
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    _set_rate(optimizer, LOW_LEARNING_RATE)
    for n in range(1, max(LOW_LR_STEPS) + 1):
        _step(model, optimizer, corpus, batches)
        if f"low{n}" in paths:
            _save(paths[f"low{n}"], START + n, model, optimizer)


def _step(model: torch.nn.Module, optimizer: torch.optim.Optimizer, corpus: torch.Tensor, batches: np.random.Generator) -> None:
    import torch

    at = batches.integers(0, len(corpus) - CONTEXT - 1, BATCH)
    text = torch.stack([corpus[i : i + CONTEXT + 1] for i in at]).long()
    loss = torch.nn.functional.cross_entropy(model(text[:, :-1]).flatten(0, 1), text[:, 1:].flatten())
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()


def _set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate


def _save(path: Path, step: int, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
    import torch

    part = path.with_suffix(f".{os.getpid()}.part")  # two benchmarks may train at once
    torch.save({"step": step, "model": model.state_dict(), "optimizer": optimizer.state_dict()}, part)
    part.replace(path)


def _corpus() -> torch.Tensor:
    import torch

    data = bytearray()
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("**/*.py")):
        if "site-packages" not in path.parts and len(data) < CORPUS_BYTES:
            data += path.read_bytes()
    return torch.frombuffer(data, dtype=torch.uint8)


def _model() -> torch.nn.Module:
    """A pre-norm transformer decoder. Input (batch, time) of byte values; output (batch, time, 256) logits."""
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
            self.qkv, self.project = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
            self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            batch, time, _ = x.shape
            q, k, v = (t.view(batch, time, HEADS, -1).transpose(1, 2) for t in self.qkv(self.norm1(x)).chunk(3, dim=-1))
            mixed = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.project(mixed.transpose(1, 2).reshape(batch, time, WIDTH))
            out: torch.Tensor = x + self.down(nn.functional.gelu(self.up(self.norm2(x))))
            return out

    class GPT(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tokens, self.positions = nn.Embedding(VOCABULARY, WIDTH), nn.Embedding(CONTEXT, WIDTH)
            self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)))
            self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, VOCABULARY, bias=False)
            for module in self.modules():
                if isinstance(module, (nn.Linear, nn.Embedding)):
                    nn.init.normal_(module.weight, std=0.02)
                if isinstance(module, nn.Linear) and module.bias is not None:
                    nn.init.zeros_(module.bias)
            for name, weight in self.named_parameters():
                if name.endswith(("project.weight", "down.weight")):
                    nn.init.normal_(weight, std=0.02 / math.sqrt(2 * LAYERS))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            hidden = self.tokens(x) + self.positions(torch.arange(x.shape[1]))
            logits: torch.Tensor = self.head(self.norm(self.blocks(hidden)))
            return logits

    return GPT()


if __name__ == "__main__":
    for path in checkpoints().values():
        print(path)
