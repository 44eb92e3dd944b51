"""`laconic decode`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from laconic.cli.common import (
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
from laconic.cli.errors import CORRUPT, Failed, say
from laconic.cli.progress import Progress

SKIPPED = ("tensor", "value", "dict", "odict", "list", "tuple")


@click.command("decode")
@click.argument("archive", metavar="ARCHIVE")
@click.argument("entries", nargs=-1, metavar="[ENTRY]...")
@click.option("-o", "--output", metavar="OUT", help="One file: OUT is that file; several: OUT is a folder; - for stdout.")
@base_option
@jobs_option
@click.option("-k", "--keep/--rm", default=True, help="Keep the archive (default), or remove it after all was restored.")
@click.option("-f", "--force", is_flag=True, help="Replace existing files.")
@click.option("--max-output", type=click.IntRange(0), metavar="BYTES", help="Refuse to restore more than this.")
@quiet_options
@json_option
def decode_command(
    archive: str, entries: tuple[str, ...], output: str | None, base: tuple[Path, ...], jobs: int | None, keep: bool, force: bool,
    max_output: int | None, quiet: bool, verbose: bool, as_json: bool,
) -> int:  # fmt: skip
    """Restore the files in ARCHIVE (- for standard input), or only the entries named (a folder means all below it).

    Without -o, files are restored beside the archive. Arrays that were added from Python are restored as .npy files.
    """
    return run_decode(
        archive, entries, output, base=base, jobs=jobs, keep=keep, force=force, max_output=max_output, quiet=quiet, verbose=verbose,
        as_json=as_json,
    )  # fmt: skip


def run_decode(
    archive: str, entries: tuple[str, ...], output: str | None, *, base: tuple[Path, ...], jobs: int | None, keep: bool, force: bool,
    max_output: int | None, quiet: bool, verbose: bool, as_json: bool,
) -> int:  # fmt: skip
    if archive == "-":
        stdin = binary_stdin()
        if not entries and output in (None, "-") and not _regular(stdin):
            return _decode_pipe(stdin, base, jobs, max_output, quiet)
        source: Any = stdin
    else:
        source = archive
        if not os.path.exists(archive):
            raise Failed(f"{archive}: no such file")
        if os.path.isdir(archive):
            raise Failed(f"{archive}: is a folder, not an archive")
    import laconic
    from laconic import _core

    _core.keep_freed_memory()
    with laconic.open(source, base=bases(base), jobs=jobs) as opened:
        chosen = _choose(opened, entries, quiet)
        total = sum(opened.entry(name).size for name in chosen)
        if max_output is not None and total > max_output:
            raise laconic.LimitError(f"{archive}: {total} bytes to restore, more than --max-output {max_output}")
        with Progress("decode", total, quiet=quiet) as progress:
            done = _restore(opened, archive, chosen, bool(entries), output, force, progress, verbose and not as_json)
        torn = opened.torn
    if as_json:
        for row in done:
            print_json(row)
    elif not quiet and output != "-":
        say(f"{human(total)} restored" + (f" to {done[0]['path']}" if len(done) == 1 else f" in {len(done)} entries"))
    if not keep and archive != "-" and not torn:
        os.unlink(archive)
    return CORRUPT if torn else 0


def _regular(file: Any) -> bool:
    try:
        return bool(file.seekable())
    except (OSError, ValueError):
        return False


def _choose(opened: Any, entries: tuple[str, ...], quiet: bool) -> list[str]:
    names = opened.names()
    if entries:
        chosen: list[str] = []
        for entry in entries:
            below = [n for n in names if n.startswith(f"{entry.rstrip('/')}/") and opened.entry(n).type not in SKIPPED]
            if entry in opened and (opened.entry(entry).type != "dir" or not below):
                chosen.append(entry)
            elif below:
                chosen += [entry] * (entry in opened) + below
            else:
                raise Failed(f"no entry {entry!r} in the archive (see `laconic list`)")
        return list(dict.fromkeys(chosen))
    chosen = [name for name in names if opened.entry(name).type not in SKIPPED]
    values = sum(opened.entry(name).type in SKIPPED[1:] for name in names)
    if values and not quiet:
        say(f"note: {values} Python containers and values are left out; laconic.open() in Python restores them")
    return chosen


def _restore(
    opened: Any, archive: str, chosen: list[str], asked: bool, output: str | None, force: bool, progress: Progress, verbose: bool
) -> list[dict[str, Any]]:
    from laconic.files import AtomicFile, Restorer

    done: list[dict[str, Any]] = []
    written = 0

    def fill(file: Any, name: str, target: str) -> None:
        nonlocal written
        prefix, blocks = _content(opened, name, target)
        file.write(prefix)
        for block in blocks:
            file.write(block)
            written += len(block)
            progress.update(written)

    if output == "-":
        stdout = binary_stdout()
        for name in chosen:
            if opened.entry(name).type not in ("dir", "symlink"):
                fill(stdout, name, "-")
        return done
    home = Path(archive).parent if archive != "-" else Path()
    to_file = len(chosen) == 1 and opened.entry(chosen[0]).type not in ("dir", "symlink") and output is not None
    if to_file and output is not None and (output.endswith("/") or os.path.isdir(output)):
        to_file = False
    restorer = Restorer(Path(output) if output is not None and not to_file else home, force=force)
    if output is not None and not to_file:
        Path(output).mkdir(parents=True, exist_ok=True)
    for name in chosen:
        entry = opened.entry(name)
        if entry.type == "dir":
            restorer.folder(entry)
            continue
        if entry.type == "symlink":
            restorer.link(entry)
            continue
        file = AtomicFile(Path(str(output)), force=force) if to_file else restorer.file(_file_name(entry, archive))
        try:
            fill(file.file, name, str(file.path))
            file.commit(entry.meta if entry.type == "file" else {})
        except BaseException:
            file.discard()
            raise
        done.append({"name": name, "path": str(file.path), "raw_bytes": entry.size, "kind": entry.kind})
        if verbose:
            say(str(file.path))
    restorer.close()
    return done


def _is_npy(entry: Any) -> bool:
    return entry.type in ("ndarray", "scalar", "torch", "image")


def _file_name(entry: Any, archive: str) -> str:
    name = entry.name
    if not name:
        name = Path(archive).name.removesuffix(".lac") if archive != "-" else "out"
        if name == Path(archive).name:
            name += ".out"
    return f"{name}.npy" if _is_npy(entry) and not name.endswith(".npy") else name


def _content(opened: Any, name: str, target: str) -> tuple[bytes, Any]:
    """What precedes the entry's raw bytes in a file, and those bytes."""
    entry = opened.entry(name)
    wants_npy = _is_npy(entry) or (entry.type == "tensor" and target.endswith(".npy"))
    if not wants_npy:
        return b"", opened.blocks(name)
    import io

    import numpy as np

    from laconic import objects

    header = io.BytesIO()
    descr = np.lib.format.dtype_to_descr(objects.parse_dtype(entry.dtype)) if entry.dtype != "complex32" else "<u4"
    np.lib.format.write_array_header_2_0(header, {"descr": descr, "fortran_order": False, "shape": entry.shape})
    return header.getvalue(), opened.blocks(name)


def _decode_pipe(stdin: Any, base: tuple[Path, ...], jobs: int | None, max_output: int | None, quiet: bool) -> int:
    """Standard input to standard output, front to back: only bytes whose checks passed are written."""
    from laconic import registry
    from laconic.archive import open_reader
    from laconic.archive.checks import available_jobs
    from laconic.bases import Bases
    from laconic.container.stream import Data, StreamReader
    from laconic.errors import LimitError

    stdout = binary_stdout()
    reader = StreamReader(
        stdin, registry.get, name="<stdin>", jobs=available_jobs(jobs), resolve_base=Bases(bases(base), open_reader).by_hash
    )
    written = 0
    with Progress("decode", None, quiet=quiet) as progress:
        for event in reader.events():
            if isinstance(event, Data):
                written += len(event.raw)
                if max_output is not None and written > max_output:
                    raise LimitError(f"<stdin>: more than --max-output {max_output} bytes")
                stdout.write(event.raw)
                progress.update(written)
    sys.stdout.flush()
    return 0
