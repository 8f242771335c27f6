"""A trace as LaTeX."""

from collections.abc import Sequence
from typing import Any

from backpass.derivatives.notation.symbols import Symbol
from backpass.derivatives.notation.table import Operators
from backpass.derivatives.tracing.formatter import Cut, cuts, show, symbol_of
from backpass.derivatives.tracing.steps import Line, Step

__all__ = ["LatexPainter", "escaped", "latex_page"]

_LETTERS = {
    "α": r"\alpha",
    "β": r"\beta",
    "δ": r"\delta",
    "ζ": r"\zeta",
    "η": r"\eta",
    "λ": r"\lambda",
    "ρ": r"\rho",
    "φ": r"\varphi",
    "ω": r"\omega",
    "Ω": r"\Omega",
    "Φ": r"\Phi",
    "ℒ": r"\mathcal{L}",
    "ℬ": r"\mathcal{B}",
    "ℰ": r"\mathcal{E}",
    "ℒₙ": r"\mathcal{L}_n",
    "ŷ": r"\hat{y}",
    "Ŷ": r"\hat{Y}",
    "𝒞": r"\mathcal{C}",
    "𝒫": r"\mathcal{P}",
    "𝟏": r"\mathbf{1}",
    "𝐟": r"\mathbf{f}",
    "Σ‖W‖²": r"\textstyle\sum \lVert W \rVert^2",
}

_SIGNS = {
    "·": r"\cdot",
    "⊙": r"\odot",
    "−": "-",
    "←": r"\leftarrow",
    "@": r"\mathbin{@}",
    "*": r"\ast",
}

_WORDS = {"Σ": r"\sum", "′": "'", "diag": r"\operatorname{diag}"}

_SPECIAL = str.maketrans({c: f"\\{c}" for c in "&%$#_{}"} | {"\\": r"\textbackslash{}"})


def escaped(text: str) -> str:
    """Return text in which no character means anything to LaTeX."""
    plain = text.translate(_SPECIAL)
    for sign, name in (("φ", r"$\varphi$"), ("′", "$'$"), ("…", r"\dots{}"), ("×", r"$\times$")):
        plain = plain.replace(sign, name)
    return plain.replace("<", "$<$").replace("^", r"\^{}")


class LatexPainter:
    """Paints with LaTeX's commands.

    Parameters
    ----------
    operators : Operators
        The notation's.
    from_zero : bool
        Whether elements are counted from 0.
    """

    def __init__(self, operators: Operators, *, from_zero: bool = False) -> None:
        self.operators, self.from_zero = operators, from_zero

    def row(self, pieces: Sequence[str]) -> str:
        """Return pieces beside one another."""
        return " ".join(pieces)

    def sign(self, text: str) -> str:
        """Return an operator."""
        return _SIGNS.get(text, text)

    def group(self, piece: str) -> str:
        """Return a piece in parentheses."""
        return rf"\left( {piece} \right)"

    def transposed(self, piece: str) -> str:
        """Return a piece with the sign of transposition."""
        if self.operators.transpose.startswith("."):
            return rf"{piece}\mathtt{{.T}}"
        inner = piece if piece.isalpha() else rf"\left({piece}\right)"
        return f"{inner}^T"

    def fraction(self, top: str, bottom: str) -> str:
        """Return a fraction."""
        return rf"\frac{{{top}}}{{{bottom}}}"

    def apply(self, function: str, argument: str) -> str:
        """Return a function of something."""
        return f"{function} {self.group(argument)}"

    def symbol(self, symbol: Symbol, layer: int | None, entry: tuple[int, ...] = ()) -> str:
        """Return a symbol with its indices."""
        if symbol.of:
            inner = [
                self.symbol(part, layer, part_entry)
                for part, part_entry in zip(symbol.of, symbol.entries(entry), strict=True)
            ]
            if symbol.letter == "∇" and len(inner) == 2:
                return rf"\nabla_{{{inner[0]}}} {inner[1]}"
            if len(inner) == 2:
                return self.fraction(*(rf"\partial {part}" for part in inner))
            return rf"\nabla {inner[0]}" if symbol.prefix else rf"\nabla_{{{inner[0]}}}"
        piece = self._indexed(symbol, layer, entry)
        return rf"\left[{piece}\right]^T" if symbol.transposed else piece

    def _indexed(self, symbol: Symbol, layer: int | None, entry: tuple[int, ...]) -> str:
        letter = _LETTERS.get(symbol.letter, symbol.letter)
        letter = rf"\mathbf{{{letter}}}" if symbol.bold else letter
        above, below = symbol.placed(layer, entry, 1 - self.from_zero)
        return letter + (f"_{{{below}}}" if below else "") + (f"^{{{above}}}" if above else "")

    def of_sample(self, piece: str, number: int) -> str:
        """Return a piece with the number of the sample that it belongs to."""
        return rf"\left[{piece}\right]_{{{number}}}"

    def under(self, piece: str, text: str) -> str:
        """Return a piece with a line of text under it."""
        return rf"\underset{{{text.replace('×', chr(92) + 'times ')}}}{{{piece}}}"

    def brace(self, piece: str, text: str) -> str:
        """Return a piece with a brace under it, and text under the brace."""
        return rf"\underbrace{{{piece}}}_{{\text{{{escaped(text)}}}}}"

    def matrix(self, part: Cut) -> str:
        """Return an array in brackets."""
        rows = [list(map(self.number, row)) for row in part.texts]
        if len(part.columns) < part.shape[1]:
            rows = [[*row, r"\cdots"] for row in rows]
        if len(part.rows) < part.shape[0]:
            rows.append([r"\vdots"] * len(rows[0]))
        body = r" \\ ".join(" & ".join(row) for row in rows)
        columns = "r" * len(rows[0])
        return rf"\left[\begin{{array}}{{{columns}}} {body} \end{{array}}\right]"

    def number(self, text: str) -> str:
        """Return a number."""
        mantissa, _, exponent = text.partition("e")
        return rf"{mantissa} \cdot 10^{{{int(exponent)}}}" if exponent else text

    def words(self, text: str) -> str:
        """Return upright text."""
        if text.startswith("…"):
            return rf"\dots \text{{{escaped(text[1:])}}}"
        if text == "∂C/∂z":
            return r"\frac{\partial C}{\partial z}"
        return _WORDS.get(text, rf"\text{{{escaped(text)}}}" if text.strip(", ") else text)


