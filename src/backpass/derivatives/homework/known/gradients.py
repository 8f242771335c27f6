"""What is multiplied and summed in the gradients of weights and biases."""

import numpy as np

from backpass.core import backprop
from backpass.core.arrays import Array
from backpass.derivatives.homework.faulty_pass import CannotPlantError, Fault, Pass
from backpass.derivatives.homework.mistake import (
    Mistake,
    Way,
    every,
    fitting,
    is_elementwise,
    multiple,
    wrong,
)

# l is a layer, as in the notes
# ruff: noqa: E741


def from_second(w: Pass) -> range:
    """Return the layers whose input was computed."""
    return range(2, w.L + 1)


def overwritten(w: Pass, l: int) -> Array:
    """Return a_{l−1} as φ′ computed in its place has left it."""
    below = l - 1
    if below and (w.activation(below).derivative(w.z[below], w.a[below]) == 1).all():
        raise CannotPlantError  # an identity has nothing to overwrite
    return w.do("slope", below) if below else w.a[0]


def in_each_sample(w: Pass, l: int) -> Array:
    """Return the weight gradient of every sample, (N, in, out)."""
    a, delta = w.do("B3 a", l), w.do("B3 delta", l)
    if len(a) * a.shape[1] * delta.shape[1] > 1 << 24:  # nobody hands in as many numbers
        raise CannotPlantError
    return a[:, :, None] * delta[:, None, :]


UNSUMMED_W = Fault("B3", in_each_sample)
UNSUMMED_B = Fault("B4", lambda w, l: w.do("B4 delta", l))


def not_summed(where: str, *faults: Fault) -> Way:
    """Return the way that leaves the sum over the samples out."""
    return Way(
        where,
        faults,
        layers=every,
        told=lambda w, number: f"not summed over the {len(w.s)} samples",
    )


GRADIENTS = (
    Mistake(
        "one gradient a sample",
        "the gradients of the samples stand side by side; the sum over them is missing",
        equation="B4",
        source="note 3, section 5.2 (∇A_k 1_m), note 5, For Minibatch-Gradient Descent (Σ_n e_n)",
        mend="sum over the samples: {db[l]} has one number a unit, {dW[l]} the shape of {W[l]}",
        ways=(
            not_summed("in the biases", UNSUMMED_B),
            not_summed("in the weights", UNSUMMED_W),
            not_summed("in both", UNSUMMED_W, UNSUMMED_B),
        ),
    ),
    Mistake(
        "bias gradient summed wrongly",
        "the bias gradient is not the sum of each unit's error signals over the samples",
        equation="B4",
        source="note 3, section 5.2 (∇A_k 1_m), note 5, For Minibatch-Gradient Descent (Σ_n e_n)",
        mend="sum {delta[l]} over the samples only: delta.sum(axis=0) where they are rows",
        ways=(
            wrong(
                "B4",
                lambda w, l: np.full(w.sizes[l], w.do("B4 delta", l).sum()),
                "one sum over samples and units, for every unit",
                layers=every,
            ),
            wrong(
                "B4",
                lambda w, l: np.asarray(w.do("B4 delta", l).sum()),
                "one sum over samples and units, a single number",
                layers=every,
            ),
            wrong(
                "B4",
                lambda w, l: w.do("B4 delta", l).sum(axis=1),
                "over the units, for every sample",
                layers=every,
            ),
            wrong(
                "B4",
                lambda w, l: (w.do("B3 a", l).T @ w.do("B3 delta", l)).sum(axis=0),
                "over the weight gradient",
                layers=every,
            ),
        ),
    ),
    Mistake(
        "left at zero",
        "it is 0 throughout: it was never computed, or never added up",
        equation="B4",
        source="note 3, section 5.2 (∇b_k = ∇A_k 1_m, ∇W_k = ∇A_k H_{k−1}ᵀ)",
        mend="compute it from {delta[l]}, and return what was computed",
        ways=(multiple(0.0),),
    ),
    Mistake(
        "averaged over the units",
        "the weight gradient was divided by a number of units",
        equation="B3",
        source="note 3, section 5.2 (the 1/m enters once, in ∇A_L, for the samples)",
        mend="divide by the number of samples only, once, at the output",
        ways=tuple(
            Way(where + more, (Fault(name, factor=factor),), layers=every)
            for where, factor in (
                ("of the layer below, its inputs", lambda w, l: 1 / w.sizes[l - 1]),
                ("of its own layer", lambda w, l: 1 / w.sizes[l]),
            )
            for name, more in (("B3 delta", ""), ("B3", ", the penalty too"))
        ),
    ),
    Mistake(
        "X for a",
        "the weight gradient of a later layer was taken with the input of the network",
        equation="B3",
        source="note 1 (a^{l−1} (e^l)ᵀ), note 3, section 5.2 (H_{k−1})",
        mend="take what entered the layer, {a[l-1]}; that is the input in layer 1 only",
        ways=(
            wrong(
                "B3 a",
                lambda w, l: fitting(w.a[0], w.a[l - 1]),
                layers=from_second,
            ),
        ),
    ),
    Mistake(
        "W times the summed error",
        "the weight gradient is the weights times the summed error signals: W · Σδ",
        equation="B3",
        source="note 1 (a^{l−1} (e^l)ᵀ), note 3, section 5.2 (∇A_k H_{k−1}ᵀ)",
        mend="multiply {delta[l]} by what entered the layer, {a[l-1]}, sample by sample",
        ways=(
            wrong(
                "B3",
                lambda w, l: (
                    w.W[l] * w.do("B3 delta", l).sum(axis=0) + w.do("alpha", l) / w.S * w.W[l]
                ),
                layers=every,
            ),
        ),
    ),
    Mistake(
        "a overwritten by f′",
        "{dphi} was computed in the place of {a}, as by a *= 1 − a, and that was used as {a} later",
        equation="B3",
        source="note 4, Gradient computation, line 2 (it takes α^{l−1} of the forward pass again)",
        mend="compute {dphi} into an array of its own: a * (1 - a)",
        ways=(
            wrong("B3 a", overwritten, "in the weight gradients", layers=from_second),
            wrong(
                "B1z",
                lambda w, l: backprop.chained_derivative(
                    w.loss.derivative(w.y, w.do("slope", l)), w.do("slope", l)
                ),
                "at the output",
                possible=is_elementwise,
            ),
        ),
    ),
)
