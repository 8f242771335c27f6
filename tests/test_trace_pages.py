"""The page of a trace: its picture, symbols, sentences and links, and how it steps."""

import html
import re
import time
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import browser as headless
from backpass import Network, check_gradients, explain_mismatch, trace
from backpass.derivatives.notation import NOTATIONS
from backpass.derivatives.notation.table import QUANTITIES
from backpass.derivatives.tracing import FORMS, example
from backpass.derivatives.tracing.formulas import leaves
from backpass.derivatives.tracing.meanings import sentence, words
from backpass.errors import InputError

SVG = "{http://www.w3.org/2000/svg}"


def traced(form, notation="code", **options):
    network, X, y = example("thin" if form == "chain" else "small")
    if form not in ("neuron", "chain"):  # which have no gradients to update by
        options["update"] = "sgd"
    return trace(network, X, y, notation=notation, form=form, alpha=0.1, **options)


def steps_of(seen):
    return [step for section in seen.sections for step in section.steps]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("notation", NOTATIONS)
def test_every_step_has_a_sentence_and_a_place_in_its_picture(notation, form):
    seen = traced(form, notation)
    page = seen.to_html()
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids)) == 2 * len(steps_of(seen))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)
    drawn = set(" ".join(re.findall(r'data-quantity="([^"]+)"', page)).split())
    for number, step in enumerate(steps_of(seen), start=1):
        assert sentence(step), step.title
        named = re.findall(rf'id="step-{number}" data-step="(.*?)" data-about="(.*?)"', page)
        assert named[0][1] in drawn, step.title
        assert step.title in html.unescape(named[0][0])
        lit = re.findall(rf"#step-{number}:target,#step-{number}-at:target\) g:is", page)
        assert len(lit) == 2, step.title


@pytest.mark.parametrize("form", FORMS)
def test_a_page_has_the_derivations_that_the_text_has(form):
    seen = traced(form, derivations=True)
    derived = sum(not any(line.quantities()) for step in steps_of(seen) for line in step.lines)
    assert derived
    assert seen.to_html().count("<math") > traced(form).to_html().count("<math")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("notation", NOTATIONS)
def test_the_legend_says_what_every_symbol_is_in_words(notation, form):
    seen = traced(form, notation)
    told = re.findall(r"<dd>(.*?)</dd>", seen.to_html())
    keys = {
        leaf.key
        for step in steps_of(seen) for line in step.lines
        for side in (line.equation.left, line.equation.right) for leaf in leaves(side)
    }  # fmt: skip
    assert {words(key).replace("'", "&#x27;") for key in keys} == set(told)
    assert not re.search("[∂δ∇φ]", " ".join(told))


def test_every_quantity_is_told_in_words_without_its_shape():
    for key in QUANTITIES:
        assert words(key)
        assert "(" not in words(key)


def texts(picture):
    return [element.text for element in ET.fromstring(picture).iter(f"{SVG}text")]


def test_weights_and_biases_stand_in_the_picture_as_numbers():
    network, X, y = example("small")
    told = texts(trace(network, X, y).picture())
    for W, b in zip(network.weights, network.biases, strict=True):
        for weight in W.ravel():
            assert f"{weight:.3g}".replace("-", "−") in told
        for bias in b:
            assert f"b {bias:.3g}".replace("-", "−") in told
    assert f"J {network.loss(X, y):.4g}" in told


def test_numbers_in_the_picture_do_not_lie_upon_one_another():
    for sizes in ([2, 3, 2], [4, 4, 1], [1, 8, 4], [3, 8, 3, 8, 1], [30, 4, 2]):
        network = Network(sizes, "tanh", seed=0)
        picture = trace(network, np.ones((1, sizes[0])), np.ones((1, sizes[-1]))).picture()
        places = [
            (float(element.get("x")), float(element.get("y")))
            for element in ET.fromstring(picture).iter(f"{SVG}text")
            if element.get("class") == "bp-number"
        ]
        assert places
        for i, (x, y) in enumerate(places):
            assert all(abs(x - u) > 30 or abs(y - v) >= 11 for u, v in places[:i]), sizes


def test_wide_layers_show_their_first_and_last_units():
    network = Network([64, 100, 10], "tanh", "softmax", "cross_entropy", seed=0)
    picture = trace(network, np.arange(64.0)[None] / 64, [3]).picture()
    for count in (58, 94, 4):
        assert f"⋮ {count} more" in texts(picture)
    titles = [element.text or "" for element in ET.fromstring(picture).iter(f"{SVG}title")]
    inputs = [title for title in titles if title.startswith("a₀")]
    assert [title.partition(" = ")[0] for title in inputs] == [
        "a₀₀", "a₀₁", "a₀₂", "a₀₃", "a₀,₆₂", "a₀,₆₃",
    ]  # fmt: skip
    assert inputs[-1].endswith(f"{63 / 64:.4g}")


