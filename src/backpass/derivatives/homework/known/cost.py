"""Samples and their weights, and the penalty."""

from collections.abc import Callable

import numpy as np

from backpass.core import backprop
from backpass.core.arrays import Array
from backpass.derivatives.homework.faulty_pass import Fault, Pass, Rule
from backpass.derivatives.homework.mistake import Mistake, S, Way, by, wrong


def of_rows(of_a: Callable[[Array], Array], of_delta: Callable[[Array], Array]) -> Rule:
    """Return the weight gradient of other rows than those of the batch."""
    return lambda w, l: backprop.weight_gradient(
        of_a(w.do("B3 a", l)), of_delta(w.do("B3 delta", l)), w.W[l], w.do("alpha", l), w.S
    )


def without(row: int) -> Rule:
    """Return the rule that gives a row no weight, in the sum of the weights neither."""
    return lambda w, l: np.where(np.arange(len(w.weights)) == row % len(w.weights), 0.0, w.weights)


def missing(row: int) -> Rule:
    """Return the rule that leaves a row out of the sum, and divides as if it were in it."""

    def rule(w: Pass, l: int) -> Array:
        delta = backprop.output_error(w.s, w.do("B1z", l))
        return np.where(np.arange(len(delta))[:, None] == row % len(delta), 0.0, delta)

    return rule


def bias_penalty(strength: Callable[[Pass], float]) -> Rule:
    """Return the bias gradient with a penalty's part of this strength in it."""
    return lambda w, l: w.do("B4 delta", l).sum(axis=0) + strength(w) / w.S * w.b[l]


def penalty(alpha: float) -> tuple[Fault, ...]:
    """Return the fault that takes another L2 strength."""
    return (Fault("alpha", lambda w, l: alpha),)


def penalty_of_biases(alpha: float) -> tuple[Fault, ...]:
    """Return the faults that take another L2 strength, for the biases, too."""
    return *penalty(alpha), Fault("B4", bias_penalty(lambda w: alpha))


STRENGTH = "α = {number}, or {number/S} without 1/S"
"""How an L2 strength is said, which some do not divide by S."""


SAMPLES = (
    Mistake(
        "product of the means",
        "activations and error signals were averaged first and multiplied then",
        equation="B3",
        source="note 2, Derivatives with respect to W^l, taken literally (see Sources)",
        mend="multiply {a[l-1]} and {delta[l]} for each sample, then sum over the samples",
        ways=wrong(
            "B3",
            of_rows(
                lambda a: a.mean(axis=0, keepdims=True),
                lambda delta: delta.sum(axis=0, keepdims=True),
            ),
            layers="every",
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
                    Fault("B3", of_rows(lambda a: a[-1:], lambda delta: delta[-1:])),
                    Fault("B4 delta", lambda w, l: w.delta[l][-1:]),
                )
            ),
        ),
    ),
    Mistake(
        "row left out",
        "a row of the batch is missing",
        equation="B3",
        source="note 5, For Minibatch-Gradient Descent (Σ_n over all of the batch)",
        mend="go over all rows: range(N) has 0 … N − 1, and a last slice may be shorter",
        ways=tuple(
            Way(f"the {name}, divided by {by}", (fault,), possible="several rows")
            for name, row in (("last", -1), ("first", 0))
            for by, fault in (
                ("N − 1", Fault("s", without(row))),
                ("N", Fault("B1", missing(row))),
            )
        ),
    ),
    Mistake(
        "rows out of step",
        "rows and targets do not belong together: one of them is shifted, or in another order",
        equation="B1z",
        source="note 3, section 5.2 (column n of Ŷ and of E are one sample)",
        mend="keep rows and targets together when shuffling, sorting or dropping a header",
        ways=wrong(
            "y",
            {
                "targets one row down": lambda w, l: np.roll(w.do("labels", l), 1, axis=0),
                "targets one row up": lambda w, l: np.roll(w.do("labels", l), -1, axis=0),
                "targets in reverse": lambda w, l: w.do("labels", l)[::-1],
            },
            possible="several rows",
        ),
    ),
    Mistake(
        "weights updated too early",
        "the weights of a layer were updated before its error signal was handed down",
        equation="B2a",
        source="note 5, step 3 (the update comes after all derivatives), note 4 (two algorithms)",
        mend="find all error signals with the old weights, update afterwards",
        ways=(
            Way(
                family=lambda rate: (
                    Fault("B2a", lambda w, l: w.delta[l + 1] @ (w.W[l + 1] - rate * w.dW[l + 1]).T),
                ),
                told="η = {number}",
                possible="several layers",
            ),
        ),
    ),
    Mistake(
        "1/N in every layer",
        "it was divided by the number of samples (the sum S of their weights) again in every layer",
        equation="B2b",
        source="note 3, section 5.2 (the 1/m enters once, in ∇A_L)",
        mend="divide once, at the output; the layers below inherit it",
        ways=(Way(faults=by(S(-1), "B2b")),),
    ),
    Mistake(
        "sample weights forgotten",
        "every sample counts the same, though there are sample weights",
        equation="B1",
        source="our mean Σ s_n C_n / S (no note has weights)",
        mend="multiply the error signal of sample n by s_n/S",
        ways=wrong("s", lambda w, l: np.ones_like(w.weights)),
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
        mend="s_n enters once, in {delta[L]}",
        ways=wrong("B1", lambda w, l: backprop.output_error(w.s, w.s[:, None] * w.do("B1z", l))),
    ),
)


