"""kill -9 at random moments: what was there before is readable, complete frames are recovered, nothing half-written has a final name."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from killing import Master

import laconic

KILLS = 50

# Work that is started once and forked for each kill: fifty interpreters would spend the time on their imports.
ENCODE = """
    from laconic.cli import main
    import laconic.cli.encode, laconic.archive, laconic.files, laconic.codecs.weights, laconic.codecs.bytes
    def work(k):
        main(["encode", folder + "/in", "-o", folder + "/out.lac", "-q", "-j", "2"] + (["--force"] if force else []))
"""
APPEND = """
    import laconic, numpy as np
    import laconic.codecs.weights, laconic.codecs.bytes
    def work(k):
        with laconic.open(folder + "/log.lac", "a", jobs=2) as archive:
            for i in range(40):
                archive.add(f"run{k}/step{i}", np.full(3000 if i % 3 else 30_000, 1000 * k + i, np.int32))
                if i % 2:
                    archive.flush()
                    os.write(3, b"%d %d\\n" % (k, i))
"""


@pytest.mark.parametrize("force", [False, True], ids=["new", "force"])
def test_kill_encode(force: bool, tmp_path: Path) -> None:
    content = np.random.default_rng(1).normal(size=700_000).astype("f4").tobytes()
    (tmp_path / "in").write_bytes(content)
    out = tmp_path / "out.lac"
    master = Master(f"folder, force = {str(tmp_path)!r}, {force}\n", ENCODE)
    chance = random.Random(7)
    old = laconic.encode(b"the old archive")
    killed = left = 0
    try:
        times = []
        for _ in range(3):
            out.unlink(missing_ok=True)
            times.append(master.kill_after(30.0)[1])
        whole = min(times)
        moments = [chance.uniform(0, 1.1 * whole) for _ in range(KILLS)]
        for moment in moments:
            if force:
                out.write_bytes(old)
            else:
                out.unlink(missing_ok=True)
            was_killed, _ = master.kill_after(moment)
            killed += was_killed
            left += len(list(tmp_path.glob(".laconic-*")))
            for path in tmp_path.glob(".laconic-*"):
                path.unlink()
            if out.exists():
                with laconic.open(out) as archive:
                    assert not archive.torn
                    if archive.names() == [""]:
                        assert force
                        assert archive[""] == b"the old archive"
                    else:
                        assert archive["in"] == content
            else:
                assert not force
        assert killed >= KILLS // 3, f"only {killed} were killed before they ended"
    finally:
        master.close()
    assert (tmp_path / "in").read_bytes() == content
    report("encode " + ("--force" if force else "new"), killed, left)


def test_kill_append(tmp_path: Path) -> None:
    path = tmp_path / "log.lac"
    with laconic.open(path, "w") as archive:
        archive.add("first", np.arange(50_000))
    master = Master(f"folder = {str(tmp_path)!r}\n", APPEND)
    chance = random.Random(8)
    flushed: list[tuple[int, int]] = []
    killed = recovered = 0
    try:
        whole = min(master.kill_after(30.0)[1] for _ in range(2))
        for k in range(KILLS):
            was_killed, _ = master.kill_after(chance.uniform(0, whole))
            killed += was_killed
            flushed += [(run, step) for run, step in master.reports()]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", laconic.TornArchiveWarning)
                with laconic.open(path, recover=True) as archive:
                    names = set(archive.names())
                    for run, step in flushed if k % 10 == 9 else flushed[-40:]:
                        for i in (step - 1, step):
                            name = f"run{run}/step{i}"
                            assert name in names, f"kill {k}: {name} was flushed and is lost"
                            x = archive[name]
                            assert x.size in (3000, 30_000)
                            assert (x == 1000 * run + i).all()
                            recovered += 1
                    assert archive["first"].sum() == 50_000 * 49_999 // 2
                    for name in list(names)[-5:]:
                        archive[name]
    finally:
        master.close()
    with laconic.open(path, "a") as archive:
        archive.add("last", b"still writable")
    with laconic.open(path, recover=True) as archive:
        assert archive["last"] == b"still writable"
        assert archive["first"][-1] == 49_999
    assert killed >= KILLS // 3
    report("append", killed, recovered)


def report(what: str, killed: int, count: int) -> None:
    log = os.environ.get("LACONIC_HOSTILE_LOG")
    if log:
        with open(log, "a") as file:
            file.write(f'{{"test": "kill {what}", "killed": {killed}, "count": {count}}}\n')


def test_a_killed_write_leaves_no_archive(tmp_path: Path) -> None:
    """Python's "w" as well: the name appears with the last byte."""
    code = f"""
import laconic, time
archive = laconic.open({str(tmp_path / "x.lac")!r}, "w")
archive.add("x", bytes(9 << 20))
archive.flush()
print("ready", flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        child.send_signal(signal.SIGKILL)
        child.wait(30)
    assert not (tmp_path / "x.lac").exists()
    (left,) = tmp_path.glob(".laconic-*")
    with laconic.open(left, recover=True) as archive:
        assert archive["x"] == bytes(9 << 20)
