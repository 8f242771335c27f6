"""The command ``backpass trace``, once its arguments are known."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backpass.cli.arguments import (
    Inputs,
    MaybeNumber,
    MaybeTable,
    MaybeText,
    MaybeTexts,
    MaybeWhole,
    ModelOrNetwork,
    Network,
    Targets,
    check_outputs,
    option,
    outputs,
    switch,
)
from backpass.cli.network_rows import network_rows
from backpass.cli.output import Messages
from backpass.errors import InputError, TableError

if TYPE_CHECKING:
    from backpass.derivatives.tracing import Trace

MOST_ROWS = 1000
PASSED_ON = ("layer", "digits", "update", "derivations")  # as they are


@dataclass(frozen=True)
class TraceOptions:
    """The arguments of ``backpass trace``: their types, their help, and what was given."""

    model: ModelOrNetwork
    table: MaybeTable = None
    x: Inputs = None
    y: Targets = None
    row: MaybeText = option("N", "Row of TABLE, from 1; or several: 1,3 or 2-5. [default: 1]")
    network: Network = None
    notation: MaybeText = option(
        "NAME",
        "Symbols and layout: code, or those of a note: error (1), chain (2), nabla (3), omega "
        "(4), bracket (5). [default: code, or that of a set-up]",
    )
    form: MaybeText = option(
        "NAME",
        "batch, sample, parameter, jacobian, neuron or chain. [default: batch, or a set-up's]",
    )
    layer: MaybeWhole = option("L", "This layer only, from 1.")
    format: MaybeText = option(
        "NAME", "text, html, latex or json. [default: that of the suffix, or text]"
    )
    output: MaybeText = option("FILE", "Write it there instead.", "--output", "-o")
    interactive: bool = switch(
        "--interactive", "A page that goes step by step, by one script in it."
    )
    max_elements: int = option("N", "Most entries of an array; 0 shows all.", default=64, min=0)
    digits: int = option("N", "Significant digits.", default=4, min=1, max=17)
    update: MaybeText = option("OPTIMISER", "Show its first step, too: sgd, adam, …")
    nudge: MaybeTexts = option(
        "W1[0,2]",
        "Move this weight (or bias: b1[2]; units from 0) by a little, and show the cost it "
        "gives and the paths of its derivative.",
    )
    derivations: bool = switch(
        "--derivations", "Derive the functions' derivatives line by line, too."
    )
    learning_rate: MaybeNumber = option("RATE", "Of that step. [default: 0.1]")


def run_trace(options: TraceOptions) -> int:
    """Show every number of the forward and backward pass for rows of TABLE, beside its equation.

    \b
    Examples:
      backpass trace example:xor --notation nabla
      backpass trace net.backpass --x 1,0,2 --y 1 --notation bracket
      backpass trace example:small --nudge W1[0,2] --derivations
      backpass trace churn.backpass churn.csv --row 7 -o row-7.html
      backpass trace example:small --interactive -o steps.html
      backpass trace churn.backpass churn.csv --row 1-4 --form sample --format latex
    """  # noqa: D301
    from backpass.derivatives.tracing.result import FORMATS

    kind = _format(options)
    if options.interactive and kind != "html":
        raise InputError("--interactive makes a page; give -o page.html, or --format html")
    if options.learning_rate is not None and options.update is None:
        raise InputError("--learning-rate is that of --update; give --update sgd, too")
    suffixes = (*FORMATS[kind], Path(options.output or "").suffix.lower())
    places = outputs(("--output", options.output, suffixes))
    check_outputs(places, filter(None, [options.model, options.table]))
    messages = Messages()
    with messages.catching():
        text = _trace(options).written(kind, interactive=options.interactive)
    if options.output is None:
        sys.stdout.write(text)
        return 0
    from backpass.storage.atomic_write import durable_write

    durable_write(options.output, [text.encode()])
    return 0


def _format(options: TraceOptions) -> str:
    """Return the format: the one asked for, or that of the output's suffix, or text."""
    from backpass.derivatives.tracing.result import FORMATS, format_of

    if options.format is not None:
        if options.format not in FORMATS:
            raise InputError(f"--format {options.format!r}: give one of {', '.join(FORMATS)}")
        return options.format
    try:
        return format_of(options.output) if options.output else "text"
    except InputError as error:
        raise InputError(f"--output {error}, or --format") from None


def _traced(
    options: TraceOptions, shown: Mapping[str, str], model: Any, X: Any, y: Any, **names: Any
) -> Trace:
    from backpass.derivatives.tracing import trace

    return trace(
        model,
        X,
        y,
        notation=options.notation or shown.get("notation", "code"),
        form=options.form or shown.get("form", "batch"),
        max_elements=options.max_elements or None,
        learning_rate=0.1 if options.learning_rate is None else options.learning_rate,
        nudge=_nudge(*options.nudge) if options.nudge else None,
        **{name: getattr(options, name) for name in PASSED_ON},
        **names,
    )


def _nudge(text: str, *more: str) -> tuple[str | int, ...]:
    """Return the parameter that ``W1[0,2]`` or ``b1[2]`` names; one is moved at a time.

    Examples
    --------
    >>> _nudge("W1[0, 2]"), _nudge("b2[1]")
    (('W', 1, 0, 2), ('b', 2, 1))
    """
    if more:
        raise InputError(f"--nudge moves one parameter; leave out {', '.join(more)}")
    found = re.fullmatch(
        r"([Wb])_?(\d{1,9})\[(\d{1,9})(?:,\s*(\d{1,9}))?\]", text.strip(), re.ASCII
    )
    if found is None or (found[1] == "W") != (found[4] is not None):
        raise InputError(f"--nudge {text!r}: give a weight as W1[0,2], or a bias as b1[2]")
    return (found[1], *(int(number) for number in found.groups()[1:] if number is not None))


def _trace(options: TraceOptions) -> Trace:
    told = network_rows(options.model, options.table, options.x, options.y, options.network)
    rows = _rows("1" if options.row is None else options.row, len(told))
    if options.row is None and told.given:
        rows = [*range(len(told))]
    if told.y is None:
        target, read = told.model.target.name, told.model.read(told.X).frame
        for row in rows if target in read.columns else []:
            if read[target][row] is None:
                raise TableError(f"{told.label}, row {row + 1}: it has no target {target!r}")
    with told.taken(rows) as (X, y):
        return _traced(options, told.shown, told.model, X, y, **told.names)


def _rows(text: str, height: int) -> list[int]:
    """Return the rows that ``7``, ``1,3`` or ``2-5`` names, counted from 0.

    Examples
    --------
    >>> _rows("2-4,1", 10)
    [1, 2, 3, 0]
    """
    rows: list[int] = []
    for part in text.split(","):
        first, dash, last = (piece.strip() for piece in part.partition("-"))
        ends = [first, last] if dash else [first, first]
        if not all(end.isascii() and end.isdigit() and len(end) < 12 for end in ends):
            raise InputError(f"--row {text!r}: give a row, as in --row 7, or several: 1,3 or 2-5")
        start, stop = map(int, ends)
        if start > stop:
            raise InputError(f"--row {part.strip()}: give the smaller row first, as in 2-5")
        if not 1 <= start <= stop <= height:
            raise InputError(f"--row {part.strip()}: the table has rows 1 … {height}")
        if len(rows) + stop - start >= MOST_ROWS:
            raise InputError(f"--row {text!r}: up to {MOST_ROWS} rows can be traced at once")
        rows += range(start - 1, stop)
    return rows
