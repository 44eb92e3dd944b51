"""Caches out of an archive: whole, or a layer of a chunk."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

import laconic
from laconic.archive import ArchiveReader
from laconic.archive.checks import available_jobs
from laconic.codecs.kv import priors
from laconic.codecs.kv.profile import Profile
from laconic.kv.tensors import Array, Room, Shape, Tensors, library_tensor
from laconic.objects import parse_dtype


class KVReader:
    """A cache in an archive, open for reading. Made by `laconic.kv.open`; usable as a context manager."""

    def __init__(self, archive: ArchiveReader, name: str, library: str | None, jobs: int) -> None:
        if library not in (None, "numpy", "torch"):
            raise ValueError(f"library must be 'numpy' or 'torch', not {library!r}")
        self._archive, self._name, self._jobs = archive, name, jobs
        entry = archive.entry(name)
        if "kv" not in entry.meta:
            raise ValueError(f"the entry {name!r} is no KV cache")
        self.shape = Shape.from_meta(entry.meta["kv"], entry.size, f"entry {name!r}")
        self.lossy: dict[str, Any] | None = entry.meta.get("lossy")
        self.meta: dict[str, Any] = entry.meta.get("user", {})
        self._library = library or self.shape.library

    @property
    def layers(self) -> int:
        return self.shape.layers

    @property
    def tokens(self) -> int:
        return self.shape.tokens

    @property
    def batch(self) -> int:
        return self.shape.batch

    @property
    def chunks(self) -> int:
        return self.shape.chunks

    def read(self, layer: int, chunk: int, *, batch: int = 0) -> Any:
        """(keys, values) of one layer for the tokens of one chunk, each (tokens, heads, head size); the latents alone where there are
        no values. Reads and decodes only these segments. IndexError where there is no such layer or chunk."""
        arrays = tuple(self._array(layer, chunk, batch, part) for part in range(len(self.shape.parts)))
        tensors = tuple(library_tensor(a, p.dtype, self._library) for a, p in zip(arrays, self.shape.parts, strict=True))
        return tensors if len(tensors) == 2 else tensors[0]

    def _array(self, layer: int, chunk: int, batch: int, part: int) -> Array:
        shape = self.shape
        for what, value, count in (("layer", layer, shape.layers), ("chunk", chunk, shape.chunks), ("batch", batch, shape.batch)):
            if not 0 <= value < count:
                raise IndexError(f"{what} {value}: the cache has {count}")
        described = shape.parts[part]
        values = np.empty((shape.rows(chunk), described.heads, described.head), parse_dtype(described.dtype))
        self._archive.read_into(self._name, shape.start(batch, chunk, layer, part), values.reshape(-1).view(np.uint8))
        return values

    def load(self) -> Any:
        """The whole cache, in the form in which it was saved."""
        return self._filled().give(self._library)

    def tensors(self) -> Tensors:
        """The whole cache as `save` and `calibrate` take it, whatever library it came from."""
        arrays = self._filled().arrays
        return Tensors(self.shape, [[array.view(f"u{array.itemsize}") for array in part] for part in arrays])

    def _filled(self) -> Room:
        """The whole cache: segments by as many threads as the archive was opened with, where they may into their final memory."""
        shape, room = self.shape, Room.of(self.shape)

        def fill(segment: tuple[int, int, int, int]) -> None:
            batch, chunk, layer, part = segment
            wanted = room.arrays[part][layer][batch, chunk * shape.chunk :][: shape.rows(chunk)]
            rows = wanted if wanted.flags.c_contiguous else np.empty(wanted.shape, wanted.dtype)
            self._archive.read_into(self._name, shape.start(batch, chunk, layer, part), rows.reshape(-1).view(np.uint8))
            if rows is not wanted:
                wanted[...] = rows

        with ThreadPoolExecutor(self._jobs) as pool:
            for _ in map(fill, shape.segments()) if self._jobs == 1 else pool.map(fill, shape.segments()):
                pass
        return room

    def close(self) -> None:
        self._archive.close()

    def __enter__(self) -> KVReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open(
    file: Any, name: str = "kv", *, profile: Profile | str | os.PathLike[str] | None = None, library: str | None = None,
    jobs: int | None = None,
) -> KVReader:  # fmt: skip
    """Open the cache `name` in `file` (path, file object or bytes).

    `profile`: where the cache was saved with loss and without `embed`. `library`: "numpy" or "torch" tensors, else as they were saved.
    Raises CorruptDataError, UnsupportedError where a profile is missing, KeyError where there is no such entry.
    """
    if profile is not None:
        from laconic.kv.calibration import load_profile

        priors.register(profile if isinstance(profile, Profile) else load_profile(profile))
    archive = laconic.open(file, jobs=jobs)
    try:
        return KVReader(archive, name, library, available_jobs(jobs))
    except BaseException:
        archive.close()
        raise


def load(file: Any, name: str = "kv", **options: Any) -> Any:
    """The cache `name` in `file`, in the form in which it was saved: tensors, pair, list of layers or `DynamicCache`; options as in
    `laconic.kv.open`."""
    with open(file, name, **options) as reader:
        return reader.load()
