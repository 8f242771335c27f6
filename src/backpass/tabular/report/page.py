"""An experiment as a page: scores, curves, where the predictions err, the columns, the command."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from backpass.core.parameters import parameter_count
from backpass.storage.atomic_write import durable_write
from backpass.tabular.experiment import Experiment
from backpass.tabular.formatting import (
    STOPPED,
    Grid,
    column_grid,
    count,
    error_grid,
    metric,
    number,
    pack_grid,
    recipe_name,
    score_grid,
    seconds,
)
from backpass.tabular.metrics import Evaluation
from backpass.tabular.report.charts import Line, Markup, element, join, line_chart, scatter_chart
from backpass.tabular.report.layout import section, table_of
from backpass.tabular.report.what_mattered import sections_on_what_mattered

MOST_CLASSES = 25  # of a matrix; beyond, its most frequent confusions say more
MOST_CONFUSIONS = 20
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def write_report(experiment: Experiment, path: str | Path, source: str, command: str) -> None:
    """Write the page so that the file is all there, or as it was before."""
    durable_write(path, [report_page(experiment, source, command).encode()])


def report_page(experiment: Experiment, source: str, command: str) -> str:
    """Return the page of an experiment.

    Parameters
    ----------
    experiment : Experiment
        With gradient norms, if the page is to show them.
    source, command : str
        The table's name, and what was typed.
    """
    name = "standard input" if source == "-" else Path(source).name
    title = f"{experiment.table.target} from {name}"
    sections = [
        _scores(experiment),
        _recipes(experiment),
        *sections_on_what_mattered(experiment),
        _losses(experiment),
        _gradients(experiment),
        _noise(experiment),
        _errors(experiment.test),
        _training(experiment),
        _warnings(experiment.warnings),
        _columns(experiment),
        section("Command", element("p", element("code", command)), wide=True),
    ]
    return whole_page(title, _header(experiment, title), element("main", *filter(None, sections)))


def whole_page(title: str, *children: Markup) -> str:
    """Return a page without scripts in the reports' style."""
    head = join(
        Markup('<meta charset="utf-8">'),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'),
        element("title", f"{title} · backpass"),
        element("style", Markup(STYLE)),
    )
    body = element("body", *children)
    return f"<!doctype html>\n{element('html', element('head', head), body, lang='en')}\n"


def _title(view: Grid) -> str:
    return view.title[0].upper() + view.title[1:]


def _header(experiment: Experiment, title: str) -> Markup:
    table, main = experiment.table, experiment.model.main_metric
    score = metric(main, experiment.test.metrics[main])
    early = " Training was interrupted early." if experiment.interrupted else ""
    return element(
        "header",
        element("p", "backpass", class_="dim"),
        element("h1", title),
        element(
            "p",
            f"{table.task.capitalize()} ({table.why}) · {count(table.rows)} rows, "
            f"{len(table.columns)} columns · {main} ",
            element("strong", score),
            f" on {count(experiment.test.rows)} rows that were not trained on.{early}",
        ),
    )


# --- scores ----------------------------------------------------------------------------------


def _scores(experiment: Experiment) -> Markup:
    view = score_grid(experiment)
    note = element("p", "★ best in its column, on the same test rows.", class_="dim")
    return section(_title(view), table_of(view), note, wide=True)


def _errors(test: Evaluation) -> Markup:
    if test.pairs is not None:
        return _scatter(test)
    k = len(test.classes)
    view = error_grid(test, 12 if k <= 4 else 8 if k <= 8 else 4, MOST_CLASSES, MOST_CONFUSIONS)
    if k > MOST_CLASSES:
        return section(_title(view), table_of(view))
    note = element("p", "Darker: a larger part of the row.", class_="dim")
    return section(_title(view), table_of(view, class_="matrix"), note, wide=k > 8)


def _scatter(test: Evaluation) -> Markup:
    assert test.pairs is not None
    assert test.residuals is not None
    points = [(float(a), float(b)) for a, b in test.pairs]
    chart = scatter_chart(points, "predicted against actual numbers", "actual", "predicted")
    low, _, lower, middle, upper, _, high = map(number, test.residuals.values())
    told = (
        f"Errors (predicted − actual): half of them between {lower} and {upper}, "
        f"median {middle}, from {low} to {high}."
    )
    return section("Predicted and actual", chart, element("p", told, class_="dim"))


