"""Model folders against other model folders: tensors found by name, shape and content; what happens when a base or a shard is not there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import laconic
from laconic.cli import main
from laconic.safetensors.numpy import save_file


def weights(seed: int, shape: tuple[int, ...] = (300, 400)) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).normal(0, 0.02, shape).astype(np.float32)


def model(folder: Path, shards: list[dict[str, Any]], config: dict[str, Any] | None = None) -> Path:
    folder.mkdir(parents=True)
    names = [f"model-{k + 1:05}-of-{len(shards):05}.safetensors" for k in range(len(shards))]
    for name, shard in zip(names, shards, strict=True):
        save_file(shard, folder / name, {"format": "pt"})
    weight_map = {tensor: name for name, shard in zip(names, shards, strict=True) for tensor in shard}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    (folder / "config.json").write_text(json.dumps(config or {"layers": len(weight_map), "text": "x" * 3000}))
    return folder


def run(*args: Any) -> int:
    with pytest.raises(SystemExit) as done:
        main([str(arg) for arg in args])
    return int(done.value.code or 0)


def encode(folder: Path, base: Path | None, out: Path) -> int:
    """Bytes of the archive, after a check that it gives the folder back."""
    given = ("--base", base) if base else ()
    assert run("encode", "-q", "-f", folder, "-o", out, *given) == 0
    back = out.with_suffix(".back")
    assert run("decode", "-q", out, "-o", back, *given) == 0
    for file in folder.iterdir():
        assert (back / folder.name / file.name).read_bytes() == file.read_bytes()
    shutil.rmtree(back)
    return out.stat().st_size


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return model(tmp_path / "old", [{"a": weights(1), "b": weights(2)}, {"c": weights(3)}])


def changed(array: np.ndarray[Any, Any], share: float = 0.02) -> np.ndarray[Any, Any]:
    """`array` with some values moved by one step."""
    bits = array.view(np.uint32).copy()
    return (bits + (np.random.default_rng(9).random(array.shape) < share)).astype(np.uint32).view(np.float32)


def test_a_folder_against_a_folder(old: Path, tmp_path: Path) -> None:
    new = model(tmp_path / "new", [{"a": changed(weights(1)), "b": weights(2)}, {"c": changed(weights(3))}])
    alone = encode(new, None, tmp_path / "alone.lac")
    assert encode(new, old, tmp_path / "delta.lac") < 0.05 * alone
    with laconic.open(tmp_path / "delta.lac", base=old) as archive:
        name = "new/model-00001-of-00002.safetensors/a"
        assert archive[name].tobytes() == changed(weights(1)).tobytes()
        assert archive.info(name)["bases"]
    with laconic.safetensors.safe_open(tmp_path / "delta.lac", framework="np", base=old) as file:
        assert file.get_tensor("c").tobytes() == changed(weights(3)).tobytes()
        assert file.get_slice("a")[7].tobytes() == changed(weights(1))[7].tobytes()


def test_an_archive_of_a_folder_as_base(old: Path, tmp_path: Path) -> None:
    new = model(tmp_path / "new", [{"a": changed(weights(1)), "b": weights(2)}, {"c": changed(weights(3))}])
    alone = encode(new, None, tmp_path / "alone.lac")
    encode(old, None, tmp_path / "old.lac")
    assert encode(new, tmp_path / "old.lac", tmp_path / "delta.lac") < 0.05 * alone
    # The delta was made against an archive; the folder itself holds the same tensors.
    assert run("decode", "-q", tmp_path / "delta.lac", "--base", old, "-o", tmp_path / "back") == 0
    third = model(tmp_path / "third", [{"a": changed(changed(weights(1))), "b": weights(2)}, {"c": weights(3)}])
    bases = ("--base", tmp_path / "delta.lac", "--base", tmp_path / "old.lac")
    assert run("encode", "-q", third, "-o", tmp_path / "third.lac", *bases) == 0
    assert (tmp_path / "third.lac").stat().st_size < 0.05 * alone
    assert run("decode", "-q", tmp_path / "third.lac", "-o", tmp_path / "back3", *bases) == 0
    assert (tmp_path / "back3" / "third" / "config.json").read_bytes() == (third / "config.json").read_bytes()


def test_shards_cut_differently(old: Path, tmp_path: Path) -> None:
    new = model(
        tmp_path / "new", [{"a": changed(weights(1))}, {"b": changed(weights(2))}, {"c": changed(weights(3)), "d": weights(4, (9, 9))}]
    )
    alone = encode(new, None, tmp_path / "alone.lac")
    assert encode(new, old, tmp_path / "delta.lac") < 0.06 * alone


def test_tensors_renamed(old: Path, tmp_path: Path) -> None:
    """Equal content under another name, in a file of another name."""
    new = tmp_path / "new"
    new.mkdir()
    save_file({"x": weights(1), "y": weights(2), "z": weights(5)}, new / "model.safetensors")
    alone = encode(new, None, tmp_path / "alone.lac")
    delta = encode(new, old, tmp_path / "delta.lac")
    assert delta < 0.36 * alone
    with laconic.open(tmp_path / "delta.lac", base=old) as archive:
        assert archive.info("new/model.safetensors/x")["bases"]
        assert not archive.info("new/model.safetensors/z")["bases"]


def test_other_shapes_and_dtypes_are_no_bases(old: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    new.mkdir()
    save_file({"a": weights(1).astype(np.float16), "b": weights(2).reshape(400, 300), "c": weights(3)[:200]}, new / "other.safetensors")
    encode(new, old, tmp_path / "delta.lac")
    with laconic.open(tmp_path / "delta.lac", base=old) as archive:
        assert not archive.info("new/other.safetensors/a")["bases"]
        assert archive.info("new/other.safetensors/b")["bases"]  # the same bytes in another shape
        assert not archive.info("new/other.safetensors/c")["bases"]


def test_a_file_against_a_folder(old: Path, tmp_path: Path) -> None:
    path = tmp_path / "model-00001-of-00002.safetensors"
    save_file({"a": changed(weights(1)), "b": weights(2)}, path, {"format": "pt"})
    blob = laconic.encode(path, base=old)
    assert len(blob) < 0.05 * path.stat().st_size
    assert laconic.decode(blob, base=old) == path.read_bytes()


def test_nested_and_odd_folders(tmp_path: Path) -> None:
    old = model(tmp_path / "old" / "deep" / "er", [{"a": weights(1)}]).parents[1]
    (old / "link").symlink_to("nowhere")
    (old / "empty").write_bytes(b"")
    new = model(tmp_path / "new" / "deep" / "er", [{"a": changed(weights(1))}]).parents[1]
    assert run("encode", "-q", new, "--base", old, "-o", tmp_path / "delta.lac") == 0
    assert (tmp_path / "delta.lac").stat().st_size < 0.1 * weights(1).nbytes
    assert run("encode", "-q", new, "--base", tmp_path / "old" / "deep", "-o", tmp_path / "delta2.lac") == 0
    for name, base in (("delta.lac", old), ("delta2.lac", tmp_path / "old" / "deep")):
        assert run("decode", "-q", tmp_path / name, "--base", base, "-o", tmp_path / f"{name}.back") == 0


# ---------------------------------------------------------------------- what goes wrong


@pytest.fixture
def delta(old: Path, tmp_path: Path) -> Path:
    new = model(tmp_path / "new", [{"a": changed(weights(1)), "b": weights(2)}, {"c": changed(weights(3)), "d": weights(8)}])
    encode(new, old, tmp_path / "delta.lac")
    return tmp_path / "delta.lac"


FIRST, SECOND = "new/model-00001-of-00002.safetensors", "new/model-00002-of-00002.safetensors"


def test_a_missing_base(delta: Path) -> None:
    with laconic.open(delta) as archive:
        with pytest.raises(laconic.MissingBaseError, match="content hash"):
            archive[f"{FIRST}/a"]
        assert archive[f"{SECOND}/d"].tobytes() == weights(8).tobytes()  # it has no base
    assert run("decode", "-q", delta, "-o", delta.with_suffix(".out")) != 0


def test_a_wrong_base(delta: Path, tmp_path: Path) -> None:
    wrong = model(tmp_path / "wrong", [{"a": weights(11), "b": weights(12)}, {"c": weights(13)}])
    with laconic.open(delta, base=wrong) as archive:
        with pytest.raises(laconic.MissingBaseError):
            archive[f"{FIRST}/a"]
        assert archive[f"{SECOND}/d"].tobytes() == weights(8).tobytes()


def test_a_base_without_a_shard(delta: Path, old: Path) -> None:
    (old / "model-00001-of-00002.safetensors").unlink()
    with laconic.open(delta, base=old) as archive:
        with pytest.raises(laconic.MissingBaseError):
            archive[f"{FIRST}/a"]
        assert archive[f"{SECOND}/c"].tobytes() == changed(weights(3)).tobytes()
    with laconic.safetensors.safe_open(delta, framework="np", base=old) as file:
        assert file.get_tensor("c").tobytes() == changed(weights(3)).tobytes()
        with pytest.raises((laconic.MissingBaseError, laconic.safetensors.SafetensorError)):
            file.get_tensor("b")


def test_a_damaged_base_folder(delta: Path, old: Path) -> None:
    """One byte of tensor a differs: it is not the base any more, by its hash; the other tensors still are."""
    path = old / "model-00001-of-00002.safetensors"
    blob = bytearray(path.read_bytes())
    blob[300] ^= 1
    path.write_bytes(blob)
    with laconic.open(delta, base=old) as archive:
        with pytest.raises(laconic.MissingBaseError):
            archive[f"{FIRST}/a"]
        assert archive[f"{FIRST}/b"].tobytes() == weights(2).tobytes()
        assert archive[f"{SECOND}/c"].tobytes() == changed(weights(3)).tobytes()


def test_a_base_that_changes_meanwhile(delta: Path, old: Path) -> None:
    path = old / "model-00001-of-00002.safetensors"
    with laconic.open(delta, base=old) as archive:
        blob = path.read_bytes()
        path.write_bytes(blob[:300] + bytes([blob[300] ^ 1]) + blob[301:])
        with pytest.raises(laconic.CorruptDataError):
            archive[f"{FIRST}/a"]
        path.write_bytes(blob[:2000])
        with pytest.raises(laconic.CorruptDataError, match="shorter"):
            archive[f"{FIRST}/b"]
        path.unlink()
        with pytest.raises(OSError):
            archive[f"{FIRST}/a"]
        assert archive[f"{SECOND}/c"].tobytes() == changed(weights(3)).tobytes()


def test_a_damaged_base_archive(old: Path, tmp_path: Path) -> None:
    new = model(tmp_path / "new", [{"a": changed(weights(1)), "b": weights(2)}, {"c": changed(weights(3))}])
    encode(old, None, tmp_path / "old.lac")
    encode(new, tmp_path / "old.lac", tmp_path / "delta.lac")
    with laconic.open(tmp_path / "old.lac") as archive:
        part, entry = archive._entry("old/model-00001-of-00002.safetensors/a")
        stream = part.streams[entry.stream]
        i = stream.frames(entry.start, entry.start + 1)[0]
        at = stream.offsets[i] + stream.lengths[i] - 9
    blob = bytearray((tmp_path / "old.lac").read_bytes())
    blob[at] ^= 4
    (tmp_path / "old.lac").write_bytes(blob)
    with laconic.open(tmp_path / "delta.lac", base=tmp_path / "old.lac") as archive:
        with pytest.raises(laconic.CorruptDataError, match=r"old\.lac"):
            archive[f"{FIRST}/a"]
        assert archive[f"{SECOND}/c"].tobytes() == changed(weights(3)).tobytes()
