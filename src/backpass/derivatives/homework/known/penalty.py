"""Regularisation, and what no rule alone explains."""

from backpass.derivatives.homework.faults import (
    every,
)
from backpass.derivatives.homework.faulty_pass import Fault
from backpass.derivatives.homework.mistake import Mistake, Way

# l is a layer throughout, as in the notes
# ruff: noqa: E741

__all__ = ["PENALTY"]

PENALTY = (
    Mistake(
        "regularisation forgotten",
        "the penalty's part (α/S) W is missing",
        equation="B3",
        source="our cost, as scikit-learn's (no note has a penalty)",
        mend="add (α/S) W to ∂J/∂W",
        ways=(Way(faults=(Fault("alpha", lambda w, l: 0.0),), layers=every),),
    ),
    Mistake(
        "regularisation without 1/S",
        "the penalty's part is α W, not (α/S) W",
        equation="B3",
        source="our cost, as scikit-learn's: ½ α Σ‖W‖² / S",
        mend="divide α W by S, the number of samples (the sum of their weights)",
        ways=(Way(faults=(Fault("alpha", lambda w, l: w.alpha * w.S),)),),
    ),
    Mistake(
        "biases regularised",
        "the penalty was applied to the biases, too",
        equation="B4",
        source="our cost, as scikit-learn's: Σ‖W‖² without b",
        mend="add (α/S) W to ∂J/∂W and nothing to ∂J/∂b",
        ways=(
            Way(
                faults=(
                    Fault(
                        "B4", lambda w, l: w.do("B4 delta", l).sum(axis=0) + w.alpha / w.S * w.b[l]
                    ),
                ),
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
        ways=(Way(faults=(Fault("alpha", lambda w, l: 2 * w.alpha),)),),
    ),
    Mistake(
        "penalty's sign",
        "the penalty's part was taken off, not added",
        equation="B3",
        source="our cost, as scikit-learn's: + ½ α Σ‖W‖² / S",
        mend="add (α/S) W to ∂J/∂W",
        ways=(Way(faults=(Fault("alpha", lambda w, l: -w.alpha),)),),
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
