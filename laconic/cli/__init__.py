"""The command line. `laconic COMMAND ...`, or without a command a filter in the manner of gzip and zstd (see laconic.cli.filter).

Nothing heavy is imported here: `laconic --help` must come back at once.
"""

from __future__ import annotations

import sys

import click

from laconic import __version__
from laconic.cli.errors import run

COMMANDS = {
    "encode": "laconic.cli.encode",
    "decode": "laconic.cli.decode",
    "diff": "laconic.cli.patch",
    "patch": "laconic.cli.patch",
    "list": "laconic.cli.show",
    "info": "laconic.cli.show",
    "verify": "laconic.cli.show",
    "cat": "laconic.cli.show",
    "grep": "laconic.cli.grep",
    "salvage": "laconic.cli.salvage",
    "checkpoint": "laconic.cli.checkpoint",
    "kv": "laconic.cli.kv",
}


class _Commands(click.Group):
    """Subcommands imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        from importlib import import_module

        command: click.Command = getattr(import_module(COMMANDS[name]), f"{name}_command")
        return command


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=(
        "Without a command, laconic is a filter: `laconic < IN > OUT.lac`, `laconic -d < IN.lac > OUT`, "
        "`tar -I laconic -cf x.tar.lac DIR`. "
        "Exit codes: 0 ok, 1 failed, 2 usage, 3 corrupt, 4 unsupported or missing prior or base, 5 limit exceeded, 130 interrupted."
    ),
)
@click.version_option(__version__, "-V", "--version", message="laconic %(version)s")
def laconic() -> None:
    """Exact compression for the data AI systems make: weights, checkpoints, logs, text, images, audio.

    \b
    laconic encode model.safetensors          -> model.safetensors.lac
    laconic decode model.safetensors.lac      -> model.safetensors
    """


def main(argv: list[str] | None = None) -> None:
    args = sys.argv[1:] if argv is None else argv
    first = next((arg for arg in args if not arg.startswith("-") or arg == "-"), None)
    is_command = first in COMMANDS and args[0] == first
    wants_help = bool(args) and args[0] in ("-h", "--help", "-V", "--version")
    if is_command or wants_help or (not args and sys.stdin.isatty()):
        run(laconic, args or ["--help"])
    else:
        from laconic.cli.filter import filter_command

        run(filter_command, args)
