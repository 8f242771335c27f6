"""Our own notation: samples in rows, W (in, out), the operators of NumPy."""

from backpass.core.layouts import LAYOUTS
from backpass.derivatives.notation.symbols import symbol, symbols_of
from backpass.derivatives.notation.table import Formula, Notation, Operators, register

__all__ = ["CODE"]

LETTERS = {"z": "zz", "a": "aa", "W": "WW", "delta": "δδ", "y": "yy", "lambda": "α", "f": "φ"}

CODE = register(
    Notation(
        name="code",
        note=0,
        title="the layout of this package",
        weights_transposed=LAYOUTS["code"].weights_transposed,
        samples_in_columns=False,
        symbols=symbols_of(
            "low", LETTERS, cost="J", sample_cost="C", g=(symbol("g", "low"), symbol("g", "low"))
        ),
        formulas={
            "F1": Formula("z[l] = a[l-1] @ W[l] + b[l]"),
            "F2": Formula("a[l] = f(z[l])"),
            "C": Formula("J = total(terms)", "J = total(terms) / N"),
            "Cw": Formula("", "J = total(diag(share) @ terms)"),
            "B1z": Formula("delta[l] = dC[l] * dphi[l]", "dz[l] = dC[l] * dphi[l]"),
            "B1zj": Formula("delta[l] = dC[l] @ jac[l]"),
            "B1f": Formula("delta[l] = a[l] - y", "dz[l] = a[l] - y"),
            "B1fg": Formula("delta[l] = residual(a[l], y)", "dz[l] = residual(a[l], y)"),
            "B1": Formula("", "delta[l] = dz[l] / N"),
            "B1w": Formula("", "delta[l] = diag(share) @ dz[l]"),
            "B2a": Formula("g[l] = delta[l+1] @ T(W[l+1])"),
            "B2b": Formula("delta[l] = g[l] * dphi[l]"),
            "B3": Formula("dW[l] = T(a[l-1]) @ delta[l]"),
            "B4": Formula("db[l] = delta[l]", "db[l] = T(ones) @ delta[l]"),
        },
        from_zero=True,
        operators=Operators("@", "*", ".T"),
    )
)
