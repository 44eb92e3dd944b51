"""Real optimizers: whatever they are and however they are run, the archive is exact; where their step is known, it is small."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from same import same

import laconic.checkpoint as lc
from laconic.checkpoint.hooks import CheckpointHook

torch: Any = pytest.importorskip("torch", reason="needs torch: pip install 'laconic[torch]'")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")


def make_model(dtype: Any = None, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    nn = torch.nn
    model = nn.Sequential(nn.Linear(300, 400), nn.BatchNorm1d(400), nn.Tanh(), nn.Linear(400, 300), nn.LayerNorm(300), nn.Linear(300, 30))
    return model.to(dtype) if dtype else model


def train(model: Any, optimizer: Any, steps: int = 1) -> None:
    for _ in range(steps):
        x = torch.randn(16, 300).to(next(model.parameters()).dtype)
        optimizer.zero_grad()
        model(x).float().square().mean().backward()
        optimizer.step()


def state_of(model: Any, optimizer: Any) -> dict[str, Any]:
    import copy

    return copy.deepcopy({"model": model.state_dict(), "optimizer": optimizer.state_dict()})


def plain(state: Any) -> Any:
    """Without what is no content: the subclass's attributes of a module's state dict."""
    if isinstance(state, dict):
        return type(state)((key, plain(value)) for key, value in state.items())
    return state


def sizes_of(path: Path) -> list[int]:
    with lc.CheckpointReader(path) as reader:
        names = reader.archive.names()
        return [
            sum(reader.archive.info(name)["stored_bytes"] for name in names if name.startswith(f"{info.step}/")) for info in reader.steps()
        ]


ADAMS = {"lr": 3e-4, "weight_decay": 0.1}
OPTIMIZERS: dict[str, tuple[str, dict[str, Any], float]] = {  # the largest size of a predicted step, as a share of a key step
    "adamw": ("AdamW", ADAMS, 0.40),
    "adamw foreach": ("AdamW", ADAMS | {"foreach": True}, 0.40),
    "adamw fused": ("AdamW", ADAMS | {"fused": True}, 0.40),
    "adamw amsgrad": ("AdamW", ADAMS | {"amsgrad": True}, 0.40),
    "adamw maximize": ("AdamW", ADAMS | {"maximize": True}, 0.40),
    "adam": ("Adam", {"lr": 3e-4}, 0.40),
    "adam l2": ("Adam", ADAMS, 0.40),
    "adam l2 fused": ("Adam", ADAMS | {"fused": True}, 0.40),
    "sgd": ("SGD", {"lr": 1e-2, "momentum": 0.9}, 0.55),
    "sgd fused": ("SGD", {"lr": 1e-2, "momentum": 0.9, "fused": True, "weight_decay": 0.1}, 0.55),
    "sgd nesterov": ("SGD", {"lr": 1e-2, "momentum": 0.9, "nesterov": True}, 0.65),
    "sgd plain": ("SGD", {"lr": 1e-2}, 1.0),
    "adafactor": ("Adafactor", {}, 1.0),
    "rmsprop": ("RMSprop", {"momentum": 0.9}, 1.02),
    "nadam": ("NAdam", {}, 1.0),
    "adagrad": ("Adagrad", {}, 1.0),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers(name: str, tmp_path: Path) -> None:
    kind, options, share = OPTIMIZERS[name]
    if not hasattr(torch.optim, kind):
        pytest.skip(f"this torch has no {kind}")
    model = make_model()
    optimizer = getattr(torch.optim, kind)(model.parameters(), **options)
    train(model, optimizer, 4)
    states = []
    with lc.CheckpointWriter(tmp_path / "run.lac") as writer:
        for step in range(4, 7):
            states.append(state_of(model, optimizer))
            writer.save((model, optimizer), step)
            train(model, optimizer)
    for step, state in zip(range(4, 7), states, strict=True):
        assert same(plain(lc.load(tmp_path / "run.lac", step=step)), plain(state))
    key, *predicted = sizes_of(tmp_path / "run.lac")
    assert all(size < share * key for size in predicted), [size / key for size in predicted]


def test_without_the_objects(tmp_path: Path) -> None:
    """State dicts alone: the weights are matched to their moments by order and shape; a scheduler that already changed lr is noticed."""
    model = make_model()
    decayed = [p for p in model.parameters() if p.dim() > 1]
    rest = [p for p in model.parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW([{"params": decayed}, {"params": rest, "weight_decay": 0.0}], lr=1e-3)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    train(model, optimizer, 3)
    states = []
    for step in (1, 2):
        train(model, optimizer)
        schedule.step()
        states.append(state_of(model, optimizer) | {"schedule": {"last": schedule.last_epoch}})
        lc.save(states[-1], tmp_path / "run.lac", step=step)
    key, predicted = sizes_of(tmp_path / "run.lac")
    assert predicted < 0.45 * key
    for step, state in zip((1, 2), states, strict=True):
        back = lc.load(tmp_path / "run.lac", step=step)
        assert same(plain(back), plain(state))
    fresh = make_model(seed=5)
    fresh.load_state_dict(back["model"])
    torch.optim.AdamW([{"params": decayed}, {"params": rest}]).load_state_dict(back["optimizer"])
    assert same(dict(fresh.state_dict()), dict(states[-1]["model"]))


@pytest.mark.parametrize("what", ["weight", "moment", "lr", "threads", "switched"])
def test_steps_that_are_not_what_they_seem(what: str, tmp_path: Path) -> None:
    model = make_model()
    optimizer = torch.optim.AdamW(model.parameters(), **ADAMS)
    train(model, optimizer, 3)
    threads = torch.get_num_threads()
    states = []
    try:
        for step in range(5):
            if step == 3:
                if what == "weight":
                    model[0].weight.data[7, 7] += 0.25
                elif what == "moment":
                    optimizer.state[model[0].weight]["exp_avg_sq"][7, 7] = float("nan")
                elif what == "lr":
                    train(model, optimizer)
                    optimizer.param_groups[0]["lr"] *= 3
                elif what == "threads":
                    torch.set_num_threads(1)
                else:
                    optimizer.param_groups[0]["fused"] = True
            states.append(state_of(model, optimizer))
            lc.save((model, optimizer), tmp_path / "run.lac", step=step)
            train(model, optimizer)
    finally:
        torch.set_num_threads(threads)
    for step, state in enumerate(states):
        assert same(plain(lc.load(tmp_path / "run.lac", step=step)), plain(state))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_low_precision_weights_with_masters(dtype: str, tmp_path: Path) -> None:
    """The copy of a master is a function of it: 0 bits."""
    model = make_model(getattr(torch, dtype))
    masters = [p.detach().float().requires_grad_() for p in model.parameters()]
    optimizer = torch.optim.AdamW(masters, lr=1e-3)
    path = tmp_path / "run.lac"
    states = []
    for step in range(3):
        for master in masters:
            master.grad = torch.randn_like(master) * 1e-3
        optimizer.step()
        with torch.no_grad():
            for p, master in zip(model.parameters(), masters, strict=True):
                p.copy_(master)
        state = state_of(model, optimizer) | {"masters": [m.detach().clone() for m in masters]}
        states.append(state)
        lc.save(state, path, step=step)
    for step, state in enumerate(states):
        assert same(plain(lc.load(path, step=step)), plain(state))
    with lc.CheckpointReader(path) as reader:
        for name in ("0/0", "2/0"):
            (method,) = reader.archive.info(name)["frames"]
            assert "copy cast" in method
            assert ("weight replayed" in method) == (name != "0/0")


def test_names_of_parameters_as_keys(tmp_path: Path) -> None:
    """Optimizer states as torch.distributed.checkpoint has them: by the parameter's name."""
    model = make_model()
    optimizer = torch.optim.AdamW(model.parameters(), **ADAMS)
    path = tmp_path / "run.lac"
    names = [name for name, _ in model.named_parameters()]
    for step in range(2):
        train(model, optimizer, 1)
        found = optimizer.state_dict()
        by_name = {
            "state": {names[i]: found["state"][i] for i in reversed(found["state"])},
            "param_groups": [{**found["param_groups"][0], "params": names}],
        }
        lc.save({"model": model.state_dict(), "optim": by_name}, path, step=step)
    key, predicted = sizes_of(path)
    assert predicted < 0.4 * key


