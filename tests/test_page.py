"""The page of ``backpass play``, without a browser: what it answers, and whom it refuses."""

import asyncio
import json
import re
import threading
import time
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backpass import Network, trace
from backpass.core.activations import ACTIVATIONS
from backpass.core.losses import LOSSES
from backpass.core.optimizers import OPTIMIZERS
from backpass.derivatives.notation import NOTATIONS
from backpass.derivatives.tracing import FORMS
from backpass.errors import InputError, NonFiniteError
from backpass.page.access import POLICY
from backpass.page.course import Course
from backpass.page.data import EXAMPLES, Rows, example_rows, start_for
from backpass.page.server import LARGEST_FILE, Page
from backpass.page.setup import Setup, read_setup, to_fragment, to_json
from backpass.page.tab import ALL, COMMANDS, Tab
from backpass.page.training import FRAME_SECONDS
from backpass.page.views import drawn
from backpass.training.trainer import train

TOKEN, PORT = "a-token", 8123
HOST = f"http://127.0.0.1:{PORT}"
OURS = {"origin": HOST}
TAB = "?tab=" + "a" * 32


class Browser:
    """Sends requests to an application, with the cookies that it was given."""

    def __init__(self, app):
        self.app, self.cookies = app, httpx.Cookies()

    def request(self, method, path, **options):
        async def ask():
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(
                transport=transport, base_url=HOST, cookies=self.cookies
            ) as client:
                answer = await client.request(method, path, **options)
                self.cookies.update(client.cookies)
                return answer

        return asyncio.run(ask())

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, **options):
        return self.request("POST", path, **options)


def tab_of(name, **changes):
    rows = example_rows(name)
    return Tab(replace(Setup(**start_for(rows)), **changes), rows)


@pytest.fixture
def page():
    return Page(Setup(), example_rows("xor"))


@pytest.fixture
def client(page):
    """Return a browser that was given the token."""
    client = Browser(page.app(PORT, TOKEN))
    assert client.get("/", params={"token": TOKEN}).status_code == 303
    return client


def do(client, tab=TAB, **command):
    return client.post(f"/do{tab}", json=command, headers=OURS)


# --- who may talk to it ------------------------------------------------------------------------


def test_the_token_is_exchanged_for_a_cookie_and_leaves_the_address(page):
    browser = Browser(page.app(PORT, TOKEN))
    answer = browser.get("/", params={"token": TOKEN})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"backpass-{PORT}={TOKEN};")
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie


@pytest.mark.parametrize(
    ("why", "headers"),
    [
        ("a foreign name for this machine", {"host": "evil.example"}),
        ("another port", {"host": "127.0.0.1:1"}),
        ("a foreign page", {"origin": "https://evil.example"}),
        ("a page in a frame without origin", {"origin": "null"}),
        ("no origin", {"origin": None}),
    ],
)
def test_strangers_are_refused(client, page, why, headers):
    told = {name: value for name, value in {**OURS, **headers}.items() if value is not None}
    answer = client.post(f"/do{TAB}", json={"do": "open"}, headers=told)
    assert answer.status_code == 403, why
    assert not page.tabs


@pytest.mark.parametrize("path", ["/", f"/frames{TAB}", "/static/page.js", "/?token=wrong"])
def test_without_the_token_nothing_is_given(page, path):
    stranger = Browser(page.app(PORT, TOKEN))
    answer = stranger.get(path)
    assert answer.status_code == 403
    assert "token" in answer.text


def test_the_page_runs_its_own_scripts_and_fetches_nothing_else(client):
    answer = client.get("/")
    assert answer.headers["content-security-policy"] == POLICY
    assert "unsafe" not in POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "no-store" in answer.headers["cache-control"]
    named = re.findall(r'(?:src|href)="([^"]+)"', answer.text)
    files = [client.get(name) for name in named if name != "data:,"]
    assert all(file.status_code == 200 for file in files)
    assert not re.search(r"<script(?! type=\"module\" src)|\son\w+=|style=", answer.text)


