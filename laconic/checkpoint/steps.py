"""The steps in an archive: which there are, what they depend on, and what they hold."""

from __future__ import annotations

from dataclasses import dataclass

from laconic.archive.reader import ArchiveReader
from laconic.checkpoint import manifest
from laconic.container.reader import EARNED, EARNED_RATIO
from laconic.errors import CorruptDataError, LaconicError, UnsupportedError

META_VERSION = 1


@dataclass(frozen=True, slots=True)
class StepInfo:
    """A saved step. A key step decodes alone, any other against its `base`; `chain` steps have to be decoded before it."""

    step: int
    base: int | None
    chain: int
    raw_bytes: int
    order: int  # when it was written: the largest is the latest

    @property
    def key(self) -> bool:
        return self.base is None

    def meta(self) -> dict[str, int | None]:
        """Metadata of the step's manifest entry."""
        return {"checkpoint": META_VERSION, "base": self.base, "chain": self.chain, "raw": self.raw_bytes}


def find_steps(archive: ArchiveReader) -> dict[int, StepInfo]:
    """Steps by number, in the order in which they were written. A step that was written again counts once, as it was written last."""
    order = {name: k for k, (_, _, name) in enumerate(archive._reader.entries()) if name.isdecimal() and name.isascii()}
    found: dict[int, StepInfo] = {}
    for name, k in sorted(order.items(), key=lambda item: item[1]):
        if name not in archive:
            continue
        meta = archive.entry(name).meta
        version, base, chain, raw = (meta.get(key) for key in ("checkpoint", "base", "chain", "raw"))
        if type(version) is not int:
            continue  # an entry of some other making
        if version > META_VERSION:
            raise UnsupportedError(f"step {name}: written by a newer laconic - install it")
        if type(chain) is not int or type(raw) is not int or (base is not None and type(base) is not int) or str(int(name)) != name:
            raise CorruptDataError(f"step {name}: the description of the step is damaged")
        found[int(name)] = StepInfo(int(name), base, chain, raw, k)
    return found


def choose(steps: dict[int, StepInfo], step: int | None, where: str) -> StepInfo:
    """The step asked for, or the one that was written last; KeyError names those there are."""
    if not steps:
        raise KeyError(f"{where}: no checkpoint is complete in this archive")
    if step is None:
        return max(steps.values(), key=lambda info: info.order)
    if step not in steps:
        some = sorted(steps)
        listed = ", ".join(map(str, some if len(some) <= 12 else [*some[:6], "...", *some[-5:]]))
        raise KeyError(f"{where}: no step {step} (steps: {listed})")
    return steps[step]


def read_manifest(archive: ArchiveReader, step: int) -> manifest.Manifest:
    """What step `step` holds. Errors name the step."""
    try:
        found = manifest.parse(bytes(archive.read(str(step))))
    except LaconicError as error:
        raise type(error)(f"step {step}: {error}") from error
    if found.step != step:
        raise CorruptDataError(f"step {step}: its manifest is that of step {found.step}")
    return found


def group_name(archive: ArchiveReader, found: manifest.Manifest, number: int) -> str:
    """The entry of group `number` of a step; CorruptDataError unless it is there and as large as the manifest says."""
    name = f"{found.step}/{number}"
    if name not in archive:
        raise CorruptDataError(f"step {found.step}: its group {number} is missing")
    if archive.entry(name).size != found.groups[number].size:
        raise CorruptDataError(f"step {found.step}: its group {number} has another size than its manifest says")
    return name


def prove(archive: ArchiveReader, name: str) -> None:
    """Decode an entry, a frame at a time, if it claims far more than its stored bytes make plausible: before memory is made for it."""
    part, entry = archive._entry(name)
    stream = archive._reader.check_extent(part, entry)
    if stream is not None and entry.size > EARNED and entry.size > EARNED_RATIO * sum(stream.lengths):
        for _ in archive._reader.blocks(part, entry, jobs=1):
            pass
