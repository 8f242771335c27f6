"""The mistakes that learners make, one record each, roughly the commonest first.

A record changes one small thing of the two passes in :mod:`backpass.homework.faulty`, or of what
came out. To add one is to add a record: the search, the tests and the documentation read the table.
"""

import numpy as np

from backpass import backprop
from backpass.homework.changes import (
    below,
    by,
    by_S,
    every,
    fitting,
    from_the_other_end,
    has_classes,
    hidden,
    is_elementwise,
    is_smoothed,
    is_softmax,
    output,
    shifted,
    slope_ways,
    softmax_over,
    square,
    times,
    times_S,
    transposed,
    twice,
)
from backpass.homework.faulty import Fault
from backpass.homework.mistake import MISTAKES, Mistake, Way, register
from backpass.notation import NOTATIONS

# l is a layer throughout, as in the notes
# ruff: noqa: E741

__all__ = ["MISTAKES", "Mistake", "Way"]

TURNED = " and ".join(
    f"{notation.name!r} (note {notation.note})"
    for notation in NOTATIONS.values()
    if notation.weights_transposed
)

# --- signs, factors, orientation -----------------------------------------------------------------

register(
    "sign",
    "the sign is wrong: this is the direction of descent, not the gradient",
    equation="U",
    source="note 4, slide Gradient descent (the minus stands in the update)",
    mend="leave the minus to the update, θ ← θ − η ∂J/∂θ",
    ways=(Way(result=times(-1)),),
)
register(
    "y − ŷ",
    "the error signal of the output has y − ŷ where ŷ − y belongs",
    equation="B1",
    source="note 3, section 5.2 (∇A_L = (Ŷ − E)/m)",
    mend="derive the cost by ŷ: squared error gives ŷ − y, and so does softmax with cross-entropy",
    ways=(Way(faults=by(-1, "derivative")),),
)
register(
    "1/N missing",
    "the sum over the samples was not divided by their number N (by the sum S of their weights)",
    equation="B1",
    source="note 3, section 5.2 (∇A_L = (Ŷ − E)/m)",
    mend="divide once, at the output: δ_L holds s_n/S, and everything below inherits it",
    ways=(
        Way(faults=by_S(1, "B1")),
        Way("in the penalty, too", result=times_S),
        Way("in the bias gradients only", by_S(1, "B4 delta"), layers=every),
        Way("in the weight gradients only", by_S(1, "B3 delta"), layers=every),
    ),
)
register(
    "1/N twice",
    "it was divided by the number of samples N (the sum S of their weights) twice",
    equation="B1",
    source="note 3, section 5.2 (the 1/m enters once, in ∇A_L)",
    mend="δ_L holds s_n/S already: sum ∂J/∂W and ∂J/∂b over the samples, do not average them",
    ways=(
        Way(faults=by_S(-1, "B1")),
        Way("in ∂J/∂W and ∂J/∂b, not in δ", by_S(-1, "B3 delta", "B4 delta"), layers=every),
        Way("in the bias gradients only", by_S(-1, "B4 delta"), layers=every),
        Way("in the weight gradients only", by_S(-1, "B3 delta"), layers=every),
    ),
)
register(
    "transposed",
    "this is the transpose, the layout of another notation",
    equation="B3",
    source="note 1 (the derivative by a matrix has the shape of the matrix)",
    mend=f"transpose it, or give its layout: W is (out, in) in {TURNED}, (in, out) in the others; "
    "error signals have a sample in each column in all of the notes, in each row in 'code'",
    ways=(Way(result=transposed),),
)
register(
    "factor 2",
    "it is twice as large: the ½ of ½(ŷ − y)², or of the penalty, is missing",
    equation="C",
    source="note 4, slide Examples of individual cost functions (½(y − ŷ)²)",
    mend="write the cost with ½, which the 2 of the derivative cancels",
    ways=(Way(result=times(2.0)), Way("in the data term", by(2.0, "derivative"))),
)
register(
    "factor ½",
    "it is half as large: the ½ of the cost was kept beside the derivative of the square",
    equation="C",
    source="note 4, slide Examples of individual cost functions (½(y − ŷ)²)",
    mend="the 2 of the derivative cancels the ½",
    ways=(Way(result=times(0.5)), Way("in the data term", by(0.5, "derivative"))),
)

