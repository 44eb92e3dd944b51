"""The demo on files of the caller's choice; its own examples are too slow for here and run by `make demo`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench import demo, tensors


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
