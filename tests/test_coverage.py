"""The list of what the five notes hold: complete, alive, and its numbers right.

``docs/_ext/covered`` is the list; ``tests/fixtures/note_contents.json`` is what the notes hold, by
``tests/make_note_contents.py``; the numbers are those of tests/note_arithmetic.py.
"""

import importlib
import json
import os
import re
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import backpass
from backpass import Network, trace
from backpass.derivatives import notation
from backpass.derivatives.forms import FORMS
from backpass.derivatives.tracing import example
from backpass.derivatives.tracing.formulas import Leaf
from helpers import EPS, assert_close
from make_note_contents import TARGET, contents, headed, items, of_notes, slides
from note_arithmetic import ARITHMETIC, RATE, TRANSPOSED, Kind
from test_docs import anchors, record_labels

DOCS = Path(__file__).parent.parent / "docs"
NOTES = DOCS / "notes"

if not DOCS.is_dir():
    pytest.skip("docs/ is not in this checkout", allow_module_level=True)

sys.path.insert(0, str(DOCS / "_ext"))
try:
    from covered import COVERED, EXAMPLES, NOTATIONS
finally:
    sys.path.remove(str(DOCS / "_ext"))

HELD = json.loads(TARGET.read_text(encoding="utf-8"))
ROWS = [
    pytest.param(note, place, row, id=f"{note}-{place[:24]}-{row.items or row.title[:12]}")
    for note, places in COVERED.items()
    for place, rows in places.items()
    for row in rows
]
every_row = pytest.mark.parametrize(("note", "place", "row"), ROWS)


# --- complete ------------------------------------------------------------------------------------


@pytest.mark.parametrize("note", COVERED)
def test_every_item_of_a_note_is_in_one_row(note):
    held = {place: len(found) for place, found in HELD[str(note)]["places"].items()}
    listed = {
        place: [number for row in rows for number in row.numbers()]
        for place, rows in COVERED[note].items()
    }
    assert list(listed) == list(held), "places, in the note's order"
    for place, numbers in listed.items():
        assert sorted(numbers) == list(range(1, held[place] + 1)), place


@every_row
def test_a_row_says_where_and_only_pictures_are_absent(note, place, row):
    assert row.page
    if row.absent:
        kinds = {HELD[str(note)]["places"][place][number - 1]["kind"] for number in row.numbers()}
        assert kinds <= {"figure", "table"}
        assert re.match("Picture|Figure|Table", row.title)


@pytest.mark.skipif("BACKPASS_NOTES" not in os.environ, reason="BACKPASS_NOTES names no folder")
def test_what_the_notes_hold_is_what_was_written_down():
    assert of_notes(Path(os.environ["BACKPASS_NOTES"])) == HELD


def test_the_patterns_find_what_a_note_can_hold():
    text = (
        "Prose with $a$ alone.\n- a point\n$$x = 1\n+ 2$$\nThen $f: a \\mapsto b$ holds.\n"
        "The **Jacobian** it is.\n$$x = 1 + 2$$\nFigure 3: a net\nAlgorithm 2: descent\n"
        "- ▶ with $$y = 2$$\nTable 1: gradients\n"
    )
    assert [(item["kind"], item["text"]) for item in items(text)] == [
        ("point", "a point"),
        ("formula", "x = 1 + 2"),
        ("statement", "Then $f: a \\mapsto b$ holds."),
        ("term", "Jacobian"),
        ("figure", "Figure 3: a net"),
        ("algorithm", "Algorithm 2: descent"),
        ("point", "with"),
        ("formula", "y = 2"),
        ("table", "Table 1: gradients"),
    ]
    assert list(headed("# One\na\n**For b**\nc\n", r"# (?P<place>.+)|\*\*(?P<part>.+)\*\*")) == [
        "One",
        "One, For b",
    ]
    built = "\n\nA slide here\n\n- one\n\nA slide here\n\n- one\n\n- two\n"
    assert slides(built) == {"A slide here": "\n- one\n\n- two\n"}, "the last build"
    assert contents(1, "# One\n$$a = b$$\n")["One"][0]["kind"] == "formula"


def test_slides_that_the_source_names_are_the_notes_own():
    held = HELD["4"]["places"]
    files = Path(backpass.__file__).parent.rglob("*.py")
    sources = "\n".join(file.read_text(encoding="utf-8") for file in files)
    named = {title.strip() for title in re.findall(r'slides? "?([A-Z][^"();:,\n]*)', sources)}
    assert len(named) > 5
    for title in named:
        known = any(slide.startswith(title) or title.startswith(slide) for slide in held)
        assert known, f"note 4 has no slide {title!r}"


