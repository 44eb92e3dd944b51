"""Tensor files of every shape that their formats allow, and of some that they do not: identical bytes, and tensors where there are any."""

from __future__ import annotations

import io
import json
import random
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make import bfloat16, npy, npz, safetensors, weights
from same import same
from through import tensors, through

import laconic
from laconic.container.source import BufferSource

LEVELS = ("fast", "default", "high", "max")


def st_file(tensors: dict[str, Any], data: bytes, *, metadata: Any = None, pad: int = 0) -> bytes:
    header = ({} if metadata is None else {"__metadata__": metadata}) | tensors
    text = json.dumps(header).encode() + b" " * pad
    return len(text).to_bytes(8, "little") + text + data


# ---------------------------------------------------------------------- safetensors

ST_DTYPES = [
    "BOOL",
    "U8",
    "I8",
    "F8_E5M2",
    "F8_E4M3",
    "F8_E8M0",
    "I16",
    "U16",
    "F16",
    "BF16",
    "I32",
    "U32",
    "F32",
    "I64",
    "U64",
    "F64",
    "C64",
]
BITS = (
    {"C64": 64}
    | {name: int("".join(c for c in name.split("_")[0] if c.isdigit()) or 8) for name in ST_DTYPES if name not in ("C64", "BF16")}
    | {"BF16": 16}
)


