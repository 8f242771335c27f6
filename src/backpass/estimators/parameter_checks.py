"""What the parameters of the estimators must be: one table."""

import math
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, TypeAlias

import numpy as np

from backpass.errors import InputError

__all__ = ["CHECKS", "SOLVERS", "check_parameters", "hidden_sizes"]

Check: TypeAlias = Callable[[Any], bool]

SOLVERS = ("lbfgs", "sgd", "adam", "adamw", "rmsprop")


def _real(low: float, high: float = math.inf, closed: bool = True) -> Check:
    def check(value: Any) -> bool:
        number = isinstance(value, Real) and not isinstance(value, bool)
        return number and (low <= value <= high if closed else low < value < high)

    return check


MOST_THREADS = 1024


def _positive_integer(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= 1


def _boolean(value: Any) -> bool:
    return isinstance(value, bool | np.bool_)


def _fraction(value: Any) -> bool:
    return bool(_real(0, 1)(value)) and value < 1


CHECKS: dict[str, tuple[Check, str]] = {
    "solver": (lambda v: v in SOLVERS, f"one of {', '.join(SOLVERS)}"),
    "alpha": (_real(0), "a number of at least 0"),
    "batch_size": (lambda v: v == "auto" or _positive_integer(v), "'auto' or an integer ≥ 1"),
    "learning_rate_init": (_real(0, closed=False), "a positive number"),
    "power_t": (_real(0), "a number of at least 0"),
    "max_iter": (_positive_integer, "an integer of at least 1"),
    "shuffle": (_boolean, "True or False"),
    "tol": (_real(0), "a number of at least 0"),
    "verbose": (lambda v: _boolean(v) or _real(0)(v), "True, False or an integer ≥ 0"),
    "warm_start": (_boolean, "True or False"),
    "momentum": (_real(0, 1), "a number between 0 and 1"),
    "nesterovs_momentum": (_boolean, "True or False"),
    "early_stopping": (_boolean, "True or False"),
    "validation_fraction": (_fraction, "a number of at least 0 and below 1"),
    "beta_1": (_fraction, "a number of at least 0 and below 1"),
    "beta_2": (_fraction, "a number of at least 0 and below 1"),
    "epsilon": (_real(0, closed=False), "a positive number"),
    "n_iter_no_change": (lambda v: _positive_integer(v) or v == math.inf, "an integer ≥ 1 or inf"),
    "max_fun": (_positive_integer, "an integer of at least 1"),
    "dropout": (_fraction, "a number of at least 0 and below 1"),
    "clip_norm": (lambda v: v is None or _real(0, closed=False)(v), "None or a positive number"),
    "time_limit": (lambda v: v is None or _real(0, closed=False)(v), "None or a positive number"),
    "n_threads": (
        lambda v: v is None or (_positive_integer(v) and v <= MOST_THREADS),
        f"None or an integer ≥ 1, at most {MOST_THREADS}",
    ),
    "gradient_norms": (_boolean, "True or False"),
}
"""What each parameter must be: a test and its words."""


def check_parameters(estimator: object) -> None:
    """Raise an :class:`InputError` naming the first parameter that cannot be used."""
    for name, (good, words) in CHECKS.items():
        value = getattr(estimator, name)
        if not good(value):
            raise InputError(f"{name} must be {words}, not {value!r}")


def hidden_sizes(sizes: Any) -> list[int]:
    """Return `hidden_layer_sizes`, one integer or several, as a list."""
    listed = list(sizes) if hasattr(sizes, "__iter__") else [sizes]
    if not all(_positive_integer(n) for n in listed):
        raise InputError(f"hidden_layer_sizes must be integers > 0, got {sizes!r}")
    return [int(n) for n in listed]
