"""Wrong calls of fitted models, of networks and of models of tables; see `bad_arguments`."""

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import scipy.sparse as sp
from sklearn.exceptions import NotFittedError

from backpass import MLPClassifier, Network, train
from backpass.errors import InputError, ModelFileError, NonFiniteError, TableError
from backpass.tabular.model import TabularModel
from backpass.tabular.recipe import Recipe
from bad_arguments import FAST, INF, NAN, OF_FIT, RECIPE, Call, Given, again, put

__all__ = ["CALLS"]

# --- estimators ----------------------------------------------------------------------------------

PREDICTING = {
    "predict another width": Call(lambda g: g.classifier.predict(g.X[:, :2]), InputError, "2 3"),
    "predict sparse of another width": Call(
        lambda g: g.classifier.predict(sp.csr_matrix(g.X[:, :2])), InputError, "2 features 3"
    ),
    "predict columns in another order": Call(
        lambda g: g.framed.predict(g.frame[["b", "a", "c"]]), ValueError, "same order"
    ),
    "predict columns of polars in another order": Call(
        lambda g: g.framed.predict(pl.DataFrame({"b": g.q, "a": g.q, "c": g.q})),
        ValueError,
        "same order",
    ),
    "predict a column renamed": Call(
        lambda g: g.framed.predict(g.frame.rename(columns={"a": "z"})), ValueError, "- z - a"
    ),
    "predict a column less": Call(
        lambda g: g.framed.predict(g.frame[["a", "b"]]), ValueError, "missing - c"
    ),
    "predict a column more": Call(
        lambda g: g.framed.predict(g.frame.assign(d=1.0)), ValueError, "unseen - d"
    ),
    "predict unfitted": Call(lambda g: MLPClassifier().predict(g.X), NotFittedError, "fit"),
    "probabilities unfitted": Call(
        lambda g: MLPClassifier().predict_proba(g.X), NotFittedError, "fit"
    ),
    "probabilities of a margin": Call(
        lambda g: MLPClassifier(loss="hinge", **FAST).fit(g.X, g.y).predict_proba(g.X),
        AttributeError,
        "predict_proba",
    ),
    "weights unfitted": Call(lambda g: MLPClassifier().coefs_, AttributeError, "coefs_ before fit"),
    "weights of other shapes": Call(
        lambda g: setattr(g.classifier, "coefs_", [g.X]), InputError, "coefs_ (3, 4)"
    ),
    "weights that are NaN": Call(
        lambda g: setattr(g.classifier, "intercepts_", [np.full(4, NAN), np.zeros(1)]),
        InputError,
        "intercepts_ not finite",
    ),
    "score too few targets": Call(
        lambda g: g.classifier.score(g.X, g.y[:3]), InputError, "[3, 40]"
    ),
    "an unknown parameter": Call(lambda g: again(g, hidden=3), ValueError, "'hidden' Valid"),
    "an unknown engine to predict": Call(
        lambda g: again(g, engine="gpu").predict(g.X), InputError, "'gpu' known"
    ),
}

