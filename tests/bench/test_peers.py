"""Peers that are installed give back what they were given, through the same path as in the benchmark."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench import tensors
from bench.codec import Codec, Source
from bench.measure import same_bytes
from bench.peers.general import Brotli, Bzip2, Bzip3, Lz4, Ppmd, Xz, Zstd
from bench.peers.tensor import Blosc2, OpenZL, ZipNN

PEERS: list[Codec] = [
    *(Zstd("3"), Xz("6"), Xz("9e"), Brotli("5"), Bzip2(), Bzip3(), Lz4(), Ppmd("6")),
    *(OpenZL("Huffman"), OpenZL("Fse"), OpenZL("Compress"), ZipNN()),
    *(Blosc2("SHUFFLE", "ZSTD", "5"), Blosc2("BITSHUFFLE", "LZ4", "5")),
]


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_round_trip(peer: Codec, tmp_path: Path) -> None:
    pytest.importorskip(peer.module)
    values = np.random.default_rng(0).standard_normal(60_000).astype(np.float32)
    arrays = {
        "fp32": values,
        "bf16": tensors.cast_bf16(values),
        "fp16": values.astype(np.float16),
        "e4m3": tensors.cast_e4m3(values),
        "u8": (values * 16 + 128).clip(0, 255).astype(np.uint8),
    }
    tensors.write(tmp_path / "x", arrays)
    source = Source(tmp_path / "x")
    for _ in range(2):  # twice: some peers write to their input
        pieces = peer.encode(peer.prepare(source))
        assert same_bytes(peer.decode(pieces), (tmp_path / "x").read_bytes())
    assert sum(map(len, pieces)) < 1.001 * len(source.data)
