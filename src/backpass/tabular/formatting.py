"""How results are written, in the terminal and on the page alike: numbers, times and tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backpass.tabular.columns import ColumnSummary
    from backpass.tabular.experiment import Experiment
    from backpass.tabular.explanation import Explanation
    from backpass.tabular.metrics import Evaluation
    from backpass.tabular.pack.pack import Pack
    from backpass.tabular.pack.training import PackTraining
    from backpass.tabular.recipe import Recipe

STOPPED = {
    "max_epochs": "all epochs done",
    "converged": "no better since",
    "time_limit": "time limit",
    "interrupted": "interrupted",
    "callback": "stopped by the caller",
    "budget": "work used up",
    "max_recipes": "all recipes tried",
}
"""Why training ended, by `TabularModel.stop_reason`."""


def one_line(text: object) -> str:
    r"""Return a text on one line, with control characters written out.

    Column names come from files: a terminal must not obey what they hold.

    Examples
    --------
    >>> print(one_line("two\nlines and \x1b[31mred"))
    two lines and \x1b[31mred
    """
    joined = " ".join(str(text).split("\n"))
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in joined)


def number(value: float) -> str:
    """Return a number with about four digits.

    Examples
    --------
    >>> [number(x) for x in (1234567.8, 12345.6, 12.3456, 0.000123, 0, float("nan"))]
    ['1.235e+06', '12346', '12.35', '0.000123', '0', '–']
    """
    if math.isnan(value):
        return "–"
    return f"{value:.0f}" if 1e3 <= abs(value) < 1e6 else f"{value:.4g}"


def metric(name: str, value: float) -> str:
    """Return a metric: those around 1 with four decimals, for their columns to line up."""
    if name in ("RMSE", "MAE") or abs(value) >= 100 or math.isnan(value):
        return number(value)
    return f"{round(value, 4) + 0.0:.4f}"  # + 0 makes −0 positive


def baseline_name(name: str, task: str) -> str:
    """Return a baseline's name for one task."""
    trivial = "majority class" if task == "classification" else "mean"
    return trivial if name == "majority class or mean" else name


def count(value: int) -> str:
    """Return a count with commas between thousands.

    Examples
    --------
    >>> count(61395)
    '61,395'
    """
    return f"{value:,}" if abs(value) >= 10_000 else str(value)


def share(part: float, whole: float) -> str:
    """Return a part as a percentage.

    Examples
    --------
    >>> share(1, 3), share(0, 0)
    ('33.3%', '–')
    """
    return f"{part / whole:.1%}" if whole else "–"


def seconds(value: float) -> str:
    """Return a duration.

    Examples
    --------
    >>> seconds(0.034), seconds(3.21), seconds(200)
    ('0.03 s', '3.2 s', '200 s')
    """
    digits = 2 if value < 1 else 1 if value < 100 else 0
    return f"{value:.{digits}f} s"


def clock(value: float) -> str:
    """Return a duration as minutes and seconds.

    Examples
    --------
    >>> clock(7.2), clock(3725)
    ('0:07', '1:02:05')
    """
    minutes, rest = divmod(int(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


# --- tables ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cell:
    """A text in a table, and what is to be seen of it at a glance."""

    text: str
    # this network's row; the best in its column; rows given their class, or another; a column that
    # was dropped; one of "", "ours", "best", "right", "wrong", "dropped"
    mark: str = ""
    part: float = 0.0  # of a confusion matrix: the part of the actual class, which the page shades


@dataclass(frozen=True)
class Grid:
    """A table as terminal and page show it, each in its own way."""

    title: str
    # the head of each column, and what it holds: "text", "name" (which may be long), "note",
    # "metric", "share" (of the row) or "number"
    columns: Sequence[tuple[str, str]]
    rows: list[list[Cell]] = field(default_factory=list)


LOWER_IS_BETTER = ("log-loss", "Brier", "cost", "RMSE", "MAE")
NOT_IN_TERMINALS = ("F1", "Brier")  # of eighty columns; the page and the JSON have them


def best_values(names: list[str], rows: list[dict[str, float]]) -> dict[str, float]:
    """Return the best value of each metric, NaN where there is nothing to compare.

    Examples
    --------
    >>> best_values(["R²", "MAE"], [{"R²": 0.5, "MAE": 2.0}, {"R²": 0.7, "MAE": 3.0}])
    {'R²': 0.7, 'MAE': 2.0}
    """
    if len(rows) < 2:
        return dict.fromkeys(names, float("nan"))
    return {m: (min if m in LOWER_IS_BETTER else max)(row[m] for row in rows) for m in names}


def score_grid(experiment: Experiment, *, narrow: bool = False) -> Grid:
    """Return the test scores of the network and of the models beside it."""
    scores = shown_metrics(experiment.test.metrics, narrow)
    ours = "this network" if experiment.model.pack is None else "this pack"
    lines = {ours: {**scores, "seconds": experiment.model.seconds}} | experiment.baselines
    best = best_values(list(scores), list(lines.values()))
    title = f"test scores, {count(experiment.test.rows)} rows"
    grid = Grid(title, [("", "text"), *_metric_heads(scores), ("training", "number")])
    for name, row in lines.items():
        shown = baseline_name(name, experiment.table.task)
        shown += f" ({row['trees']:.0f} of 100)" if "trees" in row else ""  # cut short
        label = Cell(shown, "ours" if name == ours else "")
        cells = [Cell(metric(m, row[m]), "best" if row[m] == best[m] else "") for m in scores]
        grid.rows.append([label, *cells, Cell(seconds(row["seconds"]))])
        if name == ours and (told := experiment.model.out_of_fold):
            # of the training rows, so that nothing in this line is better or worse than the others
            cells = [Cell(metric(m, told.get(m, math.nan))) for m in scores]
            grid.rows.append([Cell("  out of fold"), *cells, Cell("")])
    return grid


def recipe_name(recipe: Recipe) -> str:
    """Return what a recipe is, in a few words.

    Examples
    --------
    >>> from backpass.tabular.recipe import Recipe
    >>> recipe_name(Recipe()), recipe_name(Recipe(hidden_layer_sizes=(), bins=True))
    ('128-128 (dropout 0.3)', 'linear (bins)')
    """
    told = ["bins"] * recipe.bins
    if recipe.hidden_layer_sizes and recipe.dropout:  # there is none without hidden layers
        told.append(f"dropout {recipe.dropout:g}")
    widths = "-".join(map(str, recipe.hidden_layer_sizes)) or "linear"
    return f"{widths} ({', '.join(told)})" if told else widths


def importance_grid(found: Explanation, main: str, most: int | None = None) -> Grid:
    """Return the columns that mattered, the most important first."""
    loss = "R² lost" if main == "R²" else "log-loss gained"
    heads = [("column", "name"), (loss, "number"), ("±", "number"), ("moves by", "number")]
    grid = Grid("what mattered: loss where a column is shuffled", heads)
    for told in found.importances[:most]:
        numbers = (f"{told.rise:.4f}", f"{told.spread:.4f}", number(told.effect))
        grid.rows.append([Cell(told.name), *map(Cell, numbers)])
    return grid


def segment_lines(found: Explanation) -> list[str]:
    """Return in words where a model errs more than elsewhere.

    Examples
    --------
    >>> from backpass.tabular.explanation import Explanation, Segment
    >>> segment_lines(Explanation(segments=[Segment("city", "Oslo", 40, 0.9, 0.3)]))
    ["Errs most where 'city' is Oslo: log-loss 0.9 in these 40 rows, 0.3 elsewhere"]
    """
    return [
        f"Errs {'most' if i == 0 else 'more'} where {s.name!r} is {one_line(s.value)}: {s.measure}"
        f" {number(s.loss)} in these {count(s.rows)} rows, {number(s.elsewhere)} elsewhere"
        for i, s in enumerate(found.segments)
    ]


def pack_grid(training: PackTraining, pack: Pack) -> Grid:
    """Return the recipes of a pack: what each counts, and its own loss out of fold."""
    heads = [("weight", "number"), ("loss out of fold", "number"), ("epochs", "number")]
    what = ("dropout", "number"), ("decay", "number"), ("rate", "number")
    grid = Grid("recipes of the pack", [("recipe", "name"), *heads, *what])
    weights = {p.recipe: w for p, w in zip(pack.recipes, pack.blend.weights, strict=True)}
    for packed, loss in zip(training.recipes, training.own_losses, strict=True):
        own = weights.get(packed.recipe)
        weight = "–" if own is None else f"{own:.0%}"
        low, high = min(packed.epochs), max(packed.epochs)
        recipe = packed.recipe
        numbers = (recipe.dropout, recipe.weight_decay, recipe.learning_rate)
        cells = [recipe_name(recipe), weight, f"{loss:.4f}", f"{low}–{high}", *map(str, numbers)]
        grid.rows.append([Cell(cell, "dropped" if own is None else "") for cell in cells])
    return grid


def shown_metrics(metrics: dict[str, float], narrow: bool) -> dict[str, float]:
    """Return the metrics that there is room for."""
    return {m: value for m, value in metrics.items() if not narrow or m not in NOT_IN_TERMINALS}


def evaluation_grid(test: Evaluation, table: str, target: str) -> Grid:
    """Return the metrics of a model on another table."""
    values = [Cell(metric(name, value)) for name, value in test.metrics.items()]
    columns = [("", "text"), *_metric_heads(test.metrics)]
    return Grid(f"{table}, {count(test.rows)} rows", columns, [[Cell(target, "ours"), *values]])


def _metric_heads(names: Iterable[str]) -> list[tuple[str, str]]:
    narrow = {"balanced accuracy": "balanced"}
    return [(narrow.get(name, name), "metric") for name in names]


def error_grid(test: Evaluation, width: int, most_classes: int, most_confusions: int) -> Grid:
    """Return where a classification errs: the matrix, or of many classes the main confusions.

    Parameters
    ----------
    test : Evaluation
    width : int
        Most characters of a class as the head of a column.
    most_classes : int
        Of a matrix.
    most_confusions : int
        To be listed where there are more classes.
    """
    if len(test.classes) > most_classes:
        return _confusions(test, most_confusions)
    return _confusion_matrix(test, width)


def _confusion_matrix(test: Evaluation, width: int) -> Grid:
    """Return the confusion matrix, whose heads are numbers where names are wider than `width`."""
    assert test.confusion is not None
    names, heads = _heads(test.classes, width)
    grid = Grid(
        "confusion matrix: actual classes in rows, predicted ones in columns",
        [("", "text"), *((head, "number") for head in heads), ("right", "share")],
    )
    for i, (name, counts) in enumerate(zip(names, test.confusion.tolist(), strict=True)):
        total = sum(counts)
        cells = [
            Cell(str(n or ""), "right" if i == j else "wrong", n / total if total else 0.0)
            for j, n in enumerate(counts)
        ]
        grid.rows.append([Cell(name), *cells, Cell(share(counts[i], total))])
    return grid


def _confusions(test: Evaluation, most: int) -> Grid:
    """Return the most frequent confusions of many classes, whose matrix nobody could read."""
    assert test.confusion is not None
    grid = Grid(
        f"most frequent confusions of {len(test.classes)} classes",
        [("actual", "name"), ("predicted", "name"), ("rows", "number"), ("of actual", "number")],
    )
    counts = test.confusion.tolist()
    pairs = [(n, i, j) for i, row in enumerate(counts) for j, n in enumerate(row) if n and i != j]
    for n, i, j in sorted(pairs, reverse=True)[:most]:
        part = share(n, sum(counts[i]))
        grid.rows.append([Cell(x) for x in (test.classes[i], test.classes[j], str(n), part)])
    return grid


def _heads(names: Sequence[str], width: int) -> tuple[list[str], list[str]]:
    """Return the heads of a matrix's rows and columns: numbers, where names are too wide.

    Examples
    --------
    >>> _heads(["no", "yes"], 5)
    (['no', 'yes'], ['no', 'yes'])
    >>> _heads(["medical", "major"], 5)
    (['1 medical', '2 major'], ['1', '2'])
    """
    plain = [one_line(name) for name in names]
    if max(map(len, plain)) <= width:
        return plain, plain
    numbers = [str(i) for i in range(1, len(plain) + 1)]
    return [f"{i} {name}" for i, name in zip(numbers, plain, strict=True)], numbers


def column_grid(columns: Sequence[ColumnSummary]) -> Grid:
    """Return what the encoder made of the columns."""
    counts = [(head, "number") for head in ("missing", "levels", "inputs")]
    grid = Grid("columns", [("column", "name"), ("kind", "text"), *counts, ("", "note")])
    for column in columns:
        mark = "dropped" if column.kind == "dropped" else ""
        counted = (str(n or "") for n in (column.missing, column.levels, column.outputs))
        texts = (column.name, column.kind, *counted, column.note)
        grid.rows.append([Cell(text, mark) for text in texts])
    return grid