PENALTY = (
    Mistake(
        "regularisation forgotten",
        "the penalty's part (α/S) W is missing",
        equation="B3",
        source="our cost, as scikit-learn's (no note has a penalty)",
        mend="add (α/S) W to {dW}",
        ways=wrong("alpha", lambda w, l: 0.0, layers="every"),
    ),
    Mistake(
        "regularisation without 1/S",
        "the penalty's part is α W, not (α/S) W",
        equation="B3",
        source="our cost, as scikit-learn's: ½ α Σ‖W‖² / S",
        mend="divide α W by S, the number of samples (the sum of their weights)",
        ways=wrong("alpha", lambda w, l: w.alpha * w.S),
    ),
    Mistake(
        "biases regularised",
        "the penalty was applied to the biases, too",
        equation="B4",
        source="our cost, as scikit-learn's: Σ‖W‖² without b",
        mend="add (α/S) W to {dW} and nothing to {db}",
        ways=wrong(
            "B4",
            {
                "": bias_penalty(lambda w: w.alpha),
                "without 1/S": bias_penalty(lambda w: w.alpha * float(w.S)),
                "without ½": bias_penalty(lambda w: 2.0 * w.alpha),
            },
            layers="every",
        ),
    ),
    Mistake(
        "penalty not halved",
        "the penalty's part is 2(α/S) W: its ½ is missing",
        equation="C",
        source="our cost, as scikit-learn's: ½ α Σ‖W‖² / S",
        mend="the 2 of the derivative and the ½ cancel: add (α/S) W",
        ways=wrong("alpha", lambda w, l: 2 * w.alpha),
    ),
    Mistake(
        "penalty halved",
        "the penalty's part is α/(2S) W: its ½ was kept beside the derivative of the square",
        equation="C",
        source="our cost, as scikit-learn's: ½ α Σ‖W‖² / S",
        mend="the 2 of the derivative and the ½ cancel: add (α/S) W",
        ways=(
            *wrong("alpha", lambda w, l: 0.5 * w.alpha),
            *wrong("alpha", lambda w, l: 0.5 * w.alpha * w.S, "without 1/S"),
        ),
    ),
    Mistake(
        "penalty not asked for",
        "an L2 penalty was added, though α is 0",
        equation="B3",
        source="our cost, as scikit-learn's (no note has a penalty)",
        mend="leave (α/S) W out, or give the α that you mean",
        ways=tuple(
            Way(where, family=family, told=STRENGTH, possible="no penalty")
            for where, family in (("", penalty), ("biases too", penalty_of_biases))
        ),
    ),
    Mistake(
        "another α",
        "the penalty has another strength than was asked for",
        equation="B3",
        source="our cost, as scikit-learn's: ½ α Σ‖W‖² / S",
        mend="add (α/S) W with the α of the cost",
        ways=(Way(family=penalty, neutral=lambda w: w.alpha, told=STRENGTH, possible="penalty"),),
    ),
    Mistake(
        "penalty's sign",
        "the penalty's part was taken off, not added",
        equation="B3",
        source="our cost, as scikit-learn's: + ½ α Σ‖W‖² / S",
        mend="add (α/S) W to {dW}",
        ways=wrong("alpha", lambda w, l: -w.alpha),
    ),
    Mistake(
        "constant factor",
        "it is the right one times a number, such as a learning rate",
        equation="U",
        source="note 4, slide Gradient descent (η stands in the update)",
        mend="leave η and other factors to the update, θ ← θ − η ∂J/∂θ",
        ways=(  # of the answer itself: the search divides
            Way(
                "in the data term",
                family=lambda number: by(lambda w: number, "B1z"),
                neutral=lambda w: 1.0,
                told="{number}",
                possible="penalty",
            ),
            Way(
                "in the derivative of every hidden layer",
                family=lambda number: by(lambda w: number, "B2b"),
                neutral=lambda w: 1.0,
                told="{number}",
            ),
        ),
    ),
)