@pytest.mark.parametrize("dtype", [*ST_DTYPES, "F4", "F6_E2M3", "F6_E3M2", "NEW"])
@pytest.mark.parametrize("level", LEVELS)
def test_safetensors_of_every_dtype(dtype: str, level: str, tmp_path: Path) -> None:
    width = BITS.get(dtype, 8) // 8
    count = 3000 if level == "max" else 40_000
    data = (weights(count, "<f4").view(np.uint8) & (1 if dtype == "BOOL" else 255)).tobytes()[: count * width // 8 * 8 // width * width]
    n = len(data) // width
    blob = st_file({"x": {"dtype": dtype, "shape": [n // 5, 5], "data_offsets": [0, n // 5 * 5 * width]}}, data, metadata={"a": "b"})
    with through(blob, tmp_path / "x.safetensors", level=level) as archive:
        if dtype in ST_DTYPES:
            found = archive["f/x"]
            assert found.shape == (n // 5, 5)
            assert found.tobytes() == data[: found.nbytes]
            assert archive.read("f/x", 1, 3).tobytes() == data[5 * width : 15 * width]
        else:
            assert tensors(archive) == []


def odd_safetensors() -> Iterator[tuple[str, bytes, int]]:
    """(label, file, number of tensors that can be read)"""
    f32 = weights(30).tobytes()

    def t(start: int, stop: int, shape: list[Any] | None = None, dtype: Any = "F32") -> dict[str, Any]:
        return {"dtype": dtype, "shape": [(stop - start) // 4] if shape is None else shape, "data_offsets": [start, stop]}

    yield "in order", st_file({"a": t(0, 60), "b": t(60, 120)}, f32), 2
    yield "out of order", st_file({"b": t(60, 120), "a": t(0, 60)}, f32), 2
    yield "a gap", st_file({"a": t(0, 40), "b": t(80, 120)}, f32), 2
    yield "a gap at the start", st_file({"b": t(80, 120)}, f32), 1
    yield "unaligned", st_file({"a": t(1, 61), "b": t(62, 118)}, f32), 2
    yield "overlapping", st_file({"a": t(0, 80), "b": t(40, 120)}, f32), 1
    yield "the same bytes twice", st_file({"a": t(0, 60), "b": t(0, 60)}, f32), 1
    yield "trailing bytes", st_file({"a": t(0, 60)}, f32 + b"tail"), 1
    yield "no data", st_file({"a": t(0, 0, [0, 3])}, b""), 1
    yield "scalars", st_file({"a": t(0, 4, []), "b": t(4, 8, [1, 1])}, f32[:8]), 2
    yield "empty between", st_file({"a": t(0, 60), "e": t(60, 60, [0]), "b": t(60, 120), "z": t(120, 120, [3, 0])}, f32), 4
    yield "no tensors", st_file({}, b"", metadata={"k": "v"}), 0
    yield "padding", st_file({"a": t(0, 120)}, f32, pad=37), 1
    yield "beyond the end", st_file({"a": t(0, 124)}, f32), 0
    yield "sizes of 2^60", st_file({"a": t(0, 1 << 60), "b": t(1 << 60, 1 << 61)}, f32), 0
    yield "negative", st_file({"a": t(-4, 0), "b": t(60, 0)}, f32), 0
    yield "shape and offsets differ", st_file({"a": t(0, 60, [16]), "b": t(60, 120, [15])}, f32), 1
    yield (
        "no such dtype",
        st_file({"a": t(0, 60, dtype="X9"), "b": t(60, 120, dtype=5), "c": t(60, 120, dtype=["F32"]), "d": t(0, 8, dtype={})}, f32),
        0,
    )
    yield (
        "odd entries",
        st_file({"a": 5, "b": [], "c": {}, "d": {"dtype": "F32"}, "e": None, "f": t(0, 60, [15.0]), "g": t(0, 60, [True])}, f32),
        0,
    )  # type: ignore[dict-item]
    yield "odd names", st_file({"": t(0, 40), "a/b": t(40, 80), "~": t(80, 120)}, f32), 3
    yield "unicode names", st_file({"é\u0000\ud83d\ude00": t(0, 40), "..": t(40, 80)}, f32), 2
    yield "lone surrogates", b"\x41" + bytes(7) + b'{"\\ud800":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}}'.ljust(65) + f32, 0
    yield "a long name", st_file({"n" * 5000: t(0, 60)}, f32), 0
    yield "metadata of numbers", st_file({"a": t(0, 120)}, f32, metadata=[1, {"x": None}]), 1
    twice = b'{"a":{"dtype":"F32","shape":[5],"data_offsets":[0,20]},"a":{"dtype":"F32","shape":[5],"data_offsets":[20,40]}}'
    yield "a key twice", len(twice).to_bytes(8, "little") + twice + f32, 1
    deep = b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}"
    yield "deep JSON", len(deep).to_bytes(8, "little") + deep + f32, 0
    deep = b'{"a":' + b'{"a":' * 200_000
    yield "very deep JSON", len(deep).to_bytes(8, "little") + deep + f32, 0
    for bad in (
        b"{",
        b'{"a"',
        b'{"a": NaN}',
        b"[]",
        b"{}x",
        b'{"a":1e999}',
        b'{"a":' + b"9" * 6000 + b"}",
        b'{"\xff":1}',
        b"\xef\xbb\xbf{}",
        b"null",
        b'"x"',
    ):
        yield f"JSON {bad[:8]!r}", len(bad).to_bytes(8, "little") + bad + f32, 0
    many_dims = json.dumps({"a": t(0, 4, [1] * 200), "b": t(0, 4, [1 << 60] * 100_000)}).encode()
    yield "many dimensions", len(many_dims).to_bytes(8, "little") + many_dims + f32, 0
    for size in (0, 1, 2, 7, 8, 100, (1 << 32) - 1, 1 << 32, 1 << 62, (1 << 64) - 1):
        yield f"header size {size}", size.to_bytes(8, "little") + b'{"a":1}' + f32, 0
    whole = st_file({"a": t(0, 60), "b": t(60, 120)}, f32)
    for size in (0, 1, 7, 8, 9, 20, len(whole) - 1):
        yield f"cut at {size}", whole[:size], -1


@pytest.mark.parametrize(("label", "blob", "count"), list(odd_safetensors()), ids=lambda v: v if isinstance(v, str) else "")
def test_odd_safetensors(label: str, blob: bytes, count: int, tmp_path: Path) -> None:
    for kind in (None, "weights"):
        with through(blob, tmp_path / "x.safetensors", kind=kind) as archive:
            found = tensors(archive)
            assert count in (-1, len(found)), found
            for name in found:
                assert archive[name].nbytes == archive.entry(name).size


def test_real_safetensors(tmp_path: Path) -> None:
    numpy = pytest.importorskip("safetensors.numpy")
    things = {
        f"layer.{k}.{part}": weights(n, dtype, k + 1)
        for k in range(30)
        for part, n, dtype in (("w", 3000, "<f2"), ("b", 30, "<f4"), ("i", 5, "<i8"))
    }
    blob = numpy.save(things, metadata={"format": "np"})
    with through(blob, tmp_path / "x.safetensors") as archive:
        assert len(tensors(archive)) == len(things)
        assert all(same(archive[f"f/{name}"], x) for name, x in things.items())


@given(st.data())
@settings(max_examples=40)
def test_random_safetensors(data: st.DataObject) -> None:
    """Any offsets at all: the file comes back, and a tensor view is what the format's reader would show."""
    chance = random.Random(data.draw(st.integers(0, 1 << 30)))
    payload = chance.randbytes(chance.choice((0, 50, 3000)))
    entries = {}
    for k in range(chance.randrange(6)):
        dtype = chance.choice(ST_DTYPES)
        width = BITS[dtype] // 8
        start = chance.randrange(len(payload) + 3)
        n = chance.randrange(len(payload) // width + 2)
        entries[f"t{k}"] = {"dtype": dtype, "shape": [n], "data_offsets": [start, start + n * width]}
    blob = st_file(entries, payload)
    header = len(blob) - len(payload)
    file = io.BytesIO()
    with laconic.open(file, "w") as archive:
        archive._add_source(BufferSource(blob), "f", None, "default", {})
    with laconic.open(file.getvalue()) as archive2:
        assert archive2["f"] == blob
        for name in tensors(archive2):
            a, b = entries[name.removeprefix("f/")]["data_offsets"]
            assert archive2[name].tobytes() == blob[header + a : header + b]


# ---------------------------------------------------------------------- npy


@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<f2", "<i8", "|u1", "|b1", "<c16", "|S7", "<U3", "<M8[ns]", "<f4,<i2", "V5"])
@pytest.mark.parametrize("shape", [(), (0,), (7,), (20, 30), (3, 0, 2), (4, 5, 6)], ids=str)
@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)], ids=str)
def test_npy(dtype: str, shape: tuple[int, ...], version: tuple[int, int], tmp_path: Path) -> None:
    count = int(np.prod(shape, dtype=int)) * np.dtype(dtype).itemsize
    x = np.frombuffer(bytes(k % 2 for k in range(count)), dtype).reshape(shape) if count else np.empty(shape, dtype)
    for array in (x, np.asfortranarray(x)):
        file = io.BytesIO()
        np.lib.format.write_array(file, array, version=version)
        with through(file.getvalue(), tmp_path / "x.npy") as archive:
            for name in tensors(archive):
                view = archive[name]
                assert same(view if not (array.flags.f_contiguous and not array.flags.c_contiguous) else view.T, array)


def odd_npy() -> Iterator[tuple[str, bytes]]:
    def made(header: bytes, data: bytes = bytes(24), version: int = 1) -> bytes:
        size = len(header).to_bytes(2 if version == 1 else 4, "little")
        return b"\x93NUMPY" + bytes((version, 0)) + size + header + data

    good = b"{'descr': '<f4', 'fortran_order': False, 'shape': (6,), }\n"
    yield "good", made(good)
    yield "objects", made(b"{'descr': '|O', 'fortran_order': False, 'shape': (3,), }")
    yield "too short", made(good, bytes(23))
    yield "too long", made(good, bytes(25))
    for shape in (
        b"(1 << 70,)",
        b"(-6,)",
        b"6",
        b"(6.0,)",
        b"(True, 6)",
        b"(4611686018427387904, 4611686018427387904)",
        b"(" + b"1, " * 3000 + b")",
        b"(" + b"9" * 5000 + b",)",
    ):
        yield f"shape {shape[:12]!r}", made(good.replace(b"(6,)", shape))
    for descr in (
        b"'M8[s/0]'",
        b"'<f9'",
        b"'f'",
        b"''",
        b"'<f4000000000000'",
        b"'<'",
        b"'>m'",
        b"'<M8[ns]'",
        b"'<M8'",
        b"5",
        b"None",
        b"[('a', '<f4')]",
        b"'\xff'",
        b"'<f\xb2'",
        b"'<f4 '",
        b"'<V4'",
        b"'<i\xd9\xa4'",
    ):
        yield f"descr {descr!r}", made(good.replace(b"'<f4'", descr))
        yield f"descr {descr!r} v3", made(good.replace(b"'<f4'", descr), version=3)
    for junk in (
        b"",
        b"{",
        b"{}",
        b"[]",
        b"{'descr': '<f4'}",
        b"\0" * 30,
        b"(" * 9000,
        b"-" * 9000 + b"1",
        b"{'shape': (6,), 'fortran_order': [], 'descr': '<f4'}",
        b"{1: 2, 'descr': '<f4', 'fortran_order': 1, 'shape': (6,)}",
        b"'x' " * 20,
    ):
        yield f"header {junk[:8]!r}", made(junk)
    yield "version 4", made(good, version=4)
    yield "version 0", made(good, version=0)
    for size in range(12):
        yield f"cut at {size}", made(good)[:size]
    yield "header size 2^32", b"\x93NUMPY\2\0\xff\xff\xff\xff" + good
    yield "a long header", made(good.rstrip() + b" " * 70_000 + b"\n", version=2)


@pytest.mark.parametrize(("label", "blob"), list(odd_npy()), ids=lambda v: v if isinstance(v, str) else "")
def test_odd_npy(label: str, blob: bytes, tmp_path: Path) -> None:
    for kind in (None, "weights"):
        with through(blob, tmp_path / "x.npy", kind=kind) as archive:
            for name in tensors(archive):
                archive[name]


# ---------------------------------------------------------------------- npz


def odd_npz() -> Iterator[tuple[str, bytes, int]]:
    x, y = weights(500), bfloat16(300).view("<u2")

    def made(method: int = zipfile.ZIP_STORED, **options: Any) -> bytes:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", method) as archive:
            archive.writestr("x.npy", npy(x))
            archive.writestr("dir/y.npy", npy(y))
        return file.getvalue()

    stored = made()
    yield "stored", stored, 2
    yield "deflated", made(zipfile.ZIP_DEFLATED), 0
    yield "bzip2", made(zipfile.ZIP_BZIP2), 0
    file = io.BytesIO()
    np.savez(file, x=x, y=y, s=np.array("text"), e=np.zeros((0, 3)))
    yield "savez", file.getvalue(), 3
    file = io.BytesIO()
    np.savez_compressed(file, x=x)
    yield "savez_compressed", file.getvalue(), 0
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.comment = b"a comment"
        archive.writestr("x.npy", npy(x))
        archive.writestr("readme.txt", b"text")
        info = zipfile.ZipInfo("extra.npy")
        info.extra = struct.pack("<HH4s", 0x9999, 4, b"abcd")
        info.comment = b"comment"
        archive.writestr(info, npy(y))
        archive.writestr("dir/", b"")
        archive.writestr("bad.npy", b"\x93NUMPY\1\0")
        archive.writestr("~/.npy", npy(x[:3]))
        archive.writestr(".npy", npy(x[:4]))
    yield "comments, extras, folders", file.getvalue(), 4
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive, archive.open("x.npy", "w", force_zip64=True) as member:
        member.write(npy(x))
    yield "zip64", file.getvalue(), 1

    class Unseekable(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def tell(self) -> int:
            raise OSError

        seek = tell  # type: ignore[assignment]

    streamed = Unseekable()
    with zipfile.ZipFile(streamed, "w") as archive:
        archive.writestr("x.npy", npy(x))
    yield "data descriptors", streamed.getvalue(), 1
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("x.npy", npy(x))
            archive.writestr("x.npy", npy(x * 2))
    yield "a name twice", file.getvalue(), -1
    yield "trailing bytes", stored + b"tail" * 10, -1
    yield "encrypted flag", stored.replace(b"PK\x01\x02\x14\x03\x14\0\0\0", b"PK\x01\x02\x14\x03\x14\0\1\0"), 0
    yield "prefix", b"PK\x03\x04" + stored, -1
    chance = random.Random(1)
    for k in range(25):
        damaged = bytearray(stored)
        for _ in range(3):
            damaged[chance.choice((chance.randrange(len(damaged)), len(damaged) - 1 - chance.randrange(150), chance.randrange(40)))] = (
                chance.randrange(256)
            )
        yield f"damaged {k}", bytes(damaged), -1
    for size in (3, 4, 30, 33, 34, 35, 1000, len(stored) - 1, len(stored) - 22, len(stored) - 100):
        yield f"cut at {size}", stored[:size], -1


@pytest.mark.parametrize(("label", "blob", "count"), list(odd_npz()), ids=lambda v: v if isinstance(v, str) else "")
def test_odd_npz(label: str, blob: bytes, count: int, tmp_path: Path) -> None:
    for kind in (None, "weights"):
        with through(blob, tmp_path / "x.npz", kind=kind) as archive:
            found = tensors(archive)
            assert count in (-1, len(found)), found
            for name in found:
                archive[name]


def test_npz_tensors_are_what_numpy_loads(tmp_path: Path) -> None:
    blob = npz()
    with through(blob, tmp_path / "x.npz") as archive, np.load(io.BytesIO(blob)) as loaded:
        assert same(archive["f/x"], loaded["x"])
    assert safetensors()


# ---------------------------------------------------------------------- any file


@pytest.mark.parametrize("level", LEVELS)
def test_any_bytes(level: str, tmp_path: Path) -> None:
    chance = random.Random(9)
    for content in (
        b"",
        b"\0",
        b"plain text\n" * 50,
        chance.randbytes(70_000),
        bytes(300_000),
        chance.randbytes(1 << 16) * 9,
        b"PK\x03\x04",
        b"\x93NUMPY",
        b"{}",
    ):
        with through(content, tmp_path / "file", level=level) as archive:
            assert archive.names() == ["f"]
