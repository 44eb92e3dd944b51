"""How a member is coded: what it is predicted from, and in which contexts. Encoder and decoder share `prediction`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from laconic import _core
from laconic.codecs.checkpoint.layout import (
    ADAM,
    FIRST,
    FP32,
    MAXIMUM,
    MOMENTUM,
    SECOND,
    SGD,
    WEIGHT,
    Layout,
    Member,
)
from laconic.errors import CorruptDataError

# Methods, as they stand in a payload.
PLANES = 1  # byte planes, as in the weights codec
PLANES_DELTA = 2  # those of the difference to the base
FIELDS = 3  # exponents; sign and mantissa
FIELDS_BY_SECOND = 4  # the same, the exponents in the context of the second moment's
FIELDS_BY_OLD_SECOND = 5  # of the base's second moment
DELTA = 6  # residuals to the base, in the context of its exponent
DELTA_BY_STEP = 7  # in the context of exponent and step
DECAYED = 8  # a first moment: residuals to (1 - beta1_rest) times the base, in the context of its size beside the deviation
FROM_GRADIENT = 9  # a second moment: residuals to what the gradient makes of the base; the gradient is that of the first moments
REPLAYED = 10  # a weight: residuals to the optimizer's step from the base
CAST = 11  # residuals to the weight, rounded to this format
LARGER = 12  # residuals to the larger of base and second moment (AMSGrad)
UNCHANGED = 13  # the base

NAMES = {
    PLANES: "planes", PLANES_DELTA: "delta planes", FIELDS: "fields", FIELDS_BY_SECOND: "fields by v",
    FIELDS_BY_OLD_SECOND: "fields by old v",
    DELTA: "delta", DELTA_BY_STEP: "delta by step", DECAYED: "decayed", FROM_GRADIENT: "from gradient", REPLAYED: "replayed",
    CAST: "cast", LARGER: "larger", UNCHANGED: "unchanged",
}  # fmt: skip

Contexts = npt.NDArray[np.uint16]


@dataclass(slots=True)
class Frame:
    """The members of a frame, as far as they are known, and those of its base."""

    layout: Layout
    now: list[memoryview | None]
    base: list[memoryview] | None
    known: set[int] = field(default_factory=set)

    def slice(self, start: int, stop: int) -> Frame:
        """Elements [start, stop) of every member."""
        widths = [member.width for member in self.layout.members]

        def cut(parts: list[Any]) -> list[Any]:
            return [part[start * w : stop * w] for part, w in zip(parts, widths, strict=True)]

        return Frame(self.layout, cut(self.now), cut(self.base) if self.base is not None else None, self.known)

    def old(self, index: int | None) -> memoryview:
        """A member of the base."""
        if self.base is None or index is None:
            raise CorruptDataError("a checkpoint frame lacks the base that it was coded against")
        return self.base[index]

    def new(self, role: int) -> memoryview:
        """A member of this frame that was coded before."""
        index = self.layout.find(role)
        part = self.now[index] if index is not None and index in self.known else None
        if part is None:
            raise CorruptDataError("a member of a checkpoint frame is predicted from one that is not known yet")
        return part

    def old_role(self, role: int) -> memoryview:
        return self.old(self.layout.find(role))

    def fp32(self, *roles: int) -> bool:
        """Whether there is a member of each of `roles`, in fp32."""
        found = [self.layout.find(role) for role in roles]
        return all(i is not None and self.layout.members[i].is_fp32 for i in found)


def need_fp32(frame: Frame, member: Member, *roles: int) -> None:
    if not member.is_fp32 or not frame.fp32(*roles):
        raise CorruptDataError("a member of a checkpoint frame is predicted in a way that needs fp32")


def prediction(method: int, frame: Frame, index: int) -> tuple[Any, Contexts | None]:
    """(predicted bytes, contexts) of a member that is coded as residuals."""
    found = _PREDICTIONS.get(method)
    member = frame.layout.members[index]
    if found is None or member.float_format < 0:
        raise CorruptDataError(f"no such checkpoint method ({method})")
    return found(frame, index, member)


def field_contexts(method: int, frame: Frame, member: Member) -> Contexts | None:
    """Contexts of a member's exponents."""
    if member.float_format < 0:
        raise CorruptDataError(f"no such checkpoint method ({method})")
    if method == FIELDS:
        return None
    need_fp32(frame, member, SECOND)
    second = frame.new(SECOND) if method == FIELDS_BY_SECOND else frame.old_role(SECOND)
    return _core.exponent_context(second, FP32)


