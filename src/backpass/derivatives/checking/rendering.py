"""The result of a gradient check as text, in the terminal and in a notebook."""

import html
import math
from typing import Any

from backpass.derivatives.checking.comparison import FAILS, GroupCheck

__all__ = ["as_html", "as_rich", "as_text", "heading", "notes"]

SYMBOLS = {
    "W": "∂J/∂W", "W data": "∂J/∂W, no L2", "b": "∂J/∂b", "delta": "δ = ∂J/∂z", "g": "∂J/∂a",
    "input": "∂J/∂X", "phi'": "φ′", "C'": "∂C",
}  # fmt: skip
HEADS = ("layer", "derivative", "checked", "worst", "median", "where", "verdict")
LEFT = (1, 5, 6)
"""Columns of texts."""


def _figure(x: float) -> str:
    return "–" if math.isnan(x) else f"{x:.0e}"


def _cells(row: GroupCheck) -> tuple[str, ...]:
    shown = row.deciding
    kinks = sum(c.kinks for c in row.comparisons.values())
    small = shown.too_small
    notes = [f"{kinks} at a kink"] * bool(kinks) + [f"{small} too small"] * bool(small)
    return (
        str(row.layer),
        SYMBOLS[row.kind] + (f" {row.record}" if row.kind in ("phi'", "C'") else ""),
        str(row.checked),
        _figure(shown.worst),
        _figure(shown.median),
        f"[{', '.join(map(str, row.where))}]",
        row.verdict + f" ({', '.join(notes)})" * bool(notes),
    )


def heading(check: Any) -> str:
    """Return the verdict in a line."""
    n = len(check.costs.given.X)
    over = f"{check.claim.source}, {n} row{'s' * (n != 1)}"
    if check.passed:
        return f"every derivative agrees ({over})"
    return f"wrong: {'; '.join(check.blame)} ({over})"


def _methods(check: Any) -> str:
    """Return what was compared with, and the largest relative error by each."""
    worst: dict[str, float] = {}
    for row in check.table:
        for method, c in row.comparisons.items():
            worst[method] = max(worst.get(method, 0.0), 0.0 if math.isnan(c.worst) else c.worst)
    entries = sum(row.entries for row in check.table)
    checked = sum(row.checked for row in check.table)
    figures = ", ".join(f"{method} {_figure(x)}" for method, x in worst.items())
    return f"{checked} of {entries} derivatives; largest relative error by method: {figures}"


def notes(check: Any) -> list[str]:
    """Return what is said below the table: the methods, and the worst entry where errors begin."""
    told = [_methods(check)] + [
        f"layer {row.layer}, {SYMBOLS[row.kind]}[{', '.join(map(str, row.where))}]: "
        f"{row.claimed:.9g}, should be {row.found:.9g}"
        for row in check.origins
    ]
    if following := len(check.failures) - len(check.origins):
        told.append(f"{following} more failed, which can follow from that")
    return told


def as_text(check: Any) -> str:
    """Return the certificate as plain text, a line a row."""
    rows = [HEADS, *map(_cells, check.table)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADS))]
    lines = [
        "  ".join(
            cell.ljust(w) if i in LEFT else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n".join([heading(check), *lines, *notes(check)])


def as_rich(check: Any) -> Any:
    """Return the certificate for rich's console."""
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for i, head in enumerate(HEADS):
        grid.add_column(Text(head), justify="left" if i in LEFT else "right", overflow="fold")
    for row in check.table:
        style = "bold red" if row.verdict in FAILS else ""
        grid.add_row(*(Text(cell, style=style) for cell in _cells(row)))
    title = Text(heading(check), style="bold green" if check.passed else "bold red")
    return Group(title, grid, *(Text(note) for note in notes(check)))


STYLE = (
    "<style>.bp-check{border-collapse:collapse;font-variant-numeric:tabular-nums}"
    ".bp-check th,.bp-check td{padding:.2em .6em;text-align:right;"
    "border-bottom:1px solid color-mix(in srgb,currentColor 25%,transparent)}"
    ".bp-check .bp-left{text-align:left}"
    ".bp-check .bp-wrong{font-weight:bold}"
    ".bp-check .bp-wrong:first-child{border-left:.3em solid #b35806}</style>"
)


def as_html(check: Any) -> str:
    """Return the certificate for a notebook: no script, in the page's own colours."""

    def cells(tag: str, values: tuple[str, ...], style: str = "") -> str:
        return "".join(
            f'<{tag} class="{"bp-left" if i in LEFT else ""} {style}">{html.escape(value)}</{tag}>'
            for i, value in enumerate(values)
        )

    rows = "".join(
        f"<tr>{cells('td', _cells(row), 'bp-wrong' if row.verdict in FAILS else '')}</tr>"
        for row in check.table
    )
    said = "".join(f"<div>{html.escape(note)}</div>" for note in notes(check))
    head = f"<thead><tr>{cells('th', HEADS)}</tr></thead>"
    return (
        f"{STYLE}<div><strong>{html.escape(heading(check))}</strong></div>"
        f'<table class="bp-check">{head}<tbody>{rows}</tbody></table>{said}'
    )
