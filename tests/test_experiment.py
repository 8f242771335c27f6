"""The experiment: nothing leaks, everything is told, Ctrl-C keeps what there is."""

import json
import warnings
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from backpass.cli.tables import remarks_on
from backpass.errors import InputError, TableError, TableWarning
from backpass.tabular import baselines
from backpass.tabular.baselines import BASELINES, Baseline, compared_with, predict_baseline
from backpass.tabular.experiment import Hooks, Question, run_experiment
from backpass.tabular.model import TabularModel
from backpass.tabular.preparation import PreparedTable
from backpass.tabular.raw_table import RawTable
from backpass.tabular.recipe import RECIPE
from backpass.tabular.report.as_json import experiment_json, strict, write_json
from backpass.tabular.selection import split_rows

FAST = replace(RECIPE, hidden_layer_sizes=(4,), epochs=2)


def flats(rows=100, seed=0):
    rng = np.random.default_rng(seed)
    size = rng.uniform(20, 120, rows)
    city = rng.choice(["Bonn", "Oslo"], rows)
    return pl.DataFrame({"size": size, "city": city, "price": 5 * size + rng.normal(0, 99, rows)})


def ask(target="price", **options):
    return Question(target, **{"recipe": FAST, "compare": "none", **options})


class Recorder(Hooks):
    def __init__(self):
        self.said = []

    def understood(self, table):
        self.said.append("understood")

    def epoch(self, history):
        self.said.append(f"epoch {history.epochs}")

    def trained(self, model):
        self.said.append("trained")

    def comparing(self, baseline):
        self.said.append(baseline)


def test_the_flow_is_told_step_by_step(tmp_path):
    hooks = Recorder()
    path = tmp_path / "m.backpass"
    experiment = run_experiment(flats(), ask(compare="fast"), hooks=hooks, save_to=path)
    assert hooks.said == [
        "understood",
        "epoch 1",
        "epoch 2",
        "trained",
        "what mattered",
        *compared_with("fast"),
    ]
    assert set(experiment.baselines) == {*compared_with("fast")}
    assert experiment.baselines["linear model"]["R²"] > 0.5
    assert experiment.baselines["majority class or mean"]["R²"] < 0.1
    assert experiment.seconds > 0
    new = flats(9, seed=1)
    assert TabularModel.load(path).predict(new).equals(experiment.model.predict(new))


@pytest.mark.parametrize("target", ["price", "city"])
def test_nothing_of_the_test_part_reaches_the_network(target):
    frame = flats()
    y = frame["price"].to_numpy()
    classes = None
    if target == "city":
        y, classes = (frame["city"] == "Oslo").cast(int).to_numpy(), ("Bonn", "Oslo")
    _, held = split_rows(y, 0.2, 0, classes=classes)
    mask = pl.Series(np.isin(np.arange(100), held))
    spoilt = frame.with_columns(size=pl.when(mask).then(1e6).otherwise(pl.col("size")))
    if target == "price":
        spoilt = spoilt.with_columns(
            city=pl.when(mask).then(pl.lit("Pisa")).otherwise(pl.col("city")),
            price=pl.when(mask).then(-1e6 * pl.col("price")).otherwise(pl.col("price")),
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TableWarning)
        one, other = (run_experiment(table, ask(target)) for table in (frame, spoilt))
    assert one.model.encoder.to_state() == other.model.encoder.to_state()
    assert one.model.target == other.model.target
    assert np.array_equal(one.model.network.parameters.flat, other.model.network.parameters.flat)
    assert one.test.metrics != other.test.metrics


def test_the_metrics_are_those_of_the_rows_held_out():
    frame = flats()
    experiment = run_experiment(frame, ask())
    _, held = split_rows(np.zeros(100), 0.2, 0)
    assert experiment.model.evaluate(frame[held]) == pytest.approx(experiment.test.metrics)


def test_suspicious_columns_are_judged_on_the_training_part():
    frame = flats(200).with_columns(leak=pl.col("price") * 2)
    with pytest.warns(TableWarning, match="'leak' alone ranks the rows") as told:
        experiment = run_experiment(frame, ask())
    assert experiment.warnings == [str(w.message) for w in told]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert run_experiment(frame, ask(drop=["leak"])).warnings == []


