"""A weight as entropy blocks of its byte planes, in the memory of the device that uses it.

For `laconic.torch` on GPUs: blocks are decoded by the kernels of `laconic._cuda`, planes are put together by torch, and nothing crosses the
bus. The transform is that of the weights codec (codecs/weights/FORMAT.md, method 1), the container is missing: this is memory, not a file.
On the CPU the same code runs with the host's decoder.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from laconic import _core
from laconic.entropy import cuda  # type: ignore[import-untyped]
from laconic.objects import dense_bytes

CHUNK = 1 << 16  # symbols a block; one warp decodes one block
PRECISION = 12  # bits of profile B's tables, the most that devices decode

_INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


class DeviceWeight:
    """Immutable. `tensor()` decodes it on its device."""

    def __init__(self, data: Tensor, sizes: list[int], counts: list[int], dtype: torch.dtype, shape: tuple[int, ...]) -> None:
        self.data = data
        self.dtype = dtype
        self.shape = shape
        self.nbytes = sum(counts)
        self._sizes = sizes
        self._counts = counts

    @classmethod
    def of(cls, weight: Tensor) -> DeviceWeight:
        raw = np.frombuffer(dense_bytes(weight.detach().cpu().contiguous()), np.uint8)
        planes = _split(raw, weight.element_size(), _rotation(weight.dtype))
        chunks = [plane[at : at + CHUNK] for plane in planes for at in range(0, len(plane), CHUNK)]
        blocks = [_smallest(chunk) for chunk in chunks]
        data = torch.frombuffer(bytearray(b"".join(blocks)), dtype=torch.uint8).to(weight.device)
        coded = cls(data, [len(block) for block in blocks], [len(chunk) for chunk in chunks], weight.dtype, tuple(weight.shape))
        coded._symbols(check=True)
        return coded

    @property
    def device(self) -> torch.device:
        return self.data.device

    @property
    def stored_bytes(self) -> int:
        return self.data.nbytes

    def tensor(self) -> Tensor:
        """The weight in memory of its own."""
        width = torch.empty((), dtype=self.dtype).element_size()
        planes = self._symbols(check=False).view(width, -1)
        return _join(planes, width, _rotation(self.dtype)).view(self.dtype).view(self.shape)

    borrowed = tensor  # the device's allocator reuses the memory in the order of its stream

    def rows(self, rows: Tensor) -> Tensor:
        return self.tensor()[rows]

    def _symbols(self, *, check: bool) -> Tensor:
        """All planes, one after another; `check` waits for the device and raises CorruptDataError for damage."""
        if self.data.is_cuda:
            stream = torch.cuda.current_stream(self.data.device).cuda_stream
            decoded = cuda.decode_blocks(self.data, self._sizes, self._counts, stream=stream)
            if check:
                decoded.check()
            return torch.as_tensor(decoded.symbols, device=self.data.device)
        out = np.empty(self.nbytes, np.uint8)
        _core.decode_blocks(self.data.numpy(), self._sizes, self._counts, out)
        return torch.from_numpy(out)

    def __deepcopy__(self, memo: Any) -> DeviceWeight:
        return self


def _rotation(dtype: torch.dtype) -> int:
    """Bits to the left that put the exponent into the top byte."""
    return {torch.bfloat16: 1, torch.float16: 1, torch.float32: 1, torch.float64: 4}.get(dtype, 0)


def _smallest(symbols: np.ndarray[Any, Any]) -> bytes:
    """The smaller of the profiles that devices decode."""
    return min((_core.encode_block(symbols, profile, PRECISION if profile == "B" else 0, False) for profile in ("A", "B")), key=len)


def _split(raw: np.ndarray[Any, Any], width: int, rotation: int) -> list[np.ndarray[Any, Any]]:
    """Byte planes of the rotated elements, the top one first."""
    bits = raw.view(f"<u{width}")
    rotated = bits << rotation | bits >> (8 * width - rotation) if rotation else bits
    return [np.ascontiguousarray((rotated >> (8 * (width - 1 - k))).astype(np.uint8)) for k in range(width)]


def _join(planes: Tensor, width: int, rotation: int) -> Tensor:
    """The inverse, as integers of that width. (width, n) uint8 -> (n,)."""
    integer = _INTEGERS[width]
    joined = planes[0].to(integer)
    for plane in planes[1:]:
        joined = (joined << 8) | plane.to(integer)
    if rotation:
        rest = 8 * width - rotation
        joined = ((joined >> rotation) & ((1 << rest) - 1)) | (joined << rest)  # the shift is arithmetic: the sign's copies are cut off
    return joined
