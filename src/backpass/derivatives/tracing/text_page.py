"""A trace as text."""

from backpass.derivatives.tracing.layout import cuts, show, symbol_of
from backpass.derivatives.tracing.result import Traced
from backpass.derivatives.tracing.steps import Line, Step
from backpass.derivatives.tracing.to_text import Box, TextPainter, folded

__all__ = ["text_page"]


def text_page(trace: Traced, width: int = 100) -> str:
    """Return the whole trace as text, in lines of at most `width` characters where possible."""
    parts = trace.heading()
    for section in trace.sections:
        if section.title:
            parts += ["", f"=== {section.title} ==="]
        for step in section.steps:
            parts += ["", _step(trace, step, width)]
    return "\n".join(parts) + "\n"


def _step(trace: Traced, step: Step, width: int) -> str:
    place = f"  ({step.place})" if step.place else ""
    texts = [f"{step.id}  layer {step.layer}  {step.title}{place}"]
    for line in step.lines:
        texts += _line(trace, line, width)
    texts += [f"    ! {remark}" for remark in step.remarks]
    return "\n".join(texts)


def _line(trace: Traced, line: Line, width: int) -> list[str]:
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
