"""The interface of the `safetensors` library (0.8) on compressed files: lazy tensors and slices out of a `.lac` archive.

    from laconic.safetensors import safe_open
    with safe_open("model.safetensors.lac", framework="pt") as f:
        w = f.get_tensor("wte.weight")             # decodes this tensor
        rows = f.get_slice("wte.weight")[:100]      # decodes the frames that hold these rows

`laconic.safetensors.numpy` and `laconic.safetensors.torch` have `load_file`, `save_file`, `load` and `save`, like the modules of those
names in safetensors. Nothing is patched: existing code is pointed here by its imports. A plain `.safetensors` file, the bytes of one, an
archive of a whole model folder, and such a folder itself are read in the same way; tensors of a sharded model are found by name in all
its shards. Files are checked as safetensors checks them, and archives have checksums besides.
"""

from laconic.safetensors.errors import SafetensorError
from laconic.safetensors.opening import safe_open
from laconic.safetensors.slices import Slice

__all__ = ["SafetensorError", "Slice", "safe_open"]
