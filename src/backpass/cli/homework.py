"""The command ``backpass homework``, once its arguments are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from backpass.cli.arguments import (
    JSON,
    PAGES,
    Inputs,
    Json,
    MaybeTable,
    MaybeText,
    MaybeWhole,
    ModelOrNetwork,
    Network,
    Targets,
    check_outputs,
    option,
    outputs,
)
from backpass.cli.network_rows import NetworkRows, network_rows
from backpass.cli.output import Messages, write_found
from backpass.errors import InputError


@dataclass(frozen=True)
class HomeworkOptions:
    """The arguments of ``backpass homework``: their types, their help, and what was given."""

    model: ModelOrNetwork
    answer: MaybeText = option(
        "FILE", "Your gradient: .npy, .npz, .csv (one matrix) or .json.", "--answer", "-a"
    )
    table: MaybeTable = None
    x: Inputs = None
    y: Targets = None
    answers: MaybeText = option("FOLDER", "Those of a class, a file or a folder each.")
    output: MaybeText = option(
        "FILE", "Write it there as a page, .html, too; of a class also as .csv, …", "--output", "-o"
    )
    anonymous: MaybeText = option(
        "WORD",
        "Replace the names of a class by pseudonyms, which stay the same for this WORD.",
    )
    network: Network = None
    rows: MaybeWhole = option("N", "The first N rows of TABLE. [default: all]")
    row: MaybeWhole = option("I", "One row of TABLE, counted from 1.")
    layer: MaybeWhole = option("L", "Layer of a single array, from 1.")
    what: MaybeText = option("W|b|delta|g|X|z|a", "What a single array is.")
    layout: str = option(
        "NOTATION", "How it lies: code, error, chain, nabla, omega or bracket.", default="code"
    )
    notation: str = option("NOTATION", "The notation that the verdict speaks.", default="code")
    alpha: float = option("NUMBER", "L2 strength of the cost.", default=0.0, min=0)
    json: Json = None


PASSED_ON = ("alpha", "what", "layer", "layout", "notation")  # as they are, to explain_mismatch
CLASS_TABLES = (".csv", ".tsv", ".parquet")


def run_homework(options: HomeworkOptions) -> int:
    """Say whether a gradient worked out by hand is right, or which mistake explains it.

    With --answers: those of a whole class, in one table. The exit code is 0 for right answers, 1
    where one is wrong and 2 for bad input.

    \b
    Examples:
      backpass homework iris.backpass example:iris --answer dW2.csv --what W --layer 2
      backpass homework iris.backpass example:iris --answer all.npz --rows 10 --layout nabla
      backpass homework net.backpass --x 1,0,2 --y 1 --answer all.json -o verdict.html
      backpass homework example:small --answer dW1.csv --what W --layer 1
      backpass homework iris.backpass example:iris --rows 10 --answers handed-in/ -o class.html
    """  # noqa: D301
    _check(options)
    answer = None
    if options.answer is not None:
        from backpass.derivatives.homework.answer_files import read_answer

        answer = read_answer(options.answer)
    from backpass.cli import tables as render
    from backpass.derivatives.homework import Verdict, explain_mismatch

    with Messages().catching():
        told = network_rows(options.model, options.table, options.x, options.y, options.network)
        rows = range(*_rows(told, options))

        def judge(answer: Any) -> Verdict:
            asked = {name: getattr(options, name) for name in PASSED_ON}
            with told.taken(rows) as (X, y):
                return explain_mismatch(told.model, X, y, answer, **asked)

        if options.answers is not None:
            from backpass.cli.whole_class import run_class
            from backpass.derivatives.batch import subject

            with told.taken(rows) as (X, y):  # what is wrong there is told once, not of each answer
                subject(told.model, X, y, alpha=options.alpha)
            return run_class(options.answers, judge, options.output, options.anonymous)
        verdict = judge(answer)
    render.output().print(verdict, soft_wrap=True)
    write_found(verdict, options.json, options.output)
    return 0 if verdict.right else 1


def _check(options: HomeworkOptions) -> None:
    """Refuse what is wrong with the arguments before anything is read."""
    if options.rows is not None and options.row is not None:
        raise InputError("give --rows or --row, not both")
    if (options.answer is None) == (options.answers is None):
        raise InputError("give --answer FILE, or --answers FOLDER for those of a class")
    if options.answers is None and options.anonymous is not None:
        raise InputError("--anonymous is of a class; give --answers FOLDER, too")
    if options.answers is not None and options.json is not None:
        raise InputError("--json is of one answer; of a class, write --output class.csv")
    if options.anonymous == "":
        raise InputError("--anonymous '': give a word that the class does not know")
    suffixes = PAGES if options.answers is None else (*CLASS_TABLES, *PAGES)
    places = outputs(("--json", options.json, JSON), ("--output", options.output, suffixes))
    check_outputs(places, filter(None, [options.model, options.table, options.answer]))


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
