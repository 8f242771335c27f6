"""The sections of the page that say what mattered to a model, and where it errs."""

from __future__ import annotations

from backpass.tabular.experiment import Experiment
from backpass.tabular.explanation import Dependence, Explanation
from backpass.tabular.formatting import importance_grid, number, segment_lines
from backpass.tabular.report.charts import Markup, curve_chart, element
from backpass.tabular.report.layout import section, table_of

MOST_VALUES = 15  # of a category, whose predictions are listed


def sections_on_what_mattered(experiment: Experiment) -> list[Markup]:
    """Return the sections, none where the training was interrupted."""
    found = experiment.explanation
    if not found.importances:
        return []
    view = importance_grid(found, experiment.model.main_metric)
    note = (
        "Each column was shuffled among the test rows, three times: what the score loses is what"
        " the model takes from that column, and ± is how far the three lie apart. The last column"
        " is how far a row's value moves its prediction on average, by the backward pass."
    )
    told = [element("p", note, class_="dim")]
    told += [element("p", line) for line in segment_lines(found)]
    sections = [section("What mattered", table_of(view), *told, wide=True)]
    sections += [_dependence(one, experiment) for one in found.dependence]
    return [*sections, *_calibration(found)]


def _dependence(found: Dependence, experiment: Experiment) -> Markup:
    """Return what is predicted on average where all rows have some value of a column."""
    classes = experiment.model.classes
    what = f"probability of {classes[-1]}" if classes else experiment.table.target
    title = f"{found.name} and the mean prediction"
    if found.numbers:
        points = list(zip(found.numbers, found.predictions, strict=True))
        label = f"mean prediction by {found.name}"
        texts = dict(zip(found.numbers, found.values, strict=True)) if found.dates else None
        drawn = curve_chart(points, label, found.name, what, texts)
        return section(title, drawn)
    rows = [
        element("tr", element("td", value, class_="name"), element("td", number(prediction)))
        for value, prediction in list(zip(found.values, found.predictions, strict=True))[
            :MOST_VALUES
        ]
    ]
    head = element("thead", element("tr", element("th", "", class_="text"), element("th", what)))
    return section(title, element("table", head, element("tbody", *rows)))


def _calibration(found: Explanation) -> list[Markup]:
    if not found.calibration:
        return []
    points = [(mean, right) for mean, right, _ in found.calibration]
    label = "how often predicted classes are right, by how sure they are"
    drawn = curve_chart(points, label, "probability", "part that is right", diagonal=True)
    note = (
        f"On the line, of a hundred rows with probability 0.8 eighty are right. Mean distance from"
        f" it, by rows: {found.calibration_error:.3f}."
    )
    return [section("Calibration", drawn, element("p", note, class_="dim"))]
