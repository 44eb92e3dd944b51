"""Small C++ programs for tests."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

CSRC = Path(__file__).parent.parent.parent / "csrc"


def compile_program(folder: Path, text: str, files: list[str], options: list[str]) -> Path:
    """The program of `text` and of files in csrc/. The test is skipped where there is no compiler."""
    compiler = os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("no C++ compiler")
    source, program = folder / "main.cpp", folder / "main"
    source.write_text(text)
    inputs = [str(source), *(str(CSRC / name) for name in files)]
    subprocess.run([compiler, "-std=c++20", "-O1", *options, f"-I{CSRC}", *inputs, "-o", str(program)], check=True)
    return program
