"""Codecs by name, found through the entry-point group `laconic.codecs`, so that any package can add a kind of data.

Our own are known by name without looking: what all installed packages offer takes tens of milliseconds to find out.
"""

from __future__ import annotations

import importlib
import threading
import warnings
from typing import TYPE_CHECKING, Any

from laconic.container.codec import Codec
from laconic.errors import UnsupportedError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "laconic.codecs"
SNIFF_BYTES = 1 << 16

# As in pyproject.toml.
OWN = {
    "audio": "laconic.codecs.audio:codec",
    "bytes": "laconic.codecs.bytes:codec",
    "checkpoint": "laconic.codecs.checkpoint:codec",
    "image": "laconic.codecs.image:codec",
    "kv": "laconic.codecs.kv:codec",
    "logs": "laconic.codecs.logs:codec",
    "stored": "laconic.codecs.bytes:stored",
    "weights": "laconic.codecs.weights:codec",
}

_lock = threading.Lock()
_loaded: dict[str, Codec] = {}
_found: dict[str, EntryPoint] | None = None
_broken: set[str] = set()


def _entry_points() -> dict[str, EntryPoint]:
    global _found
    if _found is None:
        from importlib.metadata import entry_points

        _found = {point.name: point for point in entry_points(group=GROUP)}
    return _found


def kinds() -> list[str]:
    """Names of all codecs that are installed or were registered."""
    return sorted({*OWN, *_entry_points(), *_loaded})


def register(codec: Codec) -> None:
    """Add a codec for this process, under its own name. The usual way is an entry point in the group `laconic.codecs`."""
    if not isinstance(codec, Codec):
        raise TypeError(f"{codec!r} does not implement laconic.container.Codec")
    with _lock:
        _loaded[codec.name] = codec


def get(name: str) -> Codec:
    """The codec called `name`; UnsupportedError if no installed package has it."""
    codec = _loaded.get(name)
    if codec is not None:
        return codec
    with _lock:
        if name not in _loaded:
            _loaded[name] = _load(name)
        return _loaded[name]


def _load(name: str) -> Codec:
    if name in OWN:
        module, _, attribute = OWN[name].partition(":")
        own: Codec = getattr(importlib.import_module(module), attribute)
        return own
    point = _entry_points().get(name)
    if point is None:
        raise UnsupportedError(f"no codec named {name!r} is installed (installed: {', '.join(kinds())})")
    loaded: Any = point.load()
    if not isinstance(loaded, Codec) or loaded.name != name:
        raise UnsupportedError(f"the entry point {name!r} ({point.value}) is not a codec of that name")
    return loaded


def sniff(head: bytes, size: int | None) -> str:
    """The kind of a file that begins with `head`: the surest codec's name, `bytes` if none is sure."""
    best, name = 0.0, "bytes"
    for kind in kinds():
        try:
            score = get(kind).sniff(head, size)
        except (ImportError, UnsupportedError) as error:  # a broken plug-in must not keep others from working
            if kind not in _broken:
                _broken.add(kind)
                warnings.warn(f"codec {kind!r} can't be loaded and is left out: {error}", RuntimeWarning, stacklevel=2)
            continue
        if score > best:
            best, name = score, kind
    return name
