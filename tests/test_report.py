"""The page: it needs no network and no script, and obeys no name it is given."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import polars as pl
import pytest

from backpass.tabular.experiment import Question, run_experiment
from backpass.tabular.recipe import RECIPE
from backpass.tabular.report import report_page, write_report
from backpass.tabular.report.charts import (
    Axis,
    Line,
    Markup,
    element,
    join,
    line_chart,
    log_axis,
    nice_axis,
    scatter_chart,
)

EVIL = "<script>alert('x')</script>\"&\x1b"
VOID = {"meta", "br"}


class Checker(HTMLParser):
    """Checks that every element is closed, and collects names, attributes and texts."""

    def __init__(self, page):
        super().__init__()
        self.open, self.names, self.attributes, self.text = [], [], [], []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text.append(data)


def table(rows=80, classes=("no", "yes")):
    rng = np.random.default_rng(0)
    x = rng.normal(size=rows)
    return pl.DataFrame(
        {
            EVIL: x,
            "place": rng.choice(["Bonn", EVIL], rows),
            "number": x + rng.normal(size=rows),
            "label": [classes[i % len(classes)] for i in range(rows)],
        }
    )


def page(target, frame=None, **options):
    recipe = replace(RECIPE, hidden_layer_sizes=(4, 3), epochs=3)
    options = {"compare": "none", "gradient_norms": True, "recipe": recipe, **options}
    experiment = run_experiment(table() if frame is None else frame, Question(target, **options))
    return report_page(experiment, f"a/{EVIL}.csv", f"backpass fit '{EVIL}'")


@pytest.mark.parametrize("target", ["label", "number"])
def test_the_page_is_sound_and_fetches_nothing(target):
    text = page(target)
    checked = Checker(text)
    assert {"script", "link", "img", "iframe", "object", "base"}.isdisjoint(checked.names)
    for name, value in checked.attributes:
        assert not name.startswith("on")
        assert name not in ("src", "href", "srcset", "xlink:href", "action")
        assert "url(" not in (value or "")
    assert not re.search(r"https?:|//|@import|url\(", re.sub("<!doctype.*?>", "", text))
    assert "default-src 'none'" in text
    assert "prefers-color-scheme: dark" in text
    assert 'name="viewport"' in text


def test_names_are_escaped_everywhere():
    frame = table(classes=(EVIL, "yes"))
    text = page("label", frame)
    assert "<script" not in text
    assert "\x1b" not in text
    assert "<script>alert('x')</script>" in "".join(Checker(text).text)


def test_it_shows_what_the_brief_asks_for():
    text = " ".join(Checker(page("label")).text)
    for words in (
        "Test scores", "this network", "Loss", "training loss", "validation loss", "best: epoch",
        "Confusion matrix", "Gradient norm of each layer", "layer 3 (output)", "Columns", "Command",
        "backpass fit", "Noise of the gradient", "noise of one row",
    ):  # fmt: skip
        assert words in text, words
    assert "Predicted and actual" in " ".join(Checker(page("number")).text)


def test_baselines_stand_beside_the_network():
    from sklearn.dummy import DummyClassifier

    from backpass.tabular.baselines import BASELINES, Baseline

    trees = BASELINES["boosted trees"]
    try:
        BASELINES["boosted trees"] = Baseline(lambda task, seed, categorical: DummyClassifier())
        text = " ".join(Checker(page("label", compare="fast")).text)
    finally:
        BASELINES["boosted trees"] = trees
    for words in ("majority class", "linear model", "boosted trees"):
        assert words in text


def test_many_classes_show_their_confusions():
    frame = table(400, classes=[f"c{i}" for i in range(30)])
    text = " ".join(Checker(page("label", frame)).text)
    assert "Most frequent confusions of 30 classes" in text


def test_without_gradient_norms_the_page_has_no_such_curve():
    without = page("label", gradient_norms=False)
    assert "Gradient norm" not in without
    assert "Noise of the gradient" not in without


def test_it_is_written_whole(tmp_path):
    recipe = replace(RECIPE, hidden_layer_sizes=(4,), epochs=1)
    question = Question("label", compare="none", recipe=recipe)
    experiment = run_experiment(table(), question)
    write_report(experiment, tmp_path / "a.html", "-", "backpass fit -")
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    Checker(text)
    assert "label from standard input" in text


# --- markup and charts -----------------------------------------------------------------------


def test_texts_are_escaped_once():
    assert join("<", Markup("<b>"), 3) == "&lt;<b>3"
    assert element("a", element("b", "&"), x=None) == "<a><b>&amp;</b></a>"


@pytest.mark.parametrize(
    ("low", "high"),
    [(0, 1), (-3, 17), (0.001, 0.0012), (1e6, 3e9), (5, 5), (0, 0), (-1, -1), (1e-12, 2e-12)],
)
def test_axes_hold_their_numbers_and_have_a_few_ticks(low, high):
    axis = nice_axis(low, high)
    assert axis.low <= low <= high <= axis.high
    assert 3 <= len(axis.ticks) <= 9
    assert 0 <= axis.place(low) <= axis.place(high) <= 1


@pytest.mark.parametrize(
    ("low", "high"), [(1, 1000), (0.3, 0.4), (1e-9, 1e9), (2, 2), (1, 10), (0.02, 30)]
)
def test_log_axes_hold_their_numbers_and_have_a_few_ticks(low, high):
    axis = log_axis(low, high)
    assert axis.low <= low <= high <= axis.high
    assert axis.low < axis.high
    assert 2 <= len(axis.ticks) <= 12
    assert 0 <= axis.place(low) <= axis.place(high) <= 1


def test_equal_ratios_take_equal_room_on_a_log_axis():
    axis = Axis(1, 100, (1, 100), log=True)
    assert axis.place(10) == pytest.approx(0.5)
    assert axis.place(0) == 0


@pytest.mark.parametrize(
    "values",
    [[1.0], [0.0, 0.0], [float("nan"), 1.0], [1e-9, 1e9], [-5.0, 5.0], [float("nan")] * 2],
)
def test_lines_stay_within_the_picture(values):
    for log in (False, True):
        picture = line_chart([Line("a", values, "one")], "test", log=log, mark=1, marked="best")
        Checker(picture)
        assert "nan" not in picture.replace("nano", "")
        for x, y in re.findall(r"(-?[\d.]+),(-?[\d.]+)", picture.split("points=")[-1]):
            assert 0 <= float(x) <= 420
            assert 0 <= float(y) <= 270


def test_points_lie_where_their_numbers_are():
    picture = scatter_chart([(0.0, 10.0), (10.0, 0.0)], "test", "x", "y")
    dots = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', picture)
    (x1, y1), (x2, y2) = [(float(x), float(y)) for x, y in dots]
    assert x1 < x2
    assert y1 < y2  # down is larger in SVG
