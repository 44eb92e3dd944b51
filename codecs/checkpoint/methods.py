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
    BF16,
    FIRST,
    FP16,
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
DELTA = 2  # differences to the base
SHARES = 3  # a weight: to the base, moved by shares of Adam's direction then and now
DECAYED = 4  # a first moment: to (1 - beta1_rest) times the base, in the context of its size beside the deviation
FROM_GRADIENT = 5  # a second moment: to what the gradient makes of the base; the gradient is that of the first moments
REPLAYED = 6  # a weight: to the optimizer's step from the base
CAST = 7  # to the weight, rounded to this format
LARGER = 8  # to the larger of base and second moment (AMSGrad)
FIELDS_BY_SECOND = 9  # a first moment on its own, exponents in the context of the second moment's

NAMES = {
    PLANES: "planes", DELTA: "delta", SHARES: "shares of the direction", DECAYED: "decayed", FROM_GRADIENT: "from gradient",
    REPLAYED: "replayed", CAST: "cast", LARGER: "larger", FIELDS_BY_SECOND: "fields by v",
}  # fmt: skip

Contexts = npt.NDArray[np.uint8]
Predicted = tuple[Any, Contexts | None]  # bytes, and a context an element; None: the exponent of what is predicted


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


def prediction(method: int, frame: Frame, index: int, shares: tuple[float, float] = (0.0, 0.0)) -> Predicted:
    """What a member is coded as differences to."""
    found = _PREDICTIONS.get(method)
    member = frame.layout.members[index]
    if method == SHARES:
        need_fp32(frame, member, FIRST, SECOND)
        return _shares(frame, index, shares)
    if found is None:
        raise CorruptDataError(f"no such checkpoint method ({method})")
    return found(frame, index, member)


def fit(frame: Frame, index: int) -> tuple[float, float]:
    """The shares of the directions that predict a weight best."""
    weight = frame.now[index]
    return _core.fit_shares(frame.old(index), weight, *_moments(frame))  # type: ignore[arg-type]


def field_contexts(frame: Frame, member: Member) -> Contexts:
    """Contexts of a first moment's exponents."""
    need_fp32(frame, member, SECOND)
    return _core.exponent_context(frame.new(SECOND))


def _moments(frame: Frame) -> tuple[Any, Any, Any, Any]:
    return frame.old_role(FIRST), frame.old_role(SECOND), frame.new(FIRST), frame.new(SECOND)


def _shares(frame: Frame, index: int, shares: tuple[float, float]) -> Predicted:
    base = frame.old(index)
    out = np.empty(len(base), np.uint8)
    _core.replay_shares(base, *_moments(frame), *shares, out)
    return out, None


def _delta(frame: Frame, index: int, member: Member) -> Predicted:
    return frame.old(index), None


def _decayed(frame: Frame, index: int, member: Member) -> Predicted:
    need_fp32(frame, member, SECOND)
    base = frame.old(index)
    out = np.empty(len(base), np.uint8)
    # In single precision: a double would be rounded twice.
    _core.scale_fp32(base, float(np.float32(1) - np.float32(_adam(frame)[4])), out)
    return out, _core.ratio_context(base, frame.old_role(SECOND))


def _from_gradient(frame: Frame, index: int, member: Member) -> Predicted:
    need_fp32(frame, member, FIRST)
    base = frame.old(index)
    out = np.empty(len(base), np.uint8)
    _core.replay_second_moment(frame.old_role(FIRST), frame.new(FIRST), base, _adam(frame), frame.layout.step.orders[1], out)
    return out, None


def _replayed(frame: Frame, index: int, member: Member) -> Predicted:
    base = frame.old(index)
    out = np.empty(len(base), np.uint8)
    step = frame.layout.step
    if step.optimizer == SGD:
        need_fp32(frame, member, MOMENTUM)
        _core.replay_sgd(base, frame.old_role(MOMENTUM), frame.new(MOMENTUM), step.scalars, step.orders[0], out)
    else:
        largest = MAXIMUM if frame.layout.find(MAXIMUM) is not None else SECOND
        need_fp32(frame, member, FIRST, largest)
        _core.replay_adam(base, frame.new(FIRST), frame.new(largest), _adam(frame), step.orders[0], out)
    return out, None


def _cast(frame: Frame, index: int, member: Member) -> Predicted:
    if member.float_format not in (BF16, FP16) or not frame.fp32(WEIGHT):
        raise CorruptDataError("a copy of a weight needs 16 bits, and a weight in fp32")
    weight = frame.new(WEIGHT)
    out = np.empty(len(weight) // 2, np.uint8)
    _core.cast_from_fp32(weight, member.float_format, out)
    return out, None


def _larger(frame: Frame, index: int, member: Member) -> Predicted:
    need_fp32(frame, member, SECOND)
    base = frame.old(index)
    out = np.empty(len(base), np.uint8)
    _core.maximum_fp32(base, frame.new(SECOND), out)
    return out, None


def _adam(frame: Frame) -> tuple[float, ...]:
    if frame.layout.step.optimizer != ADAM:
        raise CorruptDataError("a checkpoint frame replays a step that it does not have")
    return frame.layout.step.scalars


_PREDICTIONS: dict[int, Callable[[Frame, int, Member], Predicted]] = {
    DELTA: _delta, DECAYED: _decayed, FROM_GRADIENT: _from_gradient, REPLAYED: _replayed, CAST: _cast, LARGER: _larger,
}  # fmt: skip
