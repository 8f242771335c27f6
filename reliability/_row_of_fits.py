"""Tiny fits, one after another: that end well, fail, are interrupted, saved, loaded, copied."""

import pickle
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from reliability._fits import rows, table
from scipy.sparse import csr_matrix

from backpass import MLPClassifier, MLPRegressor, Network, TabularModel, train
from backpass.errors import InputError, NonFiniteError
from backpass.tabular.recipe import Recipe

X, Y, CLASSES = rows(60)
X32, SPARSE = X.astype(np.float32), csr_matrix(np.where(X > 0.5, X, 0))
SMALL = {"hidden_layer_sizes": (8,), "max_iter": 2, "random_state": 0}
RECIPE = Recipe(hidden_layer_sizes=(8,), epochs=2)
TABLE = table(60)


def classifier(**settings: Any) -> MLPClassifier:
    """Return a small one that trains for two epochs."""
    return MLPClassifier(**(SMALL | settings))


def regressor(**settings: Any) -> MLPRegressor:
    """Return a small one that trains for two epochs."""
    return MLPRegressor(**(SMALL | settings))


def refused(work: Callable[[], Any], *errors: type[BaseException]) -> None:
    """Do what must be refused; raise AssertionError when it is not."""
    try:
        work()
    except errors:
        return
    raise AssertionError(f"it was not refused: {errors}")


def interrupt(history: Any) -> None:
    """Press Ctrl-C, as a callback after an epoch."""
    signal.raise_signal(signal.SIGINT)


def partial(folder: Path, i: int) -> None:
    """Fit piece by piece."""
    model = classifier(n_threads=1 + i % 3)
    for part in (slice(0, 30), slice(30, 60)):
        model.partial_fit(X[part], CLASSES[part], classes=[0, 1, 2])


def of_a_network(folder: Path, i: int) -> None:
    """Train, save, load and predict, a row, too."""
    network = Network([6, 8, 1], "tanh", seed=0, dtype=("float32", "float64")[i % 2])
    train(network, X, Y, seed=0, epochs=2, n_threads=1 + i % 8, batch_size=20)
    network.save(folder / "network")
    again = Network.load(folder / "network")
    assert again.predict(X).tobytes() == network.predict(X).tobytes()
    again.predict_one(X[0])


def of_a_table(folder: Path, i: int) -> None:
    """Fit a table, save, load and predict."""
    model = TabularModel.fit(TABLE, "y", recipe=RECIPE)
    model.save(folder / "model")
    assert TabularModel.load(folder / "model").predict(TABLE).equals(model.predict(TABLE))


def copied(folder: Path, i: int) -> None:
    """Fit, pickle, and fit the copy."""
    model = regressor(n_threads=2).fit(X32, Y)
    pickle.loads(pickle.dumps(model)).set_params(warm_start=True).fit(X32, Y)


def failing(folder: Path, i: int) -> None:
    """Fail in several ways: before, at the start of, and in the middle of training."""
    bad = X.copy()
    bad[7, 3] = np.nan
    refused(lambda: classifier(n_threads=2).fit(bad, CLASSES), ValueError)
    refused(lambda: classifier(activation="none such").fit(X, CLASSES), InputError)
    wild = regressor(solver="sgd", learning_rate_init=1e200, max_iter=50, n_threads=2)
    refused(lambda: wild.fit(X, Y), NonFiniteError)


def stopped(folder: Path, i: int) -> None:
    """End with Ctrl-C after an epoch, with and without checkpoints, and before the first."""
    network = Network([6, 8, 1], "tanh", seed=0)
    settings: dict[str, Any] = {"epochs": 50, "n_threads": 1 + i % 3}
    train(network, X, Y, on_epoch=interrupt, **settings)
    folders = {"checkpoint": folder / f"run-{i}", "resume": True}
    train(network, X, Y, seed=0, on_epoch=interrupt, **folders, **settings)

    def press(*_: Any) -> None:
        signal.raise_signal(signal.SIGINT)

    model = classifier()
    model._bp_check_weights = press  # where scikit-learn's checks are
    refused(lambda: model.fit(X, CLASSES), KeyboardInterrupt)


KINDS: dict[str, tuple[int, Callable[[Path, int], Any]]] = {
    "threads 1 to 8": (30, lambda f, i: classifier(n_threads=1 + i % 8).fit(X, CLASSES)),
    "measured threads": (10, lambda f, i: classifier().fit(X32, CLASSES).predict_proba(X32)),
    "regression": (10, lambda f, i: regressor(random_state=None).fit(X, Y).predict(X)),
    "readable engine": (10, lambda f, i: classifier(engine="reference").fit(X, CLASSES)),
    "CSR": (8, lambda f, i: classifier(n_threads=2, solver="sgd").fit(SPARSE, CLASSES)),
    "L-BFGS": (4, lambda f, i: classifier(solver="lbfgs", n_threads=2).fit(X, CLASSES)),
    "early stopping": (6, lambda f, i: classifier(early_stopping=True).fit(X, CLASSES)),
    "partial_fit": (6, partial),
    "network, saved and loaded": (6, of_a_network),
    "table, saved and loaded": (2, of_a_table),
    "pickled": (3, copied),
    "failing": (3, failing),
    "interrupted": (2, stopped),
}
"""Of a hundred in a row, how many, and what is done."""
