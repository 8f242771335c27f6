"""An answer, part by part, beside what a pass gives: what equals it, in how many digits."""

import math
from collections.abc import Sequence

import numpy as np

from backpass.core.arrays import Array
from backpass.derivatives.homework.carried import Given
from backpass.derivatives.homework.comparison import Tolerance
from backpass.derivatives.homework.factors import Fit
from backpass.derivatives.homework.faulty_pass import Pass
from backpass.derivatives.homework.mistake import Made, printed
from backpass.derivatives.homework.part import KINDS, Digits, Part

NEAR = 0.5  # of its size: what carrying few digits moves farther tells no mistake from another

Candidates = list[tuple[str, int]]
"""The results, by kind and layer, that a part of an answer may stand for."""


class Beside:
    """An answer whose parts may stand for `candidates`, to be held beside results.

    With `carried`, results may be off by what rounding every step to these digits does. Where the
    answer itself `may_be_right` but for such rounding, digits speak for another only beyond that.
    """

    def __init__(
        self,
        right: Pass,
        compare: Tolerance,
        parts: Sequence[Part],
        candidates: Sequence[Candidates],
        *,
        carried: Digits | None = None,
        may_be_right: Digits | None = None,
    ) -> None:
        self.right, self.compare = right, compare
        self.parts, self.candidates, self.carried = parts, candidates, carried
        self.untouched = self.given(right)
        self.spread = may_be_right and Given(right, (), right, may_be_right)
        # next to the output first: the least has to be computed to see that they differ
        self.order = sorted(
            range(len(parts)), key=lambda i: (-candidates[i][0][1], candidates[i][0][0] == "W")
        )

    def given(self, w: Pass, *made: Made) -> Given:
        """Return what is handed in of a pass with the faults of these mistakes."""
        return Given(w, made, self.right, self.carried)

    def fit(self, i: int, value: Given, *, equal: bool = False) -> Fit | None:
        """Return what a part is: the first result that it equals, or is a multiple of."""
        arrays = [(kind, l, value(kind, l)) for kind, l in self.candidates[i]]
        there = [(kind, l, array) for kind, l, array in arrays if array is not None]
        for kind, l, array in there:
            doubt = self._doubt(i, value, kind, l)
            if self.compare.off(self.parts[i], kind, l, array, doubt=doubt) is not None:
                return Fit(kind, l, nothing=self.compare.is_nothing(kind, l, array))
        for kind, l, array in () if equal else there:
            doubt = self._doubt(i, value, kind, l)
            span = self.compare.factors(self.parts[i], kind, l, array, doubt)
            if span is not None:
                return Fit(kind, l, span)
        return None

    def off(self, i: int, fit: Fit, value: Given, number: float = 1.0) -> float | None:
        """Return how far a part is off a number of times a value; None where it differs."""
        kind, l = fit.kind, fit.layer
        array = value(kind, l)
        if array is None:
            return None
        doubt = self._doubt(i, value, kind, l)
        return self.compare.off(self.parts[i], kind, l, array, number, doubt)

    def _doubt(self, i: int, value: Given, kind: str, l: int) -> Array | float:
        """Return how far the digits carried may move a value; 0 where it is far from the part."""
        array = value(kind, l)
        if self.carried is None or array is None or not self.parts[i].units.any():
            return 0.0
        shaped = self.parts[i].shaped(kind, array.shape)
        near = shaped is not None and _residual(shaped[0], array) <= NEAR
        return value.doubt(kind, l) if near else 0.0

    def covered(self, fits: Sequence[Fit], value: Given, number: float) -> set[int]:
        """Return the parts that are so many times a value, and not the value itself."""
        return {
            i
            for i, fit in enumerate(fits)
            if fit.span is not None
            and (fit.factor == 0 if number == 0 else self.off(i, fit, value, number) is not None)
        }

    def differs(self, one: Given, other: Given) -> bool:
        """Return whether any result that the answer may stand for differs, to the digits it has."""

        def same(i: int, kind: str, l: int, here: Array) -> bool:
            shaped = self.parts[i].shaped(kind, here.shape)
            doubt = self._doubt(i, one, kind, l) + (0.0 if shaped is None else shaped[1])
            return self.compare.same(kind, l, other(kind, l), here, doubt)

        return any(
            not same(i, kind, l, here)
            for i in self.order
            for kind, l in self.candidates[i]
            if (here := one(kind, l)) is not None
        )

    def digits(self, i: int, fit: Fit, value: Given, number: float) -> list[float]:
        """Return how many digits of a part speak for so many times a value."""
        kind, l = fit.kind, fit.layer
        array = value(kind, l)
        assert array is not None  # it fits
        doubt, spread = abs(number or 1) * self._doubt(i, value, kind, l), np.inf
        if self.spread:
            there = self.spread(kind, l)
            if there is not None and there.shape == array.shape:
                spread = self.spread.doubt(kind, l)
        return self.compare.digits(self.parts[i], kind, l, (number or 1) * array, doubt, spread)

    def told_multiples(self) -> list[str]:
        """Return a sentence for each part that is a multiple of what is right."""
        several = [i for i, part in enumerate(self.parts) if part.numbers.size > 1]
        fits = [fit for fit in (self.fit(i, self.untouched) for i in several) if fit]
        return [
            f"{{{KINDS[fit.kind]}[{fit.layer}]}} is "
            + (f"{printed(fit.factor)} times the right one" if fit.factor else "0")
            for fit in fits
            if fit.span
        ]


def _residual(theirs: Array, array: Array) -> float:
    """Return how far an answer is from the nearest multiple of a value, in parts of its size."""
    size, square = float(np.vdot(theirs, theirs)), float(np.vdot(array, array))
    left = size - float(np.vdot(theirs, array)) ** 2 / square if square else size
    return math.sqrt(max(left, 0.0) / size) if size else 0.0
