"""The tables of our own notation and of the five notes': letters, symbols, formulas, places."""

from dataclasses import replace

from backpass.core.layouts import LAYOUTS
from backpass.derivatives.notation.table import (
    USUAL_FORMULAS,
    Formula,
    Notation,
    Operators,
    Symbol,
    derivative,
    nabla,
    plain,
    register,
    symbol,
    symbols_of,
)

IN_A_BATCH = [
    f"{equation} batch" for equation in ("F1", "F2", "B1z", "B1f", "B1", "B2a", "B2b", "B3", "B4")
]
"""Formulas that a note has for a batch in a place of its own."""

# Our own notation: samples in rows, W (in, out), the operators of NumPy.

CODE = register(
    Notation(
        name="code",
        **LAYOUTS["code"]._asdict(),
        title="the layout of this package",
        samples_in_columns=False,
        symbols=symbols_of(
            "low",
            {"z": "zz", "a": "aa", "W": "WW", "delta": "δδ", "y": "yy", "lambda": "α", "f": "φ"},
            cost="J",
            sample_cost="C",
            g=(symbol("g", "low"), symbol("g", "low")),
        ),
        formulas=USUAL_FORMULAS
        | {
            "F1": Formula("z[l] = a[l-1] @ W[l] + b[l]"),
            "C": Formula("J = costs", "J = total(costs) / N"),
            "Cw": Formula("", "J = total(s * costs) / S"),
            "B1zj": Formula("delta[l] = dC[l] @ jac[l]"),
            "B1": Formula("", "delta[l] = dz[l] / N"),
            "B1w": Formula("", "delta[l] = diag(s) @ dz[l] / S"),
            "B2a": Formula("g[l] = delta[l+1] @ T(W[l+1])"),
            "B2b": Formula("delta[l] = g[l] * dphi[l]"),
            "B3": Formula("dW[l] = T(a[l-1]) @ delta[l]"),
            "B4": Formula("db[l] = delta[l]", "db[l] = T(ones) @ delta[l]"),
        },
        denominator_layout=False,
        from_zero=True,
        operators=Operators("@", "*", ".T"),
    )
)

# Note 1, "Derivatives of all layers": e, W (in, out), samples in columns.

ERROR = register(
    Notation(
        name="error",
        **LAYOUTS["error"]._asdict(),
        title="Derivatives of all layers",
        samples_in_columns=True,
        symbols=symbols_of(
            "up",
            {"z": "zZ", "a": "aA", "W": "wW", "delta": "eE", "y": "yY", "f": "f"},
            cost="J",
            sample_cost="C",
        ),
        formulas=USUAL_FORMULAS
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
            **dict.fromkeys(IN_A_BATCH, "Backpropagation for Batch (Mini-Batch) Gradient Descent"),
            **dict.fromkeys(["F1", "F2"], "Feedforward Step"),
            "C": "J, which it names and leaves open",
            "parameter": "Derivatives with Respect to Individual Parameters",
            "mean": "Backpropagation for Batch (Mini-Batch) Gradient Descent",
            **dict.fromkeys(["B1z", "B1f"], "For the output layer"),
            **dict.fromkeys(["B2a", "B2b"], "For layers l = L-1, …, 1"),
            **dict.fromkeys(
                ["B3", "B4"], "Updating the Derivatives for the Weight Matrices and Bias Vectors"
            ),
        },
    )
)

# Note 2, "Bro, do you even backprop?": ∂L/∂b is the recursion, W (out, in), the mean last.

BIAS_DERIVATIVE = derivative(plain("L"), symbol("b", "up", bold=True))
OUTPUT_DERIVATIVE = derivative(plain("L"), symbol("a", "up", bold=True))

