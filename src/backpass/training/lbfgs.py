"""L-BFGS: full-batch training by SciPy's quasi-Newton method on our loss and gradient."""

import math
from dataclasses import replace
from typing import Any

import numpy as np

from backpass.core.arrays import Array
from backpass.core.settings import Settings
from backpass.engines import Problem, Run, choose
from backpass.engines.threads import blas_threads, threads_worth_using
from backpass.errors import NonFiniteError
from backpass.network.network import Network
from backpass.training.history import History, OnEpoch


class _Stop(Exception):  # noqa: N818  (raised by the callback, caught below; never seen outside)
    """Raised through SciPy when a callback wants training to stop."""


class _Objective:
    """J and its gradient over all rows, as functions of θ."""

    def __init__(self, run: Run, n_rows: int) -> None:
        self.run, self.rows = run, np.arange(n_rows)
        self.flat = run.model.parameters.flat

    def __call__(self, theta: Any) -> tuple[float, Any]:
        self.flat[...] = theta
        self.run.adopt()
        found = self.run.evaluate(self.rows)
        return found.data + found.penalty, np.asarray(found.gradient, dtype=np.float64)


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
    engine: str = "auto",
) -> tuple[History, str]:
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
    engine : str
        ``"auto"`` or an engine's name.

    Returns
    -------
    history : History
    engine : str
        The name of the engine that evaluated J.

    Raises
    ------
    NonFiniteError
        When J is not finite where the search starts, or it or a parameter after an iteration; the
        network has the parameters then that it had before.
    """
    history = History() if history is None else history
    history.stop_reason = "converged"
    # L-BFGS asks for gradients only: it makes its own steps
    whole = replace(settings, optimizer="sgd", batch_size=None, dropout=0.0, clip_norm=None)
    problem = Problem(network.model, X, y, sample_weight, whole)
    chosen = choose(engine, problem)
    J_of = _Objective(chosen.start(problem), X.shape[0])
    flat = network.parameters.flat
    accepted = flat.copy()

    def iteration(intermediate_result: Any) -> None:
        history.epochs += 1
        accepted[...] = intermediate_result.x
        loss = float(intermediate_result.fun)
        if not (math.isfinite(loss) and np.isfinite(accepted).all()):
            raise NonFiniteError(
                f"the loss is {loss} in iteration {history.epochs} of L-BFGS, or a parameter is "
                "not finite: scale the inputs and targets, or use another solver"
            )
        history.best_loss = loss
        history.loss_curve.append(loss)
        if on_epoch is not None:
            flat[...] = accepted
            if on_epoch(history):
                raise _Stop

    before = flat.copy()
    # SciPy's own products are of some vectors: threads would wait for one another, mostly
    threads: int | None = 1
    if chosen.uses_blas:
        threads = settings.n_threads or threads_worth_using(network.sizes, X.shape[0])
    try:
        with (
            blas_threads(threads),
            np.errstate(over="ignore", invalid="ignore"),  # of steps that the search takes back
        ):
            history.best_loss = J_of(flat.astype(np.float64))[0]
            if not math.isfinite(history.best_loss):
                raise NonFiniteError("the loss is not finite where L-BFGS starts: scale the inputs")
            _minimize(J_of, flat.astype(np.float64), settings, max_evaluations, iteration, history)
    except NonFiniteError:
        accepted[...] = before
        raise
    except _Stop:
        history.stop_reason = "callback"
    except KeyboardInterrupt:
        history.stop_reason = "interrupted"
    finally:
        flat[...] = accepted  # not where the line search was trying
    return history, chosen.name


def _minimize(
    J_of: _Objective,
    start: Any,
    settings: Settings,
    max_evaluations: int,
    iteration: Any,
    history: History,
) -> None:
    """Run SciPy's minimiser, which tells `iteration` of every θ that it accepts."""
    import scipy.optimize

    found = scipy.optimize.minimize(
        J_of,
        start,
        jac=True,
        method="L-BFGS-B",
        callback=iteration,
        options={"maxiter": settings.epochs, "maxfun": max_evaluations, "gtol": settings.tolerance},
    )
    if found.status != 0:
        history.stop_reason = "max_epochs" if found.status == 1 else "abnormal"
