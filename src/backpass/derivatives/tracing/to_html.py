"""A trace as a page: MathML and SVG, no script, no network, light and dark."""

import html
from collections.abc import Sequence
from typing import Any

from backpass.derivatives.notation.table import Symbol
from backpass.derivatives.tracing.formatter import Cut, Painter, cuts
from backpass.derivatives.tracing.recording import Line
from backpass.derivatives.tracing.steps import Step
from backpass.derivatives.tracing.svg import graph_picture, network_picture
from backpass.derivatives.tracing.to_text import TextPainter


def bold(letter: str) -> str:
    """Return a letter of the Latin alphabet as its bold mathematical character."""
    if letter.isascii() and letter.isalpha():
        start = 0x1D400 - ord("A") if letter.isupper() else 0x1D41A - ord("a")
        return chr(ord(letter) + start)
    return letter


class MathPainter(Painter[str]):
    """Paints with MathML elements."""

    def _row(self, pieces: Sequence[str]) -> str:
        return f"<mrow>{''.join(pieces)}</mrow>"

    def _sign(self, text: str) -> str:
        return f"<mo>{html.escape(text)}</mo>"

    def _group(self, piece: str) -> str:
        return f"<mrow><mo>(</mo>{piece}<mo>)</mo></mrow>"

    def _transposed(self, piece: str, brackets: str) -> str:
        if self.operators.transpose.startswith("."):
            return f"<mrow>{piece}<mo>{self.operators.transpose}</mo></mrow>"
        if brackets:
            piece = f"<mrow><mo>{brackets[0]}</mo>{piece}<mo>{brackets[1]}</mo></mrow>"
        return f"<msup>{piece}<mi mathvariant='normal'>T</mi></msup>"

    def _fraction(self, top: str, bottom: str) -> str:
        return f"<mfrac>{top}{bottom}</mfrac>"

    def _power(self, base: str, exponent: str) -> str:
        simple = base.startswith(("<mi>", "<mn>")) or base.endswith("<mo>)</mo></mrow>")
        return f"<msup>{base if simple else self._group(base)}{exponent}</msup>"

    def _apply(self, function: str, argument: str) -> str:
        return f"<mrow>{function}<mo>&#x2061;</mo>{self._group(argument)}</mrow>"

    def _letter(self, symbol: Symbol, above: str, below: str) -> str:
        letter = f"<mi>{bold(symbol.letter) if symbol.bold else symbol.letter}</mi>"
        if above and below:
            return f"<msubsup>{letter}<mn>{below}</mn><mn>{above}</mn></msubsup>"
        if above:
            return f"<msup>{letter}<mn>{above}</mn></msup>"
        return f"<msub>{letter}<mn>{below}</mn></msub>" if below else letter

    def _in_brackets_transposed(self, piece: str) -> str:
        inner = f"<mrow><mo>[</mo>{piece}<mo>]</mo></mrow>"
        return f"<msup>{inner}<mi mathvariant='normal'>T</mi></msup>"

    def _derivative(self, of: str, by: str) -> str:
        return self._fraction(*(f"<mrow><mo>∂</mo>{part}</mrow>" for part in (of, by)))

    def _nabla(self, by: str, of: str | None, prefix: bool) -> str:
        if prefix:
            return f"<mrow><mo>∇</mo>{by}</mrow>"
        sign = f"<msub><mo>∇</mo>{by}</msub>"
        return sign if of is None else f"<mrow>{sign}{of}</mrow>"

    def _of_sample(self, piece: str, number: int) -> str:
        return f"<msub><mrow><mo>[</mo>{piece}<mo>]</mo></mrow><mn>{number}</mn></msub>"

    def _under(self, piece: str, text: str) -> str:
        return f"<munder>{piece}<mtext>{text}</mtext></munder>"

    def _brace(self, piece: str, text: str) -> str:
        under = f"<munder>{piece}<mo stretchy='true'>⏟</mo></munder>"
        return f"<munder>{under}<mtext>{html.escape(text)}</mtext></munder>"

    def _matrix(self, part: Cut) -> str:
        # the page draws the brackets, for which fonts may lack the parts
        signs = {"…": "<mo>…</mo>", "⋮": "<mo>⋮</mo>"}
        body = "".join(
            f"<mtr>{''.join(f'<mtd>{signs.get(x) or self._number(x)}</mtd>' for x in row)}</mtr>"
            for row in part.dotted("…", "⋮")
        )
        return f"<mtable>{body}</mtable>"

    def _number(self, text: str) -> str:
        return f"<mn>{text.replace('-', '−')}</mn>"

    def _words(self, text: str) -> str:
        if text == "′":
            return "<mo>′</mo>"
        return f"<mi mathvariant='normal'>{html.escape(text)}</mi>"


