"""The directive ``paths``: note 3's rule for several paths, drawn with the numbers of a run.

``{paths} classes`` draws how one hidden unit of an example reaches the cost of its first sample
through the outputs: a derivative on every line, the product at the end of each path, and their sum.
"""

from sphinx.util.docutils import SphinxDirective
from traces import framed

from backpass.derivatives.tracing import example, trace

__all__ = ["paths_picture", "setup"]

WIDTH, ROW, RADIUS = 376, 120, 24
UNIT, OUTPUT, COST = 28, 196, 348
"""Where the hidden unit, the outputs and the cost stand, from the left."""


def lowered(*numbers):
    """Return indices as subscripts."""
    return "".join(map(str, numbers)).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


def short(value):
    return f"{value:.4f}".replace("-", "−")


def paths_picture(seen):
    """Return an SVG of the paths from hidden unit 1 of the last hidden layer to the cost.

    Parameters
    ----------
    seen : Trace
        Of one sample.
    """
    last = seen.last
    weights, errors = seen["W", last][0], seen["delta", last][0]
    middle = ROW * len(weights) / 2 + 12
    lines, marks = [], []
    for m, (weight, error) in enumerate(zip(weights, errors, strict=True), start=1):
        y = ROW * (m - 0.5) + 12
        name, unit = lowered(last, m), lowered(last - 1, 1)
        lines += [_line(UNIT, middle, OUTPUT, y), _line(OUTPUT, y, COST, middle)]
        away = -42 if y < middle else 34
        marks += [
            _text((UNIT + OUTPUT) / 2, (middle + y) / 2 + away, f"∂a{name}/∂h{unit} = W{name}₁"),
            _text((UNIT + OUTPUT) / 2, (middle + y) / 2 + away + 15, short(weight), "bp-head"),
            _text((OUTPUT + COST) / 2, (middle + y) / 2 + away, f"∂ℒ/∂a{name}"),
            _text((OUTPUT + COST) / 2, (middle + y) / 2 + away + 15, short(error), "bp-head"),
            _node(OUTPUT, y, f"a{name}"),
        ]
    ends = _node(UNIT, middle, f"h{lowered(last - 1, 1)}") + _node(COST, middle, "ℒ")
    products = zip(weights, errors, strict=True)
    terms = [f"({short(error)}) · ({short(weight)})" for weight, error in products]
    told = [f"∂ℒ/∂h{lowered(last - 1, 1)} = {terms[0]}", *(f"+ {term}" for term in terms[1:])]
    told[-1] += f" = {short(seen['g', last - 1][0, 0])}"
    below = ROW * len(weights) + 40
    sums = [_text(WIDTH / 2, below + 18 * n, line, "bp-head") for n, line in enumerate(told)]
    head = (
        f'<svg class="bp-picture" xmlns="http://www.w3.org/2000/svg" role="img" '
        f'aria-label="{" ".join(told)}" '
        f'viewBox="0 0 {WIDTH} {below + 18 * len(told)}" width="{WIDTH}">'
    )
    return "".join([head, *lines, *marks, ends, *sums, "</svg>"])


def _line(x, y, to_x, to_y):
    return f'<line class="bp-arrow" x1="{x}" y1="{y}" x2="{to_x}" y2="{to_y}"/>'


def _text(x, y, text, kind="bp-small"):
    return f'<text class="{kind}" x="{x}" y="{y}">{text}</text>'


def _node(x, y, name):
    ring = f'<circle class="bp-unit" cx="{x}" cy="{y}" r="{RADIUS}" fill="#f7f7f7"/>'
    return ring + f'<text class="bp-value" x="{x}" y="{y + 4}">{name}</text>'


class Paths(SphinxDirective):
    """Draws the paths of one example."""

    required_arguments = 1

    def run(self):
        self.env.note_dependency(__file__)
        network, X, y = example(self.arguments[0])
        return [framed(paths_picture(trace(network, X[:1], y[:1], notation="nabla")))]


def setup(app):
    app.add_directive("paths", Paths)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
