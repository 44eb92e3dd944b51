"""Models: how probable each symbol is, as integers that are the same on every machine.

A model is an immutable object. It describes either any number of symbols that are all alike (`shape` is None)
or an array of symbols of its `shape`, each with its own distribution. Every model works with every coder:
`encode`/`decode` for whole arrays, `Stack` and `QueueEncoder`/`QueueDecoder` to interleave models.

Parameters are rounded to fixed grids first; from there on everything is integer arithmetic, so a decoder on
another machine can't disagree with the encoder as long as it is given the same parameters, bit for bit.
docs/entropy-models.md has the grids and what they cost.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from laconic._core import entropy_models as _native
from laconic.entropy.arrays import as_array, as_floats

Shape = tuple[int, ...]

PROFILE_C = 0  # 64-bit rANS
PROFILE_D = 1  # binary arithmetic coder
PROFILE_QUEUE = 2  # range coder


class Model:
    """What all models share.

    `shape`: None (any number of symbols, all alike) or the shape of the symbols that the model describes.
    """

    profile: ClassVar[int] = PROFILE_C
    shape: Shape | None
    _model: Any

    def _encode(self, symbols: npt.NDArray[Any], jobs: int) -> bytes:
        payload: bytes = _native.encode(self._model, symbols, jobs)
        return payload

    def _decode(self, payload: memoryview, out: npt.NDArray[Any], jobs: int) -> None:
        _native.decode(self._model, payload, out, jobs)


class LocationScale(Model):
    """A distribution with a mean and a scale for each symbol, over integers: what its subclasses share.

    `parameters`: int64 array of the model's shape, `m * 65536 + family * 256 + scale index`,
    m being the mean in 1/256.
    """

    parameters: npt.NDArray[np.int64]

    def __init__(self, mean: Any, scale: Any, family: npt.NDArray[np.uint8]) -> None:
        means, scales = as_floats(mean, "mean"), as_floats(scale, "scale")
        shape = np.broadcast_shapes(means.shape, scales.shape, family.shape)
        kind = np.result_type(means, scales)

        def flat(a: npt.NDArray[Any], dtype: Any) -> npt.NDArray[Any]:
            whole = a if a.size == 1 else np.broadcast_to(a, shape)
            return np.ascontiguousarray(whole, dtype=dtype).reshape(-1)

        packed = _native.quantise(flat(means, kind), flat(scales, kind), flat(family, np.uint8), math.prod(shape))
        self.parameters = packed.reshape(shape)
        self.shape = shape or None
        self._model = _native.LocationScaleModel(self.parameters.reshape(-1), shape == ())


def _family(code: int) -> npt.NDArray[np.uint8]:
    return np.array(code, np.uint8)


class Gaussian(LocationScale):
    """Gaussian over integers: P(x) is the mass between x - 1/2 and x + 1/2.

    mean: float array, |mean| <= 2**32, rounded to 1/256.
    scale: standard deviation > 0, to the nearest of 2**((k - 64) / 16), k = 0 .. 255 (1/16 to 3914; what is
    outside is moved to the nearer end). Both are broadcast; scalars describe any number of symbols.

    Raises ValueError for not-a-number, infinities, or scale <= 0. Symbols far out (2**-16 of the mass)
    cost about 22 bits and more.

    >>> import numpy as np
    >>> from laconic.entropy import Gaussian, decode, encode
    >>> x = np.array([[3, -2], [150, 7]], np.int16)
    >>> model = Gaussian(mean=np.array([[2.5, 0.0], [140.0, 7.25]]), scale=[[1.0, 2.0], [8.0, 0.3]])
    >>> decode(encode(x, model), model)
    array([[  3,  -2],
           [150,   7]], dtype=int16)
    """

    def __init__(self, mean: Any, scale: Any) -> None:
        super().__init__(mean, scale, _family(0))


class Laplace(LocationScale):
    """Laplace over integers, density exp(-|x - mean| / scale) / (2 scale); parameters as for `Gaussian`."""

    def __init__(self, mean: Any, scale: Any) -> None:
        super().__init__(mean, scale, _family(1))


class Logistic(LocationScale):
    """Logistic over integers, CDF 1 / (1 + exp(-(x - mean) / scale)); parameters as for `Gaussian`."""

    def __init__(self, mean: Any, scale: Any) -> None:
        super().__init__(mean, scale, _family(2))


class GeneralisedGaussian(LocationScale):
    """Generalised Gaussian over integers, density proportional to exp(-(|x - mean| / scale) ** shape).

    shape: > 0, to the nearest of 2**((j - 4) / 4), j = 0 .. 12 (0.5 to 4; 1 is Laplace, 2 Gaussian with
    standard deviation scale / sqrt(2)). The scale grid is that of the standard deviation. Source of the form:
    S. Nadarajah, J. Appl. Stat. 32 (2005).
    """

    def __init__(self, mean: Any, scale: Any, shape: Any) -> None:
        shapes = as_floats(shape, "shape").astype(np.float64)
        if not np.all((shapes > 0) & np.isfinite(shapes)):
            raise ValueError("shape must be finite numbers above 0")
        index = np.searchsorted(np.array(_native.shape_thresholds), shapes, side="right")
        deviation = as_floats(scale, "scale").astype(np.float64) * np.array(_native.shape_factors)[index]
        super().__init__(mean, deviation, (3 + index).astype(np.uint8))


class Mixture(Model):
    """A weighted sum of up to 16 location-scale distributions.

    components: one model whose last axis is the component, shape (..., J); or a sequence of J models of any
    families, broadcast to one shape.
    weights: float array (..., J), rows that sum to 1 (to 2**-10), rounded to 1/65536; broadcast against the
    components.

    >>> import numpy as np
    >>> from laconic.entropy import Gaussian, Laplace, Mixture, decode, encode
    >>> x = np.array([0, 9, -40], np.int32)
    >>> model = Mixture([Gaussian(0.0, 1.0), Laplace([8.0, 9.0, 10.0], 4.0)], weights=[0.25, 0.75])
    >>> decode(encode(x, model), model)
    array([  0,   9, -40], dtype=int32)
    """

    def __init__(self, components: LocationScale | Sequence[LocationScale], weights: Any) -> None:
        if isinstance(components, LocationScale):
            parameters = components.parameters
        else:
            parameters = np.stack(np.broadcast_arrays(*(c.parameters for c in components)), axis=-1)
        probabilities = as_floats(weights, "weights")
        if parameters.ndim == 0 or probabilities.ndim == 0 or parameters.shape[-1] != probabilities.shape[-1]:
            raise ValueError(f"components {parameters.shape} and weights {probabilities.shape} need the same last axis")
        shape = np.broadcast_shapes(parameters.shape, probabilities.shape)
        count = shape[-1]
        flat = np.ascontiguousarray(probabilities).reshape(-1, count)
        rows = _native.quantise_weights(flat).reshape(probabilities.shape)
        self.shape = shape[:-1] or None
        self._model = _native.MixtureModel(
            np.ascontiguousarray(np.broadcast_to(parameters, shape)).reshape(-1, count),
            np.ascontiguousarray(np.broadcast_to(rows, shape)).reshape(-1, count),
            self.shape is None,
        )


class GaussianMixture(Model):
    """A weighted sum of up to 16 Gaussians for each symbol: what `Mixture(Gaussian(mean, scale), weights)` is, with the
    same bytes, for arrays that are used once or twice.

    mean, scale, weights: float arrays (..., J), broadcast to one shape; limits and rounding as in `Gaussian` and
    `Mixture`. Contiguous arrays of one float type are used where they lie, without a copy: they must stay as they are
    while the model is used, and ValueError for what is in them is raised by `encode` and `decode`.

    >>> import numpy as np
    >>> from laconic.entropy import GaussianMixture, decode, encode
    >>> x = np.array([0, 9, -40], np.int32)
    >>> model = GaussianMixture([[0.0, 8.0], [0.0, 9.0], [0.0, 10.0]], [1.0, 4.0], [0.25, 0.75])
    >>> decode(encode(x, model), model)
    array([  0,   9, -40], dtype=int32)
    """

    def __init__(self, mean: Any, scale: Any, weights: Any) -> None:
        arrays = as_floats(mean, "mean"), as_floats(scale, "scale"), as_floats(weights, "weights")
        shape = np.broadcast_shapes(*(a.shape for a in arrays))
        if not shape or arrays[2].ndim == 0 or arrays[2].shape[-1] != shape[-1]:
            raise ValueError(f"means and scales {shape} and weights {arrays[2].shape} need the same last axis")
        kind = np.result_type(*arrays)
        flat = math.prod(shape[:-1]), shape[-1]
        rows = [np.ascontiguousarray(np.broadcast_to(a, shape), dtype=kind).reshape(flat) for a in arrays]
        self.shape = shape[:-1] or None
        native = _native.GaussianMixtureF32 if kind == np.float32 else _native.GaussianMixtureF64
        self._model = native(*rows, self.shape is None)


def _check_alphabet_axis(a: npt.NDArray[Any], ndim: int, what: str) -> None:
    if a.ndim < ndim or a.shape[-1] == 0:
        raise ValueError(f"{what} need a last axis, the alphabet; got shape {a.shape}")


class Categorical(Model):
    """One distribution over 0 .. K-1 for all symbols, K <= 2**20.

    probabilities: (K,) floats that sum to 1 (to 2**-10); rounded to 2**-27, then to slots of 2**-24 such that
    every symbol has at least one.

    >>> import numpy as np
    >>> from laconic.entropy import Categorical, decode, encode
    >>> x = np.array([0, 2, 1, 0], np.uint8)
    >>> model = Categorical([0.5, 0.3, 0.2])
    >>> decode(encode(x, model), model, x.shape)
    array([0, 2, 1, 0], dtype=uint8)
    """

    def __init__(self, probabilities: Any) -> None:
        p = as_floats(probabilities, "probabilities")
        if p.ndim != 1:
            raise ValueError(f"probabilities are one row; got shape {p.shape} (see CategoricalRows)")
        self._set(_native.cdf_of_probabilities(np.ascontiguousarray(p, dtype=np.float64)))

    @classmethod
    def from_cdf(cls, cdf: Any) -> Categorical:
        """cdf: (K + 1,) integers that rise from 0 to a power of two, at most 2**24.

        Equal neighbours are symbols that can't occur.
        """
        c = as_array(cdf)
        bits = _cdf_bits(c, 1)
        if c.min() < 0:
            raise ValueError("a CDF never falls")
        model = cls.__new__(cls)
        model._set(np.ascontiguousarray(c.astype(np.int64) << (24 - bits), dtype=np.uint32))
        return model

    def _set(self, cdf: npt.NDArray[np.uint32]) -> None:
        self.shape = None
        self._model = _native.CategoricalModel(cdf)


def _cdf_bits(cdf: npt.NDArray[Any], ndim: int) -> int:
    if cdf.dtype.kind not in "iu":
        raise TypeError(f"a CDF is integers, not {cdf.dtype}")
    _check_alphabet_axis(cdf, ndim, "CDFs")
    last = int(cdf.reshape(-1)[-1]) if cdf.size else 2
    total = 2**16 if last == 0 and cdf.dtype == np.uint16 else last
    if total < 2 or total & (total - 1) or total > 2**24:
        raise ValueError(f"a CDF goes from 0 to a power of two, 2 to 2**24, not to {total}")
    return total.bit_length() - 1


class CategoricalRows(Model):
    """A distribution of its own for each symbol, over 0 .. K-1, K <= 2**20.

    probabilities: (..., K) float32 or float64 rows that sum to 1 (to 2**-10), such as a softmax; used where
    they lie, without a copy, and checked when they are used. Symbol i uses row i. With `index` (integer
    array), symbol i uses row index[i] and the model's shape is that of `index`. Rounding as in `Categorical`.

    >>> import numpy as np
    >>> from laconic.entropy import CategoricalRows, decode, encode
    >>> x = np.array([1, 0, 3], np.int32)
    >>> rows = np.array([[0.1, 0.7, 0.1, 0.1], [0.25, 0.25, 0.25, 0.25], [0, 0, 0.5, 0.5]], np.float32)
    >>> model = CategoricalRows(rows)
    >>> decode(encode(x, model), model)
    array([1, 0, 3], dtype=int32)
    """

    def __init__(self, probabilities: Any, index: Any = None) -> None:
        p = as_floats(probabilities, "probabilities")
        _check_alphabet_axis(p, 1, "probabilities")
        native = _native.CategoricalRowsF32 if p.dtype == np.float32 else _native.CategoricalRowsF64
        self._set(native, np.ascontiguousarray(p), index, 24)

    @classmethod
    def from_cdf(cls, cdf: Any, index: Any = None) -> CategoricalRows:
        """cdf: (..., K + 1) uint16 or uint32 rows that rise from 0 to one power of two, at most 2**24.

        As uint16, 65536 is written 0.
        """
        c = as_array(cdf)
        bits = _cdf_bits(c, 1)
        if c.dtype not in (np.dtype(np.uint16), np.dtype(np.uint32)):
            raise TypeError(f"rows of CDFs are uint16 or uint32, not {c.dtype}")
        model = cls.__new__(cls)
        native = _native.CategoricalRowsU16 if c.dtype == np.uint16 else _native.CategoricalRowsU32
        model._set(native, np.ascontiguousarray(c), index, bits)
        return model

    def _set(self, native: Any, rows: npt.NDArray[Any], index: Any, bits: int) -> None:
        if index is None:
            self.shape, at = rows.shape[:-1], None
        else:
            i = as_array(index)
            if i.dtype.kind not in "iu":
                raise TypeError(f"index must be integers, not {i.dtype}")
            self.shape, at = i.shape, np.ascontiguousarray(i, dtype=np.int64).reshape(-1)
        self._model = native(rows.reshape(-1, rows.shape[-1]), at, bits)


class Uniform(Model):
    """0 .. n-1, all equally probable, n <= 2**24. `Uniform(2**k)` with k <= 24 stores k raw bits."""

    def __init__(self, n: int) -> None:
        if not 1 <= n <= 2**24:
            raise ValueError(f"a uniform model has 1 to 2**24 symbols, not {n}")
        self.shape = None
        self._model = _native.UniformModel(n)


class Bernoulli(Model):
    """Decisions 0 and 1. `encode` uses profile D, the binary arithmetic coder.

    p: P(1), float array or scalar in 0 .. 1, rounded to 1/65536 and kept 1/65536 away from 0 and 1.

    >>> import numpy as np
    >>> from laconic.entropy import Bernoulli, decode, encode
    >>> x = np.array([0, 1, 1, 1], np.uint8)
    >>> model = Bernoulli([0.1, 0.8, 0.5, 0.99])
    >>> decode(encode(x, model), model)
    array([0, 1, 1, 1], dtype=uint8)
    """

    profile: ClassVar[int] = PROFILE_D

    def __init__(self, p: Any) -> None:
        probabilities = as_floats(p, "p")
        bad = ~((probabilities >= 0) & (probabilities <= 1))
        if bad.any():
            at = int(np.argmax(bad))
            raise ValueError(f"p {probabilities.reshape(-1)[at]} at position {at} is not a probability")
        rounded = np.rint(probabilities.astype(np.float64) * 65536).clip(1, 65535).astype(np.uint16)
        self.shape = probabilities.shape or None
        self._model = _native.BernoulliModel(np.ascontiguousarray(rounded).reshape(-1), self.shape is None)

    def _encode(self, symbols: npt.NDArray[Any], jobs: int) -> bytes:
        payload: bytes = _native.encode_binary(self._model, symbols, jobs)
        return payload

    def _decode(self, payload: memoryview, out: npt.NDArray[Any], jobs: int) -> None:
        _native.decode_binary(self._model, payload, out, jobs)
