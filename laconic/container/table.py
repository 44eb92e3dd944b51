"""Tables of entries: columns of packed integers and one text blob. See docs/format.md, "Entry tables".

The same columns serve the journal (OPEN and ENTRIES frames, one pass over a pipe) and the index (random access); a table of 10,000
entries parses in a few milliseconds because an `Entry` object is made only for the rows that are asked for.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Any

import cbor2

from laconic.container import format as f
from laconic.container.cbor import load_plain
from laconic.container.varint import Cursor, put_uvarint
from laconic.errors import CorruptDataError


@dataclass(frozen=True, slots=True)
class Entry:
    """A named, typed range of a stream. `size` bytes from `start`; `hash` is xxh3_128 of those bytes (16 bytes, big-endian)."""

    name: str
    type: str = "bytes"
    kind: str = "bytes"
    dtype: str = ""
    shape: tuple[int, ...] = ()
    stream: int = 0
    start: int = 0
    size: int = 0
    hash: bytes = b""
    meta: dict[str, Any] = field(default_factory=dict)
    base: bytes = b""


# Column numbers. An absent column is all zeros (or empty).
NAME_BYTES, NAME_SIZES, SIGNATURES, SIGNATURE, NDIM, DIMS, STREAM, START, SIZE, HASH, META_BYTES, META_SIZES, BASE_BYTES, BASE = range(14)
FIRST_FREE_COLUMN = 16  # the index adds its columns from here on

NO_HASH = bytes(16)  # stands for an unknown hash where other rows have one
_TYPECODES = {1: "B", 2: "H", 4: "I", 8: "Q"}


def pack_ints(values: Sequence[int]) -> bytes:
    """A width byte (1, 2, 4 or 8) and the values in that width, little-endian; empty when all are zero."""
    top = max(values, default=0)
    if top == 0:
        return b""
    width = next(w for w in _TYPECODES if top < 1 << 8 * w)
    column = array(_TYPECODES[width], values)
    if sys.byteorder == "big":
        column.byteswap()
    return bytes((width,)) + column.tobytes()


def unpack_ints(data: memoryview | bytes, count: int, what: str) -> Sequence[int]:
    if len(data) == 0:
        return _Zeros(count)
    width = data[0]
    if width not in _TYPECODES or len(data) - 1 != width * count:
        raise CorruptDataError(f"{what}: a column of {len(data)} bytes for {count} values")
    column = array(_TYPECODES[width])
    column.frombytes(data[1:])
    if sys.byteorder == "big":
        column.byteswap()
    return column


class _Zeros(Sequence[int]):
    """`length` zeros without the memory: the absent column."""

    def __init__(self, length: int) -> None:
        self._length = length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return _Zeros(len(range(*i.indices(self._length))))
        if not -self._length <= i < self._length:
            raise IndexError(i)
        return 0


def pack_columns(columns: dict[int, bytes], count: int) -> bytes:
    out = bytearray()
    put_uvarint(out, count)
    for number, data in columns.items():
        if data:
            put_uvarint(out, number)
            put_uvarint(out, len(data))
            out += data
    return bytes(out)


def parse_columns(data: bytes | memoryview, what: str) -> tuple[int, dict[int, memoryview]]:
    cursor = Cursor(data, what)
    count = cursor.uvarint()
    if count > len(data) + 1:  # every row but an unnamed one costs a byte
        raise CorruptDataError(f"{what}: {count} entries in {len(data)} bytes")
    columns: dict[int, memoryview] = {}
    while cursor.pos < len(cursor.data):
        number = cursor.uvarint()
        if number in columns:
            raise CorruptDataError(f"{what}: column {number} twice")
        columns[number] = cursor.take(cursor.uvarint())
    return count, columns


def pack_meta(meta: dict[str, Any], name: str) -> bytes:
    if not meta:
        return b""
    data = cbor2.dumps(meta, canonical=True)
    if len(data) > f.MAX_META:
        raise ValueError(f"metadata of entry {name!r} takes {len(data)} bytes (limit {f.MAX_META}); store it as an entry instead")
    return data


def parse_meta(data: bytes | memoryview, what: str) -> dict[str, Any]:
    """Metadata: a CBOR map with text keys; values are integers, floats, text, bytes, booleans, null, and arrays and maps of these."""
    return load_plain(data, what) if len(data) else {}


def pack_signature(out: bytearray, entry: Entry) -> None:
    """Type, kind and dtype: one byte each in the usual case."""
    out.append(f.ENTRY_TYPES.index(entry.type))
    number = f.CODEC_NUMBERS.get(entry.kind, f.NAMED_CODEC)
    put_uvarint(out, number)
    if number == f.NAMED_CODEC:
        _put_text(out, entry.kind)
    code = f.DTYPE_CODES.get(entry.dtype, 0)
    out.append(code)
    if code == 0:
        _put_text(out, entry.dtype)


def parse_signature(cursor: Cursor) -> tuple[str, str, str]:
    code = cursor.u8()
    if code >= len(f.ENTRY_TYPES):
        raise CorruptDataError(f"{cursor.what} holds an entry of unknown type {code}")
    number = cursor.uvarint()
    kind = cursor.text(64) if number == f.NAMED_CODEC else f.CODEC_NAMES.get(number, f"#{number}")
    dtype = cursor.u8()
    if dtype >= len(f.DTYPES):
        raise CorruptDataError(f"{cursor.what} holds an array of unknown dtype {dtype}")
    return f.ENTRY_TYPES[code], kind, f.DTYPES[dtype] if dtype else cursor.text(f.MAX_META)


def _put_text(out: bytearray, text: str) -> None:
    data = encode_name(text)
    put_uvarint(out, len(data))
    out += data


def encode_name(name: str) -> bytes:
    """UTF-8; a file name that is not valid Unicode keeps its bytes (PEP 383)."""
    return name.encode("utf-8", "surrogateescape")


def pack_table(entries: Sequence[Entry], *, with_hash: bool = True) -> dict[int, bytes]:
    """The columns of `entries`."""
    signatures: dict[bytes, int] = {}
    signature, names, metas, bases, starts = [], [], [], {b"": 0}, []
    dims: list[int] = []
    expected = (-1, 0)
    for entry in entries:
        packed = bytearray()
        pack_signature(packed, entry)
        signature.append(signatures.setdefault(bytes(packed), len(signatures)))
        names.append(encode_name(entry.name))
        metas.append(pack_meta(entry.meta, entry.name))
        bases.setdefault(entry.base, len(bases))
        # A start is coded as the distance from the end of the row before, if that is in the same stream: usually 0.
        before = expected[1] if entry.stream == expected[0] else 0
        starts.append((entry.start - before) & (1 << 64) - 1)
        expected = (entry.stream, entry.start + entry.size)
        dims.extend(entry.shape)
    has_hash = with_hash and any(entry.hash for entry in entries)
    return {
        NAME_BYTES: b"".join(names),
        NAME_SIZES: pack_ints([len(name) for name in names]),
        SIGNATURES: b"".join(signatures),
        SIGNATURE: pack_ints(signature),
        NDIM: pack_ints([len(entry.shape) for entry in entries]),
        DIMS: pack_ints(dims),
        STREAM: pack_ints([entry.stream for entry in entries]),
        START: pack_ints(starts),
        SIZE: pack_ints([entry.size for entry in entries]),
        HASH: b"".join(entry.hash or NO_HASH for entry in entries) if has_hash else b"",
        META_BYTES: b"".join(metas),
        META_SIZES: pack_ints([len(meta) for meta in metas]),
        BASE_BYTES: b"".join(bases),
        BASE: pack_ints([bases[entry.base] for entry in entries]),
    }


class Table(Sequence[Entry]):
    """Entries read from columns; rows are made when asked for."""

    def __init__(self, count: int, columns: dict[int, memoryview], what: str) -> None:
        def ints(number: int, size: int = count) -> Sequence[int]:
            return unpack_ints(columns.get(number, b""), size, what)

        self.what = what
        self.names = _split_names(columns.get(NAME_BYTES, memoryview(b"")), ints(NAME_SIZES), what)
        self._signatures = self._parse_signatures(columns.get(SIGNATURES, memoryview(b"")))
        self._signature = ints(SIGNATURE)
        if count and max(self._signature) >= len(self._signatures):
            raise CorruptDataError(f"{what}: a signature out of range")
        self._ndim = ints(NDIM)
        if count and max(self._ndim) > f.MAX_DIMS:
            raise CorruptDataError(f"{what}: an array of {max(self._ndim)} dimensions (limit {f.MAX_DIMS})")
        self._dim_ends = _ends(self._ndim)
        self._dims = ints(DIMS, self._dim_ends[-1])
        self.streams = ints(STREAM)
        self._sizes = ints(SIZE)
        self._starts = self._parse_starts(ints(START))
        self._hashes = columns.get(HASH, memoryview(b""))
        if len(self._hashes) not in (0, 16 * count):
            raise CorruptDataError(f"{what}: {len(self._hashes)} bytes of hashes for {count} entries")
        self._metas = columns.get(META_BYTES, memoryview(b""))
        meta_sizes = ints(META_SIZES)
        if count and max(meta_sizes) > f.MAX_META:
            raise CorruptDataError(f"{what}: metadata of {max(meta_sizes)} bytes (limit {f.MAX_META})")
        self._meta_ends = _ends(meta_sizes)
        if self._meta_ends[-1] != len(self._metas):
            raise CorruptDataError(f"{what}: the metadata sizes do not add up")
        self._bases = columns.get(BASE_BYTES, memoryview(b""))
        self._base = ints(BASE)
        if count and (max(self._base) * 16 > len(self._bases) or len(self._bases) % 16):
            raise CorruptDataError(f"{what}: a base out of range")

    def _parse_signatures(self, data: memoryview) -> list[tuple[str, str, str]]:
        cursor = Cursor(data, self.what)
        signatures = []
        while cursor.pos < len(data):
            signatures.append(parse_signature(cursor))
        return signatures

    def _parse_starts(self, deltas: Sequence[int]) -> Sequence[int]:
        starts = array("Q", bytes(8 * len(deltas)))
        stream, end = -1, 0
        for i, delta in enumerate(deltas):
            start = (delta + end if self.streams[i] == stream else delta) & (1 << 64) - 1
            stream, end = self.streams[i], start + self._sizes[i]
            if end > f.MAX_COUNT:
                raise CorruptDataError(f"{self.what}: entry {self.names[i]!r} lies beyond 2**62 bytes")
            starts[i] = start
        return starts

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return [self[j] for j in range(*i.indices(len(self)))]
        if not -len(self) <= i < len(self):
            raise IndexError(i)
        i %= len(self)
        type_, kind, dtype = self._signatures[self._signature[i]]
        dims = self._dims[self._dim_ends[i] : self._dim_ends[i + 1]]
        base = self._base[i] * 16
        digest = bytes(self._hashes[16 * i : 16 * i + 16])
        return Entry(
            self.names[i], type_, kind, dtype, tuple(dims), self.streams[i], self._starts[i], self._sizes[i],
            b"" if digest == NO_HASH else digest,
            parse_meta(self._metas[self._meta_ends[i] : self._meta_ends[i + 1]], f"{self.what}: entry {self.names[i]!r}"),
            bytes(self._bases[base - 16 : base]) if base else b"",
        )  # fmt: skip

    def __iter__(self) -> Iterator[Entry]:
        return (self[i] for i in range(len(self)))


def parse_table(data: bytes | memoryview, what: str) -> Table:
    count, columns = parse_columns(data, what)
    return Table(count, columns, what)


def _ends(sizes: Sequence[int]) -> Sequence[int]:
    """[0, sizes[0], sizes[0] + sizes[1], ...]"""
    if isinstance(sizes, _Zeros):
        return _Zeros(len(sizes) + 1)
    return list(accumulate(sizes, initial=0))


def _split_names(blob: memoryview, sizes: Sequence[int], what: str) -> list[str]:
    ends = _ends(sizes)
    if ends[-1] != len(blob):
        raise CorruptDataError(f"{what}: the name sizes do not add up")
    if len(sizes) and max(sizes) > f.MAX_NAME:
        raise CorruptDataError(f"{what}: a name of {max(sizes)} bytes (limit {f.MAX_NAME})")
    text = str(blob, "latin-1")
    if text.isascii():
        return [text[a:b] for a, b in pairwise(ends)]
    return [str(blob[a:b], "utf-8", "surrogateescape") for a, b in pairwise(ends)]
