"""Tables that are judged piece by piece have the metrics of all their rows at once."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backpass.cli import main
from backpass.errors import InputError, TableError
from backpass.tabular.estimators import TabularClassifier, TabularRegressor
from backpass.tabular.large import judging, source
from backpass.tabular.large.source import Source
from backpass.tabular.model import TabularModel
from backpass.tabular.recipe import Recipe


def rows_with(target, n=400, seed=0, scale=1.0):
    """Return a table with a target of numbers, of two or of three classes, and weights."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    noisy = x + rng.normal(size=n) / 2
    y = noisy * scale if target == "number" else np.floor(np.clip(noisy, -0.9, int(target) - 1.1))
    y = y if target == "number" else np.array(["a", "b", "c"])[y.astype(int) + 1]
    return pl.DataFrame({"x": x, "w": rng.integers(0, 3, n), "y": y})


@pytest.fixture(scope="module", params=["number", "2", "3"])
def judged(request):
    """Return a kind of target, and a model of it whose rows have weights."""
    recipe = Recipe(hidden_layer_sizes=(8,), epochs=3)
    table = rows_with(request.param)
    costs = None if request.param == "number" else {"b": 3}
    return request.param, TabularModel.fit(
        table, "y", sample_weight="w", recipe=recipe, costs=costs
    )


def tied(model, table):
    """Return how much area lies between rows whose scores are not told apart: half is given."""
    X, y, weights = model.encode(table)
    place = judging._place(model.predictor.predict(X))
    ours, others = (np.bincount(place, weights * (y == c)) for c in (1, 0))
    return (ours * others).sum() / (ours.sum() * others.sum()) / 2 + 1e-12


@given(seed=st.integers(0, 999), cut=st.integers(40, 300), unknown=st.integers(0, 350))
@settings(max_examples=25)
def test_pieces_are_judged_as_all_rows_at_once(judged, seed, cut, unknown):
    kind, model = judged
    table = rows_with(kind, seed=seed).with_columns(
        y=pl.when(pl.int_range(pl.len()) >= unknown).then("y")
    )
    pieces = map(model.read, table.iter_slices(cut))
    told, left_out = model.judge_pieces(pieces)
    whole = model.judge(model.encode(table))
    assert told.rows == whole.rows
    assert left_out == table.height - whole.rows
    assert list(told.metrics) == list(whole.metrics)
    if "ROC area" in whole.metrics:
        area = told.metrics.pop("ROC area")
        assert abs(area - whole.metrics.pop("ROC area")) <= tied(model, table)
    assert told.metrics == pytest.approx(whole.metrics, rel=1e-12)
    if kind == "number":
        assert told.residuals == pytest.approx(whole.residuals)
        assert np.array_equal(told.pairs, whole.pairs)
    else:
        assert np.array_equal(told.confusion, whole.confusion)


def test_huge_numbers_and_many_rows_keep_their_metrics(monkeypatch):
    monkeypatch.setattr(judging, "KEPT", 500)
    model = TabularModel.fit(rows_with("number", scale=1e200), "y", drop=["w"], recipe=Recipe())
    table = rows_with("number", 3000, seed=1, scale=1e200)
    told, _ = model.judge_pieces(map(model.read, table.iter_slices(170)))
    whole = model.judge(model.encode(table))
    assert told.metrics == pytest.approx(whole.metrics, rel=1e-12)
    assert [told.residuals[q] for q in (0, 1)] == [whole.residuals[q] for q in (0, 1)]
    off = [(told.residuals[q] - whole.residuals[q]) / told.metrics["RMSE"] for q in (0.25, 0.5)]
    assert np.abs(off).max() < 0.2  # three times the noise of a median of 500


def test_scores_are_told_apart_near_one_as_near_zero():
    small = np.array([1e-30, 1e-6, 1.001e-6, 0.4, 0.5])
    yes = np.concatenate([small, 1 - small[::-1]])
    places = judging._place(np.column_stack([np.concatenate([1 - small, small[::-1]]), yes]))
    assert (np.diff(places) > 0).sum() == 8
    assert places[4] == places[5] == judging.HALF >> 11
    assert places.min() >= 0
    assert places.max() < judging.SCORES


def test_the_command_judges_all_rows_of_files_that_are_too_large(tmp_path, monkeypatch, capsys):
    model = TabularModel.fit(rows_with("2"), "y", drop=["w"], recipe=Recipe())
    model.save(tmp_path / "m.backpass")
    for i, part in enumerate(rows_with("2", 3000, seed=1).iter_slices(1000)):
        part.write_parquet(tmp_path / f"{i}.parquet")
    command = ["evaluate", str(tmp_path / "m.backpass"), f"{tmp_path}/*.parquet"]
    assert main(command) == 0
    at_once = capsys.readouterr().out
    monkeypatch.setattr(source, "_memory", lambda: 0)
    monkeypatch.setattr(source, "PIECE", 300)
    assert main(command) == 0
    assert capsys.readouterr().out == at_once
    assert "3000 rows" in " ".join(at_once.split())
    assert model.evaluate(f"{tmp_path}/*.parquet")["accuracy"] > 0.7


def test_a_table_without_any_target_is_refused(tmp_path):
    model = TabularModel.fit(rows_with("2"), "y", drop=["w"], recipe=Recipe())
    rows_with("2").with_columns(y=pl.lit(None, pl.String)).write_csv(tmp_path / "t.csv")
    with pytest.raises(TableError, match="has no values"):
        model.judge_pieces(Source.of(tmp_path / "t.csv").pieces())


@pytest.mark.parametrize("cells", [10**9, 0])  # of memory: all of the files, or none
def test_estimators_take_names_of_files_and_of_the_target(tmp_path, monkeypatch, cells):
    monkeypatch.setattr(source, "_memory", lambda: cells)
    for kind, estimator in (("2", TabularClassifier), ("number", TabularRegressor)):
        rows_with(kind, 1000).drop("w").write_parquet(tmp_path / f"{kind}.parquet")
        fitted = estimator(effort="quick", random_state=0).fit(tmp_path / f"{kind}.parquet", "y")
        new = rows_with(kind, 300, seed=1)
        new.write_csv(tmp_path / f"new-{kind}.csv")
        told = fitted.predict(tmp_path / f"new-{kind}.csv")
        assert np.array_equal(told, fitted.predict(new.select("x")))
        assert fitted.score(new.select("x"), new["y"]) > 0.7
        assert not hasattr(fitted, "oof_predictions_")
        assert fitted.out_of_fold_score_ > 0.7
        with pytest.raises(InputError, match="go with an array of targets"):
            fitted.fit(tmp_path / f"{kind}.parquet", "y", groups=[1])


def test_an_estimator_reads_new_files_as_those_of_its_fit_are_written(tmp_path):
    rows = [f"{i % 9}.{i:03d},5;{i % 50}" for i in range(900)]
    (tmp_path / "old.csv").write_text("\n".join(["x;y", *rows]))
    (tmp_path / "new.csv").write_text("x;z\n1.234;1\n7.500;1\n")  # thousands, as in old.csv
    fitted = TabularRegressor(effort="quick", random_state=0).fit(str(tmp_path / "old.csv"), "y")
    want = fitted.predict({"x": [1234.0, 7500.0]})
    assert np.array_equal(fitted.predict(str(tmp_path / "new.csv")), want)
    assert np.array_equal(fitted.model_.predict(str(tmp_path / "new.csv")), want)