def test_another_table_or_file_judges(tmp_path):
    experiment = run_experiment(flats(), ask(), test=flats(30, seed=1))
    assert (experiment.table.n_train, experiment.table.n_test) == (100, 30)
    flats(30, seed=1).write_csv(tmp_path / "later.csv")
    again = run_experiment(flats(), ask(), test=tmp_path / "later.csv")
    assert again.test.metrics == experiment.test.metrics


def test_errors_name_the_table_and_its_row():
    bad = flats(30, seed=1).with_columns(
        size=pl.when(pl.int_range(30) == 4).then(np.inf).otherwise(1)
    )
    with pytest.raises(TableError, match=r"^b\.csv: column 'size', row 5: inf"):
        run_experiment(flats(), ask(), test=RawTable(bad, "b.csv"))
    with pytest.raises(TableError, match=r"^b\.csv: .*no column 'city'"):
        run_experiment(flats(), ask(), test=RawTable(bad.drop("city"), "b.csv"))
    with pytest.raises(TableError, match=r"^a\.csv: column 'size', row 5: inf"):
        run_experiment(RawTable(bad, "a.csv"), ask())


def test_wrong_questions_are_refused():
    with pytest.raises(InputError, match="task must be auto"):
        run_experiment(flats(), ask(task="cluster"))
    with pytest.raises(TableError, match="'price' is the target"):
        run_experiment(flats(), ask(categorical=["price"]))


def test_rows_without_target_or_weight_are_left_out_and_counted():
    frame = flats().with_columns(w=pl.int_range(100) % 4)
    frame = frame.with_columns(price=pl.when(pl.int_range(100) < 2).then(None).otherwise("price"))
    left_out = 100 - (frame["price"].is_not_null() & (frame["w"] > 0)).sum()
    with pytest.warns(TableWarning, match=f"{left_out} row.* no target 'price' or have no weight"):
        experiment = run_experiment(frame, ask(sample_weight="w"))
    assert experiment.table.left_out == left_out
    assert experiment.table.rows == 100 - left_out


def test_the_understanding_is_true():
    frame = flats().with_columns(nothing=pl.lit(None, dtype=pl.String), old=pl.lit(1) - 1)
    with pytest.warns(TableWarning, match="dropped"):
        table = run_experiment(frame, ask("city", drop=["old"])).table
    assert (table.rows, table.target, table.task, table.why) == (
        100, "city", "classification", "text"
    )  # fmt: skip
    assert table.classes == dict(sorted(flats()["city"].value_counts().iter_rows()))
    assert table.kinds == {"number": 2, "dropped": 1}
    assert table.dropped == ["old"]
    assert table.sizes == (2, 4, 2)
    assert table.parameters == 2 * 4 + 4 + 4 * 2 + 2
    assert table.missing == 100


class Stop(Hooks):
    def __init__(self, epochs=99, baseline=""):
        self.epochs, self.baseline = epochs, baseline

    def epoch(self, history):
        if history.epochs == self.epochs:
            raise KeyboardInterrupt

    def understood(self, table):
        if self.epochs == 0:
            raise KeyboardInterrupt

    def comparing(self, baseline):
        if baseline == self.baseline:
            raise KeyboardInterrupt


def test_an_interrupted_training_keeps_the_best_epoch(tmp_path):
    question = ask(compare="fast", recipe=replace(FAST, epochs=50))
    path = tmp_path / "m"
    experiment = run_experiment(flats(), question, hooks=Stop(3), save_to=path)
    assert experiment.interrupted
    assert experiment.baselines == {}
    assert experiment.history.epochs == 3
    assert path.exists()
    best = experiment.history.best_parameters
    assert np.array_equal(experiment.model.network.parameters.flat, best)


def test_an_interrupted_comparison_keeps_what_there_is(tmp_path):
    path = tmp_path / "m"
    experiment = run_experiment(
        flats(), ask(compare="fast"), hooks=Stop(baseline="linear model"), save_to=path
    )
    assert experiment.interrupted
    assert list(experiment.baselines) == ["majority class or mean"]
    assert path.exists()


