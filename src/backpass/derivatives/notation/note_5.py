"""Note 5, "Notation and summary": (l) in brackets, bold, W (in, out), samples in columns."""

from backpass.core.layouts import LAYOUTS
from backpass.derivatives.notation.symbols import symbols_of
from backpass.derivatives.notation.table import IN_COLUMNS, Formula, Notation, register

__all__ = ["BRACKET"]

LETTERS = {"z": "zZ", "a": "aA", "W": "wW", "delta": "eE", "y": "yY", "rate": "α", "f": "𝐟"}

BRACKET = register(
    Notation(
        name="bracket",
        note=5,
        title="Notation and summary",
        weights_transposed=LAYOUTS["bracket"].weights_transposed,
        samples_in_columns=True,
        symbols=symbols_of("bracket", LETTERS, cost="ℒ", sample_cost="ℒₙ", bold=True),
        formulas=IN_COLUMNS
        | {
            "F1": Formula("z[l] = T(W[l]) @ a[l-1] + b[l]", "z[l] = T(W[l]) @ a[l-1] + bs[l]"),
            "B2a": Formula("g[l] = W[l+1] @ delta[l+1]"),
            "B2b": Formula("delta[l] = (W[l+1] @ delta[l+1]) * dphi[l]"),
            "B3": Formula("dW[l] = a[l-1] @ T(delta[l])"),
            "B4": Formula("db[l] = delta[l]", "db[l] = delta[l] @ ones"),
            "B3 sum": Formula("", "dW[l] = a[l-1] @ T(delta[l])"),
            "B4 sum": Formula("", "db[l] = delta[l]"),
        },
        places={
            **dict.fromkeys(["F1", "F2"], "Summary, step 1"),
            **dict.fromkeys(["C", "B1z", "B1f", "B1", "B2a", "B2b", "B3", "B4"], "Summary, step 2"),
            "U": "Summary, step 3",
        },
    )
)
