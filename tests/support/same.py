"""Equality in the sense of the project: same type, dtype, shape and bits (NaN payloads, -0.0, byte order)."""

from __future__ import annotations

import struct
import sys
from typing import Any

import numpy as np


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
        return a.dtype == b.dtype and str(a.dtype) == str(b.dtype) and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, float):
        return struct.pack("<d", a) == struct.pack("<d", b)
    if "torch" in sys.modules and type(a).__module__ == "torch":
        import torch

        if a.dtype != b.dtype or a.shape != b.shape:
            return False
        return not a.numel() or torch.equal(*(t.detach().contiguous().reshape(-1).view(torch.uint8) for t in (a, b)))
    return bool(a == b)
