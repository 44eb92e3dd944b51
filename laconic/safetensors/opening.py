"""`safe_open`."""

from __future__ import annotations

import os
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from laconic.safetensors.errors import SafetensorError
from laconic.safetensors.files import Model, open_model
from laconic.safetensors.frameworks import framework as framework_of
from laconic.safetensors.slices import Slice


class safe_open:
    """Open a compressed or plain safetensors file, or a model of several, lazily.

    Args:
        filename: a `.lac` archive of a safetensors file or of a model folder, a `.safetensors` file, or a folder.
        framework: "pt" (torch) or "numpy"; bfloat16 and 8-bit floats are ml_dtypes' in numpy.
        device: where torch puts the tensors.
        backend: "mmap" or "pread", for safetensors' sake: there is one way here.
        base: what the archive was encoded against (as in `laconic.open`).
        jobs: threads that decode (default: all processors).

    Raises FileNotFoundError; SafetensorError for what is no safetensors file, and for a tensor that is not in it or whose shard is missing;
    laconic.CorruptDataError for damage; MissingBaseError.

    >>> import tempfile, pathlib, numpy as np
    >>> from laconic.safetensors import safe_open
    >>> from laconic.safetensors.numpy import save_file
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.safetensors.lac"
    >>> save_file({"w": np.arange(12, dtype=np.float32).reshape(3, 4)}, path)
    >>> with safe_open(path, framework="numpy") as f:
    ...     f.keys(), f.get_slice("w")[1, :2]
    (['w'], array([4., 5.], dtype=float32))
    """

    def __init__(
        self, filename: str | os.PathLike[str], framework: str, device: str | int = "cpu", *, backend: str = "mmap", base: Any = None,
        jobs: int | None = None,
    ) -> None:  # fmt: skip
        if backend not in ("mmap", "pread"):
            raise SafetensorError(f'backend "{backend}" is invalid (expected one of: "mmap", "pread")')
        self._framework = framework_of(framework, device)
        self._stack = ExitStack()
        self._model: Model | None = None
        with self._stack:
            self._model = open_model(filename, self._stack, base=base, jobs=jobs)
            self._stack = self._stack.pop_all()

    def keys(self) -> list[str]:
        """Names of the tensors, sorted."""
        return sorted(self._open().names())

    def offset_keys(self) -> list[str]:
        """Names of the tensors in file order."""
        return self._open().names()

    def metadata(self) -> dict[str, str] | None:
        """The free-form metadata of the header."""
        return self._open().metadata()

    def get_tensor(self, name: str) -> Any:
        """The tensor `name`; SafetensorError if there is none."""
        shard, info = self._open().find(name)
        return self._framework.tensor(shard.read(info.start, info.stop), info.dtype, info.shape)

    def get_tensors(self) -> dict[str, Any]:
        """All tensors by name, in file order."""
        return {name: self.get_tensor(name) for name in self.offset_keys()}

    def get_slice(self, name: str) -> Slice:
        """The tensor `name` to be read by indexing; decodes nothing yet."""
        shard, info = self._open().find(name)
        return Slice(info, shard.read, self._framework)

    def _open(self) -> Model:
        if self._model is None:
            raise SafetensorError("File is closed")
        return self._model

    def __enter__(self) -> safe_open:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._model = None
        self._stack.close()
