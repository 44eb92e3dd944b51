"""Writes the golden archives of the present format: `python tests/golden/make.py`. They are decoded in every test run, for ever.

`NAME.lac` is an archive; `contents()` says what each must decode to. A new version of a codec adds files and never changes old ones;
while the format is still moving (before 1.0 is released), run this again and commit what changed.
"""

from __future__ import annotations

import io
import json
import struct
import sys
import tempfile
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import laconic
import laconic.checkpoint
import laconic.kv
from laconic.archive import ArchiveWriter
from laconic.container.sink import FileSink

HERE = Path(__file__).parent
MTIME = 1_700_000_000_123_456_789


def noise(n: int, seed: int = 1) -> bytes:
    """`n` bytes that no codec can shorten, the same on every machine and in every version of numpy."""
    state, out = seed * 2654435761 % 2**32 or 1, bytearray()
    for _ in range(n):
        state ^= state << 13 & 0xFFFFFFFF
        state ^= state >> 17
        state ^= state << 5 & 0xFFFFFFFF
        out.append(state >> 11 & 0xFF)
    return bytes(out)


def weights(n: int, dtype: str = "<f4", seed: int = 1) -> np.ndarray[Any, Any]:
    """Bell-shaped values: sums of bytes, in exact arithmetic."""
    total = sum(np.frombuffer(noise(n, seed + k), np.uint8).astype(np.int64) - 128 for k in range(4))
    return (total / np.float64(4096)).astype(dtype)


def bfloat16(n: int, seed: int = 1) -> np.ndarray[Any, Any]:
    import ml_dtypes

    return weights(n, "<f4", seed).astype(ml_dtypes.bfloat16)


def image() -> np.ndarray[Any, Any]:
    """(60, 96, 3) uint8: shades, an edge and a little noise; made of YCbCr by JPEG's matrix."""
    y, x = np.mgrid[0:60, 0:96]
    luma = (x * x + 3 * x * y) // 90 % 180 + np.frombuffer(noise(60 * 96, 7), np.uint8).reshape(60, 96) % 4
    red, blue = x // 4 - y // 3, y // 2 - x // 8
    colours = (luma + (91881 * red + 32768 >> 16), luma + (-22554 * blue - 46802 * red + 32768 >> 16), luma + (116130 * blue + 32768 >> 16))
    return np.clip(np.stack(colours, axis=2), 0, 255).astype(np.uint8)


def safetensors() -> bytes:
    header = {
        "__metadata__": {"format": "pt"},
        "b": {"dtype": "BF16", "shape": [3, 100], "data_offsets": [0, 600]},
        "a/~": {"dtype": "F32", "shape": [64], "data_offsets": [600, 856]},
        "empty": {"dtype": "I64", "shape": [0, 2], "data_offsets": [856, 856]},
        "mask": {"dtype": "BOOL", "shape": [5], "data_offsets": [856, 861]},
    }
    text = json.dumps(header).encode()
    data = bfloat16(300).tobytes() + weights(64).tobytes() + b"\1\0\1\1\0" + b"tail"
    return len(text).to_bytes(8, "little") + text + data


def npy(array: np.ndarray[Any, Any]) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version=(1, 0))
    return file.getvalue()


def npz() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, array, method in (("x", weights(200, "<f8"), zipfile.ZIP_STORED), ("y", np.arange(40), zipfile.ZIP_DEFLATED)):
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), npy(array), compress_type=method)
    return file.getvalue()


