"""`load_file`, `save_file`, `load`, `save`, `load_model` and `save_model` for torch tensors, like `safetensors.torch`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from laconic.objects import dense_bytes
from laconic.safetensors.files import model_of
from laconic.safetensors.frameworks import DTYPES, framework
from laconic.safetensors.opening import safe_open
from laconic.safetensors.saving import Parts, save_bytes, save_path

if TYPE_CHECKING:
    import torch

    Tensors = Mapping[str, torch.Tensor]

_NAMES = {torch: ours for ours, (_, torch) in DTYPES.items() if torch}


def load_file(filename: str | os.PathLike[str], device: str | int = "cpu", *, backend: str = "mmap") -> dict[str, torch.Tensor]:
    """All tensors of an archive, a safetensors file or a folder, by name."""
    with safe_open(filename, framework="pt", device=device, backend=backend) as file:
        return file.get_tensors()


def load(data: bytes) -> dict[str, torch.Tensor]:
    """All tensors in the bytes of an archive or of a safetensors file."""
    model, pt = model_of(data), framework("pt", "cpu")
    found = ((name, *model.find(name)) for name in model.names())
    return {name: pt.tensor(shard.read(info.start, info.stop), info.dtype, info.shape) for name, shard, info in found}


def save_file(
    tensors: Tensors, filename: str | os.PathLike[str], metadata: Mapping[str, str] | None = None, *, level: str = "default"
) -> None:
    """Write tensors as a safetensors file, compressed (at `level`) if the name ends in `.lac`.

    The plain file has the bytes that safetensors would write. Raises ValueError for tensors that are not dense and contiguous,
    RuntimeError for tensors that share memory (`save_model` keeps one of them).
    """
    save_path(_parts(tensors), filename, metadata, level)


def save(tensors: Tensors, metadata: Mapping[str, str] | None = None, *, level: str = "default") -> bytes:
    """The compressed bytes of a safetensors file."""
    return save_bytes(_parts(tensors), metadata, level)


def save_model(
    model: torch.nn.Module, filename: str | os.PathLike[str], metadata: Mapping[str, str] | None = None, force_contiguous: bool = True,
    *, level: str = "default",
) -> None:  # fmt: skip
    """Write a module's state; of tied tensors one is written, and the metadata says for the others which."""
    state = model.state_dict()
    noted = dict(metadata or {})
    for kept, dropped in _tied(state).items():
        for name in dropped:
            noted.setdefault(name, kept)
            del state[name]
    if force_contiguous:
        state = {name: tensor.contiguous() for name, tensor in state.items()}
    save_file(state, filename, noted or None, level=level)


def load_model(
    model: torch.nn.Module, filename: str | os.PathLike[str], strict: bool = True, device: str | int = "cpu", *, backend: str = "mmap"
) -> tuple[list[str], list[str]]:
    """Load a file that `save_model` wrote into a module. Returns (missing, unexpected) names; if `strict`, RuntimeError for any."""
    state = load_file(filename, device, backend=backend)
    missing_list, unexpected = model.load_state_dict(state, strict=False)
    missing = set(missing_list)
    for kept, dropped in _tied(model.state_dict()).items():  # one of a tied group is enough
        group = {kept, *dropped}
        if not group <= missing:
            missing -= group
    if strict and (missing or unexpected):
        found = f"missing keys {sorted(missing)}, unexpected keys {sorted(unexpected)}"
        raise RuntimeError(f"Error(s) in loading state_dict for {type(model).__name__}: {found}")
    return sorted(missing), unexpected


def _tied(state: Tensors) -> dict[str, list[str]]:
    """Name kept -> names of the tensors that are the same memory; RuntimeError where tensors share only parts of it."""
    groups: dict[tuple[Any, ...], list[str]] = {}
    for name in sorted(state):
        tensor = state[name]
        if tensor.numel():
            groups.setdefault((tensor.device, tensor.untyped_storage().data_ptr()), []).append(name)
    tied = {}
    for names in groups.values():
        whole = [name for name in names if state[name].nbytes == state[name].untyped_storage().nbytes()]
        if len(names) > 1 and (overlapping := _overlap(state, names)):
            if not whole:
                raise RuntimeError(f"none of the tensors {overlapping} covers the memory that they share")
            tied[whole[0]] = [name for name in names if name != whole[0]]
    return tied


def _overlap(state: Tensors, names: list[str]) -> list[str]:
    """Those of `names` that share memory with another one of them."""
    areas = sorted((state[name].data_ptr(), state[name].data_ptr() + state[name].nbytes, name) for name in names)
    found = []
    for (_, stop, name), (start, _, other) in pairwise(areas):
        if start < stop:
            found += [name, other]
    return sorted(set(found))


def _parts(tensors: Tensors) -> Parts:
    import torch

    if not isinstance(tensors, dict):
        raise ValueError(f"Expected a dict of [str, torch.Tensor] but received {type(tensors)}")
    for name, tensor in tensors.items():
        if not isinstance(name, str):
            raise TypeError(f"names must be text, not {type(name).__name__}")
        if not isinstance(tensor, torch.Tensor):
            raise ValueError(f"Key `{name}` is invalid, expected torch.Tensor but received {type(tensor)}")
        if tensor.layout != torch.strided:
            raise ValueError(f"You are trying to save a sparse tensor: `{name}`. Make it dense before saving with `.to_dense()`.")
        if not tensor.is_contiguous():
            raise ValueError(f"You are trying to save a non contiguous tensor: `{name}`. Call `.contiguous()` on it before saving.")
        if str(tensor.dtype).removeprefix("torch.") not in _NAMES:
            raise ValueError(f"Key `{name}`: safetensors has no dtype {tensor.dtype}")
    groups: dict[tuple[Any, ...], list[str]] = {}
    for name, tensor in tensors.items():
        if tensor.numel():
            groups.setdefault((tensor.device, tensor.untyped_storage().data_ptr()), []).append(name)
    shared = [found for names in groups.values() if (found := _overlap(tensors, names))]
    if shared:
        raise RuntimeError(f"Some tensors share memory, this will lead to duplicate memory on disk: {shared}. Use `save_model`.")
    parts = {}
    for name, tensor in tensors.items():
        dtype = _NAMES[str(tensor.dtype).removeprefix("torch.")]
        shape = tuple(tensor.shape) if dtype != "F4" else (*tensor.shape[:-1], 2 * tensor.shape[-1])
        parts[name] = (dtype, shape, memoryview(dense_bytes(tensor.detach().cpu())))
    return parts