STYLE = """
.bp-trace { --ink: #1b1b1b; --soft: #5b5b5b; --rule: #d9d9d9; --mark: #8a4400;
  color: var(--ink); font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; }
@media (prefers-color-scheme: dark) { .bp-trace { --ink: #ececec; --soft: #b0b0b0;
  --rule: #444; --mark: #f1a340; } }
.bp-trace h2 { font-size: 1.3em; } .bp-trace h2 ~ p { margin: .2em 0; color: var(--soft); }
.bp-trace h3 { font-size: 1.1em; margin-top: 2em; }
.bp-trace h4 { font-size: 1em; margin: 1.6em 0 .4em; border-top: 1px solid var(--rule);
  padding-top: .6em; font-weight: 600; }
.bp-trace .bp-id { font-family: ui-monospace, monospace; margin-right: .6em; }
.bp-trace .bp-place, .bp-trace .bp-cut { color: var(--soft); font-weight: 400; font-size: .9em; }
.bp-trace .bp-remark { color: var(--mark); }
.bp-trace .bp-line { overflow-x: auto; padding: .25em 0 .25em 1.5em; }
.bp-trace math { font-size: 1.08em; }
.bp-trace mtd { text-align: right; text-align: -webkit-right; padding: .16em .4em; }
.bp-trace mtable { border: 0 solid; border-width: 0 1px; margin: 0 .15em; padding: .1em 0;
  --tick: linear-gradient(currentColor, currentColor) no-repeat;
  background: var(--tick) 0 0 / 5px 1px, var(--tick) 0 100% / 5px 1px,
    var(--tick) 100% 0 / 5px 1px, var(--tick) 100% 100% / 5px 1px;
  background-repeat: no-repeat; }
.bp-trace munder > mtext { font-size: .72em; opacity: .75; }
.bp-trace figure { margin: 1em 0; overflow-x: auto; }
.bp-net { max-width: 100%; height: auto; font: 12px system-ui, sans-serif; }
.bp-net text { fill: var(--ink, #1b1b1b); } .bp-net .bp-unit { stroke: #666; }
.bp-net .bp-head { font-weight: 600; } .bp-net .bp-value { fill: #111; font-size: 11px; }
.bp-net .bp-strong { fill: #fff; }
.bp-net .bp-head, .bp-net .bp-small, .bp-net .bp-value { text-anchor: middle; }
.bp-net .bp-right { text-anchor: end; }
.bp-net .bp-value-node { fill: none; stroke: #2166ac; stroke-width: 1.5; }
.bp-net .bp-gradient { fill: none; stroke: #b35806; stroke-width: 1.5; stroke-dasharray: 6 3; }
.bp-net .bp-arrow { stroke: var(--soft, #5b5b5b); } .bp-net .bp-tip { fill: var(--soft, #5b5b5b); }
.bp-trace summary { cursor: pointer; color: var(--soft); }
"""


def html_page(trace: Any) -> str:
    """Return a whole page."""
    sizes = "-".join(map(str, trace.network.sizes))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>Trace of a {sizes} network</title>"
        "<style>body { margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }</style>"
        f"</head><body>{html_part(trace)}</body></html>\n"
    )


def html_part(trace: Any) -> str:
    """Return what a notebook shows: an article with its own style."""
    parts = [f'<article class="bp-trace"><style>{STYLE}</style>', *_heading(trace)]
    several = len(trace["s"]) > 1
    caption = "<figcaption>the first row; error signals hold the mean over all rows</figcaption>"
    parts.append(f"<figure>{network_picture(trace)}{caption * several}</figure>")
    graph = graph_picture(trace)
    parts.append(
        f"<details><summary>Computational graph</summary><figure>{graph}</figure></details>"
    )
    for section in trace.sections:
        if section.title:
            parts.append(f"<h3>{html.escape(section.title)}</h3>")
        parts += [_step(trace, step) for step in section.steps]
    return "".join([*parts, "</article>"])


def html_excerpt(trace: Any, equations: Sequence[str]) -> str:
    """Return the steps of some equations only, by their ids; layers as the trace has them."""
    steps = [step for section in trace.sections for step in section.steps]
    shown = "".join(_step(trace, step) for step in steps if step.id in equations)
    return f'<article class="bp-trace"><style>{STYLE}</style>{shown}</article>'


def _heading(trace: Any) -> list[str]:
    title = f"<h2>Trace of a {'-'.join(map(str, trace.network.sizes))} network</h2>"
    return [title, *(f"<p>{html.escape(line)}</p>" for line in trace.heading())]


def _step(trace: Any, step: Step) -> str:
    place = f' <span class="bp-place">{html.escape(step.place)}</span>' if step.place else ""
    parts = [
        f'<section class="bp-step"><h4><span class="bp-id">{step.id}</span>'
        f"layer {step.layer}: {html.escape(step.title)}{place}</h4>"
    ]
    parts += [_line(trace, line) for line in step.lines]
    parts += [f'<p class="bp-remark">! {html.escape(remark)}</p>' for remark in step.remarks]
    return "".join([*parts, "</section>"])


def _line(trace: Any, line: Line) -> str:
    painter, names = MathPainter(trace.notation), TextPainter(trace.notation)
    shown = painter.show(line, trace.limits, batch=trace.batch)
    equals = "<mo>=</mo>"
    rows = [shown.symbols]
    if shown.numbers is not None:
        rows.append(f"<mrow>{equals}{shown.numbers}</mrow>")
    if shown.result is not None:
        rows.append(f"<mrow>{equals}{shown.result}</mrow>")
    if not any("<mtable" in row or "<munder" in row for row in rows):
        rows = [f"<mrow>{''.join(rows)}</mrow>"]  # numbers alone need one line
    parts = [f'<div class="bp-line"><math displaystyle="true">{row}</math></div>' for row in rows]
    for leaf, part in cuts(line, trace.limits):
        symbol = names.symbol_of(leaf, batch=trace.batch, last=trace.last).lines[0]
        parts.append(f'<p class="bp-cut">{html.escape(part.note(symbol))}</p>')
    return "".join(parts)
