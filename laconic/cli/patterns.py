"""Patterns of grep (basic, extended, fixed) as Python regular expressions on bytes, and the literals that a match must hold.

The meaning is that of GNU grep in the C locale: a character is a byte. Only whether a line matches is asked for, so the longest-match
rule of POSIX plays no part.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

_SPECIAL = frozenset(b"\\^$.|?*+()[]{}")
_CLASSES = {
    b"alpha": b"a-zA-Z", b"digit": b"0-9", b"alnum": b"a-zA-Z0-9", b"upper": b"A-Z", b"lower": b"a-z", b"space": b" \\t\\r\\f\\v",
    b"blank": b" \\t", b"punct": b"!-/:-@\\[-`{-~", b"print": b" -~", b"graph": b"!-~", b"cntrl": b"\\x00-\\x09\\x0b-\\x1f\\x7f",
    b"xdigit": b"0-9a-fA-F",
}  # fmt: skip
_ESCAPES = {
    ord("<"): b"\\b(?=\\w)", ord(">"): b"\\b(?<=\\w)", ord("b"): b"\\b", ord("B"): b"\\B", ord("w"): b"\\w", ord("W"): b"[^\\w\\n]",
    ord("s"): b"[ \\t\\r\\f\\v]", ord("S"): b"[^\\s]", ord("`"): b"^", ord("'"): b"$",
}  # fmt: skip


@dataclass
class Pattern:
    """A compiled pattern; `needs`: for each alternative, literals that are in every line it matches."""

    regex: re.Pattern[bytes]
    needs: list[list[bytes]]

    def may_match(self, may_hold: Callable[[bytes], bool]) -> bool:
        return any(all(map(may_hold, literals)) for literals in self.needs)


def compile_pattern(text: bytes, *, extended: bool = False, fixed: bool = False, ignore_case: bool = False) -> Pattern:
    """The pattern grep would use. Lines of `text` are alternatives. ValueError for one that is not well-formed."""
    parts, needs = [], []
    for line in text.split(b"\n"):
        if fixed:
            parts.append(re.escape(line))
            needs.append([line])
        else:
            translation = _Translation(line, extended)
            parts.append(bytes(translation.out))
            needs += translation.needs
    flags = re.MULTILINE | (re.IGNORECASE if ignore_case else 0)
    try:
        return Pattern(re.compile(b"|".join(b"(?:" + part + b")" for part in parts) if len(parts) > 1 else parts[0], flags), needs)
    except re.error as error:
        raise ValueError(f"not a pattern: {error}") from None


@dataclass
class _Translation:
    """One pattern, read from left to right. `literal` grows while plain characters outside of groups follow each other."""

    text: bytes
    extended: bool
    out: bytearray = field(default_factory=bytearray)
    needs: list[list[bytes]] = field(default_factory=lambda: [[]])
    literal: bytearray = field(default_factory=bytearray)
    groups: list[int] = field(default_factory=list)  # where the open ones start in `out`
    atom: int = 0  # where what a repetition applies to starts in `out`
    repeated: bool = False

    def __post_init__(self) -> None:
        at, fresh = 0, True  # fresh: at the start of an alternative, where * is plain and ^ an anchor
        while at < len(self.text):
            at, fresh = self._step(at, fresh)
        if self.groups:
            raise ValueError("not a pattern: a parenthesis is not closed")
        self._end_literal()

    def _step(self, at: int, fresh: bool) -> tuple[int, bool]:
        text, c = self.text, self.text[at]
        escaped = c == ord("\\")
        if escaped:
            at += 1
            if at == len(text):
                raise ValueError("not a pattern: it ends with a backslash")
            c = text[at]
        operator = escaped != self.extended and c in b"(){}|+?"
        if operator and c == ord("("):
            self._end_literal()
            self.groups.append(len(self.out))
            self.out += b"("
            return at + 1, True
        if operator and c == ord(")") and self.groups:
            self.out += b")"
            self.atom, self.repeated = self.groups.pop(), False
            return at + 1, False
        if operator and c == ord("|"):
            self._end_literal()
            if not self.groups:
                self.needs.append([])
            self.out += b"|"
            return at + 1, True
        if operator and c in b"+?" and not fresh:
            self._repeat(bytes((c,)))
            return at + 1, False
        if self.extended and fresh and not escaped and c in b"*+?":  # nothing to repeat: grep passes over it
            return at + 1, True
        if operator and c == ord("{") and not fresh:
            return self._bounds(at), False
        if not escaped:
            if c == ord("*"):
                if fresh:
                    self._plain(c)
                else:
                    self._repeat(b"*")
                return at + 1, False
            if c == ord("["):
                return self._bracket(at), False
            if c == ord("."):
                self._other(b".")
                return at + 1, False
            if c == ord("^") and (fresh or self.extended):
                self._other(b"^")
                return at + 1, True
            if c == ord("$") and (self.extended or at + 1 == len(text) or text[at + 1 : at + 3] in (b"\\)", b"\\|")):
                self._other(b"$")
                return at + 1, False
        elif c in _ESCAPES:
            self._other(_ESCAPES[c])
            return at + 1, False
        elif ord("1") <= c <= ord("9"):
            self._other(b"(?:\\" + bytes((c,)) + b")")
            return at + 1, False
        if operator and c == ord(")"):
            raise ValueError("not a pattern: a parenthesis is not open")
        self._plain(c)
        return at + 1, False

    def _plain(self, c: int) -> None:
        self.atom, self.repeated = len(self.out), False
        self.out += b"\\" + bytes((c,)) if c in _SPECIAL else bytes((c,))
        if not self.groups:
            self.literal.append(c)

    def _other(self, expression: bytes) -> None:
        self._end_literal()
        self.atom, self.repeated = len(self.out), False
        self.out += expression

    def _repeat(self, operator: bytes) -> None:
        """The last atom may be missing or come again."""
        if self.literal:
            self.literal.pop()
        self._end_literal()
        if self.repeated:  # Python gives a++ and a*? meanings of their own
            self.out[self.atom :] = b"(?:" + self.out[self.atom :] + b")"
        self.repeated = True
        self.out += operator

    def _bounds(self, at: int) -> int:
        close = self.text.find(b"}" if self.extended else b"\\}", at)
        inner = self.text[at + 1 : close] if close >= 0 else b""
        if not re.fullmatch(rb"\d+(,\d*)?|,\d+", inner):
            raise ValueError("not a pattern: bad contents of {}")
        self._repeat(b"{" + (b"0" + inner if inner.startswith(b",") else inner) + b"}")
        return close + (1 if self.extended else 2)

    def _bracket(self, at: int) -> int:
        text = self.text
        at += 1
        negated = text[at : at + 1] == b"^"
        at += negated
        inner = bytearray()
        first = True
        while True:
            if at >= len(text):
                raise ValueError("not a pattern: a bracket is not closed")
            if text[at] == ord("]") and not first:
                break
            first = False
            if text[at : at + 2] == b"[:":
                close = text.find(b":]", at)
                name = text[at + 2 : close] if close >= 0 else b""
                if name not in _CLASSES:
                    raise ValueError("not a pattern: no such character class")
                inner += _CLASSES[name]
                at = close + 2
            elif text[at] == ord("-") and inner and text[at + 1 : at + 2] not in (b"]", b""):
                inner += b"-"
                at += 1
            else:
                inner += b"\\x%02x" % text[at]
                at += 1
        self._other((b"[^\\n" if negated else b"[") + bytes(inner) + b"]")
        return at + 1

    def _end_literal(self) -> None:
        if self.literal:
            self.needs[-1].append(bytes(self.literal))
            self.literal.clear()
