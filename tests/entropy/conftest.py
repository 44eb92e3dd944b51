from __future__ import annotations

from collections.abc import Iterator

import pytest

from laconic import _core

ISAS = ["scalar", "avx2", "avx512"]


@pytest.fixture(params=ISAS)
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each instruction set in turn; those that this machine lacks are skipped."""
    before = _core.active_isa()
    if ISAS.index(request.param) > ISAS.index(_core.best_isa()):
        pytest.skip(f"this machine has no {request.param}")
    _core.set_isa(request.param)
    yield request.param
    _core.set_isa(before)
