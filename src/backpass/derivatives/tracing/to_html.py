"""A trace as a page: formulas in MathML, the network beside them in SVG, links between both."""

import html
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from itertools import chain
from typing import Any

from backpass.derivatives.notation.table import Symbol
from backpass.derivatives.pages import framed, page
from backpass.derivatives.tracing.formatter import Cut, Painter, cuts
from backpass.derivatives.tracing.graph_picture import graph_picture
from backpass.derivatives.tracing.meanings import computed, sentence, words
from backpass.derivatives.tracing.network_picture import network_picture, quantity
from backpass.derivatives.tracing.recording import Line
from backpass.derivatives.tracing.steps import Section, Step
from backpass.derivatives.tracing.table_columns import table_rows
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

    _group = "<mrow><mo>(</mo>{}<mo>)</mo></mrow>".format
    _fraction = "<mfrac>{}{}</mfrac>".format
    _of_sample = "<msub><mrow><mo>[</mo>{}<mo>]</mo></mrow><mn>{}</mn></msub>".format
    _under = "<munder>{}<mtext>{}</mtext></munder>".format

    def _transposed(self, piece: str, brackets: str) -> str:
        if self.operators.transpose.startswith("."):
            return f"<mrow>{piece}<mo>{self.operators.transpose}</mo></mrow>"
        if brackets:
            piece = f"<mrow><mo>{brackets[0]}</mo>{piece}<mo>{brackets[1]}</mo></mrow>"
        return f"<msup>{piece}<mi mathvariant='normal'>T</mi></msup>"

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


def html_page(trace: Any, *, interactive: bool = False) -> str:
    """Return a whole page; an interactive one has the script that goes from step to step."""
    content, style = _content(trace, controls=CONTROLS * interactive)
    return page(_title(trace), content, style, steps=interactive)


def html_part(trace: Any) -> str:
    """Return what a notebook shows: an article with its own style, and ids of its own."""
    numbers = b"".join(array.tobytes() for array in trace.recording.arrays.values())
    own = sha256(f"{trace.notation.name} {trace.form}".encode() + numbers).hexdigest()[:6]
    return framed(*_content(trace, prefix=f"t{own}-"))


def html_excerpt(trace: Any, equations: Sequence[str]) -> str:
    """Return the steps of some equations only, by their ids; layers as the trace has them."""
    steps = [step for section in trace.sections for step in section.steps]
    return framed("".join(step_html(trace, step) for step in steps if step.id in equations))


CONTROLS = """<nav class="bp-controls" aria-label="steps" data-controls hidden>
<button type="button" data-go="first">First</button>
<button type="button" data-go="back">◀ Back</button>
<span data-progress></span>
<button type="button" data-go="next">Next ▶</button>
<button type="button" data-go="last">Last</button>
<label><input type="checkbox" data-all> all steps</label>
<span class="bp-soft bp-keys">keys: ← → Home End</span></nav>
<p class="bp-heard" aria-live="polite" data-heard></p>"""
"""What ``stepping.js`` works with; hidden where it does not run."""


def _table_rows(trace: Any) -> Iterator[str]:
    """Yield each row as it was in a table, a line a column."""
    for row, (title, lines) in enumerate(table_rows(trace)):
        told = ("".join(f"<td>{html.escape(cell)}</td>" for cell in line) for line in lines)
        body = "".join(f"<tr>{cells}</tr>" for cells in told)
        head = f"<details{' open' * (row == 0)}><summary>{html.escape(title)}</summary>"
        yield f'{head}<div class="bp-line"><table>{body}</table></div></details>'


def _content(trace: Any, *, prefix: str = "", controls: str = "") -> tuple[str, str]:
    """Return the page's content, and the rules that light up what a step is about."""
    steps = [step for section in trace.sections for step in section.steps]
    names = iter(f"{prefix}step-{number}" for number in range(1, len(steps) + 1))
    told, drawn, rules, anchors = "", "", "", ""
    for number, section in enumerate(filter(lambda section: section.steps, trace.sections)):
        named = list(zip(section.steps, names))  # noqa: B905 (names go on in the next section)
        title = f"<h3>{html.escape(section.title)}</h3>" if section.title else ""
        told += f'<section class="bp-part">{title}'
        told += "".join(step_html(trace, step, name) for step, name in named) + "</section>"
        drawn += _drawn(trace, section, named, number)
        rules += "".join(_lit(step, name, number) for step, name in named)
        anchors += "".join(f'<i class="bp-at" id="{name}-at"></i>' for _, name in named)
    content = (
        f"<h2>{_title(trace)}</h2>"
        + "".join(f'<p class="bp-soft">{html.escape(line)}</p>' for line in trace.heading())
        + "".join(_table_rows(trace))
        + f"{controls}<details><summary>Computational graph</summary><figure><div>"
        f'{graph_picture(trace)}</div></figure></details><div class="bp-columns">'
        f'<div class="bp-beside"><div class="bp-drawings">{anchors}{drawn}</div>'
        f'{_symbols(trace, steps)}</div><div class="bp-steps">{told}</div></div>'
    )
    return content, rules


