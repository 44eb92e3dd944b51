"""safetensors' own exception where that library is installed, so that `except` clauses written for it keep working."""

from __future__ import annotations

try:
    from safetensors import SafetensorError
except ImportError:

    class SafetensorError(Exception):  # type: ignore[no-redef]
        """A file that is no safetensors file, or a tensor that is not in it."""


__all__ = ["SafetensorError"]
