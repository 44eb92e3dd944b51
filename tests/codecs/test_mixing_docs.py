"""The worked example of docs/mixing.md compiles and codes records exactly."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
MAIN = """
int main() {
    std::vector<uint8_t> data;
    for (uint32_t i = 0; i < 2000; ++i)
        for (uint32_t k = 0; k < 4; ++k) data.push_back(static_cast<uint8_t>(k == 0 ? i : k == 1 ? i >> 8 : k * 7 + (i * i >> 9) % 3));
    RecordModel<ScalarKernel> encoder(data.size()), decoder(data.size());
    laconic::BinaryEncoder out;
    for (uint8_t byte : data)
        for (int k = 7; k >= 0; --k) {
            out.encode(byte >> k & 1, static_cast<uint32_t>(encoder.predict()));
            encoder.update(byte >> k & 1);
        }
    const auto stream = out.finish();
    laconic::BinaryDecoder in(stream);
    for (uint8_t byte : data) {
        int got = 0;
        for (int k = 0; k < 8; ++k) {
            const int bit = in.decode(static_cast<uint32_t>(decoder.predict()));
            decoder.update(bit);
            got = got * 2 + bit;
        }
        if (got != byte) return 1;
    }
    in.finish();
    return stream.size() < data.size() / 4 ? 0 : 2;
}
"""


def test_the_worked_example(tmp_path: Path) -> None:
    compiler = os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("no C++ compiler")
    found = re.search(r"```cpp\n(.*?)```", (ROOT / "docs" / "mixing.md").read_text(), re.DOTALL)
    assert found is not None
    source, program = tmp_path / "model.cpp", tmp_path / "model"
    source.write_text(found[1] + MAIN)
    includes = [f"-I{ROOT / 'csrc'}", str(ROOT / "csrc" / "mixing" / "history.cpp")]
    subprocess.run([compiler, "-std=c++20", "-O1", "-Wall", "-Wextra", "-Werror", str(source), *includes, "-o", str(program)], check=True)
    assert subprocess.run([program], check=False).returncode == 0
