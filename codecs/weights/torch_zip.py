"""PyTorch's `.pt`, `.pth` and `.bin` files: zip archives with a pickle and a member for each storage, stored without compression.

The pickle is read (pickles.py), never run. The file comes back byte for byte; a tensor that is contiguous is a view under its path in the
pickle (`model.0.weight`), a storage whose tensors are not is the view `storage.KEY`, in one dimension.

Format: https://docs.pytorch.org/docs/stable/notes/serialization.html (also TorchScript's, which keeps constants apart)
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from laconic.codecs.weights import pickles, stored_zip
from laconic.codecs.weights.tensors import Formats, apart, pieces
from laconic.container import Piece, Source, View, names

PICKLE_LIMIT = 1 << 26  # bytes; a model of 10,000 tensors has about 2 MB
_PICKLES = ("data", "constants")  # NAME.pkl speaks of the storages NAME/KEY


def sniff(head: bytes, size: int | None) -> float:
    first = stored_zip.first_name(head)
    # The pickle comes first in files of today; earlier versions began with the version, TorchScript begins with a storage.
    usual = (b"/data.pkl", b"/data/0", b"/version", b"/constants.pkl", b"/.format_version", b"/.data/serialization_id", b"/byteorder")
    return 0.95 if first.endswith(usual) else 0.0


def layout(source: Source, formats: Formats) -> Iterator[Piece | View]:
    members = {member.name: member for member in stored_zip.members(source)}
    assert source.size is not None
    views: list[tuple[View, int]] = []
    for name, pickle in members.items():
        folder, _, last = name.rpartition("/")
        if last.removesuffix(".pkl") in _PICKLES and last.endswith(".pkl") and pickle.stop - pickle.start <= PICKLE_LIMIT:
            prefix = f"{folder}/{last.removesuffix('.pkl')}/" if folder else f"{last.removesuffix('.pkl')}/"
            order = members.get(f"{folder}/byteorder" if folder else "byteorder")
            if order is not None and source.read_at(order.start, min(8, order.stop - order.start)) == b"big":
                raise ValueError("a torch file of big-endian tensors")
            found = pickles.tensors(source.read_at(pickle.start, pickle.stop - pickle.start))
            views += _views(found, members, prefix)
    if not views:
        raise ValueError("no tensors in the pickle")
    yield from pieces(apart(views), 0, source.size, formats)


def _views(found: list[tuple[str, pickles.Tensor]], members: dict[str, stored_zip.Member], prefix: str) -> Iterator[tuple[View, int]]:
    by_storage: dict[str, list[tuple[str, pickles.Tensor]]] = {}
    for name, tensor in found:
        by_storage.setdefault(tensor.storage.key, []).append((name, tensor))
    for key, users in by_storage.items():
        member = members.get(prefix + key)
        dtype, itemsize = next(((t.storage.dtype, t.storage.itemsize) for _, t in users if t.storage.dtype), ("", 0))
        if member is None or not dtype:
            continue
        size = member.stop - member.start
        tensors = list(_contiguous(users, member.start, size))
        if sum(view.size for view, _ in tensors) == size:  # they tile the storage, or one of them is all of it
            yield from tensors
        else:
            count = size // itemsize
            yield View(names.escape(f"storage.{key}"), dtype, (count,), member.start, count * itemsize), itemsize


def _contiguous(users: list[tuple[str, pickles.Tensor]], start: int, size: int) -> Iterator[tuple[View, int]]:
    """Views of the tensors that lie in one piece and do not overlap; of those that are the same, the first."""
    views = []
    for name, tensor in users:
        itemsize = tensor.storage.itemsize
        at, bytes_ = tensor.offset * itemsize, prod(tensor.shape) * itemsize
        if name and itemsize and bytes_ and at + bytes_ <= size and tensor.is_contiguous():
            views.append((View(names.escape(name), tensor.storage.dtype, tensor.shape, start + at, bytes_), itemsize))
    yield from apart(views)
