"""The codec on single frames: every layout comes back, and nothing but data or CorruptDataError comes of damage."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from adam import AdamW
from hypothesis import given
from hypothesis import strategies as st

from laconic import registry
from laconic.codecs.checkpoint import layout as lay
from laconic.errors import CorruptDataError

codec: Any = registry.get("checkpoint")
FP32 = (lay.FORMAT_FP32, lay.FP32)
ELEMENTS = [(0, -1), (1, -1), (2, -1), (3, -1), (lay.FORMAT_16, lay.BF16), (lay.FORMAT_16, lay.FP16), FP32, (3 | 4 << 2, -1),
            (lay.FORMAT_FP32 | 128, -1)]  # fmt: skip


def round_trip(raw: bytes, params: bytes, base: bytes | None, level: str = "default") -> bytes:
    view = None if base is None else memoryview(base)
    payload = codec.encode(memoryview(raw), params, level, view)
    out = bytearray(len(raw))
    codec.decode(memoryview(payload), params, 1, memoryview(out), view)
    assert bytes(out) == raw
    codec.info(memoryview(payload), params, 1, len(raw))
    return bytes(payload)


members = st.lists(st.tuples(st.integers(0, 6), st.sampled_from(ELEMENTS)), min_size=1, max_size=5)
steps = st.sampled_from([lay.Step(), lay.Step(lay.ADAM, (0, 0), (0.9,) * 7), lay.Step(lay.ADAM, (2, 3), (0.0, -0.0, 1.0, 0.0, 0.5, 0.5, 0.5)),
                         lay.Step(lay.SGD, (3,), (0.1, 0.9, 1.0))])  # fmt: skip


@given(members, steps, st.integers(0, 70), st.integers(0, 99), st.booleans(), st.booleans())
def test_any_layout(found: list[tuple[int, tuple[int, int]]], step: lay.Step, n: int, seed: int, based: bool, near: bool) -> None:
    layout, used = [], set()
    for role, (element, floats) in found:
        layout.append((lay.PLAIN if role in used else role, element, floats))
        used.add(role)
    width = sum(1 << (element & 3) for _, element, _ in layout)
    noise = np.random.default_rng(seed)
    raw = noise.integers(0, 256, n * width).astype(np.uint8)
    base = raw ^ (noise.random(len(raw)) < 0.1) if near else noise.integers(0, 256, n * width)
    round_trip(raw.tobytes(), lay.pack(layout, step), base.astype(np.uint8).tobytes() if based else None)


def adam_frames(n: int = 5000) -> tuple[bytes, bytes, bytes, AdamW]:
    """(base, now, parameters) of a weight with its moments, one step apart."""
    run = AdamW({"w": (n,)})
    for _ in range(5):
        run.step()
    base = b"".join(x.tobytes() for x in (run.weights["w"], *run.moments["w"]))
    run.step()
    now = b"".join(x.tobytes() for x in (run.weights["w"], *run.moments["w"]))
    t, (b1, b2) = run.count, run.betas
    scalars = (1 - run.lr * run.decay, -run.lr / (1 - b1**t), (1 - b2**t) ** 0.5, run.eps, 1 - b1, b2, 1 - b2)
    params = lay.pack([(role, *FP32) for role in (lay.WEIGHT, lay.FIRST, lay.SECOND)], lay.Step(lay.ADAM, (0, 1), scalars))
    return base, now, params, run


def test_a_replayed_step() -> None:
    base, now, params, _ = adam_frames(40_000)
    payload = round_trip(now, params, base)
    report = codec.info(memoryview(payload), params, 1, len(now))
    assert report["method"].endswith("second from gradient, weight replayed")
    bits = dict(zip(report["members"], report["bits_per_value"], strict=True))
    assert bits["weight"] < 0.01
    assert bits["second"] < 1.1  # after five steps; less when the moments have settled
    assert len(payload) < len(now) * 0.3
    assert len(payload) < len(round_trip(now, params, None)) / 2.5


@pytest.mark.parametrize("change", ["one weight", "one moment", "learning rate", "order"])
def test_a_step_that_was_not_that(change: str) -> None:
    base, now, params, _ = adam_frames(40_000)
    exact = len(round_trip(now, params, base))
    parts = np.frombuffer(now, np.float32).copy()
    layout = lay.parse(params)
    step = layout.step
    if change == "one weight":
        parts[777] += 0.5
    elif change == "one moment":
        parts[40_000 + 777] *= -3
    elif change == "learning rate":
        step = lay.Step(lay.ADAM, step.orders, (step.scalars[0], 1.01 * step.scalars[1], *step.scalars[2:]))
    else:
        step = lay.Step(lay.ADAM, (1, 2), step.scalars)
    params = lay.pack([(m.role, *FP32) for m in layout.members], step)
    size = len(round_trip(parts.tobytes(), params, base))
    assert exact < size < 0.9 * len(now)
    if change.startswith("one"):
        assert size < exact + 100


def test_a_copy_costs_nothing() -> None:
    import ml_dtypes

    x = np.random.default_rng(0).normal(0, 0.02, 50_000).astype(np.float32)
    for dtype, floats in ((ml_dtypes.bfloat16, lay.BF16), (np.float16, lay.FP16)):
        raw = x.tobytes() + x.astype(dtype).tobytes()
        params = lay.pack([(lay.WEIGHT, *FP32), (lay.COPY, lay.FORMAT_16, floats)])
        alone = round_trip(x.tobytes(), lay.pack([(lay.WEIGHT, *FP32)]), None)
        assert len(round_trip(raw, params, None)) - len(alone) < 0.01 * 50_000 / 8


def test_steps_of_an_unknown_kind() -> None:
    """Where the optimizer's step is not known, the direction that both states' moments show is worth several bits."""
    base, now, params, _ = adam_frames(40_000)
    layout = lay.parse(params)
    unknown = lay.pack([(m.role, *FP32) for m in layout.members])
    payload = round_trip(now, unknown, base)
    report = codec.info(memoryview(payload), unknown, 1, len(now))
    assert "weight shares of the direction" in report["method"]
    bits = dict(zip(report["members"], report["bits_per_value"], strict=True))
    plain = len(round_trip(now[: len(now) // 3], lay.pack([(lay.WEIGHT, *FP32)]), base[: len(base) // 3])) * 8 / 40_000
    assert bits["weight"] < plain - 5


def test_unchanged_members_cost_nothing() -> None:
    x = np.random.default_rng(0).normal(0, 0.02, 50_000).astype(np.float32).tobytes()
    assert len(round_trip(x, lay.pack([(lay.WEIGHT, *FP32)]), x)) < 8


def test_damage() -> None:
    base, now, params, _ = adam_frames(300)
    for reference in (base, None):
        payload = round_trip(now, params, reference)
        chance = random.Random(1)
        flips = [(k, 1 << chance.randrange(8)) for k in range(0, len(payload), 3)]
        damaged = [payload[:k] + bytes((payload[k] ^ bit,)) + payload[k + 1 :] for k, bit in flips]
        damaged += [payload[:k] for k in range(0, len(payload), 7)]
        out = memoryview(bytearray(len(now)))
        for data in damaged:
            try:
                codec.decode(memoryview(data), params, 1, out, None if reference is None else memoryview(reference))
            except CorruptDataError:
                pass
    payload = round_trip(now, params, base)
    for crafted, what in ((payload + payload, "twice"), (b"", "lacks a member"), (b"\x09" + payload[1:], "does not have")):
        with pytest.raises(CorruptDataError, match=what):
            codec.decode(memoryview(crafted), params, 1, memoryview(bytearray(len(now))), memoryview(base))
    with pytest.raises(CorruptDataError, match="lacks the base"):
        codec.decode(memoryview(payload), params, 1, memoryview(bytearray(len(now))), None)
    with pytest.raises(CorruptDataError, match="for elements"):
        codec.decode(memoryview(payload), params, 1, memoryview(bytearray(len(now) - 1)), memoryview(base[:-1]))


def test_crafted_methods() -> None:
    """Any method on any member: data or CorruptDataError."""
    n = 64
    raw = memoryview(np.random.default_rng(3).integers(0, 256, n * 14).astype(np.uint8).tobytes())
    layouts = [
        lay.pack([(lay.WEIGHT, *FP32), (lay.FIRST, *FP32), (lay.SECOND, *FP32), (lay.COPY, lay.FORMAT_16, lay.BF16)], step)
        for step in (lay.Step(), lay.Step(lay.ADAM, (0, 0), (1.0,) * 7), lay.Step(lay.SGD, (2,), (1.0,) * 3))
    ]  # fmt: skip
    layouts.append(lay.pack([(lay.WEIGHT, lay.FORMAT_16, lay.BF16), (lay.FIRST, 2, -1), (lay.SECOND, *FP32), (lay.COPY, *FP32)]))
    out = memoryview(bytearray(len(raw)))
    for params in layouts:
        for base in (None, raw):
            for order in ((0, 1, 2, 3), (3, 2, 1, 0), (1, 2, 0, 3)):
                for method in range(16):
                    payload = b"".join(bytes((index, method, 5)) + b"\0\0\0\0\0" for index in order)
                    try:
                        codec.decode(memoryview(payload), params, 1, out, base)
                    except CorruptDataError:
                        pass


def test_crafted_parameters() -> None:
    good = lay.pack([(lay.WEIGHT, *FP32), (lay.FIRST, *FP32)], lay.Step(lay.ADAM, (0, 0), (1.0,) * 7))
    for k in range(len(good)):
        for params in (good[:k], good[:k] + bytes((good[k] ^ 0x55,)) + good[k + 1 :], good + b"\0"):
            try:
                lay.parse(params)
            except CorruptDataError:
                pass
    for bad in (b"", b"\0", b"\x40" + b"\0" * 300, good[:-1], good + b"\0"):
        with pytest.raises(CorruptDataError):
            lay.parse(bad)
