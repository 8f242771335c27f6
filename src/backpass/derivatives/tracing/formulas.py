"""Formulas as trees: read from the text of a notation's table, shown by painters.

A tree holds no numbers: its leaves name quantities, which are looked up when it is shown.
"""

import ast
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache, reduce
from itertools import islice
from typing import Any, TypeAlias

SCALARS = {
    "N", "S", "J", "costs", "lambda", "rate", "penalty", "moved", "epsilon", "J_moved", "change",
    "promised", "rest",
    "costs_moved", "penalty_moved",
}  # fmt: skip
"""Quantities that are numbers."""

VECTORS = {"w", "dha", "dhw", "Pw", "dfw", "unit", "dak", "dab"}
"""Quantities of one unit that are vectors all the same."""

THIN = {"da_dz", "dz_da", "dz_dW"}
"""Fractions of a thin network, which are numbers."""

SHOWN_TERMS = 8
"""The most terms of a sum over units that are written out."""


@dataclass(frozen=True)
class Leaf:
    """A quantity: ``delta[2]`` is Leaf("delta", 2); `entry` are the indices of one element.

    `sample` numbers one sample's, from 0, as `entry` does; a letter in `entry` stands for any unit.
    """

    key: str
    layer: int | None = None
    sample: int | None = None
    entry: tuple[int | str, ...] = ()
    own: bool = False  # a derivative of that sample's cost, and not of the mean


@dataclass(frozen=True)
class Constant:
    """A number that stands in the formula itself."""

    value: float


@dataclass(frozen=True)
class Transposed:
    """The transpose of a quantity."""

    inner: Leaf


@dataclass(frozen=True)
class Negative:
    """The negative of a term."""

    inner: "Node"


@dataclass(frozen=True)
class Applied:
    """A function of a quantity: the activation ``f``, ``diag``, or the ``total`` of its entries."""

    function: str
    layer: int | None
    inner: "Node"


@dataclass(frozen=True)
class More:
    """Terms of a sum that are not shown, and how many."""

    count: int


@dataclass(frozen=True)
class Binary:
    """Two terms and what joins them: ``@``, ``*``, ``+``, ``-`` or ``/``."""

    operator: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True)
class Braced:
    """A term with a brace under it, and what the brace says."""

    inner: "Node"
    words: str


@dataclass(frozen=True)
class Written:
    """A letter with an index below it, a word such as ``log``, or, with `sign`, an operator."""

    text: str
    below: str = ""
    sign: bool = False


@dataclass(frozen=True)
class Row:
    """Pieces beside one another, as a record's formula has them; in parentheses if `grouped`."""

    parts: tuple["Node", ...]
    grouped: bool = False


@dataclass(frozen=True)
class Fraction:
    """What stands above and below a bar."""

    top: "Node"
    bottom: "Node"


@dataclass(frozen=True)
class Power:
    """A base and its exponent."""

    base: "Node"
    exponent: "Node"


Node: TypeAlias = (
    Leaf | Constant | More | Transposed | Negative | Applied | Binary | Braced
    | Written | Row | Fraction | Power
)  # fmt: skip


@dataclass(frozen=True)
class Equation:
    """``left = right``, or ``left ← right`` where a value is replaced."""

    left: Node
    right: Node
    sign: str = "="


_OPERATORS: dict[type, str] = {
    ast.MatMult: "@", ast.Mult: "*", ast.Add: "+", ast.Sub: "-", ast.Div: "/",
}  # fmt: skip


def parse(text: str, layer: int | None = None, **at: int | range) -> Equation:
    """Return the tree of a table's formula, for the given layer l.

    ``W[l][i, j]`` is an element, ``same[i, j]`` one of what has no layer, and ``Σ(i, …)`` the sum
    over i; `at` says which one an index is, or over which ones to add up.

    Examples
    --------
    >>> parse("delta[l] = dz[l] / N", 2)
    Equation(left=Leaf(key='delta', layer=2, ...), right=Binary(operator='/', \
left=Leaf(key='dz', layer=2, ...), right=Leaf(key='N', layer=None, ...)), sign='=')
    >>> parse("b = Σ(i, W[l][i, j])", 1, i=range(2), j=3).right == joined(
    ...     "+", [Leaf("W", 1, entry=(0, 3)), Leaf("W", 1, entry=(1, 3))]
    ... )
    True
    """
    left, sign, right = re.split(" ([=←]) ", text)
    return Equation(_node(_read(left), layer, at), _node(_read(right), layer, at), sign)


