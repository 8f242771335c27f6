"""The forms of Jacobians: note 4's single neuron, a layer's Jacobians, and their product."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from backpass.core.equations import EQUATIONS
from backpass.derivatives.notation import Notation
from backpass.derivatives.tracing import function_lines
from backpass.derivatives.tracing.formulas import (
    Binary,
    Equation,
    Leaf,
    Power,
    Row,
    Transposed,
    Written,
    joined,
    mapped,
    parse,
)
from backpass.derivatives.tracing.recording import Line, Values
from backpass.derivatives.tracing.steps import Step, batch_steps, first, with_penalty
from backpass.errors import InputError

SHOWN_UNITS, SHOWN_NEURONS = 8, 4
"""The most units that a line of their own is shown of, and the most that are shown as neurons."""


def jacobian_steps(values: Values) -> list[Step]:
    """Return the product of Jacobians of one sample, from the cost down to the input."""
    last = values.last
    lines, remarks = first(function_lines.cost_slopes(values), values.units(last), values)
    P, dC = (values.notation.symbol(x, batch=False, at_output=True) for x in ("P", "dC"))
    if dC != P:  # 𝒫, a symbol of its own
        lines.append(Line(parse("P[l] = T(dC[l])", last), values))
    steps = [
        *_forward(values),
        _of_layer("B1z", "derivative to the output", lines, values, last, remarks),
    ]
    for layer in range(last, 0, -1):
        steps += _layer_steps(values, layer)
    return [*steps, _unrolled(values, last)]


def _forward(values: Values, below: int | None = None) -> list[Step]:
    """Return the forward pass of one sample; with `below`, up to that layer only."""
    steps = batch_steps(values, batch=False, alpha=0.0)
    ids = ("F1", "F2", "C") if below is None else ("F1", "F2")
    return [s for s in steps if s.id in ids and (below is None or s.layer < below)]


def _of_layer(
    equation: str, title: str, lines: Iterable[Line], values: Values, layer: int, remarks: Any = ()
) -> Step:
    place = values.notation.place("jacobian")
    return Step(equation, layer, title, place, tuple(lines), tuple(remarks))


def _layer_steps(values: Values, layer: int) -> list[Step]:
    """Return the Jacobians of one layer to its input, biases and weights, times what came down."""
    notation, known = values.notation, values.recording.arrays
    columns = notation.denominator_layout
    mixing = ("jac", layer) in known
    slopes = "jac[l]" if mixing else "diag(dphi[l])"
    W = "W[l]" if columns != notation.weights_transposed else "T(W[l])"
    product = "{0} = {2} @ {1}" if columns else "{0} = {1} @ {2}"

    def line(text: str) -> Line:
        return Line(parse(text, layer), values)

    def step(equation: str, title: str, *lines: Line) -> Step:
        return _of_layer(equation, title, lines, values, layer)

    pairs = known["jac", layer].size if mixing else 0
    each = function_lines.jacobian_lines(values, layer) if mixing else ()
    more, remarks = first(each, pairs, values)
    told = [*function_lines.slope_of(values, layer), *more]
    of_biases = [] if mixing or not notation.stacks else list(_stacked_biases(values, layer))
    jacobian, below = "Jacobian of the layer to", EQUATIONS["B2a"].title
    first_unit = "weight gradient of the first unit; the others are alike"
    steps = [
        _of_layer("B2b", "derivative of the activation", told, values, layer, remarks),
        step("B2a", f"{jacobian} its input", line(product.format("dfa[l]", slopes, W))),
        step("B2a", below, line(product.format("P[l-1]", "P[l]", "dfa[l]"))),
        step("B4", f"{jacobian} its biases", *of_biases, line(f"dfb[l] = {slopes}")),
        step("B4", "bias gradient", line(product.format("Pb[l]", "P[l]", "dfb[l]"))),
        step("B3", f"{jacobian} the weights of its first unit", _weights_of_first(values, layer)),
        step("B3", first_unit, line(product.format("Pw[l][0]", "P[l]", "dfw[l][0]"))),
    ]
    if not notation.stacks:
        steps.append(step("B2b", "error signal", line(_error_from_P(notation, mixing=mixing))))
    return [*steps, step("B3", "gradients", *_stacked_weights(values, layer))]


def _error_from_P(notation: Notation, *, mixing: bool) -> str:
    """Return how δ follows from ∂C/∂a: a product with Φ′ by elements, or with the Jacobian."""
    if not notation.samples_in_columns:
        return "delta[l] = P[l] @ jac[l]" if mixing else "delta[l] = P[l] * dphi[l]"
    slope = "jac[l] @" if mixing else "dphi[l] *"
    if notation.denominator_layout:
        return f"delta[l] = {slope} P[l]"
    return f"delta[l] = {slope.replace('jac[l]', 'T(jac[l])')} T(P[l])"


def _weights_of_first(values: Values, layer: int) -> Line:
    """Return ∂f/∂w_1: f′(z_1) aᵀ in line 1; where units mix, ∂a/∂z_1 times aᵀ."""
    columns, below = values.notation.denominator_layout, Leaf("a", layer - 1)
    flat = below if values.notation.samples_in_columns == columns else Transposed(below)
    left = Leaf("dfw", layer, entry=(0,))
    if ("jac", layer) in values.recording.arrays:
        column = Leaf("dak", layer, entry=(0,))
        sides = (flat, Transposed(column)) if columns else (column, flat)
        return Line(Equation(left, Binary("@", *sides)), values)
    where = "column" if columns else "line"
    number = 1 - values.notation.from_zero
    total = Binary("*", Leaf("dphi", layer, entry=(0,)), flat)
    words = Written(f" in {where} {number}, 0 elsewhere")
    return Line(Equation(left, Row((total, words))), values)


def _stacked_biases(values: Values, layer: int) -> Iterator[Line]:
    """Yield note 2's ∂a/∂z_k, and ∂a/∂b_1 by them and δ_1k; the rows of ∂a/∂b are like it."""
    units = values.units(layer)
    for k in range(min(units, SHOWN_UNITS)):
        yield Line(parse("dak[l][k] = dphi[l][k] * unit[l][k]", layer, k=k), values)
    yield Line(parse("dz_db[l][0, 0] = same[0, 0]", layer), values)
    total = parse("dab[l][0] = Σ(k, dak[l][k] * same[0, k])", layer, k=range(units))
    yield Line(total, values)


