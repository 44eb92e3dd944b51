"""Payload -> raw bytes of one frame: the part that random access and pipes share."""

from __future__ import annotations

import threading
from collections.abc import Callable

from laconic import _core
from laconic.container import format as f
from laconic.container.base import BaseEntry, BaseResolver
from laconic.container.codec import Codec
from laconic.container.frame import FrameHead, check_raw, compare_check
from laconic.container.hashing import ContentHash, check_and_feed, in_one_pass
from laconic.container.scan import parse_object
from laconic.container.varint import Cursor
from laconic.errors import CorruptDataError, MissingBaseError, UnsupportedError

CopyReader = Callable[[int, int, int, str], memoryview]  # (stream id, raw start, size, where) -> bytes of earlier DATA frames

MAX_PRIOR = 1 << 28  # bytes of a prior that an archive may bring along

_bases_open = threading.local()  # the bases that this thread is in the middle of reading, in any archive; how many reads it took


class FrameDecoder:
    """Stateless; safe to use from several threads."""

    def __init__(self, codecs: Callable[[str], Codec], resolve_base: BaseResolver | None) -> None:
        self._codecs = codecs
        self._resolve_base = resolve_base

    def raw(
        self, head: FrameHead, payload: memoryview, where: str, out: memoryview | None, read_copy: CopyReader | None, *hashes: ContentHash,
        past_caches: bool = False,
    ) -> memoryview:  # fmt: skip
        """Checked raw bytes of a DATA, OBJECT or COPY frame, in `out` if given; its payload was checked before. The hashes take them too.

        `past_caches`: `out` will not be read before much else is.
        """
        if head.type == f.COPY:
            if read_copy is None:
                raise CorruptDataError(f"{where}: a copy of a copy")
            cursor = Cursor(payload, f"{where}: the copy")
            stream, start = cursor.uvarint(), cursor.uvarint()
            cursor.end()
            raw = read_copy(stream, start, head.raw_size, where)
        elif not head.codec:
            raw = payload
        else:
            return self._coded(head, payload, where, out, hashes, past_caches)
        check_raw(head, raw, where, *hashes)
        if out is None:
            return raw
        out[:] = raw
        return out

    def _coded(
        self, head: FrameHead, payload: memoryview, where: str, out: memoryview | None, hashes: tuple[ContentHash, ...], past_caches: bool
    ) -> memoryview:  # fmt: skip
        codec = self.codec_of(head, where)
        base = self._base_range(head, where)
        params = codec_params(head, where)
        self._provide_prior(codec, params)
        if out is None:
            out = memoryview(_core.Memory(head.raw_size))
        try:
            if hasattr(codec, "deliver") and in_one_pass(len(out), hashes):
                check = codec.deliver(payload, params, head.version, out, base, [hash_.state for hash_ in hashes], past_caches)
            else:
                codec.decode(payload, params, head.version, out, base)
                check = check_and_feed(out, *hashes)
        except CorruptDataError as error:
            raise CorruptDataError(f"{where}: {error}") from error
        compare_check(head, check, where)
        return out

    def codec_of(self, head: FrameHead, where: str) -> Codec:
        """The codec of a coded frame; UnsupportedError names it and the version needed."""
        needed = f"{where}: needs codec {head.codec!r} version {head.version}"
        try:
            codec = self._codecs(head.codec)
        except UnsupportedError as error:
            raise UnsupportedError(f"{needed}: {error}") from error
        if head.version > codec.version:
            raise UnsupportedError(f"{needed}; this installation has version {codec.version} - install a newer one")
        return codec

    def _provide_prior(self, codec: Codec, params: bytes) -> None:
        """Where the codec needs a prior that it has not seen (optional methods `missing_prior(params)` and `give_prior(data)`): the
        entry with that content hash, in this archive or one given as base."""
        digest = codec.missing_prior(params) if hasattr(codec, "missing_prior") else None
        if digest is None or self._resolve_base is None:
            return
        reading: list[BaseEntry] = _bases_open.__dict__.setdefault("stack", [])
        entry = self._resolve_base(digest, reading) if len(reading) < f.MAX_BASE_DEPTH else None
        if entry is not None and entry.size <= MAX_PRIOR:
            reading.append(entry)  # a prior that is coded with itself must not find itself
            try:
                codec.give_prior(bytes(entry.read(0, entry.size)))  # type: ignore[attr-defined]
            finally:
                reading.pop()

    def _base_range(self, head: FrameHead, where: str) -> memoryview | None:
        if head.base is None:
            return None
        reading: list[BaseEntry] = _bases_open.__dict__.setdefault("stack", [])
        if not reading:
            _bases_open.reads = 0
        _bases_open.reads += 1
        if len(reading) >= f.MAX_BASE_DEPTH or _bases_open.reads > f.MAX_BASE_READS:
            raise CorruptDataError(f"{where}: its chain of bases does not end")
        base = self._resolve_base(head.base.hash, reading) if self._resolve_base else None
        if base is None:
            raise MissingBaseError(
                f"{where}: needs the base with content hash {head.base.hash.hex()}; give the file or archive that holds it as base"
            )
        if head.base.start + head.raw_size > base.size:
            raise CorruptDataError(f"{where}: its base is shorter than the range it names")
        reading.append(base)
        try:
            return base.read(head.base.start, head.base.start + head.raw_size)
        finally:
            reading.pop()


def codec_params(head: FrameHead, where: str) -> bytes:
    """The codec's own parameters (those of an OBJECT follow its descriptor)."""
    return parse_object(head, where)[1] if head.type == f.OBJECT else head.params
