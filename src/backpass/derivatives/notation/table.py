"""A notation: its symbols, the layout of its matrices, and its formulas."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

from backpass.core.arrays import Array
from backpass.errors import InputError

Place = Literal["up", "low", "bracket", "none"]


@dataclass(frozen=True)
class Symbol:
    """The symbol of one quantity."""

    letter: str  # in Unicode: "δ", "𝒫"
    place: Place = "none"  # where the layer stands: z², z₂, z⁽²⁾, or nowhere
    bold: bool = False
    shift: int = 0  # added to the layer: note 4's 𝒫^{j+1} is the derivative to a^j
    transposed: bool = False  # whether with a transposition sign: note 4's [𝒫^{j+1}]ᵀ
    # one for a gradient ∇_x of x, two for a derivative ∂x/∂y; the letter is then ∇ or ∂
    of: tuple["Symbol", ...] = ()
    prefix: bool = False  # whether ∇ stands before its symbol (∇W) and not under it (∇_a)
    element: str = ""  # the letter of one of its elements, where it is another: w of W
    # which symbols of ∂x/∂y an element's indices stand at; "split" is one each
    indices: Literal["last", "first", "both", "none", "split"] = "last"
    of_elements: "Symbol | None" = None  # what an element is written with, where it is another
    between: str = ""  # what stands between its indices: 𝟙_{k=i}

    def placed(self, layer: int | None, entry: Sequence[int | str], first: int) -> tuple[str, str]:
        """Return what stands above and what below the letter: the layer, and an element's indices.

        These count from 0, or are letters; the notation counts from `first`.
        """
        below, above = [i if isinstance(i, str) else str(i + first) for i in entry], ""
        if layer is not None and self.place != "none":
            number = str(layer + self.shift)
            if self.place == "low":
                below = [number, *below]
            else:
                above = f"({number})" if self.place == "bracket" else number
        # commas only where indices would run together
        comma = "," if any(len(index) > 1 for index in below) else ""
        return above, (self.between or comma).join(below)

    def entries(self, entry: tuple[int | str, ...]) -> list[tuple[int | str, ...]]:
        """Return the indices that stand at each of the symbols that it is made of."""
        if self.indices == "split" and len(entry) == len(self.of):
            return [(index,) for index in entry]
        here = {"first": (0,), "both": tuple(range(len(self.of))), "none": ()}
        shown = here.get(self.indices, (len(self.of) - 1,))
        return [entry if i in shown else () for i in range(len(self.of))]

    def about(self, cost: "Symbol", other: "Symbol") -> "Symbol":
        """Return the derivative of another cost: of one sample's, ∂C/∂W for ∂J/∂W."""
        parts = tuple(other if part == cost else part for part in self.of)
        element = self.of_elements and self.of_elements.about(cost, other)
        return replace(self, of=parts, of_elements=element)

    def entry(self) -> "Symbol":
        """Return the symbol of one of its elements: a small letter, not bold."""
        if self.of_elements is not None:
            return self.of_elements.entry()
        if self.place == "none" and not self.of:
            return replace(self, bold=False, letter=self.element or self.letter)
        if self.of:
            return replace(self, of=tuple(part.entry() for part in self.of))
        letter = self.element or (self.letter.lower() if self.letter.isascii() else self.letter)
        return replace(self, letter=letter, bold=False)


def symbol(letter: str, place: Place, *, bold: bool = False, element: str = "") -> Symbol:
    """Return the symbol of something that every layer has."""
    return Symbol(letter, place, bold, element=element)


def plain(letter: str, *, bold: bool = False) -> Symbol:
    """Return a symbol without a layer."""
    return Symbol(letter, bold=bold)


def derivative(top: Symbol, bottom: Symbol, indices: Any = "last") -> Symbol:
    """Return ∂top/∂bottom."""
    return Symbol("∂", of=(top, bottom), indices=indices)


def nabla(of: Symbol, cost: Symbol, *, prefix: bool = False, named: bool = False) -> Symbol:
    """Return ∇ with the quantity under it, or with `prefix` before it; elements as ∂cost/∂x.

    With `named` the cost stands behind: ∇_x ℰ.
    """
    told = (of, cost) if named else (of,)
    return Symbol("∇", of=told, prefix=prefix, of_elements=derivative(cost, of))


