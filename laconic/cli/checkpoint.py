"""`laconic checkpoint list|info|extract|prune`: archives that training appended its steps to."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import click

from laconic.cli.common import human, jobs_option, json_option, print_json
from laconic.cli.errors import Failed
from laconic.cli.show import printable


@click.group("checkpoint")
def checkpoint_command() -> None:
    """Steps of training in one archive: list, extract, prune."""


def _open(archive: str, jobs: int | None = 1) -> Any:
    from laconic.checkpoint import CheckpointReader

    if not Path(archive).exists():
        raise Failed(f"{archive}: no such file")
    return CheckpointReader(archive, jobs=jobs)


@checkpoint_command.command("list")
@click.argument("archive")
@json_option
def list_steps(archive: str, as_json: bool) -> None:
    """The steps in ARCHIVE: kind, chain, size and ratio."""
    with _open(archive) as reader:
        for info in reader.steps():
            stored = reader.stored_bytes(info.step)
            if as_json:
                print_json({"step": info.step, "key": info.key, "base": info.base, "chain": info.chain, "raw_bytes": info.raw_bytes,
                            "stored_bytes": stored})  # fmt: skip
                continue
            kind = "key" if info.key else f"from {info.base}, chain {info.chain}"
            size = f"{human(info.raw_bytes):>10} -> {human(stored):>10} {_percent(stored, info.raw_bytes)}"
            print(f"{info.step:>12}  {kind:<28} {size}".rstrip())


def _percent(stored: int, raw: int) -> str:
    return f"{100 * stored / raw:6.2f} %" if raw else ""


@checkpoint_command.command("info")
@click.argument("archive")
@click.option("--step", type=int, help="Only this step (default: all).")
@json_option
def info_steps(archive: str, step: int | None, as_json: bool) -> None:
    """How the steps in ARCHIVE are coded: size and methods of each group of arrays."""
    with _open(archive) as reader:
        found = [info for info in reader.steps() if step in (None, info.step)]
        if not found:
            raise Failed(f"{archive}: no step {step}")
        for info in found:
            rows = reader.describe(info.step)
            if as_json:
                print_json({"step": info.step, "base": info.base, "chain": info.chain, "groups": rows})
                continue
            kind = "key" if info.key else f"from step {info.base}, chain {info.chain}"
            print(f"step {info.step}: {kind}, {human(info.raw_bytes)} -> {human(reader.stored_bytes(info.step))}")
            for row in rows:
                more = f" and {len(row['arrays']) - 1} more" if len(row["arrays"]) > 1 else ""
                size = f"{human(row['raw_bytes'])} -> {human(row['stored_bytes'])} {_percent(row['stored_bytes'], row['raw_bytes'])}"
                print(f"  {printable(row['arrays'][0])}{more}: {size}".rstrip())
                for method, count in Counter(row["methods"]).most_common():
                    print(f"    {count} x {method.removeprefix('checkpoint: ')}")


@checkpoint_command.command("extract")
@click.argument("archive")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--step", type=int, help="Which step (default: the one written last).")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="A new .safetensors, .npz or .pt file.")
@click.option("-f", "--force", is_flag=True, help="Replace OUTPUT if it is there.")
@jobs_option
def extract_step(archive: str, names: tuple[str, ...], step: int | None, output: Path, force: bool, jobs: int | None) -> None:
    """Write a step of ARCHIVE, or the arrays below each NAME, as a file that other tools read.

    .safetensors and .npz hold arrays by path; .pt is the whole state as torch.save writes it.
    """
    from laconic.checkpoint.export import FORMATS, export

    if output.suffix not in FORMATS:
        raise click.UsageError(f"{output}: the name must end in {', '.join(FORMATS)}")
    if output.exists() and not force:
        raise Failed(f"{output} exists (use --force to replace it)")
    with _open(archive, jobs) as reader:
        export(reader, output, step=step, names=list(names) or None)


@checkpoint_command.command("prune")
@click.argument("archive", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--last", type=click.IntRange(0), metavar="N", help="Keep the last N steps.")
@click.option("--every", type=click.IntRange(1), metavar="N", help="Keep steps that N divides.")
@click.option("--keep", type=int, multiple=True, metavar="STEP", help="Keep this step (may be repeated).")
@click.option("-n", "--dry-run", is_flag=True, help="Only say what would be left.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
def prune_steps(archive: Path, last: int | None, every: int | None, keep: tuple[int, ...], dry_run: bool, quiet: bool) -> None:
    """Rewrite ARCHIVE with only some of its steps; what depended on the others is coded anew."""
    from laconic.checkpoint import prune, steps
    from laconic.checkpoint.pruning import select

    if last is None and every is None and not keep:
        raise click.UsageError("say which steps to keep: --last, --every or --keep")
    before = archive.stat().st_size
    if dry_run:
        print(*select([info.step for info in steps(archive)], last=last, every=every, keep=keep))
        return
    left = prune(archive, last=last, every=every, keep=keep)
    if not quiet:
        print(f"{archive}: {len(left)} steps left, {human(before)} -> {human(archive.stat().st_size)}")
