"""A cache into an archive, segment by segment."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import xxhash

import laconic
from laconic.archive import ArchiveWriter
from laconic.archive.checks import available_jobs
from laconic.codecs.kv import priors
from laconic.codecs.kv.codec import GROUPS, KVCodec
from laconic.codecs.kv.profile import Profile
from laconic.codecs.kv.segment import Coarse, Segment, element_of
from laconic.container.codec import Piece
from laconic.kv.tensors import Shape, Tensors, see

CHUNK = 256  # tokens
PROFILES = "kv-profiles"  # profiles that an archive brings along are entries PROFILES/<hash>


def save(
    cache: Any, file: Any, layout: str | None = None, *, name: str = "kv", chunk: int = CHUNK, level: str = "default",
    profile: Profile | str | os.PathLike[str] | None = None, embed: bool = True, sinks: int = 4, recent: int = 128, position: int = 0,
    meta: dict[str, Any] | None = None, append: bool = False, jobs: int | None = None,
) -> None:  # fmt: skip
    """Write a KV cache to `file` (a path or binary file object) as the entry `name`.

    `cache`, as numpy arrays or torch tensors of bf16, fp16, fp32 or fp8:
      - a tensor of keys and values, its axes named by `layout`: "L2THD", "2LTD", ... (L layers, 2 keys and values, B batch, T tokens,
        H heads, D head size; all but T and D may be missing; without 2 it holds one latent for each layer, as in MLA);
      - (keys, values), `layout` without 2: "LBHTD", "LTHD", ...;
      - a list of (keys, values), one for each layer, `layout` without L and 2: "BHTD", "THD", ...;
      - a transformers `DynamicCache`, or a `KVReader` (no layout).

    `load` gives back the same form with the same bits. Tokens are cut into chunks of `chunk`, which is what can be read alone, layer by
    layer. `append` adds to an archive that exists.

    **With loss**, only if `profile` is given (a `Profile`, or the path of one that `calibrate` made for this model): keys and values are
    quantised, except for the first `sinks` and the last `recent` tokens, which stay exact. The entry's metadata says so (`lossy`).
    `embed` puts the profile into the archive; without it, whoever loads must have it. `position` is the position of the first token,
    which RoPE needs where the cache does not begin at 0. fp8 can't be quantised further.

    Raises TypeError and ValueError for what is no such cache, or holds values that are not finite where a profile is given.
    """
    tensors = see(cache, layout, chunk, position)
    found = _profile_for(tensors.shape, profile) if profile is not None else None
    details: dict[str, Any] = {"kv": tensors.shape.to_meta()} | ({"user": meta} if meta else {})
    if found is not None:
        if sinks < 0 or recent < 0:
            raise ValueError("sinks and recent must not be negative")
        details["lossy"] = {"profile": found.hash.hex(), "sinks": sinks, "recent": recent}
    jobs = available_jobs(jobs)
    with laconic.open(file, "a" if append else "w", level=level, jobs=jobs) as archive:
        if found is not None and embed:
            _embed(archive, found)
        coarse = _Coarse(found, tensors.shape, sinks, recent, level) if found is not None else None
        source = _SegmentSource(tensors, coarse, jobs)
        try:
            archive.add_stream(name, source, source.pieces(), coarse or KVCodec(), meta=details)
        finally:
            source.close()


def _profile_for(shape: Shape, profile: Profile | str | os.PathLike[str]) -> Profile:
    from laconic.kv.calibration import load_profile

    found = profile if isinstance(profile, Profile) else load_profile(profile)
    if len(found.sets) != 2 * shape.layers:
        raise ValueError(f"the profile is for {len(found.sets) // 2} layers, the cache has {shape.layers}")
    for number, part in enumerate(shape.parts):
        if element_of(part.dtype) == 0:
            raise ValueError(f"{part.dtype} can't be quantised further; save it without a profile")
        if any(len(found.sets[2 * layer + number].mean) != part.channels for layer in range(shape.layers)):
            raise ValueError(f"the profile is not for {part.channels} channels")
    priors.register(found)
    return found


def _embed(archive: ArchiveWriter, profile: Profile) -> None:
    name = f"{PROFILES}/{profile.hash.hex()}"
    if name not in archive:
        archive.add(name, profile.to_bytes(), level="max")


class _Coarse(KVCodec):  # type: ignore[misc]  # mypy sees no codecs from here
    """Quantises segments before they are written. What is written as raw bytes, and checked as such by readers, is the reconstruction;
    its payload, made with it, waits here until the writer asks for it."""

    def __init__(self, profile: Profile, shape: Shape, sinks: int, recent: int, level: str) -> None:
        self._profile, self._shape, self._sinks, self._recent, self._groups = profile, shape, sinks, recent, GROUPS[level]
        self._payloads: dict[tuple[bytes, bytes], bytes] = {}

    def params_of(self, chunk: int, layer: int, part: int) -> Coarse:
        return Coarse(self._profile.hash, 2 * layer + part, self._shape.position + chunk * self._shape.chunk)

    def project(self, raw: memoryview, segment: Segment, chunk: int) -> memoryview:
        """What the segment will decode to."""
        assert segment.coarse is not None
        shape, rows = self._shape, self._shape.rows(chunk)
        start = chunk * shape.chunk
        first = min(rows, max(0, self._sinks - (shape.position + start)))
        last = min(rows - first, max(0, start + rows - max(0, shape.tokens - self._recent)))
        out = bytearray(len(raw))
        payload = self._profile.quantiser(segment.coarse.set, segment.channels).encode(
            raw, segment.element, segment.coarse.position, first, last, self._groups, self._profile.tables, out
        )
        self._payloads[segment.pack(), xxhash.xxh3_128_digest(out)] = payload
        return memoryview(out)

    def encode(self, raw: memoryview, params: bytes, level: str, base: memoryview | None) -> bytes | None:
        return self._payloads[params, xxhash.xxh3_128_digest(raw)]


class _SegmentSource:
    """Segments as the writer takes them, made ready by `jobs` threads."""

    def __init__(self, tensors: Tensors, coarse: _Coarse | None, jobs: int) -> None:
        self.size: int | None = tensors.shape.size
        self._tensors, self._coarse, self._jobs = tensors, coarse, jobs
        self._pool = ThreadPoolExecutor(jobs) if coarse is not None and jobs > 1 else None
        self._ready = self._segments()

    def _segment(self, chunk: int, layer: int, part: int) -> Segment:
        described = self._tensors.shape.parts[part]
        element = element_of(described.dtype)
        assert element is not None
        coarse = self._coarse.params_of(chunk, layer, part) if self._coarse is not None else None
        return Segment(element, described.channels, coarse)

    def pieces(self) -> Iterator[Piece]:
        shape = self._tensors.shape
        for _, chunk, layer, part in shape.segments():
            segment = self._segment(chunk, layer, part)
            row = shape.parts[part].row_bytes
            yield Piece(shape.rows(chunk) * row, segment.pack(), unit=row)

    def _make(self, batch: int, chunk: int, layer: int, part: int) -> memoryview:
        raw = self._tensors.segment(batch, chunk, layer, part)
        return raw if self._coarse is None else self._coarse.project(raw, self._segment(chunk, layer, part), chunk)

    def _segments(self) -> Iterator[memoryview]:
        waiting: deque[Future[memoryview]] = deque()
        for where in self._tensors.shape.segments():
            if self._pool is None:
                yield self._make(*where)
                continue
            waiting.append(self._pool.submit(self._make, *where))
            if len(waiting) > 2 * self._jobs:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def take(self, size: int) -> memoryview:
        raw = next(self._ready, memoryview(b""))
        assert len(raw) in (0, size)
        return raw

    def head(self, size: int) -> bytes:
        raise OSError("a cache has no head")

    def read_at(self, start: int, size: int) -> bytes:
        raise OSError("a cache is taken in order")

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
