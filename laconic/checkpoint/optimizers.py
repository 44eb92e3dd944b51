"""Optimizers in a state: which arrays are whose moments, and what the step between two checkpoints was.

What is found here only decides how small a checkpoint becomes. The codec checks every prediction against the data, so a wrong guess - a
weight matched to another's moments, a learning rate that was changed - costs bytes and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from laconic import _core, objects
from laconic.codecs.checkpoint import layout as lay

# Keys of torch's optimizers (and of what follows their example), by role.
SLOT_ROLES = {
    "exp_avg": lay.FIRST, "exp_avg_sq": lay.SECOND, "max_exp_avg_sq": lay.MAXIMUM, "momentum_buffer": lay.MOMENTUM,
}  # fmt: skip
SAMPLE = 1 << 12  # elements that orders of operations are tried on
GOOD = 0.5  # share of them that must come out exactly
ENOUGH = 0.999  # share from which no other order is tried: torch's unfused square root misses one in 10,000


@dataclass(frozen=True, slots=True)
class Slots:
    """One parameter's entry in an optimizer's state."""

    parameter: str | int  # the optimizer's own name for it
    arrays: dict[int, str]  # path of the array by role
    settings: tuple[str, int]  # where its hyperparameters are: path of the optimizer, number of the parameter group
    count: float | None  # steps so far, where the state tells


@dataclass(slots=True)
class Found:
    """All optimizers of a state."""

    slots: list[Slots] = field(default_factory=list)
    settings: dict[tuple[str, int], dict[str, Any]] = field(default_factory=dict)


def find(state: Any) -> Found:
    """Every dict in `state` that has the keys `state` and `param_groups`, as `torch.optim.Optimizer.state_dict()` has; or `mu` and `nu`, as
    optax keeps Adam's moments: trees like that of the parameters, whose steps are not replayed, since hyperparameters are not there."""
    found = Found()
    for path, optimizer in _optimizers(state, "", 0):
        if "mu" in optimizer:
            for below in _arrays(optimizer["mu"], optimizer["nu"], ""):
                arrays = {role: "/".join(filter(None, (path, key, below))) for role, key in ((lay.FIRST, "mu"), (lay.SECOND, "nu"))}
                found.slots.append(Slots(below, arrays, (path, 0), None))
            continue
        place = f"{path}/state" if path else "state"
        for place_number, group in enumerate(optimizer["param_groups"]):
            if not isinstance(group, dict) or not isinstance(group.get("params"), (list, tuple)):
                continue
            found.settings[path, place_number] = {key: number(value) for key, value in group.items() if key != "params"}
            for parameter in group["params"]:
                slot = optimizer["state"].get(parameter) if isinstance(parameter, (int, str)) else None
                if isinstance(slot, dict):
                    prefix = f"{place}/{objects.escape_key(parameter)}"
                    arrays = {role: f"{prefix}/{key}" for key, role in SLOT_ROLES.items() if hasattr(slot.get(key), "dtype")}
                    found.slots.append(Slots(parameter, arrays, (path, place_number), number(slot.get("step"))))
    return found


def _optimizers(obj: Any, path: str, depth: int) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(obj, dict) and depth < 8:
        torch_like = isinstance(obj.get("state"), dict) and isinstance(obj.get("param_groups"), list)
        if torch_like or (isinstance(obj.get("mu"), dict) and isinstance(obj.get("nu"), dict)):
            yield path, obj
            return
        for key, value in obj.items():
            if type(key) in (int, str):
                escaped = objects.escape_key(key)
                yield from _optimizers(value, f"{path}/{escaped}" if path else escaped, depth + 1)


def _arrays(first: dict[Any, Any], second: dict[Any, Any], path: str) -> Iterator[str]:
    """Paths of the arrays that both of two trees of dicts have."""
    for key, value in first.items():
        if type(key) not in (int, str) or key not in second or path.count("/") > 30:
            continue
        below = f"{path}/{objects.escape_key(key)}" if path else objects.escape_key(key)
        if isinstance(value, dict) and isinstance(second[key], dict):
            yield from _arrays(value, second[key], below)
        elif hasattr(value, "dtype") and hasattr(second[key], "dtype"):
            yield below


def number(value: Any) -> Any:
    """A setting as plain numbers: a tensor's value, a tuple's numbers; None for anything else."""
    if isinstance(value, (list, tuple)):
        return tuple(map(number, value))
    if isinstance(value, (bool, int, float)):
        return value
    if hasattr(value, "dtype") and hasattr(value, "item") and math.prod(value.shape) == 1:
        return float(value.item())
    return None


# ---------------------------------------------------------------------- the step


