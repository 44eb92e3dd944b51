"""Audio files byte for byte, whatever their headers say; their samples as arrays."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pcm_files import FILES, OTHERS, chunk, to_bytes, tone, wav

import laconic
from laconic.codecs.audio import codec, pcm
from laconic.container import View
from laconic.container.source import BufferSource


def there_and_back(folder: Path, raw: bytes, level: str = "fast") -> dict[str, object]:
    path = folder / "x.wav"
    path.write_bytes(raw)
    blob = laconic.encode(path, level=level)
    assert laconic.decode(blob) == raw
    with laconic.open(blob) as archive:
        return {name.rpartition("/")[2]: archive[name] for name in archive.names() if name}


@pytest.mark.parametrize("level", ["fast", "default"])
@pytest.mark.parametrize("name", FILES)
def test_files_come_back(name: str, level: str, tmp_path: Path) -> None:
    raw = FILES[name]()
    assert codec.sniff(raw[:65536], len(raw)) > 0.9
    found = there_and_back(tmp_path, raw, level)
    samples = np.asarray(found["samples"])
    assert samples.shape[1] == (1 if name in ("u8", "no pad") else 3 if name.startswith("s") and name[1:].isdigit() else 2)


@pytest.mark.parametrize("name", OTHERS)
def test_other_files_are_plain_bytes(name: str, tmp_path: Path) -> None:
    assert "samples" not in there_and_back(tmp_path, OTHERS[name]())


def test_samples_are_an_array(tmp_path: Path) -> None:
    x = tone(20000, 2)
    path = tmp_path / "x.wav"
    path.write_bytes(wav(to_bytes(x, 2), 2, 2, before=chunk(b"LIST", b"abc")))
    with laconic.open(tmp_path / "a.lac", "w") as archive:
        archive.add("x.wav", path)
    with laconic.open(tmp_path / "a.lac") as archive:
        samples = archive["x.wav/samples"]
        assert samples.dtype == np.dtype("<i2")
        assert np.array_equal(samples, x)
        assert archive.info("x.wav")["kind"] == "audio"
        assert np.array_equal(archive.read("x.wav/samples", 4000, 4400), x[4000:4400])


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(sorted(FILES)), data=st.data())
def test_damaged_headers(name: str, data: st.DataObject) -> None:
    raw = bytearray(FILES[name]())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, 119))] = data.draw(st.integers(0, 255))
    del raw[data.draw(st.integers(0, len(raw))) :]
    try:
        items = list(codec.layout(BufferSource(bytes(raw))))
    except ValueError:
        return
    pieces = [item for item in items if not isinstance(item, View)]
    assert all(piece.size is not None and piece.size >= 0 for piece in pieces)
    assert sum(piece.size or 0 for piece in pieces) <= max(len(raw), pieces[0].size or 0)
    assert len(pieces) < 10 + len(raw) // 1000


@pytest.mark.parametrize("name", ["plain", "size ff", "truncated", "size beyond", "caf"])
def test_pipes(name: str) -> None:
    raw = FILES[name]()

    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.rest = io.BytesIO(raw)

        def read(self, size: int = -1) -> bytes:
            return self.rest.read(size)

    from laconic.container.source import PipeSource

    source, out = PipeSource(Pipe()), b""
    for item in codec.layout(source):
        if not isinstance(item, View):
            out += bytes(source.take(item.size if item.size is not None else len(raw)))
    assert (out + bytes(source.take(len(raw)))) == raw


def test_frames_are_short(tmp_path: Path) -> None:
    x = to_bytes(tone(48000 * 9, 1), 2)
    frames = [item for item in codec.layout(BufferSource(wav(x, 1, 2, rate=48000))) if not isinstance(item, View) and not item.codec]
    assert [frame.size for frame in frames] == [48000 * 8, 48000 * 8, 48000 * 2]


@given(st.binary(max_size=12))
def test_parameters(params: bytes) -> None:
    try:
        form = pcm.SampleFormat.parse(params)
    except laconic.CorruptDataError:
        return
    assert pcm.SampleFormat.parse(form.pack()) == form


def test_info_says_that_flac_stays_as_it_is(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from laconic.cli import laconic as command

    (tmp_path / "a.flac").write_bytes(b"fLaC" + bytes(range(256)) * 9)
    (tmp_path / "b.bin").write_bytes(bytes(range(256)) * 9)
    with laconic.open(tmp_path / "x.lac", "w") as archive:
        for name in ("a.flac", "b.bin"):
            archive.add_file(tmp_path / name, name)
    said = CliRunner().invoke(command, ["info", str(tmp_path / "x.lac")], standalone_mode=False).stdout
    assert said.count("kept as the bytes it is") == 1
    assert said.index("a.flac") < said.index("a FLAC file") < said.index("b.bin")
    assert laconic.open(tmp_path / "x.lac")["a.flac"] == (tmp_path / "a.flac").read_bytes()
