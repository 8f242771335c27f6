"""A mistake, and the small changes of the two passes that mistakes are made of."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from backpass.core.arrays import Array
from backpass.derivatives.homework.faulty_pass import CannotPlantError, Fault, Pass, Rule
from backpass.derivatives.notation import CODE, Notation
from backpass.derivatives.notation.in_line import spoken

Value: TypeAlias = Callable[[str, int], Array | None]
Result: TypeAlias = Callable[[Pass, Value, str, int], Array | None]

LAYERS: dict[str, Callable[[Pass], range]] = {
    "every": lambda w: range(1, w.L + 1),
    "hidden": lambda w: range(1, w.L),
    "output": lambda w: range(w.L, w.L + 1),
    "from the second": lambda w: range(2, w.L + 1),
    "below": lambda w: range(w.L),  # below another one: B2a is computed for these, X included
}
"""In which layers a mistake is made."""

NETWORKS: dict[str, Callable[[Pass], bool]] = {
    "several layers": lambda w: w.L > 1,
    "softmax": lambda w: not w.phi[w.L].elementwise,
    "elementwise output": lambda w: bool(w.phi[w.L].elementwise),
    "hidden relu": lambda w: any("relu" in w.do("phi", l).name for l in range(1, w.L)),
    "one output": lambda w: w.targets.shape[1] == 1 and len(w.targets) > 1,
    "classes": lambda w: w.targets.shape[1] > 1 and (_is_smoothed(w) or _is_one_hot(w.targets)),
    "smoothed labels": lambda w: _is_smoothed(w),
    "several rows": lambda w: len(w.targets) > 1,
    "penalty": lambda w: bool(w.alpha),
    "no penalty": lambda w: not w.alpha,
}
"""In which networks, on which rows, a mistake can be made."""

SLOPES = {
    "tanh": "1 − {a}²",
    "logistic": "{a}(1 − {a})",
    "relu": "1 where {z} > 0 and 0 elsewhere",
}
"""The derivatives that learners write from memory; ``{slopes}`` in a mend is those in use."""


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
        for.
    neutral : callable
        ``neutral(w)``: the number at which these change nothing, 0 by default.
    told : str
        What is said before `where`; ``{N}``, ``{number}`` and ``{number/S}`` are filled in.
    layers : str
        A key of :data:`LAYERS`: the layers in which it is made, in all of them or in one alone.
    possible : str
        A key of :data:`NETWORKS`, where it cannot be made in every network.
    alone : bool
        Whether it is made in one layer, of several in which it could be.
    """

    where: str = ""
    faults: tuple[Fault, ...] = ()
    result: Result | None = None
    factor: Callable[[Pass], float] | None = None
    family: Callable[[float], tuple[Fault, ...]] | None = None
    neutral: Callable[[Pass], float] = lambda w: 0.0
    told: str = ""
    layers: str = ""
    possible: str = ""
    alone: bool = False

    def expanded(self, w: Pass) -> Iterator["Way"]:
        """Yield it for all of its layers, then for each alone; nothing where it is impossible."""
        if self.possible and not NETWORKS[self.possible](w):
            return
        way = self if self.family else self._said(w, 0.0)
        layers = LAYERS[self.layers](w) if self.layers else None
        if layers is None:
            yield way
            return
        if layers:
            yield way._in(layers)
        if len(layers) > 1:
            for l in reversed(layers):
                yield replace(way._in([l]), where=f"in layer {l}", alone=True)

    def at(self, w: Pass, number: float) -> "Way":
        """Return it with the number that was found."""
        assert self.family is not None
        return replace(self._said(w, number), faults=self.family(number), family=None)

    def _said(self, w: Pass, number: float) -> "Way":
        told = self.told.replace("{N}", str(len(w.weights))).replace("{number}", printed(number))
        told = told.replace("{number/S}", printed(number / float(w.S)))
        return replace(self, where=f"{told} {self.where}".strip(), told="")

    def _in(self, layers: Sequence[int]) -> "Way":
        here = tuple(layers)
        return replace(self, faults=tuple(replace(fault, layers=here) for fault in self.faults))


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

    def with_slopes(self, names: Iterable[str]) -> "Mistake":
        """Return it with the derivatives of these activations in what is to mend."""
        told = [f"{SLOPES[name]} for {name}" for name in names if name in SLOPES]
        slopes = ", ".join(told) or "the activation's own"
        return replace(self, mend=self.mend.replace("{slopes}", slopes))

    def expanded(self, w: Pass) -> Iterator[Way]:
        """Yield every way in which it can be made in a network, the commonest first."""
        for way in self.ways:
            yield from way.expanded(w)


