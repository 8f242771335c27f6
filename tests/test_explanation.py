"""What mattered: held to networks of which it is known, and to differences."""

import numpy as np
import polars as pl
import pytest

from backpass import Network, Recipe, TabularModel
from backpass.cli import main
from backpass.tabular.encoding import TableEncoding
from backpass.tabular.experiment import Question, run_experiment
from backpass.tabular.explanation import (
    calibration,
    column_places,
    effects,
    explain,
    input_gradients,
    raw_values,
)
from backpass.tabular.pack.blending import Blend
from backpass.tabular.pack.pack import Pack, PackedRecipe
from backpass.tabular.preparation import Encoded


def table(rows=400, seed=0):
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "strong": rng.normal(50, 10, rows).round(1),
            "kind": rng.choice(["a", "b", "c"], rows),
            "nothing": rng.normal(size=rows),
            "day": pl.Series(rng.integers(18000, 19000, rows)).cast(pl.Int32).cast(pl.Date),
        }
    )


def pack(width, outputs, seed=0):
    output, loss = ("softmax", "cross_entropy") if outputs > 1 else ("identity", "squared_error")
    recipes = tuple(
        PackedRecipe(
            Recipe(),
            tuple(Network([width, 4, outputs], "tanh", output, loss, seed=[seed, r, k])
                  for k in (0, 1)),
            (1, 1),
        )
        for r in (0, 1)
    )  # fmt: skip
    return Pack(recipes, Blend((0.25, 0.75)))


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("many", [False, True])
def test_the_derivatives_are_those_of_differences(outputs, many):
    X, eps = np.random.default_rng(0).normal(size=(6, 5)), 1e-6
    predictor = pack(5, outputs) if many else pack(5, outputs).first.networks[0]
    classes = predictor.predict(X).argmax(axis=1)
    found = input_gradients(predictor, X)
    for j in range(5):
        step = np.eye(5)[j] * eps
        up, down = (predictor.predict(X + sign * step) for sign in (1, -1))
        slope = ((up - down) / (2 * eps))[np.arange(6), classes]
        np.testing.assert_allclose(found[:, j], slope, atol=1e-8)


def test_effects_of_a_linear_network_sum_to_its_prediction():
    encoder = TableEncoding(dtype="float64", bins=4).fit(table())
    X = encoder.transform(table())
    network = Network([X.shape[1], 1], seed=0)
    moved = effects(network, encoder, X)
    reference = np.zeros((1, X.shape[1]))
    places = column_places(encoder)
    reference[0, places["kind"]] = 1 / 3
    encoder.bins_.encode(reference[:, : encoder.plain_width], reference[:, encoder.plain_width :])
    wanted = network.predict(X) - network.predict(reference)
    np.testing.assert_allclose(moved.sum(axis=1), wanted[:, 0], atol=1e-6)


def test_places_are_all_outputs_each_once():
    encoder = TableEncoding(bins=5).fit(table())
    places = column_places(encoder)
    assert sorted(np.concatenate([*places.values()])) == [*range(encoder.width)]
    names = encoder.get_feature_names_out()
    assert all(names[i].startswith("strong") for i in places["strong"])


def test_a_column_that_decides_matters_and_one_of_noise_does_not():
    rows = table()
    encoder = TableEncoding().fit(rows)
    X = encoder.transform(rows)
    network = Network([X.shape[1], 1], seed=0, dtype="float32")
    network.parameters.flat[:] = 0
    network.parameters.flat[column_places(encoder)["strong"][0]] = 2
    y = network.predict(X)[:, 0]
    found = explain(network, encoder, Encoded(X, y, None), network.predict(X), unit=(100.0, 10.0))
    assert found.importances[0].name == "strong"
    assert 1.7 < found.importances[0].rise < 2.3  # shuffled, R² falls from 1 to about −1
    assert all(abs(i.rise) < 1e-9 for i in found.importances[1:])
    curve = found.dependence[0]
    assert (curve.name, curve.numbers[0]) == ("strong", rows["strong"].min())
    # 10 · 2 · t + 100 of the scaled number t
    assert curve.predictions == sorted(curve.predictions)
    t = X[np.argmax(X[:, 0]), 0]
    assert np.isclose(curve.predictions[-1], 100 + 10 * 2 * t, rtol=1e-5)


def test_numbers_come_back_as_they_stood_in_the_table():
    rows = table()
    encoder = TableEncoding().fit(rows)
    X = encoder.transform(rows)
    column = encoder.columns_[0]
    found = raw_values(column, X[:, 0], encoder.clip)
    np.testing.assert_allclose(found, rows["strong"], rtol=1e-12)


def test_the_part_with_the_largest_errors_is_found():
    rows = table()
    encoder = TableEncoding().fit(rows)
    X = encoder.transform(rows)
    network = Network([X.shape[1], 1], seed=0, dtype="float32")
    network.parameters.flat[:] = 0
    noise = np.random.default_rng(0).normal(size=400)
    y = np.where(rows["kind"] == "b", 5 * noise, noise)
    worst, *_ = explain(
        network, encoder, Encoded(X, y, None), network.predict(X), unit=(0.0, 2.0)
    ).segments
    assert (worst.name, worst.value, worst.measure) == ("kind", "b", "RMSE")
    part = np.sqrt((y[rows["kind"] == "b"] ** 2).mean())
    assert np.isclose(worst.loss, 2 * part)


def test_probabilities_that_are_right_are_calibrated():
    rng = np.random.default_rng(0)
    p = rng.uniform(0.5, 1, 20_000)
    y = (rng.random(20_000) > p).astype(int)
    _, error = calibration(y, np.column_stack([p, 1 - p]))
    assert error < 0.01
    _, error = calibration(y, np.column_stack([p**0.2, 1 - p**0.2]))
    assert error > 0.1


def test_an_experiment_tells_it_and_the_file_predicts_with_reasons(tmp_path, capsys):
    noise = pl.Series(30 * np.random.default_rng(1).normal(size=400))
    rows = table().with_columns(y=pl.col("strong") * 3 + (pl.col("kind") == "a") * 9 + noise)
    experiment = run_experiment(rows, Question("y", effort="quick", compare="none"))
    assert experiment.explanation.importances[0].name == "strong"
    assert experiment.explanation.calibration_error is None
    experiment.model.save(tmp_path / "m.backpass")
    rows[:3].write_csv(tmp_path / "t.csv")
    assert (
        main(["predict", str(tmp_path / "m.backpass"), str(tmp_path / "t.csv"), "--explain"]) == 0
    )
    head, *lines = capsys.readouterr().out.splitlines()
    assert head == "y,why_1,moved_1,why_2,moved_2,why_3,moved_3"
    assert len(lines) == 3
    told = TabularModel.load(tmp_path / "m.backpass").explain_table(rows)
    high = told.filter(rows["strong"] > 70)
    assert (high["why_1"] == "strong").all()
    assert (high["moved_1"] > 20).all()
