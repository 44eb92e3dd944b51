"""The forms in which a cache can be given, all seen as (batch, tokens, heads, head size) arrays by layer, for keys and for values."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from laconic import objects
from laconic.codecs.kv.segment import MAX_CHANNELS, element_of
from laconic.container import format as f
from laconic.errors import CorruptDataError, UnsupportedError

Array = np.ndarray[Any, Any]
AXES = "L2BTHD"  # layers, keys and values, batch, tokens, heads, head size
FORMS = ("array", "pair", "layers", "DynamicCache")


@dataclass(frozen=True, slots=True)
class Part:
    """Keys or values: the same in all layers."""

    dtype: str  # of docs/format.md
    heads: int
    head: int

    @property
    def channels(self) -> int:
        return self.heads * self.head

    @property
    def row_bytes(self) -> int:
        return self.channels * objects.itemsize(self.dtype)


@dataclass(frozen=True, slots=True)
class Shape:
    """What a cache is and how its bytes lie: for each sequence, for each chunk of tokens, for each layer: keys, then values; each
    (tokens, heads, head size) in C order. This is the entry's metadata `kv`."""

    form: str
    layout: str
    library: str  # numpy or torch
    layers: int
    batch: int
    tokens: int
    chunk: int
    position: int
    parts: tuple[Part, ...]

    @property
    def chunks(self) -> int:
        return -(-self.tokens // self.chunk)

    @property
    def token_bytes(self) -> int:
        return self.layers * sum(part.row_bytes for part in self.parts)

    @property
    def size(self) -> int:
        return self.batch * self.tokens * self.token_bytes

    def rows(self, chunk: int) -> int:
        return min(self.chunk, self.tokens - chunk * self.chunk)

    def start(self, batch: int, chunk: int, layer: int = 0, part: int = 0) -> int:
        """Where a segment begins in the entry's raw bytes."""
        before = (batch * self.tokens + chunk * self.chunk) * self.token_bytes
        row = layer * sum(p.row_bytes for p in self.parts) + sum(p.row_bytes for p in self.parts[:part])
        return before + row * self.rows(chunk)

    def segments(self) -> list[tuple[int, int, int, int]]:
        """(batch, chunk, layer, part) in the order of the raw bytes."""
        return [
            (b, c, layer, p)
            for b in range(self.batch) for c in range(self.chunks) for layer in range(self.layers) for p in range(len(self.parts))
        ]  # fmt: skip

    def _fits_layout(self) -> bool:
        """Whether axes that the layout lacks are of length 1, and there are as many parts as the form holds."""
        lengths = {"L": self.layers, "B": self.batch, "H": max(part.heads for part in self.parts)}
        if self.form in ("layers", "DynamicCache"):
            if "L" in self.layout:
                return False
            del lengths["L"]
        if self.form != "array" and "2" in self.layout:
            return False
        alike = len(self.parts) == ("2" in self.layout) + 1 and len(set(self.parts)) == 1 if self.form == "array" else True
        return alike and all(axis in self.layout or length == 1 for axis, length in lengths.items())

    def to_meta(self) -> dict[str, Any]:
        found = {name: getattr(self, name) for name in self.__slots__ if name != "parts"}
        return found | {"parts": [[part.dtype, part.heads, part.head] for part in self.parts]}

    @classmethod
    def from_meta(cls, meta: Any, size: int, where: str) -> Shape:
        """CorruptDataError unless `meta` describes `size` raw bytes."""
        try:
            parts = tuple(Part(*_typed(part, (str, int, int))) for part in meta["parts"])
            texts = _typed([meta[name] for name in ("form", "layout", "library")], (str, str, str))
            numbers = _typed([meta[name] for name in ("layers", "batch", "tokens", "chunk", "position")], (int,) * 5)
            found = cls(texts[0], texts[1], texts[2], numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], parts)
            good = (
                found.form in FORMS and found.library in ("numpy", "torch") and 1 <= len(parts) <= 2 and min(numbers) >= 0
                and found.chunk > 0 and found.layers > 0
                and max(numbers) < f.MAX_COUNT and bool(parse_layout(found.layout))
                and all(element_of(p.dtype) is not None and p.heads > 0 and p.head > 0 and p.channels <= MAX_CHANNELS for p in parts)
                and found.size == size and (size > 0 or found.layers * (found.batch + found.tokens) <= 1 << 20)
                and found._fits_layout()
            )  # fmt: skip
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptDataError(f"{where}: the metadata describe no KV cache ({error})") from error
        if not good:
            raise CorruptDataError(f"{where}: the metadata do not describe these {size} bytes as a KV cache")
        return found