# --- the derivative of the activation ------------------------------------------------------------

register(
    "f′ missing",
    "the derivative of the activation was left out",
    equation="B2b",
    source="note 1 (e^l), note 2 (diag(f′(z^l))), note 3, section 4.3.2, note 5, step 2 (⊙ f′(z))",
    mend="multiply by φ′(z), element by element",
    ways=slope_ways(lambda w, l: np.ones_like(w.z[l])),
)
register(
    "z for a in f′",
    "φ′ was computed from z by the formula in a: 1 − z² for 1 − a², or z(1 − z) for a(1 − a)",
    equation="B2b",
    source="note 3, appendix 6.1 (tanh′ = 1 − tanh², σ′ = σ(1 − σ))",
    mend="put the activation a, not z, into a formula in terms of a",
    ways=slope_ways(lambda w, l: w.phi[l].derivative(w.z[l], w.z[l]), softmax=True),
)
register(
    "f′ at a",
    "φ′ was taken at the activation a, not at the pre-activation z",
    equation="B2b",
    source="notes 1 and 2 (f′(z^l)), note 5, step 2 (f′(z^{(l)}))",
    mend="φ′ takes what the activation took, z; note 3 calls that a",
    ways=slope_ways(lambda w, l: w.phi[l].derivative(w.a[l], w.phi[l].value(w.a[l])), softmax=True),
)
register(
    "f for f′",
    "the activation itself stands where its derivative belongs",
    equation="B2b",
    source="note 3, section 4.3.2 (g′(a)), note 5, step 2 (⊙ f′(z))",
    mend="multiply by φ′(z), not by φ(z)",
    ways=slope_ways(lambda w, l: w.a[l]),
)
register(
    "f′ twice",
    "the derivative of the activation was applied twice",
    equation="B2b",
    source="note 3, section 4.3.2 (from ∇_h to ∇_a once in a layer)",
    mend="multiply by φ′(z) once; an error signal ŷ − y of the output holds its φ′ already",
    ways=(
        Way("at the output", (Fault("derivative", twice),), possible=is_elementwise),
        Way(
            "in the hidden layers",
            (Fault("slope", lambda w, l: w.phi[l].derivative(w.z[l], w.a[l]) ** 2),),
            layers=hidden,
        ),
    ),
)

# --- the output ----------------------------------------------------------------------------------

