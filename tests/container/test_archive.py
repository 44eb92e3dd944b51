"""Archives: names, ranges, appends, pipes, levels, concatenation, codecs that are missing, recovery."""

from __future__ import annotations

import io
import os
import random
import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from same import same
from strategies import arrays, objects

import laconic
from laconic import registry
from laconic.archive import ArchiveWriter
from laconic.container.sink import FileSink, MemorySink
from laconic.container.stream import Begin, Data, End, StreamReader

LEVELS = ("fast", "default", "high", "max")


class OneWay(io.RawIOBase):
    """A sink that can't seek, and takes what it likes."""

    def __init__(self, seed: int = 0) -> None:
        self.data = bytearray()
        self._chance = random.Random(seed)

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        taken = self._chance.randint(1, max(1, len(data)))
        self.data += bytes(data)[:taken]
        return taken


class Dribble(io.RawIOBase):
    """A source that can't seek, and gives what it likes."""

    def __init__(self, data: bytes, seed: int = 0) -> None:
        self._data, self._pos, self._chance = data, 0, random.Random(seed)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        size = self._chance.randint(1, max(1, min(size, 100_000)))
        self._pos += size
        return self._data[self._pos - size : self._pos]


def stored(names: dict[str, Any], **options: Any) -> bytes:
    file = io.BytesIO()
    with laconic.open(file, "w", **options) as archive:
        for name, obj in names.items():
            archive.add(name, obj)
    return file.getvalue()


def events(blob: bytes, **options: Any) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    name, data = "", b""
    for event in StreamReader(Dribble(blob), registry.get, **options).events():
        if isinstance(event, Begin):
            name, data = event.entry.name, b""
        elif isinstance(event, Data):
            data += bytes(event.raw)
        else:
            assert isinstance(event, End)
            assert event.entry.name == name
            found[name] = data
    return found


# ---------------------------------------------------------------------- names and objects


@given(st.dictionaries(st.text(max_size=12), objects, max_size=6), st.sampled_from(["fast", "default"]), st.sampled_from([1, 3]))
@settings(max_examples=100)
def test_what_is_added_comes_back(names: dict[str, Any], level: str, jobs: int) -> None:
    names = {f"{k}-{name}".replace("/", "_"): obj for k, (name, obj) in enumerate(names.items())}
    blob = stored(names, level=level, jobs=jobs)
    with laconic.open(blob, jobs=jobs) as archive:
        assert [n for n in archive.names() if n in names] == list(names)
        for name, obj in names.items():
            assert same(archive[name], obj)
            assert name in archive
        assert archive.verify()["entries"] == len(archive)


def test_the_mapping(tmp_path: Path) -> None:
    path = tmp_path / "a.lac"
    with laconic.open(path, "w") as archive:
        assert not path.exists()
        archive.add("x", np.arange(5), meta={"unit": "m", "n": [1, {"k": b"\0"}]})
        with pytest.raises(ValueError, match="already has"):
            archive.add("x", b"")
        with pytest.raises(TypeError):
            archive.add("y", 5)
        with pytest.raises(ValueError, match="longer"):
            archive.add("é" * 2049, b"")
        archive.add("é" * 2048, b"long")
        with pytest.raises(ValueError, match="metadata"):
            archive.add("meta", b"", meta={"k": bytes(70_000)})
        for meta in ({1: 2}, {"k": object()}, {"k": {1, 2}}, {"k": (1, 2)}, {"k": 2**80}, {"k": 1 + 2j}, {"k": "\ud800"}):
            with pytest.raises(TypeError, match="metadata"):
                archive.add("meta", b"", meta=meta)
        for name in ("\ud800", "\udcc3\udca9"):
            with pytest.raises(ValueError):
                archive.add(name, b"")
    with laconic.open(str(path)) as archive:
        assert list(archive) == archive.names() == ["x", "é" * 2048]
        assert len(archive) == 2
        assert "y" not in archive
        with pytest.raises(KeyError):
            archive["y"]
        with pytest.raises(KeyError):
            archive.read("y")
        info = archive.info("x")
        assert info["meta"] == {"unit": "m", "n": [1, {"k": b"\0"}]}
        assert info["raw_bytes"] == 40
        assert info["shape"] == [5]
    with pytest.raises(ValueError, match="mode"):
        laconic.open(path, "x")  # type: ignore[call-overload]
    with pytest.raises(FileNotFoundError):
        laconic.open(tmp_path / "none")


