"""Raw bytes to numpy arrays and torch tensors."""

from __future__ import annotations

from typing import Any, Protocol

from laconic.safetensors.errors import SafetensorError
from laconic.safetensors.header import BITS

NAMES = {
    "pt": "pt", "torch": "pt", "pytorch": "pt", "np": "np", "numpy": "np",
    **dict.fromkeys(("tf", "tensorflow", "jax", "flax", "mlx", "paddle"), ""),
}  # fmt: skip

# dtype -> its name in numpy (or ml_dtypes) and in torch
DTYPES = {
    "BOOL": ("bool", "bool"), "U8": ("uint8", "uint8"), "I8": ("int8", "int8"), "I16": ("int16", "int16"), "U16": ("uint16", "uint16"),
    "F16": ("float16", "float16"), "BF16": ("bfloat16", "bfloat16"), "I32": ("int32", "int32"), "U32": ("uint32", "uint32"),
    "F32": ("float32", "float32"), "C64": ("complex64", "complex64"), "F64": ("float64", "float64"), "I64": ("int64", "int64"),
    "U64": ("uint64", "uint64"), "F8_E5M2": ("float8_e5m2", "float8_e5m2"), "F8_E4M3": ("float8_e4m3fn", "float8_e4m3fn"),
    "F8_E5M2FNUZ": ("float8_e5m2fnuz", "float8_e5m2fnuz"), "F8_E4M3FNUZ": ("float8_e4m3fnuz", "float8_e4m3fnuz"),
    "F8_E8M0": ("float8_e8m0fnu", "float8_e8m0fnu"), "F4": ("", "float4_e2m1fn_x2"),
}  # fmt: skip


class Framework(Protocol):
    def tensor(self, raw: Any, dtype: str, shape: tuple[int, ...]) -> Any:
        """The tensor of these elements. `raw` is a writable uint8 array, whose memory the tensor takes over."""
        ...

    def index_error(self, text: str) -> Exception: ...


def framework(name: str, device: str | int) -> Framework:
    kind = NAMES.get(name)
    if kind is None:
        raise SafetensorError(f"framework {name} is invalid")
    if kind == "pt":
        return _Torch(device)
    if kind == "np":
        return _Numpy()
    raise SafetensorError(f"framework {name} is not supported here; use pt or numpy")


class _Numpy:
    def tensor(self, raw: Any, dtype: str, shape: tuple[int, ...]) -> Any:
        import numpy as np

        name = DTYPES.get(dtype, ("", ""))[0]
        if not name:
            raise SafetensorError(f"numpy has no dtype {dtype}")
        if hasattr(np, name):
            found = np.dtype(name)
        else:
            import ml_dtypes

            found = np.dtype(getattr(ml_dtypes, name))
        return raw.view(found).reshape(shape) if len(raw) else np.empty(shape, found)

    def index_error(self, text: str) -> Exception:
        return SafetensorError(f"Error during slicing: {text}")


class _Torch:
    def __init__(self, device: str | int) -> None:
        import torch

        try:
            self._device = torch.device(device)
        except (RuntimeError, TypeError) as error:
            raise SafetensorError(f"device {device} is invalid: {error}") from None
        if self._device.type == "meta":
            raise SafetensorError("device meta is invalid")

    def tensor(self, raw: Any, dtype: str, shape: tuple[int, ...]) -> Any:
        import torch

        found = getattr(torch, DTYPES.get(dtype, ("", ""))[1] or "none", None)
        if found is None:
            raise SafetensorError(f"torch has no dtype {dtype}")
        if BITS[dtype] == 4:  # two values in an element
            shape = (*shape[:-1], shape[-1] // 2)
        tensor = torch.from_numpy(raw).view(found).reshape(shape) if len(raw) else torch.empty(shape, dtype=found)
        return tensor if self._device.type == "cpu" else tensor.to(self._device)

    def index_error(self, text: str) -> Exception:
        return IndexError(text)
