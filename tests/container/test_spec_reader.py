"""docs/format.md is enough to write a reader: spec_reader.py is one, and finds in every archive what laconic finds."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import re
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import laconic
from laconic.archive import ArchiveWriter
from laconic.container.sink import FileSink

_spec = importlib.util.spec_from_file_location("laconic_spec_reader", Path(__file__).parent / "spec_reader.py")
assert _spec is not None
assert _spec.loader is not None
spec_reader = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = spec_reader
_spec.loader.exec_module(spec_reader)

GOLDEN = Path(__file__).parent.parent / "golden"
# Payloads whose coding the reader leaves to the codecs' own tests; of such frames it checks all but the raw bytes.
BEYOND = re.compile(r"(audio|checkpoint|image|kv|logs)$|(bytes|weights), (method|version) [2-9]$")
WAYS: list[Callable[..., dict[str, Any]]] = [spec_reader.read, spec_reader.read_forward]


def agree(data: bytes, base: bytes | None = None, *, singles: bool = False) -> dict[str, Any]:
    """Both ways of reading give what laconic gives; returns the entries. Where there are SINGLE parts, not all are found by index."""
    with laconic.open(data, base=base) as archive:
        expected = {name: archive.entry(name) for name in archive.names()}
        raws = {name: b"".join(archive.raw_range(name, 0, entry.size)) if entry.size else b"" for name, entry in expected.items()}
    entries: dict[str, Any] = {}
    for way in WAYS:
        entries = way(data, [way(base)] if base is not None else [])
        assert list(entries) == list(expected)
        for name, entry in entries.items():
            told = expected[name]
            indexed = way is spec_reader.read and not (singles or data[10] & spec_reader.SINGLE)
            fields = ("type", "kind", "dtype", "shape", "size", "base")
            assert [getattr(entry, k) for k in fields] == [getattr(told, k) for k in fields], name
            assert entry.meta == (told.meta or {})
            assert entry.hash or not entry.size or not indexed
            assert entry.hash == told.hash or (not entry.hash and not indexed)
            if isinstance(entry.refused, spec_reader.UnknownError) and BEYOND.match(str(entry.refused)):
                continue
            if isinstance(entry.refused, spec_reader.BaseError) and entry.kind == "checkpoint":
                continue  # its base is of the same kind
            assert entry.refused is None, name
            assert entry.raw == raws[name], name
    return entries


def codings(data: bytes) -> set[tuple[str, int, bytes, bool]]:
    """(codec, method, parameters, whether there is a base) of the frames."""
    seen = set()
    original = spec_reader.Archive.raw

    def raw(self: Any, frame: Any) -> bytes:
        seen.add((frame.codec, frame.payload[0] if frame.payload else 0, frame.params, frame.base is not None))
        return bytes(original(self, frame))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spec_reader.Archive, "raw", raw)
        spec_reader.read(data)
    return seen


def archive_of(entries: dict[str, Any], **options: Any) -> bytes:
    file = io.BytesIO()
    with laconic.open(file, "w", jobs=1, **options) as archive:
        for name, value in entries.items():
            archive.add(name, value)
    return file.getvalue()


def append(data: bytes, entries: dict[str, Any], **options: Any) -> bytes:
    file = io.BytesIO(data)
    with laconic.open(file, "a", jobs=1, **options) as archive:
        for name, value in entries.items():
            archive.add(name, value)
    return file.getvalue()


def bell(n: int, dtype: str, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).normal(size=n).astype(dtype)


def noise(n: int, seed: int = 0) -> bytes:
    return np.random.default_rng(seed).bytes(n)


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.lac")), ids=lambda path: path.stem)
def test_golden(path: Path) -> None:
    base = (GOLDEN / "base.lac").read_bytes() if path.stem.endswith("delta") else None
    agree(path.read_bytes(), base)


def test_missing_base_refuses_only_what_needs_it() -> None:
    for way in WAYS:
        entries = way((GOLDEN / "delta.lac").read_bytes())
        assert {type(entry.refused) for entry in entries.values()} == {spec_reader.BaseError}


# Element formats


def numbers() -> dict[str, np.ndarray[Any, Any]]:
    import ml_dtypes

    found = {dtype: bell(3000, dtype) for dtype in ("<f2", "<f4", "<f8", ">f2", ">f4", ">f8", "<c8", "<c16")}
    for dtype in ("|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", ">i2", ">i4", ">i8", ">u2", ">u4", ">u8"):
        found[dtype] = (bell(3000, "<f8") * 9 + 60).astype(dtype)
    found["|b1"] = bell(3000, "<f4") > 1
    for name in spec_reader.DTYPES[14:30]:
        found[name] = np.abs(bell(3000, "<f4")).astype(getattr(ml_dtypes, name))
    found["time"] = np.arange(1500).astype("<M8[ns]")
    found["big time"] = np.arange(1500).astype(">m8[s]")
    found["text"] = np.array(["ab", "cde", ""] * 50)
    found["pairs"] = np.array([(1, 2.5), (3, np.nan)] * 40, [("n", "<i4"), ("x", ">f4")])
    return found


def changed(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A few bits of a few elements flipped, signs too."""
    raw = bytearray(x.tobytes())
    width = x.dtype.itemsize if x.dtype.byteorder != ">" else -x.dtype.itemsize
    low = 0 if width > 0 else -width - 1
    for at in range(0, len(raw), 17 * abs(width)):
        raw[at + low] ^= 3
    raw[abs(width) - 1 - low] ^= 128
    return np.frombuffer(bytes(raw), x.dtype).reshape(x.shape)


