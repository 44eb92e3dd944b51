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
    "single-zeros": lambda: np.zeros((8, 100), np.float16),
    "single-structured": lambda: np.array([(1, 2.5, b"ab"), (3, np.nan, b"")], [("n", "<i4"), ("x", "<f8"), ("s", "S3")]),
    "single-scalar": lambda: np.complex64(1 - 2j),
    "single-mixed": lambda: b"".join(b"%d bottles of beer on the wall, %d bottles of beer\n" % (k, k) for k in range(30, 0, -1)),
    "single-wide": lambda: b"".join(b"%d bottles of beer on the wall, %d bottles of beer\n" % (k, k) for k in range(30, 0, -1)),
    "single-bf16-max": lambda: bfloat16(5000, seed=5),
    "pack-dict": lambda: {
        "w": weights(40), "again": weights(40), "n": 7, "deep": {"x/y": [1.5, None, True, "text", ()], 5: OrderedDict(k=b"v")}, "": b"e",
    },
}  # fmt: skip

LEVELS = {"single-mixed": "high", "single-wide": "max", "single-bf16-max": "max"}  # all others are made at the default level


def encoded(name: str) -> bytes:
    return laconic.encode(OBJECTS[name](), level=LEVELS.get(name, "default"), jobs=1)


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
