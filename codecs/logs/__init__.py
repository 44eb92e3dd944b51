"""Kind `logs`: text in lines that programs wrote. See FORMAT.md."""

from laconic.codecs.logs.codec import codec

__all__ = ["codec"]
