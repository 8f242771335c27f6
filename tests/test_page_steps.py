"""The page of ``backpass play``: set-ups, steps, slopes, training, and the command itself."""

import asyncio
import json
import re
import signal
import threading
import time
from dataclasses import replace

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backpass import Network, trace
from backpass.cli.run import run
from backpass.core.optimizers import OPTIMIZERS
from backpass.derivatives.notation import NOTATIONS
from backpass.errors import InputError, NonFiniteError
from backpass.page.course import Course
from backpass.page.data import EXAMPLES, Rows, example_rows, start_for
from backpass.page.server import Page
from backpass.page.setup import Setup, read_setup, to_fragment, to_json
from backpass.page.tab import ALL, Tab
from backpass.page.training import FRAME_SECONDS
from backpass.page.views import drawn
from backpass.training.trainer import train
from page_browser import HOST, OURS, PORT, TAB, TOKEN, Browser, do, tab_of
from page_person import served


@pytest.fixture
def page():
    return Page(Setup(), example_rows("xor"))


@pytest.fixture
def client(page):
    """Return a browser that was given the token."""
    client = Browser(page.app(PORT, TOKEN))
    assert client.get("/", params={"token": TOKEN}).status_code == 303
    return client


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


@pytest.mark.parametrize("name", ["xor", "moons", "digits"])
def test_why_an_error_signal_has_its_sign_is_right_one_layer_up(name):
    tab = tab_of(name, batch_size=1)
    for _ in range(8):
        tab.do({"do": "go", "where": "update"})
        known, last = tab.walk.recording.arrays, tab.walk.trace.last
        tab.do({"do": "take", "name": f"b-{last}-0"})
        side = "above" if known["a", last][0, 0] > known["y", None][0, 0] else "below"
        assert f"ŷ is {side} y" in tab.held.why()
        tab.do({"do": "take", "name": "b-1-0"})
        delta = known["delta", 1][0, 0]
        why = tab.held.why().replace("−", "-")
        number = r"(-?\d+(?:\.\d+)?(?:e[-+]?\d+)?)"
        if many := re.findall(f"add {number} and \\d+ {number}, its slope", why):
            parts = [*map(float, many[0])]
        else:
            slope = float(re.findall(f"slope of its activation, {number}, times", why)[0])
            terms = re.findall(f"signal {number} of [^=]* = {number}", why)
            parts = [slope * float(signal) * float(weight) for signal, weight in terms]
        assert sum(parts) == pytest.approx(delta, abs=0.002 * sum(map(abs, parts)))


def test_a_gradient_worked_out_from_the_numbers_shown_is_judged_by_their_digits(client, page):
    (tab,) = [do(client, do="set", name="batch_size", value="all")] and page.tabs.values()
    a, delta = (
        np.array([[float(f"{x:.4g}") for x in row] for row in tab.walk.recording.arrays[key]])
        for key in (("a", 1), ("delta", 2))
    )
    near = a.T @ delta  # in all of its digits, of which four are right
    for answer, told in ((near, ">Right<"), (-near, "sign")):
        asked = {"text": json.dumps(answer.tolist()), "what": "W", "layer": "2"}
        shown = do(client, do="judge", **asked).json()["fragments"]
        assert told in shown["judge"]
        assert asked["text"] in shown["judge"]
        assert "4 digits that the page shows" in shown["message"]
    refused = do(client, do="judge", text="[[1, 2]", what="", layer="").json()["fragments"]
    assert "sign" not in refused["judge"]


def test_a_row_stays_while_training_goes_on():
    tab = tab_of("moons")
    tab.do({"do": "keep", "row": "7"})
    tab.do({"do": "take", "name": "W-1-0-0"})
    before = tab.held.derivative
    tab.do({"do": "epoch"})
    assert tab.rows.called(tab.walk.rows) == "row 7"
    assert tab.held.derivative != before
    assert not any(step.id == "U" for _, step in tab.walk.steps)
    assert "row 7, which stays" in drawn(tab, ["step"])["step"]
    tab.do({"do": "rewind", "value": "0"})
    assert tab.held.derivative == before
    with pytest.raises(InputError, match="row 'x' is none that trains"):
        tab.do({"do": "keep", "row": "x"})
    tab.do({"do": "keep", "row": ""})
    assert len(tab.walk.rows) == 10


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
    with pytest.raises(NonFiniteError, match=r"at learning rate 1e.06"):
        tab.do({"do": "pause"})
    assert np.isfinite(tab.course.network.parameters.flat).all()
    drawn(tab, ALL)


