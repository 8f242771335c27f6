"""The parameters of an estimator: what each must be, and the settings of training they mean."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from backpass.core.registry import shown
from backpass.core.requirements import (
    COUNT,
    FLAG,
    FRACTION,
    NOT_NEGATIVE,
    POSITIVE,
    SIZE,
    THREADS,
    Requirement,
    check_values,
    number,
    one_of,
)
from backpass.core.schedules import SCHEDULES
from backpass.core.settings import Settings
from backpass.errors import InputError, brief, warn_caller
from backpass.estimators.compat import THEIRS
from backpass.estimators.own_parameters import given

SOLVERS = ("lbfgs", "sgd", "adam", "adamw", "rmsprop")
SGD_ONLY = ("invscaling", "adaptive")  # as in scikit-learn, other solvers ignore these

CHECKS = {
    "solver": one_of(*SOLVERS),
    "alpha": SIZE,
    "batch_size": Requirement(
        lambda v: (isinstance(v, str) and v == "auto") or COUNT.met_by(v),
        "'auto' or an integer ≥ 1",
    ),
    "learning_rate_init": POSITIVE,
    "power_t": SIZE,
    "max_iter": COUNT,
    "shuffle": Requirement(
        lambda v: FLAG.met_by(v) or (isinstance(v, str) and v == "blocks"),
        "True, False or 'blocks'",
    ),
    "tol": NOT_NEGATIVE,
    "verbose": Requirement(
        lambda v: FLAG.met_by(v) or NOT_NEGATIVE.met_by(v), "True, False or an integer ≥ 0"
    ),
    "warm_start": FLAG,
    "momentum": Requirement(number(0, 1), "a number between 0 and 1"),
    "nesterovs_momentum": FLAG,
    "early_stopping": FLAG,
    "validation_fraction": FRACTION,
    "beta_1": FRACTION,
    "beta_2": FRACTION,
    "epsilon": POSITIVE,
    "n_iter_no_change": Requirement(
        lambda v: COUNT.met_by(v) or (isinstance(v, float) and v == math.inf),
        "an integer ≥ 1 or inf",
    ),
    "max_fun": COUNT,
    "dropout": FRACTION,
    "clip_norm": POSITIVE.or_none,
    "time_limit": POSITIVE.or_none,
    "n_threads": THREADS.or_none,
    "early_stopping_metric": Requirement(
        lambda v: v is None or isinstance(v, str) or callable(v),
        "None, the name of a scorer, or a scorer",
    ),
    "gradient_norms": FLAG,
}
"""What each parameter must be."""


def check_parameters(estimator: Any, incremental: bool = False) -> None:
    """Raise an :class:`InputError` naming the first parameter that cannot be used."""
    check_values(given(estimator), CHECKS)
    SCHEDULES.get_record(estimator.learning_rate)
    if incremental and estimator.early_stopping:
        raise InputError(
            "partial_fit does not support early_stopping=True: each call sees other rows, "
            "so there is nothing to hold out; use fit with validation_data"
        )


def generator_of(estimator: Any) -> Any:
    """Return what an estimator draws from."""
    try:
        return check_random_state(estimator.random_state)
    except ValueError:
        raise InputError(
            f"random_state={brief(estimator.random_state)}: give an integer from 0 to 2**32 − 1, a "
            "RandomState or None"
        ) from None


def hidden_sizes(sizes: Any) -> list[int]:
    """Return `hidden_layer_sizes`, one integer or several, as a list."""
    listed = list(sizes) if hasattr(sizes, "__iter__") else [sizes]
    if not all(map(COUNT.met_by, listed)):
        raise InputError(f"hidden_layer_sizes must be integers > 0, got {brief(sizes)}")
    return [int(n) for n in listed]


def listed_activation(activation: Any) -> Any:
    """Return the parameter `activation` as a network takes it: a name, a record, or a list.

    Examples
    --------
    >>> listed_activation("relu"), listed_activation(("relu", "tanh"))
    ('relu', ['relu', 'tanh'])
    """
    several = not isinstance(activation, str) and hasattr(activation, "__iter__")
    return list(activation) if several else activation


def check_unchanged(estimator: Any) -> None:
    """Refuse to go on with a network that the estimator's parameters no longer describe.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        Fitted.

    Raises
    ------
    InputError
        When its hidden layers or its loss were changed since.
    """
    network = estimator._bp_network
    asked: dict[str, tuple[Callable[[], Any], Any]] = {
        "hidden_layer_sizes": (
            lambda: hidden_sizes(estimator.hidden_layer_sizes),
            list(network.sizes[1:-1]),
        ),
        "loss": (lambda: shown(estimator._bp_loss_record()), shown(network.model.loss)),
    }
    for name, (new, old) in asked.items():
        if new() != old:
            raise InputError(
                f"{name}={brief(getattr(estimator, name))} is not that of the network to go on "
                "with; set it back, or train a new one: fit with warm_start=False"
            )


def fit_settings(estimator: Any, n_rows: int) -> Settings:
    """Return how an estimator trains.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        With its network.
    n_rows : int
        To train on.
    """
    e = given(estimator)
    if e.batch_size != "auto" and e.batch_size > n_rows:
        warn_caller(
            f"batch_size={e.batch_size} is larger than the {n_rows} rows to train on; "
            "it is clipped to them",
            UserWarning,
            THEIRS,
        )
    # scikit-learn clips probabilities at eps: no term of its log-loss exceeds -log(eps)
    clipped = e._bp_network.model.loss.task == "classification"
    eps = float(np.finfo(e._bp_network.parameters.flat.dtype).eps)
    return Settings(
        optimizer=_optimizer(e),
        schedule=_schedule(e),
        learning_rate=e.learning_rate_init,
        batch_size=min(200, n_rows) if e.batch_size == "auto" else int(e.batch_size),
        epochs=e.max_iter,  # partial_fit, too: a schedule is as long as so many calls
        sampling="blocks" if e.shuffle == "blocks" else "shuffle" if e.shuffle else "sequential",
        alpha=e.alpha,
        dropout=e.dropout,
        clip_norm=e.clip_norm,
        ceiling=-math.log(eps) if clipped else None,
        tolerance=e.tol,
        patience=e.n_iter_no_change,
        early_stopping=e.early_stopping,
        outputs_averaged=e._bp_network.model.loss.name == "squared_error",
        time_limit=e.time_limit,
        gradient_norms=e.gradient_norms,
        n_threads=e.n_threads,
    )


def _schedule(e: Any) -> str:
    if e.solver != "sgd" and e.learning_rate in SGD_ONLY:
        return "constant"
    if e.learning_rate == "invscaling":
        return f"invscaling:power={float(e.power_t)}"
    return str(e.learning_rate)


def _optimizer(e: Any) -> str:
    if e.solver == "sgd":
        kind = "nesterov" if e.nesterovs_momentum else "momentum"
        return f"{kind}:momentum={float(e.momentum)}"
    beta_1, beta_2, epsilon = float(e.beta_1), float(e.beta_2), float(e.epsilon)
    if e.solver in ("adam", "adamw"):
        return f"{e.solver}:{beta_1=},{beta_2=},{epsilon=}"
    return f"rmsprop:decay={beta_1},{epsilon=}"
