"""The fragments of the page: each is drawn by one function from the state of a tab."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable
from typing import Any

from backpass.core.activations import ACTIVATIONS
from backpass.core.initializers import INITIALIZERS
from backpass.core.losses import LOSSES
from backpass.core.optimizers import OPTIMIZERS
from backpass.derivatives.checking.result import content as certificate_html
from backpass.derivatives.notation import NOTATIONS
from backpass.derivatives.notation.in_line import in_line
from backpass.derivatives.tracing import FORMS
from backpass.derivatives.tracing.formatter import printed
from backpass.derivatives.tracing.to_html import step_html
from backpass.errors import InputError
from backpass.page.data import EXAMPLES
from backpass.page.holding import REACH
from backpass.page.pictures import cost_picture, learnt_picture, slope_picture
from backpass.page.setup import to_fragment, to_json
from backpass.page.tab import Tab
from backpass.page.training import PACES, layers_health
from backpass.tabular.report.charts import Markup, element, join

MOST_ROWS_NAMED = 10
"""Of a mini-batch, by their numbers in the table."""


def drawn(tab: Tab, names: Iterable[str]) -> dict[str, str]:
    """Return fragments by their names."""
    return {name: FRAGMENTS[name](tab) for name in names}


def _select(label: str, options: Iterable[Any], chosen: Any, **data: Any) -> Markup:
    """Return a labelled choice; an option is a value, or a value and its text."""
    pairs = [one if isinstance(one, tuple) else (one, one) for one in options]
    told = [
        element("option", text, value=value, selected="" if str(value) == str(chosen) else None)
        for value, text in pairs
    ]
    return element("label", label, " ", element("select", *told, **data))


def _field(label: str, value: Any, **data: Any) -> Markup:
    return element("label", label, " ", element("input", value=value, **data))


def _button(text: str, **data: Any) -> Markup:
    return element("button", text, type="button", **data)


def _number(value: float, digits: int = 4) -> str:
    return printed(value, digits).replace("-", "−")


# --- build -------------------------------------------------------------------------------------


def _build(tab: Tab) -> str:
    setup, rows = tab.setup, tab.rows
    names = [*EXAMPLES, *([] if rows.name in EXAMPLES else [rows.name])]
    data = [_select("data", names, rows.name, data_do="set", data_name="data", id="data")]
    if tab.table is not None:
        columns = [("", "choose …"), *tab.table.frame.columns]
        told = f"predict, of {tab.table.label}"
        data.append(_select(told, columns, "", data_do="predict", id="target"))
    hidden = [phi.name for phi in ACTIVATIONS.records() if phi.hidden]
    layers = [
        _layer(number, units, phi, hidden)
        for number, (units, phi) in enumerate(zip(setup.hidden, setup.activations, strict=True), 1)
    ]
    add = _button(
        "+ layer", data_do="layer", data_change="add", data_layer=len(layers) + 1, id="add-layer"
    )
    outputs = LOSSES.get_record(setup.loss).outputs
    size = "all" if setup.batch_size is None else setup.batch_size
    choices = [
        _setting("loss", "loss", LOSSES, setup.loss),
        _setting("output", "output", outputs, setup.output),
        _setting("optimizer", "optimiser", OPTIMIZERS, setup.optimizer),
        _setting("init", "initialiser", INITIALIZERS, setup.init),
        *(
            _field(label, value, data_do="set", data_name=name, id=name, size=6)
            for name, label, value in (
                ("learning_rate", "learning rate η", setup.learning_rate),
                ("batch_size", "mini-batch M (or all)", size),
                ("alpha", "L2 strength α", setup.alpha),
                ("seed", "seed", setup.seed),
            )
        ),
    ]
    held_out = 0 if rows.judged is None else len(rows.judged[1])
    about = f"{rows.name}: {len(rows.X)} rows train" + f", {held_out} judge" * bool(held_out)
    about += f"; network {'-'.join(map(str, tab.course.network.sizes))}"
    return join(
        element("p", about, class_="bp-soft"),
        element("div", *data, class_="bp-fields"),
        element("div", *layers, add, class_="bp-layers"),
        element("div", *choices, class_="bp-fields"),
    )


def _setting(name: str, label: str, options: Iterable[str], chosen: str) -> Markup:
    """Return a choice of a registry's names; one with numbers of its own is among them."""
    names = [*options]
    names += [] if chosen in names else [chosen]
    return _select(label, names, chosen, data_do="set", data_name=name, id=name)


