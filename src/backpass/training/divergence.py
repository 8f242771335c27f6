"""Diverged training, and numbers that a dtype cannot hold: found and named.

A number that leaves the dtype's range shows in the loss, mostly. It does not where an activation
is flat (tanh of an infinite number is 1) and where an optimiser divides by its own overflow (Adam's
v is infinite, so that every later step is 0): parameters and optimiser state are looked at, too.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from backpass.core.arrays import Array, dtype_name, to_numpy
from backpass.core.schedules import Clock
from backpass.engines import Problem
from backpass.errors import InputError, NonFiniteError

HALF = float(np.finfo(np.float64).max) / 2
MEND = "lower it, scale the inputs, or set clip_norm"


def check_numbers(problem: Problem) -> None:
    """Raise InputError where a setting is infinite, or a divisor 0, in the parameters' dtype.

    Numbers below the smallest *normal* one are 0: processors are told so, which makes them fast.
    √v, a mean of squares, is then 0 for gradients below the root of that number, and divided by a
    smaller ε they would make enormous steps.

    Examples
    --------
    >>> from backpass.core.settings import Settings
    >>> from backpass.network.network import Network
    >>> model = Network([1, 1], seed=0, dtype="float32").model
    >>> settings = Settings(optimizer="adam:epsilon=1e-46")
    >>> check_numbers(Problem(model, None, None, settings=settings))
    Traceback (most recent call last):
    backpass.errors.InputError: adam: epsilon is 1e-46, smaller than what has a square in ...
    """
    kind = dtype_name(problem.model.parameters.flat.dtype)
    if kind not in ("float32", "float64"):
        return
    rule, limits = problem.optimizer, np.finfo(kind)
    most, least = float(limits.max), float(limits.smallest_normal)
    names = ("learning_rate", "alpha", "clip_norm")
    settings = {name: getattr(problem.settings, name) for name in names}
    settings |= {f"{rule.name}: {name}": number for name, number in rule.numbers.items()}
    for name, number in settings.items():
        if number is None:
            continue
        if not abs(number) <= most:
            raise InputError(
                f"{name} is {number:g}; in {kind} it must be a number of at most {most:.2g}"
            )
        if name == "clip_norm" and 0 < number < least:
            raise InputError(
                f"{name} is {number:g}, which is 0 in {kind}; take at least {least:.2g}"
            )
        if name.endswith(": epsilon") and number < math.sqrt(least):
            raise InputError(
                f"{name} is {number:g}, smaller than what has a square in {kind}; take at least "
                f"{math.sqrt(least):.2g}"
            )


def check_costs(costs: Any, clock: Clock, epoch: int, rates: Any) -> None:
    """Raise NonFiniteError for the first step whose cost is not finite.

    Parameters
    ----------
    costs : array of shape (steps, 2)
        Mean loss and penalty of each step.
    clock : Clock
        Before these steps.
    epoch : int
        The present one, from 1.
    rates : sequence of float
        The learning rate of each step.
    """
    if costs.min() > -HALF and costs.max() < HALF:  # which NaN is not, and whose sums are finite
        return
    with np.errstate(over="ignore", invalid="ignore"):
        sums = costs.sum(axis=1)
    bad = np.flatnonzero(~np.isfinite(sums))
    if bad.size:
        first = int(bad[0])
        raise NonFiniteError(
            f"the loss is {sums[first]} in epoch {epoch}, step {clock.step + first + 1}, "
            f"at learning rate {rates[first]:g}: {MEND}"
        )


def check_mean(what: str, value: float, epoch: int, rate: float) -> None:
    """Raise NonFiniteError where a number that judges an epoch is not finite.

    Parameters
    ----------
    what : str
        What it is, such as ``"validation loss"``.
    value : float
    epoch : int
        From 1.
    rate : float
        The learning rate of its last step.
    """
    if not math.isfinite(value):
        raise NonFiniteError(
            f"the {what} is {value} after epoch {epoch}, at learning rate {rate:g}: "
            f"{MEND}; if the training loss is small, look at the rows it is computed on"
        )


def check_score(score: float, epoch: int, rate: float) -> None:
    """Raise what `check_mean` does for a validation score, whose loss is known to be finite.

    One that is not defined there is an InputError: no other learning rate mends it.

    Parameters
    ----------
    score : float
    epoch, rate
        As of `check_mean`.
    """
    if math.isnan(score):
        raise InputError(
            "the validation score is not defined on the validation rows (R² needs two or more"
            " different targets, the ROC area both classes): give more rows, or another metric"
        )
    check_mean("validation score", score, epoch, rate)


def check_parameters(flat: Array, epoch: int, step: int, rate: float) -> None:
    """Raise NonFiniteError where a parameter is not finite.

    Parameters
    ----------
    flat : array of shape (P,)
        θ.
    epoch, step : int
        The last ones.
    rate : float
        The learning rate of that step.
    """
    if not np.isfinite(to_numpy(flat)).all():
        raise NonFiniteError(
            f"parameters are not finite in epoch {epoch}, after step {step}, "
            f"at learning rate {rate:g}: {MEND}"
        )


def check_state(problem: Problem, state: Mapping[str, Array], epoch: int, step: int) -> None:
    """Raise NonFiniteError where a running number of the optimiser is not finite.

    Parameters
    ----------
    problem : Problem
    state : mapping of str to array (P,)
        The optimiser's.
    epoch, step : int
        The last ones.
    """
    for slot, array in state.items():
        if not np.isfinite(to_numpy(array)).all():
            kind = dtype_name(array.dtype)
            wider = "" if kind == "float64" else ", or compute in float64"
            raise NonFiniteError(
                f"{problem.optimizer.name}'s {slot} has left the range of {kind} by epoch {epoch}, "
                f"step {step}, so that parameters no longer move as they should: the gradients are "
                f"too large; scale the inputs and targets, set clip_norm, lower alpha{wider}"
            )