def test_a_file_of_two_gigabytes_is_not_read_to_its_end(client):
    sent = 0

    def parts():
        nonlocal sent
        while sent < 2 << 30:
            sent += 1 << 20
            yield bytes(1 << 20)

    scope = {"type": "http", "method": "POST", "path": "/drop", "query_string": TAB[1:].encode(),
             "headers": [(b"host", HOST[7:].encode()), (b"origin", HOST.encode()),
                         (b"cookie", f"backpass-{PORT}={TOKEN}".encode())]}  # fmt: skip
    coming, answers = parts(), []

    async def receive():
        return {"type": "http.request", "body": next(coming), "more_body": True}

    async def send(message):
        answers.append(message)

    asyncio.run(client.app(scope, receive, send))
    assert answers[0]["status"] == 413
    assert sent <= LARGEST_FILE + (1 << 20)


# --- build -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_is_drawn(name):
    tab = tab_of(name)
    told = drawn(tab, tab.do({"do": "open"}))
    assert {*told} == {*ALL}
    assert all("{{" not in fragment for fragment in told.values())


@pytest.mark.parametrize(
    ("name", "values"),
    [("notation", NOTATIONS), ("optimizer", OPTIMIZERS), ("form", {*FORMS} - {"chain"})],
)
def test_every_name_of_a_registry_can_be_chosen(name, values):
    tab = tab_of("xor")
    for value in values:
        tab.do({"do": "set", "name": name, "value": value})
        for _ in range(2):
            tab.do({"do": "go", "where": "update"})
        assert value in drawn(tab, ALL)["setup"]


def test_losses_and_activations_fit_or_are_refused_in_a_line():
    for loss in LOSSES:
        tab = tab_of("moons")
        tab.do({"do": "set", "name": "loss", "value": loss})
        tab.do({"do": "epoch"})
    for phi in (record.name for record in ACTIVATIONS.records()):
        tab, told = tab_of("moons"), {"do": "layer", "change": "activation", "layer": "1"}
        if ACTIVATIONS.get_record(phi).hidden:
            tab.do({**told, "value": phi})
        else:
            with pytest.raises(InputError, match="for the output only"):
                tab.do({**told, "value": phi})


def test_layers_come_and_go():
    tab = tab_of("xor")
    for change, layer, value in (
        ("add", "2", ""), ("more", "1", ""), ("fewer", "2", ""), ("units", "2", "7"),
        ("activation", "2", "relu"), ("remove", "1", ""),
    ):  # fmt: skip
        tab.do({"do": "layer", "change": change, "layer": layer, "value": value})
    assert (tab.setup.hidden, tab.setup.activations) == ((7,), ("relu",))
    assert tab.course.network.sizes == (2, 7, 1)


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ({"do": "set", "name": "learning_rate", "value": "nan"}, "give a finite number"),
        ({"do": "set", "name": "alpha", "value": "-1"}, "at least 0"),
        ({"do": "set", "name": "seed", "value": "1e3"}, "whole number"),
        ({"do": "set", "name": "batch_size", "value": "0"}, "whole number"),
        ({"do": "set", "name": "loss", "value": "hubr"}, "did you mean 'huber'"),
        ({"do": "set", "name": "form", "value": "chain"}, "one unit"),
        ({"do": "set", "name": "port", "value": "1"}, "no 'port'"),
        ({"do": "layer", "change": "units", "layer": "1", "value": "999999"}, "whole number"),
        ({"do": "hold", "key": "W", "layer": "9", "source": "1", "unit": "1"}, "layer"),
        ({"do": "hold", "key": "b", "layer": "1", "unit": "1", "epsilon": "inf"}, "finite"),
        ({"do": "take", "name": "W-1-7-0"}, "indices"),
        ({"do": "take", "name": "c-1"}, "nudge must be"),
        ({"do": "go", "where": "home"}, "give one of"),
        ({"do": "train", "pace": "1000"}, "give one of"),
        ({"do": "rewind", "value": "3"}, "whole number"),
        ({"do": "judge", "text": "[[1, 2]", "what": "", "layer": ""}, "invalid JSON"),
        ({"do": "open", "setup": "#v1:xyz"}, "damaged"),
        ({"do": "open", "setup": "{}"}, "missing"),
        ({"do": "open", "more": "1"}, "unexpected keyword"),
        ({"do": "set", "name": 3, "value": "1"}, "give texts"),
        ({"do": "shutdown"}, "no such command"),
        ({"do": "predict", "value": "y"}, "drop a table"),
    ],
)
def test_bad_commands_get_a_line_and_change_nothing(client, page, command, why):
    do(client, do="open")
    (tab,) = page.tabs.values()
    before = tab.setup, tab.course.digest
    answer = do(client, **command)
    assert answer.status_code == 422
    message = answer.json()["fragments"]["message"]
    assert re.search(why, message.replace("&#39;", "'"))
    assert "\n" not in message
    assert (tab.setup, tab.course.digest) == before
    assert do(client, do="open").json()["fragments"]["message"] == ""


