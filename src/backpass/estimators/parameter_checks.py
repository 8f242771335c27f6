"""What the parameters of the estimators must be: one table."""

import math
from typing import Any

from backpass.errors import InputError
from backpass.value_checks import (
    MOST_THREADS,
    Check,
    Table,
    boolean,
    check_values,
    fraction,
    number,
    or_none,
    positive_integer,
    size,
    threads,
)

__all__ = ["CHECKS", "SOLVERS", "check_parameters", "hidden_sizes"]

SOLVERS = ("lbfgs", "sgd", "adam", "adamw", "rmsprop")


def _one_of(*names: str) -> Check:
    return lambda value: isinstance(value, str) and value in names


CHECKS: Table = {
    "solver": (_one_of(*SOLVERS), f"one of {', '.join(SOLVERS)}"),
    "alpha": (size, "a number of at least 0 and finite"),
    "batch_size": (lambda v: _one_of("auto")(v) or positive_integer(v), "'auto' or an integer ≥ 1"),
    "learning_rate_init": (number(0, closed=False), "a positive number"),
    "power_t": (size, "a number of at least 0 and finite"),
    "max_iter": (positive_integer, "an integer of at least 1"),
    "shuffle": (boolean, "True or False"),
    "tol": (number(0), "a number of at least 0"),
    "verbose": (lambda v: boolean(v) or number(0)(v), "True, False or an integer ≥ 0"),
    "warm_start": (boolean, "True or False"),
    "momentum": (number(0, 1), "a number between 0 and 1"),
    "nesterovs_momentum": (boolean, "True or False"),
    "early_stopping": (boolean, "True or False"),
    "validation_fraction": (fraction, "a number of at least 0 and below 1"),
    "beta_1": (fraction, "a number of at least 0 and below 1"),
    "beta_2": (fraction, "a number of at least 0 and below 1"),
    "epsilon": (number(0, closed=False), "a positive number"),
    "n_iter_no_change": (
        lambda v: positive_integer(v) or (isinstance(v, float) and v == math.inf),
        "an integer ≥ 1 or inf",
    ),
    "max_fun": (positive_integer, "an integer of at least 1"),
    "dropout": (fraction, "a number of at least 0 and below 1"),
    "clip_norm": (or_none(number(0, closed=False)), "None or a positive number"),
    "time_limit": (or_none(number(0, closed=False)), "None or a positive number"),
    "n_threads": (or_none(threads), f"None or an integer ≥ 1, at most {MOST_THREADS}"),
    "early_stopping_metric": (
        lambda v: v is None or isinstance(v, str) or callable(v),
        "None, the name of a scorer, or a scorer",
    ),
    "gradient_norms": (boolean, "True or False"),
}
"""What each parameter must be: a test and its words."""


def check_parameters(estimator: object) -> None:
    """Raise an :class:`InputError` naming the first parameter that cannot be used."""
    check_values(estimator, CHECKS)


def hidden_sizes(sizes: Any) -> list[int]:
    """Return `hidden_layer_sizes`, one integer or several, as a list."""
    listed = list(sizes) if hasattr(sizes, "__iter__") else [sizes]
    if not all(positive_integer(n) for n in listed):
        raise InputError(f"hidden_layer_sizes must be integers > 0, got {sizes!r}")
    return [int(n) for n in listed]
