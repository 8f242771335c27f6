"""Formulas as trees: read from the text of a notation's table, shown by painters.

A tree holds no numbers: its leaves name quantities, which are looked up when it is shown.
"""

import ast
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import reduce
from itertools import islice
from typing import Any, TypeAlias

SCALARS = {
    "N", "S", "J", "costs", "lambda", "rate", "penalty", "moved", "epsilon", "J_moved", "change",
    "promised", "rest",
}  # fmt: skip
"""Quantities that are numbers."""

VECTORS = {"w", "dha", "dhw", "Pw", "dfw", "unit", "dak", "dab"}
"""Quantities of one unit that are vectors all the same."""

THIN = {"da_dz", "dz_da", "dz_dW"}
"""Fractions of a thin network, which are numbers."""


@dataclass(frozen=True)
class Leaf:
    """A quantity: ``delta[2]`` is Leaf("delta", 2); `entry` are the indices of one element.

    `sample` numbers one sample's, from 0, as `entry` does; a letter in `entry` stands for any unit.
    """

    key: str
    layer: int | None = None
    sample: int | None = None
    entry: tuple[int | str, ...] = ()


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


def parse(text: str, layer: int | None = None) -> Equation:
    """Return the tree of a table's formula, for the given layer l.

    Examples
    --------
    >>> parse("delta[l] = dz[l] / N", 2)
    Equation(left=Leaf(key='delta', layer=2, sample=None, entry=()), right=Binary(operator='/', \
left=Leaf(key='dz', layer=2, sample=None, entry=()), \
right=Leaf(key='N', layer=None, sample=None, entry=())), sign='=')
    """
    left, right = (_node(ast.parse(side, mode="eval").body, layer) for side in text.split(" = "))
    return Equation(left, right)


def _node(part: ast.expr, layer: int | None) -> Node:
    if isinstance(part, ast.Name):
        return Leaf(part.id)
    if isinstance(part, ast.Subscript) and isinstance(part.value, ast.Name):
        return Leaf(part.value.id, _index(part.slice, layer))
    if isinstance(part, ast.Constant) and isinstance(part.value, int | float):
        return Constant(part.value)
    if isinstance(part, ast.UnaryOp):
        return Negative(_node(part.operand, layer))
    if isinstance(part, ast.BinOp):
        operator = _OPERATORS[type(part.op)]
        return Binary(operator, _node(part.left, layer), _node(part.right, layer))
    if isinstance(part, ast.Call) and isinstance(part.func, ast.Name):
        inner = _node(part.args[0], layer)
        if len(part.args) == 2:
            both = Binary(",", inner, _node(part.args[1], layer))
            return Applied(part.func.id, None, both)
        if part.func.id == "T" and isinstance(inner, Leaf):
            return Transposed(inner)
        return Applied(part.func.id, getattr(inner, "layer", None), inner)
    raise ValueError(f"a formula cannot hold {ast.unparse(part)!r}")


def _index(part: ast.expr, layer: int | None) -> int:
    """Return the number of a layer: ``l``, ``l-1`` or ``l+1``, or a number itself."""
    if isinstance(part, ast.Constant) and isinstance(part.value, int):
        return part.value
    if layer is None:
        raise ValueError(f"{ast.unparse(part)} is the number of no layer here")
    if isinstance(part, ast.BinOp) and isinstance(part.right, ast.Constant):
        step = int(str(part.right.value))
        return layer + step if isinstance(part.op, ast.Add) else layer - step
    return layer


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
