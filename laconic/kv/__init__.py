"""KV caches of transformer models: saved in chunks of tokens, any layer of any chunk readable alone.

Exact by default: bf16, fp16, fp32 and fp8 come back bit for bit, at about 1.5 times less (bf16). With a profile, made once for a model by
`calibrate`, much smaller and no longer exact.

>>> import laconic.kv, numpy as np, tempfile, pathlib
>>> path = pathlib.Path(tempfile.mkdtemp()) / "prompt.lac"
>>> keys, values = np.random.default_rng(0).normal(size=(2, 4, 300, 2, 16)).astype(np.float16)  # (layers, tokens, heads, head size)
>>> laconic.kv.save((keys, values), path, layout="LTHD")
>>> with laconic.kv.open(path) as cache:
...     k, v = cache.read(layer=3, chunk=1)  # tokens 256 to 299 of the last layer
>>> k.shape, bool((v == values[3, 256:]).all())
((44, 2, 16), True)
>>> k, v = laconic.kv.load(path)
>>> bool((k == keys).all())
True
"""

from laconic.codecs.kv.profile import Profile
from laconic.kv.calibration import Rope, calibrate, load_profile, save_profile
from laconic.kv.reading import KVReader, load, open
from laconic.kv.saving import save

__all__ = ["KVReader", "Profile", "Rope", "calibrate", "load", "load_profile", "open", "save", "save_profile"]
