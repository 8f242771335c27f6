"""A trace as LaTeX: a document that plain amsmath compiles."""

from backpass.derivatives.tracing.layout import cuts, show, symbol_of
from backpass.derivatives.tracing.result import Traced
from backpass.derivatives.tracing.steps import Line, Step
from backpass.derivatives.tracing.to_latex import LatexPainter, escaped

__all__ = ["latex_page"]

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


def latex_page(trace: Traced) -> str:
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


def _step(trace: Traced, step: Step) -> str:
    place = f" ({escaped(step.place)})" if step.place else ""
    parts = [rf"\textbf{{{step.id}}} layer {step.layer}: {escaped(step.title)}{place}"]
    for line in step.lines:
        parts.append(_line(trace, line))
    parts += [rf"\emph{{{escaped(remark)}}}" for remark in step.remarks]
    return "\n".join(parts)


def _line(trace: Traced, line: Line) -> str:
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
