"""Kind `bytes`: anything. See FORMAT.md."""

from laconic.codecs.bytes.codec import codec, stored

__all__ = ["codec", "stored"]
