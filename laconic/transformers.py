"""Compressed models in transformers (version 5), through its own loading interfaces; nothing is patched.

A model folder is compressed once, and from then on loaded like any other:

    import laconic.transformers                             # registers the format
    laconic.transformers.compress_folder("model", "model-small")
    AutoModelForCausalLM.from_pretrained("model-small")      # bit for bit the model of "model"

The folder holds ordinary safetensors files in which a weight `x.weight` is the uint8 tensor `x.laconic_weight`, and a
`quantization_config` that says so. Weights are decoded one by one while transformers loads them: no second copy of the model is in memory.
What is loaded is a plain model; saving it gives plain files.

A model folder that was encoded as one archive (`laconic encode model/`) is loaded with `from_pretrained("model.lac")` of this module.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig
from transformers.core_model_loading import ConversionOps
from transformers.quantizers import HfQuantizer
from transformers.quantizers.auto import register_quantization_config, register_quantizer
from transformers.utils.quantization_config import QuantizationConfigMixin

import laconic
from laconic.files import AtomicFile
from laconic.objects import dense_bytes
from laconic.safetensors import Slice, safe_open
from laconic.safetensors.header import write_header

METHOD = "laconic"
PREFIX = "laconic_"  # of the last part of a name. Not a suffix: saving looks for the plain name inside the coded one
SMALLEST = 1 << 12  # bytes; a smaller tensor stays as it is
WEIGHTS = ".safetensors"
INDEX = ".safetensors.index.json"

# ---------------------------------------------------------------------- loading


@register_quantization_config(METHOD)
class LaconicConfig(QuantizationConfigMixin):
    """The `quantization_config` of a compressed folder. `params`: last parts of the names of compressed tensors ("weight")."""

    def __init__(self, params: list[str] | None = None, **_: Any) -> None:
        self.quant_method = METHOD
        self.params = list(params or ["weight"])
        self.dequantize = True  # what is loaded is a plain model


@register_quantizer(METHOD)
class LaconicQuantizer(HfQuantizer):
    """Tells transformers which tensors are to be decoded while it loads them."""

    requires_calibration = False

    def __init__(self, quantization_config: LaconicConfig, **options: Any) -> None:
        super().__init__(quantization_config, **options)
        self.serialized_names = {param: [PREFIX + param] for param in quantization_config.params}

    def get_load_operations(self) -> dict[str, type[ConversionOps]]:
        return {"dequantize": Decode}

    def is_serializable(self) -> bool:
        return True

    @property
    def is_trainable(self) -> bool:
        return True


class Decode(ConversionOps):
    """Coded bytes to the weight, in the dtype of the parameter that it becomes."""

    def __init__(self, hf_quantizer: LaconicQuantizer) -> None:
        self.hf_quantizer = hf_quantizer

    @torch.no_grad()
    def convert(self, input_dict: dict[str, Any], source_patterns: list[str], target_patterns: list[str], **options: Any) -> dict[str, Any]:
        dtype = _dtype_of(options.get("model"), options.get("full_layer_name"))
        decoded = {}
        for pattern, coded in input_dict.items():
            tensors = [_decoded(tensor, dtype) for tensor in (coded if isinstance(coded, list) else [coded])]
            if pattern.removeprefix(PREFIX) in self.hf_quantizer.serialized_names:
                return {options["full_layer_name"]: tensors[0]}
            decoded[pattern] = tensors  # the model's own operations follow: experts are merged, say
        return decoded

    @property
    def reverse_op(self) -> ConversionOps:
        return _Same()


class _Same(ConversionOps):
    """Plain tensors under their plain names: a model that was loaded is saved as any other."""

    def convert(self, input_dict: dict[str, Any], source_patterns: list[str], target_patterns: list[str], **options: Any) -> dict[str, Any]:
        # Keys are the parts of names that patterns speak of; the one that the full name holds tells what stands around them.
        full = options["full_layer_name"].replace("*.", "0.")
        before, _, after = next((full.partition(key) for key in input_dict if key in full), ("", "", ""))
        return {_plain_name(before + key + after): tensor for key, tensor in input_dict.items()}


def _decoded(tensor: torch.Tensor, dtype: torch.dtype | None) -> torch.Tensor:
    weight = laconic.decode(memoryview(tensor.cpu().numpy()))
    if not isinstance(weight, torch.Tensor):
        raise laconic.CorruptDataError("a compressed weight that is no tensor")
    return weight.to(device=tensor.device, dtype=dtype if weight.is_floating_point() else None)


def _dtype_of(model: Any, name: str | None) -> torch.dtype | None:
    """The dtype of the parameter called `name`, which the model was asked to have."""
    if model is None or name is None:
        return None
    holder, _, last = name.rpartition(".")
    try:
        found = getattr(model.get_submodule(holder), last, None)
    except AttributeError:
        return None
    return getattr(found, "dtype", None)


def from_pretrained(path: str | os.PathLike[str], model_class: Any = None, *, base: Any = None, **options: Any) -> Any:
    """The model in an archive of a model folder, or in a folder whose safetensors files are archives (`*.safetensors.lac`).

    Tensors are decoded one by one while the model is filled. `model_class` (default: the architecture that the configuration names) is a
    model class of transformers; `options` go to its `from_pretrained`. `base` as in `laconic.open`.
    """
    import transformers

    with tempfile.TemporaryDirectory() as folder:
        _settings(Path(path), Path(folder), base)
        config = AutoConfig.from_pretrained(folder)
        model_class = model_class or getattr(transformers, (config.architectures or ["?"])[0])
        with lazy_state_dict(path, base=base) as state:
            model = model_class.from_pretrained(None, config=config, state_dict=state, **options)
        if (Path(folder) / "generation_config.json").exists():
            model.generation_config = transformers.GenerationConfig.from_pretrained(folder)
    return model


@contextmanager
def lazy_state_dict(path: str | os.PathLike[str], *, base: Any = None) -> Iterator[dict[str, Slice]]:
    """The tensors of an archive by name, each decoded when transformers asks for it: for `from_pretrained(None, state_dict=...)`."""
    with safe_open(path, framework="pt", base=base) as file:
        yield {name: file.get_slice(name) for name in file.offset_keys()}


def _settings(path: Path, folder: Path, base: Any) -> None:
    """The configuration files of a model, copied or decoded into `folder`."""
    if path.is_dir():
        for file in path.glob("*.json"):
            shutil.copy(file, folder)
        return
    with laconic.open(path, base=base) as archive:
        for name in archive.names():
            last = name.rpartition("/")[2]
            if archive.entry(name).type == "file" and last in ("config.json", "generation_config.json"):
                (folder / last).write_bytes(archive[name])


# ---------------------------------------------------------------------- compressing


def compress_folder(source: str | os.PathLike[str], target: str | os.PathLike[str], *, level: str = "default") -> None:
    """Write the model folder `source` as the new folder `target`, its weights compressed; other files are copied.

    Raises ValueError if the model is quantised already or has no safetensors files, FileExistsError if `target` exists.
    """
    source, target = Path(source), Path(target)
    config = json.loads((source / "config.json").read_text())
    if config.get("quantization_config") is not None:
        raise ValueError(f"{source}: the model has a quantization_config already")
    shards = sorted(source.glob(f"*{WEIGHTS}"))
    if not shards:
        raise ValueError(f"{source}: no safetensors files")
    target.mkdir(parents=True)
    for file in source.iterdir():
        if not file.is_dir() and not file.name.endswith((WEIGHTS, INDEX)) and file.name != "config.json":
            shutil.copy2(file, target)
    compressed: set[str] = set()
    for shard in shards:
        compressed |= _compress_shard(shard, target / shard.name, level)
    for index in source.glob(f"*{INDEX}"):
        found = json.loads(index.read_text())
        weight_map = found["weight_map"].items()
        found["weight_map"] = {_coded_name(name) if name in compressed else name: shard for name, shard in weight_map}
        (target / index.name).write_text(json.dumps(found, indent=2))
    params = sorted({name.rpartition(".")[2] for name in compressed})
    config["quantization_config"] = {"quant_method": METHOD, "params": params}
    (target / "config.json").write_text(json.dumps(config, indent=2))


def _coded_name(name: str) -> str:
    holder, dot, last = name.rpartition(".")
    return f"{holder}{dot}{PREFIX}{last}"


def _plain_name(name: str) -> str:
    holder, dot, last = name.rpartition(".")
    return f"{holder}{dot}{last.removeprefix(PREFIX)}"


def _compress_shard(source: Path, target: Path, level: str) -> set[str]:
    """Names of the tensors that are compressed in `target`. Coded tensors wait in a file, not in memory: their sizes come first."""
    compressed = set()
    parts: dict[str, tuple[str, tuple[int, ...], int]] = {}
    at: dict[str, int] = {}
    with tempfile.TemporaryFile(dir=target.parent) as spool, safe_open(source, framework="pt") as file:
        for name in file.offset_keys():
            tensor = file.get_tensor(name)
            coded = laconic.encode(tensor, level=level) if tensor.nbytes >= SMALLEST and tensor.is_floating_point() else b""
            if 0 < len(coded) < tensor.nbytes:
                compressed.add(name)
                name = _coded_name(name)
                parts[name] = "U8", (len(coded),), len(coded)
            else:
                coded = dense_bytes(tensor)
                parts[name] = file.get_slice(name).get_dtype(), tuple(file.get_slice(name).get_shape()), len(coded)
            at[name] = spool.tell()
            spool.write(coded)
        header, order = write_header(parts, file.metadata())
        out = AtomicFile(target, force=False)
        try:
            out.file.write(header)
            for name in order:
                spool.seek(at[name])
                left = parts[name][2]
                while left:
                    left -= out.file.write(spool.read(min(left, 1 << 20)))
            out.commit({})
        except BaseException:
            out.discard()
            raise
    return compressed


__all__ = ["LaconicConfig", "LaconicQuantizer", "compress_folder", "from_pretrained", "lazy_state_dict"]