def test_ctrl_c_ends_it_at_once_with_a_stream_open(tmp_path):
    network, table = tmp_path / "net.backpass", tmp_path / "rows.csv"
    Network([2, 3, 1], "tanh", seed=0).save(network)
    table.write_text("a,b,y\n1,2,3\n2,3,4\n1,1,1\n")
    with served(network, table) as (process, address):
        with httpx.Client(base_url=address.partition("?")[0], headers={}) as client:
            client.get("/", params={"token": address.partition("=")[2]})
            told = {"origin": str(client.base_url).rstrip("/")}
            answer = client.post(f"/do{TAB}", json={"do": "train", "pace": "full"}, headers=told)
            assert answer.json()["running"]
            with client.stream("GET", f"/frames{TAB}") as stream:
                next(stream.iter_lines())
                started = time.monotonic()
                process.send_signal(signal.SIGINT)
                assert process.wait(10) == 0
        assert time.monotonic() - started < 2
        assert process.stderr.read() == ""


def test_it_ends_when_nobody_asks_for_anything():
    with served("--idle", "0.005") as (process, _):
        assert process.wait(10) == 0


def test_trace_takes_a_set_up_with_its_notation(tmp_path, capsys):
    rows = example_rows("thin")
    setup = Setup(**{**start_for(rows), "notation": "nabla", "form": "chain"})
    path = tmp_path / "thin.json"
    path.write_text(to_json(setup, rows))
    for arguments, notation in (([], "nabla"), (["--notation", "code", "--form", "batch"], "code")):
        for told in (str(path), to_fragment(setup, rows)):
            assert run(["trace", told, *arguments]) == 0
            assert f"notation {notation}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["nobody.csv"], "no such file"),
        (["--idle", "nan"], "more than 0"),
        (["--setup", "nobody.json"], "cannot be read"),
        (["--setup", "#v1:x"], "damaged"),
        (["example:xor", "rows.csv", "--setup", "#v1:x"], "rows of its own"),
    ],
)
def test_play_refuses_in_a_line(arguments, why):
    with pytest.raises(InputError, match=why) as told:
        run(["play", *arguments])
    assert "\n" not in str(told.value)


def test_an_update_of_more_rows_than_can_be_shown_is_refused():
    rows = Rows("long", np.zeros((5000, 1)), np.zeros(5000))
    with pytest.raises(InputError, match="up to 4,096"):
        Tab(Setup(**{**start_for(rows), "batch_size": None}), rows)


def test_a_training_that_has_begun_again_is_gone_back_to():
    tab = tab_of("moons")
    for _ in range(3):
        tab.do({"do": "epoch"})
    tab.do({"do": "take", "name": "W-1-0-0"})
    before = tab.course.digest
    assert tab.usual_batch == 10
    tab.do({"do": "set", "name": "batch_size", "value": "all"})
    assert tab.course.update == 0
    assert "go back to epoch 3" in drawn(tab, ["message"])["message"]
    tab.do({"do": "undo"})
    assert (tab.course.digest, tab.course.epoch, tab.setup.batch_size) == (before, 3, 10)
    with pytest.raises(InputError, match="no other training"):
        tab.do({"do": "undo"})


def test_it_trains_for_as_many_epochs_as_asked():
    tab = tab_of("xor")
    tab.do({"do": "train", "pace": "full", "epochs": "7"})
    tab.training._thread.join()
    assert tab.course.epoch == 7
    for wrong in ("0", "1.5", "-1"):
        with pytest.raises(InputError, match="whole number"):
            tab.do({"do": "train", "pace": "full", "epochs": wrong})


def test_what_was_learnt_is_shown_over_any_two_inputs():
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