CHAIN = register(
    Notation(
        name="chain",
        **LAYOUTS["chain"]._asdict(),
        title="Bro, do you even backprop?",
        samples_in_columns=True,
        symbols=symbols_of(
            "up",
            {"z": "zz", "a": "aa", "W": "wW", "delta": "bb", "y": "yy", "f": "f"},
            cost="L",
            sample_cost="g",
            bold=True,
            delta=(BIAS_DERIVATIVE, BIAS_DERIVATIVE),
            dC=(OUTPUT_DERIVATIVE, OUTPUT_DERIVATIVE),
            P=(OUTPUT_DERIVATIVE, OUTPUT_DERIVATIVE),
            Pw=(derivative(plain("L"), symbol("w", "up", bold=True)),) * 2,
            Pb=(BIAS_DERIVATIVE, BIAS_DERIVATIVE),
            same=(plain("δ"),) * 2,
        ),
        formulas=USUAL_FORMULAS
        | {
            "F1": Formula("z[l] = W[l] @ a[l-1] + b[l]"),
            "B1z": Formula("delta[l] = diag(dphi[l]) @ dC[l]"),
            "B2a": Formula("g[l] = T(W[l+1]) @ delta[l+1]"),
            "B2b": Formula("delta[l] = diag(dphi[l]) @ T(W[l+1]) @ delta[l+1]"),
            "B3": Formula("dW[l] = delta[l] @ T(a[l-1])"),
        },
        places={
            "C squared_error": "Derivatives with respect to b^l, the loss function",
            **dict.fromkeys(["F1", "F2", "B1z", "B1f"], "For the output layer"),
            "jacobian": "For the output layer; For an interior layer l",
            **dict.fromkeys(["B2a", "B2b"], "For an interior layer l"),
            "parameter": "Derivatives with respect to b^l and to W^l, by units",
            "B3": "Derivatives with respect to W^l",
            "mean": "the mean over the samples, taken last",
        },
        stacks=True,
        samples_alone=True,
    )
)

# Note 3, "Backpropagation": a before and h after activation, ∇, W (out, in), columns.

a, A = symbol("a", "low", element="a"), symbol("A", "low", element="a")
h, H = symbol("h", "low", element="h"), symbol("H", "low", element="h")
LOSS, MEAN_LOSS = plain("ℒ"), plain("L")


def gradients(of: Symbol) -> tuple[Symbol, Symbol]:
    """Return ∇W, whose elements are ∂ℒ/∂w of one sample's loss, or ∂L/∂w of the mean."""
    one, mean = (nabla(of, cost, prefix=True) for cost in (LOSS, MEAN_LOSS))
    return one, mean


NABLA = register(
    Notation(
        name="nabla",
        **LAYOUTS["nabla"]._asdict(),
        title="Backpropagation",
        samples_in_columns=True,
        symbols=symbols_of(
            "low",
            {"z": "aA", "a": "hH", "W": "WW", "delta": "aA", "y": "eE", "N": "m", "f": "g"},
            cost="L",
            sample_cost="ℒ",
            delta=(nabla(a, LOSS), nabla(A, MEAN_LOSS, prefix=True)),
            g=(nabla(h, LOSS), nabla(H, MEAN_LOSS, prefix=True)),
            dW=gradients(symbol("W", "low", element="W")),
            db=gradients(symbol("b", "low")),
            dC=(derivative(LOSS, h), derivative(LOSS, H)),
            dz=(derivative(LOSS, a), derivative(LOSS, A)),
        ),
        formulas=USUAL_FORMULAS
        | {
            "F1": Formula("z[l] = W[l] @ a[l-1] + b[l]", "z[l] = W[l] @ a[l-1] + b[l] @ T(ones)"),
            "B1f": Formula("delta[l] = -(y - a[l])", "dz[l] = a[l] - y"),
            "B2a": Formula("g[l] = T(W[l+1]) @ delta[l+1]"),
            "B2b": Formula("delta[l] = g[l] * dphi[l]"),
            "B3": Formula("dW[l] = delta[l] @ T(a[l-1])"),
            "B4": Formula("db[l] = delta[l]", "db[l] = delta[l] @ ones"),
        },
        places={
            **dict.fromkeys(IN_A_BATCH, "section 5.2"),
            **dict.fromkeys(["F1", "F2"], "section 2"),
            "C cross_entropy": "section 3",
            "U": "section 3, gradient descent",
            "chain": "sections 4.1 and 4.2",
            "parameter": "section 4.3",
            "mean": "section 3, the average; section 5.2",
            **dict.fromkeys(["B1z", "B1f", "B1z batch", "B1f batch"], "section 4.3.1"),
            **dict.fromkeys(["B2a", "B2b"], "section 4.3.2"),
            **dict.fromkeys(["B3", "B4"], "section 4.3.3"),
        },
        output={
            "a": (plain("ŷ"), Symbol("Ŷ", element="ŷ")),
            "f": (plain("O"), plain("O")),
            "dC": (derivative(LOSS, plain("ŷ")), derivative(LOSS, Symbol("Ŷ", element="ŷ"))),
            "da_dz": (derivative(plain("ŷ"), a),) * 2,
            "jac": (replace(derivative(plain("ŷ"), a), indices="split"),) * 2,
            "P": (derivative(LOSS, plain("ŷ")),) * 2,
            "dfa": (derivative(plain("ŷ"), replace(h, shift=-1)),) * 2,
            "dfw": (derivative(plain("ŷ"), symbol("W", "low")),) * 2,
            "dfb": (derivative(plain("ŷ"), symbol("b", "low")),) * 2,
        },
    )
)

