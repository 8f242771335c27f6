"""The page's own pictures: a slope, costs over epochs, what a network has learnt."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from backpass.derivatives.tracing.network_picture import MIDDLE, NEGATIVE, POSITIVE
from backpass.network.network import Network
from backpass.page.data import Rows
from backpass.page.holding import Held
from backpass.tabular.report import charts
from backpass.tabular.report.charts import Axis, Line, Markup, across, element, frame, join, up

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE = 48
"""Cells of a surface, a multiple of 4: boundaries look smooth, 2304 rows take a millisecond."""

MOST_POINTS = 200
"""Of a table that are drawn, and of a curve over epochs."""

COLOURS = np.array([
    NEGATIVE, POSITIVE, (0, 158, 115), (204, 121, 167), (230, 200, 50), (86, 180, 233),
    (120, 120, 120), (213, 94, 0), (100, 70, 160), (60, 60, 60),
])  # fmt: skip
"""Of classes; the first eight are told apart by colour-blind readers, too."""


def slope_picture(held: Held) -> str:
    """Return J(w + ε) with the tangent whose slope is the derivative."""
    changes = held.costs - held.cost
    x, y = charts.nice_axis(held.epsilons[0], held.epsilons[-1]), _axis_of(changes)
    tangent = [(e, e * held.derivative) for e in np.linspace(x.low, x.high, 2 * len(changes))]
    inside = [(e, change) for e, change in tangent if y.low <= change <= y.high]
    dot = {"cx": across(x, held.epsilon), "cy": up(y, held.change), "r": 5, "class_": "two dot"}
    place = {"x": charts.LEFT + 6, "class_": "name"}
    if held.derivative < 0:  # the lines come from the left above
        place = {"x": charts.WIDTH - charts.RIGHT, "class_": "end name"}
    return charts.picture(
        f"what a shift ε of one parameter adds to the cost; tangent of slope {held.derivative:.4g}",
        frame(x, y, "shift ε", ""),
        element("text", "change of the cost", y=charts.TOP + 11, **place),
        _line(x, y, zip(held.epsilons, changes, strict=True), "two"),
        _line(x, y, inside, "one"),
        element("circle", cx=across(x, 0.0), cy=up(y, 0.0), r=4, class_="one dot"),
        element("circle", **dot),
    )


def _axis_of(values: Any) -> Axis:
    known = values[np.isfinite(values)]
    return charts.nice_axis(float(known.min()), float(known.max()))


def _line(x: Axis, y: Axis, points: Any, css: str) -> Any:
    places = " ".join(f"{across(x, a)},{up(y, b)}" for a, b in points if np.isfinite(b))
    return element("polyline", points=places, class_=css)


def cost_picture(costs: Sequence[float], judged: Sequence[float], epoch: int) -> str:
    """Return the cost of the rows that train, and of those that judge, over the epochs."""
    every = -(-len(costs) // MOST_POINTS)
    lines = [Line("training", costs[::every], "two", every)]
    if judged:
        lines.append(Line("judging", judged[::every], "one", every))
    mark = epoch if epoch < len(costs) else 0
    told = f"cost over epochs: {costs[-1]:.4g} after epoch {len(costs)}"
    return charts.line_chart(lines, told, mark=mark, marked=f"epoch {epoch}")


def learnt_picture(network: Network, rows: Rows, axes: tuple[int, int]) -> str:
    """Return what the network says over two inputs, or the curve over its only one."""
    names, (i, j) = rows.names, axes
    if len(names) == 1:
        return _curve_picture(network, rows)
    points, around = _plane(rows, i, j)
    image = {
        "href": f"data:image/bmp;base64,{_bitmap(_colours(network.predict(points), rows))}",
        "x": charts.LEFT,
        "y": charts.TOP,
        "width": charts.WIDTH - charts.LEFT - charts.RIGHT,
        "height": charts.HEIGHT - charts.TOP - charts.BOTTOM,
        "preserveAspectRatio": "none",
    }
    told = f"what the network says over {names[i]} and {names[j]}"
    return charts.picture(told, element("image", **image), around)


@lru_cache(maxsize=4)  # frames of a training share them
def _plane(rows: Rows, i: int, j: int) -> tuple[NDArray[Any], Markup]:
    """Return the points that a surface is predicted at, and what stands around and on it."""
    some = slice(None, None, -(-len(rows.X) // MOST_POINTS))
    X, targets = rows.X[some], rows.y.reshape(len(rows.X), -1)[some, :1]
    x, y = _data_axis(rows.X[:, i]), _data_axis(rows.X[:, j])
    points = np.tile(rows.X.mean(axis=0), (SIDE * SIDE, 1))
    over, above = np.meshgrid(np.linspace(x.low, x.high, SIDE), np.linspace(y.low, y.high, SIDE))
    points[:, i], points[:, j] = over.ravel(), above.ravel()
    pure = COLOURS[targets[:, 0] % len(COLOURS)] if rows.classes else _colours(targets, rows)
    dots = _dots(x, y, zip(X[:, i], X[:, j], _texts(pure), strict=True))
    return points, join(frame(x, y, rows.names[i], rows.names[j]), dots)


def learnt_colours(rows: Rows) -> list[tuple[str, str]]:
    """Return the colours of the picture of what was learnt, each with what it stands for."""
    if rows.classes:
        names = rows.outputs or tuple(f"class {i}" for i in range(rows.classes))
        return [*zip(_texts(COLOURS[np.arange(len(names)) % len(COLOURS)]), names, strict=True)]
    name = rows.outputs[0] if rows.outputs else "output"
    return [*zip(_texts(COLOURS[:2]), (f"low {name}", f"high {name}"), strict=True)]


def _curve_picture(network: Network, rows: Rows) -> str:
    some = slice(None, None, -(-len(rows.X) // MOST_POINTS))
    X, targets = rows.X[some], rows.y.reshape(len(rows.X), -1)[some, :1]
    x, name = _data_axis(rows.X[:, 0]), rows.names[0]
    places = np.linspace(x.low, x.high, 2 * SIDE)
    found = network.predict(places[:, None])[:, 0]
    y, fills = _axis_of(np.append(found, rows.y)), _texts(_colours(targets, rows))
    dots = _dots(x, y, zip(X[:, 0], targets[:, 0], fills, strict=True))
    line = _line(x, y, zip(places, found, strict=True), "one")
    return charts.picture(f"the fitted curve over {name}", frame(x, y, name, "output"), dots, line)


def _data_axis(values: NDArray[Any]) -> Axis:
    low, high = float(values.min()), float(values.max())
    return charts.nice_axis(low - 0.05 * (high - low), high + 0.05 * (high - low))


def _dots(x: Axis, y: Axis, points: Iterable[tuple[float, float, str]]) -> Markup:
    return Markup("".join(
        f'<circle cx="{across(x, a)}" cy="{up(y, b)}" r="3" class="point" fill="{fill}"/>'
        for a, b, fill in points
    ))  # fmt: skip


def _texts(colours: NDArray[Any]) -> list[str]:
    return [f"rgb({r:.0f} {g:.0f} {b:.0f})" for r, g, b in colours]


def _colours(output: NDArray[Any], rows: Rows) -> NDArray[Any]:
    """Return a colour for every row of an output: of its class, paler where that is less sure."""
    if output.shape[1] > 1 and rows.classes:
        sure = output.max(axis=1, keepdims=True).clip(0, 1)
        pure = COLOURS[output.argmax(axis=1) % len(COLOURS)]
    else:
        # the few largest of a table would leave all others one colour
        low, high = (0.0, 1.0) if rows.classes else np.quantile(rows.y, (0.05, 0.95))
        place = (output[:, :1] - low) / ((high - low) or 1.0) * 2 - 1
        sure, pure = np.abs(place).clip(0, 1), np.where(place > 0, POSITIVE, NEGATIVE)
    found: NDArray[Any] = np.asarray(MIDDLE) + 0.75 * sure * (pure - np.asarray(MIDDLE))
    return found


def _bitmap(colours: NDArray[Any]) -> str:
    """Return colours (SIDE², 3), rows from below, as a bitmap in base64."""
    pixels = np.nan_to_num(colours[:, ::-1]).round().astype(np.uint8).tobytes()
    sizes = 54 + len(pixels), 0, 54, 40, SIDE, SIDE, 1, 24, 0, len(pixels), 0, 0, 0, 0
    return base64.b64encode(struct.pack("<2sIIIIiiHHIIiiII", b"BM", *sizes) + pixels).decode()
