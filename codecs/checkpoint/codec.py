"""The codec `checkpoint`: each member of a frame by the method that is smallest. See FORMAT.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from laconic import _core
from laconic.codecs.checkpoint import methods as m
from laconic.codecs.checkpoint.layout import (
    ADAM,
    COPY,
    FIRST,
    MAXIMUM,
    MOMENTUM,
    ROLE_NAMES,
    SECOND,
    SGD,
    WEIGHT,
    Layout,
    parse,
)
from laconic.codecs.checkpoint.methods import Frame
from laconic.container import Piece, Source, View
from laconic.container.varint import Cursor, put_uvarint
from laconic.errors import CorruptDataError

SAMPLE = 1 << 14  # elements in the middle of a frame that candidates are tried on
CLEAR = 1 / 8  # a candidate that brings a sample below this share is taken at once


class CheckpointCodec:
    name = "checkpoint"
    version = 1

    def sniff(self, head: bytes, size: int | None) -> float:
        return 0.0  # no file is of this kind: laconic.checkpoint makes its frames

    def layout(self, source: Source) -> Iterator[Piece | View]:
        raise ValueError("the kind checkpoint is written by laconic.checkpoint only")

    def params(self, dtype: str, itemsize: int) -> bytes | None:
        return None

    def frame_size(self, level: str) -> int:
        return 1 << 25  # laconic.checkpoint cuts the frames

    def encode(self, raw: memoryview, params: bytes, level: str, base: memoryview | None) -> bytes | None:
        layout = parse(params)
        frame = Frame(layout, list(layout.split(raw)), layout.split(base) if base is not None else None)
        out = bytearray()
        for index in _coding_order(layout, _gradient_works(frame)):
            method, payload = _encode_member(frame, index, level)
            frame.known.add(index)
            out += bytes((index, method))
            put_uvarint(out, len(payload))
            out += payload
        return bytes(out)

    def decode(self, payload: memoryview, params: bytes, version: int, out: memoryview, base: memoryview | None) -> None:
        layout = parse(params)
        parts = layout.split(out)
        frame = Frame(layout, [None] * len(parts), layout.split(base) if base is not None else None)
        for index, method, data in _walk(payload, layout):
            if index in frame.known:
                raise CorruptDataError("a member of a checkpoint frame is coded twice")
            _decode_member(frame, index, method, data, parts[index])
            frame.now[index] = parts[index]
            frame.known.add(index)
        if len(frame.known) != len(parts):
            raise CorruptDataError("a checkpoint frame lacks a member")

    def info(self, payload: memoryview, params: bytes, version: int, raw_size: int) -> dict[str, Any]:
        layout = parse(params)
        rows = [(layout.members[index], m.NAMES.get(method, "?"), len(data)) for index, method, data in _walk(payload, layout)]
        count = max(1, raw_size // layout.element)
        return {
            "method": ", ".join(sorted(f"{ROLE_NAMES[member.role]} {name}" for member, name, _ in rows)),
            "bits_per_value": [round(8 * size / count, 3) for _, _, size in rows],
            "members": [ROLE_NAMES[member.role] for member, _, _ in rows],
        }


def _walk(payload: memoryview, layout: Layout) -> Iterator[tuple[int, int, memoryview]]:
    """(member, method, its payload) in coding order."""
    cursor = Cursor(payload, "the checkpoint payload")
    while cursor.pos < len(payload):
        index, method = cursor.u8(), cursor.u8()
        if index >= len(layout.members):
            raise CorruptDataError("a checkpoint frame names a member that it does not have")
        yield index, method, cursor.take(cursor.uvarint())


# ---------------------------------------------------------------------- which method


def _gradient_works(frame: Frame) -> bool:
    """Whether the second moment follows from the first moments; then the first is coded before it."""
    index = frame.layout.find(SECOND)
    if index is None or frame.base is None or frame.layout.step.optimizer != ADAM or not frame.fp32(FIRST, SECOND):
        return False
    sample = _sample(frame)
    return len(_payload(sample, index, m.FROM_GRADIENT)) < len(_payload(sample, index, m.DELTA))


def _coding_order(layout: Layout, gradient: bool) -> list[int]:
    """Members that others are predicted from come first."""
    moments = [FIRST, SECOND] if gradient else [SECOND, FIRST]
    rank = {role: k for k, role in enumerate((*moments, MAXIMUM, MOMENTUM, WEIGHT, COPY))}
    return sorted(range(len(layout.members)), key=lambda i: rank.get(layout.members[i].role, len(rank)))


def _candidates(frame: Frame, index: int, level: str) -> list[int]:
    """Methods that may be the smallest for a member, the most promising first."""
    member, layout = frame.layout.members[index], frame.layout
    floats, based = member.float_format >= 0, frame.base is not None
    found: list[int] = []
    replayed = layout.step.optimizer
    if member.role == WEIGHT and based and member.is_fp32:
        if (replayed == ADAM and frame.fp32(FIRST, SECOND)) or (replayed == SGD and frame.fp32(MOMENTUM)):
            found.append(m.REPLAYED)
        if frame.fp32(FIRST, SECOND) and level != "fast":
            found.append(m.DELTA_BY_STEP)
    if member.role == FIRST and member.is_fp32 and frame.fp32(SECOND):
        if based and replayed == ADAM:
            found.append(m.DECAYED)
        if layout.find(SECOND) in frame.known:
            found += [m.FIELDS_BY_SECOND] if level != "fast" else []
        elif based:
            found.append(m.FIELDS_BY_OLD_SECOND)
    if member.role == SECOND and based and replayed == ADAM and layout.find(FIRST) in frame.known:
        found.append(m.FROM_GRADIENT)
    if member.role == COPY and floats and member.width == 2 and frame.fp32(WEIGHT):
        found.append(m.CAST)
    if member.role == MAXIMUM and based and frame.fp32(SECOND, MAXIMUM):
        found.append(m.LARGER)
    if based and not {m.DELTA_BY_STEP, m.DECAYED} & set(found):
        found.append(m.DELTA if floats else m.PLANES_DELTA)
    return [*found, m.PLANES]


def _sample(frame: Frame) -> Frame:
    """The middle of the frame."""
    count = _count(frame)
    start = max(0, (count - SAMPLE) // 2)
    return frame.slice(start, min(count, start + SAMPLE))


def _count(frame: Frame) -> int:
    """Elements of each member."""
    first = frame.now[0]
    assert first is not None
    return len(first) // frame.layout.members[0].width


def _same(a: memoryview, b: memoryview) -> bool:
    # Through bytes and numpy: memoryview's own comparison goes item by item.
    return bytes(a[:4096]) == bytes(b[:4096]) and np.array_equal(np.frombuffer(a, np.uint8), np.frombuffer(b, np.uint8))


def _encode_member(frame: Frame, index: int, level: str) -> tuple[int, bytes]:
    raw = frame.now[index]
    assert raw is not None
    if frame.base is not None and _same(raw, frame.base[index]):
        return m.UNCHANGED, b""
    candidates = _candidates(frame, index, level)
    if len(candidates) > 1 and _count(frame) > 2 * SAMPLE:
        sample = _sample(frame)
        sample.known &= frame.known
        sizes = []
        for method in candidates:
            sizes.append(len(_payload(sample, index, method)))
            if sizes[-1] < CLEAR * SAMPLE * frame.layout.members[index].width:
                break
        candidates = [candidates[sizes.index(min(sizes))]]
    payloads = [(len(payload), method, payload) for method in candidates for payload in (_payload(frame, index, method),)]
    _, method, payload = min(payloads, key=lambda item: item[0])
    return method, payload


# ---------------------------------------------------------------------- one member


def _payload(frame: Frame, index: int, method: int) -> bytes:
    member, raw = frame.layout.members[index], frame.now[index]
    assert raw is not None
    if method in (m.PLANES, m.PLANES_DELTA):
        base = frame.old(index) if method == m.PLANES_DELTA else None
        return _core.encode_planes(raw, member.width, member.rotate, member.big_endian, base, False)
    if method in (m.FIELDS, m.FIELDS_BY_SECOND, m.FIELDS_BY_OLD_SECOND):
        return _core.encode_split_floats(raw, m.field_contexts(method, frame, member), member.float_format)
    predicted, contexts = m.prediction(method, frame, index)
    return _core.encode_residual(raw, predicted, contexts, member.float_format)


def _decode_member(frame: Frame, index: int, method: int, data: memoryview, out: memoryview) -> None:
    member = frame.layout.members[index]
    if method == m.UNCHANGED:
        if len(data):
            raise CorruptDataError("an unchanged member of a checkpoint frame has a payload")
        out[:] = frame.old(index)
    elif method in (m.PLANES, m.PLANES_DELTA):
        base = frame.old(index) if method == m.PLANES_DELTA else None
        _core.decode_planes(data, out, member.width, member.rotate, member.big_endian, base)
    elif method in (m.FIELDS, m.FIELDS_BY_SECOND, m.FIELDS_BY_OLD_SECOND):
        _core.decode_split_floats(data, m.field_contexts(method, frame, member), member.float_format, out)
    else:
        predicted, contexts = m.prediction(method, frame, index)
        _core.decode_residual(data, predicted, contexts, member.float_format, out)


codec = CheckpointCodec()