# --- the pack --------------------------------------------------------------------------------


def _recipes(experiment: Experiment) -> Markup | None:
    pack, training = experiment.model.pack, experiment.model.training
    if pack is None or training is None:
        return None
    view, folds = pack_grid(training, pack), training.folds.count
    told = (
        f"Each recipe is a network on each of {folds} folds, and its loss is of rows that its"
        " networks have not seen. Weights are chosen by these predictions"
    )
    if pack.blend.temperature != 1:
        told += f", and so is the temperature of the probabilities, {pack.blend.temperature:.2f}"
    note = element("p", f"{told}.", class_="dim")
    return section(_title(view), table_of(view), note, wide=True)


# --- curves ----------------------------------------------------------------------------------


def _legend(lines: Sequence[Line]) -> Markup:
    items = [element("li", element("i", class_=line.css), line.name) for line in lines]
    return element("ul", *items, class_="legend")


def _curves(title: str, lines: Sequence[Line], label: str, note: str, **chart: Any) -> Markup:
    drawn = line_chart(lines, f"{label} by epoch", **chart)
    return section(title, drawn, _legend(lines), element("p", note, class_="dim"))


def _losses(experiment: Experiment) -> Markup | None:
    history = experiment.history
    if not history.loss_curve:
        return None
    lines = [
        Line("training loss", history.loss_curve, "one"),
        Line("validation loss", history.validation_loss_curve, "two"),
    ]
    best, dropout = history.best_epoch, experiment.model.recipe.dropout
    note = "Training loss is taken with dropout, validation loss without." if dropout else ""
    mark = {"mark": best, "marked": f"best: epoch {best}"}
    title = "Loss"
    if experiment.model.pack is not None:
        title = f"Loss of one network ({recipe_name(experiment.model.recipe)})"
    return _curves(title, lines, "training and validation loss", note, **mark)


def _gradients(experiment: Experiment) -> Markup | None:
    norms = experiment.history.layer_gradient_norms
    if not norms:
        return None
    layers = list(zip(*norms, strict=True))
    lines = [
        Line(_layer(i, len(layers)), values, f"layer{round(5 * i / max(1, len(layers) - 1))}")
        for i, values in enumerate(layers)
    ]
    note = "Curves that fall far apart: some layers learn and others hardly do."
    label = "norm of each layer's gradient"
    return _curves("Gradient norm of each layer", lines, label, note, log=True)


def _noise(experiment: Experiment) -> Markup | None:
    history = experiment.history
    if not history.gradient_noise:
        return None
    # mean ‖g_n‖² is their sum: drawn apart they say when a batch is mostly noise
    squares = zip(history.mean_squared_gradient_norms, history.gradient_noise, strict=True)
    lines = [
        Line("noise of one row", history.gradient_noise, "layer0"),
        Line("their mean, squared", [both - noise for both, noise in squares], "layer5"),
    ]
    note = (
        "A batch of M rows has 1/M of the noise; where that is above the mean, it mostly jitters."
    )
    label = "noise of one row's gradient, and their mean,"
    return _curves("Noise of the gradient", lines, label, note, log=True)


def _layer(i: int, n_layers: int) -> str:
    if i == 0:
        return "layer 1 (first)"
    return f"layer {i + 1}" + " (output)" * (i == n_layers - 1)


# --- what it was made from -------------------------------------------------------------------


def _training(experiment: Experiment) -> Markup:
    history, table, recipe = experiment.history, experiment.table, experiment.model.recipe
    why = STOPPED.get(experiment.model.stop_reason, experiment.model.stop_reason)
    sizes = experiment.model.network.sizes
    told = {
        "network": f"{' – '.join(map(str, sizes))}, {count(parameter_count(sizes))} parameters",
        "rows": f"{count(table.n_train)} to train on, {count(table.n_test)} to test on",
        "epochs": f"{history.epochs} ({STOPPED[history.stop_reason]}), best {history.best_epoch}",
        **({} if experiment.model.pack is None else {"pack": f"{why}"}),
        "seconds": seconds(experiment.model.seconds),
        "optimiser": f"{recipe.optimizer}, learning rate {recipe.learning_rate:g}",
        "activation": recipe.activation,
        "loss": experiment.model.network.model.specs()[1],
        "seed": experiment.question.seed,
    }
    rows = [
        element("tr", element("td", key, class_="text dim"), element("td", value, class_="name"))
        for key, value in told.items()
    ]
    return section("Training", element("table", element("tbody", *rows)))


