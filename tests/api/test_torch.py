"""Torch tensors of every dtype come back as they were."""

from __future__ import annotations

from typing import Any

import pytest
from same import same

import laconic

torch: Any = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

DTYPES = [
    getattr(torch, name)
    for name in (
        "float64", "float32", "float16", "bfloat16", "complex32", "complex64", "complex128", "bool", "int8", "uint8", "int16", "uint16",
        "int32", "uint32", "int64", "uint64", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu",
    )
    if hasattr(torch, name)
]  # fmt: skip


def bits(shape: tuple[int, ...], dtype: Any) -> Any:
    """A tensor of pseudo-random bits (so with NaNs of every payload)."""
    count = torch.Size(shape).numel() * torch.empty((), dtype=dtype).element_size()
    raw = torch.arange(count, dtype=torch.int64) * 2654435761 >> 7 & (1 if dtype == torch.bool else 255)
    return raw.to(torch.uint8).view(dtype).reshape(shape)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(), (1,), (0,), (2, 0, 3), (7, 5), (300, 200)], ids=str)
def test_dtypes_and_shapes(dtype: Any, shape: tuple[int, ...]) -> None:
    x = bits(shape, dtype)
    assert same(laconic.decode(laconic.encode(x)), x)
    assert same(laconic.decode(laconic.encode({"x": [x]})), {"x": [x]})


def test_memory_layouts() -> None:
    x = bits((6, 4, 8), torch.float32)
    for y in (x[::2], x[:, 1], x.permute(2, 0, 1), x[0, 0, 0], x.unsqueeze(0).expand(3, 6, 4, 8), x.flip(0), x.as_strided((3, 3), (1, 2))):
        assert same(laconic.decode(laconic.encode(y)), y)
    z = torch.arange(8).to(torch.complex64).reshape(2, 4) * (1 + 2j)
    for y in (z.conj(), z.conj().T, z.imag, torch.view_as_real(z)):
        assert same(laconic.decode(laconic.encode(y)), y.resolve_conj().resolve_neg())


def test_a_state_dict() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(300, 200), torch.nn.BatchNorm1d(200)).to(torch.bfloat16)
    state = model.state_dict()
    out = laconic.decode(laconic.encode(state))
    assert list(out) == list(state)
    assert all(same(out[name].data, state[name].data) for name in state)
    model.load_state_dict(out)


def test_rows_and_writability() -> None:
    x = bits((1000, 33), torch.bfloat16)
    archive = laconic.open(laconic.encode({"x": x}))
    assert same(archive.read("x", 10, 20), x[10:20])
    y = archive["x"]
    y.zero_()
    assert same(archive["x"], x)


def test_refusals() -> None:
    x = torch.zeros(3, 3)
    quantized = torch.quantize_per_tensor(x, 0.1, 0, torch.qint8)
    for y in (x.to_sparse(), quantized, torch.nn.Parameter(x), torch.zeros(2, device="meta")):
        with pytest.raises(TypeError):
            laconic.encode(y)
