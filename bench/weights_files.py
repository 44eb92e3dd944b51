"""Kind ``weights_files``: model files of other formats than safetensors, made of the same tensors; slices of a large tensor; a large file
through the command line."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
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
LARGE_BLOCKS, LARGE_BLOCK = 32, 1 << 26  # tensors of the large file, and bytes of each: 2 GiB

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
    """One set per format, each a file of the fp32 tensors of ``--data``; ``slices`` of a tensor of 100 MB; a ``large file`` of 2 GiB."""
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
    if matches("large file", options.sets):
        rows += [{"machine": machine(), "kind": "weights_files", "set": "large file"} | row for row in _large(options)]
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


# ---------------------------------------------------------------------- a large file


def _large(options: Options) -> Iterator[Row]:
    """``laconic encode`` and ``decode`` of a bf16 file, file to file, beside ``cp`` and the kernels alone; one thread, CPU seconds."""
    path, back = options.scratch / "large.safetensors", options.scratch / "back.safetensors"
    size = _write_large(path, 2 if options.quick else LARGE_BLOCKS)
    kernels = _kernels()
    _command(["cp", path, back])  # the file is in memory from here on, as far as it fits
    copied = _command(["cp", path, back])
    # `cp` may have the file system copy; what a program pays that reads and writes is told beside it.
    written = _command(["dd", f"if={path}", f"of={back}", "bs=1M", "status=none"])
    _compile_modules(options.scratch)
    for level in options.levels[:2]:
        if not matches(f"laconic:{level}", options.codecs):
            continue
        archive = options.scratch / "large.lac"
        ours = [sys.executable, "-m", "laconic"]
        encode = _command([*ours, "encode", path, "-o", archive, "--level", level, "-j", "1", "-q", "-f"])
        decode = _command([*ours, "decode", archive, "-o", back, "-j", "1", "-q", "-f"])
        row: Row = {
            "file": f"bf16 file of {size} bytes", "codec": f"laconic:{level}", "raw_bytes": size, "stored_bytes": archive.stat().st_size,
            "cp_s": copied[0], "dd_s": written[0],
            "encode_s": encode[0], "decode_s": decode[0], "encode_peak_mib": encode[1], "decode_peak_mib": decode[1],
            "exact": _command(["cmp", "-s", path, back])[2] == 0,
        }  # fmt: skip
        for k, name in enumerate(("encode", "decode")):
            alone = kernels[level][k] * size
            row[f"{name}_kernels_s"] = round(alone, 3)
            row[f"{name}_over_cp_and_kernels"] = round((encode, decode)[k][0] / (copied[0] + alone), 2)
            row[f"{name}_over_dd_and_kernels"] = round((encode, decode)[k][0] / (written[0] + alone), 2)
        yield row
        archive.unlink()
    path.unlink()
    back.unlink()


def _compile_modules(scratch: Path) -> None:
    """Once through the command line, so that Python finds the modules' bytecode, as where a package was installed."""
    small, archive = scratch / "small.bin", scratch / "small.lac"
    small.write_bytes(bytes(100_000))
    for command in (["encode", small, "-o", archive], ["decode", archive, "-o", small]):
        _command([sys.executable, "-m", "laconic", *command, "-q", "-f"])
    small.unlink()
    archive.unlink()


def _write_large(path: Path, blocks: int) -> int:
    """A safetensors file of normal bf16 tensors, no two frames of which are equal; its size."""
    count = LARGE_BLOCK // 2
    first = tensors.cast_bf16(np.random.default_rng(0).normal(0, 0.02, count).astype(np.float32)).view(np.uint16)
    spans = ((f"layer{k}.weight", k * LARGE_BLOCK) for k in range(blocks))
    entries = (f'"{name}":{{"dtype":"BF16","shape":[{count}],"data_offsets":[{at},{at + LARGE_BLOCK}]}}' for name, at in spans)
    header = f"{{{','.join(entries)}}}".encode()
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for k in range(blocks):
            file.write((first ^ np.uint16(k)).data)  # other mantissas
    return path.stat().st_size


def _kernels() -> dict[str, tuple[float, float]]:
    """CPU seconds a byte of encoding and decoding frames of such a file, by level, without files, hashes and containers."""
    from laconic.codecs.weights import codec

    raw = memoryview(tensors.cast_bf16(np.random.default_rng(1).normal(0, 0.02, 1 << 23).astype(np.float32)).view(np.uint8))
    params = codec.params("bfloat16", 2)
    assert params is not None
    frames = [raw[at : at + (1 << 20)] for at in range(0, len(raw), 1 << 20)]
    out = memoryview(bytearray(1 << 20))
    found = {}
    for level in ("fast", "default"):
        payloads = [memoryview(codec.encode(frame, params, level, None) or b"") for frame in frames]
        encode = median(_cpu(lambda level=level: [codec.encode(frame, params, level, None) for frame in frames]) for _ in range(5))
        decode = median(
            _cpu(lambda p=payloads: [codec.decode(payload, params, codec.version, out, None) for payload in p]) for _ in range(5)
        )
        found[level] = encode / len(raw), decode / len(raw)
    return found


# A process counts the memory of the one that started it as its own until it runs a program of its own, so a small one starts it.
_STARTER = """
import json, os, subprocess, sys
_, status, usage = os.wait4(subprocess.Popen(sys.argv[1:]).pid, 0)
print(json.dumps([usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, os.waitstatus_to_exitcode(status)]))
"""


def _command(command: list[Any]) -> tuple[float, float, int]:
    """CPU seconds, peak resident MiB and exit status of a command."""
    starter = [sys.executable, "-S", "-c", _STARTER, *(str(part) for part in command)]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    cpu, peak, status = json.loads(subprocess.run(starter, env=env, stdout=subprocess.PIPE, check=True).stdout)
    return round(cpu, 3), round(peak, 1), status


def _cpu(call: Callable[[], Any]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start
