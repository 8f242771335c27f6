"""Note 1, "Derivatives of all layers": e, W (in, out), samples in columns."""

from backpass.core.layouts import LAYOUTS
from backpass.derivatives.notation.symbols import symbols_of
from backpass.derivatives.notation.table import Formula, Notation, register

__all__ = ["ERROR"]

LETTERS = {
    "z": "zZ",
    "a": "aA",
    "W": "wW",
    "b": "b",
    "delta": "eE",
    "y": "yY",
    "ones": "𝟏",
    "N": "N",
    "lambda": "λ",
    "rate": "η",
    "f": "f",
}

ERROR = register(
    Notation(
        name="error",
        note=1,
        title="Derivatives of all layers",
        weights_transposed=LAYOUTS["error"].weights_transposed,
        samples_in_columns=True,
        symbols=symbols_of("up", LETTERS, cost="J", sample_cost="C"),
        formulas={
            "F1": Formula(
                "z[l] = T(W[l]) @ a[l-1] + b[l]", "z[l] = T(W[l]) @ a[l-1] + b[l] @ T(ones)"
            ),
            "F2": Formula("a[l] = f(z[l])"),
            "C": Formula("J = total(terms)", "J = 1 / N * total(terms)"),
            "Cw": Formula("", "J = total(terms @ diag(share))"),
            "B1z": Formula("delta[l] = dC[l] * dphi[l]", "dz[l] = dC[l] * dphi[l]"),
            "B1zj": Formula("delta[l] = T(jac[l]) @ dC[l]"),
            "B1f": Formula("delta[l] = a[l] - y", "dz[l] = a[l] - y"),
            "B1fg": Formula("delta[l] = residual(a[l], y)", "dz[l] = residual(a[l], y)"),
            "B1": Formula("", "delta[l] = 1 / N * dz[l]"),
            "B1w": Formula("", "delta[l] = dz[l] @ diag(share)"),
            "B2a": Formula("g[l] = W[l+1] @ delta[l+1]"),
            "B2b": Formula("delta[l] = (W[l+1] @ delta[l+1]) * dphi[l]"),
            "B3": Formula("dW[l] = a[l-1] @ T(delta[l])"),
            "B4": Formula("db[l] = delta[l]", "db[l] = delta[l] @ ones"),
            "B4 sum": Formula("", "db[l] = delta[l]"),
        },
        places={
            "F1": "Feedforward Step",
            "F2": "Feedforward Step",
            "B1": "For the output layer",
            "B1z": "For the output layer",
            "B1f": "For the output layer",
            "B2a": "For layers l = L-1, …, 1",
            "B2b": "For layers l = L-1, …, 1",
            "B3": "Updating the Derivatives for the Weight Matrices and Bias Vectors",
            "B4": "Updating the Derivatives for the Weight Matrices and Bias Vectors",
        },
    )
)
