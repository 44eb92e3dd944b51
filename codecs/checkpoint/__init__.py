"""Kind `checkpoint`: tensors of a training step, with their optimizer states, against the step before. See FORMAT.md."""

from laconic.codecs.checkpoint.codec import codec

__all__ = ["codec"]
