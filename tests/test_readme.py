"""The README's and the docs' numbers are the committed results', and its Python example runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench import readme

TEXT = readme.README.read_text()


@pytest.mark.parametrize("path", list(readme.TABLES), ids=lambda path: path.name)
def test_tables_are_the_committed_results(path: Path) -> None:
    assert readme.render(path) == path.read_text()


def test_python_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "README.md", "exec"), {})
