"""The model of a table: what it learns, what it promises, its file."""

import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    log_loss,
    mean_absolute_error,
    mean_squared_error,
    r2_score,
    recall_score,
    roc_auc_score,
)

from backpass.errors import InputError, ModelFileError, TableError
from backpass.tabular.files import table_bytes
from backpass.tabular.metrics import (
    accuracy,
    class_metrics,
    evaluate_classes,
    evaluate_numbers,
    number_metrics,
    r_squared,
)
from backpass.tabular.model import TabularModel
from backpass.tabular.recipe import RECIPE, Recipe
from backpass.tabular.selection import original_rows, sample_weights, usable_rows

SMALL = replace(RECIPE, hidden_layer_sizes=(8,), epochs=15, dropout=0.0)


def flats(rows=200, seed=0):
    rng = np.random.default_rng(seed)
    size = rng.uniform(20, 120, rows)
    city = rng.choice(["Bonn", "Oslo"], rows)
    price = 5 * size + 100 * (city == "Oslo") + rng.normal(0, 5, rows)
    return pl.DataFrame({"size": size, "city": city, "price": price, "dear": price > 400})


@pytest.fixture(scope="module")
def dear():
    return TabularModel.fit(flats().drop("price"), "dear", recipe=SMALL)


@pytest.fixture(scope="module")
def price():
    return TabularModel.fit(flats().drop("dear"), "price", recipe=replace(SMALL, epochs=60))


def test_it_learns(dear, price):
    new = flats(seed=1)
    assert dear.evaluate(new)["accuracy"] > 0.85
    assert price.evaluate(new)["R²"] > 0.85
    assert len(price.metric_curve) == price.history.epochs
    assert max(dear.metric_curve) > 0.8


def test_predictions_are_as_the_column_had_them(dear, price):
    new = flats(7, seed=2)
    assert dear.predict(new).dtype == pl.Boolean
    assert price.predict(new).dtype == pl.Float64
    told = dear.predict_table(new, proba=True)
    assert told.columns == ["dear", "dear=false", "dear=true"]
    assert np.allclose(told["dear=false"] + told["dear=true"], 1)
    assert (told["dear"] == (told["dear=true"] > 0.5)).all()
    with pytest.raises(InputError, match="'price' is a quantity"):
        price.predict_proba(new)


def test_rows_are_predicted_one_by_one_whatever_comes_with_them(price):
    new = flats(9000, seed=3)
    whole = price.predict(new).to_numpy()
    order = np.random.default_rng(0).permutation(9000)
    assert np.allclose(price.predict(new[order]), whole[order], rtol=1e-4)
    assert np.allclose(price.predict(new.select(reversed(new.columns)))[:5], whole[:5], rtol=1e-4)
    assert len(price.predict(new.clear())) == 0


def test_pandas_and_mappings_are_taken_like_polars(dear):
    new = flats(20, seed=4)
    want = dear.predict(new).to_list()
    assert dear.predict(pd.DataFrame(new.to_dict(as_series=False))).to_list() == want
    assert dear.predict(new.to_dict(as_series=False)).to_list() == want


def test_the_same_seed_trains_the_same_network(dear):
    again = TabularModel.fit(flats().drop("price"), "dear", recipe=SMALL)
    assert np.array_equal(again.network.parameters.flat, dear.network.parameters.flat)
    other = TabularModel.fit(flats().drop("price"), "dear", recipe=SMALL, seed=1)
    assert not np.array_equal(other.network.parameters.flat, dear.network.parameters.flat)


def test_only_ratios_of_weights_count_and_zero_leaves_a_row_out():
    frame = flats().drop("price").with_columns(w=pl.int_range(200) % 3)
    recipe = replace(SMALL, epochs=2)

    def fit(table):
        model = TabularModel.fit(table, "dear", sample_weight="w", recipe=recipe)
        return model.network.parameters.flat

    want = fit(frame)
    assert np.array_equal(fit(frame.with_columns(pl.col("w") * 4)), want)
    assert np.array_equal(fit(frame.with_columns(pl.col("w") * 1e280)), want)
    assert np.array_equal(fit(frame.filter(pl.col("w") > 0)), want)


