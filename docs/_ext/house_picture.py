"""The packages and their imports as SVG, for a desktop's width and for a phone's.

Every package that is imported has a colour and a lane on the right; whoever imports it runs a line
into that lane, as thick as the imports are many. Lanes of lower packages lie further out, so that
the line into a package crosses none.
"""

import html
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["NATIVE_NOTE", "picture"]

NATIVE_NOTE = "The engine in C++: a step in two passes, compiled for each instruction set."

# told apart in grey as well by their lanes; each has a contrast of 3 or more to white and to black
COLOURS = {
    "core": "#3a80c8",
    "storage": "#c0702a",
    "engines": "#2a9468",
    "network": "#b0529e",
    "training": "#8f7d22",
    "estimators": "#cf5049",
    "derivatives": "#7c6ad2",
    "tabular": "#26919c",
    "scaling": "#b5762a",
    "export": "#84847c",
    "page": "#5a9a2e",
    "cli": "#84847c",
}


@dataclass(frozen=True)
class Sheet:
    """The measures of one drawing, in its own units, which are pixels at its full width."""

    width: int
    lane: int  # from one lane to the next
    name: float  # sizes of type
    text: float
    gap: int  # between boxes
    pad: int

    @property
    def boxes(self) -> int:
        """Where the boxes end and the lanes begin."""
        return self.width - self.lane * len(COLOURS)

    def wrapped(self, text: str, width: float) -> list[str]:
        # a letter of a wide sans-serif (DejaVu) takes 0.58 of its height, m and w included
        return textwrap.wrap(text, int((width - 2 * self.pad) / (0.58 * self.text)))


SHEETS = {
    "wide": Sheet(width=740, lane=17, name=16, text=13, gap=12, pad=10),
    "narrow": Sheet(width=350, lane=10, name=14, text=11.5, gap=10, pad=8),
}


@dataclass
class Box:
    """A package as it lies on the sheet."""

    package: str
    x: float
    width: float
    y: float
    height: float
    sentence: list[str]
    size: str


Told = Mapping[str, tuple[str, str]]
"""The sentence and the size of every package, and of ``native``."""


def picture(told: Told, imports: Mapping[tuple[str, str], int], which: str) -> str:
    """Return the drawing called `which`: the last package of `told` on top, native last of all."""
    sheet = SHEETS[which]
    packages = [name for name in told if name != "native"]
    boxes: dict[str, Box] = {}
    y = 1.0
    for package in reversed(packages):
        row = ["native", package] if package == "engines" else [package]
        laid = _row(sheet, row, told, y)
        boxes |= {box.package: box for box in laid}
        y += laid[0].height + sheet.gap
    lines = "".join(_lines(sheet, boxes, packages, imports, target) for target in packages)
    drawn = "".join(_box(sheet, box) for box in boxes.values())
    link = _link(sheet, boxes)
    label = "The packages from the command line at the top to the core at the bottom."
    return (
        f'<svg viewBox="0 0 {sheet.width} {y - sheet.gap + 1:g}" role="group" aria-label="{label}">'
        f"{lines}{link}{drawn}</svg>"
    )


def _row(sheet: Sheet, row: list[str], told: Told, y: float) -> list[Box]:
    """Lay out the boxes of one row, equally high."""
    share = [0.5, 0.5] if len(row) > 1 else [1.0]
    between = sheet.gap * (len(row) - 1)
    boxes, x = [], 0.5
    for package, part in zip(row, share, strict=True):
        width = (sheet.boxes - between) * part
        sentence, size = told[package]
        boxes.append(Box(package, x, width, y, 0, sheet.wrapped(sentence, width), size))
        x += width + between
    height = max(_height(sheet, box) for box in boxes)
    for box in boxes:
        box.height = height
    return boxes


