"""What judges epochs: rows of their own, or held out by scikit-learn's split of the same seed."""

import copy
import math
from typing import Any

import numpy as np
from sklearn.metrics import get_scorer
from sklearn.model_selection import ShuffleSplit, train_test_split
from sklearn.utils.extmath import _approximate_mode

from backpass.errors import InputError
from backpass.estimators.data import in_one_line
from backpass.estimators.own_parameters import given
from backpass.training.batches import row_numbers
from backpass.training.checkpoints import Checkpoints
from backpass.training.history import Validation


def hold_out(n: int, fraction: float, rng: Any, stratify: Any = None) -> tuple[Any, Any]:
    """Return the row numbers to train on and those held out, as `train_test_split` gives them.

    Parameters
    ----------
    n : int
        How many rows there are.
    fraction : float
        The part to hold out.
    rng : RandomState
    stratify : array of int of shape (n,), optional
        Classes to be split alike. scikit-learn lists such rows one by one, as Python's numbers.

    Examples
    --------
    >>> classes = np.array([0, 1, 0, 1, 1, 1])
    >>> theirs = train_test_split(range(6), test_size=0.5, random_state=3, stratify=classes)
    >>> ours = hold_out(6, 0.5, np.random.RandomState(3), classes)
    >>> [rows.tolist() for rows in ours] == theirs
    True
    """
    one_split = ShuffleSplit(1, test_size=fraction, random_state=rng)
    if stratify is None:
        nothing = np.broadcast_to(0, n)  # n rows, of which only the number counts
        rows, held_out = next(one_split.split(nothing))
        return rows, held_out
    classes, counts = np.unique(stratify, return_counts=True)
    n_held_out = int(np.ceil(fraction * n))
    n_rows = n - n_held_out
    if counts.min() < 2 or min(n_rows, n_held_out) < len(classes):
        # it refuses, and says why
        rows, held_out = train_test_split(
            np.arange(n), test_size=fraction, random_state=rng, stratify=stratify
        )
        return rows, held_out
    to_train = _approximate_mode(counts, n_rows, rng)
    to_judge = _approximate_mode(counts - to_train, n_held_out, rng)
    index = np.int32 if n <= np.iinfo(np.int32).max else np.int64
    rows, held_out = np.empty(n_rows, index), np.empty(n_held_out, index)
    ends = np.cumsum(to_train), np.cumsum(to_judge)
    for i, one in enumerate(classes):
        drawn = np.flatnonzero(stratify == one).astype(index)[rng.permutation(counts[i])]
        rows[ends[0][i] - to_train[i] : ends[0][i]] = drawn[: to_train[i]]
        held_out[ends[1][i] - to_judge[i] : ends[1][i]] = drawn[to_train[i] :][: to_judge[i]]
    rng.shuffle(rows)
    rng.shuffle(held_out)
    return rows, held_out


VALIDATION_DATA = ("X_val", "y_val", "sample_weight of validation_data")


def validation_of(
    estimator: Any,
    X: Any,
    y: Any,
    weights: Any,
    validation_data: Any,
    rng: Any,
    checkpoints: Checkpoints | None,
) -> tuple[Validation | None, Any]:
    """Return how epochs are judged, if they are, and the rows to train on."""
    rows = row_numbers(X.shape[0])
    judged = validation_data is not None or estimator.early_stopping
    if given(estimator).early_stopping_metric is not None and not judged:
        raise InputError(
            "early_stopping_metric judges nothing without early_stopping=True or "
            "validation_data; give one of them"
        )
    if estimator.solver == "lbfgs":
        return None, rows
    if validation_data is not None:
        judges = _checked_validation_data(estimator, validation_data)
        if checkpoints is not None:
            checkpoints.note(**dict(zip(VALIDATION_DATA, judges, strict=True)))
        return _judged_by(estimator, *judges), rows
    if not estimator.early_stopping:
        return None, rows
    # indices are split, not rows: the data set is not copied
    fraction = estimator.validation_fraction
    try:
        rows, held_out = hold_out(len(rows), fraction, rng, estimator._bp_stratify(y))
    except ValueError as error:  # scikit-learn's
        raise InputError(
            f"early_stopping cannot hold out validation_fraction={fraction:g} "
            f"of {len(rows)} rows: {error}; raise it, give more rows, or give validation_data"
        ) from None
    if len(held_out) < 2:
        raise InputError(
            f"The validation set is too small ({len(held_out)} row(s)): increase "
            "validation_fraction or the size of your dataset"
        )
    return _judged_by(estimator, X, y, weights, held_out), rows


def _checked_validation_data(estimator: Any, validation_data: Any) -> tuple[Any, Any, Any]:
    if not isinstance(validation_data, tuple | list) or len(validation_data) not in (2, 3):
        raise InputError("validation_data must be (X, y) or (X, y, sample_weight)")
    X, y = validation_data[0], validation_data[1]
    weights = validation_data[2] if len(validation_data) == 3 else None
    X, y = estimator._bp_check_data(X, y, reset=False)
    y = estimator._bp_check_y(y, "known")
    k, trained = estimator._bp_n_outputs(y), estimator._bp_network.sizes[-1]
    if k != trained:
        raise InputError(f"validation_data: y has {k} output(s) where training has {trained}")
    return X, y, estimator._bp_check_weights(X, y, weights) if weights is not None else None


def _judged_by(estimator: Any, X: Any, y: Any, weights: Any, rows: Any = None) -> Validation:
    """Return how epochs are judged on the given rows, all by default; X is not copied."""
    judged_y = y if rows is None else y[rows]
    judged_weights = weights if rows is None or weights is None else weights[rows]
    metric = given(estimator).early_stopping_metric
    with in_one_line():
        scorer = None if metric is None else get_scorer(metric)

    def score(output: Any, loss: float) -> float:
        if scorer is None:
            if not np.isfinite(output).all():
                return math.nan
            return float(estimator._bp_default_score(judged_y, output, judged_weights))
        extra = {} if weights is None else {"sample_weight": judged_weights}
        labels = estimator._bp_original_y(judged_y)
        if not isinstance(metric, str):  # it may look at the rows themselves
            return float(scorer(estimator, X if rows is None else X[rows], labels, **extra))
        # scikit-learn's own scorers hand what they are given to a prediction, nothing else
        view: Any = copy.copy(estimator)
        view._bp_checked_output = lambda output: output
        return float(scorer(view, output, labels, **extra))

    return Validation(X, y, weights, rows, score)


def one_validation_set(validation_data: Any, X_val: Any, y_val: Any) -> Any:
    """Return ``validation_data``, given as such or in its two parts.

    Raises
    ------
    InputError
        When it is given both ways, or in half.
    """
    if X_val is None and y_val is None:
        return validation_data
    if validation_data is not None or X_val is None or y_val is None:
        raise InputError("give validation_data=(X, y), or both X_val and y_val")
    return X_val, y_val
