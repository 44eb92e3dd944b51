"""Image files byte for byte, whatever they hold beside pixels; their pixels as arrays."""

from __future__ import annotations

import io
import struct
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image_files import KEPT, PLAIN, PNG, bmp, drawing, picture, png_of, pnm, small, tiff

import laconic
from laconic import CorruptDataError
from laconic.codecs.image import codec
from laconic.container import View
from laconic.container.source import BufferSource, PipeSource


def there_and_back(folder: Path, raw: bytes, level: str = "fast") -> tuple[dict[str, object], dict[str, int]]:
    """What lies in the archive below the file, and how many frames there are of each method."""
    path = folder / "x"
    path.write_bytes(raw)
    with laconic.open(folder / "a.lac", "w", level=level) as archive:
        archive.add("x", path)
    with laconic.open(folder / "a.lac") as archive:
        assert archive["x"] == raw
        return {name[2:]: archive[name] for name in archive.names() if name != "x"}, archive.info("x")["frames"]


@pytest.mark.parametrize("level", ["fast", "default"])
@pytest.mark.parametrize("name", PLAIN)
def test_plain_files(name: str, level: str, tmp_path: Path) -> None:
    raw = PLAIN[name]()
    assert codec.sniff(raw[:65536], len(raw)) > 0.9
    found, _ = there_and_back(tmp_path, raw, level)
    assert ("pixels" in found) is (name not in ("pbm", "bmp", "bmp8"))


@pytest.mark.parametrize("level", ["fast", "default"])
@pytest.mark.parametrize("name", PNG)
def test_png_files(name: str, level: str, tmp_path: Path) -> None:
    raw = PNG[name]()
    assert codec.sniff(raw[:65536], len(raw)) > 0.9
    payload = codec.encode(memoryview(raw), b"\1", level, None)
    assert payload is not None
    assert codec.info(memoryview(payload), b"\1", 1, len(raw))["method"] == "png"
    there_and_back(tmp_path, raw, level)


@pytest.mark.parametrize("name", KEPT)
def test_other_png_files_are_kept(name: str, tmp_path: Path) -> None:
    raw = KEPT[name]()
    assert codec.encode(memoryview(raw), b"\1", "fast", None) is None
    _, frames = there_and_back(tmp_path, raw)
    assert "png" not in frames


def test_pngs_shrink(tmp_path: Path) -> None:
    raw = png_of(picture(150, 200).astype(np.uint8))
    path = tmp_path / "x.png"
    path.write_bytes(raw)
    assert len(laconic.encode(path)) < 0.9 * len(raw)


def test_pixels_are_an_array(tmp_path: Path) -> None:
    z = small(3, "u2")
    found, frames = there_and_back(tmp_path, pnm(z))
    assert found["pixels"].dtype == np.dtype(">u2")
    assert np.array_equal(found["pixels"], z)
    assert any("fast" in name for name in frames)
    assert np.array_equal(there_and_back(tmp_path, bmp(small(4)))[0]["pixels"][::-1], small(4))
    pages = there_and_back(tmp_path, tiff(small(), strips=2, gap=3))[0]
    assert np.array_equal(np.concatenate([pages["pixels"], pages["pixels1"]]), small())


def test_large_files_stream(tmp_path: Path) -> None:
    z = np.tile(picture(300, 500).astype(np.uint8), (20, 3, 1))
    raw = pnm(z)
    pieces = [item for item in codec.layout(BufferSource(raw)) if not isinstance(item, View)]
    assert pieces[1].unit == 4500
    there_and_back(tmp_path, raw)
    with laconic.open(tmp_path / "a.lac") as archive:
        assert sum(archive.info("x")["frames"].values()) > 5
        assert np.array_equal(archive.read("x/pixels", 5000, 5003), z[5000:5003])


@pytest.mark.parametrize("name", [*PLAIN, *PNG])
def test_pipes(name: str) -> None:
    raw = (PLAIN | PNG)[name]()
    source, out = PipeSource(io.BytesIO(raw)), b""
    try:
        for item in codec.layout(source):
            if not isinstance(item, View):
                out += bytes(source.take(item.size if item.size is not None else len(raw)))
    except ValueError:
        assert not out
    assert out + bytes(source.take(len(raw))) == raw


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(sorted(PLAIN)), data=st.data())
def test_damaged_headers(name: str, data: st.DataObject) -> None:
    raw = bytearray(PLAIN[name]())
    spots = [*range(min(60, len(raw))), *range(max(0, len(raw) - 200), len(raw))]
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.sampled_from(spots))] = data.draw(st.integers(0, 255))
    del raw[data.draw(st.integers(len(raw) // 2, len(raw))) :]
    try:
        items = list(codec.layout(BufferSource(bytes(raw))))
    except ValueError:
        return
    pieces = [item for item in items if not isinstance(item, View)]
    assert all(piece.size is not None and piece.size >= 0 for piece in pieces)
    assert sum(piece.size or 0 for piece in pieces) <= len(raw)


@pytest.mark.parametrize("name", ["rgb", "text", "bilevel", "rle"])
def test_damaged_png_payloads(name: str) -> None:
    raw = PNG[name]()
    payload = codec.encode(memoryview(raw), b"\1", "fast", None)
    assert payload is not None
    rng = np.random.default_rng(0)
    for position in [*range(min(len(payload), 250)), *rng.integers(0, len(payload), 100)]:
        damaged, out = bytearray(payload), bytearray(len(raw))
        damaged[position] ^= 1 << int(rng.integers(8))
        try:
            codec.decode(memoryview(damaged), b"\1", 1, memoryview(out), None)
        except CorruptDataError:
            continue
    for end in [*range(min(len(payload), 100)), *rng.integers(0, len(payload), 60)]:
        with pytest.raises(CorruptDataError):
            codec.decode(memoryview(payload)[: int(end)], b"\1", 1, memoryview(bytearray(len(raw))), None)
    for size in (0, 1, 100, len(raw) - 1, len(raw) + 1):
        with pytest.raises(CorruptDataError):
            codec.decode(memoryview(payload), b"\1", 1, memoryview(bytearray(size)), None)


def test_a_png_that_inflates_to_far_more_is_kept() -> None:
    raw = png_of(np.zeros((3000, 1000, 1), np.uint8), filters=1)
    assert codec.encode(memoryview(raw), b"\1", "fast", None) is None


def test_a_tiff_of_endless_directories_is_none() -> None:
    size, pages = 786_426, 1000  # of a directory with 65,535 fields
    raw = bytearray(b"II*\0\x08\0\0\0" + b"\xff" * (size + 4 * pages))
    for page in range(pages):
        raw[8 + 4 * page + size - 4 : 8 + 4 * page + size] = struct.pack("<I", 12 + 4 * page)
    before = time.process_time()
    with pytest.raises(ValueError, match="TIFF"):
        list(codec.layout(BufferSource(memoryview(bytes(raw)))))
    assert time.process_time() - before < 2


def test_pillow_agrees(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    for mode, z in (
        ("RGB", picture(90, 70).astype(np.uint8)),
        ("L", picture(90, 70, 1)[..., 0].astype(np.uint8)),
        ("RGBA", drawing(90, 70, 4)),
    ):
        for kind in ("ppm", "bmp", "tiff", "png"):
            if kind == "ppm" and mode == "RGBA":
                continue
            path = tmp_path / f"{mode}.{kind}"
            image.fromarray(z, mode).save(path)
            found, _ = there_and_back(tmp_path, path.read_bytes())
            if kind in ("ppm", "tiff"):
                assert np.array_equal(found["pixels"], z)