# Note 4, slides of a course: α, Ω, β, ζ, Φ, 𝒫, ℬ; one sample, two algorithms.

P = Symbol(
    "𝒫", "up", shift=1, transposed=True, of_elements=Symbol("𝒫", "up", shift=1)
)  # [𝒫^{j+1}]ᵀ is ∂C/∂a^j as a column
ROW = Symbol("𝒫", "up", shift=1)
LAYER = symbol("f", "up")
BELOW = Symbol("a", "up", shift=-1)
COST = plain("ℰ")
SAMPLE_COST = plain("𝒞")
COST_TO_OUTPUT = replace(
    nabla(symbol("α", "up"), SAMPLE_COST, named=True),
    of_elements=derivative(SAMPLE_COST, symbol("a", "up")),
)

OMEGA = register(
    Notation(
        name="omega",
        **LAYOUTS["omega"]._asdict(),
        title="Slides of a course on multilayer perceptrons",
        samples_in_columns=True,
        symbols=symbols_of(
            "up",
            {"z": "ζζ", "a": "αα", "W": "ωΩ", "b": "β", "delta": "ℬℬ", "y": "ρρ", "f": "Φ"},
            cost="ℰ",
            sample_cost="𝒞",
            g=(P, P),
            costs=(Symbol("𝒞", "bracket"),) * 2,
            P=(ROW, ROW),
            dfa=(derivative(LAYER, BELOW),) * 2,
            dfw=(derivative(LAYER, symbol("w", "up")),) * 2,
            dha=(replace(derivative(plain("h"), plain("a")), indices="none"),) * 2,
            dhw=(replace(derivative(plain("h"), plain("w")), indices="none"),) * 2,
            dhb=(replace(derivative(plain("h"), plain("b")), indices="none"),) * 2,
            dfb=(derivative(LAYER, symbol("b", "up")),) * 2,
            Pw=(derivative(COST, symbol("w", "up")),) * 2,
            Pb=(derivative(COST, symbol("b", "up")),) * 2,
            dC=(COST_TO_OUTPUT, COST_TO_OUTPUT),
            dW=(nabla(symbol("W", "up", element="w"), COST, named=True),) * 2,
            db=(nabla(symbol("b", "up"), COST, named=True),) * 2,
            y=(plain("ρ"), plain("ρ")),
        ),
        formulas=USUAL_FORMULAS
        | {
            "F1": Formula("z[l] = T(W[l]) @ a[l-1] + b[l]"),
            "B1z": Formula("delta[l] = dphi[l] * dC[l]"),
            "B1zj": Formula("delta[l] = T(jac[l]) @ dC[l]"),
            "B2a": Formula("g[l] = W[l+1] @ delta[l+1]"),
            "B2b": Formula("delta[l] = dphi[l] * g[l]"),
            "B3": Formula("dW[l] = a[l-1] @ T(delta[l])"),
            "B4": Formula("db[l] = delta[l]"),
        },
        places={
            **dict.fromkeys(["F1", "F2"], "slide Partial derivatives for a single neuron"),
            "C": "slide Evaluating how well an MLP is doing",
            "U": "slide Back to gradient descent",
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
        operators=Operators(brackets="[]"),
        denominator_layout=False,
        neurons_alone=True,
        samples_alone=True,
        gradients_last=True,
    )
)

# Note 5, "Notation and summary": (l) in brackets, bold, W (in, out), samples in columns.

PER_SAMPLE = derivative(plain("𝐠"), symbol("A", "bracket", bold=True, element="a"))
OF_ONE = derivative(plain("ℒ"), symbol("a", "bracket", bold=True))

BRACKET = register(
    Notation(
        name="bracket",
        **LAYOUTS["bracket"]._asdict(),
        title="Notation and summary",
        samples_in_columns=True,
        symbols=symbols_of(
            "bracket",
            {"z": "zZ", "a": "aA", "W": "wW", "delta": "eE", "y": "yY", "rate": "α", "f": "𝐟"},
            cost="ℒ",
            sample_cost="𝐠",
            bold=True,
            dC=(OF_ONE, PER_SAMPLE),
            P=(OF_ONE, OF_ONE),
        ),
        formulas=USUAL_FORMULAS
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
            **dict.fromkeys(IN_A_BATCH, "For Minibatch-Gradient Descent"),
            **dict.fromkeys(["F1", "F2"], "Summary, step 1"),
            **dict.fromkeys(["C", "B1z", "B1f", "B2a", "B2b", "B3", "B4"], "Summary, step 2"),
            "U": "Summary, step 3",
            "parameter": "At l-th layer",
            "mean": "For Minibatch-Gradient Descent",
        },
    )
)