def _layer(number: int, units: int, activation: str, names: list[str]) -> Markup:
    known = names if activation in names else [*names, activation]
    at = {"data_do": "layer", "data_layer": number}
    return element(
        "fieldset",
        element("legend", f"layer {number}"),
        _button("−", **at, data_change="fewer", aria_label=f"fewer units in layer {number}"),
        element(
            "input", value=units, size=3, aria_label=f"units of layer {number}",
            **at, data_change="units", id=f"units-{number}",
        ),
        _button("+", **at, data_change="more", aria_label=f"more units in layer {number}"),
        _select("φ", known, activation, **at, data_change="activation", id=f"activation-{number}"),
        _button("×", **at, data_change="remove", aria_label=f"remove layer {number}"),
    )  # fmt: skip


# --- step --------------------------------------------------------------------------------------


def _counters(tab: Tab) -> str:
    course, N = tab.course, len(tab.rows.X)
    M = course.problem.batch_size
    modes = (("1", "by sample"), (str(min(10, N)), "mini-batch"), ("all", "full batch"))
    now = "1" if M == 1 else "all" if M == N else str(min(10, N))
    buttons = [
        _button(text, data_do="set", data_name="batch_size", data_value=value, id=f"mode-{i}",
                aria_pressed=str(value == now).lower())
        for i, (value, text) in enumerate(modes)
    ]  # fmt: skip
    figures = (
        ("epoch", course.epoch + 1), ("updates", course.update),
        ("sample gradients", course.sample_gradients), ("updates in an epoch", course.per_epoch),
    )  # fmt: skip
    told = [join(element("dt", name), element("dd", value)) for name, value in figures]
    told.append(join(element("dt", "parameters"), element("dd", course.digest, id="digest")))
    return join(
        element("div", *buttons, class_="bp-modes", role="group", aria_label="rows in an update"),
        element("dl", *told, class_="bp-counters"),
    )


def _picture(tab: Tab) -> str:
    return tab.walk.picture(tab.at)


def _step(tab: Tab) -> str:
    walk, at = tab.walk, tab.at
    section, step = walk.steps[at]
    left, also = (" ".join(names) for names in walk.about(at))
    first = 1 - walk.trace.notation.from_zero
    rows = ", ".join(str(row + first) for row in walk.rows[:MOST_ROWS_NAMED])
    rows += ", …" * (len(walk.rows) > MOST_ROWS_NAMED)
    many = f"rows {rows}" if len(walk.rows) > 1 else f"row {rows}"
    place = f"{at + 1} of {len(walk.steps)}"
    told = f"step {place} of update {walk.update + 1}, {many}" + f"; {section.title}" * bool(
        section.title
    )
    return join(
        element("p", told, class_="bp-soft", id="place"),
        element("div", Markup(walk.html(at)), data_left=left, data_also=also, id="equation",
                data_heard=f"Step {place}: {step.id}, layer {step.layer}: {step.title}"),
        _select("notation", [(n, f"{n} (note {t.note})" if t.note else n) for n, t in NOTATIONS.items()],
                tab.setup.notation, data_do="set", data_name="notation", id="notation"),
        _select("form", [(name, f"{name}: {told}") for name, told in FORMS.items()],
                tab.setup.form, data_do="set", data_name="form", id="form"),
    )  # fmt: skip


# --- take hold ---------------------------------------------------------------------------------


