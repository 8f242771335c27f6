"""Signs and factors, and the error signal at the output."""

import numpy as np

from backpass.core import backprop
from backpass.core.arrays import Array
from backpass.derivatives.homework.faulty_pass import Fault, Pass, Rule, output_derivative
from backpass.derivatives.homework.mistake import Mistake, S, Value, Way, by, wrong
from backpass.derivatives.notation import NOTATIONS

TURNED = " and ".join(
    f"{notation.name!r} (note {notation.note})"
    for notation in NOTATIONS.values()
    if notation.weights_transposed
)


def mean_target(w: Pass, l: int) -> Array:
    """Return the mean of the targets for each of them."""
    return np.full_like(w.targets, w.targets.mean())


def twice(w: Pass, l: int) -> Array:
    """Return ∂C/∂z_L with the derivative of the output activation applied once more."""
    return backprop.chained_derivative(output_derivative(w, l), w.do("slope", l))


def softmax_over(maximum: int | None, total: int | None) -> Rule:
    """Return softmax with the maximum and the sum along these axes; 1 is right, None is all."""

    def rule(w: Pass, l: int) -> Array:
        e = np.exp(w.z[l] - w.z[l].max(axis=maximum, keepdims=True))
        return e / e.sum(axis=total, keepdims=True)

    return rule


def transposed(w: Pass, value: Value, kind: str, l: int) -> Array | None:
    """Return a matrix transposed; a vector stays as it is."""
    right = value(kind, l)
    return None if right is None else right.T


def wrong_softmax(*ways: tuple[str, int | None, int | None]) -> tuple[Way, ...]:
    """Return the ways to take softmax with the maximum and the sum along wrong axes."""
    rules = {where: softmax_over(maximum, total) for where, maximum, total in ways}
    return wrong("F2", rules, layers="output", possible="softmax")


SCALE = (
    Mistake(
        "sign",
        "the sign is wrong: this is the direction of descent, not the gradient",
        equation="U",
        source="note 4, slide Gradient descent (the minus stands in the update)",
        mend="leave the minus to the update, θ ← θ − η ∂J/∂θ",
        ways=(Way(factor=lambda w: -1.0),),
    ),
    Mistake(
        "y − ŷ",
        "the error signal of the output has y − ŷ where ŷ − y belongs",
        equation="B1z",
        source="note 3, section 5.2 (∇A_L = (Ŷ − E)/m)",
        mend="derive the cost by ŷ: squared error gives ŷ − y, and so does softmax with "
        "cross-entropy",
        ways=(Way(faults=by(lambda w: -1, "B1z")),),
    ),
    Mistake(
        "1/N missing",
        "the sum over the samples was not divided by their number N (by the sum S of their "
        "weights)",
        equation="B1",
        source="note 3, section 5.2 (∇A_L = (Ŷ − E)/m)",
        mend="divide once, at the output: {delta[L]} holds s_n/S, and everything below inherits it",
        ways=(
            Way(faults=by(S(1), "B1")),
            Way("in the penalty, too", factor=S(1)),
            Way("in the bias gradients only", by(S(1), "B4 delta"), layers="every"),
            Way("in the weight gradients only", by(S(1), "B3 delta"), layers="every"),
        ),
    ),
    Mistake(
        "1/N twice",
        "it was divided by the number of samples N (the sum S of their weights) twice",
        equation="B1",
        source="note 3, section 5.2 (the 1/m enters once, in ∇A_L)",
        mend="{delta[L]} holds s_n/S already: sum {dW} and {db} over the samples, do not average",
        ways=(
            Way(faults=by(S(-1), "B1")),
            Way("in the penalty, too", factor=S(-1)),
            Way(
                "in {dW} and {db}, not in {delta}",
                by(S(-1), "B3 delta", "B4 delta"),
                layers="every",
            ),
            Way("in the bias gradients only", by(S(-1), "B4 delta"), layers="every"),
            Way("in the weight gradients only", by(S(-1), "B3 delta"), layers="every"),
        ),
    ),
    Mistake(
        "transposed",
        "this is the transpose, the layout of another notation",
        equation="B3",
        source="note 1 (the derivative by a matrix has the shape of the matrix)",
        mend=f"transpose it, or give its layout: W is (out, in) in {TURNED}, (in, out) in the "
        "others; error signals have a sample in each column in all of the notes, in each row in "
        "'code'",
        ways=(Way(result=transposed),),
    ),
    Mistake(
        "factor 2",
        "it is twice as large: the ½ of ½(ŷ − y)², or of the penalty, is missing",
        equation="C",
        source="note 4, slide Examples of individual cost functions (½(y − ŷ)²)",
        mend="write the cost with ½, which the 2 of the derivative cancels",
        ways=(Way(factor=lambda w: 2.0), Way("in the data term", by(lambda w: 2.0, "B1z"))),
    ),
    Mistake(
        "factor ½",
        "it is half as large: the ½ of the cost was kept beside the derivative of the square",
        equation="C",
        source="note 4, slide Examples of individual cost functions (½(y − ŷ)²)",
        mend="the 2 of the derivative cancels the ½",
        ways=(Way(factor=lambda w: 0.5), Way("in the data term", by(lambda w: 0.5, "B1z"))),
    ),
)


