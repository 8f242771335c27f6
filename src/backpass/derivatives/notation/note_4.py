"""Note 4, slides of a course: α, Ω, β, ζ, Φ, 𝒫, ℬ; one sample, two algorithms."""

from dataclasses import replace

from backpass.core.layouts import LAYOUTS
from backpass.derivatives.notation.symbols import (
    Symbol,
    derivative,
    nabla,
    plain,
    symbol,
    symbols_of,
)
from backpass.derivatives.notation.table import IN_COLUMNS, Formula, Notation, register

__all__ = ["OMEGA"]

LETTERS = {"z": "ζζ", "a": "αα", "W": "ωΩ", "b": "β", "delta": "ℬℬ", "y": "ρρ", "f": "Φ"}

P = Symbol(
    "𝒫", "up", shift=1, transposed=True, of_elements=Symbol("𝒫", "up", shift=1)
)  # [𝒫^{j+1}]ᵀ is ∂C/∂a^j as a column
ROW = Symbol("𝒫", "up", shift=1)
LAYER = symbol("f", "up")
BELOW = Symbol("a", "up", shift=-1)
COST = plain("ℰ")
COST_TO_OUTPUT = nabla(symbol("α", "up"), plain("𝒞"), named=True)

OMEGA = register(
    Notation(
        name="omega",
        note=4,
        title="Slides of a course on multilayer perceptrons",
        weights_transposed=LAYOUTS["omega"].weights_transposed,
        samples_in_columns=True,
        symbols=symbols_of(
            "up",
            LETTERS,
            cost="ℰ",
            sample_cost="𝒞",
            g=(P, P),
            P=(ROW, ROW),
            dfa=(derivative(LAYER, BELOW),) * 2,
            dfw=(derivative(LAYER, symbol("w", "up")),) * 2,
            dha=(replace(derivative(plain("h"), plain("a")), indices="none"),) * 2,
            dhw=(replace(derivative(plain("h"), plain("w")), indices="none"),) * 2,
            dhb=(replace(derivative(plain("h"), plain("b")), indices="none"),) * 2,
            dfb=(derivative(LAYER, symbol("b", "up")),) * 2,
            Pw=(derivative(plain("𝒞"), symbol("w", "up")),) * 2,
            Pb=(derivative(plain("𝒞"), symbol("b", "up")),) * 2,
            dC=(COST_TO_OUTPUT, COST_TO_OUTPUT),
            dW=(nabla(symbol("W", "up", element="w"), COST, named=True),) * 2,
            db=(nabla(symbol("b", "up"), COST, named=True),) * 2,
            y=(plain("ρ"), plain("ρ")),
        ),
        formulas=IN_COLUMNS
        | {
            "F1": Formula("z[l] = T(W[l]) @ a[l-1] + b[l]"),
            "B1z": Formula("delta[l] = dphi[l] * dC[l]"),
            "B2a": Formula("g[l] = W[l+1] @ delta[l+1]"),
            "B2b": Formula("delta[l] = dphi[l] * g[l]"),
            "B3": Formula("dW[l] = a[l-1] @ T(delta[l])"),
            "B4": Formula("db[l] = delta[l]"),
        },
        places={
            "C": "slide Evaluating how well an MLP is doing",
            **dict.fromkeys(["B1z", "B1zj", "B1f"], "Backpropagation algorithm, line 1"),
            "B2a top": "Backpropagation algorithm, line 2",
            "B2a": "Backpropagation algorithm, line 5",
            "B2b": "Backpropagation algorithm, line 4",
            "B3": "Gradient computation, line 2",
            "B4": "Gradient computation, line 3",
            "jacobian": "slide Back to partial derivatives for an entire network",
            "neuron": "slide Partial derivatives for a single neuron",
            "mean": "slide Gradient descent: the mean over the samples",
        },
        samples_alone=True,
        gradients_last=True,
    )
)
