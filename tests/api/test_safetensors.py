"""`laconic.safetensors` against safetensors itself: the same tests run on both libraries, on plain and on compressed files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import laconic
import laconic.safetensors
import laconic.safetensors.numpy

st_library = pytest.importorskip("safetensors", minversion="0.8")
import safetensors.numpy  # noqa: E402

torch = pytest.importorskip("torch")
import safetensors.torch  # noqa: E402

import laconic.safetensors.torch  # noqa: E402

# (the library, its module for numpy, its module for torch, the suffix of files that it writes)
LIBRARIES = {
    "safetensors": (safetensors, safetensors.numpy, safetensors.torch, ".safetensors"),
    "laconic on plain files": (laconic.safetensors, laconic.safetensors.numpy, laconic.safetensors.torch, ".safetensors"),
    "laconic": (laconic.safetensors, laconic.safetensors.numpy, laconic.safetensors.torch, ".safetensors.lac"),
}
Library = tuple[ModuleType, ModuleType, ModuleType, str]


@pytest.fixture(params=LIBRARIES, ids=lambda name: name.replace(" ", "-"))
def library(request: pytest.FixtureRequest) -> Library:
    return LIBRARIES[request.param]  # type: ignore[return-value]


DTYPES = ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool", "complex64", "uint16", "uint32",
          "uint64", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu"]  # fmt: skip


def tensors() -> dict[str, Any]:
    generator = torch.Generator().manual_seed(3)
    found = {
        "x": torch.randn(300, 7, 11, generator=generator),
        "scalar": torch.tensor(5.0),
        "none": torch.zeros(0, 3),
        "a/b~": torch.arange(9),
    }
    for name in DTYPES:
        found[name] = torch.randint(0, 255, (6, 40), generator=generator, dtype=torch.uint8)
        if name == "bool":
            found[name] = found[name] > 100
        else:
            found[name] = found[name].view(getattr(torch, name))
    return found


def same(a: Any, b: Any) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and (not a.numel() or torch.equal(bits(a), bits(b)))


def bits(tensor: Any) -> Any:
    return tensor.reshape(-1).clone(memory_format=torch.contiguous_format).view(torch.uint8)


@pytest.fixture
def saved(library: Library, tmp_path: Path) -> Path:
    path = tmp_path / f"model{library[3]}"
    library[2].save_file(tensors(), path, metadata={"format": "pt", "é": "ü"})
    return path


# ---------------------------------------------------------------------- the contract


def test_reading(library: Library, saved: Path) -> None:
    wanted = tensors()
    with library[0].safe_open(saved, framework="pt") as file:
        assert file.keys() == sorted(wanted)
        assert sorted(file.offset_keys()) == sorted(wanted)
        assert file.metadata() == {"format": "pt", "é": "ü"}
        assert all(same(file.get_tensor(name), tensor) for name, tensor in wanted.items())
        found = file.get_tensors()
        assert list(found) == file.offset_keys()
        assert all(same(found[name], tensor) for name, tensor in wanted.items())
    assert all(same(tensor, wanted[name]) for name, tensor in library[2].load_file(saved).items())
    with library[0].safe_open(str(saved), "pt", "cpu", backend="pread") as file:
        assert same(file.get_tensor("x"), wanted["x"])


def test_the_order_of_the_file(saved: Path) -> None:
    with safetensors.safe_open(saved, "pt") if saved.suffix != ".lac" else laconic.safetensors.safe_open(saved, "pt") as file:
        order = file.offset_keys()
    data = safetensors.torch.save(tensors(), metadata={"format": "pt", "é": "ü"})
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    del header["__metadata__"]
    assert order == sorted(header, key=lambda name: header[name]["data_offsets"])


def test_numpy(library: Library, tmp_path: Path) -> None:
    wanted = {name: tensor.numpy() for name, tensor in tensors().items() if name != "bfloat16" and "float8" not in name}
    wanted["bfloat16"] = np.arange(12).astype(ml_dtypes.bfloat16).reshape(3, 4)
    wanted["big-endian"] = np.arange(5, dtype=">f4")
    wanted["not contiguous"] = np.arange(12.0).reshape(3, 4)[:, 1]
    path = tmp_path / f"model{library[3]}"
    library[1].save_file({name: array for name, array in wanted.items() if name != "not contiguous"}, path)
    found = library[1].load_file(path)
    with library[0].safe_open(path, framework="numpy") as file:
        assert file.metadata() is None
        for name in found:
            for array in (found[name], file.get_tensor(name)):
                assert array.dtype == wanted[name].dtype.newbyteorder("<")
                assert array.tobytes() == wanted[name].astype(array.dtype).tobytes()
    del wanted["big-endian"], wanted["bfloat16"]  # safetensors' `load` knows no bfloat16
    found = library[1].load(library[1].save({name: array for name, array in wanted.items() if name != "not contiguous"}, {"a": "b"}))
    assert all(found[name].tobytes() == wanted[name].tobytes() for name in found)


SLICES = {
    "a row": 3, "the last row": -1, "rows": slice(10, 100), "every third": slice(None, None, 3), "from the end": slice(-5, None),
    "past the end": slice(290, 1000), "none": slice(20, 20), "turned round": slice(9, 3), "all": ..., "nothing": (), "a column": (slice(None), 2),
    "inner": (..., 5), "row and columns": (7, slice(1, 4)), "deep": (7, 3, slice(2, 9, 2)), "one element": (7, 3, 2), "new axis": (None, 4),
    "ellipsis between": (4, ..., 2), "a list": [5, 3, 299], "a list and a slice": ([5, 3], slice(1, 3)), "two lists": ([5, 3], [0, 1]),
    "a row and a list": (5, [0, 3]), "negative list": [-1, 0], "a numpy integer": np.int64(4), "a new axis after": (3, None, slice(1, 2)),
}  # fmt: skip


@pytest.mark.parametrize("index", SLICES.values(), ids=SLICES)
def test_slices(library: Library, saved: Path, index: Any) -> None:
    with library[0].safe_open(saved, framework="pt") as file:
        part = file.get_slice("x")
        assert part.get_shape() == [300, 7, 11]
        assert part.get_dtype() == "F32"
        assert same(part[index], tensors()["x"][index])


def test_slices_by_tensors(library: Library, saved: Path) -> None:
    with library[0].safe_open(saved, framework="pt") as file:
        for index in (torch.tensor([5, 2]), torch.tensor(7), torch.tensor([[0, 1], [2, 3]]), (slice(2, 9), torch.tensor([1, 1]))):
            assert same(file.get_slice("x")[index], tensors()["x"][index])
        assert same(file.get_slice("x")[torch.arange(300) % 2 == 0], tensors()["x"][::2])
        assert same(file.get_slice("scalar")[...], tensors()["scalar"])
        assert same(file.get_slice("none")[:], tensors()["none"])


BASIC = ["a row", "the last row", "rows", "every third", "all", "nothing", "a column", "inner", "row and columns", "deep", "one element",
         "ellipsis between", "none"]  # fmt: skip


@pytest.mark.parametrize("label", BASIC)
def test_slices_of_numpy(library: Library, saved: Path, label: str) -> None:
    with library[0].safe_open(saved, framework="numpy") as file:
        found = file.get_slice("x")[SLICES[label]]
        assert np.array_equal(found, tensors()["x"].numpy()[SLICES[label]])


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_any_slice(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Random basic indexes of random shapes: what torch gives, from an archive."""
    shape = data.draw(st.lists(st.integers(0, 6), max_size=4))
    x = torch.arange(int(np.prod(shape, dtype=int)), dtype=torch.int16).reshape(shape)
    path = tmp_path_factory.getbasetemp() / "any.lac"
    laconic.safetensors.torch.save_file({"x": x}, path)
    sizes = [n for n in shape if n]
    index = tuple(
        data.draw(
            st.one_of(st.slices(n).filter(lambda s: s.step is None or s.step > 0), st.integers(-n, n - 1)) if n else st.just(slice(None))
        )
        for n in shape[: data.draw(st.integers(0, len(shape)))]
    )
    assert len(sizes) <= len(shape)
    with laconic.safetensors.safe_open(path, "pt") as file:
        assert same(file.get_slice("x")[index], x[index])


