"""transformers' `DynamicCache`: its layers' tensors out, and a new one by `update`. transformers is imported only to build one."""

from __future__ import annotations

from typing import Any

from laconic.errors import UnsupportedError


def layers_of(cache: Any) -> list[tuple[Any, Any]]:
    """(keys, values) of each layer, (batch, heads, tokens, head size); ValueError where a layer holds anything else."""
    layers = []
    for number, layer in enumerate(cache.layers):
        keys, values = getattr(layer, "keys", None), getattr(layer, "values", None)
        if keys is None or values is None or keys.ndim != 4:
            raise ValueError(f"layer {number} of the cache holds no keys and values (nothing was computed yet?)")
        if type(layer).__name__ != "DynamicLayer":
            raise ValueError(f"layer {number} is a {type(layer).__name__}; only plain dynamic layers come back as they were")
        layers.append((keys, values))
    if not layers:
        raise ValueError("the cache has no layers")
    return layers


def rebuild(layers: list[tuple[Any, ...]]) -> Any:
    try:
        from transformers import DynamicCache
    except ImportError as error:
        raise UnsupportedError(
            "the cache was a transformers DynamicCache and transformers is not installed; read layers instead"
        ) from error
    cache = DynamicCache()
    for number, (keys, values) in enumerate(layers):
        cache.update(keys, values, number)
    return cache
