"""Wrong arguments from Python: what is called, with which error, and what the message must say.

`test_bad_inputs.py` calls them. Ours are one line; columns of other names and estimators that are
not fitted are refused in scikit-learn's words.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import scipy.sparse as sp

from backpass import MLPClassifier, MLPRegressor, Network
from backpass.errors import InputError, NonFiniteError
from backpass.tabular.model import TabularModel
from backpass.tabular.recipe import Recipe
from backpass.training.checkpoints import Checkpoints

__all__ = ["FAST", "INF", "NAN", "OF_FIT", "RECIPE", "Call", "Given", "again", "put"]

NAN, INF = float("nan"), float("inf")
FAST = {"hidden_layer_sizes": (4,), "max_iter": 2, "random_state": 0}
RECIPE = Recipe(hidden_layer_sizes=(4,), epochs=2)


class Given(NamedTuple):
    """What a call may use; none of it may be changed by it.

    Parameters
    ----------
    X, y, q : array
        Rows (40, 3), two classes, and a quantity.
    frame : pandas.DataFrame
        The rows, with columns a, b and c.
    table : polars.DataFrame
        Columns x, c, w, y (no or yes) and q.
    classifier, regressor, framed : estimator
        Fitted, the last on `frame`.
    model, quantity : TabularModel
        Of y and of q.
    network : Network
        3-4-2.
    """

    X: Any
    y: Any
    q: Any
    frame: Any
    table: Any
    classifier: MLPClassifier
    regressor: MLPRegressor
    framed: MLPClassifier
    model: TabularModel
    quantity: TabularModel
    network: Network


class Call(NamedTuple):
    """A wrong call, the error that it must raise, and words of its message."""

    call: Callable[[Given], Any]
    error: type[Exception]
    words: str


def put(array: Any, place: Any, value: float) -> Any:
    """Return a copy with one other value."""
    changed = np.array(array, dtype=float)
    changed[place] = value
    return changed


# --- rows ----------------------------------------------------------------------------------------

ROWS: dict[str, tuple[Callable[[Given], Any], type[Exception], str]] = {
    "NaN": (lambda g: put(g.X, (2, 1), NAN), InputError, "X contains NaN"),
    "infinity": (lambda g: put(g.X, (2, 1), INF), InputError, "X contains infinity"),
    "one dimension": (lambda g: g.X[:, 0], InputError, "Expected 2D array"),
    "three dimensions": (lambda g: g.X[:, :, None], InputError, "dim 3"),
    "a number": (lambda g: 3, InputError, "Expected 2D array"),
    "None": (lambda g: None, InputError, "Expected 2D array"),
    "no rows": (lambda g: g.X[:0], InputError, "0 sample(s)"),
    "no columns": (lambda g: g.X[:, :0], InputError, "0 feature(s)"),
    "texts": (lambda g: np.full((40, 3), "a"), InputError, "X texts 'a' numbers"),
    "objects": (lambda g: np.full((40, 3), "a", object), InputError, "'a' float"),
    "complex numbers": (lambda g: g.X + 1j, InputError, "Complex data not supported"),
    "ragged lists": (lambda g: [[1, 2], [3]] * 20, InputError, "inhomogeneous"),
    "dates": (lambda g: g.X.astype("M8[D]"), InputError, "dates or times datetime64 numbers"),
    "times": (lambda g: g.X.astype("m8[s]"), InputError, "dates or times timedelta64 numbers"),
    "masked": (lambda g: np.ma.masked_greater(g.X, 1), InputError, "masked X.filled"),
    "sparse NaN": (lambda g: sp.csr_matrix(put(g.X, (2, 1), NAN)), InputError, "X contains NaN"),
    "a column": (lambda g: g.frame["a"], InputError, "2-dimensional container Series"),
    "missing values": (lambda g: g.frame.mask(g.frame > 1), InputError, "X contains NaN"),
    "a text column": (lambda g: g.frame.assign(a="x"), InputError, "'x' float"),
    "a category": (
        lambda g: g.frame.assign(a=pd.Categorical(["u", "v"] * 20)), InputError, "X numbers"
    ),
    "a date column": (lambda g: g.frame.assign(a=pd.Timestamp("2020")), InputError, "DateTime"),
    "columns of one name": (
        lambda g: g.frame.set_axis(["a", "a", "b"], axis=1), InputError, "'a' twice rename"
    ),
    "names of two kinds": (
        lambda g: g.frame.set_axis(["a", 1, "b"], axis=1), InputError, "names strings"
    ),
    "missing values of polars": (
        lambda g: pl.DataFrame({"a": [1.0, None] * 20, "b": g.q, "c": g.q}), InputError, "NaN"
    ),
}  # fmt: skip


def of_rows() -> dict[str, Call]:
    """Return a call of fit, of partial_fit and of predict for rows of every kind."""
    calls = {}
    for name, (make, error, words) in ROWS.items():

        def fit(g: Given, make: Any = make) -> Any:
            return g.classifier.fit(make(g), g.y)

        def partial_fit(g: Given, make: Any = make) -> Any:
            return one_for(make(g), g).partial_fit(make(g), g.y)

        def predict(g: Given, make: Any = make) -> Any:
            return one_for(make(g), g).predict(make(g))

        calls[f"fit: {name}"] = Call(fit, error, words)
        calls[f"partial_fit: {name}"] = Call(partial_fit, error, words)
        calls[f"predict: {name}"] = Call(predict, error, words)
    return calls


def one_for(rows: Any, g: Given) -> MLPClassifier:
    """Return the model that was fitted on rows of this kind, with names of columns or without."""
    return g.framed if hasattr(rows, "columns") else g.classifier


# --- targets, weights, validation data -----------------------------------------------------------

TARGETS = {
    "no targets": Call(lambda g: g.classifier.fit(g.X, None), InputError, "requires y"),
    "targets too few": Call(lambda g: g.classifier.fit(g.X, g.y[:-1]), InputError, "[40, 39]"),
    "targets too many": Call(lambda g: g.regressor.fit(g.X, [*g.q, 1]), InputError, "[40, 41]"),
    "a target NaN": Call(lambda g: g.classifier.fit(g.X, put(g.y, 2, NAN)), InputError, "y NaN"),
    "a target infinite": Call(
        lambda g: g.regressor.fit(g.X, put(g.q, 2, INF)), InputError, "y inf"
    ),
    "quantities as classes": Call(lambda g: g.classifier.fit(g.X, g.q), InputError, "continuous"),
    "several classes a row": Call(
        lambda g: g.classifier.fit(g.X, np.c_[g.y, g.y + 5]), InputError, "Unknown label type"
    ),
    "targets of three dimensions": Call(
        lambda g: g.classifier.fit(g.X, np.zeros((40, 1, 1))), InputError, "dim 3"
    ),
    "labels of two types": Call(
        lambda g: g.classifier.fit(g.X, np.array(["a", 1] * 20, object)), InputError, "y types"
    ),
    "labels with None": Call(
        lambda g: g.classifier.fit(g.X, np.array(["a", None] * 20, object)),
        InputError,
        "y None leave",
    ),
    "complex targets": Call(lambda g: g.regressor.fit(g.X, g.q + 1j), InputError, "Complex"),
    "a target alone": Call(lambda g: g.classifier.fit(g.X, 3), InputError, "at least 1 dimension"),
    "labels for a quantity": Call(
        lambda g: g.regressor.fit(g.X, ["a", "b"] * 20), InputError, "'a' float"
    ),
    "dates for a quantity": Call(
        lambda g: g.regressor.fit(g.X, g.q.astype("M8[D]")), InputError, "y dates numbers"
    ),
    "sparse quantities": Call(
        lambda g: g.regressor.fit(g.X, sp.csr_matrix(np.c_[g.q, g.q])), InputError, "y.toarray()"
    ),
    "negative counts": Call(
        lambda g: MLPRegressor("poisson", **FAST).fit(g.X, g.q), InputError, "at least 0 row"
    ),
    "a missing integer": Call(
        lambda g: g.classifier.fit(g.X, pd.Series([0, None] * 20, dtype="Int64")), InputError, "NaN"
    ),
    "another number of targets": Call(
        lambda g: g.regressor.partial_fit(g.X, np.c_[g.q, g.q]), InputError, "1 output(s) (40, 2)"
    ),
    "a class that is new": Call(
        lambda g: g.classifier.partial_fit(g.X, g.y + 1), InputError, "[2] [0, 1]"
    ),
    "no classes said": Call(
        lambda g: MLPClassifier().partial_fit(g.X, g.y), InputError, "classes first call"
    ),
    "classes without one of y": Call(
        lambda g: MLPClassifier().partial_fit(g.X, g.y, classes=[0, 5]), InputError, "[1] [0, 5]"
    ),
    "classes of two types": Call(
        lambda g: MLPClassifier().partial_fit(g.X, g.y, classes=["a", 1]), InputError, "Mix"
    ),
    "a number for the classes": Call(
        lambda g: MLPClassifier().partial_fit(g.X, g.y, classes=3), InputError, "array-like"
    ),
    "other classes than before": Call(
        lambda g: g.classifier.partial_fit(g.X, g.y, classes=[0, 1, 2]), InputError, "last call"
    ),
    "another width": Call(
        lambda g: g.classifier.partial_fit(g.X[:, :2], g.y), InputError, "2 features 3 features"
    ),
}

WEIGHTS = {
    "too few": (lambda g: np.ones(39), InputError, "(39,) (40,)"),
    "a matrix": (lambda g: np.ones((40, 2)), InputError, "1D array"),
    "negative": (lambda g: put(np.ones(40), 3, -1), InputError, "sample_weight at least 0"),
    "NaN": (lambda g: put(np.ones(40), 3, NAN), InputError, "sample_weight NaN"),
    "infinite": (lambda g: put(np.ones(40), 3, INF), InputError, "sample_weight infinity"),
    "all 0": (lambda g: np.zeros(40), InputError, "non-zero"),
    "of infinite sum": (lambda g: np.full(40, 1e308), InputError, "sample_weight largest"),
    "texts": (lambda g: ["a"] * 40, InputError, "'a' float"),
    "a name": (lambda g: "balanced", InputError, "'balanced' float"),
    "a mapping": (lambda g: {0: 1}, InputError, "dict"),
    "complex": (lambda g: np.ones(40) + 1j, InputError, "Complex"),
}

JUDGES: dict[str, tuple[Callable[[Given], Any], type[Exception], str]] = {
    "no pair": (lambda g: 3, InputError, "(X, y)"),
    "rows alone": (lambda g: (g.X,), InputError, "(X, y)"),
    "four": (lambda g: (g.X, g.y, g.y, g.y), InputError, "(X, y)"),
    "an array": (lambda g: g.X, InputError, "(X, y)"),
    "a mapping": (lambda g: {"X": g.X, "y": g.y}, InputError, "(X, y)"),
    "no rows given": (lambda g: (None, g.y), InputError, "Expected 2D"),
    "another width": (lambda g: (g.X[:, :2], g.y), InputError, "2 features 3"),
    "targets too few": (lambda g: (g.X, g.y[:3]), InputError, "[40, 3]"),
    "NaN in the rows": (lambda g: (put(g.X, (1, 1), NAN), g.y), InputError, "NaN"),
    "NaN in the targets": (lambda g: (g.X, put(g.y, 1, NAN)), InputError, "y NaN"),
    "an unknown class": (lambda g: (g.X, g.y + 5), InputError, "[5, 6] [0, 1]"),
    "empty": (lambda g: (g.X[:0], g.y[:0]), InputError, "0 sample(s)"),
    "negative weights": (lambda g: (g.X, g.y, -np.ones(40)), InputError, "sample_weight"),
    "weights too few": (lambda g: (g.X, g.y, np.ones(3)), InputError, "(3,) (40,)"),
    "texts": (lambda g: (np.full((4, 3), "a"), g.y[:4]), InputError, "X texts numbers"),
}


def of_options() -> dict[str, Call]:
    """Return a call for wrong weights and validation data of every kind."""
    calls = {}
    for name, (make, error, words) in WEIGHTS.items():
        calls[f"weights: {name}"] = Call(
            lambda g, make=make: g.classifier.fit(g.X, g.y, make(g)), error, words
        )
        calls[f"weights of partial_fit: {name}"] = Call(
            lambda g, make=make: g.regressor.partial_fit(g.X, g.q, make(g)), error, words
        )
    for name, (make, error, words) in JUDGES.items():
        calls[f"validation_data: {name}"] = Call(
            lambda g, make=make: g.classifier.fit(g.X, g.y, validation_data=make(g)), error, words
        )
    return calls


def again(g: Given, **parameters: Any) -> MLPClassifier:
    """Return the fitted classifier with other parameters, which are its own."""
    return g.classifier.set_params(**parameters)


FITTING = {
    "X_val alone": Call(lambda g: g.classifier.fit(g.X, g.y, X_val=g.X), InputError, "y_val"),
    "y_val alone": Call(lambda g: g.classifier.fit(g.X, g.y, y_val=g.y), InputError, "X_val"),
    "judged twice": Call(
        lambda g: g.classifier.fit(g.X, g.y, validation_data=(g.X, g.y), X_val=g.X, y_val=g.y),
        InputError,
        "validation_data",
    ),
    "judged on two outputs": Call(
        lambda g: g.regressor.fit(g.X, g.q, validation_data=(g.X, np.c_[g.q, g.q])),
        InputError,
        "validation_data 2 output(s) 1",
    ),
    "an unknown metric": Call(
        lambda g: MLPClassifier(early_stopping=True, early_stopping_metric="acc").fit(g.X, g.y),
        InputError,
        "'acc' scoring",
    ),
    "too few rows to hold out": Call(
        lambda g: MLPClassifier(early_stopping=True).fit(g.X[:4], g.y[:4]),
        InputError,
        "validation_fraction=0.1 of 4 rows",
    ),
    "nothing to hold out": Call(
        lambda g: MLPClassifier(early_stopping=True, validation_fraction=0).fit(g.X, g.y),
        InputError,
        "validation_fraction=0 of 40 rows",
    ),
    "a class of one row to hold out": Call(
        lambda g: MLPClassifier(early_stopping=True).fit(g.X, np.arange(40) == 7),
        InputError,
        "least populated more rows",
    ),
    "one row to hold out": Call(
        lambda g: MLPRegressor(early_stopping=True).fit(g.X[:2], g.q[:2]), InputError, "too small"
    ),
    "partial_fit of L-BFGS": Call(
        lambda g: again(g, solver="lbfgs").partial_fit(g.X, g.y), AttributeError, "partial_fit"
    ),
    "partial_fit that stops early": Call(
        lambda g: again(g, early_stopping=True).partial_fit(g.X, g.y), InputError, "early_stopping"
    ),
    "warm_start with other classes": Call(
        lambda g: again(g, warm_start=True).fit(g.X, g.y + 1), InputError, "warm_start [0 1] [1 2]"
    ),
    "warm_start with another width": Call(
        lambda g: again(g, warm_start=True).fit(g.X[:, :2], g.y), InputError, "2 features 3"
    ),
    "warm_start with bad validation data": Call(
        lambda g: again(g, warm_start=True).fit(g.X, g.y, validation_data=(g.X, g.y[:3])),
        InputError,
        "[40, 3]",
    ),
    "warm_start with other layers": Call(
        lambda g: again(g, warm_start=True, hidden_layer_sizes=(9,)).fit(g.X, g.y),
        InputError,
        "hidden_layer_sizes=(9,) warm_start=False",
    ),
    "partial_fit with other layers": Call(
        lambda g: again(g, hidden_layer_sizes=(4, 4)).partial_fit(g.X, g.y),
        InputError,
        "hidden_layer_sizes=(4, 4) set it back",
    ),
    "a solver with a capital": Call(
        lambda g: again(g, solver="Adam").fit(g.X, g.y), InputError, "'Adam' did you mean 'adam'?"
    ),
    "warm_start with an activation too many": Call(
        lambda g: again(g, warm_start=True, activation=["tanh", "relu"]).fit(g.X, g.y),
        InputError,
        "activation 2 1 hidden",
    ),
    "partial_fit with another loss": Call(
        lambda g: again(g, loss="hinge").partial_fit(g.X, g.y), InputError, "loss='hinge'"
    ),
    "an output's activation for hidden layers": Call(
        lambda g: again(g, activation="softmax").fit(g.X, g.y), InputError, "layer 1 'softmax'"
    ),
    "a loss of wrong numbers": Call(
        lambda g: again(g, loss="huber:delta=0").fit(g.X, g.y), InputError, "huber delta positive"
    ),
    "checkpoints of L-BFGS": Call(
        lambda g: again(g, solver="lbfgs").fit(g.X, g.y, checkpoint="new"), InputError, "solver"
    ),
    "resume without checkpoints": Call(
        lambda g: g.classifier.fit(g.X, g.y, resume=True), InputError, "checkpoint=FOLDER"
    ),
    "checkpoints in a file": Call(
        lambda g: g.classifier.fit(g.X, g.y, checkpoint="notes"), InputError, "notes is a file"
    ),
    "checkpoints of another run": Call(
        lambda g: g.classifier.fit(g.X, g.y, checkpoint="run"), InputError, "run resume=True"
    ),
    "checkpoints of other data": Call(
        lambda g: g.classifier.fit(g.X, g.y, checkpoint="run", resume=True), InputError, "run/"
    ),
    "checkpoints every NaN": Call(
        lambda g: g.classifier.fit(g.X, g.y, checkpoint="c", checkpoint_every=NAN),
        InputError,
        "nan",
    ),
    "checkpoints every now and then": Call(
        lambda g: Checkpoints("c", every="now"), InputError, "checkpoint_every 'now'"
    ),
    "a loss that overflows": Call(
        lambda g: MLPRegressor(solver="sgd", learning_rate_init=1e3, random_state=0).fit(
            g.X * 1e3, g.q * 1e3
        ),
        NonFiniteError,
        "epoch step learning rate lower",
    ),
    "weights that overflow": Call(
        lambda g: g.regressor.set_params(warm_start=True, learning_rate_init=1e300).fit(g.X, g.q),
        NonFiniteError,
        "learning rate",
    ),
}

OF_FIT = {**of_rows(), **TARGETS, **of_options(), **FITTING}
