"""A trace's computational graph as SVG: the forward pass, and the backward pass under it.

Note 4 calls backpropagation a special case of automatic differentiation: every equation is a node
that is passed forward once, and once backward with its derivative.
"""

import html
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from backpass.derivatives.tracing.formatter import printed
from backpass.derivatives.tracing.formulas import Leaf
from backpass.derivatives.tracing.network_picture import quantity, text_at
from backpass.derivatives.tracing.recording import Values
from backpass.derivatives.tracing.to_text import TextPainter

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
    """
    nodes = {(node.key, node.layer): node for node in _nodes(trace)}
    last = len(trace.network.sizes) - 1
    width = 2 * MARGIN + (2 * last + 1) * ACROSS + WIDE
    height = 2 * MARGIN + 3 * DOWN + HIGH
    output = next(name for name, _ in trace.recording.order if name in ("B1z", "B1f"))
    parts = [
        f'<svg class="bp-picture bp-graph" xmlns="http://www.w3.org/2000/svg" role="img" '
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
    head = text_at(x + WIDE / 2, y + 19, "head", html.escape(symbol))
    return (
        f'<g data-quantity="{quantity(node.key, node.layer)}"><rect x="{x:.0f}" y="{y:.0f}" '
        f'width="{WIDE}" height="{HIGH}" rx="7" class="{style}"/>{head}'
        f"{text_at(x + WIDE / 2, y + 35, 'small', html.escape(told))}</g>"
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
    label = text_at((a + c) / 2, (b + d) / 2 - 4, "small", equation)
    return (
        f'<line x1="{a:.1f}" y1="{b:.1f}" x2="{c:.1f}" y2="{d:.1f}" class="bp-arrow"{back}/>'
        f'<polygon points="{tip}" class="bp-tip"/>{label}'
    )
