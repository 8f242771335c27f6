"""The fragments of the page, drawn from the state of a tab by the templates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from jinja2 import Environment, PackageLoader

from backpass.core.activations import ACTIVATIONS
from backpass.core.initializers import INITIALIZERS
from backpass.core.losses import LOSSES
from backpass.core.optimizers import OPTIMIZERS
from backpass.derivatives.checking.result import content
from backpass.derivatives.notation import NOTATIONS
from backpass.derivatives.notation.in_line import in_line
from backpass.derivatives.tracing import FORMS
from backpass.derivatives.tracing.formatter import printed
from backpass.derivatives.tracing.to_html import step_html
from backpass.errors import InputError
from backpass.page.data import EXAMPLES
from backpass.page.pictures import cost_picture, learnt_picture, slope_picture
from backpass.page.setup import to_fragment, to_json
from backpass.page.stepping import Walk
from backpass.page.tab import Tab
from backpass.page.training import PACES, layers_health

NAMED_ROWS = 10
"""The most rows of a mini-batch that are named."""

KINDS = ("W", "b", "delta", "g", "X", "z", "a")
"""Of a single array that is judged, as :func:`~backpass.explain_mismatch` takes them."""

MINI_BATCH = 10
"""Rows of the mini-batch that one press chooses; the builder takes any number."""


def drawn(tab: Tab, names: Iterable[str]) -> dict[str, str]:
    """Return fragments by their names."""
    return {name: str(getattr(_fragments, name)(tab)).strip() for name in names}


def _number(value: float) -> str:
    return printed(value, 6).replace("-", "−")


def _outputs(loss: str) -> tuple[str, ...]:
    return LOSSES.get_record(loss).outputs


def _modes(tab: Tab) -> list[tuple[str, str]]:
    """Return note 4's three ways to take an update, with the rows of each."""
    return [("1", "by sample"), (str(MINI_BATCH), "mini-batch"), ("all", "full batch")]


def _mode(tab: Tab) -> str:
    """Return which of them is in use."""
    rows, count = tab.course.problem.batch_size, len(tab.rows.X)
    return "1" if rows == 1 else "all" if rows == count else str(MINI_BATCH)


def _rows_named(walk: Walk) -> str:
    """Return the rows of a mini-batch by their numbers, counted as the notation does."""
    first = 1 - walk.trace.notation.from_zero
    told = ", ".join(str(row + first) for row in walk.rows[:NAMED_ROWS])
    return f"row{'s' * (len(walk.rows) > 1)} {told}{', …' * (len(walk.rows) > NAMED_ROWS)}"


def _held_name(tab: Tab) -> str:
    """Return what is held, in the notation's symbol and counting."""
    held = tab.held
    assert held is not None
    symbol = in_line(tab.walk.trace.notation, held.key, batch=False)
    *source, unit = (number + tab.first for number in held.entry)
    if not source:
        return f"{symbol}: bias of unit {unit} in layer {held.layer}"
    return f"{symbol}: weight from unit {source[0]} to unit {unit} of layer {held.layer}"


def _progress(tab: Tab, noise: float) -> Iterator[tuple[str, ...]]:
    """Yield the figures of the frame that is shown."""
    epoch, course = tab.training.frame.epoch, tab.course
    yield "epoch", str(epoch), "epochs"
    yield "noise of the mini-batch gradient", _number(noise)
    for name, curve in (("training cost", course.costs), ("judging cost", course.judged)):
        if epoch and curve:
            yield name, _number(curve[min(epoch, len(curve)) - 1])


def _setup_texts(tab: Tab) -> tuple[str, str]:
    """Return the set-up as JSON and behind an address, or why it has no such form."""
    try:
        return to_json(tab.setup, tab.rows), to_fragment(tab.setup, tab.rows)
    except InputError as error:
        return str(error), ""


_environment = Environment(
    loader=PackageLoader("backpass.page"), autoescape=True, trim_blocks=True, lstrip_blocks=True
)
_environment.filters["number"] = _number
_environment.globals |= {
    "examples": list(EXAMPLES),
    "hidden_activations": [phi.name for phi in ACTIVATIONS.records() if phi.hidden],
    "losses": list(LOSSES),
    "outputs": _outputs,
    "optimizers": list(OPTIMIZERS),
    "initializers": list(INITIALIZERS),
    "notations": {n: f"{n} (note {t.note})" if t.note else n for n, t in NOTATIONS.items()},
    "forms": {name: f"{name}: {told}" for name, told in FORMS.items()},
    "paces": {name: f"{name} epochs a second" if s else "full speed" for name, s in PACES.items()},
    "kinds": {"": "by its shape", **{kind: kind for kind in KINDS}},
    "modes": _modes,
    "mode": _mode,
    "rows_named": _rows_named,
    "held_name": _held_name,
    "progress": _progress,
    "setup_texts": _setup_texts,
    "layers_health": layers_health,
    "step_html": step_html,
    "certificate_html": content,
    "cost_picture": cost_picture,
    "learnt_picture": learnt_picture,
    "slope_picture": slope_picture,
}
_fragments = _environment.get_template("fragments.html").module
