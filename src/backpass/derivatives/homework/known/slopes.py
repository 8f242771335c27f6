"""The derivative of the activation."""

import numpy as np

from backpass.core.activations import ACTIVATIONS
from backpass.core.arrays import Array
from backpass.derivatives.homework.faulty_pass import Fault, Pass, Rule
from backpass.derivatives.homework.known.output import twice
from backpass.derivatives.homework.mistake import Mistake, Way, right_slope, wrong, wrong_slope


def is_relu(w: Pass, l: int) -> bool:
    """Return whether a layer has relu, or a leaky one."""
    return "relu" in w.do("phi", l).name


def of_relu(rule: Rule) -> Rule:
    """Return the rule in layers with a relu; other layers have their derivative."""
    return lambda w, l: rule(w, l) if is_relu(w, l) else right_slope(w, l)


def leaky(slope: float) -> Rule:
    """Return a relu's derivative with a slope on the left."""
    return lambda w, l: np.where(w.z[l] > 0, 1.0, slope)


def record(name: str) -> Rule:
    """Return the rule that takes an activation by its name."""
    return lambda w, l: ACTIVATIONS.get_record(name)


def at_a(w: Pass, l: int) -> Array:
    """Return φ′(a) in place of φ′(z)."""
    phi = w.do("phi", l)
    slope: Array = phi.derivative(w.a[l], phi.value(w.a[l]))
    return slope


RELU = {
    "{z} < 0 for {z} > 0": lambda w, l: (w.z[l] < 0) * 1.0,
    "the sign of {z}": lambda w, l: np.sign(w.z[l]),
    "{z} itself": lambda w, l: w.z[l],
    "leaky, 0.01 where {z} < 0": leaky(0.01),
    "where the error signal is positive": lambda w, l: (w.g[l] > 0) * 1.0,
    "where {z} and the error signal are positive":
        lambda w, l: ((w.g[l] > 0) & (w.z[l] > 0)) * 1.0,
}  # fmt: skip
"""What is taken for relu's derivative."""