def test_weights_are_no_input_and_need_not_be_there_later():
    frame = flats().drop("price").with_columns(w=1.0)
    model = TabularModel.fit(frame, "dear", sample_weight="w", recipe=replace(SMALL, epochs=1))
    assert [c.name for c in model.encoder.describe()] == ["size", "city"]
    assert model.evaluate(frame.drop("w")) == model.evaluate(frame)


def test_a_file_gives_the_same_model(dear, price, tmp_path):
    for model in (dear, price):
        path = tmp_path / "m.backpass"
        model.save(path)
        loaded = TabularModel.load(path)
        new = flats(30, seed=5)
        assert loaded.predict(new).equals(model.predict(new))
        assert (loaded.recipe, loaded.seed, loaded.target) == (SMALL, 0, model.target) or (
            loaded.recipe == model.recipe
        )
        assert loaded.history.best_epoch == model.history.best_epoch
        assert (loaded.seconds, loaded.n_rows) == (model.seconds, 200)
        first = path.read_bytes()
        loaded.save(path)
        assert path.read_bytes() == first


def test_a_file_whose_parts_do_not_fit_is_refused(dear, tmp_path):
    from backpass.storage.container import read_container, write_container
    from backpass.tabular.model_file import MODEL_SCHEMA

    path = tmp_path / "m.backpass"
    dear.save(path)
    meta, tensors = read_container(path, "model", MODEL_SCHEMA)
    meta["network"]["sizes"][0] += 1
    write_container(path, "model", meta, tensors)
    with pytest.raises(ModelFileError, match=r"m\.backpass.*does not fit"):
        TabularModel.load(path)
    meta["network"]["sizes"][0] -= 1
    write_container(path, "model", meta, {**tensors, "encoder.x": np.zeros(3)})
    with pytest.raises(ModelFileError, match=r"m\.backpass: tensor 'encoder\.x' belongs to no"):
        TabularModel.load(path)
    tensors["network.flat"][3] = np.nan
    write_container(path, "model", meta, tensors)
    with pytest.raises(ModelFileError, match="not a finite number"):
        TabularModel.load(path)


def test_text_columns_are_kept_as_text():
    table = {"zip": ["01", "02"] * 30, "y": ["1", "2"] * 30}
    model = TabularModel.fit(table, "y", recipe=replace(SMALL, epochs=1))
    assert model.text_columns() == ["zip", "y"]


def test_a_callback_stops_and_time_runs_out():
    model = TabularModel.fit(flats(), "dear", recipe=SMALL, on_epoch=lambda h: h.epochs == 2)
    assert model.history.stop_reason == "callback"
    assert model.history.epochs == 2
    slow = replace(SMALL, epochs=100_000, patience=100_000)
    model = TabularModel.fit(flats(), "dear", recipe=slow, time_limit=0.2)
    assert model.history.stop_reason == "time_limit"
    assert model.seconds < 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "prize"}, "no column 'prize'.*did you mean 'price'"),
        ({"target": "price", "drop": ["price"]}, "'price' is the target"),
        ({"target": "price", "drop": ["size", "city", "dear"]}, "no columns are left"),
        ({"target": "price", "sample_weight": "price"}, "cannot hold the sample weights"),
        ({"target": "price", "categorical": ["no"]}, "no column 'no'"),
        ({"target": "price", "weights": "size"}, "no 'weights'; did you mean 'sample_weight'"),
        ({"target": "price", "max_iter": 9}, r"'max_iter'; .*recipe=Recipe\(epochs="),
        ({"target": "price", "colour": 9}, "no 'colour'; known: table, target, task"),
    ],
)
def test_wrong_arguments_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        TabularModel.fit(flats(), **options)


def test_a_recipe_knows_what_a_setting_is_called_elsewhere():
    with pytest.raises(InputError, match="unknown setting 'lr'; did you mean 'learning_rate'"):
        Recipe(lr=0.1)
    with pytest.raises(InputError, match="unknown setting 'colour'; known: hidden_layer_sizes"):
        replace(RECIPE, colour="red")


def test_rows_in_messages_are_those_of_the_table():
    frame = flats().with_columns(size=pl.when(pl.int_range(200) == 7).then(np.inf).otherwise(1.0))
    frame = frame.with_columns(dear=pl.when(pl.int_range(200) < 3).then(None).otherwise("dear"))
    with pytest.raises(TableError, match="column 'size', row 8: inf"):
        TabularModel.fit(frame, "dear")


