"""Kind `kv`: keys and values of transformer layers, exactly or (by request) with loss. See FORMAT.md; `laconic.kv` is the way in."""

from laconic.codecs.kv.codec import codec

__all__ = ["codec"]
