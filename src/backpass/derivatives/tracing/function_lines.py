"""Lines of a trace that say what φ, φ′, the cost and ∂C/∂ŷ are, by the records in use."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

from backpass.derivatives.tracing.formulas import (
    SHOWN_TERMS,
    Applied,
    Equation,
    Leaf,
    Node,
    Row,
    Written,
)
from backpass.derivatives.tracing.record_formulas import Sum, Variable, added, filled, formulas_of
from backpass.derivatives.tracing.recording import Line, Values


def function_of(values: Values, layer: int) -> list[Line]:
    """Return ``f(z) = …`` of a layer; of softmax, which mixes its units, ``a_k = …``."""
    phi = values.model.activations[layer - 1]
    formulas = formulas_of(phi)
    if formulas.value is None:
        return []
    left: Node = _at("a", layer, "k")
    if phi.elementwise:
        left = _applied(Leaf("f", layer))
        if formulas.own != "φ":
            left = Row((left, Written("=", sign=True), _applied(Written(formulas.own))))
    return [_defined(left, formulas.value, values, layer)]


def slope_of(values: Values, layer: int, *, array: bool = True) -> list[Line]:
    """Return ``f′(z) = …`` and its derivation if asked for; with `array`, f′ of this run's z."""
    phi = values.model.activations[layer - 1]
    formulas = formulas_of(phi)
    lines = derivation(phi, values, layer)
    if formulas.derivative is not None and not lines:
        left: Node = _at("jac", layer, 0, "k", "i")
        if phi.elementwise:
            left = _applied(Leaf("f", layer), Written("′"))
        lines = [_defined(left, formulas.derivative, values, layer)]
    if array and phi.elementwise:
        right = Applied("slope", layer, Leaf("z", layer))
        lines.append(Line(Equation(Leaf("dphi", layer), right), values))
    return lines


def derivation(record: Any, values: Values, layer: int) -> list[Line]:
    """Return every line of a record's derivation in a notation's symbols, where asked for."""
    if not values.derivations:
        return []
    formulas = formulas_of(record)
    return [Line(_filled_in(row, values, layer), values, defines=True) for row in formulas.rows]


def _applied(*function: Node) -> Row:
    return Row((*function, Row((Written("z"),), grouped=True)))


def _defined(left: Node, right: Any, values: Values, layer: int) -> Line:
    return Line(Equation(left, _filled_in(right, values, layer)), values, defines=True)


def _filled_in(tree: Any, values: Values, layer: int) -> Any:
    """Return a formula for any z, or for any unit of a layer that softmax or a loss looks at."""
    anyone = values.model.activations[layer - 1].elementwise

    def variable(seen: Variable) -> Node:
        if seen.name == "φ":
            return Leaf("f", layer)
        if seen.name == "C":
            return Leaf("costs")
        if seen.name == "𝟙":
            return Leaf("same", entry=tuple(seen.index.split("=")))
        if seen.name in ("p", "y"):
            return Leaf("y" if seen.name == "y" else "a", layer, entry=(seen.index or "k",))
        if anyone and not seen.index:
            return Written("z") if seen.name == "z" else _applied(Leaf("f", layer))
        return Leaf(seen.name, layer, entry=(seen.index or "k",))

    return filled(tree, variable)


def _at(key: str, layer: int | None, *entry: int | str, sample: int | None = None) -> Leaf:
    return Leaf(key, layer, sample, entry)


def _filled_at(tree: Any, values: Values, layer: int, sample: int | None, **at: int) -> Any:
    """Return a formula for one unit, ``k``, and where it asks for two, ``i``."""
    units = values.units(layer)

    def variable(seen: Variable) -> Node:
        entry = tuple(
            int(index) if index.isdigit() else at.get(index, at["k"])
            for index in seen.index.split("=")
        )
        if seen.name == "𝟙":
            return Leaf("same", entry=entry)
        if seen.name == "y":
            return Leaf("y", None, sample, entry)
        return Leaf("a" if seen.name == "p" else seen.name, layer, sample, entry)

    return filled(tree, variable, units)


def activation_line(values: Values, layer: int, unit: int) -> Line:
    """Return one unit's activation by the formula of its record."""
    formula = formulas_of(values.model.activations[layer - 1]).value
    right = Applied("f", layer, _at("z", layer, unit))
    if formula is not None:
        right = _filled_at(formula, values, layer, None, k=unit)
    return Line(Equation(_at("a", layer, unit), right), values)


def slope_line(values: Values, layer: int, unit: int) -> Line:
    """Return one unit's f′(z) by the formula of its record."""
    formula = formulas_of(values.model.activations[layer - 1]).derivative
    right: Any = Applied("slope", layer, _at("z", layer, unit))
    if formula is not None:
        right = _filled_at(formula, values, layer, None, k=unit)
    return Line(Equation(_at("dphi", layer, unit), right), values)


def jacobian_lines(values: Values, layer: int, sample: int | None = None) -> Iterator[Line]:
    """Yield ∂a_k/∂z_i of softmax for all its pairs of units."""
    formula = formulas_of(values.model.activations[layer - 1]).derivative
    units = range(values.units(layer))
    for k, i in product(units, units) if formula is not None else ():
        right = _filled_at(formula, values, layer, sample, k=k, i=i)
        yield Line(Equation(_at("jac", layer, 0, k, i, sample=sample), right), values)


def cost_slopes(values: Values, key: str = "dC", sample: int | None = None) -> Iterator[Line]:
    """Yield ∂C/∂ŷ_k of every output; for another `key`, ∂C/∂z_k by the formula of the pair."""
    last = values.last
    formula = formulas_of(values.model.loss if key == "dC" else values.pair).derivative
    for k in range(values.units(last)) if formula is not None else ():
        right = _filled_at(formula, values, last, sample, k=k)
        yield Line(Equation(_at(key, last, k, sample=sample), right), values)


def cost_line(values: Values, sample: int | None = None) -> Line | None:
    """Return the cost of one sample, its outputs' costs added up; None without a formula."""
    formula, last = formulas_of(values.model.loss).value, values.last
    units = values.units(last)
    if formula is None:
        return None
    whole = isinstance(formula, Row) and any(isinstance(part, Sum) for part in formula.parts)
    count = 1 if whole else units
    terms = [_filled_at(formula, values, last, sample, k=k) for k in range(min(count, SHOWN_TERMS))]
    total = added(map(_apart, terms) if count > 1 else terms, count)
    return Line(Equation(Leaf("costs", None, sample), total), values)


def _apart(term: Any) -> Any:
    """Return a term of a sum, in parentheses where it is a sum itself or has cases."""
    loose = isinstance(term, Row) and any(
        isinstance(part, Written) and (part.text in "+−" or part.text.startswith((" ", ",")))
        for part in term.parts
    )
    return replace(term, grouped=True) if loose else term
