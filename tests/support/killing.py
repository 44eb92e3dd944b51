"""Work that is killed at some moment: a process that is started once, since imports take the time of many kills, and forked for each."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

_LOOP = """
import os, signal, sys, time, warnings
warnings.simplefilter("ignore")
for k, line in enumerate(sys.stdin):
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        try:
            work(k)
        finally:
            os._exit(0)
    start = time.monotonic()
    wait, pid = float(line), 0
    while time.monotonic() < start + wait and not pid:
        pid, _ = os.waitpid(child, os.WNOHANG)
        time.sleep(min(0.0005, wait))
    if not pid:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    print("finished" if pid else "killed", f"{time.monotonic() - start:.4f}", flush=True)
"""


class Master:
    """Runs `work(k)`, which the Python texts `parts` define, and kills it. What it writes to the file descriptor 3 are its reports."""

    def __init__(self, *parts: str) -> None:
        text = "".join(map(textwrap.dedent, parts)) + _LOOP
        self._reports, write = os.pipe()
        os.set_blocking(self._reports, False)
        self._child = subprocess.Popen(
            [sys.executable, "-c", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=lambda: os.dup2(write, 3),
            close_fds=False, env=os.environ | {"OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        os.close(write)

    def kill_after(self, seconds: float) -> tuple[bool, float]:
        """(Whether it was killed before it ended, how long it ran.)"""
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        print(seconds, file=self._child.stdin, flush=True)
        answer, ran = self._child.stdout.readline().split()
        return answer == "killed", float(ran)

    def reports(self) -> list[list[int]]:
        """Lines of numbers that were reported since the last call."""
        try:
            return [[int(word) for word in line.split()] for line in os.read(self._reports, 1 << 20).splitlines()]
        except BlockingIOError:
            return []

    def close(self) -> None:
        assert self._child.stdin is not None
        self._child.stdin.close()
        self._child.wait(30)
        os.close(self._reports)
