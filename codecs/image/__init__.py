"""Kind `image`: pixels, and the files that hold them. See FORMAT.md."""

from laconic.codecs.image.codec import codec

__all__ = ["codec"]