def _typed(values: Any, types: Sequence[type]) -> Any:
    if len(values) != len(types) or any(type(value) is not wanted for value, wanted in zip(values, types, strict=True)):
        raise TypeError("wrong types")
    return values


def parse_layout(layout: str) -> str:
    """Checks a layout such as "L2THD", "LBHTD" or "2LTD" (D alone: heads and head size in one); ValueError."""
    if len(set(layout)) != len(layout) or not set(layout) <= set(AXES) or not {"T", "D"} <= set(layout):
        raise ValueError(f"layout {layout!r}: one letter an axis - L layers, 2 keys and values, B batch, T tokens, H heads, D head size")
    return layout


@dataclass(frozen=True, slots=True)
class Tensors:
    """`arrays[part][layer]`: (batch, tokens, heads, head size) views of what was given, as unsigned integers of the element's width."""

    shape: Shape
    arrays: list[list[Array]]

    def segment(self, batch: int, chunk: int, layer: int, part: int) -> memoryview:
        """The raw bytes of a segment; a copy unless they lie so already."""
        first = chunk * self.shape.chunk
        rows = self.arrays[part][layer][batch, first : first + self.shape.chunk]
        return np.ascontiguousarray(rows).reshape(-1).view(np.uint8).data


def see(cache: Any, layout: str | None, chunk: int, position: int) -> Tensors:
    """A cache in any of its forms; see `laconic.kv.save`. TypeError or ValueError where it is none, or none that would come back."""
    if chunk < 1 or position < 0:
        raise ValueError("chunk must be at least 1, position at least 0")
    if hasattr(cache, "tensors"):  # a KVReader
        known: Tensors = cache.tensors()
        return Tensors(replace(known.shape, chunk=chunk), known.arrays)
    form, layout, tensors = _take_apart(cache, layout)
    seen = [[_bits(tensor) for tensor in layer] for layer in tensors]
    arrays = _views(form, layout, [[bits for bits, _, _ in layer] for layer in seen])
    kinds = [[name for _, name, _ in layer] for layer in seen]
    if any(kind != kinds[0] for kind in kinds) or len({library for layer in seen for _, _, library in layer}) != 1:
        raise ValueError("all layers must have the same dtypes, and all tensors must come from the same library")
    dtypes = kinds[0] * (2 if "2" in layout else 1)
    shapes = {array.shape[:2] for part in arrays for array in part}
    parts = []
    for dtype, part in zip(dtypes, arrays, strict=True):
        if len({array.shape[2:] for array in part}) > 1 or len(shapes) > 1:
            raise ValueError("all layers must hold the same tokens and heads; caches with sliding windows can't be saved in one")
        heads, head = part[0].shape[2:]
        if not 0 < heads * head <= MAX_CHANNELS or chunk * heads * head * part[0].itemsize > f.MAX_FRAME_RAW:
            raise ValueError(
                f"{heads} heads of {head} channels: a segment of {chunk} tokens must have 1 byte to 32 MiB; choose another chunk"
            )
        parts.append(Part(dtype, heads, head))
    batch, tokens = next(iter(shapes))
    shape = Shape(form, layout, seen[0][0][2], len(arrays[0]), batch, tokens, chunk, position, tuple(parts))
    return Tensors(shape, arrays)


def _views(form: str, layout: str, tensors: Sequence[Sequence[Array]]) -> list[list[Array]]:
    """`Tensors.arrays` of what `_take_apart` gives."""
    if form in ("layers", "DynamicCache"):
        return [[_to_bthd(layer[p], layout) for layer in tensors] for p in range(len(tensors[0]))]
    if "2" not in layout:
        return [_by_layer(tensor, layout) for tensor in tensors[0]]
    whole, at = tensors[0][0], layout.index("2")
    if whole.ndim != len(layout) or whole.shape[at] != 2:
        raise ValueError(f"layout {layout!r} is not that of a tensor of shape {whole.shape}")
    return [_by_layer(whole[(slice(None),) * at + (p,)], layout.replace("2", "")) for p in range(2)]


def _take_apart(cache: Any, layout: str | None) -> tuple[str, str, list[tuple[Any, ...]]]:
    """(form, layout, tensors by layer or all in one, each of keys and values)."""
    if hasattr(cache, "layers") and hasattr(cache, "update"):
        from laconic.kv.transformers_cache import layers_of

        return "DynamicCache", "BHTD", layers_of(cache)
    if layout is None:
        raise ValueError('the layout of the tensors must be named, as in layout="LBHTD"')
    parse_layout(layout)
    if isinstance(cache, tuple) and len(cache) == 2 and hasattr(cache[0], "shape"):
        if "2" in layout:
            raise ValueError(f"layout {layout!r} is one of a tensor that holds keys and values, but two were given")
        return "pair", layout, [cache]
    if isinstance(cache, (list, tuple)):
        if not cache or {"L", "2"} & set(layout):
            raise ValueError(f"a list of (keys, values), one for each layer, has a layout without L and 2, not {layout!r}")
        if any(len(layer) != len(cache[0]) or not 1 <= len(layer) <= 2 for layer in cache):
            raise ValueError("each layer must be (keys, values), or (keys,) in all of them")
        return "layers", layout, [tuple(layer) for layer in cache]
    return "array", layout, [(cache,)]


