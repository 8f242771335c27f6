"""The report's charts, as SVG."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backpass.tabular.formatting import number, one_line


class Markup(str):
    """Text that is markup, and so is not escaped again."""

    __slots__ = ()


def _escaped(child: object) -> str:
    return child if isinstance(child, Markup) else html.escape(one_line(child))


def join(*children: object) -> Markup:
    """Return the children one after the other, texts escaped."""
    return Markup("".join(_escaped(child) for child in children))


def element(name: str, *children: object, **attributes: Any) -> Markup:
    """Return an element; a trailing underscore of an attribute falls away, others become hyphens.

    Examples
    --------
    >>> element("td", "<script>", class_="name", data_x='"')
    '<td class="name" data-x="&quot;">&lt;script&gt;</td>'
    """
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_escaped(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{told}>{join(*children)}</{name}>")


WIDTH, HEIGHT = 420, 270
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 10, 40


@dataclass(frozen=True)
class Line:
    """A curve: its name, its numbers for x = 1, 2, …, and the CSS class of its colour."""

    name: str
    values: Sequence[float]
    css: str


@dataclass(frozen=True)
class Axis:
    """A range of numbers, with those to be written beside it."""

    low: float
    high: float
    ticks: tuple[float, ...]
    log: bool = False  # whether equal ratios take equal room

    def place(self, value: float) -> float:
        """Return where a number lies: 0 at the low end, 1 at the high one."""
        low, high = self.low, self.high
        if self.log:
            low, high, value = math.log(low), math.log(high), math.log(max(value, low))
        return min(1.0, max(0.0, (value - low) / (high - low)))


def nice_axis(low: float, high: float, *, whole: bool = False) -> Axis:
    """Return an axis with about five round ticks.

    Examples
    --------
    >>> nice_axis(0.0, 0.93)
    Axis(low=0.0, high=1.0, ticks=(0.0, 0.2, 0.4, 0.6, 0.8, 1.0), log=False)
    """
    if not high > low:
        low, high = low - (abs(low) or 1) / 2, low + (abs(low) or 1) / 2
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= rough * 0.999)
    step = max(1.0, step) if whole else step
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = tuple(float(f"{i * step:.12g}") for i in range(first, last + 1))
    return Axis(ticks[0], ticks[-1], ticks)


def log_axis(low: float, high: float) -> Axis:
    """Return a logarithmic axis that ends at powers of ten, or at 1, 2, 5 of a short range.

    Examples
    --------
    >>> log_axis(0.02, 30).ticks
    (0.01, 0.1, 1.0, 10.0, 100.0)
    """
    if not high > low:
        low, high = low / 2, high * 2
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    every = max(1, (last - first) // 5)
    if last - first > 2:
        ticks = [10.0**i for i in range(first, last + every, every)]
    else:
        ticks = [s * 10.0**i for i in range(first, last + 1) for s in (1, 2, 5)]
        ticks = [t for i, t in enumerate(ticks) if ticks[min(i + 1, len(ticks) - 1)] > low]
        ticks = [t for i, t in enumerate(ticks) if i == 0 or ticks[i - 1] < high]
    return Axis(ticks[0], ticks[-1], tuple(ticks), log=True)


def _value_axis(values: Sequence[float], *, log: bool) -> Axis:
    """Return an axis for what is finite of `values`, logarithmic where they span much."""
    known = [v for v in values if math.isfinite(v)]
    low, high = min(known, default=0.0), max(known, default=1.0)
    return log_axis(low, high) if low > 0 and (log or high / low > 20) else nice_axis(low, high)


# --- charts ----------------------------------------------------------------------------------


def line_chart(
    lines: Sequence[Line], label: str, *, log: bool = False, mark: int = 0, marked: str = ""
) -> Markup:
    """Return curves over epochs.

    Parameters
    ----------
    lines : sequence of Line
    label : str
        What the picture shows, for those who cannot see it.
    log : bool
        Whether equal ratios take equal room whatever the range is.
    mark : int
        An epoch to mark, from 1, with the text `marked`.
    """
    y = _value_axis([value for line in lines for value in line.values], log=log)
    most = max(len(line.values) for line in lines)
    x = nice_axis(0, max(most, 2), whole=True)
    x = Axis(0, max(most, 2), tuple(t for t in x.ticks if t <= max(most, 2)))
    parts = [_frame(x, y, "epoch", "")]
    if mark:
        parts.append(_mark(x, mark, marked))
    parts += [_curve(line, x, y) for line in lines]
    return _picture(label, *parts)


def curve_chart(
    points: Sequence[tuple[float, float]],
    label: str,
    x_name: str,
    y_name: str,
    texts: Mapping[float, str] | None = None,
    *,
    diagonal: bool = False,
) -> Markup:
    """Return a curve through points in the order of x, each with a dot.

    Parameters
    ----------
    points : sequence of (float, float)
    label, x_name, y_name : str
    texts : mapping of float to str, optional
        How values of x are written at the axis, which first and last are: dates.
    diagonal : bool
        Whether both axes are 0 to 1, with the line on which both numbers are equal.
    """
    xs, ys = [x for x, _ in points], [y for _, y in points]
    if diagonal:
        x = y = Axis(0.0, 1.0, (0.0, 0.25, 0.5, 0.75, 1.0))
    else:
        x, y = nice_axis(min(xs), max(xs)), nice_axis(min(ys), max(ys))
    parts = []
    if texts:
        x = Axis(min(xs), max(xs), ())
        ends = ((min(xs), LEFT, "start"), (max(xs), WIDTH - RIGHT, "end"))
        parts = [
            element("text", texts[at], x=place, y=HEIGHT - BOTTOM + 16, class_=css)
            for at, place, css in ends
        ]
    parts.insert(0, _frame(x, y, x_name, y_name))
    if diagonal:
        parts.append(_diagonal())
    places = [(_x(x, a), _y(y, b)) for a, b in sorted(points)]
    line = element("polyline", points=" ".join(f"{a},{b}" for a, b in places), class_="two")
    dots = [element("circle", cx=a, cy=b, r=3, class_="two dot") for a, b in places]
    return _picture(label, *parts, line, *dots)


def _diagonal() -> Markup:
    ends = {"x1": LEFT, "y1": HEIGHT - BOTTOM, "x2": WIDTH - RIGHT, "y2": TOP}
    return element("line", class_="diagonal", **ends)


def scatter_chart(
    points: Sequence[tuple[float, float]], label: str, x_name: str, y_name: str
) -> Markup:
    """Return points, with the line on which both numbers are equal."""
    both = [value for point in points for value in point]
    axis = nice_axis(min(both), max(both))
    dots = [element("circle", cx=_x(axis, a), cy=_y(axis, b), r=2) for a, b in points]
    frame = _frame(axis, axis, x_name, y_name)
    return _picture(label, frame, _diagonal(), element("g", *dots, class_="dots"))


def _picture(label: str, *parts: Markup) -> Markup:
    return element("svg", *parts, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=label)


def _x(axis: Axis, value: float) -> str:
    return f"{LEFT + axis.place(value) * (WIDTH - LEFT - RIGHT):.1f}"


def _y(axis: Axis, value: float) -> str:
    return f"{HEIGHT - BOTTOM - axis.place(value) * (HEIGHT - TOP - BOTTOM):.1f}"


def _curve(line: Line, x: Axis, y: Axis) -> Markup:
    points = [
        f"{_x(x, i)},{_y(y, value)}"
        for i, value in enumerate(line.values, start=1)
        if math.isfinite(value)
    ]
    if len(points) == 1:  # a line of one point would not be seen
        cx, cy = points[0].split(",")
        return element("circle", cx=cx, cy=cy, r=3, class_=f"{line.css} dot")
    return element(
        "polyline", element("title", line.name), points=" ".join(points), class_=line.css
    )


def _mark(x: Axis, epoch: int, text: str) -> Markup:
    at = _x(x, epoch)
    left = x.place(epoch) < 0.6
    return join(
        element("line", x1=at, x2=at, y1=TOP, y2=HEIGHT - BOTTOM, class_="mark"),
        element(
            "text",
            text,
            x=f"{float(at) + (5 if left else -5):.1f}",
            y=TOP + 11,
            class_="start" if left else "end",
        ),
    )


def _frame(x: Axis, y: Axis, x_name: str, y_name: str) -> Markup:
    parts = []
    for tick in y.ticks:
        at = _y(y, tick)
        parts.append(element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=at, y2=at, class_="grid"))
        parts.append(
            element("text", number(tick), x=LEFT - 6, y=f"{float(at) + 4:.1f}", class_="end")
        )
    for tick in x.ticks:
        at = _x(x, tick)
        css = "end" if float(at) > WIDTH - RIGHT - 15 else "middle"  # or the picture cuts it
        x_at = WIDTH - 2 if css == "end" else at
        parts.append(element("text", number(tick), x=x_at, y=HEIGHT - BOTTOM + 16, class_=css))
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(element("text", x_name, x=middle, y=HEIGHT - 6, class_="middle name"))
    if y_name:
        parts.append(element("text", y_name, x=LEFT + 6, y=TOP + 11, class_="start name"))
    return join(*parts)
