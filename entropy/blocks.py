"""Blocks of byte symbols: static rANS in the form that is smallest, at the speed of memory.

Use a block where symbols are bytes whose distribution does not change much within it: exponents of
floats, residuals, flags. It needs no model: the table is fitted to the block and stored in it. The forms
(docs/entropy.md specifies every byte):

========== ==================================================================================
raw        symbols as they are; nothing grows by more than one byte
constant   one symbol
run        one dominant symbol: the gaps between the others, and the others, as blocks
A          rANS, 16-bit states, 256 lanes, 8-bit tables held in registers: the fastest
B          rANS, 32-bit states, 32 lanes, tables of 10 to 14 bits: the smallest of the static
segments   A or B with a table for each part of the block whose statistics differ, on request
========== ==================================================================================

rANS is from J. Duda, arXiv 1311.2540; interleaved lanes are from F. Giesen, arXiv 1402.3392. The same
symbols and options give the same bytes on every machine and instruction set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt

from laconic import _core
from laconic.errors import CorruptDataError

Bytes = npt.NDArray[np.uint8]
_T = TypeVar("_T")
Profile = Literal["auto", "raw", "run", "A", "B"]

BLOCK_SYMBOLS = 1 << 18
"""Symbols of a block in `encode_blocks`, unless told."""

MAX_BLOCK_SYMBOLS = 1 << 24


def _as_bytes(symbols: npt.ArrayLike) -> Bytes:
    array = np.asarray(symbols)
    if array.dtype.itemsize != 1 or array.dtype.kind not in "uib":
        raise TypeError(f"symbols must be of a one-byte integer type, not {array.dtype}")
    return np.ascontiguousarray(array).view(np.uint8).reshape(-1)


def encode_block(
    symbols: npt.ArrayLike, *, profile: Profile = "auto", precision: int = 0, prefer_speed: bool = False, segments: bool = False
) -> bytes:
    """One block of up to 2**24 byte symbols.

    symbols: uint8, int8 or bool, any shape (coded in C order).
    profile: "auto" takes the smallest form; the others are taken where
        they can code the symbols in less than raw.
    precision: of profile B's table, 10 to 14 bits; 0 = by the block's size.
    prefer_speed: "auto" takes A where it costs no more than 1/24 over B.
    segments: "auto" may give parts of the block, from 32,768 symbols on,
        tables of their own, where that is smaller.
    Raises TypeError for other dtypes and ValueError for more symbols or another precision.

    >>> import numpy as np
    >>> symbols = np.arange(10_000, dtype=np.uint8) % 5
    >>> block = encode_block(symbols)
    >>> len(block), bool((decode_block(block, 10_000) == symbols).all())
    (2985, True)
    """
    block: bytes = _core.encode_block(_as_bytes(symbols), profile, precision, prefer_speed, segments)
    return block


def decode_block(data: bytes | bytearray | memoryview, n: int, *, out: Bytes | None = None) -> Bytes:
    """The n symbols of a block, which must be the whole of data: uint8, shape (n,).

    out: where to put them (uint8, C-contiguous, n elements).
    Raises CorruptDataError when data is not such a block, ValueError when n or out do not fit.
    """
    if not 0 <= n <= MAX_BLOCK_SYMBOLS:
        raise ValueError(f"a block holds 0 to 2**24 symbols, not {n}")
    out = _output(n, out)
    _core.decode_block(data, out)
    return out


def block_form(data: bytes | bytearray | memoryview) -> str:
    """The form of a block: "raw", "constant", "run", "A", "B", "A segments" or "B segments"."""
    form: str = _core.block_form(data)
    return form


def encode_blocks(
    symbols: npt.ArrayLike,
    *,
    block: int = BLOCK_SYMBOLS,
    profile: Profile = "auto",
    precision: int = 0,
    prefer_speed: bool = False,
    segments: bool = False,
    jobs: int = 1,
) -> bytes:
    """Any number of byte symbols, as blocks of `block` symbols each.

    Layout: u32 block length, u32 size of each block, then the blocks. Options as in `encode_block`; `jobs`
    threads work on different blocks, and the bytes are the same for any number of them.

    >>> import numpy as np
    >>> noise = np.random.default_rng(0).integers(0, 4, 1_000_000, dtype=np.uint8)
    >>> data = encode_blocks(noise)
    >>> len(data) < 251_000, bool((decode_blocks(data, noise.size) == noise).all())
    (True, True)
    """
    if not 1 <= block <= MAX_BLOCK_SYMBOLS:
        raise ValueError(f"a block holds 1 to 2**24 symbols, not {block}")
    array = _as_bytes(symbols)

    def encode(start: int) -> bytes:
        part: bytes = _core.encode_block(array[start : start + block], profile, precision, prefer_speed, segments)
        return part

    parts = list(_map(encode, range(0, array.size, block), jobs))
    header = np.array([block, *map(len, parts)], dtype="<u4")
    return b"".join([header.tobytes(), *parts])


def decode_blocks(data: bytes | bytearray | memoryview, n: int, *, out: Bytes | None = None, jobs: int = 1) -> Bytes:
    """The n symbols of what `encode_blocks` made: uint8, shape (n,).

    Parameters and errors as in `decode_block`; jobs: threads.
    """
    if n < 0:
        raise ValueError(f"n must not be negative: {n}")
    view = memoryview(data).cast("B")
    if len(view) < 4:
        raise CorruptDataError("blocks: header is cut off")
    block = int.from_bytes(view[:4], "little")
    if not 1 <= block <= MAX_BLOCK_SYMBOLS:
        raise CorruptDataError(f"blocks: no such block length: {block}")
    count = -(-n // block)
    first = 4 + 4 * count
    if len(view) < first:
        raise CorruptDataError("blocks: header is cut off")
    sizes = np.frombuffer(view[4:first], dtype="<u4").astype(np.int64)
    if first + int(sizes.sum()) != len(view):
        raise CorruptDataError("blocks: sizes do not sum to the data's size")
    out = _output(n, out)
    counts = np.full(count, block, dtype=np.int64)
    if count:
        counts[-1] = n - block * (count - 1)
    ends = np.concatenate([[first], first + np.cumsum(sizes)])
    # Pairs stay together: two blocks are decoded in step.
    step = max(2, -(-count // (2 * jobs)) * 2)

    def decode(start: int) -> None:
        stop = min(start + step, count)
        _core.decode_blocks(
            view[ends[start] : ends[stop]],
            sizes[start:stop].tolist(),
            counts[start:stop].tolist(),
            out[block * start : min(block * stop, n)],
        )

    for _ in _map(decode, range(0, count, step), jobs):
        pass
    return out


def _output(n: int, out: Bytes | None) -> Bytes:
    if out is None:
        return np.empty(n, dtype=np.uint8)
    if out.dtype != np.uint8 or out.size != n or not out.flags.c_contiguous or not out.flags.writeable:
        raise ValueError(f"out must be a writeable C-contiguous uint8 array of {n} elements")
    return out.reshape(-1)


def _map(function: Callable[[int], _T], starts: range, jobs: int) -> Iterable[_T]:
    if jobs <= 1 or len(starts) <= 1:
        return map(function, starts)
    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(function, starts))
