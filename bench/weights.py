"""Kind ``weights``: safetensors files as they are, and fp32 ones also cast to bf16 and e4m3, pruned, and quantised."""

from __future__ import annotations

import itertools
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench import tensors
from bench.codec import Codec
from bench.laconic_codec import laconic_codecs
from bench.measure import Row
from bench.peers.general import Lz4, Zstd
from bench.peers.tensor import Blosc2, OpenZL, Z4ai, ZipNN
from bench.suite import Case, Options, run_files

QUICK_VALUES = 1 << 21  # --quick keeps a file's first tensors up to this many values

_SETS = {"F32": "fp32", "BF16": "bf16", "F16": "fp16", "U8": "u8", "F8_E4M3": "e4m3"}
_Cast = Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]
_CASTS: dict[str, _Cast] = {
    "bf16": tensors.cast_bf16,
    "e4m3": tensors.cast_e4m3,
    "bf16, 2 of 4": tensors.prune_2_of_4,
    "fp16 of int8": tensors.round_to_int8,
}


def run(options: Options) -> list[Row]:
    """One set per dtype. Casts are the only bf16 and e4m3 here, and their file names say so."""
    peers: list[Codec] = [
        ZipNN(),
        OpenZL("Huffman"),
        OpenZL("Fse"),
        Blosc2("SHUFFLE", "ZSTD", "5"),
        Blosc2("BITSHUFFLE", "LZ4", "5"),
        Zstd("3"),
        Lz4(),
    ]
    if not options.quick:
        peers += [Z4ai("default"), Z4ai("max"), OpenZL("Compress"), Zstd("19")]
    return run_files("weights", _cases(options), [*laconic_codecs(options.levels, by_path=True), *peers], options)


def examples(folder: Path) -> list[Path]:
    """A character model trained here for about a second, stored as bf16 and as fp32."""
    model = _train_character_model()
    as_fp32, as_bf16 = folder / "char-mlp-fp32.safetensors", folder / "char-mlp-bf16.safetensors"
    tensors.write(as_fp32, model)
    tensors.write(as_bf16, {name: tensors.cast_bf16(array) for name, array in model.items()})
    return [as_bf16, as_fp32]


def _cases(options: Options) -> Iterator[Case]:
    if options.data is None:
        raise SystemExit("weights: --data DIR is needed")
    folder = options.data / "weights" if (options.data / "weights").is_dir() else options.data
    for path in sorted(folder.glob("*.safetensors")):
        arrays = tensors.read(path)
        if options.quick:
            arrays = _first(arrays)
            path = options.scratch / path.name
            tensors.write(path, arrays)
        name = _set_of(arrays)
        yield Case(name, path.name, path)
        if name == "fp32":
            for cast, to in _CASTS.items():
                target = options.scratch / f"{path.stem}_cast_{cast.replace(', ', '_').replace(' ', '_')}.safetensors"
                tensors.write(target, {key: to(array) for key, array in arrays.items()})
                yield Case(cast, target.name, target)


def _set_of(arrays: dict[str, np.ndarray[Any, Any]]) -> str:
    dtypes = {array.dtype for array in arrays.values()}
    return next((name for key, name in _SETS.items() if dtypes == {tensors.DTYPES[key]}), "mixed")


def _first(arrays: dict[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
    taken: dict[str, np.ndarray[Any, Any]] = {}
    left = QUICK_VALUES
    for name, array in arrays.items():
        if array.size <= left:
            taken[name] = array
            left -= array.size
    return taken


def _train_character_model() -> dict[str, np.ndarray[Any, Any]]:
    """An embedding, two hidden layers, a soft-max over the next byte of Python's own sources; plain SGD.

    Returns:
        Seven fp32 tensors, 0.4 M values; seeded, so equal wherever numpy's matrix product is.
    """
    steps, context, batch = 200, 8, 256
    sources = sorted((Path(sysconfig.get_path("stdlib")) / "json").glob("*.py"))
    text = np.frombuffer(b"".join(path.read_bytes() for path in sources), np.uint8)
    rng = np.random.default_rng(0)
    widths = [context * 16, 512, 512, 256]
    model = {"embedding": rng.standard_normal((256, 16), np.float32)}
    for layer, (fan_in, fan_out) in enumerate(itertools.pairwise(widths)):
        scale = np.float32(np.sqrt(2 / fan_in))
        model[f"layer{layer}.weight"] = rng.standard_normal((fan_in, fan_out), np.float32) * scale
        model[f"layer{layer}.bias"] = np.zeros(fan_out, np.float32)
    for step in range(steps):
        at = rng.integers(context, text.size, batch)
        _sgd_step(model, text[at[:, None] - np.arange(context, 0, -1)], text[at], rate=0.2 * (1 - step / steps))
    return model


def _sgd_step(
    model: dict[str, np.ndarray[Any, Any]],
    inputs: np.ndarray[Any, Any],
    targets: np.ndarray[Any, Any],
    rate: float,
) -> None:
    """One step of SGD on the cross entropy, in place. inputs: (batch, context), targets: (batch,) uint8."""
    layers = (len(model) - 1) // 2
    activations = [model["embedding"][inputs].reshape(len(inputs), -1)]
    for layer in range(layers):
        out = activations[-1] @ model[f"layer{layer}.weight"] + model[f"layer{layer}.bias"]
        activations.append(np.maximum(out, 0) if layer < layers - 1 else out)
    logits = activations.pop()
    grad = np.exp(logits - logits.max(axis=1, keepdims=True))
    grad /= grad.sum(axis=1, keepdims=True)
    grad[np.arange(len(targets)), targets] -= 1
    grad *= np.float32(rate / len(targets))
    for layer in reversed(range(layers)):
        below = activations[layer]
        weight = model[f"layer{layer}.weight"]
        grad_below = grad @ weight.T
        weight -= below.T @ grad
        model[f"layer{layer}.bias"] -= grad.sum(axis=0)
        grad = grad_below if layer == 0 else grad_below * (below > 0)
    np.subtract.at(model["embedding"], inputs, grad.reshape(*inputs.shape, -1))
