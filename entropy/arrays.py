"""Whatever lies in memory as an array, as a numpy array: without a copy where that is possible."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

SYMBOL_TYPES = tuple(np.dtype(name) for name in ("uint8", "int8", "uint16", "int16", "uint32", "int32"))


def as_array(x: Any) -> npt.NDArray[Any]:
    """numpy arrays as they are; torch CPU tensors and the like by `__array__` or DLPack, sharing memory."""
    if isinstance(x, np.ndarray):
        return x
    if hasattr(x, "__dlpack__") and not hasattr(x, "__array__"):
        return np.asarray(np.from_dlpack(x))
    return np.asarray(x)


def as_symbols(x: Any) -> npt.NDArray[Any]:
    """Contiguous symbols in native byte order; TypeError unless they are of one of SYMBOL_TYPES."""
    a = as_array(x)
    native = a.dtype.newbyteorder("=")
    if native not in SYMBOL_TYPES:
        raise TypeError(f"symbols are uint8, uint16, uint32, int8, int16 or int32, not {a.dtype}")
    return np.ascontiguousarray(a, dtype=native)


def as_floats(x: Any, what: str) -> npt.NDArray[Any]:
    """float32 or float64; smaller floats become float32, integers float64. TypeError for anything else."""
    a = as_array(x)
    if a.dtype in (np.dtype(np.float32), np.dtype(np.float64)):
        return a
    if a.dtype.kind in "iub":
        return a.astype(np.float64)
    if a.dtype.itemsize < 4 and np.can_cast(a.dtype, np.float32, "safe"):
        return a.astype(np.float32)
    raise TypeError(f"{what} must be real numbers, not {a.dtype}")
