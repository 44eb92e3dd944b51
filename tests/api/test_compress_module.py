"""`laconic.torch.compress_module`: the same outputs and state, less memory."""

from __future__ import annotations

import copy
import io
import subprocess
import sys
import threading
from typing import Any

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from laconic.torch import CompressedEmbedding, CompressedLinear, compress_module, decompress_module, memory  # noqa: E402


class Tied(nn.Module):
    """A small language model with tied embeddings."""

    def __init__(self, dtype: Any = torch.bfloat16) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.embedding = nn.Embedding(2000, 96, padding_idx=3)
        self.blocks = nn.ModuleList(nn.Sequential(nn.LayerNorm(96), nn.Linear(96, 384), nn.GELU(), nn.Linear(384, 96)) for _ in range(3))
        self.head = nn.Linear(96, 2000, bias=False)
        self.head.weight = self.embedding.weight
        self.to(dtype)

    def forward(self, tokens: Any) -> Any:
        x = self.embedding(tokens)
        for block in self.blocks:
            x = x + block(x)
        return self.head(x)


@pytest.fixture(params=["bfloat16", "float32", "float16", "float64"])
def model(request: pytest.FixtureRequest) -> Tied:
    return Tied(getattr(torch, request.param)).eval()


def tokens(n: int = 40) -> Any:
    return torch.randint(0, 2000, (2, n), generator=torch.Generator().manual_seed(n))


def test_the_same_outputs(model: Tied) -> None:
    wanted = [model(tokens(n)) for n in (1, 40, 900)]
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert compress_module(model) is model
    assert type(model.head) is CompressedLinear
    assert type(model.embedding) is CompressedEmbedding
    assert isinstance(model.head, nn.Linear)
    assert model.head._coded is model.embedding._coded
    for n, output in zip((1, 40, 900), wanted, strict=True):
        for mode in (torch.no_grad(), torch.inference_mode(), torch.enable_grad()):
            with mode:
                assert torch.equal(model(tokens(n)), output)
    found = model.state_dict()
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], tensor) and found[name].dtype == tensor.dtype for name, tensor in state.items())
    assert torch.equal(model.head.weight, state["head.weight"])


def test_memory() -> None:
    model = Tied().eval()
    raw = 2 * (2000 * 96 + 6 * 96 * 384)
    compress_module(model)
    found = memory(model)
    assert found["raw"] == raw
    assert found["stored"] < 0.72 * raw
    assert found["buffer"] == 2 * 2000 * 96
    assert sum(p.nbytes for p in model.parameters()) < 0.02 * raw  # biases and norms


def test_state_dicts(model: Tied) -> None:
    other = Tied(next(model.parameters()).dtype)
    with torch.no_grad():
        for p in other.parameters():
            p.add_(0.5)
    compress_module(model)
    assert not model.load_state_dict(other.state_dict()).missing_keys
    assert torch.equal(model(tokens()), other(tokens()))
    assert not other.load_state_dict(model.state_dict()).missing_keys
    state = model.state_dict()
    del state["head.weight"]
    with pytest.raises(RuntimeError, match=r"Missing key.*head\.weight"):
        model.load_state_dict(state)
    state["head.weight"] = torch.zeros(3, 4)
    with pytest.raises(RuntimeError, match="size mismatch"):
        model.load_state_dict(state)
    with pytest.raises(RuntimeError, match="Unexpected"):
        model.load_state_dict(model.state_dict() | {"more": torch.zeros(1)})


def test_moving_and_casting() -> None:
    model, wanted = compress_module(Tied(torch.float32)), Tied(torch.float32)
    for change in (lambda m: m.bfloat16(), lambda m: m.to(torch.float64), lambda m: m.cpu(), lambda m: m.half(), lambda m: m.float()):
        change(model), change(wanted)
        assert model.head.weight.dtype == next(wanted.parameters()).dtype
        assert torch.equal(model(tokens()), wanted(tokens()))


def test_copies_and_pickles() -> None:
    model = compress_module(Tied())
    output = model(tokens())
    assert torch.equal(copy.deepcopy(model)(tokens()), output)
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    assert torch.equal(torch.load(file, weights_only=False)(tokens()), output)


def test_back(model: Tied) -> None:
    wanted = model(tokens())
    decompress_module(compress_module(model))
    assert type(model.head) is nn.Linear
    assert type(model.embedding) is nn.Embedding
    assert model.head.weight is model.embedding.weight
    assert torch.equal(model(tokens()), wanted)


