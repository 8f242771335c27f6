"""The forms that go unit by unit: one parameter at a time, and note 3's thin network."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice, product

from backpass.core.equations import EQUATIONS
from backpass.derivatives.forms import Factor
from backpass.derivatives.tracing import function_lines
from backpass.derivatives.tracing.formulas import Braced, Equation, Leaf, joined, parse
from backpass.derivatives.tracing.recording import Line, Values, chain_keys
from backpass.derivatives.tracing.steps import (
    Step,
    first,
    formula_step,
    remarks_on_output,
    title_of,
    with_penalty,
)
from backpass.errors import InputError
from backpass.network.network import Network

_ELEMENTS = {
    "F1": "z[l][j] = Σ(i, W[l][i, j] * a[l-1][i]) + b[l][j]",  # note 5
    "B1": "delta[l][j] = dC[l][j] * dphi[l][j]",
    "B1 mixing": "delta[l][j] = Σ(m, dC[l][m] * jac[l][0, m, j])",
    "B2b": "delta[l][j] = Σ(k, W[l+1][j, k] * delta[l+1][k]) * dphi[l][j]",  # notes 1 and 5
    "B2b split": "delta[l][j] = g[l][j] * dphi[l][j]",  # notes 3 and 4
    "B2a": "g[l][j] = Σ(k, W[l+1][j, k] * delta[l+1][k])",  # multiple paths: note 3, section 4.3.2
    "B3": "dW[l][i, j] = a[l-1][i] * delta[l][j]",
    "B4": "db[l][j] = delta[l][j]",
}
"""Equations by elements: i is a unit of the layer below, j and m are of this one, k is above."""


def element_steps(values: Values, alpha: float) -> list[Step]:
    """Return the steps of one sample, every element of every array on a line of its own."""
    last = values.last
    steps = [step for layer in range(1, last + 1) for step in _forward_elements(values, layer)]
    steps += [formula_step("C", last, values, alpha), _output_step(values, last)]
    split = "g[" in values.notation.formula("B2b", batch=False)
    for layer in range(last, 0, -1):
        steps.append(_step("B3", layer, values, alpha=alpha))
        if values.notation.formula("B4", batch=False):  # note 2's δ is ∂L/∂b itself
            steps.append(_step("B4", layer, values))
        if split or layer == 1:
            steps.append(_step("B2a", layer - 1, values))
        if layer > 1:
            found = _step("B2b", layer - 1, values, " split" * split)
            steps.append(replace(found, lines=(*_slopes(values, layer - 1), *found.lines)))
    return steps


def _forward_elements(values: Values, layer: int) -> list[Step]:
    """Return F1 and F2 of one layer, unit by unit."""
    units = values.units(layer)
    each = (function_lines.activation_line(values, layer, j) for j in range(units))
    lines, remarks = first(each, units, values)
    lines = [*function_lines.function_of(values, layer), *lines]
    place, title = values.notation.place("F2"), title_of("F2", values, layer)
    activation = Step("F2", layer, title, place, tuple(lines), remarks)
    return [_step("F1", layer, values), activation]


def _slopes(values: Values, layer: int) -> list[Line]:
    """Return what f′ is, and f′(z) of every unit."""
    told = function_lines.slope_of(values, layer, array=False)
    each = (function_lines.slope_line(values, layer, j) for j in range(values.units(layer)))
    return [*told, *islice(each, values.most_lines)]


def _output_step(values: Values, last: int) -> Step:
    """Return the error at the output of one sample, unit by unit, from what its factors are.

    By the chain rule, where the run has seen its factors; then in one formula, where there is one.
    """
    known, most = values.recording.arrays, values.most_lines
    lines: list[Line] = []
    if ("dC", last) in known:
        mixing = ("jac", last) in known
        lines += islice(function_lines.cost_slopes(values), most)
        if mixing:
            lines += function_lines.slope_of(values, last)
            lines += islice(function_lines.jacobian_lines(values, last), most)
        else:
            lines += _slopes(values, last)
        chained = _elements("B1" + " mixing" * mixing, last, values)
        lines += [Line(told, values) for told in islice(chained, most)]
    part = "B1z"
    if ("B1f", last) in values.recording.order:
        part = "B1f"
        lines += function_lines.derivation(values.pair, values, last)
        lines += islice(function_lines.cost_slopes(values, "delta"), most)
    place = values.notation.place(part)
    return Step(part, last, EQUATIONS[part].title, place, tuple(lines), remarks_on_output(values))


def _step(equation: str, layer: int, values: Values, kind: str = "", alpha: float = 0.0) -> Step:
    """Return an equation with a line for every element of the array on its left."""
    found = (with_penalty(one, values, alpha) for one in _elements(equation + kind, layer, values))
    count = values.recording.arrays[_ELEMENTS[equation].partition("[")[0], layer].size
    lines, remarks = first((Line(one, values) for one in found), count, values)
    place = values.notation.place(equation)
    return Step(equation, layer, EQUATIONS[equation].title, place, tuple(lines), remarks)


def _elements(name: str, layer: int, values: Values) -> Iterator[Equation]:
    text, places = _ELEMENTS[name], {"i": layer - 1, "j": layer, "m": layer, "k": layer + 1}
    every = {x: range(values.units(n)) for x, n in places.items() if 0 <= n <= values.last}
    indices = [x for x in "ij" if x in text.partition("=")[0]]
    for units in product(*(every[x] for x in indices)):
        yield parse(text, layer, **(every | dict(zip(indices, units, strict=True))))


def check_thin(network: Network) -> None:
    """Refuse a network that note 3's chain of fractions cannot be written for."""
    if set(network.sizes) != {1}:
        raise InputError(
            "form chain is note 3's thin network, one unit in every layer; this one is "
            f"{'-'.join(map(str, network.sizes))}"
        )