def test_a_network_that_is_too_large_is_refused_before_it_is_made():
    tab = tab_of("xor")
    tab.do({"do": "layer", "change": "units", "layer": "1", "value": "16384"})
    tab.do({"do": "layer", "change": "add", "layer": "2"})
    with pytest.raises(InputError, match="take fewer units"):
        tab.do({"do": "layer", "change": "units", "layer": "2", "value": "16384"})


def test_names_in_a_table_are_no_markup(client):
    names = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "y"]
    lines = [f"{i % 7},{i % 5},{'<b>' if i % 2 else 'no'}" for i in range(60)]
    quoted = ",".join('"' + name.replace('"', '""') + '"' for name in names)
    table = "\n".join([quoted, *lines])
    answer = client.post(f"/drop{TAB}&name=<i>.csv", content=table, headers=OURS)
    assert answer.status_code == 200
    told = [answer.json()["fragments"], do(client, do="predict", value="y").json()["fragments"]]
    told.append(do(client, do="take", name="W-1-0-0").json()["fragments"])
    assert "&lt;script&gt;" in told[1]["picture"] + told[1]["frame"]
    for fragments in told:
        for html in fragments.values():
            assert not re.search(r"<script|<img|<i>\.csv|<b>", html), html


@pytest.mark.parametrize("table", [b"", b"\x00\xff\xfe", b"a,b\n1,2,3\n", b"PK\x03\x04"])
def test_what_is_no_table_is_told_by_its_own_name(client, table):
    answer = client.post(f"/drop{TAB}&name=mine.csv", content=table, headers=OURS)
    assert answer.status_code == 422
    message = answer.json()["fragments"]["message"]
    assert message.startswith("mine.csv")
    assert "/tmp" not in message


def test_each_tab_has_its_own_state_and_a_reload_finds_it(client):
    one, two = "?tab=" + "a" * 32, "?tab=" + "b" * 32
    do(client, one, do="go", where="update")
    do(client, two, do="set", name="data", value="curve")
    assert "curve: " in do(client, two, do="open").json()["fragments"]["build"]
    again = do(client, one, do="open").json()["fragments"]
    assert "xor: " in again["build"]
    assert "of update 2" in again["step"]


# --- set-ups -----------------------------------------------------------------------------------


@given(
    st.integers(0, 2**32 - 1), st.floats(1e-6, 10), st.lists(st.integers(1, 9), max_size=3),
    st.sampled_from([*EXAMPLES][:4]), st.sampled_from([*NOTATIONS]),
)  # fmt: skip
def test_a_set_up_comes_back_from_json_and_from_an_address(seed, rate, hidden, name, notation):
    rows = example_rows(name)
    setup = replace(
        Setup(**start_for(rows)), hidden=tuple(hidden), activations=("tanh",) * len(hidden),
        seed=seed, learning_rate=rate, notation=notation, parameters=None,
    )  # fmt: skip
    assert read_setup(to_json(setup, rows)) == (setup, rows)
    assert read_setup(f"{HOST}/{to_fragment(setup, rows)}") == (setup, rows)
    assert TOKEN not in to_fragment(setup, rows)


def test_a_set_up_carries_rows_that_are_nobodys_example():
    rows = Rows("mine", np.array([[0.5], [1.5]]), np.array([1.0, 2.0]), 0, ("size",), ("price",))
    setup = Setup(**start_for(rows))
    again, told = read_setup(to_fragment(setup, rows))
    assert again == setup
    assert (told.X.tolist(), told.y.tolist(), told.inputs) == ([[0.5], [1.5]], [1, 2], ("size",))
    assert Course(again, told).digest == Course(setup, rows).digest


