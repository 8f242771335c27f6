"""The command line: ``backpass fit``, ``backpass predict``, ``backpass evaluate`` and others."""

from backpass.cli.guard import guarded
from backpass.cli.interrupts import ctrl_c

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit code: 0, 1, 2 (wrong input) or 130 (Ctrl-C).

    Parameters
    ----------
    arguments : list of str, optional
        Those of the process by default.
    """
    if arguments is None and ctrl_c.listen():
        return ctrl_c.end(guarded(lambda: ctrl_c.during(_run)))
    return _run(arguments)


def _run(arguments: list[str] | None = None) -> int:
    """Load the commands, which takes a tenth of a second in which Ctrl-C may come, and run one."""
    from backpass.cli.app import main as run

    return run(arguments)