def test_errors(library: Library, saved: Path, tmp_path: Path) -> None:
    safe_open, error = library[0].safe_open, library[0].SafetensorError
    with safe_open(saved, framework="pt") as file:
        with pytest.raises(error, match="does not contain tensor zz"):
            file.get_tensor("zz")
        with pytest.raises(error, match="does not contain tensor zz"):
            file.get_slice("zz")
        part = file.get_slice("x")
        for index in (300, -301, (0, 7), (0, 0, 0, 0), [300], 1.5):
            with pytest.raises(IndexError):
                part[index]
        for index in (slice(None, None, -1), slice(None, None, 0)):
            with pytest.raises(ValueError, match="step"):
                part[index]
        with pytest.raises(IndexError):
            file.get_slice("scalar")[0]
    for use in (lambda: file.get_tensor("x"), file.keys, file.metadata, file.offset_keys, file.get_tensors):
        with pytest.raises(error, match="closed"):
            use()
    with safe_open(saved, framework="np") as file:
        for index in (300, (0, 0, 0, 0), (0, 7)):
            with pytest.raises(error):
                file.get_slice("x")[index]
    with pytest.raises(error, match="framework"):
        safe_open(saved, framework="fortran")
    with pytest.raises(error, match="backend"):
        safe_open(saved, framework="pt", backend="tape")
    with pytest.raises(error, match="device"):
        safe_open(saved, framework="pt", device="meta")
    with pytest.raises(FileNotFoundError, match="absent"):
        safe_open(tmp_path / "absent", framework="pt")
    with pytest.raises(TypeError):
        safe_open(saved)


