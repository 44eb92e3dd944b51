"""Peers that code KV caches with loss, written anew from their published descriptions: what they reconstruct, and how many bits it takes.

A cache is (layers, batch, tokens, channels) float32, channels = heads x head size, keys after RoPE. Every bit that a decoder needs is
counted: scales, zero points, tables, lengths of streams; entropy coders are favoured by counting ideal code lengths.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Coded = tuple[Array, float]  # reconstruction, bits


def cachegen(x: Array, bins: Sequence[int], chunk: int = 256) -> Coded:
    """CacheGen (Liu et al., arXiv 2310.07240) as LMCache 0.5 codes it, `bins` for each layer.

    A maximum (fp16) for each token and layer, `bins` uniform levels; in each chunk for each layer and channel a CDF of bins + 1 int16
    counted on the chunk, and a stream of whole bytes with a 32-bit length.
    """
    coded = [_cachegen_layer(layer, levels, chunk) for layer, levels in zip(x, bins, strict=True)]
    return np.stack([found for found, _ in coded]), sum(bits for _, bits in coded)


def _cachegen_layer(x: Array, bins: int, chunk: int) -> Coded:
    """x: (batch, tokens, channels)."""
    half = bins // 2 - 1
    largest = np.abs(x).max(-1, keepdims=True).astype(np.float16).astype(np.float32)
    scale = np.where(largest > 0, largest, 1)
    q = np.clip(np.rint(x / scale * half), -half, half)
    bits = 16.0 * largest.size
    batch, tokens, channels = x.shape
    for start in range(0, tokens, chunk):
        part = (q[:, start : start + chunk] + half).astype(np.int64)
        n = part.shape[1]
        counts = np.stack([(part == symbol).sum(1) for symbol in range(bins)], -1)
        lengths = np.where(counts > 0, counts * (np.log2(n) - np.log2(np.maximum(counts, 1))), 0).sum(-1)
        bits += float((8 * np.ceil(lengths / 8)).sum()) + batch * channels * (16 * (bins + 1) + 32)
    return q / half * scale, bits


def kivi(x: Array, width: int, group: int, per_channel: bool, other: Array | None = None) -> Coded:
    """KIVI (Liu et al., arXiv 2402.02750): `width` bits; minimum and step (fp16) of each group of `group` tokens of a channel (keys) or
    channels of a token (values). With `other`, a cache of other text, indices are entropy coded by tables of each layer and channel.
    """
    q, low, step = _grouped(x, width, group, per_channel)
    bits = 32.0 * x.size / group
    if other is None:
        bits += width * x.size
    else:
        trained = _grouped(other, width, group, per_channel)[0].reshape(other.shape)
        bits += static_code_length(q.reshape(x.shape), trained, 1 << width)
    found = (q * step + low).astype(np.float32)
    return _ungrouped(found, x, per_channel), bits


def _grouped(x: Array, width: int, group: int, per_channel: bool) -> tuple[Array, Array, Array]:
    y = np.moveaxis(x, 2, 3) if per_channel else x
    y = y.reshape(*y.shape[:3], -1, group)
    low = y.min(-1, keepdims=True).astype(np.float16).astype(np.float32)
    step = ((y.max(-1, keepdims=True) - low) / ((1 << width) - 1)).astype(np.float16).astype(np.float32)
    step = np.where(step > 0, step, 1)
    return np.clip(np.rint((y - low) / step), 0, (1 << width) - 1).astype(np.int64), low, step


def _ungrouped(y: Array, x: Array, per_channel: bool) -> Array:
    if not per_channel:
        return y.reshape(x.shape)
    moved = np.moveaxis(x, 2, 3)
    return np.moveaxis(y.reshape(moved.shape), 3, 2)


def turboquant(x: Array, width: int, other: Array | None = None) -> Coded:
    """After TurboQuant (Zandieh et al., arXiv 2504.19874), without its residual sketch: a random rotation, a norm (fp16) for each token and
    layer, and the Lloyd-Max quantiser of a Gaussian for each coordinate. `other` as in `kivi`."""
    channels = x.shape[-1]
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(channels, channels)))[0].astype(np.float32)
    levels = _lloyd_max(1 << width)
    edges = (levels[1:] + levels[:-1]) / 2

    def indices(values: Array) -> tuple[Array, Array]:
        rms = np.sqrt((values**2).mean(-1, keepdims=True)).astype(np.float16).astype(np.float32)
        return np.searchsorted(edges, (values @ rotation) / np.where(rms > 0, rms, 1)), rms

    q, rms = indices(x)
    bits = 16.0 * rms.size
    bits += width * x.size if other is None else static_code_length(q, indices(other)[0], 1 << width)
    return (levels[q].astype(np.float32) * rms) @ rotation.T, bits


def _lloyd_max(count: int) -> Array:
    """Levels of the minimum-error scalar quantiser of a normal variable (S. Lloyd, 1982), by iteration on a fine grid."""
    grid = np.linspace(-6, 6, 24001)
    density = np.exp(-(grid**2) / 2)
    levels = np.linspace(-2, 2, count)
    for _ in range(300):
        nearest = np.searchsorted((levels[1:] + levels[:-1]) / 2, grid)
        weight = np.bincount(nearest, density, count)
        levels = np.bincount(nearest, density * grid, count) / np.maximum(weight, 1e-300)
    return levels


def static_code_length(q: Array, trained: Array, alphabet: int) -> float:
    """Ideal bits of indices (layers, .., channels) by a table for each layer and channel, counted on `trained` and its pool."""
    bits = 0.0
    layers, *rest = q.shape
    for layer in range(layers):
        own, seen = (a[layer].reshape(-1, rest[-1]) for a in (q, trained))
        pool = np.bincount(seen.ravel(), minlength=alphabet) + 1e-3
        for channel in range(rest[-1]):
            counts = np.bincount(seen[:, channel], minlength=alphabet) + pool / pool.sum()
            bits -= float(np.log2(counts / counts.sum())[own[:, channel]].sum())
    return bits
