"""A network of one's own, or an example, on the command line of trace, check and homework."""

import json
from pathlib import Path

import numpy as np
import pytest

from backpass import Network
from backpass.cli import main
from backpass.derivatives.tracing import EXAMPLES, example

X, Y = np.array([[1.0, 0.0, 2.0], [-1.0, 0.5, 2.0]]), np.array([1, 2])
NETWORK = Network([3, 2, 3], "tanh", "softmax", "cross_entropy", seed=0)
ONE_HOT = ["--x", "1,0,2; -1,.5,2", "--y", "0,1,0;0,0,1"]
ROWS = {  # every way to say the same two rows
    "typed": ["--x", "1,0,2;-1,0.5,2", "--y", "1;2"],
    "repeated": ["--x", "1,0,2", "--x", "-1,0.5,2", "--y", "1", "--y", "2"],
    "one-hot": ONE_HOT,
    "a table": ["t.csv"],
    "a table of one-hot targets": ["one_hot.csv"],
}


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    NETWORK.save("net.backpass")
    (tmp_path / "t.csv").write_text("a,b,c,kind\n1,0,2,1\n-1,0.5,2,2\n")
    (tmp_path / "one_hot.csv").write_text("a,b,c,k0,k1,k2\n1,0,2,0,1,0\n-1,0.5,2,0,0,1\n")
    _, gradients = NETWORK.loss_and_gradients(X, Y)
    np.save("right.npy", gradients.weights[0])
    np.save("half.npy", gradients.weights[0] / 2)


@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
def test_rows_typed_or_in_a_table_are_the_same_to_trace_check_and_homework(rows, capsys):
    whole = [] if "--x" in rows else ["--row", "1-2"]
    assert main(["trace", "net.backpass", *rows, *whole, "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    quantities = {k: v for s in told["sections"][0]["steps"] for line in s["lines"]
                  for k, v in line["quantities"].items()}  # fmt: skip
    assert quantities["a_0"]["values"] == X.tolist()
    assert quantities["J"]["values"] == pytest.approx(NETWORK.loss(X, Y))
    if whole:
        assert told["inputs"] == ["a", "b", "c"]
    assert main(["check", "net.backpass", *rows]) == 0
    assert "2 rows" in capsys.readouterr().out
    assert main(["homework", "net.backpass", *rows, "-a", "right.npy", "--layer", "1"]) == 0
    assert main(["homework", "net.backpass", *rows, "-a", "half.npy", "--layer", "1"]) == 1


def test_a_verdict_is_written_as_a_page_beside_what_is_shown(capsys):
    line = ["homework", "net.backpass", *ROWS["typed"], "-a", "half.npy", "--layer", "1"]
    assert main([*line, "--notation", "omega", "-o", "verdict.html"]) == 1
    page = Path("verdict.html").read_text(encoding="utf-8")
    for text in (capsys.readouterr().out, page):
        assert "∇W¹ ℰ is wrong" in text  # as a trace writes it: no ∇_W¹


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ("7 abc 8", "line 3: column 'b' holds 'abc'"),
        ("true false true", "line 2: column 'b' holds 'true'"),
        ('1000 "1,234" 5', "'1,234', which may be a whole number or have decimals"),
        ("5% 6% 7%", "line 2: column 'b' holds '5%'"),
    ],
)
def test_a_cell_that_is_no_plain_number_is_named(cells, words, capsys):
    lines = "".join(f"1,{cell},2,1\n" for cell in cells.split())
    Path("cells.csv").write_text(f"a,b,c,kind\n{lines}")
    assert main(["trace", "net.backpass", "cells.csv"]) == 2
    assert words in capsys.readouterr().err


def test_one_parameter_is_nudged_at_a_time_and_a_missing_layer_is_named(capsys):
    line = ["trace", "example:xor", "--nudge"]
    assert main([*line, "W1[0,0]", "--nudge", "b1[0]"]) == 2
    assert "--nudge moves one parameter; leave out b1[0]" in capsys.readouterr().err
    assert main([*line, "W3[0,0]"]) == 2
    assert "there is no W_3; the layers are 1 … 2" in capsys.readouterr().err


def test_a_row_of_a_table_is_chosen_for_a_network(capsys):
    assert main(["trace", "net.backpass", "t.csv", "--row", "2", "--layer", "1"]) == 0
    assert "[ -1 0.5 2 ]" in capsys.readouterr().out
    _, gradients = NETWORK.loss_and_gradients(X[1:], Y[1:])
    np.save("second.npy", gradients.weights[1])
    line = ["homework", "net.backpass", "t.csv", "--answer", "second.npy", "--layer", "2"]
    assert main([*line, "--row", "2"]) == 0
    assert main([*line, "--row", "1"]) == 1


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_needs_no_table(name, capsys):
    network, rows, targets = example(name)
    _, gradients = network.loss_and_gradients(rows, targets)
    np.savez("right.npz", W1=gradients.weights[0], b1=gradients.biases[0])
    assert main(["homework", f"example:{name}", "-a", "right.npz"]) == 0
    assert main(["check", f"example:{name}", "--json", "c.json"]) == 0
    assert json.loads(Path("c.json").read_text(encoding="utf-8"))["rows"] == len(rows)


def test_an_example_takes_other_rows(capsys):
    assert main(["trace", "example:xor", "--x", "0.5,0.5", "--y", "1"]) == 0
    assert "[ 0.5 0.5 ]" in capsys.readouterr().out
