"""`laconic grep` prints what grep prints of the decoded files; `laconic cat --lines` cuts what splitting the text would."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

import laconic
from laconic.cli import laconic as command
from laconic.cli.patterns import compile_pattern
from laconic.codecs.logs.codec import FRAME

needs_grep = pytest.mark.skipif(shutil.which("grep") is None, reason="compares with grep")

PATTERNS = [
    "ERROR", "error", "took [0-9]* ms", r"took [0-9]\+ ms$", "^2024", "a.c", r"\(GET\|PUT\) /x", r"w\{2\}", "x*", "", "[^ ]*z$", "[]a]b",
    "[[:upper:]]\\{5\\}", "no such literal", "*", "a**", "^*", r"\bms\b", r"\<took\>", r"\w\+-\W", "a\nERROR", "$", r"\.\*", "caf.",
    "(a|b)+", "a{1,2}", "a+?", "[0-9]+{2}", r"(a)\1", r"\$", "^$", "a|b|ERR", "]", "}", "[a-c-]x", r"[\]]", "[[:space:]]took", "+a",
    r"\sms", r"\S\S\S\Sms",
]  # fmt: skip


def text() -> bytes:
    rng = random.Random(7)
    out = []
    for k in range(400):
        out.append(b"2024-05-01 12:00:%02d INFO [w-%d] GET /x%d took %d ms" % (k % 60, k % 3, k, rng.randrange(200)))
        if k % 37 == 0:
            out += [b"", b"\xff\x00 caf\xe9 zzz", b"aa ab* $ ] } a+ ERROR: failed aabb", b"Error: in mixed CASE  ww", b"a-cx -x \\] took"]
    return b"\n".join(out)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("grep")
    (folder / "a.log").write_bytes(text())
    with laconic.open(folder / "a.lac", "w") as opened:
        opened.add("a.log", folder / "a.log", kind="logs")
    return folder / "a.log", folder / "a.lac"


def ours(*args: str) -> tuple[int, bytes]:
    result = CliRunner().invoke(command, ["grep", *args], standalone_mode=False)
    if result.exception:
        raise result.exception
    return result.return_value, result.stdout_bytes


def greps(*args: str) -> tuple[int, bytes]:
    done = subprocess.run(["grep", "-a", *args], env={**os.environ, "LC_ALL": "C"}, capture_output=True, check=False)
    return done.returncode, done.stdout


@needs_grep
@pytest.mark.parametrize(
    "flags", [[], ["-n"], ["-c"], ["-v", "-n"], ["-i"], ["-v", "-c"], ["-F", "-n"], ["-E"], ["-E", "-i", "-n"]], ids=str
)
def test_lines_are_those_of_grep(archive: tuple[Path, Path], flags: list[str]) -> None:
    log, lac = archive
    for pattern in PATTERNS:
        if pattern == "" and "-v" in flags:
            continue  # where nothing can be selected, GNU grep ends without the count
        code, expected = greps(*flags, "-e", pattern, str(log))
        if code == 2:
            continue  # no pattern for grep either
        assert ours(*flags, "--", pattern, str(lac)) == (code, expected), (flags, pattern)


def test_codes_and_names(archive: tuple[Path, Path], tmp_path: Path) -> None:
    _, lac = archive
    assert ours("nothing like it", str(lac)) == (1, b"")
    assert ours("ERROR", str(tmp_path / "missing.lac")) == (2, b"")
    assert ours("a\\", str(lac)) == (2, b"")
    assert ours("ERROR", str(lac), "no such entry") == (2, b"")
    assert ours("-l", "ERROR", str(lac)) == (0, b"a.log\n")
    with laconic.open(tmp_path / "two.lac", "w") as opened:
        opened.add("x", b"one\ntwo\n", kind="logs")
        opened.add("y", b"two\nthree")
    assert ours("-n", "t[wh]", str(tmp_path / "two.lac")) == (0, b"x:2:two\ny:1:two\ny:2:three\n")
    assert ours("-c", "three", str(tmp_path / "two.lac")) == (0, b"x:0\ny:1\n")


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Path, Path]:
    """A log of three frames with a rare line in the last, from a file and through a pipe (where frames end within lines)."""
    folder = tmp_path_factory.mktemp("frames")
    body = b"".join(b"2024-05-01 INFO [w-%d] request %d took %d ms\n" % (k % 7, k, k * k % 97) for k in range(450_000))
    raw = body + b"the Xylophone line\n" + body[:10000] + b"no newline"
    assert len(raw) > 2 * FRAME
    (folder / "f.log").write_bytes(raw)
    with laconic.open(folder / "f.lac", "w", level="fast") as opened:
        opened.add_file(folder / "f.log", "f.log")
    with laconic.open(folder / "p.lac", "w", level="fast") as opened, open(folder / "f.log", "rb") as file:
        opened.add_pipe(os.fdopen(os.dup(file.fileno()), "rb"), "f.log", kind="logs")
    return raw, folder / "f.lac", folder / "p.lac"


def test_frames_are_skipped_and_lines_still_counted(frames: tuple[bytes, Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    raw, from_file, from_pipe = frames
    number = raw[: raw.index(b"the Xylo")].count(b"\n") + 1
    for path in (from_file, from_pipe):
        assert ours("-n", "Xylophone", str(path)) == (0, b"%d:the Xylophone line\n" % number)
        assert ours("-c", "-v", "Xylophone", str(path)) == (0, b"%d\n" % raw.count(b"\n"))
        assert ours("-c", "request", str(path))[1] == b"%d\n" % sum(b"request" in line for line in raw.split(b"\n"))
    from laconic.codecs.logs.codec import LogsCodec

    decoded = []
    decode = LogsCodec.decode
    monkeypatch.setattr(LogsCodec, "decode", lambda self, *args: (decoded.append(1), decode(self, *args))[1])
    assert ours("Xylophone", str(from_file))[0] == 0
    assert len(decoded) == 1


@pytest.mark.parametrize("bounds", ["0:2", ":1", "5:5", "3:1", "-2:", "400000:400003", "-100000:-99998", "450005:"])
def test_cat_lines(frames: tuple[bytes, Path, Path], bounds: str) -> None:
    raw, *paths = frames
    first, _, last = bounds.partition(":")
    expected = raw.splitlines(keepends=True)[int(first) if first else None : int(last) if last else None]
    for path in paths:
        result = CliRunner().invoke(command, ["cat", f"--lines={bounds}", str(path)], standalone_mode=False)
        assert result.exception is None
        assert result.stdout_bytes == b"".join(expected)


@pytest.mark.parametrize(
    ("pattern", "options", "needs"),
    [
        (rb"abc.*def", {}, [[b"abc", b"def"]]),
        (rb"abcd*", {}, [[b"abc"]]),
        (rb"ab|cd", {"extended": True}, [[b"ab"], [b"cd"]]),
        (rb"ab|cd", {}, [[b"ab|cd"]]),
        (rb"x(ab|cd)y", {"extended": True}, [[b"x", b"y"]]),
        (rb"a.c", {"fixed": True}, [[b"a.c"]]),
        (b"one\ntwo", {}, [[b"one"], [b"two"]]),
        (rb"x\.y[ab]z", {}, [[b"x.y", b"z"]]),
    ],
)
def test_literals_that_a_match_needs(pattern: bytes, options: dict[str, bool], needs: list[list[bytes]]) -> None:
    compiled = compile_pattern(pattern, **options)
    assert compiled.needs == needs
    assert isinstance(compiled.regex, re.Pattern)
