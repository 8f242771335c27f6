"""What trace, check and homework look at: a network with rows and targets as it takes them."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backpass.core.arrays import Array, is_sparse, namespace, to_numpy
from backpass.errors import InputError
from backpass.network.network import Network

__all__ = ["Subject", "subject"]


@dataclass(frozen=True)
class Subject:
    """A network, and a batch that its loss can be evaluated on.

    Parameters
    ----------
    network : Network
    X : array of shape (N, n_0)
        In the dtype of the parameters, dense.
    y : array of shape (N, k)
        Encoded targets.
    s : array of shape (N,)
        Sample weights.
    alpha : float
        L2 strength.
    """

    network: Network
    X: Array
    y: Array
    s: Array
    alpha: float = 0.0

    def rows(self, start: int, stop: int) -> "Subject":
        """Return the same with rows `start` … `stop` − 1 only."""
        part = slice(start, stop)
        return replace(self, X=self.X[part], y=self.y[part], s=self.s[part])


def subject(
    network_or_estimator: Any,
    X: Any,
    y: Any,
    sample_weight: Any = None,
    *,
    alpha: float | None = None,
    dtype: Any = None,
) -> Subject:
    """Return network, rows, targets and weights in the form that the equations take.

    Parameters
    ----------
    network_or_estimator : Network, or a fitted MLPClassifier, MLPRegressor or Pipeline of one
    X : array of shape (N, n_0)
    y : array of shape (N,) or (N, k)
        Targets as the loss takes them; labels for a classifier.
    sample_weight : array of shape (N,), optional
        1 each by default.
    alpha : float, optional
        L2 strength; by default the estimator's own, 0 for a network.
    dtype : optional
        That parameters and rows are converted to; by default they stay as they are.

    Raises
    ------
    InputError
        When the model has no network yet, or rows, targets or weights do not fit it.

    Examples
    --------
    >>> seen = subject(Network([2, 3, 1], seed=0), [[0.0, 1.0]], [1.0])
    >>> seen.y, seen.s, seen.alpha
    (array([[1.]]), array([1.]), 0.0)
    """
    if hasattr(network_or_estimator, "steps"):  # a pipeline: its last step is the estimator
        X = network_or_estimator[:-1].transform(X) if len(network_or_estimator.steps) > 1 else X
        network_or_estimator = network_or_estimator[-1]
    network = network_or_estimator
    if hasattr(network_or_estimator, "rows_for_network"):
        network, X, y = network_or_estimator.rows_for_network(X, y)
        alpha = network_or_estimator.alpha if alpha is None else alpha
    if not isinstance(network, Network):
        theirs = type(network_or_estimator)
        name = f"{theirs.__module__}.{theirs.__qualname__}".removeprefix("builtins.")
        raise InputError(
            f"give a Network, or a fitted MLPClassifier or MLPRegressor of backpass, not a {name}"
        )
    if dtype is not None and network.parameters.flat.dtype != dtype:
        network = _converted(network, dtype)
    X, y, s = network.check_batch(X.toarray() if is_sparse(X) else X, y, sample_weight)
    _check_finite(X, y)
    alpha = 0.0 if alpha is None else float(alpha)
    if not 0 <= alpha < math.inf:
        raise InputError(f"alpha must be a finite number of at least 0, not {alpha:g}")
    return Subject(network, X, y, s, alpha)


def _converted(network: Network, dtype: Any) -> Network:
    """Return a copy whose parameters have another dtype."""
    theta = network.parameters
    flat = namespace(theta.flat).astype(theta.flat, dtype)
    return Network.from_model(network.model.with_parameters(type(theta)(theta.sizes, flat)))


def _check_finite(X: Array, y: Array) -> None:
    for name, values in (("X", X), ("y", y)):
        bad = ~np.isfinite(to_numpy(values))
        if bad.any():
            row, column = (int(i) for i in np.argwhere(bad)[0])
            raise InputError(f"{name}[{row}, {column}] is not a finite number")
