"""What ``backpass trace`` shows, writes and refuses."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from backpass.cli import main
from backpass.tabular.model import TabularModel
from backpass.tabular.recipe import RECIPE


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a model, its table, and some that do not fit."""
    place = tmp_path_factory.mktemp("trace")
    rng = np.random.default_rng(0)
    table = pl.DataFrame(
        {
            "size": rng.normal(size=60),
            "colour": rng.choice(["red", "green"], 60),
            "kind": rng.choice(["a", "b", "c"], 60),
        }
    )

    model = TabularModel.fit(
        table, "kind", recipe=replace(RECIPE, hidden_layer_sizes=(5,), epochs=2), seed=0
    )
    model.save(place / "m.backpass")
    table.write_csv(place / "t.csv")
    table.with_columns(kind=pl.lit(None, pl.String)).write_csv(place / "no_target.csv")
    table.with_columns(kind=pl.lit("z")).write_csv(place / "strange.csv")
    table.drop("size").write_csv(place / "narrow.csv")
    (place / "text.txt").write_text("no model")
    return place


def run(folder, monkeypatch, capsys, *arguments):
    monkeypatch.chdir(folder)
    code = main(["trace", *arguments])
    told = capsys.readouterr()
    return code, told.out, told.err


def test_an_example_needs_neither_model_nor_table(folder, monkeypatch, capsys):
    code, out, err = run(folder, monkeypatch, capsys, "example:xor", "--notation", "nabla")
    assert (code, err) == (0, "")
    assert "network 2-2-1: tanh, logistic; loss binary_cross_entropy" in out
    assert "∇W₂ = ∇A₂ · H₁ᵀ" in out


def test_a_weight_is_nudged_and_functions_are_derived(folder, monkeypatch, capsys):
    options = ("--nudge", "W1[0, 1]", "--derivations")
    code, out, err = run(folder, monkeypatch, capsys, "example:xor", *options)
    assert (code, err) == (0, "")
    assert "the chain rule along multiple paths" in out
    assert "φ′(z) = 1 − φ(z)²" not in run(folder, monkeypatch, capsys, "example:xor")[1][:200]
    assert "= 1 − φ(z)²" in out


def test_a_row_of_a_table_is_that_row(folder, monkeypatch, capsys):
    code, out, err = run(
        folder, monkeypatch, capsys, "m.backpass", "t.csv", "--row", "7", "--format", "json"
    )
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert told["inputs"][0] == "size"
    assert told["outputs"] == ["a", "b", "c"]
    model = TabularModel.load(folder / "m.backpass")
    X, _, _ = model.encode(pl.read_csv(folder / "t.csv")[6:7])
    first = told["sections"][0]["steps"][0]["lines"][0]["quantities"]["a_0"]
    assert np.array_equal(np.array(first["values"], dtype=X.dtype), X)


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("o.html", "<!doctype html>"),
        ("o.tex", "\\documentclass"),
        ("o.json", "{"),
        ("o.txt", "net"),
    ],
)
def test_the_suffix_chooses_the_format(folder, monkeypatch, capsys, name, start):
    code, out, err = run(
        folder, monkeypatch, capsys, "m.backpass", "t.csv", "--row", "1,3-4", "-o", name
    )
    assert (code, out, err) == (0, "", "")
    assert (folder / name).read_text(encoding="utf-8").startswith(start)


def test_interactive_adds_one_script_to_the_page(folder, monkeypatch, capsys):
    pages = []
    for options in ([], ["--interactive"]):
        assert run(folder, monkeypatch, capsys, "example:xor", "-o", "o.html", *options)[0] == 0
        pages.append((folder / "o.html").read_text(encoding="utf-8"))
    assert [page.count("<script") for page in pages] == [0, 1]
    assert pages[0].count("<math") == pages[1].count("<math")


