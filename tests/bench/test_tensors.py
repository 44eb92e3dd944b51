"""The safetensors files that the benchmark derives and the demo makes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from bench import tensors, weights
from bench.codec import Source
from bench.measure import same_bytes
from bench.peers.tensor import _TensorCodec
from bench.suite import Options

safetensors = pytest.importorskip("safetensors.numpy")


def test_written_files_are_safetensors(tmp_path: Path) -> None:
    arrays = {"b": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.zeros(0, np.uint8)}
    tensors.write(tmp_path / "x.safetensors", arrays)
    for read in (tensors.read, safetensors.load_file):
        found = read(tmp_path / "x.safetensors")
        assert found.keys() == arrays.keys()
        assert all(np.array_equal(found[name], arrays[name]) for name in arrays)


def test_runs_join_neighbours_of_one_dtype(tmp_path: Path) -> None:
    arrays = {"a": np.ones(3, np.float32), "b": np.ones(5, np.float32), "c": np.ones(7, np.float16)}
    tensors.write(tmp_path / "x", arrays)
    data = (tmp_path / "x").read_bytes()
    first, second = tensors.runs(data)
    assert (first.dtype, first.end - first.begin) == ("F32", 32)
    assert (second.dtype, second.begin, second.end) == ("F16", first.end, len(data))


def test_casts() -> None:
    x = np.array([1.0, 1 + 2**-8, 1 + 3 * 2**-8, -2.0], np.float32)  # both halfway cases go to even
    assert tensors.cast_bf16(x).astype(np.float32).tolist() == [1.0, 1.0, 1 + 2**-6, -2.0]
    assert tensors.cast_e4m3(x).astype(np.float32).tolist() == [224.0, 224.0, 224.0, -448.0]
    assert tensors.cast_e4m3(np.zeros(2, np.float32)).dtype == ml_dtypes.float8_e4m3fn


def test_tensor_peers_see_whole_runs_and_give_the_file_back(tmp_path: Path) -> None:
    class Stored(_TensorCodec):
        def compress(self, dtype: str, segment: memoryview) -> list[bytes]:
            return [dtype.encode(), bytes(segment)]

        def decompress(self, dtype: str, size: int, pieces: Iterator[bytes]) -> list[bytes]:
            assert next(pieces) == dtype.encode()
            return [next(pieces)]

    tensors.write(tmp_path / "x", {"a": np.ones(3, np.float32), "c": np.ones(7, np.uint8)})
    source = Source(tmp_path / "x")
    codec = Stored()
    assert same_bytes(codec.decode(codec.encode(codec.prepare(source))), source.data)


def test_weight_cases_are_sets_by_dtype(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "scratch").mkdir()
    tensors.write(tmp_path / "in" / "m.safetensors", {"w": np.ones(8, np.float32)})
    tensors.write(tmp_path / "in" / "n.safetensors", {"w": np.ones(8, np.uint8), "x": np.ones(2, np.float16)})
    cases = {case.set: case for case in weights._cases(Options(tmp_path / "in", tmp_path / "scratch"))}
    assert {name: case.file for name, case in cases.items()} == {
        "fp32": "m.safetensors",
        "bf16": "m_cast_bf16.safetensors",
        "bf16, 2 of 4": "m_cast_bf16_2_of_4.safetensors",
        "fp16 of int8": "m_cast_fp16_of_int8.safetensors",
        "e4m3": "m_cast_e4m3.safetensors",
        "mixed": "n.safetensors",
    }


def test_the_demo_model_is_trained(tmp_path: Path) -> None:
    bf16, fp32 = weights.examples(tmp_path)
    model = tensors.read(fp32)
    assert sum(array.size for array in model.values()) == 464_128
    assert all(np.isfinite(array).all() for array in model.values())
    assert np.abs(model["layer2.bias"]).max() > 0.05  # it moved away from its initial zero
    assert tensors.read(bf16)["embedding"].dtype == ml_dtypes.bfloat16
