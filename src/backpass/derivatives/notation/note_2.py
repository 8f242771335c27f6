"""Note 2, "Bro, do you even backprop?": ∂L/∂b is the recursion, W (out, in), the mean last."""

from backpass.core.layouts import LAYOUTS
from backpass.derivatives.notation.symbols import derivative, plain, symbol, symbols_of
from backpass.derivatives.notation.table import IN_COLUMNS, Formula, Notation, register

__all__ = ["CHAIN"]

LETTERS = {"z": "zz", "a": "aa", "W": "wW", "delta": "bb", "y": "yy", "f": "f"}

BIAS_DERIVATIVE = derivative(plain("L"), symbol("b", "up", bold=True))

CHAIN = register(
    Notation(
        name="chain",
        note=2,
        title="Bro, do you even backprop?",
        weights_transposed=LAYOUTS["chain"].weights_transposed,
        samples_in_columns=True,
        symbols=symbols_of(
            "up",
            LETTERS,
            cost="L",
            sample_cost="L",
            bold=True,
            delta=(BIAS_DERIVATIVE, BIAS_DERIVATIVE),
            terms=(plain("g"), plain("g")),
        ),
        formulas=IN_COLUMNS
        | {
            "F1": Formula("z[l] = W[l] @ a[l-1] + b[l]"),
            "B1z": Formula("delta[l] = diag(dphi[l]) @ dC[l]"),
            "B2a": Formula("g[l] = T(W[l+1]) @ delta[l+1]"),
            "B2b": Formula("delta[l] = diag(dphi[l]) @ T(W[l+1]) @ delta[l+1]"),
            "B3": Formula("dW[l] = delta[l] @ T(a[l-1])"),
        },
        places={
            "C": "the loss function",
            "B1z": "For the output layer",
            "B1f": "For the output layer",
            "B2a": "For an interior layer l",
            "B2b": "For an interior layer l",
            "B3": "Derivatives with respect to W^l",
            "mean": "the mean over the samples, taken last",
        },
        samples_alone=True,
    )
)