HEAD = r"""\documentclass[a4paper,landscape]{article}
\usepackage{amsmath}
\ifdefined\pdfpagewidth \pdfpagewidth=\paperwidth \pdfpageheight=\paperheight \fi
\setlength{\textwidth}{26.5cm}
\setlength{\textheight}{17.5cm}
\setlength{\oddsidemargin}{-1cm}
\setlength{\topmargin}{-2cm}
\setlength{\parindent}{0pt}
\allowdisplaybreaks
\begin{document}
\footnotesize
"""


def latex_page(trace: Any) -> str:
    """Return a whole document."""
    sizes = "-".join(map(str, trace.network.sizes))
    parts = [
        HEAD + rf"\section*{{Trace of a {sizes} network}}",
        *(escaped(line) for line in trace.heading()),
    ]
    for section in trace.sections:
        if section.title:
            parts.append(rf"\subsection*{{{escaped(section.title)}}}")
        parts += [_step(trace, step) for step in section.steps]
    return "\n\n".join([*parts, r"\end{document}"]) + "\n"


def _step(trace: Any, step: Step) -> str:
    place = f" ({escaped(step.place)})" if step.place else ""
    parts = [rf"\textbf{{{step.id}}} layer {step.layer}: {escaped(step.title)}{place}"]
    for line in step.lines:
        parts.append(_line(trace, line))
    parts += [rf"\emph{{{escaped(remark)}}}" for remark in step.remarks]
    return "\n".join(parts)


def _line(trace: Any, line: Line) -> str:
    notation = trace.notation
    painter = LatexPainter(notation.operators, from_zero=notation.from_zero)
    shown = show(line, painter, trace.limits, batch=trace.batch)
    rows = [shown.symbols]
    rows += [f"&= {shown.numbers}"] if shown.numbers is not None else []
    rows.append(f"&= {shown.result}")
    body = " \\\\\n".join([f"& {rows[0]}", *rows[1:]])
    texts = [f"\\begin{{align*}}\n{body}\n\\end{{align*}}"]
    for leaf, part in cuts(line, trace.limits):
        symbol = symbol_of(leaf, painter, notation, batch=trace.batch, last=trace.last)
        texts.append(
            f"${symbol}$: {len(part.rows)} by {len(part.columns)} of {part.shape[0]} by "
            f"{part.shape[1]} shown, {part.left_out} entries left out"
        )
    return "\n".join(texts)
