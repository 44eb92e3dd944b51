"""Hypothesis strategies for everything that `laconic.encode` takes."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import ml_dtypes
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

ML_DTYPES = [
    np.dtype(getattr(ml_dtypes, name))
    for name in (
        "bfloat16", "float8_e3m4", "float8_e4m3", "float8_e4m3b11fnuz", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2",
        "float8_e5m2fnuz", "float8_e8m0fnu", "float4_e2m1fn", "float6_e2m3fn", "float6_e3m2fn", "int2", "int4", "uint2", "uint4",
    )
    if hasattr(ml_dtypes, name)
]  # fmt: skip

PLAIN = [
    np.dtype(name)
    for name in (
        "?", "i1", "u1", "<i2", ">i2", "<u2", ">u2", "<i4", ">i4", "<u4", ">u4", "<i8", ">i8", "<u8", ">u8", "<f2", ">f2", "<f4", ">f4",
        "<f8", ">f8", "g", "<c8", ">c8", "<c16", ">c16", "G", "S1", "S7", "<U3", ">U3", "V1", "V5", "<M8[ns]", ">M8[D]", "<M8", "<m8[s]",
        ">m8[25us]", "<m8",
    )
]  # fmt: skip

STRUCTURED = [
    np.dtype([("a", "<i4"), ("b", ">f8")]),
    np.dtype([("a", "<i4"), ("b", [("x", "?"), ("y", "<f2", (2, 3))]), ("s", "S3")]),
    np.dtype([("title", "<U2"), ("z", "<c8", (2,))]),
    np.dtype({"names": ["a", "b"], "formats": ["<i2", "<i8"], "offsets": [0, 8], "itemsize": 24}),
    np.dtype([("pad", "<i1"), ("x", "<f8")], align=True),
    np.dtype([(("a title", "a"), "<i4"), ("b", "<u2")]),
    np.dtype([("é/~", "<i4")]),
    np.dtype([("only", "<f4", (3,))]),
]

DTYPES = PLAIN + ML_DTYPES + STRUCTURED

shapes = st.one_of(
    st.just(()),
    hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=7),
    st.sampled_from([(0,), (3, 0, 2), (1, 1, 1), (300,), (5, 700)]),
)


@st.composite
def arrays(draw: st.DrawFn, dtypes: Any = None) -> np.ndarray[Any, Any]:
    """Any bits (so NaN payloads, -0.0 and denormals too) in any memory layout."""
    dtype = draw(st.sampled_from(DTYPES) if dtypes is None else dtypes)
    shape = draw(shapes)
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    pattern = draw(st.binary(min_size=1, max_size=64))
    raw = bytearray((pattern * (size // len(pattern) + 1))[:size])
    if dtype.kind == "b" or (dtype in ML_DTYPES and dtype.name.endswith(("int2", "int4"))):
        raw = bytearray(b & 1 for b in raw)
    if dtype.kind == "U":
        raw = bytearray(
            np.frombuffer(bytes(size), "<u4").tobytes()
            if size == 0
            else (np.frombuffer(raw, "<u4") % 0xD7FF).astype(dtype.str.replace("U", "V")[0] + "u4").tobytes()
        )
    array = np.frombuffer(bytes(raw), dtype).reshape(shape) if size else np.empty(shape, dtype)
    layout = draw(st.sampled_from(["c", "fortran", "reversed", "transposed", "strided", "broadcast", "readonly", "unaligned"]))
    return lay_out(array, layout)


def lay_out(array: np.ndarray[Any, Any], layout: str) -> np.ndarray[Any, Any]:
    if layout == "fortran":
        return np.asfortranarray(array) if array.ndim else array
    if layout == "reversed" and array.ndim:
        return array[::-1]
    if layout == "transposed":
        return array.T
    if layout == "strided" and array.ndim:
        return np.repeat(array, 2, axis=0)[::2]
    if layout == "broadcast":
        return np.broadcast_to(array, (3, *array.shape))
    if layout == "unaligned" and array.size and array.itemsize:
        buffer = np.empty(array.nbytes + 1, np.uint8)
        out = buffer[1:].view(np.dtype(f"V{array.itemsize}")).view(array.dtype).reshape(array.shape)
        out[...] = array
        return out
    if layout == "readonly":
        array = array.copy()
        array.flags.writeable = False
    return array


byteses = st.one_of(st.binary(max_size=300), st.binary(min_size=1, max_size=8).map(lambda b: b * 40_000))
bytes_likes = st.one_of(byteses, byteses.map(bytearray), byteses.map(memoryview))
scalars = arrays().filter(lambda a: a.size > 0).map(lambda a: a.reshape(-1)[0]).filter(lambda x: isinstance(x, np.generic))
leaves = st.one_of(bytes_likes, arrays(), scalars)
values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(max_size=20),
    st.text(min_size=1, max_size=5).map(lambda t: t * 300),
)
texts = st.one_of(st.text(max_size=8), st.sampled_from(["", "/", "~", "~0", "~1", "~e", "~i7", "a/b", "..", ".", "\0", "a\nb", "\udc80"]))
keys = st.one_of(texts, st.integers(-(10**20), 10**20))


def containers(items: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    dicts = st.dictionaries(keys, items, max_size=4)
    lists = st.lists(items, max_size=4)
    return st.one_of(dicts, dicts.map(OrderedDict), lists, lists.map(tuple))


nested = containers(st.recursive(st.one_of(leaves, values), containers, max_leaves=8))
objects = st.one_of(leaves, nested)
