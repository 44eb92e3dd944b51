"""The worked example of docs/mixing.md compiles and codes records exactly."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.support.compiled import compile_program

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
    found = re.search(r"```cpp\n(.*?)```", (ROOT / "docs" / "mixing.md").read_text(), re.DOTALL)
    assert found is not None
    program = compile_program(tmp_path, found[1] + MAIN, ["mixing/history.cpp"], ["-Wall", "-Wextra", "-Werror"])
    assert subprocess.run([program], check=False).returncode == 0
