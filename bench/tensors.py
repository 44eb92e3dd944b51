"""Enough of safetensors for the benchmark: headers, whole files, casts. Format: the safetensors README."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype(np.float64),
    "F32": np.dtype(np.float32),
    "F16": np.dtype(np.float16),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "F8_E4M3": np.dtype(ml_dtypes.float8_e4m3fn),
    "F8_E5M2": np.dtype(ml_dtypes.float8_e5m2),
    "I64": np.dtype(np.int64),
    "I32": np.dtype(np.int32),
    "I16": np.dtype(np.int16),
    "I8": np.dtype(np.int8),
    "U64": np.dtype(np.uint64),
    "U32": np.dtype(np.uint32),
    "U16": np.dtype(np.uint16),
    "U8": np.dtype(np.uint8),
    "BOOL": np.dtype(np.bool_),
}
_NAMES = {dtype: name for name, dtype in DTYPES.items()}


@dataclass(frozen=True)
class Run:
    """Neighbouring tensors of one dtype: bytes ``begin`` to ``end`` of the file."""

    dtype: str
    begin: int
    end: int


def header_bytes(data: bytes | memoryview) -> int:
    """Length of everything before the tensor data."""
    return 8 + int.from_bytes(data[:8], "little")


def runs(header: bytes | memoryview) -> list[Run]:
    """The tensor data as maximal runs of one dtype, in file order. ``header``: the file or its start."""
    start = header_bytes(header)
    merged: list[Run] = []
    for _, dtype, _, begin, end in _tensors(json.loads(bytes(header[8:start])), start):
        if merged and merged[-1].dtype == dtype:
            merged[-1] = Run(dtype, merged[-1].begin, end)
        else:
            merged.append(Run(dtype, begin, end))
    return merged


def read(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """All tensors of a file in file order, as views of one buffer."""
    data = path.read_bytes()
    start = header_bytes(data)
    return {
        name: np.frombuffer(data, DTYPES[dtype], (end - begin) // DTYPES[dtype].itemsize, begin).reshape(shape)
        for name, dtype, shape, begin, end in _tensors(json.loads(data[8:start]), start)
    }


def write(path: Path, tensors: dict[str, np.ndarray[Any, Any]]) -> None:
    """Writes ``tensors`` in the given order."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, array in tensors.items():
        header[name] = {
            "dtype": _NAMES[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [offset, offset + array.nbytes],
        }
        offset += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(b"".join([len(text).to_bytes(8, "little"), text, *(a.tobytes() for a in tensors.values())]))


def cast_bf16(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """fp32 rounded to the nearest bfloat16, ties to even."""
    return array.astype(ml_dtypes.bfloat16)


def cast_e4m3(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """fp32 scaled so that a tensor's largest magnitude becomes e4m3's, 448, and rounded to nearest even."""
    largest = float(np.abs(array).max(initial=0.0))
    scale = np.float32(448 / largest if largest else 1)
    return (array * scale).astype(ml_dtypes.float8_e4m3fn)


def _tensors(header: dict[str, Any], start: int) -> Iterator[tuple[str, str, list[int], int, int]]:
    """(name, dtype, shape, begin, end) in file order; offsets count from the start of the file."""
    entries = [(name, entry) for name, entry in header.items() if name != "__metadata__"]
    for name, entry in sorted(entries, key=lambda item: item[1]["data_offsets"]):
        begin, end = entry["data_offsets"]
        yield name, entry["dtype"], entry["shape"], start + begin, start + end


def prune_2_of_4(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """bf16 with the two smallest of each four neighbours set to zero, as sparse tensor cores want it."""
    flat = array.reshape(-1).copy()
    fours = flat[: flat.size // 4 * 4].reshape(-1, 4)
    smallest = np.argsort(np.abs(fours), axis=1, kind="stable")[:, :2]
    np.put_along_axis(fours, smallest, 0, axis=1)
    return cast_bf16(flat.reshape(array.shape))


def round_to_int8(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """fp16 of 8-bit integers and one scale a tensor: what is left of quantised weights that were stored as floats again."""
    scale = np.float32(np.abs(array).max(initial=0) / 127 or 1)
    return (np.round(array / scale) * scale).astype(np.float16)
