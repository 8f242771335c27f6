"""The other forms' steps: one parameter at a time, note 4's Jacobians, note 3's thin network."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice, product
from typing import Any

from backpass.core.equations import EQUATIONS
from backpass.derivatives.forms import Factor
from backpass.derivatives.notation import Notation
from backpass.derivatives.tracing import function_lines
from backpass.derivatives.tracing.formulas import (
    Binary,
    Braced,
    Equation,
    Leaf,
    Node,
    Power,
    Row,
    Transposed,
    Written,
    joined,
    mapped,
    parse,
    summed,
)
from backpass.derivatives.tracing.function_lines import activation_line, slope_line
from backpass.derivatives.tracing.recording import Line, Values, chain_keys
from backpass.derivatives.tracing.steps import (
    SHOWN_LINES,
    Step,
    batch_steps,
    first,
    formula_step,
    is_residual,
    with_penalty,
)
from backpass.errors import InputError
from backpass.network.network import Network

SHOWN_TERMS = 8
"""The most terms of a sum over units that are written out."""


def element_steps(values: Values, network: Network, alpha: float) -> list[Step]:
    """Return the steps of one sample, every element of every array on a line of its own.

    Parameters
    ----------
    values : Values
        Of one sample.
    network : Network
    alpha : float
        L2 strength.
    """
    sizes, last = network.sizes, len(network.sizes) - 1
    steps = []
    for layer in range(1, last + 1):
        steps += _forward_elements(values, sizes, layer)
    steps += [formula_step("C", last, values, alpha), _output_step(values, sizes[-1], last)]
    split = "g[" in values.notation.formula("B2b", batch=False)
    for layer in range(last, 0, -1):
        steps.append(_step("B3", layer, values, _weight_gradients(sizes, layer, values, alpha)))
        if values.notation.formula("B4", batch=False):  # note 2's δ is ∂L/∂b itself
            steps.append(_step("B4", layer, values, _bias_gradients(sizes, layer)))
        if split or layer == 1:
            steps.append(_step("B2a", layer - 1, values, _derivatives_below(sizes, layer)))
        if layer > 1:
            found = _step("B2b", layer - 1, values, _hidden_errors(sizes, layer, split))
            steps.append(replace(found, lines=(*_slopes(values, layer - 1), *found.lines)))
    return steps


def _forward_elements(values: Values, sizes: tuple[int, ...], layer: int) -> list[Step]:
    """Return F1 and F2 of one layer, unit by unit."""
    told = function_lines.function_of(values, layer)
    units = range(sizes[layer])
    lines, remarks = first(
        (function_lines.activation_line(values, layer, j) for j in units), len(units)
    )
    place, title = values.notation.place("F2"), EQUATIONS["F2"].title
    return [
        _step("F1", layer, values, _pre_activations(sizes, layer)),
        Step("F2", layer, title, place, (*told, *lines), remarks),
    ]


def _slopes(values: Values, layer: int) -> list[Line]:
    """Return what f′ is, and f′(z) of every unit."""
    units = range(values.recording.arrays["a", layer].shape[1])
    told = function_lines.slope_of(values, layer, array=False)
    each = (function_lines.slope_line(values, layer, j) for j in units)
    return [*told, *islice(each, SHOWN_LINES)]


def _output_step(values: Values, k: int, last: int) -> Step:
    """Return B1z or B1f of one sample, unit by unit, from what its factors are."""
    known, alone = values.recording.arrays, replace(values, derivations=False)
    fused = ("dC", last) not in known
    part = "B1f" if fused else "B1z"
    found = _step(part, last, values, _output_errors(values, k, last))
    lines: list[Line] = []
    if fused and values.derivations:
        pair = values.model.loss.fused[values.model.activations[-1].name]
        lines = function_lines.derivation(function_lines.formulas_of(pair), values, last)
    if fused and not is_residual(known, last):
        lines += list(islice(function_lines.cost_slopes(alone, "delta"), SHOWN_LINES))
        return replace(found, lines=tuple(lines))
    if not fused:
        lines += islice(function_lines.cost_slopes(values), SHOWN_LINES)
        if ("jac", last) in known:
            lines += function_lines.slope_of(values, last)
            lines += islice(function_lines.jacobian_lines(values, last), SHOWN_LINES)
        else:
            lines += _slopes(values, last)
    return replace(found, lines=(*lines, *found.lines))


def _step(equation: str, layer: int, values: Values, found: Iterator[Equation]) -> Step:
    shown = [Line(told, values) for told in islice(found, SHOWN_LINES)]
    key = shown[0].equation.left
    count = values.recording.arrays[key.key, key.layer].size if isinstance(key, Leaf) else 0
    lines, remarks = first(iter(shown), count)
    place = values.notation.place(equation)
    return Step(equation, layer, EQUATIONS[equation].title, place, tuple(lines), remarks)


def _at(key: str, layer: int, *entry: int) -> Leaf:
    return Leaf(key, layer, entry=entry)


def _pre_activations(sizes: tuple[int, ...], layer: int) -> Iterator[Equation]:
    # z_j = Σ_i w_ij a_i + b_j (note 5)
    for j in range(sizes[layer]):
        terms = (
            Binary("*", _at("W", layer, i, j), _at("a", layer - 1, i))
            for i in range(sizes[layer - 1])
        )
        total = Binary("+", summed(terms, sizes[layer - 1], SHOWN_TERMS), _at("b", layer, j))
        yield Equation(_at("z", layer, j), total)


def _output_errors(values: Values, k: int, last: int) -> Iterator[Equation]:
    # e_j = a_j − y_j, or ∂C/∂a_j f'(z_j), or Σ_i ∂C/∂a_i ∂a_i/∂z_j
    known = values.recording.arrays
    for j in range(k):
        right: Node
        if ("dC", last) not in known:
            right = Binary("-", _at("a", last, j), Leaf("y", entry=(j,)))
        elif ("jac", last) in known:
            terms = (Binary("*", _at("dC", last, i), _at("jac", last, 0, i, j)) for i in range(k))
            right = summed(terms, k, SHOWN_TERMS)
        else:
            right = Binary("*", _at("dC", last, j), _at("dphi", last, j))
        yield Equation(_at("delta", last, j), right)


def _hidden_errors(sizes: tuple[int, ...], layer: int, split: bool) -> Iterator[Equation]:
    # e_j = (Σ_k w_jk e_k) f'(z_j) (notes 1 and 5); split, g_j f'(z_j) (notes 3 and 4)
    for j in range(sizes[layer - 1]):
        total = _at("g", layer - 1, j) if split else _through_weights(sizes, layer, j)
        right = Binary("*", total, _at("dphi", layer - 1, j))
        yield Equation(_at("delta", layer - 1, j), right)


def _derivatives_below(sizes: tuple[int, ...], layer: int) -> Iterator[Equation]:
    # ∂J/∂a_i = Σ_k w_ik e_k: the multi-path rule (note 3, section 4.3.2)
    for i in range(sizes[layer - 1]):
        yield Equation(_at("g", layer - 1, i), _through_weights(sizes, layer, i))


def _through_weights(sizes: tuple[int, ...], layer: int, j: int) -> Node:
    terms = (
        Binary("*", _at("W", layer, j, k), _at("delta", layer, k)) for k in range(sizes[layer])
    )
    return summed(terms, sizes[layer], SHOWN_TERMS)


def _weight_gradients(
    sizes: tuple[int, ...], layer: int, values: Values, alpha: float
) -> Iterator[Equation]:
    # ∂J/∂w_ij = a_i e_j (+ α/S w_ij)
    for i, j in product(range(sizes[layer - 1]), range(sizes[layer])):
        right = Binary("*", _at("a", layer - 1, i), _at("delta", layer, j))
        told = Equation(_at("dW", layer, i, j), right)
        yield with_penalty(told, _at("W", layer, i, j), values, alpha)


def _bias_gradients(sizes: tuple[int, ...], layer: int) -> Iterator[Equation]:
    # ∂J/∂b_j = e_j
    for j in range(sizes[layer]):
        yield Equation(_at("db", layer, j), _at("delta", layer, j))


def jacobian_steps(values: Values, network: Network) -> list[Step]:
    """Return the product of Jacobians of one sample, from the cost down to the input.

    Parameters
    ----------
    values : Values
        Of one sample.
    network : Network
    """
    last = len(network.sizes) - 1
    lines, remarks = first(function_lines.cost_slopes(values), network.sizes[-1])
    if values.notation.symbols["P"] != values.notation.symbols["dC"]:  # 𝒫, a symbol of its own
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
        return Line(mapped(parse(text, layer), _of_first_unit), values)

    def step(equation: str, title: str, *lines: Line) -> Step:
        return _of_layer(equation, title, lines, values, layer)

    told, remarks = function_lines.slope_of(values, layer), ()
    if mixing:
        more, remarks = first(function_lines.jacobian_lines(values, layer), known["jac", layer].size)
        told += more
    of_biases = [] if mixing or not notation.stacks else list(_stacked_biases(values, layer))
    steps = [
        _of_layer("B2b", "derivative of the activation", told, values, layer, remarks),
        step("B2a", "Jacobian of the layer to its input", line(product.format("dfa[l]", slopes, W))),
        step(
            "B2a", "derivative to the activations below",
            line(product.format("P[l-1]", "P[l]", "dfa[l]")),
        ),
        step("B4", "Jacobian of the layer to its biases", *of_biases, line(f"dfb[l] = {slopes}")),
        step("B4", "bias gradient", line(product.format("Pb[l]", "P[l]", "dfb[l]"))),
        step("B3", "Jacobian of the layer to the weights of its first unit", _weights_of_first(values, layer)),
        step(
            "B3", "weight gradient of the first unit; the others are alike",
            line(product.format("Pw[l]", "P[l]", "dfw[l]")),
        ),
    ]  # fmt: skip
    if not notation.stacks:
        steps.append(step("B2b", "error signal", line(_error_from_P(notation, mixing=mixing))))
    return [*steps, step("B3", "weight gradient", *_stacked_weights(values, layer))]


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
    flat: Node = below if values.notation.samples_in_columns == columns else Transposed(below)
    left = Leaf("dfw", layer, entry=(0,))
    if ("jac", layer) in values.recording.arrays:
        column = Leaf("dak", layer, entry=(0,))
        sides = (flat, Transposed(column)) if columns else (column, flat)
        return Line(Equation(left, Binary("@", *sides)), values)
    where = "column" if columns else "line"
    number = 1 - values.notation.from_zero
    total = Binary("*", _at("dphi", layer, 0), flat)
    words = Written(f" in {where} {number}, 0 elsewhere")
    return Line(Equation(left, Row((total, words))), values)


def _stacked_biases(values: Values, layer: int) -> Iterator[Line]:
    """Yield note 2's ∂a/∂b_1, by the units' ∂a/∂z_k and δ_1k; the rows of ∂a/∂b are like it."""
    units = values.recording.arrays["b", layer].size
    one = Binary("*", _at("dphi", layer, 0), _at("unit", layer, 0))
    yield Line(Equation(_at("dak", layer, 0), one), values)
    yield Line(Equation(_at("dz_db", layer, 0, 0), Leaf("same", entry=(0, 0))), values)
    terms = (
        Binary("*", _at("dak", layer, k), Leaf("same", entry=(0, k))) for k in range(units)
    )
    yield Line(Equation(_at("dab", layer, 0), summed(terms, units, SHOWN_TERMS)), values)


def _stacked_weights(values: Values, layer: int) -> Iterator[Line]:
    """Yield the weight gradient as the notation has it, of note 2 by the units' ∂L/∂w_i."""
    notation, W = values.notation, Leaf("W", layer)
    alpha = float(values.recording.arrays["lambda", None])
    if notation.stacks:
        units = range(min(values.recording.arrays["b", layer].size, SHOWN_TERMS))
        for i in units:
            one = Binary("*", Leaf("a", layer - 1), _at("delta", layer, i))
            yield Line(Equation(_at("Pw", layer, i), one), values)
        if len(units) == values.recording.arrays["b", layer].size:
            beside = joined(",", [_at("Pw", layer, i) for i in units])
            stacked = Power(Row((beside,), grouped=True), Written("T"))
            told = Equation(Leaf("dW", layer), stacked)
            yield Line(with_penalty(told, W, values, alpha), values)
    told = parse(notation.formula("B3", batch=False), layer)
    yield Line(with_penalty(told, W, values, alpha), values)