@pytest.mark.parametrize("level", ["fast", "default", "max"])
def test_element_formats(level: str) -> None:
    data = archive_of(numbers(), level=level)
    agree(data)
    params = {coding[2] for coding in codings(data) if coding[0] == "weights"}
    assert {b"\x00", b"\x01", b"\x02", b"\x03", b"\x05", b"\x06", b"\x13", b"\x81", b"\x82", b"\x83", b"\x85", b"\x86", b"\x93"} <= params


def test_element_formats_with_a_base() -> None:
    made = numbers()
    base = archive_of(made)
    data = archive_of({name: changed(x) for name, x in made.items()}, base=base)
    agree(data, base)
    params = {coding[2] for coding in codings(data) if coding[0] == "weights" and coding[3]}
    assert {b"\x00", b"\x01", b"\x02", b"\x03", b"\x05", b"\x06", b"\x13", b"\x81", b"\x82", b"\x83", b"\x85", b"\x86", b"\x93"} <= params


def test_chunks_frames_and_methods() -> None:
    made = {
        "two chunks": bell(200_000, "<f2"),
        "one and a half": bell(196_607, "<f2", 1),
        "bytes": bell(140_000, "<f2", 2).view(np.uint8)[::2].copy(),
        "frames": (np.arange(600_000) % 1000).astype("<u2"),
        "one": np.float32(1.5),
        "none": np.zeros((0, 3), "<f4"),
        "constant": np.zeros(100_000, "<f4"),
        "rare": np.where(bell(9000, "<f4") > 2.4, 7, 0).astype("<i4"),
        "repeated": np.tile(bell(500, "<f8"), 40),
        "pruned": np.where(np.arange(9000) % 90 < 60, 0, bell(9000, "<f4")),
        "few": np.round(bell(9000, "<f8") * 50) / 7,
        "many": bell(2000, "<f4")[np.random.default_rng(0).integers(0, 2000, 9000)],
        "small": (bell(9000, "<f8") * 50).astype(">i8"),
        "steps": np.cumsum(np.arange(9000) % 7),
    }
    data = archive_of(made)
    agree(data)
    assert {method for codec, method, *_ in codings(data) if codec == "weights"} == {2, 3, 5, 6}


def test_base_ranges() -> None:
    made = {"w": bell(600_000, "<f2"), "text": b"".join(b"line %d of the base\n" % (k * k) for k in range(4000))}
    base = archive_of(made, level="fast")  # text as zstd frames, which the other reader knows
    near = made["w"].copy()
    near[::1000] *= 2
    grown = {"w": np.concatenate([near, near[:1000]]), "text": made["text"][:9000] + b"inserted" + made["text"][9000:], "odd": b"x" * 99}
    agree(archive_of({**grown, "w": near}, base=base, level="fast"), base)
    agree(archive_of(grown, base=base, level="fast"), base)


# Objects


