"""laconic: exact compression for the data AI systems make.

>>> import laconic
>>> laconic.decode(laconic.encode(b"hello"))
b'hello'
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from laconic.errors import (
    CorruptDataError,
    LaconicError,
    LimitError,
    MissingBaseError,
    TornArchiveWarning,
    UnsupportedError,
)

if TYPE_CHECKING:
    from laconic.api import decode, encode, open
    from laconic.archive import ArchiveReader, ArchiveWriter
    from laconic.information import bits, distance
    from laconic.registry import kinds, register

__version__ = "0.1.0"

__all__ = [
    "ArchiveReader",
    "ArchiveWriter",
    "CorruptDataError",
    "LaconicError",
    "LimitError",
    "MissingBaseError",
    "TornArchiveWarning",
    "UnsupportedError",
    "bits",
    "decode",
    "distance",
    "encode",
    "kinds",
    "open",
    "register",
]

_LAZY = {
    "encode": "laconic.api", "decode": "laconic.api", "open": "laconic.api", "ArchiveReader": "laconic.archive",
    "ArchiveWriter": "laconic.archive", "kinds": "laconic.registry", "register": "laconic.registry",
    "bits": "laconic.information", "distance": "laconic.information",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'laconic' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
