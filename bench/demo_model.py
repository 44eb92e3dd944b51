"""A character model with two attention layers, trained by AdamW in numpy: where the demo's keys, values and checkpoints come from."""

from __future__ import annotations

import sysconfig
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
State = dict[str, dict[str, Array]]  # "weights", "m" and "v" (AdamW's moments), by parameter

CONTEXT = 256  # tokens, each a byte
LAYERS, WIDTH, HIDDEN = 2, 64, 128
STEPS, BATCH = 120, 4
RATE, BETAS, EPSILON, DECAY = 3e-3, (0.9, 0.999), 1e-8, 0.01


def train(keep: int, steps: int = STEPS) -> list[State]:
    """The training state after each of the last `keep` of `steps` steps (120 take some seconds). fp32, 0.1 M parameters; seeded."""
    text = _text()
    rng = np.random.default_rng(0)
    shapes = {"embedding": (256, WIDTH), "position": (CONTEXT, WIDTH), "head": (WIDTH, 256)}
    for layer in range(LAYERS):
        shapes |= {f"{layer}.{name}": (WIDTH, WIDTH) for name in ("query", "key", "value", "out")}
        shapes |= {f"{layer}.up": (WIDTH, HIDDEN), f"{layer}.down": (HIDDEN, WIDTH)}
    weights = {name: rng.standard_normal(shape, np.float32) * np.float32(shape[0] ** -0.5) for name, shape in shapes.items()}
    state: State = {"weights": weights, "m": {}, "v": {}}
    for moments in (state["m"], state["v"]):
        moments.update({name: np.zeros_like(array) for name, array in weights.items()})
    kept = []
    for step in range(1, steps + 1):
        at = rng.integers(0, text.size - CONTEXT - 1, BATCH)[:, None] + np.arange(CONTEXT)
        _adamw(state, _gradients(weights, text[at], text[at + 1]), step)
        if step > steps - keep:
            kept.append({part: {name: array.copy() for name, array in arrays.items()} for part, arrays in state.items()})
    return kept


def keys_and_values(weights: dict[str, Array], sequences: int) -> Array:
    """What a cache holds after reading that many pieces of the text: (layers, 2, sequences, CONTEXT, WIDTH) float32."""
    tokens = _text()[: sequences * CONTEXT].reshape(sequences, CONTEXT)
    layers, _ = _forward(weights, tokens)
    return np.stack([np.stack([layer["k"], layer["v"]]) for layer in layers])


def _text() -> Array:
    sources = sorted((Path(sysconfig.get_path("stdlib")) / "email").glob("*.py"))
    return np.frombuffer(b"".join(path.read_bytes() for path in sources), np.uint8)


def _forward(w: dict[str, Array], tokens: Array) -> tuple[list[dict[str, Array]], Array]:
    """What each layer computes, and the last one's output. tokens: (batch, CONTEXT) uint8."""
    scale = np.float32(WIDTH**-0.5)
    x = w["embedding"][tokens] + w["position"]
    layers = []
    for layer in range(LAYERS):
        q, k, v = (x @ w[f"{layer}.{name}"] for name in ("query", "key", "value"))
        a = _softmax(np.where(np.tri(CONTEXT, dtype=bool), q @ k.swapaxes(1, 2) * scale, np.float32(-1e9)))
        read = a @ v
        h = x + read @ w[f"{layer}.out"]
        g = np.maximum(h @ w[f"{layer}.up"], 0)
        layers.append({"x": x, "q": q, "k": k, "v": v, "a": a, "read": read, "h": h, "g": g})
        x = h + g @ w[f"{layer}.down"]
    return layers, x


def _gradients(w: dict[str, Array], tokens: Array, targets: Array) -> dict[str, Array]:
    """Of the mean cross entropy of the next tokens. targets: (batch, CONTEXT) uint8."""
    layers, y = _forward(w, tokens)
    d_logits = _softmax(y @ w["head"])
    np.put_along_axis(d_logits, targets[..., None], np.take_along_axis(d_logits, targets[..., None], 2) - 1, 2)
    d_logits /= np.float32(tokens.size)
    d = {"head": _product(y, d_logits)}
    d_y = d_logits @ w["head"].T
    for layer in reversed(range(LAYERS)):
        z = layers[layer]
        d_g = (d_y @ w[f"{layer}.down"].T) * (z["g"] > 0)
        d_h = d_y + d_g @ w[f"{layer}.up"].T
        d_read = d_h @ w[f"{layer}.out"].T
        d_a = d_read @ z["v"].swapaxes(1, 2)
        d_scores = z["a"] * (d_a - (d_a * z["a"]).sum(2, keepdims=True)) * np.float32(WIDTH**-0.5)
        into = {"query": d_scores @ z["k"], "key": d_scores.swapaxes(1, 2) @ z["q"], "value": z["a"].swapaxes(1, 2) @ d_read}
        d |= {f"{layer}.{name}": _product(z["x"], gradient) for name, gradient in into.items()}
        d |= {f"{layer}.out": _product(z["read"], d_h), f"{layer}.up": _product(z["h"], d_g), f"{layer}.down": _product(z["g"], d_y)}
        d_y = d_h + sum(gradient @ w[f"{layer}.{name}"].T for name, gradient in into.items())
    d["embedding"], d["position"] = np.zeros_like(w["embedding"]), d_y.sum(0)
    np.add.at(d["embedding"], tokens, d_y)
    return d


def _product(below: Array, above: Array) -> Array:
    return below.reshape(-1, below.shape[2]).T @ above.reshape(-1, above.shape[2])


def _softmax(x: Array) -> Array:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def _adamw(state: State, gradients: dict[str, Array], step: int) -> None:
    """One step in place: I. Loshchilov and F. Hutter, arXiv 1711.05101, in the order of operations of torch.optim.AdamW."""
    one, two = BETAS
    rate = np.float32(-RATE / (1 - one**step))
    root = np.float32((1 - two**step) ** 0.5)
    for name, p in state["weights"].items():
        g, m, v = gradients[name], state["m"][name], state["v"][name]
        p *= np.float32(1 - RATE * DECAY)
        m += np.float32(1 - one) * (g - m)
        v *= np.float32(two)
        v += np.float32(1 - two) * g * g
        p += rate * m / (np.sqrt(v) / root + np.float32(EPSILON))
