"""A trace's network as SVG: units, weights and biases with their numbers, and the cost.

Every part of the drawing names the quantities that it stands for, as ``data-quantity="W-2 dW-2"``:
a page lights up what a step is about, and a part is a link to the step that computes it.
"""

import html
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from backpass.derivatives.notation.in_line import in_line
from backpass.derivatives.tracing.formatter import printed
from backpass.derivatives.tracing.formulas import Leaf
from backpass.derivatives.tracing.to_text import TextPainter

NEGATIVE, MIDDLE, POSITIVE = (0xB3, 0x58, 0x06), (0xF7, 0xF7, 0xF7), (0x21, 0x66, 0xAC)
"""A diverging scale that colour-blind readers can tell apart."""

WIDE, FIRST, LAST = 8, 4, 2
"""A layer of more units is drawn by its first and its last ones."""

NUMBERED, MOST_NUMBERS = 4, 16
"""Weights have room for numbers where a layer has that few units, and there are not more."""

NAME = 16
"""The most letters of a name."""

RADIUS, ACROSS, DOWN, TOP, COST, LEGEND = 17, 170, 84, 52, 92, 84
"""Of a unit; from layer to layer, from unit to unit; of the heads, the cost and the legend."""

PARTS = {
    "units": ("a", "z", "f", "dphi", "jac", "da_dz"),
    "error signals": ("delta", "dz", "g", "P"),
    "weights": ("dW", "W", "W_new", "w", "Pw", "dfw", "dfa", "dhw", "dha", "dz_da", "dz_dW"),
    "biases": ("db", "b", "b_new", "bs", "Pb", "dfb", "dhb"),
    "targets": ("y",),
    "cost": ("J", "costs", "dC", "penalty"),
}
"""The quantities that a part of the drawing stands for; what a step computes comes first."""


def quantity(key: str, layer: int | None) -> str:
    """Return the name of a quantity in a page: ``W-2``."""
    return key if layer is None else f"{key}-{layer}"


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


def network_picture(
    trace: Any, row: int = 0, links: Mapping[str, str] | None = None, *, held: bool = False
) -> str:
    """Return an SVG of the network with one row's activations, weights and error signals.

    A disc is a unit: its colour is the activation, the ring around it the error signal. Lines are
    weights. Negative values are dashed as well as brown. `links` gives the place in the page of the
    step that computes a quantity, by its name there. Where they are `held`, weights and units name
    themselves, as ``data-hold="W-1-0-2"``, for a script that takes hold of them.
    """
    drawing = _Drawing(trace, row, links or {}, held)
    sizes = trace.widths
    parts = [
        f'<svg class="bp-picture bp-network" xmlns="http://www.w3.org/2000/svg" '
        f'role="{"group" if links else "img"}" '
        f'viewBox="0 0 {drawing.width} {drawing.height}" width="{drawing.width}" '
        f'aria-label="network {sizes} with activations, weights and error signals of one row">',
        f"<title>network {sizes}, row {row + 1} of {len(trace['s'])}</title>",
        *_cost(drawing),
        *_weights(drawing),
        *(text for layer in drawing.layers for text in _layer(drawing, layer)),
        *_legend(drawing),
        "</svg>",
    ]
    return "".join(parts)


