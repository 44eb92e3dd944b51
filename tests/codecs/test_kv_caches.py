"""`laconic.kv`: every form and layout comes back, parts are read alone, loss is announced."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kv_caches import DTYPES, HEAD, HEADS, profile, values

import laconic
import laconic.kv
from laconic import CorruptDataError

SIZES = {"L": 3, "2": 2, "B": 2, "T": 70, "H": 2, "D": 8}


def same(a: np.ndarray, b: np.ndarray) -> bool:
    return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())


@given(
    layout=st.permutations("L2BTHD").map("".join), left_out=st.sets(st.sampled_from("L2BH")), chunk=st.sampled_from([1, 16, 69, 70, 256])
)
def test_any_layout_comes_back(layout: str, left_out: set[str], chunk: int) -> None:
    import io

    layout = "".join(axis for axis in layout if axis not in left_out)
    x = np.random.default_rng(0).normal(size=[SIZES[axis] for axis in layout]).astype(np.float16)
    file = io.BytesIO()
    laconic.kv.save(x, file, layout, chunk=chunk)
    assert same(laconic.kv.load(file.getvalue()), x)


@pytest.mark.parametrize("dtype", DTYPES)
def test_forms_and_dtypes(tmp_path, dtype: str) -> None:
    k, v = values(3, 300, dtype)
    path = tmp_path / "a.lac"
    laconic.kv.save((k, v), path, "LTHD")
    found = laconic.kv.load(path)
    assert isinstance(found, tuple)
    assert all(same(a, b) for a, b in zip(found, (k, v), strict=True))
    laconic.kv.save(list(zip(k, v, strict=True)), path, "THD")
    layers = laconic.kv.load(path)
    assert isinstance(layers, list)
    assert all(same(a, k[i]) and same(b, v[i]) for i, (a, b) in enumerate(layers))
    laconic.kv.save([(k[0],), (k[1],)], path, "THD")
    assert all(same(a, k[i]) for i, (a,) in enumerate(laconic.kv.load(path)))


def test_keys_and_values_may_differ(tmp_path) -> None:
    k, v = values(2, 100, "float8_e5m2")[0], values(2, 100)[1][..., :5]
    laconic.kv.save((k, v), tmp_path / "a.lac", "LTHD")
    found = laconic.kv.load(tmp_path / "a.lac")
    assert same(found[0], k)
    assert same(found[1], v)


def test_strided_arrays(tmp_path) -> None:
    x = values(4, 90)[:, ::2, 5:, ::-1]
    laconic.kv.save(x, tmp_path / "a.lac", "2LTHD")
    assert same(laconic.kv.load(tmp_path / "a.lac"), np.ascontiguousarray(x))


def test_no_tokens(tmp_path) -> None:
    x = np.zeros((2, 3, 0, 2, 8), np.float16)
    laconic.kv.save(x, tmp_path / "a.lac", "2LTHD")
    assert same(laconic.kv.load(tmp_path / "a.lac"), x)


def test_a_segment_is_read_alone(tmp_path) -> None:
    """Only the bytes of its own frames: every other frame may be damaged."""
    k, v = values(4, 700)
    path = tmp_path / "a.lac"
    laconic.kv.save((k, v), path, "LTHD")
    blob = bytearray(path.read_bytes())
    with laconic.open(path) as archive:
        part, entry = archive._entry("kv")
        stream = archive._reader.check_extent(part, entry)
    wanted = (2 * 4 + 1) * 2  # chunk 2, layer 1, keys; chunks of 4 layers of 2 segments
    for i, (offset, length) in enumerate(zip(stream.offsets, stream.lengths, strict=True)):
        if i not in (wanted, wanted + 1):
            blob[offset + length // 2] ^= 0xFF
    with laconic.kv.open(bytes(blob)) as cache:
        assert (cache.layers, cache.tokens, cache.chunks, cache.batch) == (4, 700, 3, 1)
        a, b = cache.read(layer=1, chunk=2)
        assert same(a, k[1, 512:])
        assert same(b, v[1, 512:])
        with pytest.raises(CorruptDataError):
            cache.read(layer=0, chunk=2)
        for layer, chunk, batch in ((4, 0, 0), (0, 3, 0), (0, 0, 1), (-1, 0, 0)):
            with pytest.raises(IndexError):
                cache.read(layer, chunk, batch=batch)


def test_a_read_touches_only_its_frames(tmp_path, monkeypatch) -> None:
    k, v = values(8, 1024)
    path = tmp_path / "a.lac"
    laconic.kv.save((k, v), path, "LTHD")
    with laconic.kv.open(path) as cache:
        source, taken = cache._archive._reader.data, []
        inner = source.read_at
        monkeypatch.setattr(source, "read_at", lambda offset, size: taken.append(size) or inner(offset, size))
        cache.read(layer=5, chunk=3)
    assert sum(taken) < 1.2 * os.path.getsize(path) / 32


def test_jobs_do_not_change_bytes(tmp_path) -> None:
    made = set()
    for jobs in (1, 2, 5):
        for found in (None, profile(3)):
            path = tmp_path / "a.lac"
            laconic.kv.save(values(3, 500), path, "2LTHD", jobs=jobs, profile=found)
            made.add(path.read_bytes())
    assert len(made) == 2


def test_several_caches_in_one_archive(tmp_path) -> None:
    path = tmp_path / "a.lac"
    x, y = values(2, 30), values(2, 40, seed=9)
    laconic.kv.save(x, path, "2LTHD", name="first", meta={"model": "toy"})
    laconic.kv.save(y, path, "2LTHD", name="second", append=True)
    assert same(laconic.kv.load(path, "first"), x)
    assert same(laconic.kv.load(path, "second"), y)
    with laconic.kv.open(path, "first") as cache:
        assert cache.meta == {"model": "toy"}
        assert cache.lossy is None
    with pytest.raises(KeyError):
        laconic.kv.load(path)


@pytest.mark.parametrize(
    ("cache", "layout", "error"),
    [
        (np.zeros((2, 3, 4), np.float16), None, "layout"),
        (np.zeros((2, 3, 4), np.float16), "THX", "one letter"),
        (np.zeros((2, 3, 4), np.float16), "TTD", "one letter"),
        (np.zeros((2, 3, 4), np.float16), "LTHD", "axes"),
        (np.zeros((3, 3, 4), np.float16), "2TD", "length 3"),
        (np.zeros((2, 3, 4), np.int16), "2TD", "no dtype"),
        (np.zeros((2, 3, 4), ">f4"), "2TD", "no dtype"),
        ([], "TD", "list"),
        ([(np.zeros((3, 4), np.float16), np.zeros((2, 4), np.float16))], "TD", "same tokens"),
        ((np.zeros((3, 4), np.float16), np.zeros((2, 3, 4), np.float16)), "2TD", "two were given"),
        ("text", "TD", "no KV cache"),
    ],
)
def test_what_is_no_cache_is_refused(tmp_path, cache, layout, error) -> None:
    with pytest.raises((TypeError, ValueError), match=error):
        laconic.kv.save(cache, tmp_path / "a.lac", layout)
    assert not (tmp_path / "a.lac").exists()


def test_other_entries_are_no_caches(tmp_path) -> None:
    with laconic.open(tmp_path / "a.lac", "w") as archive:
        archive.add("kv", b"bytes")
    with pytest.raises(ValueError, match="no KV cache"):
        laconic.kv.open(tmp_path / "a.lac")


@pytest.mark.parametrize(
    "change",
    [{"tokens": 31}, {"layers": 0}, {"chunk": 0}, {"batch": -1}, {"tokens": "30"}, {"form": "pickle"}, {"layout": "XY"}, {"parts": []},
     {"parts": [["bfloat16", 1 << 40, 1 << 40]]}, {"library": "os"}, {"position": None}, {"layers": 1 << 70}],
)  # fmt: skip
def test_metadata_that_lie(tmp_path, change) -> None:
    from laconic.kv.tensors import Shape, see

    shape = see(values(2, 30), "2LTHD", 256, 0).shape
    assert Shape.from_meta(shape.to_meta(), shape.size, "x") == shape
    with pytest.raises(CorruptDataError):
        Shape.from_meta(shape.to_meta() | change, shape.size, "x")
    with pytest.raises(CorruptDataError):
        Shape.from_meta(7, 0, "x")


# Loss.


def test_loss_is_announced_and_bounded(tmp_path) -> None:
    x, found = values(3, 600), profile(3)
    path = tmp_path / "a.lac"
    laconic.kv.save(x, path, "2LTHD", profile=found, sinks=4, recent=50)
    y = laconic.kv.load(path)
    assert same(y[:, :, :4], x[:, :, :4])
    assert same(y[:, :, -50:], x[:, :, -50:])
    error = np.abs(y.astype(np.float64) - x.astype(np.float64))
    assert 0.01 < error.max() < 0.8
    with laconic.kv.open(path) as cache:
        assert cache.lossy == {"profile": found.hash.hex(), "sinks": 4, "recent": 50}
        assert same(cache.read(2, 1)[0], y[0, 2, 256:512])
    with laconic.open(path) as archive:
        assert set(archive.info("kv")["frames"]) == {"kv: lossy, quantised"}
        assert archive.entry("kv").meta["lossy"]["profile"] == found.hash.hex()


def test_positions_and_chunks_of_other_sizes(tmp_path) -> None:
    x = values(2, 300)
    for position, chunk in ((0, 100), (3, 7), (4, 256), (100_000, 300)):
        laconic.kv.save(x, tmp_path / "a.lac", "2LTHD", profile=profile(2), sinks=4, recent=10, position=position, chunk=chunk)
        y = laconic.kv.load(tmp_path / "a.lac")
        exact = max(0, 4 - position)
        assert same(y[:, :, :exact], x[:, :, :exact])
        assert same(y[:, :, -10:], x[:, :, -10:])
        assert not same(y[:, :, exact : exact + 1], x[:, :, exact : exact + 1])


def test_an_embedded_profile_serves_every_reader(tmp_path) -> None:
    """In processes that have not seen it: Python, the command line, and a pipe that can't look ahead."""
    path, bare, prior = tmp_path / "a.lac", tmp_path / "bare.lac", tmp_path / "profile.lac"
    x, found = values(2, 100), profile(2, step=0.3)
    laconic.kv.save(x, path, "2LTHD", profile=found)
    laconic.kv.save(x, bare, "2LTHD", profile=found, embed=False)
    laconic.kv.save_profile(found, prior)
    assert laconic.kv.load_profile(prior).hash == found.hash
    environment = os.environ | {"LACONIC_PRIORS": str(tmp_path / "none")}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False)

    assert run("-m", "laconic", "verify", str(path)).returncode == 0
    missing = run("-m", "laconic", "verify", str(bare))
    assert missing.returncode == 4
    assert found.hash.hex() in missing.stderr
    assert run("-m", "laconic", "verify", "--base", str(prior), str(bare)).returncode == 0
    code = f"import laconic.kv; print(laconic.kv.load({str(bare)!r}, profile={str(prior)!r}).shape)"
    assert run("-c", code).stdout.strip() == "(2, 2, 100, 2, 8)"