def objects() -> Iterator[Any]:
    yield from (b"", b"a", bytearray(noise(40)), memoryview(b"abc" * 50), memoryview(np.arange(6.0).reshape(2, 3)))
    yield from (
        [None, True, 3, -(2**62), 1.5, float("nan"), "text", "é" * 40_000, [], ()],
        [],
        (),
        {},
        [1, [2, (3,)]],
        OrderedDict(a=1),
        {1: "int", "1": "text", "": "none"},
    )
    yield from (np.float64(2), np.datetime64(5, "ns"), np.array(5), np.zeros((2, 0, 3)), np.str_("ab"))
    yield {"a/b~": {"~e": b"1", "": {"": b"2"}}, "x": [b"", np.arange(9), {"k": noise(300)}]}
    yield from tensors()


def tensors() -> Iterator[Any]:
    try:
        import torch
    except ImportError:  # an extra
        return
    for dtype in (torch.bfloat16, torch.float16, torch.float64, torch.complex32, torch.complex64, torch.bool, torch.uint8, torch.int64):
        yield torch.arange(60).reshape(3, 20).to(dtype)
    yield {"model": {f"layer.{k}.w": torch.randn(40, 50).to(torch.float8_e4m3fn) for k in range(5)}}


def test_objects() -> None:
    for number, value in enumerate(objects()):
        assert agree(laconic.encode(value, jobs=1)), number
    agree(archive_of({f"n{number}": [value] for number, value in enumerate(objects())}))


# Files, folders, pipes


