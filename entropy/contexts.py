"""Symbols coded with one of several tables each, chosen by a context that encoder and decoder both know.

Use this where a small integer predicts how a symbol is distributed: the index of a Gaussian's scale (learned
latents), the activity around a pixel, the kind of a field in a log line. One table per context may be given
(`ContextTables`), or fitted to the symbols and stored before them (`encode_contexts`). It is profile B of
docs/entropy.md: static rANS, 32 lanes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from laconic import _core

Symbols = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
Buffer = bytes | bytearray | memoryview


def _as_contexts(contexts: npt.ArrayLike) -> npt.NDArray[np.uint16]:
    array = np.asarray(contexts)
    if array.dtype.kind not in "ub" or array.dtype.itemsize > 2:
        raise TypeError(f"contexts must be uint8 or uint16, not {array.dtype}")
    return np.ascontiguousarray(array, dtype=np.uint16)


def _as_symbols(symbols: npt.ArrayLike) -> Symbols:
    array = np.ascontiguousarray(symbols)
    if array.dtype == np.uint8 or array.dtype == np.uint16:
        return array
    raise TypeError(f"symbols must be uint8 or uint16, not {array.dtype}")


def _output(shape: tuple[int, ...], dtype: npt.DTypeLike, out: Symbols | None) -> Symbols:
    dtype = np.dtype(dtype)
    if dtype not in (np.dtype(np.uint8), np.dtype(np.uint16)):
        raise TypeError(f"symbols are uint8 or uint16, not {dtype}")
    if out is None:
        return np.empty(shape, dtype=dtype)
    if out.dtype != dtype or out.shape != shape or not out.flags.c_contiguous or not out.flags.writeable:
        raise ValueError(f"out must be a writeable C-contiguous {dtype} array of shape {shape}")
    return out


class ContextTables:
    """Tables that are known to both sides, ready to code with.

    freqs: (tables, alphabet) integers, each row with the sum 2**precision; 0 = the symbol does not occur.
    precision: 10 to 14 bits. 12 is the fastest that most data need.
    dtype: of the symbols, uint8 (alphabets of up to 256) or uint16 (up to 16384).
    escape: a symbol with a frequency in every row. Symbols without a frequency, and this one itself, are coded as
        it and listed apart (bytes as a block, others as they are). None: such symbols can't be coded.
    Raises ValueError for rows with another sum, too many tables (65536) or too large an alphabet.

    >>> import numpy as np
    >>> tables = ContextTables.from_counts([[90, 9, 1], [1, 9, 90]])
    >>> symbols, contexts = np.array([0, 0, 2, 2], np.uint8), np.array([0, 0, 1, 1], np.uint8)
    >>> data = tables.encode(symbols, contexts)
    >>> tables.decode(data, contexts)
    array([0, 0, 2, 2], dtype=uint8)
    """

    def __init__(self, freqs: npt.ArrayLike, *, precision: int = 12, dtype: npt.DTypeLike = np.uint8, escape: int | None = None) -> None:
        array = np.asarray(freqs)
        if array.dtype.kind not in "iu":
            raise TypeError(f"frequencies must be integers, not {array.dtype}")
        if array.size and (array.min() < 0 or array.max() > 1 << 14):
            raise ValueError("frequencies must lie between 0 and 2**14")
        self.freqs: npt.NDArray[np.uint16] = np.ascontiguousarray(array, dtype=np.uint16)
        self.precision = precision
        self.escape = escape
        self.dtype = np.dtype(dtype)
        _output((), self.dtype, None)
        make = _core.ContextTables8 if self.dtype == np.uint8 else _core.ContextTables16
        self._tables = make(self.freqs, precision, escape)

    @classmethod
    def from_counts(
        cls, counts: npt.ArrayLike, *, precision: int = 12, dtype: npt.DTypeLike = np.uint8, escape: int | None = None
    ) -> ContextTables:
        """Tables near the smallest coded size for counts, (tables, alphabet) integers below 2**32.

        A count of 0 means that the symbol does not occur, or is escaped: add 1 where it might and there is no escape.
        With one, symbols rarer than half a slot (2**-(precision + 1)) lose theirs to it.
        """
        array = np.asarray(counts)
        if array.dtype.kind not in "iu":
            raise TypeError(f"counts must be integers, not {array.dtype}")
        if array.size and (array.min() < 0 or array.max() >= 1 << 32):
            raise ValueError("counts must lie between 0 and 2**32 - 1")
        if escape is not None and array.ndim == 2:
            array = array.astype(np.int64)
            rare = array << (precision + 1) < array.sum(axis=1, keepdims=True)
            rare[:, escape] = True
            array[:, escape] = np.maximum(1, np.where(rare, array, 0).sum(axis=1))
            rare[:, escape] = False
            array[rare] = 0
        freqs = _core.normalise_counts(np.ascontiguousarray(array, dtype=np.uint32), precision)
        return cls(freqs, precision=precision, dtype=dtype, escape=escape)

    def encode(self, symbols: npt.ArrayLike, contexts: npt.ArrayLike) -> bytes:
        """symbols of the tables' dtype and contexts (uint8 or uint16, the table of each) of the same shape.

        Raises ValueError for a context without a table, or a symbol without a frequency in its table.
        """
        array = _as_symbols(symbols)
        if array.dtype != self.dtype:
            raise TypeError(f"these tables are for symbols of type {self.dtype}, not {array.dtype}")
        data: bytes = self._tables.encode(array, _as_contexts(contexts))
        return data

    def decode(self, data: Buffer, contexts: npt.ArrayLike, *, out: Symbols | None = None) -> Symbols:
        """The symbols, in the shape of contexts.

        Raises CorruptDataError when data is not what `encode` made with these contexts.
        """
        indexes = _as_contexts(contexts)
        out = _output(indexes.shape, self.dtype, out)
        self._tables.decode(data, indexes, out)
        return out


def encode_contexts(symbols: npt.ArrayLike, contexts: npt.ArrayLike, *, precision: int = 0) -> bytes:
    """Symbols with tables that are fitted to them and stored: contexts that are alike or rare share one.

    symbols: uint8, or uint16 below 2**14, any shape. contexts: uint8 or uint16 of the same shape; the largest
    one times the largest symbol must stay below 2**26. precision: 10 to 14 bits, 0 = by the symbols' number.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> contexts = rng.integers(0, 1000, 100_000, dtype=np.uint16)
    >>> symbols = rng.binomial(contexts % 4 * 8, 0.5).astype(np.uint8)
    >>> data = encode_contexts(symbols, contexts)
    >>> bool((decode_contexts(data, contexts) == symbols).all())
    True
    >>> len(data)
    28291
    """
    if precision != 0 and not 10 <= precision <= 14:
        raise ValueError(f"precision must be 10 to 14, or 0: {precision}")
    data: bytes = _core.encode_fitted(_as_symbols(symbols), _as_contexts(contexts), precision)
    return data


def decode_contexts(data: Buffer, contexts: npt.ArrayLike, *, dtype: npt.DTypeLike = np.uint8, out: Symbols | None = None) -> Symbols:
    """What `encode_contexts` coded, in the shape of contexts; dtype: that of the symbols.

    Raises CorruptDataError when data was not coded with these contexts and this type.
    """
    indexes = _as_contexts(contexts)
    out = _output(indexes.shape, dtype, out)
    _core.decode_fitted(data, indexes, out)
    return out


def encode_order1(symbols: npt.ArrayLike, *, precision: int = 0) -> bytes:
    """Bytes whose context is the byte before: the tables are fitted and stored, bytes that predict alike share one.

    symbols: uint8, any shape (coded in C order). precision: 10 to 14 bits, 0 = 11, whose tables stay in the caches.

    >>> import numpy as np
    >>> text = np.frombuffer(b"the rain in spain stays mainly in the plain, " * 1000, np.uint8)
    >>> len(encode_order1(text)) / text.size < 0.16
    True
    >>> bool((decode_order1(encode_order1(text), text.size) == text).all())
    True
    """
    if precision != 0 and not 10 <= precision <= 14:
        raise ValueError(f"precision must be 10 to 14, or 0: {precision}")
    array = np.ascontiguousarray(symbols)
    if array.dtype != np.uint8:
        raise TypeError(f"symbols must be uint8, not {array.dtype}")
    data: bytes = _core.encode_order1(array, precision)
    return data


def decode_order1(data: Buffer, n: int, *, out: npt.NDArray[np.uint8] | None = None) -> npt.NDArray[np.uint8]:
    """The n bytes that `encode_order1` coded: uint8, shape (n,). CorruptDataError when data is not that."""
    if n < 0:
        raise ValueError(f"n must not be negative: {n}")
    if out is None:
        out = np.empty(n, np.uint8)
    elif out.dtype != np.uint8 or out.shape != (n,) or not out.flags.c_contiguous or not out.flags.writeable:
        raise ValueError(f"out must be a writeable C-contiguous uint8 array of shape ({n},)")
    _core.decode_order1(data, out)
    return out
