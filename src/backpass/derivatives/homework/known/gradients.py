"""What is multiplied and summed in the gradients of weights and biases."""

import numpy as np

from backpass.core import backprop
from backpass.core.arrays import Array
from backpass.derivatives.homework.faulty_pass import CannotPlantError, Fault, Pass
from backpass.derivatives.homework.mistake import Mistake, Way, fitting, right_slope, wrong


def overwritten(w: Pass, l: int) -> Array:
    """Return a_{l−1} as φ′ computed in its place has left it."""
    if (right_slope(w, l - 1) == 1).all():
        raise CannotPlantError  # an identity has nothing to overwrite
    slope: Array = w.do("slope", l - 1)
    return slope


def overwritten_output(w: Pass, l: int) -> Array:
    """Return ∂C/∂z_L with φ′ in the place of the outputs, too."""
    slope = w.do("slope", l)
    return backprop.chained_derivative(w.loss.derivative(w.y, slope), slope)


def in_each_sample(w: Pass, l: int) -> Array:
    """Return the weight gradient of every sample, (N, in, out)."""
    a, delta = w.do("B3 a", l), w.do("B3 delta", l)
    if len(a) * a.shape[1] * delta.shape[1] > 1 << 24:  # nobody hands in as many numbers
        raise CannotPlantError
    product: Array = a[:, :, None] * delta[:, None, :]
    return product


UNSUMMED_W = Fault("B3", in_each_sample)
UNSUMMED_B = Fault("B4", lambda w, l: w.do("B4 delta", l))


GRADIENTS = (
    Mistake(
        "one gradient a sample",
        "the gradients of the samples stand side by side; the sum over them is missing",
        equation="B4",
        source="note 3, section 5.2 (∇A_k 1_m), note 5, For Minibatch-Gradient Descent (Σ_n e_n)",
        mend="sum over the samples: {db[l]} has one number a unit, {dW[l]} the shape of {W[l]}",
        ways=tuple(
            Way(where, faults, told="not summed over the {N} samples", layers="every")
            for where, faults in (
                ("in the biases", (UNSUMMED_B,)),
                ("in the weights", (UNSUMMED_W,)),
                ("in both", (UNSUMMED_W, UNSUMMED_B)),
            )
        ),
    ),
    Mistake(
        "bias gradient summed wrongly",
        "the bias gradient is not the sum of each unit's error signals over the samples",
        equation="B4",
        source="note 3, section 5.2 (∇A_k 1_m), note 5, For Minibatch-Gradient Descent (Σ_n e_n)",
        mend="sum {delta[l]} over the samples only: delta.sum(axis=0) where they are rows",
        ways=wrong(
            "B4",
            {
                "one sum over samples and units, for every unit": lambda w, l: np.full(
                    w.sizes[l], w.do("B4 delta", l).sum()
                ),
                "one sum over samples and units, a single number": lambda w, l: np.asarray(
                    w.do("B4 delta", l).sum()
                ),
                "over the units, for every sample": lambda w, l: w.do("B4 delta", l).sum(axis=1),
                "over the weight gradient": lambda w, l: (
                    w.do("B3 a", l).T @ w.do("B3 delta", l)
                ).sum(axis=0),
            },
            layers="every",
        ),
    ),
    Mistake(
        "left at zero",
        "it is 0 throughout: it was never computed, or never added up",
        equation="B4",
        source="note 3, section 5.2 (∇b_k = ∇A_k 1_m, ∇W_k = ∇A_k H_{k−1}ᵀ)",
        mend="compute it from {delta[l]}, and return what was computed",
        ways=(Way(factor=lambda w: 0.0),),
    ),
    Mistake(
        "averaged over the units",
        "the weight gradient was divided by a number of units",
        equation="B3",
        source="note 3, section 5.2 (the 1/m enters once, in ∇A_L, for the samples)",
        mend="divide by the number of samples only, once, at the output",
        ways=tuple(
            Way(where + more, (Fault(name, factor=factor),), layers="every")
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
        ways=wrong("B3 a", lambda w, l: fitting(w.a[0], w.a[l - 1]), layers="from the second"),
    ),
    Mistake(
        "W times the summed error",
        "the weight gradient is the weights times the summed error signals: W · Σδ",
        equation="B3",
        source="note 1 (a^{l−1} (e^l)ᵀ), note 3, section 5.2 (∇A_k H_{k−1}ᵀ)",
        mend="multiply {delta[l]} by what entered the layer, {a[l-1]}, sample by sample",
        ways=wrong(
            "B3",
            lambda w, l: w.W[l] * (w.do("B3 delta", l).sum(axis=0) + w.do("alpha", l) / w.S),
            layers="every",
        ),
    ),
    Mistake(
        "a overwritten by f′",
        "{dphi} was computed in the place of {a}, as by a *= 1 − a, and that was used as {a} later",
        equation="B3",
        source="note 4, Gradient computation, line 2 (it takes α^{l−1} of the forward pass again)",
        mend="compute {dphi} into an array of its own: a * (1 - a)",
        ways=(
            *wrong("B3 a", overwritten, "in the weight gradients", layers="from the second"),
            *wrong("B1z", overwritten_output, "at the output", possible="elementwise output"),
        ),
    ),
)
