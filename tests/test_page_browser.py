"""The page of ``backpass play`` in a browser: a person's way through it, by pointer and by keys.

Everything is done at the size of a desk and of a phone, and what is seen is held against the
numbers of the core. At the end of each way nothing may stick out sideways, axe may find nothing
wrong, light or dark, and the console may have said nothing; at the end of all no page may have
asked anybody else for anything.
"""

import hashlib
import json
import re

import numpy as np
import pytest

from backpass import Network, trace
from backpass.page.course import Course
from backpass.page.data import example_rows
from backpass.page.setup import Setup, read_setup
from backpass.training.trainer import train

pytest.importorskip("playwright")

from playwright.sync_api import expect, sync_playwright

from page_person import ARGUMENTS, SIZES, Person, asked, served, shown

pytestmark = pytest.mark.browser

XOR = example_rows("xor")


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    log = tmp_path_factory.mktemp("log") / "requests.json"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=[*ARGUMENTS, f"--log-net-log={log}"]
        )
        yield browser
        browser.close()
    assert asked(log) == {"http://127.0.0.1"}


@pytest.fixture(scope="module")
def address():
    with served() as (_, address):
        yield address


@pytest.fixture
def someone(chromium):
    """Return what makes a person before a page of their own, and look at the page at the end."""
    contexts, people = [], []

    def before(address, size="desktop", keys=False, **options):
        contexts.append(chromium.new_context(**SIZES[size], **options))
        people.append(Person(contexts[-1].new_page(), size, keys).open(address))
        return people[-1]

    yield before
    for person in people:
        assert not person.problems
        assert not person.too_wide
        if not person.keys:  # by keys the same is seen
            assert person.violations() == []
    for context in contexts:
        context.close()


@pytest.fixture(params=[(size, keys) for size in SIZES for keys in (False, True)],
                ids=lambda how: f"{how[0]}-{'keys' if how[1] else 'pointer'}")  # fmt: skip
def person(request, someone, address):
    return someone(address, *request.param)


def network_of(person):
    """Return the network and settings that the set-up on the page stands for, made anew."""
    setup, rows = read_setup(person.page.input_value("#setup-text"))
    return setup, rows, setup.network(rows)


def digest_of_train(epochs):
    """Return the digest of the parameters that `train` gives with the page's first set-up."""
    network = Network([2, 3, 1], "tanh", "logistic", "binary_cross_entropy", seed=0)
    settings = {"optimizer": "sgd", "learning_rate": 0.5, "batch_size": 1, "seed": 0}
    train(network, XOR.X, XOR.y[:, None] * 1.0, epochs=epochs, **settings)
    return hashlib.sha256(network.parameters.flat.tobytes()).hexdigest()[:12]


# --- the six -----------------------------------------------------------------------------------


def test_build(person, tmp_path):
    person.unfold("build")
    person.choose("#data", "moons")
    person.press("#add-layer")
    person.press("#more-1")
    person.put("#units-3", "2")
    person.choose("#optimizer", "adam")
    person.put("#learning_rate", "0.05")
    person.put("#batch_size", "4")
    setup, rows, network = network_of(person)
    assert (setup.hidden, setup.activations) == ((7, 4, 2), ("tanh",) * 3)
    assert (setup.optimizer, setup.learning_rate, setup.batch_size) == ("adam", 0.05, 4)
    assert person.sees("#digest") == Course(setup, rows).digest
    assert person.page.locator("#picture [data-hold^=b-]").count() == sum(network.sizes[1:])

    table = tmp_path / "flats.csv"
    lines = [f"{20 + i % 50},{'north' if i % 3 else 'south'},{300 + 9 * i}" for i in range(90)]
    table.write_text("\n".join(["Flats of 2026,,", "", "area,side,rent", *lines]))
    person.give("#file", table)
    message = person.sees("#message")
    assert message.startswith("flats.csv: line 1 is taken for a title")
    assert "choose the column" in message
    person.choose("#target", "rent")
    assert "flats.csv: 72 rows train, 18 judge" in person.sees("#build")
    assert "area" in person.page.text_content("#picture")
    person.write("#hold-source", "area")
    person.press("#hold-take")
    assert "from unit 0 (area) to unit 0" in person.sees("#held")


