"""A trace as text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from backpass.derivatives.notation.symbols import Symbol
from backpass.derivatives.notation.table import Operators
from backpass.derivatives.tracing.formatter import Cut, cuts, show, symbol_of
from backpass.derivatives.tracing.steps import Line, Step

__all__ = ["Box", "TextPainter", "folded", "lower", "text_page", "upper"]

_UP = str.maketrans("0123456789+-()lLkjinm", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ˡᴸᵏʲⁱⁿᵐ")
_LOW = str.maketrans("0123456789+-()lkjinma", "₀₁₂₃₄₅₆₇₈₉₊₋₍₎ₗₖⱼᵢₙₘₐ")


def upper(text: str) -> str:
    """Return a text as superscript."""
    return text.translate(_UP)


def lower(text: str) -> str:
    """Return a text as subscript; a comma stays."""
    return text.translate(_LOW)


@dataclass(frozen=True)
class Box:
    """Lines of equal width, one of which is the line of writing.

    Parameters
    ----------
    lines : tuple of str
    base : int
        The line of writing.
    parts : tuple of Box
        What stands side by side in it; there it may be folded.
    labelled : bool
        Whether the lines below the line of writing are labels.
    """

    lines: tuple[str, ...]
    base: int = 0
    parts: tuple["Box", ...] = ()
    labelled: bool = False

    @property
    def width(self) -> int:
        """Characters in a line."""
        return len(self.lines[0])


def _beside(boxes: Sequence[Box]) -> Box:
    above = max(box.base for box in boxes)
    below = max(len(box.lines) - box.base for box in boxes)
    lines = []
    for row in range(above + below):
        texts = []
        for box in boxes:
            at = row - above + box.base
            texts.append(box.lines[at] if 0 <= at < len(box.lines) else " " * box.width)
        lines.append("".join(texts))
    return Box(tuple(lines), above, tuple(boxes), any(box.labelled for box in boxes))


def folded(box: Box, width: int) -> list[Box]:
    """Return a box as rows of at most `width` characters, where its parts allow."""
    if box.width <= width or not box.parts:
        return [box]
    rows: list[list[Box]] = [[]]
    for part in _flat(box, width):
        if rows[-1] and sum(b.width for b in rows[-1]) + part.width > width:
            rows.append([])
        rows[-1].append(part)
    return [_beside(row) for row in rows]


def _flat(box: Box, width: int) -> list[Box]:
    if box.width <= width // 2 or not box.parts:
        return [box]
    return [inner for part in box.parts for inner in _flat(part, width)]


class TextPainter:
    """Paints with characters; formulas stay in one line, matrices take several.

    Parameters
    ----------
    operators : Operators
        The notation's.
    from_zero : bool
        Whether elements are counted from 0.
    """

    def __init__(self, operators: Operators, *, from_zero: bool = False) -> None:
        self.operators, self.from_zero = operators, from_zero

    def row(self, pieces: Sequence[Box]) -> Box:
        """Return pieces beside one another."""
        return _beside(pieces)

    def sign(self, text: str) -> Box:
        """Return an operator with space around it."""
        return Box((f" {text} " if text else " ",))

    def group(self, piece: Box) -> Box:
        """Return a piece in parentheses."""
        return _beside([_bracket(piece, "(⎛⎜⎝"), piece, _bracket(piece, ")⎞⎟⎠")])

    def transposed(self, piece: Box) -> Box:
        """Return a piece with the sign of transposition."""
        sign = self.operators.transpose
        simple = len(piece.lines) == 1 and (piece.width < 2 or sign.startswith("."))
        inner = piece if simple else self.group(piece)
        return _beside([inner, Box((sign,))])

    def fraction(self, top: Box, bottom: Box) -> Box:
        """Return a fraction, in the line."""
        return _beside([top, Box(("/",)), self.group(bottom) if bottom.parts else bottom])

    def apply(self, function: Box, argument: Box) -> Box:
        """Return a function of something."""
        return _beside([function, self.group(argument)])

    def symbol(self, symbol: Symbol, layer: int | None, entry: tuple[int, ...] = ()) -> Box:
        """Return a symbol with its indices."""
        return Box((self._symbol(symbol, layer, entry),))

    def _symbol(self, symbol: Symbol, layer: int | None, entry: tuple[int, ...] = ()) -> str:
        if symbol.of:
            inner = [
                self._symbol(part, layer, part_entry)
                for part, part_entry in zip(symbol.of, symbol.entries(entry), strict=True)
            ]
            if symbol.letter == "∂":
                return f"∂{inner[0]}/∂{inner[1]}"
            if len(inner) == 2:
                return f"∇_{inner[0]} {inner[1]}"
            return f"∇{inner[0]}" if symbol.prefix else f"∇_{inner[0]}"
        above, below = symbol.placed(layer, entry, 1 - self.from_zero)
        text = symbol.letter + upper(above) + lower(below)
        return f"[{text}]{self.operators.transpose}" if symbol.transposed else text

    def of_sample(self, piece: Box, number: int) -> Box:
        """Return a piece with the number of the sample that it belongs to."""
        return _beside([Box(("[",)), piece, Box((f"]{lower(str(number))}",))])

    def under(self, piece: Box, text: str) -> Box:
        """Return a piece with a line of text under it."""
        width = max(piece.width, len(text))
        lines = tuple(line.center(width) for line in (*piece.lines, text))
        return Box(lines, piece.base, labelled=True)

    def brace(self, piece: Box, text: str) -> Box:
        """Return a piece with a brace under it, and text under the brace."""
        if len(piece.lines) > 1:
            return self.under(piece, text)
        width = max(piece.width, len(text))
        lines = (piece.lines[0], "└" + "─" * (width - 2) + "┘", text)
        centred = tuple(line.center(width) for line in lines)
        return _beside([Box((" ",)), Box(centred, piece.base, labelled=True), Box((" ",))])

    def matrix(self, part: Cut) -> Box:
        """Return an array in brackets, its columns flush right."""
        rows = [
            [*texts, "…"] if len(part.columns) < part.shape[1] else texts for texts in part.texts
        ]
        if len(part.rows) < part.shape[0]:
            rows = [*rows, ["⋮"] * len(rows[0])]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = tuple(
            " ".join(text.rjust(width) for text, width in zip(row, widths, strict=True))
            for row in rows
        )
        inner = Box(lines, (len(lines) - 1) // 2)
        return _beside([_bracket(inner, "[⎡⎢⎣", " "), inner, _bracket(inner, "]⎤⎥⎦", "", " ")])

    def number(self, text: str) -> Box:
        """Return a number."""
        return Box((text,))

    def words(self, text: str) -> Box:
        """Return upright text."""
        return Box((text,))


def _bracket(piece: Box, signs: str, after: str = "", before: str = "") -> Box:
    """Return a bracket as high as a piece: of one line, or top, middle and end."""
    n = 1 if piece.labelled else len(piece.lines)
    column = signs[0] if n == 1 else signs[1] + signs[2] * (n - 2) + signs[3]
    return Box(tuple(f"{before}{sign}{after}" for sign in column), piece.base if n > 1 else 0)


def text_page(trace: Any, width: int = 100) -> str:
    """Return the whole trace as text, in lines of at most `width` characters where possible."""
    parts = trace.heading()
    for section in trace.sections:
        if section.title:
            parts += ["", f"=== {section.title} ==="]
        for step in section.steps:
            parts += ["", _step(trace, step, width)]
    return "\n".join(parts) + "\n"


def _step(trace: Any, step: Step, width: int) -> str:
    place = f"  ({step.place})" if step.place else ""
    texts = [f"{step.id}  layer {step.layer}  {step.title}{place}"]
    for line in step.lines:
        texts += _line(trace, line, width)
    texts += [f"    ! {remark}" for remark in step.remarks]
    return "\n".join(texts)


def _line(trace: Any, line: Line, width: int) -> list[str]:
    notation = trace.notation
    painter = TextPainter(notation.operators, from_zero=notation.from_zero)
    shown = show(line, painter, trace.limits, batch=trace.batch)
    texts = _indented(shown.symbols, "    ", "    ", width)
    for piece in filter(None, (shown.numbers, shown.result)):
        low = len(shown.symbols.lines) == len(piece.lines) == 1  # numbers, not matrices
        texts += [*[""] * (not low), *_indented(piece, "      = ", "        ", width)]
    for leaf, part in cuts(line, trace.limits):
        symbol = symbol_of(leaf, painter, notation, batch=trace.batch, last=trace.last).lines[0]
        texts.append(
            f"    {symbol}: {len(part.rows)}×{len(part.columns)} of "
            f"{part.shape[0]}×{part.shape[1]} shown, {part.left_out} entries left out"
        )
    return texts


def _indented(box: Box, first: str, rest: str, width: int) -> list[str]:
    texts = []
    for i, row in enumerate(folded(box, width - len(rest))):
        for at, text in enumerate(row.lines):
            start = first if i == 0 and at == row.base else rest
            texts.append((start + text).rstrip())
    return texts