def _hold(tab: Tab) -> str:
    held, notation = tab.held, tab.walk.trace.notation
    first = 0 if notation.from_zero else 1
    layer, unit, source, key = 1, first, first, "W"
    if held is not None:
        layer, key, unit = held.layer, held.key, held.entry[-1] + first
        source = held.entry[0] + first
    whole = {"type": "number", "min": first}
    fields = [
        _select("take", [("W", "a weight"), ("b", "a bias")], key, name="key", id="hold-key"),
        _field("layer", layer, name="layer", id="hold-layer", type="number", min=1),
        _field("from unit", source, name="source", id="hold-source", **whole),
        _field("to unit", unit, name="unit", id="hold-unit", **whole),
    ]
    slider = join()
    if held is not None:
        slider = element("label", "shift ε ", element(
            "input", type="range", name="epsilon", id="epsilon", min=-REACH, max=REACH,
            step=REACH / 100, value=f"{held.epsilon:g}"))  # fmt: skip
    take = _button("Take hold", data_submit="", id="hold-take")
    form = element("div", *fields, take, slider, data_form="hold", class_="bp-fields")
    certify = _button("Certificate of all derivatives", data_do="certify", id="certify")
    certificate = join()
    if tab.certificate is not None:
        certificate = _scrolling(Markup(certificate_html(tab.certificate)), "certificate")
    return join(form, Markup(_held(tab)), element("p", certify), certificate)


def _held(tab: Tab) -> str:
    """Return what is said of the parameter that is held."""
    held = tab.held
    if held is None:
        return element(
            "p", "Click a line (a weight) or a disc (its bias) in the network.", class_="bp-soft"
        )
    walk = tab.walk
    figures = (
        ("its value w", held.value, "held-value"), ("derivative ∂J/∂w", held.derivative, "derivative"),
        ("centred difference", held.difference, "difference"), ("cost J(w)", held.cost, "held-cost"),
        (f"J(w + ε), ε = {held.epsilon:.2f}".replace("-", "−"), held.moved, "moved"),
        ("the tangent says", held.promised, "promised"),
    )  # fmt: skip
    told = [
        join(element("dt", name), element("dd", _number(value, 6), id=i))
        for name, value, i in figures
    ]
    return join(
        element("h3", f"{_named(tab)}", id="held"),
        element("div", element("dl", *told, class_="bp-figures"),
                element("div", Markup(slope_picture(held)), class_="bp-chart"), class_="bp-two"),
        element("p", held.why(), id="why"),
        _scrolling(Markup(step_html(walk.trace, held.paths)), "paths to the cost"),
    )  # fmt: skip


def _named(tab: Tab) -> str:
    """Return the name of what is held, in the notation's symbol and counting."""
    held, notation = tab.held, tab.walk.trace.notation
    assert held is not None
    first = 0 if notation.from_zero else 1
    symbol, where = in_line(notation, held.key, batch=False), [i + first for i in held.entry]
    if held.key == "b":
        return f"{symbol}: bias of unit {where[0]} in layer {held.layer}"
    return f"{symbol}: weight from unit {where[0]} to unit {where[1]} of layer {held.layer}"


def _scrolling(child: Markup, label: str) -> Markup:
    """Return what may be wider than the page, so that keys scroll it, too."""
    return element("div", child, class_="bp-scroll", tabindex=0, role="region", aria_label=label)


# --- train -------------------------------------------------------------------------------------


def _training(tab: Tab) -> str:
    course, running = tab.course, tab.training.running
    paces = [
        (name, "full speed" if not s else f"{name} epochs a second") for name, s in PACES.items()
    ]
    form = element(
        "div",
        _select("pace", paces, tab.pace, name="pace", id="pace"),
        _button("Train", data_submit="", id="train", hidden="" if running else None),
        data_form="train", class_="bp-fields",
    )  # fmt: skip
    rewind = element(
        "label", f"rewind to epoch (0 … {len(course.costs)}) ",
        element("input", type="range", min=0, max=len(course.costs), value=course.epoch,
                data_do="rewind", id="rewind"),
    )  # fmt: skip
    pause = _button("Pause", data_do="pause", id="pause", hidden=None if running else "")
    epoch = _button("One epoch", data_do="epoch", id="epoch")
    return join(form, element("div", pause, epoch, rewind, class_="bp-fields"))