def test_gradients_flow_through() -> None:
    plain = nn.Sequential(nn.Linear(200, 300), nn.Tanh(), nn.Linear(300, 200), nn.Tanh(), nn.Linear(200, 300))
    coded = compress_module(copy.deepcopy(plain))
    results = []
    for model in (plain, coded):
        x = torch.ones(5, 200, requires_grad=True)
        model(x).square().sum().backward()
        results.append((x.grad, model[0].bias.grad))
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def test_threads_do_not_share_their_buffer() -> None:
    model = compress_module(Tied().eval())
    wanted = [model(tokens(n)) for n in range(5, 25)]
    wrong: list[int] = []

    def run(start: int) -> None:
        with torch.no_grad():
            for k in range(20):
                n = (start + k) % 20
                if not torch.equal(model(tokens(n + 5)), wanted[n]):
                    wrong.append(n)

    threads = [threading.Thread(target=run, args=(7 * k,)) for k in range(3)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert not wrong


def test_what_stays_as_it_is() -> None:
    class Own(nn.Linear):
        pass

    model = nn.Sequential(nn.Linear(4, 4), Own(200, 200), nn.Conv1d(100, 100, 3), nn.LayerNorm(9000))
    assert [type(m) for m in compress_module(model)] == [nn.Linear, Own, nn.Conv1d, nn.LayerNorm]
    noise = nn.Linear(200, 200)
    noise.weight = nn.Parameter(torch.randint(0, 255, (200, 800), dtype=torch.uint8).view(torch.float32), requires_grad=False)
    assert type(compress_module(noise)) is nn.Linear
    assert memory(model) == {"raw": 0, "stored": 0, "buffer": 0}


def test_embedding_options() -> None:
    for options in ({"padding_idx": 5}, {"max_norm": 0.5}, {"sparse": True}):
        torch.manual_seed(4)
        plain = nn.Embedding(1000, 64, **options).requires_grad_(False)
        coded = compress_module(copy.deepcopy(plain))
        for ids in (
            torch.tensor([5, 1, 999, 5]),
            torch.arange(1000),
            torch.zeros(0, dtype=torch.long),
            torch.tensor([[3]], dtype=torch.int32),
        ):
            assert torch.equal(coded(ids), plain(ids))
        for ids in (torch.tensor([1000]), torch.tensor([-1]), torch.arange(500, 1500)):
            with pytest.raises(IndexError):
                coded(ids)


def test_hooks_stay() -> None:
    model = nn.Sequential(nn.Linear(100, 100))
    seen: list[Any] = []
    model[0].register_forward_hook(lambda module, inputs, output: seen.append(output))
    compress_module(model)(torch.ones(100))
    assert len(seen) == 1


CHILD = """
import resource, sys, torch, laconic.torch
from torch import nn
torch.manual_seed(0)
def layer():
    return nn.Linear(2048, 2048, bias=False, dtype=torch.bfloat16)
compress = sys.argv[1] == "yes"
layers = []
for _ in range(20):
    module = layer().requires_grad_(False)
    layers.append(laconic.torch.compress_module(module) if compress else module)
model = nn.Sequential(*layers)
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
with torch.no_grad():
    model(torch.ones(1, 2048, dtype=torch.bfloat16))
print(resident())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_the_process_is_smaller() -> None:
    """20 layers of 8 MiB: resident memory after a forward pass, with and without."""
    import os

    environment = os.environ | {"MALLOC_TRIM_THRESHOLD_": "0", "MALLOC_MMAP_THRESHOLD_": "65536"}  # freed memory goes back at once
    sizes = {
        which: int(subprocess.run([sys.executable, "-c", CHILD, which], check=True, capture_output=True, text=True, env=environment).stdout)
        for which in ("yes", "no")
    }
    assert sizes["no"] - sizes["yes"] > 0.2 * 20 * 2048 * 2048 * 2


@pytest.mark.parametrize("name", ["bfloat16", "float16", "float32", "float64", "float8_e4m3fn", "int8", "int64"])
def test_weights_as_blocks_of_planes(name: str) -> None:
    """What GPUs decode, with the host's decoder: every bit pattern of a dtype, and shapes that fill no block."""
    from laconic.device_weight import DeviceWeight

    for shape in ((300, 411), (1, 1), (70_001,), (0, 5)):
        for weight in (torch.randn(shape).to(getattr(torch, name)), torch.randint(-(1 << 62), 1 << 62, shape).view(getattr(torch, name))):
            coded = DeviceWeight.of(weight)
            found = coded.tensor()
            assert found.dtype == weight.dtype
            assert found.shape == weight.shape
            assert torch.equal(found.view(torch.uint8), weight.view(torch.uint8))
    weight = (torch.randn(512, 512) * 0.02).bfloat16()
    assert DeviceWeight.of(weight).stored_bytes < 0.7 * weight.nbytes
    assert torch.equal(DeviceWeight.of(weight).rows(torch.tensor([1, 7])), weight[[1, 7]])


def test_on_the_device() -> None:
    from laconic.device_weight import DeviceWeight
    from laconic.entropy import cuda

    if not (torch.cuda.is_available() and cuda.available()):
        pytest.skip("no CUDA device, or laconic was built without nvcc")
    model = Tied().eval().cuda()
    wanted = model(tokens().cuda())
    before = torch.cuda.memory_allocated()
    compress_module(model)
    assert isinstance(model.head._coded, DeviceWeight)
    assert torch.cuda.memory_allocated() < 0.8 * before
    assert torch.equal(model(tokens().cuda()), wanted)
    assert torch.equal(model.cpu()(tokens()), Tied().eval()(tokens()))
