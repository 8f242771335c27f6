"""One parameter at a time, with sums: the steps of the form ``parameter``."""

from collections.abc import Iterator
from itertools import islice, product

from backpass.core.equations import EQUATIONS
from backpass.derivatives.tracing.formulas import Applied, Binary, Equation, Leaf, More, Node
from backpass.derivatives.tracing.steps import Line, Step, formula_step, is_residual, penalty_slope
from backpass.derivatives.tracing.values import Values
from backpass.network.network import Network

__all__ = ["element_steps"]

SHOWN_LINES, SHOWN_TERMS = 12, 8
"""The most elements of an array, and the most terms of a sum, that are written out."""


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
        steps.append(_step("F1", layer, values, _pre_activations(sizes, layer)))
        if network.model.activations[layer - 1].elementwise:
            steps.append(_step("F2", layer, values, _activations(sizes, layer)))
        else:
            steps.append(formula_step("F2", layer, values))
    steps.append(formula_step("C", last, values, alpha))
    fused = "B1f" if ("y", None) in values.recording.arrays else "B1z"
    steps.append(_step(fused, last, values, _output_errors(values, sizes[-1], last)))
    for layer in range(last, 0, -1):
        steps.append(_step("B3", layer, values, _weight_gradients(sizes, layer, alpha)))
        if values.notation.formula("B4", batch=False):  # note 2's δ is ∂L/∂b itself
            steps.append(_step("B4", layer, values, _bias_gradients(sizes, layer)))
        below = _hidden_errors if layer > 1 else _input_derivatives
        steps.append(_step("B2b" if layer > 1 else "B2a", layer - 1, values, below(sizes, layer)))
    return steps


def _step(equation: str, layer: int, values: Values, found: Iterator[Equation]) -> Step:
    lines = tuple(Line(told, values) for told in islice(found, SHOWN_LINES))
    key = lines[0].equation.left
    count = values.recording.arrays[key.key, key.layer].size if isinstance(key, Leaf) else 0
    left = count - len(lines)
    remarks = (f"{left} of {count} elements left out",) if left else ()
    place = values.notation.place(equation)
    return Step(equation, layer, EQUATIONS[equation].title, place, lines, remarks)


def _sum(terms: Iterator[Node], count: int) -> Node:
    """Return a sum, of whose terms the first few are written out."""
    total: Node | None = None
    for _, term in zip(range(SHOWN_TERMS), terms, strict=False):
        total = term if total is None else Binary("+", total, term)
    assert total is not None
    return total if count <= SHOWN_TERMS else Binary("+", total, More(count - SHOWN_TERMS))


def _at(key: str, layer: int, *entry: int) -> Leaf:
    return Leaf(key, layer, entry=entry)


def _pre_activations(sizes: tuple[int, ...], layer: int) -> Iterator[Equation]:
    # z_j = Σ_i w_ij a_i + b_j (note 5)
    for j in range(sizes[layer]):
        terms = (
            Binary("*", _at("W", layer, i, j), _at("a", layer - 1, i))
            for i in range(sizes[layer - 1])
        )
        total = Binary("+", _sum(terms, sizes[layer - 1]), _at("b", layer, j))
        yield Equation(_at("z", layer, j), total)


def _activations(sizes: tuple[int, ...], layer: int) -> Iterator[Equation]:
    # a_j = f(z_j)
    for j in range(sizes[layer]):
        yield Equation(_at("a", layer, j), Applied("f", layer, _at("z", layer, j)))


def _output_errors(values: Values, k: int, last: int) -> Iterator[Equation]:
    # e_j = a_j − y_j, or ∂C/∂a_j f'(z_j), or Σ_i ∂C/∂a_i ∂a_i/∂z_j
    known = values.recording.arrays
    for j in range(k):
        right: Node
        if ("y", None) in known:
            right = Binary("-", _at("a", last, j), Leaf("y", entry=(j,)))
            right = right if is_residual(known, last) else _at("dz", last, j)
        elif ("jac", last) in known:
            terms = (Binary("*", _at("dC", last, i), _at("jac", last, 0, i, j)) for i in range(k))
            right = _sum(terms, k)
        else:
            right = Binary("*", _at("dC", last, j), _at("dphi", last, j))
        yield Equation(_at("delta", last, j), right)


def _hidden_errors(sizes: tuple[int, ...], layer: int) -> Iterator[Equation]:
    # e_j = (Σ_k w_jk e_k) f'(z_j) (notes 1 and 5)
    for j in range(sizes[layer - 1]):
        total = _through_weights(sizes, layer, j)
        right = Binary("*", total, _at("dphi", layer - 1, j))
        yield Equation(_at("delta", layer - 1, j), right)


def _through_weights(sizes: tuple[int, ...], layer: int, j: int) -> Node:
    terms = (
        Binary("*", _at("W", layer, j, k), _at("delta", layer, k)) for k in range(sizes[layer])
    )
    return _sum(terms, sizes[layer])


def _input_derivatives(sizes: tuple[int, ...], layer: int) -> Iterator[Equation]:
    # ∂J/∂x_i = Σ_k w_ik e_k
    for i in range(sizes[0]):
        yield Equation(_at("g", 0, i), _through_weights(sizes, layer, i))


def _weight_gradients(sizes: tuple[int, ...], layer: int, alpha: float) -> Iterator[Equation]:
    # ∂J/∂w_ij = a_i e_j (+ α/S w_ij)
    for i, j in product(range(sizes[layer - 1]), range(sizes[layer])):
        right: Node = Binary("*", _at("a", layer - 1, i), _at("delta", layer, j))
        if alpha:
            right = Binary("+", right, penalty_slope(_at("W", layer, i, j)))
        yield Equation(_at("dW", layer, i, j), right)


def _bias_gradients(sizes: tuple[int, ...], layer: int) -> Iterator[Equation]:
    # ∂J/∂b_j = e_j
    for j in range(sizes[layer]):
        yield Equation(_at("db", layer, j), _at("delta", layer, j))
