"""Python objects to entries and back: type, dtype, shape and raw bytes. Nothing here compresses anything.

Raw bytes are the elements in C order, in the array's own byte order. A container (dict, OrderedDict, list, tuple) is an entry without
data, and each of its items an entry below it: `NAME/KEY`, where the key is escaped (see laconic.container.names) and an integer key is
written `~i7`.
"""

from __future__ import annotations

import ast
import math
import os
import re
import struct
import sys
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from laconic import pictures
from laconic.container import names
from laconic.container.table import Entry
from laconic.errors import CorruptDataError, UnsupportedError

if TYPE_CHECKING:
    import numpy as np

ML_DTYPES = frozenset({
    "bfloat16", "float8_e3m4", "float8_e4m3", "float8_e4m3b11fnuz", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2",
    "float8_e5m2fnuz", "float8_e8m0fnu", "float4_e2m1fn", "float6_e2m3fn", "float6_e3m2fn", "int2", "int4", "uint2", "uint4",
})  # fmt: skip

# torch names its dtypes itself; on disk both worlds share one name.
_TORCH_TO_NAME = {
    "float64": "<f8", "float32": "<f4", "float16": "<f2", "complex64": "<c8", "complex128": "<c16", "int8": "|i1", "uint8": "|u1",
    "int16": "<i2", "uint16": "<u2", "int32": "<i4", "uint32": "<u4", "int64": "<i8", "uint64": "<u8", "bool": "|b1",
    **{name: name for name in ("bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu",
                               "complex32")},
}  # fmt: skip
_NAME_TO_TORCH = {name: torch for torch, name in _TORCH_TO_NAME.items()}


@dataclass(frozen=True, slots=True)
class Leaf:
    """An object with raw bytes, ready to be an entry."""

    type: str
    dtype: str
    shape: tuple[int, ...]
    itemsize: int
    raw: memoryview  # contiguous, format "B"
    meta: dict[str, Any] = field(default_factory=dict)  # what else it takes to make the object again


# ---------------------------------------------------------------------- to entries


def leaf(obj: Any) -> Leaf | None:
    """What `obj` is if it has raw bytes; None for containers and values. TypeError for what can't be kept exactly."""
    if type(obj) in (bytes, bytearray):
        return Leaf(type(obj).__name__, "", (), 1, memoryview(obj))
    if isinstance(obj, memoryview):
        return _memoryview_leaf(obj)
    module = type(obj).__module__.partition(".")[0]
    if module == "torch" and "torch" in sys.modules:
        return _torch_leaf(obj)
    if pictures.is_image(obj):
        dtype, shape, raw, meta = pictures.take_apart(obj)
        return Leaf("image", dtype, shape, int(dtype[2]), memoryview(raw), meta)
    if "numpy" in sys.modules:
        import numpy as np

        if isinstance(obj, np.generic):
            return _array_leaf(np.asarray(obj), "scalar")
        if type(obj) is np.ndarray:
            return _array_leaf(obj, "ndarray")
        if isinstance(obj, np.ndarray):
            raise TypeError(f"{type(obj).__name__}: subclasses of ndarray lose their type; pass numpy.asarray(obj)")
    if isinstance(obj, (bytes, bytearray)):
        raise TypeError(f"{type(obj).__name__}: subclasses of bytes lose their type; pass bytes(obj)")
    return None


_FORMATS = frozenset("cbB?hHiIlLqQnNefdP")


def _memoryview_leaf(view: memoryview) -> Leaf:
    shape = tuple(view.shape or ())
    raw = memoryview(view.tobytes()) if not view.c_contiguous or 0 in shape else view.cast("B")
    if view.format == "B" and view.ndim == 1:
        return Leaf("memoryview", "", (), 1, raw)
    try:
        again = _cast(raw, view.format, shape)
        exact = (again.format, again.shape, again.itemsize) == (view.format, view.shape, view.itemsize)
    except (ValueError, TypeError):
        exact = False
    if not exact:
        raise TypeError(f"a memoryview of format {view.format!r} can't be made again; pass numpy.asarray(view)")
    return Leaf("memoryview", view.format, shape, view.itemsize, raw)


