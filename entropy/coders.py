"""Coders to interleave models with: a stack (rANS, profile C) and a queue (range coder).

Choose the **stack** for bits-back coding, or when the decoder should meet things in the reverse of the order
in which they were encoded. Choose the **queue** when the decoder needs earlier symbols to know the model of
later ones: it decodes in the order of encoding. A coder is for one thread at a time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from laconic._core import entropy_models as _native
from laconic.entropy.arrays import SYMBOL_TYPES, as_symbols
from laconic.entropy.distributions import Model, Shape


def _check_shape(model: Model, shape: Shape) -> None:
    if model.shape is not None and model.shape != shape:
        raise ValueError(f"the model describes symbols of shape {model.shape}, not {shape}")


def _empty(model: Model, shape: int | Shape | None, dtype: Any) -> npt.NDArray[Any]:
    if shape is None:
        shape = () if model.shape is None else model.shape
    wanted = (shape,) if isinstance(shape, int) else tuple(shape)
    _check_shape(model, wanted)
    if np.dtype(dtype) not in SYMBOL_TYPES:
        raise TypeError(f"symbols are uint8, uint16, uint32, int8, int16 or int32, not {np.dtype(dtype)}")
    return np.empty(wanted, dtype)


class Stack:
    """Last in, first out: `pop` returns what was pushed last. Arrays come back whole and in order.

    Starts empty, or from the bytes of an earlier stack (CorruptDataError if they can't be). `pop` takes
    `shape` (default: the model's; one symbol if it has none) and `dtype`; popping more than was pushed raises
    CorruptDataError, after which the stack is of no use. Popping *before* pushing, from bits that are there
    anyway, is bits-back coding: see docs/entropy-models.md.

    >>> import numpy as np
    >>> from laconic.entropy import Gaussian, Stack, Uniform
    >>> coder = Stack()
    >>> coder.push(np.array([5, -1, 0], np.int32), Gaussian(0.0, 3.0))
    >>> coder.push(np.array([77], np.int32), Uniform(100))
    >>> again = Stack(coder.to_bytes())
    >>> again.pop(Uniform(100), 1), again.pop(Gaussian(0.0, 3.0), 3), again.empty
    (array([77], dtype=int32), array([ 5, -1,  0], dtype=int32), True)
    """

    def __init__(self, message: Any = None) -> None:
        self._coder = _native.Stack() if message is None else _native.Stack(memoryview(message).cast("B"))

    def push(self, symbols: Any, model: Model) -> None:
        """Encodes `symbols` on top. Errors as for `encode`; the stack is then as it was."""
        a = as_symbols(symbols)
        _check_shape(model, a.shape)
        self._coder.push(model._model, a)

    def pop(self, model: Model, shape: int | Shape | None = None, dtype: Any = np.int32) -> npt.NDArray[Any]:
        """Decodes an array off the top."""
        out = _empty(model, shape, dtype)
        self._coder.pop(model._model, out)
        return out

    def to_bytes(self) -> bytes:
        """The whole stack: 8 bytes of state and what lies below it."""
        message: bytes = self._coder.to_bytes()
        return message

    @property
    def empty(self) -> bool:
        """True when all that was pushed has been popped. Check it at the end: damage seldom gets there."""
        return bool(self._coder.empty)

    def __len__(self) -> int:
        """Size of `to_bytes()` in bytes."""
        return int(self._coder.size_bytes)


class QueueEncoder:
    """First in, first out: `QueueDecoder` gets symbols in the order of `push`.

    >>> import numpy as np
    >>> from laconic.entropy import Bernoulli, Categorical, QueueDecoder, QueueEncoder
    >>> encoder = QueueEncoder()
    >>> encoder.push(np.array([2, 0], np.uint8), Categorical([0.2, 0.3, 0.5]))
    >>> encoder.push(np.uint8(1), Bernoulli(0.9))
    >>> decoder = QueueDecoder(encoder.to_bytes())
    >>> decoder.pop(Categorical([0.2, 0.3, 0.5]), 2), int(decoder.pop(Bernoulli(0.9)))
    (array([2, 0], dtype=int32), 1)
    >>> decoder.finish()
    """

    def __init__(self) -> None:
        self._coder = _native.QueueEncoder()

    def push(self, symbols: Any, model: Model) -> None:
        """Encodes `symbols` at the end. Errors as for `encode`; the queue is then as it was."""
        a = as_symbols(symbols)
        _check_shape(model, a.shape)
        self._coder.push(model._model, a)

    def to_bytes(self) -> bytes:
        """A complete message of what was pushed so far; pushing may go on."""
        message: bytes = self._coder.to_bytes()
        return message

    def __len__(self) -> int:
        """Size of `to_bytes()` in bytes."""
        return int(self._coder.size_bytes)


class QueueDecoder:
    """Reads a message of `QueueEncoder`, given the same models in the same order.

    Raises CorruptDataError when the message ends too early.
    """

    def __init__(self, message: Any) -> None:
        self._coder = _native.QueueDecoder(memoryview(message).cast("B"))

    def pop(self, model: Model, shape: int | Shape | None = None, dtype: Any = np.int32) -> npt.NDArray[Any]:
        """Decodes the next array. `shape` defaults to the model's, or to one symbol if it has none."""
        out = _empty(model, shape, dtype)
        self._coder.pop(model._model, out)
        return out

    def finish(self) -> None:
        """CorruptDataError unless exactly all symbols were taken."""
        self._coder.finish()