def test_row_numbers_within_quotes_stay():
    with (
        pytest.raises(TableError, match=r"^t: column 'row 1', row 6: 'row 2' is not"),
        original_rows(np.array([5, 9]), "t"),
    ):
        raise TableError("column 'row 1', row 1: 'row 2' is not a number")


def test_weights_are_checked():
    frame = pl.DataFrame({"y": [1, 2, 3], "w": [1.0, 0.0, 3.0]})
    assert usable_rows(frame, "y", "w").tolist() == [0, 2]
    assert sample_weights(frame, "w").mean() == pytest.approx(1)
    with pytest.raises(TableError, match="all weights are 0"):
        usable_rows(frame.with_columns(w=0), "y", "w")


@given(
    st.integers(2, 4), st.integers(2, 40), st.booleans(), st.integers(0, 2**32 - 1), st.booleans()
)
def test_metrics_agree_with_scikit_learn(k, n, weighted, seed, ties):
    rng = np.random.default_rng(seed)
    y, p = rng.integers(0, k, n), rng.dirichlet(np.ones(k), n)
    if ties:
        p = np.round(p, 1) + 0.05
        p /= p.sum(axis=1, keepdims=True)
    s = rng.random(n) + 0.01 if weighted else None
    decided, found = p.argmax(axis=1), class_metrics(y, p, s)
    assert found["accuracy"] == pytest.approx(accuracy_score(y, decided, sample_weight=s))
    assert accuracy(y, p, s) == pytest.approx(found["accuracy"])
    want = recall_score(y, decided, labels=np.unique(y), average="macro", sample_weight=s)
    assert found["balanced accuracy"] == pytest.approx(want)
    want = log_loss(y, p, labels=np.arange(k), sample_weight=s)
    assert found["log-loss"] == pytest.approx(want)
    assert ("ROC area" in found) == (k == 2 and len(np.unique(y)) == 2)
    if "ROC area" in found:
        want = roc_auc_score(y, p[:, 1], sample_weight=s)
        assert found["ROC area"] == pytest.approx(want)
    numbers = rng.normal(size=n)
    guess = numbers + rng.normal(size=n)
    found = number_metrics(numbers, guess, s)
    assert found["R²"] == pytest.approx(r2_score(numbers, guess, sample_weight=s))
    assert found["MAE"] == pytest.approx(mean_absolute_error(numbers, guess, sample_weight=s))
    want = mean_squared_error(numbers, guess, sample_weight=s) ** 0.5
    assert found["RMSE"] == pytest.approx(want)


def test_r_squared_of_equal_numbers_is_none():
    assert np.isnan(r_squared(np.ones(3), np.ones(3)))


def test_evaluations_count_every_row():
    y = np.array([0, 1, 2, 2])
    test = evaluate_classes(y, np.eye(3)[[0, 2, 2, 2]], None, ("a", "b", "c"))
    assert test.confusion.tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 2]]
    numbers = np.arange(5000.0)
    test = evaluate_numbers(numbers, numbers + 1, None)
    assert set(test.residuals.values()) == {1.0}
    assert len(test.pairs) == 1500
    assert (test.pairs[:, 1] - test.pairs[:, 0] == 1).all()


def test_tables_are_written_as_they_are_read():
    frame = pl.DataFrame({"a": ["x,y", 'q"', None], "b": [1.5, None, 2.0]})
    assert pl.read_csv(table_bytes(frame)).equals(frame)
    assert pl.read_csv(table_bytes(frame, ".tsv"), separator="\t").equals(frame)
    assert pl.read_parquet(table_bytes(frame, ".parquet")).equals(frame)


def test_f1_and_brier_are_scikit_learns():
    from sklearn.metrics import brier_score_loss, f1_score

    rng = np.random.default_rng(0)
    for k in (2, 3):
        y, p = rng.integers(0, k, 80), rng.dirichlet(np.ones(k), 80)
        s = rng.uniform(0.5, 2, 80)
        found = class_metrics(y, p, s)
        f1 = f1_score(y, p.argmax(axis=1), average="macro", sample_weight=s)
        assert found["F1"] == pytest.approx(f1)
        brier = brier_score_loss(y, p if k > 2 else p[:, 1], sample_weight=s)
        assert found["Brier"] == pytest.approx(brier)