def _cast(raw: memoryview, format_: str, shape: tuple[int, ...]) -> memoryview:
    """The bytes `raw` as a memoryview of another format and shape; ValueError or TypeError if there is no such view."""
    if format_.removeprefix("@") not in _FORMATS:
        raise ValueError("not a format of one native number")
    if 0 not in shape:
        return raw.cast(format_, shape)  # type: ignore[call-overload,no-any-return]
    if len(raw):
        raise ValueError("bytes for an array without elements")
    import numpy as np

    return memoryview(np.empty(shape, format_))  # type: ignore[arg-type]  # memoryview.cast makes no view without elements


TEXT_LEAF = 256  # characters from which a text inside a container has bytes of its own instead of metadata


def text_leaf(obj: Any) -> Leaf | None:
    """A long text inside a container; None for anything else."""
    if type(obj) is not str or len(obj) < TEXT_LEAF:
        return None
    return Leaf("text", "", (), 1, memoryview(_utf8(obj)))


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise TypeError(f"a text with lone surrogates can't be encoded ({error})") from None


def _array_leaf(array: np.ndarray[Any, Any], type_: str) -> Leaf:
    name = dtype_name(array.dtype)
    return Leaf(type_, name, array.shape, array.dtype.itemsize, _raw_view(array))


def _raw_view(array: np.ndarray[Any, Any]) -> memoryview:
    import numpy as np

    if array.size == 0 or array.dtype.itemsize == 0:
        return memoryview(b"")
    if not array.flags.c_contiguous:
        # As opaque elements: a copy of structured ones would leave whatever lay in the new memory between their fields.
        array = array.view(f"V{array.dtype.itemsize}").copy(order="C")
    return memoryview(array.reshape(-1).view(np.uint8))  # type: ignore[arg-type]


def _torch_leaf(obj: Any) -> Leaf | None:
    import torch

    if not isinstance(obj, torch.Tensor):
        return None
    if type(obj) is not torch.Tensor:
        raise TypeError(f"{type(obj).__name__}: subclasses of torch.Tensor lose their type; pass tensor.detach()")
    if obj.layout != torch.strided or obj.is_quantized or obj.is_meta:
        raise TypeError(f"a torch tensor of layout {obj.layout} and dtype {obj.dtype} on {obj.device} has no dense elements to encode")
    name = _TORCH_TO_NAME.get(str(obj.dtype).removeprefix("torch."))
    if name is None:
        raise TypeError(f"torch dtype {obj.dtype} is not supported")
    tensor = obj.detach().cpu().resolve_conj().resolve_neg().contiguous()
    elements: Any = dense_bytes(tensor)
    return Leaf("torch", name, tuple(obj.shape), obj.element_size(), memoryview(elements))


def dense_bytes(tensor: Any) -> Any:
    """The elements of a contiguous torch tensor on the CPU, as bytes that share its memory."""
    import torch

    if tensor.numel() == 0:
        return b""
    flat = tensor.reshape(-1)
    if flat.stride(0) != 1:  # one element: torch calls any stride contiguous, and views of it need 1
        flat = flat.clone(memory_format=torch.contiguous_format)
    return flat.view(torch.uint8).numpy()


def dtype_name(dtype: np.dtype[Any]) -> str:
    """The name of a numpy dtype in a file: numpy's own string, an ml_dtypes name, or a structured description."""
    import numpy as np

    if dtype.hasobject:
        raise TypeError("arrays of Python objects can't be encoded (they would need pickle); convert them to a plain dtype")
    if dtype.name in ML_DTYPES and dtype.type.__module__.startswith("ml_dtypes"):
        return str(dtype.name)
    name = repr(np.lib.format.dtype_to_descr(dtype)) if dtype.names is not None else dtype.str
    if parse_dtype(name) != dtype:
        raise TypeError(f"dtype {dtype} has no exact description in a file")
    return name


