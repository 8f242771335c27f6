"""Note 3, "Backpropagation": a before and h after activation, ∇, W (out, in), columns."""

from backpass.core.layouts import LAYOUTS
from backpass.derivatives.notation.symbols import derivative, nabla, plain, symbol, symbols_of
from backpass.derivatives.notation.table import IN_COLUMNS, Formula, Notation, register

__all__ = ["NABLA"]

LETTERS = {"z": "aA", "a": "hH", "W": "WW", "delta": "aA", "y": "eE", "N": "m", "f": "g"}

a, A = symbol("a", "low", element="a"), symbol("A", "low", element="a")
h, H = symbol("h", "low", element="h"), symbol("H", "low", element="h")
LOSS = plain("ℒ")

NABLA = register(
    Notation(
        name="nabla",
        note=3,
        title="Backpropagation",
        weights_transposed=LAYOUTS["nabla"].weights_transposed,
        samples_in_columns=True,
        symbols=symbols_of(
            "low",
            LETTERS,
            cost="L",
            sample_cost="ℒ",
            delta=(nabla(a, LOSS), nabla(A, LOSS, prefix=True)),
            g=(nabla(h, LOSS), nabla(H, LOSS, prefix=True)),
            dW=(nabla(symbol("W", "low", element="W"), LOSS, prefix=True),) * 2,
            db=(nabla(symbol("b", "low"), LOSS, prefix=True),) * 2,
            dC=(derivative(LOSS, h), derivative(LOSS, H)),
            dz=(derivative(LOSS, a), derivative(LOSS, A)),
        ),
        formulas=IN_COLUMNS
        | {
            "F1": Formula("z[l] = W[l] @ a[l-1] + b[l]", "z[l] = W[l] @ a[l-1] + b[l] @ T(ones)"),
            "B1f": Formula("delta[l] = -(y - a[l])", "dz[l] = a[l] - y"),
            "B2a": Formula("g[l] = T(W[l+1]) @ delta[l+1]"),
            "B2b": Formula("delta[l] = g[l] * dphi[l]"),
            "B3": Formula("dW[l] = delta[l] @ T(a[l-1])"),
            "B4": Formula("db[l] = delta[l]", "db[l] = delta[l] @ ones"),
        },
        places={
            "F1": "sections 2 and 5.2",
            "F2": "sections 2 and 5.2",
            "C": "section 3",
            "chain": "sections 4.1 and 4.2",
            "B1": "section 5.2",
            "B1z": "section 4.3.1",
            "B1f": "section 4.3.1",
            "B2a": "section 4.3.2",
            "B2b": "section 4.3.2",
            "B3": "section 4.3.3",
            "B4": "section 4.3.3",
        },
        output={
            "a": (plain("ŷ"), plain("Ŷ")),
            "f": (plain("O"), plain("O")),
            "dC": (derivative(LOSS, plain("ŷ")), derivative(LOSS, plain("Ŷ"))),
        },
    )
)