def test_step(person):
    page = person.page
    course = Course(Setup(), XOR)
    row = course.next_rows()
    seen = trace(course.network, XOR.X[row], course.y[row]).recording.arrays
    _, gradients = course.network.loss_and_gradients(XOR.X[row], course.y[row])
    updated = {("dW", i + 1): g for i, g in enumerate(gradients.weights)}
    updated |= {("db", i + 1): g for i, g in enumerate(gradients.biases)}
    equations = []
    while len(equations) < 15:
        name, _, layer = page.get_attribute("#equation", "data-left").split()[-1].partition("-")
        equations.append(person.step)
        if name == "b_new":
            wanted = course.network.biases[int(layer) - 1] - 0.5 * updated["db", int(layer)]
        else:
            wanted = seen[name, int(layer) if layer else None]
            np.testing.assert_array_equal(wanted, updated.get((name, layer and int(layer)), wanted))
        wanted = [shown(value) for value in np.ravel(wanted)]
        assert person.result(len(wanted)) == wanted, person.step
        assert page.locator("#picture .bp-lit").count() or name == "J"
        assert not page.locator("#picture .bp-lit.bp-dim").count()
        assert page.text_content("#heard") == person.step
        person.go("next")
    ids = [re.search(r": (\w+),", step)[1] for step in equations]
    assert " ".join(ids) == "F1 F2 F1 F2 C B1f B3 B4 B2a B2b B3 B4 B2a U U"

    assert "of update 2" in person.sees("#place")
    person.go("back")
    assert person.step == equations[-1]
    for _ in XOR.X:
        person.go("update")
    assert person.sees("#digest") == digest_of_train(1)


def test_take_hold(person):
    page, network = person.page, Setup().network(XOR)
    course = Course(Setup(), XOR)
    row = course.next_rows()
    _, gradients = network.loss_and_gradients(XOR.X[row], course.y[row])
    if person.keys:
        for field, text in (("layer", "2"), ("source", "0"), ("unit", "0")):
            person.write(f"#hold-{field}", text)
        person.does(lambda: page.keyboard.press("Enter"))
    else:
        person.press("[data-hold=W-2-0-0] .bp-wide + line")
    derivative = gradients.weights[1][0, 0]
    assert person.number("#derivative") == pytest.approx(derivative, rel=1e-5)
    assert person.number("#difference") == pytest.approx(derivative, rel=1e-5)
    assert person.number("#held-value") == pytest.approx(network.weights[1][0, 0], rel=1e-5)
    assert ("raises" in person.sees("#why")) == (derivative > 0)

    dots = "Array.from(document.querySelectorAll('#hold circle'), (dot) => dot.getAttribute('cx'))"
    before = page.evaluate(dots)
    person.slide("#epsilon", 0.9)
    expect(page.locator("#shift")).not_to_have_text("0")
    page.wait_for_function(
        "document.querySelector('#shift').textContent == document.querySelector('#epsilon').value"
    )
    shift = person.number("#shift")
    assert shift == (1 if person.keys else pytest.approx(0.8, abs=0.1))
    network.weights[1][0, 0] += shift
    assert person.number("#moved") == pytest.approx(
        network.loss(XOR.X[row], course.y[row]), rel=1e-5
    )
    change = network.loss(XOR.X[row], course.y[row]) - person.number("#held-cost")
    assert person.number("#change") == pytest.approx(change, rel=1e-4)
    assert person.number("#promised") == pytest.approx(shift * derivative, rel=1e-4)
    assert page.evaluate(dots) != before
    person.press("#certify")
    assert "Every derivative agrees" in person.sees("#hold")


