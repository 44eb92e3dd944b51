"""What can go wrong, in one place. Every exception that laconic raises on purpose is one of these or a plain ValueError/TypeError."""

from __future__ import annotations


class LaconicError(Exception):
    """Base of all errors raised by laconic on purpose."""


class CorruptDataError(LaconicError, ValueError):
    """The bytes are damaged, truncated or were never written by laconic. The message says where (entry, frame, offset)."""


class UnsupportedError(LaconicError):
    """Intact data that this installation can't decode: a newer format, an unknown codec, a missing prior or base."""


class MissingBaseError(UnsupportedError):
    """A delta needs the entry it was made against. The message names it by content hash."""


class LimitError(LaconicError):
    """Decoding would go past a limit that the caller set (`max_size`)."""


class TornArchiveWarning(UserWarning):
    """The end of an archive is missing (an interrupted write); what is complete before it is being read."""
