"""L-BFGS: full-batch training by SciPy's quasi-Newton method on our loss and gradient."""

import math
from typing import Any

import numpy as np

from backpass.backprop import loss_and_gradients
from backpass.engines.reference import gather
from backpass.errors import NonFiniteError
from backpass.history import History, OnEpoch, Settings
from backpass.network import Network
from backpass.ops import Array

__all__ = ["train_lbfgs"]


class _Stop(Exception):  # noqa: N818  (raised by the callback, caught below; never seen outside)
    """Raised through SciPy when a callback wants training to stop."""


class _Objective:
    """J and its gradient over all rows, as functions of θ."""

    def __init__(
        self, network: Network, X: Array, y: Array, sample_weight: Array | None, settings: Settings
    ) -> None:
        self.model, self.flat, self.settings = network.model, network.parameters.flat, settings
        n = X.shape[0]
        self.X = gather(X, np.arange(n), self.flat)
        self.y = self.model.loss.encode(y, network.sizes[-1], np, self.flat.dtype)
        s = np.ones(n) if sample_weight is None else sample_weight
        self.s = np.asarray(s, dtype=self.flat.dtype)

    def __call__(self, theta: Any) -> tuple[float, Any]:
        self.flat[...] = theta
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            J, gradients = loss_and_gradients(
                self.model,
                self.X,
                self.y,
                self.s,
                alpha=self.settings.alpha,
                ceiling=self.settings.ceiling,
                inputs=False,
            )
        return float(J), gradients.flat.astype(np.float64)


def train_lbfgs(
    network: Network,
    X: Array,
    y: Array,
    sample_weight: Array | None,
    settings: Settings,
    *,
    max_evaluations: int,
    on_epoch: OnEpoch | None = None,
    history: History | None = None,
) -> History:
    """Minimise J over all rows with L-BFGS-B; `settings.tolerance` bounds the largest gradient.

    Parameters
    ----------
    network : Network
        Trained in place; its parameters are NumPy arrays.
    X, y, sample_weight
        All rows.
    settings : Settings
        Of which epochs (iterations), alpha, ceiling and tolerance count.
    max_evaluations : int
        Most evaluations of J.
    on_epoch : callable, optional
        Called with the history after every iteration; a true result stops.
    history : History, optional
        Goes on with this one.

    Raises
    ------
    NonFiniteError
        When J is not finite where the search starts.
    """
    history = History() if history is None else history
    history.stop_reason = "converged"
    J_of = _Objective(network, X, y, sample_weight, settings)
    flat = network.parameters.flat
    accepted = flat.copy()
    if not math.isfinite(J_of(flat.astype(np.float64))[0]):
        raise NonFiniteError("the loss is not finite where L-BFGS starts: scale the inputs")

    def iteration(intermediate_result: Any) -> None:
        history.epochs += 1
        history.loss_curve.append(float(intermediate_result.fun))
        accepted[...] = intermediate_result.x
        if on_epoch is not None:
            flat[...] = accepted
            if on_epoch(history):
                raise _Stop

    try:
        flat[...] = _minimize(
            J_of, flat.astype(np.float64), settings, max_evaluations, iteration, history
        )
    except _Stop:
        history.stop_reason = "callback"
    except KeyboardInterrupt:
        history.stop_reason = "interrupted"
    flat[...] = accepted  # not where the line search was trying
    history.best_loss = J_of(flat.astype(np.float64))[0]
    return history


def _minimize(
    J_of: _Objective,
    start: Any,
    settings: Settings,
    max_evaluations: int,
    iteration: Any,
    history: History,
) -> Any:
    """Run SciPy's minimiser and return the θ it found."""
    import scipy.optimize

    found = scipy.optimize.minimize(
        J_of,
        start,
        jac=True,
        method="L-BFGS-B",
        callback=iteration,
        options={
            "maxiter": settings.epochs,
            "maxfun": max_evaluations,
            "gtol": settings.tolerance,
        },
    )
    if found.status != 0:
        history.stop_reason = "max_epochs" if found.status == 1 else "abnormal"
    return found.x
