"""The command ``backpass homework``, once its arguments are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from backpass.cli.arguments import (
    Json,
    MaybeText,
    MaybeWhole,
    Model,
    Network,
    Output,
    Table,
    check_is_file,
    check_outputs,
    with_network,
)
from backpass.cli.output import Messages
from backpass.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from backpass.tabular.files import RawTable


@dataclass(frozen=True)
class HomeworkOptions:
    """The arguments of ``backpass homework``: their types, their help, and what was given."""

    model: Model
    table: Table
    answer: Annotated[
        str,
        Option(
            "--answer",
            "-a",
            metavar="FILE",
            help="Your gradient: .npy, .npz, .csv (one matrix) or .json.",
        ),
    ]
    network: Network = None
    rows: Annotated[
        MaybeWhole, Option("--rows", metavar="N", help="The first N rows of TABLE. [default: all]")
    ] = None
    row: Annotated[
        MaybeWhole, Option("--row", metavar="I", help="One row of TABLE, counted from 1.")
    ] = None
    layer: Annotated[
        MaybeWhole, Option("--layer", metavar="L", help="Layer of a single array, from 1.")
    ] = None
    what: Annotated[
        MaybeText, Option("--what", metavar="W|b|delta|g|X|z|a", help="What a single array is.")
    ] = None
    layout: Annotated[
        str,
        Option(
            "--layout",
            metavar="NOTATION",
            help="How it lies: code, error, chain, nabla, omega or bracket.",
        ),
    ] = "code"
    notation: Annotated[
        str,
        Option("--notation", metavar="NOTATION", help="The notation that the verdict speaks."),
    ] = "code"
    alpha: Annotated[
        float, Option("--alpha", min=0, metavar="NUMBER", help="L2 strength of the cost.")
    ] = 0.0
    json: Json = None


def run_homework(options: HomeworkOptions) -> int:
    """Say whether a gradient worked out by hand is right, or which mistake explains it.

    The exit code is 0 for a right answer, 1 for a wrong one and 2 for bad input.

    \b
    Examples:
      backpass homework iris.backpass example:iris --answer dW2.csv --what W --layer 2
      backpass homework iris.backpass example:iris --answer all.npz --rows 10 --layout nabla
    """  # noqa: D301
    if options.rows is not None and options.row is not None:
        raise InputError("give --rows or --row, not both")
    check_is_file(options.model)
    if options.json is not None:
        inputs = [options.model, options.table, options.answer]
        check_outputs([Output("--json", options.json, (".json",))], inputs)
    from backpass.derivatives.homework.answer_files import read_answer

    answer = read_answer(options.answer)
    from backpass.cli import tables as render
    from backpass.derivatives.homework import explain_mismatch
    from backpass.tabular.model import TabularModel
    from backpass.tabular.selection import original_rows

    messages = Messages()
    with messages.catching():
        model = with_network(TabularModel.load(options.model), options.network)
        raw, rows = _read_rows(model, options)
        with original_rows(rows, raw.label, raw.line_of):
            verdict = explain_mismatch(
                model,
                raw.frame[rows],
                None,
                answer,
                alpha=options.alpha,
                what=options.what,
                layer=options.layer,
                layout=options.layout,
                notation=options.notation,
            )
    render.output().print(verdict, soft_wrap=True)
    if options.json:
        from backpass.tabular.report.as_json import write_json

        write_json(verdict.to_dict(), options.json)
    return 0 if verdict.right else 1


def _read_rows(model: Any, options: HomeworkOptions) -> tuple[RawTable, NDArray[np.int64]]:
    """Return the table, and the numbers, from 0, of the rows that were asked for."""
    import numpy as np

    raw = model.read(options.table)
    return raw, np.arange(*_rows(raw.frame, raw.label, options))


def _rows(frame: pl.DataFrame, label: str, options: HomeworkOptions) -> tuple[int, int]:
    """Return the first row, from 0, and the one after the last."""
    if options.row is not None:
        if not 1 <= options.row <= frame.height:
            raise InputError(
                f"--row {options.row}: {label} has rows 1 … {frame.height}; give one of them"
            )
        return options.row - 1, options.row
    stop = frame.height if options.rows is None else options.rows
    if not 1 <= stop <= frame.height:
        raise InputError(f"--rows {stop}: {label} has {frame.height} rows; give 1 … {frame.height}")
    return 0, stop
