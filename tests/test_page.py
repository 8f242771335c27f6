"""The page of ``backpass play``, without a browser: whom it refuses, what is built on it."""

import asyncio
import re

import pytest

from backpass.core.activations import ACTIVATIONS
from backpass.core.losses import LOSSES
from backpass.core.optimizers import OPTIMIZERS
from backpass.derivatives.notation import NOTATIONS
from backpass.derivatives.tracing import FORMS
from backpass.errors import InputError
from backpass.page.access import POLICY
from backpass.page.data import EXAMPLES, example_rows
from backpass.page.server import FILES, LARGEST_FILE, Page
from backpass.page.setup import Setup
from backpass.page.tab import ALL
from backpass.page.views import drawn
from page_browser import HOST, OURS, PORT, TAB, TOKEN, Browser, do, tab_of


@pytest.fixture
def page():
    return Page(Setup(), example_rows("xor"))


@pytest.fixture
def client(page):
    """Return a browser that was given the token."""
    client = Browser(page.app(PORT, TOKEN))
    assert client.get("/", params={"token": TOKEN}).status_code == 303
    return client


# --- who may talk to it ------------------------------------------------------------------------


def test_the_token_is_exchanged_for_a_cookie_and_leaves_the_address(page):
    browser = Browser(page.app(PORT, TOKEN))
    answer = browser.get("/", params={"token": TOKEN})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie, *rules = answer.headers["set-cookie"].lower().split("; ")
    assert cookie == f"backpass-{PORT}={TOKEN}"
    assert {"httponly", "samesite=strict"} <= {*rules}


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


def test_the_modules_of_the_page_are_short():
    scripts = [path for path in FILES.values() if path.suffix == ".js"]
    assert scripts
    assert all(len(path.read_text("utf-8").splitlines()) <= 250 for path in scripts)


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
        ({"do": "hold", "key": "b", "layer": "1", "unit": "3"}, "to unit '3': .* layer 1, 0 … 2"),
        (
            {"do": "hold", "key": "W", "layer": "1", "source": "wage", "unit": "1"},
            "from unit 'wage': give the name of an input or a number, 0 … 1",
        ),
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


@pytest.mark.parametrize("name", ["..", "../../etc/passwd", "a" * 5000 + ".csv", "x%00.csv", ""])
def test_any_name_of_a_file_will_do(client, name):
    answer = client.post(f"/drop{TAB}&name={name}", content=b"a,b\n1,2\n3,4\n", headers=OURS)
    assert answer.status_code == 200
    assert 'id="target"' in answer.json()["fragments"]["build"]


@pytest.mark.parametrize("notation", ["code", "nabla"])
def test_a_row_is_called_by_its_line_in_the_file(client, page, notation):
    words = ["yes", "no", "no", "yes", "yes"] * 20
    lines = ["x,y", "", *(f"{i * i % 97},{word}" for i, word in enumerate(words))]
    client.post(f"/drop{TAB}&name=t.csv", content="\n".join(lines), headers=OURS)
    do(client, do="predict", value="y")
    do(client, do="set", name="notation", value=notation)
    do(client, do="set", name="batch_size", value="1")
    (tab,) = page.tabs.values()
    do(client, do="take", name="W-1-0-0")
    for _ in range(12):
        do(client, do="go", where="update")
        shown = drawn(tab, ["step", "hold"]).values()
        (line,) = {int(re.search(r"(?:\d,|on) line (\d+)", text)[1]) for text in shown}
        word = tab.rows.outputs[tab.rows.y[tab.walk.rows[0]]]
        assert lines[line - 1].split(",")[1] == word


def test_how_the_columns_were_encoded_is_told_as_the_encoder_does(client):
    table = "\n".join(
        ["size,side,rent", *(f"{i % 41},{'ns'[i % 2]},{i * i % 89}" for i in range(80))]
    )
    client.post(f"/drop{TAB}&name=t.csv", content=table, headers=OURS)
    told = do(client, do="predict", value="rent").json()["fragments"]
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", told["build"])
    size, side, rent = (cells[i : i + 7] for i in (0, 7, 14))
    assert (size[0], size[4], side[:2], side[3]) == ("size", "1", ["side", "category"], "2")
    assert "t = (x − " in size[-1]
    assert rent[0] == "rent"
    assert "(x − " in rent[-1]
    assert (
        "<details"
        not in do(client, do="set", name="data", value="xor").json()["fragments"]["build"]
    )


def test_a_picture_of_a_table_numbers_its_inputs_as_the_notation_does(client):
    client.post(
        f"/drop{TAB}&name=t.csv", content=b"size,y\n" + b"1,2\n2,5\n3,1\n" * 9, headers=OURS
    )
    do(client, do="predict", value="y")
    for notation, number in (("nabla", 1), ("code", 0)):
        told = do(client, do="set", name="notation", value=notation).json()["fragments"]
        assert f">size ({number})<" in told["picture"]


def test_what_cannot_be_a_set_up_is_not_put_in_its_box(client):
    table = "\n".join(["a,b,y", *(f"{i % 97},{i % 7},{i % 89}" for i in range(9000))])
    client.post(f"/drop{TAB}&name=t.csv", content=table, headers=OURS)
    told = do(client, do="predict", value="y").json()["fragments"]["setup"]
    assert re.search(r"<textarea[^>]*></textarea>", told)
    assert "too many for a set-up" in told


def test_the_colours_of_what_was_learnt_are_named(client):
    for name, words in (
        ("moons", ("class 0", "class 1")),
        ("curve", ("low output", "high output")),
    ):
        frame = do(client, do="set", name="data", value=name).json()["fragments"]["frame"]
        caption = frame[frame.rindex("<figcaption>") :]
        assert all(word in caption for word in words)


def test_each_tab_has_its_own_state_and_a_reload_finds_it(client):
    one, two = "?tab=" + "a" * 32, "?tab=" + "b" * 32
    do(client, one, do="go", where="update")
    do(client, two, do="set", name="data", value="curve")
    assert "curve: " in do(client, two, do="open").json()["fragments"]["build"]
    again = do(client, one, do="open").json()["fragments"]
    assert "xor: " in again["build"]
    assert "of update 2" in again["step"]
