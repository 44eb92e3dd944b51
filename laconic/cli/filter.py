"""`laconic` without a command: a filter with the options of gzip, xz and zstd, so that `tar -I laconic` and scripts work."""

from __future__ import annotations

import os
from pathlib import Path

import click

from laconic.cli.common import base_option, human, quiet_options
from laconic.cli.errors import Failed, say

# zstd's and gzip's digits on our four levels.
_DIGITS = {1: "fast", 2: "fast", 3: "fast", 4: "default", 5: "default", 6: "default", 7: "high", 8: "high", 9: "max"}


def _digits(command: click.Command) -> click.Command:
    for digit, level in _DIGITS.items():
        command.params.append(
            click.Option([f"-{digit}", f"level{digit}"], is_flag=True, help=f"Level {level}.", hidden=digit not in (1, 6, 9))
        )
    return command


@click.command("laconic", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.option("-d", "--decompress", "--decode", "decompress", is_flag=True, help="Decode.")
@click.option("-z", "--compress", "compress", is_flag=True, help="Encode (the default).")
@click.option("-c", "--stdout", "stdout", is_flag=True, help="Write to standard output.")
@click.option("-k", "--keep/--rm", default=True, help="Keep the input (default), or remove it after the output was verified.")
@click.option("-f", "--force", is_flag=True, help="Replace an existing output.")
@click.option("-t", "--test", "test", is_flag=True, help="Verify archives.")
@click.option("-l", "--list", "list_", is_flag=True, help="List archives.")
@click.option("-o", "--output", metavar="OUT")
@click.option("-T", "-j", "--jobs", type=click.IntRange(0, 1024), help="Threads (default, and 0: all processors).")
@click.option("--level", type=click.Choice(("fast", "default", "high", "max")))
@click.option("--kind", metavar="KIND", help="Force a codec.")
@base_option
@quiet_options
def filter_command(
    files: tuple[str, ...], decompress: bool, compress: bool, stdout: bool, keep: bool, force: bool, test: bool, list_: bool,
    output: str | None, jobs: int | None, level: str | None, kind: str | None, base: tuple[Path, ...], quiet: bool, verbose: bool,
    **digits: bool,
) -> int:  # fmt: skip
    """Encode or decode each FILE (default: standard input to standard output)."""
    names = files or ("-",)
    jobs = jobs or None
    if test or list_:
        return _each(names, test, base, jobs, quiet)
    if output is not None and len(names) > 1:
        raise click.UsageError("-o works with one FILE")
    chosen = level or next((_DIGITS[d] for d in _DIGITS if digits[f"level{d}"]), "default")
    worst = 0
    for name in names:
        target = "-" if stdout else output
        if decompress and not compress:
            from laconic.cli.decode import run_decode

            if name == "-" and target is None:
                target = "-"
            worst = max(worst, run_decode(
                name, (), target, base=base, jobs=jobs, keep=keep, force=force, max_output=None, quiet=quiet or target == "-",
                verbose=verbose, as_json=False,
            ))  # fmt: skip
        else:
            from laconic.cli.encode import run_encode

            if name != "-" and not os.path.exists(name):
                raise Failed(f"{name}: no such file")
            run_encode(
                (name,), target, kind=kind, level=chosen, base=base, jobs=jobs, keep=keep, force=force, quiet=quiet or target == "-",
                verbose=verbose, as_json=False,
            )  # fmt: skip
    return worst


def _each(names: tuple[str, ...], test: bool, base: tuple[Path, ...], jobs: int | None, quiet: bool) -> int:
    from laconic.cli.show import open_archive

    worst = 0
    for name in names:
        with open_archive(name, base=list(base) or None, jobs=jobs) as opened:
            if test:
                counts = opened.verify()
                if not quiet:
                    say(f"{name}: ok ({counts['entries']} entries, {human(counts['raw_bytes'])})")
            else:
                for entry in map(opened.entry, opened.names()):
                    if entry.type != "tensor":
                        print(f"{entry.size:>14,}  {entry.name or name}")
            worst = max(worst, 3 if opened.torn else 0)
    return worst


_digits(filter_command)