def _stacked_weights(values: Values, layer: int) -> Iterator[Line]:
    """Yield the weight gradient as the notation has it, of note 2 by the units' ∂L/∂w_i."""
    notation, units = values.notation, values.units(layer)
    alpha = float(values.recording.arrays["lambda", None])
    if notation.stacks:
        for i in range(min(units, SHOWN_UNITS)):
            yield Line(parse("Pw[l][i] = a[l-1] * Pb[l][i]", layer, i=i), values)
        if units <= SHOWN_UNITS:
            beside = joined(",", [Leaf("Pw", layer, entry=(i,)) for i in range(units)])
            stacked = Power(Row((beside,), grouped=True), Written("T"))
            yield Line(with_penalty(Equation(Leaf("dW", layer), stacked), values, alpha), values)
    elif of_biases := notation.formula("B4", batch=False):
        yield Line(parse(of_biases, layer), values)
    told = parse(notation.formula("B3", batch=False), layer)
    yield Line(with_penalty(told, values, alpha), values)


def _unrolled(values: Values, last: int) -> Step:
    """Return note 4's product over all layers: from the cost to the first unit's weights."""
    jacobians = [Leaf("dfa", layer) for layer in range(last, 1, -1)]
    factors = [Leaf("P", last), *jacobians, Leaf("dfw", 1, entry=(0,))]
    if values.notation.denominator_layout:
        factors.reverse()
    line = Line(Equation(Leaf("Pw", 1, entry=(0,)), joined("@", factors)), values)
    return _of_layer("B3", "the product of all layers' Jacobians", [line], values, 1)


_NEURON = "z = {product} + b", "dha[l] = dphi * {w}", "dhw[l] = dphi * {input}", "dhb[l] = dphi"


def neuron_steps(values: Values, layer: int) -> list[Step]:
    """Return what the single neurons of one layer compute, and their derivatives."""
    phi = values.model.activations[layer - 1]
    if not phi.elementwise:
        raise InputError(
            f"form neuron: layer {layer} is {phi.name}, which mixes its units; choose another "
            f"of 1 … {values.last}"
        )
    notation, units = values.notation, values.units(layer)
    columns = notation.samples_in_columns
    words = {
        "product": "T(w) @ x" if columns else "x @ w",
        "input": "x" if columns == notation.denominator_layout else "T(x)",
        "w": "w" if notation.denominator_layout else "T(w)",
    }
    told = function_lines.function_of(values, layer)
    slope = function_lines.slope_of(values, layer, array=False)
    steps = _forward(values, layer)
    for unit in range(min(units, SHOWN_NEURONS)):
        z, *rest = [Line(_of_unit(text.format(**words), layer, unit), values) for text in _NEURON]
        a = function_lines.activation_line(values, layer, unit)
        f = function_lines.slope_line(values, layer, unit)
        lines = (z, *told, a, *slope, f, *rest)
        told, slope = [], []
        title = f"neuron {unit + 1 - notation.from_zero} of {units}"
        steps.append(Step("F1", layer, title, notation.place("neuron"), lines))
    if units > SHOWN_NEURONS:
        remark = f"{units - SHOWN_NEURONS} more neurons left out"
        steps[-1] = replace(steps[-1], remarks=(remark,))
    return steps


def _of_unit(text: str, layer: int, unit: int) -> Equation:
    """Return a formula of the neuron's own w, b, z and a for one unit of a layer."""

    def own(leaf: Leaf) -> Leaf:
        return Leaf("a", layer - 1) if leaf.key == "x" else Leaf(leaf.key, layer, entry=(unit,))

    equation: Equation = mapped(parse(text, layer), own)
    return equation
