"""Which codec takes an object or a file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from laconic import objects, registry
from laconic.container.codec import Piece, Source, View


def codec_for(leaf: objects.Leaf, kind: str | None) -> tuple[Any, bytes]:
    """The codec and parameters for an object: `kind` if given, else the first that takes the dtype, else `bytes`."""
    if kind is not None:
        codec = registry.get(kind)
        shaped = getattr(codec, "array_params", None)
        params = shaped(leaf.dtype, leaf.shape) if shaped else codec.params(leaf.dtype, leaf.itemsize)
        if params is None:
            raise ValueError(f"codec {kind!r} does not take {leaf.dtype or 'bytes'}")
        return codec, params
    if leaf.type == "image":
        codec = registry.get("image")
        params = codec.array_params(leaf.dtype, leaf.shape)  # type: ignore[attr-defined]
        if params is not None:
            return codec, params
    if leaf.dtype and leaf.type != "memoryview":
        codec = registry.get("weights")
        params = codec.params(leaf.dtype, leaf.itemsize)
        if params is not None:
            return codec, params
    return registry.get("bytes"), b""


def unit_of(codec: Any, params: bytes, leaf: objects.Leaf) -> int:
    """Frames of the object are cut at multiples of this many bytes."""
    if hasattr(codec, "array_params"):
        return int(codec.unit(params))
    return leaf.itemsize if leaf.itemsize <= 4096 else 1


def layout_of(codec: Any, source: Source) -> tuple[Iterator[Piece | View], Any]:
    """The codec's layout of `source`; that of `bytes` if the codec finds that the file is not its kind after all."""
    try:
        layout = iter(codec.layout(source))
        first = next(layout, None)
    except ValueError:
        codec = registry.get("bytes")
        layout = iter(codec.layout(source))
        first = next(layout, None)

    def whole() -> Iterator[Piece | View]:
        if first is not None:
            yield first
            yield from layout

    return whole(), codec
