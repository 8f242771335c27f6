"""A trace as pictures (SVG): the network with its numbers, and the computational graph.

Note 4 calls backpropagation a special case of automatic differentiation: every equation is a node
that is passed forward once, and once backward with its derivative.
"""

import html
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from backpass.derivatives.tracing.formatter import printed
from backpass.derivatives.tracing.formulas import Leaf
from backpass.derivatives.tracing.recording import Values
from backpass.derivatives.tracing.to_text import TextPainter

NEGATIVE, MIDDLE, POSITIVE = (0xB3, 0x58, 0x06), (0xF7, 0xF7, 0xF7), (0x21, 0x66, 0xAC)
"""A diverging scale that colour-blind readers can tell apart."""

UNITS, NAME = 8, 16
"""The most units of a layer that are drawn, and the most letters of a name."""

RADIUS, ACROSS, DOWN, TOP = 17, 190, 62, 64


def colour(value: float, largest: float) -> str:
    """Return the colour of a value between −largest and largest.

    Examples
    --------
    >>> colour(-2, 2), colour(0, 2), colour(2, 2)
    ('#b35806', '#f7f7f7', '#2166ac')
    """
    share = 0.0 if largest == 0 else float(np.clip(value / largest, -1, 1))
    end = POSITIVE if share > 0 else NEGATIVE
    mixed = (round(m + abs(share) * (e - m)) for m, e in zip(MIDDLE, end, strict=True))
    return "#" + "".join(f"{part:02x}" for part in mixed)


@dataclass(frozen=True)
class _Drawing:
    """The drawing's measures: units shown in every layer, their places, and the largest values."""

    trace: Any
    row: int

    @property
    def sizes(self) -> tuple[int, ...]:
        sizes: tuple[int, ...] = self.trace.network.sizes
        return sizes

    def shown(self, layer: int) -> int:
        return min(self.sizes[layer], UNITS)

    @property
    def height(self) -> int:
        most = max(self.shown(layer) + (self.sizes[layer] > UNITS) for layer in self.layers)
        return TOP + most * DOWN + 74

    @property
    def layers(self) -> range:
        return range(len(self.sizes))

    @property
    def letter(self) -> str:
        """The notation's letter for an error signal."""
        notation = self.trace.notation
        return TextPainter(notation).symbol(notation.symbols["delta"][0], None).lines[0]

    @property
    def left(self) -> int:
        return 140 if self.trace.input_names or self.trace.output_names else 70

    @property
    def width(self) -> int:
        return max(2 * self.left + ACROSS * (len(self.sizes) - 1), 300)

    def place(self, layer: int, unit: int) -> tuple[float, float]:
        rows = self.shown(layer) + (self.sizes[layer] > UNITS)
        top = TOP + (self.height - TOP - 74 - rows * DOWN) / 2
        return self.left + ACROSS * layer, top + DOWN * (unit + 0.5)

    def values(self, key: str, layer: int) -> Any:
        return self.trace[key, layer][self.row]

    def largest(self, key: str, layers: range) -> float:
        values = [np.max(np.abs(self.trace[key, layer])) for layer in layers]
        return float(max(values, default=0.0))


def network_picture(trace: Any, row: int = 0) -> str:
    """Return an SVG of the network with one row's activations, weights and error signals.

    A disc is a unit: its colour is the activation, the ring around it the error signal. Lines are
    weights. Negative values are dashed as well as brown.

    Parameters
    ----------
    trace : Trace
    row : int
        Which row of the batch is drawn.
    """
    drawing = _Drawing(trace, row)
    sizes = "-".join(map(str, drawing.sizes))
    parts = [
        f'<svg class="bp-net" xmlns="http://www.w3.org/2000/svg" role="img" '
        f'viewBox="0 0 {drawing.width} {drawing.height}" width="{drawing.width}" '
        f'aria-label="network {sizes} with activations, weights and error signals of one row">',
        f"<title>network {sizes}, row {row + 1} of {len(trace['s'])}</title>",
        *_weights(drawing),
        *_units(drawing),
        *_legend(drawing),
        "</svg>",
    ]
    return "".join(parts)


def _weights(drawing: _Drawing) -> Iterator[str]:
    layers = range(1, len(drawing.sizes))
    largest = drawing.largest("W", layers)
    for layer in layers:
        W = drawing.trace["W", layer]
        for i in range(drawing.shown(layer - 1)):
            for j in range(drawing.shown(layer)):
                (x, y), (u, v) = drawing.place(layer - 1, i), drawing.place(layer, j)
                share = 0.0 if largest == 0 else abs(W[i, j]) / largest
                dash = ' stroke-dasharray="5 4"' if W[i, j] < 0 else ""
                yield (
                    f'<line x1="{x + RADIUS:.0f}" y1="{y:.1f}" x2="{u - RADIUS:.0f}" '
                    f'y2="{v:.1f}" stroke="{_line_colour(W[i, j])}" '
                    f'stroke-width="{0.5 + 2.2 * share:.2f}"{dash}>'
                    f"<title>W{layer}[{i}, {j}] = {printed(W[i, j])}</title></line>"
                )


