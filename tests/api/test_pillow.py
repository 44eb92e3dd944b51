"""Pillow images as objects: mode, pixels and palette come back."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import cbor2
import numpy as np
import pytest

import laconic
from laconic import CorruptDataError, UnsupportedError, pictures

Image = pytest.importorskip("PIL.Image")

MODES = sorted(pictures._MODES)


def image_of(mode: str, width: int = 70, height: int = 50, seed: int = 1) -> Any:
    rng = np.random.default_rng(seed)
    if mode == "1":
        return Image.fromarray(rng.integers(0, 2, (height, width), np.uint8) * 255).convert("1")
    dtype, channels = pictures._MODES[mode]
    return Image.frombytes(mode, (width, height), rng.bytes(width * height * channels * int(dtype[2])))


def same(a: Any, b: Any) -> bool:
    return (
        type(b) is Image.Image
        and (a.mode, a.size, a.tobytes()) == (b.mode, b.size, b.tobytes())
        and (a.palette and (a.palette.mode, a.getpalette(a.palette.mode))) == (b.palette and (b.palette.mode, b.getpalette(b.palette.mode)))
    )


@pytest.mark.parametrize("mode", MODES)
def test_modes(mode: str) -> None:
    image = image_of(mode)
    blob = laconic.encode(image, level="fast")
    assert same(image, laconic.decode(blob))
    with laconic.open(blob) as archive:
        assert archive.entry("").type == "image"
        assert archive.entry("").kind == ("weights" if mode in "IF" else "image")


@pytest.mark.parametrize("mode", ["P", "PA"])
@pytest.mark.parametrize(("palette_mode", "colours"), [("RGB", 256), ("RGB", 7), ("RGBA", 256)])
def test_palettes(mode: str, palette_mode: str, colours: int) -> None:
    image = image_of(mode)
    image.putpalette(
        bytes(range(256)) * 4 if colours == 256 and palette_mode == "RGBA" else bytes(range(3 * colours % 256 or 256)) * 3, palette_mode
    )
    image.info["transparency"] = b"\0\1\2"
    back = laconic.decode(laconic.encode(image))
    assert same(image, back)
    assert back.info == {"transparency": b"\0\1\2"}


def test_opened_files() -> None:
    file = io.BytesIO()
    image_of("RGB").save(file, "PNG", icc_profile=b"profile", transparency=(1, 2, 3), pnginfo=None)
    opened = Image.open(file)
    back = laconic.decode(laconic.encode({"list": [opened, 7]}))["list"]
    assert same(opened.copy(), back[0])
    assert back[0].info == {"transparency": (1, 2, 3), "icc_profile": b"profile"}


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (1, 1), (1200, 900)])
def test_sizes(size: tuple[int, int]) -> None:
    image = image_of("RGB", *size) if all(size) else Image.new("RGB", size)
    assert same(image, laconic.decode(laconic.encode(image, level="fast")))


def test_rows_are_an_array(tmp_path: Path) -> None:
    image = image_of("RGBA", 300, 400)
    with laconic.open(tmp_path / "a.lac", "w", level="fast") as archive:
        archive.add("x", image, meta={"from": "a test"})
    with laconic.open(tmp_path / "a.lac") as archive:
        assert np.array_equal(archive.read("x", 10, 20), np.asarray(image)[10:20])
        assert archive.entry("x").meta["from"] == "a test"


def test_what_does_not_come_back_is_refused() -> None:
    file = io.BytesIO()
    image_of("RGB").save(file, "PNG")
    with pytest.raises(ValueError, match="does not take"):
        laconic.encode(image_of("F"), kind="image")
    with pytest.raises(OSError, match="truncated"):
        laconic.encode(Image.open(io.BytesIO(file.getvalue()[:3000])))


@pytest.mark.parametrize(
    "meta",
    [None, 5, {}, {"mode": "L"}, {"mode": "XYZ"}, {"mode": 7}, {"mode": "I;16"}, {"mode": "RGB", "palette": b"123", "palette_mode": "RGB"},
     {"mode": "RGB", "info": 5}, {"mode": "RGBX"}, {"mode": []}],
)  # fmt: skip
def test_damaged_metadata(meta: Any) -> None:
    raw = bytes(12)
    with pytest.raises(CorruptDataError):
        pictures.put_together("x", "|u1", (2, 2, 3), raw, cbor2.loads(cbor2.dumps(meta)))


def test_without_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    blob = laconic.encode(image_of("RGB"))
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(UnsupportedError, match="Pillow is not installed"):
        laconic.decode(blob)
    with laconic.open(blob) as archive:
        assert archive.read("").shape == (50, 70, 3)


def test_pillow_is_not_imported() -> None:
    code = "import sys, laconic; laconic.encode(b'x'); assert 'PIL' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
