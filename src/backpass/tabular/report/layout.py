"""Sections and tables of the page."""

from __future__ import annotations

import math
from typing import Any

from backpass.tabular.formatting import Cell, Grid
from backpass.tabular.report.charts import Markup, element


def section(title: str, *children: Markup, wide: bool = False) -> Markup:
    """Return a card of the page, across all of it where it is wide."""
    return element("section", element("h2", title), *children, class_="wide" if wide else None)


def table_of(view: Grid, **attributes: Any) -> Markup:
    """Return a grid as a table that scrolls where it is wider than the page."""
    heads = [
        element("th", head, class_="text" if kind in ("text", "name", "note") else None)
        for head, kind in view.columns
    ]
    rows = [
        element(
            "tr",
            *(_cell(cell, kind) for cell, (_, kind) in zip(row, view.columns, strict=True)),
            class_=row[0].mark or None,
        )
        for row in view.rows
    ]
    body = (element("thead", element("tr", *heads)), element("tbody", *rows))
    return element("div", element("table", *body, **attributes), class_="scroll")


def _cell(cell: Cell, kind: str) -> Markup:
    metric = "best" if cell.mark == "best" else "plain"
    classes = {"number": None, "share": "text dim", "metric": metric}
    if cell.mark not in ("right", "wrong") or not cell.text:
        return element("td", cell.text, class_=classes.get(kind, kind))
    # a part of a hundredth must be visible, too: the eye sees the square root
    strength = round(math.sqrt(cell.part), 2)
    colour = f"background: rgb(var(--{'good' if cell.mark == 'right' else 'bad'}) / {strength})"
    style = colour + ("; color: #fff" if strength > 0.6 else "")
    return element("td", cell.text, style=style, class_="text" if kind == "text" else None)
