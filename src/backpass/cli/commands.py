"""The commands that take a trained model: what each is told, and what it does.

Typer makes the command line and its help from the types here. What needs more than a moment to
load is imported where it is used, so that ``--help`` and wrong arguments are answered at once.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

from typer import Option

from backpass.cli.arguments import (
    JSON,
    Json,
    MaybeNumber,
    MaybeText,
    Model,
    Output,
    Table,
    check_is_file,
    check_outputs,
    outputs,
)
from backpass.cli.output import Messages
from backpass.errors import InputError


def predict(
    model: Model,
    table: Table,
    proba: Annotated[bool, Option("--proba", help="Add the probability of each class.")] = False,
    interval: Annotated[
        MaybeNumber,
        Option(metavar="PART", help="Add the ends that hold this part of the rows, such as 0.9."),
    ] = None,
    explain: Annotated[
        bool, Option("--explain", help="Add the three columns that move each row's number most.")
    ] = False,
    output: Annotated[
        MaybeText,
        Option("--output", "-o", metavar="FILE", help="CSV, TSV or Parquet file, by its suffix."),
    ] = None,
) -> int:
    """Predict the target of every row of TABLE.

    Predictions go to standard output as CSV, or to a file.

    \b
    Examples:
      backpass predict churn.backpass new.csv
      backpass predict churn.backpass new.parquet --proba -o predictions.parquet
      backpass predict price.backpass new.csv --interval 0.9
      backpass predict price.backpass new.csv --explain
    """  # noqa: D301
    check_is_file(model)
    if proba + explain + (interval is not None) > 1:
        raise InputError("--proba, --interval and --explain: give one of the three")
    if output is not None:
        from backpass.tabular.files import check_table_suffix

        place = Output("--output", output, (Path(output).suffix.lower(),))
        check_table_suffix(output)
        check_outputs([place], [model, table])
    from backpass.tabular.files import csv_pieces, write_table
    from backpass.tabular.large.source import too_large
    from backpass.tabular.model import TabularModel

    messages = Messages()
    with messages.catching():
        loaded = TabularModel.load(model)

        def predicted(rows: Any) -> Any:
            if explain:
                return loaded.explain_table(rows)
            if interval is None:
                return loaded.predict_table(rows, proba=proba)
            return loaded.predict_interval(rows, interval)

        source = too_large(table)
        if output is not None:
            pieces: Any = [table] if source is None else _shown(source, "predicting")
            write_table(map(predicted, pieces), output)
            return 0
        sys.stdout.flush()
        for chunk in csv_pieces(map(predicted, [table] if source is None else source.pieces())):
            sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
    return 0


def _shown(source: Any, doing: str) -> Any:
    """Return the pieces of a table, with a bar that is loaded for them alone."""
    from backpass.cli.progress import shown_pieces

    return shown_pieces(source, doing)


def evaluate(model: Model, table: Table, json: Json = None) -> int:
    """Judge MODEL on a TABLE with known targets.

    \b
    Example:
      backpass evaluate churn.backpass last_month.csv
    """  # noqa: D301
    check_is_file(model)
    check_outputs(outputs(("--json", json, JSON)), [model, table])
    from backpass.cli import tables as render
    from backpass.tabular.large.source import too_large
    from backpass.tabular.model import TabularModel

    messages = Messages()
    with messages.catching():
        loaded = TabularModel.load(model)
        source = too_large(table)
        if source is None:
            raw = loaded.read(table)
            evaluation = loaded.judge(loaded.encode(raw))
            left_out = raw.frame.height - evaluation.rows
        else:
            evaluation, left_out = loaded.judge_pieces(_shown(source, "judging"))
        if left_out:
            messages.add(f"{left_out} row(s) without target {loaded.target.name!r} are left out")
    render.output().print(render.evaluation(evaluation, loaded, table))
    if json:
        from backpass.tabular.report.as_json import evaluation_json, write_json  # loads pages

        write_json(evaluation_json(evaluation, model, table), json)
    return 0


def export(
    model: Model,
    onnx: Annotated[str, Option(metavar="FILE.onnx", help="Where the ONNX file goes.")],
    network_only: Annotated[
        bool,
        Option(
            "--network-only", help="Leave the encoding out: one matrix of encoded rows goes in."
        ),
    ] = False,
) -> int:
    """Write MODEL in the ONNX format, which other programs run without backpass.

    The file holds the encoding, too: one input for each column. MODEL may also be what
    Network.save wrote. Needs backpass[onnx].

    \b
    Examples:
      backpass export churn.backpass --onnx churn.onnx
      backpass export churn.backpass --onnx network.onnx --network-only
    """  # noqa: D301
    check_is_file(model)
    check_outputs([Output("--onnx", onnx, (".onnx",))], [model])
    from backpass.export.graph import onnx_part

    onnx_part()  # told before scikit-learn is loaded, which takes seconds
    from backpass.cli import tables as render
    from backpass.export import to_onnx
    from backpass.network.network import Network
    from backpass.storage.container import container_kind
    from backpass.tabular.model import TabularModel

    with Messages().catching():
        kind: Any = Network if container_kind(model) == "network" else TabularModel
        converted = to_onnx(kind.load(model), onnx, network_only=network_only)
    render.output().print(render.onnx_values(converted))
    return 0
