"""GGUF, torch zips and files of unknown formats: identical bytes, tensors where there are any, and no crash on what only looks like them."""

from __future__ import annotations

import io
import pickle
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
from make import weights
from through import tensors, through

import laconic
from laconic import _core
from laconic.codecs.weights import codec, fields, generic, gguf, pickles

LEVELS = ("fast", "default", "high", "max")

# ---------------------------------------------------------------------- records of fields

LAYOUTS = {
    "Q8_0": gguf.BLOCKS[8].dtype, "Q4_K": gguf.BLOCKS[12].dtype, "IQ2_XXS": gguf.BLOCKS[16].dtype, "one": "[('a', '<f4')]",
    "big-endian": "[('a', '>f8'), ('b', '>i2', (3,))]", "nested": "[('a', [('x', '<f2'), ('y', '|u1')], (5,)), ('z', '<c8')]",
}  # fmt: skip


def layout(name: str) -> bytes:
    params = fields.layout_of(LAYOUTS[name], codec)
    assert params is not None
    return params


@given(st.sampled_from(list(LAYOUTS)), st.integers(0, 3000), st.integers(0, 1 << 20), st.booleans(), st.booleans())
@settings(max_examples=80, deadline=None)
def test_any_records(name: str, size: int, seed: int, with_base: bool, speed: bool) -> None:
    chance = np.random.default_rng(seed)
    raw = chance.integers(0, 1 + seed % 255, size, np.uint8).tobytes()
    base = bytes(b ^ (b % 3 == 0) for b in raw) if with_base else None
    payload = _core.encode_fields(raw, layout(name)[1:], base, speed)
    out = bytearray(size)
    _core.decode_fields(payload, out, layout(name)[1:], base)
    assert out == raw
    report = _core.inspect_fields(payload, size, layout(name)[1:])
    record = np.dtype(eval(LAYOUTS[name])).itemsize
    assert sum(n for field in report for _, n in field) == len(payload) - size % record


@pytest.mark.parametrize("level", LEVELS)
def test_records_are_smaller_by_field(level: str) -> None:
    blocks = np.zeros(20_000, eval(gguf.BLOCKS[8].dtype))
    chance = np.random.default_rng(1)
    blocks["d"] = chance.normal(0.01, 0.002, 20_000)
    blocks["qs"] = np.clip(chance.normal(0, 40, (20_000, 32)), -127, 127)
    raw = memoryview(blocks.tobytes())
    params = layout("Q8_0")
    payload = codec.encode(raw, params, level, None)
    assert payload is not None
    assert len(payload) < 0.94 * len(raw)
    out = memoryview(bytearray(len(raw)))
    codec.decode(memoryview(payload), params, 1, out, None)
    assert out == raw
    assert codec.info(memoryview(payload), params, 1, len(raw))["method"].startswith("fields B+")


def test_every_instruction_set_makes_the_same_bytes() -> None:
    raw, base = weights(30_000).tobytes(), weights(30_000, seed=2).tobytes()
    made = set()
    before = _core.active_isa()
    try:
        for isa in ("scalar", "avx2", "avx512"):
            try:
                _core.set_isa(isa)
            except ValueError:
                continue  # not on this machine
            for reference in (None, base):
                payload = _core.encode_fields(raw, layout("nested")[1:], reference, False)
                made.add((reference is None, payload))
                out = bytearray(len(raw))
                _core.decode_fields(payload, out, layout("nested")[1:], reference)
                assert out == raw
    finally:
        _core.set_isa(before)
    assert len(made) == 2


def test_damaged_records() -> None:
    """Every bit of a small payload flipped, and every truncation: an error or some data."""
    raw = np.random.default_rng(5).integers(0, 9, 34 * 40, np.uint8).tobytes()
    params = layout("Q8_0")[1:]
    good = _core.encode_fields(raw, params, None, False)
    out = bytearray(len(raw))
    for bit in range(8 * len(good)):
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        try:
            _core.decode_fields(bad, out, params, None)
        except laconic.CorruptDataError:
            pass
    for size in range(len(good)):
        with pytest.raises(laconic.CorruptDataError):
            _core.decode_fields(good[:size], out, params, None)
    for wanted in (0, 1, 33, 34, len(raw) - 34, len(raw) + 34, 1 << 20):
        try:
            _core.decode_fields(good, bytearray(wanted), params, None)
        except laconic.CorruptDataError:
            pass