def chain_steps(values: Values, factors: list[Factor]) -> list[Step]:
    """Return the chain of fractions of ∂ℒ/∂W_111, grouped under note 3's braces.

    The `factors` come from the loss down to the weight.
    """
    last, place = values.last, values.notation.place("chain")
    steps = [step for layer in range(1, last + 1) for step in _forward_elements(values, layer)]
    steps.append(formula_step("C", last, values))
    leaves = [Leaf(*key) for key in chain_keys(last)]
    leaves[-1] = replace(leaves[-1], entry=(0, 0))
    groups = []
    for start in range(0, len(leaves), 2):
        pair, brace = leaves[start : start + 2], factors[start].brace
        lines = tuple(line for leaf in pair for line in _fraction(values, leaf))
        steps.append(Step("B2b" if start else "B1z", pair[-1].layer or 0, brace, place, lines))
        groups.append(Braced(joined("*", pair), brace))
    left = Braced(Leaf("dW", 1, entry=(0, 0)), "talk to the weight directly")
    line = Line(Equation(left, joined("*", groups)), values)
    return [*steps, Step("B3", 1, "the chain of fractions", place, (line,))]


def _fraction(values: Values, leaf: Leaf) -> Iterator[Line]:
    """Yield what one fraction of the chain is: a derivative of a function, a weight, the input."""
    layer = leaf.layer or 0
    if leaf.key in ("dz_da", "dz_dW"):
        other = Leaf("W", layer, entry=(0, 0)) if leaf.key == "dz_da" else Leaf("a", 0, entry=(0,))
        yield Line(Equation(leaf, other), values)
        return
    if leaf.key == "dC":
        found = list(function_lines.cost_slopes(values))
    else:
        found = [function_lines.slope_line(values, layer, 0)]
        yield from function_lines.slope_of(values, layer, array=False)
    for line in found:
        yield replace(line, equation=replace(line.equation, left=leaf))