def _unrolled(values: Values, last: int) -> Step:
    """Return note 4's product over all layers: from the cost to the first unit's weights."""
    factors: list[Node] = [Leaf("P", last)]
    factors += [Leaf("dfa", layer) for layer in range(last, 1, -1)]
    factors.append(Leaf("dfw", 1, entry=(0,)))
    if values.notation.denominator_layout:
        factors.reverse()
    line = Line(Equation(Leaf("Pw", 1, entry=(0,)), joined("@", factors)), values)
    return _of_layer("B3", "the product of all layers' Jacobians", [line], values, 1)


def _of_first_unit(leaf: Leaf) -> Leaf:
    """Return ∂f/∂w and its product with 𝒫 as those of the first unit."""
    return replace(leaf, entry=(0,)) if leaf.key in ("dfw", "Pw") else leaf


_NEURON = "z = {product} + b", "dha[l] = dphi * {w}", "dhw[l] = dphi * {input}", "dhb[l] = dphi"

SHOWN_NEURONS = 4


def neuron_steps(values: Values, network: Network, layer: int) -> list[Step]:
    """Return what the single neurons of one layer compute, and their derivatives.

    Parameters
    ----------
    values : Values
        Of one sample.
    network : Network
    layer : int

    Raises
    ------
    InputError
        When the layer's activation mixes its units.
    """
    phi = network.model.activations[layer - 1]
    if not phi.elementwise:
        raise InputError(
            f"form neuron: layer {layer} is {phi.name}, which mixes its units; choose another "
            f"of 1 … {len(network.sizes) - 1}"
        )
    notation, units = values.notation, network.sizes[layer]
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
        a, f = (make(values, layer, unit) for make in (activation_line, slope_line))
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


