"""Trivial, linear and boosted-tree models on the same split, by which a score can be judged."""

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backpass.engines.threads import blas_threads
from backpass.tabular.columns import CategoryColumn
from backpass.tabular.encoding import TableEncoding
from backpass.tabular.preparation import Encoded, LearntColumns

Matrix = NDArray[Any]

SMALL_TABLE = 1_000_000  # numbers in the training matrix
STEP_OF_TREES = 25  # between two looks at the clock: each step bins the columns anew


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


@dataclass(frozen=True)
class Baseline:
    """A model to compare with."""

    # from the task, a seed and which columns are categories to a model of scikit-learn's kind
    make: Callable[[str, int, list[bool]], Any]
    # whether it takes the matrix for trees: a column each, categories as numbers of levels
    trees: bool = False
    # what it comes from, where that is not installed with backpass: it is compared with where all
    # are asked for and the package is there
    package: str = ""

    @property
    def there(self) -> bool:
        """Whether its package is installed."""
        return not self.package or find_spec(self.package) is not None


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


def _lightgbm(task: str, seed: int, categorical: list[bool]) -> Any:
    from lightgbm import LGBMClassifier, LGBMRegressor

    kind = LGBMClassifier if task == "classification" else LGBMRegressor
    places = [i for i, is_category in enumerate(categorical) if is_category]
    return kind(random_state=seed, verbose=-1, categorical_feature=places)


def _xgboost(task: str, seed: int, categorical: list[bool]) -> Any:
    from xgboost import XGBClassifier, XGBRegressor

    kind = XGBClassifier if task == "classification" else XGBRegressor
    types = ["c" if is_category else "q" for is_category in categorical]
    return kind(random_state=seed, enable_categorical=True, feature_types=types)


def _catboost(task: str, seed: int, categorical: list[bool]) -> Any:
    from catboost import CatBoostClassifier, CatBoostRegressor

    kind = CatBoostClassifier if task == "classification" else CatBoostRegressor
    return kind(random_seed=seed, verbose=0, allow_writing_files=False)


BASELINES: dict[str, Baseline] = {
    "majority class or mean": Baseline(_trivial),
    "linear model": Baseline(_linear),
    "boosted trees": Baseline(_trees, trees=True),
    "LightGBM": Baseline(_lightgbm, trees=True, package="lightgbm"),
    "XGBoost": Baseline(_xgboost, trees=True, package="xgboost"),
    "CatBoost": Baseline(_catboost, trees=True, package="catboost"),
}
"""The models that a fit is compared with, each with the settings that it comes with."""


def compared_with(compare: str) -> list[str]:
    """Return the names of the baselines for ``"none"``, ``"fast"`` or ``"all"``.

    Examples
    --------
    >>> compared_with("fast")
    ['majority class or mean', 'linear model', 'boosted trees']
    """
    if compare == "none":
        return []
    return [n for n, b in BASELINES.items() if b.there and (compare == "all" or not b.package)]


def predict_baseline(
    name: str,
    columns: LearntColumns,
    train: Encoded,
    X_test: Matrix,
    *,
    seed: int = 0,
    time_limit: float | None = None,
) -> tuple[Matrix, dict[str, float]]:
    """Return what one baseline makes of rows, (N, k), and the seconds that it took to train.

    Parameters
    ----------
    name : str
        A key of `BASELINES`.
    columns : LearntColumns
        Learnt from the training rows: a `TabularModel`, too.
    train : Encoded
        As `columns` encodes them.
    X_test : array of shape (N, d)
        Likewise.
    seed : int
        Of the boosted trees.
    time_limit : float, optional
        Seconds after which boosted trees are as many as there are: 1 where it is less. How many
        there are of 100 is then told as ``"trees"``.
    """
    baseline = BASELINES[name]
    X, y, s = train
    plain = columns.encoder.plain_width  # bins are ours
    X, X_test = X[:, :plain], X_test[:, :plain]
    categorical = [False] * plain
    if baseline.trees:
        X, categorical = tree_matrix(columns.encoder, X)
        X_test, _ = tree_matrix(columns.encoder, X_test)
    model = baseline.make(columns.task, seed, categorical)
    started, told = time.monotonic(), {}
    with warnings.catch_warnings():
        # a baseline that has not converged is a fair, slightly worse one
        warnings.simplefilter("ignore")
        # on small tables threads wait for one another longer than they work
        with blas_threads(1 if X.size < SMALL_TABLE else None, openmp=True):
            if time_limit is not None and X.size >= SMALL_TABLE and hasattr(model, "warm_start"):
                told = _grow(model, X, y, s, started + max(1.0, time_limit))
            else:
                model.fit(X, y, sample_weight=s)
        told["seconds"] = time.monotonic() - started
        if not columns.classes:
            return np.asarray(model.predict(X_test)).reshape(-1, 1), told
        output = np.zeros((len(X_test), len(columns.classes)))
        output[:, model.classes_.astype(int)] = model.predict_proba(X_test)
        return output, told


def _grow(model: Any, X: Matrix, y: Matrix, s: Matrix | None, deadline: float) -> dict[str, float]:
    """Train boosted trees some at a time, until all are there or it is late."""
    trees, most = STEP_OF_TREES, model.max_iter
    while True:
        model.set_params(warm_start=True, max_iter=min(trees, most))
        model.fit(X, y, sample_weight=s)
        if trees >= most or model.n_iter_ < model.max_iter:  # all, or stopped early
            return {}
        if time.monotonic() >= deadline:
            return {"trees": float(model.n_iter_)}
        trees += STEP_OF_TREES