class _Drawing:
    """The drawing's measures, places and largest values, and the symbols of its notation."""

    def __init__(self, trace: Any, row: int, links: Mapping[str, str], held: bool) -> None:
        self.trace, self.row, self.links, self.held = trace, row, links, held
        self.sizes: tuple[int, ...] = trace.network.sizes
        self.layers, self.last = range(len(self.sizes)), len(self.sizes) - 1
        self.rows = max(len(self.slots(layer)) for layer in self.layers)
        self.left = 180 if trace.input_names else 56
        self.cost_left = self.left + ACROSS * self.last + (166 if trace.output_names else 120)
        self.width = max(self.cost_left + COST + 8, 470)
        self.height = TOP + self.rows * DOWN + LEGEND

    def slots(self, layer: int) -> list[int | None]:
        """Return the units that are drawn, from above; None is a gap."""
        n = self.sizes[layer]
        return [*range(n)] if n <= WIDE else [*range(FIRST), None, *range(n - LAST, n)]

    def place(self, layer: int, slot: int) -> tuple[float, float]:
        above = (self.rows - len(self.slots(layer))) / 2
        return self.left + ACROSS * layer, TOP + DOWN * (above + slot + 0.5)

    def units(self, layer: int) -> Iterator[tuple[int, float, float]]:
        """Yield number and place of each unit drawn."""
        for slot, unit in enumerate(self.slots(layer)):
            if unit is not None:
                yield unit, *self.place(layer, slot)

    def values(self, key: str, layer: int) -> Any:
        return self.trace[key, layer][self.row]

    def largest(self, key: str, layers: range) -> float:
        values = [np.max(np.abs(self.trace[key, layer])) for layer in layers]
        return float(max(values, default=0.0))

    def letter(self, key: str) -> str:
        """Return the notation's symbol of a quantity, without its layer."""
        return html.escape(in_line(self.trace.notation, key, batch=False))

    def named(self, key: str, layer: int, *entry: int) -> str:
        """Return the notation's symbol of one entry of an array."""
        painter, leaf = TextPainter(self.trace.notation), Leaf(key, layer, entry=entry)
        return painter.symbol_of(leaf, batch=False, last=self.last).lines[0]

    def holding(self, piece: str, *where: str | int) -> str:
        """Return a piece that names its weight or bias, where one may take hold of it."""
        return f'<g data-hold="{"-".join(map(str, where))}">{piece}</g>' if self.held else piece

    def part(self, kind: str, layer: int | None, pieces: Sequence[str]) -> str:
        """Return a part of the drawing, which links to the step that computes it."""
        names = [quantity(key, layer) for key in PARTS[kind]]
        names += list(PARTS[kind]) if layer == self.last and kind == "cost" else []
        told = f'<g data-quantity="{" ".join(names)}">{"".join(pieces)}</g>'
        link = next((self.links[name] for name in names if name in self.links), None)
        of = "" if layer is None else f" of layer {layer}"
        return f'<a href="#{link}" aria-label="{kind}{of}">{told}</a>' if link else told


def text_at(x: float, y: float, style: str, text: str) -> str:
    """Return a text of a picture."""
    return f'<text x="{x:.0f}" y="{y:.0f}" class="bp-{style}">{text}</text>'


def _told(value: Any, digits: int) -> str:
    return printed(value, digits).replace("-", "−")


def _look(value: float, largest: float, strength: float, dash: str) -> str:
    """Return how a line is drawn: its colour and dashes are the sign, its width the size."""
    share = 0.0 if largest == 0 else abs(value) / largest
    sign = f'negative" stroke-dasharray="{dash}"' if value < 0 else 'positive"'
    return f'stroke-width="{0.5 + strength * share:.2f}" class="bp-{sign}'


def _weights(drawing: _Drawing) -> Iterator[str]:
    largest = drawing.largest("W", drawing.layers[1:])
    for layer in drawing.layers[1:]:
        W = drawing.trace["W", layer]
        below, above = list(drawing.units(layer - 1)), list(drawing.units(layer))
        lines, numbers = [], []
        few = min(len(below), len(above))
        # so far along its line no two numbers of a row of units stand at the same height
        t = 1 / (few + 1) if len(above) <= len(below) else few / (few + 1)
        for i, x, y in below:
            for j, u, v in above:
                value = _told(W[i, j], 4)
                name = f"<title>{drawing.named('W', layer, i, j)} = {value}</title>"
                ends = f'x1="{x + RADIUS:.0f}" y1="{y:.1f}" x2="{u - RADIUS:.0f}" y2="{v:.1f}"'
                look = _look(W[i, j], largest, 2.2, "5 4")
                wide = f'<line {ends} class="bp-wide">{name}</line>' * drawing.held  # easier to hit
                line = f"{wide}<line {ends} {look}>{name}</line>"
                lines.append(drawing.holding(line, "W", layer, i, j))
                start, end = x + RADIUS + 6, u - RADIUS - 6
                at = text_at(
                    start + t * (end - start), y + t * (v - y) + 4, "number", _told(W[i, j], 3)
                )
                room = few <= NUMBERED and len(below) * len(above) <= MOST_NUMBERS
                numbers += [at] * room
        yield drawing.part("weights", layer, lines + numbers)


