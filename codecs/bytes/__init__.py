"""Kind `bytes`: anything. See FORMAT.md."""

from laconic.codecs.bytes.codec import codec

__all__ = ["codec"]
