"""trace, check_gradients and explain_mismatch take the same models: each as its bare network."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from backpass import (
    MLPClassifier,
    MLPRegressor,
    Network,
    Recipe,
    check_gradients,
    explain_mismatch,
    trace,
)
from backpass.errors import InputError
from backpass.tabular.model import TabularModel
from helpers import assert_identical

rng = np.random.default_rng(0)
X = rng.normal(size=(30, 3))
NUMBERS = X @ [1.0, -2.0, 0.5]
LABELS = np.where(NUMBERS > 0, "yes", "no")
TABLE = pl.DataFrame({"a": X[:, 0], "b": X[:, 1], "group": ["u", "v", "w"] * 10, "t": LABELS})
WEIGHTED = TABLE.with_columns(w=np.arange(30) % 4)


def table_model(table, **options):
    """Return a model of a table that has not been trained long."""
    recipe = Recipe(hidden_layer_sizes=(4,), epochs=1)
    return TabularModel.fit(table, "t", recipe=recipe, **options)


def estimator(kind, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that two epochs are few
        return kind(
            hidden_layer_sizes=(4,), max_iter=2, early_stopping=False, alpha=0.5, random_state=0
        ).fit(X, y)


def cases():
    """Yield a model, its rows and targets, and the network with what it is given for them."""
    network = Network([3, 4, 1], "tanh", seed=0)
    yield "network", network, X, NUMBERS, (network, X, NUMBERS, None, 0.0)
    for name, kind, y, encoded in (
        ("classifier", MLPClassifier, LABELS, (LABELS == "yes").astype(int)),
        ("regressor", MLPRegressor, NUMBERS, NUMBERS),
    ):
        model = estimator(kind, y)
        yield name, model, X, y, (model.network_, X, encoded, None, 0.5)
    scaled = StandardScaler().fit(X)
    pipeline = make_pipeline(scaled, estimator(MLPRegressor, NUMBERS))
    rows = scaled.transform(X)
    yield "pipeline", pipeline, X, NUMBERS, (pipeline[-1].network_, rows, NUMBERS, None, 0.5)
    for name, table in (("table", TABLE), ("weighted table", WEIGHTED)):
        model = table_model(table, sample_weight="w" if "w" in table.columns else None)
        yield name, model, table, None, (model.network, *model.encode(table), 0.0)
    model = table_model(TABLE)
    yield (
        "pandas",
        model,
        pd.DataFrame(TABLE.to_dict()),
        None,
        (model.network, *model.encode(TABLE), 0.0),
    )
    other = LABELS[::-1]
    swapped = TABLE.with_columns(t=pl.Series(other))
    yield "its own targets", model, TABLE, other, (model.network, *model.encode(swapped), 0.0)


CASES = {name: case for name, *case in cases()}


@pytest.mark.parametrize("name", CASES)
def test_a_model_is_taken_as_its_network_with_encoded_rows(name):
    model, rows, y, (network, X, targets, s, alpha) = CASES[name]
    bare = trace(network, X, targets, sample_weight=s, alpha=alpha)
    seen = trace(model, rows, y)
    for key, array in bare.recording.arrays.items():
        assert_identical(seen.recording.arrays[key], array, str(key))
    ours = check_gradients(network, X, targets, sample_weight=s, alpha=alpha, entries=5)
    assert check_gradients(model, rows, y, entries=5).to_dict() == ours.to_dict()
    gradients = network.loss_and_gradients(X, targets, s, alpha=alpha)[1]
    assert explain_mismatch(model, rows, y, gradients).right


@pytest.mark.parametrize("of", [trace, check_gradients, explain_mismatch])
def test_targets_are_missed_where_only_a_table_would_have_them(of):
    answer = (np.ones((3, 1)),) if of is explain_mismatch else ()
    for name in ("network", "regressor"):
        with pytest.raises(InputError, match="y is missing: give the targets"):
            of(CASES[name][0], X, None, *answer)


@pytest.mark.parametrize("of", [trace, check_gradients])
def test_other_models_are_refused(of):
    with pytest.raises(InputError, match=r"give a Network, .* or TabularModel of backpass, not a"):
        of(StandardScaler(), X, NUMBERS)
