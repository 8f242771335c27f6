"""The forms that go unit by unit: one parameter at a time, and note 3's thin network."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice, product

from backpass.core.equations import EQUATIONS
from backpass.derivatives.forms import Factor
from backpass.derivatives.tracing import function_lines
from backpass.derivatives.tracing.formulas import (
    Binary,
    Braced,
    Equation,
    Leaf,
    Node,
    joined,
    summed,
)
from backpass.derivatives.tracing.function_lines import activation_line
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
    each = (activation_line(values, layer, j) for j in units)
    lines, remarks = first(each, len(units), values)
    place, title = values.notation.place("F2"), title_of("F2", values, layer)
    return [
        _step("F1", layer, values, _pre_activations(sizes, layer)),
        Step("F2", layer, title, place, (*told, *lines), remarks),
    ]


def _slopes(values: Values, layer: int) -> list[Line]:
    """Return what f′ is, and f′(z) of every unit."""
    units = range(values.recording.arrays["a", layer].shape[1])
    told = function_lines.slope_of(values, layer, array=False)
    each = (function_lines.slope_line(values, layer, j) for j in units)
    return [*told, *islice(each, values.most_lines)]


def _output_step(values: Values, k: int, last: int) -> Step:
    """Return the error at the output of one sample, unit by unit, from what its factors are.

    By the chain rule, where the run has seen its factors; then in one formula, where there is one.
    """
    known, most = values.recording.arrays, values.most_lines
    fused = ("B1f", last) in values.recording.order
    lines: list[Line] = []
    if ("dC", last) in known:
        lines += islice(function_lines.cost_slopes(values), most)
        if ("jac", last) in known:
            lines += function_lines.slope_of(values, last)
            lines += islice(function_lines.jacobian_lines(values, last), most)
        else:
            lines += _slopes(values, last)
        chained = _chained_errors(k, last, mixing=("jac", last) in known)
        lines += [Line(told, values) for told in islice(chained, most)]
    if fused:
        pair = values.model.loss.fused[values.model.activations[-1].name]
        lines += function_lines.derivation(pair, values, last)
        lines += islice(function_lines.cost_slopes(values, "delta"), most)
    part = "B1f" if fused else "B1z"
    place = values.notation.place(part)
    return Step(part, last, EQUATIONS[part].title, place, tuple(lines), remarks_on_output(values))


def _step(equation: str, layer: int, values: Values, found: Iterator[Equation]) -> Step:
    shown = [Line(told, values) for told in islice(found, values.most_lines)]
    key = shown[0].equation.left
    count = values.recording.arrays[key.key, key.layer].size if isinstance(key, Leaf) else 0
    lines, remarks = first(shown, count, values)
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


def _chained_errors(k: int, last: int, *, mixing: bool) -> Iterator[Equation]:
    # e_j = ∂C/∂a_j f'(z_j), or Σ_i ∂C/∂a_i ∂a_i/∂z_j
    for j in range(k):
        right: Node = Binary("*", _at("dC", last, j), _at("dphi", last, j))
        if mixing:
            terms = (Binary("*", _at("dC", last, i), _at("jac", last, 0, i, j)) for i in range(k))
            right = summed(terms, k, SHOWN_TERMS)
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
    steps = [
        step for layer in range(1, last + 1) for step in _forward_elements(values, sizes, layer)
    ]
    steps.append(formula_step("C", last, values))
    leaves = [Leaf(*key) for key in chain_keys(last)]
    leaves[-1] = replace(leaves[-1], entry=(0, 0))
    place = values.notation.place("chain")
    for start in range(0, len(leaves), 2):
        lines = [line for leaf in leaves[start : start + 2] for line in _fraction(values, leaf)]
        layer = leaves[start + 1].layer or 0 if start + 1 < len(leaves) else 1
        steps.append(
            Step("B2b" if start else "B1z", layer, factors[start].brace, place, tuple(lines))
        )
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
