"""Samples and their weights, and the penalty."""

import numpy as np

from backpass.core import backprop
from backpass.derivatives.homework.faulty_pass import Fault
from backpass.derivatives.homework.mistake import Mistake, Way, by_S, every, wrong

# l is a layer, as in the notes
# ruff: noqa: E741

SAMPLES = (
    Mistake(
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
    ),
    Mistake(
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
                )
            ),
        ),
    ),
    Mistake(
        "1/N in every layer",
        "it was divided by the number of samples (the sum S of their weights) again in every layer",
        equation="B2b",
        source="note 3, section 5.2 (the 1/m enters once, in ∇A_L)",
        mend="divide once, at the output; the layers below inherit it",
        ways=(Way(faults=by_S(-1, "B2b")),),
    ),
    Mistake(
        "sample weights forgotten",
        "every sample counts the same, though there are sample weights",
        equation="B1",
        source="our mean Σ s_n C_n / S (no note has weights)",
        mend="multiply the error signal of sample n by s_n/S",
        ways=(wrong("s", lambda w, l: np.ones_like(w.weights)),),
    ),
    Mistake(
        "N for S",
        "the weighted sum was divided by the number of samples, not by the sum of their weights",
        equation="B1",
        source="our mean Σ s_n C_n / S (no note has weights)",
        mend="divide by S = Σ s_n",
        ways=(
            Way(faults=(Fault("B1", factor=lambda w, l: w.S / len(w.s)),)),
            Way("in the penalty, too", factor=lambda w: w.S / len(w.s)),
        ),
    ),
    Mistake(
        "sample weights twice",
        "the sample weights were multiplied in twice",
        equation="B1",
        source="our mean Σ s_n C_n / S (no note has weights)",
        mend="s_n enters once, in δ_L",
        ways=(wrong("B1", lambda w, l: backprop.output_error(w.s, w.s[:, None] * w.derivative)),),
    ),
)


PENALTY = (
    Mistake(
        "regularisation forgotten",
        "the penalty's part (α/S) W is missing",
        equation="B3",
        source="our cost, as scikit-learn's (no note has a penalty)",
        mend="add (α/S) W to ∂J/∂W",
        ways=(wrong("alpha", lambda w, l: 0.0, layers=every),),
    ),
    Mistake(
        "regularisation without 1/S",
        "the penalty's part is α W, not (α/S) W",
        equation="B3",
        source="our cost, as scikit-learn's: ½ α Σ‖W‖² / S",
        mend="divide α W by S, the number of samples (the sum of their weights)",
        ways=(wrong("alpha", lambda w, l: w.alpha * w.S),),
    ),
    Mistake(
        "biases regularised",
        "the penalty was applied to the biases, too",
        equation="B4",
        source="our cost, as scikit-learn's: Σ‖W‖² without b",
        mend="add (α/S) W to ∂J/∂W and nothing to ∂J/∂b",
        ways=(
            wrong(
                "B4",
                lambda w, l: w.do("B4 delta", l).sum(axis=0) + w.alpha / w.S * w.b[l],
                layers=every,
            ),
        ),
    ),
    Mistake(
        "penalty not halved",
        "the penalty's part is 2(α/S) W: its ½ is missing",
        equation="C",
        source="our cost, as scikit-learn's: ½ α Σ‖W‖² / S",
        mend="the 2 of the derivative and the ½ cancel: add (α/S) W",
        ways=(wrong("alpha", lambda w, l: 2 * w.alpha),),
    ),
    Mistake(
        "penalty's sign",
        "the penalty's part was taken off, not added",
        equation="B3",
        source="our cost, as scikit-learn's: + ½ α Σ‖W‖² / S",
        mend="add (α/S) W to ∂J/∂W",
        ways=(wrong("alpha", lambda w, l: -w.alpha),),
    ),
    Mistake(
        "constant factor",
        "it is the gradient times one number everywhere, such as a learning rate",
        equation="U",
        source="note 4, slide Gradient descent (η stands in the update)",
        mend="leave η and other factors to the update, θ ← θ − η ∂J/∂θ",
        ways=(),  # the number is not known beforehand: the search divides
    ),
)
