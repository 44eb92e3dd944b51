"""Files of formats that no adaptor knows (`.onnx`, `.h5`, `.tflite`, torch's old pickles, raw dumps): floats found by statistics.

A sample of each window is looked at for floats of some width, byte order and alignment (csrc/float/detect.h). Neighbouring windows that
agree are one piece; the others are plain bytes. Nothing is parsed and no tensor gets a name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from laconic import _core
from laconic.codecs.weights.tensors import Formats
from laconic.container import Piece, Source, View, zstd

WINDOW = 1 << 15
SAMPLE = 1 << 13
RUN = 1 << 26  # bytes after which a piece ends even if the next window agrees
GAP = 8  # windows that may say nothing between others that agree
SMALLEST = 1 << 14  # a file smaller than this is not looked at

_DTYPES = {(2, 1): "f2", (4, 1): "f4", (8, 4): "f8"}  # (width, rotation)

# Files that hold tensors, however they begin: ONNX (a protobuf: version, then the producer's name), HDF5, TFLite, torch before 1.6.
_MAGICS = ((0, b"\x89HDF\r\n\x1a\n"), (4, b"TFL3"), (0, b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."))

Found = tuple[str, int, int]  # dtype, item size, position of some element modulo the item size


def sniff(head: bytes, size: int | None) -> float:
    if size is None or size < SMALLEST:
        return 0.0
    onnx = head[:1] == b"\x08" and head[2:3] in (b"\x12", b":") and 1 <= head[1] <= 30
    if onnx or any(head[at : at + len(magic)] == magic for at, magic in _MAGICS):
        return 0.3
    samples = [head[at : at + SAMPLE] for at in range(0, min(len(head), size) - SAMPLE + 1, SAMPLE)]
    floats = sum(_floats(sample) is not None for sample in samples)
    return 0.3 if 2 * floats > len(samples) else 0.0


def layout(source: Source, formats: Formats) -> Iterator[Piece | View]:
    size = source.size
    if size is None:
        raise ValueError("a pipe can't be looked at twice")
    windows = range(0, size, WINDOW)
    probes = windows[:: max(1, len(windows) // 64)]
    floats = sum(_detect(source, start, size) is not None for start in probes)
    if 4 * floats < len(probes):  # tables in programs look like a few floats
        raise ValueError("not much of it looks like floats")
    start = 0
    kind: Found | None = None
    for window, found in _without_gaps((window, _detect(source, window, size)) for window in windows):
        if found != kind or window - start >= RUN:
            # The next run begins with a whole element; bytes before it stay with the run before.
            edge = window if found is None else window + (found[2] - window) % found[1]
            yield from _run(kind, start, edge, formats)
            start, kind = edge, found
    yield from _run(kind, start, size, formats)


def _without_gaps(windows: Iterable[tuple[int, Found | None]]) -> Iterator[tuple[int, Found | None]]:
    """`windows`, where a few that say nothing stand between two that agree: they are of the same tensors (rows of zeros, say)."""
    before: Found | None = None
    gap: list[int] = []
    for window, found in windows:
        if found is None and before is not None and len(gap) < GAP:
            gap.append(window)
            continue
        yield from ((at, found if found == before else None) for at in gap)
        gap.clear()
        yield window, found
        before = found
    yield from ((at, None) for at in gap)


def _detect(source: Source, window: int, size: int) -> Found | None:
    """What the window that begins at `window` seems to hold, told from its middle."""
    at = max(window, min(window + (WINDOW - SAMPLE) // 2, size - SAMPLE))
    found = _floats(source.read_at(at, SAMPLE))
    if found is None:
        return None
    width, rotate, big, phase = found
    return ("><"[not big] + _DTYPES[width, rotate], width, (at + phase) % width)


def _floats(sample: bytes) -> tuple[int, int, bool, int] | None:
    """(width, rotation, big-endian, bytes before the first element) of the floats in `sample`; None if zstd finds more in it."""
    found = _core.detect_elements(sample)
    if found is None or len(zstd.compress(sample, 1)) < found[4]:
        return None
    return found[:4]


def _run(kind: Found | None, start: int, end: int, formats: Formats) -> Iterator[Piece]:
    if start >= end:
        return
    params = formats.params(kind[0], kind[1]) if kind else None
    yield Piece(end - start, codec="bytes") if params is None or kind is None else Piece(end - start, params, unit=kind[1])
