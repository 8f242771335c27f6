"""How far a pass may be off where every number on the way was rounded to a few digits.

A running error bound of first order (Higham, *Accuracy and Stability of Numerical Algorithms*,
section 3.3), with half a unit of the last digit carried in place of eps: beside every quantity of a
pass its error goes through the same equation. Sums of products take magnitudes in place of values;
what is computed from z and a is computed at either end of their errors. A mistake's own rules are
taken as they are, so what it gives has a bound, too.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import cached_property, partial

import numpy as np

from backpass.core.arrays import Array
from backpass.derivatives.homework.faulty_pass import CannotPlantError, Pass
from backpass.derivatives.homework.mistake import Made, Value
from backpass.derivatives.homework.part import Digits

OUTPUT = 3  # numbers that are written on the way to ∂C/∂z_L: ∂C/∂a_L, φ′ and their product


class Carried:
    """The errors of the results of a pass whose numbers were carried to some digits."""

    def __init__(self, w: Pass, digits: Digits) -> None:
        self.w, self.digits = w, digits
        self.low, self.high = w.with_numbers({}), w.with_numbers({})  # magnitudes, and with errors
        for one in (self.low, self.high):
            one.W, one.b = ({l: np.abs(x) for l, x in each.items()} for each in (w.W, w.b))
        self.moving: dict[tuple[str, int], Array] = {}  # the errors of z and a
        self._set("X", 0, np.zeros_like(w.a[0]))
        for l in range(1, w.L + 1):
            self._product("F1", l)
            self._set("F2", l, self._range("F2", l) + self._half("F2", l))
            if l < w.L:
                self._set("slope", l, self._range("slope", l) + self._half("slope", l))
        self._set("B1z", w.L, self._range("B1z", w.L) + OUTPUT * self._half("B1z", w.L))
        self._product("B1", w.L)
        for l in range(w.L, 0, -1):
            for name in ("B3 a", "B3 delta", "B3", "B4 delta", "B4"):
                self._product(name, l)
            with suppress(CannotPlantError):  # as of ∂J/∂X, which few hand in
                self._product("B2a", l - 1)
            if l > 1:
                self._product("B2b", l - 1)

    def error(self, kind: str, l: int) -> Array:
        """Return how far a result may be off."""
        place = self.w.of_kind(kind).rule(l), l
        error: Array = self.high.known[place] - self.low.known[place]
        return error

    def _half(self, name: str, l: int) -> Array:
        x = self.w.do(name, l)
        return np.where(x == 0, 0.0, self.digits.half_unit(x))

    def _set(self, name: str, l: int, error: Array) -> None:
        size = np.abs(self.w.do(name, l))
        self.low.put(name, l, size)
        self.high.put(name, l, size + error)
        if name in ("F1", "F2"):
            self.moving[name, l] = error

    def _product(self, name: str, l: int) -> None:
        """Take an error through a rule that is linear in each thing that it multiplies."""
        through = np.abs(self.high.compute(name, l) - self.low.compute(name, l))
        own = 0.0 if name in ("B3 a", "B3 delta", "B4 delta") else self._half(name, l)
        self._set(name, l, through + own)

    def _range(self, name: str, l: int) -> Array:
        """Return how far a rule gets where z and a move, each unit for itself where they mix."""
        L, here = self.w.L, self.w.do(name, l)
        mixed = l == L and not self.w.do("phi", L).elementwise
        total = np.zeros_like(here)
        for unit in np.eye(self.w.sizes[L]) if mixed else [np.ones(1)]:
            ends = []
            for sign in (-1, 1):
                moved = {
                    place: self.w.do(*place) + sign * error * (unit if place[1] == L else 1)
                    for place, error in self.moving.items()
                }
                ends.append(np.abs(self.w.with_numbers(moved).compute(name, l) - here))
            total += np.maximum(*ends)
        return total


class Given:
    """What is handed in of a pass with mistakes: a :data:`Value`, and how far it may be off."""

    def __init__(self, w: Pass, made: tuple[Made, ...], right: Pass, digits: Digits | None) -> None:
        self.w, self.made, self.right, self.digits = w, made, right, digits

    def __call__(self, kind: str, l: int) -> Array | None:
        """Return a result; None where there is no such layer."""
        return self._changed(self.w.value)(kind, l)

    def doubt(self, kind: str, l: int) -> Array | float:
        """Return how far a result may be off where digits were carried; 0 where all were."""
        if self.digits is None:
            return 0.0
        here, there = self(kind, l), self._changed(self._moved)(kind, l)
        assert here is not None
        assert there is not None
        return np.abs(there - here)

    @cached_property
    def _carried(self) -> Carried:
        assert self.digits is not None
        return Carried(self.w, self.digits)

    def _moved(self, kind: str, l: int) -> Array | None:
        value = self.w.value(kind, l)
        return None if value is None else value + self._carried.error(kind, l)

    def _changed(self, value: Value) -> Value:
        """Return what these mistakes make of what came out."""
        for way in (one.way for one in self.made):
            if way.result is not None:
                value = partial(way.result, self.w, value)
            if way.factor is not None:
                value = partial(_times, way.factor(self.right), value)
        return value


def _times(number: float, value: Callable[..., Array | None], kind: str, l: int) -> Array | None:
    array = value(kind, l)
    return None if array is None else number * array
