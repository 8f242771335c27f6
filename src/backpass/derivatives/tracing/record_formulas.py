r"""The formulas of the activation and the loss in use, read from the LaTeX of their records.

A record writes its derivation once, for the pages; here its lines become trees that the painters of
a trace show, with a notation's symbols or this run's numbers for z, a, y and ŷ. What a record
defines on the way (``r = \hat y - y``, its numbers) is put in its place, so that no letter of a
record meets another meaning in a note.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from backpass.core.optimizers import Optimizer
from backpass.derivatives.tracing.formulas import (
    SHOWN_TERMS,
    Constant,
    Fraction,
    More,
    Node,
    Power,
    Row,
    Written,
)


@dataclass(frozen=True)
class Variable:
    """``z``, ``a`` (φ(z) too), ``y``, ``p`` (ŷ), ``C``, ``𝟙``, or the function ``φ``; its index."""

    name: str
    index: str = ""


@dataclass(frozen=True)
class Sum:
    """Σ over an index."""

    index: str
    inner: Any


@dataclass(frozen=True)
class RecordFormulas:
    """What a record writes of its value and of its derivative: trees, None where it has none."""

    own: str  # the function's own name in it, σ or tanh; φ where it has none
    value: Any  # the last expression for it, as of the derivative
    derivative: Any
    rows: tuple[Any, ...]  # every line of the derivation


def formulas_of(record: Any) -> RecordFormulas:
    """Return the formulas of an activation, a loss, or a loss with its output (``Fused``).

    Examples
    --------
    >>> from backpass.core.activations import ACTIVATIONS
    >>> formulas_of(ACTIVATIONS.get_record("identity")).derivative
    Constant(value=1.0)
    """
    return _read(record.derivation, tuple(getattr(record, "numbers", {}).items()))


def clauses_of(
    optimizer: Optimizer, step: int = 1, *, decays: bool = False
) -> list[tuple[str, Any]]:
    """Return an optimiser's formula, with its numbers: what each clause sets, and to what.

    The decay of weights that is no part of the cost is left out unless it `decays`.

    Examples
    --------
    >>> from backpass.core.optimizers import OPTIMIZERS
    >>> [letter for letter, _ in clauses_of(OPTIMIZERS.get_record("momentum"))]
    ['v', 'θ']
    """
    latex = optimizer.formula if decays else optimizer.formula.partition(r" - \eta \lambda")[0]
    known: dict[str, Any] = {"t": Constant(float(step))}
    for name, value in optimizer.numbers.items():
        known[_OF_OPTIMIZERS[name]] = Constant(value)
    clauses = (clause.split(r"\leftarrow") for clause in latex.split(r",\quad"))
    return [(_letter(left), _Reader(right, "θ", known).sequence()) for left, right in clauses]


_OF_OPTIMIZERS = {
    "momentum": "μ", "decay": "ρ", "epsilon": "ε", "beta_1": "β1", "beta_2": "β2",
}  # fmt: skip
_GREEK = {
    "theta": "θ", "eta": "η", "mu": "μ", "rho": "ρ", "beta": "β", "varepsilon": "ε",
    "alpha": "α", "delta": "δ", "lambda": "λ", "tau": "τ", "sigma": "σ", "Phi": "Φ", "pi": "π",
    "varphi": "φ", "tanh": "tanh", "log": "log", "max": "max",
}  # fmt: skip
_SIGNS = {
    "+": "+", "-": "−", "/": "/", "=": "=", "<": "<", ">": ">", r"\le": "≤", r"\cdot": "·",
    r"\Rightarrow": "⇒", ":=": ":=",
}  # fmt: skip
_NUMBERS = {"α": "alpha", "δ": "delta", "τ": "tau", "s": "slope"}
"""The letters of the numbers that records are made with."""

_FUNCTIONS = {"log", "max", "tanh", "σ", "erf", "sign"}
_TOKEN = re.compile(r"\\(?:text|mathrm|mathbb)\{[^}]*\}|\\[a-zA-Z]+|\\.|\d+(?:\.\d+)?|:=|[^\s]")
_SKIPPED = {r"\,", r"\ ", r"\;", r"\quad", r"\Bigl", r"\Bigr", r"\bigl", r"\bigr", r"\ldots"}
_LOCAL = re.compile(r"\s*(\\?[A-Za-z]+'?(?:\(z\))?)\s*=(.*)", re.S)


@lru_cache(maxsize=64)
def _read(derivation: str, numbers: tuple[tuple[str, float], ...]) -> RecordFormulas:
    lines = [line.strip() for line in derivation.split(r"\\") if line.strip()]
    named = re.match(r"(\\[a-z]+)\(z\)", lines[0])
    own = _letter(named[1]) if named else "φ"
    given = dict(numbers)
    known: dict[str, Any] = {
        letter: Constant(given[name]) for letter, name in _NUMBERS.items() if name in given
    }
    mains = [_without_definitions(line, own, known) for line in lines]
    rows, found, kind = [], {"value": None, "derivative": None}, "value"
    for line in filter(None, mains):
        row = _Reader(line, own, known).sequence()
        rows.append(row)
        left, sign, _ = line.partition("=")
        if left.strip():
            derived = "'" in left or left.startswith(r"\frac{\partial")
            kind = "derivative" if derived else "value" if len(rows) == 1 else ""
        if sign and kind and not left.endswith(":"):
            found[kind] = _last_expression(row)
    return RecordFormulas(own, found["value"], found["derivative"], tuple(rows))


def _without_definitions(line: str, own: str, known: dict[str, Any]) -> str:
    """Return a line without the clauses that define a letter (``r = …``); `known` takes them."""
    kept: list[str] = []
    for clause in reversed(re.split(r",\s*(?:\\quad|\\ )", line)):
        local = _LOCAL.match(clause)
        name = _letter(local[1]) if local else ""
        if local is None or name in ("C", f"{own}(z)", f"{own}'(z)"):
            kept.insert(0, clause)
        else:
            known[name] = _Reader(local[2], own, known).sequence()
    return r",\quad".join(kept)


def _letter(latex: str) -> str:
    name = re.sub(r"\\([A-Za-z]+)", lambda found: _GREEK.get(found[1], found[1]), latex)
    return name.strip()


def _last_expression(row: Any) -> Any:
    """Return what stands behind the last ``=`` of a row."""
    parts = row.parts
    start = max(i for i, part in enumerate(parts) if part == Written("=", sign=True))
    return _one(parts[start + 1 :])


def _one(parts: Any, *, grouped: bool = False) -> Any:
    """Return a row, or the one piece of it."""
    if len(parts) == 1 and (not grouped or _is_grouped(parts[0])):
        return parts[0]
    return Row(tuple(parts), grouped)


class _Reader:
    """Reads the little LaTeX that records are written in."""

    def __init__(self, latex: str, own: str, known: Mapping[str, Any]) -> None:
        self.tokens = [t for t in _TOKEN.findall(latex) if t not in _SKIPPED]
        self.own, self.known = own, known

    def sequence(self, stop: str = "", *, grouped: bool = False) -> Any:
        """Return all up to a closing sign, with a dot where two factors stand side by side."""
        parts: list[Any] = []
        factor = False  # whether the last part is one
        while self.tokens and self.tokens[0] != stop:
            token = self.tokens[0]
            if token in _SIGNS:
                self.tokens.pop(0)
                unary = token == "-" and not factor
                parts.append(Written(_SIGNS[token], sign=not unary))
                factor = False
            elif token == "," or token.startswith(r"\text"):
                self.tokens.pop(0)
                parts.append(Written(", " if token == "," else token[6:-1]))
                factor = False
            else:
                piece = self._factor()
                parts += [Written("·", sign=True)] * (factor and not self._applies(parts))
                parts.append(piece)
                factor = True
        if stop:
            self.tokens.pop(0)
        return _one(parts, grouped=grouped)

    @staticmethod
    def _applies(parts: list[Any]) -> bool:
        """Return whether the last part is d/dz."""
        return isinstance(parts[-1], Fraction) and parts[-1].top == Written("d")

    def _factor(self) -> Any:
        piece = self._atom()
        while self.tokens and self.tokens[0] in ("^", "'"):
            mark = self.tokens.pop(0)
            piece = Row((piece, Written("′"))) if mark == "'" else Power(piece, self._argument())
        return piece

    def _argument(self) -> Any:
        """Return what is in braces, or the one sign that needs none; ½ is written 12."""
        token = self.tokens[0]
        if token.isdigit() and len(token) > 1:
            self.tokens[0] = token[1:]
            return Constant(float(token[0]))
        return self._atom()

    def _index(self) -> str:
        if not (self.tokens and self.tokens[0] == "_"):
            return ""
        self.tokens.pop(0)
        token: str = self.tokens.pop(0)
        if token != "{":
            return token
        end = self.tokens.index("}")
        told, self.tokens = "".join(self.tokens[:end]), self.tokens[end + 1 :]
        return told

    def _atom(self) -> Any:
        token = self.tokens.pop(0)
        if token in ("{", "(", "|"):
            close = {"{": "}", "(": ")", "|": "|"}[token]
            inner = self.sequence(close, grouped=token == "(")
            if token != "|":
                return inner
            inner = replace(inner, grouped=False) if isinstance(inner, Row) else inner
            return Row((Written("|"), inner, Written("|")))
        if token[0].isdigit():
            return Constant(float(token))
        if token in (r"\frac", r"\tfrac"):
            return Fraction(self._argument(), self._argument())
        if token == r"\sqrt":
            return Row((Written("√"), _grouped(self._argument())))
        if token == r"\sum":
            return self._sum()
        if token in (r"\partial", "d") and self.tokens and self.tokens[0] != "}":
            return Row((Written("∂" if token != "d" else "d"), self._atom()))
        return self._named(token)

    def _sum(self) -> Sum:
        index = self._index()
        parts: list[Any] = []
        while self.tokens and self.tokens[0] not in ("+", "-", "=", ")", "}", ","):
            parts += [Written("·", sign=True)] * bool(parts)
            parts.append(self._factor())
        return Sum(index, _one(parts))

    def _named(self, token: str) -> Any:
        if token == r"\hat":
            self.tokens.pop(0)
            return Variable("p", self._index())
        if token.startswith(r"\mathbb"):
            return Variable("𝟙", self._index())
        name = _letter(token[8:-1] if token.startswith(r"\mathrm") else token)
        if name in ("z", "y", "a", "C"):
            return Variable(name, self._index())
        if self.own == "θ":  # of an optimiser
            name += self._index()
            return self.known.get(name, Variable(name[0]))
        if name == self.own:
            return self._own()
        for told in (f"{name}'(z)", f"{name}(z)", name):
            size = len(re.findall(r"[^\W_]+|[^\w\s]", told))
            if told in self.known and "".join([name, *self.tokens[: size - 1]]) == told:
                del self.tokens[: size - 1]
                inner = self.known[told]
                return inner if isinstance(inner, Constant) else _grouped(inner)
        if name in _FUNCTIONS:
            return Row((Written(name), _parenthesised(self._factor())))
        return Written(name)

    def _own(self) -> Any:
        """Return φ(z) as the activation; φ′(z) and φ(0) as they are written."""
        if self.tokens[0] == "'":
            self.tokens.pop(0)
            return _one([Variable("φ"), Written("′"), self._atom()])
        power = None
        if self.tokens[0] == "^":
            self.tokens.pop(0)
            power = self._argument()
        self._atom()
        a: Any = Variable("a")
        return a if power is None else Power(a, power)


def _is_grouped(tree: Any) -> bool:
    """Return whether a tree is in parentheses, or a function of what is."""
    return isinstance(tree, Row) and (
        tree.grouped or (len(tree.parts) == 2 and _is_grouped(tree.parts[1]))
    )


def _grouped(inner: Any) -> Any:
    """Return an argument in parentheses, unless it has them."""
    return inner if _is_grouped(inner) else Row((inner,), grouped=True)


def _parenthesised(inner: Any) -> Any:
    """Return what a function is applied to, in parentheses of its own."""
    return inner if isinstance(inner, Row) and inner.grouped else Row((inner,), grouped=True)


def filled(tree: Any, variable: Callable[[Variable], Node], units: int = 0) -> Any:
    """Return a formula with nodes for its variables; sums are written out over `units` units.

    With no units given, Σ stays.
    """
    if isinstance(tree, Variable):
        return variable(tree)
    if isinstance(tree, Sum):
        return _written_out(tree, variable, units)
    if isinstance(tree, Row):
        return replace(tree, parts=tuple(filled(part, variable, units) for part in tree.parts))
    if isinstance(tree, Fraction):
        top, bottom = (filled(part, variable, units) for part in (tree.top, tree.bottom))
        bar = isinstance(bottom, Row) and isinstance(tree.bottom, Sum)  # it needs no parentheses
        return Fraction(top, replace(bottom, grouped=False) if bar else bottom)
    if isinstance(tree, Power):
        return Power(filled(tree.base, variable, units), filled(tree.exponent, variable, units))
    return tree


def _written_out(tree: Sum, variable: Callable[[Variable], Node], units: int) -> Any:
    if not units:
        inner = filled(tree.inner, variable)
        return Row(
            (
                Written("Σ", tree.index),
                replace(inner, grouped=True) if isinstance(inner, Row) else inner,
            )
        )

    def bound(unit: int) -> Callable[[Variable], Node]:
        return lambda seen: variable(
            replace(seen, index=str(unit)) if seen.index == tree.index else seen
        )

    terms = [filled(tree.inner, bound(unit), units) for unit in range(min(units, SHOWN_TERMS))]
    return replace(added(terms, units), grouped=units > 1)


def added(terms: Iterable[Any], count: int) -> Row:
    """Return a sum of `count` terms, of which these are written out."""
    every = [*terms, More(count - SHOWN_TERMS)] if count > SHOWN_TERMS else terms
    return Row(tuple(part for term in every for part in (Written("+", sign=True), term))[1:])
