"""Kind `weights`: tensors and the files that hold them. See FORMAT.md."""

from laconic.codecs.weights.codec import codec

__all__ = ["codec"]
