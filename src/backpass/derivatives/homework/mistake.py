"""A mistake, and the small changes of the two passes that mistakes are made of."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

import numpy as np

from backpass.core import backprop
from backpass.core.arrays import Array
from backpass.derivatives.homework.faulty_pass import (
    CannotPlantError,
    Fault,
    Pass,
    Rule,
    output_derivative,
)
from backpass.derivatives.notation import CODE, Notation
from backpass.derivatives.notation.in_line import spoken

# l is a layer, as in the notes
# ruff: noqa: E741

Value: TypeAlias = Callable[[str, int], Array | None]
Result: TypeAlias = Callable[[Pass, Value, str, int], Array | None]
Family: TypeAlias = Callable[[float], tuple[Fault, ...]]


@dataclass(frozen=True)
class Way:
    """One way to make a mistake: faults in the equations, or a change of what came out.

    Parameters
    ----------
    where : str
        Where it was made, after the mistake's name; empty where that says it already. Quantities
        stand in braces, ``{delta[l+1]}``, so that they can be said in every notation.
    faults : tuple of Fault
        Rules taken wrongly.
    result : callable, optional
        ``result(w, value, kind, l)``: what is given for a result; ``value(kind, l)`` is what the
        pass has, None where it has none.
    factor : callable, optional
        ``factor(w)``: one number that the whole answer is multiplied by, or its bias gradients
        alone, or those of a layer.
    family : callable, optional
        ``family(number)``: the faults with a number that is not known beforehand, and is solved
        for; at `neutral` they change nothing.
    neutral : callable, optional
        ``neutral(w)``, 0 by default.
    told : callable, optional
        ``told(w, number)``: how the number that was found is said; without a family, what
        is said before where.
    layers : callable, optional
        ``layers(w)``: the layers in which it is made, in all of them or in one alone.
    possible : callable, optional
        ``possible(w)``: whether it can be made in this network at all.
    alone : bool
        Whether it is made in one layer, of several in which it could be.
    """

    where: str = ""
    faults: tuple[Fault, ...] = ()
    result: Result | None = None
    factor: Callable[[Pass], float] | None = None
    family: Family | None = None
    neutral: Callable[[Pass], float] | None = None
    told: Callable[[Pass, float], str] | None = None
    layers: Callable[[Pass], range] | None = None
    possible: Callable[[Pass], bool] | None = None
    alone: bool = False

    def expanded(self, w: Pass) -> Iterator["Way"]:
        """Yield it for all of its layers, then for each alone; nothing where it is impossible."""
        if self.possible is not None and not self.possible(w):
            return
        if self.told is not None and self.family is None:
            where = f"{self.told(w, 0.0)} {self.where}".strip()
            yield from replace(self, where=where, told=None).expanded(w)
            return
        if self.layers is None:
            yield self
            return
        layers = self.layers(w)
        if layers:
            yield self._in(layers)
        if len(layers) > 1:
            for l in reversed(layers):
                yield replace(self._in([l]), where=f"in layer {l}", alone=True)

    def _in(self, layers: Sequence[int]) -> "Way":
        here = tuple(layers)
        return replace(self, faults=tuple(replace(fault, layers=here) for fault in self.faults))

    def at(self, w: Pass, number: float) -> "Way":
        """Return it with the number that was found."""
        assert self.family is not None
        told = self.told(w, number) if self.told else printed(number)
        where = f"{told} {self.where}".strip()
        return replace(self, where=where, faults=self.family(number), family=None)

    def is_far_fetched_with(self, other: "Way") -> bool:
        """Return whether a mistake in one layer alone meets another one in the passes."""
        return bool(self.alone and other.faults) or bool(other.alone and self.faults)

    def clashes(self, other: "Way") -> bool:
        """Return whether the two cannot be made together."""
        return any(mine.clashes(theirs) for mine in self.faults for theirs in other.faults)


@dataclass(frozen=True)
class Mistake:
    """One mistake that learners make.

    Parameters
    ----------
    name : str
        Its key in :data:`~backpass.derivatives.homework.MISTAKES`.
    sentence : str
        What went wrong.
    equation : str
        The id of the equation that says what is right.
    source : str
        The note that says so, and where.
    mend : str
        What to change.
    ways : tuple of Way
        The commonest first.

    Examples
    --------
    >>> from backpass.derivatives.homework import MISTAKES
    >>> MISTAKES["bias forgotten"].equation
    'F1'
    """

    name: str
    sentence: str
    equation: str
    source: str
    mend: str
    ways: tuple[Way, ...]

    def expanded(self, w: Pass) -> Iterator[Way]:
        """Yield every way in which it can be made in a network, the commonest first."""
        for way in self.ways:
            yield from way.expanded(w)


@dataclass(frozen=True)
class Made:
    """A mistake in one of its ways.

    Parameters
    ----------
    mistake : Mistake
    way : Way
    rank : int
        How common the mistake is; 0 is the commonest.
    """

    mistake: Mistake
    way: Way
    rank: int

    @property
    def where(self) -> str:
        """The place where it was made; empty where its name says that already."""
        return self.way.where

    def changed(self, w: Pass, value: Value) -> Value:
        """Return what is handed in where it was made with what came out of a pass."""
        result = self.way.result
        return value if result is None else partial(result, w, value)

    def renamed(self, where: str) -> "Made":
        """Return it made in another place."""
        return replace(self, way=replace(self.way, where=where))

    def __str__(self) -> str:
        return self.told(CODE)

    def told(self, notation: Notation) -> str:
        """Return its name and place in the symbols of a notation."""
        where = f" ({spoken(self.where, notation)})" if self.where else ""
        return self.mistake.name + where


def printed(number: float) -> str:
    """Return a number with four digits, and with as many more as tell it from 1 and −1.

    Examples
    --------
    >>> printed(0.037), printed(1.00001234), printed(-2.0), printed(1234567.0)
    ('0.037', '1.00001', '-2', '1.235e+06')
    """
    digits = 4
    while float(f"{abs(number):.{digits}g}") == 1 != abs(number) and digits < 15:
        digits += 1
    return f"{number:.{digits}g}"


# --- in which networks, and in which layers ------------------------------------------------------


def hidden(w: Pass) -> range:
    """Return the hidden layers."""
    return range(1, w.L)


def output(w: Pass) -> range:
    """Return the output layer."""
    return range(w.L, w.L + 1)


def every(w: Pass) -> range:
    """Return all layers."""
    return range(1, w.L + 1)


def below(w: Pass) -> range:
    """Return the layers that B2a is computed for, the input (0) included."""
    return range(w.L)


def is_softmax(w: Pass) -> bool:
    """Return whether the output activation mixes the units of a row."""
    return not w.phi[w.L].elementwise


def is_elementwise(w: Pass) -> bool:
    """Return whether the output activation takes every unit alone."""
    return bool(w.phi[w.L].elementwise)


def has_classes(w: Pass) -> bool:
    """Return whether the targets are classes, one-hot or smoothed, a column each."""
    y = w.targets
    one_hot = bool(((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all())
    return y.shape[1] > 1 and (one_hot or is_smoothed(w))


def is_smoothed(w: Pass) -> bool:
    """Return whether the loss smooths the labels."""
    return bool(w.loss.numbers.get("label_smoothing"))


# --- of a result ---------------------------------------------------------------------------------


def transposed(w: Pass, value: Value, kind: str, l: int) -> Array | None:
    """Return a matrix transposed; a vector stays as it is."""
    right = value(kind, l)
    return None if right is None else right.T


def shifted(by: int) -> Result:
    """Return a change: the same result of another layer."""
    return lambda w, value, kind, l: value(kind, l + by)


def from_the_other_end(w: Pass, value: Value, kind: str, l: int) -> Array | None:
    """Return the result of the layer that has this number counted from the output."""
    return value(kind, w.L + 1 - l)


# --- of the passes -------------------------------------------------------------------------------


def multiple(number: float, where: str = "") -> Way:
    """Return the way that multiplies what came out by a number."""
    return Way(where, factor=lambda w: number)


def by(number: float, *names: str) -> tuple[Fault, ...]:
    """Return faults that multiply what rules give by a number."""
    return tuple(Fault(name, factor=lambda w, l: number) for name in names)


def by_S(power: int, *names: str) -> tuple[Fault, ...]:
    """Return faults that multiply what rules give by S (power 1) or divide it by S (−1)."""
    return tuple(Fault(name, factor=lambda w, l: float(w.S) ** power) for name in names)


def wrong(
    name: str,
    rule: Rule,
    where: str = "",
    *,
    layers: Callable[[Pass], range] | None = None,
    possible: Callable[[Pass], bool] | None = None,
) -> Way:
    """Return the way that takes a single rule wrongly."""
    return Way(where, (Fault(name, rule),), layers=layers, possible=possible)


def slope_ways(rule: Rule, *, softmax: bool = False) -> tuple[Way, ...]:
    """Return the ways to take φ′ wrongly: in hidden layers, at the output, everywhere."""
    possible = None if softmax else is_elementwise
    return (
        wrong("slope", rule, "in the hidden layers", layers=hidden),
        wrong("slope", rule, "at the output", layers=output, possible=possible),
        wrong("slope", rule, "in every layer", possible=possible),
    )


def named(what: str, ways: tuple[Way, ...]) -> tuple[Way, ...]:
    """Return ways that say what was taken before they say where."""
    return tuple(replace(way, where=f"{what} {way.where}") for way in ways)


def twice(w: Pass, l: int) -> Array:
    """Return ∂C/∂z_L with the derivative of the output activation applied once more."""
    return backprop.chained_derivative(output_derivative(w, l), w.do("slope", l))


def fitting(wrong: Array | None, right: Array) -> Array:
    """Return `wrong` where it can stand for `right`."""
    if wrong is None or wrong.shape != right.shape:
        raise CannotPlantError
    return wrong


def square(W: Array) -> Array:
    """Return a matrix that may be confused with its transpose."""
    return fitting(W, W.T)


def softmax_over(maximum: int | None, total: int | None) -> Rule:
    """Return softmax with the maximum and the sum along these axes; 1 is right, None is all."""

    def rule(w: Pass, l: int) -> Array:
        e = np.exp(w.z[l] - w.z[l].max(axis=maximum, keepdims=True))
        return e / e.sum(axis=total, keepdims=True)

    return rule
