"""Whole arrays to bytes and back, by any model.

A message is a header and a payload (docs/entropy-models.md):

    byte 0     symbol type (bits 0-2), checksum follows (3), profile (4-5: C, D or queue), version 0 (6-7)
    LEB128     number of symbols
    LEB128     bytes of payload, so that a cut is noticed at once
    u32        with a checksum: the low half of xxh3-64 of the array's little-endian bytes, seeded with byte 0
    payload    by profile

The model is not in it: the decoder must be given the same.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import xxhash

from laconic.entropy.arrays import SYMBOL_TYPES, as_symbols
from laconic.entropy.distributions import Model, Shape
from laconic.errors import CorruptDataError, UnsupportedError

_CHECKSUM = 1 << 3
_CHECKSUM_BYTES = 4


def encode(symbols: Any, model: Model, *, checksum: bool = False, jobs: int = 1) -> bytes:
    """Stores `symbols` by the probabilities of `model`.

    symbols: uint8/16/32 or int8/16/32 array of any shape (numpy, a torch CPU tensor, anything with a buffer),
    in C order; shared, not copied, where it is contiguous. If the model has a shape, it is the symbols'
    shape.
    checksum: adds 4 bytes that let `decode` notice damage, or a model that is not the encoder's; without it
    only damage that leaves the coder out of step at the end is noticed (most, not all). jobs: threads; arrays
    of more than 2**20 symbols are split into independent blocks.

    Raises TypeError (not symbols), ValueError (a symbol outside the model's alphabet or of zero probability,
    with its position; shapes that differ). Symbol order and bytes do not depend on `jobs` or the machine.
    """
    a = as_symbols(symbols)
    if model.shape is not None and model.shape != a.shape:
        raise ValueError(f"the model describes symbols of shape {model.shape}, not {a.shape}")
    header = bytearray([SYMBOL_TYPES.index(a.dtype) | (_CHECKSUM if checksum else 0) | model.profile << 4])
    payload = model._encode(a, jobs)
    _append_count(header, a.size)
    _append_count(header, len(payload))
    if checksum:
        header += _checksum(a, header[0])
    return bytes(header) + payload


def decode(data: Any, model: Model, shape: int | Shape | None = None, *, jobs: int = 1) -> npt.NDArray[Any]:
    """The array that `encode(symbols, model)` stored, with its dtype. `model` must be the encoder's.

    shape: the array's shape, needed where the model has none. Memory is allocated for this shape, never on
    the word of `data`.

    Raises CorruptDataError when `data` is damaged, truncated, too long, or of another number of symbols than
    `shape` has; a wrong model is noticed as damage is. UnsupportedError: written by a newer version.
    """
    view = memoryview(data).cast("B")
    wanted = _shape(model, shape)
    if len(view) < 2:
        raise CorruptDataError("a message has at least 2 bytes")
    first = view[0]
    if first >> 6:
        raise UnsupportedError(f"message version {first >> 6}; this version reads 0")
    if first & 7 >= len(SYMBOL_TYPES) or first >> 4 & 3 != model.profile:
        raise CorruptDataError("the message is damaged or was not encoded by a model of this kind")
    count, at = _read_count(view, 1)
    if count != math.prod(wanted):
        raise CorruptDataError(f"the message holds {count} symbols, not {math.prod(wanted)} (shape {wanted})")
    size, at = _read_count(view, at)
    expected = None
    if first & _CHECKSUM:
        expected = bytes(view[at : at + _CHECKSUM_BYTES])
        at += _CHECKSUM_BYTES
    if len(view) - at != size:
        raise CorruptDataError(f"the message has {max(len(view) - at, 0)} bytes of payload, not {size}")
    out = np.empty(wanted, SYMBOL_TYPES[first & 7])
    model._decode(view[at:], out, jobs)
    if expected is not None and _checksum(out, first) != expected:
        raise CorruptDataError("checksum of the decoded symbols: the message is damaged or the model is not the encoder's")
    return out


def _shape(model: Model, shape: int | Shape | None) -> Shape:
    if shape is None:
        if model.shape is None:
            raise ValueError("this model describes any number of symbols: decode needs a shape")
        return model.shape
    wanted = (shape,) if isinstance(shape, int) else tuple(shape)
    if model.shape is not None and model.shape != wanted:
        raise ValueError(f"the model describes symbols of shape {model.shape}, not {wanted}")
    return wanted


def _checksum(a: npt.NDArray[Any], seed: int) -> bytes:
    return (xxhash.xxh3_64_intdigest(a.reshape(-1).view(np.uint8).data, seed) & 0xFFFFFFFF).to_bytes(4, "little")


def _append_count(out: bytearray, n: int) -> None:
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)


def _read_count(view: memoryview, first: int) -> tuple[int, int]:
    count = 0
    for at in range(first, min(len(view), first + 9)):
        count |= (view[at] & 0x7F) << 7 * (at - first)
        if view[at] < 0x80:
            return count, at + 1
    raise CorruptDataError("the message ends within its header")
