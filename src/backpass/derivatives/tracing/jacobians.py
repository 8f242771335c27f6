"""Note 4's Jacobians and single neuron, and note 3's thin network, in any notation's symbols."""

from dataclasses import fields, is_dataclass, replace
from typing import Any

from backpass.derivatives.forms import Factor
from backpass.derivatives.tracing.formulas import Binary, Braced, Equation, Leaf, Node, parse
from backpass.derivatives.tracing.steps import Line, Step
from backpass.derivatives.tracing.values import Values
from backpass.errors import InputError
from backpass.network.network import Network

__all__ = ["chain_steps", "check_thin", "jacobian_steps", "neuron_steps"]

_LAYER = (
    ("B2a", "dfa[l] = {slopes} @ {W}", "Jacobian of the layer to its input"),
    ("B2a", "P[l-1] = P[l] @ dfa[l]", "derivative to the activations below"),
    ("B4", "dfb[l] = {slopes}", "Jacobian of the layer to its biases"),
    ("B4", "Pb[l] = P[l] @ dfb[l]", "bias gradient"),
    ("B3", "Pw[l] = P[l] @ dfw[l]", "weight gradient of the first unit; the others are alike"),
)
"""What note 4 computes at a layer; 𝒫 is handed down, ∂f/∂a, ∂f/∂b and ∂f/∂w are the layer's."""

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
        steps.append(_step("B1z", "derivative to the output", output, last, values, place))
    W = "W[l]" if notation.weights_transposed else "T(W[l])"
    for layer in range(last, 0, -1):
        mixing = not network.model.activations[layer - 1].elementwise
        slopes = "jac[l]" if mixing else "diag(dphi[l])"
        for equation, text, title in _LAYER:
            filled = text.format(slopes=slopes, W=W)
            steps.append(_step(equation, title, filled, layer, values, place))
    return steps


def _step(equation: str, title: str, text: str, layer: int, values: Values, place: str) -> Step:
    shown = _of_first_unit(parse(text, layer))
    return Step(equation, layer, title, place, (Line(shown, values),))


def _of_first_unit(node: Any) -> Any:
    """Return a formula in which ∂f/∂w and its product with 𝒫 are those of the first unit."""
    if isinstance(node, Leaf):
        return replace(node, entry=(0,)) if node.key in ("dfw", "Pw") else node
    parts = {
        field.name: _of_first_unit(getattr(node, field.name))
        for field in fields(node)
        if is_dataclass(getattr(node, field.name))
    }
    return replace(node, **parts)


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
        lines = tuple(
            Line(_of_unit(parse(text.format(**words), layer), layer, unit), values)
            for text in _NEURON
        )
        title = f"neuron {unit + 1 - notation.from_zero} of {units}"
        steps.append(Step("F1", layer, title, notation.place("neuron"), lines))
    if units > SHOWN_NEURONS:
        remark = f"{units - SHOWN_NEURONS} more neurons left out"
        steps[-1] = replace(steps[-1], remarks=(remark,))
    return steps


def _of_unit(node: Any, layer: int, unit: int) -> Any:
    """Return a formula of the neuron's own w, b, z and a for one unit of a layer."""
    if isinstance(node, Leaf):
        if node.key == "x":
            return Leaf("a", layer - 1)
        return Leaf(node.key, layer, entry=(unit,))
    parts = {
        field.name: _of_unit(getattr(node, field.name), layer, unit)
        for field in fields(node)
        if is_dataclass(getattr(node, field.name))
    }
    return replace(node, **parts)


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
    last = len(network.sizes) - 1
    leaves = [Leaf("dC", last), Leaf("da_dz", last)]
    for layer in range(last - 1, 0, -1):
        leaves += [Leaf("dz_da", layer + 1), Leaf("da_dz", layer)]
    leaves.append(Leaf("dz_dW", 1))
    groups: list[Node] = []
    for start in range(0, len(leaves), 2):
        pair = leaves[start : start + 2]
        inner: Node = pair[0] if len(pair) == 1 else Binary("*", *pair)
        groups.append(Braced(inner, factors[start].brace))
    total = groups[0]
    for group in groups[1:]:
        total = Binary("*", total, group)
    left = Braced(Leaf("dW", 1, entry=(0, 0)), "talk to the weight directly")
    line = Line(Equation(left, total), values)
    place = values.notation.place("chain")
    return [Step("B3", 1, "the chain of fractions", place, (line,))]