OBJECTS: dict[str, Callable[[], Any]] = {
    "single-empty": lambda: b"",
    "single-stored": lambda: noise(50),
    "single-zstd": lambda: bytearray(b"to be or not to be, that is the question: " * 8),
    "single-f32": lambda: weights(600).reshape(20, 30),
    "single-bf16": lambda: bfloat16(900),
    "single-f64-big": lambda: weights(150, ">f8"),
    "single-i16": lambda: (np.arange(700) % 50).astype("<i2"),
    "single-sparse": lambda: np.where(np.frombuffer(noise(3000, 9), np.uint8) % 4 == 0, weights(3000), 0).astype("<f4"),
    "single-palette": lambda: weights(400, "<f8")[np.frombuffer(noise(6000, 3), "<u2") % 400],
    "single-zeros": lambda: np.zeros((8, 100), np.float16),
    "single-structured": lambda: np.array([(1, 2.5, b"ab"), (3, np.nan, b"")], [("n", "<i4"), ("x", "<f8"), ("s", "S3")]),
    "single-scalar": lambda: np.complex64(1 - 2j),
    "single-mixed": lambda: b"".join(b"%d bottles of beer on the wall, %d bottles of beer\n" % (k, k) for k in range(30, 0, -1)),
    "single-wide": lambda: b"".join(b"%d bottles of beer on the wall, %d bottles of beer\n" % (k, k) for k in range(30, 0, -1)),
    "single-bf16-max": lambda: bfloat16(5000, seed=5),
    "single-image": lambda: image(),
    "single-image-fast": lambda: image(),
    "pack-dict": lambda: {
        "w": weights(40), "again": weights(40), "n": 7, "deep": {"x/y": [1.5, None, True, "text", ()], 5: OrderedDict(k=b"v")}, "": b"e",
    },
}  # fmt: skip

KINDS = {"single-image": "image", "single-image-fast": "image"}  # all others find theirs
LEVELS = {"single-mixed": "high", "single-wide": "max", "single-bf16-max": "max", "single-image-fast": "fast"}  # others: default


def encoded(name: str) -> bytes:
    return laconic.encode(OBJECTS[name](), KINDS.get(name), level=LEVELS.get(name, "default"), jobs=1)


def log() -> bytes:
    """Lines of three templates, a stack trace, one that is like no other, and a last one without newline."""
    lines = []
    for k, n in enumerate(noise(2000, 5)):
        stamp = f"2024-05-17 12:{k // 60 % 60:02}:{k % 60:02}.{n * 3 % 1000:03}"
        lines.append(f"{stamp} INFO [worker-{n % 7}] GET /items/{n} took {n * n % 977} ms, id {n * 40503 % 2**24:06x}")
        if n % 16 == 0:
            lines += [f'{stamp} WARN [main] client 10.0.0.{n} sent "a header of {n} words"', "\tat server.Pool.run(Pool.java:41)"]
    return "\n".join([*lines, "7 lines more, none like it \xff\x00", "the end"]).encode("latin-1")


def tone(frames: int, channels: int, width: int) -> bytes:
    """Two notes and a little noise, as little-endian integers; without a sine, which may round differently elsewhere."""
    t = np.arange(frames * channels).reshape(-1, channels)
    wave = (
        sum((t * step % 400 - 200) ** 2 for step in (3, 7))
        - 40_000
        + np.frombuffer(noise(frames * channels, 3), np.uint8).reshape(-1, channels)
    )
    rows = (wave.astype(np.int64) * (1 << 8 * width - 18)).reshape(-1, 1) if width > 2 else (wave >> 2).reshape(-1, 1)
    return (rows >> np.arange(0, 8 * width, 8)).astype(np.uint8).tobytes()


def wav(data: bytes, channels: int, width: int, tag: int = 1) -> bytes:
    fmt = struct.pack("<HHIIHH", tag, channels, 8000, 8000 * channels * width, channels * width, 8 * width)
    body = b"WAVEfmt " + struct.pack("<I", len(fmt)) + fmt + b"LIST\4\0\0\0INFOdata" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def files() -> dict[str, tuple[bytes, str]]:
    """Files of the kinds that have a codec of their own, and the level they are coded at."""
    return {
        "log-rows": (log(), "default"),
        "log-columns": (log(), "fast"),
        "audio-s16": (wav(tone(9000, 2, 2), 2, 2), "default"),
        "audio-s16-fast": (wav(tone(9000, 2, 2), 2, 2), "fast"),
        "audio-s24": (wav(tone(4000, 1, 3), 1, 3), "default"),
        "audio-f32": (wav((np.frombuffer(tone(4000, 2, 2), "<i2") / np.float32(32768)).astype("<f4").tobytes(), 2, 4, 3), "default"),
    }


