"""The steps of a trace: the equations of the two passes, in a notation's formulas."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import numpy as np

from backpass.core import registry
from backpass.core.equations import EQUATIONS
from backpass.core.optimizers import Optimizer
from backpass.derivatives.notation import Notation
from backpass.derivatives.notation.in_line import in_line
from backpass.derivatives.tracing import function_lines
from backpass.derivatives.tracing.formulas import (
    Binary,
    Constant,
    Equation,
    Leaf,
    Node,
    mapped,
    parse,
    summed,
)
from backpass.derivatives.tracing.record_formulas import clauses_of, filled
from backpass.derivatives.tracing.recording import ROWS, Line, Recording, Values

SATURATED = 0.01
"""A unit whose |φ'| stays below it for every row is called saturated."""

SHOWN_TERMS = 3
"""The most terms of a sum over samples that are shown."""


@dataclass(frozen=True)
class Step:
    """One equation of the run."""

    id: str  # "F1"
    layer: int
    title: str
    place: str  # where the note has it; empty for our own notation
    lines: tuple[Line, ...]
    remarks: tuple[str, ...] = ()  # what is worth a look: saturated and dead units


@dataclass(frozen=True)
class Section:
    """Steps that belong together, such as those of one sample."""

    title: str
    steps: list[Step] = field(default_factory=list)


def batch_steps(
    values: Values, *, batch: bool, alpha: float, optimizer: Optimizer | None = None
) -> list[Step]:
    """Return the steps of one run of the two passes, in the notation's order.

    Formulas are those of a `batch`, or of one sample; `optimizer` is the one whose update was
    recorded.
    """
    notation, order = values.notation, values.recording.order
    if notation.gradients_last:  # by layer, between the passes and the update
        later = {"B3": 1, "B4": 1, "U": 2}
        ranks = {told: (later.get(told[0], 0), told[0] in later and told[1]) for told in order}
        order = sorted(order, key=ranks.__getitem__)
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


def penalty_slope(weight: Leaf, values: Values) -> Node:
    """Return (α/S) W, of a matrix or of one of its elements; S is N where each sample counts 1."""
    return Binary("*", Binary("/", Leaf("lambda"), _whole(values)), weight)


def with_penalty(shown: Equation, values: Values, alpha: float) -> Equation:
    """Return a weight gradient's equation with the penalty's term, where there is one."""
    if not alpha or not isinstance(shown.left, Leaf):
        return shown
    weight = penalty_slope(replace(shown.left, key="W"), values)
    return replace(shown, right=Binary("+", shown.right, weight))


def penalty_cost(values: Values) -> Node:
    """Return α/(2 S) Σ‖W‖²."""
    share = Binary("/", Leaf("lambda"), Binary("*", Constant(2), _whole(values)))
    return Binary("*", share, Leaf("penalty"))


def _whole(values: Values) -> Leaf:
    """Return S, or N where that is the same."""
    return Leaf("N" if np.all(values.recording.arrays["s", None] == 1) else "S")


def is_residual(known: dict[tuple[str, int | None], Any], layer: int) -> bool:
    """Return whether ∂C/∂z_L is ŷ − y, as for the usual pairs of output and loss."""
    return np.array_equal(known["dz", layer], known["a", layer] - known["y", None])


def formula_step(part: str, layer: int, values: Values, alpha: float = 0.0) -> Step:
    """Return one step of one sample in the notation's formula for it."""
    return _step(part, layer, values.notation.formula(part, batch=False), values, alpha)


def _step(part: str, layer: int, text: str, values: Values, alpha: float) -> Step:
    notation = values.notation
    shown = parse(text, layer)
    if part == "B3":
        shown = with_penalty(shown, values, alpha)
    equation = EQUATIONS.get(part) or EQUATIONS[part[:-1]]
    top = part == "B2a" and ("B2a", layer + 1) not in values.recording.order
    several = len(values.recording.arrays["s", None]) > 1
    kind = values.model.loss.name if equation.id == "C" else "batch" if several else "top" * top
    place = notation.place(equation.id if equation.id == "C" else part, kind)
    title = TITLES.get(part, equation.title)
    if equation.id in ("B1z", "B1f") and shown.left == Leaf("delta", layer):
        title = EQUATIONS["B1"].title
    title = title_of(equation.id, values, layer) if equation.id in ("F2", "C") else title
    lines, remarks = _lines(part, layer, shown, values, alpha)
    if part in ("B1z", "B1zj", "B1f", "B1fg"):
        remarks = (*remarks, *remarks_on_output(values))
    by_sample = notation.formula(f"{part} sum", batch=True)
    if by_sample and several:
        lines.append(_sum_over_samples(parse(by_sample, layer), values, alpha * (part == "B3")))
    return Step(equation.id, layer, title, place, tuple(lines), remarks)


