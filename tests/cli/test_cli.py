"""The command line as a user meets it: child processes, files, pipes, exit codes and one-line messages."""

from __future__ import annotations

import json
import os
import pty
import resource
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from make import safetensors, weights

import laconic
from laconic.container.frame import check64
from laconic.safetensors.numpy import save_file

OK, FAILED, USAGE, CORRUPT, UNSUPPORTED, LIMIT = 0, 1, 2, 3, 4, 5
COMMAND = [sys.executable, "-m", "laconic"]
TEXT = b"".join(b"line %d of a file of lines\n" % k for k in range(5000))


def run(*args: Any, data: bytes | None = None, cwd: Path | None = None, **options: Any) -> subprocess.CompletedProcess[bytes]:
    stdin = {"stdin": subprocess.DEVNULL} if data is None else {}
    return subprocess.run([*COMMAND, *map(os.fspath, args)], input=data, capture_output=True, cwd=cwd, timeout=120, **stdin, **options)


def fails(code: int, *args: Any, says: str = "", **options: Any) -> str:
    """The one line on stderr of a command that fails with `code`."""
    done = run(*args, **options)
    message = done.stderr.decode(errors="replace")
    assert done.returncode == code, message
    assert "Traceback" not in message
    if code != USAGE:  # click prints the usage before its line
        assert message.count("\n") == 1, message
    assert says in message
    return message


def succeeds(*args: Any, **options: Any) -> bytes:
    done = run(*args, **options)
    assert done.returncode == 0, done.stderr.decode()
    assert b"Traceback" not in done.stderr
    return done.stdout


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "text").write_bytes(TEXT)
    (tmp_path / "m.safetensors").write_bytes(safetensors())
    return tmp_path


@pytest.fixture
def archive(files: Path) -> Path:
    succeeds("encode", files / "text", "-q")
    return files / "text.lac"


# ---------------------------------------------------------------------- round trips


@pytest.mark.parametrize("level", ["fast", "default", "high", "max"])
@pytest.mark.parametrize("name", ["text", "m.safetensors"])
def test_a_file_there_and_back(name: str, level: str, files: Path) -> None:
    source = files / name
    os.chmod(source, 0o640)
    os.utime(source, ns=(1, 1_234_567_890_123_456_789))
    succeeds("encode", source, "--level", level, "-j", "2", "-q")
    assert source.exists()
    (files / "back").mkdir()
    succeeds("decode", f"{source}.lac", "-o", files / "back" / "x", "-q")
    succeeds("decode", f"{source}.lac", "-o", f"{files}/back/", "-q")
    for path in (files / "back" / "x", files / "back" / name):
        assert path.read_bytes() == source.read_bytes()
        assert path.stat().st_mtime_ns == 1_234_567_890_123_456_789
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
    source.unlink()
    succeeds("decode", f"{source}.lac")
    assert source.stat().st_size > 0
    assert sorted(os.listdir(files)) == sorted(["text", "m.safetensors", f"{name}.lac", "back"])