def gguf() -> bytes:
    """A model of two quantised tensors, an fp32 one, and one of a type that nobody knows."""

    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value)) + value.encode()

    bell = np.frombuffer(noise(4 * 32 * 300), np.uint8).reshape(4, -1).astype(np.int32).sum(0) // 4 - 128
    q8 = np.zeros(300, [("d", "<f2"), ("qs", "|i1", (32,))])
    q8["d"], q8["qs"] = weights(300, "<f2"), bell.reshape(300, 32)
    q4k = np.zeros(20, [("d", "<f2"), ("dmin", "<f2"), ("scales", "|u1", (12,)), ("qs", "|u1", (128,))])
    q4k["d"], q4k["dmin"], q4k["qs"] = weights(20, "<f2", 2), weights(20, "<f2", 3), (bell[:2560] + 128).reshape(20, 128)
    q4k["scales"] = np.frombuffer(noise(240, 3), np.uint8).reshape(20, 12)
    data, table = b"", b""
    for name, dims, type_, content in (("q8", (320, 30), 8, q8.tobytes()), ("q4k", (256, 20), 12, q4k.tobytes()),
                                       ("norm", (60,), 0, weights(60).tobytes()), ("new", (7,), 99, b"unknown")):  # fmt: skip
        table += text(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, type_, len(data))
        data += content + bytes(-len(content) % 32)
    pairs = text("general.alignment") + struct.pack("<II", 4, 32) + text("tokens") + struct.pack("<IIQ", 9, 8, 2) + text("a") + text("bc")
    head = b"GGUF" + struct.pack("<IQQ", 3, 4, 2) + pairs + table
    return head + bytes(-len(head) % 32) + data


def torch_zip() -> bytes:
    """What torch.save writes for {"w": a float tensor of shape (30, 20), "t": its transpose}, made without torch."""

    def text(value: str) -> bytes:
        return b"X" + struct.pack("<I", len(value)) + value.encode()

    def tensor(key: str, size: tuple[int, int], stride: tuple[int, int]) -> bytes:
        storage = b"((" + text("storage") + b"ctorch\nFloatStorage\n" + text(key) + text("cpu") + b"M" + struct.pack("<H", 600) + b"tQ"
        pairs = b"".join(b"K" + bytes((a,)) + b"K" + bytes((b,)) + b"\x86" for a, b in (size, stride))
        return b"ctorch._utils\n_rebuild_tensor_v2\n" + storage + b"K\0" + pairs + b"\x89ccollections\nOrderedDict\n)RtR"

    pickled = b"\x80\x02}(" + text("w") + tensor("0", (30, 20), (20, 1)) + text("t") + tensor("1", (20, 30), (1, 20)) + b"u."
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in (
            ("data.pkl", pickled),
            ("data/0", weights(600).tobytes()),
            ("data/1", weights(600, "<f4", 2).tobytes()),
            ("version", b"3\n"),
        ):
            archive.writestr(zipfile.ZipInfo(f"model/{name}", (1980, 1, 1, 0, 0, 0)), content)
    return file.getvalue()


def tree(archive: ArchiveWriter) -> None:
    """The entry types that only the command line makes."""
    archive.add_special("tree", "dir", {"mode": 0o755, "mtime_ns": MTIME})
    archive.add_pipe(io.BytesIO(b"a small file\n"), "tree/small.txt", meta={"mode": 0o640, "mtime_ns": MTIME})
    archive.add_special("tree/link", "symlink", {"target": "small.txt"})
    archive.add_pipe(io.BytesIO(b""), "tree/empty", meta={"mode": 0o600})


def streams(archive: ArchiveWriter) -> None:
    """Several frames, and copies of earlier ones."""
    block = noise(6000, 9)
    archive.add("first", np.frombuffer(block, np.uint8).repeat(12))
    archive.add("copy", np.frombuffer(block, np.uint8).repeat(12))
    archive.add("rows", np.arange(40_000, dtype=np.int32).reshape(-1, 4))


def base_archive() -> bytes:
    file = io.BytesIO()
    with laconic.open(file, "w", jobs=1) as archive:
        archive.add("w", weights(20_000, "<f2"))
        archive.add("text", b"every word of the base, said again. " * 50)
    return file.getvalue()


def changed() -> dict[str, Any]:
    w = weights(20_000, "<f2")
    w[::37] *= np.float16(1.01)
    return {"w": w, "text": b"every word of the base, said twice. " * 50}