NETWORKS = {
    "no sizes": Call(lambda g: Network(None), InputError, "sizes None"),
    "one size": Call(lambda g: Network([3]), InputError, "sizes at least two [3]"),
    "a size of 0": Call(lambda g: Network([3, 0, 1]), InputError, "at least 1 [3, 0, 1]"),
    "sizes of text": Call(lambda g: Network("3-4"), InputError, "sizes integers '3-4'"),
    "half a unit": Call(lambda g: Network([3, 2.5, 1]), InputError, "integers 2.5"),
    "sizes beyond memory": Call(lambda g: Network([10**12, 10**12]), InputError, "memory fewer"),
    "an unknown activation": Call(lambda g: Network([3, 4, 1], "rel"), InputError, "'relu'"),
    "no activation": Call(lambda g: Network([3, 4, 1], None), InputError, "activation None"),
    "too many activations": Call(lambda g: Network([3, 4, 1], ["relu"] * 2), InputError, "2 1"),
    "an unknown loss": Call(lambda g: Network([3, 1], loss="mse"), InputError, "squared_error"),
    "a loss that does not fit": Call(
        lambda g: Network([3, 2], output="softmax", loss="poisson"), InputError, "exp, softplus"
    ),
    "an unknown initializer": Call(lambda g: Network([3, 1], init="x"), InputError, "'x' known"),
    "half precision": Call(lambda g: Network([3, 1], dtype="float16"), InputError, "float32"),
    "no dtype": Call(lambda g: Network([3, 1], dtype="x"), InputError, "float32 float64 'x'"),
    "a negative seed": Call(lambda g: Network([3, 1], seed=-1), InputError, "seed -1"),
    "a seed of text": Call(lambda g: Network([3, 1], seed="x"), InputError, "seed 'x'"),
    "network: width": Call(lambda g: g.network.predict(g.X[:, :2]), InputError, "(40, 2) 3"),
    "network: texts": Call(lambda g: g.network.predict([["a"] * 3]), InputError, "X numbers"),
    "network: ragged": Call(lambda g: g.network.predict([[1], [1, 2]]), InputError, "X array"),
    "network: None": Call(lambda g: g.network.predict(None), InputError, "X shape 3"),
    "network: engine": Call(lambda g: g.network.predict(g.X, engine="x"), InputError, "engine"),
    "network: targets": Call(
        lambda g: g.network.loss(g.X, g.y), InputError, "(40, 1) 2 output(s) (n_samples, 2)"
    ),
    "network: rows": Call(
        lambda g: g.network.loss(g.X, np.zeros((3, 2))), InputError, "40 rows 3 match"
    ),
    "network: no rows": Call(
        lambda g: g.network.loss(g.X[:0], np.zeros((0, 2))), InputError, "not be empty"
    ),
    "network: texts as targets": Call(
        lambda g: g.network.loss_and_gradients(g.X, [["a", "b"]] * 40), InputError, "y numbers"
    ),
    "network: weights": Call(
        lambda g: g.network.loss(g.X, np.c_[g.q, g.q], -np.ones(40)), InputError, "sample_weight"
    ),
    "network: weights of text": Call(
        lambda g: g.network.loss(g.X, np.c_[g.q, g.q], "x"), InputError, "sample_weight numbers"
    ),
    "network: negative L2": Call(
        lambda g: g.network.loss(g.X, np.c_[g.q, g.q], alpha=-1), InputError, "alpha -1"
    ),
    "network: L2 is NaN": Call(
        lambda g: g.network.loss_and_gradients(g.X, np.c_[g.q, g.q], alpha=NAN), InputError, "nan"
    ),
    "network file missing": Call(
        lambda g: Network.load("none.backpass"), ModelFileError, "none.backpass no such file"
    ),
    "network file a folder": Call(lambda g: Network.load("run"), ModelFileError, "run not a file"),
    "network file a model": Call(lambda g: Network.load("m.backpass"), ModelFileError, "model"),
    "network file a table": Call(lambda g: Network.load("people.csv"), ModelFileError, "backpass"),
    "network into no folder": Call(
        lambda g: g.network.save("no/n.backpass"), ModelFileError, "no/n.backpass folder"
    ),
    "network over a folder": Call(lambda g: g.network.save("run"), ModelFileError, "run folder"),
}

TRAINING = {
    "train: width": Call(
        lambda g: train(g.network, g.X[:, :2], np.c_[g.q, g.q]), InputError, "(40, 2) 3"
    ),
    "train: NaN": Call(
        lambda g: train(g.network, put(g.X, (1, 1), NAN), np.c_[g.q, g.q]), NonFiniteError, "loss"
    ),
    "train: infinite targets": Call(
        lambda g: train(g.network, g.X, put(np.c_[g.q, g.q], (1, 1), INF)), NonFiniteError, "loss"
    ),
    "train: rows too few": Call(
        lambda g: train(g.network, g.X[:3], np.c_[g.q, g.q]), InputError, "3 rows 40 match"
    ),
    "train: no rows": Call(
        lambda g: train(g.network, g.X[:0], np.zeros((0, 2))), InputError, "0 rows not be empty"
    ),
    "train: None": Call(lambda g: train(g.network, None, g.q), InputError, "X shape 3"),
    "train: no targets": Call(lambda g: train(g.network, g.X, None), InputError, "y 0 match"),
    "train: texts": Call(
        lambda g: train(g.network, np.full((40, 3), "a"), g.q), InputError, "X numbers"
    ),
    "train: complex rows": Call(
        lambda g: train(g.network, g.X + 1j, np.c_[g.q, g.q]), InputError, "X complex real"
    ),
    "train: complex targets": Call(
        lambda g: train(g.network, g.X, np.c_[g.q, g.q] + 1j), InputError, "y complex real"
    ),
    "train: one target of two": Call(
        lambda g: train(g.network, g.X, g.q), InputError, "(40, 1) 2 output(s)"
    ),
}

# --- tables --------------------------------------------------------------------------------------


def fitting(table: Any = None, target: Any = "y", **options: Any) -> Any:
    """Return a call that fits a table, the good one unless told otherwise."""

    def call(g: Given) -> Any:
        made = g.table if table is None else table(g) if callable(table) else table
        return TabularModel.fit(made, target, **{"recipe": RECIPE, **options})

    return call


def column(**values: Any) -> Any:
    """Return what makes the good table with one column of other values."""
    return lambda g: g.table.with_columns(**{name: pl.lit(x) for name, x in values.items()})


