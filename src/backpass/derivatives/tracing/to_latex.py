"""A trace as LaTeX."""

from collections.abc import Iterator, Sequence
from typing import Any

from backpass.derivatives.notation.table import Symbol
from backpass.derivatives.tracing.formatter import Cut, Painter, cuts
from backpass.derivatives.tracing.recording import Line
from backpass.derivatives.tracing.steps import Step
from backpass.derivatives.tracing.table_columns import table_rows

_LETTERS = {
    "α": r"\alpha", "β": r"\beta", "δ": r"\delta", "ε": r"\varepsilon", "ζ": r"\zeta", "η": r"\eta",
    "λ": r"\lambda", "π": r"\pi", "ρ": r"\rho", "σ": r"\sigma", "τ": r"\tau", "φ": r"\varphi",
    "ω": r"\omega", "Ω": r"\Omega", "Φ": r"\Phi",
    "ℒ": r"\mathcal{L}", "ℬ": r"\mathcal{B}", "ℰ": r"\mathcal{E}",
    "ŷ": r"\hat{y}", "Ŷ": r"\hat{Y}", "𝒞": r"\mathcal{C}", "𝒫": r"\mathcal{P}",
    "𝟏": r"\mathbf{1}", "𝟙": r"\mathbf{1}", "𝐟": r"\mathbf{f}", "𝐠": r"\mathbf{g}", "Σ": r"\sum",
    "Σ‖W‖²": r"\textstyle\sum \lVert W \rVert^2",
}  # fmt: skip

_SIGNS = {
    "·": r"\cdot", "⊙": r"\odot", "−": "-", "←": r"\leftarrow", "≤": r"\leq",
    "⇒": r"\Rightarrow", "@": r"\mathbin{@}", "*": r"\ast",
}  # fmt: skip

_WORDS = {"Σ": r"\sum", "′": "'", "−": "-", "√": r"\surd ", "|": "|", "∂": r"\partial "} | {
    word: rf"\operatorname{{{word}}}" for word in ("diag", "log", "max", "tanh", "erf", "sign")
}

_SPECIAL = str.maketrans({c: f"\\{c}" for c in "&%$#_{}"} | {"\\": r"\textbackslash{}"})


_IN_TEXT = {
    "φ": r"$\varphi$", "′": "$'$", "…": r"\dots{}", "×": r"$\times$", "√": r"$\surd$",
    "²": r"\textsuperscript{2}", "−": "$-$", "π": r"$\pi$", "–": "--",
    "Φ": r"$\Phi$", "ε": r"$\varepsilon$",
}  # fmt: skip


def escaped(text: str) -> str:
    """Return text in which no character means anything to LaTeX."""
    plain = text.translate(_SPECIAL).replace("^", r"\^{}")
    for sign, name in _IN_TEXT.items():
        plain = plain.replace(sign, name)
    return plain.replace("<", "$<$")


