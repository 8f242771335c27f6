"""The fragments of the page, drawn from the state of a tab by the templates."""

from __future__ import annotations

from collections.abc import Iterable

from jinja2 import Environment, PackageLoader

from backpass.core.activations import ACTIVATIONS
from backpass.core.initializers import INITIALIZERS
from backpass.core.losses import LOSSES
from backpass.core.optimizers import OPTIMIZERS
from backpass.derivatives.checking.result import content
from backpass.derivatives.notation import NOTATIONS, Notation
from backpass.derivatives.notation.in_line import in_line
from backpass.derivatives.tracing import FORMS
from backpass.derivatives.tracing.formatter import printed
from backpass.derivatives.tracing.to_html import step_html
from backpass.errors import InputError
from backpass.page.data import COLUMN_HEADS, EXAMPLES
from backpass.page.pictures import cost_picture, learnt_colours, learnt_picture, slope_picture
from backpass.page.setup import to_fragment, to_json
from backpass.page.tab import CHECKED_ROWS, Tab
from backpass.page.training import PACES, layers_health

KINDS = ("W", "b", "delta", "g", "X", "z", "a")
"""Of a single array that is judged, as :func:`~backpass.explain_mismatch` takes them."""


def drawn(tab: Tab, names: Iterable[str]) -> dict[str, str]:
    """Return fragments by their names."""
    return {name: str(getattr(_fragments, name)(tab)).strip() for name in names}


def _number(value: float) -> str:
    return printed(value, 6).replace("-", "−")


def _setup_texts(tab: Tab) -> tuple[str, str, str]:
    """Return the set-up as JSON and behind an address, or empty texts and why there are none."""
    try:
        return to_json(tab.setup, tab.rows), to_fragment(tab.setup, tab.rows), ""
    except InputError as error:
        return "", "", str(error)


def _sample(notation: Notation) -> str:
    """Return a notation's name and note, and how it writes cost, error signal and gradient."""
    note = f" (note {notation.note})" if notation.note else ""
    symbols = (in_line(notation, key, "2") for key in ("J", "delta", "dW"))
    return f"{notation.name}{note}: {', '.join(symbols)}"


_environment = Environment(
    loader=PackageLoader("backpass.page"), autoescape=True, trim_blocks=True, lstrip_blocks=True
)
_environment.filters["number"] = _number
_environment.globals |= {
    "examples": list(EXAMPLES),
    "hidden_activations": [phi.name for phi in ACTIVATIONS.records() if phi.hidden],
    "losses": list(LOSSES),
    "loss_record": LOSSES.get_record,
    "optimizers": list(OPTIMIZERS),
    "initializers": list(INITIALIZERS),
    "notations": {name: _sample(notation) for name, notation in NOTATIONS.items()},
    "forms": {name: f"{name}: {told}" for name, told in FORMS.items()},
    "paces": {name: f"{name} epochs a second" if s else "full speed" for name, s in PACES.items()},
    "kinds": {"": "by its shape", **{kind: kind for kind in KINDS}},
    "column_heads": COLUMN_HEADS,
    "checked_rows": CHECKED_ROWS,
    "in_line": in_line,
    "setup_texts": _setup_texts,
    "layers_health": layers_health,
    "step_html": step_html,
    "certificate_html": content,
    "cost_picture": cost_picture,
    "learnt_colours": learnt_colours,
    "learnt_picture": learnt_picture,
    "slope_picture": slope_picture,
}
_fragments = _environment.get_template("fragments.html").module