def _line_colour(value: float) -> str:
    return "#b35806" if value < 0 else "#2166ac"


def _units(drawing: _Drawing) -> Iterator[str]:
    layers = drawing.layers
    activation = drawing.largest("a", layers)
    error = drawing.largest("delta", range(1, len(layers)))
    for layer in layers:
        a = drawing.values("a", layer)
        delta = drawing.values("delta", layer) if layer else None
        name = "input" if layer == 0 else "output" if layer == len(layers) - 1 else "hidden"
        x = drawing.place(layer, 0)[0]
        yield f'<text x="{x}" y="22" class="bp-head">layer {layer}</text>'
        yield f'<text x="{x}" y="40" class="bp-small">{name}</text>'
        for j in range(drawing.shown(layer)):
            x, y = drawing.place(layer, j)
            if delta is not None:
                yield _ring(x, y, float(delta[j]), error)
            yield _disc(x, y, float(a[j]), activation, layer, j)
            yield from _name(drawing, layer, j)
            if delta is not None:
                text = f"{drawing.letter} {printed(delta[j], 2)}"
                yield f'<text x="{x}" y="{y + 35:.1f}" class="bp-small">{text}</text>'
        if drawing.sizes[layer] > UNITS:
            x, y = drawing.place(layer, UNITS)
            left = drawing.sizes[layer] - UNITS
            yield f'<text x="{x}" y="{y:.1f}" class="bp-small">⋮ {left} more</text>'


def _name(drawing: _Drawing, layer: int, unit: int) -> Iterator[str]:
    """Yield the name of an input or an output, outside of the network."""
    trace, x, y = drawing.trace, *drawing.place(layer, unit)
    names = trace.input_names if layer == 0 else trace.output_names
    if not names or layer not in (0, len(drawing.sizes) - 1):
        return
    name = names[unit] if len(names[unit]) <= NAME else names[unit][: NAME - 1] + "…"
    place = (x - RADIUS - 8, "bp-right") if layer == 0 else (x + RADIUS + 10, "bp-left")
    yield (
        f'<text x="{place[0]:.0f}" y="{y + 4:.1f}" class="{place[1]}">{html.escape(name)}</text>'
    )


def _ring(x: float, y: float, value: float, largest: float) -> str:
    share = 0.0 if largest == 0 else abs(value) / largest
    dash = ' stroke-dasharray="6 4"' if value < 0 else ""
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{RADIUS + 4}" fill="none" '
        f'stroke="{_line_colour(value)}" stroke-width="{0.5 + 4 * share:.2f}"{dash}/>'
    )


def _disc(x: float, y: float, value: float, largest: float, layer: int, unit: int) -> str:
    strong = largest > 0 and abs(value) > 0.6 * largest
    text = html.escape(printed(value, 2))
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{RADIUS}" fill="{colour(value, largest)}" '
        f'class="bp-unit"><title>a{layer}[{unit}] = {printed(value)}</title></circle>'
        f'<text x="{x:.1f}" y="{y + 4:.1f}" class="bp-value{" bp-strong" * strong}">'
        f"{text}</text>"
    )


def _legend(drawing: _Drawing) -> Iterator[str]:
    y, x = drawing.height - 48, 16
    largest = drawing.largest("a", drawing.layers)
    for i in range(21):
        value = (i - 10) / 10
        yield (f'<rect x="{x + 6 * i}" y="{y}" width="6.5" height="12" fill="{colour(value, 1)}"/>')
    yield f'<text x="{x}" y="{y + 26}" class="bp-left">−{printed(largest, 2)}</text>'
    yield f'<text x="{x + 63}" y="{y + 26}" class="bp-small">0</text>'
    yield f'<text x="{x + 126}" y="{y + 26}" class="bp-right">{printed(largest, 2)}</text>'
    note = ("disc: activation", "ring: error signal", "dashed: negative")
    for i, text in enumerate(note):
        yield f'<text x="{x + 142}" y="{y + 2 + 16 * i}" class="bp-left">{text}</text>'


WIDE, HIGH, ACROSS, DOWN, MARGIN = 118, 44, 148, 92, 20

TOP, FORWARD, BACKWARD, BOTTOM = range(4)
"""The four rows: parameters, forward pass, backward pass, gradients."""


class _Node(NamedTuple):
    key: str
    layer: int | None
    column: float
    row: int


class _Edge(NamedTuple):
    start: tuple[str, int | None]
    end: tuple[str, int | None]
    equation: str


def graph_picture(trace: Any) -> str:
    """Return an SVG: forward pass from left to right, backward pass under it from right to left.

    A node is a quantity with its shape and its largest entry; an arrow is the equation that the
    quantity goes into. Arrows of the backward pass are dashed.

    Parameters
    ----------
    trace : Trace
    """
    nodes = {(node.key, node.layer): node for node in _nodes(trace)}
    last = len(trace.network.sizes) - 1
    width = 2 * MARGIN + (2 * last + 1) * ACROSS + WIDE
    height = 2 * MARGIN + 3 * DOWN + HIGH
    output = next(name for name, _ in trace.recording.order if name in ("B1z", "B1f"))
    parts = [
        f'<svg class="bp-net" xmlns="http://www.w3.org/2000/svg" role="img" '
        f'viewBox="0 0 {width} {height}" width="{width}" aria-label="computational graph: '
        f'forward pass above, backward pass below">',
        "<title>computational graph</title>",
        *(_arrow(nodes[e.start], nodes[e.end], e.equation) for e in _edges(last, output)),
        *(_box(trace, node) for node in nodes.values()),
        "</svg>",
    ]
    return "".join(parts)


