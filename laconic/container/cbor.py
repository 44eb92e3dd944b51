"""CBOR from files (RFC 8949), of which only plain values are taken."""

from __future__ import annotations

import io
from typing import Any

import cbor2

from laconic.errors import CorruptDataError

_BIG_INTEGERS = (2, 3)  # tags


def _no_tag(_decoder: Any, tag: Any = None) -> Any:
    raise CorruptDataError("metadata holds a CBOR tag")


# Tags would let a file ask for regular expressions, big decimals or shared references; nothing here has use for any of them.
_TAGS = (*range(64), 100, 256, 258, 260, 261, 1004, 43000, 55799)
_REFUSED = {number: _no_tag for number in _TAGS}
_REFUSED_BUT_INTEGERS = {number: _no_tag for number in _TAGS if number not in _BIG_INTEGERS}


def load_plain(data: bytes | memoryview, what: str, *, max_depth: int = 16, big_integers: bool = False) -> dict[str, Any]:
    """A CBOR map with text keys; values are integers (with `big_integers` of any size), floats, text, bytes, booleans, null, and arrays
    and maps of these, nested no deeper than `max_depth`. CorruptDataError, which says `what`, for anything else."""
    try:
        file = io.BytesIO(data)
        found = cbor2.load(
            file, max_depth=max_depth, allow_indefinite=False, allow_duplicate_keys=False, strict_hashable_types=True,
            semantic_decoders=_REFUSED_BUT_INTEGERS if big_integers else _REFUSED, tag_hook=_no_tag,
        )  # fmt: skip
    except CorruptDataError as error:
        raise CorruptDataError(f"{what}: {error}") from None
    except (cbor2.CBORDecodeError, ValueError, RecursionError, OverflowError) as error:
        raise CorruptDataError(f"{what}: the metadata is not CBOR ({error})") from error
    if file.tell() != len(data):
        raise CorruptDataError(f"{what}: the metadata has {len(data) - file.tell()} bytes too many")
    if not isinstance(found, dict) or not _is_plain(found):
        raise CorruptDataError(f"{what}: the metadata is not a map with text keys and plain values")
    return found


def _is_plain(value: Any) -> bool:
    """Not so: maps with keys of bytes, `undefined` and the other simple values of CBOR."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return value is None or type(value) in (bool, int, float, str, bytes)
