"""The number of a mistake that is not known beforehand: a learning rate, an L2 strength."""

from collections.abc import Callable, Sequence

import numpy as np

from backpass.core.arrays import Array
from backpass.derivatives.homework.mistake import Value
from backpass.derivatives.homework.part import Part

# l is a layer, as in the notes
# ruff: noqa: E741

STEPS = 12  # of the secant method, which needs 1 where the answer is linear in the number
START = 1e-3  # the first step away from the number that changes nothing
ENOUGH = 1e-13  # change of the number, relative, at which it is taken for found
NEARER = 0.5  # of the distance must be left after a step, or the mistake is another one


def solve(
    value: Callable[[float], Value],
    neutral: float,
    parts: Sequence[Part],
    candidates: Sequence[Sequence[tuple[str, int]]],
) -> float | None:
    r"""Return the number at which a mistake comes nearest to an answer; None where it tells none.

    Least squares over all parts, by the secant method: with v(t) what comes out, the answer y and
    the slope :math:`B = (v(t_2) - v(t_1)) / (t_2 - t_1)`, the next t is
    :math:`t_2 + B \cdot (y - v(t_2)) / B \cdot B`.

    Parameters
    ----------
    value : callable
        ``value(number)(kind, l)``: what comes out.
    neutral : float
        The number that changes nothing.
    parts : sequence of Part
        The answer.
    candidates : sequence of sequence of (str, int)
        What each part may stand for; the first is taken.

    Raises
    ------
    CannotPlantError
        When the mistake makes no sense in this network.
    """
    theirs, results = [], []
    for part, possible in zip(parts, candidates, strict=True):
        kind, l = possible[0]
        ours = value(neutral)(kind, l)
        shaped = None if ours is None else part.shaped(kind, ours.shape)
        if ours is None or shaped is None:
            return None
        size = float(np.abs(ours).max(initial=0.0)) or 1.0
        theirs.append(shaped[0].ravel() / size)
        results.append((kind, l, size))
    wanted = np.concatenate(theirs)

    def at(number: float) -> Array:
        arrays = value(number)
        found = [(arrays(kind, l), size) for kind, l, size in results]
        return np.concatenate([np.ravel(x) / size for x, size in found if x is not None])

    before, number = neutral, neutral + START
    old, new = at(before), at(number)
    for step in range(STEPS):
        slope = new - old
        square = float(slope @ slope)
        if square == 0 or not np.isfinite(square):
            break
        change = (number - before) * float(slope @ (wanted - new)) / square
        before, old, number = number, new, number + change
        if not np.isfinite(number) or abs(change) <= ENOUGH * abs(number):
            break
        new = at(number)
        left, had = (float(np.linalg.norm(wanted - v)) for v in (new, old))
        if not left <= NEARER * had and left > ENOUGH * np.linalg.norm(wanted):
            return None if step == 0 else number
    return number if np.isfinite(number) else None