def parse_dtype(name: str) -> np.dtype[Any]:
    """The numpy dtype called `name`; CorruptDataError if there is none."""
    import numpy as np

    if name in ML_DTYPES:
        import ml_dtypes

        if not hasattr(ml_dtypes, name):
            raise UnsupportedError(f"dtype {name} needs a newer ml_dtypes")
        found: np.dtype[Any] = np.dtype(getattr(ml_dtypes, name))
        return found
    try:
        descr: Any = ast.literal_eval(name) if name[:1] == "[" else name
        if not _is_descr(descr):
            raise ValueError("not a description that numpy writes")
        dtype: np.dtype[Any] = np.lib.format.descr_to_dtype(descr)
        return dtype
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as error:
        raise CorruptDataError(f"unknown dtype {name[:80]!r}") from error


# What numpy's `dtype.str` can be without Python objects. numpy itself takes far more, and some of it ends the process ("M8[s/0]").
_PLAIN_DTYPE = re.compile(
    r"[<>|](b1|[iu][1248]|f(2|4|8|12|16)|c(8|16|24|32)|[SUV][0-9]{1,9}"
    r"|[mM]8(\[([1-9][0-9]{0,8})?(Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as)\])?)"
)


def _is_descr(descr: object) -> bool:
    """Whether `descr` is a dtype string, or a list of fields (name or (title, name), dtype[, shape])."""
    if isinstance(descr, str):
        return _PLAIN_DTYPE.fullmatch(descr) is not None
    return isinstance(descr, list) and all(
        isinstance(field, tuple)
        and len(field) in (2, 3)
        and (isinstance(field[0], str) or (isinstance(field[0], tuple) and list(map(type, field[0])) == [str, str]))
        and _is_descr(field[1])
        and all(type(n) is int and 0 <= n < 1 << 31 for n in (field[2] if len(field) == 3 and type(field[2]) is tuple else ()))
        and (len(field) == 2 or type(field[2]) is tuple)
        for field in descr
    )


def itemsize(name: str) -> int:
    """Bytes of an element of the dtype called `name`."""
    return 1 if name == "" else 4 if name == "complex32" else parse_dtype(name).itemsize


_CONTAINERS: dict[type, str] = {dict: "dict", OrderedDict: "odict", list: "list", tuple: "tuple"}


CONTAINER_TYPES = frozenset(_CONTAINERS.values())


def container_type(obj: Any) -> str | None:
    return _CONTAINERS.get(type(obj))


def children(obj: Any) -> Iterator[tuple[str, Any]]:
    """(escaped key, value) of a container."""
    if isinstance(obj, dict):
        for key, value in obj.items():
            yield escape_key(key), value
    else:
        for i, value in enumerate(obj):
            yield f"~i{i}", value


def escape_key(key: Any) -> str:
    if type(key) is int:
        return f"~i{key}"
    if type(key) is not str:
        raise TypeError(f"dict keys must be text or integers to be encoded, not {type(key).__name__}")
    return names.escape(key)


def unescape_key(text: str) -> str | int:
    if text.startswith("~i"):
        try:
            return int(text[2:])
        except ValueError as error:
            raise CorruptDataError(f"a key {text!r} that is no integer") from error
    return names.unescape(text)


def value_meta(obj: Any) -> dict[str, Any] | None:
    """Metadata that holds a small Python value (inside containers); None if `obj` is no such value."""
    if type(obj) is str:
        _utf8(obj)
        return {"v": obj}
    if obj is None or type(obj) is bool or (type(obj) is int and -(1 << 63) <= obj < 1 << 63):
        return {"v": obj}
    if type(obj) is float:
        return {"f": struct.pack("<d", obj)}  # CBOR encoders may shorten a NaN
    return None


def refuse(obj: Any) -> TypeError:
    if isinstance(obj, str):
        return TypeError("a str is ambiguous: pass pathlib.Path(...) for a file, or text.encode() for text")
    if isinstance(obj, os.PathLike):
        return TypeError("a path can be encoded on its own, not inside a container")
    return TypeError(
        f"can't encode {type(obj).__module__}.{type(obj).__qualname__}; laconic takes bytes-like objects, numpy arrays, torch tensors, "
        "Pillow images, paths, and dicts or lists of these"
    )


