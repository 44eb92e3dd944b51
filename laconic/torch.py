"""Modules whose weights stay compressed in memory and are decoded just before each use.

    model = laconic.torch.compress_module(model.eval())
    model(x)                                                # the same outputs, bit for bit

For models that would otherwise not fit: bfloat16 weights take about two thirds of their memory, and each forward pass decodes every
linear layer once (an embedding only the rows that are looked up). Weights are frozen: gradients flow through a compressed layer, but not
into its weight. On a GPU whose kernels are built (`laconic._cuda`), weights stay compressed in the device's memory and are decoded there.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

import laconic
from laconic.archive import open_reader
from laconic.device_weight import DeviceWeight
from laconic.entropy import cuda  # type: ignore[import-untyped]

SMALLEST = 1 << 14  # bytes; a smaller weight stays as it is
FEW_ROWS = 4  # an embedding decodes row by row while fewer than 1 / FEW_ROWS of its rows are looked up

Model = TypeVar("Model", bound=nn.Module)

_thread = threading.local()  # one decode buffer a thread and device, as large as the largest weight: layers take turns


class CodedWeight:
    """A weight as compressed bytes. Immutable; shared by the modules that shared the parameter."""

    def __init__(self, blob: bytes, dtype: torch.dtype, shape: tuple[int, ...], device: torch.device) -> None:
        self.blob = blob
        self.dtype = dtype
        self.shape = shape
        self.device = device
        self._reader = open_reader(blob)
        self.nbytes = self._reader.entry("").size

    @classmethod
    def of(cls, weight: Tensor, level: str) -> CodedWeight:
        blob = laconic.encode(weight.detach(), level=level)
        return cls(blob, weight.dtype, tuple(weight.shape), weight.device)

    @property
    def stored_bytes(self) -> int:
        return len(self.blob)

    def tensor(self) -> Tensor:
        """The weight in memory of its own."""
        return self._decode(torch.empty(self.nbytes, dtype=torch.uint8))

    def borrowed(self) -> Tensor:
        """The weight in this thread's buffer: valid until the next weight is decoded."""
        buffer: Tensor | None = getattr(_thread, "buffer", None)
        if buffer is None or len(buffer) < self.nbytes:
            _thread.buffer = None  # frees the smaller one first
            buffer = _thread.buffer = torch.empty(self.nbytes, dtype=torch.uint8)
        return self._decode(buffer[: self.nbytes])

    def rows(self, rows: Tensor) -> Tensor:
        """The given rows (sorted), decoding only the frames that hold them."""
        size = self.nbytes // self.shape[0]
        out = torch.empty(len(rows) * size, dtype=torch.uint8)
        for k, row in enumerate(rows.tolist()):
            self._reader.raw("", row * size, (row + 1) * size, out[k * size : (k + 1) * size].numpy())
        return self._shaped(out, (len(rows), *self.shape[1:]))

    def _decode(self, buffer: Tensor) -> Tensor:
        self._reader.raw("", 0, self.nbytes, buffer.numpy())
        return self._shaped(buffer, self.shape)

    def _shaped(self, raw: Tensor, shape: tuple[int, ...]) -> Tensor:
        weight = raw.view(self.dtype).view(shape)
        return weight if self.device.type == "cpu" else weight.to(self.device)

    def __deepcopy__(self, memo: Any) -> CodedWeight:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return CodedWeight, (self.blob, self.dtype, self.shape, self.device)


def _code(weight: Tensor, level: str) -> CodedWeight | DeviceWeight:
    """The weight, compressed where it is used: in the device's memory if its kernels are there, else on the host."""
    if weight.is_cuda and cuda.available():
        return DeviceWeight.of(weight)
    return CodedWeight.of(weight, level)


