"""The command ``backpass check``, once its arguments are known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from typer import Option

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
    outputs,
)
from backpass.cli.network_rows import NetworkRows, network_rows
from backpass.cli.output import Messages, write_found
from backpass.errors import InputError, TableError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from backpass.derivatives.checking import GradientCheck

FEW_ROWS = 32
WRONG = 1  # a derivative is wrong


def run_check(
    model: ModelOrNetwork,
    table: MaybeTable = None,
    x: Inputs = None,
    y: Targets = None,
    rows: Annotated[
        MaybeWhole,
        Option(min=1, metavar="N", help="Rows to check on, evenly spread. [default: 32]"),
    ] = None,
    entries: Annotated[
        str,
        Option(metavar="N|all", help="Entries of each weight matrix to check, drawn at random."),
    ] = "100",
    network: Network = None,
    output: Annotated[
        MaybeText,
        Option("--output", "-o", metavar="FILE", help="Write it there as a page, .html, too."),
    ] = None,
    json: Json = None,
) -> int:
    """Check every derivative of MODEL on rows of TABLE, or on those of --x and --y.

    Each is compared with numerical ones. Exit code 1: a derivative is wrong, and named.

    \b
    Examples:
      backpass check churn.backpass churn.csv
      backpass check churn.backpass churn.csv --rows 8 --entries all --json check.json
      backpass check net.backpass --x 1,0,2 --y 1 -o certificate.html
    """  # noqa: D301
    wanted = _entries(entries)
    places = outputs(("--json", json, JSON), ("--output", output, PAGES))
    check_outputs(places, filter(None, [model, table]))
    from backpass.cli import tables as render

    with Messages().catching():
        check = _check(network_rows(model, table, x, y, network), rows, wanted)
    render.output().print(check)
    write_found(check, json, output, model=model, data=table)
    return 0 if check.passed else WRONG


def _entries(text: str) -> int | str:
    """Return how many entries of each array are checked."""
    if text == "all":
        return text
    if not (text.isascii() and text.isdigit() and int(text[:9]) >= 1 and len(text) < 10):
        raise InputError(f"--entries {text!r}: give 'all' or a number of at least 1")
    return int(text)


def _check(told: NetworkRows, rows: int | None, entries: int | str) -> GradientCheck:
    import numpy as np

    from backpass.derivatives.checking import check_gradients

    usable = _usable(told)
    if rows is not None and rows > len(usable):
        raise TableError(
            f"{told.label}: --rows {rows}: there are {len(usable)} rows with a target; give that or"
            " less"
        )
    # evenly spread: tables are often sorted by what is predicted
    spread = np.linspace(0, len(usable) - 1, min(rows or FEW_ROWS, len(usable)))
    with told.taken(usable[spread.astype(int)].tolist()) as (X, y):
        return check_gradients(told.model, X, y, entries=entries)


def _usable(told: NetworkRows) -> NDArray[np.int64]:
    """Return the numbers of the rows that have a target, from 0."""
    import numpy as np

    from backpass.tabular.selection import original_rows, usable_rows

    every, frame, model = np.arange(len(told)), told.X, told.model
    if told.y is not None:
        return every
    with original_rows(every, told.label, told.line_of):
        weights = model.sample_weight if model.sample_weight in frame.columns else None
        return usable_rows(frame, model.target.name, weights)