SLOPES = (
    Mistake(
        "f′ missing",
        "the derivative of the activation was left out",
        equation="B2b",
        source="note 1 (e^l), note 2 (diag(f′(z^l))), note 3, section 4.3.2, note 5, step 2 "
        "(⊙ f′(z))",
        mend="multiply by {dphi}({z}), element by element",
        ways=wrong_slope(lambda w, l: np.ones_like(w.z[l])),
    ),
    Mistake(
        "z for a in f′",
        "{dphi} was computed from {z} by the formula in {a}: 1 − {z}² for 1 − {a}², or "
        "{z}(1 − {z}) for {a}(1 − {a})",
        equation="B2b",
        source="note 3, appendix 6.1 (tanh′ = 1 − tanh², σ′ = σ(1 − σ))",
        mend="put the activation {a}, not {z}, into a formula in terms of {a}",
        ways=wrong_slope(lambda w, l: w.do("phi", l).derivative(w.z[l], w.z[l]), softmax=True),
    ),
    Mistake(
        "f′ at a",
        "{dphi} was taken at the activation {a}, not at the pre-activation {z}",
        equation="B2b",
        source="notes 1 and 2 (f′(z^l)), note 5, step 2 (f′(z^{(l)}))",
        mend="{dphi} takes what the activation took, {z}; note 3 calls that a",
        ways=wrong_slope(at_a, softmax=True),
    ),
    Mistake(
        "f′ of another activation",
        "the derivative is that of another activation than the layer's",
        equation="B2b",
        source="note 3, appendix 6.1 (σ′ = σ(1 − σ) and tanh′ = 1 − tanh², each its own)",
        mend="differentiate the activation that the forward pass has taken",
        ways=(
            *wrong_slope(lambda w, l: w.a[l] * (1 - w.a[l]), "{a}(1 − {a}), a logistic's,"),
            *wrong_slope(lambda w, l: 1 - w.a[l] ** 2, "1 − {a}², a tanh's,"),
            *wrong_slope(lambda w, l: (w.z[l] > 0).astype(w.z[l].dtype), "relu's 0 or 1"),
            *wrong_slope(lambda w, l: 1 - w.a[l], "1 − {a} for 1 − {a}²"),
        ),
    ),
    Mistake(
        "f for f′",
        "the activation itself stands where its derivative belongs",
        equation="B2b",
        source="note 3, section 4.3.2 (g′(a)), note 5, step 2 (⊙ f′(z))",
        mend="multiply by {dphi}({z}), not by {f}({z})",
        ways=wrong_slope(lambda w, l: w.a[l]),
    ),
    Mistake(
        "f′ twice",
        "the derivative of the activation was applied twice",
        equation="B2b",
        source="note 3, section 4.3.2 (from ∇_h to ∇_a once in a layer)",
        mend="multiply by {dphi}({z}) once; the error signal ŷ − {y} holds it already",
        ways=(
            *wrong("B1z", twice, "at the output", possible="elementwise output"),
            *wrong(
                "slope",
                lambda w, l: right_slope(w, l) ** 2,
                "in the hidden layers",
                layers="hidden",
            ),
        ),
    ),
    Mistake(
        "sign slip in f′",
        "the derivative of the activation has a wrong sign in it",
        equation="B2b",
        source="note 3, appendix 6.1 (tanh′ = 1 − tanh², σ′ = σ(1 − σ))",
        mend="keep the sign that the derivation gives: {dphi} is {slopes}",
        ways=(
            Way(
                "−{dphi}, as {a}² − 1 for 1 − {a}², in the hidden layers",
                (Fault("slope", factor=lambda w, l: -1.0),),
                layers="hidden",
            ),
            *wrong_slope(lambda w, l: 1 + w.a[l] ** 2, "1 + {a}² for 1 − {a}²"),
            *wrong_slope(lambda w, l: w.a[l] * (1 + w.a[l]), "{a}(1 + {a}) for {a}(1 − {a})"),
        ),
    ),
    Mistake(
        "relu's f′",
        "the derivative of relu is 1 where {z} > 0 and 0 elsewhere; another was taken",
        equation="B2b",
        source="note 3, appendix 6.1 (g′(a) = 1 for a > 0, else 0)",
        mend="multiply by ({z} > 0), which looks at the pre-activation and at nothing else",
        ways=(
            *wrong(
                "slope",
                {what: of_relu(rule) for what, rule in RELU.items()},
                layers="hidden",
                possible="hidden relu",
            ),
            Way(
                "where {z} < 0",
                family=lambda number: (
                    Fault("B2b", lambda w, l: w.g[l] * of_relu(leaky(number))(w, l)),
                ),
                told="leaky, {number}",
                possible="hidden relu",
            ),
        ),
    ),
    Mistake(
        "another activation",
        "the layers have another activation than the network, forward and backward",
        equation="F2",
        source="note 3, appendix 6.1 (each activation and its derivative)",
        mend="take the activation of the network, and its derivative",
        ways=(
            *wrong(
                "phi",
                {f"{n} in the hidden layers": record(n) for n in ("logistic", "tanh", "relu")},
                layers="hidden",
            ),
            *(
                Way(
                    f"{name} at the output",
                    (Fault("phi", record(name)), Fault("slope", right_slope)),
                    layers="output",
                    possible="elementwise output",
                )
                for name in ("logistic", "tanh", "identity")
            ),
            *(
                Way(
                    f"{name} at the output, with ŷ − {{y}}",
                    (Fault("phi", record(name)), Fault("B1z", lambda w, l: w.a[l] - w.y)),
                    layers="output",
                    possible=possible,
                )
                for name, possible in (("logistic", "softmax"), ("softmax", "elementwise output"))
            ),
        ),
    ),
)