def test_an_error_inside_with_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.lac"
    path.write_bytes(b"old")

    def fail() -> None:
        with laconic.open(path, "w") as archive:
            archive.add("x", bytes(10_000_000))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.lac"]


def test_file_objects_stay_open_and_need_not_seek() -> None:
    names = {"a": np.arange(100_000), "b": b"x" * 70_000, "c": {"d": 1}}
    one_way = OneWay()
    with laconic.open(one_way, "w") as archive:  # type: ignore[call-overload]
        for name, obj in names.items():
            archive.add(name, obj)
    assert not one_way.closed
    with laconic.open(bytes(one_way.data)) as archive:
        assert all(same(archive[name], obj) for name, obj in names.items())
    with laconic.open(Dribble(bytes(one_way.data))) as archive:  # type: ignore[call-overload]
        assert same(archive["a"], names["a"])
    file = io.BytesIO(bytes(one_way.data))
    with laconic.open(file) as archive:
        assert same(archive["c"], {"d": 1})
    assert not file.closed


def test_a_view_never_hides_an_entry(tmp_path: Path) -> None:
    from make import safetensors

    model = tmp_path / "m.safetensors"
    model.write_bytes(safetensors())
    for first in (True, False):
        file = io.BytesIO()
        with laconic.open(file, "w") as archive:
            if first:
                archive.add("m/b", b"mine")
            archive.add("m", model)
            if not first:
                with pytest.raises(ValueError, match="already has"):
                    archive.add("m/b", b"mine")
        with laconic.open(file.getvalue()) as archive:
            assert archive["m"] == safetensors()
            assert (archive["m/b"] == b"mine") if first else archive["m/b"].shape == (3, 100)


def test_an_item_added_below_a_container_is_refused() -> None:
    with laconic.open(io.BytesIO(), "w") as archive:
        archive.add("d", {"k": b""})
        with pytest.raises(ValueError, match="d"):
            archive.add("d/other", b"")
        archive.add("e/k", b"")
        with pytest.raises(ValueError, match="e"):
            archive.add("e", {"x": 1})
        archive.add("e/f", b"")


# ---------------------------------------------------------------------- ranges


@given(arrays().filter(lambda x: x.ndim > 0), st.integers(-400, 400), st.one_of(st.none(), st.integers(-400, 400)))
@settings(max_examples=150)
def test_rows(x: np.ndarray, start: int, stop: int | None) -> None:
    with laconic.open(stored({"x": x})) as archive:
        assert same(archive.read("x", start, stop), x[start:stop])


def test_rows_over_many_frames() -> None:
    x = np.random.default_rng(1).integers(0, 1 << 16, (5000, 333), dtype=np.uint32)
    raw = x.tobytes()
    with laconic.open(stored({"x": x, "b": raw}), jobs=3) as archive:
        chance = random.Random(2)
        for _ in range(60):
            a, b = sorted(chance.choices(range(5001), k=2))
            assert same(archive.read("x", a, b), x[a:b])
            a, b = sorted(chance.choices(range(len(raw) + 1), k=2))
            assert archive.read("b", a, b) == raw[a:b]
            assert archive.read("b", a, a + 7) == raw[a : a + 7]
        assert b"".join(archive.blocks("x")) == raw


