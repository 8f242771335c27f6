"""The command ``backpass check``, once its arguments are known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from typer import Option

from backpass.cli.arguments import (
    Json,
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
from backpass.errors import InputError, TableError

if TYPE_CHECKING:
    from backpass.derivatives.checking import GradientCheck

FEW_ROWS = 32
WRONG = 1  # a derivative is wrong


def run_check(
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
    network: Network = None,
    json: Json = None,
) -> int:
    """Check every derivative of MODEL on rows of TABLE.

    Each is compared with numerical ones. Exit code 1: a derivative is wrong, and named.

    \b
    Examples:
      backpass check churn.backpass churn.csv
      backpass check churn.backpass churn.csv --rows 8 --entries all --json check.json
    """  # noqa: D301
    wanted = _entries(entries)
    check_is_file(model)
    if json is not None:
        check_outputs([Output("--json", json, (".json",))], [model, table])
    from backpass.cli import tables as render

    check = _check(model, table, rows, wanted, network)
    render.output().print(check)
    if json:
        from backpass.tabular.report.as_json import write_json  # loads what writes pages

        write_json({"model": model, "table": table, **check.to_dict()}, json)
    return 0 if check.passed else WRONG


def _entries(text: str) -> int | str:
    """Return how many entries of each array are checked."""
    if text == "all":
        return text
    if not (text.isascii() and text.isdigit() and int(text[:9]) >= 1 and len(text) < 10):
        raise InputError(f"--entries {text!r}: give 'all' or a number of at least 1")
    return int(text)


def _check(
    model_path: str, table: str, rows: int | None, entries: int | str, network: int | None
) -> GradientCheck:
    import numpy as np

    from backpass.derivatives.checking import check_gradients
    from backpass.tabular.model import TabularModel
    from backpass.tabular.selection import original_rows, usable_rows

    messages = Messages()
    with messages.catching():
        model = with_network(TabularModel.load(model_path), network)
        raw = model.read(table)
        with original_rows(np.arange(raw.frame.height), raw.label, raw.line_of):
            name = model.sample_weight if model.sample_weight in raw.frame.columns else None
            usable = usable_rows(raw.frame, model.target.name, name)
            if rows is not None and rows > len(usable):
                raise TableError(
                    f"--rows {rows}: there are {len(usable)} rows with a target; give that or less"
                )
        # evenly spread: tables are often sorted by what is predicted
        spread = np.linspace(0, len(usable) - 1, min(rows or FEW_ROWS, len(usable)))
        part = usable[spread.astype(int)]
        with original_rows(part, raw.label, raw.line_of):
            # a list: from an array polars makes a Series by way of masked arrays, which load slowly
            return check_gradients(model, raw.frame[part.tolist()], entries=entries)
