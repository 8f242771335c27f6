"""What a notation is: how its matrices lie."""

from dataclasses import dataclass

from backpass.errors import InputError
from backpass.ops import Array

__all__ = ["NOTATIONS", "Notation", "get_notation"]


@dataclass(frozen=True)
class Notation:
    """One course's way to write the equations.

    Parameters
    ----------
    name : str
        Its key in :data:`NOTATIONS`.
    note : int
        The number of the lecture note; 0 is our own.
    title : str
        The note's title.
    weights_transposed : bool
        Whether its W has one row a unit of the layer above, (out, in), where ours is (in, out).
    samples_in_columns : bool
        Whether a batch has one column a sample, where ours has one row a sample.

    Examples
    --------
    >>> get_notation("nabla").weights_transposed
    True
    """

    name: str
    note: int
    title: str
    weights_transposed: bool
    samples_in_columns: bool

    def from_our_weights(self, W: Array) -> Array:
        """Return `W` (in, out) as this notation lays it out; the same call turns it back."""
        return W.T if self.weights_transposed else W

    def from_our_rows(self, a: Array) -> Array:
        """Return a batch (N, n), a row each sample, as this notation lays it out, and back."""
        return a.T if self.samples_in_columns else a


NOTATIONS: dict[str, Notation] = {
    notation.name: notation
    for notation in (
        Notation("code", 0, "the layout of this package", False, False),
        Notation("error", 1, "Derivatives of all layers", False, True),
        Notation("chain", 2, "Bro, do you even backprop?", True, True),
        Notation("nabla", 3, "Backpropagation", True, True),
        Notation("omega", 4, "Slides of a course on multilayer perceptrons", False, True),
        Notation("bracket", 5, "Notation and summary", False, True),
    )
}
"""Every notation by name."""


def get_notation(name: str) -> Notation:
    """Return the notation of that name.

    Raises
    ------
    InputError
        When there is none.
    """
    if name not in NOTATIONS:
        raise InputError(f"unknown notation {name!r}; known: {', '.join(NOTATIONS)}")
    return NOTATIONS[name]
