"""The command line: arguments, commands, progress, messages, exit codes."""

import os
import sys
from typing import NoReturn

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit code: 0, 1, 2 (wrong input) or 130 (Ctrl-C).

    Parameters
    ----------
    arguments : list of str, optional
        Those of the process by default.
    """
    if arguments is not None:
        return _guarded(arguments)
    try:
        from backpass.cli.interrupts import ctrl_c

        listening = ctrl_c.listen()
        code = _guarded(sys.argv[1:])
        return ctrl_c.end(code) if listening else code
    except KeyboardInterrupt:  # in the milliseconds before it is listened for
        _end_here()


def _end_here() -> NoReturn:
    """Say that nothing was done, and end, without anything in which Ctrl-C could come again."""
    try:  # noqa: SIM105 (to leave contextlib.suppress takes several instructions)
        os.write(2, b"interrupted: nothing was left half-written\n")
    except (KeyboardInterrupt, OSError):  # pressed again; or nobody to say it to
        pass
    os._exit(130)


def _guarded(arguments: list[str]) -> int:
    from backpass.cli.interrupts import ctrl_c

    with ctrl_c.waiting():  # a tenth of a second, in which libraries could swallow Ctrl-C
        from backpass.cli.run import guarded, run

    return guarded(lambda: run(arguments))
