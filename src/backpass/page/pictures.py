"""The page's own pictures: a slope, costs over epochs, what a network has learnt."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from backpass.derivatives.tracing.network_picture import MIDDLE, NEGATIVE, POSITIVE
from backpass.network.network import Network
from backpass.page.data import Rows
from backpass.page.holding import Held
from backpass.tabular.report.charts import (
    Axis,
    Line,
    across,
    element,
    frame,
    line_chart,
    nice_axis,
    picture,
    up,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE = 48
"""Of a surface in cells: boundaries look smooth, and 2304 rows are predicted in a millisecond."""

MOST_POINTS = 300
"""Of a table that are drawn, and of a curve over epochs."""

COLOURS = np.array([
    NEGATIVE, POSITIVE, (0, 158, 115), (204, 121, 167), (230, 200, 50), (86, 180, 233),
    (120, 120, 120), (213, 94, 0), (100, 70, 160), (60, 60, 60),
])  # fmt: skip
"""Of classes; the first eight are told apart by colour-blind readers, too."""


def slope_picture(held: Held) -> str:
    """Return J(w + ε) with the tangent whose slope is the derivative."""
    changes = held.costs - held.cost
    x, y = nice_axis(held.epsilons[0], held.epsilons[-1]), _axis_of(changes)
    tangent = [(e, e * held.derivative) for e in np.linspace(x.low, x.high, 2 * len(changes))]
    inside = [(e, change) for e, change in tangent if y.low <= change <= y.high]
    moved = held.moved - held.cost
    dot = {"cx": across(x, held.epsilon), "cy": up(y, moved), "r": 5, "class_": "two dot"}
    return picture(
        f"what a shift ε of one parameter adds to the cost; tangent of slope {held.derivative:.4g}",
        frame(x, y, "ε", "J(w + ε) − J(w)"),
        _line(x, y, zip(held.epsilons, changes, strict=True), "two"),
        _line(x, y, inside, "one"),
        element("circle", cx=across(x, 0.0), cy=up(y, 0.0), r=4, class_="one dot"),
        element("circle", **dot),
    )


def _axis_of(values: Any) -> Axis:
    known = values[np.isfinite(values)]
    return nice_axis(float(known.min()), float(known.max()))


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
    return line_chart(lines, told, mark=mark, marked=f"epoch {epoch}")


def learnt_picture(network: Network, rows: Rows, axes: tuple[int, int]) -> str:
    """Return what the network says over two inputs, or the curve over its only one."""
    i, j = axes
    if rows.X.shape[1] == 1:
        return _curve_picture(network, rows)
    x, y = (_data_axis(rows.X[:, k]) for k in axes)
    middle = rows.X.mean(axis=0)
    points = np.tile(middle, (SIDE * SIDE, 1))
    over, down = np.meshgrid(np.linspace(x.low, x.high, SIDE), np.linspace(y.high, y.low, SIDE))
    points[:, i], points[:, j] = over.ravel(), down.ravel()
    colours = _colours(network.predict(points), rows)
    image = _png(colours.reshape(SIDE, SIDE, 3))
    left, right, top, bottom = across(x, x.low), across(x, x.high), up(y, y.high), up(y, y.low)
    some = slice(None, None, -(-len(rows.X) // MOST_POINTS))
    dots = [
        element("circle", cx=across(x, a), cy=up(y, b), r=3, class_="point", fill=fill)
        for (a, b), fill in zip(rows.X[some][:, [i, j]], _marks(rows, some), strict=True)
    ]
    names = rows.names
    return picture(
        f"what the network says over {names[i]} and {names[j]}",
        element(
            "image", href=f"data:image/png;base64,{image}", x=left, y=top,
            width=float(right) - float(left), height=float(bottom) - float(top),
            preserveAspectRatio="none",
        ),
        frame(x, y, names[i], names[j]),
        *dots,
    )  # fmt: skip


def _curve_picture(network: Network, rows: Rows) -> str:
    x = _data_axis(rows.X[:, 0])
    xs = np.linspace(x.low, x.high, 120)
    found = network.predict(xs[:, None])[:, 0]
    y = _axis_of(np.concatenate([found, rows.y.ravel()]))
    some = slice(None, None, -(-len(rows.X) // MOST_POINTS))
    targets = rows.y.reshape(len(rows.X), -1)[:, 0]
    dots = [
        element("circle", cx=across(x, a), cy=up(y, b), r=3, class_="point two dot")
        for a, b in zip(rows.X[some, 0], targets[some], strict=True)
    ]
    name = rows.names[0]
    line = _line(x, y, zip(xs, found, strict=True), "one")
    return picture(f"the fitted curve over {name}", frame(x, y, name, "output"), *dots, line)


def _data_axis(values: NDArray[Any]) -> Axis:
    low, high = float(values.min()), float(values.max())
    return nice_axis(low - 0.05 * (high - low), high + 0.05 * (high - low))


def _colours(output: NDArray[Any], rows: Rows) -> NDArray[Any]:
    """Return a colour for every row of an output: of its class, paler where that is less sure."""
    if output.shape[1] > 1 and rows.classes:
        which = output.argmax(axis=1)
        sure = output.max(axis=1, keepdims=True).clip(0, 1)
        pure = COLOURS[which % len(COLOURS)]
    else:
        low, high = (0.0, 1.0) if rows.classes else (float(rows.y.min()), float(rows.y.max()))
        place = (output[:, :1] - low) / ((high - low) or 1.0) * 2 - 1
        sure, pure = np.abs(place).clip(0, 1), np.where(place > 0, POSITIVE, NEGATIVE)
    found: NDArray[Any] = np.asarray(MIDDLE) + 0.75 * sure * (pure - np.asarray(MIDDLE))
    return found


def _marks(rows: Rows, some: slice) -> list[str]:
    """Return the colours of points: those of their classes, or of their targets."""
    if rows.classes:
        found = COLOURS[rows.y[some] % len(COLOURS)]
    else:
        y = rows.y.reshape(len(rows.X), -1)[some, :1]
        found = _colours(y, rows)
    return [f"rgb({r:.0f} {g:.0f} {b:.0f})" for r, g, b in found]


def _png(pixels: NDArray[Any]) -> str:
    """Return an array (height, width, 3) as a PNG, in base64."""
    height, width, _ = pixels.shape
    lines = np.zeros((height, 1 + 3 * width), dtype=np.uint8)  # each begins with its filter: none
    lines[:, 1:] = np.nan_to_num(pixels).round().reshape(height, -1)

    def chunk(kind: bytes, data: bytes) -> bytes:
        whole = kind + data
        return struct.pack(">I", len(data)) + whole + struct.pack(">I", zlib.crc32(whole))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(lines.tobytes(), 1))]
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")).decode()
