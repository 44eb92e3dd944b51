"""Unsigned LEB128 integers and a bounds-checked cursor over bytes: the two things every parser of the container uses."""

from __future__ import annotations

from laconic.container.format import MAX_COUNT
from laconic.errors import CorruptDataError


def put_uvarint(out: bytearray, value: int) -> None:
    """Append `value` (0 <= value < 2**63) as unsigned LEB128."""
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


class Cursor:
    """Reads forward through `data`; anything past its end is CorruptDataError. `what` names the thing in messages."""

    __slots__ = ("data", "pos", "what")

    def __init__(self, data: bytes | memoryview, what: str) -> None:
        self.data = memoryview(data)
        self.pos = 0
        self.what = what

    def uvarint(self) -> int:
        data, pos, value = self.data, self.pos, 0
        try:
            for shift in range(0, 63, 7):
                byte = data[pos]
                pos += 1
                value |= (byte & 0x7F) << shift
                if byte < 0x80:
                    self.pos = pos
                    if value > MAX_COUNT:
                        break
                    return value
        except IndexError:
            raise CorruptDataError(f"{self.what} ends inside a number") from None
        raise CorruptDataError(f"{self.what} holds a number beyond 2**62")

    def take(self, size: int) -> memoryview:
        start, stop = self.pos, self.pos + size
        if stop > len(self.data):
            raise CorruptDataError(f"{self.what} is cut short: {size} bytes wanted, {len(self.data) - start} left")
        self.pos = stop
        return self.data[start:stop]

    def u8(self) -> int:
        return self.take(1)[0]

    def u32(self) -> int:
        return int.from_bytes(self.take(4), "little")

    def u64(self) -> int:
        return int.from_bytes(self.take(8), "little")

    def text(self, limit: int) -> str:
        size = self.uvarint()
        if size > limit:
            raise CorruptDataError(f"{self.what} holds a text of {size} bytes (limit {limit})")
        try:
            return str(self.take(size), "utf-8", "surrogateescape")
        except UnicodeDecodeError as error:  # pragma: no cover - surrogateescape accepts every byte
            raise CorruptDataError(f"{self.what} holds text that is not UTF-8") from error

    def end(self) -> None:
        if self.pos != len(self.data):
            raise CorruptDataError(f"{self.what} has {len(self.data) - self.pos} bytes too many")