def test_a_range_reads_only_its_frames() -> None:
    raw = random.Random(3).randbytes(1 << 24)
    blob = bytearray(stored({"b": raw}, level="fast"))
    middle = len(blob) // 4  # of the first of two frames
    blob[middle : middle + 1000] = bytes(1000)
    with laconic.open(bytes(blob)) as archive:
        assert archive.read("b", len(raw) // 2 + 100_000, len(raw) // 2 + 200_000) == raw[len(raw) // 2 :][100_000:200_000]
        assert archive.read("b", -5) == raw[-5:]
        with pytest.raises(laconic.CorruptDataError, match="'b'"):
            archive["b"]
        with pytest.raises(laconic.CorruptDataError):
            archive.read("b", middle, middle + 10)


def test_reading_from_many_threads() -> None:
    x = np.arange(3_000_000, dtype=np.int32).reshape(-1, 3)
    errors: list[BaseException] = []
    with laconic.open(stored({"x": x, "y": {"z": x[:5]}}), jobs=2) as archive:

        def work(seed: int) -> None:
            chance = random.Random(seed)
            try:
                for _ in range(20):
                    a = chance.randrange(len(x))
                    assert same(archive.read("x", a, a + 1000), x[a : a + 1000])
                    assert same(archive["y"]["z"], x[:5])
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(k,)) for k in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not errors


# ---------------------------------------------------------------------- append and concatenate


def test_many_appends(tmp_path: Path) -> None:
    path = tmp_path / "log.lac"
    expected: dict[str, Any] = {}
    for k in range(70):
        with laconic.open(path, "a", jobs=1) as archive:
            expected[f"e{k}"] = np.full(k % 7 * 3, k, np.int16)
            archive.add(f"e{k}", expected[f"e{k}"])
            with pytest.raises(ValueError, match="already has"):
                archive.add("e0", b"")
    with laconic.open(path) as archive:
        assert archive.names() == list(expected)
        assert all(same(archive[name], x) for name, x in expected.items())
        parts = len(archive._reader.parts)
        archive.verify()
    assert parts <= 8  # log2(70) + 1
    assert events(path.read_bytes()).keys() == expected.keys()


def test_appending_to_a_single_object_or_a_file_object(tmp_path: Path) -> None:
    path = tmp_path / "one.lac"
    path.write_bytes(laconic.encode(np.arange(4)))
    with laconic.open(path, "a") as archive:
        archive.add("more", b"1")
    with laconic.open(path) as archive:
        assert archive.names() == ["", "more"]
        assert same(archive[""], np.arange(4))
    file = io.BytesIO(path.read_bytes())
    with laconic.open(file, "a") as archive:
        archive.add("again", b"2")
    with laconic.open(file.getvalue()) as archive:
        assert archive.names() == ["", "more", "again"]


def test_two_writers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.lac"
    path.write_bytes(stored({"x": b""}))
    with laconic.open(path, "a") as archive:
        archive.add("y", b"1")
        with pytest.raises(BlockingIOError), laconic.open(path, "a"):
            pass


