"""Signs, factors and the orientation of a gradient."""

from backpass.derivatives.homework.faults import (
    by,
    by_S,
    every,
    times,
    times_S,
    transposed,
)
from backpass.derivatives.homework.mistake import Mistake, Way
from backpass.derivatives.notation import NOTATIONS

# l is a layer throughout, as in the notes

__all__ = ["SCALE"]

TURNED = " and ".join(
    f"{notation.name!r} (note {notation.note})"
    for notation in NOTATIONS.values()
    if notation.weights_transposed
)

SCALE = (
    Mistake(
        "sign",
        "the sign is wrong: this is the direction of descent, not the gradient",
        equation="U",
        source="note 4, slide Gradient descent (the minus stands in the update)",
        mend="leave the minus to the update, θ ← θ − η ∂J/∂θ",
        ways=(Way(result=times(-1)),),
    ),
    Mistake(
        "y − ŷ",
        "the error signal of the output has y − ŷ where ŷ − y belongs",
        equation="B1z",
        source="note 3, section 5.2 (∇A_L = (Ŷ − E)/m)",
        mend="derive the cost by ŷ: squared error gives ŷ − y, and so does softmax with "
        "cross-entropy",
        ways=(Way(faults=by(-1, "B1z")),),
    ),
    Mistake(
        "1/N missing",
        "the sum over the samples was not divided by their number N (by the sum S of their "
        "weights)",
        equation="B1",
        source="note 3, section 5.2 (∇A_L = (Ŷ − E)/m)",
        mend="divide once, at the output: δ_L holds s_n/S, and everything below inherits it",
        ways=(
            Way(faults=by_S(1, "B1")),
            Way("in the penalty, too", result=times_S),
            Way("in the bias gradients only", by_S(1, "B4 delta"), layers=every),
            Way("in the weight gradients only", by_S(1, "B3 delta"), layers=every),
        ),
    ),
    Mistake(
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
    ),
    Mistake(
        "transposed",
        "this is the transpose, the layout of another notation",
        equation="B3",
        source="note 1 (the derivative by a matrix has the shape of the matrix)",
        mend=f"transpose it, or give its layout: W is (out, in) in {TURNED}, (in, out) in the "
        f"others; "
        "error signals have a sample in each column in all of the notes, in each row in 'code'",
        ways=(Way(result=transposed),),
    ),
    Mistake(
        "factor 2",
        "it is twice as large: the ½ of ½(ŷ − y)², or of the penalty, is missing",
        equation="C",
        source="note 4, slide Examples of individual cost functions (½(y − ŷ)²)",
        mend="write the cost with ½, which the 2 of the derivative cancels",
        ways=(Way(result=times(2.0)), Way("in the data term", by(2.0, "B1z"))),
    ),
    Mistake(
        "factor ½",
        "it is half as large: the ½ of the cost was kept beside the derivative of the square",
        equation="C",
        source="note 4, slide Examples of individual cost functions (½(y − ŷ)²)",
        mend="the 2 of the derivative cancels the ½",
        ways=(Way(result=times(0.5)), Way("in the data term", by(0.5, "B1z"))),
    ),
)
