"""The `.lac` container: frames, tables, index, and what reads and writes them. Specified in docs/format.md.

`laconic.open` is the friendly face; this package is for codecs and for tools that work on frames.
"""

from laconic.container.codec import LEVELS, Codec, Piece, Source, SourceReader, View

__all__ = ["LEVELS", "Codec", "Piece", "Source", "SourceReader", "View"]
