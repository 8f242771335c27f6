"""What is shown in the terminal: an experiment as rich tables, plain where nobody sees colours."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from backpass.tabular.formatting import (
    STOPPED,
    Cell,
    Grid,
    baseline_name,
    best_values,
    column_grid,
    count,
    error_grid,
    evaluation_grid,
    importance_grid,
    number,
    one_line,
    recipe_name,
    score_grid,
    seconds,
    segment_lines,
    share,
)
from backpass.tabular.pack.folds import fold_count

if TYPE_CHECKING:
    from backpass.tabular.columns import ColumnSummary
    from backpass.tabular.experiment import Experiment, Question
    from backpass.tabular.metrics import Evaluation
    from backpass.tabular.model import TabularModel
    from backpass.tabular.pack.pack import PackedRecipe
    from backpass.tabular.setup import Understanding

MOST_COLUMNS = 20  # of a table, shown in the terminal
FEW_COLUMNS = 5  # that mattered, shown in the terminal
MOST_CLASSES = 12  # of a confusion matrix, which then fits into 80 columns
MOST_CONFUSIONS = 10
FEW_CLASSES = 5  # that are never predicted, named in a line
FEW_TEST_ROWS = 100
BEYOND_NOISE = 3.0  # standard errors: once in seven hundred by chance


_PLAIN: dict[str, Any] = {"highlight": False, "markup": False, "emoji": False}
"""What texts are printed with: their characters are theirs."""


def output() -> Console:
    """Return standard output: no colours or lines where it is no terminal."""
    return Console(**_PLAIN)


class PatientConsole(Console):
    """Goes on in silence where nothing can be written, and fails when it is asked to.

    The reader may have gone (``| head``) or the disk be full: a training is worth more than what
    is told of it.
    """

    failure: OSError | None = None

    def print(self, *objects: Any, **options: Any) -> None:
        """Print, unless that has failed before."""
        if self.failure is not None:
            return
        try:
            super().print(*objects, **options)
        except OSError as error:
            self.failure = error

    def on_broken_pipe(self) -> None:
        """Tell of a reader that has gone as of any other failure."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

    def fail_if_it_failed(self, what_is_there: str) -> None:
        """Raise the first failure, saying what there is all the same."""
        if self.failure is not None:
            why = f"{self.failure.strerror}; {what_is_there}"
            raise OSError(self.failure.errno, why) from self.failure


def patient_output() -> PatientConsole:
    """Return standard output, as :func:`output` does."""
    return PatientConsole(**_PLAIN)


def line(text: str) -> Text:
    """Return a text that stays on one line."""
    return _text(text)


def _text(value: object, style: str = "") -> Text:
    return Text(one_line(value), style=style)


