"""What a notation is: its symbols, how its matrices lie, and its formulas."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from backpass.core.arrays import Array
from backpass.core.layouts import LAYOUTS
from backpass.derivatives.notation.symbols import QUANTITIES, Symbol
from backpass.errors import InputError

__all__ = [
    "NOTATIONS",
    "USUAL_FORMULAS",
    "Formula",
    "Notation",
    "Operators",
    "get_notation",
    "register",
]  # fmt: skip


class Operators(NamedTuple):
    """How products and transposition are written."""

    times: str = "·"
    elementwise: str = "⊙"
    transpose: str = "ᵀ"


class Formula(NamedTuple):
    """One equation, for one sample and for a batch; an empty text: it has none of its own.

    A text is ``left = right`` in the quantities of
    :data:`~backpass.derivatives.notation.symbols.QUANTITIES`; ``x[l]`` is that of layer l, ``@`` a
    product of matrices, ``*`` one element by element, ``T(x)`` a transposition.
    """

    one: str
    batch: str = ""


USUAL_FORMULAS = {
    "F2": Formula("a[l] = f(z[l])"),
    "C": Formula("J = total(terms)", "J = 1 / N * total(terms)"),
    "Cw": Formula("", "J = total(terms @ diag(share))"),
    "B1z": Formula("delta[l] = dC[l] * dphi[l]", "dz[l] = dC[l] * dphi[l]"),
    "B1zj": Formula("delta[l] = T(jac[l]) @ dC[l]"),
    "B1f": Formula("delta[l] = a[l] - y", "dz[l] = a[l] - y"),
    "B1fg": Formula("delta[l] = residual(a[l], y)", "dz[l] = residual(a[l], y)"),
    "B1": Formula("", "delta[l] = 1 / N * dz[l]"),
    "B1w": Formula("", "delta[l] = dz[l] @ diag(share)"),
}
"""What most notations, those with a sample in each column, write alike."""


@dataclass(frozen=True)
class Notation:
    """One course's way to write the equations: a table, and nothing else.

    Parameters
    ----------
    name : str
        Its key in :data:`NOTATIONS` and :data:`~backpass.core.layouts.LAYOUTS`.
    title : str
        The note's title.
    samples_in_columns : bool
        Whether a batch has one column a sample, where ours has one row a sample.
    symbols : mapping of str to (Symbol, Symbol)
        Every quantity, for one sample and for a batch.
    formulas : mapping of str to Formula
        Every equation by its id, with a letter behind it where a case is written otherwise:
        ``B1zj`` with softmax's Jacobian; ``B1f`` is ŷ − y, ``B1fg`` another joint formula of
        loss and output; ``B1w`` and ``Cw`` are weighted means. ``"B3 sum"`` is one
        sample's term of a sum over them, where a note writes it out.
    places : mapping of str to str
        Where in the note it stands.
    samples_alone : bool
        Whether it derives one sample and takes the mean last.
    gradients_last : bool
        Whether all error signals come before the gradients.
    from_zero : bool
        Whether elements are counted from 0, as in code.
    operators : Operators
    output : mapping of str to (Symbol, Symbol)
        What the output layer writes otherwise: note 3's ŷ and O.

    Examples
    --------
    >>> get_notation("nabla").weights_transposed
    True
    >>> get_notation("bracket").formulas["F1"].batch
    'z[l] = T(W[l]) @ a[l-1] + bs[l]'
    """

    name: str
    title: str
    samples_in_columns: bool
    symbols: Mapping[str, tuple[Symbol, Symbol]]
    formulas: Mapping[str, Formula]
    places: Mapping[str, str] = field(default_factory=dict)
    samples_alone: bool = False
    gradients_last: bool = False
    from_zero: bool = False
    operators: Operators = field(default_factory=Operators)
    output: Mapping[str, tuple[Symbol, Symbol]] = field(default_factory=dict)

    @property
    def note(self) -> int:
        """The number of the lecture note; 0 is our own."""
        return LAYOUTS[self.name].note

    @property
    def weights_transposed(self) -> bool:
        """Whether its W has one row a unit of the layer above, (out, in); ours is (in, out)."""
        return LAYOUTS[self.name].weights_transposed

    def from_our_weights(self, W: Array) -> Array:
        """Return `W` (in, out) as this notation lays it out; the same call turns it back."""
        return W.T if self.weights_transposed else W

    def from_our_rows(self, a: Array) -> Array:
        """Return a batch (N, n), a row each sample, as this notation lays it out, and back."""
        return a.T if self.samples_in_columns else a

    def formula(self, equation: str, *, batch: bool) -> str:
        """Return the text of an equation; empty where the notation has none of its own."""
        told = self.formulas.get(equation, Formula(""))
        return (told.batch or told.one) if batch else told.one

    def symbol(self, key: str, *, batch: bool, at_output: bool = False) -> Symbol:
        """Return how a quantity is written, for one sample or a batch, at the output or below."""
        table = self.output if at_output and key in self.output else self.symbols
        return table[key][batch]

    def place(self, equation: str) -> str:
        """Return where in the note the equation stands, as ``note 3, section 5.1``."""
        place = self.places.get(equation, "")
        return f"note {self.note}, {place}" if self.note and place else place

    def __post_init__(self) -> None:
        missing = QUANTITIES.keys() - self.symbols.keys()
        if missing:
            raise InputError(f"notation {self.name!r} has no symbol for {sorted(missing)}")


NOTATIONS: dict[str, Notation] = {}
"""Every notation by name."""


def register(notation: Notation) -> Notation:
    """Add a notation to :data:`NOTATIONS`."""
    NOTATIONS[notation.name] = notation
    return notation


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
