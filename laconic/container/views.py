"""Content hashes of the tensors inside a stream, taken while its bytes pass by once."""

from __future__ import annotations

from collections import deque

from laconic.container.codec import View
from laconic.container.hashing import ContentHash


class ViewHashes:
    """Hashes of the views of one stream while its bytes pass by."""

    def __init__(self) -> None:
        self._waiting: deque[View] = deque()
        self._active: list[tuple[View, ContentHash]] = []
        self._done: list[tuple[View, ContentHash]] = []

    def add(self, view: View) -> None:
        self._waiting.append(view)

    def update(self, start: int, raw: memoryview) -> list[ContentHash]:
        """Takes what belongs to views; hashes that take all of `raw` are for the caller to feed, with what else it hashes."""
        stop = start + len(raw)
        while self._waiting and self._waiting[0].start < stop:
            self._active.append((self._waiting.popleft(), ContentHash()))
        keep, feed = [], []
        for view, digest in self._active:
            a, b = max(start, view.start), min(stop, view.start + view.size)
            if b - a == len(raw):
                feed.append(digest)
            elif a < b:
                digest.update(raw[a - start : b - start])
            if view.start + view.size <= stop:
                self._done.append((view, digest))
            else:
                keep.append((view, digest))
        self._active = keep
        return feed

    def around(self, start: int, size: int) -> View | None:
        """The view that holds all of [start, start + size), if there is one; called right after `update` for that range."""
        candidates = [v for v, _ in self._active]
        if self._done:
            candidates.append(self._done[-1][0])
        for view in candidates:
            if view.start <= start and start + size <= view.start + view.size:
                return view
        return None

    def finished(self) -> list[tuple[View, bytes]]:
        rest = [(view, ContentHash()) for view in self._waiting if view.size == 0]
        return [(view, digest.digest()) for view, digest in self._done + rest]