@dataclass(frozen=True)
class Made:
    """A mistake in one of its ways."""

    mistake: Mistake
    way: Way
    rank: int  # how common the mistake is; 0 is the commonest

    @property
    def where(self) -> str:
        """The place where it was made; empty where its name says that already."""
        return self.way.where

    def renamed(self, where: str) -> "Made":
        """Return it made in another place."""
        return replace(self, way=replace(self.way, where=where))

    def told(self, notation: Notation) -> str:
        """Return its name and place in the symbols of a notation."""
        where = f" ({spoken(self.where, notation)})" if self.where else ""
        return self.mistake.name + where


@dataclass(frozen=True)
class Explanation:
    """Mistakes that together give the answer.

    Parameters
    ----------
    made : tuple of Made
        One mistake, or two.
    of : tuple of (str, int)
        The results that the answer's parts are then, by kind and layer.
    off : float
        How far the answer is from what these mistakes give, in parts of the largest entry.
    """

    made: tuple[Made, ...]
    of: tuple[tuple[str, int], ...]
    off: float

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the mistakes."""
        return tuple(made.mistake.name for made in self.made)

    def __str__(self) -> str:
        return self.told(CODE)

    def told(self, notation: Notation) -> str:
        """Return the mistakes, each with its place, in the symbols of a notation."""
        return " and ".join(made.told(notation) for made in self.made)


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


def _is_smoothed(w: Pass) -> bool:
    return bool(w.loss.numbers.get("label_smoothing"))


def _is_one_hot(y: Array) -> bool:
    return bool(((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all())


# --- ways that several mistakes have -------------------------------------------------------------


def S(power: int) -> Callable[[Pass], float]:
    """Return how many times too large something is: S times (power 1), or one S-th (−1)."""
    return lambda w: float(w.S) ** power


def by(factor: Callable[[Pass], float], *names: str) -> tuple[Fault, ...]:
    """Return faults that multiply what rules give by a number."""
    return tuple(Fault(name, factor=lambda w, l: factor(w)) for name in names)


def wrong(
    name: str,
    rules: Rule | Mapping[str, Rule],
    where: str = "",
    *,
    layers: str = "",
    possible: str = "",
) -> tuple[Way, ...]:
    """Return the ways that take a rule wrongly: one, or several by where each was made."""
    ways = rules if isinstance(rules, Mapping) else {where: rules}
    return tuple(
        Way(where, (Fault(name, rule),), layers=layers, possible=possible)
        for where, rule in ways.items()
    )


def wrong_slope(rule: Rule, what: str = "", *, softmax: bool = False) -> tuple[Way, ...]:
    """Return the ways to take φ′ wrongly: in hidden layers, at the output, everywhere.

    `what` was taken is said before where; at a softmax only where that has such a formula.
    """
    possible = "" if softmax else "elementwise output"
    return (
        *wrong("slope", rule, f"{what} in the hidden layers".strip(), layers="hidden"),
        *wrong("slope", rule, f"{what} at the output".strip(), layers="output", possible=possible),
        *wrong("slope", rule, f"{what} in every layer".strip(), possible=possible),
    )


def right_slope(w: Pass, l: int) -> Array:
    """Return φ′ of the activation that was taken; said so, the cost is derived by way of a_L."""
    slope: Array = w.do("phi", l).derivative(w.z[l], w.a[l])
    return slope


def fitting(wrong: Array | None, right: Array) -> Array:
    """Return `wrong` where it can stand for `right`."""
    if wrong is None or wrong.shape != right.shape:
        raise CannotPlantError
    return wrong
