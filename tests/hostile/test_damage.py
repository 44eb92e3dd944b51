"""Every bit flip and truncation of small archives, and garbage: an error or the right data, in bounded time and memory."""

from __future__ import annotations

import random

import pytest
from hostile import GOLDEN, run, wanted

ARCHIVES = sorted(path.stem for path in GOLDEN.glob("*.lac"))
# Archives whose payloads are slow to decode, and are damaged by their codecs' own tests: left to `make test-large`.
_SLOW = ("checkpoints", "file-audio", "file-bytes", "file-gguf", "file-log", "file-torch", "kv", "single-image", "single-wide", "weights1")
QUICK_ARCHIVES = [pytest.param(name, marks=pytest.mark.large) if name.startswith(_SLOW) else name for name in ARCHIVES]
LARGE = {"base", "streams"}
EVERY_BIT = 900  # bytes up to which every bit is flipped; above, a sample of as many


def load(name: str) -> tuple[bytes, bytes | None]:
    return (GOLDEN / f"{name}.lac").read_bytes(), (GOLDEN / "base.lac").read_bytes() if name.endswith("delta") else None


def label(what: str, name: str, where: object) -> str:
    return f"{name}: {what} {where}"


@pytest.mark.parametrize("name", QUICK_ARCHIVES)
def test_bit_flips(name: str) -> None:
    blob, base = load(name)
    right = wanted(blob, base)
    bits = list(range(8 * len(blob)))
    if len(blob) > EVERY_BIT:
        edges = set(range(8 * 48)) | set(range(8 * (len(blob) - 200), 8 * len(blob)))
        rest = sorted(set(bits) - edges)
        bits = sorted(edges | set(random.Random(name).sample(rest, 400 if name in LARGE else 1200)))
    cases = []
    for bit in bits:
        damaged = bytearray(blob)
        damaged[bit // 8] ^= 1 << bit % 8
        cases.append((label("bit", name, bit), bytes(damaged), right))
    counts = run(cases, base=base, warm=[blob], ways=["index", "pipe"])
    assert counts["error"] > 0
    run(cases[::4], base=base, warm=[blob], ways=["recover", "decode"])


@pytest.mark.parametrize("name", QUICK_ARCHIVES)
def test_truncations(name: str) -> None:
    blob, base = load(name)
    right = wanted(blob, base)
    sizes = list(range(len(blob)))
    if len(blob) > EVERY_BIT:
        sizes = sorted({*range(300), *range(len(blob) - 400, len(blob)), *random.Random(name).sample(sizes, 300)})
    cases = []
    for size in sizes:
        # An append is a new end after a complete archive: cut exactly there, the file is the archive as it was before.
        if name in ("appended", "concatenated") and size in part_ends(blob):
            continue
        cases.append((label("cut at", name, size), blob[:size], right))
    run(cases, base=base, warm=[blob])


def part_ends(blob: bytes) -> set[int]:
    from forge import split

    ends, position, pieces = set(), 0, split(blob)
    for piece, after in zip(pieces, [*pieces[1:], None], strict=True):
        position += len(piece.data)
        if after is None or after.what == "header":
            ends.add(position)
    return ends


@pytest.mark.parametrize("name", QUICK_ARCHIVES)
def test_bytes_replaced_inserted_removed_and_moved(name: str) -> None:
    blob, base = load(name)
    right = wanted(blob, base)
    chance = random.Random(f"edit {name}")
    cases = []
    for k in range(60 if name in LARGE else 150):
        damaged = bytearray(blob)
        for _ in range(chance.choice((1, 1, 2, 5))):
            at = chance.randrange(len(damaged) + 1)
            to = min(len(damaged), at + chance.choice((1, 2, 4, 16, 64)))
            edit = chance.randrange(5)
            if edit == 0:
                damaged[at:to] = chance.randbytes(to - at)
            elif edit == 1:
                damaged[at:at] = chance.randbytes(chance.choice((1, 4, 13, 64)))
            elif edit == 2:
                del damaged[at:to]
            elif edit == 3:
                damaged[at:to] = bytes((chance.choice((0, 255)),)) * (to - at)
            else:
                other = chance.randrange(len(damaged) + 1)
                damaged[at:at] = damaged[other : other + to - at]
        if bytes(damaged) != blob:
            cases.append((label("edit", name, k), bytes(damaged), right))
    run(cases, base=base, warm=[blob])


def test_garbage() -> None:
    chance = random.Random(1)
    starts = [b"", *((GOLDEN / f"{name}.lac").read_bytes()[:n] for name in ARCHIVES for n in (8, 13, 17, 30, 60))]
    ends = [b"", *((GOLDEN / f"{name}.lac").read_bytes()[-n:] for name in ARCHIVES for n in (8, 32, 80))]
    cases = []
    for k in range(800):
        garbage = chance.randbytes(chance.choice((0, 1, 7, 40, 300, 3000)))
        blob = chance.choice(starts) + garbage + chance.choice(ends)
        cases.append((f"garbage {k}", blob, None))
    run(cases, warm=[(GOLDEN / "tree.lac").read_bytes()])


def test_trailing_and_leading_garbage() -> None:
    """What is not the archive is reported, never read as a part of it."""
    cases = []
    for name in ARCHIVES:
        blob, base = load(name)
        if name in LARGE or base:
            continue
        for garbage in (b"\0", b"\n", bytes(40), b"\x8aLAC", b"x" * 1000, blob[:-1], blob[1:]):
            for damaged in (blob + garbage, garbage + blob):
                cases.append((f"{name} with {garbage[:8]!r}", damaged, None))
    run(cases, warm=[(GOLDEN / "tree.lac").read_bytes()])