def test_places_of_formulas_are_the_notes_own():
    """Sections of note 3 by their numbers, places of note 5 by their titles."""
    held = {note: [title.casefold() for title in HELD[note]["places"]] for note in ("3", "5")}
    numbers = {title.split()[0] for title in held["3"]}
    for place in notation.NOTATIONS["nabla"].places.values():
        found = re.findall(r"\d(?:\.\d)*", place)
        assert found, place
        assert set(found) <= numbers, place
    for place in notation.NOTATIONS["bracket"].places.values():
        assert any(title.startswith(place.casefold()) for title in held["5"]), place


@pytest.mark.parametrize(
    ("name", "one", "batch"),
    [
        ("bracket", "Summary, step", "For Minibatch-Gradient Descent"),
        ("nabla", "section 4.3.3", "section 5.2"),
        ("error", "Updating the Derivatives", "Backpropagation for Batch"),
    ],
)
def test_a_formula_of_a_batch_is_cited_where_the_batch_stands(name, one, batch):
    network, X, y = example("small")
    for rows, place in ((1, one), (3, batch)):
        seen = trace(network, X[:rows], y[:rows], notation=name)
        told = [step.place for step in seen.sections[0].steps if step.id in ("B3", "B4")]
        assert len(told) == 4
        assert all(place in where for where in told)


def test_note_3_is_cited_for_the_one_cost_that_it_has():
    places = {name: str(trace(*example(name), notation="nabla")) for name in ("small", "classes")}
    assert "cost: cross_entropy  (note 3, section 3)" in places["classes"]
    assert "cost: squared_error\n" in places["small"]


# --- alive ---------------------------------------------------------------------------------------


@every_row
def test_its_sections_are_there(note, place, row):
    for target in row.page.split():
        path, _, anchor = target.partition("#")
        if path:
            page = NOTES / f"{path}.md"
            assert page.is_file(), target
            assert not anchor or anchor in anchors(page.read_text(encoding="utf-8")), target
        else:
            assert anchor in record_labels(), target


@every_row
def test_its_functions_are_there_and_documented(note, place, row):
    reference = (DOCS / "api.rst").read_text(encoding="utf-8").split()
    for name in row.functions.split():
        module, _, function = name.rpartition(".")
        assert callable(getattr(importlib.import_module(f"{backpass.__name__}.{module}"), function))
        assert name in reference, "in no list of docs/api.rst"


# --- shown, with the right numbers ---------------------------------------------------------------

KINDS = {
    "squares": Kind(("tanh", "relu", "logistic"), "squared_error"),
    "softmax": Kind(("relu", "tanh", "softmax"), "cross_entropy"),
    "regression": Kind(("logistic", "logistic", "identity"), "squared_error"),
    "signs": Kind(("tanh", "tanh", "identity"), "logistic"),
    "binary": Kind(("logistic", "tanh", "logistic"), "binary_cross_entropy"),
}
SIZES = (2, 3, 2, 2)


@cache
def small_network(kind):
    """Return a network of a kind, three rows, their targets, those encoded, and the kind."""
    rng = np.random.default_rng(5)
    weights = [rng.normal(size=shape) for shape in pairwise(SIZES)]
    biases = [rng.normal(size=n) for n in SIZES[1:]]
    which = KINDS[kind]
    *hidden, output = which.activations
    network = Network.from_arrays(weights, biases, hidden, output, which.cost)
    X, labels = rng.normal(size=(3, 2)), np.array([0, 1, 1])
    encoded = np.eye(2)[labels]
    if which.cost == "logistic":
        encoded = 2 * encoded - 1
    return network, X, (labels if output == "softmax" else encoded), encoded, which


@cache
def example_network(name):
    """Return an example as :func:`small_network` does."""
    network, X, y = example(name)
    activations, cost = network.model.specs()
    encoded = np.eye(network.sizes[-1])[y] if name == "classes" else y.reshape(len(X), -1)
    return network, X, y, encoded, Kind(tuple(activations), cost)


def arithmetic(note, subject, rows):
    """Return a note's own numbers of some rows of a network."""
    network, X, _, encoded, kind = subject
    turned = note in TRANSPOSED
    W = {layer: w.T if turned else w for layer, w in enumerate(network.weights, start=1)}
    b = {layer: bias[:, None] for layer, bias in enumerate(network.biases, start=1)}
    return ARITHMETIC[note](W, b, X[rows].T, encoded[rows].T, kind)


