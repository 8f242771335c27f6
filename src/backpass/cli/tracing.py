"""The command ``backpass trace``, once its arguments are known."""

from __future__ import annotations

import json as json_text
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from backpass.cli.arguments import (
    MaybeNumber,
    MaybeText,
    MaybeWhole,
    Network,
    Output,
    check_outputs,
    with_network,
)
from backpass.cli.output import Messages
from backpass.errors import InputError, TableError

if TYPE_CHECKING:
    from backpass.derivatives.tracing import Trace

FORMATS = {"text": (".txt",), "html": (".html", ".htm"), "latex": (".tex",), "json": (".json",)}
"""Every format, and the suffixes that it is chosen by."""

MOST_ROWS = 1000


@dataclass(frozen=True)
class TraceOptions:
    """The arguments of ``backpass trace``: their types, their help, and what was given."""

    model: Annotated[
        str,
        Argument(
            metavar="MODEL",
            help="Model file that fit has written; or example:xor, :thin, :small, :classes.",
        ),
    ]
    table: Annotated[
        MaybeText,
        Argument(metavar="[TABLE]", help="Table whose rows are traced; examples have theirs."),
    ] = None
    row: Annotated[
        MaybeText,
        Option(metavar="N", help="Row of TABLE, from 1; or several: 1,3 or 2-5. [default: 1]"),
    ] = None
    network: Network = None
    notation: Annotated[
        str,
        Option(
            metavar="NAME",
            help="Symbols and layout: code, or those of a note: error (1), chain (2), nabla (3), "
            "omega (4), bracket (5).",
        ),
    ] = "code"
    form: Annotated[
        str, Option(metavar="NAME", help="batch, sample, parameter, jacobian, neuron or chain.")
    ] = "batch"
    layer: Annotated[MaybeWhole, Option(metavar="L", help="This layer only, from 1.")] = None
    format: Annotated[
        MaybeText,
        Option(
            metavar="NAME", help="text, html, latex or json. [default: that of the suffix, or text]"
        ),
    ] = None
    output: Annotated[
        MaybeText, Option("--output", "-o", metavar="FILE", help="Write it there instead.")
    ] = None
    max_elements: Annotated[
        int,
        Option("--max-elements", min=0, metavar="N", help="Most entries of an array; 0 shows all."),
    ] = 64
    digits: Annotated[int, Option(min=1, max=17, metavar="N", help="Significant digits.")] = 4
    update: Annotated[
        MaybeText, Option(metavar="OPTIMISER", help="Show its first step, too: sgd, adam, …")
    ] = None
    nudge: Annotated[
        MaybeText,
        Option(
            metavar="W1[0,2]",
            help="Move this weight (or bias: b1[2]; units from 0) by a little, and show the cost "
            "it gives and the paths of its derivative.",
        ),
    ] = None
    derivations: Annotated[
        bool, Option("--derivations", help="Derive the functions' derivatives line by line, too.")
    ] = False
    learning_rate: Annotated[
        MaybeNumber, Option("--learning-rate", metavar="RATE", help="Of that step. [default: 0.1]")
    ] = None


def run_trace(options: TraceOptions) -> int:
    """Show every number of the forward and backward pass for rows of TABLE, beside its equation.

    \b
    Examples:
      backpass trace example:xor --notation nabla
      backpass trace example:small --nudge W1[0,2] --derivations
      backpass trace churn.backpass churn.csv --row 7 -o row-7.html
      backpass trace churn.backpass churn.csv --row 1-4 --form sample --format latex
    """  # noqa: D301
    kind = _format(options)
    if options.learning_rate is not None and options.update is None:
        raise InputError("--learning-rate is that of --update; give --update sgd, too")
    if options.output is not None:
        suffixes = (*FORMATS[kind], Path(options.output).suffix.lower())
        places = [Output("--output", options.output, suffixes)]
        check_outputs(places, filter(None, [options.model, options.table]))
    messages = Messages()
    with messages.catching():
        text = _written(_trace(options), kind)
    if options.output is None:
        sys.stdout.write(text)
        return 0
    from backpass.storage.atomic_write import durable_write

    durable_write(options.output, [text.encode()])
    return 0


