r"""Formulas as MathML, the browser's own mathematics.

MathJax and KaTeX would have to be loaded from a CDN or vendored (megabytes), or need Node to
render beforehand. MathML needs neither network nor script: every current browser lays it out, a
screen reader reads it, and it takes the colours of the page. latex2mathml (pure Python, no
dependencies) translates; docutils' own translator gets ``\hat y_i`` and ``\tfrac12`` wrong.
"""

import html
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert

__all__ = ["aligned", "mathml", "setup"]

_TOKEN = re.compile(r"\\begin\{\w+\*?\}|\\end\{\w+\*?\}|\\\\|\\.|[{}&]|[^\\{}&]+", re.S)


def split_at(latex: str, mark: str) -> Iterator[str]:
    """Yield the pieces of `latex` between each `mark` that stands outside groups."""
    depth, piece = 0, ""
    for token in _TOKEN.findall(latex):
        if token == "{" or token.startswith(r"\begin"):
            depth += 1
        elif token == "}" or token.startswith(r"\end"):
            depth -= 1
        if token == mark and depth == 0:
            yield piece
            piece = ""
        else:
            piece += token
    yield piece


_VARIANT = re.compile(r'<m([in]) mathvariant="(script|bold|double-struck)">(\w)</m[in]>')

_TALL = re.compile(r'<msup>(<mo stretchy="true" fence="true" minsize="([\d.]+)em"[^>]*>[^<]*</mo>)')


def _styled(found: re.Match[str]) -> str:
    """Return a letter in the alphabet asked for: browsers no longer look at ``mathvariant``."""
    tag, style, letter = found.groups()
    case = "DIGIT" if letter.isdigit() else "CAPITAL" if letter.isupper() else "SMALL"
    name = unicodedata.name(letter).split()[-1]
    for prefix in ("MATHEMATICAL ", ""):  # some, like ℬ, were in Unicode before the others
        try:
            letter = unicodedata.lookup(f"{prefix}{style.upper()} {case} {name}")
        except KeyError:
            continue
        return f"<m{tag}>{letter}</m{tag}>"
    return found[0]


_RELATION = re.compile(r":?=|\\leftarrow|\\sim")


def aligned(latex: str) -> str:
    """Return rows ending in ``\\\\`` with an ``&`` before the first relation of each."""
    return r" \\ ".join(_split_row(row) for row in split_at(latex, r"\\"))


def _split_row(row: str) -> str:
    for found in _RELATION.finditer(row):
        before = row[: found.start()]
        if before.count("{") == before.count("}"):
            return f"{before}& {row[found.start() :]}"
    return f"& {row}"


def _row(latex: str) -> str:
    """Return the inside of ``<math>`` for one formula, with the spacing of LaTeX mended."""
    if not latex.strip():
        return ""
    inner = re.sub(r"^<math[^>]*>|</math>$", "", convert(latex.strip()))
    inner = _VARIANT.sub(_styled, inner)
    inner = re.sub(
        r'(?:<mi mathvariant="normal">\w</mi>){2,}',
        lambda found: f"<mi>{re.sub('<[^>]*>', '', found[0])}</mi>",
        inner,
    )
    inner = inner.replace("<mi>:</mi><mo>&#x0003D;</mo>", "<mo>&#x02254;</mo>")
    inner = re.sub(r"<mo>(&#x0002F;|/)</mo>", '<mo lspace="0" rspace="0">/</mo>', inner)
    inner = re.sub("<mi>(&#x0007E;|&#x0223C;)</mi>", "<mo>&#x0223C;</mo>", inner)
    inner = re.sub(r"<mo>(max|min)</mo>", r"<mi>\1</mi>", inner)
    # a bracket that carries an exponent is not stretched: the exponent gets a base of its own
    inner = _TALL.sub(
        lambda found: (
            f'{found[1]}<msup><mspace width="0em" height="{0.75 * float(found[2]):.2f}em"/>'
        ),
        inner,
    )
    # |x|: no gaps inside; after a relation the browser's own gap is enough
    return re.sub(
        r'<mo stretchy="false">(&#x0007C;|\|)</mo>',
        r'<mo stretchy="false" lspace="0" rspace="0">|</mo>',
        inner,
    )


def mathml(latex: str, *, block: bool = False) -> str:
    r"""Return ``<math>`` for `latex`; a block may have rows ending in ``\\`` and cells at ``&``."""
    latex = re.sub(r"^\s*\\begin\{(aligned|align\*?|split)\}|\\end\{(aligned|align\*?|split)\}\s*$",
                   "", latex.strip())  # fmt: skip
    rows = [row for row in split_at(latex, "\\\\") if row.strip()]
    alt = html.escape(" ".join(latex.split()), quote=True)
    head = f'<math display="{"block" if block else "inline"}" alttext="{alt}">'
    if len(rows) == 1:
        return f"{head}{_row(''.join(split_at(rows[0], '&')))}</math>"
    table = "".join(
        "<mtr>" + "".join(f"<mtd>{_row(cell)}</mtd>" for cell in split_at(row, "&")) + "</mtr>"
        for row in rows
    )
    kind = "aligned" if "&" in latex else "steps"
    return f'{head}<mtable displaystyle="true" class="{kind}">{table}</mtable></math>'


def _visit_inline(self: Any, node: nodes.math) -> None:
    self.body.append(f'<span class="math">{mathml(node.astext())}</span>')
    raise nodes.SkipNode


def _visit_block(self: Any, node: nodes.math_block) -> None:
    classes = " ".join(["math", *node["classes"]])
    self.body.append(f'<div class="{classes}">{mathml(node.astext(), block=True)}</div>\n')
    raise nodes.SkipNode


def setup(app: Any) -> dict[str, Any]:
    """Register the renderer."""
    app.add_html_math_renderer("mathml", (_visit_inline, None), (_visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
