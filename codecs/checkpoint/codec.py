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

SAMPLE = 1 << 12  # elements in the middle of a frame that predictions are tried on
WORKS = 1 / 4  # share of them that a prediction has to hit to be taken
DOUBTFUL = 0.75  # of the raw size: what is above is compared with planes, which need no prediction


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
    return _share(frame, index, m.FROM_GRADIENT) > WORKS


def _coding_order(layout: Layout, gradient: bool) -> list[int]:
    """Members that others are predicted from come first."""
    moments = [FIRST, SECOND] if gradient else [SECOND, FIRST]
    rank = {role: k for k, role in enumerate((*moments, MAXIMUM, MOMENTUM, WEIGHT, COPY))}
    return sorted(range(len(layout.members)), key=lambda i: rank.get(layout.members[i].role, len(rank)))


def _first_choice(frame: Frame, index: int, level: str) -> int:
    """The method that should be the smallest for a member."""
    member, step = frame.layout.members[index], frame.layout.step.optimizer
    based = frame.base is not None
    if member.float_format < 0:
        return m.PLANES_DELTA if based else m.PLANES
    if member.role == COPY and member.width == 2 and frame.fp32(WEIGHT) and _share(frame, index, m.CAST) > WORKS:
        return m.CAST
    if not member.is_fp32:
        return m.DELTA if based else m.PLANES
    if member.role == SECOND and based and step == ADAM and frame.layout.find(FIRST) in frame.known:
        return m.FROM_GRADIENT  # that it works decided the order
    if member.role == FIRST and frame.fp32(SECOND):
        if frame.layout.find(SECOND) not in frame.known:
            return m.DECAYED
        if not based or _share(frame, index, m.DELTA) < WORKS:  # over more than one step, differences are larger than the moment
            return m.FIELDS_BY_SECOND if level != "fast" else m.PLANES
    if member.role == MAXIMUM and based and frame.fp32(SECOND):
        return m.LARGER
    if member.role == WEIGHT and based:
        known = (step == ADAM and frame.fp32(FIRST, SECOND)) or (step == SGD and frame.fp32(MOMENTUM))
        if known and _share(frame, index, m.REPLAYED) > WORKS:
            return m.REPLAYED
        if frame.fp32(FIRST, SECOND) and level != "fast":
            return m.DELTA_BY_STEP
    return m.DELTA if based else m.PLANES


def _share(frame: Frame, index: int, method: int) -> float:
    """The share of elements in the middle of the frame that `method` predicts exactly."""
    count = _count(frame)
    start = max(0, (count - SAMPLE) // 2)
    sample = frame.slice(start, min(count, start + SAMPLE))
    sample.known = set(range(len(sample.now)))  # the encoder knows them all
    predicted, _ = m.prediction(method, sample, index)
    dtype = np.uint32 if frame.layout.members[index].width == 4 else np.uint16
    actual = np.frombuffer(sample.now[index], dtype)  # type: ignore[arg-type]
    return float(np.mean(np.frombuffer(predicted, dtype) == actual)) if len(actual) else 0.0


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
    method = _first_choice(frame, index, level)
    payload = _payload(frame, index, method)
    if method != m.PLANES and len(payload) > DOUBTFUL * len(raw):
        alone = _payload(frame, index, m.PLANES)
        if len(alone) < len(payload):
            return m.PLANES, alone
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