def test_zero_shows_everything(folder, monkeypatch, capsys):
    everything = run(
        folder, monkeypatch, capsys, "m.backpass", "t.csv", "--row", "1-30", "--max-elements", "0"
    )[1]
    cut = run(folder, monkeypatch, capsys, "m.backpass", "t.csv", "--row", "1-30")[1]
    assert "left out" in cut
    assert "left out" not in everything


BAD = [
    (["example:poem"], "unknown example 'poem'; known: xor"),
    (["example:xor", "t.csv"], "example:xor has rows of its own; leave 't.csv' out"),
    (["example:xor", "--row", "5"], "--row 5: the table has rows 1 … 4"),
    (["m.backpass"], "give the TABLE whose rows are to be taken"),
    (["none.backpass", "t.csv"], "none.backpass: cannot be read: there is no such file"),
    (["text.txt", "t.csv"], "text.txt"),
    (["m.backpass", "none.csv"], "none.csv"),
    (["m.backpass", "t.csv", "--row", "0"], "--row 0: the table has rows 1 … 60"),
    (["m.backpass", "t.csv", "--row", "61"], "--row 61: the table has rows 1 … 60"),
    (["m.backpass", "t.csv", "--row", "5-2"], "--row 5-2: give the smaller row first"),
    (["m.backpass", "t.csv", "--row", "first"], "--row 'first': give a row, as in --row 7"),
    (["m.backpass", "t.csv", "--row", "1,"], "--row '1,': give a row"),
    (["m.backpass", "t.csv", "--row", "-3"], "--row '-3': give a row"),
    (["m.backpass", "no_target.csv"], "no_target.csv, row 1: it has no target 'kind'"),
    (["m.backpass", "strange.csv", "--row", "2"], "'z'"),
    (["m.backpass", "narrow.csv"], "'size'"),
    (["m.backpass", "t.csv", "--notation", "greek"], "unknown notation 'greek'; known: code"),
    (["m.backpass", "t.csv", "--form", "poem"], "unknown form 'poem'; known: batch"),
    (["m.backpass", "t.csv", "--form", "chain"], "one unit in every layer"),
    (["m.backpass", "t.csv", "--layer", "3"], "layer must be 1 … 2, not 3"),
    (["m.backpass", "t.csv", "--format", "word"], "--format 'word': give one of text, html"),
    (["m.backpass", "t.csv", "-o", "o.pdf"], "--output o.pdf: give a suffix of .txt, .html"),
    (["m.backpass", "t.csv", "-o", "t.csv", "--format", "text"], "is read as input, too"),
    (["m.backpass", "t.csv", "-o", "none/o.html"], "there is no folder"),
    (["m.backpass", "t.csv", "--update", "magic"], "unknown optimizer 'magic'"),
    (["m.backpass", "t.csv", "--digits", "0"], "--digits"),
    (["example:xor", "--interactive"], "--interactive makes a page; give -o page.html"),
    (["example:xor", "--interactive", "-o", "o.tex"], "give -o page.html, or --format html"),
    (
        ["example:xor", "--nudge", "W1"],
        "--nudge 'W1': give a weight as W1[0,2], or a bias as b1[2]",
    ),
    (["example:xor", "--nudge", "b1[0,1]"], "--nudge 'b1[0,1]': give a weight as"),
    (["example:xor", "--nudge", "W1[2,0]"], "there is no W_1[2, 0]"),
    (["m.backpass", "t.csv", "--learning-rate", "5"], "give --update sgd, too"),
]


@pytest.mark.parametrize(("arguments", "words"), BAD, ids=[" ".join(a) for a, _ in BAD])
def test_bad_input_gets_one_line_and_writes_nothing(folder, monkeypatch, capsys, arguments, words):
    before = sorted((p.name, p.read_bytes()) for p in folder.iterdir())
    code, out, err = run(folder, monkeypatch, capsys, *arguments)
    assert code == 2
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert words in err
    assert sorted((p.name, p.read_bytes()) for p in folder.iterdir()) == before
