"""The error signal at the output."""

import numpy as np

from backpass.derivatives.homework.faults import (
    has_classes,
    is_smoothed,
    is_softmax,
    output,
    softmax_over,
    times,
    twice,
)
from backpass.derivatives.homework.faulty_pass import Fault
from backpass.derivatives.homework.mistake import Mistake, Way

# l is a layer throughout, as in the notes
# ruff: noqa: E741

__all__ = ["AT_OUTPUT"]

AT_OUTPUT = (
    Mistake(
        "softmax Jacobian missing",
        "∂C/∂ŷ was taken for the error signal: softmax was not differentiated",
        equation="B1z",
        source="note 3, section 4.3.1 (∂ŷ_ℓ/∂a_{Li} by the quotient rule)",
        mend="with cross-entropy use ŷ − e_ℓ; otherwise multiply ∂C/∂ŷ by softmax's Jacobian",
        ways=(
            Way(
                faults=(Fault("B1z", lambda w, l: w.loss.derivative(w.y, w.a[l])),),
                possible=is_softmax,
            ),
        ),
    ),
    Mistake(
        "softmax Jacobian twice",
        "softmax was differentiated twice: ŷ − e_ℓ is already the derivative by z",
        equation="B1z",
        source="note 3, section 4.3.1 (∇a_L = −(e_ℓ − ŷ))",
        mend="do not multiply ŷ − e_ℓ by softmax's Jacobian",
        ways=(Way(faults=(Fault("B1z", twice),), possible=is_softmax),),
    ),
    Mistake(
        "softmax like a logistic",
        "of softmax's Jacobian only the diagonal a(1 − a) was taken",
        equation="B1z",
        source="note 3, section 4.3.1 (ŷ_k(1_{k=i} − ŷ_i): every output depends on every a_{Li})",
        mend="take the whole Jacobian, or ŷ − e_ℓ with cross-entropy",
        ways=(
            Way(
                faults=(Fault("slope", lambda w, l: w.a[l] * (1 - w.a[l])),),
                layers=output,
                possible=is_softmax,
            ),
        ),
    ),
    Mistake(
        "softmax maximum over the batch",
        "softmax took off the maximum of each column, over the batch, not that of each row",
        equation="F2",
        source="note 3, section 2 (ŷ = O(a_L), one sample at a time)",
        mend="take the maximum over the outputs of one sample: axis=1, keepdims=True",
        ways=(Way(faults=(Fault("F2", softmax_over(0, 1)),), layers=output, possible=is_softmax),),
    ),
    Mistake(
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
    ),
    Mistake(
        "label index for one-hot",
        "the index of the class was taken off ŷ, not the one-hot row",
        equation="B1z",
        source="note 3, section 5.2 (E, a column e_ℓ each sample)",
        mend="encode the labels: np.eye(k)[labels]",
        ways=(
            Way(
                faults=(Fault("y", lambda w, l: 0 * w.targets + w.targets.argmax(1)[:, None]),),
                possible=has_classes,
            ),
        ),
    ),
    Mistake(
        "labels one off",
        "the classes are shifted by one: they were counted from 1 on one side and from 0 on "
        "the other",
        equation="B1z",
        source="note 3, section 5.2 (E, a column e_ℓ each sample)",
        mend="class ℓ is column ℓ, counted from 0",
        ways=(
            Way(
                "up",
                (Fault("y", lambda w, l: np.roll(w.targets, 1, axis=1)),),
                possible=has_classes,
            ),
            Way(
                "down",
                (Fault("y", lambda w, l: np.roll(w.targets, -1, axis=1)),),
                possible=has_classes,
            ),
        ),
    ),
    Mistake(
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
    ),
    Mistake(
        "averaged over the outputs",
        "the cost was averaged over the outputs, where it is their sum",
        equation="C",
        source="note 3, section 3, and note 4 (the mean is over the samples)",
        mend="sum over the outputs, divide by the number of samples only",
        ways=(
            Way(faults=(Fault("B1z", factor=lambda w, l: 1 / w.sizes[-1]),)),
            Way(
                "the penalty, too",
                result=lambda w, v, kind, l: times(1 / w.sizes[-1])(w, v, kind, l),
            ),
        ),
    ),
)
