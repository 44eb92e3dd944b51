"""`.npz` files: zip archives of `.npy` members. Members that are not deflated are coded as tensors; all other bytes stay as they are."""

from __future__ import annotations

from collections.abc import Iterator

from laconic.codecs.weights import npy, stored_zip
from laconic.codecs.weights.tensors import Formats, apart, pieces
from laconic.container import Piece, Source, View, names


def sniff(head: bytes, size: int | None) -> float:
    return 0.9 if stored_zip.first_name(head).endswith(b".npy") else 0.0


def layout(source: Source, formats: Formats) -> Iterator[Piece | View]:
    views = apart(_views(source, formats))
    assert source.size is not None
    yield from pieces(views, 0, source.size, formats)


def _views(source: Source, formats: Formats) -> Iterator[tuple[View, int]]:
    for member in stored_zip.members(source):
        if not member.name.endswith(".npy"):
            continue
        name = names.escape(member.name.removesuffix(".npy"))
        head = source.read_at(member.start, min(npy.HEADER_LIMIT, member.stop - member.start))
        try:
            found = npy.view_of(head, member.start, member.stop, formats, name)
        except ValueError:
            continue
        if found is not None:
            yield found
