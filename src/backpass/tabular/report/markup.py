"""Markup that is safe by construction: every text is escaped unless it is markup already."""

from __future__ import annotations

import html
from typing import Any

from backpass.tabular.formatting import one_line

__all__ = ["Markup", "element", "join"]


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
