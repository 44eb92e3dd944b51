"""`laconic diff` and `laconic patch`: an archive of what one version of a file or folder adds to another, and back."""

from __future__ import annotations

from pathlib import Path

import click

from laconic.cli.common import LEVELS, jobs_option, json_option, quiet_options
from laconic.cli.decode import run_decode
from laconic.cli.encode import run_encode

_OLD = click.argument("old", type=click.Path(exists=True, path_type=Path))
_FORCE = click.option("-f", "--force", is_flag=True, help="Replace an existing output.")


@click.command("diff")
@_OLD
@click.argument("new", type=click.Path(exists=True))
@click.option("-o", "--output", metavar="PATCH", required=True, help="The patch, an archive; - for stdout.")
@click.option("--level", type=click.Choice(LEVELS), default="fast", show_default=True)
@jobs_option
@_FORCE
@quiet_options
@json_option
def diff_command(
    old: Path, new: str, output: str, level: str, jobs: int | None, force: bool, quiet: bool, verbose: bool, as_json: bool
) -> None:
    """What makes NEW of OLD: files, such as two versions of a model, or folders. The same as `encode NEW --base OLD`.

    Tensors are matched by name and shape; what has no match in OLD is in the patch whole. `laconic patch` is the way back.
    """
    run_encode(
        (new,), output, kind=None, level=level, base=(old,), jobs=jobs, keep=True, force=force, quiet=quiet, verbose=verbose,
        as_json=as_json,
    )  # fmt: skip


@click.command("patch")
@_OLD
@click.argument("patch", metavar="PATCH")
@click.option("-o", "--output", metavar="NEW", required=True, help="The file, or the folder to restore into; - for stdout.")
@jobs_option
@_FORCE
@quiet_options
@json_option
def patch_command(old: Path, patch: str, output: str, jobs: int | None, force: bool, quiet: bool, verbose: bool, as_json: bool) -> int:
    """Restore NEW from OLD and the PATCH that `laconic diff` made. The same as `decode PATCH --base OLD`.

    Exits with 4 where OLD is not what the patch was made against.
    """
    return run_decode(
        patch, (), output, base=(old,), jobs=jobs, keep=True, force=force, max_output=None, quiet=quiet, verbose=verbose,
        as_json=as_json,
    )  # fmt: skip
