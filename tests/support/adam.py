"""Training without torch: AdamW on random gradients, in numpy's single precision (no fma, as torch's single-tensor loop)."""

from __future__ import annotations

from typing import Any

import numpy as np

F = np.float32


class AdamW:
    """State as torch saves it: {"model": {name: weight}, "optimizer": {"state": ..., "param_groups": ...}}."""

    def __init__(self, shapes: dict[str, tuple[int, ...]], *, lr: float = 1e-3, seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        self.weights = {name: self.random.normal(0, 0.02, shape).astype(F) for name, shape in shapes.items()}
        self.moments = {name: (np.zeros(shape, F), np.zeros(shape, F)) for name, shape in shapes.items()}
        self.lr, self.betas, self.eps, self.decay, self.count = lr, (0.9, 0.95), 1e-8, 0.1, 0

    @np.errstate(all="ignore")
    def step(self) -> None:
        self.count += 1
        (b1, b2), t = self.betas, self.count
        for name, p in self.weights.items():
            g = self.random.normal(0, 1e-3, p.shape).astype(F)
            m, v = self.moments[name]
            m += F(1 - b1) * (g - m)
            v *= F(b2)
            v += (F(1 - b2) * g) * g
            p *= F(1 - self.lr * self.decay)
            p += (F(-self.lr / (1 - b1**t)) * m) / (np.sqrt(v) / F((1 - b2**t) ** 0.5) + F(self.eps))

    def state(self) -> dict[str, Any]:
        slots = {
            i: {"step": np.array(self.count, F), "exp_avg": m.copy(), "exp_avg_sq": v.copy()}
            for i, (m, v) in enumerate(self.moments.values())
        }
        group = {"lr": self.lr, "betas": self.betas, "eps": self.eps, "weight_decay": self.decay, "params": list(slots)}
        return {
            "model": {name: p.copy() for name, p in self.weights.items()},
            "optimizer": {"state": slots, "param_groups": [group]},
            "epoch": self.count // 7,
        }