def _layer(drawing: _Drawing, layer: int) -> Iterator[str]:
    """Yield one layer: heads, then the units with their rings and biases."""
    x, _ = drawing.place(layer, 0)
    name = "input" if layer == 0 else "output" if layer == drawing.last else "hidden"
    yield text_at(x, 18, "head", f"layer {layer}") + text_at(x, 34, "small", name)
    key = "delta" if layer else "g"
    a, error = drawing.values("a", layer), drawing.values(key, layer)
    most = drawing.largest("a", drawing.layers), drawing.largest("delta", drawing.layers[1:])
    errors, units, biases = [], [], []
    for j, x, y in drawing.units(layer):
        if layer:
            errors.append(
                f'<circle cx="{x:.0f}" cy="{y:.1f}" r="{RADIUS + 4}" fill="none" '
                f"{_look(float(error[j]), most[1], 4, '6 4')}/>"
            )
            b = drawing.trace["b", layer][j]
            biases.append(text_at(x, y - 27, "small", f"{drawing.letter('b')} {_told(b, 3)}"))
        number = f"{drawing.letter(key)} {_told(error[j], 2)}"
        errors.append(text_at(x, y + 35, "small", number))
        told = f"{drawing.named('a', layer, j)} = {_told(a[j], 4)}"
        strong = " bp-strong" if most[0] > 0 and abs(a[j]) > 0.6 * most[0] else ""
        unit = (
            f'<circle cx="{x:.0f}" cy="{y:.1f}" r="{RADIUS}" class="bp-unit" '
            f'fill="{colour(float(a[j]), most[0])}"><title>{told}</title></circle>'
            + text_at(x, y + 4, f"value{strong}", _told(a[j], 2))
            + _name(drawing, layer, j, x, y)
        )
        units.append(drawing.holding(unit, "b", layer, j) if layer else unit)
    yield drawing.part("error signals", layer, errors)
    yield drawing.part("units", layer, units)
    if layer:
        yield drawing.part("biases", layer, biases)
    if None in drawing.slots(layer):
        x, y = drawing.place(layer, FIRST)
        yield text_at(x, y + 4, "small", f"⋮ {drawing.sizes[layer] - FIRST - LAST} more")


def _name(drawing: _Drawing, layer: int, unit: int, x: float, y: float) -> str:
    """Return the name of an input, with its number in formulas, or of an output, outside."""
    trace = drawing.trace
    names = {0: trace.input_names, drawing.last: trace.output_names}.get(layer)
    if not names:
        return ""
    name = names[unit] if len(names[unit]) <= NAME else names[unit][: NAME - 1] + "…"
    if layer == 0:
        name += f" ({unit + 1 - trace.notation.from_zero})"
    at, side = (x - RADIUS - 8, "right") if layer == 0 else (x + RADIUS + 10, "left")
    return text_at(at, y + 4 - 12 * (layer > 0), side, html.escape(name))


def _cost(drawing: _Drawing) -> Iterator[str]:
    """Yield the cost on the right of the outputs, and their targets."""
    trace, x, last = drawing.trace, drawing.cost_left, drawing.last
    y = TOP + DOWN * drawing.rows / 2
    wires, targets = [], []
    known, names = ("y", None) in trace.recording.arrays, bool(trace.output_names)
    for j, u, v in drawing.units(last):
        start = u + RADIUS + (110 if names else 52 if known else 0)  # behind what stands there
        wires.append(
            f'<line x1="{start:.0f}" y1="{v:.1f}" x2="{x}" y2="{y:.1f}" class="bp-arrow"/>'
        )
        if known:
            told = f"{drawing.letter('y')} {_told(trace['y'][drawing.row, j], 2)}"
            targets.append(text_at(u + RADIUS + 10, v + 4, "left", told))
    box = (
        f'<rect x="{x}" y="{y - 22:.1f}" width="{COST}" height="44" rx="7" class="bp-value-node"/>'
    )
    rows = len(trace["s"])
    of = "cost" if rows == 1 else f"cost of {rows} rows"
    number = f"{drawing.letter('J')} {_told(trace['J'], 4)}"
    middle = x + COST / 2
    texts = text_at(middle, y - 3, "head", number) + text_at(middle, y + 14, "small", of)
    yield drawing.part("cost", last, [*wires, box, texts])
    yield drawing.part("targets", None, targets)


def _legend(drawing: _Drawing) -> Iterator[str]:
    y, x = drawing.height - LEGEND + 26, 16
    largest = _told(drawing.largest("a", drawing.layers), 2)
    for i in range(21):
        fill = colour((i - 10) / 10, 1)
        yield f'<rect x="{x + 6 * i}" y="{y}" width="6.5" height="12" fill="{fill}"/>'
    yield text_at(x, y + 26, "left", f"−{largest}") + text_at(x + 63, y + 26, "small", "0")
    yield text_at(x + 126, y + 26, "right", largest)
    signs = {key: drawing.letter(key) for key in ("a", "delta", "g", "W", "b")}
    notes = (
        (f"disc: activation {signs['a']}", f"ring: error signal {signs['delta']}"),
        (f"line: weight {signs['W']}", f"above a disc: bias {signs['b']}"),
        ("dashed: negative", f"below an input: {signs['g']}"),
    )
    for i, pair in enumerate(notes):
        for told, across in zip(pair, (150, 302), strict=True):
            yield text_at(x + across, y + 8 + 17 * i, "left", told)
