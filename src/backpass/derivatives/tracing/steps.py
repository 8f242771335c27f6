"""The steps of a trace: the equations of the two passes, in a notation's formulas."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from backpass.core.equations import EQUATIONS
from backpass.core.optimizers import Optimizer
from backpass.derivatives.notation import Notation
from backpass.derivatives.tracing.formulas import (
    Applied,
    Binary,
    Constant,
    Equation,
    Leaf,
    Node,
    mapped,
    parse,
    summed,
)
from backpass.derivatives.tracing.recording import ROWS, Recording, Values

SATURATED = 0.01
"""A unit whose |φ'| stays below it for every row is called saturated."""

SHOWN_TERMS = 3
"""The most terms of a sum over samples or units that are shown."""


@dataclass(frozen=True)
class Line:
    """A formula and the numbers of its quantities."""

    equation: Equation
    values: Values


@dataclass(frozen=True)
class Step:
    """One equation of the run.

    Parameters
    ----------
    id : str
        Of the equation: ``"F1"``.
    layer : int
    title : str
        What it computes.
    place : str
        Where the note has it; empty for our own notation.
    lines : tuple of Line
    remarks : tuple of str
        What is worth a look: saturated and dead units.
    """

    id: str
    layer: int
    title: str
    place: str
    lines: tuple[Line, ...]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Section:
    """Steps that belong together, such as those of one sample."""

    title: str
    steps: list[Step] = field(default_factory=list)


def batch_steps(
    values: Values, *, batch: bool, alpha: float, optimizer: Optimizer | None = None
) -> list[Step]:
    """Return the steps of one run of the two passes, in the notation's order.

    Parameters
    ----------
    values : Values
    batch : bool
        Whether formulas are those of a batch, or those of one sample.
    alpha : float
        L2 strength.
    optimizer : Optimizer, optional
        Whose update was recorded.
    """
    recording, notation = values.recording, values.notation
    order = list(recording.order)
    if notation.gradients_last:
        passes = [told for told in order if told[0] not in ("B3", "B4", "U")]
        gradients = [told for told in order if told[0] in ("B3", "B4")]
        updates = [told for told in order if told[0] == "U"]
        order = passes + sorted(gradients, key=lambda told: told[1]) + updates
    steps: list[Step] = []
    for equation, layer in order:
        if equation == "U":
            steps += [update_step(values, layer, optimizer)] if optimizer else []
            continue
        part = _part(equation, layer, values, batch)
        if text := notation.formula(part, batch=batch):
            steps.append(_step(part, layer, text, values, alpha))
    return steps


def _part(equation: str, layer: int, values: Values, batch: bool) -> str:
    """Return the formula that an equation is shown by; none ("") where another says it, too."""
    if equation == "B1z":
        return "B1zj" if ("jac", layer) in values.recording.arrays else "B1z"
    if equation == "B1f":
        return "B1f" if is_residual(values.recording.arrays, layer) else "B1fg"
    if equation == "B1" and not batch:  # of one sample, s_n / S is 1
        return ""
    weighted = equation in ("B1", "C") and batch and not values.weights_are_equal()
    return equation + "w" * weighted


def penalty_slope(weight: Leaf) -> Node:
    """Return (α/S) W, of a matrix or of one of its elements."""
    return Binary("*", Binary("/", Leaf("lambda"), Leaf("S")), weight)


def penalty_cost() -> Node:
    """Return α/(2 S) Σ‖W‖²."""
    share = Binary("/", Leaf("lambda"), Binary("*", Constant(2), Leaf("S")))
    return Binary("*", share, Leaf("penalty"))


def is_residual(known: dict[tuple[str, int | None], Any], layer: int) -> bool:
    """Return whether ∂C/∂z_L is ŷ − y, as for the usual pairs of output and loss."""
    return np.array_equal(known["dz", layer], known["a", layer] - known["y", None])


def formula_step(part: str, layer: int, values: Values, alpha: float = 0.0) -> Step:
    """Return one step of one sample in the notation's formula for it."""
    return _step(part, layer, values.notation.formula(part, batch=False), values, alpha)


def _step(part: str, layer: int, text: str, values: Values, alpha: float) -> Step:
    notation = values.notation
    shown = parse(text, layer)
    if alpha and part in ("B3", "C", "Cw"):
        term = penalty_slope(Leaf("W", layer)) if part == "B3" else penalty_cost()
        shown = replace(shown, right=Binary("+", shown.right, term))
    equation = EQUATIONS.get(part) or EQUATIONS[part[:-1]]
    top = part == "B2a" and ("B2a", layer + 1) not in values.recording.order
    place = notation.place(f"{part} top" if top else part) or notation.place(part)
    title = TITLES.get(part, equation.title)
    if equation.id in ("B1z", "B1f") and shown.left == Leaf("delta", layer):
        title = EQUATIONS["B1"].title
    remarks = _remarks(values, layer) if part == "B2b" else ()
    lines = [Line(shown, values)]
    several = len(values.recording.arrays["s", None]) > 1
    if part == "B1zj" and several:
        lines, remarks = _one_by_one(shown.right, layer, values)
    by_sample = notation.formula(f"{part} sum", batch=True)
    if by_sample and several:
        lines.append(_sum_over_samples(parse(by_sample, layer), values, alpha * (part == "B3")))
    return Step(equation.id, layer, title, place, tuple(lines), remarks)


