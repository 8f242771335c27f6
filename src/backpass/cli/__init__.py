"""The command line: ``backpass fit``, ``backpass predict``, ``backpass evaluate`` and others."""

import os
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
        return _run(arguments)
    try:
        from backpass.cli.guard import guarded
        from backpass.cli.interrupts import ctrl_c

        if not ctrl_c.listen():
            return _run()
        return ctrl_c.end(guarded(lambda: ctrl_c.during(_run)))
    except KeyboardInterrupt:  # in the milliseconds before it is listened for
        _end_here()


def _end_here() -> NoReturn:
    """Say that nothing was done, and end, without anything in which Ctrl-C could come again."""
    try:  # noqa: SIM105 (to leave contextlib.suppress takes several instructions)
        os.write(2, b"interrupted: nothing was left half-written\n")
    except (KeyboardInterrupt, OSError):  # pressed again; or nobody to say it to
        pass
    os._exit(130)


def _run(arguments: list[str] | None = None) -> int:
    """Load the commands, which takes a tenth of a second that Ctrl-C waits for, and run one."""
    from backpass.cli.interrupts import ctrl_c

    with ctrl_c.waiting():
        from backpass.cli.app import main as run

    return run(arguments)
