"""From exceptions to exit codes: one line on standard error, never a traceback, for user errors."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable

from backpass.cli.interrupts import ctrl_c
from backpass.errors import BackpassError, NonFiniteError
from backpass.tabular.formatting import one_line

__all__ = ["BAD_INPUT", "DIVERGED", "INTERRUPTED", "guarded"]

DIVERGED, BAD_INPUT, INTERRUPTED, BROKEN_PIPE = 1, 2, 130, 141

_OUTPUT_FAILED = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO, errno.EBADF}


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