def _format(options: TraceOptions) -> str:
    """Return the format: the one asked for, or that of the output's suffix, or text."""
    if options.format is not None:
        if options.format not in FORMATS:
            raise InputError(f"--format {options.format!r}: give one of {', '.join(FORMATS)}")
        return options.format
    suffix = Path(options.output).suffix.lower() if options.output else ".txt"
    for kind, suffixes in FORMATS.items():
        if suffix in suffixes:
            return kind
    known = ", ".join(suffixes[0] for suffixes in FORMATS.values())
    raise InputError(f"--output {options.output}: give --format, or a suffix of {known}")


def _written(trace: Trace, kind: str) -> str:
    if kind == "html":
        return trace.to_html()
    if kind == "latex":
        return trace.to_latex()
    if kind == "json":
        return json_text.dumps(trace.to_dict(), indent=1, ensure_ascii=False) + "\n"
    return str(trace)


def _trace(options: TraceOptions) -> Trace:
    if options.model.startswith("example:"):
        return _trace_example(options)
    return _trace_table(options)


def _traced(options: TraceOptions, model: Any, X: Any, y: Any = None, **names: Any) -> Trace:
    from backpass.derivatives.tracing import trace

    return trace(
        model,
        X,
        y,
        notation=options.notation,
        form=options.form,
        layer=options.layer,
        max_elements=options.max_elements or None,
        digits=options.digits,
        update=options.update,
        learning_rate=0.1 if options.learning_rate is None else options.learning_rate,
        nudge=None if options.nudge is None else _nudge(options.nudge),
        derivations=options.derivations,
        **names,
    )


def _nudge(text: str) -> tuple[str | int, ...]:
    """Return the parameter that ``W1[0,2]`` or ``b1[2]`` names.

    Examples
    --------
    >>> _nudge("W1[0, 2]"), _nudge("b2[1]")
    (('W', 1, 0, 2), ('b', 2, 1))
    """
    found = re.fullmatch(
        r"([Wb])_?(\d{1,9})\[(\d{1,9})(?:,\s*(\d{1,9}))?\]", text.strip(), re.ASCII
    )
    if found is None or (found[1] == "W") != (found[4] is not None):
        raise InputError(f"--nudge {text!r}: give a weight as W1[0,2], or a bias as b1[2]")
    return (found[1], *(int(number) for number in found.groups()[1:] if number is not None))


def _trace_example(options: TraceOptions) -> Trace:
    from backpass.derivatives.tracing import example

    if options.table is not None:
        raise InputError(f"{options.model} has rows of its own; leave {options.table!r} out")
    if options.network is not None:
        raise InputError(f"{options.model} is one network; leave --network out")
    network, X, y = example(options.model.removeprefix("example:"))
    rows = _rows(options.row, len(X)) if options.row is not None else list(range(len(X)))
    return _traced(options, network, X[rows], y[rows])


def _trace_table(options: TraceOptions) -> Trace:
    import numpy as np

    from backpass.tabular.model import TabularModel
    from backpass.tabular.selection import original_rows

    model = TabularModel.load(options.model)
    if options.table is None:
        raise InputError("give the TABLE whose rows are to be traced (or MODEL as example:xor)")
    model = with_network(model, options.network)
    raw = model.read(options.table)
    frame, label = raw.frame, raw.label
    rows = _rows("1" if options.row is None else options.row, frame.height)
    target = model.target.name
    if target in frame.columns:
        for row in rows:
            if frame[target][row] is None:
                raise TableError(f"{label}, row {row + 1}: it has no target {target!r}")
    outputs = getattr(model.target, "classes", [target])
    with original_rows(np.array(rows), label, raw.line_of):
        return _traced(
            options,
            model,
            frame[rows],
            # without bins, which are the last ones, where the network takes none
            input_names=model.encoder.get_feature_names_out()[: model.network.sizes[0]],
            output_names=outputs,
        )


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
