"""Profiles by content hash: those that this process was given, then the user's folder of priors."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from laconic.codecs.kv.profile import Profile, content_hash
from laconic.errors import UnsupportedError

_loaded: dict[bytes, Profile] = {}
_lock = threading.Lock()


def folder() -> Path:
    """Where priors lie as `<hash>.prior`: $LACONIC_PRIORS, else `laconic/priors` in the user's data folder."""
    named = os.environ.get("LACONIC_PRIORS")
    return Path(named) if named else Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share").expanduser() / "laconic" / "priors"


def register(profile: Profile) -> None:
    with _lock:
        _loaded.setdefault(profile.hash, profile)


def register_bytes(data: bytes) -> Profile:
    profile = Profile.from_bytes(data)
    register(profile)
    return profile


def known(digest: bytes) -> bool:
    return digest in _loaded


def get(digest: bytes) -> Profile:
    """The profile with this content hash; UnsupportedError names it if it is nowhere."""
    profile = _loaded.get(digest)
    if profile is not None:
        return profile
    try:
        data = (folder() / f"{digest.hex()}.prior").read_bytes()
    except OSError:
        data = b""
    if content_hash(data) != digest:
        raise UnsupportedError(
            f"needs the KV profile with content hash {digest.hex()}: give it as profile= or --base, or put it into {folder()}"
        )
    return register_bytes(data)