def training() -> dict[int, dict[str, Any]]:
    """Steps of AdamW beside SGD, in single precision without a library's help: 10 and 11 alone, then 20 and 21."""
    one = np.float32(1)
    w, m, v = weights(600), np.zeros(600, np.float32), np.zeros(600, np.float32)
    p, b = weights(300, seed=9), np.zeros(300, np.float32)
    lr, b1, b2, eps, kept = 2.0**-8, 0.875, 0.96875, 2.0**-20, {}
    for step in range(1, 22):
        g = weights(600, seed=step + 20)
        m = m + np.float32(1 - b1) * (g - m)
        v = v * np.float32(b2) + (np.float32(1 - b2) * g) * g
        w = w * np.float32(1 - lr / 8)
        w = w + (np.float32(-lr / (1 - b1**step)) * m) / (np.sqrt(v) / np.float32((1 - b2**step) ** 0.5) + np.float32(eps))
        b = b * np.float32(0.75) + weights(300, seed=step + 70)
        p = p + b * np.float32(-lr)
        if step in (10, 11, 20, 21):
            half = w.astype(np.float16)
            adam = {"state": {0: {"step": one * step, "exp_avg": m, "exp_avg_sq": v}},
                    "param_groups": [{"lr": lr, "betas": (b1, b2), "eps": eps, "weight_decay": 0.125, "params": [0]}]}  # fmt: skip
            sgd = {"state": {"p": {"momentum_buffer": b}}, "param_groups": [{"lr": lr, "momentum": 0.75, "params": ["p"]}]}
            kept[step] = {"w": w, "p": p, "half": half, "adam": adam, "sgd": sgd, "seen": np.arange(step * 30), "note": ("é", None, -0.0)}
    return kept


def checkpoints() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.lac"
        for step, state in training().items():
            laconic.checkpoint.save(state, path, step=step)
        return path.read_bytes()


def built() -> dict[str, bytes]:
    """All golden archives but the single objects, by name."""
    import kv_caches  # makes its caches of `noise`

    found: dict[str, bytes] = {}

    def writing(name: str, fill: Callable[[Any], None], *, pipe: bool = False, **options: Any) -> None:
        file = io.BytesIO()
        with ArchiveWriter(FileSink(file), jobs=1, **options) if pipe else laconic.open(file, "w", jobs=1, **options) as archive:
            fill(archive)
        found[name] = file.getvalue()

    def file(name: str, data: bytes, **options: Any) -> None:
        with tempfile.NamedTemporaryFile() as source:
            source.write(data)
            source.flush()
            writing(name, lambda archive: archive.add_file(source.name, "f", meta={"mode": 0o644, "mtime_ns": MTIME}), **options)

    file("file-safetensors", safetensors())
    file("file-npy", npy(np.asfortranarray(weights(300).reshape(15, 20))))
    file("file-npz", npz())
    file("file-gguf", gguf())
    file("file-torch", torch_zip())
    file("file-bytes", b"line of a log, line of a log\n" * 3000)
    for name, (data, level) in files().items():
        file(f"file-{name}", data, level=level)
    writing("pipe-file", lambda a: a.add_pipe(io.BytesIO(safetensors()), "f", meta={"mode": 0o644}), pipe=True)
    writing("tree", tree)
    writing("streams", streams)
    for name, profile in (("kv", None), ("kv-lossy", kv_caches.profile(2))):
        file_ = io.BytesIO()
        laconic.kv.save(kv_caches.values(2, 40), file_, "2LTHD", chunk=32, profile=profile, recent=5, jobs=1)
        found[name] = file_.getvalue()
    found["checkpoints"] = checkpoints()
    found["base"] = base_archive()
    with laconic.open(found["base"]) as base:
        writing("delta", lambda a: [a.add(name, value) for name, value in changed().items()], base=base)
    grown = io.BytesIO()
    for i in range(3):
        with laconic.open(grown, "a" if i else "w", jobs=1) as archive:
            archive.add(f"step{i}", {"loss": 1.0 / (i + 1), "w": weights(30, seed=i + 1)})
    found["appended"] = grown.getvalue()
    found["concatenated"] = laconic.encode(b"one") + found["tree"]
    return found


def main() -> int:
    sys.path.insert(0, str(HERE.parent / "support"))
    for name in OBJECTS:
        (HERE / f"{name}.lac").write_bytes(encoded(name))
    for name, data in built().items():
        (HERE / f"{name}.lac").write_bytes(data)
    total = [path.stat().st_size for path in HERE.glob("*.lac")]
    print(f"{len(total)} golden archives, {sum(total)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
