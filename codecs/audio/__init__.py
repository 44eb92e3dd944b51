"""Kind `audio`: PCM samples and the files that hold them. See FORMAT.md."""

from laconic.codecs.audio.codec import codec

__all__ = ["codec"]