def test_a_set_up_that_unpacks_to_gigabytes_is_refused_early():
    import base64
    import zlib

    packed = base64.urlsafe_b64encode(zlib.compress(b" " * (64 << 20), 9)).decode()
    with pytest.raises(InputError, match="at most"):
        read_setup(f"#v1:{packed}")


# --- step, hold, train -------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("batch_size", [1, 10, None])
def test_stepping_through_epochs_gives_the_bytes_of_train(optimizer, batch_size):
    tab = tab_of("moons", optimizer=optimizer, batch_size=batch_size, learning_rate=0.01, alpha=0.1)
    network, rows, course = tab.course.network.copy(), tab.rows, tab.course
    for _ in range(3):
        tab.do({"do": "go", "where": "update"})
    course.advance(2 * course.per_epoch - 3 if course.per_epoch > 1 else 0)
    epochs = course.epoch
    train(
        network, rows.X, course.y, optimizer=optimizer, batch_size=batch_size, learning_rate=0.01,
        alpha=0.1, epochs=epochs, seed=0, patience=99,
    )  # fmt: skip
    assert network.parameters.flat.tobytes() == course.network.parameters.flat.tobytes()
    assert course.sample_gradients == epochs * len(rows.X)


@given(st.lists(st.integers(0, 60), min_size=1, max_size=6))
def test_a_course_is_the_same_wherever_it_was_rewound_to(places):
    course, straight = (tab_of("circles", optimizer="adam").course for _ in range(2))
    for place in places:
        course.rewind(place)
        if place > straight.update:
            straight.advance(place - straight.update)
    straight.rewind(places[-1])
    assert course.digest == straight.digest
    assert course.costs == straight.costs[: len(course.costs)]


def test_few_moments_are_kept_and_every_epoch_is_found_again():
    course = tab_of("xor").course
    digests = []
    for _ in range(40):
        digests.append(course.digest)
        course.advance(course.per_epoch)
        course._most = 8
    assert len(course.moments) <= 9
    for epoch in (0, 7, 23, 39, 12):
        course.rewind(epoch * course.per_epoch)
        assert course.digest == digests[epoch]


@pytest.mark.parametrize("form", ["batch", "sample", "parameter", "jacobian"])
@pytest.mark.parametrize("notation", NOTATIONS)
def test_numbers_and_the_update_are_those_of_the_trace(form, notation):
    tab = tab_of("circles", optimizer="adam", form=form, notation=notation, batch_size=3)
    for _ in range(2):
        tab.do({"do": "go", "where": "update"})
    walk, course = tab.walk, tab.course
    seen = trace(course.network, course.rows.X[walk.rows], course.y[walk.rows], form=form)
    for key, numbers in seen.recording.arrays.items():
        np.testing.assert_array_equal(walk.recording.arrays[key], numbers)
    after = [walk.recording.arrays["W_new", layer].copy() for layer in (1, 2)]
    tab.do({"do": "go", "where": "update"})
    for W, found in zip(course.network.weights, after, strict=True):
        np.testing.assert_allclose(W, found, rtol=1e-12, atol=1e-15)


def test_steps_go_over_the_ends_of_updates_and_back():
    tab = tab_of("moons")
    digest, last = tab.course.digest, len(tab.walk.steps) - 1
    seen = []
    for _ in range(last + 3):
        seen.append(drawn(tab, ["step"])["step"])
        tab.do({"do": "go", "where": "next"})
    assert (tab.course.update, tab.at) == (1, 2)
    for told in reversed(seen):
        tab.do({"do": "go", "where": "back"})
        assert drawn(tab, ["step"])["step"] == told
    assert tab.course.digest == digest
    tab.do({"do": "go", "where": "back"})
    assert (tab.course.update, tab.at) == (0, 0)