@pytest.mark.parametrize("way", [{"recipe": Recipe(epochs=8)}, {"effort": "quick"}])
def test_rare_classes_are_found_where_classes_count_alike(way):
    rng = np.random.default_rng(0)
    x = rng.normal(size=1000)
    rare = rng.random(1000) < 0.2 / (1 + np.exp(-2 * x))
    table = pl.DataFrame({"x": x, "y": np.where(rare, "rare", "usual")})
    usual, balanced = (
        TabularModel.fit(table, "y", class_weight=weight, **way).predict(table)
        for weight in (None, "balanced")
    )
    assert (usual == "rare").mean() < 0.1 < (balanced == "rare").mean() < 0.7
    numbers = table.with_columns(z=pl.Series(rng.normal(size=1000)))
    with pytest.raises(InputError, match="class_weight: the target 'z' is a quantity"):
        TabularModel.fit(numbers, "z", class_weight="balanced", **way)


def test_predicting_in_threads_leaves_the_filters_of_warnings_as_they_were():
    table = pl.DataFrame({"x": [float(i) for i in range(40)], "y": [i % 3 for i in range(40)]})
    model = TabularModel.fit(table, "y", recipe=Recipe(epochs=1))
    before = [*warnings.filters]
    with ThreadPoolExecutor(8) as pool:
        [*pool.map(lambda _: model.predict(table), range(200))]
    assert warnings.filters == before


def test_probabilities_sum_to_one_in_float64():
    table = pl.DataFrame({"x": [float(i) for i in range(40)], "y": ["a", "b", "c", "d"] * 10})
    chances = TabularModel.fit(table, "y", recipe=Recipe(epochs=1)).predict_proba(table)
    np.testing.assert_allclose(chances.to_numpy().sum(axis=1), 1, rtol=1e-15)


@pytest.mark.parametrize("rows", [2, 3])
def test_too_few_rows_for_a_pack_are_named(rows):
    table = pl.DataFrame({"x": [1.0, 2.0, 3.0][:rows], "y": [0.5, 1.5, 2.5][:rows]})
    with pytest.raises(TableError, match="too few to learn from; give at least 4"):
        TabularModel.fit(table, "y", task="regression")


@pytest.mark.parametrize("way", [{"recipe": Recipe(epochs=8)}, {"effort": "quick"}])
def test_costs_move_the_decision_and_nothing_else(way, tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=600)
    ill = rng.random(600) < 0.3 / (1 + np.exp(-3 * x))
    table = pl.DataFrame({"x": x, "y": np.where(ill, "ill", "well")})
    plain = TabularModel.fit(table, "y", **way)
    model = TabularModel.fit(table, "y", costs={"ill": 9}, **way)
    assert model.predict_proba(table).equals(plain.predict_proba(table))
    p = model.predict_proba(table)["ill"].to_numpy()
    assert ((model.predict(table) == "ill").to_numpy() == (9 * p > 1 - p)).all()
    predicted = model.predict(table).to_list()
    wrong = (table["y"] != pl.Series(predicted)).to_numpy()
    missed = np.where(ill, 9, 1) * wrong
    assert model.evaluate(table)["cost"] == pytest.approx(missed.mean())
    assert model.evaluate(table)["cost"] < 9 * ill.mean()
    model.save(tmp_path / "m.backpass")
    assert TabularModel.load(tmp_path / "m.backpass").predict(table).to_list() == predicted


@pytest.mark.parametrize(
    ("costs", "message"),
    [
        ({"sick": 2}, "target 'y' has no class 'sick'; it has 'a', 'b'"),
        ({"a": 0}, "that of 'a' must be above 0, not 0"),
        ({"a": "much"}, "must be above 0, not 'much'"),
        ([1, 2], r"costs must be numbers by class, not \[1, 2\]"),
    ],
)
def test_wrong_costs_are_refused(costs, message):
    table = {"x": list(range(20)), "y": ["a", "b"] * 10}
    with pytest.raises(InputError, match=message):
        TabularModel.fit(table, "y", costs=costs)
