"""A worksheet as LaTeX, on portrait A4."""

from typing import Any

from backpass.derivatives.tracing.formulas import Leaf
from backpass.derivatives.tracing.steps import Line, Step
from backpass.derivatives.tracing.to_latex import LatexPainter, escaped

BOX = r"\blank"


class BlankLatexPainter(LatexPainter):
    """Paints a box for a number that is not there."""

    def _number(self, text: str) -> str:
        return BOX if text == "nan" else super()._number(text)


HEAD = r"""\documentclass[a4paper,fleqn]{article}
\usepackage{amsmath}
\ifdefined\pdfpagewidth \pdfpagewidth=\paperwidth \pdfpageheight=\paperheight \fi
\ifdefined\pdftrailerid \pdftrailerid{} \pdfsuppressptexinfo=-1 \fi
\setlength{\textwidth}{17cm}
\setlength{\textheight}{25cm}
\setlength{\oddsidemargin}{-0.5cm}
\setlength{\topmargin}{-2.2cm}
\setlength{\parindent}{0pt}
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
    """Return a step that no page break divides, with room to compute below it."""
    place = f" ({escaped(step.place)})" if step.place else ""
    blank = step.id in sheet.blank
    parts = [
        r"\begin{minipage}{\textwidth}",
        rf"\textbf{{{step.id}}} layer {step.layer}: {escaped(step.title)}{place}",
        *(_line(sheet, line, blank) for line in step.lines),
        *(rf"\emph{{{escaped(remark)}}}" for remark in step.remarks),
        *([r"\room"] if blank else []),
        r"\end{minipage}\par\bigskip",
    ]
    return "\n".join(parts)


def _line(sheet: Any, line: Line, blank: bool) -> str:
    """Return a formula with boxes for its result; with its numbers, too, where it is not blank."""
    seen = sheet.solution
    shown = BlankLatexPainter(seen.notation).show(line, seen.limits, batch=seen.batch)
    if blank:
        return f"\\[ {shown.symbols} = {shown.result} \\]"
    rows = [f"& {shown.symbols}"]
    rows += [f"&= {shown.numbers}"] if shown.numbers is not None else []
    body = " \\\\\n".join([*rows, f"&= {shown.result}"])
    return f"{{\\footnotesize\\begin{{align*}}\n{body}\n\\end{{align*}}}}"