QUANTITIES = {
    "z": "pre-activation (N, n_l)",
    "a": "activation; layer 0 is the input (N, n_l)",
    "W": "weights (in, out)",
    "b": "biases (out,)",
    "bs": "the bias, once for every sample: note 5's B",
    "jac": "derivatives of every output to every pre-activation (N, k, k)",
    "y": "target (N, k)",
    "costs": "cost of one sample",
    "J": "cost",
    "dC": "derivative of a sample's cost to the outputs (N, k)",
    "dz": "derivative of a sample's cost to the pre-activations of the outputs (N, k)",
    "delta": "error signal: derivative of the cost to the pre-activations (N, n_l)",
    "g": "derivative of the cost to the activations (N, n_l)",
    "dW": "weight gradient (in, out)",
    "db": "bias gradient (out,)",
    "ones": "a vector of N ones",
    "s": "sample weights (N,)",
    "same": "1 where two units are the same, else 0",
    "unit": "a column of zeros but for one 1",
    "dak": "derivative of a layer's activations to one pre-activation, a column (n_l, 1)",
    "dab": "derivative of a layer's activations to one bias, a column (n_l, 1)",
    "dz_db": "derivative of a pre-activation to a bias",
    "P": "derivative of the cost to the activations, a row (1, n_l)",
    "dfa": "Jacobian of a layer to its input (n_l, n_{l-1})",
    "dfw": "Jacobian of a layer to the weights of one unit (n_l, n_{l-1})",
    "dfb": "Jacobian of a layer to its biases (n_l, n_l)",
    "Pw": "weight gradient of one unit, a row (1, n_{l-1})",
    "Pb": "bias gradient, a row (1, n_l)",
    "w": "weights of one unit (n_{l-1}, 1)",
    "dha": "derivative of one neuron to its inputs (1, n_{l-1})",
    "dhw": "derivative of one neuron to its weights (1, n_{l-1})",
    "dhb": "derivative of one neuron to its bias",
    "da_dz": "derivative of an activation to its pre-activation",
    "dz_da": "derivative of a pre-activation to the activation below",
    "dz_dW": "derivative of a pre-activation to its weight",
    "W_new": "weights after the update (in, out)",
    "b_new": "biases after the update (out,)",
    "moved": "one parameter, moved by ε",
    "epsilon": "ε, by which it is moved",
    "J_moved": "the cost with the moved parameter",
    "costs_moved": "cost of one sample with it",
    "penalty_moved": "Σ‖W‖² with it",
    "change": "by how much the cost changed",
    "promised": "ε times the derivative",
    "path": "the product of the derivatives on one way to the cost",
    "rest": "the products of all other ways, added up",
    "penalty": "Σ‖W‖² over the layers",
    "N": "number of samples",
    "S": "sum of the sample weights",
    "lambda": "strength of the L2 penalty",
    "rate": "learning rate",
    "f": "activation function",
}
"""Every quantity that a notation has a symbol for, in words, with its shape where it is an array.

The keys are the names in the notations' formulas.
"""

USUAL_LETTERS = {
    "b": "b", "ones": "𝟏", "s": "s", "N": "N", "S": "S", "lambda": "λ", "rate": "η",
    "penalty": "Σ‖W‖²", "moved": "w\u0303", "epsilon": "ε", "path": "p", "rest": "r",
}  # fmt: skip
"""The letters of what has no layer, and of the bias, unless a notation has others."""

DERIVATIVES = {
    "jac": "a z split", "dC": "C a", "dz": "C z", "g": "J a", "dW": "J W", "db": "J b",
    "P": "C a", "Pw": "C w", "Pb": "C b", "dfa": "a below",
    "dfw": "a w", "dfb": "a b", "dak": "a z", "dab": "a b", "dz_db": "z b split",
    "dha": "a below first", "dhw": "a w both", "dhb": "a b both", "da_dz": "a z",
    "dz_da": "z below", "dz_dW": "z W",
}  # fmt: skip
"""The derivatives by what stands above and below the bar, and where an element has its indices."""

FOR_A_BATCH = ("dC", "dz", "g")
"""The derivatives that are written with the capitals of a batch."""


def symbols_of(
    place: Place,
    letters: Mapping[str, str],
    *,
    cost: str,
    sample_cost: str,
    bold: bool = False,
    **others: tuple[Symbol, Symbol],
) -> dict[str, tuple[Symbol, Symbol]]:
    """Return the symbol of every quantity, for one sample and for a batch.

    `letters` are the small and the capital one of z, a, W, delta, y and f, as ``{"z": "zZ"}``, and
    those that differ from :data:`USUAL_LETTERS`; the costs are J over a batch and C of one sample;
    `others` are the symbols that are no derivatives of the cost, or are written otherwise.
    """
    letters = USUAL_LETTERS | dict(letters)
    small, capital = (
        {
            key: symbol(letters[key][case], place, bold=bold, element=letters[key][0])
            for key in ("z", "a", "delta", "W")
        }
        for case in (0, -1)
    )
    alike = {key: plain(letters[key]) for key in USUAL_LETTERS if key != "b"} | {
        "W": capital["W"],
        "w": symbol(letters["W"][0], place, bold=bold),  # of one unit
        "b": symbol(letters["b"], place, bold=bold),
        "bs": symbol("B", place, bold=bold),
        "f": symbol(letters["f"], "none"),
        "costs": plain(sample_cost),
        "J": plain(cost),
        "same": Symbol("𝟙", between="="),
        "unit": plain("e", bold=bold),
        "J_moved": plain(f"{cost}\u0303"),
        "penalty_moved": plain("Σ‖W\u0303‖²"),
        "change": plain(f"Δ{cost}"),
        "promised": plain(f"d{cost}"),
    }
    alike |= {"W_new": alike["W"], "b_new": alike["b"]}
    y = Symbol(letters["y"][-1], bold=bold, element=letters["y"][0])
    found = {key: (told, told) for key, told in alike.items()}
    found |= {key: (small[key], capital[key]) for key in ("z", "a", "delta")}
    found["y"] = plain(letters["y"][0], bold=bold), y
    one = small | alike | {"C": alike["costs"], "below": replace(small["a"], shift=-1)}
    for key, told in DERIVATIVES.items():
        top, bottom, *indices = told.split()
        of_batch = one | capital if key in FOR_A_BATCH else one
        first, second = (derivative(x[top], x[bottom], *indices) for x in (one, of_batch))
        found[key] = first, second
    found |= others
    of_sample = found["costs"][0]
    moved = replace(of_sample, letter=f"{of_sample.letter}\u0303")
    return {"costs_moved": (moved, moved), **found}


