"""From the parameters of an estimator, which are scikit-learn's, to the settings of training."""

import math
import warnings
from typing import Any

import numpy as np

from backpass.core.settings import Settings

__all__ = ["fit_settings"]

SGD_ONLY = ("invscaling", "adaptive")  # as in scikit-learn, other solvers ignore these


def fit_settings(estimator: Any, epochs: int, n_rows: int) -> Settings:
    """Return how an estimator trains.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        With its network.
    epochs : int
        Most of them.
    n_rows : int
        To train on.
    """
    e = estimator
    if e.batch_size != "auto" and e.batch_size > n_rows:
        warnings.warn(
            f"batch_size={e.batch_size} is larger than the {n_rows} rows to train on; "
            "it is clipped to them",
            UserWarning,
            stacklevel=4,
        )
    # scikit-learn clips probabilities at eps: no term of its log-loss exceeds -log(eps)
    clipped = e.network_.model.loss.task == "classification"
    eps = float(np.finfo(e.network_.parameters.flat.dtype).eps)
    return Settings(
        optimizer=_optimizer(e),
        schedule=_schedule(e),
        learning_rate=e.learning_rate_init,
        batch_size=min(200, n_rows) if e.batch_size == "auto" else int(e.batch_size),
        epochs=epochs,
        sampling="shuffle" if e.shuffle else "sequential",
        alpha=e.alpha,
        dropout=e.dropout,
        clip_norm=e.clip_norm,
        ceiling=-math.log(eps) if clipped else None,
        tolerance=e.tol,
        patience=e.n_iter_no_change,
        early_stopping=e.early_stopping,
        outputs_averaged=e.network_.model.loss.name == "squared_error",
        time_limit=e.time_limit,
        gradient_norms=e.gradient_norms,
        n_threads=e.n_threads,
    )


def _schedule(e: Any) -> str:
    if e.solver != "sgd" and e.learning_rate in SGD_ONLY:
        return "constant"
    if e.learning_rate == "invscaling":
        return f"invscaling:power={e.power_t}"
    return str(e.learning_rate)


def _optimizer(e: Any) -> str:
    if e.solver == "sgd":
        kind = "nesterov" if e.nesterovs_momentum else "momentum"
        return f"{kind}:momentum={e.momentum}"
    if e.solver in ("adam", "adamw"):
        return f"{e.solver}:beta_1={e.beta_1},beta_2={e.beta_2},epsilon={e.epsilon}"
    return f"rmsprop:decay={e.beta_1},epsilon={e.epsilon}"