AT_OUTPUT = (
    Mistake(
        "softmax Jacobian missing",
        "{dC[L]} was taken for the error signal: softmax was not differentiated",
        equation="B1z",
        source="note 3, section 4.3.1 (∂ŷ_ℓ/∂a_{Li} by the quotient rule)",
        mend="with cross-entropy use ŷ − e_ℓ; otherwise multiply {dC[L]} by softmax's Jacobian",
        ways=wrong("B1z", lambda w, l: w.loss.derivative(w.y, w.a[l]), possible="softmax"),
    ),
    Mistake(
        "softmax Jacobian twice",
        "softmax was differentiated twice: ŷ − e_ℓ is already the derivative by z",
        equation="B1z",
        source="note 3, section 4.3.1 (∇a_L = −(e_ℓ − ŷ))",
        mend="do not multiply ŷ − e_ℓ by softmax's Jacobian",
        ways=wrong("B1z", twice, possible="softmax"),
    ),
    Mistake(
        "softmax like a logistic",
        "of softmax's Jacobian only the diagonal a(1 − a) was taken",
        equation="B1z",
        source="note 3, section 4.3.1 (ŷ_k(1_{k=i} − ŷ_i): every output depends on every a_{Li})",
        mend="take the whole Jacobian, or ŷ − e_ℓ with cross-entropy",
        ways=wrong(
            "slope", lambda w, l: w.a[l] * (1 - w.a[l]), layers="output", possible="softmax"
        ),
    ),
    Mistake(
        "softmax maximum over the batch",
        "softmax took off the maximum of each column, over the batch, not that of each row",
        equation="F2",
        source="note 3, section 2 (ŷ = O(a_L), one sample at a time)",
        mend="take the maximum over the outputs of one sample: axis=1, keepdims=True",
        ways=wrong_softmax(("", 0, 1)),
    ),
    Mistake(
        "softmax sum over the batch",
        "softmax divided by the sum over the batch, not over the outputs of each sample",
        equation="F2",
        source="note 3, section 2 (ŷ = O(a_L), one sample at a time)",
        mend="sum over the outputs of one sample: axis=1, keepdims=True",
        ways=wrong_softmax(("", 1, 0), ("and so the maximum", 0, 0)),
    ),
    Mistake(
        "softmax over the whole array",
        "softmax divided by the sum over all samples and outputs, not over those of each sample",
        equation="F2",
        source="note 3, section 2 (ŷ = O(a_L), one sample at a time)",
        mend="sum over the outputs of one sample: axis=1, keepdims=True",
        ways=wrong_softmax(("", None, None), ("the maximum of each sample", 1, None)),
    ),
    Mistake(
        "(N, 1) − (N,)",
        "a column of outputs minus a vector of targets is N × N: every output met every target",
        equation="B1z",
        source="note 3, section 5.2 (∇A_L = (Ŷ − E)/m, both of one shape)",
        mend="give both one shape: y[:, None], or ŷ.ravel()",
        ways=(
            *wrong("y", mean_target, "and the mean over the N × N", possible="one output"),
            Way(
                "and their sum divided by N",
                (Fault("y", mean_target), Fault("B1z", factor=lambda w, l: len(w.targets))),
                possible="one output",
            ),
        ),
    ),
    Mistake(
        "label index for one-hot",
        "the index of the class was taken off ŷ, not the one-hot row",
        equation="B1z",
        source="note 3, section 5.2 (E, a column e_ℓ each sample)",
        mend="encode the labels: np.eye(k)[labels]",
        ways=wrong(
            "labels",
            lambda w, l: 0 * w.targets + w.targets.argmax(axis=1)[:, None],
            possible="classes",
        ),
    ),
    Mistake(
        "labels one off",
        "the classes are shifted by one: they were counted from 1 on one side and from 0 on "
        "the other",
        equation="B1z",
        source="note 3, section 5.2 (E, a column e_ℓ each sample)",
        mend="class ℓ is column ℓ, counted from 0",
        ways=wrong(
            "labels",
            {
                "up": lambda w, l: np.roll(w.targets, 1, axis=1),
                "down": lambda w, l: np.roll(w.targets, -1, axis=1),
            },
            possible="classes",
        ),
    ),
    Mistake(
        "label smoothing forgotten",
        "the targets are plain one-hot rows, though the loss smooths them",
        equation="C",
        source="our loss cross_entropy:label_smoothing (no note has it)",
        mend="take (1 − ε) e_ℓ + ε/k as the target",
        ways=wrong(
            "labels",
            lambda w, l: np.eye(w.sizes[-1])[w.targets.argmax(1)],
            possible="smoothed labels",
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
            Way("the penalty, too", factor=lambda w: 1 / w.sizes[-1]),
        ),
    ),
)
