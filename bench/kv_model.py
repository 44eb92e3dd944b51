"""A small language model in numpy that makes real keys and values: llama2.c's checkpoint format (float32, version 0).

The file holds seven int32 (dim, hidden, layers, heads, KV heads, vocabulary, context) and the matrices, in order: embedding; for all
layers the attention's norm, Wq, Wk, Wv, Wo, the feed-forward's norm, W1, W2, W3; the last norm. RoPE turns neighbouring pairs of channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

Array = np.ndarray[Any, Any]
THETA = 10000.0


@dataclass
class Cache:
    """Keys (after RoPE) and values of a batch: (layers, batch, tokens, KV heads, head size) float32."""

    keys: Array
    values: Array

    def rounded(self, tokens: int) -> Cache:
        """The first `tokens`, as an engine that keeps bfloat16 would hold them."""
        return Cache(*(x[:, :, :tokens].astype(ml_dtypes.bfloat16).astype(np.float32) for x in (self.keys, self.values)))


class Model:
    """Decoder-only transformer with RMS norms, RoPE, grouped queries and SwiGLU, weights shared between embedding and output."""

    def __init__(self, path: Path) -> None:
        data = np.fromfile(path, np.float32)
        self.dim, self.hidden, self.layers, self.heads, self.kv_heads, self.vocabulary, self.context = data[:7].view(np.int32).tolist()
        self.vocabulary = abs(self.vocabulary)
        self.head = self.dim // self.heads
        at = 7

        def take(*shape: int) -> Array:
            nonlocal at
            size = int(np.prod(shape))
            at += size
            return data[at - size : at].reshape(shape)

        n, kv = self.layers, self.kv_heads * self.head
        self.embedding = take(self.vocabulary, self.dim)
        self.norm1, self.wq, self.wk, self.wv = take(n, self.dim), take(n, self.dim, self.dim), take(n, kv, self.dim), take(n, kv, self.dim)
        self.wo, self.norm2 = take(n, self.dim, self.dim), take(n, self.dim)
        self.w1, self.w2, self.w3 = take(n, self.hidden, self.dim), take(n, self.dim, self.hidden), take(n, self.hidden, self.dim)
        self.norm = take(self.dim)
        angles = np.arange(self.context)[:, None] * self.inverse_frequencies()
        self.turn = np.exp(1j * angles).astype(np.complex64)  # (context, head / 2)

    def inverse_frequencies(self) -> Array:
        """Radians a token by which each pair of a head's channels turns: (head / 2,) float64."""
        return THETA ** (-np.arange(0, self.head, 2) / self.head)

    def empty(self, batch: int) -> Cache:
        shape = (self.layers, batch, 0, self.kv_heads, self.head)
        return Cache(np.zeros(shape, np.float32), np.zeros(shape, np.float32))

    def run(self, tokens: Array, before: Cache) -> tuple[Array, Cache]:
        """Next-token logits (batch, n, vocabulary) of `tokens` (batch, n) that follow `before`, and the cache with them added."""
        batch, n = tokens.shape
        start = before.keys.shape[2]
        mask = np.arange(start + n)[None, :] > start + np.arange(n)[:, None]
        x = self.embedding[tokens]
        keys, values = [], []
        for layer in range(self.layers):
            h = _norm(x, self.norm1[layer])
            q = self._rotate((h @ self.wq[layer].T).reshape(batch, n, self.heads, self.head), start)
            k = self._rotate((h @ self.wk[layer].T).reshape(batch, n, self.kv_heads, self.head), start)
            v = (h @ self.wv[layer].T).reshape(batch, n, self.kv_heads, self.head)
            keys.append(np.concatenate([before.keys[layer], k], 1))
            values.append(np.concatenate([before.values[layer], v], 1))
            group = self.heads // self.kv_heads
            scores = np.einsum("btgrd,bsgd->bgrts", q.reshape(batch, n, self.kv_heads, group, self.head), keys[-1], optimize=True)
            scores = np.where(mask, -np.inf, scores / np.sqrt(np.float32(self.head)))
            weights = np.exp(scores - scores.max(-1, keepdims=True))
            weights /= weights.sum(-1, keepdims=True)
            mixed = np.einsum("bgrts,bsgd->btgrd", weights, values[-1], optimize=True).reshape(batch, n, self.dim)
            x = x + mixed @ self.wo[layer].T
            h = _norm(x, self.norm2[layer])
            gate = h @ self.w1[layer].T
            x = x + (gate / (1 + np.exp(-gate)) * (h @ self.w3[layer].T)) @ self.w2[layer].T
        return _norm(x, self.norm) @ self.embedding.T, Cache(np.stack(keys), np.stack(values))

    def sample(self, batch: int, tokens: int, seed: int) -> Array:
        """Text of the model's own domain, (batch, tokens) int64: sampled at temperature 1 from the start token."""
        rng = np.random.default_rng(seed)
        text = np.ones((batch, 1), np.int64)
        cache = self.empty(batch)
        while text.shape[1] < tokens:
            logits, cache = self.run(text[:, cache.keys.shape[2] :], cache)
            noise = rng.gumbel(size=(batch, self.vocabulary))
            text = np.concatenate([text, (logits[:, -1] + noise).argmax(-1)[:, None]], 1)
        return text

    def _rotate(self, x: Array, start: int) -> Array:
        pairs = np.ascontiguousarray(x).view(np.complex64)
        return (pairs * self.turn[start : start + x.shape[1], None, :]).view(np.float32)


def _norm(x: Array, weight: Array) -> Array:
    result: Array = x / np.sqrt((x * x).mean(-1, keepdims=True) + np.float32(1e-5)) * weight
    return result


def divergence(reference: Array, logits: Array) -> float:
    """Mean Kullback-Leibler divergence of next-token distributions, in nats, from those of `reference` to those of `logits`."""
    p, q = (x.astype(np.float64) - np.logaddexp.reduce(x.astype(np.float64), -1, keepdims=True) for x in (reference, logits))
    return float((np.exp(p) * (p - q)).sum(-1).mean())
