"""Note 5, "Notation and summary": (l) in brackets, bold, W (in, out), samples in columns."""

from backpass.core.layouts import LAYOUTS
from backpass.derivatives.notation.symbols import symbols_of
from backpass.derivatives.notation.table import Formula, Notation, register

__all__ = ["BRACKET"]

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
    "rate": "α",
    "f": "𝐟",
}

BRACKET = register(
    Notation(
        name="bracket",
        note=5,
        title="Notation and summary",
        weights_transposed=LAYOUTS["bracket"].weights_transposed,
        samples_in_columns=True,
        symbols=symbols_of("bracket", LETTERS, cost="ℒ", sample_cost="ℒₙ", bold=True),
        formulas={
            "F1": Formula("z[l] = T(W[l]) @ a[l-1] + b[l]", "z[l] = T(W[l]) @ a[l-1] + bs[l]"),
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
            "B3 sum": Formula("", "dW[l] = a[l-1] @ T(delta[l])"),
            "B4 sum": Formula("", "db[l] = delta[l]"),
        },
        places={
            "F1": "Summary, step 1",
            "F2": "Summary, step 1",
            "C": "Summary, step 2",
            "B1": "Summary, step 2",
            "B1z": "Summary, step 2",
            "B1f": "Summary, step 2",
            "B2a": "Summary, step 2",
            "B2b": "Summary, step 2",
            "B3": "Summary, step 2",
            "B4": "Summary, step 2",
            "U": "Summary, step 3",
        },
    )
)
