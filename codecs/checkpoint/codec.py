"""The codec `checkpoint`: each member of a frame by the method that is smallest. See FORMAT.md."""

from __future__ import annotations

import struct
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
PROBE = 1 << 13  # elements in the middle of a frame that planes are tried on first

_SHARES = struct.Struct("<2f")


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

    def encode(self, raw: memoryview, params: bytes, level: str, base: memoryview | None) -> bytearray:
        layout = parse(params)
        frame = Frame(layout, list(layout.split(raw)), layout.split(base) if base is not None else None)
        out = bytearray()
        for index in _coding_order(layout, _gradient_works(frame)):
            method, payload = _encode_member(frame, index, level)
            frame.known.add(index)
            out += bytes((index, method))
            put_uvarint(out, len(payload))
            out += payload
        return out

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
            return m.SHARES
    return m.DELTA if based else m.PLANES


def _middle(frame: Frame, most: int) -> Frame:
    """Up to `most` elements of each member."""
    first = frame.now[0]
    assert first is not None
    count = len(first) // frame.layout.members[0].width
    start = max(0, (count - most) // 2)
    return frame.slice(start, min(count, start + most))


def _share(frame: Frame, index: int, method: int) -> float:
    """The share of elements in the middle of the frame that `method` predicts exactly."""
    sample = _middle(frame, SAMPLE)
    sample.known = set(range(len(sample.now)))  # the encoder knows them all
    predicted, _ = m.prediction(method, sample, index)
    dtype = np.uint32 if frame.layout.members[index].width == 4 else np.uint16
    actual = np.frombuffer(sample.now[index], dtype)  # type: ignore[arg-type]
    return float(np.mean(np.frombuffer(predicted, dtype) == actual)) if len(actual) else 0.0


def _encode_member(frame: Frame, index: int, level: str) -> tuple[int, bytes]:
    raw = frame.now[index]
    assert raw is not None
    method = _first_choice(frame, index, level)
    payload = _payload(frame, index, method)
    if method != m.PLANES and len(payload) > DOUBTFUL * len(raw):
        sample = _middle(frame, PROBE)
        part = sample.now[index]
        assert part is not None
        if len(_payload(sample, index, m.PLANES)) * len(raw) < len(payload) * len(part):
            alone = _payload(frame, index, m.PLANES)
            if len(alone) < len(payload):
                return m.PLANES, alone
    return method, payload


# ---------------------------------------------------------------------- one member


def _payload(frame: Frame, index: int, method: int) -> bytes:
    member, raw = frame.layout.members[index], frame.now[index]
    assert raw is not None
    form = member.width, member.rotate, member.big_endian
    if method == m.PLANES:
        return _core.encode_planes(raw, *form, None, False)
    if method == m.FIELDS_BY_SECOND:
        return _core.encode_fields_by(raw, m.field_contexts(frame, member))
    shares = m.fit(frame, index) if method == m.SHARES else (0.0, 0.0)
    predicted, contexts = m.prediction(method, frame, index, shares)
    return _core.encode_delta(raw, predicted, *form, contexts, _SHARES.pack(*shares) if method == m.SHARES else b"")


def _decode_member(frame: Frame, index: int, method: int, data: memoryview, out: memoryview) -> None:
    member = frame.layout.members[index]
    form = member.width, member.rotate, member.big_endian
    if method == m.PLANES:
        _core.decode_planes(data, out, *form, None)
    elif method == m.FIELDS_BY_SECOND:
        _core.decode_fields_by(data, m.field_contexts(frame, member), out)
    else:
        shares = (0.0, 0.0)
        if method == m.SHARES:
            if len(data) < _SHARES.size:
                raise CorruptDataError("a weight of a checkpoint frame lacks its shares")
            shares, data = _SHARES.unpack(data[: _SHARES.size]), data[_SHARES.size :]
        predicted, contexts = m.prediction(method, frame, index, shares)
        _core.decode_delta(data, predicted, out, *form, contexts)


codec = CheckpointCodec()
