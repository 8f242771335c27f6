"""The loss of a network that is trained on a table: which fit, what is kept, what is refused."""

import numpy as np
import polars as pl
import pytest

from backpass import InputError, Network, Recipe, TabularModel, check_gradients
from backpass.cli import main
from backpass.core.losses import LOSSES
from backpass.tabular.experiment import Question
from backpass.tabular.explanation import input_gradients

NUMBERS = {"squared_error", "absolute_error", "huber", "pinball", "shortfall"}
TARGETS = {"kind": {"squared_error", "cross_entropy"}, "price": NUMBERS}


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    size = rng.normal(50, 10, 90).round(1)
    columns = {"size": size, "city": rng.choice(["Bonn", "Oslo"], 90), "price": 3 * size + 7}
    return pl.DataFrame(columns).with_columns(kind=pl.Series(np.digitize(size, [45, 55])).cast(str))


def fitted(table, target, loss, **more):
    recipe = Recipe(hidden_layer_sizes=(4,), activation="tanh", epochs=2, loss=loss, **more)
    return TabularModel.fit(table, target, recipe=recipe, seed=0)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_trains_and_is_kept_or_is_refused_with_those_that_fit(table, tmp_path, target, loss):
    if loss not in TARGETS[target]:
        with pytest.raises(
            InputError, match=f"{loss!r} does not fit the target {target!r}"
        ) as told:
            fitted(table, target, loss)
        assert {*str(told.value).partition("these do: ")[2].split(", ")} == TARGETS[target]
        return
    model = fitted(table, target, loss)
    model.save(tmp_path / "m.backpass")
    again = TabularModel.load(tmp_path / "m.backpass")
    assert again.network.model.loss.name == again.recipe.loss == loss
    assert again.predict(table).to_list() == model.predict(table).to_list()
    assert check_gradients(again, table[:8]).passed


def test_a_recipe_without_a_loss_has_the_file_it_had():
    assert "loss" not in Recipe().to_json()
    assert Recipe.from_json(Recipe().to_json()).loss is None


def test_classes_are_one_hot_to_the_squared_error(table):
    model = fitted(table, "kind", "squared_error")
    network, X, y, _ = model.rows_for_network(table)
    assert (y.sum(axis=1) == 1).all()
    assert y.argmax(axis=1).astype(str).tolist() == table["kind"].to_list()
    by_hand = 0.5 * ((network.predict(X) - y) ** 2).sum(axis=1).mean()
    assert network.loss(X, y) == pytest.approx(by_hand, rel=1e-6)


@pytest.mark.parametrize(
    ("target", "loss"),
    [("price", "pinball:tau=0.9"), ("kind", "cross_entropy:label_smoothing=0.2")],
)
def test_what_moves_a_row_does_not_depend_on_the_loss(table, target, loss):
    model = fitted(table, target, loss)
    network, X, *_ = model.rows_for_network(table[:5])
    X, eps = X.astype(np.float64), 1e-6
    network = Network.from_arrays(
        [W.astype(float) for W in network.weights],
        [b.astype(float) for b in network.biases],
        *(phi.name for phi in network.model.activations),
        loss=loss,
    )
    shown = network.predict(X).argmax(axis=1)
    found = input_gradients(network, X)
    for j in range(X.shape[1]):
        up, down = (network.predict(X + sign * eps * np.eye(X.shape[1])[j]) for sign in (1, -1))
        slope = ((up - down) / (2 * eps))[np.arange(5), shown]
        assert found[:, j] == pytest.approx(slope, abs=1e-8)


def test_two_losses_are_not_weighed_against_each_other():
    with pytest.raises(InputError, match="a loss is of a single network"):
        Question("price", effort="quick", recipe=Recipe(loss="huber"))
    with pytest.raises(InputError, match="give label_smoothing with the loss"):
        Recipe(loss="cross_entropy", label_smoothing=0.1)


def test_the_command_keeps_the_loss_and_resumes_with_no_other(table, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    table.write_csv("t.csv")
    line = "fit t.csv -t price --drop kind --hidden 2 --epochs 2 --compare none --checkpoint run"
    assert main([*line.split(), "--loss", "huber:delta=2"]) == 0
    model = TabularModel.load("t.backpass")
    assert model.network.model.loss.numbers == {"delta": 2.0}
    assert main([*line.split(), "--resume", "--loss", "absolute_error"]) == 2
    assert "loss is huber:delta=2.0 there and absolute_error here" in capsys.readouterr().err