def test_eight_bit_and_factored_states(tmp_path: Path) -> None:
    """Moments of another dtype or shape than the weight's: plain differences."""
    torch.manual_seed(0)
    w = torch.randn(500, 300)
    state: dict[str, Any] = {
        "model": {"w": w, "flat": torch.randn(150_001)},
        "optimizer": {
            "state": {
                0: {"step": 3, "exp_avg": torch.randint(0, 255, (500, 300), dtype=torch.uint8), "exp_avg_sq": torch.randint(0, 9, (500, 300), dtype=torch.uint8),
                    "absmax": torch.rand(74), "row": torch.rand(500), "col": torch.rand(300), "qmap": torch.rand(256)},
                1: {"step": torch.tensor(3.0), "exp_avg": torch.randn(10, 10), "exp_avg_sq": torch.rand(150_001)},
            },
            "param_groups": [{"lr": 1e-3, "betas": (0.9, 0.99), "eps": 1e-8, "params": [0, 1]}],
        },
    }  # fmt: skip
    for step in range(2):
        lc.save(state, tmp_path / "run.lac", step=step)
        assert same(lc.load(tmp_path / "run.lac"), state)
        state["optimizer"]["state"][0]["exp_avg"][3] += 1
        state["model"]["w"] *= 1.001


def test_tied_weights_stay_tied(tmp_path: Path) -> None:
    w = torch.randn(100, 100)
    lc.save({"embed": w, "head": w, "view": w[:50], "p": torch.nn.Parameter(w[0])}, tmp_path / "run.lac", step=0)
    back = lc.load(tmp_path / "run.lac")
    assert back["embed"] is back["head"]
    assert torch.equal(back["view"], w[:50])
    assert type(back["p"]) is torch.Tensor