class _Compressed(nn.Module):
    """What the compressed modules share: `weight` is decoded when asked for, and the state has it under its own name."""

    _coded: CodedWeight | DeviceWeight
    _level: str

    @property
    def weight(self) -> Tensor:
        return self._coded.tensor()

    def _for_use(self, *inputs: Tensor) -> Tensor:
        """The weight for one operation. Autograd may keep it, so then it needs memory of its own."""
        keeps = torch.is_grad_enabled() and any(x.requires_grad for x in inputs)
        return self._coded.tensor() if keeps else self._coded.borrowed()

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        destination[f"{prefix}weight"] = self._coded.tensor()
        super()._save_to_state_dict(destination, prefix, keep_vars)

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, local_metadata: Any, strict: bool, missing_keys: list[str], unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:  # fmt: skip
        key = f"{prefix}weight"
        weight = state_dict.get(key)
        if weight is None:
            missing_keys.append(key)
        elif tuple(weight.shape) != self._coded.shape:
            error_msgs.append(f"size mismatch for {key}: {tuple(weight.shape)} in the state, {self._coded.shape} in the module")
        else:
            self._coded = _code(weight.to(dtype=self._coded.dtype, device=self._coded.device), self._level)
        rest = {name: value for name, value in state_dict.items() if name != key}
        super()._load_from_state_dict(rest, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        """`to`, `half`, `cuda` and the like: a weight of another dtype or device is coded again."""
        weight = self._coded.tensor()
        changed = fn(weight)
        if changed.dtype != weight.dtype or changed.device != weight.device:
            self._coded = _code(changed, self._level)
        return super()._apply(fn, recurse)


class CompressedLinear(_Compressed, nn.Linear):
    """`nn.Linear` with its weight compressed."""

    def forward(self, input: Tensor) -> Tensor:
        return functional.linear(input, self._for_use(input), self.bias)


class CompressedEmbedding(_Compressed, nn.Embedding):
    """`nn.Embedding` with its weight compressed; decodes the rows that are looked up."""

    def forward(self, input: Tensor) -> Tensor:
        if self.max_norm is None and self._coded.shape[0] > FEW_ROWS * input.numel():
            rows, where = torch.unique(input, return_inverse=True)
            if rows.numel() and (int(rows[0]) < 0 or int(rows[-1]) >= self._coded.shape[0]):
                raise IndexError("index out of range in self")
            return functional.embedding(where, self._coded.rows(rows))
        weight = self._coded.tensor() if self.max_norm is not None else self._coded.borrowed()
        return functional.embedding(input, weight, self.padding_idx, self.max_norm, self.norm_type)


_CLASSES: dict[type[nn.Module], type[_Compressed]] = {nn.Linear: CompressedLinear, nn.Embedding: CompressedEmbedding}


def compress_module(model: Model, *, level: str = "fast", smallest: int = SMALLEST) -> Model:
    """Compress the weights of all `nn.Linear` and `nn.Embedding` in `model`, in place, and return it.

    Modules keep their identity, hooks and other parameters; only these exact classes are taken, not their subclasses. Weights below
    `smallest` bytes and those that would not get smaller stay. Tied weights stay tied: they are coded once. Outputs, and `state_dict()`,
    are bit for bit those of the original; `load_state_dict` codes what it is given. Weights of a GPU are kept in its memory if laconic was
    built for it, else on the host, and are copied when they are used.

    >>> import torch, laconic.torch
    >>> model, x = torch.nn.Sequential(torch.nn.Linear(300, 200), torch.nn.ReLU()), torch.ones(1, 300)
    >>> y = model(x)
    >>> torch.equal(laconic.torch.compress_module(model)(x), y)
    True
    """
    coded: dict[int, tuple[Tensor, CodedWeight | DeviceWeight]] = {}  # by parameter; holds it, so that its id stays its own
    module: Any
    for module in list(model.modules()):
        replacement = _CLASSES.get(type(module))
        weight = module._parameters.get("weight")
        if replacement is None or weight is None or weight.nbytes < smallest or weight.layout != torch.strided:
            continue
        if id(weight) not in coded:
            coded[id(weight)] = weight, _code(weight, level)
        if coded[id(weight)][1].stored_bytes >= weight.nbytes:
            continue
        del module._parameters["weight"]
        _become(module, replacement)
        module._coded, module._level = coded[id(weight)][1], level
    return model


def decompress_module(model: Model) -> Model:
    """Undo `compress_module`: every weight becomes a (frozen) parameter again, tied ones the same."""
    plain: dict[int, nn.Parameter] = {}
    for module in list(model.modules()):
        if isinstance(module, _Compressed):
            coded = module._coded
            if id(coded) not in plain:
                plain[id(coded)] = nn.Parameter(coded.tensor(), requires_grad=False)
            del module._coded, module._level
            _become(module, next(base for base, compressed in _CLASSES.items() if type(module) is compressed))
            module.register_parameter("weight", plain[id(coded)])
    return model


def _become(module: Any, class_: type[nn.Module]) -> None:
    module.__class__ = class_


def memory(model: nn.Module) -> dict[str, int]:
    """Bytes of a model's compressed weights: `raw`, `stored`, and `buffer`, the one decode buffer that they share in each thread."""
    weights = {id(weight): weight for weight in _weights(model)}.values()
    raw = [weight.nbytes for weight in weights]
    return {"raw": sum(raw), "stored": sum(weight.stored_bytes for weight in weights), "buffer": max(raw, default=0)}


def _weights(model: nn.Module) -> Iterator[CodedWeight | DeviceWeight]:
    yield from (module._coded for module in model.modules() if isinstance(module, _Compressed))
