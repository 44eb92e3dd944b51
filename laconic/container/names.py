"""Entry names of things inside other things: keys escaped as in a JSON pointer (RFC 6901), so that `/` separates levels.

`~` is written `~0`, `/` is `~1`, and an empty key is `~e` (else it would have the name of what holds it).
"""

from __future__ import annotations


def escape(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1") or "~e"


def unescape(text: str) -> str:
    return "" if text == "~e" else text.replace("~1", "/").replace("~0", "~")