register(
    "softmax Jacobian missing",
    "∂C/∂ŷ was taken for the error signal: softmax was not differentiated",
    equation="B1",
    source="note 3, section 4.3.1 (∂ŷ_ℓ/∂a_{Li} by the quotient rule)",
    mend="with cross-entropy use ŷ − e_ℓ; otherwise multiply ∂C/∂ŷ by softmax's Jacobian",
    ways=(
        Way(
            faults=(Fault("derivative", lambda w, l: w.loss.derivative(w.y, w.a[l])),),
            possible=is_softmax,
        ),
    ),
)
register(
    "softmax Jacobian twice",
    "softmax was differentiated twice: ŷ − e_ℓ is already the derivative by z",
    equation="B1",
    source="note 3, section 4.3.1 (∇a_L = −(e_ℓ − ŷ))",
    mend="do not multiply ŷ − e_ℓ by softmax's Jacobian",
    ways=(Way(faults=(Fault("derivative", twice),), possible=is_softmax),),
)
register(
    "softmax like a logistic",
    "of softmax's Jacobian only the diagonal a(1 − a) was taken",
    equation="B1",
    source="note 3, section 4.3.1 (ŷ_k(1_{k=i} − ŷ_i): every output depends on every a_{Li})",
    mend="take the whole Jacobian, or ŷ − e_ℓ with cross-entropy",
    ways=(
        Way(
            faults=(Fault("slope", lambda w, l: w.a[l] * (1 - w.a[l])),),
            layers=output,
            possible=is_softmax,
        ),
    ),
)
register(
    "softmax maximum over the batch",
    "softmax took off the maximum of each column, over the batch, not that of each row",
    equation="F2",
    source="note 3, section 2 (ŷ = O(a_L), one sample at a time)",
    mend="take the maximum over the outputs of one sample: axis=1, keepdims=True",
    ways=(Way(faults=(Fault("F2", softmax_over(0, 1)),), layers=output, possible=is_softmax),),
)
register(
    "softmax sum over the batch",
    "softmax divided by the sum over the batch, not over the outputs of each sample",
    equation="F2",
    source="note 3, section 2 (ŷ = O(a_L), one sample at a time)",
    mend="sum over the outputs of one sample: axis=1, keepdims=True",
    ways=(
        Way(faults=(Fault("F2", softmax_over(1, 0)),), layers=output, possible=is_softmax),
        Way(
            "and so the maximum",
            (Fault("F2", softmax_over(0, 0)),),
            layers=output,
            possible=is_softmax,
        ),
    ),
)
register(
    "label index for one-hot",
    "the index of the class was taken off ŷ, not the one-hot row",
    equation="B1",
    source="note 3, section 5.2 (E, a column e_ℓ each sample)",
    mend="encode the labels: np.eye(k)[labels]",
    ways=(
        Way(
            faults=(Fault("y", lambda w, l: 0 * w.targets + w.targets.argmax(1)[:, None]),),
            possible=has_classes,
        ),
    ),
)
register(
    "labels one off",
    "the classes are shifted by one: they were counted from 1 on one side and from 0 on the other",
    equation="B1",
    source="note 3, section 5.2 (E, a column e_ℓ each sample)",
    mend="class ℓ is column ℓ, counted from 0",
    ways=(
        Way("up", (Fault("y", lambda w, l: np.roll(w.targets, 1, axis=1)),), possible=has_classes),
        Way(
            "down",
            (Fault("y", lambda w, l: np.roll(w.targets, -1, axis=1)),),
            possible=has_classes,
        ),
    ),
)
register(
    "label smoothing forgotten",
    "the targets are plain one-hot rows, though the loss smooths them",
    equation="C",
    source="our loss cross_entropy:label_smoothing (no note has it)",
    mend="take (1 − ε) e_ℓ + ε/k as the target",
    ways=(
        Way(
            faults=(Fault("y", lambda w, l: np.eye(w.sizes[-1])[w.targets.argmax(1)]),),
            possible=is_smoothed,
        ),
    ),
)
register(
    "averaged over the outputs",
    "the cost was averaged over the outputs, where it is their sum",
    equation="C",
    source="note 3, section 3, and note 4 (the mean is over the samples)",
    mend="sum over the outputs, divide by the number of samples only",
    ways=(
        Way(faults=(Fault("derivative", factor=lambda w, l: 1 / w.sizes[-1]),)),
        Way("the penalty, too", result=lambda w, v, kind, l: times(1 / w.sizes[-1])(w, v, kind, l)),
    ),
)

# --- weights and layers --------------------------------------------------------------------------