def test_a_profile_for_another_model_is_refused(tmp_path) -> None:
    x = values(2, 40)
    for cache, found, error in (
        (x, profile(3), "3 layers"),
        (x[..., :4], profile(2), "channels"),
        (values(2, 40, "float8_e4m3fn"), profile(2), "quantised further"),
    ):
        with pytest.raises(ValueError, match=error):
            laconic.kv.save(cache, tmp_path / "a.lac", "2LTHD", profile=found)
    with pytest.raises(ValueError, match="negative"):
        laconic.kv.save(x, tmp_path / "a.lac", "2LTHD", profile=profile(2), sinks=-1)


def test_calibration(tmp_path) -> None:
    """Correlated channels: a transform saves, also on keys if their rotation is undone; components without variance cost no error."""
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(3, HEADS * HEAD))

    def cache(seed: int) -> np.ndarray:
        own = np.random.default_rng(seed)
        x = own.normal(size=(2, 2, 800, 3)) @ mix + 0.05 * own.normal(size=(2, 2, 800, HEADS * HEAD))
        turn = np.exp(1j * np.arange(800)[:, None] * 100.0 ** (-np.arange(0, HEAD, 2) / HEAD))[:, None]
        k = x[0].reshape(2, 800, HEADS, HEAD)
        pairs = (k[..., : HEAD // 2] + 1j * k[..., HEAD // 2 :]) * turn
        x[0] = np.concatenate([pairs.real, pairs.imag], -1).reshape(2, 800, -1)
        return x.reshape(2, 2, 800, HEADS, HEAD).astype(np.float16)

    sizes, errors = [], []
    for options in ({"transform": "none"}, {"transform": "klt"}, {"transform": "klt", "rope": laconic.kv.Rope(theta=100.0)}):
        found = laconic.kv.calibrate([cache(1), cache(2)], "2LTHD", step=0.3, **options)
        laconic.kv.save(cache(3), tmp_path / "a.lac", "2LTHD", profile=found, recent=0, embed=False)
        y = laconic.kv.load(tmp_path / "a.lac")
        sizes.append(os.path.getsize(tmp_path / "a.lac"))
        errors.append(float(((y.astype(np.float64) - cache(3)) ** 2).mean()))
    assert sizes[2] < 0.8 * sizes[1] < 0.8 * sizes[0]
    assert errors[2] < errors[1] < errors[0]


def test_calibration_refuses(tmp_path) -> None:
    x = values(2, 40)
    for caches, options, error in (
        (x, {"step": 0.0}, "above 0"), (x, {"transform": "dct"}, "'klt' or 'none'"), ([], {}, "no caches"),
        ([x, values(3, 40)], {}, "same model"), (x[:, :, :5], {}, "too few"), (np.full_like(x, np.nan), {}, "not finite"),
        (x, {"rope": laconic.kv.Rope(dim=7)}, "RoPE"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=error):
            laconic.kv.calibrate(caches, "2LTHD", **options)


def test_command_line(tmp_path) -> None:
    cache, prior, small = tmp_path / "a.lac", tmp_path / "p.lac", tmp_path / "b.lac"
    laconic.kv.save(values(2, 600), cache, "2LTHD")

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        done = subprocess.run([sys.executable, "-m", "laconic", "kv", *map(str, arguments)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done

    run("calibrate", cache, "-o", prior, "--step", "0.8", "--rope-theta", "10000")
    run("compress", cache, "--profile", prior, "--recent", "16", "-o", small)
    assert "lossy" in run("info", small).stdout
    assert "exact" in run("info", cache).stdout
    assert small.stat().st_size < cache.stat().st_size / 2
    assert same(laconic.kv.load(small)[:, :, -16:], values(2, 600)[:, :, -16:])


# Other libraries.


def test_torch(tmp_path) -> None:
    torch = pytest.importorskip("torch")
    for dtype in (torch.bfloat16, torch.float16, torch.float8_e4m3fn, torch.float32):
        x = torch.from_numpy(values(2, 60, "float32").copy()).to(dtype)
        laconic.kv.save(x.transpose(2, 3), tmp_path / "a.lac", "2LHTD")
        y = laconic.kv.load(tmp_path / "a.lac")
        assert y.dtype == dtype
        assert y.shape == x.transpose(2, 3).shape
        assert torch.equal(y.view(torch.uint8), x.transpose(2, 3).contiguous().view(torch.uint8))
        a, _ = laconic.kv.open(tmp_path / "a.lac", library="numpy").read(0, 0)
        assert isinstance(a, np.ndarray)


def test_dynamic_cache(tmp_path) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    cache = transformers.DynamicCache()
    with pytest.raises(ValueError, match="no layers"):
        laconic.kv.save(cache, tmp_path / "a.lac")
    generator = torch.Generator().manual_seed(0)
    for layer in range(3):
        cache.update(*(torch.randn(2, 4, 300, 16, generator=generator).to(torch.bfloat16) for _ in range(2)), layer)
    laconic.kv.save(cache, tmp_path / "a.lac")
    back = laconic.kv.load(tmp_path / "a.lac")
    assert type(back) is transformers.DynamicCache
    assert back.get_seq_length() == 300
    for a, b in zip(cache.layers, back.layers, strict=True):
        assert torch.equal(a.keys.view(torch.int16), b.keys.view(torch.int16))
        assert torch.equal(a.values.view(torch.int16), b.values.view(torch.int16))
    more = torch.zeros(2, 4, 1, 16, dtype=torch.bfloat16)
    assert back.update(more, more, 0)[0].shape == (2, 4, 301, 16)
