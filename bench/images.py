"""Kind ``images``: pictures as pixels, by class. Each file is decoded once; what is measured is the pixels, for us and the peers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.codec import Codec
from bench.measure import Row
from bench.peers.image import AVIF, QOI, JpegLs, JpegXl, LaconicPixels, Png, WebP, pixel_file
from bench.suite import Case, Options, run_files, unpacked

# Classes: their folders below images/, and whether their pictures were made from YCC (a lattice of colours).
SETS = {
    "photos (PhotoCD)": "kodak", "photos (JPEG)": "cbsd68", "photos": "mcmaster", "gray": "bsd68", "16-bit": "dicom", "screens": "screen",
    "renders": "cg", "textures": "tex", "alpha": "rgba",
}  # fmt: skip
MOST_FILES = 2  # of each class: the strong peers take seconds a picture


def run(options: Options) -> list[Row]:
    """One set per class."""
    ours = [LaconicPixels(level) for level in options.levels]
    peers: list[Codec] = [JpegXl("1"), QOI(), WebP("4"), Png()]
    if not options.quick:
        peers += [JpegXl("3"), JpegXl("7"), JpegLs(), AVIF()]
    return run_files("images", _cases(options), [*ours, *peers], options)


def examples(folder: Path) -> list[Path]:
    """A picture with smooth shades, edges and a little texture, 640x480 RGB, as a PPM file."""
    y, x = np.mgrid[0:480, 0:640]
    rings = np.floor(100 * np.cos((x - 320) ** 2 / 9000 + (y - 240) ** 2 / 7000) + 110)
    grain = (x * 7919 + y * 104729) % 31 // 8
    planes = [rings * (3 + k) / 5 + (x + k * y) // 16 + grain for k in range(3)]
    pixels = np.clip(np.stack(planes, axis=2), 0, 255).astype(np.uint8)
    path = folder / "rings.ppm"
    path.write_bytes(b"P6 640 480 255\n" + pixels.tobytes())
    return [path]


def _cases(options: Options) -> Iterator[Case]:
    from PIL import Image

    if options.data is None:
        raise SystemExit("images: --data DIR is needed")
    folder = options.data / "images" if (options.data / "images").is_dir() else options.data
    for name, place in SETS.items():
        paths = [p for p in sorted((folder / place).glob("*")) if p.suffix in (".png", ".xz", ".tif")]
        for path in paths[: 1 if options.quick else MOST_FILES]:
            plain = unpacked(path, options.scratch)
            with Image.open(plain) as image:
                pixels = np.array(image)
            if pixels.dtype == np.int32:  # Pillow's form of 16-bit gray
                pixels = pixels.astype(np.uint16)
            if math.prod(pixels.shape):
                yield Case(name, plain.name, pixel_file(pixels, options.scratch / f"{place}-{plain.stem}"))