@pytest.mark.parametrize("name", ["thin", "xor", "moons", "digits"])
@pytest.mark.parametrize("where", ["W-1-0-0", "b-1-0", "W-2-0-0", "b-2-0"])
def test_a_slope_is_the_derivative(name, where):
    tab = tab_of(name, alpha=0.1)
    tab.do({"do": "take", "name": where})
    held = tab.held
    assert held.difference == pytest.approx(held.derivative, rel=1e-5, abs=1e-9)
    assert held.pulls.sum() + held.penalty == pytest.approx(held.derivative)
    told = drawn(tab, ["hold"])["hold"]
    assert ("more of it raises" in told) == (held.derivative > 0)
    tab.do({"do": "hold", "key": held.key, "layer": str(held.layer), "epsilon": "0.5",
            "unit": "1" if name == "never" else str(held.entry[-1] + tab.first),
            "source": str(held.entry[0] + tab.first)})  # fmt: skip
    moved = tab.course.network.copy()
    (moved.weights if held.key == "W" else moved.biases)[held.layer - 1][held.entry] += 0.5
    batch = tab.walk.batch
    assert tab.held.moved == pytest.approx(moved.loss(batch.X, batch.y, alpha=batch.alpha))


def test_the_certificate_and_the_verdict_stand_on_the_page(client, page):
    assert "Every derivative agrees" in do(client, do="certify").json()["fragments"]["hold"]
    (tab,) = page.tabs.values()
    right = tab.walk.recording.arrays["dW", 1]
    for answer, told in ((right, "Right"), (-right, "Wrong")):
        text = json.dumps(answer.tolist())
        shown = do(client, do="judge", text=text, what="W", layer="1").json()["fragments"]["judge"]
        assert f">{told}<" in shown
    csv = "\n".join(",".join(map(repr, row)) for row in right.tolist())
    dropped = client.post(f"/drop{TAB}&name=dW.csv&judge=1", content=csv, headers=OURS)
    assert ">Right<" in dropped.json()["fragments"]["judge"]


def test_training_sends_the_newest_frame_and_pauses_at_once(page):
    async def look():
        tab = page._tab(Request())
        tab.do({"do": "train", "pace": "full"})
        answer, frames = await page.frames(Request()), []
        started = time.monotonic()
        async for part in answer.body_iterator:
            frames.append(part)
            if len(frames) == 8:
                await asyncio.to_thread(tab.do, {"do": "pause"})
        return tab, frames, time.monotonic() - started

    class Request:
        query_params = {"tab": "a" * 32}  # noqa: RUF012

    tab, frames, seconds = asyncio.run(look())
    assert frames[-1].startswith("event: over")
    assert seconds < 8 * FRAME_SECONDS + 2
    assert tab.course.epoch > 8
    assert not tab.training.running


def test_training_that_nobody_watches_any_more_pauses_and_its_state_is_found(page):
    class Request:
        query_params = {"tab": "a" * 32}  # noqa: RUF012

    async def look_away():
        tab = page._tab(Request())
        tab.do({"do": "train", "pace": "full"})
        stream = (await page.frames(Request())).body_iterator
        await anext(stream)
        await stream.aclose()
        return tab

    tab = asyncio.run(look_away())
    told = tab.do({"do": "open"})
    assert not tab.training.running
    assert f"of update {tab.course.update + 1}" in drawn(tab, told)["step"]
    assert threading.active_count() < 10


def test_divergence_is_told_and_leaves_the_last_moment():
    tab = tab_of("curve", learning_rate=1e6)
    tab.do({"do": "train", "pace": "full"})
    tab.training._thread.join()
    with pytest.raises(NonFiniteError, match="at learning rate 1e.06"):
        tab.do({"do": "pause"})
    assert np.isfinite(tab.course.network.parameters.flat).all()
    drawn(tab, ALL)


def test_every_command_is_tried_above():
    source = Path(__file__).read_text(encoding="utf-8")
    assert all(f'"{name}"' in source for name in COMMANDS if name not in ("refresh", "look"))
    tab = tab_of("moons")
    tab.do({"do": "look", "x": "1", "y": "0"})
    assert tab.do({"do": "refresh"})
    assert "over x₂ and x₁" in drawn(tab, ["frame"])["frame"]


def test_a_wide_network_is_shown_cut():
    rng = np.random.default_rng(0)
    rows = Rows("wide", rng.random((40, 784)), rng.integers(0, 10, 40), 10)
    setup = Setup(**{**start_for(rows), "hidden": (128,), "activations": ("relu",)})
    told = drawn(Tab(setup, rows), ALL)
    assert "778 more" in told["picture"]
    assert sum(map(len, told.values())) < 200_000
    assert Network([784, 128, 10], seed=0).sizes == (784, 128, 10)
