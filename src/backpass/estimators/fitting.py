"""What goes with a fit: progress, callbacks, warnings, and the way back where it fails."""

import copy
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from backpass.core import backprop
from backpass.core.arrays import gather
from backpass.errors import BackpassError, DeadUnitsWarning, warn_caller
from backpass.estimators.compat import THEIRS, EpochCallbacks
from backpass.estimators.own_parameters import given
from backpass.network.network import Network
from backpass.training.batches import row_numbers
from backpass.training.history import History

FEWEST_ROWS = 20  # from which dead units are told
MOST_ROWS = 1000  # that are looked at
ROWS_AT_ONCE = 100  # mostly they show that enough units are alive


class Reporter:
    """Prints progress as scikit-learn does, and tells its callbacks, after every epoch."""

    changes_parameters = False  # callbacks see a copy

    def __init__(self, estimator: Any, callbacks: EpochCallbacks) -> None:
        self.estimator, self.callbacks = estimator, callbacks
        self.epochs, self.divisions, self.timed_out = 0, 0, False
        self._deadline = time.monotonic() + (given(estimator).time_limit or math.inf)

    def begin(self, history: History, first_epoch: int) -> None:
        """Count from where a run sets out or, resumed, goes on."""
        self.epochs, self.divisions = history.epochs - first_epoch, history.clock.divisions

    def __call__(self, history: History) -> bool:
        """Tell of an epoch; return whether training should stop."""
        self.epochs += 1
        if self.estimator.verbose:
            print(f"Iteration {self.epochs}, loss = {history.loss_curve[-1]:.8f}")
            if history.validation_scores:
                print(f"Validation score: {history.validation_scores[-1]:f}")
            if history.clock.divisions > self.divisions:
                self.divisions = history.clock.divisions
                rate = self.estimator.learning_rate_init / 5.0**self.divisions
                print(f"{self._stalled()} Setting learning rate to {rate:f}")
        stop = self.callbacks.epoch(self._fitted)
        # the trainer minds the time itself; L-BFGS has only this
        self.timed_out = self.estimator.solver == "lbfgs" and time.monotonic() > self._deadline
        return stop or self.timed_out

    def end(self, history: History) -> None:
        """Tell that training has stalled, where it ends for that."""
        if self.estimator.verbose and history.stop_reason == "converged":
            divided = self.estimator.solver == "sgd" and self.estimator.learning_rate == "adaptive"
            small = " Learning rate too small." if divided else ""
            print(f"{self._stalled()}{small} Stopping.")

    def _stalled(self) -> str:
        e = self.estimator
        what = "Validation score" if e.early_stopping else "Training loss"
        return (
            f"{what} did not improve more than tol={e.tol:f} for {e.n_iter_no_change} consecutive "
            "epochs."
        )

    def _fitted(self) -> dict[str, Any]:
        """Return what makes a copy of the estimator predict as if the fit had stopped here."""
        return {"network_": self.estimator._bp_network.copy(), "n_iter_": self.epochs}


def warn_of_dead_units(network: Network, X: Any, rows: Any = None) -> None:
    """Warn where more than half the units of a ReLU layer are 0 for all of the first rows.

    A few rows say little: a healthy unit is 0 for about half of them.

    Parameters
    ----------
    network : Network
    X : array or sparse matrix of shape (N, n_0)
    rows : array of int, optional
        Which rows of it, all by default; up to 1000 are looked at.
    """
    rows = row_numbers(X.shape[0])[:MOST_ROWS] if rows is None else rows[:MOST_ROWS]
    hidden, n = network.model.activations[:-1], len(rows)
    dead = {  # by the layer's number
        layer: np.ones(network.sizes[layer], dtype=bool)
        for layer, phi in enumerate(hidden, start=1)
        if phi.name == "relu" and n >= FEWEST_ROWS
    }
    for start in range(0, n, ROWS_AT_ONCE):
        part = gather(X, rows[start : start + ROWS_AT_ONCE], network.parameters.flat)
        with np.errstate(over="ignore"):  # a unit of inf is alive
            a = backprop.forward(network.model, part).a
        for layer in list(dead):
            dead[layer] &= ~(np.asarray(a[layer]) > 0).any(axis=0)
            if 2 * dead[layer].sum() <= dead[layer].size:
                del dead[layer]  # healthy, whatever the other rows say
        if not dead:
            return
    for layer, units in dead.items():
        warn_caller(
            f"hidden layer {layer}: {units.sum()} of {units.size} ReLU units are 0 for all of "
            f"{n} rows and no longer learn; lower learning_rate_init, scale the inputs, or use "
            "activation='leaky_relu'",
            DeadUnitsWarning,
        )


def warn_of_the_end(estimator: Any, incremental: bool) -> None:
    """Warn where a fit was interrupted or has not converged.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        After fit.
    incremental : bool
        Whether it was `partial_fit`, which is not meant to converge.
    """
    reason = estimator.stop_reason_
    if reason == "interrupted":
        warn_caller("Training interrupted by user.", UserWarning, THEIRS)
    elif reason == "max_epochs" and not incremental:
        what, other = "Stochastic Optimizer", " or learning_rate_init"
        if estimator.solver == "lbfgs":
            what, other = "L-BFGS", " or scale the inputs"
        warn_caller(
            f"{what}: Maximum iterations ({estimator.max_iter}) reached and the optimization "
            f"hasn't converged yet: increase max_iter{other}.",
            ConvergenceWarning,
            THEIRS,
        )
    elif reason == "abnormal":
        warn_caller(
            "L-BFGS failed to converge: scale the inputs, or use another solver.",
            ConvergenceWarning,
            THEIRS,
        )


@contextmanager
def as_before_on_failure(estimator: Any, first: bool = False) -> Iterator[None]:
    """Leave an estimator fitted as it was, or not, where a fit raises an error.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
    first : bool
        Whether the fit begins anew. One that goes on changes the network in place, which only an
        error of backpass undoes; scikit-learn's errors come before that, when nothing is changed.

    Examples
    --------
    >>> from backpass import MLPRegressor
    >>> regressor = MLPRegressor()
    >>> with as_before_on_failure(regressor):
    ...     regressor.n_features_in_ = 3
    ...     raise BackpassError("diverged")
    Traceback (most recent call last):
    backpass.errors.BackpassError: diverged
    >>> hasattr(regressor, "n_features_in_")
    False
    """
    before = _fitted_state(estimator)
    try:
        yield
    except Exception as error:
        if not (first or isinstance(error, BackpassError)):
            raise
        for name in _fitted_state(estimator):
            del vars(estimator)[name]
        vars(estimator).update(before)
        raise


def _fitted_state(estimator: Any) -> dict[str, Any]:
    """Return what fits have set; the parameters in it the trainer puts back itself."""
    kept = copy.copy(estimator)
    if {"n_iter_", "_bp_history"} <= vars(kept).keys():
        kept._bp_history = copy.copy(kept._bp_history)
        for name, curve in vars(kept._bp_history).items():
            if isinstance(curve, list):  # it goes on in place
                setattr(kept._bp_history, name, list(curve))
        kept._bp_set_results(kept.n_iter_)
    fits = (name for name in vars(kept) if name.endswith("_") or name.startswith("_bp_"))
    return {name: vars(kept)[name] for name in fits}
