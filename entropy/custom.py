"""Bring your own model: a Python callable, or compiled code that the C++ loop calls.

Arrays of probabilities need neither: see `CategoricalRows`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from laconic._core import entropy_models as _native
from laconic.entropy.arrays import as_array
from laconic.entropy.coders import QueueDecoder, QueueEncoder
from laconic.entropy.distributions import PROFILE_QUEUE, Categorical, Model


class Autoregressive(Model):
    """A Python function that says, symbol by symbol, what comes next given what came before.

    next_model(history): `history` is the int32 array of the symbols so far (in C order; read-only); returns
    probabilities of the next symbol, (K,) floats that sum to 1, or a model of one symbol such as
    `Gaussian(3.5, 2.0)`. It is called once a symbol when encoding and when decoding, and must return the same
    for the same history, bit for bit: a function that computes in floats on other hardware may not. For
    speed, use `Compiled`.

    >>> import numpy as np
    >>> from laconic.entropy import Autoregressive, decode, encode
    >>> def same_again(history):
    ...     p = np.full(4, 0.1)
    ...     p[history[-1] if len(history) else 0] = 0.7
    ...     return p
    >>> x = np.array([0, 0, 2, 2, 2, 3], np.uint8)
    >>> decode(encode(x, Autoregressive(same_again)), Autoregressive(same_again), 6)
    array([0, 0, 2, 2, 2, 3], dtype=uint8)
    """

    profile: ClassVar[int] = PROFILE_QUEUE

    def __init__(self, next_model: Callable[[npt.NDArray[np.int32]], Any]) -> None:
        self.shape = None
        self._next_model = next_model

    def _at(self, history: npt.NDArray[np.int32]) -> Model:
        answer = self._next_model(history)
        return answer if isinstance(answer, Model) else Categorical(answer)

    def _encode(self, symbols: npt.NDArray[Any], jobs: int) -> bytes:
        flat = symbols.reshape(-1)
        history = flat.astype(np.int32)
        history.flags.writeable = False
        coder = QueueEncoder()
        for i in range(flat.size):
            coder.push(flat[i], self._at(history[:i]))
        return coder.to_bytes()

    def _decode(self, payload: memoryview, out: npt.NDArray[Any], jobs: int) -> None:
        flat = out.reshape(-1)
        history = np.zeros(flat.size, np.int32)
        seen = history.view()
        seen.flags.writeable = False
        coder = QueueDecoder(payload)
        for i in range(flat.size):
            flat[i] = coder.pop(self._at(seen[:i]), (), out.dtype)
            history[i] = flat[i].astype(np.int32)
        coder.finish()


class Compiled(Model):
    """A compiled function that the C++ loop calls for each symbol, without Python and without the GIL.

    address: of a C function (numba: `@cfunc(...)` and `.address`; ctypes: `cast(f, c_void_p).value`) of type

        void next(int64_t position, const int32_t *symbols, uint8_t *state, uint32_t *weights);

    It is called once before each symbol. `symbols[0 .. position-1]` are the symbols so far. `state` is memory
    of the function's own: at the start of every message a copy of the array `state` (any dtype, aligned to 16
    bytes), kept from call to call. It fills `weights[0 .. alphabet-1]` with numbers that sum to 1 .. 2**32-1;
    probabilities are proportional to them, and no symbol has less than 2**-24. Integer arithmetic is the same
    everywhere; floats are the caller's risk.

    alphabet: K, symbols are 0 .. K-1. Raises ValueError when weights do not sum to 1 .. 2**32-1. The function
    must not raise or write outside its arrays: nothing protects from that.
    """

    profile: ClassVar[int] = PROFILE_QUEUE

    def __init__(self, address: int, alphabet: int, state: Any = ()) -> None:
        if not 1 <= alphabet <= 2**20:
            raise ValueError(f"an alphabet has 1 to 2**20 symbols, not {alphabet}")
        if address == 0:
            raise ValueError("address is null")
        self.shape = None
        self._address = address
        self._alphabet = alphabet
        self._state = np.frombuffer(np.ascontiguousarray(as_array(state)).tobytes(), np.uint8)

    def _encode(self, symbols: npt.NDArray[Any], jobs: int) -> bytes:
        payload: bytes = _native.encode_compiled(self._address, self._state, self._alphabet, symbols)
        return payload

    def _decode(self, payload: memoryview, out: npt.NDArray[Any], jobs: int) -> None:
        _native.decode_compiled(self._address, self._state, self._alphabet, payload, out)
