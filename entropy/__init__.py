"""Entropy coding: symbols and their probabilities to bits, and back, exactly.

A *model* says how probable each symbol is; a *coder* turns that into bits. Either works with every one of the
other kind.

    encode, decode                          whole arrays, the fastest way
    Stack                                   interleave models, last in first out; bits-back coding
    QueueEncoder, QueueDecoder              interleave models, first in first out
    Gaussian, Laplace, Logistic,            a mean and a scale for each symbol, and weighted sums of them
    GeneralisedGaussian, Mixture,
    GaussianMixture
    Categorical, CategoricalRows            probabilities or CDFs as arrays, for all symbols or for each
    Bernoulli, Uniform                      decisions; equally probable symbols
    Autoregressive, Compiled                your own function, in Python or compiled
    encode_block, encode_blocks             bytes without a model of yours: tables are fitted and stored (and decode_...)
    encode_contexts, encode_order1          a table for each context; ContextTables where both sides know them

>>> import numpy as np
>>> from laconic import entropy
>>> x = np.random.default_rng(1).normal(0, 3, 100_000).round().astype(np.int16)
>>> data = entropy.encode(x, entropy.Gaussian(0.0, 3.0))
>>> len(data) * 8 / x.size < 3.65  # the entropy is 3.64 bits
True
>>> bool((entropy.decode(data, entropy.Gaussian(0.0, 3.0), x.shape) == x).all())
True
"""

from laconic.entropy.blocks import block_form, decode_block, decode_blocks, encode_block, encode_blocks
from laconic.entropy.coders import QueueDecoder, QueueEncoder, Stack
from laconic.entropy.contexts import ContextTables, decode_contexts, decode_order1, encode_contexts, encode_order1
from laconic.entropy.custom import Autoregressive, Compiled
from laconic.entropy.distributions import (
    Bernoulli,
    Categorical,
    CategoricalRows,
    Gaussian,
    GaussianMixture,
    GeneralisedGaussian,
    Laplace,
    LocationScale,
    Logistic,
    Mixture,
    Model,
    Uniform,
)
from laconic.entropy.messages import decode, encode

__all__ = [
    "Autoregressive",
    "Bernoulli",
    "Categorical",
    "CategoricalRows",
    "Compiled",
    "ContextTables",
    "Gaussian",
    "GaussianMixture",
    "GeneralisedGaussian",
    "Laplace",
    "LocationScale",
    "Logistic",
    "Mixture",
    "Model",
    "QueueDecoder",
    "QueueEncoder",
    "Stack",
    "Uniform",
    "block_form",
    "decode",
    "decode_block",
    "decode_blocks",
    "decode_contexts",
    "decode_order1",
    "encode",
    "encode_block",
    "encode_blocks",
    "encode_contexts",
    "encode_order1",
]
