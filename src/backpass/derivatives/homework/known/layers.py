"""The derivative of the activation, weights and layers."""

import numpy as np

from backpass.derivatives.homework.faulty_pass import Fault
from backpass.derivatives.homework.mistake import (
    Mistake,
    Way,
    below,
    every,
    fitting,
    from_the_other_end,
    hidden,
    is_elementwise,
    named,
    output,
    shifted,
    slope_ways,
    square,
    twice,
    wrong,
)

# l is a layer, as in the notes
# ruff: noqa: E741

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
            wrong("B1z", twice, "at the output", possible=is_elementwise),
            wrong(
                "slope",
                lambda w, l: w.phi[l].derivative(w.z[l], w.a[l]) ** 2,
                "in the hidden layers",
                layers=hidden,
            ),
        ),
    ),
)


WEIGHTS = (
    Mistake(
        "W for Wᵀ",
        "W was used where its transpose belongs, or the other way round",
        equation="B2a",
        source="note 2 ((W^{l+1})ᵀ), note 3, section 4.3.2; notes 1 and 5, whose W is (in, "
        "out): W e",
        mend="forward a @ W, backward δ @ W.T, where W is (in, out) and samples are rows",
        ways=(
            wrong(
                "B2a", lambda w, l: w.delta[l + 1] @ square(w.W[l + 1]), "backward", layers=below
            ),
            wrong("F1", lambda w, l: w.a[l - 1] @ square(w.W[l]).T + w.b[l], "forward"),
        ),
    ),
    Mistake(
        "neighbouring layer",
        "a quantity of the layer above or below was taken",
        equation="B3",
        source="notes 1 and 5 (a^{l−1} (e^l)ᵀ), note 3, section 5.2 (∇A_k H_{k−1}ᵀ)",
        mend="∂J/∂W_l = a_{l−1}ᵀ δ_l; δ_l takes W and δ of layer l + 1 and φ′ of layer l",
        ways=(
            Way("the result of the layer above", result=shifted(1)),
            Way("the result of the layer below", result=shifted(-1)),
            wrong(
                "B3 a",
                lambda w, l: fitting(w.a[l], w.a[l - 1]),
                "a_l for a_{l−1} in the weight gradient",
                layers=every,
            ),
            Way(
                "δ_{l+1} for δ_l in the gradients",
                (
                    Fault("B3 delta", lambda w, l: fitting(w.delta.get(l + 1), w.delta[l])),
                    Fault("B4 delta", lambda w, l: fitting(w.delta.get(l + 1), w.delta[l])),
                ),
                layers=hidden,
            ),
            wrong(
                "B2a",
                lambda w, l: w.delta[l + 1] @ fitting(w.W.get(l), w.W[l + 1]).T,
                "W_l for W_{l+1} in the error signal",
                layers=hidden,
            ),
            wrong(
                "slope",
                lambda w, l: w.phi[l].derivative(
                    fitting(w.z[l + 1], w.z[l]), fitting(w.a[l + 1], w.a[l])
                ),
                "φ′ of layer l + 1 in the error signal",
                layers=hidden,
            ),
            wrong(
                "slope",
                lambda w, l: w.phi[l].derivative(
                    fitting(w.z.get(l - 1), w.z[l]), fitting(w.a[l - 1], w.a[l])
                ),
                "φ′ of layer l − 1 in the error signal",
                layers=hidden,
            ),
        ),
    ),
    Mistake(
        "layers in reverse",
        "the layers are numbered from the output, not from the input",
        equation="B3",
        source="notes 1 to 5 (layer 1 is the first after the input, L the output)",
        mend="reverse the list of gradients, which the backward pass finds from L down to 1",
        ways=(Way(result=from_the_other_end),),
    ),
    Mistake(
        "W missing",
        "the error signal was handed down without the weights",
        equation="B2a",
        source="note 3, section 4.3.2 (∇_{h_i} = W_{i+1}ᵀ ∇_{a_{i+1}})",
        mend="multiply the error signal by the weights that it came through",
        ways=(wrong("B2a", lambda w, l: fitting(w.delta[l + 1], w.a[l]), layers=below),),
    ),
    Mistake(
        "bias forgotten",
        "the forward pass left the bias out: z = a W",
        equation="F1",
        source="note 3, section 2 (a_i = b_i + W_i h_{i−1}), note 5, step 1",
        mend="z = a W + b",
        ways=(wrong("F1", lambda w, l: w.a[l - 1] @ w.W[l], layers=every),),
    ),
    Mistake(
        "activation forgotten",
        "the forward pass left the activation out: a = z",
        equation="F2",
        source="note 3, section 2 (h_i = g(a_i)), note 5, step 1 (a^{(l)} = f(z^{(l)}))",
        mend="a = φ(z) in every layer",
        ways=(
            Way(
                "in the hidden layers",
                (
                    Fault("F2", lambda w, l: w.z[l]),
                    Fault(
                        "slope", lambda w, l: w.phi[l].derivative(w.z[l], w.phi[l].value(w.z[l]))
                    ),
                ),
                layers=hidden,
            ),
            wrong("F2", lambda w, l: w.z[l], "in the hidden layers, and so in φ′", layers=hidden),
            wrong("F2", lambda w, l: w.z[l], "at the output", layers=output),
        ),
    ),
    Mistake(
        "z for a in the weight gradient",
        "the weight gradient has the pre-activation of the layer below, not its activation",
        equation="B3",
        source="note 1 (a^{l−1} (e^l)ᵀ), note 3, section 5.2 (H_{k−1}, not A_{k−1})",
        mend="∂J/∂W_l = a_{l−1}ᵀ δ_l: what entered the layer; mind that note 3's a is z",
        ways=(
            wrong(
                "B3 a",
                lambda w, l: w.a[0] if l == 1 else w.z[l - 1],
                layers=lambda w: range(2, w.L + 1),
            ),
        ),
    ),
)
