"""From typed arguments to the work of a command, and to one line where they are wrong."""

from __future__ import annotations

import sys
from typing import Any

import typer

from backpass.cli.app import app
from backpass.cli.exit_codes import BAD_INPUT, INTERRUPTED
from backpass.cli.output import tolerate_encodings
from backpass.tabular.formatting import one_line

__all__ = ["run"]

# the class of all usage errors, which typer 0.15 takes from click and later has itself
_UsageError: Any = typer.BadParameter.__mro__[1]


def run(arguments: list[str]) -> int:
    """Read the arguments, then do what they ask for where typer does not catch Ctrl-C first.

    Parameters
    ----------
    arguments : list of str
        Without the name of the program.
    """
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
    names = getattr(getattr(error, "param", None), "opts", ())
    typed = ""
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=True):
        name, equals, value = argument.partition("=")
        if name in names:  # the last one counts
            typed = repr(value if equals else following)
    if typed not in text and text.startswith("Invalid value for"):
        text = text.replace(": ", f": {typed}: ", 1)
    context = getattr(error, "ctx", None)
    return f"{text} (see: {context.command_path} --help)" if context else text
