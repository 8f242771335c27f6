"""Mistakes that together give an answer."""

from dataclasses import dataclass

from backpass.derivatives.homework.mistake import Made
from backpass.derivatives.notation import CODE, Notation


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


def rank(explanation: Explanation) -> tuple[int, bool, int]:
    """Return what explanations are sorted by: the likeliest first.

    Fewest mistakes, then those in the equations and in the whole answer before a number in some of
    its parts, then the commonest.
    """
    made = explanation.made
    in_parts = any(one.way.factor and one.where.endswith(("only", "down")) for one in made)
    return len(made), in_parts, sum(one.rank for one in made)