def _delta(frame: Frame, index: int, member: Member) -> tuple[Any, Contexts | None]:
    base = frame.old(index)
    return base, _core.exponent_context(base, member.float_format)


def _delta_by_step(frame: Frame, index: int, member: Member) -> tuple[Any, Contexts | None]:
    need_fp32(frame, member, FIRST, SECOND)
    base = frame.old(index)
    return base, _core.step_context(base, frame.new(FIRST), frame.new(SECOND))


def _decayed(frame: Frame, index: int, member: Member) -> tuple[Any, Contexts | None]:
    need_fp32(frame, member, SECOND)
    base = frame.old(index)
    out = np.empty(len(base), np.uint8)
    # In single precision: a double would be rounded twice.
    _core.scale_fp32(base, float(np.float32(1) - np.float32(_adam(frame)[4])), out)
    return out, _core.ratio_context(base, frame.old_role(SECOND))


def _from_gradient(frame: Frame, index: int, member: Member) -> tuple[Any, Contexts | None]:
    need_fp32(frame, member, FIRST)
    base = frame.old(index)
    out = np.empty(len(base), np.uint8)
    _core.replay_second_moment(frame.old_role(FIRST), frame.new(FIRST), base, _adam(frame), frame.layout.step.orders[1], out)
    return out, None


def _replayed(frame: Frame, index: int, member: Member) -> tuple[Any, Contexts | None]:
    base = frame.old(index)
    out = np.empty(len(base), np.uint8)
    step = frame.layout.step
    if step.optimizer == SGD:
        need_fp32(frame, member, MOMENTUM)
        _core.replay_sgd(base, frame.old_role(MOMENTUM), frame.new(MOMENTUM), step.scalars, step.orders[0], out)
    else:
        need_fp32(frame, member, FIRST, SECOND)
        scalars = _adam(frame)
        second = frame.new(SECOND if frame.layout.find(MAXIMUM) is None else MAXIMUM)
        need_fp32(frame, member, *((MAXIMUM,) if frame.layout.find(MAXIMUM) is not None else ()))
        _core.replay_adam(base, frame.new(FIRST), second, scalars, step.orders[0], out)
    return out, None


def _cast(frame: Frame, index: int, member: Member) -> tuple[Any, Contexts | None]:
    if member.width != 2 or not frame.fp32(WEIGHT):
        raise CorruptDataError("a copy of a weight needs 16 bits, and a weight in fp32")
    weight = frame.new(WEIGHT)
    out = np.empty(len(weight) // 2, np.uint8)
    _core.cast_from_fp32(weight, member.float_format, out)
    return out, None


def _larger(frame: Frame, index: int, member: Member) -> tuple[Any, Contexts | None]:
    need_fp32(frame, member, SECOND)
    base = frame.old(index)
    out = np.empty(len(base), np.uint8)
    _core.maximum_fp32(base, frame.new(SECOND), out)
    return out, None


def _adam(frame: Frame) -> tuple[float, ...]:
    if frame.layout.step.optimizer != ADAM:
        raise CorruptDataError("a checkpoint frame replays a step that it does not have")
    return frame.layout.step.scalars


_PREDICTIONS: dict[int, Callable[[Frame, int, Member], tuple[Any, Contexts | None]]] = {
    DELTA: _delta, DELTA_BY_STEP: _delta_by_step, DECAYED: _decayed, FROM_GRADIENT: _from_gradient, REPLAYED: _replayed, CAST: _cast,
    LARGER: _larger,
}  # fmt: skip