def _grid(columns: Iterable[str], *, left: int = 1) -> Table:
    """Return an empty table whose first `left` columns are texts and the others numbers."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for i, name in enumerate(columns):
        align: Literal["left", "right"] = "left" if i < left else "right"
        table.add_column(_text(name), justify=align, overflow="fold")
    return table


_STYLES = {
    "ours": "bold",
    "best": "bold green",
    "right": "bold green",
    "wrong": "red",
    "dropped": "dim",
}


def _painted(view: Grid, *, widest: int | None = None) -> Table:
    """Return a table with its colours; given, `widest` keeps rows on one line, but for notes."""
    table = _grid([head for head, _ in view.columns])
    for column, (_, kind) in zip(table.columns, view.columns, strict=True):
        column.justify = "left" if kind in ("text", "name", "note") else "right"
        column.no_wrap = widest is not None and kind != "note"
    if widest is not None:
        table.columns[0].max_width, table.columns[0].overflow = widest, "ellipsis"
    for row in view.rows:
        table.add_row(
            *(_painted_cell(c, kind) for c, (_, kind) in zip(row, view.columns, strict=True))
        )
    return table


def _painted_cell(cell: Cell, kind: str) -> Text:
    if cell.mark in ("right", "wrong") and not cell.text:
        return _text("·", "bold green" if cell.mark == "right" else "dim")
    return _text(cell.text, "dim" if kind == "note" else _STYLES.get(cell.mark, ""))


def _titled(title: str, body: RenderableType) -> RenderableType:
    # a title of the table itself would be wrapped to the table's width
    return Group(_text(title, "bold"), body)


def titled_grid(view: Grid) -> RenderableType:
    """Return a table under its title."""
    return _titled(view.title, _painted(view))


# --- before training -------------------------------------------------------------------------


def understanding(table: Understanding, source: str, question: Question) -> RenderableType:
    """Return what was understood of a table."""
    name = "standard input" if source == "-" else source
    kinds = ", ".join(
        f"{n} {kind}" + "s" * (n > 1) for kind, n in table.kinds.items() if kind != "dropped"
    ).replace("categorys", "categories")
    values = "value" if table.missing == 1 else "values"
    kinds += f", {count(table.missing)} {values} missing" if table.missing else ""
    kinds += f" ({table.kinds['dropped']} dropped)" if "dropped" in table.kinds else ""
    lines = [
        Text.assemble((one_line(name), "bold"), f": {count(table.rows)} rows, {kinds}"),
        Text.assemble("target ", (one_line(table.target), "bold"), f": {_target(table)}"),
        _text(
            f"split: {count(table.n_train)} rows to train on, {count(table.n_test)} to test on"
            f" ({_split(question)})"
        ),
        _text(_networks(table, question)),
    ]
    if table.convention:
        lines.append(_text(f"read with {', '.join(table.convention)}"))
    if table.sample_weight:
        lines.append(_text(f"sample weights: {table.sample_weight}"))
    if table.dropped:
        lines.append(_text(f"left out as asked: {', '.join(table.dropped)}"))
    return Group(*lines, _columns(table))


def _split(question: Question) -> str:
    if question.time is not None:
        return f"the last by {one_line(question.time)}"
    whole = "" if question.group is None else f"by whole {one_line(question.group)}, "
    return f"{whole}seed {question.seed}"


def _networks(table: Understanding, question: Question) -> str:
    if not question.effort:
        sizes = "-".join(map(str, table.sizes))
        return f"network: {sizes}, {count(table.parameters)} parameters"
    effort = question.work
    folds = fold_count(table.n_train, effort.folds)
    bins = " with bins" * (question.bins != "none")
    recipes = "one recipe" if effort.recipes == 1 else f"up to {effort.recipes} recipes"
    return (
        f"pack: {recipes} on {folds} folds, {table.sizes[0]} inputs{bins}"
        f" (effort {question.effort})"
    )


def _target(table: Understanding) -> str:
    if table.quantiles:
        low, _, middle, _, high = map(number, table.quantiles)
        values = f"{low} to {high}, median {middle}"
    else:
        largest = sorted(table.classes, key=lambda c: -table.classes[c])
        shown = [
            f"{one_line(name)} {share(table.classes[name], table.rows)}"
            for name in (table.classes if len(largest) <= MOST_CLASSES else largest[:MOST_CLASSES])
        ]
        more = len(largest) - len(shown)
        values = f"{len(largest)} classes: {', '.join(shown)}" + f", {more} more" * bool(more)
    return f"{table.task} ({table.why}), {values}"


def _columns(table: Understanding) -> RenderableType:
    shown = table.columns
    if len(shown) > MOST_COLUMNS:  # numbers without gaps have nothing to tell
        shown = [column for column in shown if not _is_plain(column)][:MOST_COLUMNS]
    # the median of a number tells little and takes much room
    brief = [replace(c, note="") if c.note.startswith("median") else c for c in shown]
    grid = _painted(column_grid(brief), widest=26)
    left_out = [column for column in table.columns if column not in shown]
    if not left_out:
        return grid
    what = "plain numbers" if all(map(_is_plain, left_out)) else "more columns"
    rest = _text(f"… and {len(left_out)} {what} (--report lists all columns)")
    return Group(grid, rest) if shown else rest


def _is_plain(column: ColumnSummary) -> bool:
    return column.kind == "number" and not column.missing


# --- training --------------------------------------------------------------------------------


def training(model: TabularModel) -> RenderableType:
    """Return how the training went, in a line."""
    history, why = model.history, STOPPED.get(model.stop_reason, model.stop_reason)
    if model.pack is not None and model.training is not None:
        trained = [network for packed in model.training.recipes for network in packed.networks]
        kept = sorted(zip(model.pack.blend.weights, model.pack.recipes, strict=True), key=_weight)
        shown = ", ".join(f"{weight:.0%} {recipe_name(p.recipe)}" for weight, p in kept[:4])
        more = f" and {len(kept) - 4} more" if len(kept) > 4 else ""
        return _text(
            f"trained {len(trained)} networks of {len(model.training.recipes)} recipes in"
            f" {seconds(model.seconds)} ({why}); they predict together: {shown}{more}"
        )
    epochs = f"{history.epochs} epoch{'s' * (history.epochs != 1)}"
    return _text(
        f"trained {epochs} in {seconds(model.seconds)} ({why}); "
        f"kept epoch {history.best_epoch}, the best on validation rows"
    )


def _weight(packed: tuple[float, PackedRecipe]) -> float:
    return -packed[0]


# --- results ---------------------------------------------------------------------------------


def results(experiment: Experiment) -> RenderableType:
    """Return metrics beside the baselines, and where the predictions err."""
    remarks = [_text(remark, "yellow") for remark in remarks_on(experiment)]
    scores = score_grid(experiment, narrow=True)
    mattered = _what_mattered(experiment)
    return Group(
        _titled(scores.title, _painted(scores)), *remarks, *mattered, _errors(experiment.test)
    )


def _what_mattered(experiment: Experiment) -> list[RenderableType]:
    found = experiment.explanation
    if not found.importances:
        return []
    view = importance_grid(found, experiment.model.main_metric, FEW_COLUMNS)
    lines = [_text(line) for line in segment_lines(found)[:1]]
    if found.calibration_error is not None:
        lines.append(_text(f"probabilities are off by {found.calibration_error:.3f} on average"))
    return [_titled(view.title, _painted(view, widest=26)), *lines]


def remarks_on(experiment: Experiment) -> list[str]:
    """Return warnings about scores: few rows, a class never predicted, a better baseline."""
    test, remarks = experiment.test, list[str]()
    ours = "the network" if experiment.model.pack is None else "the pack"
    if test.rows < FEW_TEST_ROWS:
        remark = f"only {count(test.rows)} test rows: a rough score"
        if "accuracy" in test.metrics:
            p = test.metrics["accuracy"]
            error = 2 * float(np.sqrt(max(p * (1 - p), 1 / test.rows) / test.rows))
            remark += f", accuracy to about ± {error:.2f}"
        remarks.append(remark)
    if experiment.gap > BEYOND_NOISE:
        remarks.append(
            f"the test rows are predicted worse than others out of fold, by {experiment.gap:.0f}"
            " standard errors: they may be of another kind than the training rows"
        )
    names = list(test.metrics)
    for name, row in experiment.baselines.items():
        both = [{m: source[m] for m in names} for source in (test.metrics, row)]
        best = best_values(names, both)
        if all(row[m] == best[m] != test.metrics[m] for m in names):
            label = baseline_name(name, experiment.table.task)
            remarks.append(f"{label}: better than {ours} in every metric here")
    if test.confusion is not None:
        there, found = test.confusion.sum(axis=1), test.confusion.sum(axis=0)
        never = [i for i in range(len(test.classes)) if there[i] and not found[i]]
        if never:
            named = ", ".join(repr(one_line(test.classes[i])) for i in never[:FEW_CLASSES])
            named += ", …" * (len(never) > FEW_CLASSES)
            are = f"{count(len(never))} classes are" if len(never) > 1 else "class is"
            remarks.append(
                f"{are} never predicted: {named} ({count(int(there[never].sum()))} of"
                f" {count(test.rows)} rows); say what it costs to miss one (--cost CLASS=COST),"
                " or take --class-weight balanced"
            )
    return remarks


def _errors(test: Evaluation) -> RenderableType:
    if test.residuals is not None:
        labels = ["smallest", "5%", "25%", "median", "75%", "95%", "largest"]
        grid = _grid(labels, left=0)
        grid.add_row(*(_text(number(value)) for value in test.residuals.values()))
        return _titled("errors, predicted − actual", grid)
    width, many = max(3, 54 // len(test.classes) - 2), len(test.classes) > MOST_CLASSES
    view = error_grid(test, width, MOST_CLASSES, MOST_CONFUSIONS)
    if not view.rows:
        return _text("no row was given a wrong class", "green")
    return _titled(view.title, _painted(view, widest=None if many else 22))


def evaluation(test: Evaluation, model: TabularModel, source: str) -> RenderableType:
    """Return the metrics of a model on another table."""
    name = "standard input" if source == "-" else source
    view = evaluation_grid(test, name, model.target.name)
    return Group(_titled(view.title, _painted(view)), _errors(test))


# --- where it went ---------------------------------------------------------------------------


def whereabouts(experiment: Experiment, files: dict[str, str]) -> RenderableType:
    """Return where the files went, and what to type next."""
    lines = []
    for kind, path in files.items():
        size = Path(path).stat().st_size / 1024
        lines.append(Text.assemble(f"{kind:<7}", (one_line(path), "bold"), f" ({size:.0f} KB)"))
    model = files["model"]
    named = f"'{model}'" if " " in model else model
    lines.append(
        Text.assemble(
            "next   ", (f"backpass predict {one_line(named)} NEW.csv -o predictions.csv", "cyan")
        )
    )
    return Group(*lines)


def interruption(experiment: Experiment) -> str:
    """Return what an interrupted run has kept, in a line."""
    if experiment.model.stop_reason == "interrupted":
        kept = f"the best epoch so far, {experiment.history.best_epoch}, was kept"
        if experiment.model.pack is not None:
            kept = "what was finished was kept"
        return f"interrupted: training ended early; {kept}, and other models were not compared"
    return "interrupted: the comparison with other models was cut short; the model is complete"


# --- ONNX ------------------------------------------------------------------------------------


def onnx_values(converted: Any) -> Table:
    """Return every input and output of an ONNX model as a table."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for head in ("", "name", "type", "shape", "what it holds"):
        table.add_column(head, overflow="fold")
    for role, values in (("input", converted.graph.input), ("output", converted.graph.output)):
        for value in values:
            cells = (role, value.name, _element(value), _shape(value), value.doc_string)
            table.add_row(*(Text(one_line(cell)) for cell in cells))
    return table


def _element(value: Any) -> str:
    """Return the type of an input's or output's elements: ``"string"``, ``"double"``."""
    from backpass.export.graph import onnx_part

    kinds = onnx_part().TensorProto.DataType
    return str(kinds.Name(value.type.tensor_type.elem_type)).lower()


def _shape(value: Any) -> str:
    sizes = (size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim)
    return " × ".join(map(str, sizes))
