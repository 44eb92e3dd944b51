"""zstd frames whose raw size is known from outside: compressed without checksums of their own, decompressed with no trust."""

from __future__ import annotations

import threading

import zstandard

from laconic.errors import CorruptDataError

_local = threading.local()  # contexts are not thread-safe, and making one costs more than a small frame


def compress(raw: bytes | memoryview, level: int, *, long: bool = False, base: memoryview | None = None) -> bytes:
    """One zstd frame. `long` finds matches over the whole input; `base` is content that `decompress` will be given too."""
    if base is not None:
        return _with_params(raw, level, long, base).compress(raw)
    cache: dict[tuple[int, bool], zstandard.ZstdCompressor] = _local.__dict__.setdefault("compressors", {})
    compressor = cache.get((level, long))
    if compressor is None:
        compressor = cache[level, long] = _with_params(raw, level, long, None)
    return compressor.compress(raw)


def _with_params(raw: bytes | memoryview, level: int, long: bool, base: memoryview | None) -> zstandard.ZstdCompressor:
    prefix = zstandard.ZstdCompressionDict(bytes(base), dict_type=zstandard.DICT_TYPE_RAWCONTENT) if base is not None else None
    if not long and base is None:
        return zstandard.ZstdCompressor(level=level, write_checksum=False)
    window = {"window_log": max(20, min(26, (len(raw) + len(base or b"")).bit_length()))} if base is not None else {"window_log": 25}
    params = zstandard.ZstdCompressionParameters.from_level(level, enable_ldm=True, write_checksum=0, **window)
    return zstandard.ZstdCompressor(dict_data=prefix, compression_params=params)


def decompress(payload: bytes | memoryview, raw_size: int, where: str, base: memoryview | None = None) -> bytes:
    """The `raw_size` bytes of the one frame in `payload`; CorruptDataError for anything else."""
    try:
        declared = zstandard.frame_content_size(payload)
        if declared != raw_size:  # checked first: the library allocates what the frame declares
            raise CorruptDataError(f"{where}: a zstd frame of {declared} bytes where {raw_size} are expected")
        if base is None:
            decompressor = _local.__dict__.get("decompressor")
            if decompressor is None:
                decompressor = _local.decompressor = zstandard.ZstdDecompressor()
        else:
            prefix = zstandard.ZstdCompressionDict(bytes(base), dict_type=zstandard.DICT_TYPE_RAWCONTENT)
            decompressor = zstandard.ZstdDecompressor(dict_data=prefix)
        raw: bytes = decompressor.decompress(payload, max_output_size=raw_size, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise CorruptDataError(f"{where}: {error}") from error
    if len(raw) != raw_size:
        raise CorruptDataError(f"{where}: {len(raw)} bytes where {raw_size} are expected")
    return raw
