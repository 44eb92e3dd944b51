"""Tensors as byte planes, each coded by the shared entropy core; zstd where the planes miss a structure. See FORMAT.md."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from laconic import _core
from laconic.codecs.weights import fields, generic, gguf, npy, npz, safetensors, torch_zip
from laconic.container import Piece, Source, View, zstd
from laconic.errors import CorruptDataError

FRAME = 1 << 20  # raw bytes a frame: 8 chunks of bf16, small enough for the second-level cache and for reading a slice

# Payload methods (first byte).
PLANES = 1
ZSTD = 2
DELTA = 4
ELEMENTS = (3, 5, 6, 7)  # csrc/float/elements.h: joint symbols or planes, sparse, palette, mixed
_DELIVERED = tuple(bytes((method,)) for method in ELEMENTS)
FIELDS = 16  # of records; the numbers before it are for plain elements

_ADAPTORS = (generic, safetensors, gguf, torch_zip, npy, npz)  # the first one takes what none is sure of
_HEAD = 1 << 16  # bytes that adaptors sniff at

_ZSTD_LEVEL = {"fast": 1, "default": 9, "high": 19, "max": 19}
_EFFORT = {"fast": 0, "default": 1, "high": 1, "max": 2}
_RELATED = 0.6  # a difference below this share of the raw bytes is not compared with coding without the base
_SAMPLE = 1 << 15  # bytes of a frame tried with zstd before all of it is


@dataclass(frozen=True, slots=True)
class ElementFormat:
    """How elements are cut into planes; one byte of frame parameters: log2(width) | rotate << 2 | big-endian << 7."""

    width: int
    rotate: int = 0  # 0: an integer; else a float, rotated so that its exponent fills the top byte
    big_endian: bool = False

    def pack(self) -> bytes:
        return bytes(((self.width.bit_length() - 1) | self.rotate << 2 | self.big_endian << 7,))

    @classmethod
    def parse(cls, params: bytes) -> ElementFormat:
        if len(params) != 1:
            raise CorruptDataError(f"{len(params)} bytes of weights parameters where 1 is expected")
        width, rotate, big = 1 << (params[0] & 3), params[0] >> 2 & 31, params[0] >> 7
        if rotate not in (0, 1, 4) or (rotate and width == 1):
            raise CorruptDataError(f"no such element format ({params[0]:#x})")
        return cls(width, rotate, bool(big))


# numpy kinds: floats rotate by 1 (fp64, with 11 exponent bits, by 4); complex numbers are pairs of floats.
_FLOATS = {"f2": (2, 1), "f4": (4, 1), "f8": (8, 4), "c8": (4, 1), "c16": (8, 4)}
_INTEGERS = {"i1": 1, "u1": 1, "i2": 2, "u2": 2, "i4": 4, "u4": 4, "i8": 8, "u8": 8, "b1": 1}


def element_format(dtype: str) -> ElementFormat | None:
    """The format for a dtype of docs/format.md; None if its elements are no numbers."""
    if dtype in ("bfloat16", "complex32"):
        return ElementFormat(2, 1)
    if dtype.startswith(("float8_", "float6_", "float4_", "int2", "int4", "uint2", "uint4")):
        return ElementFormat(1)
    order, name = dtype[:1], dtype[1:]
    if order not in "<>|" or not name:
        return None
    big = order == ">"
    if name in _FLOATS:
        width, rotate = _FLOATS[name]
        return ElementFormat(width, rotate, big)
    if name in _INTEGERS:
        return ElementFormat(_INTEGERS[name], 0, big and _INTEGERS[name] > 1)
    if name[0] in "mM":  # datetime64, timedelta64
        return ElementFormat(8, 0, big)
    return None


class WeightsCodec:
    name = "weights"
    version = 2

    def sniff(self, head: bytes, size: int | None) -> float:
        return max(adaptor.sniff(head, size) for adaptor in _ADAPTORS)

    def layout(self, source: Source) -> Iterator[Piece | View]:
        head = source.head(_HEAD)
        adaptor = max(_ADAPTORS, key=lambda a: a.sniff(head, source.size))
        return adaptor.layout(source, self)

    def params(self, dtype: str, itemsize: int) -> bytes | None:
        found = element_format(dtype)
        return found.pack() if found else None

    def frame_size(self, level: str) -> int:
        return FRAME

    def encode(self, raw: memoryview, params: bytes, level: str, base: memoryview | None) -> bytes | None:
        if params[:1] == fields.MARK:
            return _encode_fields(raw, params, level, base)
        form = ElementFormat.parse(params)
        if base is not None:
            delta = _core.encode_delta(raw, base, form.width, form.rotate, form.big_endian, prefix=bytes((DELTA,)))
            if len(delta) < _RELATED * len(raw):
                return delta
            alone = self._encode_alone(raw, form, level)
            return delta if len(delta) < len(alone) else alone
        return self._encode_alone(raw, form, level)

    def _encode_alone(self, raw: memoryview, form: ElementFormat, level: str) -> bytes:
        payload = _core.encode_elements(raw, form.width, form.rotate, form.big_endian, _EFFORT[level])
        if form.rotate == 0 or level != "fast":
            # At high, the best of zstd gains a thousandth on floats that repeat, and a tenth of that on integers.
            packed = _try_zstd(raw, "default" if form.rotate == 0 and level == "high" else level, len(payload) / max(1, len(raw)))
            if packed is not None and 1 + len(packed) < len(payload):
                return bytes((ZSTD,)) + packed
        return payload

    def decode(self, payload: memoryview, params: bytes, version: int, out: memoryview, base: memoryview | None) -> None:
        if params[:1] == fields.MARK:
            _decode_fields(payload, params, out, base)
            return
        form = ElementFormat.parse(params)
        method, body = payload[0] if len(payload) else 0, payload[1:]
        if method == PLANES:
            _core.decode_planes(body, out, form.width, form.rotate, form.big_endian, _apart(base))
        elif method == DELTA and base is not None:
            _core.decode_delta(body, base, out, form.width, form.rotate, form.big_endian)
        elif method in ELEMENTS:
            _core.decode_elements(payload, out, form.width, form.rotate, form.big_endian)
        elif method == ZSTD:
            out[:] = zstd.decompress(body, len(out), "the zstd payload")
        else:
            raise CorruptDataError(f"no such weights method ({method})")

    def deliver(
        self, payload: memoryview, params: bytes, version: int, out: memoryview, base: memoryview | None, hashes: list[_core.Xxh3],
        past_caches: bool,
    ) -> int:  # fmt: skip
        if params[:1] != fields.MARK and payload[:1] in _DELIVERED:
            form = ElementFormat.parse(params)
            return _core.deliver_elements(payload, out, form.width, form.rotate, form.big_endian, hashes, past_caches)
        self.decode(payload, params, version, out, base)
        return _core.hash_frame(out, hashes)

    def info(self, payload: memoryview, params: bytes, version: int, raw_size: int) -> dict[str, Any]:
        if params[:1] == fields.MARK:
            return _info_fields(payload, params, raw_size)
        form = ElementFormat.parse(params)
        method = payload[0] if len(payload) else 0
        if method == PLANES:
            name, parts = "planes", _core.inspect_planes(payload[1:], raw_size, form.width, form.rotate)
        elif method in ELEMENTS:
            name, parts = _core.inspect_elements(payload, raw_size, form.width, form.rotate, form.big_endian)
        elif method == DELTA:
            return {"method": "delta", "bits_per_value": [round(8 * len(payload) * form.width / max(1, raw_size), 3)]}
        else:
            return {"method": "zstd"}
        return {
            "method": f"{name} {'+'.join(part for part, _ in parts)}",
            "bits_per_value": [round(8 * size * form.width / max(1, raw_size), 3) for _, size in parts],
        }


def _apart(base: memoryview | None) -> bytes | None:
    """The base in memory of its own: `out` may be the same memory, which only differences are decoded into."""
    return None if base is None else bytes(base)


def _encode_fields(raw: memoryview, params: bytes, level: str, base: memoryview | None) -> bytes:
    payload = _core.encode_fields(raw, params[1:], base, level == "fast")
    packed = _try_zstd(raw, level, len(payload) / max(1, len(raw))) if base is None else None
    if packed is not None and len(packed) < len(payload):
        return bytes((ZSTD,)) + packed
    return bytes((FIELDS,)) + payload


def _decode_fields(payload: memoryview, params: bytes, out: memoryview, base: memoryview | None) -> None:
    method, body = payload[0] if len(payload) else 0, payload[1:]
    if method == FIELDS:
        _core.decode_fields(body, out, params[1:], _apart(base))
    elif method == ZSTD and base is None:
        out[:] = zstd.decompress(body, len(out), "the zstd payload")
    else:
        raise CorruptDataError(f"no such method of records ({method})")


def _info_fields(payload: memoryview, params: bytes, raw_size: int) -> dict[str, Any]:
    if payload[:1] != bytes((FIELDS,)):
        return {"method": "zstd"}
    return {"method": f"fields {fields.report(_core.inspect_fields(payload[1:], raw_size, params[1:]))}"}


def _try_zstd(raw: memoryview, level: str, ratio: float) -> bytes | None:
    """zstd of `raw`, if a sample promises less than `ratio`: repeated values and rows, sparse and sorted integers."""
    if len(raw) > 4 * _SAMPLE:
        middle = (len(raw) - _SAMPLE) // 2 & ~63
        most = ratio if level == "fast" else 1.05 * ratio  # for speed, only where it is sure to win
        if len(zstd.compress(raw[middle : middle + _SAMPLE], 1)) > most * _SAMPLE:
            return None
    return zstd.compress(raw, _ZSTD_LEVEL[level])


codec = WeightsCodec()
