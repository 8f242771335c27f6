"""Samples and their weights."""

import numpy as np

from backpass.core import backprop
from backpass.derivatives.homework.faults import (
    by_S,
    every,
    times,
)
from backpass.derivatives.homework.faulty_pass import Fault
from backpass.derivatives.homework.mistake import Mistake, Way

# l is a layer throughout, as in the notes
# ruff: noqa: E741

__all__ = ["SAMPLES"]

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
                ),
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
        ways=(Way(faults=(Fault("s", lambda w, l: np.ones_like(w.weights)),)),),
    ),
    Mistake(
        "N for S",
        "the weighted sum was divided by the number of samples, not by the sum of their weights",
        equation="B1",
        source="our mean Σ s_n C_n / S (no note has weights)",
        mend="divide by S = Σ s_n",
        ways=(
            Way(faults=(Fault("B1", factor=lambda w, l: w.S / len(w.s)),)),
            Way(
                "in the penalty, too",
                result=lambda w, v, kind, l: times(w.S / len(w.s))(w, v, kind, l),
            ),
        ),
    ),
    Mistake(
        "sample weights twice",
        "the sample weights were multiplied in twice",
        equation="B1",
        source="our mean Σ s_n C_n / S (no note has weights)",
        mend="s_n enters once, in δ_L",
        ways=(
            Way(
                faults=(
                    Fault(
                        "B1", lambda w, l: backprop.output_error(w.s, w.s[:, None] * w.derivative)
                    ),
                )
            ),
        ),
    ),
)
