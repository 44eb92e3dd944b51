"""Ctrl-C at once, also in the middle of a frame that takes a minute.

A signal raises KeyboardInterrupt in the main thread, but only when that thread is back in Python, and leaving waits for the frames that
other threads have in work. A watcher gives this half a second; then it removes the temporary files and ends the process.
"""

from __future__ import annotations

import os
import signal
import threading
import time

from laconic import durable

EXIT = 130
_GRACE = 0.5  # seconds


def watch() -> None:
    """Start the watcher; once in a process, from its main thread."""
    if os.name != "posix":  # pragma: no cover - elsewhere signals only wake up sockets
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(reader,), name="laconic-interrupts", daemon=True).start()


def _watch(reader: int) -> None:
    while os.read(reader, 1)[0] not in (signal.SIGINT, signal.SIGTERM):
        pass
    time.sleep(_GRACE)
    durable.discard_all()
    os.write(2, b"laconic: interrupted\n")
    os._exit(EXIT)