def safetensors() -> bytes:
    header, parts, at = {}, [], 0
    widths = {
        "F64": 8,
        "F32": 4,
        "F16": 2,
        "BF16": 2,
        "I64": 8,
        "I32": 4,
        "I16": 2,
        "I8": 1,
        "U8": 1,
        "BOOL": 1,
        "F8_E4M3": 1,
        "F8_E5M2": 1,
    }
    for number, (dtype, width) in enumerate(widths.items()):
        n = 24 * (number + 1)
        content = b"\0\1" * (n // 2) if dtype == "BOOL" else noise(n * width, number)
        header[f"{dtype.lower()}/{number}"] = {"dtype": dtype, "shape": [n // 4, 4], "data_offsets": [at, at + len(content)]}
        parts.append(content)
        at += len(content)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + b"".join(parts)


def command(*args: str) -> None:
    subprocess.run([sys.executable, "-m", "laconic", *args], check=True)


def test_files_and_folders(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "empty folder").mkdir(parents=True)
    (root / "deep" / "er").mkdir(parents=True)
    (root / "model.safetensors").write_bytes(safetensors())
    (root / "short.safetensors").write_bytes(safetensors()[:-1001])
    (root / "again.safetensors").write_bytes(safetensors())
    np.save(root / "deep" / "x.npy", bell(5000, "<f4").reshape(50, 100))
    np.save(root / "deep" / "big.npy", bell(500, ">f8"))
    np.savez(root / "deep" / "er" / "z.npz", a=bell(900, "<f8"), b=np.arange(100))
    np.savez_compressed(root / "deep" / "er" / "packed.npz", a=bell(900, "<f8"))
    (root / "notes.txt").write_bytes(b"some notes\n" * 500)
    (root / "empty").write_bytes(b"")
    (root / "noise").write_bytes(noise(9000))
    (root / "link").symlink_to("notes.txt")
    Path(os.fsdecode(bytes(root) + b"/name\xff\xfe")).write_bytes(b"odd name")
    out = tmp_path / "root.lac"
    command("encode", str(root), "-o", str(out), "-q")
    entries = agree(out.read_bytes())
    assert {entry.type for entry in entries.values()} == {"dir", "file", "symlink", "tensor"}
    assert entries["root/model.safetensors"].raw == safetensors()
    assert entries["root/short.safetensors"].raw == safetensors()[:-1001]


def test_folder_with_a_base(tmp_path: Path) -> None:
    root, out, again = tmp_path / "root", tmp_path / "root.lac", tmp_path / "again.lac"
    root.mkdir()
    (root / "notes").write_bytes(b"some notes\n" * 500)
    (root / "model.safetensors").write_bytes(safetensors())
    command("encode", str(root), "-o", str(out), "-q")
    changed = bytearray(safetensors())
    tensors = 8 + int.from_bytes(changed[:8], "little")
    changed[tensors::20] = b"?" * len(changed[tensors::20])
    (root / "notes").write_bytes(b"some notes\n" * 300 + b"other notes\n" * 300)
    (root / "model.safetensors").write_bytes(changed)
    command("encode", str(root), "-o", str(again), "-q", "--base", str(out))
    entries = agree(again.read_bytes(), out.read_bytes())
    assert entries["root/model.safetensors"].raw == changed
    assert any(coding[3] for coding in codings(again.read_bytes()))


def unchanged() -> tuple[bytes, bytes, dict[str, bytes]]:
    """An archive that is equal to its base, the base, and what both hold."""
    made = {"text": b"".join(b"line %d\n" % (k * k) for k in range(500)), "w": bell(3000, "<f4").tobytes()}
    base = archive_of(made, level="fast")
    file = io.BytesIO()
    with ArchiveWriter(FileSink(file), jobs=1, level="fast", base=base) as archive:
        for name, content in made.items():
            archive.add_pipe(io.BytesIO(content), name)
    return file.getvalue(), base, made


@pytest.mark.parametrize("way", WAYS)
def test_unchanged_entries(way: Callable[..., dict[str, Any]]) -> None:
    data, base, made = unchanged()
    assert {name: entry.raw for name, entry in way(data, [way(base)]).items()} == made


def test_bases_in_the_same_file() -> None:
    """An archive behind its base holds all that it needs."""
    base, delta = ((GOLDEN / f"{name}.lac").read_bytes() for name in ("base", "delta"))
    alone = agree(delta, base)
    assert {name: entry.raw for name, entry in agree(base + delta).items()} == {name: entry.raw for name, entry in alone.items()}


def test_unchanged_entries_in_laconic() -> None:
    data, base, _ = unchanged()
    agree(data, base)


@pytest.mark.parametrize(
    "content", [b"", b"short", b"line\n" * 9000, noise(5000), safetensors()], ids=["empty", "short", "text", "noise", "tensors"]
)
def test_pipes(content: bytes) -> None:
    file = io.BytesIO()
    with ArchiveWriter(FileSink(file), jobs=1, level="fast") as archive:
        archive.add_pipe(io.BytesIO(content), "piped", meta={"mode": 0o600, "note": [1, 2.5, {"k": b"v"}, None]})
        archive.add("after", [content, 5])
    entries = agree(file.getvalue())
    assert entries["piped"].raw == content


# Parts


def test_appends() -> None:
    x, text = bell(4000, "<f4"), noise(30_000)
    data = archive_of({"x": x, "small": b"small", "text": text})
    for k in range(9):
        data = append(data, {f"step{k}": {"loss": k / 7, "w": bell(50, "<f2", k), "old": x, "same": b"small"}, f"text{k}": text})
        agree(data)
    entries = agree(data)
    assert entries["text8"].raw == text


def test_concatenation() -> None:
    a = archive_of({"a": bell(500, "<f4"), "list": [noise(50, 1), noise(50, 2)], "same": b"a" * 99})
    b = archive_of({"b": bell(500, "<f4", 1), "list": [noise(50, 3), noise(50, 4)], "again": bell(500, "<f4", 1), "same": b"b" * 99})
    one, two = laconic.encode(b"one" * 50), laconic.encode(bell(100, "<f4"))
    for parts in ([a, b], [b, a], [a, a], [one, two], [a, one], [one, a], [a, one, b], [one, a, two, b]):
        joined, singles = b"".join(parts), one in parts or two in parts
        agree(joined, singles=singles)
        grown = append(joined, {"c": bell(500, "<f4"), "d": [noise(50, 1), 5]})
        agree(grown, singles=singles)
        agree(grown + joined, singles=singles)
        agree(append(grown + joined, {"e": bell(500, "<f4", 1)}), singles=singles)


def test_many_entries() -> None:
    agree(archive_of({f"e{k}": {"w": bell(10, "<f4", k), "n": k, "raw": noise(k % 70, k)} for k in range(300)}))


@pytest.mark.parametrize("name", ["appended", "pack-dict", "delta", "single-f64-big", "tree"])
def test_damage_is_noticed(name: str) -> None:
    whole = (GOLDEN / f"{name}.lac").read_bytes()
    bases = [[], [spec_reader.read((GOLDEN / "base.lac").read_bytes())]][name == "delta"]
    for way in WAYS:
        expected = {entry: (found.type, found.raw) for entry, found in way(whole, bases).items()}
        for at in range(WAYS.index(way), len(whole), max(7, len(whole) // 24)):  # each is decoded by slow Python
            data = whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :]
            try:
                entries = way(data, bases)
            except (spec_reader.DamageError, spec_reader.UnknownError):
                continue
            if all(found.refused is None for found in entries.values()):
                assert {entry: (found.type, found.raw) for entry, found in entries.items()} == expected, at