@dataclass(frozen=True, slots=True)
class Sample:
    """A stretch of one parameter: fp32 bytes by role, now and at the base."""

    now: dict[int, Any]
    base: dict[int, Any]


def step_between(sample: Sample, settings: dict[str, Any], before: dict[str, Any], count: float | None) -> lay.Step:
    """The optimizer's step that leads from base to now on `sample`, if one of those that are known does.

    `settings`: the parameter group's settings as they are saved; `before`: those saved with the base (a scheduler may already have
    changed the learning rate for the next step).
    """
    rates = [rate for rate in dict.fromkeys((settings.get("lr"), before.get("lr"))) if isinstance(rate, float) and math.isfinite(rate)]
    if lay.MOMENTUM in sample.now:
        return _sgd_step(sample, settings, rates)
    if lay.FIRST in sample.now and lay.SECOND in sample.now and count:
        return _adam_step(sample, settings, rates, count)
    return lay.Step()


def _adam_step(sample: Sample, settings: dict[str, Any], rates: list[float], count: float) -> lay.Step:
    betas, eps = settings.get("betas"), settings.get("eps")
    if not isinstance(betas, tuple) or len(betas) != 2 or not all(isinstance(b, (int, float)) for b in betas) or not rates:
        return lay.Step()
    (beta1, beta2), weight_decay = betas, settings.get("weight_decay") or 0.0
    if not (0 < beta1 < 1 and 0 < beta2 < 1) or not isinstance(eps, float) or not isinstance(weight_decay, (int, float)):
        return lay.Step()
    try:
        first, second = 1 - beta1**count, (1 - beta2**count) ** 0.5
        choices = [
            _single(decay, -(rate / first), second, eps, 1 - beta1, beta2, 1 - beta2)
            for rate in rates for decay in dict.fromkeys((1 - rate * weight_decay, 1.0))
        ]  # fmt: skip
    except (OverflowError, ZeroDivisionError):
        return lay.Step()
    now, base = sample.now, sample.base
    used = now.get(lay.MAXIMUM, now[lay.SECOND])

    def weight(scalars: tuple[float, ...], order: int, out: Any) -> None:
        _core.replay_adam(base[lay.WEIGHT], now[lay.FIRST], used, scalars, order, out)

    def moment(scalars: tuple[float, ...], order: int, out: Any) -> None:
        _core.replay_second_moment(base[lay.FIRST], now[lay.FIRST], base[lay.SECOND], scalars, order, out)

    share, scalars, order = _best(weight, choices, 3, now[lay.WEIGHT]) if lay.WEIGHT in now else (0.0, choices[0], 0)
    moment_share, _, moment_order = _best(moment, [scalars], 4, now[lay.SECOND])
    if max(share, moment_share) < GOOD:
        return lay.Step()
    return lay.Step(lay.ADAM, (order, moment_order), scalars)


def _sgd_step(sample: Sample, settings: dict[str, Any], rates: list[float]) -> lay.Step:
    momentum, dampening = settings.get("momentum") or 0.0, settings.get("dampening") or 0.0
    if lay.WEIGHT not in sample.now or not rates or not isinstance(momentum, float) or dampening == 1:
        return lay.Step()
    now, base = sample.now, sample.base

    def weight(scalars: tuple[float, ...], order: int, out: Any) -> None:
        _core.replay_sgd(base[lay.WEIGHT], base[lay.MOMENTUM], now[lay.MOMENTUM], scalars, order, out)

    share, scalars, order = _best(weight, [_single(-rate, momentum, 1 - dampening) for rate in rates], 4, now[lay.WEIGHT])
    return lay.Step(lay.SGD, (order,), scalars) if share >= GOOD else lay.Step()


def _single(*values: float) -> tuple[float, ...]:
    """As they are in single precision, which is how they are stored and used."""
    with np.errstate(over="ignore"):
        return tuple(float(np.float32(value)) for value in values)


def _best(
    replay: Callable[[tuple[float, ...], int, Any], None], choices: Sequence[tuple[float, ...]], orders: int, actual: Any
) -> tuple[float, tuple[float, ...], int]:
    """(share of elements that come out exactly, scalars, order) of the best choice."""
    want = np.frombuffer(actual, np.uint32)
    best = (-1.0, choices[0], 0)
    out = np.empty(len(want), np.uint32)
    for scalars in choices:
        for order in range(orders):
            replay(scalars, order, out.view(np.uint8))
            share = float(np.mean(out == want)) if len(want) else 0.0
            if share > best[0]:
                best = (share, scalars, order)
            if share > ENOUGH:
                return best
    return best
