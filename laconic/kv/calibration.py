"""Profiles for coding with loss: steps, transforms and tables learned once from a model's caches on some text."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

import laconic
from laconic import _core
from laconic.codecs.kv.profile import ALPHABET, ESCAPE, Profile, Rotation, Set
from laconic.errors import CorruptDataError
from laconic.kv.tensors import Array, Tensors, see
from laconic.objects import parse_dtype

PRECISION = 11
PROFILE_ENTRY = "kv-profile"
LARGE = 254  # the symbol of indices beyond it
WHOLE_LAYER = 256  # up to so many channels all of a layer are transformed together, else each head alone


@dataclass(frozen=True)
class Rope:
    """A model's rotary embedding, which is undone before keys are quantised.

    `theta`: the base; `dim`: channels of a head that turn (None: all); `neighbours`: pairs are (2i, 2i + 1) as in Llama's first code,
    else (i, i + dim / 2) as in transformers. `frequencies`: radians a token by pair, where scaling changes them (`inv_freq`).
    """

    theta: float = 10000.0
    dim: int | None = None
    neighbours: bool = False
    frequencies: tuple[float, ...] | None = None

    def rotation(self, head: int) -> Rotation:
        dim = self.dim or head
        if dim > head or dim % 2 or not self.theta > 0:
            raise ValueError(f"RoPE of {dim} channels in heads of {head}")
        own = self.theta ** (-np.arange(0, dim, 2) / dim) if self.frequencies is None else np.asarray(self.frequencies, np.float64)
        return Rotation(own, head, self.neighbours)


def calibrate(
    caches: Any, layout: str | None = None, *, step: float = 1.0, key_step: float | None = None, value_step: float | None = None,
    transform: str = "klt", rope: Rope | None = None, sinks: int = 4, position: int = 0,
) -> Profile:  # fmt: skip
    """A profile for the model that made `caches`: one cache or an iterable of them, each as `laconic.kv.save` takes it.

    `step`: the quantisation step in standard deviations, the one knob for size against quality (`key_step` and `value_step` where they
    differ): 0.5 is fine, 1 usual, 2 coarse. `transform`: "klt", decorrelate the channels of a layer (of a head where a layer has more
    than 256), with one step for all components; or "none", each channel by itself. `rope`: how keys were rotated; None: not at all.
    The first `sinks` tokens are left out, as they are kept exact and look different. Some thousand tokens are enough; use text like that
    of later caches, and measure the model's quality on other text.

    >>> import numpy as np, laconic.kv
    >>> cache = np.random.default_rng(0).normal(size=(3, 2, 500, 2, 8)).astype(np.float16)
    >>> laconic.kv.calibrate(cache, "L2THD", step=0.5).sets[0].step.shape
    (16,)
    """
    if transform not in ("klt", "none"):
        raise ValueError(f"transform must be 'klt' or 'none', not {transform!r}")
    steps = (step if key_step is None else key_step, step if value_step is None else value_step)
    if not all(0 < s < 1e6 for s in steps):
        raise ValueError("steps must be above 0")
    seen = [see(cache, layout, 256, position) for cache in ([caches] if _is_one(caches) else caches)]
    if not seen:
        raise ValueError("no caches to learn from")
    first = seen[0].shape
    if any((other.shape.layers, other.shape.parts) != (first.layers, first.parts) for other in seen):
        raise ValueError("the caches are not of the same model")
    rotation = rope.rotation(first.parts[0].head) if rope is not None else Rotation()
    sets: list[tuple[Set, Array]] = []
    for layer in range(first.layers):
        for part in range(2):
            if part == len(first.parts):  # latents alone: there is nothing of values to learn
                sets.append(sets[-1])
                continue
            rows = np.concatenate([_rows(tensors, layer, part, rotation, sinks) for tensors in seen])
            if len(rows) < 2:
                raise ValueError("too few tokens to learn from")
            sets.append(_learn(rows, steps[part], transform, first.parts[part].head))
    tables, frequencies = _core.fit_kv_tables(np.concatenate([counts for _, counts in sets]), PRECISION)
    starts = np.cumsum([0] + [len(found.mean) for found, _ in sets])
    done = tuple(
        Set(found.mean, found.step, found.basis, tables[a : a + len(found.mean)]) for (found, _), a in zip(sets, starts, strict=False)
    )
    return Profile(done, frequencies, PRECISION, rotation)


def _is_one(caches: Any) -> bool:
    """Whether this is one cache and no list or iterator of them: a list of pairs of tensors is one of layers."""
    if isinstance(caches, tuple) or hasattr(caches, "tensors") or hasattr(caches, "layers") or hasattr(caches, "shape"):
        return True
    first = caches[0] if isinstance(caches, list) and caches else None
    return isinstance(first, tuple) and hasattr(first[0], "shape") and first[0].ndim < 5


def _rows(tensors: Tensors, layer: int, part: int, rotation: Rotation, sinks: int) -> Array:
    """(tokens, channels) float64 of all sequences, keys without their rotation."""
    shape = tensors.shape
    described = shape.parts[part]
    values = np.ascontiguousarray(tensors.arrays[part][layer]).view(parse_dtype(described.dtype)).astype(np.float64)
    if not np.isfinite(values).all():
        raise ValueError(f"layer {layer} holds values that are not finite")
    if part == 0 and len(rotation.frequencies):
        values = _turn_back(values, rotation, shape.position)
    return values[:, max(0, sinks - shape.position) :].reshape(-1, described.channels)


def _turn_back(x: Array, rotation: Rotation, position: int) -> Array:
    """x (batch, tokens, heads, head size) without RoPE."""
    n = len(rotation.frequencies)
    first, second = (slice(0, 2 * n, 2), slice(1, 2 * n, 2)) if rotation.neighbours else (slice(0, n), slice(n, 2 * n))
    turn = np.exp(-1j * (position + np.arange(x.shape[1]))[:, None] * rotation.frequencies)[:, None, :]
    pairs = (x[..., first] + 1j * x[..., second]) * turn
    x[..., first], x[..., second] = pairs.real, pairs.imag
    return x


def _learn(rows: Array, step: float, transform: str, head: int) -> tuple[Set, Array]:
    """A set without its tables, and how often each component has each symbol: (channels, 256) uint32."""
    channels = rows.shape[1]
    mean = rows.mean(0).astype(np.float32)
    centred = rows - mean
    tiny = 1e-6 * max(1e-30, float(np.sqrt((centred**2).mean())))
    if transform == "none":
        steps = np.maximum(centred.std(0), tiny) * step
        basis, components = np.zeros((channels, 0), np.float16), centred
    else:
        block = channels if channels <= WHOLE_LAYER else head
        basis = np.concatenate([_principal(centred[:, at : at + block]) for at in range(0, channels, block)]).astype(np.float16)
        blocks = basis.reshape(-1, block, block).astype(np.float64)
        components = np.concatenate([centred[:, i * block : (i + 1) * block] @ shares.T for i, shares in enumerate(blocks)], 1)
        steps = np.full(channels, max(tiny, float(np.sqrt((centred**2).mean()))) * step)
    steps = np.maximum(steps, 1e-30).astype(np.float32)
    indices = np.minimum(np.floor(np.abs(components) / steps + 0.45), 1 << 20).astype(np.int64)
    symbols = np.minimum(np.where(components < 0, 2 * indices - (indices > 0), 2 * indices), LARGE)
    counts = np.stack([np.bincount(symbols[:, k], minlength=ALPHABET) for k in range(channels)]).astype(np.uint32)
    counts[:, ESCAPE] = 1
    return Set(mean, steps, basis, np.zeros(channels, np.uint8)), counts


def _principal(x: Array) -> Array:
    """Rows: orthonormal directions of x (tokens, channels) in descending order of variance (Karhunen-Loeve transform)."""
    _, vectors = np.linalg.eigh(x.T @ x)
    found: Array = vectors.T[::-1]
    return found


def save_profile(profile: Profile, path: str | os.PathLike[str]) -> None:
    """Write a profile to a file of its own, an archive with one entry."""
    with laconic.open(path, "w", level="max") as archive:
        archive.add(PROFILE_ENTRY, profile.to_bytes(), meta={"hash": profile.hash.hex()})


def load_profile(path: str | os.PathLike[str]) -> Profile:
    """A profile from such a file; CorruptDataError if it is none."""
    with laconic.open(path) as archive:
        if PROFILE_ENTRY not in archive:
            raise CorruptDataError(f"{os.fspath(path)}: holds no KV profile")
        return Profile.from_bytes(archive[PROFILE_ENTRY])