# ---------------------------------------------------------------------- from entries


def value_of(entry: Entry) -> Any:
    meta = entry.meta
    if "f" in meta and isinstance(meta["f"], bytes) and len(meta["f"]) == 8:
        return struct.unpack("<d", meta["f"])[0]
    value = meta.get("v", entry)
    if value is not None and type(value) not in (bool, str, int):
        raise CorruptDataError(f"entry {entry.name!r} holds no value")
    return value


def check_shape(entry: Entry) -> int:
    """Bytes of one row (of the first axis; of the element for 0-d), after checking shape against size."""
    size = itemsize(entry.dtype)
    if any(n > 1 << 62 for n in entry.shape) or math.prod(entry.shape) * size != entry.size:
        raise CorruptDataError(f"entry {entry.name!r}: shape {entry.shape} of {entry.dtype or 'bytes'} does not have {entry.size} bytes")
    return math.prod(entry.shape[1:]) * size


def from_raw(entry: Entry, shape: tuple[int, ...], raw: Any) -> Any:
    """The object whose elements are `raw` (a writable uint8 array for arrays and tensors, bytes otherwise)."""
    if entry.type in ("ndarray", "scalar", "tensor"):
        import numpy as np

        dtype = parse_dtype(entry.dtype)
        try:
            array = raw.view(dtype).reshape(shape) if len(raw) else np.empty(shape, dtype)
        except (ValueError, MemoryError) as error:
            raise CorruptDataError(f"entry {entry.name!r}: no array of shape {shape} and dtype {entry.dtype[:80]!r}") from error
        return array[()] if entry.type == "scalar" and shape == () else array
    if entry.type == "torch":
        return _torch_tensor(entry, shape, raw)
    if entry.type == "image":
        return pictures.put_together(entry.name, entry.dtype, shape, raw, entry.meta.get("pillow"))
    if entry.type == "bytearray":
        return bytearray(raw)
    if entry.type == "text":
        try:
            return str(raw, "utf-8")
        except UnicodeDecodeError as error:
            raise CorruptDataError(f"entry {entry.name!r}: the text is not UTF-8") from error
    if entry.type == "memoryview":
        view = memoryview(raw)
        if not entry.dtype:
            return view
        try:
            return _cast(view, entry.dtype, shape)
        except (ValueError, TypeError, OverflowError, MemoryError) as error:
            raise CorruptDataError(f"entry {entry.name!r}: no memoryview of format {entry.dtype[:80]!r}") from error
    return bytes(raw)


def _torch_tensor(entry: Entry, shape: tuple[int, ...], raw: Any) -> Any:
    if entry.dtype not in _NAME_TO_TORCH:
        raise CorruptDataError(f"entry {entry.name!r}: no torch dtype {entry.dtype[:80]!r}")
    try:
        import torch
    except ImportError as error:
        raise UnsupportedError(
            f"entry {entry.name!r} is a torch tensor and torch is not installed: pip install 'laconic[torch]', or use read()"
        ) from error
    dtype = getattr(torch, _NAME_TO_TORCH[entry.dtype], None)
    if dtype is None:
        raise UnsupportedError(f"entry {entry.name!r}: dtype {entry.dtype} needs a newer torch")
    if not len(raw):
        return torch.empty(shape, dtype=dtype)
    return torch.from_numpy(raw).view(dtype).reshape(shape)


def rebuild(type_: str, items: list[tuple[str, Any]]) -> Any:
    """The container of `type_` with these (escaped key, value) items."""
    if type_ in ("dict", "odict"):
        pairs = ((unescape_key(key), value) for key, value in items)
        return OrderedDict(pairs) if type_ == "odict" else dict(pairs)
    values = [value for _, value in items]
    return tuple(values) if type_ == "tuple" else values
