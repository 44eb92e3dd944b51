"""A weight as entropy blocks of its byte planes, in the memory of the device that uses it.

For `laconic.torch` on GPUs: blocks are decoded by the kernels of `laconic._cuda`, planes are put together by torch, and nothing crosses the
bus. The transform is that of the weights codec (codecs/weights/FORMAT.md, method 1), the container is missing: this is memory, not a file.
On the CPU the same code runs with the host's decoder.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from laconic import _core
from laconic.entropy import cuda  # type: ignore[import-untyped]
from laconic.objects import dense_bytes

CHUNK = 1 << 16  # symbols a block; one warp decodes one block
PRECISION = 12  # bits of profile B's tables, the most that devices decode
WORTH_CODING = 0.98  # of a plane's size; above, its bytes stay as they are

_INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


@dataclass(frozen=True)
class _Blocks:
    """A plane as blocks of CHUNK symbols."""

    data: Tensor
    sizes: list[int]
    counts: list[int]

    @property
    def nbytes(self) -> int:
        return self.data.nbytes

    def symbols(self, *, check: bool = False) -> Tensor:
        """(n,) uint8; `check` waits for the device and raises CorruptDataError for damage."""
        if self.data.is_cuda:
            return _take(cuda.decode_blocks(self.data, self.sizes, self.counts, stream=_stream(self.data)), self.data.device, check)
        out = np.empty(sum(self.counts), np.uint8)
        _core.decode_blocks(self.data.numpy(), self.sizes, self.counts, out)
        return torch.from_numpy(out)


class DeviceWeight:
    """Immutable. `tensor()` decodes it on its device."""

    def __init__(self, planes: list[_Blocks | Tensor], dtype: torch.dtype, shape: tuple[int, ...]) -> None:
        self.dtype = dtype
        self.shape = shape
        self.nbytes = len(planes) * (sum(planes[0].counts) if isinstance(planes[0], _Blocks) else len(planes[0]))
        self._planes = planes

    @classmethod
    def of(cls, weight: Tensor) -> DeviceWeight:
        raw = np.frombuffer(dense_bytes(weight.detach().cpu().contiguous()), np.uint8)
        planes = [_coded(plane, weight.device) for plane in _split(raw, weight.element_size(), _rotation(weight.dtype))]
        coded = cls(planes, weight.dtype, tuple(weight.shape))
        for plane in planes:
            if isinstance(plane, _Blocks):
                plane.symbols(check=True)
        return coded

    @property
    def device(self) -> torch.device:
        first = self._planes[0]
        return first.data.device if isinstance(first, _Blocks) else first.device

    @property
    def stored_bytes(self) -> int:
        return sum(plane.nbytes for plane in self._planes)

    def tensor(self) -> Tensor:
        """The weight in memory of its own."""
        first = self._planes[0]
        rest = [plane.symbols() if isinstance(plane, _Blocks) else plane for plane in self._planes[1:]]
        rotation = _rotation(self.dtype)
        if len(rest) == 1 and isinstance(first, _Blocks) and first.data.is_cuda:
            pairs = cuda.decode_pairs(first.data, first.sizes, first.counts, rest[0], rotation=rotation, stream=_stream(first.data))
            joined = _take(pairs, first.data.device, False)
        else:
            joined = _join([first.symbols() if isinstance(first, _Blocks) else first, *rest], rotation)
        return joined.view(self.dtype).view(self.shape)

    borrowed = tensor  # the device's allocator reuses the memory in the order of its stream

    def rows(self, rows: Tensor) -> Tensor:
        return self.tensor()[rows]

    def __deepcopy__(self, memo: Any) -> DeviceWeight:
        return self


def _stream(data: Tensor) -> int:
    return int(torch.cuda.current_stream(data.device).cuda_stream)


def _take(decoded: cuda.Decoded, device: torch.device, check: bool) -> Tensor:
    if check:
        decoded.check()
    return torch.as_tensor(decoded.symbols, device=device)


def _coded(plane: np.ndarray[Any, Any], device: torch.device) -> _Blocks | Tensor:
    chunks = [plane[at : at + CHUNK] for at in range(0, len(plane), CHUNK)]
    blocks = [_smallest(chunk) for chunk in chunks]
    if sum(map(len, blocks)) >= WORTH_CODING * len(plane):  # or nothing at all
        return torch.from_numpy(plane).to(device)
    data = torch.frombuffer(bytearray(b"".join(blocks)), dtype=torch.uint8).to(device)
    return _Blocks(data, [len(block) for block in blocks], [len(chunk) for chunk in chunks])


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


def _join(planes: list[Tensor], rotation: int) -> Tensor:
    """The inverse, as integers of that width. Planes of n bytes -> (n,)."""
    width = len(planes)
    integer = _INTEGERS[width]
    joined = planes[0].to(integer)
    for plane in planes[1:]:
        joined = (joined << 8) | plane.to(integer)
    if rotation:
        rest = 8 * width - rotation
        joined = ((joined >> rotation) & ((1 << rest) - 1)) | (joined << rest)  # the shift is arithmetic: the sign's copies are cut off
    return joined
