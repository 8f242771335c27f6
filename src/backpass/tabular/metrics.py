"""How good predictions are: the metrics of both tasks, weighted where rows have weights."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics

from backpass.network.blockwise import power_of_two_near

__all__ = ["MAIN_METRIC", "accuracy", "best_values", "class_metrics", "number_metrics", "r_squared"]

Floats = NDArray[Any]

MAIN_METRIC = {"classification": "accuracy", "regression": "R²"}
"""The metric shown first."""


LOWER_IS_BETTER = ("log-loss", "RMSE", "MAE")


def best_values(names: list[str], rows: list[dict[str, float]]) -> dict[str, float]:
    """Return the best value of each metric, NaN where there is nothing to compare.

    Examples
    --------
    >>> best_values(["R²", "MAE"], [{"R²": 0.5, "MAE": 2.0}, {"R²": 0.7, "MAE": 3.0}])
    {'R²': 0.7, 'MAE': 2.0}
    """
    if len(rows) < 2:
        return dict.fromkeys(names, float("nan"))
    return {m: (min if m in LOWER_IS_BETTER else max)(row[m] for row in rows) for m in names}


def accuracy(y: NDArray[Any], probabilities: Floats, weights: Floats | None = None) -> float:
    """Return the part of the rows (N,) whose most probable class (N, k) is right."""
    return float(np.average(probabilities.argmax(axis=1) == y, weights=weights))


def r_squared(y: Floats, predicted: Floats, weights: Floats | None = None) -> float:
    """Return R² of predicted numbers (N,), or NaN where all true ones are equal."""
    y, predicted = y.astype(np.float64), predicted.astype(np.float64)
    spread = np.average((y - np.average(y, weights=weights)) ** 2, weights=weights)
    error = np.average((y - predicted) ** 2, weights=weights)
    return float(1 - error / spread) if spread > 0 else float("nan")


def class_metrics(
    y: NDArray[Any], probabilities: Floats, weights: Floats | None = None
) -> dict[str, float]:
    """Return accuracy, balanced accuracy, log-loss (nats) and, for two classes, the ROC area.

    Parameters
    ----------
    y : array of shape (N,)
        Classes 0 … k−1.
    probabilities : array of shape (N, k)
    weights : array of shape (N,), optional

    Examples
    --------
    >>> p = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    >>> class_metrics(np.array([0, 1, 1]), p)["balanced accuracy"]
    0.75
    """
    k = probabilities.shape[1]
    eps = float(np.finfo(np.float64).eps)
    p = np.clip(probabilities.astype(np.float64), eps, 1)
    p /= p.sum(axis=1, keepdims=True)
    decided = probabilities.argmax(axis=1)
    result = {
        "accuracy": metrics.accuracy_score(y, decided, sample_weight=weights),
        "balanced accuracy": _balanced_accuracy(y, decided, weights),
        "log-loss": metrics.log_loss(y, p, labels=np.arange(k), sample_weight=weights),
    }
    if k == 2 and len(np.unique(y)) == 2:
        result["ROC area"] = metrics.roc_auc_score(y, p[:, 1], sample_weight=weights)
    return {name: float(value) for name, value in result.items()}


def _balanced_accuracy(y: NDArray[Any], decided: NDArray[Any], weights: Floats | None) -> float:
    """Return the mean recall of the classes that occur in `y`."""
    s = np.ones(len(y)) if weights is None else weights
    recalls = [
        s[(y == c) & (decided == c)].sum() / s[y == c].sum()
        for c in np.unique(y)
        if s[y == c].sum() > 0
    ]
    return float(np.mean(recalls))


def number_metrics(y: Floats, predicted: Floats, weights: Floats | None = None) -> dict[str, float]:
    """Return R², the root of the mean squared error and the mean absolute error.

    Parameters
    ----------
    y, predicted : arrays of shape (N,)
    weights : array of shape (N,), optional

    Examples
    --------
    >>> number_metrics(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 4.0]))["R²"]
    0.5
    """
    unit = float(power_of_two_near(y, predicted))  # squares of huge or tiny numbers leave float64
    y, predicted = y / unit, predicted / unit
    error = metrics.mean_squared_error(y, predicted, sample_weight=weights)
    absolute = metrics.mean_absolute_error(y, predicted, sample_weight=weights)
    constant = len(y) < 2 or float(np.ptp(y)) == 0
    r2 = np.nan if constant else metrics.r2_score(y, predicted, sample_weight=weights)
    return {"R²": float(r2), "RMSE": float(np.sqrt(error)) * unit, "MAE": float(absolute) * unit}