class Operators(NamedTuple):
    """The signs of products and of transposition, and the brackets of what is transposed."""

    times: str = "·"
    elementwise: str = "⊙"
    transpose: str = "ᵀ"
    brackets: str = "()"


class Formula(NamedTuple):
    """One equation, for one sample and for a batch; an empty text: it has none of its own.

    A text is ``left = right`` in the quantities of
    :data:`~backpass.derivatives.notation.table.QUANTITIES`; ``x[l]`` is that of layer l, ``@`` a
    product of matrices, ``*`` one element by element, ``T(x)`` a transposition.
    """

    one: str
    batch: str = ""


USUAL_FORMULAS = {
    "F2": Formula("a[l] = f(z[l])"),
    "C": Formula("J = costs", "J = 1 / N * total(costs)"),
    "Cw": Formula("", "J = 1 / S * total(s * costs)"),
    "B1z": Formula("delta[l] = dC[l] * dphi[l]", "dz[l] = dC[l] * dphi[l]"),
    "B1zj": Formula("delta[l] = jac[l] @ dC[l]"),
    "B1f": Formula("delta[l] = a[l] - y", "dz[l] = a[l] - y"),
    "B1fg": Formula("delta[l] = residual(a[l], y)", "dz[l] = residual(a[l], y)"),
    "B1": Formula("", "delta[l] = 1 / N * dz[l]"),
    "B1w": Formula("", "delta[l] = dz[l] @ diag(s) / S"),
}
"""The formulas that most notations, those with a sample in each column, write alike."""


@dataclass(frozen=True)
class Notation:
    """One course's way to write the equations: a table, and nothing else.

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
    symbols : mapping of str to (Symbol, Symbol)
        Every quantity, for one sample and for a batch.
    formulas : mapping of str to Formula
        Every equation by its id, with a letter behind it where a case is written otherwise:
        ``B1zj`` with softmax's Jacobian; ``B1f`` is ŷ − y, ``B1fg`` another joint formula of
        loss and output; ``B1w`` and ``Cw`` are weighted means. ``"B3 sum"`` is one
        sample's term of a sum over them, where a note writes it out.
    places : mapping of str to str
        Where in the note it stands.
    denominator_layout : bool
        Whether derivatives by a vector are columns, row j of ∂a/∂b being ∂a/∂b_j, so that factors
        follow each other from the input to the cost; note 4 and ours have the transpose.
    neurons_alone : bool
        Whether it takes the output's activation on each neuron alone, which softmax does not.
    stacks : bool
        Whether it stacks the derivatives of its units, as note 2 does.
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
    note: int
    title: str
    weights_transposed: bool
    samples_in_columns: bool
    symbols: Mapping[str, tuple[Symbol, Symbol]]
    formulas: Mapping[str, Formula]
    places: Mapping[str, str] = field(default_factory=dict)
    denominator_layout: bool = True
    neurons_alone: bool = False
    stacks: bool = False
    samples_alone: bool = False
    gradients_last: bool = False
    from_zero: bool = False
    operators: Operators = field(default_factory=Operators)
    output: Mapping[str, tuple[Symbol, Symbol]] = field(default_factory=dict)

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

    def symbol(
        self, key: str, *, batch: bool, at_output: bool = False, own: bool = False
    ) -> Symbol:
        """Return how a quantity is written, for one sample or a batch, at the output or below.

        With `own` it is a derivative of that sample's cost, and not of the mean.
        """
        table = self.output if at_output and key in self.output else self.symbols
        told = table[key][batch]
        letter = plain(self.symbols["costs"][0].letter)
        return told.about(self.symbols["J"][0], letter) if own else told

    def place(self, equation: str, kind: str = "") -> str:
        """Return where in the note the equation stands, as ``note 3, section 5.1``.

        The `kind` is a case that may stand elsewhere: ``"batch"``, or the name of the loss.
        """
        place = self.places.get(f"{equation} {kind}", self.places.get(equation, ""))
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