def test_train(person):
    page = person.page
    digests = [person.sees("#digest")]
    for _ in range(3):
        person.press("#epoch")
        digests.append(person.sees("#digest"))
    assert digests[1:] == [digest_of_train(epochs) for epochs in (1, 2, 3)]

    person.does(lambda: person.slide("#rewind", 0))
    assert (person.sees("#digest"), person.sees("#epochs")) == (digests[0], "0")
    person.press("#epoch")
    assert person.sees("#digest") == digests[1]

    person.press("#train")
    expect(page.locator("#epochs")).to_have_text(re.compile(r"\d{3,}"))
    person.press("#pause")
    expect(page.locator("#train")).to_be_visible()
    update = int(re.search(r"of update (\d+)", person.sees("#place"))[1])
    assert person.number("#epochs") == (update - 1) // 4
    assert page.locator("#frame polyline").count()
    person.slide("#rewind", 0)  # a second pause, of the stream's end, may be answered before
    expect(page.locator("#digest")).to_have_text(digests[0])


def test_judge(person, tmp_path):
    course = Course(Setup(), XOR)
    row = course.next_rows()
    _, gradients = course.network.loss_and_gradients(XOR.X[row], course.y[row])
    person.unfold("judge")
    for sign, verdict in ((-1, "Wrong"), (1, "Right")):
        person.write("#answer", json.dumps((sign * gradients.weights[0]).tolist()))
        person.write("#judge-layer", "1")
        person.press("#judge-it")
        assert verdict in person.sees("#judge [aria-label=verdict]")
    dropped = tmp_path / "dW1.json"
    dropped.write_text(json.dumps((2 * gradients.weights[0]).tolist()))
    person.drop("#judge", dropped)
    assert "Wrong" in person.sees("#judge [aria-label=verdict]")


def test_speak(person):
    page = person.page
    for part in ("build", "judge", "setup"):
        person.unfold(part)
    assert page.locator("#equation math").count()
    assert page.get_attribute("#heard", "aria-live") == "polite"
    every = """Array.from(document.querySelectorAll("button, input, select, textarea, summary, a"))
        .filter((one) => one.checkVisibility()).map((one) => one.id || one.textContent)"""
    wanted, reached = {*page.evaluate(every)}, set()
    page.evaluate("document.activeElement.blur()")
    for _ in range(120):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate("document.activeElement.id || document.activeElement.textContent")
        )
    assert wanted <= reached
    page.emulate_media(reduced_motion="reduce")
    person.press("#go-next")
    assert page.evaluate("document.getAnimations().length") == 0
    page.emulate_media(media="print")
    assert not page.locator(".bp-controls").is_visible()
    assert page.locator("#equation").is_visible()
    assert not person.too_wide
    page.emulate_media(media="screen")


def test_on_a_phone_what_is_asked_for_is_in_the_window(someone, address):
    person = someone(address, "phone")
    person.unfold("build")
    person.choose("#data", "moons")
    rect = "(one) => { const { x, y, width, height } = one.getBoundingClientRect();"
    inside = rect + " return y >= 0 && y + height <= innerHeight + 1; }"
    page = person.page
    page.locator("#place").scroll_into_view_if_needed()
    for _ in range(4):
        person.go("next")
        lit = page.locator("#picture .bp-lit").first.evaluate(rect + " return x + width / 2; }")
        assert 0 < lit < 360
        assert page.locator("#go-next").evaluate(inside)
    assert page.locator("#step :is(h4, p)").first.evaluate("(one) => !one.closest('.bp-scroll')")
    line = "[data-hold=W-3-0-0] .bp-wide + line"
    page.locator(line).evaluate("(one) => one.scrollIntoView({ block: 'center' })")
    person.press(line)
    assert page.locator("#why").evaluate(inside)
    person.write("#hold-unit", "77")
    person.press("#hold-take")
    assert "to unit '77'" in person.sees("#message")
    assert page.locator("#message").evaluate(inside)
    assert "422" in person.problems.pop()  # which the console tells of a refusal