register(
    "W for Wᵀ",
    "W was used where its transpose belongs, or the other way round",
    equation="B2a",
    source="note 2 ((W^{l+1})ᵀ), note 3, section 4.3.2; notes 1 and 5, whose W is (in, out): W e",
    mend="forward a @ W, backward δ @ W.T, where W is (in, out) and samples are rows",
    ways=(
        Way(
            "backward",
            (Fault("B2a", lambda w, l: w.delta[l + 1] @ square(w.W[l + 1])),),
            layers=below,
        ),
        Way("forward", (Fault("F1", lambda w, l: w.a[l - 1] @ square(w.W[l]).T + w.b[l]),)),
    ),
)
register(
    "neighbouring layer",
    "a quantity of the layer above or below was taken",
    equation="B3",
    source="notes 1 and 5 (a^{l−1} (e^l)ᵀ), note 3, section 5.2 (∇A_k H_{k−1}ᵀ)",
    mend="∂J/∂W_l = a_{l−1}ᵀ δ_l; δ_l takes W and δ of layer l + 1 and φ′ of layer l",
    ways=(
        Way("the result of the layer above", result=shifted(1)),
        Way("the result of the layer below", result=shifted(-1)),
        Way(
            "a_l for a_{l−1} in the weight gradient",
            (Fault("B3 a", lambda w, l: fitting(w.a[l], w.a[l - 1])),),
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
        Way(
            "W_l for W_{l+1} in the error signal",
            (Fault("B2a", lambda w, l: w.delta[l + 1] @ fitting(w.W.get(l), w.W[l + 1]).T),),
            layers=hidden,
        ),
        Way(
            "φ′ of layer l + 1 in the error signal",
            (
                Fault(
                    "slope",
                    lambda w, l: w.phi[l].derivative(
                        fitting(w.z[l + 1], w.z[l]), fitting(w.a[l + 1], w.a[l])
                    ),
                ),
            ),
            layers=hidden,
        ),
        Way(
            "φ′ of layer l − 1 in the error signal",
            (
                Fault(
                    "slope",
                    lambda w, l: w.phi[l].derivative(
                        fitting(w.z.get(l - 1), w.z[l]), fitting(w.a[l - 1], w.a[l])
                    ),
                ),
            ),
            layers=hidden,
        ),
    ),
)
register(
    "layers in reverse",
    "the layers are numbered from the output, not from the input",
    equation="B3",
    source="notes 1 to 5 (layer 1 is the first after the input, L the output)",
    mend="reverse the list of gradients, which the backward pass finds from L down to 1",
    ways=(Way(result=from_the_other_end),),
)
register(
    "W missing",
    "the error signal was handed down without the weights",
    equation="B2a",
    source="note 3, section 4.3.2 (∇_{h_i} = W_{i+1}ᵀ ∇_{a_{i+1}})",
    mend="multiply the error signal by the weights that it came through",
    ways=(
        Way(
            faults=(Fault("B2a", lambda w, l: fitting(w.delta[l + 1], w.a[l])),),
            layers=below,
        ),
    ),
)
register(
    "bias forgotten",
    "the forward pass left the bias out: z = a W",
    equation="F1",
    source="note 3, section 2 (a_i = b_i + W_i h_{i−1}), note 5, step 1",
    mend="z = a W + b",
    ways=(Way(faults=(Fault("F1", lambda w, l: w.a[l - 1] @ w.W[l]),), layers=every),),
)
register(
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
                Fault("slope", lambda w, l: w.phi[l].derivative(w.z[l], w.phi[l].value(w.z[l]))),
            ),
            layers=hidden,
        ),
        Way(
            "in the hidden layers, and so in φ′",
            (Fault("F2", lambda w, l: w.z[l]),),
            layers=hidden,
        ),
        Way("at the output", (Fault("F2", lambda w, l: w.z[l]),), layers=output),
    ),
)
register(
    "z for a in the weight gradient",
    "the weight gradient has the pre-activation of the layer below, not its activation",
    equation="B3",
    source="note 1 (a^{l−1} (e^l)ᵀ), note 3, section 5.2 (H_{k−1}, not A_{k−1})",
    mend="∂J/∂W_l = a_{l−1}ᵀ δ_l: what entered the layer; mind that note 3's a is z",
    ways=(
        Way(
            faults=(Fault("B3 a", lambda w, l: w.a[0] if l == 1 else w.z[l - 1]),),
            layers=lambda w: range(2, w.L + 1),
        ),
    ),
)

# --- samples -------------------------------------------------------------------------------------