def checked_lines(note, step, subject):
    """Return the layers at which a step is shown; its numbers are held to the note's arithmetic."""
    network, X, y, *_ = subject
    by_sample = note in (2, 4) and step.role != "mean"
    rows = slice(1) if by_sample or step.form != "batch" else slice(None)
    seen = trace(
        network, X[rows], y[rows], notation=NOTATIONS[note], form=step.form,
        update="sgd" if step.form == "batch" else None, learning_rate=RATE,
    )  # fmt: skip
    want, turned = arithmetic(note, subject, rows), note in TRANSPOSED
    found = set()
    ids = ("B1z", "B1f") if step.id in ("B1z", "B1f") else (step.id,)  # as the pair is fused or not
    for shown in seen.sections[-1].steps:
        for line in shown.lines:
            leaf = getattr(line.equation.left, "inner", line.equation.left)
            is_number = isinstance(leaf, Leaf) and not line.defines
            if shown.id in ids and is_number and leaf.key == step.quantity:
                number = at(want, leaf, turned)
                allowed = 100 * EPS * max(1.0, float(np.max(np.abs(number))))
                assert_close(line.values(leaf), number, allowed, f"note {note}, {step}, {leaf}")
                found.add(shown.layer)
    return found


def at(want, leaf, turned):
    """Return the numbers of a quantity of a formula, or of one element of it."""
    if leaf.key in ("dha", "dhw", "dhb"):
        return want[f"{leaf.key}{leaf.entry[0]}", leaf.layer]
    array = want[leaf.key, leaf.layer]
    if not leaf.entry or leaf.key in ("dfw", "Pw"):
        return array if leaf.sample is None else array[:, [leaf.sample]]
    if leaf.key == "dW":
        return (array.T if turned else array)[leaf.entry]
    return array[leaf.entry[0], 0]


def shown_id(value):
    return "-".join(value) if isinstance(value, tuple) else str(value)


STEPS = sorted({(note, step) for note, _, row in (p.values for p in ROWS) for step in row.shown()})
every_step = pytest.mark.parametrize(("note", "step"), STEPS, ids=shown_id)


@every_step
def test_its_steps_are_shown_in_the_notation_and_form(note, step):
    name = "thin" if step.form == "chain" else EXAMPLES[note]
    found = checked_lines(note, step, example_network(name))
    last = len(example_network(name)[0].sizes) - 1
    assert found >= set(step.layers(last)), f"{step}: shown at layers {sorted(found)} only"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("note", COVERED)
def test_its_numbers_are_the_notes_arithmetic_for_every_kind_of_network(note, kind):
    steps = [step for which, step in STEPS if which == note and step.form != "chain"]
    assert sum(bool(checked_lines(note, step, small_network(kind))) for step in steps) > 5


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_the_gradient_is_the_notes_arithmetic(form, kind):
    network, X, _, encoded, _ = small_network(kind)
    want = arithmetic(1, small_network(kind), slice(None))
    got = FORMS[form].gradients(network.model, X, encoded, np.ones(len(X)))
    for layer, (dW, db) in enumerate(zip(got.weights, got.biases, strict=True), start=1):
        allowed = 100 * EPS * max(1.0, float(np.max(np.abs(want["dW", layer]))))
        assert_close(dW, want["dW", layer], allowed, f"{form}, layer {layer}")
        assert_close(db[:, None], want["db", layer], allowed, f"{form}, layer {layer}")


def test_the_drawn_paths_sum_to_the_derivative():
    pytest.importorskip("sphinx")
    sys.path.insert(0, str(DOCS / "_ext"))
    try:
        picture = importlib.import_module("paths_picture").paths_picture
    finally:
        sys.path.remove(str(DOCS / "_ext"))
    network, X, y, *_ = example_network("classes")
    drawn = picture(trace(network, X[:1], y[:1], notation="nabla"))
    told = re.search('aria-label="(.*?)"', drawn)[1].replace("\N{MINUS SIGN}", "-")
    *factors, total = map(float, re.findall(r"-?\d\.\d{4}", told))
    assert abs(factors[0] * factors[1] + factors[2] * factors[3] - total) < 2e-4
    want = arithmetic(3, example_network("classes"), slice(1))
    assert abs(want["g", 1][0, 0] - total) < 5e-5 + EPS
