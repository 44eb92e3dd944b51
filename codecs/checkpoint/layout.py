"""What a frame holds: which tensors lie in it, and the optimizer's step between the base and it. The parameters of a frame.

A frame is `n` elements of each of its members, one member after another: a stretch of a weight, then the same stretch of its first
moment, of its second moment, and so on. So one frame has all that predicts it, and its base is the same stretch one step before.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from laconic.errors import CorruptDataError

# Roles of members. A frame has at most one of each but PLAIN and COPY.
PLAIN, WEIGHT, FIRST, SECOND, COPY, MOMENTUM, MAXIMUM = range(7)
ROLE_NAMES = ("plain", "weight", "first", "second", "copy", "momentum", "maximum")
SINGLE_ROLES = (WEIGHT, FIRST, SECOND, MOMENTUM, MAXIMUM)

# Optimizers whose step can be replayed.
NONE, ADAM, SGD = range(3)
SCALARS = {NONE: 0, ADAM: 7, SGD: 3}
ORDERS = {NONE: 0, ADAM: 2, SGD: 1}  # bytes that name orders of operations: of the weight, of the second moment
ORDER_LIMITS = {ADAM: (3, 4), SGD: (4,)}

MAX_MEMBERS = 16  # of which five can have 8 bytes: 3 * 2^17 elements of each still fit the container
BF16, FP16, FP32 = range(3)  # float formats of the kernels

# Element formats are those of the weights codec: log2(width) | rotate << 2 | big-endian << 7.
FORMAT_FP32 = 2 | 1 << 2
FORMAT_16 = 1 | 1 << 2


@dataclass(frozen=True, slots=True)
class Member:
    """One tensor's share of a frame."""

    role: int
    width: int  # bytes an element: 1, 2, 4 or 8
    rotate: int  # 0 for integers, else a float (the weights codec's transform)
    big_endian: bool
    float_format: int  # BF16, FP16 or FP32 where the float kernels take it, else -1

    @property
    def is_fp32(self) -> bool:
        return self.float_format == FP32


@dataclass(frozen=True, slots=True)
class Step:
    """An optimizer's step: `orders` of operations and `scalars` as csrc/checkpoint/replay.h has them."""

    optimizer: int = NONE
    orders: tuple[int, ...] = ()
    scalars: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Layout:
    """Members and step of a frame."""

    members: tuple[Member, ...]
    step: Step = Step()

    @property
    def element(self) -> int:
        """Bytes of one element of each member."""
        return sum(member.width for member in self.members)

    def find(self, role: int) -> int | None:
        """The member that has `role`."""
        return next((i for i, member in enumerate(self.members) if member.role == role), None)

    def split(self, raw: memoryview) -> list[memoryview]:
        """The members' bytes in a frame; CorruptDataError if the frame is no whole number of elements."""
        count, rest = divmod(len(raw), self.element)
        if rest:
            raise CorruptDataError(f"a checkpoint frame of {len(raw)} bytes for elements of {self.element}")
        parts, start = [], 0
        for member in self.members:
            parts.append(raw[start : start + count * member.width])
            start += count * member.width
        return parts


def pack(members: list[tuple[int, int, int]], step: Step = Step()) -> bytes:
    """Frame parameters. `members`: (role, element format, float format or -1)."""
    out = bytearray((len(members),))
    for role, element, floats in members:
        out += bytes((role, element, floats + 1))
    out.append(step.optimizer)
    out += bytes(step.orders)
    return bytes(out + struct.pack(f"<{len(step.scalars)}f", *step.scalars))


def parse(params: bytes) -> Layout:
    """The layout in frame parameters; CorruptDataError if they are none."""
    count = params[0] if params else 0
    at = 1 + 3 * count
    if not 1 <= count <= MAX_MEMBERS or len(params) <= at:
        raise CorruptDataError("the parameters of a checkpoint frame are cut short")
    members = tuple(_member(*params[1 + 3 * i : 4 + 3 * i]) for i in range(count))
    roles = [member.role for member in members]
    if any(roles.count(role) > 1 for role in SINGLE_ROLES):
        raise CorruptDataError("two members of a checkpoint frame have the same role")
    optimizer = params[at]
    if optimizer not in SCALARS:
        raise CorruptDataError(f"no such optimizer ({optimizer})")
    orders = tuple(params[at + 1 : at + 1 + ORDERS[optimizer]])
    scalars = params[at + 1 + len(orders) :]
    if len(orders) != ORDERS[optimizer] or len(scalars) != 4 * SCALARS[optimizer]:
        raise CorruptDataError("the optimizer's step in a checkpoint frame is cut short")
    if any(order >= limit for order, limit in zip(orders, ORDER_LIMITS.get(optimizer, ()), strict=True)):
        raise CorruptDataError("no such order of operations")
    return Layout(members, Step(optimizer, orders, struct.unpack(f"<{SCALARS[optimizer]}f", scalars)))


def _member(role: int, element: int, floats: int) -> Member:
    width, rotate, big = 1 << (element & 3), element >> 2 & 31, element >> 7
    if role >= len(ROLE_NAMES) or rotate not in (0, 1, 4) or (rotate and width == 1):
        raise CorruptDataError(f"no such member of a checkpoint frame ({role}, {element:#x})")
    expected = {1 + BF16: 2, 1 + FP16: 2, 1 + FP32: 4}
    if floats and (width != expected.get(floats) or big or not rotate):
        raise CorruptDataError(f"a member of a checkpoint frame has no such float format ({element:#x}, {floats})")
    return Member(role, width, rotate, bool(big), floats - 1)