def check_thin(network: Network) -> None:
    """Refuse a network that note 3's chain of fractions cannot be written for."""
    if set(network.sizes) != {1}:
        raise InputError(
            "form chain is note 3's thin network, one unit in every layer; this one is "
            f"{'-'.join(map(str, network.sizes))}"
        )


def chain_steps(values: Values, network: Network, factors: list[Factor]) -> list[Step]:
    """Return the chain of fractions of ∂ℒ/∂W_111, grouped under note 3's braces.

    Parameters
    ----------
    values : Values
        Of one sample.
    network : Network
        With one unit in every layer.
    factors : list of Factor
        From the loss down to the weight.
    """
    sizes, last = network.sizes, len(network.sizes) - 1
    steps = [step for layer in range(1, last + 1) for step in _forward_elements(values, sizes, layer)]
    steps.append(formula_step("C", last, values))
    leaves = [Leaf(*key) for key in chain_keys(last)]
    leaves[-1] = replace(leaves[-1], entry=(0, 0))
    place = values.notation.place("chain")
    for start in range(0, len(leaves), 2):
        lines = [line for leaf in leaves[start : start + 2] for line in _fraction(values, leaf)]
        layer = leaves[start + 1].layer or 0 if start + 1 < len(leaves) else 1
        steps.append(Step("B2b" if start else "B1z", layer, factors[start].brace, place, tuple(lines)))
    groups: list[Node] = []
    for start in range(0, len(leaves), 2):
        pair = joined("*", leaves[start : start + 2])
        groups.append(Braced(pair, factors[start].brace))
    total = joined("*", groups)
    left = Braced(Leaf("dW", 1, entry=(0, 0)), "talk to the weight directly")
    line = Line(Equation(left, total), values)
    return [*steps, Step("B3", 1, "the chain of fractions", place, (line,))]


def _fraction(values: Values, leaf: Leaf) -> Iterator[Line]:
    """Yield what one fraction of the chain is: a derivative of a function, a weight, the input."""
    layer = leaf.layer or 0
    if leaf.key in ("dz_da", "dz_dW"):
        other = _at("W", layer, 0, 0) if leaf.key == "dz_da" else _at("a", 0, 0)
        yield Line(Equation(leaf, other), values)
        return
    if leaf.key == "dC":
        found = list(function_lines.cost_slopes(values))
    else:
        found = [function_lines.slope_line(values, layer, 0)]
        yield from function_lines.slope_of(values, layer, array=False)
    for line in found:
        yield replace(line, equation=replace(line.equation, left=leaf))