def title_of(equation: str, values: Values, layer: int) -> str:
    """Return the title of F2 or C with the record in use: ``activation: tanh``."""
    model = values.model
    record = model.activations[layer - 1] if equation == "F2" else model.loss
    return f"{EQUATIONS[equation].title}: {registry.shown(record)}"


def _lines(
    part: str, layer: int, shown: Equation, values: Values, alpha: float
) -> tuple[list[Line], tuple[str, ...]]:
    """Return an equation's lines, those of its functions first, and what is worth a look."""
    line = Line(shown, values)
    if part == "F2":
        return [*function_lines.function_of(values, layer), line], ()
    if part in ("C", "Cw"):
        return _cost_lines(values, alpha)
    if part == "B2b":
        return [*function_lines.slope_of(values, layer), line], _remarks(values, layer)
    if part in ("B1z", "B1zj", "B1fg", "B1f"):
        return _output_lines(part, layer, shown, values)
    return [line], ()


def _cost_lines(values: Values, alpha: float) -> tuple[list[Line], tuple[str, ...]]:
    """Return every sample's cost, and their mean with the penalty."""
    several = len(values.recording.arrays["s", None]) > 1
    looked_up = replace(values, samples=of_every_sample(values.recording))
    samples = range(len(looked_up.samples)) if several else [None]
    lines = [function_lines.cost_line(looked_up, n) for n in islice(samples, values.most_lines)]
    left = len(samples) - len(lines)
    if not values.weights_are_equal():
        each: list[Node] = [Leaf("s", entry=(n,)) for n in range(len(looked_up.samples))]
        total = summed(each, len(each), SHOWN_TERMS)
        lines.append(Line(Equation(Leaf("S"), total), values))
    lines.append(Line(Equation(Leaf("J"), mean_cost(values, alpha)), looked_up))
    remarks = (f"the costs of {left} more samples left out",) if left else ()
    return [line for line in lines if line is not None], remarks


def mean_cost(values: Values, alpha: float) -> Node:
    """Return J: the mean of the samples' costs, and the penalty."""
    mean = _mean("costs", None, values)
    return Binary("+", mean, penalty_cost(values)) if alpha else mean


def _output_lines(
    part: str, layer: int, shown: Equation, values: Values
) -> tuple[list[Line], tuple[str, ...]]:
    """Return ∂C/∂z of the output: what its two factors are, or the one formula of the pair."""
    several = len(values.recording.arrays["s", None]) > 1
    looked_up = replace(values, samples=of_every_sample(values.recording)) if several else values
    samples = range(len(looked_up.samples)) if several else [None]
    count = values.recording.arrays["a", layer].size
    if part in ("B1f", "B1fg"):
        records = (values.model.activations[-1], values.pair)
        told = [x for r in records for x in function_lines.derivation(r, values, layer)]
        if part == "B1f":
            return [*told, Line(shown, values)], ()
        key = shown.left.key if isinstance(shown.left, Leaf) else ""
        each = (line for n in samples for line in function_lines.cost_slopes(looked_up, key, n))
        found, remarks = first(each, count, values)
        return [*told, *found], remarks
    each = (line for n in samples for line in function_lines.cost_slopes(looked_up, "dC", n))
    slopes, remarks = first(each, count, values)
    told = function_lines.slope_of(values, layer)
    if part == "B1z":
        return [*slopes, *told, Line(shown, values)], remarks
    each = (line for n in samples for line in function_lines.jacobian_lines(looked_up, layer, n))
    pairs = count * values.recording.arrays["a", layer].shape[1]
    jacobian, more = first(each, pairs, values)
    products, left = _one_by_one(shown.right, looked_up) if several else ([Line(shown, values)], ())
    return [*slopes, *told, *jacobian, *products], (*remarks, *more, *left)


