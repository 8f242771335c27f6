"""Formulas as pieces of text, LaTeX or MathML: symbols with shapes, numbers, the result."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from numbers import Integral
from typing import Any, Generic, TypeVar

import numpy as np

from backpass.derivatives.notation import Notation
from backpass.derivatives.notation.table import Symbol
from backpass.derivatives.tracing.formulas import (
    SCALARS,
    THIN,
    VECTORS,
    Applied,
    Binary,
    Braced,
    Constant,
    Equation,
    Fraction,
    Leaf,
    More,
    Negative,
    Node,
    Power,
    Row,
    Transposed,
    Written,
)
from backpass.derivatives.tracing.recording import Line
from backpass.errors import InputError


@dataclass(frozen=True)
class Cut:
    """An array as it is shown: its shape, and the entries of its upper left corner."""

    shape: tuple[int, int]
    texts: list[list[str]]

    @property
    def rows(self) -> int:
        """The number of rows shown."""
        return len(self.texts)

    @property
    def columns(self) -> int:
        """The number of columns shown."""
        return len(self.texts[0])

    @property
    def left_out(self) -> int:
        """The number of entries that are not shown."""
        return self.shape[0] * self.shape[1] - self.rows * self.columns

    def dotted(self, right: str, below: str) -> list[list[str]]:
        """Return the entries, with signs where columns on the right or rows below are left out."""
        rows = [[*row, right] if self.columns < self.shape[1] else row for row in self.texts]
        return [*rows, [below] * len(rows[0])] if self.rows < self.shape[0] else rows

    def note(self, symbol: str, times: str = "×") -> str:
        """Return a sentence that says how much of the array with this symbol is shown."""
        return (
            f"{symbol}: {self.rows}{times}{self.columns} of {self.shape[0]}{times}"
            f"{self.shape[1]} shown, {self.left_out} entries left out"
        )


def printed(value: Any, digits: int = 4) -> str:
    """Return a number with so many significant digits, as ``-0.0625`` or ``1.2e-07``.

    Examples
    --------
    >>> printed(-0.06250001), printed(1234567.0), printed(0.0), printed(12.0)
    ('-0.0625', '1.235e+06', '0', '12')
    """
    text = f"{float(value):.{digits}g}"
    return "0" if text == "-0" else text


@dataclass(frozen=True)
class Limits:
    """The most entries of an array that are shown (None: all), and the significant digits.

    Examples
    --------
    >>> part = Limits(64).cut(np.zeros((784, 512)))
    >>> part.rows, part.columns, part.left_out
    (8, 8, 401344)
    """

    max_elements: int | None = 64
    digits: int = 4

    def __post_init__(self) -> None:
        most, digits = self.max_elements, self.digits
        if most is not None and not (isinstance(most, Integral) and most >= 1):
            raise InputError(f"max_elements must be at least 1, or None for all, not {most!r}")
        if not (isinstance(digits, Integral) and 1 <= digits <= 17):
            raise InputError(f"digits must be 1 … 17, not {digits!r}")

    def cut(self, array: Any) -> Cut:
        """Return a matrix as it is shown: whole, or its upper left corner."""
        m, n = array.shape
        if self.max_elements is not None and m * n > self.max_elements:
            side = math.isqrt(self.max_elements)  # factors of a product are cut alike
            array = array[: min(m, side), : min(n, side)]
        return Cut((m, n), [[printed(v, self.digits) for v in row] for row in array])


P = TypeVar("P")


@dataclass(frozen=True)
class Shown(Generic[P]):
    """A line: the formula in symbols, with this run's numbers, and the result."""

    symbols: P
    numbers: P | None
    result: P | None


_FUNCTIONS = {"total": "Σ", "residual": "∂C/∂z"}

_STRENGTH = {"+": 1, "-": 1, "*": 2, "@": 2, "/": 3}


