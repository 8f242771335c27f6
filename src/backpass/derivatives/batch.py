"""A network with rows and targets as it takes them: the input of trace, check and homework."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backpass.core.arrays import Array, is_sparse, namespace, to_numpy
from backpass.core.parameters import Parameters
from backpass.errors import InputError
from backpass.network.batch import check_batch
from backpass.network.network import Network


@dataclass(frozen=True)
class Subject:
    """A network, and a batch that its loss can be evaluated on."""

    network: Network
    X: Array  # in the dtype of the parameters, dense, (N, n_0)
    y: Array  # encoded targets, (N, k)
    s: Array  # sample weights, (N,)
    alpha: float = 0.0  # L2 strength

    def rows(self, start: int, stop: int) -> "Subject":
        """Return the same with rows `start` … `stop` − 1 only."""
        part = slice(start, stop)
        return replace(self, X=self.X[part], y=self.y[part], s=self.s[part])

    def in_numpy(self) -> "Subject":
        """Return the same in NumPy's float64."""
        theta = self.network.parameters
        flat = to_numpy(theta.flat).astype(np.float64)
        model = self.network.model.with_parameters(Parameters(theta.sizes, flat))
        X, y, s = (to_numpy(x).astype(np.float64) for x in (self.X, self.y, self.s))
        return Subject(Network.from_model(model), X, y, s, self.alpha)


def subject(
    model: Any,
    X: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    alpha: float | None = None,
    double: bool = False,
) -> Subject:
    """Return network, rows, targets and weights in the form that the equations take.

    Parameters
    ----------
    model : Network, MLPClassifier, MLPRegressor, Pipeline that ends in one, or TabularModel
        Anything else that has ``rows_for_network(X, y)``, which returns a network and the rows,
        targets and weights (or None) that it takes, will do.
    X : array of shape (N, n_0), or a table for a TabularModel
    y : array of shape (N,) or (N, k), optional
        Targets as the loss takes them; labels for a classifier. A TabularModel takes them from the
        table's target column where they are left out.
    sample_weight : array of shape (N,), optional
        1 each by default; a TabularModel takes them from its column of weights.
    alpha : float, optional
        L2 strength; by default the estimator's own, 0 for a network and for a TabularModel.
    double : bool
        Whether parameters and rows are taken in float64, whatever the network computes with.

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
    if hasattr(model, "steps"):  # a pipeline: its last step is the estimator
        X = model[:-1].transform(X) if len(model.steps) > 1 else X
        model = model[-1]
    network = model
    if hasattr(model, "rows_for_network"):
        network, X, y, weights = model.rows_for_network(X, y)
        sample_weight = weights if sample_weight is None else sample_weight
        alpha = getattr(model, "alpha", None) if alpha is None else alpha
    if not isinstance(network, Network):
        name = f"{type(model).__module__}.{type(model).__qualname__}".removeprefix("builtins.")
        raise InputError(
            "give a Network, or a fitted MLPClassifier, MLPRegressor or TabularModel of backpass, "
            f"not a {name}"
        )
    if y is None:
        raise InputError("y is missing: give the targets of the rows")
    if double:
        network = _in_double(network)
    X, y, s = check_batch(network.model, X.toarray() if is_sparse(X) else X, y, sample_weight)
    _check_finite(X, y)
    alpha = 0.0 if alpha is None else float(alpha)
    if not 0 <= alpha < math.inf:
        raise InputError(f"alpha must be a finite number of at least 0, not {alpha:g}")
    return Subject(network, X, y, s, alpha)


def _in_double(network: Network) -> Network:
    """Return a network with parameters of float64, of its own array library."""
    theta = network.parameters
    xp = namespace(theta.flat)
    flat = xp.astype(theta.flat, xp.float64)
    return Network.from_model(network.model.with_parameters(Parameters(theta.sizes, flat)))


def _check_finite(X: Array, y: Array) -> None:
    for name, values in (("X", X), ("y", y)):
        bad = ~np.isfinite(to_numpy(values))
        if bad.any():
            row, column = (int(i) for i in np.argwhere(bad)[0])
            raise InputError(f"{name}[{row}, {column}] is not a finite number")