TABLES = {
    "table: no such target": Call(fitting(target="z"), TableError, "'z' predict 'x', 'c'"),
    "table: no target": Call(fitting(target=None), TableError, "name text None predict"),
    "table: a number as target": Call(fitting(target=3), TableError, "no column 3 'x', 'c'"),
    "table: a file that is not there": Call(fitting("x.csv"), TableError, "x.csv no such file"),
    "table: a list of numbers": Call(fitting([1, 2]), TableError, "Expected 2D"),
    "table: an array": Call(fitting(np.ones((5, 2))), TableError, "'y' predict 'x0', 'x1'"),
    "table: nothing in it": Call(fitting(pl.DataFrame()), TableError, "no column 'y'"),
    "table: no rows": Call(fitting(lambda g: g.table[:0]), TableError, "'y' no values rows"),
    "table: one row": Call(fitting(lambda g: g.table[:1]), TableError, "'y' one class 'no'"),
    "table: names twice": Call(
        fitting(pd.DataFrame(np.ones((5, 2)), columns=["a", "a"]), "a"), TableError, "'a' twice"
    ),
    "table: lengths": Call(fitting({"x": [1, 2], "y": [1]}), TableError, "'x' has 2, 'y' has 1"),
    "table: no columns": Call(fitting({"x": 1, "y": 2}), TableError, "'x' int list of one dict"),
    "table: a column of rows": Call(
        fitting({"x": np.ones((3, 2)), "y": [1, 2, 3]}), TableError, "'x' 2 dimensions"
    ),
    "table: task": Call(fitting(task="cluster"), InputError, "task regression 'cluster'"),
    "table: task of a quantity": Call(fitting(target="q", task=None), InputError, "task None"),
    "table: no such weights": Call(fitting(sample_weight="z"), TableError, "'z' weights"),
    "table: target as weights": Call(fitting(sample_weight="y"), TableError, "'y' target weights"),
    "table: no such category": Call(fitting(categorical=["z"]), InputError, "categorical 'z'"),
    "table: letters as categories": Call(fitting(categorical="xc"), InputError, "categorical list"),
    "table: letters to drop": Call(fitting(drop="x"), InputError, "drop list ['x']"),
    "table: nothing left": Call(fitting(drop=list("xcwq")), TableError, "no columns 'y' drop"),
    "table: seed": Call(fitting(seed=-1), InputError, "seed -1"),
    "table: seed of chance": Call(fitting(seed=None), InputError, "seed None"),
    "table: seed beyond 32 bits": Call(fitting(seed=2**40), InputError, "seed 2**32"),
    "table: no time": Call(fitting(time_limit=0), InputError, "time_limit positive 0"),
    "table: no recipe": Call(fitting(recipe="plain"), InputError, "recipe plain"),
    "table: two ways": Call(
        fitting(recipe=Recipe(), effort="quick"), InputError, "recipe effort one of the two"
    ),
    "recipe: a width": Call(lambda g: Recipe(hidden_layer_sizes=4), InputError, "hidden tuple 4"),
    "recipe: a width of 0": Call(
        lambda g: Recipe(hidden_layer_sizes=(0,)), InputError, "hidden[0] 1 0"
    ),
    "recipe: no epochs": Call(lambda g: Recipe(epochs=0), InputError, "epochs at least 1"),
    "recipe: judge": Call(lambda g: Recipe(judge="me"), InputError, "judge loss metric me"),
    "recipe: NaN": Call(lambda g: Recipe(dropout=NAN), InputError, "dropout"),
    "recipe: nothing to judge by": Call(
        fitting(recipe=Recipe(hidden_layer_sizes=(4,), validation_fraction=0)),
        TableError,
        "hold out 0 more",
    ),
    "table: one class": Call(fitting(column(y="no")), TableError, "'y' one class 'no'"),
    "table: infinite": Call(fitting(column(x=INF)), TableError, "'x' row 1 infinite"),
    "table: lists": Call(fitting(column(x=[1, 2])), TableError, "'x' lists leave it out"),
    "table: complex": Call(
        fitting({"x": np.ones(20) + 1j, "y": ["no", "yes"] * 10}),
        TableError,
        "'x' complex leave",
    ),
    "model: None": Call(lambda g: g.model.predict(None), TableError, "DataFrame None"),
    "model: a column less": Call(
        lambda g: g.model.predict(g.table.drop("x")), TableError, "'x' columns of training"
    ),
    "model: text": Call(lambda g: g.model.predict(column(x="a")(g)), TableError, "'x' row 1 'a'"),
    "model: infinite": Call(
        lambda g: g.model.predict(column(x=INF)(g)), TableError, "'x' row 1 inf"
    ),
    "model: probabilities of a quantity": Call(
        lambda g: g.quantity.predict_proba(g.table), InputError, "'q' quantity"
    ),
    "model: judged without targets": Call(
        lambda g: g.model.evaluate(g.table.drop("y")), TableError, "'y' predict 'x'"
    ),
    "model: judged on an unknown class": Call(
        lambda g: g.model.evaluate(column(y="maybe")(g)), TableError, "'maybe' known: no, yes"
    ),
    "model: judged on text": Call(
        lambda g: g.quantity.evaluate(column(q="z")(g)), TableError, "'q' row 1 'z'"
    ),
    "model file missing": Call(lambda g: TabularModel.load("x"), ModelFileError, "x no such file"),
    "model file a network": Call(
        lambda g: TabularModel.load("n.backpass"), ModelFileError, "network model Network.load"
    ),
    "model into no folder": Call(lambda g: g.model.save("no/m"), ModelFileError, "no/m folder"),
}

CALLS = {**OF_FIT, **PREDICTING, **NETWORKS, **TRAINING, **TABLES}
