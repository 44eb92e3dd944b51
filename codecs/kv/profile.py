"""What quantised segments are decoded with: steps, transforms and static tables for each layer's keys and values. FORMAT.md, "Profile"."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import xxhash

from laconic import _core
from laconic.codecs.kv.segment import MAX_CHANNELS
from laconic.container.varint import Cursor, put_uvarint
from laconic.errors import CorruptDataError

MAGIC = b"\x8aLAC KV profile\n\x01"
ALPHABET = 256
ESCAPE = 255
MAX_TABLES = 256
MAX_SETS = 1 << 14

Array = np.ndarray[Any, Any]


def content_hash(data: bytes) -> bytes:
    return xxhash.xxh3_128(data).digest()


@dataclass(frozen=True, slots=True)
class Set:
    """One layer's keys or values. `mean` (channels,), `step` (channels,) float32; `basis` (channels, block) float16, `basis[k, j]`
    component k's share of channel j of its block of channels, or block 0: components are channels; `table_of` (channels,) uint8."""

    mean: Array
    step: Array
    basis: Array
    table_of: Array

    @property
    def block(self) -> int:
        return int(self.basis.shape[1])


@dataclass(frozen=True)
class Rotation:
    """RoPE: radians a token by which each pair of a head's channels turns, float64; which channels pair up."""

    frequencies: Array = field(default_factory=lambda: np.zeros(0))
    head: int = 0
    neighbours: bool = False  # (2i, 2i + 1), as in Llama's first code and GPT-J; else (i, i + pairs), as in transformers


@dataclass(frozen=True, eq=False)
class Profile:
    """`sets[2 * layer]` for keys, `[2 * layer + 1]` for values; `frequencies` (tables, 256) uint16 with the sum 2**precision a row."""

    sets: tuple[Set, ...]
    frequencies: Array
    precision: int
    rotation: Rotation = field(default_factory=Rotation)
    _quantisers: dict[int, _core.KVQuantiser] = field(default_factory=dict, repr=False)
    _lock: Any = field(default_factory=threading.Lock, repr=False)

    @cached_property
    def hash(self) -> bytes:
        return content_hash(self.to_bytes())

    @cached_property
    def tables(self) -> _core.ContextTables8:
        return _core.ContextTables8(self.frequencies, self.precision, ESCAPE)

    def quantiser(self, number: int, channels: int) -> _core.KVQuantiser:
        """The kernel for one set; CorruptDataError if there is none for so many channels."""
        if number >= len(self.sets) or len(self.sets[number].mean) != channels:
            raise CorruptDataError(f"the KV profile has no set {number} of {channels} channels")
        with self._lock:
            if number not in self._quantisers:
                self._quantisers[number] = self._make(number)
            return self._quantisers[number]

    def _make(self, number: int) -> _core.KVQuantiser:
        found, rotation = self.sets[number], self.rotation if number % 2 == 0 else Rotation()
        return _core.KVQuantiser(
            len(found.mean), found.mean, found.step, found.block, found.basis.astype(np.float32), found.table_of,
            rotation.head, rotation.frequencies, rotation.neighbours,
        )  # fmt: skip

    def to_bytes(self) -> bytes:
        out = bytearray(MAGIC)
        out.append(self.precision)
        put_uvarint(out, len(self.frequencies))
        out += np.ascontiguousarray(self.frequencies, "<u2").tobytes()
        put_uvarint(out, self.rotation.head)
        out.append(self.rotation.neighbours)
        put_uvarint(out, len(self.rotation.frequencies))
        out += np.ascontiguousarray(self.rotation.frequencies, "<f8").tobytes()
        put_uvarint(out, len(self.sets))
        for found in self.sets:
            put_uvarint(out, len(found.mean))
            put_uvarint(out, found.block)
            for values, dtype in ((found.mean, "<f4"), (found.step, "<f4"), (found.basis, "<f2"), (found.table_of, "|u1")):
                out += np.ascontiguousarray(values, dtype).tobytes()
        return bytes(out)

    @classmethod
    def from_bytes(cls, data: bytes | memoryview) -> Profile:
        """CorruptDataError unless `data` is what `to_bytes` gives."""
        cursor = Cursor(data, "the KV profile")

        def array(dtype: str, *shape: int) -> Array:
            size = int(np.dtype(dtype).itemsize * np.prod(shape, dtype=object))
            return np.frombuffer(cursor.take(size), dtype).reshape(shape)

        if len(data) < len(MAGIC) or bytes(cursor.take(len(MAGIC))) != MAGIC:
            raise CorruptDataError("these bytes are no KV profile")
        precision, count = cursor.u8(), cursor.uvarint()
        if not 10 <= precision <= 12 or not 0 < count <= MAX_TABLES:
            raise CorruptDataError("the KV profile has no such tables")
        frequencies = array("<u2", count, ALPHABET)
        head, neighbours = cursor.uvarint(), cursor.u8()
        rotation = Rotation(array("<f8", cursor.uvarint()), head, bool(neighbours))
        sets = []
        number = cursor.uvarint()
        if number > MAX_SETS or neighbours > 1 or head > MAX_CHANNELS:
            raise CorruptDataError(f"a KV profile of {number} sets")
        for _ in range(number):
            channels, block = cursor.uvarint(), cursor.uvarint()
            if not 0 < channels <= MAX_CHANNELS or block > channels or (block and channels % block):
                raise CorruptDataError(f"the KV profile has a set of {channels} channels in blocks of {block}")
            found = Set(array("<f4", channels), array("<f4", channels), array("<f2", channels, block), array("|u1", channels))
            if int(found.table_of.max()) >= count:
                raise CorruptDataError("a component of the KV profile has no table")
            sets.append(found)
        cursor.end()
        profile = cls(tuple(sets), frequencies, precision, rotation)
        try:
            _ = profile.tables
            for i in range(number):
                profile.quantiser(i, len(sets[i].mean))
        except ValueError as error:
            raise CorruptDataError(f"the KV profile can't be used: {error}") from error
        return profile