def test_what_is_not_saved(library: Library, tmp_path: Path) -> None:
    path, x = tmp_path / f"model{library[3]}", torch.arange(24.0).reshape(4, 6)
    with pytest.raises(RuntimeError, match="share memory"):
        library[2].save_file({"a": x, "b": x[1:]}, path)
    with pytest.raises(ValueError, match="contiguous"):
        library[2].save_file({"a": x.t()}, path)
    with pytest.raises(ValueError, match="sparse"):
        library[2].save_file({"a": x.to_sparse()}, path)
    with pytest.raises(ValueError, match="invalid"):
        library[2].save_file({"a": 5}, path)
    with pytest.raises(ValueError, match="dict"):
        library[2].save_file([x], path)
    with pytest.raises(TypeError):
        library[2].save_file({"a": x}, path, metadata={"a": 1})
    for array in (np.array(["text"]), np.zeros(2, np.complex128), np.array([None])):
        with pytest.raises(library[0].SafetensorError, match="dtype"):
            library[1].save_file({"a": array}, path)
    assert not path.exists()
    library[2].save_file({"a": x[:2], "b": x[2:].clone()}, path)
    assert same(library[2].load_file(path)["a"], x[:2])


BAD = {
    "empty": b"", "short": b"1234567", "header too large": b"\xff" * 8 + b"{}", "longer than the file": b"\x40" + bytes(7) + b"{}",
    "no JSON": b"\x03" + bytes(7) + b"{a}", "a list": b"\x02" + bytes(7) + b"[]", "trailing byte": b"\x02" + bytes(7) + b"{}x",
}  # fmt: skip


