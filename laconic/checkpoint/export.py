"""A step as a file that other tools read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from laconic.checkpoint.reading import CheckpointReader
from laconic.durable import open_temporary, sync_folder

FORMATS = (".safetensors", ".npz", ".pt")

# numpy's names -> those of safetensors (https://github.com/huggingface/safetensors#format)
_SAFETENSORS = {
    "bool": "BOOL", "uint8": "U8", "int8": "I8", "float8_e5m2": "F8_E5M2", "float8_e4m3fn": "F8_E4M3", "float8_e8m0fnu": "F8_E8M0",
    "int16": "I16", "uint16": "U16", "float16": "F16", "bfloat16": "BF16", "int32": "I32", "uint32": "U32", "float32": "F32",
    "int64": "I64", "uint64": "U64", "float64": "F64", "complex64": "C64",
}  # fmt: skip


def export(reader: CheckpointReader, output: Path, *, step: int | None = None, names: list[str] | None = None) -> None:
    """Write a step (default: the one written last), or the arrays below `names`, to `output`; its suffix is one of FORMATS.

    The file appears under its name when it is complete. Raises TypeError for arrays that the format can't hold.
    """
    temporary, file = open_temporary(output)
    try:
        with file:
            if output.suffix == ".pt":
                import torch

                torch.save(reader.load(step, names), file)
            else:
                arrays = reader.load(step, names if names is not None else [""], as_numpy=True)
                arrays = {
                    name: np.asarray(array) if hasattr(array, "dtype") else np.frombuffer(array, np.uint8) for name, array in arrays.items()
                }
                if output.suffix == ".npz":
                    np.savez(file, allow_pickle=False, **arrays)
                else:
                    _write_safetensors(file, arrays)
        temporary.replace(output)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(output)


def _write_safetensors(file: Any, arrays: dict[str, Any]) -> None:
    header: dict[str, Any] = {}
    at = 0
    # The largest elements first, so that all are aligned.
    names = sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name))
    for name in names:
        array = arrays[name]
        dtype = _SAFETENSORS.get(array.dtype.name)
        if dtype is None or array.dtype.byteorder == ">":
            raise TypeError(f"{name}: safetensors has no dtype {array.dtype}")
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [at, at + array.nbytes]}
        at += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little") + text)
    for name in names:
        file.write(np.ascontiguousarray(arrays[name]).tobytes())