def _nodes(trace: Any) -> Iterator[_Node]:
    last = len(trace.network.sizes) - 1
    yield _Node("a", 0, 0, FORWARD)
    yield _Node("g", 0, 0, BACKWARD)
    for layer in range(1, last + 1):
        column = 2 * layer - 1
        yield _Node("W", layer, column - 0.5, TOP)
        yield _Node("b", layer, column + 0.5, TOP)
        yield _Node("z", layer, column, FORWARD)
        yield _Node("a", layer, column + 1, FORWARD)
        yield _Node("delta", layer, column, BACKWARD)
        if layer < last:
            yield _Node("g", layer, column + 1, BACKWARD)
        yield _Node("dW", layer, column - 0.5, BOTTOM)
        yield _Node("db", layer, column + 0.5, BOTTOM)
    yield _Node("dz", last, 2 * last, BACKWARD)
    yield _Node("J", None, 2 * last + 1, FORWARD)


def _edges(last: int, output: str) -> Iterator[_Edge]:
    """Yield every arrow; `output` is the equation of ∂C/∂z at the output."""
    for layer in range(1, last + 1):
        for start in (("a", layer - 1), ("W", layer), ("b", layer)):
            yield _Edge(start, ("z", layer), "F1")
        yield _Edge(("z", layer), ("a", layer), "F2")
        yield _Edge(("delta", layer), ("dW", layer), "B3")
        yield _Edge(("delta", layer), ("db", layer), "B4")
        yield _Edge(("delta", layer), ("g", layer - 1), "B2a")
        if layer < last:
            yield _Edge(("g", layer), ("delta", layer), "B2b")
    yield _Edge(("a", last), ("J", None), "C")
    yield _Edge(("J", None), ("dz", last), output)
    yield _Edge(("dz", last), ("delta", last), "B1")


def _corner(node: _Node) -> tuple[float, float]:
    return MARGIN + node.column * ACROSS, MARGIN + node.row * DOWN


def _box(trace: Any, node: _Node) -> str:
    x, y = _corner(node)
    notation = trace.notation
    painter, leaf = TextPainter(notation), Leaf(node.key, node.layer)
    symbol = painter.symbol_of(leaf, batch=trace.batch, last=trace.last).lines[0]
    value = Values(notation, trace.recording)(leaf)
    if not np.ndim(value):
        told = printed(value)
    else:
        told = f"{value.shape[0]}×{value.shape[1]}, |·| ≤ {printed(np.max(np.abs(value)), 3)}"
    style = "bp-gradient" if node.row >= BACKWARD else "bp-value-node"
    middle, lines = f'x="{x + WIDE / 2:.0f}"', (f"{y + 19:.0f}", f"{y + 35:.0f}")
    return (
        f'<g><rect x="{x:.0f}" y="{y:.0f}" width="{WIDE}" height="{HIGH}" rx="7" class="{style}"/>'
        f'<text {middle} y="{lines[0]}" class="bp-head">{html.escape(symbol)}</text>'
        f'<text {middle} y="{lines[1]}" class="bp-small">{html.escape(told)}</text></g>'
    )


def _arrow(start: _Node, end: _Node, equation: str) -> str:
    """Return an arrow between two boxes, from edge to edge, with its equation's id."""
    (x, y), (u, v) = _corner(start), _corner(end)
    if start.row == end.row:
        forward = end.column > start.column
        ends = (x + WIDE * forward, y + HIGH / 2, u + WIDE * (not forward), v + HIGH / 2)
    else:
        ends = (x + WIDE / 2, y + HIGH, u + WIDE / 2, v)
    a, b, c, d = ends
    back = ' stroke-dasharray="5 4"' if max(start.row, end.row) >= BACKWARD else ""
    length = max(((c - a) ** 2 + (d - b) ** 2) ** 0.5, 1e-9)
    ux, uy = (c - a) / length, (d - b) / length
    tip = (
        f"{c:.1f},{d:.1f} {c - 7 * ux + 3.5 * uy:.1f},{d - 7 * uy - 3.5 * ux:.1f} "
        f"{c - 7 * ux - 3.5 * uy:.1f},{d - 7 * uy + 3.5 * ux:.1f}"
    )
    label = (
        f'<text x="{(a + c) / 2:.0f}" y="{(b + d) / 2 - 4:.0f}" class="bp-small">{equation}</text>'
    )
    return (
        f'<line x1="{a:.1f}" y1="{b:.1f}" x2="{c:.1f}" y2="{d:.1f}" class="bp-arrow"{back}/>'
        f'<polygon points="{tip}" class="bp-tip"/>{label}'
    )
