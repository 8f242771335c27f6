"""From typed arguments to an exit code: one line on standard error where the user is wrong."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from typing import Any

import typer

from backpass.cli.app import app
from backpass.cli.interrupts import INTERRUPTED, ctrl_c
from backpass.cli.output import tolerate_encodings
from backpass.core.hints import closest
from backpass.errors import BackpassError, NonFiniteError
from backpass.tabular.formatting import one_line

DIVERGED, BAD_INPUT, BROKEN_PIPE = 1, 2, 141

_OUTPUT_FAILED = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO, errno.EBADF}
# the class of all usage errors, which typer 0.15 takes from click and later has itself
_UsageError: Any = typer.BadParameter.__mro__[1]


def run(arguments: list[str]) -> int:
    """Read the arguments, then do what they ask for where typer does not catch Ctrl-C first."""
    tolerate_encodings()
    command = typer.main.get_command(app)
    try:
        work = command.main(arguments or ["--help"], prog_name="backpass", standalone_mode=False)
    except typer.Abort:
        raise KeyboardInterrupt from None
    except _UsageError as error:
        sys.stderr.write(f"error: {one_line(_complaint(error, arguments))}\n")
        return BAD_INPUT
    if work == INTERRUPTED:
        raise KeyboardInterrupt
    return work() if callable(work) else int(work or 0)


def _complaint(error: Any, arguments: list[str]) -> str:
    """Return what is wrong with the arguments; typer may leave out the value that is."""
    text = str(error.format_message()).replace("Value error, ", "")
    context = getattr(error, "ctx", None)
    if context and (given := getattr(error, "option_name", "")):
        known = [name for one in context.command.params for name in one.opts if name[:2] == "--"]
        found = closest(given, known)
        text = f"No such option: {given}" + (f"; did you mean {found}?" if found else "")
    names = getattr(getattr(error, "param", None), "opts", ())
    typed = ""
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=True):
        name, equals, value = argument.partition("=")
        if name in names:  # the last one counts
            typed = repr(value if equals else following)
    if typed not in text and text.startswith("Invalid value for"):
        text = text.replace(": ", f": {typed}: ", 1)
    return f"{text} (see: {context.command_path} --help)" if context else text


def guarded(work: Callable[[], int]) -> int:
    """Return the exit code of `work`, or the one of its error, which is said in one line.

    Anything else is a mistake of ours, whose traceback is wanted.
    """
    try:
        code = work()
        sys.stdout.flush()
    except KeyboardInterrupt as stop:
        return _interrupted(str(stop))
    except NonFiniteError as error:
        return _say(f"error: training diverged, and no model was written: {error}", DIVERGED)
    except BackpassError as error:
        return _say(f"error: {error}", BAD_INPUT)
    except MemoryError as error:
        what = f" ({error})" if str(error) else ""
        return _say(f"error: not enough memory{what}; take fewer rows or narrower layers", 2)
    except BrokenPipeError:  # the reader, such as head, has seen enough
        _close_output()
        return BROKEN_PIPE
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _OUTPUT_FAILED:
            _close_output()
            return _say(f"error: standard output cannot be written: {error.strerror}", BAD_INPUT)
        if ctrl_c.just_heard:
            return _interrupted()
        raise
    return code


def _interrupted(why: str = "") -> int:
    return _say(f"interrupted: {why or 'nothing was left half-written'}", INTERRUPTED)


def _say(text: str, code: int) -> int:
    sys.stderr.write(f"{one_line(text)}\n")
    return code


def _close_output() -> None:
    """Send what is still buffered nowhere, or Python complains when it ends."""
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
