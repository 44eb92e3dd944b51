"""Entropy blocks on CUDA devices: what crosses the bus is compressed.

Input is anything of the device with `__cuda_array_interface__` or DLPack (torch, cupy), or bytes of the host, which are
copied; output is a `DeviceArray`, which has `__cuda_array_interface__` (`torch.as_tensor(array, device="cuda")`). No call
waits for the device: whether blocks were intact is known after `Decoded.check()`, which does. `stream` is a
`cudaStream_t` as an integer, 0 for the default one.

The module `laconic._cuda` exists where laconic was built with nvcc; `available()` says whether it does and finds a device.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from laconic.errors import CorruptDataError, UnsupportedError

if TYPE_CHECKING:
    from laconic import _cuda

STATUS_OK, STATUS_CORRUPT, STATUS_UNSUPPORTED = 0, 1, 2


def available() -> bool:
    """Whether blocks can be decoded on a device here."""
    try:
        return _module().device_count() > 0
    except UnsupportedError:
        return False


@dataclass(frozen=True)
class Decoded:
    """Symbols on the device, shape (n,), uint8 (of `decode_pairs`: int16), and the status of each block."""

    symbols: _cuda.DeviceArray
    status: _cuda.DeviceArray

    def check(self) -> None:
        """Waits for the device. CorruptDataError or UnsupportedError names the first block that was not decoded."""
        status = np.frombuffer(self.status.to_host(), np.int32)
        bad = np.flatnonzero(status != STATUS_OK)
        if not bad.size:
            return
        if status[bad[0]] == STATUS_CORRUPT:
            raise CorruptDataError(f"entropy block {bad[0]} is damaged")
        raise UnsupportedError(f"entropy block {bad[0]} has a form that devices do not decode: encode with profile 'A' or 'B'")


def decode_blocks(data: Any, sizes: list[int], counts: list[int], *, stream: int = 0) -> Decoded:
    """Blocks (`laconic.entropy.blocks`) that lie one after the other in data, one warp each.

    sizes, counts: bytes and symbols of each block. Forms: raw, constant, A, and B of up to 12 bits.
    """
    module = _module()
    return Decoded(*module.decode_blocks(_on_device(module, data, stream), sizes, counts, stream))


def decode_pairs(data: Any, sizes: list[int], counts: list[int], low: Any, *, rotation: int = 0, stream: int = 0) -> Decoded:
    """Blocks as in `decode_blocks`, into elements of 16 bits at once: symbol i is the top byte, low[i] the other.

    low: as many bytes as the blocks have symbols; ValueError otherwise. Elements are then rotated to the right by `rotation`
    (0 to 15) bits: 1 makes bfloat16 and float16 of their exponents and of their mantissas with the sign below.
    """
    module = _module()
    data, low = (_on_device(module, x, stream) for x in (data, low))
    return Decoded(*module.decode_pairs(data, sizes, counts, low, rotation, stream))


@dataclass(frozen=True)
class Encoded:
    """Blocks on the device: block k is the first sizes[k] (int64) bytes from k * stride on."""

    data: _cuda.DeviceArray
    stride: int
    sizes: _cuda.DeviceArray

    def blocks(self) -> list[bytes]:
        """Waits for the device; the blocks on the host."""
        data = self.data.to_host()
        sizes = np.frombuffer(self.sizes.to_host(), np.int64)
        return [data[k * self.stride : k * self.stride + int(size)] for k, size in enumerate(sizes)]


def encode_blocks(symbols: Any, freqs: npt.NDArray[np.uint16], *, block: int = 1 << 16, precision: int = 12, stream: int = 0) -> Encoded:
    """Bytes of the device as blocks of profile B with one table for all of them.

    freqs: 256 frequencies with the sum 2**precision (10 to 12 bits). A block with a symbol that has none is stored raw.
    """
    return Encoded(*_module().encode_blocks(symbols, block, np.ascontiguousarray(freqs, np.uint16), precision, stream))


def _on_device(module: Any, data: Any, stream: int) -> Any:
    return module.upload(data, stream) if isinstance(data, bytes | bytearray | memoryview | np.ndarray) else data


def _module() -> Any:
    try:
        from laconic import _cuda
    except ImportError as error:
        raise UnsupportedError("laconic was built without CUDA (no nvcc was found)") from error
    return _cuda