def test_an_early_interruption_writes_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run_experiment(flats(), ask(), hooks=Stop(0), save_to=tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


def test_json_is_strict_and_complete(tmp_path):
    experiment = run_experiment(flats(), ask("city", gradient_norms=True))
    experiment.test.metrics["log-loss"] = float("nan")
    told = experiment_json(experiment, "flats.csv", "backpass fit", {"model": "m"})
    write_json(told, tmp_path / "a.json")
    again = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert again == told
    assert told["test"]["metrics"]["log-loss"] is None
    assert told["test"]["confusion"]["classes"] == ["Bonn", "Oslo"]
    assert sum(map(sum, told["test"]["confusion"]["matrix"])) == 20
    assert len(told["history"]["layer_gradient_norms"][0]) == 2
    noise, squares = (
        told["history"][name] for name in ("gradient_noise", "mean_squared_gradient_norms")
    )
    assert all(0 < a <= b for a, b in zip(noise, squares, strict=True))
    assert len(told["history"]["validation_accuracy"]) == 2
    for key in [
        "versions",
        "table",
        "split",
        "recipe",
        "network",
        "baselines",
        "warnings",
        "seconds",
        "files",
    ]:
        assert key in told


def test_strict_leaves_no_number_that_json_does_not_have():
    value = {1: np.float32("inf"), "x": [np.int64(3), (None, float("-inf"))], "b": True}
    assert strict(value) == {"1": None, "x": [3, [None, None]], "b": True}


def test_remarks_say_what_scores_hide():
    """Few rows, a class that is never predicted, a baseline that is better in every metric."""
    import numpy as np

    from backpass.cli.tables import remarks_on
    from backpass.tabular.experiment import Question, run_experiment

    rng = np.random.default_rng(0)
    n = 600
    table = {"x": rng.normal(size=n), "rare": rng.random(n) < 0.03}
    experiment = run_experiment(table, Question("rare", seed=0))
    remarks = remarks_on(experiment)
    assert any("class is never predicted: 'true'" in remark for remark in remarks), remarks
    table = {"x": rng.normal(size=60), "y": [i % 2 for i in range(60)]}
    small = run_experiment(table, Question("y", task="classification"))
    assert remarks_on(small)[0].startswith("only 12 test rows: a rough score, accuracy to about ±")


def test_what_is_compared_with():
    assert compared_with("none") == []
    assert "CatBoost" not in compared_with("fast")
    installed = {name for name, baseline in BASELINES.items() if baseline.there}
    assert {*compared_with("all")} == installed
    assert not Baseline(lambda *_: None, package="no_such_package").there
    with pytest.raises(InputError, match="compare must be one of none, fast, all, not 'some'"):
        Question("y", compare="some")


@pytest.mark.parametrize("name", [n for n, b in BASELINES.items() if b.package and b.there])
def test_another_packages_trees_are_trained_on_the_same_rows(name):
    experiment = run_experiment(flats(), ask(compare="all"))
    assert experiment.baselines[name].keys() >= experiment.test.metrics.keys()


def test_trees_that_take_longer_than_the_network_are_fewer(monkeypatch):
    monkeypatch.setattr(baselines, "SMALL_TABLE", 1)
    monkeypatch.setattr(baselines, "STEP_OF_TREES", 2)
    prepared = PreparedTable.of(flats(), ask())
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr(baselines.time, "monotonic", lambda: float(next(clock)))
    rows = prepared.rows
    _, told = predict_baseline("boosted trees", prepared, rows, rows.X, time_limit=5.0)
    assert told["trees"] == 2
    _, whole = predict_baseline("boosted trees", prepared, rows, rows.X)
    assert "trees" not in whole


def test_test_rows_of_another_kind_are_remarked_on():
    rng = np.random.default_rng(0)
    x = rng.normal(size=300)
    rows = pl.DataFrame({"x": x, "y": x + rng.normal(size=300)})
    question = Question("y", effort="quick", compare="none")
    usual = run_experiment(rows, question)
    assert abs(usual.gap) < 3
    assert not [r for r in remarks_on(usual) if "another kind" in r]
    other = run_experiment(rows, question, test=rows.with_columns(y=-pl.col("y")))
    assert other.gap > 3
    assert [r for r in remarks_on(other) if "another kind" in r]


def test_threads_and_bins_are_obeyed_or_refused():
    for how in ({"recipe": replace(RECIPE, epochs=3)}, {"effort": "quick", "bins": 4}):
        one, two = (TabularModel.fit(flats(), "price", n_threads=n, **how) for n in (1, 2))
        assert one.network.parameters.flat.tobytes() == two.network.parameters.flat.tobytes()
    assert {len(edges) for edges in one.encoder.bins_.edges} == {5}
    prepared = PreparedTable.of(flats(), ask(n_threads=3))
    assert prepared.settings(RECIPE, 100).n_threads == 3
    with pytest.raises(InputError, match="bins are of a pack"):
        TabularModel.fit(flats(), "price", recipe=RECIPE, bins=5)
