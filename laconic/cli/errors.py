"""Exceptions to one line on stderr and a documented exit code."""

from __future__ import annotations

import errno
import os
import signal
import sys
import warnings
from types import FrameType
from typing import Any, NoReturn

import click

from laconic.cli import interrupts
from laconic.errors import CorruptDataError, LimitError, TornArchiveWarning, UnsupportedError

OK, FAILED, USAGE, CORRUPT, UNSUPPORTED, LIMIT, INTERRUPTED = 0, 1, 2, 3, 4, 5, interrupts.EXIT


class Failed(click.ClickException):
    """An error that was already put into words."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.exit_code = code  # type: ignore[misc]


def say(message: str) -> None:
    print(f"laconic: {message}", file=sys.stderr)


def code_of(error: BaseException) -> int | None:
    """The exit code for an expected error, None for a bug."""
    if isinstance(error, Failed):
        return error.exit_code
    if isinstance(error, CorruptDataError):
        return CORRUPT
    if isinstance(error, UnsupportedError):
        return UNSUPPORTED
    if isinstance(error, (LimitError, MemoryError)):
        return LIMIT
    if isinstance(error, (OSError, ValueError, TypeError, KeyError)):
        return FAILED
    return None


def describe(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return "out of memory"
    if isinstance(error, OSError) and error.strerror:
        name = os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else None
        hint = " (is the disk full?)" if error.errno == errno.ENOSPC else ""
        return f"{name}: {error.strerror}{hint}" if name else f"{error.strerror}{hint}"
    if isinstance(error, KeyError) and error.args:
        return str(error.args[0])
    return str(error) or type(error).__name__


def run(command: click.Command, args: list[str]) -> NoReturn:
    """Run `command` and exit."""
    signal.signal(signal.SIGTERM, _terminate)  # so that temporary files are removed
    interrupts.watch()
    warnings.showwarning = _show_warning
    warnings.simplefilter("always", TornArchiveWarning)
    try:
        code = command.main(args=args, prog_name="laconic", standalone_mode=False)
        sys.stdout.flush()
        sys.exit(code if isinstance(code, int) else OK)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        say("interrupted")
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output went away: nobody to tell. Keep the interpreter from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)
    except click.UsageError as error:
        error.show()
        sys.exit(USAGE)
    except Exception as error:
        code = code_of(error)
        if code is None or os.environ.get("LACONIC_TRACEBACK"):
            raise
        say(error.message if isinstance(error, click.ClickException) else describe(error))
        sys.exit(code)


def _terminate(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _show_warning(message: Any, category: Any, *rest: Any, **options: Any) -> None:
    say(f"warning: {message}")
