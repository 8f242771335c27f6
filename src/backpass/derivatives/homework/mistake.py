"""What a mistake is: a name, what went wrong, and the ways in which it changes a gradient."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from backpass.core.arrays import Array
from backpass.derivatives.homework.faulty_pass import Fault, Pass

# l is a layer throughout, as in the notes
# ruff: noqa: E741

__all__ = ["Mistake", "Result", "Value", "Way"]

Value: TypeAlias = Callable[[str, int], Array | None]
Result: TypeAlias = Callable[[Pass, Value, str, int], Array | None]


@dataclass(frozen=True)
class Way:
    """One way to make a mistake: faults in the equations, or a change of what came out.

    Parameters
    ----------
    where : str
        Where it was made, after the mistake's name; empty where that says it already.
    faults : tuple of Fault
        Rules taken wrongly.
    result : callable, optional
        ``result(w, value, kind, l)``: what is given for a result; ``value(kind, l)`` is what the
        pass has, None where it has none.
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
    layers: Callable[[Pass], range] | None = None
    possible: Callable[[Pass], bool] | None = None
    alone: bool = False

    def expanded(self, w: Pass) -> Iterator["Way"]:
        """Yield it for all of its layers, then for each alone; nothing where it is impossible."""
        if self.possible is not None and not self.possible(w):
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
