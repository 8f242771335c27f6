"""Symbols: a letter, where its indices stand, and the quantities that all notations have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

__all__ = ["QUANTITIES", "Symbol", "derivative", "nabla", "plain", "symbol", "symbols_of"]

Place = Literal["up", "low", "bracket", "none"]


@dataclass(frozen=True)
class Symbol:
    """How one quantity is written.

    Parameters
    ----------
    letter : str
        In Unicode: ``"δ"``, ``"𝒫"``.
    place : {"up", "low", "bracket", "none"}
        Where the layer stands: z², z₂, z⁽²⁾, or nowhere.
    bold : bool
    shift : int
        Added to the layer: note 4's 𝒫^{j+1} is the derivative to a^j.
    transposed : bool
        Whether it is written with a transposition sign: note 4's [𝒫^{j+1}]ᵀ.
    of : tuple of Symbol
        One for a gradient ∇_x of x, two for a derivative ∂x/∂y; `letter` is then ∇ or ∂.
    prefix : bool
        Whether ∇ stands before its symbol (∇W) and not under it (∇_a).
    element : str
        The letter of one of its elements, where it is another: w of W.
    indices : str
        Which symbols of ∂x/∂y an element's indices stand at: the ``"last"``, the ``"first"``,
        ``"both"``, ``"none"``, or one each, ``"split"``.
    """

    letter: str
    place: Place = "none"
    bold: bool = False
    shift: int = 0
    transposed: bool = False
    of: tuple["Symbol", ...] = ()
    prefix: bool = False
    element: str = ""
    indices: Literal["last", "first", "both", "none", "split"] = "last"
    of_elements: "Symbol | None" = None

    def placed(self, layer: int | None, entry: Sequence[int], first: int) -> tuple[str, str]:
        """Return what stands above and what below the letter: the layer, and an element's indices.

        Parameters
        ----------
        layer : int or None
        entry : sequence of int
            From 0; empty for the whole array.
        first : int
            What the notation counts from.
        """
        below, above = [str(i + first) for i in entry], ""
        if layer is not None and self.place != "none":
            number = str(layer + self.shift)
            if self.place == "low":
                below = [number, *below]
            else:
                above = f"({number})" if self.place == "bracket" else number
        # commas only where indices would run together
        return above, ("," if any(len(index) > 1 for index in below) else "").join(below)

    def entries(self, entry: tuple[int, ...]) -> list[tuple[int, ...]]:
        """Return the indices that stand at each of the symbols that it is made of."""
        if self.indices == "split" and len(entry) == len(self.of):
            return [(index,) for index in entry]
        here = {"first": (0,), "both": tuple(range(len(self.of))), "none": ()}
        shown = here.get(self.indices, (len(self.of) - 1,))
        return [entry if i in shown else () for i in range(len(self.of))]

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


def derivative(top: Symbol, bottom: Symbol) -> Symbol:
    """Return ∂top/∂bottom."""
    return Symbol("∂", of=(top, bottom))


def nabla(of: Symbol, cost: Symbol, *, prefix: bool = False, named: bool = False) -> Symbol:
    """Return ∇ with the quantity under it, or with `prefix` before it; elements as ∂cost/∂x.

    With `named` the cost stands behind: ∇_x ℰ.
    """
    told = (of, cost) if named else (of,)
    return Symbol("∇", of=told, prefix=prefix, of_elements=derivative(cost, of))


QUANTITIES = {
    "z": "pre-activations (N, n_l)",
    "a": "activations (N, n_l); layer 0 is the input",
    "W": "weights (in, out)",
    "b": "biases (out,)",
    "bs": "the bias, once for every sample: note 5's B",
    "jac": "∂a/∂z of one sample (k, k), for softmax",
    "y": "encoded targets (N, k)",
    "terms": "cost of every sample and output (N, k)",
    "J": "cost",
    "dC": "∂C/∂a_L (N, k), before any mean",
    "dz": "∂C/∂z_L (N, k), before any mean",
    "delta": "error signals ∂J/∂z_l (N, n_l)",
    "g": "∂J/∂a_l (N, n_l)",
    "dW": "weight gradients (in, out)",
    "db": "bias gradients (out,)",
    "ones": "a vector of N ones",
    "share": "s_n / S: what each sample counts",
    "P": "∂C/∂a_l of one sample, a row (1, n_l)",
    "dfa": "∂a_l/∂a_{l-1} of one sample (n_l, n_{l-1})",
    "dfw": "∂a_l/∂w_1, w_1 the weights of the first unit (n_l, n_{l-1})",
    "dfb": "∂a_l/∂b_l (n_l, n_l)",
    "Pw": "∂C/∂w_1 as a product with P, a row (1, n_{l-1})",
    "Pb": "∂C/∂b_l as a product with P, a row (1, n_l)",
    "w": "the weights of one unit, a column (n_{l-1}, 1)",
    "dha": "∂h/∂a of one neuron h, a row (1, n_{l-1})",
    "dhw": "∂h/∂w of one neuron, a row (1, n_{l-1})",
    "dhb": "∂h/∂b of one neuron",
    "da_dz": "∂a_l/∂z_l in a thin network",
    "dz_da": "∂z_l/∂a_{l-1} in a thin network",
    "dz_dW": "∂z_1/∂W_1 in a thin network",
    "W_new": "weights after the update (in, out)",
    "b_new": "biases after the update (out,)",
    "penalty": "Σ‖W‖² over the layers",
    "N": "number of samples",
    "S": "sum of the sample weights",
    "lambda": "strength of the L2 penalty",
    "rate": "learning rate",
    "f": "activation function",
}
"""What a notation has a symbol for; the keys are the names in its formulas."""


USUAL_LETTERS = {"b": "b", "ones": "𝟏", "N": "N", "lambda": "λ", "rate": "η"}
"""What most notations call the bias, a vector of ones, N, the L2 strength and the learning rate."""


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

    Parameters
    ----------
    place : str
        Where the layer stands.
    letters : mapping
        Small and capital letter of z, a, W, delta, y and f, as ``{"z": "zZ"}``, and those that
        differ from :data:`USUAL_LETTERS`.
    cost, sample_cost : str
        J over a batch, C of one sample.
    bold : bool
        Whether vectors and matrices are bold.
    others
        What is not written as a derivative of the cost, or is written otherwise.
    """
    letters = USUAL_LETTERS | dict(letters)

    def pair(key: str) -> tuple[Symbol, Symbol]:
        small, capital = letters[key][0], letters[key][-1]
        element = letters[key][0]
        return (
            symbol(small, place, bold=bold, element=element),
            symbol(capital, place, bold=bold, element=element),
        )

    both = {key: pair(key) for key in ("z", "a", "delta")}
    W = symbol(letters["W"][-1], place, bold=bold, element=letters["W"][0])
    w = symbol(letters["W"][0], place, bold=bold)  # of one unit
    b = symbol(letters["b"], place, bold=bold)
    J, C = plain(cost), plain(sample_cost)
    f = symbol(letters["f"], "none")
    z, a = both["z"], both["a"]
    found: dict[str, tuple[Symbol, Symbol]] = {
        **both,
        "W": (W, W),
        "b": (b, b),
        "bs": (symbol("B", place, bold=bold),) * 2,
        "f": (f, f),
        "jac": (replace(derivative(a[0], z[0]), indices="split"),) * 2,
        "y": (plain(letters["y"][0], bold=bold), plain(letters["y"][-1], bold=bold)),
        "terms": (C, C),
        "J": (J, J),
        "dC": (derivative(C, a[0]), derivative(C, a[1])),
        "dz": (derivative(C, z[0]), derivative(C, z[1])),
        "g": (derivative(J, a[0]), derivative(J, a[1])),
        "dW": (derivative(J, W),) * 2,
        "db": (derivative(J, b),) * 2,
        "ones": (plain(letters["ones"]),) * 2,
        "share": (plain("s/S"),) * 2,
        "P": (derivative(C, a[0]),) * 2,
        "dfa": (derivative(a[0], replace(a[0], shift=-1)),) * 2,
        "dfw": (derivative(a[0], w),) * 2,
        "dfb": (derivative(a[0], b),) * 2,
        "Pw": (derivative(C, w),) * 2,
        "w": (w,) * 2,
        "dha": (replace(derivative(a[0], replace(a[0], shift=-1)), indices="first"),) * 2,
        "dhw": (replace(derivative(a[0], w), indices="both"),) * 2,
        "dhb": (replace(derivative(a[0], b), indices="both"),) * 2,
        "Pb": (derivative(C, b),) * 2,
        "da_dz": (derivative(a[0], z[0]),) * 2,
        "dz_da": (derivative(z[0], replace(a[0], shift=-1)),) * 2,
        "dz_dW": (derivative(z[0], W),) * 2,
        "W_new": (W, W),
        "b_new": (b, b),
        "penalty": (plain("Σ‖W‖²"),) * 2,
        "N": (plain(letters["N"]),) * 2,
        "S": (plain("S"),) * 2,
        "lambda": (plain(letters["lambda"]),) * 2,
        "rate": (plain(letters["rate"]),) * 2,
    }
    return found | others
