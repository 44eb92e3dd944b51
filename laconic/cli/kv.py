"""`laconic kv calibrate`, `compress` and `info`: KV caches that laconic.kv.save wrote."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from laconic.cli.common import LEVELS, human, jobs_option, json_option, print_json

PARTS = ("keys", "values")
_archive = click.Path(exists=True, dir_okay=False, path_type=Path)
_output = click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True, help="File to write.")
_name = click.option("--name", default="kv", show_default=True, help="The cache's name in the archives.")


@click.group("kv")
def kv_command() -> None:
    """KV caches of language models: profiles for coding with loss, and what an archive holds."""


@kv_command.command("calibrate")
@click.argument("archives", nargs=-1, required=True, type=_archive)
@_output
@_name
@click.option("--step", default=1.0, show_default=True, help="Quantisation step in standard deviations: 0.5 is fine, 2 coarse.")
@click.option("--key-step", type=float, help="The same for keys alone.")
@click.option("--value-step", type=float, help="The same for values alone.")
@click.option("--transform", type=click.Choice(["klt", "none"]), default="klt", show_default=True, help="Decorrelate channels, or not.")
@click.option("--rope-theta", type=float, help="Base of the model's rotary embedding, which is undone before keys are quantised.")
@click.option("--rope-dim", type=int, help="Channels of a head that it turns (all).")
@click.option("--rope-neighbours", is_flag=True, help="Pairs are neighbouring channels (GPT-J, Llama's first code), not halves.")
def calibrate_command(
    archives: tuple[Path, ...],
    output: Path,
    name: str,
    rope_theta: float | None,
    rope_dim: int | None,
    rope_neighbours: bool,
    **options: Any,
) -> None:  # fmt: skip
    """Learn a profile from the caches in ARCHIVES: what `compress` and laconic.kv.save need to code caches of this model with loss."""
    import laconic.kv

    rope = laconic.kv.Rope(rope_theta, rope_dim, rope_neighbours) if rope_theta is not None else None
    with ExitStack() as stack:
        caches = [stack.enter_context(laconic.kv.open(path, name)) for path in archives]
        profile = laconic.kv.calibrate(caches, rope=rope, **options)
    laconic.kv.save_profile(profile, output)
    click.echo(f"{output}: profile {profile.hash.hex()}, {human(output.stat().st_size)}")


@kv_command.command("compress")
@click.argument("archive", type=_archive)
@_output
@_name
@click.option("-p", "--profile", type=_archive, help="Code with loss, by a profile that `calibrate` made; without it, exactly.")
@click.option("--sinks", default=4, show_default=True, help="First tokens that stay exact.")
@click.option("--recent", default=128, show_default=True, help="Last tokens that stay exact.")
@click.option("--embed/--no-embed", default=True, show_default=True, help="Put the profile into the archive.")
@click.option("--level", type=click.Choice(LEVELS), default="default", show_default=True)
@jobs_option
def compress_command(archive: Path, output: Path, name: str, **options: Any) -> None:
    """Write the cache in ARCHIVE again, smaller with a profile. ARCHIVE stays as it is."""
    import laconic.kv

    with laconic.kv.open(archive, name) as cache:
        laconic.kv.save(cache, output, name=name, chunk=cache.shape.chunk, **options)
        size = output.stat().st_size
        click.echo(f"{output}: {human(cache.shape.size)} -> {human(size)} ({cache.shape.size / max(1, size):.2f}x)")


@kv_command.command("info")
@click.argument("archive", type=_archive)
@_name
@json_option
def info_command(archive: Path, name: str, as_json: bool) -> None:
    """What cache an archive holds, and whether it is exact."""
    import laconic.kv

    with laconic.kv.open(archive, name) as cache:
        shape, values = cache.shape, cache.shape.size
        found = shape.to_meta() | {"raw_bytes": values, "file_bytes": archive.stat().st_size, "lossy": cache.lossy, "meta": cache.meta}
    if as_json:
        print_json(found)
        return
    parts = ", ".join(f"{what} {part.dtype} {part.heads} x {part.head}" for what, part in zip(PARTS, shape.parts, strict=False))
    click.echo(f"{shape.layers} layers, {shape.batch} x {shape.tokens} tokens in chunks of {shape.chunk}: {parts}")
    lossy = found["lossy"]
    click.echo(f"lossy: profile {lossy['profile']}, {lossy['sinks']} first and {lossy['recent']} last tokens exact" if lossy else "exact")
    click.echo(f"{human(values)} -> {human(found['file_bytes'])} in the file")
