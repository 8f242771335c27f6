"""A trace as text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from backpass.derivatives.notation.in_line import lower, upper
from backpass.derivatives.notation.table import Symbol
from backpass.derivatives.tracing.formatter import Cut, Painter, cuts
from backpass.derivatives.tracing.recording import Line
from backpass.derivatives.tracing.steps import Step
from backpass.derivatives.tracing.table_columns import table_rows


@dataclass(frozen=True)
class Box:
    """Lines of equal width, one of which is the line of writing."""

    lines: tuple[str, ...]
    base: int = 0  # the line of writing
    parts: tuple["Box", ...] = ()  # what stands side by side in it; there it may be folded
    labelled: bool = False  # whether the lines below the line of writing are labels

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


class TextPainter(Painter[Box]):
    """Paints with characters; formulas stay in one line, matrices take several."""

    def _row(self, pieces: Sequence[Box]) -> Box:
        return _beside(pieces)

    def _sign(self, text: str) -> Box:
        return Box((f" {text} " if text else " ",))

    def _group(self, piece: Box) -> Box:
        return _beside([_bracket(piece, "(⎛⎜⎝"), piece, _bracket(piece, ")⎞⎟⎠")])

    def _transposed(self, piece: Box, brackets: str) -> Box:
        sign = self.operators.transpose
        if brackets and not sign.startswith("."):
            piece = _beside([Box((brackets[0],)), piece, Box((brackets[1],))])
        return _beside([piece, Box((sign,))])

    def _fraction(self, top: Box, bottom: Box) -> Box:
        return _beside([self._factor(top), Box(("/",)), self._factor(bottom)])

    def _factor(self, piece: Box) -> Box:
        text = piece.lines[0]
        return self._group(piece) if " " in text or text[0] == "−" else piece

    def _power(self, base: Box, exponent: Box) -> Box:
        if len(exponent.lines[0]) == 1 and exponent.lines[0].isdigit():
            text = base.lines[0]
            simple = len(text) == 1 or text[-1] == ")" or text.replace(".", "").isdigit()
            base = base if simple else self._group(base)
            return _beside([base, Box((upper(exponent.lines[0]),))])
        return _beside([base, Box(("^",)), self._factor(exponent)])

    def _apply(self, function: Box, argument: Box) -> Box:
        return _beside([function, self._group(argument)])

    def _letter(self, symbol: Symbol, above: str, below: str) -> Box:
        return Box((symbol.letter + upper(above) + lower(below),))

    def _in_brackets_transposed(self, piece: Box) -> Box:
        return Box((f"[{piece.lines[0]}]{self.operators.transpose}",))

    def _derivative(self, of: Box, by: Box) -> Box:
        return Box((f"∂{of.lines[0]}/∂{by.lines[0]}",))

    def _nabla(self, by: Box, of: Box | None, prefix: bool) -> Box:
        sign = f"∇{by.lines[0]}"  # there are no small capitals to stand below
        return Box((sign if of is None else f"{sign} {of.lines[0]}",))

    def _of_sample(self, piece: Box, number: int) -> Box:
        return _beside([Box(("[",)), piece, Box((f"]{lower(str(number))}",))])

    def _under(self, piece: Box, text: str) -> Box:
        width = max(piece.width, len(text))
        lines = tuple(line.center(width) for line in (*piece.lines, text))
        return Box(lines, piece.base, labelled=True)

    def _brace(self, piece: Box, text: str) -> Box:
        if len(piece.lines) > 1:
            return self._under(piece, text)
        width = max(piece.width, len(text))
        lines = (piece.lines[0], "└" + "─" * (width - 2) + "┘", text)
        centred = tuple(line.center(width) for line in lines)
        return _beside([Box((" ",)), Box(centred, piece.base, labelled=True), Box((" ",))])

    def _matrix(self, part: Cut) -> Box:
        rows = part.dotted("…", "⋮")
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = tuple(
            " ".join(text.rjust(width) for text, width in zip(row, widths, strict=True))
            for row in rows
        )
        inner = Box(lines, (len(lines) - 1) // 2)
        return _beside([_bracket(inner, "[⎡⎢⎣", " "), inner, _bracket(inner, "]⎤⎥⎦", "", " ")])

    def _number(self, text: str) -> Box:
        return Box((text,))

    def _words(self, text: str) -> Box:
        return Box((text,))


def _bracket(piece: Box, signs: str, after: str = "", before: str = "") -> Box:
    """Return a bracket as high as a piece: of one line, or top, middle and end."""
    n = 1 if piece.labelled else len(piece.lines)
    column = signs[0] if n == 1 else signs[1] + signs[2] * (n - 2) + signs[3]
    return Box(tuple(f"{before}{sign}{after}" for sign in column), piece.base if n > 1 else 0)


def text_page(trace: Any, width: int = 100) -> str:
    """Return the whole trace as text, in lines of at most `width` characters where possible."""
    parts = trace.heading()
    for title, lines in table_rows(trace):
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        padded = ("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
        parts += ["", f"{title}:", *(f"    {line}" for line in padded)]
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
    painter = TextPainter(trace.notation)
    shown = painter.show(line, trace.limits, batch=trace.batch)
    texts = _indented(shown.symbols, "    ", "    ", width)
    for piece in filter(None, (shown.numbers, shown.result)):
        low = len(shown.symbols.lines) == len(piece.lines) == 1  # numbers, not matrices
        texts += [*[""] * (not low), *_indented(piece, "      = ", "        ", width)]
    for leaf, part in cuts(line, trace.limits):
        symbol = painter.symbol_of(leaf, batch=trace.batch, last=trace.last).lines[0]
        texts.append(f"    {part.note(symbol)}")
    return texts


def _indented(box: Box, first: str, rest: str, width: int) -> list[str]:
    texts = []
    for i, row in enumerate(folded(box, width - len(rest))):
        for at, text in enumerate(row.lines):
            start = first if i == 0 and at == row.base else rest
            texts.append((start + text).rstrip())
    return texts