# --- set-ups, tabs, and what goes wrong ---------------------------------------------------------


def test_a_set_up_goes_round_by_its_address_and_by_its_text(someone, address):
    one = someone(address, permissions=["clipboard-read", "clipboard-write"])
    one.unfold("build")
    one.choose("#data", "circles")
    one.choose("#notation", "nabla")
    one.unfold("setup")
    one.activate("#setup-link")
    expect(one.page.locator("#heard")).to_have_text("address copied")
    link = one.page.evaluate("navigator.clipboard.readText()")
    assert link.startswith("#v1:")
    other = someone(address + link)
    assert "token" not in other.page.url
    assert "#" not in other.page.url
    assert network_of(other)[:2] == network_of(one)[:2]
    assert other.sees("#digest") == one.sees("#digest")
    other.unfold("setup")
    text = other.page.input_value("#setup-text")
    other.write("#setup-text", text.replace('"seed":0', '"seed":3'))
    other.press("#setup-use")
    assert other.sees("#digest") == Course(*network_of(other)[:2]).digest != one.sees("#digest")


def test_two_tabs_have_states_of_their_own_and_a_reload_comes_back(someone, address):
    one = someone(address)
    one.press("#go-update")
    one.press("#go-next")
    with one.page.context.expect_page() as opened:
        one.page.evaluate("open('/')")
    other = Person(opened.value, one.size)
    expect(other.page.locator("#place")).to_have_text(re.compile("step 1 of 15 of update 1,"))
    one.does(one.page.reload)
    assert "step 2 of 15 of update 2," in one.sees("#place")

    one.press("#train")
    expect(one.page.locator("#epochs")).to_have_text(re.compile(r"\d{2,}"))
    one.does(one.page.reload)
    expect(one.page.locator("#train")).to_be_visible()  # nobody looked on: it was paused
    assert one.number("#epochs") >= 10
    assert "of update 1," in other.sees("#place")


def test_a_server_that_dies_while_training_is_missed(chromium):
    with served() as (process, address):
        context = chromium.new_context()
        person = Person(context.new_page(), "desktop").open(address)
        person.press("#train")
        expect(person.page.locator("#epochs")).to_have_text(re.compile(r"\d{2,}"))
        process.kill()
        expect(person.page.locator("#message")).to_contain_text("start backpass play again")
        context.close()


def test_names_in_a_table_are_shown_and_never_run(someone, address, tmp_path):
    person, table = someone(address), tmp_path / "<b>.csv"
    names = "y", "<script>window.ran=1</script>", "<img src=x onerror=window.ran=1>"
    rows = [f"{'<i>' if i % 2 else 'no'},{i % 7},{i % 5}" for i in range(60)]
    table.write_text("\n".join([",".join(names), *rows]))
    person.drop("#picture", table)
    person.choose("#target", "y")
    person.press("[data-hold=W-1-0-0] .bp-wide + line")
    for name in names[1:]:
        assert name[:12] in person.page.text_content("#picture")
    assert person.page.evaluate("window.ran") is None
    assert person.page.locator("main :is(script, img, b, i:not([class]))").count() == 0


def test_what_is_printed_is_not_cut_off_and_holds_no_controls(someone, address):
    person = someone(address)
    person.press("[data-hold=W-1-0-0] .bp-wide + line")
    person.page.emulate_media(media="print")
    person.page.set_viewport_size({"width": 718, "height": 1000})  # A4 within its margins
    assert person.page.locator("#held").is_visible()
    assert person.page.locator("button:visible, select:visible, textarea:visible").count() == 0
    cut = """Array.from(document.querySelectorAll("#step .bp-scroll, #hold .bp-scroll"))
        .filter((one) => one.scrollWidth > one.clientWidth + 1).map((one) => one.textContent)"""
    assert person.page.evaluate(cut) == []