def bad_files() -> Iterator[tuple[str, bytes]]:
    yield from BAD.items()

    def made(entries: dict[str, Any], size: int) -> bytes:
        text = json.dumps(entries).encode()
        return len(text).to_bytes(8, "little") + text + bytes(size)

    def t(start: int, stop: int, shape: Any, dtype: Any = "F32") -> dict[str, Any]:
        return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}

    yield "a hole", made({"a": t(0, 4, [1]), "b": t(8, 12, [1])}, 12)
    yield "an overlap", made({"a": t(0, 8, [2]), "b": t(4, 12, [2])}, 12)
    yield "a wrong shape", made({"a": t(0, 8, [3])}, 8)
    yield "a huge shape", made({"a": t(0, 8, [1 << 61, 1 << 61])}, 8)
    yield "no such dtype", made({"a": t(0, 8, [2], "F33")}, 8)
    yield "cut short", made({"a": t(0, 80, [20])}, 8)
    yield "negative", made({"a": t(0, 8, [-2])}, 8)
    yield "numbers in the metadata", made({"__metadata__": {"a": 1}, "a": t(0, 8, [2])}, 8)


@pytest.mark.parametrize(("label", "blob"), list(bad_files()), ids=lambda v: v if isinstance(v, str) else "")
def test_bad_files(library: Library, label: str, blob: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(blob)
    if library[3].endswith(".lac"):
        plain, path = path, tmp_path / "bad.lac"
        path.write_bytes(laconic.encode(plain))
    with pytest.raises(library[0].SafetensorError):
        library[0].safe_open(path, framework="np")


class Tied(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(10, 4)
        self.head = torch.nn.Linear(4, 10, bias=False)
        self.head.weight = self.embedding.weight
        self.other = torch.nn.Linear(4, 4)


def test_models(library: Library, tmp_path: Path) -> None:
    path = tmp_path / f"model{library[3]}"
    model, again = Tied(), Tied()
    library[2].save_model(model, path)
    assert library[2].load_model(again, path) == (set(), []) or library[2].load_model(again, path) == ([], [])
    assert all(same(tensor, again.state_dict()[name]) for name, tensor in model.state_dict().items())
    with pytest.raises(RuntimeError, match="Linear"):
        library[2].load_model(torch.nn.Linear(4, 4), path)


# ---------------------------------------------------------------------- ours alone


def test_the_same_plain_bytes(tmp_path: Path) -> None:
    for metadata in (None, {"format": "pt"}):
        for save, data in ((laconic.safetensors.torch.save_file, safetensors.torch.save(tensors(), metadata)),
                           (laconic.safetensors.numpy.save_file, None)):  # fmt: skip
            arrays = tensors() if data else {"b": np.zeros((2, 3), np.float16), "a": np.arange(4), "c": np.ones(3, np.float16)}
            save(arrays, tmp_path / "x.safetensors", metadata)
            assert (tmp_path / "x.safetensors").read_bytes() == (data or safetensors.numpy.save(arrays, metadata))
    x = tmp_path / "y.lac"
    laconic.safetensors.torch.save_file(tensors(), x)
    with laconic.open(x) as archive:
        assert archive["y"] == safetensors.torch.save(tensors())


def test_one_element_of_an_odd_stride(tmp_path: Path) -> None:
    x = torch.arange(4, dtype=torch.int16)[1:2:2]
    laconic.safetensors.torch.save_file({"x": x}, tmp_path / "x.lac")
    assert same(laconic.safetensors.torch.load_file(tmp_path / "x.lac")["x"], x)
    assert same(laconic.decode(laconic.encode(x)), x)


def test_a_slice_decodes_only_its_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "big.lac"
    x = torch.randn(4096, 1024)
    laconic.safetensors.torch.save_file({"x": x, "y": x + 1}, path, level="fast")
    from laconic.container.reader import Reader

    decoded: list[int] = []
    original = Reader._raw_frame

    def counted(self: Reader, stream: Any, i: int, *args: Any, **options: Any) -> Any:
        decoded.append(i)
        return original(self, stream, i, *args, **options)

    monkeypatch.setattr(Reader, "_raw_frame", counted)
    with laconic.safetensors.safe_open(path, "pt") as file:
        decoded.clear()
        assert same(file.get_slice("x")[2000:2041], x[2000:2041])
        assert len(decoded) <= 2
        decoded.clear()
        assert same(file.get_slice("y")[4095, 3:9], x[4095, 3:9] + 1)
        assert len(decoded) == 1


@pytest.fixture
def sharded(tmp_path: Path) -> Path:
    """A model folder of two shards with an index."""
    folder = tmp_path / "model"
    folder.mkdir()
    shards = {
        "model-00001-of-00002.safetensors": {"a": torch.arange(6.0), "b": torch.ones(2, 3)},
        "model-00002-of-00002.safetensors": {"c": torch.zeros(4)},
    }
    for name, held in shards.items():
        safetensors.torch.save_file(held, folder / name, metadata={"format": "pt"})
    weight_map = {tensor: name for name, held in shards.items() for tensor in held}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {"total_size": 64}, "weight_map": weight_map}))
    (folder / "config.json").write_text("{}")
    return folder


