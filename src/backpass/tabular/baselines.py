"""Trivial, linear and boosted-tree models on the same split, by which a score can be judged."""

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backpass.engines.threads import blas_threads
from backpass.tabular.columns import CategoryColumn
from backpass.tabular.encoding import TableEncoding
from backpass.tabular.metrics import class_metrics, number_metrics
from backpass.tabular.preparation import Encoded, LearntColumns

Matrix = NDArray[Any]

SMALL_TABLE = 1_000_000  # numbers in the training matrix


def tree_matrix(encoder: TableEncoding, encoded: Matrix) -> tuple[Matrix, list[bool]]:
    """Return the encoded rows with one column for each of the table, and which are categories.

    A category is the number of its level; a number is NaN where it was missing. Trees do not mind
    the scaling of numbers, which keeps their order.

    Parameters
    ----------
    encoder : TableEncoding
    encoded : array of shape (N, d)
        Of `encoder`.

    Examples
    --------
    >>> table = {"size": [1.0, 2.0, None], "city": ["Bonn", "Oslo", "Oslo"]}
    >>> encoder = TableEncoding(min_count=1).fit(table)
    >>> tree_matrix(encoder, encoder.transform(table))[0].round(1).tolist()[2]
    [nan, 1.0]
    """
    columns, categorical, start = [], [], 0
    for column in encoder.columns_:
        stop = start + len(column.outputs)
        block = encoded[:, start:stop]
        if stop == start:
            continue
        if isinstance(column, CategoryColumn):
            codes = block.argmax(axis=1).astype(np.float64)
            codes[block.sum(axis=1) == 0] = np.nan
            columns.append(codes[:, None])
        else:
            numbers = block.astype(np.float64)
            if column.outputs[-1].endswith("=(missing)"):
                numbers = np.where(block[:, -1:] > 0, np.nan, numbers)[:, :-1]
            columns.append(numbers)
        categorical += [isinstance(column, CategoryColumn)] * columns[-1].shape[1]
        start = stop
    return np.hstack(columns), categorical


def _trivial(task: str, seed: int, categorical: list[bool]) -> Any:
    from sklearn.dummy import DummyClassifier, DummyRegressor

    return DummyClassifier(strategy="prior") if task == "classification" else DummyRegressor()


def _linear(task: str, seed: int, categorical: list[bool]) -> Any:
    from sklearn.linear_model import LogisticRegression, Ridge

    return LogisticRegression(max_iter=500) if task == "classification" else Ridge()


def _trees(task: str, seed: int, categorical: list[bool]) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind = HistGradientBoostingRegressor
    if task == "classification":
        kind = HistGradientBoostingClassifier
    return kind(random_state=seed, categorical_features=categorical)


BASELINES: dict[str, tuple[Callable[[str, int, list[bool]], Any], bool]] = {
    "majority class or mean": (_trivial, False),
    "linear model": (_linear, False),
    "boosted trees": (_trees, True),
}
"""Each baseline: what makes the model, and whether it takes the matrix for trees."""


def score_baseline(
    name: str, columns: LearntColumns, train: Encoded, test: Encoded, *, seed: int = 0
) -> dict[str, float]:
    """Return the test metrics of one baseline, and the seconds it took to train.

    Parameters
    ----------
    name : str
        A key of `BASELINES`.
    columns : LearntColumns
        Learnt from the training rows: a `TabularModel`, too.
    train, test : Encoded
        The rows of both parts, as `columns` encodes them.
    seed : int
        Of the boosted trees.
    """
    make, wants_trees = BASELINES[name]
    (X, y, s), (X_test, y_test, s_test) = train, test
    plain = columns.encoder.plain_width  # bins are ours
    X, X_test = X[:, :plain], X_test[:, :plain]
    categorical = [False] * plain
    if wants_trees:
        X, categorical = tree_matrix(columns.encoder, X)
        X_test, _ = tree_matrix(columns.encoder, X_test)
    model = make(columns.task, seed, categorical)
    started = time.monotonic()
    with warnings.catch_warnings():
        # a baseline that has not converged is a fair, slightly worse one
        warnings.simplefilter("ignore")
        # on small tables threads wait for one another longer than they work
        with blas_threads(1 if X.size < SMALL_TABLE else None, openmp=True):
            model.fit(X, y, sample_weight=s)
    seconds = time.monotonic() - started
    if columns.classes:
        p = np.zeros((len(y_test), len(columns.classes)))
        p[:, model.classes_] = model.predict_proba(X_test)
        scores = class_metrics(y_test, p, s_test)
    else:
        true, found = (columns.target.decode(y).to_numpy() for y in (y_test, model.predict(X_test)))
        scores = number_metrics(true, found, s_test)
    return {**scores, "seconds": seconds}
