"""laconic: exact compression for the data AI systems make."""

from __future__ import annotations

from laconic.errors import (
    CorruptDataError,
    LaconicError,
    LimitError,
    MissingBaseError,
    TornArchiveWarning,
    UnsupportedError,
)

__version__ = "0.1.0"

__all__ = [
    "CorruptDataError",
    "LaconicError",
    "LimitError",
    "MissingBaseError",
    "TornArchiveWarning",
    "UnsupportedError",
]