@pytest.mark.parametrize("params", [
    b"", b"\x05", b"\x05\x00", b"\x05\x80", b"\x05\xff\xff\xff\x7f", b"\x7d\x01", b"\x03\xff\xff\x03", b"\x00\x01" * 65, b"\x08\x01", b"\x00\x80\x80\x80\x01",
])  # fmt: skip
def test_layouts_that_are_none(params: bytes) -> None:
    for call in (lambda: _core.encode_fields(b"abc", params, None, False), lambda: _core.decode_fields(b"abc", bytearray(8), params, None)):
        with pytest.raises(laconic.CorruptDataError):
            call()


@pytest.mark.parametrize("dtype", ["[", "[]", "[('a',)]", "[('a', 'O')]", "[('a', '<f4', (0,))]", "[('a', '<f4', (70000,))]", "[('a', '<f9')]", "5",
                                   "[" * 2000, str([("a", "<f4")] * 70), "[('a', [], (3,))]", "[('a', '<f4', -1)]", "[('a', '<f4', 1, 2, 3)]"])  # fmt: skip
def test_dtypes_without_fields(dtype: str) -> None:
    assert fields.layout_of(dtype, codec) is None


# ---------------------------------------------------------------------- GGUF


def text(value: str | bytes) -> bytes:
    raw = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<Q", len(raw)) + raw


def gguf_file(held: list[tuple[str, tuple[int, ...], int, int]], data: bytes, *, pairs: list[bytes] | None = None, alignment: int = 32,
              count: int | None = None, version: int = 3) -> bytes:  # fmt: skip
    """`held`: (name, dimensions with the fastest first, type, offset)."""
    pairs = [text("general.name") + struct.pack("<I", 8) + text("x")] if pairs is None else pairs
    head = b"GGUF" + struct.pack("<IQQ", version, len(held) if count is None else count, len(pairs)) + b"".join(pairs)
    for name, dims, kind, offset in held:
        head += text(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, offset)
    return head + bytes(-len(head) % alignment) + data


def quantised(kind: int, rows: int, columns: int, seed: int = 0) -> bytes:
    """Records of plausible content: small floats in "d" and the like, quants with a shape."""
    block = gguf.BLOCKS[kind]
    chance = np.random.default_rng(seed)
    count = rows * columns // block.values
    if not block.dtype.startswith("["):
        return weights(2 * rows * columns, "<f4", seed + 1).tobytes()[: count * block.size]
    array = np.zeros(count, eval(block.dtype))
    for name in array.dtype.names:
        if array[name].dtype.kind == "f":
            array[name] = chance.normal(0.01, 0.002, array[name].shape)
        else:
            info = np.iinfo(array[name].dtype)
            array[name] = np.clip(chance.normal(info.max / 2, info.max / 8, array[name].shape), info.min, info.max * 0.99).astype(
                array[name].dtype
            )
    return array.tobytes()


