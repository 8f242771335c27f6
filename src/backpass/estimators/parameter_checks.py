"""What the parameters of the estimators must be: one table."""

import math
from typing import Any

from backpass.core.value_checks import (
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
)
from backpass.errors import InputError

__all__ = ["CHECKS", "SOLVERS", "check_parameters", "hidden_sizes"]

SOLVERS = ("lbfgs", "sgd", "adam", "adamw", "rmsprop")


CHECKS = {
    "solver": Requirement(
        lambda v: isinstance(v, str) and v in SOLVERS, f"one of {', '.join(SOLVERS)}"
    ),
    "alpha": SIZE,
    "batch_size": Requirement(
        lambda v: (isinstance(v, str) and v == "auto") or COUNT.met_by(v),
        "'auto' or an integer ≥ 1",
    ),
    "learning_rate_init": POSITIVE,
    "power_t": SIZE,
    "max_iter": COUNT,
    "shuffle": FLAG,
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


def check_parameters(estimator: object) -> None:
    """Raise an :class:`InputError` naming the first parameter that cannot be used."""
    check_values(estimator, CHECKS)


def hidden_sizes(sizes: Any) -> list[int]:
    """Return `hidden_layer_sizes`, one integer or several, as a list."""
    listed = list(sizes) if hasattr(sizes, "__iter__") else [sizes]
    if not all(map(COUNT.met_by, listed)):
        raise InputError(f"hidden_layer_sizes must be integers > 0, got {sizes!r}")
    return [int(n) for n in listed]