def first(lines: Iterable[Line], count: int, values: Values) -> tuple[list[Line], tuple[str, ...]]:
    """Return the first of some elements' lines, and how many of them are left out."""
    shown = list(islice(lines, values.most_lines))
    left = count - len(shown) if shown else 0
    return shown, (f"{left} of {count} elements left out",) if left else ()


NEURONS_ALONE = (
    "line 1 does not hold for softmax, which mixes its neurons: its Jacobian takes the place of "
    "the derivatives one by one"
)


def remarks_on_output(values: Values) -> tuple[str, ...]:
    """Return what a notation's line for the output does not hold for: softmax."""
    mixing = not values.model.activations[-1].elementwise
    return (NEURONS_ALONE,) if mixing and values.notation.neurons_alone else ()


TITLES = {"B1": "the mean over the samples", "B1w": "the weighted mean over the samples"}
"""Titles of the error signal at the output, where the step before it has shown ∂C/∂z."""


def _one_by_one(right: Node, looked_up: Values) -> tuple[list[Line], tuple[str, ...]]:
    """Return ∂C/∂z of every sample: each has a Jacobian of its own."""
    count, layer = len(looked_up.samples), looked_up.last
    lines = [
        Line(Equation(Leaf("dz", layer, sample=n), _of_sample(right, n)), looked_up)
        for n in range(min(count, SHOWN_TERMS))
    ]
    left = count - len(lines)
    return lines, (f"{left} more samples left out",) if left else ()


def _sum_over_samples(term: Equation, values: Values, alpha: float) -> Line:
    """Return Σ a_n e_nᵀ for A Eᵀ: the same product, a column of each sample at a time."""
    alone = of_every_sample(values.recording)
    terms = (_of_sample(term.right, n) for n in range(len(alone)))
    total = summed(terms, len(alone), SHOWN_TERMS)
    shown = with_penalty(Equation(term.left, total), values, alpha)
    return Line(shown, replace(values, samples=alone))


def of_own_cost(leaf: Leaf, n: int, notation: Notation) -> Leaf:
    """Return a quantity of the n-th sample's own cost, numbered if the mean is taken of such."""

    def symbol(key: str) -> Any:
        return notation.symbol(key, batch=False, own=True)

    known = leaf.key in notation.symbols
    numbered = known and symbol(leaf.key) in map(symbol, ("costs", "dW", "db"))
    return replace(leaf, own=True, sample=n if numbered else leaf.sample)


def of_one_sample(step: Step, n: int) -> Step:
    """Return a step as one of the n-th sample alone: its own cost C takes the place of J."""

    def alone(line: Line) -> Line:
        notation = line.values.notation
        told = mapped(line.equation, lambda leaf: of_own_cost(leaf, n, notation))
        samples = [line.values.recording] * (n + 1)
        return replace(line, equation=told, values=replace(line.values, samples=samples))

    means = [line for line in step.lines if line.quantities()[0] == [Leaf("J")]]
    lines = [line for line in step.lines if line not in means] or means  # a cost without a formula
    return replace(step, lines=tuple(map(alone, lines)))


def of_every_sample(recording: Recording) -> list[Recording]:
    """Return a recording of every row, of what has one row a sample."""
    rows = ROWS | {"s", "jac"}
    by_row = {k: array for k, array in recording.arrays.items() if k[0] in rows and array.ndim}
    return [
        Recording({k: array[n : n + 1] for k, array in by_row.items()}, model=recording.model)
        for n in range(len(recording.arrays["s", None]))
    ]


def _of_sample(node: Node, n: int) -> Any:
    """Return the term of one sample."""
    return mapped(node, lambda leaf: replace(leaf, sample=n))


