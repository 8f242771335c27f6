"""The derivative of the activation."""

import numpy as np

from backpass.derivatives.homework.faults import (
    hidden,
    is_elementwise,
    named,
    slope_ways,
    twice,
)
from backpass.derivatives.homework.faulty_pass import Fault
from backpass.derivatives.homework.mistake import Mistake, Way

# l is a layer throughout, as in the notes
# ruff: noqa: E741

__all__ = ["SLOPES"]

SLOPES = (
    Mistake(
        "f′ missing",
        "the derivative of the activation was left out",
        equation="B2b",
        source="note 1 (e^l), note 2 (diag(f′(z^l))), note 3, section 4.3.2, note 5, step 2 "
        "(⊙ f′(z))",
        mend="multiply by φ′(z), element by element",
        ways=slope_ways(lambda w, l: np.ones_like(w.z[l])),
    ),
    Mistake(
        "z for a in f′",
        "φ′ was computed from z by the formula in a: 1 − z² for 1 − a², or z(1 − z) for a(1 − a)",
        equation="B2b",
        source="note 3, appendix 6.1 (tanh′ = 1 − tanh², σ′ = σ(1 − σ))",
        mend="put the activation a, not z, into a formula in terms of a",
        ways=slope_ways(lambda w, l: w.phi[l].derivative(w.z[l], w.z[l]), softmax=True),
    ),
    Mistake(
        "f′ at a",
        "φ′ was taken at the activation a, not at the pre-activation z",
        equation="B2b",
        source="notes 1 and 2 (f′(z^l)), note 5, step 2 (f′(z^{(l)}))",
        mend="φ′ takes what the activation took, z; note 3 calls that a",
        ways=slope_ways(
            lambda w, l: w.phi[l].derivative(w.a[l], w.phi[l].value(w.a[l])), softmax=True
        ),
    ),
    Mistake(
        "f′ of another activation",
        "the derivative is that of another activation than the layer's",
        equation="B2b",
        source="note 3, appendix 6.1 (σ′ = σ(1 − σ) and tanh′ = 1 − tanh², each its own)",
        mend="differentiate the activation that the forward pass has taken",
        ways=(
            *named("a(1 − a), a logistic's,", slope_ways(lambda w, l: w.a[l] * (1 - w.a[l]))),
            *named("1 − a², a tanh's,", slope_ways(lambda w, l: 1 - w.a[l] ** 2)),
            *named("relu's 0 or 1", slope_ways(lambda w, l: (w.z[l] > 0).astype(w.z[l].dtype))),
            *named("1 − a for 1 − a²", slope_ways(lambda w, l: 1 - w.a[l])),
        ),
    ),
    Mistake(
        "f for f′",
        "the activation itself stands where its derivative belongs",
        equation="B2b",
        source="note 3, section 4.3.2 (g′(a)), note 5, step 2 (⊙ f′(z))",
        mend="multiply by φ′(z), not by φ(z)",
        ways=slope_ways(lambda w, l: w.a[l]),
    ),
    Mistake(
        "f′ twice",
        "the derivative of the activation was applied twice",
        equation="B2b",
        source="note 3, section 4.3.2 (from ∇_h to ∇_a once in a layer)",
        mend="multiply by φ′(z) once; an error signal ŷ − y of the output holds its φ′ already",
        ways=(
            Way("at the output", (Fault("B1z", twice),), possible=is_elementwise),
            Way(
                "in the hidden layers",
                (Fault("slope", lambda w, l: w.phi[l].derivative(w.z[l], w.a[l]) ** 2),),
                layers=hidden,
            ),
        ),
    ),
)
