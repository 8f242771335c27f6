"""The lines of a trace, the same for text, LaTeX and page: symbols with shapes, then numbers."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import numpy as np

from backpass.derivatives.notation import Notation
from backpass.derivatives.tracing.formatter import Cut, Painter, cut, paint, printed
from backpass.derivatives.tracing.formulas import Applied, Binary, Braced, Leaf, Node, leaves
from backpass.derivatives.tracing.steps import Line

__all__ = ["Limits", "Shown", "cuts", "show", "symbol_of"]

P = TypeVar("P")


@dataclass(frozen=True)
class Limits:
    """How much is shown: entries of an array (None: all), and significant digits."""

    max_elements: int | None = 64
    digits: int = 4

    def cut(self, value: Any) -> Cut:
        """Return a matrix as it is shown."""
        return cut(value, self.max_elements, self.digits)


@dataclass(frozen=True)
class Shown(Generic[P]):
    """A line: the formula in symbols, with this run's numbers, and the result."""

    symbols: P
    numbers: P | None
    result: P


def show(line: Line, painter: Painter[P], limits: Limits, *, batch: bool) -> Shown[P]:
    """Return the pieces of one line.

    Parameters
    ----------
    line : Line
    painter : Painter
    limits : Limits
    batch : bool
        Whether the symbols are those of a batch.
    """
    notation, values, last = line.values.notation, line.values, line.values.last

    def function(layer: int | None) -> P:
        return painter.symbol(notation.symbol("f", batch=batch, at_output=layer == last), None)

    def symbol(leaf: Leaf) -> P:
        return symbol_of(leaf, painter, notation, batch=batch, last=last)

    def with_shape(leaf: Leaf, transposed: bool) -> P:
        piece = symbol(leaf)
        piece = painter.transposed(piece) if transposed else piece
        value = values(leaf)
        if np.ndim(value) < 2:
            return piece
        shape = value.shape[::-1] if transposed else value.shape
        return painter.under(piece, f"{shape[0]}×{shape[1]}")

    def numbers(leaf: Leaf, transposed: bool) -> P:
        value = values(leaf)
        if np.ndim(value) < 2:
            number = painter.number(printed(value, limits.digits))
            return painter.group(number) if value < 0 and leaf not in bare else number
        return painter.matrix(limits.cut(value.T if transposed else value))

    equation = line.equation
    left = equation.left.inner if isinstance(equation.left, Braced) else equation.left
    bare = {left, *_arguments(equation.right)}  # in no need of parentheses
    sides = [paint(side, painter, with_shape, function) for side in _sides(line)]
    symbols = painter.row([sides[0], painter.sign(equation.sign), sides[1]])
    filled = None
    if not isinstance(equation.right, Leaf):
        filled = paint(equation.right, painter, numbers, function)
    result = numbers(left, False) if isinstance(left, Leaf) else symbols
    return Shown(symbols, filled, result)


def _sides(line: Line) -> tuple[Node, Node]:
    return line.equation.left, line.equation.right


def _arguments(node: Node) -> Iterator[Node]:
    """Yield what functions are applied to, which stands in parentheses anyway."""
    if isinstance(node, Applied):
        yield node.inner
    elif isinstance(node, Binary):
        yield from (*_arguments(node.left), *_arguments(node.right))


def symbol_of(leaf: Leaf, painter: Painter[P], notation: Notation, *, batch: bool, last: int) -> P:
    """Return the symbol of a quantity; f′(z) for the derivative of an activation.

    Layer `last` is the output, which some notations write otherwise.
    """
    at_output = leaf.layer == last
    capital = batch and leaf.sample is None and not leaf.entry
    if leaf.key == "dphi":
        name = painter.symbol(notation.symbol("f", batch=capital, at_output=at_output), None)
        of = replace(leaf, key="z")
        inner = symbol_of(of, painter, notation, batch=batch, last=last)
        return painter.apply(painter.row([name, painter.words("′")]), inner)
    told = notation.symbol(leaf.key, batch=capital, at_output=at_output)
    entry = leaf.entry[1:] if leaf.key == "jac" else leaf.entry  # without the sample's
    if leaf.key in ("W", "dW") and notation.weights_transposed:
        entry = entry[::-1]
    piece = painter.symbol(told.entry() if entry else told, leaf.layer, entry)
    if leaf.sample is not None and not leaf.entry:
        return painter.of_sample(piece, leaf.sample + 1 - notation.from_zero)
    return piece


def cuts(line: Line, limits: Limits) -> Iterator[tuple[Leaf, Cut]]:
    """Yield what is not shown whole: the quantity, and how it was cut."""
    seen = set()
    for leaf in [*leaves(line.equation.left), *leaves(line.equation.right)]:
        value = line.values(leaf)
        if leaf in seen or np.ndim(value) < 2:
            continue
        seen.add(leaf)
        part = limits.cut(value)
        if part.left_out:
            yield leaf, part