@cache
def _read(side: str) -> ast.expr:
    return ast.parse(side, mode="eval").body


def _node(part: ast.expr, layer: int | None, at: Mapping[str, Any]) -> Node:
    match part:
        case ast.Name(name):
            return Leaf(name)
        case ast.Subscript(ast.Subscript(ast.Name(name), slice=place), slice=entry):
            return Leaf(name, _number(place, {"l": layer}), entry=_entry(entry, at))
        case ast.Subscript(ast.Name(name), slice=ast.Tuple() as entry):
            return Leaf(name, entry=_entry(entry, at))
        case ast.Subscript(ast.Name(name), slice=place):
            return Leaf(name, _number(place, {"l": layer}))
        case ast.Constant(int() | float() as value):
            return Constant(value)
        case ast.UnaryOp(operand=inner):
            return Negative(_node(inner, layer, at))
        case ast.BinOp(left, operator, right):
            joint = _OPERATORS[type(operator)]
            return Binary(joint, _node(left, layer, at), _node(right, layer, at))
        case ast.Call(ast.Name("Σ"), [ast.Name(index), term]):
            terms = (_node(term, layer, {**at, index: n}) for n in at[index])
            return summed(terms, len(at[index]), SHOWN_TERMS)
        case ast.Call(ast.Name(name), [one, other]):
            both = Binary(",", _node(one, layer, at), _node(other, layer, at))
            return Applied(name, None, both)
        case ast.Call(ast.Name(name), [one]):
            argument = _node(one, layer, at)
            if name == "T" and isinstance(argument, Leaf):
                return Transposed(argument)
            return Applied(name, getattr(argument, "layer", None), argument)
    raise ValueError(f"a formula cannot hold {ast.unparse(part)!r}")


def _number(part: ast.expr, known: Mapping[str, Any]) -> int:
    """Return a number of a layer or a unit: a letter, one more or less, or the number itself."""
    match part:
        case ast.Constant(int() as number):
            return number
        case ast.Name(letter) if isinstance(found := known.get(letter), int):
            return found
        case ast.BinOp(inner, operator, ast.Constant(int() as step)):
            return _number(inner, known) + (step if isinstance(operator, ast.Add) else -step)
    raise ValueError(f"{ast.unparse(part)} is no number here")


def _entry(part: ast.expr, at: Mapping[str, Any]) -> tuple[int, ...]:
    return tuple(_number(one, at) for one in getattr(part, "elts", [part]))


def leaves(node: Node) -> list[Leaf]:
    """Return every quantity of a tree, from left to right."""
    if isinstance(node, Leaf):
        return [node]
    return [leaf for part in parts_of(node) for leaf in leaves(part)]


def parts_of(node: Node) -> list[Node]:
    """Return the nodes right below one, from left to right."""
    if isinstance(node, Row):
        return list(node.parts)
    found = (getattr(node, field.name) for field in fields(node))
    return [part for part in found if is_dataclass(part)]  # type: ignore[misc]


def joined(operator: str, terms: Iterable[Node]) -> Node:
    """Return terms with an operator between them, from left to right."""
    return reduce(lambda left, right: Binary(operator, left, right), terms)


def summed(terms: Iterable[Node], count: int, most: int) -> Node:
    """Return a sum of `count` terms, of which the first `most` are written out."""
    shown = list(islice(terms, most))
    return joined("+", [*shown, More(count - most)] if count > most else shown)


def mapped(node: Any, change: Callable[[Leaf], Leaf]) -> Any:
    """Return a tree or an equation in which every quantity is what `change` makes of it.

    Examples
    --------
    >>> mapped(parse("a = b").right, lambda leaf: Leaf(leaf.key, 3)).layer
    3
    """
    if isinstance(node, Leaf):
        return change(node)
    if isinstance(node, Row):
        return replace(node, parts=tuple(mapped(part, change) for part in node.parts))
    parts = {field.name: getattr(node, field.name) for field in fields(node)}
    return replace(node, **{k: mapped(x, change) for k, x in parts.items() if is_dataclass(x)})
