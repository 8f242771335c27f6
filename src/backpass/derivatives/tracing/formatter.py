"""How a line is shown, whatever paints it: symbols with shapes, then numbers, then the result."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from backpass.derivatives.notation import Notation
from backpass.derivatives.notation.symbols import Symbol
from backpass.derivatives.notation.table import Operators
from backpass.derivatives.tracing.formulas import (
    SCALARS,
    THIN,
    VECTORS,
    Applied,
    Binary,
    Braced,
    Constant,
    Leaf,
    More,
    Negative,
    Node,
    Total,
    Transposed,
    leaves,
)
from backpass.derivatives.tracing.steps import Line

__all__ = [
    "SCALARS",
    "VECTORS",
    "Cut",
    "Limits",
    "Painter",
    "Shown",
    "cut",
    "cuts",
    "paint",
    "printed",
    "show",
    "symbol_of",
]


@dataclass(frozen=True)
class Cut:
    """An array as it is shown.

    Parameters
    ----------
    shape : tuple of int
        Of the whole array.
    rows, columns : list of int
        The rows and columns that are shown; the others are left out.
    texts : list of list of str
        The entries that are shown.
    """

    shape: tuple[int, int]
    rows: list[int]
    columns: list[int]
    texts: list[list[str]]

    @property
    def left_out(self) -> int:
        """How many entries are not shown."""
        return self.shape[0] * self.shape[1] - len(self.rows) * len(self.columns)


def printed(value: Any, digits: int = 4) -> str:
    """Return a number with so many significant digits, as ``-0.0625`` or ``1.2e-07``.

    Examples
    --------
    >>> printed(-0.06250001), printed(1234567.0), printed(0.0), printed(12.0)
    ('-0.0625', '1.235e+06', '0', '12')
    """
    text = f"{float(value):.{digits}g}"
    return "0" if text == "-0" else text


def cut(array: Any, max_elements: int | None, digits: int = 4) -> Cut:
    """Return a matrix as it is shown: whole, or its upper left corner of `max_elements` entries.

    Parameters
    ----------
    array : array of shape (m, n)
    max_elements : int or None
        None shows all.
    digits : int
        Significant digits.

    Examples
    --------
    >>> import numpy as np
    >>> part = cut(np.zeros((784, 512)), 64)
    >>> len(part.rows), len(part.columns), part.left_out
    (8, 8, 401344)
    """
    m, n = array.shape
    shown_columns, shown_rows = n, m
    if max_elements is not None and m * n > max_elements:
        side = math.isqrt(max_elements)  # factors of a product are cut alike
        shown_rows, shown_columns = min(m, side), min(n, side)
    texts = [[printed(v, digits) for v in row] for row in array[:shown_rows, :shown_columns]]
    return Cut((m, n), list(range(shown_rows)), list(range(shown_columns)), texts)


P = TypeVar("P")

_FUNCTIONS = {"diag": "diag", "residual": "∂C/∂z"}

_STRENGTH = {"+": 1, "-": 1, "*": 2, "@": 2, "/": 3}


class Painter(Protocol[P]):
    """Draws the pieces of a formula, and puts them together."""

    operators: Operators

    def row(self, pieces: Sequence[P]) -> P:
        """Return pieces beside one another."""

    def sign(self, text: str) -> P:
        """Return an operator with space around it."""

    def group(self, piece: P) -> P:
        """Return a piece in parentheses."""

    def transposed(self, piece: P) -> P:
        """Return a piece with the sign of transposition."""

    def fraction(self, top: P, bottom: P) -> P:
        """Return a fraction."""

    def apply(self, function: P, argument: P) -> P:
        """Return a function of something."""

    def symbol(self, symbol: Symbol, layer: int | None, entry: tuple[int, ...] = ()) -> P:
        """Return a symbol with its indices."""

    def of_sample(self, piece: P, number: int) -> P:
        """Return a piece with the number of the sample that it belongs to."""

    def under(self, piece: P, text: str) -> P:
        """Return a piece with a line of text under it."""

    def brace(self, piece: P, text: str) -> P:
        """Return a piece with a brace under it, and text under the brace."""

    def matrix(self, part: Cut) -> P:
        """Return an array in brackets."""

    def number(self, text: str) -> P:
        """Return a number."""

    def words(self, text: str) -> P:
        """Return upright text, such as the name of a function."""


def paint(
    node: Node,
    painter: Painter[P],
    leaf: Callable[[Leaf, bool], P],
    function: Callable[[int | None], P],
) -> P:
    """Return what a tree looks like.

    Parameters
    ----------
    node : Node
    painter : Painter
    leaf : callable
        ``leaf(quantity, transposed)``: its symbol, or its numbers.
    function : callable
        The symbol of a layer's activation function.
    """

    def inner(part: Node) -> P:
        return paint(part, painter, leaf, function)

    if isinstance(node, Leaf):
        return leaf(node, False)
    if isinstance(node, Transposed):
        return leaf(node.inner, True)
    if isinstance(node, Constant):
        return painter.number(f"{node.value:.4g}")
    if isinstance(node, Braced):
        return painter.brace(inner(node.inner), node.words)
    if isinstance(node, More):
        return painter.words(f"… ({node.count} more)")
    if isinstance(node, Total):
        return painter.apply(painter.words("Σ"), inner(node.inner))
    if isinstance(node, Negative):
        return painter.row([painter.sign("−"), _grouped(node.inner, painter, inner, 2)])
    if isinstance(node, Applied):
        known = _FUNCTIONS.get(node.function, node.function.partition("update ")[2])
        name = painter.words(known) if known else function(node.layer)
        return painter.apply(name, inner(node.inner))
    return _binary(node, painter, inner)


def _binary(node: Binary, painter: Painter[P], inner: Callable[[Node], P]) -> P:
    if node.operator == ",":
        return painter.row([inner(node.left), painter.words(", "), inner(node.right)])
    if node.operator == "/" and _is_scalar(node.left):
        return painter.fraction(inner(node.left), inner(node.right))
    sign = {"+": "+", "-": "−", "/": "/", "@": painter.operators.times}.get(node.operator, "")
    if node.operator == "*":
        scalar = _is_scalar(node.left) or _is_scalar(node.right)
        sign = painter.operators.elementwise
        sign = ("·" if sign == "⊙" else sign) if scalar else sign
    strength = _STRENGTH[node.operator]
    pieces = [
        _grouped(node.left, painter, inner, strength, same=node.operator),
        painter.sign(sign),
        _grouped(node.right, painter, inner, strength, same=node.operator),
    ]
    return painter.row(pieces)


def _is_scalar(node: Node) -> bool:
    if isinstance(node, Binary):
        return _is_scalar(node.left) and _is_scalar(node.right)
    if isinstance(node, Leaf):
        return node.key in SCALARS | THIN or (bool(node.entry) and node.key not in VECTORS)
    if isinstance(node, Braced):
        return _is_scalar(node.inner)
    return isinstance(node, Constant | Total | More)


def _grouped(
    node: Node, painter: Painter[P], inner: Callable[[Node], P], strength: int, same: str = ""
) -> P:
    """Return a piece, in parentheses where it would be read otherwise without."""
    loose = isinstance(node, Negative) or (
        isinstance(node, Binary)
        and not (node.operator == "/" and _is_scalar(node.left))
        and not (node.operator == "*" and _is_scalar(node.left))
        and (
            _STRENGTH[node.operator] < strength
            or (_STRENGTH[node.operator] == strength == 2 and node.operator != same)
        )
    )
    return painter.group(inner(node)) if loose else inner(node)


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