TITLES = {"B1": "the mean over the samples", "B1w": "the weighted mean over the samples"}
"""Titles of the error signal at the output, where the step before it has shown ∂C/∂z."""


def _one_by_one(right: Node, layer: int, values: Values) -> tuple[list[Line], tuple[str, ...]]:
    """Return ∂C/∂z of every sample: each has a Jacobian of its own."""
    alone = _alone(values.recording)
    looked_up = Values(values.notation, values.recording, alone)
    lines = [
        Line(Equation(Leaf("dz", layer, sample=n), _of_sample(right, n)), looked_up)
        for n in range(min(len(alone), SHOWN_TERMS))
    ]
    left = len(alone) - len(lines)
    return lines, (f"{left} more samples left out",) if left else ()


def _sum_over_samples(term: Equation, values: Values, alpha: float) -> Line:
    """Return Σ a_n e_nᵀ for A Eᵀ: the same product, a column of each sample at a time."""
    alone = _alone(values.recording)
    terms = (_of_sample(term.right, n) for n in range(len(alone)))
    total = summed(terms, len(alone), SHOWN_TERMS)
    if alpha and isinstance(term.left, Leaf):
        total = Binary("+", total, penalty_slope(Leaf("W", term.left.layer)))
    return Line(Equation(term.left, total), Values(values.notation, values.recording, alone))


def _alone(recording: Recording) -> list[Recording]:
    """Return a recording of every row, of what has one row a sample."""
    by_row = {
        key: array for key, array in recording.arrays.items() if key[0] in ROWS | {"s", "jac"}
    }
    return [
        Recording({key: array[n : n + 1] for key, array in by_row.items()})
        for n in range(len(recording.arrays["s", None]))
    ]


def _of_sample(node: Node, n: int) -> Any:
    """Return the term of one sample."""
    return mapped(node, lambda leaf: replace(leaf, sample=n))


def _remarks(values: Values, layer: int) -> tuple[str, ...]:
    """Name the units of a hidden layer whose φ' is 0 or nearly 0 for every row."""
    slopes = np.max(np.abs(values.recording.arrays["dphi", layer]), axis=0)
    first = 0 if values.notation.from_zero else 1
    found = []
    for name, which in (
        ("dead (φ' = 0 in every row)", slopes == 0),
        (f"saturated (|φ'| < {SATURATED} in every row)", (slopes > 0) & (slopes < SATURATED)),
    ):
        units = np.flatnonzero(which)
        if len(units):
            text = ", ".join(str(u + first) for u in units[:12]) + ", …" * (len(units) > 12)
            found.append(f"{len(units)} of {len(slopes)} units {name}: {text}")
    return tuple(found)


def update_step(values: Values, layer: int, optimizer: Optimizer) -> Step:
    """Return the update of one layer's weights and biases (U)."""
    lines = []
    for key, gradient in (("W", "dW"), ("b", "db")):
        before, slope = Leaf(key, layer), Leaf(gradient, layer)
        right: Node = Binary("-", before, Binary("*", Leaf("rate"), slope))
        if optimizer.name != "sgd":
            right = Applied(f"update {optimizer.name}", None, Binary(",", before, slope))
        lines.append(Line(Equation(Leaf(f"{key}_new", layer), right, "←"), values))
    if optimizer.name == "sgd":
        return Step("U", layer, "update", values.notation.place("U"), tuple(lines))
    numbers = "".join(f", {name} = {value:g}" for name, value in optimizer.numbers.items())
    rate = float(values.recording.arrays["rate", None])
    remark = f"the first step of {optimizer.name}: its state starts at 0; rate {rate:g}{numbers}"
    title = f"update by {optimizer.name}"
    return Step("U", layer, title, "", tuple(lines), (remark,))


def mean_steps(
    notation: Notation, whole: Recording, samples: Sequence[Recording], alpha: float
) -> list[Step]:
    """Return the gradients of the batch as means of the samples' own: where 1/N stands.

    Parameters
    ----------
    notation : Notation
    whole : Recording
        Of the batch.
    samples : sequence of Recording
        Of every sample alone.
    alpha : float
        L2 strength.
    """
    values, place = Values(notation, whole, list(samples)), notation.place("mean")
    shares = whole.arrays["s", None] / np.sum(whole.arrays["s", None])

    def line(key: str, layer: int | None, penalty: Node | None = None) -> Line:
        right = _mean(key, layer, shares, values.weights_are_equal())
        right = Binary("+", right, penalty) if alpha and penalty is not None else right
        return Line(Equation(Leaf(key, layer), right), values)

    def step(equation: str, layer: int, *lines: Line) -> Step:
        return Step(equation, layer, "the mean over the samples", place, lines)

    steps = [step("C", values.last, line("J", None, penalty_cost()))]
    for layer in range(1, values.last + 1):
        of_weights = line("dW", layer, penalty_slope(Leaf("W", layer)))
        steps.append(step("B3", layer, of_weights, line("db", layer)))
    return steps


def _mean(key: str, layer: int | None, shares: Any, equal: bool) -> Node:
    """Return 1/N · (x₁ + x₂ + …), or Σ of s_n/S · x_n."""
    ones = [Leaf(key, layer, sample=n) for n in range(len(shares))]
    weighted = (
        Binary("*", Constant(float(share)), one) for share, one in zip(shares, ones, strict=True)
    )
    total = summed(ones if equal else weighted, len(shares), SHOWN_TERMS)
    return Binary("*", Binary("/", Constant(1), Leaf("N")), total) if equal else total
