"""The command line: its commands, each declared by the types of what it takes.

What needs more than a moment to load waits until a command runs, so that ``--help`` and wrong
arguments are answered at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import partial
from inspect import signature
from typing import Annotated, Any

import typer

from backpass import __version__
from backpass.cli.checking import run_check
from backpass.cli.commands import evaluate, export, predict
from backpass.cli.fit_options import FitOptions
from backpass.cli.fitting import fit
from backpass.cli.homework import HomeworkOptions, run_homework
from backpass.cli.tracing import TraceOptions, run_trace
from backpass.cli.worksheet import WorksheetOptions, run_worksheet

app = typer.Typer(
    name="backpass",
    help="Train a neural network on a table, judge it honestly, and predict with it.",
    epilog="Start with: backpass fit example:digits",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"backpass {__version__}")
        raise typer.Exit


@app.callback()
def _backpass(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    pass


def _declare(name: str, work: Callable[..., int], options: Any = None) -> None:
    """Make a command of its work, which waits until typer, which catches Ctrl-C, has ended.

    Its documentation is the help; it returns the exit code. The arguments are its own, or the
    fields of `options`, a dataclass that it takes.
    """
    declared = signature(options or work, eval_str=True)
    parameters = dict(declared.parameters)
    for one in fields(options) if options else ():
        if one.metadata:
            plain, given = parameters[one.name], one.metadata["option"]
            parameters[one.name] = plain.replace(annotation=Annotated[plain.annotation, given])
    declared = declared.replace(parameters=[*parameters.values()])

    def command(**given: Any) -> Callable[[], int]:
        return partial(work, options(**given)) if options else partial(work, **given)

    command.__signature__ = declared  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: one.annotation for one in declared.parameters.values()}
    command.__doc__ = work.__doc__
    app.command(name)(command)


_declare("fit", fit, FitOptions)
_declare("predict", predict)
_declare("evaluate", evaluate)
_declare("check", run_check)
_declare("homework", run_homework, HomeworkOptions)
_declare("trace", run_trace, TraceOptions)
_declare("worksheet", run_worksheet, WorksheetOptions)
_declare("export", export)
