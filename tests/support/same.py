"""Equality in the sense of the project: same type, dtype, shape and bits (NaN payloads, -0.0, byte order)."""

from __future__ import annotations

import struct
import sys
from typing import Any

import numpy as np


def bits(x: np.ndarray[Any, Any] | np.generic) -> bytes:
    """All bytes of the elements, those between structured fields included; of an x87 number the ten that count."""
    x = np.asarray(x)
    if not x.size or not x.dtype.itemsize:
        return b""
    if x.dtype.type in (np.longdouble, np.clongdouble) and np.finfo(x.dtype).nmant == 63:
        return x.reshape(-1).copy().view(np.uint8).reshape(-1, 16)[:, :10].tobytes()
    return x.view(f"V{x.dtype.itemsize}").tobytes()


def same(a: Any, b: Any) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(type(k) is type(j) for k, j in zip(a, b, strict=True)) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, memoryview):
        return (a.format, a.shape, a.itemsize) == (b.format, b.shape, b.itemsize) and a.tobytes() == b.tobytes()
    if isinstance(a, (np.ndarray, np.generic)):
        return a.dtype == b.dtype and a.dtype.byteorder == b.dtype.byteorder and a.shape == b.shape and bits(a) == bits(b)
    if isinstance(a, float):
        return struct.pack("<d", a) == struct.pack("<d", b)
    if "torch" in sys.modules and type(a).__module__ == "torch":
        import torch

        if a.dtype != b.dtype or a.shape != b.shape:
            return False
        return not a.numel() or torch.equal(*(t.detach().contiguous().reshape(-1).view(torch.uint8) for t in (a, b)))
    return bool(a == b)