register(
    "product of the means",
    "activations and error signals were averaged first and multiplied then",
    equation="B3",
    source="note 2, Derivatives with respect to W^l, taken literally (see Sources)",
    mend="multiply for each sample and sum over the samples: aᵀ δ",
    ways=(
        Way(
            faults=(
                Fault("B3 a", lambda w, l: w.a[l - 1].mean(axis=0, keepdims=True)),
                Fault("B3 delta", lambda w, l: w.delta[l].sum(axis=0, keepdims=True)),
            ),
            layers=every,
        ),
    ),
)
register(
    "last sample only",
    "only the last sample counts: the gradient was overwritten in the loop, not added up",
    equation="B3",
    source="note 5, For Minibatch-Gradient Descent (Σ_n a_n e_nᵀ)",
    mend="add up over the samples: += in the loop",
    ways=(
        Way(
            faults=(
                Fault("B3 a", lambda w, l: w.a[l - 1][-1:]),
                Fault("B3 delta", lambda w, l: w.delta[l][-1:]),
                Fault("B4 delta", lambda w, l: w.delta[l][-1:]),
            ),
        ),
    ),
)
register(
    "1/N in every layer",
    "it was divided by the number of samples (the sum S of their weights) again in every layer",
    equation="B2b",
    source="note 3, section 5.2 (the 1/m enters once, in ∇A_L)",
    mend="divide once, at the output; the layers below inherit it",
    ways=(Way(faults=by_S(-1, "B2b")),),
)
register(
    "sample weights forgotten",
    "every sample counts the same, though there are sample weights",
    equation="B1",
    source="our mean Σ s_n C_n / S (no note has weights)",
    mend="multiply the error signal of sample n by s_n/S",
    ways=(Way(faults=(Fault("s", lambda w, l: np.ones_like(w.weights)),)),),
)
register(
    "N for S",
    "the weighted sum was divided by the number of samples, not by the sum of their weights",
    equation="B1",
    source="our mean Σ s_n C_n / S (no note has weights)",
    mend="divide by S = Σ s_n",
    ways=(
        Way(faults=(Fault("B1", factor=lambda w, l: w.S / len(w.s)),)),
        Way(
            "in the penalty, too", result=lambda w, v, kind, l: times(w.S / len(w.s))(w, v, kind, l)
        ),
    ),
)
register(
    "sample weights twice",
    "the sample weights were multiplied in twice",
    equation="B1",
    source="our mean Σ s_n C_n / S (no note has weights)",
    mend="s_n enters once, in δ_L",
    ways=(
        Way(
            faults=(
                Fault("B1", lambda w, l: backprop.output_error(w.s, w.s[:, None] * w.derivative)),
            )
        ),
    ),
)

# --- regularisation ------------------------------------------------------------------------------

register(
    "regularisation forgotten",
    "the penalty's part (α/S) W is missing",
    equation="B3",
    source="our cost, as scikit-learn's (no note has a penalty)",
    mend="add (α/S) W to ∂J/∂W",
    ways=(Way(faults=(Fault("alpha", lambda w, l: 0.0),), layers=every),),
)
register(
    "regularisation without 1/S",
    "the penalty's part is α W, not (α/S) W",
    equation="B3",
    source="our cost, as scikit-learn's: ½ α Σ‖W‖² / S",
    mend="divide α W by S, the number of samples (the sum of their weights)",
    ways=(Way(faults=(Fault("alpha", lambda w, l: w.alpha * w.S),)),),
)
register(
    "biases regularised",
    "the penalty was applied to the biases, too",
    equation="B4",
    source="our cost, as scikit-learn's: Σ‖W‖² without b",
    mend="add (α/S) W to ∂J/∂W and nothing to ∂J/∂b",
    ways=(
        Way(
            faults=(
                Fault("B4", lambda w, l: w.do("B4 delta", l).sum(axis=0) + w.alpha / w.S * w.b[l]),
            ),
            layers=every,
        ),
    ),
)
register(
    "penalty not halved",
    "the penalty's part is 2(α/S) W: its ½ is missing",
    equation="C",
    source="our cost, as scikit-learn's: ½ α Σ‖W‖² / S",
    mend="the 2 of the derivative and the ½ cancel: add (α/S) W",
    ways=(Way(faults=(Fault("alpha", lambda w, l: 2 * w.alpha),)),),
)
register(
    "penalty's sign",
    "the penalty's part was taken off, not added",
    equation="B3",
    source="our cost, as scikit-learn's: + ½ α Σ‖W‖² / S",
    mend="add (α/S) W to ∂J/∂W",
    ways=(Way(faults=(Fault("alpha", lambda w, l: -w.alpha),)),),
)

register(
    "constant factor",
    "it is the gradient times one number everywhere, such as a learning rate",
    equation="U",
    source="note 4, slide Gradient descent (η stands in the update)",
    mend="leave η and other factors to the update, θ ← θ − η ∂J/∂θ",
    ways=(),  # the number is not known beforehand: the search divides
)
