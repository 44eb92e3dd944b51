"""`load_file`, `save_file`, `load` and `save` for numpy arrays, like `safetensors.numpy`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from laconic.safetensors.errors import SafetensorError
from laconic.safetensors.files import model_of
from laconic.safetensors.frameworks import DTYPES, framework
from laconic.safetensors.opening import safe_open
from laconic.safetensors.saving import Parts, save_bytes, save_path

if TYPE_CHECKING:
    import numpy as np

Arrays = Mapping[str, "np.ndarray[Any, Any]"]

_NAMES = {numpy: ours for ours, (numpy, _) in DTYPES.items() if numpy}


def load_file(filename: str | os.PathLike[str], *, backend: str = "mmap") -> dict[str, Any]:
    """All arrays of an archive, a safetensors file or a folder, by name."""
    with safe_open(filename, framework="np", backend=backend) as file:
        return file.get_tensors()


def load(data: bytes) -> dict[str, Any]:
    """All arrays in the bytes of an archive or of a safetensors file.

    >>> import numpy as np
    >>> load(save({"w": np.ones(2, np.float16)}))["w"]
    array([1., 1.], dtype=float16)
    """
    model, numpy = model_of(data), framework("np", "cpu")
    found = ((name, *model.find(name)) for name in model.names())
    return {name: numpy.tensor(shard.read(info.start, info.stop), info.dtype, info.shape) for name, shard, info in found}


def save_file(
    tensor_dict: Arrays, filename: str | os.PathLike[str], metadata: Mapping[str, str] | None = None, *, level: str = "default"
) -> None:
    """Write arrays as a safetensors file, compressed (at `level`) if the name ends in `.lac`.

    The plain file has the bytes that safetensors would write. Raises SafetensorError for a dtype that safetensors does not have.
    """
    save_path(_parts(tensor_dict), filename, metadata, level)


def save(tensor_dict: Arrays, metadata: Mapping[str, str] | None = None, *, level: str = "default") -> bytes:
    """The compressed bytes of a safetensors file."""
    return save_bytes(_parts(tensor_dict), metadata, level)


def _parts(arrays: Arrays) -> Parts:
    import numpy as np

    parts = {}
    for name, array in arrays.items():
        if not isinstance(name, str):
            raise TypeError(f"names must be text, not {type(name).__name__}")
        dtype = _NAMES.get(array.dtype.name)
        if dtype is None:
            raise SafetensorError(f'Unknown dtype "{array.dtype.name}". Supported dtypes: {", ".join(_NAMES)}')
        array = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False)).reshape(array.shape)
        parts[name] = (dtype, array.shape, memoryview(array.reshape(-1).view(np.uint8)) if array.size else memoryview(b""))  # type: ignore[arg-type]
    return parts
