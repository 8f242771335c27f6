"""The other forms' steps: one parameter at a time, note 4's Jacobians, note 3's thin network."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice, product

from backpass.core.equations import EQUATIONS
from backpass.derivatives.forms import Factor
from backpass.derivatives.tracing import function_lines
from backpass.derivatives.tracing.formulas import (
    Applied,
    Binary,
    Braced,
    Equation,
    Leaf,
    Node,
    joined,
    mapped,
    parse,
    summed,
)
from backpass.derivatives.tracing.recording import Line, Values, chain_keys
from backpass.derivatives.tracing.steps import (
    SHOWN_LINES,
    Step,
    batch_steps,
    first,
    formula_step,
    is_residual,
    penalty_slope,
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
        right: Node = Binary("*", _at("a", layer - 1, i), _at("delta", layer, j))
        if alpha:
            right = Binary("+", right, penalty_slope(_at("W", layer, i, j), values))
        yield Equation(_at("dW", layer, i, j), right)


def _bias_gradients(sizes: tuple[int, ...], layer: int) -> Iterator[Equation]:
    # ∂J/∂b_j = e_j
    for j in range(sizes[layer]):
        yield Equation(_at("db", layer, j), _at("delta", layer, j))


_LAYER = (
    ("B2a", "dfa[l] = {slopes} @ {W}", "Jacobian of the layer to its input"),
    ("B2a", "P[l-1] = P[l] @ dfa[l]", "derivative to the activations below"),
    ("B4", "dfb[l] = {slopes}", "Jacobian of the layer to its biases"),
    ("B4", "Pb[l] = P[l] @ dfb[l]", "bias gradient"),
    ("B3", "Pw[l] = P[l] @ dfw[l]", "weight gradient of the first unit; the others are alike"),
)
"""Note 4's formulas of a layer; 𝒫 is handed down, ∂f/∂a, ∂f/∂b and ∂f/∂w are the layer's."""

_NEURON = (
    "z = {product} + b",
    "a = f(z)",
    "dha[l] = dphi * T(w)",
    "dhw[l] = dphi * {input}",
    "dhb[l] = dphi",
)

SHOWN_NEURONS = 4


def jacobian_steps(values: Values, network: Network) -> list[Step]:
    """Return the product of Jacobians of one sample, from the cost down to the input.

    Parameters
    ----------
    values : Values
        Of one sample.
    network : Network
    """
    notation, place = values.notation, values.notation.place("jacobian")
    last = len(network.sizes) - 1
    output = "P[l] = T(dC[l])" if notation.samples_in_columns else "P[l] = dC[l]"
    steps = []
    if notation.symbols["P"] != notation.symbols["dC"]:  # 𝒫, a symbol of its own
        steps.append(_jacobian_step("B1z", "derivative to the output", output, last, values, place))
    W = "W[l]" if notation.weights_transposed else "T(W[l])"
    for layer in range(last, 0, -1):
        mixing = not network.model.activations[layer - 1].elementwise
        slopes = "jac[l]" if mixing else "diag(dphi[l])"
        for equation, text, title in _LAYER:
            filled = text.format(slopes=slopes, W=W)
            steps.append(_jacobian_step(equation, title, filled, layer, values, place))
    return steps


def _jacobian_step(
    equation: str, title: str, text: str, layer: int, values: Values, place: str
) -> Step:
    shown = mapped(parse(text, layer), _of_first_unit)
    return Step(equation, layer, title, place, (Line(shown, values),))


def _of_first_unit(leaf: Leaf) -> Leaf:
    """Return ∂f/∂w and its product with 𝒫 as those of the first unit."""
    return replace(leaf, entry=(0,)) if leaf.key in ("dfw", "Pw") else leaf


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
    words = {"product": "T(w) @ x" if columns else "x @ w", "input": "T(x)" if columns else "x"}
    steps = []
    for unit in range(min(units, SHOWN_NEURONS)):
        lines = tuple(Line(_of_unit(text.format(**words), layer, unit), values) for text in _NEURON)
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
    leaves = [Leaf(*key) for key in chain_keys(len(network.sizes) - 1)]
    groups: list[Node] = []
    for start in range(0, len(leaves), 2):
        pair = joined("*", leaves[start : start + 2])
        groups.append(Braced(pair, factors[start].brace))
    total = joined("*", groups)
    left = Braced(Leaf("dW", 1, entry=(0, 0)), "talk to the weight directly")
    line = Line(Equation(left, total), values)
    place = values.notation.place("chain")
    return [Step("B3", 1, "the chain of fractions", place, (line,))]