def _warnings(messages: Sequence[str]) -> Markup | None:
    if not messages:
        return None
    items = [element("li", message) for message in messages]
    return section("Worth a look", element("ul", *items, class_="plain"), wide=True)


def _columns(experiment: Experiment) -> Markup:
    view = column_grid(experiment.table.columns)
    return section(_title(view), table_of(view), wide=True)


STYLE = """
:root { color-scheme: light dark;
  --ink: #222; --dim: #63676d; --page: #fff; --card: #f7f7f7; --rule: #dcdfe3;
  --one: #b35806; --two: #2166ac; --good: 33 102 172; --bad: 179 88 6; }
@media (prefers-color-scheme: dark) { :root {
  --ink: #e8e8e8; --dim: #a2a8b0; --page: #15181c; --card: #1f242a; --rule: #363d46;
  --one: #f1a95f; --two: #74b3e8; --good: 74 143 208; --bad: 200 112 30; } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 66rem; padding: 1.2rem 1rem 3rem; background: var(--page);
  color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif }
h1 { font-size: 1.5rem; line-height: 1.25; margin: .4rem 0; overflow-wrap: anywhere }
h2 { font-size: 1.1rem; margin: 0 0 .6rem }
p { margin: .3rem 0 } .dim { color: var(--dim) } .wide { grid-column: 1 / -1 }
code { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: .9em;
  overflow-wrap: anywhere }
main { display: grid; gap: 1rem; margin-top: 1rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 25rem), 1fr)) }
section { background: var(--card); border-radius: .6rem; padding: 1rem; min-width: 0 }
.scroll { overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { padding: .25rem .5rem; text-align: right; border-bottom: 1px solid var(--rule);
  white-space: nowrap }
th { font-weight: 600; color: var(--dim); font-size: .85rem }
td.text, th.text { text-align: left } td.name { text-align: left; white-space: normal;
  overflow-wrap: anywhere; min-width: 8rem } td.note { text-align: left; white-space: normal;
  color: var(--dim); min-width: 12rem }
tr.ours td { font-weight: 600 } td.best { color: var(--two); font-weight: 700 }
tr.dropped td { color: var(--dim) } td.best::after { content: " ★" } td.plain::after {
  content: " ★"; visibility: hidden }
.matrix { width: auto; margin: 0 auto } .matrix td { text-align: center;
  border: 2px solid var(--card); min-width: 2rem; padding: .25rem .3rem }
.matrix td.text { border: 0; text-align: right }
.matrix th { text-align: center; padding: .25rem .3rem;
  max-width: 7rem; overflow: hidden; text-overflow: ellipsis }
svg { display: block; width: 100%; height: auto; font: 12px system-ui, sans-serif }
svg text { fill: var(--dim) } svg .name { fill: var(--ink) } svg .end { text-anchor: end }
svg .middle { text-anchor: middle } svg .grid { stroke: var(--rule) }
svg .mark { stroke: var(--ink); stroke-dasharray: 3 3 }
svg polyline { fill: none; stroke-width: 2; stroke-linejoin: round; stroke: var(--line) }
svg .dot { fill: var(--line) } svg .dots { fill: var(--two); fill-opacity: .45 }
svg .diagonal { stroke: var(--one); stroke-width: 1.5; stroke-dasharray: 5 4 }
.layer0 { --line: var(--one) }
.layer1 { --line: #e08214 } .layer2 { --line: #a98b6b }
.layer3 { --line: #8b93a8 } .layer4 { --line: #67a9cf } .layer5 { --line: var(--two) }
.one { --line: var(--one) } .two { --line: var(--two) }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1rem; margin: .4rem 0 0; padding: 0;
  list-style: none; font-size: .9rem } .legend i { display: inline-block; width: 1.4em;
  height: 3px; vertical-align: middle; margin-right: .4em; background: var(--line) }
ul.plain { margin: 0; padding-left: 1.1rem } li { overflow-wrap: anywhere }
"""