def _remarks(values: Values, layer: int) -> tuple[str, ...]:
    """Name the units of a hidden layer whose φ' is 0 or nearly 0 for every row."""
    slopes = np.max(np.abs(values.recording.arrays["dphi", layer]), axis=0)
    first = 0 if values.notation.from_zero else 1
    slope = in_line(values.notation, "dphi").replace("𝐟", "f")
    found = []
    for name, which in (
        (f"dead ({slope} = 0 in every row)", slopes == 0),
        (f"saturated (|{slope}| < {SATURATED} in every row)", (slopes > 0) & (slopes < SATURATED)),
    ):
        units = np.flatnonzero(which)
        if len(units):
            text = ", ".join(str(u + first) for u in units[:12]) + ", …" * (len(units) > 12)
            found.append(f"{len(units)} of {len(slopes)} units {name}: {text}")
    return tuple(found)


def update_step(values: Values, layer: int, optimizer: Optimizer) -> Step:
    """Return the update of one layer's weights and biases (U), by the optimiser's formula."""
    lines, known = [], values.recording.arrays
    step = int(known["step", None])
    for key in ("W", "b"):
        decays = key == "W" and known["lambda", None] != 0
        clauses = clauses_of(optimizer, step, decays=decays)
        lines += [Line(_update(clauses, n, key, layer), values) for n in range(len(clauses))]
    plain = optimizer.name == "sgd"
    title = "update" if plain else f"update by {optimizer.name}"
    place = values.notation.place("U") if plain else ""
    which = "the first step: state starts at 0" if step == 1 else f"step {step}"
    remark = f"{which}; squares, roots, quotients are by elements"
    return Step("U", layer, title, place, tuple(lines), (remark,) * bool(optimizer.slots))


def _update(clauses: Any, which: int, key: str, layer: int) -> Equation:
    """Return one line of an optimiser's step, of a layer's weights or of its biases."""
    new = [letter for letter, _ in clauses[: which + 1]]

    def leaf(letter: str) -> Leaf:
        if letter in ("η", "λ"):
            return Leaf("rate" if letter == "η" else "lambda")
        if letter in ("θ", "g"):
            return Leaf(key if letter == "θ" else f"d{key}", layer)
        return Leaf(f"{key}_{letter}{'' if letter in new[:which] else '_old'}", layer)

    letter, right = clauses[which]
    left = Leaf(f"{key}_{'new' if letter == 'θ' else letter}", layer)
    return Equation(left, filled(right, lambda seen: leaf(seen.name)), "←")


def mean_steps(
    notation: Notation, whole: Recording, samples: Sequence[Recording], alpha: float
) -> list[Step]:
    """Return the gradients of the batch as means of the samples' own: where 1/N stands."""
    values, place = Values(notation, whole, list(samples)), notation.place("mean")

    def line(key: str, layer: int | None, penalty: Node | None = None) -> Line:
        right = _mean("costs" if key == "J" else key, layer, values)
        right = Binary("+", right, penalty) if alpha and penalty is not None else right
        return Line(Equation(Leaf(key, layer), right), values)

    def step(equation: str, layer: int, *lines: Line) -> Step:
        return Step(equation, layer, "the mean over the samples", place, lines)

    steps = [step("C", values.last, line("J", None, penalty_cost(values)))]
    for layer in range(1, values.last + 1):
        penalty = penalty_slope(Leaf("W", layer), values)
        steps.append(step("B3", layer, line("dW", layer, penalty), line("db", layer)))
    return steps


def _mean(key: str, layer: int | None, values: Values) -> Node:
    """Return 1/N · (x₁ + x₂ + …), or Σ of s_n/S · x_n; of one sample x itself."""
    s = values.recording.arrays["s", None]
    if len(s) == 1:
        return Leaf(key, layer)
    ones = [of_own_cost(Leaf(key, layer), n, values.notation) for n in range(len(s))]
    if values.weights_are_equal():
        total = summed(ones, len(s), SHOWN_TERMS)
        return Binary("*", share_of(0, values), total)
    weighted = (Binary("*", share_of(n, values), one) for n, one in enumerate(ones))
    return summed(weighted, len(s), SHOWN_TERMS)


def share_of(n: int, values: Values) -> Node:
    """Return s_n/S, by which a sample counts in the mean; 1/N where all count the same."""
    if values.weights_are_equal():
        return Binary("/", Constant(1), Leaf("N"))
    return Binary("/", Leaf("s", None, entry=(n,)), Leaf("S"))