@given(st.lists(objects, min_size=1, max_size=5), st.booleans())
@settings(max_examples=50)
def test_concatenated_archives_are_one(things: list[Any], single: bool) -> None:
    blobs = [stored({f"n{k}": obj}) for k, obj in enumerate(things)]
    if single:
        blobs.insert(len(blobs) // 2, laconic.encode(b"in the middle"))
    with laconic.open(b"".join(blobs)) as archive:
        for k, obj in enumerate(things):
            assert same(archive[f"n{k}"], obj)
        assert archive.torn is False
        archive.verify()
    with laconic.open(b"".join(blobs), recover=True) as archive:
        assert all(same(archive[f"n{k}"], obj) for k, obj in enumerate(things))


def test_the_last_of_equal_names_counts() -> None:
    blob = stored({"x": b"old", "y": b"kept"}) + stored({"x": b"new"})
    with laconic.open(blob) as archive:
        assert archive["x"] == b"new"
        assert archive["y"] == b"kept"


def test_append_after_a_torn_tail(tmp_path: Path) -> None:
    path = tmp_path / "a.lac"
    good = stored({"x": np.arange(1000)})
    torn = stored({"x": np.arange(1000), "y": bytes(100)})
    for tail in (b"garbage", torn[:40], torn[: len(torn) // 2], bytes(100_000)):
        path.write_bytes(good + tail)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with laconic.open(path, "a") as archive:
                archive.add("z", b"after")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            archive = laconic.open(path, recover=True)
        assert same(archive["x"], np.arange(1000))
        assert archive["z"] == b"after"


# ---------------------------------------------------------------------- pipes


@given(
    st.dictionaries(
        st.sampled_from("abcdefgh"),
        st.one_of(st.binary(max_size=200), st.binary(min_size=1, max_size=9).map(lambda b: b * 30_000)),
        max_size=8,
    ),
    st.sampled_from([1, 3]),
    st.integers(0, 99),
)
@settings(max_examples=80)
def test_a_pipe_gives_what_the_index_gives(names: dict[str, bytes], jobs: int, seed: int) -> None:
    sink = OneWay(seed)
    with ArchiveWriter(FileSink(sink), jobs=jobs) as archive:
        for name, obj in names.items():
            archive.add(name, obj)
    blob = bytes(sink.data)
    assert events(blob, jobs=jobs) == names
    twice = blob + stored({f"2{name}": obj for name, obj in names.items()})
    assert events(twice, jobs=jobs) == names | {f"2{name}": obj for name, obj in names.items()}
    with laconic.open(blob) as archive2:
        assert {name: archive2[name] for name in archive2} == names


def test_pipes_of_everything() -> None:
    golden = Path(__file__).parents[1] / "golden"
    for path in sorted(golden.glob("*.lac")):
        blob = path.read_bytes()
        base = (golden / "base.lac").read_bytes() if path.stem.endswith("delta") else None
        with laconic.open(blob, base=base) as archive:
            right = {n: b"".join(archive.blocks(n)) for n in archive if archive.entry(n).type != "tensor"}
            resolve = archive._bases.by_hash
            assert events(blob, resolve_base=resolve) == right, path.stem


def test_files_from_pipes_of_unknown_length() -> None:
    for content in (b"", b"x", b"log line\n" * 100_000, bytes(65_536), bytes(65_537)):
        sink = OneWay(5)
        with ArchiveWriter(FileSink(sink), jobs=2) as archive:
            archive.add_pipe(Dribble(content), "f", meta={"mode": 0o600})  # type: ignore[arg-type]
            archive.add("after", b"1")
        assert events(bytes(sink.data)) == {"f": content, "after": b"1"}
        with laconic.open(bytes(sink.data)) as opened:
            assert opened["f"] == content
            assert opened.entry("f").meta == {"mode": 0o600}


# ---------------------------------------------------------------------- recovery


def test_every_complete_entry_survives_a_lost_end() -> None:
    things = {f"e{k}": np.random.default_rng(k).integers(0, 255, 3000 * k % 90_000, np.uint8) for k in range(30)}
    blob = stored(things)
    with laconic.open(blob) as archive:
        ends = {
            n: max((s.offsets[-1] + s.lengths[-1] for s in [archive._reader.check_extent(*archive._entry(n))] if s), default=0)
            for n in archive
        }
    for size in random.Random(4).sample(range(13, len(blob)), 60):
        with laconic.open(blob[:size], recover=True) as archive:
            assert archive.torn
            for name, x in things.items():
                if ends[name] <= size and x.size:
                    assert same(archive[name], x)


def test_damage_in_the_middle_costs_only_what_it_hit() -> None:
    things = {f"e{k}": random.Random(k).randbytes(100_000) for k in range(20)}
    blob = bytearray(stored(things))
    for at in (300_000, 1_200_000):
        blob[at : at + 10] = b"0123456789"
    for tail in (len(blob), len(blob) - 50):
        lost = 0
        with laconic.open(bytes(blob[:tail]), recover=True) as archive:
            for name, x in things.items():
                try:
                    assert archive[name] == x
                except (laconic.CorruptDataError, KeyError):
                    lost += 1
        assert lost == 2


# ---------------------------------------------------------------------- codecs and bases


class Reverse:
    """A codec of a test: bytes backwards."""

    name = "reverse.test"
    version = 3

    def sniff(self, head: bytes, size: int | None) -> float:
        return 1.0 if head.startswith(b"REVERSE") else 0.0

    def layout(self, source: Any) -> Any:
        yield from [laconic.container.Piece(None, b"params")]

    def params(self, dtype: str, itemsize: int) -> bytes | None:
        return b"params"

    def frame_size(self, level: str) -> int:
        return 1 << 16

    def encode(self, raw: memoryview, params: bytes, level: str, base: memoryview | None) -> bytes | None:
        return bytes(raw)[::-1].rstrip(b"\0") if len(raw.tobytes().lstrip(b"\0")) < len(raw) else None

    def decode(self, payload: memoryview, params: bytes, version: int, out: memoryview, base: memoryview | None) -> None:
        assert params == b"params"
        out[:] = bytes(payload).ljust(len(out), b"\0")[::-1]

    def info(self, payload: memoryview, params: bytes, version: int, raw_size: int) -> dict[str, Any]:
        return {"method": "reversed"}


@pytest.fixture
def reverse() -> Any:
    import laconic.container

    codec = Reverse()
    laconic.register(codec)
    yield codec
    registry._loaded.pop(codec.name, None)


def test_a_codec_from_elsewhere(reverse: Reverse, tmp_path: Path) -> None:
    assert reverse.name in laconic.kinds()
    raw = bytes(5) + b"REVERSE" * 20_000
    path = tmp_path / "file"
    path.write_bytes(b"REVERSE" + raw)
    file = io.BytesIO()
    with laconic.open(file, "w") as archive:
        archive.add("mine", raw, kind=reverse.name)
        archive.add("file", path)
        archive.add("other", np.arange(40_000))
        archive.add("small", bytes(300), kind=reverse.name)
    blob, single = file.getvalue(), laconic.encode(bytes(99), kind=reverse.name)
    with laconic.open(blob) as archive:
        assert archive["mine"] == raw
        assert archive.info("mine")["frames"]["reverse.test: reversed"] == 1
        assert archive.entry("file").kind == reverse.name
    assert laconic.decode(single) == bytes(99)
    del registry._loaded[reverse.name]
    with laconic.open(blob) as archive:
        assert same(archive["other"], np.arange(40_000))
        assert archive.names() == ["mine", "file", "other", "small"]
        for name in ("mine", "small"):
            with pytest.raises(laconic.UnsupportedError, match=r"reverse\.test.* version 3"):
                archive[name]
        assert "not installed" in str(archive.info("mine")["frames"])
    with pytest.raises(laconic.UnsupportedError, match=r"reverse\.test.* version 3"):
        laconic.decode(single)
    old = Reverse()
    old.version = 2
    laconic.register(old)
    with pytest.raises(laconic.UnsupportedError, match=r"version 3.*has version 2"):
        laconic.decode(single)


def test_only_codecs_can_be_registered() -> None:
    with pytest.raises(TypeError):
        laconic.register(object())  # type: ignore[arg-type]


def test_bases(tmp_path: Path) -> None:
    chance = np.random.default_rng(5)
    old = {"w": chance.normal(size=50_000).astype("f4"), "t": chance.bytes(100_000)}
    new = {"w": old["w"].copy(), "t": bytearray(old["t"]), "own": b"new"}
    new["w"][::50] += 1
    new["t"][100:200] = bytes(100)
    paths = {name: tmp_path / f"{name}.lac" for name in ("old", "new", "wrong")}
    for name, things in (("old", old), ("wrong", {"w": old["w"][::-1], "t": bytes(old["t"][::-1])})):
        paths[name].write_bytes(stored(things))
    with laconic.open(paths["new"], "w", base=paths["old"]) as archive:
        for name, x in new.items():
            archive.add(name, x)
    plain = len(stored(new))
    assert paths["new"].stat().st_size < plain / 4
    with laconic.open(paths["new"], base=[paths["wrong"], paths["old"]]) as archive:
        assert all(same(archive[name], x) for name, x in new.items())
        assert same(archive.read("w", 100, 200), new["w"][100:200])
        needed = archive.info("w")["bases"]
    for base in (None, paths["wrong"]):
        with laconic.open(paths["new"], base=base) as archive:
            assert archive["own"] == b"new"
            with pytest.raises(laconic.MissingBaseError, match=needed[0]):
                archive["w"]
    with laconic.open(paths["old"]) as base:
        blob = laconic.encode(new["w"], base=base)
    assert isinstance(blob, bytes)
    both = paths["old"].read_bytes() + paths["new"].read_bytes()
    with laconic.open(both) as archive:  # the base may lie in the same file
        assert all(same(archive[name], x) for name, x in new.items())


def test_bases_of_bases() -> None:
    x = np.random.default_rng(6).integers(0, 1 << 60, 20_000)
    blobs = [stored({"x": x})]
    for k in range(5):
        x = x.copy()
        x[k::1000] += 1
        with laconic.open(blobs[-1], base=list(reversed(blobs[:-1])) or None) as base:
            blobs.append(stored({"x": x}, base=base))
    with laconic.open(blobs[-1], base=blobs[0]) as archive, pytest.raises(laconic.MissingBaseError):
        archive["x"]
    with laconic.open(b"".join(blobs[:-1])) as chain:
        assert same(laconic.open(blobs[-1], base=chain)["x"], x)


# ---------------------------------------------------------------------- the same bytes


@pytest.mark.parametrize("level", LEVELS)
def test_bytes_do_not_depend_on_jobs_or_instruction_set(level: str, tmp_path: Path) -> None:
    from laconic import _core

    chance = np.random.default_rng(7)
    x = chance.normal(size=700_000)
    things: dict[str, Any] = {
        "f4": x.astype("f4"),
        "f2": x.astype("f2"),
        "f8": x[:100_000],
        ">f4": x[:99_999].astype(">f4"),
        "i4": chance.integers(-5, 500, 300_000, np.int32),
        "noise": chance.bytes(300_000),
        "text": b"the same text " * 40_000,
        "zeros": np.zeros(500_000, np.int16),
        "u1": chance.poisson(3, 100_001).astype("u1"),
        "small": {str(k): x[k : k + 40].astype("f4") for k in range(300)},
        "again": x.astype("f4"),
    }
    if level == "max":
        things = {name: obj[:60_000] if not isinstance(obj, dict) else obj for name, obj in things.items()}
    reference = None
    best = _core.active_isa()
    try:
        for isa in ("scalar", "avx2", "avx512"):
            try:
                _core.set_isa(isa)
            except ValueError:
                continue  # this machine has no such instructions
            for jobs in (1, 4):
                if level in ("high", "max") and jobs == 4 and isa != best:
                    continue
                blob = stored(things, level=level, jobs=jobs)
                reference = reference or blob
                assert blob == reference, (isa, jobs)
            with laconic.open(reference, jobs=2) as archive:
                assert all(same(archive[name], obj) for name, obj in things.items()), isa
    finally:
        _core.set_isa(best)


def test_a_name_written_again_takes_what_was_below_it_along() -> None:
    both = laconic.encode({"list": [1, 2, 3], "keep": 7}) + laconic.encode({"list": [4]})
    assert laconic.decode(both) == {"list": [4], "keep": 7}
    archives = []
    for items in ([1, 2, 3], [4]):
        sink = MemorySink()
        with ArchiveWriter(sink) as archive:
            archive.add("list", items)
            archive.add(f"only{items[0]}", b"x")
        archives.append(sink.getvalue())
    with laconic.open(b"".join(archives)) as archive:
        assert archive["list"] == [4]
        assert [name for name in archive.names() if "/" not in name] == ["list", "only1", "only4"]


def test_bases_that_name_each_other_end() -> None:
    """Two frames whose base is their own entry, misaligned: no thread is started for it, and the error comes at once."""
    import threading
    import time

    raw = np.random.default_rng(3).integers(0, 255, 3 << 20, np.uint8)
    first = laconic.encode(raw)
    with laconic.open(first) as archive:
        digest = archive.entry("").hash
    delta = laconic.encode(raw, base=first)
    assert laconic.decode(delta, base=first, jobs=4).tobytes() == raw.tobytes()
    before, start = threading.active_count(), time.monotonic()
    with pytest.raises(laconic.MissingBaseError, match=digest.hex()):
        laconic.decode(delta, jobs=4)
    assert threading.active_count() <= before + 4
    assert time.monotonic() - start < 5
