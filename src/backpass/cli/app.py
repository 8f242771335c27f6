"""The command line: its commands, and the arguments and help of those that derive.

What needs more than a moment to load waits until a command runs, so that ``--help`` answers at
once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from inspect import signature
from typing import Annotated, Any

import typer
from typer import Argument, Option

from backpass import __version__
from backpass.cli.arguments import Json, MaybeNumber, MaybeText, MaybeWhole, Model, Table
from backpass.cli.commands import FitOptions, evaluate, export, fit, predict

__all__ = ["app"]

Work = Callable[[], int]

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
        Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    pass


def _declare(work: Callable[..., int], options: Any = None) -> None:
    """Make a command of its work, which waits until typer, which catches Ctrl-C, has ended.

    Parameters
    ----------
    work : callable
        Its name and its documentation are the command's.
    options : dataclass, optional
        Whose fields the arguments are, and which `work` takes; by default they are those of `work`.
    """
    declared = signature(options or work, eval_str=True)

    def command(**given: Any) -> Work:
        return partial(work, options(**given)) if options else partial(work, **given)

    command.__signature__ = declared  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: one.annotation for one in declared.parameters.values()}
    command.__doc__ = work.__doc__
    app.command(work.__name__)(command)


_declare(fit, FitOptions)
_declare(predict)
_declare(evaluate)


@app.command()
def check(
    model: Model,
    table: Table,
    rows: Annotated[
        MaybeWhole,
        Option(min=1, metavar="N", help="Rows to check on, evenly spread. [default: 32]"),
    ] = None,
    entries: Annotated[
        str,
        Option(metavar="N|all", help="Entries of each weight matrix to check, drawn at random."),
    ] = "100",
    json: Json = None,
) -> Work:
    """Check every derivative of MODEL on rows of TABLE.

    Each is compared with numerical ones. Exit code 1: a derivative is wrong, and named.

    \b
    Examples:
      backpass check churn.backpass churn.csv
      backpass check churn.backpass churn.csv --rows 8 --entries all --json check.json
    """  # noqa: D301
    from backpass.cli.checking import run_check

    return partial(run_check, model, table, rows=rows, entries=entries, json=json)


@app.command()
def homework(
    model: Model,
    table: Table,
    answer: Annotated[
        str,
        Option(
            "--answer",
            "-a",
            metavar="FILE",
            help="Your gradient: .npy, .npz, .csv (one matrix) or .json.",
        ),
    ],
    rows: Annotated[
        MaybeWhole,
        Option("--rows", metavar="N", help="The first N rows of TABLE. [default: all]"),
    ] = None,
    row: Annotated[
        MaybeWhole,
        Option("--row", metavar="I", help="One row of TABLE, counted from 1."),
    ] = None,
    layer: Annotated[
        MaybeWhole,
        Option("--layer", metavar="L", help="Layer of a single array, from 1."),
    ] = None,
    what: Annotated[
        MaybeText,
        Option("--what", metavar="W|b|delta|g|X|z|a", help="What a single array is."),
    ] = None,
    layout: Annotated[
        str,
        Option(
            "--layout",
            metavar="NOTATION",
            help="How it lies: code, error, chain, nabla, omega or bracket.",
        ),
    ] = "code",
    alpha: Annotated[
        float, Option("--alpha", min=0, metavar="NUMBER", help="L2 strength of the cost.")
    ] = 0.0,
    json: Json = None,
) -> Work:
    """Say whether a gradient worked out by hand is right, or which mistake explains it.

    The exit code is 0 for a right answer, 1 for a wrong one and 2 for bad input.

    \b
    Examples:
      backpass homework iris.backpass example:iris --answer dW2.csv --what W --layer 2
      backpass homework iris.backpass example:iris --answer all.npz --rows 10 --layout nabla
    """  # noqa: D301
    given = dict(locals())
    from backpass.cli.homework import HomeworkOptions, run_homework

    return partial(run_homework, HomeworkOptions(**given))


@app.command()
def trace(
    model: Annotated[
        str,
        Argument(
            metavar="MODEL",
            help="Model file that fit has written; or example:xor, :thin, :small, :classes.",
        ),
    ],
    table: Annotated[
        MaybeText,
        Argument(metavar="[TABLE]", help="Table whose rows are traced; examples have theirs."),
    ] = None,
    row: Annotated[
        MaybeText,
        Option(metavar="N", help="Row of TABLE, from 1; or several: 1,3 or 2-5. [default: 1]"),
    ] = None,
    notation: Annotated[
        str,
        Option(
            metavar="NAME",
            help="Symbols and layout: code, or those of a note: error (1), chain (2), nabla (3), "
            "omega (4), bracket (5).",
        ),
    ] = "code",
    form: Annotated[
        str,
        Option(metavar="NAME", help="batch, sample, parameter, jacobian, neuron or chain."),
    ] = "batch",
    layer: Annotated[
        MaybeWhole,
        Option(metavar="L", help="This layer only, from 1."),
    ] = None,
    format: Annotated[  # noqa: A002 (the name of the option)
        MaybeText,
        Option(
            metavar="NAME",
            help="text, html, latex or json. [default: that of the suffix, or text]",
        ),
    ] = None,
    output: Annotated[
        MaybeText,
        Option("--output", "-o", metavar="FILE", help="Write it there instead."),
    ] = None,
    max_elements: Annotated[
        int,
        Option("--max-elements", min=0, metavar="N", help="Most entries of an array; 0 shows all."),
    ] = 64,
    digits: Annotated[int, Option(min=1, max=17, metavar="N", help="Significant digits.")] = 4,
    update: Annotated[
        MaybeText,
        Option(metavar="OPTIMISER", help="Show its first step, too: sgd, adam, …"),
    ] = None,
    learning_rate: Annotated[
        MaybeNumber,
        Option("--learning-rate", metavar="RATE", help="Of that step. [default: 0.1]"),
    ] = None,
) -> Work:
    """Show every number of the forward and backward pass for rows of TABLE, beside its equation.

    \b
    Examples:
      backpass trace example:xor --notation nabla
      backpass trace churn.backpass churn.csv --row 7 -o row-7.html
      backpass trace churn.backpass churn.csv --row 1-4 --form sample --format latex
    """  # noqa: D301
    given = dict(locals())
    from backpass.cli.tracing import TraceOptions, run_trace

    return partial(run_trace, TraceOptions(**given))


_declare(export)