def _bits(tensor: Any) -> tuple[Array, str, str]:
    """(unsigned integers that share the tensor's memory where they can, dtype, library)."""
    module = type(tensor).__module__.partition(".")[0]
    if module == "torch" and "torch" in sys.modules:
        import torch

        name = objects._TORCH_TO_NAME.get(str(tensor.dtype).removeprefix("torch."), "")
        library = "torch"
        if element_of(name) is not None:
            integers = {1: torch.uint8, 2: torch.int16, 4: torch.int32}[tensor.element_size()]
            bits = tensor.detach().cpu().view(integers).numpy()
    elif isinstance(tensor, np.ndarray):
        name, library, bits = objects.dtype_name(tensor.dtype), "numpy", tensor
    else:
        raise TypeError(f"a {type(tensor).__name__} is no KV cache; laconic.kv takes numpy arrays, torch tensors and transformers' caches")
    if element_of(name) is None:
        raise TypeError(f"{tensor.dtype} is no dtype of a KV cache: bf16, fp16, fp32 (little-endian) or fp8")
    return bits.view(f"u{bits.dtype.itemsize}"), name, library


def _to_bthd(array: Array, layout: str) -> Array:
    """(batch, tokens, heads, head size) of an array whose layout has neither L nor 2."""
    if array.ndim != len(layout):
        raise ValueError(f"layout {layout!r} has {len(layout)} axes, the tensor {array.ndim}")
    present = [layout.index(axis) for axis in "BTHD" if axis in layout]
    return array.transpose(present)[tuple(slice(None) if axis in layout else None for axis in "BTHD")]


def _by_layer(array: Array, layout: str) -> list[Array]:
    if array.ndim != len(layout):
        raise ValueError(f"layout {layout!r} has {len(layout)} axes, the tensor {array.ndim}")
    if "L" not in layout:
        return [_to_bthd(array, layout)]
    at = layout.index("L")
    layers = [_to_bthd(array[(slice(None),) * at + (i,)], layout.replace("L", "")) for i in range(array.shape[at])]
    if not layers:
        raise ValueError("a cache without layers")
    return layers


@dataclass(frozen=True, slots=True)
class Room:
    """Memory for a whole cache in the form in which it was given: what `Tensors` are views of, to be filled through `arrays`."""

    shape: Shape
    tensors: list[list[Array]]
    arrays: list[list[Array]]

    @classmethod
    def of(cls, shape: Shape) -> Room:
        lengths = {"L": shape.layers, "2": 2, "B": shape.batch, "T": shape.tokens}

        def tensor(part: Part) -> Array:
            sizes = lengths | {"H": part.heads, "D": part.head}
            return np.empty([sizes[axis] for axis in shape.layout], objects.parse_dtype(part.dtype))

        by_layer = shape.form in ("layers", "DynamicCache")
        parts = shape.parts[:1] if "2" in shape.layout else shape.parts
        tensors = [[tensor(part) for part in parts] for _ in range(shape.layers if by_layer else 1)]
        return cls(shape, tensors, _views(shape.form, shape.layout, tensors))

    def give(self, library: str) -> Any:
        """The cache, in the form in which it was given to `save`."""
        layers = [
            tuple(library_tensor(tensor, part.dtype, library) for tensor, part in zip(layer, self.shape.parts, strict=False))
            for layer in self.tensors
        ]
        if self.shape.form == "layers":
            return layers
        if self.shape.form == "DynamicCache":
            from laconic.kv.transformers_cache import rebuild

            return rebuild(layers)
        return layers[0] if self.shape.form == "pair" else layers[0][0]


def library_tensor(array: Array, dtype: str, library: str) -> Any:
    """An array as what was saved: itself, or a torch tensor that shares its memory."""
    if library == "numpy":
        return array
    try:
        import torch
    except ImportError as error:
        raise UnsupportedError("the cache holds torch tensors and torch is not installed; open it with library='numpy'") from error
    bits = torch.from_numpy(array.view({1: np.uint8, 2: np.int16, 4: np.int32}[array.itemsize]))
    return bits.view(getattr(torch, objects._NAME_TO_TORCH[dtype]))