class LatexPainter(Painter[str]):
    """Paints with commands of amsmath."""

    def _row(self, pieces: Sequence[str]) -> str:
        return " ".join(pieces)

    def _sign(self, text: str) -> str:
        return _SIGNS.get(text, text)

    _group = r"\left( {} \right)".format
    _fraction = r"\frac{{{}}}{{{}}}".format
    _in_brackets_transposed = r"\left[{}\right]^T".format
    _of_sample = r"\left[{}\right]_{{{}}}".format

    def _transposed(self, piece: str, brackets: str) -> str:
        if self.operators.transpose.startswith("."):
            return rf"{piece}\mathtt{{.T}}"
        if brackets:
            return rf"\left{brackets[0]}{piece}\right{brackets[1]}^T"
        return f"{piece}^T"

    def _power(self, base: str, exponent: str) -> str:
        simple = len(base) == 1 or base.endswith(r"\right)") or base.replace(".", "").isdigit()
        return f"{base if simple else self._group(base)}^{{{exponent}}}"

    def _apply(self, function: str, argument: str) -> str:
        return f"{function} {self._group(argument)}"

    def _letter(self, symbol: Symbol, above: str, below: str) -> str:
        plain = symbol.letter.removesuffix("\u0303")
        before = plain[0] if len(plain) > 1 and plain[0] in "Δd" else ""
        letter = _LETTERS.get(plain.removeprefix(before), plain.removeprefix(before))
        letter = rf"\tilde{{{letter}}}" if plain != symbol.letter else letter
        letter = before.replace("Δ", r"\Delta ") + letter
        letter = rf"\mathbf{{{letter}}}" if symbol.bold else letter
        return letter + (f"_{{{below}}}" if below else "") + (f"^{{{above}}}" if above else "")

    def _derivative(self, of: str, by: str) -> str:
        return self._fraction(rf"\partial {of}", rf"\partial {by}")

    def _nabla(self, by: str, of: str | None, prefix: bool) -> str:
        sign = rf"\nabla {by}" if prefix else rf"\nabla_{{{by}}}"
        return sign if of is None else f"{sign} {of}"

    def _under(self, piece: str, text: str) -> str:
        return rf"\underset{{{text.replace('×', chr(92) + 'times ')}}}{{{piece}}}"

    def _brace(self, piece: str, text: str) -> str:
        return rf"\underbrace{{{piece}}}_{{\text{{{escaped(text)}}}}}"

    def _matrix(self, part: Cut) -> str:
        rows = [list(map(self._number, row)) for row in part.dotted(r"\cdots", r"\vdots")]
        body = r" \\ ".join(" & ".join(row) for row in rows)
        columns = "r" * len(rows[0])
        return rf"\left[\begin{{array}}{{{columns}}} {body} \end{{array}}\right]"

    def _number(self, text: str) -> str:
        if text.startswith("\\"):  # dots
            return text
        mantissa, _, exponent = text.partition("e")
        return rf"{mantissa} \cdot 10^{{{int(exponent)}}}" if exponent else text

    def _words(self, text: str) -> str:
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
    parts = [
        HEAD + rf"\section*{{{trace.title} a {trace.widths} network}}",
        *(escaped(line) for line in trace.heading()),
        *_table_rows(trace),
    ]
    for section in trace.sections:
        if section.title:
            parts.append(rf"\subsection*{{{escaped(section.title)}}}")
        parts += [_step(trace, step) for step in section.steps]
    return "\n\n".join([*parts, r"\end{document}"]) + "\n"


def _table_rows(trace: Any) -> Iterator[str]:
    """Yield each row as it was in a table, a line a column."""
    for title, lines in table_rows(trace):
        body = " \\\\\n".join(" & ".join(map(escaped, line)) for line in lines)
        table = f"\\begin{{tabular}}{{lp{{4cm}}p{{7cm}}p{{9cm}}}}\n{body}\n\\end{{tabular}}"
        yield f"{escaped(title)}:\n\n{table}"


def heading_of(step: Step) -> str:
    """Return a step's id, layer, title and place."""
    place = f" ({escaped(step.place)})" if step.place else ""
    return rf"\textbf{{{step.id}}} layer {step.layer}: {escaped(step.title)}{place}"


def remarks_of(step: Step) -> list[str]:
    """Return what is worth a look in a step."""
    return [rf"\emph{{{escaped(remark)}}}" for remark in step.remarks]


def _step(trace: Any, step: Step) -> str:
    lines = (_line(trace, line) for line in step.lines)
    return "\n".join([heading_of(step), *lines, *remarks_of(step)])


def aligned(first: str, *rest: str | None) -> str:
    """Return a formula, and below it what it equals."""
    body = " \\\\\n".join([f"& {first}", *(f"&= {row}" for row in rest if row is not None)])
    return f"\\begin{{align*}}\n{body}\n\\end{{align*}}"


def _line(trace: Any, line: Line) -> str:
    painter = LatexPainter(trace.notation)
    shown = painter.show(line, trace.limits, batch=trace.batch)
    texts = [aligned(shown.symbols, shown.numbers, shown.result)]
    for leaf, part in cuts(line, trace.limits):
        symbol = painter.symbol_of(leaf, batch=trace.batch, last=trace.last)
        texts.append(part.note(f"${symbol}$", " by "))
    return "\n".join(texts)
