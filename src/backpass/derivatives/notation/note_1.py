"""Note 1, "Derivatives of all layers": e, W (in, out), samples in columns."""

from backpass.core.layouts import LAYOUTS
from backpass.derivatives.notation.symbols import symbols_of
from backpass.derivatives.notation.table import IN_COLUMNS, Formula, Notation, register

__all__ = ["ERROR"]

LETTERS = {"z": "zZ", "a": "aA", "W": "wW", "delta": "eE", "y": "yY", "f": "f"}

ERROR = register(
    Notation(
        name="error",
        note=1,
        title="Derivatives of all layers",
        weights_transposed=LAYOUTS["error"].weights_transposed,
        samples_in_columns=True,
        symbols=symbols_of("up", LETTERS, cost="J", sample_cost="C"),
        formulas=IN_COLUMNS
        | {
            "F1": Formula(
                "z[l] = T(W[l]) @ a[l-1] + b[l]", "z[l] = T(W[l]) @ a[l-1] + b[l] @ T(ones)"
            ),
            "B2a": Formula("g[l] = W[l+1] @ delta[l+1]"),
            "B2b": Formula("delta[l] = (W[l+1] @ delta[l+1]) * dphi[l]"),
            "B3": Formula("dW[l] = a[l-1] @ T(delta[l])"),
            "B4": Formula("db[l] = delta[l]", "db[l] = delta[l] @ ones"),
            "B4 sum": Formula("", "db[l] = delta[l]"),
        },
        places={
            **dict.fromkeys(["F1", "F2"], "Feedforward Step"),
            **dict.fromkeys(["B1z", "B1f", "B1"], "For the output layer"),
            **dict.fromkeys(["B2a", "B2b"], "For layers l = L-1, …, 1"),
            **dict.fromkeys(
                ["B3", "B4"], "Updating the Derivatives for the Weight Matrices and Bias Vectors"
            ),
        },
    )
)