def _stacked(sheet: Sheet, box: Box) -> bool:
    """Return whether a box is too narrow for its name and its size in one line."""
    return 0.56 * (sheet.name * (len(box.package) + 2) + sheet.text * len(box.size)) > box.width


def _height(sheet: Sheet, box: Box) -> float:
    head = sheet.name * 1.1 + 1.1 * sheet.text * _stacked(sheet, box)
    return 2 * sheet.pad + head + 1.3 * sheet.text * len(box.sentence)


def _box(sheet: Sheet, box: Box) -> str:
    colour = COLOURS.get(box.package, COLOURS["engines"])
    left, baseline = box.x + sheet.pad, box.y + sheet.pad + 0.75 * sheet.name
    stacked = _stacked(sheet, box)
    size_at = (
        f'x="{left:g}" y="{baseline + 1.15 * sheet.text:g}"'
        if stacked
        else f'x="{box.x + box.width - sheet.pad:g}" y="{baseline:g}" text-anchor="end"'
    )
    first = baseline + (1.35 + 1.1 * stacked) * sheet.text
    text = "".join(
        f'<text x="{left:g}" y="{first + 1.3 * sheet.text * i:g}">{html.escape(line)}</text>'
        for i, line in enumerate(box.sentence)
    )
    return (  # the size is set smaller, to fit beside native/ on a phone
        f'<a href="#package-{box.package}" font-size="{sheet.text}">'
        f'<rect x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" height="{box.height:g}" rx="5"'
        f' stroke="{colour}"/>'
        f'<text class="house-name" x="{left:g}" y="{baseline:g}" font-size="{sheet.name}"'
        f">{box.package}/</text>"
        f'<text class="house-size" {size_at} font-size="{0.92 * sheet.text:g}">{box.size}</text>'
        f"{text}</a>"
    )


def _lines(
    sheet: Sheet,
    boxes: Mapping[str, Box],
    packages: list[str],
    imports: Mapping[tuple[str, str], int],
    target: str,
) -> str:
    """Return the lines of all that import `target`, and the arrow into its box."""
    importers = [package for package in packages if (package, target) in imports]
    if not importers:
        return ""
    colour = COLOURS[target]
    lane = sheet.width - sheet.lane * (packages.index(target) + 1)
    end = boxes[target].y + 0.14 * boxes[target].height
    drawn = ""
    for package in importers:
        box, count = boxes[package], imports[package, target]
        below = [other for other in packages if (package, other) in imports]
        slot = (below.index(target) + 1) / (len(below) + 1)
        start = box.y + box.height * (0.2 + 0.8 * slot)
        said = f"{package} imports {target}: {count} import{'s' * (count > 1)}"
        drawn += (
            f'<path d="M{sheet.boxes} {start:.1f}'
            f"H{lane - 4}Q{lane} {start:.1f} {lane} {start + 4:.1f}"
            f'V{end - 4:.1f}Q{lane} {end:.1f} {lane - 4} {end:.1f}H{sheet.boxes + 7}"'
            f' stroke="{colour}" stroke-width="{_thickness(count):.1f}">'
            f"<title>{said}</title></path>"
        )
    tip, half = sheet.boxes + 1, 5
    return drawn + (
        f'<path class="house-tip" d="M{tip} {end:.1f}l9 {-half}v{2 * half}z" fill="{colour}"/>'
    )


def _thickness(count: int) -> float:
    """Return how thick a line is: by the root, so that 1 is seen beside 80, which fits a lane."""
    return 1 + 0.5 * count**0.5


def _link(sheet: Sheet, boxes: Mapping[str, Box]) -> str:
    """Return the line between the engine in C++ and the package that calls it."""
    native, engines = boxes["native"], boxes["engines"]
    middle = native.y + native.height / 2
    return (
        f'<path d="M{native.x + native.width:g} {middle:g}H{engines.x:g}"'
        f' stroke="{COLOURS["engines"]}" stroke-width="3" stroke-dasharray="3 2"/>'
    )
