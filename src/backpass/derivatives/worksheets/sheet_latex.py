"""A worksheet as LaTeX, on portrait A4."""

from typing import Any

import numpy as np

from backpass.derivatives.tracing.formulas import Leaf
from backpass.derivatives.tracing.recording import Line
from backpass.derivatives.tracing.steps import Step
from backpass.derivatives.tracing.to_latex import (
    LatexPainter,
    aligned,
    escaped,
    heading_of,
    remarks_of,
)

BOX = r"\blank"
MANY_COLUMNS = 12


class BlankLatexPainter(LatexPainter):
    """Paints a box for a number that is not there."""

    def _number(self, text: str) -> str:
        return BOX if text == "nan" else super()._number(text)


HEAD = r"""\documentclass[a4paper,fleqn]{article}
\usepackage{amsmath}
\ifdefined\pdfpagewidth \pdfpagewidth=\paperwidth \pdfpageheight=\paperheight \fi
\setlength{\textwidth}{17cm}
\setlength{\textheight}{25cm}
\setlength{\oddsidemargin}{-0.5cm}
\setlength{\topmargin}{-2.2cm}
\setlength{\parindent}{0pt}
\setlength{\arraycolsep}{3.5pt}
\newcommand{\blank}{\rule[-1.5ex]{0pt}{4.6ex}\framebox{\rule[-0.35ex]{0pt}{2ex}\hspace{2.6em}}}
\newcommand{\room}{\vspace{1.2cm}}
\begin{document}
\section*{Backpropagation by hand}
"""
WHO = r"Name: \hrulefill\quad Date: \makebox[4cm]{\hrulefill}"


def sheet_document(sheet: Any) -> str:
    """Return a whole document."""
    given = r" \qquad ".join(f"${_equals(sheet, line)}$" for line in sheet.given)
    parts = [
        HEAD + r"{\small " + r"\\".join(map(escaped, sheet.solution.heading())) + r"\par}\medskip",
        WHO,
        r"\subsection*{Given}",
        rf"{{\renewcommand{{\arraystretch}}{{1.1}}\raggedright\lineskip=1.5ex {given}\par}}",
        r"\subsection*{Compute, with four significant digits where a number has more}",
    ]
    for section in sheet.sections:
        parts += [rf"\subsubsection*{{{escaped(section.title)}}}"] * bool(section.title)
        parts += [_step(sheet, step) for step in section.steps]
    return "\n\n".join([*parts, r"\end{document}"]) + "\n"


def _equals(sheet: Any, line: Line) -> str:
    """Return a quantity and its numbers."""
    assert isinstance(line.equation.left, Leaf)
    painter, seen = BlankLatexPainter(sheet.solution.notation), sheet.solution
    symbol = painter.symbol_of(line.equation.left, batch=seen.batch, last=seen.last)
    return f"{symbol} = {painter.show(line, seen.limits, batch=seen.batch).result}"


def _step(sheet: Any, step: Step) -> str:
    """Return a step whose title stays with its first line, with room to compute below it."""
    first, *rest = (_line(sheet, *shown) for shown in sheet.lines(step))
    parts = [
        r"\begin{minipage}{\textwidth}",
        heading_of(step),
        first,
        r"\end{minipage}\par",
        *rest,
        *remarks_of(step),
        *([r"\room"] if step.id in sheet.blank else []),
        r"\bigskip",
    ]
    return "\n".join(parts)


def _line(sheet: Any, line: Line, numbers: bool, result: bool) -> str:
    """Return a formula, this run's numbers in it, and the result or its boxes."""
    seen = sheet.solution
    shown = BlankLatexPainter(seen.notation).show(line, seen.limits, batch=seen.batch)
    known = [] if line.defines else line.quantities()[1]
    shapes = [np.shape(line.values(leaf)) for leaf in known]
    many = sum(shape[1] for shape in shapes if len(shape) == 2) >= MANY_COLUMNS
    size = r"\small" if not numbers else r"\scriptsize" if many else r"\footnotesize"
    filled = shown.numbers if numbers else None
    return f"{{{size}{aligned(shown.symbols, filled, shown.result if result else None)}}}"