def test_each_sample_has_a_picture_of_its_own():
    seen = traced("sample")
    drawings = re.findall(r'<figure class="bp-drawn bp-drawn-\d">(.*?)</figure>', seen.to_html())
    assert len(drawings) == 4  # three samples, then the mean
    for n, drawing in enumerate(drawings[:3]):
        assert f"<figcaption>sample {n}</figcaption>" in drawing
        alone = trace(seen.network, seen["a", 0][n : n + 1], np.eye(2)[[[0, 1, 1][n]]])
        assert f"J {float(alone['J']):.4g}" in drawing
    assert "the mean over all rows" in drawings[3]


def test_parts_of_one_notebook_have_ids_of_their_own():
    parts = [traced(form)._repr_html_() for form in ("batch", "sample", "batch")]
    first, second, again = (set(re.findall(r' id="([^"]+)"', part)) for part in parts)
    assert first
    assert not first & second
    assert first == again
    for part in parts:
        assert "<script" not in part


@pytest.mark.parametrize(("name", "starts"), [
    ("t.txt", "network"), ("t.HTML", "<!doctype"), ("t.tex", "\\documentclass"), ("t.json", "{"),
])  # fmt: skip
def test_the_suffix_chooses_what_is_saved(tmp_path, name, starts):
    traced("batch").save(tmp_path / name)
    assert (tmp_path / name).read_text(encoding="utf-8").startswith(starts)


@pytest.mark.parametrize(("name", "options", "told"), [
    ("t.pdf", {}, "t.pdf: give a suffix of .txt, .html, .tex, .json"),
    ("t.tex", {"interactive": True}, r"only a page \(format html\) can be interactive, not latex"),
])  # fmt: skip
def test_what_cannot_be_saved_gets_one_line(tmp_path, name, options, told):
    with pytest.raises(InputError, match=told):
        traced("batch").save(tmp_path / name, **options)
    assert not list(tmp_path.iterdir())


# --- in a browser --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    if headless.CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with headless.browser(tmp_path_factory.mktemp("profile")) as tab:
        yield tab


SHOWN = "[...document.querySelectorAll('.bp-step')].filter((s) => s.checkVisibility()).length"
STATE = f'[document.querySelector("[data-progress]").textContent, location.hash, {SHOWN}]'
LIT = """[...document.querySelectorAll(".bp-drawn g[data-quantity]")].filter((g) =>
    getComputedStyle(g).filter !== "none").map((g) => g.dataset.quantity.split(" ")[0])"""


def test_an_interactive_page_steps_by_keys_and_buttons(tab, tmp_path):
    page, seen = tmp_path / "page.html", traced("batch")
    seen.save(page, interactive=True)
    last = len(steps_of(seen))
    tab.open(page)
    for key, step in [
        ("", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("ArrowLeft", 1), ("End", last),
        ("ArrowRight", last), ("Home", 1),
    ]:  # fmt: skip
        if key:
            tab.press(key)
        assert tab.run(STATE) == [f"{step} of {last}", f"#step-{step}", 1], key
    tab.run("document.querySelector('[data-go=next]').focus()")
    tab.run("document.activeElement.click()")
    assert tab.run(STATE) == [f"2 of {last}", "#step-2", 1]
    assert tab.run("document.activeElement.dataset.go") == "next"
    heard = tab.run("document.querySelector('[aria-live]').textContent")
    assert heard.startswith(f"Step 2 of {last}: F2, layer 1: activation: tanh. The activation")
    assert tab.run(LIT) == ["a-1"]
    tab.run("document.querySelector('[data-all]').click()")
    assert tab.run(STATE)[2] == last
    assert tab.problems == []


def test_without_javascript_the_page_shows_everything_and_links_light_up(tab, tmp_path):
    page, seen = tmp_path / "page.html", traced("batch")
    for interactive in (True, False):
        seen.save(page, interactive=interactive)
        tab.open(page, script=False)
        assert tab.run(SHOWN) == len(steps_of(seen))
        assert not tab.run("document.querySelector('[data-controls]')?.checkVisibility()")
        tab.run("document.querySelector('#step-3 .bp-see').click()")
        assert tab.run(LIT) == ["a-2"]  # the pre-activations of layer 2, in its units
        assert tab.problems == []


def test_a_script_that_was_changed_is_not_run(tab, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(
        traced("batch").to_html(interactive=True).replace("// @ts-check", "// @ts-changed"),
        encoding="utf-8",
    )
    tab.open(page)
    time.sleep(0.1)
    assert tab.run(STATE)[0] == ""
    assert "Content Security Policy" in tab.problems.pop()


def test_pages_are_as_wide_as_the_window(tab, tmp_path):
    page = tmp_path / "page.html"
    network = Network([64, 100, 10], "tanh", "softmax", "cross_entropy", seed=0)
    X, y = np.ones((1, 64)), [3]
    gradient = network.loss_and_gradients(X, y)[1]
    shown = {
        "trace": trace(network, X, y, notation="nabla").to_html(),
        "stepping": traced("parameter", "bracket").to_html(interactive=True),
        "certificate": check_gradients(network, X, y, entries=20).to_html(),
        "verdict": explain_mismatch(network, X, y, -gradient.weights[0]).to_html(),
    }
    for name, text in shown.items():
        page.write_text(text, encoding="utf-8")
        for width in (360, 800, 1400):
            tab.open(page, width=width)
            assert tab.run("document.documentElement.scrollWidth") <= width, name