class Painter(Generic[P]):
    """Writes lines in one notation; a subclass draws the pieces, which are of its type P."""

    # how a subclass draws the pieces
    _row: Callable[[Sequence[P]], P]  # pieces beside one another
    _sign: Callable[[str], P]  # an operator with space around it
    _group: Callable[[P], P]  # a piece in parentheses
    _transposed: Callable[[P, str], P]  # a piece with the sign of transposition, in brackets
    _fraction: Callable[[P, P], P]  # top and bottom
    _power: Callable[[P, P], P]  # base and exponent
    _apply: Callable[[P, P], P]  # a function and its argument
    _letter: Callable[[Symbol, str, str], P]  # a letter, with what stands above and below it
    _in_brackets_transposed: Callable[[P], P]  # note 4's [𝒫]ᵀ
    _derivative: Callable[[P, P], P]  # ∂of/∂by
    _nabla: Callable[[P, P | None, bool], P]  # ∇_by of; ∇by where the last is true
    _of_sample: Callable[[P, int], P]  # a piece with the number of its sample
    _under: Callable[[P, str], P]  # a piece with a line of text under it
    _brace: Callable[[P, str], P]  # a piece with a brace under it, and text under the brace
    _matrix: Callable[[Cut], P]  # an array in brackets
    _number: Callable[[str], P]
    _words: Callable[[str], P]  # upright text, such as the name of a function

    def __init__(self, notation: Notation) -> None:
        self.notation, self.operators = notation, notation.operators

    def show(self, line: Line, limits: Limits, *, batch: bool) -> Shown[P]:
        """Return the pieces of one line, in the symbols of a batch or of one sample."""
        values, last = line.values, line.values.last
        batch = batch or len(values.recording.arrays["s", None]) > 1  # the mean of samples alone
        limits = replace(limits, digits=max(limits.digits, line.digits))

        def function(layer: int | None) -> P:
            told = self.notation.symbol("f", batch=batch, at_output=layer == last)
            return self.symbol(told, None)

        def with_shape(leaf: Leaf, transposed: bool, bare: bool = False) -> P:
            piece = self.symbol_of(leaf, batch=batch, last=last)
            piece = self._transpose_of(leaf, piece) if transposed else piece
            value = values(leaf)
            if np.ndim(value) < 2:
                return piece
            m, n = value.shape[::-1] if transposed else value.shape
            return self._under(piece, f"{m}×{n}")

        def numbers(leaf: Leaf, transposed: bool, bare: bool = False) -> P:
            value = values(leaf)
            if np.ndim(value) < 2:
                number = self._number(printed(value, limits.digits))
                alone = bare or leaf in in_parentheses
                return self._group(number) if value < 0 and not alone else number
            return self._matrix(limits.cut(value.T if transposed else value))

        def symbols_alone(leaf: Leaf, transposed: bool, bare: bool = False) -> P:
            return self.symbol_of(leaf, batch=batch, last=last)

        equation = line.equation
        if line.defines:
            told = equation if isinstance(equation, Equation) else None
            if told is None:  # a line of a derivation
                return Shown(self._paint(equation, symbols_alone, function), None, None)
            sides = [self._paint(x, symbols_alone, function) for x in (told.left, told.right)]
            return Shown(self._row([sides[0], self._sign("="), sides[1]]), None, None)
        left = equation.left.inner if isinstance(equation.left, Braced) else equation.left
        in_parentheses = {left, *_arguments(equation.right)}
        sides = [self._paint(x, with_shape, function) for x in (equation.left, equation.right)]
        symbols = self._row([sides[0], self._sign(equation.sign), sides[1]])
        if isinstance(equation.right, Applied) and equation.right.function == "slope":
            symbols = sides[0]  # f′(z) is its own symbol
        filled = None
        if not isinstance(equation.right, Leaf):
            filled = self._paint(equation.right, numbers, function)
        if isinstance(equation.right, Constant):  # ∂ŷ/∂a = 1 says it all
            return Shown(symbols, None, None)
        return Shown(symbols, filled, numbers(left, False) if isinstance(left, Leaf) else symbols)

    def _transpose_of(self, leaf: Leaf, piece: P) -> P:
        """Return a symbol's transpose, in the brackets that a notation gives it."""
        symbol = self.notation.symbols[leaf.key][0]
        bare = not symbol.of and symbol.place in ("low", "none")
        return self._transposed(piece, "" if bare else self.operators.brackets)

    def symbol_of(self, leaf: Leaf, *, batch: bool, last: int) -> P:
        """Return the symbol of a quantity; f′(z) for the derivative of an activation.

        Layer `last` is the output, which some notations write otherwise.
        """
        notation, at_output = self.notation, leaf.layer == last
        capital = batch and (leaf.sample is None or bool(leaf.entry))
        if leaf.key == "dphi":
            name = self.symbol(notation.symbol("f", batch=capital, at_output=at_output), None)
            inner = self.symbol_of(replace(leaf, key="z"), batch=batch, last=last)
            return self._apply(self._row([name, self._words("′")]), inner)
        parameter, _, state = leaf.key.partition("_")
        if parameter in ("W", "b") and state and state != "new":  # m(W) of an optimiser
            inner = self.symbol_of(replace(leaf, key=parameter), batch=batch, last=last)
            return self._apply(self._letter(Symbol(state[0]), "", ""), inner)
        told = notation.symbol(leaf.key, batch=capital, at_output=at_output, own=leaf.own)
        entry = leaf.entry[1:] if leaf.key == "jac" else leaf.entry  # without the sample's
        if leaf.key in ("W", "dW") and notation.weights_transposed:
            entry = entry[::-1]
        number = None if leaf.sample is None else leaf.sample + 1 - notation.from_zero
        if leaf.key in ("costs", "costs_moved") and number is not None:
            return self._letter(told, "", f"({number})" if told.place == "bracket" else str(number))
        piece = self.symbol(told.entry() if entry else told, leaf.layer, entry)
        return piece if number is None else self._of_sample(piece, number)

    def symbol(self, symbol: Symbol, layer: int | None, entry: tuple[int | str, ...] = ()) -> P:
        """Return a symbol with its indices."""
        if not symbol.of:
            above, below = symbol.placed(layer, entry, 1 - self.notation.from_zero)
            piece = self._letter(symbol, above, below)
            return self._in_brackets_transposed(piece) if symbol.transposed else piece
        parts = zip(symbol.of, symbol.entries(entry), strict=True)
        inner = [self.symbol(part, layer, part_entry) for part, part_entry in parts]
        if symbol.letter == "∂":
            return self._derivative(*inner)
        return self._nabla(inner[0], inner[1] if len(inner) == 2 else None, symbol.prefix)

    def _paint(self, node: Node, leaf: Callable[..., P], function: Callable[[int | None], P]) -> P:
        """Return what a tree looks like.

        ``leaf(quantity, transposed)`` is its symbol or its numbers (with a third argument True: in
        parentheses already), ``function(layer)`` the symbol of the layer's activation.
        """

        def inner(part: Node) -> P:
            return self._paint(part, leaf, function)

        if isinstance(node, Leaf):
            return leaf(node, False)
        if isinstance(node, Transposed):
            return leaf(node.inner, True)
        if isinstance(node, Constant):
            return self._number(f"{node.value:.4g}")
        if isinstance(node, Braced):
            return self._brace(inner(node.inner), node.words)
        if isinstance(node, More):
            return self._words(f"… ({node.count} more)")
        if isinstance(node, Negative):
            return self._row([self._sign("−"), self._grouped(node.inner, inner, 2)])
        if isinstance(node, Row):
            if node.grouped and len(node.parts) == 1 and isinstance(node.parts[0], Leaf):
                return self._group(leaf(node.parts[0], False, True))
            row = self._row([inner(part) for part in node.parts])
            return self._group(row) if node.grouped else row
        if isinstance(node, Fraction):
            return self._fraction(inner(node.top), inner(node.bottom))
        if isinstance(node, Power):
            return self._power(inner(node.base), inner(node.exponent))
        if isinstance(node, Written):
            return self._written(node)
        if isinstance(node, Applied):
            if node.function in ("f", "slope"):
                name = function(node.layer)
            else:
                name = self._words(_FUNCTIONS.get(node.function, node.function))
            if node.function == "slope":
                name = self._row([name, self._words("′")])
            return self._apply(name, inner(node.inner))
        return self._binary(node, inner)

    def _written(self, node: Written) -> P:
        if node.sign:
            dot = node.text == "·" and self.operators.elementwise != "⊙"
            return self._sign(self.operators.elementwise if dot else node.text)
        if len(node.text) == 1 and (node.text.isalpha() or node.below):
            return self._letter(Symbol(node.text), "", node.below)
        return self._words(node.text)

    def _binary(self, node: Binary, inner: Callable[[Node], P]) -> P:
        if node.operator == ",":
            return self._row([inner(node.left), self._words(", "), inner(node.right)])
        if node.operator == "/" and _is_scalar(node.left):
            return self._fraction(inner(node.left), inner(node.right))
        sign = {"+": "+", "-": "−", "/": "/", "@": self.operators.times}.get(node.operator, "")
        if node.operator == "*":
            scalar = _is_scalar(node.left) or _is_scalar(node.right)
            sign = self.operators.elementwise
            sign = ("·" if sign == "⊙" else sign) if scalar else sign
        strength = _STRENGTH[node.operator]
        left, right = (
            self._grouped(side, inner, strength, same=node.operator)
            for side in (node.left, node.right)
        )
        return self._row([left, self._sign(sign), right])

    def _grouped(self, node: Node, inner: Callable[[Node], P], strength: int, same: str = "") -> P:
        """Return a piece, in parentheses where it would be read otherwise without."""
        loose = isinstance(node, Negative) or (
            isinstance(node, Binary)
            and not (node.operator in "/*" and _is_scalar(node.left))
            and (
                _STRENGTH[node.operator] < strength
                or (_STRENGTH[node.operator] == strength == 2 and node.operator != same)
            )
        )
        return self._group(inner(node)) if loose else inner(node)


def _is_scalar(node: Node) -> bool:
    if isinstance(node, Binary):
        return _is_scalar(node.left) and _is_scalar(node.right)
    if isinstance(node, Leaf):
        return node.key in SCALARS | THIN or (bool(node.entry) and node.key not in VECTORS)
    if isinstance(node, Braced):
        return _is_scalar(node.inner)
    if isinstance(node, Applied):
        return node.function == "total"
    return isinstance(node, Constant | More | Row | Fraction | Power)


def _arguments(node: Node) -> Iterator[Node]:
    """Yield what functions are applied to, which stands in parentheses anyway."""
    if isinstance(node, Applied):
        yield node.inner
    elif isinstance(node, Binary):
        yield from (*_arguments(node.left), *_arguments(node.right))


def cuts(line: Line, limits: Limits) -> Iterator[tuple[Leaf, Cut]]:
    """Yield what is not shown whole: the quantity, and how it was cut."""
    if line.defines:
        return
    for leaf in dict.fromkeys(chain(*line.quantities())):
        value = line.values(leaf)
        if np.ndim(value) == 2 and limits.cut(value).left_out:
            yield leaf, limits.cut(value)
