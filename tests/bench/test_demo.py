"""The demo on files of the caller's choice; its own examples are too slow for here and run by `make demo`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench import demo, demo_model, demo_objects, tensors
from bench.codec import Source
from bench.measure import measure


def test_every_file_is_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.txt").write_bytes(b"a line of text\n" * 200)
    (tmp_path / "empty").write_bytes(b"")
    values = np.random.default_rng(0).standard_normal(10_000).astype(np.float32)
    tensors.write(tmp_path / "m.safetensors", {"w": values})
    assert demo.main([str(tmp_path / name) for name in ("a.txt", "empty", "m.safetensors")]) == 0
    header, text, empty, model, *_ = (line.split() for line in capsys.readouterr().out.splitlines())
    assert header[:2] == ["kind", "file"]
    assert (text[:3], text[-1]) == (["bytes", "a.txt", "3,000"], "yes")
    assert (empty[:3], empty[-1]) == (["bytes", "empty", "0"], "yes")
    assert (model[:2], model[-1]) == (["weights", "m.safetensors"], "yes")


def test_missing_files_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        demo.main(["no-such-file"])
    assert stopped.value.code == 2
    assert "no-such-file" in capsys.readouterr().err


def test_the_model_of_the_examples_learns() -> None:
    """Its gradients, written by hand, against differences of the loss along a random direction."""
    rng = np.random.default_rng(1)
    (state,) = demo_model.train(keep=1, steps=1)
    weights = {name: array.astype(np.float64) for name, array in state["weights"].items()}
    tokens, targets = rng.integers(0, 256, (2, 1, demo_model.CONTEXT), np.uint8)

    def loss(moved: dict[str, np.ndarray]) -> float:
        output = demo_model._softmax(demo_model._forward(moved, tokens)[1] @ moved["head"])
        return -float(np.log(np.take_along_axis(output, targets[..., None], 2)).mean())

    gradients = demo_model._gradients(weights, tokens, targets)
    for name, array in weights.items():
        direction = rng.standard_normal(array.shape)
        step = 1e-5 / np.abs(direction).max()
        slope = (loss(weights | {name: array + step * direction}) - loss(weights | {name: array - step * direction})) / (2 * step)
        assert slope == pytest.approx(float((gradients[name] * direction).sum()), rel=1e-3, abs=1e-7), name


def test_the_examples_that_are_objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    states = demo_model.train(keep=2, steps=3)
    monkeypatch.setattr(demo_model, "train", lambda keep: states)
    for kind, codec, path in demo_objects.examples(tmp_path, "default"):
        row = measure(codec, Source(path), repeat=1)
        assert row["exact"], kind
        assert row["stored_bytes"] < 0.95 * row["raw_bytes"], kind
