"""L-BFGS: full-batch training by SciPy's quasi-Newton method on our loss and gradient."""

import math
from typing import Any

import numpy as np

from backpass.backprop import loss_and_gradients
from backpass.engines.reference import gather
from backpass.errors import NonFiniteError
from backpass.network import Network
from backpass.ops import Array, to_numpy
from backpass.training import History, OnEpoch, Settings

__all__ = ["train_lbfgs"]


class _Stop(Exception):  # noqa: N818  (raised by the callback, caught below; never seen outside)
    """Raised through SciPy when a callback wants training to stop."""


def train_lbfgs(
    network: Network,
    X: Array,
    y: Array,
    sample_weight: Array | None,
    settings: Settings,
    *,
    max_evaluations: int,
    verbose: bool = False,
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
    verbose : bool
        Whether SciPy reports its progress.
    on_epoch : callable, optional
        Called with the history after every iteration; a true result stops.
    history : History, optional
        Goes on with this one.

    Raises
    ------
    NonFiniteError
        When J is not finite where the search starts.
    """
    import scipy.optimize

    history = History() if history is None else history
    history.stop_reason = "converged"
    model, flat = network.model, network.parameters.flat
    rows = np.arange(X.shape[0])
    X = gather(X, rows, flat)
    targets = model.loss.encode(y, network.sizes[-1], np, flat.dtype)
    s = np.ones(len(rows), flat.dtype) if sample_weight is None else sample_weight
    s = np.asarray(s, dtype=flat.dtype)

    def J_and_gradient(theta: Any) -> tuple[float, Any]:
        flat[...] = theta
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            J, gradients = loss_and_gradients(
                model,
                X,
                targets,
                s,
                alpha=settings.alpha,
                ceiling=settings.ceiling,
                inputs=False,
            )
        return float(J), to_numpy(gradients.flat).astype(np.float64)

    def iteration(intermediate_result: Any) -> None:
        history.epochs += 1
        history.loss_curve.append(float(intermediate_result.fun))
        if on_epoch is not None and on_epoch(history):
            history.stop_reason = "callback"
            raise _Stop

    start = flat.astype(np.float64)
    if not math.isfinite(J_and_gradient(start)[0]):
        raise NonFiniteError("the loss is not finite where L-BFGS starts: scale the inputs")
    best = start
    try:
        found = scipy.optimize.minimize(
            J_and_gradient,
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
        best = found.x
        if found.status != 0:
            history.stop_reason = "max_epochs" if found.status == 1 else "abnormal"
    except _Stop:
        best = flat.copy()
    except KeyboardInterrupt:
        history.stop_reason, best = "interrupted", flat.copy()
    flat[...] = best
    history.best_loss = J_and_gradient(flat.astype(np.float64))[0]
    return history
