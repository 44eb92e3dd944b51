"""Rules about the sources that a build on one machine can't check."""

from __future__ import annotations

from pathlib import Path

CSRC = Path(__file__).parent.parent / "csrc"


def test_kernels_of_one_processor_compile_to_nothing_on_others() -> None:
    kernels = [*CSRC.glob("*/*_avx2.cpp"), *CSRC.glob("*/*_avx512.cpp")]
    assert kernels
    for path in kernels:
        code = [line for line in path.read_text().splitlines() if line and not line.startswith("//")]
        assert code[0] == "#if defined(LACONIC_X86)", path
        assert code[-1] == "#endif", path


def test_intrinsics_are_guarded() -> None:
    for path in CSRC.rglob("*.cpp"):
        text = path.read_text()
        if "immintrin.h" in text:
            assert "LACONIC_X86" in text[: text.index("immintrin.h")], path
