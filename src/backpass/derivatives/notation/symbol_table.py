"""What several notations share: how a set of symbols follows from a few letters."""

from collections.abc import Mapping
from dataclasses import replace

from backpass.derivatives.notation.symbols import Place, Symbol, derivative, plain, symbol

__all__ = ["symbols_of"]


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
        Small and capital letter of z, a, W, b, delta, y, ones, N, S, lambda, rate, f:
        ``{"z": "zZ"}``.
    cost, sample_cost : str
        J over a batch, C of one sample.
    bold : bool
        Whether vectors and matrices are bold.
    others
        What is not written as a derivative of the cost, or is written otherwise.
    """

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