def _drawn(trace: Any, section: Section, named: Sequence[tuple[Step, str]], number: int) -> str:
    """Return the picture of what a section is about: a sample alone, or the whole batch."""
    seen = replace(trace, recording=section.steps[0].lines[0].values.recording)
    caption = html.escape(section.title)
    if len(seen["s"]) > 1:
        caption = "the first row; error signals hold the mean over all rows"
    links: dict[str, str] = {}
    for step, name in named:
        links = {**dict.fromkeys(quantities(step)[0], name), **links}
    picture = network_picture(seen, links=links)
    told = f"<figcaption>{caption}</figcaption>" if caption else ""
    return f'<figure class="bp-drawn bp-drawn-{number}"><div>{picture}</div>{told}</figure>'


def _title(trace: Any) -> str:
    return f"{trace.title} a {trace.widths} network"


def quantities(step: Step) -> tuple[list[str], list[str]]:
    """Return the names of what a step computes, and of what it computes that from."""
    sides = zip(*(line.quantities() for line in step.lines), strict=True)
    found = (
        dict.fromkeys(quantity(x.key, x.layer) for part in side for x in part) for side in sides
    )
    left, right = map(list, found)
    return left, right


def _lit(step: Step, name: str, drawn: int) -> str:
    """Return the rules by which a step that the address names lights up its quantities."""
    left, right = quantities(step)
    now = f".bp-page:has(#{name}:target,#{name}-at:target) "
    some, also = (
        ",".join(f'[data-quantity~="{quantity}"]' for quantity in names)
        for names in (left, [*left, *right])
    )
    return (
        f"{now}.bp-drawn{{display:none}}{now}.bp-drawn-{drawn}{{display:block}}"
        f"{now}g[data-quantity]{{opacity:.25}}{now}g:is({also}){{opacity:1}}"
        f"{now}g:is({some}){{filter:drop-shadow(0 0 3px var(--lit))}}\n"
    )


def _symbols(trace: Any, steps: Sequence[Step]) -> str:
    """Return the legend: every symbol of the steps, and what it stands for."""
    painter, batch = MathPainter(trace.notation), trace.batch
    rows: dict[str, str] = {}
    for step in steps:
        for line in step.lines:
            for leaf in chain(*line.quantities()):
                if told := words(leaf.key):
                    leaf = replace(leaf, sample=None, entry=())
                    shown = painter.symbol_of(leaf, batch=batch, last=trace.last)
                    rows.setdefault(told, f"<math>{shown}</math>")
    told = "".join(f"<dt>{shown}</dt><dd>{html.escape(text)}</dd>" for text, shown in rows.items())
    return f'<details class="bp-symbols" open><summary>Symbols</summary><dl>{told}</dl></details>'


def step_html(trace: Any, step: Step, name: str = "", region: str = "") -> str:
    """Return one step: found in the page by its name, its formulas alone scrolled in a region."""
    lines = [_line(trace, line) for line in step.lines]
    if region:
        box = f'<div class="bp-scroll" id="bp-{region}" tabindex="0" role="region"'
        lines = [f'{box} aria-label="{region}">', *lines, "</div>"]
    return framed_step(step, lines, name, sentence(step))


def framed_step(step: Step, lines: Iterable[str], name: str = "", told: str = "") -> str:
    """Return a step with its heading and its lines: with a name, as a place that can be gone to."""
    place = f' <span class="bp-place">{html.escape(step.place)}</span>' if step.place else ""
    heading, told = f"layer {step.layer}: {html.escape(step.title)}", html.escape(told)
    head, see, named = f'<span class="bp-id">{step.id}</span>', "", ""
    if name:
        head = f'<a class="bp-id" href="#{name}">{step.id}</a>'
        see = f' <a class="bp-see" href="#{name}-at">in the picture</a>'
        leaf = computed(step)
        about = quantity(leaf.key, leaf.layer)
        named = f' id="{name}" data-step="{step.id}, {heading}. {told}" data-about="{about}"'
    parts = [f'<section class="bp-step"{named}><h4>{head}{heading}{place}{see}</h4>']
    parts += [f'<p class="bp-soft">{told}</p>'] if told else []
    parts += lines
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
        rows = ['</math> <math displaystyle="true">'.join(rows)]  # numbers alone: a line that wraps
    parts = [f'<div class="bp-line"><math displaystyle="true">{row}</math></div>' for row in rows]
    for leaf, part in cuts(line, trace.limits):
        symbol = names.symbol_of(leaf, batch=trace.batch, last=trace.last).lines[0]
        parts.append(f'<p class="bp-cut">{html.escape(part.note(symbol))}</p>')
    return "".join(parts)
