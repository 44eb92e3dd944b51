"""`laconic encode`."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

import click

from laconic.cli.common import (
    LEVELS,
    base_option,
    bases,
    binary_stdin,
    binary_stdout,
    human,
    jobs_option,
    json_option,
    print_json,
    quiet_options,
)
from laconic.cli.errors import Failed, say
from laconic.cli.progress import Progress


@click.command("encode")
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("-o", "--output", metavar="OUT", help="The archive (default: INPUT.lac); - for stdout.")
@click.option("--kind", metavar="KIND", help="Force a codec (default: by content).")
@click.option("--level", type=click.Choice(LEVELS), default="default", show_default=True)
@base_option
@jobs_option
@click.option("-k", "--keep/--rm", default=True, help="Keep the input (default), or remove it after the archive was verified.")
@click.option("-f", "--force", is_flag=True, help="Replace an existing output.")
@quiet_options
@json_option
def encode_command(
    inputs: tuple[str, ...], output: str | None, kind: str | None, level: str, base: tuple[Path, ...], jobs: int | None, keep: bool,
    force: bool, quiet: bool, verbose: bool, as_json: bool,
) -> None:  # fmt: skip
    """Encode files and folders (kept as a tree), or - for standard input, into one archive."""
    run_encode(
        inputs, output, kind=kind, level=level, base=base, jobs=jobs, keep=keep, force=force, quiet=quiet, verbose=verbose,
        as_json=as_json,
    )  # fmt: skip


def run_encode(
    inputs: tuple[str, ...], output: str | None, *, kind: str | None, level: str, base: tuple[Path, ...], jobs: int | None, keep: bool,
    force: bool, quiet: bool, verbose: bool, as_json: bool,
) -> None:  # fmt: skip
    from laconic import _core, registry
    from laconic.files import Item, add_item, walk

    _core.keep_freed_memory()
    if kind is not None:
        registry.get(kind)
    from_stdin = inputs == ("-",)
    if "-" in inputs and not from_stdin:
        raise click.UsageError("- can't be combined with other inputs")
    if output is None:
        if from_stdin:
            output = "-"
        elif len(inputs) == 1:
            output = f"{inputs[0].rstrip('/') or inputs[0]}.lac"
        else:
            raise click.UsageError("several inputs need -o OUT")
    items: list[Item] = []
    if not from_stdin:
        items = list(walk([Path(i) for i in inputs], lambda message: None if quiet else say(f"warning: {message}")))
        _check_names(items)
        _check_overlap(items, output)
    total = None if from_stdin else sum(item.size for item in items)
    with Progress("encode", total, quiet=quiet) as progress:
        archive = _open_output(output, force, level=level, jobs=jobs, base=bases(base), progress=progress.update)
        stdin = binary_stdin() if from_stdin else None
        with archive:
            if stdin is not None:
                archive.add_pipe(stdin, "", kind=kind)
            for item in items:
                if verbose and not as_json:
                    say(item.name)
                add_item(archive, item, kind)
    kinds = {kind: asdict(archive.kinds[kind]) for kind in sorted(archive.kinds)}
    raw, stored = archive.raw_bytes, archive.stored_bytes
    if not keep and items:
        _remove_inputs(items, output, bases(base), quiet)
    if as_json:
        if output != "-":
            print_json({"output": output, "raw_bytes": raw, "stored_bytes": stored, "entries": len(items) or 1, "kinds": kinds})
    elif not quiet and output != "-":
        say(f"{output}: {_change(raw, stored)}")
        if len(items) > 1:
            width = max(map(len, kinds), default=0)
            for name, tally in sorted(archive.kinds.items()):
                number = f"{tally.entries:,} {'file' if tally.entries == 1 else 'files'}"
                say(f"  {name:<{width}}  {number:>12}  {_change(tally.raw_bytes, tally.stored_bytes)}")


def _change(raw: int, stored: int) -> str:
    ratio = f", {100 * stored / raw:.2f} %" if raw else ""
    return f"{human(raw)} -> {human(stored)}{ratio}"


def _check_names(items: list) -> None:  # type: ignore[type-arg]
    seen: dict[str, Path] = {}
    for item in items:
        if item.name in seen:
            raise Failed(f"{seen[item.name]} and {item.path} would both be named {item.name!r} in the archive")
        seen[item.name] = item.path


def _check_overlap(items: list, output: str) -> None:  # type: ignore[type-arg]
    """Writing the archive into what is being archived would encode it into itself."""
    if output == "-" or not os.path.exists(output):
        return
    for item in items:
        if item.type == "file" and os.path.samefile(item.path, output):
            raise Failed(f"{output}: the output is also an input")


def _open_output(output: str, force: bool, **options: object):  # type: ignore[no-untyped-def]
    import laconic

    if output == "-":
        from laconic.archive import ArchiveWriter
        from laconic.container.sink import FileSink

        return ArchiveWriter(FileSink(binary_stdout()), **options)  # type: ignore[arg-type]
    path = Path(output)
    if path.is_dir():
        raise Failed(f"{output}: is a folder, not a place for an archive")
    if path.exists() and not force:
        raise Failed(f"{output}: exists (use --force to replace it)")
    return laconic.open(path, "w", **options)  # type: ignore[call-overload]


def _remove_inputs(items: list, output: str, base: list[Path] | None, quiet: bool) -> None:  # type: ignore[type-arg]
    """--rm: only after the archive was read back and every file in it compared by hash with what is on disk."""
    import laconic

    if output == "-":
        raise Failed("--rm needs an output file that can be verified")
    with laconic.open(output, base=base) as archive:
        for item in items:
            if item.type != "file":
                continue
            with open(item.path, "rb") as file:
                for block in archive.blocks(item.name):
                    if file.read(len(block)) != block:
                        raise Failed(f"{item.path}: the archive does not hold the file as it is now; nothing was removed")
                if file.read(1):
                    raise Failed(f"{item.path}: the file grew since it was encoded; nothing was removed")
    for item in reversed(items):
        if item.type == "dir":
            os.rmdir(item.path)
        else:
            os.unlink(item.path)
