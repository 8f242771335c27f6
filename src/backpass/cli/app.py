"""The command line: its commands, arguments and help.

Only arguments are declared here; what needs more than a moment to load waits in
:mod:`backpass.cli.commands` until a command runs, so that ``--help`` answers at once.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from functools import partial
from typing import Annotated, Optional

import typer

from backpass import __version__

__all__ = ["app"]

app = typer.Typer(
    name="backpass",
    help="Train a neural network on a table, judge it honestly, and predict with it.",
    epilog="Start with: backpass fit example:digits",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

TABLE_HELP = (
    "CSV, TSV or Parquet file, gzipped or not; - for standard input; or example:NAME "
    "(breast_cancer, diabetes, digits, iris, wine)."
)

Table = Annotated[str, typer.Argument(metavar="TABLE", help=TABLE_HELP)]
Model = Annotated[str, typer.Argument(metavar="MODEL", help="Model file that fit has written.")]
Json = Annotated[
    Optional[str],  # noqa: UP045 (typer 0.15 evaluates it)
    typer.Option("--json", metavar="FILE.json", help="Write everything that came out as JSON."),
]


class Task(StrEnum):
    """What the target is."""

    auto = "auto"
    classification = "classification"
    regression = "regression"


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


@app.command()
def fit(
    table: Table,
    target: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--target", "-t", metavar="COLUMN", help="Column to predict; examples know theirs."
        ),
    ] = None,
    model: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--model",
            "-m",
            metavar="FILE",
            help="Where the model goes; by default TABLE's name with .backpass, here.",
        ),
    ] = None,
    test: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--test", metavar="FILE", help="Judge the model on this table instead."),
    ] = None,
    test_fraction: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(
            "--test-fraction", metavar="PART", help="Part of the rows to judge on. [default: 0.2]"
        ),
    ] = None,
    task: Annotated[Task, typer.Option(help="What the target is.")] = Task.auto,
    sample_weight: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--sample-weight", metavar="COLUMN", help="Column of sample weights, at least 0."
        ),
    ] = None,
    categorical: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(metavar="COLUMN,…", help="Number columns that are categories."),
    ] = None,
    drop: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(metavar="COLUMN,…", help="Columns to leave out."),
    ] = None,
    hidden: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            metavar="WIDTH,…",
            help="Units of the hidden layers, such as 256,256. [default: 128,128]",
        ),
    ] = None,
    epochs: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(
            min=1, max=1_000_000, metavar="N", help="Most passes over the table. [default: 60]"
        ),
    ] = None,
    time_limit: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(
            "--time-limit", metavar="SECONDS", help="Most seconds of training. [default: none]"
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(min=0, max=2**32 - 1, metavar="N", help="Of the split and of the network."),
    ] = 0,
    json: Json = None,
    report: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--report", metavar="FILE.html", help="Write a page with the curves."),
    ] = None,
    checkpoint: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--checkpoint", metavar="FOLDER", help="Write the training down here while it runs."
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint, if there is one.")
    ] = False,
    checkpoint_every: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(
            "--checkpoint-every", metavar="SECONDS", help="Between checkpoints. [default: 60]"
        ),
    ] = None,
) -> Callable[[], int]:
    """Train a network on TABLE, judge and save it.

    Some rows are held out and judge it, beside a linear model and boosted trees.

    \b
    Examples:
      backpass fit example:digits
      backpass fit churn.csv --target churn --drop customer_id --report churn.html
      backpass fit 2023.parquet --target price --test 2024.parquet --time-limit 60
      zcat big.csv.gz | backpass fit - --target y --model big.backpass
      backpass fit churn.csv --target churn --checkpoint churn.run --resume
    """  # noqa: D301 (typer wants the character, which keeps the lines apart)
    from backpass.cli.commands import FitOptions, run_fit

    options = FitOptions(
        table=table,
        target=target,
        model=model,
        test=test,
        test_fraction=test_fraction,
        task=task.value,
        sample_weight=sample_weight,
        categorical=categorical or [],
        drop=drop or [],
        hidden=hidden,
        epochs=epochs,
        time_limit=time_limit,
        seed=seed,
        json=json,
        report=report,
        checkpoint=checkpoint,
        resume=resume,
        checkpoint_every=checkpoint_every,
    )
    return partial(run_fit, options)


@app.command()
def predict(
    model: Model,
    table: Table,
    proba: Annotated[
        bool, typer.Option("--proba", help="Add the probability of each class.")
    ] = False,
    output: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--output", "-o", metavar="FILE", help="CSV, TSV or Parquet file, by its suffix."
        ),
    ] = None,
) -> Callable[[], int]:
    """Predict the target of every row of TABLE.

    Predictions go to standard output as CSV, or to a file.

    \b
    Examples:
      backpass predict churn.backpass new.csv
      backpass predict churn.backpass new.parquet --proba -o predictions.parquet
    """  # noqa: D301
    from backpass.cli.commands import run_predict

    return partial(run_predict, model, table, proba=proba, output=output)


@app.command()
def evaluate(model: Model, table: Table, json: Json = None) -> Callable[[], int]:
    """Judge MODEL on a TABLE with known targets.

    \b
    Example:
      backpass evaluate churn.backpass last_month.csv
    """  # noqa: D301
    from backpass.cli.commands import run_evaluate

    return partial(run_evaluate, model, table, json=json)


@app.command()
def check(
    model: Model,
    table: Table,
    rows: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=1, metavar="N", help="Rows to check on, evenly spread. [default: 32]"),
    ] = None,
    entries: Annotated[
        str,
        typer.Option(
            metavar="N|all", help="Entries of each weight matrix to check, drawn at random."
        ),
    ] = "100",
    json: Json = None,
) -> Callable[[], int]:
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
        typer.Option(
            "--answer",
            "-a",
            metavar="FILE",
            help="Your gradient: .npy, .npz, .csv (one matrix) or .json.",
        ),
    ],
    rows: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--rows", metavar="N", help="The first N rows of TABLE. [default: all]"),
    ] = None,
    row: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--row", metavar="I", help="One row of TABLE, counted from 1."),
    ] = None,
    layer: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--layer", metavar="L", help="Layer of a single array, from 1."),
    ] = None,
    what: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--what", metavar="W|b|delta|g|X|z|a", help="What a single array is."),
    ] = None,
    layout: Annotated[
        str,
        typer.Option(
            "--layout",
            metavar="NOTATION",
            help="How it lies: code, error, chain, nabla, omega or bracket.",
        ),
    ] = "code",
    alpha: Annotated[
        float, typer.Option("--alpha", min=0, metavar="NUMBER", help="L2 strength of the cost.")
    ] = 0.0,
    json: Json = None,
) -> Callable[[], int]:
    """Say whether a gradient worked out by hand is right, or which mistake explains it.

    The exit code is 0 for a right answer, 1 for a wrong one and 2 for bad input.

    \b
    Examples:
      backpass homework iris.backpass example:iris --answer dW2.csv --what W --layer 2
      backpass homework iris.backpass example:iris --answer all.npz --rows 10 --layout nabla
    """  # noqa: D301
    from backpass.cli.homework import HomeworkOptions, run_homework

    options = HomeworkOptions(
        model=model,
        table=table,
        answer=answer,
        rows=rows,
        row=row,
        what=what,
        layer=layer,
        layout=layout,
        alpha=alpha,
        json=json,
    )
    return partial(run_homework, options)


@app.command()
def trace(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="Model file that fit has written; or example:xor, :thin, :small, :classes.",
        ),
    ],
    table: Annotated[
        Optional[str],  # noqa: UP045
        typer.Argument(
            metavar="[TABLE]", help="Table whose rows are traced; examples have theirs."
        ),
    ] = None,
    row: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            metavar="N", help="Row of TABLE, from 1; or several: 1,3 or 2-5. [default: 1]"
        ),
    ] = None,
    notation: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Symbols and layout: code, or those of a note: error (1), chain (2), nabla (3), "
            "omega (4), bracket (5).",
        ),
    ] = "code",
    form: Annotated[
        str,
        typer.Option(metavar="NAME", help="batch, sample, parameter, jacobian, neuron or chain."),
    ] = "batch",
    layer: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(metavar="L", help="This layer only, from 1."),
    ] = None,
    kind: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--format",
            metavar="NAME",
            help="text, html, latex or json. [default: that of the suffix, or text]",
        ),
    ] = None,
    output: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--output", "-o", metavar="FILE", help="Write it there instead."),
    ] = None,
    max_elements: Annotated[
        int,
        typer.Option(
            "--max-elements", min=0, metavar="N", help="Most entries of an array; 0 shows all."
        ),
    ] = 64,
    digits: Annotated[
        int, typer.Option(min=1, max=17, metavar="N", help="Significant digits.")
    ] = 4,
    update: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="OPTIMISER", help="Show its first step, too: sgd, adam, …"),
    ] = None,
    learning_rate: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option("--learning-rate", metavar="RATE", help="Of that step. [default: 0.1]"),
    ] = None,
) -> Callable[[], int]:
    """Show every number of the forward and backward pass for rows of TABLE, beside its equation.

    \b
    Examples:
      backpass trace example:xor --notation nabla
      backpass trace churn.backpass churn.csv --row 7 -o row-7.html
      backpass trace churn.backpass churn.csv --row 1-4 --form sample --format latex
    """  # noqa: D301
    from backpass.cli.tracing import TraceOptions, run_trace

    options = TraceOptions(
        model,
        table,
        row,
        notation,
        form,
        layer,
        kind,
        output,
        max_elements,
        digits,
        update,
        learning_rate,
    )
    return partial(run_trace, options)


@app.command()
def export(
    model: Model,
    onnx: Annotated[
        str, typer.Option("--onnx", metavar="FILE.onnx", help="Where the ONNX file goes.")
    ],
    network_only: Annotated[
        bool,
        typer.Option(
            "--network-only", help="Leave the encoding out: one matrix of encoded rows goes in."
        ),
    ] = False,
) -> Callable[[], int]:
    """Write MODEL in the ONNX format, which other programs run without backpass.

    The file holds the encoding, too: one input for each column. MODEL may also be what
    Network.save wrote. Needs backpass[onnx].

    \b
    Examples:
      backpass export churn.backpass --onnx churn.onnx
      backpass export churn.backpass --onnx network.onnx --network-only
    """  # noqa: D301
    from backpass.cli.commands import run_export

    return partial(run_export, model, onnx, network_only=network_only)