@pytest.mark.parametrize("kind", gguf.BLOCKS)
@pytest.mark.parametrize("level", LEVELS)
def test_gguf_of_every_block(kind: int, level: str, tmp_path: Path) -> None:
    rows, columns = (2, 512) if level == "max" else (20, 1024)
    data = quantised(kind, rows, columns)
    blob = gguf_file([("blk.0.w", (columns, rows), kind, 0)], data)
    with through(blob, tmp_path / "x.gguf", level=level) as archive:
        found = archive["f/blk.0.w"]
        block = gguf.BLOCKS[kind]
        assert found.shape == (rows, columns // block.values)
        assert found.tobytes() == data
        assert archive.read("f/blk.0.w", 1, 2).tobytes() == data[len(data) // rows : 2 * len(data) // rows]
        if level != "max" and block.dtype.startswith("["):
            assert any("fields" in method or "zstd" in method for method in archive.info("f/blk.0.w")["frames"])


def test_block_sizes_are_those_of_the_library() -> None:
    library = pytest.importorskip("gguf")
    for kind, (values, size) in library.GGML_QUANT_SIZES.items():
        assert (gguf.BLOCKS[int(kind)].values, gguf.BLOCKS[int(kind)].size) == (values, size), kind
        if gguf.BLOCKS[int(kind)].dtype.startswith("["):
            assert np.dtype(eval(gguf.BLOCKS[int(kind)].dtype)).itemsize == size


def test_files_of_the_library(tmp_path: Path) -> None:
    library = pytest.importorskip("gguf")
    path = tmp_path / "real.gguf"
    writer = library.GGUFWriter(path, "llama")
    writer.add_name("test")
    writer.add_array("tokenizer.ggml.tokens", [f"token {k}" for k in range(3000)])
    writer.add_array("tokenizer.ggml.scores", [float(k) for k in range(3000)])
    held = {f"blk.{k}.w": weights(64 * 96, seed=k + 1).reshape(64, 96) for k in range(4)}
    for name, array in held.items():
        writer.add_tensor(
            name, library.quants.quantize(array, library.GGMLQuantizationType.Q8_0), raw_dtype=library.GGMLQuantizationType.Q8_0
        )
    writer.add_tensor("norm", np.ones(64, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    read = library.GGUFReader(path)
    with through(path.read_bytes(), tmp_path / "x.gguf") as archive:
        assert len(tensors(archive)) == 5
        for tensor in read.tensors:
            assert archive[f"f/{tensor.name}"].tobytes() == tensor.data.tobytes()
        assert archive["f/blk.2.w"]["qs"].shape == (64, 3, 32)


def odd_gguf() -> Iterator[tuple[str, bytes, int]]:
    """(label, file, number of tensors that can be read; -1: any)"""
    q8 = quantised(8, 4, 64)
    one = [("a", (64, 4), 8, 0)]
    yield "plain", gguf_file(one, q8), 1
    yield "version 2", gguf_file(one, q8, version=2), 1
    yield "version 1", gguf_file(one, q8, version=1), 0
    yield "version 4", gguf_file(one, q8, version=4), 0
    yield "trailing bytes", gguf_file(one, q8 + b"tail"), 1
    yield "cut short", gguf_file(one, q8[:-1]), 0
    yield "unknown type", gguf_file([("a", (64, 4), 77, 0)], q8), 0
    yield "half a block", gguf_file([("a", (63, 4), 8, 0)], q8), 0
    yield "overlap", gguf_file([("a", (64, 4), 8, 0), ("b", (64, 2), 8, 34)], q8), 1
    yield "a name twice", gguf_file([("a", (64, 2), 8, 0), ("a", (64, 2), 8, 136)], q8), 1
    yield "unaligned", gguf_file([("a", (64, 2), 8, 7)], q8), 1
    yield "no dimensions", gguf_file([("a", (), 0, 0)], bytes(4)), 1
    yield "no tensors", gguf_file([], b""), 0
    yield "empty tensor", gguf_file([("a", (0, 4), 8, 0), ("b", (64, 4), 8, 0)], q8), 2
    yield "odd names", gguf_file([("", (64, 2), 8, 0), ("a/b~", (64, 2), 8, 136)], q8), 2
    yield "name of no text", gguf_file([], b"").replace(b"GGUF", b"GGUF") + b"\xff", 0
    for dims in ((1 << 62, 1 << 62), (1 << 63,), ((1 << 64) - 1, 2), (64, (1 << 64) - 1)):
        yield f"dimensions {dims[0]:x}", gguf_file([("a", dims, 8, 0)], q8), 0
    yield "offset 2^64 - 1", gguf_file([("a", (64, 4), 8, (1 << 64) - 1)], q8), 0
    for count in (2, 1000, 1 << 32, 1 << 63, (1 << 64) - 1):
        yield f"{count} tensors", gguf_file(one, q8, count=count), 0 if count > 2 else -1  # two can be made out of padding
    for value in (0, 1, 7, 31, 33, 1 << 20, (1 << 20) + 1, (1 << 32) - 1):
        pair = text("general.alignment") + struct.pack("<II", 4, value)
        yield f"alignment {value}", gguf_file(one, q8, pairs=[pair], alignment=value if 0 < value <= 64 else 32), -1
    nested = text("k") + struct.pack("<I", 9)
    for depth in (1, 3, 7, 8, 100):
        inner = struct.pack("<IQ", 9, 1) * depth + struct.pack("<IQ", 4, 1) + bytes(4)
        yield f"arrays {depth} deep", gguf_file(one, q8, pairs=[nested + inner]), 1 if depth < 8 else 0
    for kind, size in ((4, 1 << 40), (8, 1 << 40), (9, 1 << 40), (4, (1 << 64) - 1), (8, (1 << 64) - 1), (13, 1), (1 << 31, 5), (8, 3)):
        yield f"array of {size:x} of type {kind}", gguf_file(one, q8, pairs=[nested + struct.pack("<IQ", kind, size)]), -1
    yield "a string of 2^63", gguf_file(one, q8, pairs=[text("k") + struct.pack("<IQ", 8, 1 << 63)]), 0
    yield "a key of 2^63", gguf_file(one, q8, pairs=[struct.pack("<Q", 1 << 63)]), 0
    many = b"".join(text(f"token {k}") for k in range(5000))
    yield "a vocabulary", gguf_file(one, q8, pairs=[nested + struct.pack("<IQ", 8, 5000) + many]), 1
    big = gguf_file(one, q8)
    swapped = b"GGUF" + struct.pack(">IQQ", 3, 1, 0) + struct.pack(">Q", 1) + b"a" + struct.pack(">IQQIQ", 2, 64, 4, 8, 0)
    yield "big-endian", swapped + bytes(-len(swapped) % 32) + q8, 1
    for size in (0, 3, 4, 8, 15, 16, 24, 40, len(big) - len(q8) - 1, len(big) - len(q8)):
        yield f"cut at {size}", big[:size], -1
    chance = random.Random(7)
    head = len(big) - len(q8)
    for k in range(60):
        damaged = bytearray(big)
        for _ in range(3):
            damaged[chance.randrange(head)] = chance.choice((0, 1, 255, chance.randrange(256)))
        yield f"damaged {k}", bytes(damaged), -1


@pytest.mark.parametrize(("label", "blob", "count"), list(odd_gguf()), ids=lambda v: v if isinstance(v, str) else "")
def test_odd_gguf(label: str, blob: bytes, count: int, tmp_path: Path) -> None:
    for kind in (None, "weights"):
        with through(blob, tmp_path / "x.gguf", kind=kind) as archive:
            found = tensors(archive)
            assert count in (-1, len(found)), found
            for name in found:
                assert archive[name].nbytes == archive.entry(name).size


def test_a_long_vocabulary_is_quick(tmp_path: Path) -> None:
    """The header grows while it is read; what was read is not read again for each token."""
    import time

    tokens = b"".join(text(f"a longer token number {k}") for k in range(150_000))
    pair = text("tokens") + struct.pack("<IIQ", 9, 8, 150_000) + tokens
    path = tmp_path / "x.gguf"
    path.write_bytes(gguf_file([("a", (64, 4), 8, 0)], quantised(8, 4, 64), pairs=[pair]))
    start = time.process_time()
    blob = laconic.encode(path, level="fast", jobs=1)
    assert time.process_time() - start < 3
    with laconic.open(blob) as archive:
        assert "a" in archive


# ---------------------------------------------------------------------- torch zips

torch = pytest.importorskip("torch")


def saved(obj: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    torch.save(obj, file, **options)
    return file.getvalue()


def checkpoint() -> dict[str, Any]:
    torch.manual_seed(1)
    model = torch.nn.Sequential(torch.nn.Linear(300, 40), torch.nn.Embedding(50, 60))
    optimizer = torch.optim.AdamW(model.parameters())
    model[0](torch.ones(1, 300)).sum().backward()
    optimizer.step()
    return {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "step": 7,
        "list": [torch.arange(5), {"x": torch.ones(3).bfloat16()}],
    }


@pytest.mark.parametrize("level", LEVELS)
def test_torch_zip(level: str, tmp_path: Path) -> None:
    state = checkpoint()
    with through(saved(state), tmp_path / "x.pt", level=level) as archive:
        assert {"f/model.0.weight", "f/model.1.weight", "f/optimizer.state.0.exp_avg", "f/list.0", "f/list.1.x"} <= set(tensors(archive))
        assert archive["f/model.0.weight"].tobytes() == state["model"]["0.weight"].numpy().tobytes()
        assert archive["f/optimizer.state.1.exp_avg_sq"].shape == tuple(state["optimizer"]["state"][1]["exp_avg_sq"].shape)
        assert str(archive["f/list.1.x"].dtype) == "bfloat16"
        assert archive.entry("f").kind == "weights"


def test_torch_zip_of_views_and_dtypes(tmp_path: Path) -> None:
    whole = torch.arange(600, dtype=torch.float64)
    state = {
        "tied": whole, "again": whole, "transposed": torch.randn(20, 30).t(), "part": torch.arange(50.0)[10:20], "scalar": torch.tensor(3, dtype=torch.int8),
        "parameter": torch.nn.Parameter(torch.randn(8, 9).half()), "none": torch.zeros(0, 4), "halves": list(torch.arange(40).split(20)),
        "complex": torch.zeros(5, dtype=torch.complex64), "bool": torch.ones(9, dtype=torch.bool), "e4m3": torch.ones(7).to(torch.float8_e4m3fn),
        "u16": torch.arange(9).to(torch.uint16), 5: torch.ones(2), "a/b~": torch.ones(3), "long" * 3000: torch.ones(4), "deep": {"er": {"x": torch.ones(6)}},
    }  # fmt: skip
    with through(saved(state), tmp_path / "x.pt") as archive:
        found = {name.removeprefix("f/"): archive[name] for name in tensors(archive)}
        for name, wanted in (("tied", whole), ("parameter", state["parameter"].detach()), ("halves.1", torch.arange(20, 40)), ("5", torch.ones(2)),
                             ("a~1b~0", torch.ones(3)), ("deep.er.x", torch.ones(6)), ("bool", state["bool"]), ("u16", state["u16"])):  # fmt: skip
            assert found[name].tobytes() == wanted.numpy().tobytes(), name
        assert found["e4m3"].dtype.name == "float8_e4m3fn"
        assert found["scalar"].shape == ()
        assert sum(name.startswith("storage.") for name in found) == 2  # of the transposed tensor and of the part


def test_torch_zip_of_modules_and_scripts(tmp_path: Path) -> None:
    module = torch.nn.Sequential(torch.nn.Linear(40, 50), torch.nn.LayerNorm(50))
    with through(saved(module), tmp_path / "x.pt") as archive:
        assert any(archive[name].shape == (50, 40) for name in tensors(archive))
    file = io.BytesIO()
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(module), file)
    with through(file.getvalue(), tmp_path / "x.pt") as archive:
        assert any(archive[name].shape == (50, 40) for name in tensors(archive))
    with through(saved(checkpoint(), pickle_protocol=4), tmp_path / "x.pt") as archive:
        assert "f/model.0.weight" in archive
    with through(saved(checkpoint(), _use_new_zipfile_serialization=False), tmp_path / "x.pt") as archive:
        assert archive.names() == ["f"]


class Bomb:
    def __reduce__(self) -> Any:
        return exit, (33,)


def with_pickle(pickled: bytes) -> bytes:
    """A torch zip whose pickle is this."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(saved({"a": torch.arange(4000.0)}))) as old, zipfile.ZipFile(file, "w") as new:
        for member in old.infolist():
            new.writestr(member.filename, pickled if member.filename.endswith("data.pkl") else old.read(member))
    return file.getvalue()


def odd_pickles() -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(saved({"a": torch.arange(4000.0), "b": [torch.ones(3)]}))) as archive:
        good = archive.read(next(name for name in archive.namelist() if name.endswith("data.pkl")))
    yield "good", good
    for size in range(0, len(good), 7):
        yield f"cut at {size}", good[:size]
    chance = random.Random(3)
    for k in range(80):
        damaged = bytearray(good)
        for _ in range(2):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        yield f"damaged {k}", bytes(damaged)
    yield "one that would end this process", pickle.dumps({"x": Bomb()})
    yield "os.system", b"cos\nsystem\n(S'false'\ntR."
    yield "deep lists", b"(" * 100_000 + b"l" * 100_000 + b"."
    yield "deep dicts", b"\x80\x02" + b"}X\x01\x00\x00\x00a" * 50_000 + b"}" + b"s" * 50_000 + b"."
    yield (
        "a ball of memos",
        b"\x80\x02)q\x00" + b"".join(b"h" + bytes((k,)) + b"h" + bytes((k,)) + b"\x86q" + bytes((k + 1,)) for k in range(200)) + b".",
    )
    yield "a list in itself", b"\x80\x02]q\x00h\x00a."
    yield "a dict in itself", b"\x80\x02}q\x00X\x01\x00\x00\x00ah\x00s."
    yield "a text of 2^62", b"\x80\x04\x8d" + struct.pack("<Q", 1 << 62) + b"x."
    yield "bytes of 2^31", b"\x80\x03B" + struct.pack("<I", (1 << 31) - 1) + b"x."
    yield "a long of 2^31 - 1 bytes", b"\x80\x02\x8b" + struct.pack("<I", (1 << 31) - 1) + b"x."
    yield "a decimal of 10^6 digits", b"L" + b"9" * 1_000_000 + b"L\n."
    yield "negative sizes", good.replace(b"M\xa0\x0f", b"J\xff\xff\xff\xff")
    yield "an infinite memo", b"\x80\x04" + b"N\x94" * 100_000 + b"."
    yield "pops", b"\x80\x020." + b"0" * 100
    yield "no stop", b"\x80\x02N"
    yield "nothing", b""


@pytest.mark.parametrize(("label", "pickled"), list(odd_pickles()), ids=lambda v: v if isinstance(v, str) else "")
def test_odd_pickles(label: str, pickled: bytes, tmp_path: Path) -> None:
    pickles.tensors(pickled)
    with through(with_pickle(pickled), tmp_path / "x.pt") as archive:
        for name in tensors(archive):
            archive[name]


def test_pickles_are_never_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """No import and no call of anything that a pickle names."""
    import builtins

    imported: list[str] = []
    monkeypatch.setattr(
        builtins,
        "__import__",
        lambda name, *args, real=builtins.__import__, **options: (imported.append(name), real(name, *args, **options))[1],
    )
    assert pickles.tensors(b"cantigravity\nnothing\n(tR.") == []
    assert pickles.tensors(b"\x80\x04\x8c\x0bantigravity\x8c\x07nothing\x93)R.") == []
    assert "antigravity" not in imported


def odd_zips() -> Iterator[tuple[str, bytes]]:
    good = saved(checkpoint())
    chance = random.Random(4)
    end = good.rindex(b"PK\x05\x06")
    for k in range(80):
        damaged = bytearray(good)
        for _ in range(3):
            at = chance.choice((chance.randrange(len(good)), chance.randrange(end - 1500, len(good)), chance.randrange(80)))
            damaged[at] = chance.randrange(256)
        yield f"damaged {k}", bytes(damaged)
    for size in (0, 30, 64, 1000, len(good) // 2, end, len(good) - 1):
        yield f"cut at {size}", good[:size]
    yield "twice", good + good
    yield "before", b"PK\x03\x04" + good


@pytest.mark.parametrize(("label", "blob"), list(odd_zips()), ids=lambda v: v if isinstance(v, str) else "")
def test_odd_torch_zips(label: str, blob: bytes, tmp_path: Path) -> None:
    for kind in (None, "weights"):
        with through(blob, tmp_path / "x.pt", kind=kind) as archive:
            for name in tensors(archive):
                archive[name]


# ---------------------------------------------------------------------- any other file


@pytest.mark.parametrize(("dtype", "found"), [
    ("<f4", (4, 1, False)), (">f4", (4, 1, True)), ("<f2", (2, 1, False)), ("<f8", (8, 4, False)), (">f8", (8, 4, True)), (">f2", (2, 1, True)),
])  # fmt: skip
@pytest.mark.parametrize("phase", range(8))
def test_floats_are_found(dtype: str, found: tuple[int, int, bool], phase: int) -> None:
    data = np.random.default_rng(2).normal(0, 0.02, 4096).astype(dtype).tobytes()
    width = found[0]
    assert _core.detect_elements(data[(8 - phase) % width :]) == (*found, phase % width)


def test_what_is_no_floats() -> None:
    chance = random.Random(1)
    for data in (b"", b"x" * 8192, chance.randbytes(8192), b"The quick brown fox jumps over the lazy dog. " * 300, bytes(8192), bytes(range(256)) * 32,
                 "ünïcödé ".encode("utf-16") * 900, chance.randbytes(100), Path(__file__).read_bytes()[:8192]):  # fmt: skip
        assert _core.detect_elements(data) is None


@pytest.mark.parametrize("level", ["fast", "default"])
def test_a_mixed_file(level: str, tmp_path: Path) -> None:
    chance = np.random.default_rng(4)
    parts = [b"\x89HDF\r\n\x1a\n" + b"header " * 3000, chance.normal(0, 1, 200_000).astype("<f4").tobytes(), b"text " * 8001, b"x",
             chance.normal(0, 0.1, 300_000).astype("<f2").tobytes(), chance.bytes(70_000), chance.normal(0, 1, 50_000).tobytes()]  # fmt: skip
    blob = b"".join(parts)
    with through(blob, tmp_path / "x.h5", level=level) as archive:
        assert archive.entry("f").kind == "weights"
    path = tmp_path / "x.h5"
    assert len(laconic.encode(path, level=level)) < 0.95 * len(laconic.encode(path, kind="bytes", level=level))


def test_a_file_without_floats_is_bytes(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + b"nothing but text " * 10_000)
    with laconic.open(laconic.encode(path)) as archive:
        assert archive.entry("").kind == "bytes"
    assert generic.sniff(b"\x08\x07\x12\x07pytorch", None) == 0


@given(
    st.lists(st.tuples(st.sampled_from(["f2", "f4", "f8", "text", "noise", "zero"]), st.integers(0, 90_000)), max_size=5),
    st.integers(0, 99),
)
@settings(max_examples=25, deadline=None)
def test_any_mix(tmp_path_factory: pytest.TempPathFactory, parts: list[tuple[str, int]], seed: int) -> None:
    chance = np.random.default_rng(seed)
    blob = b"".join(
        chance.bytes(n) if kind == "noise" else bytes(n) if kind == "zero" else (b"some text " * n)[:n] if kind == "text" else chance.normal(0, 1, n // 8 + 1).astype(kind).tobytes()[:n]
        for kind, n in parts
    )  # fmt: skip
    path = tmp_path_factory.getbasetemp() / "mix"
    path.write_bytes(blob)
    made = {laconic.encode(path, kind="weights", jobs=jobs) for jobs in (1, 2)}
    assert len(made) == 1
    assert laconic.decode(made.pop()) == blob