def _frame(tab: Tab) -> str:
    frame, course, rows = tab.training.frame, tab.course, tab.rows
    network, costs = frame.network(), course.costs
    known = [element("dt", "epoch"), element("dd", frame.epoch, id="epochs")]
    for name, curve in (("training cost", costs), ("cost of rows that judge", course.judged)):
        at = min(frame.epoch, len(curve))
        if at:
            known += [element("dt", name), element("dd", _number(curve[at - 1]))]
    charts = [Markup(learnt_picture(network, rows, tab.axes))]
    if costs:
        charts.insert(0, Markup(cost_picture(costs, course.judged, frame.epoch)))
    layers, noise = layers_health(frame)
    known += [element("dt", "noise of the mini-batch gradient"), element("dd", _number(noise, 3))]
    body = [
        element("tr", *(element("td", x) for x in (
            one.layer, _number(one.norm, 3), f"{one.dead:.0%}", f"{one.saturated:.0%}")))
        for one in layers
    ]  # fmt: skip
    heads = ("layer", "gradient norm", "dead", "saturated")
    head = element("tr", *(element("th", name, scope="col") for name in heads))
    return join(
        element("dl", *known, class_="bp-counters"),
        element(
            "div", *(element("div", chart, class_="bp-chart") for chart in charts), class_="bp-two"
        ),
        _axes(tab) if rows.X.shape[1] > 2 else "",
        _scrolling(element("table", head, *body), "layers"),
    )


def _axes(tab: Tab) -> Markup:
    d = tab.rows.X.shape[1]
    names = tab.rows.inputs or tuple(f"input {i + 1}" for i in range(d))
    options = [*enumerate(names)]
    x, y = tab.axes
    return element(
        "div", _select("across", options, x, name="x", id="axis-x"),
        _select("up", options, y, name="y", id="axis-y"),
        _button("Show", data_submit="", id="axes"),
        data_form="look", class_="bp-fields",
    )  # fmt: skip


# --- judge and set-up --------------------------------------------------------------------------


def _judge(tab: Tab) -> str:
    kinds = [
        ("", "by its shape"),
        *((kind, kind) for kind in ("W", "b", "delta", "g", "X", "z", "a")),
    ]
    label = (
        f"your gradient on these rows, laid out as in notation {tab.setup.notation}: JSON or CSV"
    )
    form = element(
        "div",
        element("label", label, element("textarea", "", name="text", rows=4, id="answer")),
        _select("it is", kinds, "", name="what", id="judge-what"),
        _field("of layer", "", name="layer", id="judge-layer", size=3),
        _button("Judge", data_submit="", id="judge-it"),
        data_form="judge", class_="bp-fields",
    )  # fmt: skip
    verdict = "" if tab.verdict is None else _scrolling(Markup(tab.verdict.content()), "verdict")
    return join(form, verdict)


def _setup(tab: Tab) -> str:
    try:
        text, link = to_json(tab.setup, tab.rows), to_fragment(tab.setup, tab.rows)
    except InputError as error:
        return element("p", str(error))
    form = element(
        "div",
        element("label", "set-up: JSON, or an address that ends in #v1:…",
                element("textarea", text, name="setup", rows=4, id="setup-text")),
        _button("Use it", data_submit="", id="setup-use"),
        data_form="open", class_="bp-fields",
    )  # fmt: skip
    return join(
        form, element("p", element("a", "this set-up as an address", href=link, id="setup-link"))
    )


def _message(tab: Tab) -> str:
    return html.escape(tab.message)


FRAGMENTS: dict[str, Callable[[Tab], str]] = {
    "message": _message,
    "build": _build,
    "counters": _counters,
    "picture": _picture,
    "step": _step,
    "hold": _hold,
    "training": _training,
    "frame": _frame,
    "judge": _judge,
    "setup": _setup,
}
"""What draws each fragment; the page has an element of each name."""