def test_a_tree(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    names = [
        b"a",
        b"sub/deep/b",
        b"sub/caf\xc3\xa9",
        b"sub/not-\xff\xfe-utf8",
        b"sub/new\nline",
        b"sub/ space ",
        b"-dash",
        b"sub/.hidden",
        b"n" * 255,
    ]
    for name in names:
        path = os.path.join(os.fsencode(tree), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(name * 1000)
    (tree / "empty").mkdir(mode=0o700)
    (tree / "zero").touch()
    (tree / "link").symlink_to("a")
    (tree / "sub" / "up").symlink_to("../a")
    (tree / "dangling").symlink_to("nowhere")
    os.mkfifo(tree / "pipe")
    (tree / "big").write_bytes(TEXT * 10)
    os.utime(tree / "sub", ns=(5, 1_000_000_000_000_000_005))
    done = run("encode", tree, "-j", "3")
    assert done.returncode == 0
    assert b"pipe: not a regular file" in done.stderr
    out = tmp_path / "out"
    succeeds("decode", f"{tree}.lac", "-o", out, "-q")
    os.unlink(tree / "pipe")
    assert subprocess.run(["diff", "-r", "--no-dereference", tree, out / "tree"], capture_output=True).stdout == b""
    assert (out / "tree" / "sub").stat().st_mtime_ns == 1_000_000_000_000_000_005
    assert stat.S_IMODE((out / "tree" / "empty").stat().st_mode) == 0o700
    assert os.readlink(out / "tree" / "sub" / "up") == "../a"
    listing = succeeds("list", f"{tree}.lac", "--json")
    assert {os.fsencode(json.loads(line)["name"]) for line in listing.splitlines()} >= {b"tree/" + name for name in names}
    assert b"\x1b" not in succeeds("list", f"{tree}.lac")
    some = tmp_path / "some"
    succeeds("decode", f"{tree}.lac", "tree/sub/deep", "tree/a", "-o", some, "-q")
    assert (some / "tree" / "sub" / "deep" / "b").read_bytes() == b"sub/deep/b" * 1000
    assert sorted(os.listdir(some / "tree")) == ["a", "sub"]


def test_several_inputs(files: Path) -> None:
    succeeds("encode", files / "text", files / "m.safetensors", "-o", files / "two.lac", "-q")
    succeeds("decode", files / "two.lac", "-o", files / "out", "-q")
    assert (files / "out" / "text").read_bytes() == TEXT
    assert (files / "out" / "m.safetensors").read_bytes() == safetensors()
    fails(USAGE, "encode", files / "text", files / "m.safetensors")
    (files / "sub").mkdir()
    (files / "sub" / "text").write_bytes(b"")
    fails(FAILED, "encode", files / "text", files / "sub" / "text", "-o", files / "x.lac", says="would both be named")
    assert not (files / "x.lac").exists()


def test_python_archives_become_npy_files(tmp_path: Path) -> None:
    path = tmp_path / "a.lac"
    x = weights(500, ">f4").reshape(20, 25)
    with laconic.open(path, "w") as archive:
        archive.add("x", x)
        archive.add("d", {"k": b"bytes", "v": 3, "s": "long text " * 99})
        archive.add("s", np.float16(2.5))
    succeeds("decode", path, "-o", tmp_path / "out")
    assert np.load(tmp_path / "out" / "x.npy").tobytes() == x.tobytes()
    assert np.load(tmp_path / "out" / "s.npy") == np.float16(2.5)
    assert (tmp_path / "out" / "d" / "k").read_bytes() == b"bytes"
    (tmp_path / "m.safetensors").write_bytes(safetensors())
    succeeds("encode", tmp_path / "m.safetensors", "-q")
    succeeds("decode", tmp_path / "m.safetensors.lac", "m.safetensors/a~1~0", "-o", tmp_path / "t.npy", "-q")
    assert np.load(tmp_path / "t.npy").tobytes() == weights(64).tobytes()
    blob = tmp_path / "blob.lac"
    blob.write_bytes(laconic.encode(x))
    succeeds("decode", blob, "-q")
    assert np.load(tmp_path / "blob.npy").shape == (20, 25)


# ---------------------------------------------------------------------- pipes and the filter


def test_pipes(files: Path) -> None:
    for source in ("text", "m.safetensors"):
        content = (files / source).read_bytes()
        packed = succeeds("encode", "-", "-o", "-", data=content)
        assert succeeds("decode", "-", "-o", "-", data=packed) == content
        assert succeeds("decode", "-", data=packed) == content
        assert succeeds(data=content) == packed
        assert succeeds("-d", data=packed) == content
        assert succeeds("-dc", data=packed) == content
        assert succeeds("-d", data=packed + packed) == content * 2
        assert succeeds("-9", "-T0", data=content)[:8] == packed[:8]
        succeeds("encode", "-", "-o", files / "p.lac", data=content)
        assert succeeds("decode", files / "p.lac", "-o", "-") == content
        assert succeeds("cat", "-", data=packed) == content
        assert json.loads(succeeds("verify", "-", "--json", data=packed))["ok"] is True
        (files / "p.lac").unlink()
    assert succeeds("-d", data=succeeds(data=b"")) == b""


def test_the_filter_on_files(files: Path) -> None:
    succeeds(files / "text", "-q")
    packed = (files / "text.lac").read_bytes()
    assert (files / "text").exists()
    assert succeeds("-dc", files / "text.lac") == TEXT
    fails(FAILED, "-d", files / "text.lac", says="exists")
    succeeds("-df", files / "text.lac", "-q")
    succeeds("-t", files / "text.lac", "-q")
    assert b"text" in succeeds("-l", files / "text.lac")
    assert succeeds("-c", files / "text")[:8] == packed[:8]
    succeeds("-o", files / "y.lac", "-3", files / "text", "-q")
    fails(USAGE, "-o", files / "z", files / "text", files / "m.safetensors")
    fails(USAGE, "--no-such-option")
    fails(FAILED, files / "none", says="none")
    fails(FAILED, "-d", files / "none", says="none")
    fails(CORRUPT, "-d", data=b"this is no archive")
    fails(CORRUPT, "-d", data=b"")
    fails(CORRUPT, "-d", data=packed[:-5])


@pytest.mark.skipif(shutil.which("tar") is None, reason="no tar")
def test_tar(files: Path) -> None:
    program = files / "bin" / "laconic"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m laconic "$@"\n')
    program.chmod(0o755)
    subprocess.run(["tar", "-I", program, "-C", files, "-cf", files / "x.tar.lac", "text", "m.safetensors"], check=True, timeout=60)
    (files / "out").mkdir()
    subprocess.run(["tar", "-I", program, "-C", files / "out", "-xf", files / "x.tar.lac"], check=True, timeout=60)
    assert (files / "out" / "text").read_bytes() == TEXT
    assert (files / "x.tar.lac").stat().st_size < len(TEXT)


def test_concatenated_archives(archive: Path, files: Path) -> None:
    succeeds("encode", files / "m.safetensors", "-q")
    both = archive.read_bytes() + (files / "m.safetensors.lac").read_bytes()
    (files / "both.lac").write_bytes(both)
    succeeds("verify", files / "both.lac", "-q")
    succeeds("decode", files / "both.lac", "-o", files / "out", "-q")
    assert sorted(os.listdir(files / "out")) == ["m.safetensors", "text"]
    assert succeeds("-d", data=both) == TEXT + safetensors()


def test_a_reader_that_goes_away(archive: Path) -> None:
    with subprocess.Popen([*COMMAND, "cat", archive], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.read(10)
        child.stdout.close()
        assert b"Traceback" not in child.stderr.read()


def test_nothing_binary_on_a_terminal(archive: Path, files: Path) -> None:
    from_files = [["encode", files / "text", "-o", "-"], ["decode", archive, "-o", "-"], ["-c", files / "text"], ["-dc", archive]]
    for args, data in [*((args, None) for args in from_files), ([], TEXT), (["-d"], archive.read_bytes())]:
        master, slave = pty.openpty()
        try:
            stdin = subprocess.PIPE if data is not None else subprocess.DEVNULL
            with subprocess.Popen([*COMMAND, *map(str, args)], stdin=stdin, stdout=slave, stderr=subprocess.PIPE) as child:
                _, message = child.communicate(data, timeout=60)
            assert child.returncode == USAGE, (args, message)
            assert b"terminal" in message
            os.set_blocking(master, False)
            with pytest.raises(BlockingIOError):
                os.read(master, 1)
        finally:
            os.close(master)
            os.close(slave)


def test_a_progress_bar_only_on_a_terminal(files: Path) -> None:
    done = run("encode", files / "text", "-f")
    assert b"\x1b" not in done.stderr
    master, slave = pty.openpty()
    try:
        child = subprocess.run(
            [*COMMAND, "encode", files / "text", "-f"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=slave, timeout=60
        )
        assert child.returncode == 0
        assert b"\x1b" in os.read(master, 1 << 16)
    finally:
        os.close(master)
        os.close(slave)
    assert run("encode", files / "text", "-fq").stderr == b""


# ---------------------------------------------------------------------- looking inside


def test_list_info_verify_cat(files: Path) -> None:
    succeeds("encode", files / "text", files / "m.safetensors", "-o", files / "a.lac", "-q")
    a = files / "a.lac"
    rows = [json.loads(line) for line in succeeds("list", a, "--json").splitlines()]
    assert [row["name"] for row in rows] == ["text", "m.safetensors"]
    rows = [json.loads(line) for line in succeeds("list", a, "--json", "-t").splitlines()]
    assert {"m.safetensors/b", "m.safetensors/mask"} <= {row["name"] for row in rows}
    assert b"bfloat16[3,100]" in succeeds("list", "-t", a)
    info = [json.loads(line) for line in succeeds("info", a, "--json").splitlines()]
    assert info[0]["raw_bytes"] == len(TEXT)
    assert info[0]["stored_bytes"] < len(TEXT) / 3
    assert b"joint" in succeeds("info", a)
    assert json.loads(succeeds("verify", a, "--json"))["entries"] == len(rows)
    assert succeeds("cat", a, "text") == TEXT
    assert succeeds("cat", a, "text", "--range", "5:25") == TEXT[5:25]
    assert succeeds("cat", a, "text", "--range=-9:") == TEXT[-9:]
    assert succeeds("cat", a, "m.safetensors/a~1~0") == weights(64).tobytes()
    for bounds in ("5", "a:b", ":1:2", ""):
        fails(USAGE, "cat", a, "text", "--range", bounds)
    fails(FAILED, "cat", a, "--range", "1:2")
    for command in ("cat", "info", "decode"):
        fails(FAILED, command, a, "nobody", says="nobody")
    for option in ([], ["--json"]):
        report = run("encode", files / "text", "-o", files / "b.lac", "-f", *option)
        assert report.returncode == 0
    assert json.loads(report.stdout)["raw_bytes"] == len(TEXT)
    assert json.loads(succeeds("decode", files / "b.lac", "-o", files / "b", "--json").splitlines()[0])["raw_bytes"] == len(TEXT)


def test_salvage_and_verify_of_damage(files: Path) -> None:
    names = []
    for k in range(6):
        names.append(files / f"f{k}")
        names[-1].write_bytes(os.urandom(100_000))
    succeeds("encode", *names, "-o", files / "a.lac", "-q")
    blob = bytearray((files / "a.lac").read_bytes())
    assert b"intact" in succeeds("salvage", files / "a.lac")
    blob[len(blob) // 2 : len(blob) // 2 + 4] = b"oops"
    for label, damaged in (("middle", bytes(blob)), ("both", bytes(blob[:-3])), ("cut", (files / "a.lac").read_bytes()[:400_000])):
        bad = files / f"{label}.lac"
        bad.write_bytes(damaged)
        fails(CORRUPT, "verify", bad, says=label)
        assert run("decode", bad, "-o", files / f"{label}.out").returncode == CORRUPT
        out = files / f"{label}.salvaged"
        done = run("salvage", bad, "-o", out, "--partial", "--json")
        assert done.returncode == CORRUPT
        rows = {row["name"]: row["state"] for row in map(json.loads, done.stdout.splitlines())}
        good = [name for name, state in rows.items() if state == "intact"]
        assert len(good) == (4 if label == "cut" else 5) or len(good) == 3
        for name in good:
            assert (out / name).read_bytes() == (files / name).read_bytes()
        for path in out.glob("*.partial"):
            assert (files / path.stem).read_bytes().startswith(path.read_bytes())
    fails(FAILED, "salvage", files / "a.lac", "-o", files, says="not empty")


# ---------------------------------------------------------------------- what goes wrong


def test_bad_inputs(files: Path, archive: Path) -> None:
    for command in ("decode", "list", "info", "verify", "cat", "salvage"):
        fails(FAILED, command, files / "none.lac", says="none.lac")
        fails(FAILED, command, files, says=str(files))
        fails(CORRUPT, command, files / "text", says="not a laconic archive")
        (files / "empty").touch()
        fails(CORRUPT, command, files / "empty", says="empty")
    fails(FAILED, "encode", files / "none", says="none")
    fails(USAGE, "encode")
    fails(USAGE, "encode", files / "text", "--level", "ultra", says="ultra")
    fails(USAGE, "encode", files / "text", "-j", "0")
    fails(USAGE, "encode", files / "text", "--nope")
    fails(USAGE, "encode", "-", files / "text", "-o", files / "x", data=b"")
    fails(USAGE, "encode", files / "text", "--base", files / "none", says="none")
    fails(UNSUPPORTED, "encode", files / "m.safetensors", "--kind", "nope", says="nope")
    fails(FAILED, "encode", files / "text", says="exists")
    assert archive.exists()
    fails(FAILED, "encode", files / "text", "-o", files, says="folder")
    fails(FAILED, "encode", files / "text", "-o", files / "no" / "such" / "x.lac", says="x.lac")
    fails(FAILED, "encode", files / "text", "-o", files / "text", "-f", says="also an input")
    fails(FAILED, "decode", archive, says="exists")
    fails(LIMIT, "decode", archive, "-o", files / "y", "--max-output", "1000", says="--max-output")
    fails(LIMIT, "decode", "-", "--max-output", "1000", data=archive.read_bytes(), says="--max-output")
    assert not (files / "y").exists()
    assert (files / "text").read_bytes() == TEXT


def test_other_versions(files: Path, archive: Path) -> None:
    blob = bytearray(archive.read_bytes())

    def header(major: int, minor: int, flags: int) -> bytes:
        blob[8:11] = bytes((major, minor, flags))
        blob[11:13] = (check64(bytes(blob[:11])) & 0xFFFF).to_bytes(2, "little")
        return bytes(blob)

    for version, code in (((2, 0, 2), UNSUPPORTED), ((0, 9, 2), UNSUPPORTED), ((1, 0, 0x40), UNSUPPORTED), ((1, 7, 2), OK)):
        (files / "v.lac").write_bytes(header(*version))
        for args in (["decode", files / "v.lac", "-o", files / f"v{version[1]}"], ["-dc", files / "v.lac"]):
            if code == OK:
                succeeds(*args)
            else:
                fails(code, *args)
        done = run("-d", data=header(*version))
        assert done.returncode == code
    blob[12] ^= 1
    (files / "v.lac").write_bytes(bytes(blob))
    fails(CORRUPT, "-d", data=bytes(blob))


def test_a_missing_base(files: Path) -> None:
    new = bytearray(TEXT)
    new[100:110] = b"0123456789"
    (files / "new").write_bytes(new)
    succeeds("encode", files / "new", "--base", files / "text", "-o", files / "d.lac", "-q")
    assert (files / "d.lac").stat().st_size < 1000
    fails(UNSUPPORTED, "decode", files / "d.lac", "-o", files / "y", says="base with content hash")
    succeeds("decode", files / "d.lac", "-o", files / "y", "--base", files / "text", "-q")
    assert (files / "y").read_bytes() == new
    assert not [name for name in os.listdir(files) if name.startswith(".")]


def test_a_full_disk(files: Path, archive: Path) -> None:
    big = files / "big"
    big.write_bytes(os.urandom(3_000_000))
    full = open("/dev/full", "wb")
    for args in (["encode", big, "-o", "-"], ["-c", big], ["cat", archive], ["-dc", archive]):
        done = subprocess.run([*COMMAND, *map(str, args)], stdout=full, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=60)
        assert done.returncode == FAILED, done.stderr
        assert b"No space" in done.stderr
        assert b"Traceback" not in done.stderr
        assert done.stderr.count(b"\n") == 1, done.stderr
    full.close()

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    before = sorted(os.listdir(files))
    message = fails(FAILED, "encode", big, "-q", preexec_fn=limit)
    assert "large" in message
    fails(FAILED, "decode", archive, "-o", files / "y", "-q", preexec_fn=limit)
    assert sorted(os.listdir(files)) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_target(files: Path) -> None:
    locked = files / "locked"
    locked.mkdir(mode=0o500)
    fails(FAILED, "encode", files / "text", "-o", locked / "x.lac", says="Permission denied")


def test_a_target_that_takes_no_files(files: Path) -> None:
    fails(FAILED, "encode", files / "text", "-o", "/proc/x.lac")
    fails(FAILED, "encode", files / "text", "-o", "/dev/null/x.lac")


def test_rm_only_after_verification(files: Path) -> None:
    succeeds("encode", files / "text", "--rm", "-q")
    assert not (files / "text").exists()
    succeeds("decode", files / "text.lac", "--rm", "-q")
    assert not (files / "text.lac").exists()
    assert (files / "text").read_bytes() == TEXT
    fails(FAILED, "encode", files / "text", "-o", "-", "--rm")
    assert (files / "text").exists()
    tree = files / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "sub" / "f").write_bytes(TEXT)
    (tree / "l").symlink_to("sub")
    succeeds("encode", tree, "--rm", "-q")
    assert not tree.exists()
    succeeds("decode", f"{tree}.lac", "-q")
    assert (tree / "sub" / "f").read_bytes() == TEXT
    torn = (files / "tree.lac").read_bytes()[:-10]
    (files / "torn.lac").write_bytes(torn)
    assert run("decode", files / "torn.lac", "-o", files / "t", "--rm").returncode == CORRUPT
    assert (files / "torn.lac").exists()
    two = files / "two"
    two.mkdir()
    (two / "a").write_bytes(TEXT)
    os.mkfifo(two / "pipe")
    assert run("encode", two, "--rm").returncode == FAILED  # the pipe is not in the archive, so the folder stays
    assert (two / "pipe").exists()


def test_interrupting(files: Path) -> None:
    """SIGINT and SIGTERM: exit code 130, and nothing left behind."""
    before = sorted(os.listdir(files))
    for number in (signal.SIGINT, signal.SIGTERM):
        for delay in (0.5, 1.0):  # not while it still imports: an interrupt there may end in a library
            # A pipe that stays open: the command can't end by itself before the signal comes.
            command = [*COMMAND, "encode", "-", "-o", files / "out.lac", "-j", "2"]
            # A shell without job control starts what runs in its background with SIGINT ignored, and that is inherited.
            heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
            with subprocess.Popen(command, stderr=subprocess.PIPE, stdin=subprocess.PIPE, preexec_fn=heed) as child:
                assert child.stdin is not None
                child.stdin.write(np.random.default_rng(1).integers(97, 113, 6 << 20, np.uint8).tobytes())
                child.stdin.flush()
                deadline = time.monotonic() + 30
                while not any(name.endswith(".tmp") for name in os.listdir(files)) and time.monotonic() < deadline:
                    time.sleep(0.01)
                time.sleep(delay)
                child.send_signal(number)
                assert child.wait(timeout=60) is not None
                assert child.stderr is not None
                message = child.stderr.read()
                child.stdin.close()
            assert child.returncode == 130, message
            assert b"Traceback" not in message
            assert sorted(os.listdir(files)) == before


@pytest.mark.parametrize("jobs", [1, 2])
def test_interrupting_does_not_wait_for_a_long_frame(files: Path, jobs: int) -> None:
    (files / "long").write_bytes(np.random.default_rng(1).integers(97, 113, 16 << 20, np.uint8).tobytes())  # half a minute at max
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    before = sorted(os.listdir(files))
    command = [*COMMAND, "encode", files / "long", "--level", "max", "-j", str(jobs)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, preexec_fn=heed) as child:
        time.sleep(3)
        child.send_signal(signal.SIGINT)
        start = time.monotonic()
        message = child.communicate(timeout=60)[1]
        assert time.monotonic() - start < 5
    assert child.returncode == 130
    assert message.endswith(b"laconic: interrupted\n")
    assert sorted(os.listdir(files)) == before


def test_encoding_a_folder_reports_by_kind(files: Path) -> None:
    (files / "sub").mkdir()
    for k in range(3):
        (files / "sub" / f"small-{k}").write_bytes(TEXT[: 100 + k])
    told = json.loads(succeeds("encode", files, "-o", files.with_suffix(".lac"), "--json"))
    assert {kind: told["kinds"][kind]["entries"] for kind in told["kinds"]} == {"bytes": 4, "weights": 1}
    assert sum(kind["raw_bytes"] for kind in told["kinds"].values()) == told["raw_bytes"]
    assert 0 < sum(kind["stored_bytes"] for kind in told["kinds"].values()) < told["stored_bytes"]
    done = run("encode", files, "-fo", files.with_suffix(".lac"))
    assert b"bytes         4 files" in done.stderr
    assert b"weights        1 file" in done.stderr


def test_help_and_version() -> None:
    for args in (["--help"], ["-h"], ["encode", "--help"], ["decode", "-h"], ["salvage", "-h"], ["-V"], ["--version"]):
        assert b"laconic" in succeeds(*args)


def test_in_process_main_exits_by_code(capsys: pytest.CaptureFixture[str]) -> None:
    from laconic.cli import main

    with pytest.raises(SystemExit) as caught:
        main(["list", "/no/such/file"])
    assert caught.value.code == FAILED
    assert "no" in capsys.readouterr().err.lower()


def test_a_stream_is_written_as_it_comes() -> None:
    """The filter does not wait for the end of its input before it writes."""
    with subprocess.Popen([*COMMAND, "-1", "-T1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        feeder = threading.Thread(target=child.stdin.write, args=(os.urandom(8 << 20),))
        feeder.start()
        first = child.stdout.read(1 << 20)
        timer = threading.Timer(60, child.kill)  # no end of the input until the first bytes of the output are there
        timer.start()
        rest = threading.Thread(target=lambda: child.stdout and got.append(child.stdout.read()))
        got: list[bytes] = []
        rest.start()
        feeder.join()
        child.stdin.close()
        rest.join()
        timer.cancel()
    assert len(first) == 1 << 20
    assert len(got[0]) >= 7 << 20


def test_diff_and_patch(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    old = {"a": rng.standard_normal((200, 300)).astype(np.float32), "b": np.zeros(9, np.float16)}
    new = {"a": old["a"].copy(), "b": old["b"]}
    new["a"][3] += np.float32(1e-3)
    for name, model in (("old", old), ("new", new)):
        save_file(model, tmp_path / f"{name}.safetensors")
    succeeds("diff", tmp_path / "old.safetensors", tmp_path / "new.safetensors", "-o", tmp_path / "p")
    assert (tmp_path / "p").stat().st_size < 3000
    succeeds("patch", tmp_path / "old.safetensors", tmp_path / "p", "-o", tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "new.safetensors").read_bytes()
    fails(FAILED, "patch", tmp_path / "old.safetensors", tmp_path / "p", "-o", tmp_path / "again", says="exists")
    fails(UNSUPPORTED, "patch", tmp_path / "new.safetensors", tmp_path / "p", "-o", tmp_path / "other", says="base")
    assert not (tmp_path / "other").exists()
