"""A worksheet as a page: boxes to be filled in, for screen and printer."""

import html
from typing import Any

from backpass.derivatives import pages
from backpass.derivatives.tracing.formulas import Leaf
from backpass.derivatives.tracing.recording import Line
from backpass.derivatives.tracing.to_html import MathPainter, framed_step

BOX = '<mspace class="bp-box" width="3.4em" height="1.15em" depth=".45em"></mspace>'


class BlankMathPainter(MathPainter):
    """Paints a box for a number that is not there."""

    def _number(self, text: str) -> str:
        return BOX if text == "nan" else super()._number(text)


SHEET_STYLE = """
.bp-sheet { max-width: 48rem; margin: auto; }
.bp-sheet header p { margin: .2em 0; color: var(--soft); }
.bp-sheet h1 { font-size: 1.5em; margin: 0 0 .4em; }
.bp-sheet .bp-who { display: flex; flex-wrap: wrap; gap: .6em 2em; margin: 1em 0; }
.bp-sheet .bp-who span { flex: 1 1 12em; border-bottom: 1px solid var(--soft); }
.bp-sheet .bp-given { display: flex; flex-wrap: wrap; gap: .8em 1.8em; overflow-x: auto;
  border: 1px solid var(--rule); border-radius: .4em; padding: .8em 1em; }
.bp-sheet .bp-box { border: 1px solid var(--soft); border-radius: .2em; margin: .12em .05em; }
.bp-sheet .bp-task { display: flex; flex-wrap: wrap; align-items: center; row-gap: .4em; }
@media print { @page { size: A4; margin: 18mm 16mm; }
  .bp-sheet { --ink: #000; --soft: #444; --rule: #999; --mark: #000; font-size: 11pt; }
  .bp-sheet .bp-step, .bp-sheet .bp-given { break-inside: avoid; }
  .bp-sheet .bp-task { padding-bottom: 14mm; } }
"""


def sheet_page(sheet: Any) -> str:
    """Return a whole page."""
    title = f"Backpropagation by hand: a {sheet.solution.widths} network"
    return pages.page(title, _content(sheet), SHEET_STYLE)


def sheet_part(sheet: Any) -> str:
    """Return what a notebook shows: an article with its own style."""
    return pages.framed(_content(sheet), SHEET_STYLE)


def _content(sheet: Any) -> str:
    heading = "".join(f"<p>{html.escape(line)}</p>" for line in sheet.solution.heading())
    given = "".join(f'<div class="bp-line">{_equals(sheet, line)}</div>' for line in sheet.given)
    parts = [
        f'<div class="bp-sheet"><header><h1>Backpropagation by hand</h1>{heading}</header>'
        '<div class="bp-who"><span>Name</span><span>Date</span></div>'
        f'<h3>Given</h3><div class="bp-given">{given}</div>'
        f"<h3>Compute, with four significant digits where a number has more</h3>"
    ]
    for section in sheet.sections:
        parts += [f"<h3>{html.escape(section.title)}</h3>"] * bool(section.title)
        for step in section.steps:
            parts.append(framed_step(step, (_line(sheet, *shown) for shown in sheet.lines(step))))
    return "".join([*parts, "</div>"])


def _equals(sheet: Any, line: Line) -> str:
    """Return a quantity and its numbers."""
    assert isinstance(line.equation.left, Leaf)
    painter, seen = BlankMathPainter(sheet.solution.notation), sheet.solution
    symbol = painter.symbol_of(line.equation.left, batch=seen.batch, last=seen.last)
    numbers = painter.show(line, seen.limits, batch=seen.batch).result
    return f'<math displaystyle="true"><mrow>{symbol}<mo>=</mo>{numbers}</mrow></math>'


def _line(sheet: Any, line: Line, numbers: bool, result: bool) -> str:
    """Return a formula, this run's numbers in it, and the result or its boxes."""
    seen = sheet.solution
    shown = BlankMathPainter(seen.notation).show(line, seen.limits, batch=seen.batch)
    rows = [shown.numbers] if numbers and shown.numbers is not None else []
    rows += [shown.result] if result and shown.result is not None else []
    pieces = [shown.symbols, *(f"<mrow><mo>=</mo>{row}</mrow>" for row in rows)]
    maths = "".join(f'<math displaystyle="true">{piece}</math>' for piece in pieces)
    return f'<div class="bp-line{"" if numbers else " bp-task"}">{maths}</div>'
