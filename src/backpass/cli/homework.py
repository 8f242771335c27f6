"""The command ``backpass homework``, once its arguments are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from typer import Option

from backpass.cli.arguments import (
    Inputs,
    Json,
    MaybeTable,
    MaybeText,
    MaybeWhole,
    ModelOrNetwork,
    Network,
    Output,
    Targets,
    check_outputs,
)
from backpass.cli.network_rows import NetworkRows, network_rows
from backpass.cli.output import Messages
from backpass.errors import InputError


@dataclass(frozen=True)
class HomeworkOptions:
    """The arguments of ``backpass homework``: their types, their help, and what was given."""

    model: ModelOrNetwork
    answer: Annotated[
        str,
        Option(
            "--answer",
            "-a",
            metavar="FILE",
            help="Your gradient: .npy, .npz, .csv (one matrix) or .json.",
        ),
    ]
    table: MaybeTable = None
    x: Inputs = None
    y: Targets = None
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
      backpass homework net.backpass --x 1,0,2 --y 1 --answer all.json
      backpass homework example:small --answer dW1.csv --what W --layer 1
    """  # noqa: D301
    if options.rows is not None and options.row is not None:
        raise InputError("give --rows or --row, not both")
    if options.json is not None:
        inputs = filter(None, [options.model, options.table, options.answer])
        check_outputs([Output("--json", options.json, (".json",))], inputs)
    from backpass.derivatives.homework.answer_files import read_answer

    answer = read_answer(options.answer)
    from backpass.cli import tables as render
    from backpass.derivatives.homework import explain_mismatch

    with Messages().catching():
        told = network_rows(options.model, options.table, options.x, options.y, options.network)
        with told.taken(range(*_rows(told, options))) as (X, y):
            verdict = explain_mismatch(
                told.model,
                X,
                y,
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


def _rows(told: NetworkRows, options: HomeworkOptions) -> tuple[int, int]:
    """Return the first row, from 0, and the one after the last."""
    label, height = told.label, len(told)
    if options.row is not None:
        if not 1 <= options.row <= height:
            raise InputError(
                f"--row {options.row}: {label} has rows 1 … {height}; give one of them"
            )
        return options.row - 1, options.row
    stop = height if options.rows is None else options.rows
    if not 1 <= stop <= height:
        raise InputError(f"--rows {stop}: {label} has {height} rows; give 1 … {height}")
    return 0, stop
