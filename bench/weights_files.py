"""Kind ``weights_files``: model files of other formats than safetensors, made of the same tensors; slices of a large tensor."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench import tensors
from bench.codec import Codec
from bench.laconic_codec import laconic_codecs
from bench.measure import Row, machine
from bench.peers.general import Zstd
from bench.peers.whole import WholeOpenZL, WholeZipNN
from bench.suite import Case, Options, matches, run_files

QUICK_VALUES = 1 << 20
SLICE_BYTES = 100_000_000  # of the tensor that slices are read from

Arrays = dict[str, np.ndarray[Any, Any]]

# Set: (file name, what writes it, dtype that zipnn is told, width that openzl is told)
_SETS: dict[str, tuple[str, Callable[[Path, Arrays], None], str, int]] = {
    "gguf Q8_0": ("model-Q8_0.gguf", lambda path, arrays: _gguf(path, arrays, "Q8_0"), "float8_e4m3fn", 1),
    "gguf Q4_0": ("model-Q4_0.gguf", lambda path, arrays: _gguf(path, arrays, "Q4_0"), "float8_e4m3fn", 1),
    "torch fp32": ("model-fp32.pt", lambda path, arrays: _torch(path, arrays, "float32"), "float32", 4),
    "torch bf16": ("model-bf16.pt", lambda path, arrays: _torch(path, arrays, "bfloat16"), "bfloat16", 2),
    "onnx fp32": ("model-fp32.onnx", lambda path, arrays: _onnx(path, arrays), "float32", 4),
    "raw fp16": ("model-fp16.bin", lambda path, arrays: _raw(path, arrays), "float16", 2),
}  # fmt: skip


def run(options: Options) -> list[Row]:
    """One set per format, each a file of the fp32 tensors of ``--data``; and ``slices`` of a tensor of 100 MB."""
    rows: list[Row] = []
    arrays = _arrays(options)
    for name, (file, write, dtype, width) in _SETS.items():
        if not matches(name, options.sets):
            continue
        path = options.scratch / file
        write(path, arrays)
        peers: list[Codec] = [WholeZipNN(dtype), Zstd("3")]
        if not options.quick:
            peers += [WholeOpenZL(width), Zstd("19")]
        rows += run_files("weights_files", [Case(name, file, path)], [*laconic_codecs(options.levels, by_path=True), *peers], options)
        path.unlink()
    if matches("slices", options.sets):
        rows += [{"machine": machine(), "kind": "weights_files", "set": "slices"} | row for row in _slices(options)]
    return rows


def _arrays(options: Options) -> Arrays:
    """The fp32 tensors of all files, as far as they have a name that is new."""
    if options.data is None:
        raise SystemExit("weights_files: --data DIR is needed")
    folder = options.data / "weights" if (options.data / "weights").is_dir() else options.data
    found: Arrays = {}
    for path in sorted(folder.glob("*.safetensors")):
        for name, array in tensors.read(path).items():
            if array.dtype == np.float32 and name not in found:
                found[name] = array
    left = QUICK_VALUES if options.quick else 1 << 62
    taken: Arrays = {}
    for name, array in found.items():
        if array.size <= left:
            taken[name] = array
            left -= array.size
    return taken


# ---------------------------------------------------------------------- files


def _gguf(path: Path, arrays: Arrays, type_: str) -> None:
    """Tensors of two axes and more, whose values fill blocks, quantised by the gguf package; the others fp32, as converters do."""
    gguf = importlib.import_module("gguf")
    quant = gguf.GGMLQuantizationType[type_]
    block = gguf.GGML_QUANT_SIZES[quant][0]
    writer = gguf.GGUFWriter(path, "llama")
    for name, array in arrays.items():
        if array.ndim >= 2 and array.size % block == 0:
            rows = array.reshape(-1, array.shape[-1] if array.shape[-1] % block == 0 else block)
            writer.add_tensor(name, gguf.quants.quantize(np.ascontiguousarray(rows), quant), raw_dtype=quant)
        else:
            writer.add_tensor(name, np.ascontiguousarray(array))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _torch(path: Path, arrays: Arrays, dtype: str) -> None:
    torch = importlib.import_module("torch")
    torch.save({name: torch.from_numpy(array.copy()).to(getattr(torch, dtype)) for name, array in arrays.items()}, path)


def _onnx(path: Path, arrays: Arrays) -> None:
    """A model with nothing but initialisers: the protobuf messages ModelProto > GraphProto > TensorProto of onnx.proto, by hand."""

    def varint(value: int) -> bytes:
        out = bytearray()
        while value > 127:
            out.append(value & 127 | 128)
            value >>= 7
        return bytes(out) + bytes((value,))

    def field(number: int, content: bytes | int) -> bytes:
        if isinstance(content, int):
            return varint(number << 3) + varint(content)
        return varint(number << 3 | 2) + varint(len(content)) + content

    tensor_fields = (
        b"".join(field(1, n) for n in array.shape) + field(2, 1) + field(8, name.encode()) + field(9, array.tobytes())
        for name, array in arrays.items()
    )
    graph = b"".join(field(5, tensor) for tensor in tensor_fields)
    path.write_bytes(field(1, 8) + field(2, b"laconic-bench") + field(7, graph))


def _raw(path: Path, arrays: Arrays) -> None:
    path.write_bytes(b"".join(array.astype(np.float16).tobytes() for array in arrays.values()))


# ---------------------------------------------------------------------- slices


def _slices(options: Options) -> Iterator[Row]:
    """A hundredth of a tensor's rows through ``laconic.safetensors.get_slice``, against all of it; CPU seconds, warm, medians."""
    from laconic.safetensors import safe_open
    from laconic.safetensors.numpy import save_file

    rows = (SLICE_BYTES >> 4 if options.quick else SLICE_BYTES) // (2 * 4000)
    array = tensors.cast_bf16(np.random.default_rng(0).normal(0, 0.02, (rows, 4000)).astype(np.float32))
    for level in options.levels[:2]:
        path = options.scratch / f"large-{level}.safetensors.lac"
        save_file({"weight": array}, path, level=level)
        with safe_open(path, framework="np", jobs=1) as file:
            part = file.get_slice("weight")
            whole, at = median(_cpu(lambda file=file: file.get_tensor("weight")) for _ in range(7)), rows // 3
            # Each time other rows, so that no frame is found in the reader's memory.
            starts = [(at + 13 * k * rows // 100) % (rows - rows // 100) for k in range(25)]
            slice_ = median(_cpu(lambda part=part, a=a: part[a : a + rows // 100]) for a in starts)
            exact = all(part[a : a + 9].tobytes() == array[a : a + 9].tobytes() for a in starts)
        yield {
            "file": f"bf16 tensor of {array.nbytes} bytes", "codec": f"laconic:{level}", "raw_bytes": array.nbytes,
            "stored_bytes": path.stat().st_size, "whole_ms": round(1000 * whole, 2), "slice_ms": round(1000 * slice_, 3),
            "slice_percent_of_whole": round(100 * slice_ / whole, 2), "exact": exact,
        }  # fmt: skip
        path.unlink()


def _cpu(call: Callable[[], Any]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start
