"""The number of a mistake that is not known beforehand: a learning rate, an L2 strength."""

from collections.abc import Callable
from typing import Any

import numpy as np

from backpass.core.arrays import Array

STEPS = 12  # of the secant method, which needs 1 where the answer is linear in the number
START = 1e-3  # the first step away from the number that changes nothing
ENOUGH = 1e-13  # change of the number, relative, at which it is taken for found
NEARER = 0.5  # of the distance may be left after a step that gets nearer
FAR = 0.1  # of the answer's size: from there the mistake is another one, rounded as it may be


def solve(value: Callable[[float], Any], wanted: Array, neutral: float) -> float | None:
    r"""Return the number at which a result comes nearest to an answer; None where it tells none.

    Least squares by the secant method: with v(t) what comes out, the answer y and the slope
    :math:`B = (v(t_2) - v(t_1)) / (t_2 - t_1)`, the next t is
    :math:`t_2 + B \cdot (y - v(t_2)) / B \cdot B`.

    The search begins at `neutral`, the number that changes nothing.

    Examples
    --------
    >>> v = np.array([1.0, 2.0])
    >>> float(solve(lambda t: v * (1 + t), np.array([1.25, 2.5]), 0.0))
    0.25
    >>> solve(lambda t: v * (1 + t), np.array([5.0, -2.0]), 0.0) is None
    True
    """
    old, new = value(neutral), value(neutral + START)
    before, number = neutral, neutral + START
    size = float(np.linalg.norm(wanted))
    for _ in range(STEPS):
        slope = (new - old).ravel()
        square = float(slope @ slope)
        if square == 0 or not np.isfinite(square):
            return None
        change = (number - before) * float(slope @ (wanted - new).ravel()) / square
        before, old, number = number, new, number + change
        if not np.isfinite(number):
            return None
        if abs(change) <= ENOUGH * abs(number):
            break
        new = value(number)
        left, had = (float(np.linalg.norm(wanted - v)) for v in (new, old))
        if left > NEARER * had:  # as near as it comes
            return number if had <= FAR * size else None
    return number
