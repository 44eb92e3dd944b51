"""`laconic salvage`: what is intact in a damaged archive."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from laconic.cli.common import base_option, bases, human, jobs_option, json_option, print_json
from laconic.cli.errors import CORRUPT, Failed, code_of, describe, say
from laconic.cli.show import open_archive, printable


@click.command("salvage")
@click.argument("archive")
@click.option("-o", "--output", metavar="FOLDER", help="Restore what is intact into this new folder; without it, only report.")
@click.option("--partial", is_flag=True, help="Also restore the intact beginning of entries that are cut short, as NAME.partial.")
@base_option
@jobs_option
@json_option
def salvage_command(
    archive: str, output: str | None, partial: bool, base: tuple[Path, ...], jobs: int | None, as_json: bool
) -> int:  # fmt: skip
    """Find what is intact in a damaged ARCHIVE by reading it frame by frame, and restore it."""
    from laconic.cli.decode import SKIPPED, _content, _file_name
    from laconic.files import Restorer

    restorer = None
    if output is not None:
        if Path(output).exists() and any(Path(output).iterdir()):
            raise Failed(f"{output}: exists and is not empty")
        Path(output).mkdir(parents=True, exist_ok=True)
        restorer = Restorer(Path(output), force=False)
    lost = 0
    with open_archive(archive, base=bases(base), jobs=jobs, recover=True) as opened:
        for name in opened.names():
            entry = opened.entry(name)
            if entry.type in SKIPPED:
                continue
            state, problem = "intact", ""
            try:
                if restorer is not None:
                    _restore(restorer, entry, _file_name(entry, archive), *_content(opened, name, ""))
                else:
                    for _ in opened.blocks(name):
                        pass
            except Exception as error:
                if code_of(error) is None:
                    raise
                state, problem, lost = "damaged", describe(error), lost + 1
            _report(as_json, name, state, entry.size, problem)
        for entry in opened.incomplete:
            if entry.type in SKIPPED:
                continue
            lost += 1
            _report(as_json, entry.name, "incomplete", entry.size, f"{entry.size} bytes of it are there")
            if restorer is not None and partial and entry.size:
                _restore(restorer, entry, f"{_file_name(entry, archive)}.partial", b"", opened.incomplete_blocks(entry))
        for offset, length in opened.gaps:
            say(f"{archive}: {length} damaged bytes at {offset}")
        if restorer is not None:
            restorer.close()
        return CORRUPT if lost or opened.torn else 0


def _restore(restorer: Any, entry: Any, name: str, prefix: bytes, blocks: Any) -> None:
    if entry.type == "dir":
        restorer.folder(entry)
        return
    if entry.type == "symlink":
        restorer.link(entry)
        return
    file = restorer.file(name)
    try:
        file.file.write(prefix)
        for block in blocks:
            file.file.write(block)
        file.commit(entry.meta if entry.type == "file" else {})
    except BaseException:
        file.discard()
        raise


def _report(as_json: bool, name: str, state: str, size: int, problem: str) -> None:
    if as_json:
        print_json({"name": name, "state": state, "raw_bytes": size, "problem": problem})
    else:
        print(f"{state:<10} {human(size):>10}  {printable(name)}" + (f"  ({problem})" if problem else ""))