def encoded(folder: Path) -> Path:
    from laconic.cli import main

    with pytest.raises(SystemExit) as done:
        main(["encode", "-q", "-f", str(folder)])
    assert not done.value.code
    return folder.with_name("model.lac")


def test_a_sharded_model_by_name(sharded: Path) -> None:
    for path in (sharded, encoded(sharded)):
        with laconic.safetensors.safe_open(path, framework="pt") as file:
            assert file.keys() == ["a", "b", "c"]
            assert file.metadata() == {"format": "pt"}
            assert same(file.get_tensor("c"), torch.zeros(4))
            assert same(file.get_slice("b")[1, :2], torch.ones(2))
        assert set(laconic.safetensors.torch.load_file(path)) == {"a", "b", "c"}


@pytest.mark.parametrize("harm", ["missing", "damaged"])
def test_a_lost_shard(sharded: Path, harm: str) -> None:
    second = sharded / "model-00002-of-00002.safetensors"
    second.unlink() if harm == "missing" else second.write_bytes(second.read_bytes()[:-3])
    for path in (sharded, encoded(sharded)):
        with laconic.safetensors.safe_open(path, framework="pt") as file:
            assert same(file.get_tensor("a"), torch.arange(6.0))
            with pytest.raises(laconic.safetensors.SafetensorError, match="model-00002-of-00002"):
                file.get_tensor("c")
            with pytest.raises(laconic.safetensors.SafetensorError, match="does not contain"):
                file.get_tensor("d")


def test_damage_inside_an_archive(sharded: Path) -> None:
    """A flipped bit in one tensor's frame: that tensor is an error, the others are read."""
    archive = encoded(sharded)
    with laconic.open(archive) as found:
        entry = found._entry("model/model-00001-of-00002.safetensors/a")
        stream = entry[0].streams[entry[1].stream]
        at = (
            stream.offsets[stream.frames(entry[1].start, entry[1].start + 1)[0]]
            + stream.lengths[stream.frames(entry[1].start, entry[1].start + 1)[0]]
            - 1
        )
    blob = bytearray(archive.read_bytes())
    blob[at] ^= 1
    archive.write_bytes(blob)
    with laconic.safetensors.safe_open(archive, framework="pt") as file:
        assert same(file.get_tensor("c"), torch.zeros(4))
        with pytest.raises(laconic.CorruptDataError):
            file.get_tensor("a")


def test_archives_of_other_things(tmp_path: Path) -> None:
    path = tmp_path / "x.lac"
    path.write_bytes(laconic.encode(b"text"))
    with pytest.raises(laconic.safetensors.SafetensorError, match="no safetensors"):
        laconic.safetensors.safe_open(path, framework="np")
    with pytest.raises(laconic.safetensors.SafetensorError, match="no safetensors"):
        laconic.safetensors.safe_open(tmp_path / ".", framework="np") if not list(tmp_path.glob("*.safetensors")) else None


def test_nothing_heavy_is_imported() -> None:
    import subprocess
    import sys

    code = "import sys, laconic.safetensors, laconic.safetensors.numpy; assert not {'torch', 'transformers'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
