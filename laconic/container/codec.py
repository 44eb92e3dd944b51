"""What a codec is: the protocol every kind of data implements, and the small types that cross it.

    bytes -> layout (adaptor: where the pieces and tensors lie) -> encode (transform, prior, coder) -> frame

A codec is stateless: one object serves all threads. It cuts an input into *pieces* (`layout`), codes one frame's worth of raw bytes at
a time (`encode`, `decode`), and says what is in a frame (`info`). Order, checksums, parallelism, names and files are the container's
work. A frame decodes alone: `decode` gets the payload, the parameters and nothing else (and the base's bytes, where there is a base).

Another package adds a kind with an entry point in the group `laconic.codecs` that names such an object.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

HEAD = 1 << 16  # bytes kept for sniffing and for layouts of a pipe
LEVELS = ("fast", "default", "high", "max")


@dataclass(frozen=True, slots=True)
class Piece:
    """The next `size` raw bytes of a stream (None: all that is left), coded as frames that share `params`.

    `codec` names another codec to code them with ("" = the codec whose layout this is). Frames are cut at multiples of `unit` bytes
    (an element, a row) from the start of the piece.
    """

    size: int | None
    params: bytes = b""
    codec: str = ""
    unit: int = 1


@dataclass(frozen=True, slots=True)
class View:
    """A tensor inside a stream, readable on its own under `name` (below the name of the entry that holds the stream)."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    size: int


class Source(Protocol):
    """The bytes that a layout looks at. `size` is None when they come from a pipe; then only `head` works."""

    @property
    def size(self) -> int | None: ...

    def head(self, size: int) -> bytes:
        """The first `size` bytes (fewer if there are fewer), without consuming them."""
        ...

    def read_at(self, start: int, size: int) -> bytes:
        """`size` bytes from `start`; only where `size` is known."""
        ...


class SourceReader:
    """Bytes of a source at any place where that is possible, else of its head: what a parser of files needs."""

    def __init__(self, source: Source) -> None:
        self.size = source.size
        self._source = source
        self._head = source.head(HEAD)

    def at(self, start: int, size: int) -> bytes:
        """Up to `size` bytes from `start`, fewer at the end of what can be seen."""
        if self.size is None or start + size <= len(self._head):
            return self._head[start : start + size]
        return self._source.read_at(start, size)


@runtime_checkable
class Codec(Protocol):
    """One kind of data. See the module docstring and docs/codecs.md."""

    name: str  # the kind, and the codec's name in frames
    version: int  # of the payload format; decode accepts this one and all before it

    def sniff(self, head: bytes, size: int | None) -> float:
        """How sure (0 to 1) that a file that begins with `head` (up to 64 KiB) and has `size` bytes (None: unknown) is of this kind."""
        ...

    def layout(self, source: Source) -> Iterator[Piece | View]:
        """Pieces that cover the file in order, and the views in it, each before the piece that holds its first byte.

        Raises ValueError when the file is not of this kind after all; the caller then falls back to `bytes`.
        """
        ...

    def params(self, dtype: str, itemsize: int) -> bytes | None:
        """Parameters for the raw bytes of an array of `dtype` (`docs/format.md`, "dtypes"); None: this codec does not take it."""
        ...

    # A codec that needs an array's shape has two methods more: `array_params(dtype, shape) -> bytes | None` instead of `params`, and
    # `unit(params) -> int`, the bytes that frames are cut at (a row).

    def frame_size(self, level: str) -> int:
        """Raw bytes of a full frame at `level`."""
        ...

    def encode(self, raw: memoryview, params: bytes, level: str, base: memoryview | None) -> bytes | bytearray | None:
        """The payload of one frame, or None when storing the raw bytes is as good. `base` has the size of `raw`. Thread-safe."""
        ...

    def decode(self, payload: memoryview, params: bytes, version: int, out: memoryview, base: memoryview | None) -> None:
        """Fill `out` exactly, or raise CorruptDataError. Thread-safe; allocates no more than a small multiple of `len(out)`."""
        ...

    # A codec that can hash what it decodes while it is in a cache has a method more: `deliver(payload, params, version, out, base, hashes,
    # past_caches) -> int`, which does what `decode` does and returns xxh3_64 of `out` (more than 240 bytes). `hashes`: up to three
    # `_core.Xxh3` that take the same bytes. `past_caches`: `out` will not be read before much else is.

    def info(self, payload: memoryview, params: bytes, version: int, raw_size: int) -> dict[str, Any]:
        """What `laconic info` shows of a frame, e.g. {"method": "zstd"}; values are text or numbers."""
        ...