def test_as_numpy(tmp_path: Path) -> None:
    import numpy as np

    lc.save({"x": torch.ones(4, dtype=torch.bfloat16)}, tmp_path / "run.lac", step=0)
    back = lc.load(tmp_path / "run.lac", as_numpy=True)
    assert isinstance(back["x"], np.ndarray)
    assert str(back["x"].dtype) == "bfloat16"


def test_lazy_conjugates_are_not_tied(tmp_path: Path) -> None:
    """They share memory with what they are the conjugate of, and are seen in the same way."""
    x = torch.randn(30, dtype=torch.complex64)
    state = {"x": x, "conj": x.conj(), "imag": x.imag, "negative": x.conj().imag}
    lc.save(state, tmp_path / "run.lac", step=0)
    back = lc.load(tmp_path / "run.lac")
    assert all(torch.equal(back[key].resolve_conj(), value.resolve_conj().resolve_neg()) for key, value in state.items())


def test_the_hook_in_transformers_trainer(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")

    class Line(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(4, 1)

        def forward(self, x: Any, y: Any) -> dict[str, Any]:
            return {"loss": (self.layer(x).squeeze(1) - y).square().mean()}

    torch.manual_seed(0)
    data = [{"x": torch.randn(4), "y": torch.tensor(float(k))} for k in range(8)]
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path / "out"), max_steps=5, per_device_train_batch_size=4, use_cpu=True, report_to=[], save_strategy="no"
    )
    model, hook = Line(), CheckpointHook(tmp_path / "run.lac", every=2)
    trainer = transformers.Trainer(model, arguments, train_dataset=data, callbacks=[hook])
    trainer.train()
    assert [info.step for info in lc.steps(tmp_path / "run.lac")] == [2, 4, 5]
    state = lc.load(tmp_path / "run.lac", step=5)
    assert torch.equal(state["model"]["layer.weight"], model.layer.weight)
    assert state["step"] == 5
    kept, live = state["optimizer"]["state"], trainer.optimizer.optimizer.state_dict()["state"]
    assert all(torch.equal(kept[k]["exp_avg"], live[k]["exp_avg"]) for k in live)
