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
        MaybeText,
        Option(
            "--answer",
            "-a",
            metavar="FILE",
            help="Your gradient: .npy, .npz, .csv (one matrix) or .json.",
        ),
    ] = None
    answers: Annotated[
        MaybeText,
        Option("--answers", metavar="FOLDER", help="Those of a class, a file or a folder each."),
    ] = None
    output: Annotated[
        MaybeText,
        Option("--output", "-o", metavar="FILE", help="Write the class as .csv, … or .html, too."),
    ] = None
    anonymous: Annotated[
        MaybeText,
        Option(
            "--anonymous",
            metavar="WORD",
            help="Replace the names of a class by pseudonyms, which stay the same for this WORD.",
        ),
    ] = None
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

    With --answers: those of a whole class, in one table. The exit code is 0 for right answers, 1
    where one is wrong and 2 for bad input.

    \b
    Examples:
      backpass homework iris.backpass example:iris --answer dW2.csv --what W --layer 2
      backpass homework iris.backpass example:iris --answer all.npz --rows 10 --layout nabla
      backpass homework iris.backpass example:iris --rows 10 --answers handed-in/ -o class.html
    """  # noqa: D301
    _check(options)
    answer = None
    if options.answer is not None:
        from backpass.derivatives.homework.answer_files import read_answer

        answer = read_answer(options.answer)
    from backpass.cli import tables as render
    from backpass.derivatives.homework import Verdict, explain_mismatch
    from backpass.tabular.model import TabularModel
    from backpass.tabular.selection import original_rows

    messages = Messages()
    with messages.catching():
        model = with_network(TabularModel.load(options.model), options.network)
        raw, rows = _read_rows(model, options)

        def judge(answer: Any) -> Verdict:
            with original_rows(rows, raw.label, raw.line_of):
                return explain_mismatch(
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

        if options.answers is not None:
            from backpass.cli.whole_class import run_class
            from backpass.derivatives.batch import subject

            with original_rows(rows, raw.label, raw.line_of):  # told once, and not of each answer
                subject(model, raw.frame[rows], alpha=options.alpha)
            return run_class(options.answers, judge, options.output, options.anonymous)
        verdict = judge(answer)
    render.output().print(verdict, soft_wrap=True)
    if options.json:
        from backpass.tabular.report.as_json import write_json

        write_json(verdict.to_dict(), options.json)
    return 0 if verdict.right else 1


def _check(options: HomeworkOptions) -> None:
    """Refuse what is wrong with the arguments before anything is read."""
    if options.rows is not None and options.row is not None:
        raise InputError("give --rows or --row, not both")
    if (options.answer is None) == (options.answers is None):
        raise InputError("give --answer FILE, or --answers FOLDER for those of a class")
    if options.answers is None and (options.output or options.anonymous) is not None:
        raise InputError("--output and --anonymous are of a class; give --answers FOLDER, too")
    if options.answers is not None and options.json is not None:
        raise InputError("--json is of one answer; of a class, write --output class.csv")
    if options.anonymous == "":
        raise InputError("--anonymous '': give a word that the class does not know")
    check_is_file(options.model)
    inputs = [options.model, options.table, *filter(None, [options.answer])]
    if options.json is not None:
        check_outputs([Output("--json", options.json, (".json",))], inputs)
    if options.output is not None:
        from backpass.cli.whole_class import SUFFIXES

        check_outputs([Output("--output", options.output, SUFFIXES)], inputs)


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
