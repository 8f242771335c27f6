"""``backpass check``: exit codes, what is said, and what is refused."""

import json

import numpy as np
import polars as pl
import pytest

from backpass import cli
from backpass.core import backprop
from backpass.tabular.model import TabularModel
from backpass.tabular.recipe import Recipe


def people(rows=60):
    rng = np.random.default_rng(0)
    age = rng.integers(18, 80, rows)
    return pl.DataFrame(
        {
            "age": age,
            "city": rng.choice(["Bonn", "Oslo", "Rome"], rows),
            "w": rng.random(rows) + 0.5,
            "income": 1000.0 + 30 * age,
            "old": np.where(age > 45, "yes", "no"),
        }
    ).sort("old")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("check")
    recipe = Recipe(hidden_layer_sizes=(6, 4), epochs=2)
    for name, target in (("classes", "old"), ("numbers", "income")):
        model = TabularModel.fit(people(), target, sample_weight="w", recipe=recipe, seed=0)
        model.save(folder / f"{name}.backpass")
    people().write_csv(folder / "people.csv")
    (folder / "text.backpass").write_text("no model")
    (folder / "empty.csv").write_text("")
    people().drop("old").write_csv(folder / "untargeted.csv")
    people().with_columns(old=pl.lit("maybe")).write_csv(folder / "unseen.csv")
    people().with_columns(age=pl.lit("young")).write_csv(folder / "words.csv")
    return folder


@pytest.fixture
def folder(made, monkeypatch):
    monkeypatch.chdir(made)
    return made


def run(capsys, *arguments):
    code = cli.main(["check", *map(str, arguments)])
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.mark.parametrize("model", ["classes", "numbers"])
def test_a_trained_model_passes(folder, capsys, model):
    code, out, err = run(capsys, f"{model}.backpass", "people.csv", "--json", "c.json")
    assert (code, err) == (0, "")
    assert "every derivative agrees (backpropagation, 32 rows)" in out
    assert max(map(len, out.splitlines())) <= 80
    told = json.loads((folder / "c.json").read_text(encoding="utf-8"))
    assert told["passed"] is True
    assert told["rows"] == 32
    assert told["model"] == f"{model}.backpass"
    assert told["data"] == "people.csv"
    assert len(told["table"]) > 10  # a row for every array
    (folder / "c.json").unlink()


def test_the_certificate_is_written_as_a_page_beside_what_is_shown(folder, capsys):
    _, alone, _ = run(capsys, "classes.backpass", "people.csv", "--rows", 3)
    code, out, _ = run(capsys, "classes.backpass", "people.csv", "--rows", 3, "-o", "c.html")
    page = (folder / "c.html").read_text(encoding="utf-8")
    assert (code, out) == (0, alone)
    assert "Every derivative agrees (backpropagation, 3 rows)" in page
    assert "<script" not in page
    (folder / "c.html").unlink()


def test_rows_and_entries_are_those_that_were_asked_for(folder, capsys):
    _, out, _ = run(capsys, "classes.backpass", "people.csv", "--rows", 5, "--entries", 2)
    assert "5 rows" in out
    _, few, _ = run(capsys, "classes.backpass", "people.csv", "--entries", "all", "--rows", 1)
    assert "1 row)" in few
    checked, entries = (int(word) for word in few.splitlines()[-2].split() if word.isdigit())
    assert checked == entries


def test_a_wrong_derivative_is_named_with_exit_code_1(folder, capsys, monkeypatch):
    monkeypatch.setattr(backprop, "bias_gradient", lambda delta: delta.mean(axis=0))
    code, out, err = run(capsys, "classes.backpass", "people.csv", "--json", "wrong.json")
    assert (code, err) == (1, "")
    said = " ".join(out.split())
    for layer in (1, 2, 3):
        assert f"B4, layer {layer}: the biases' gradient" in said
    told = json.loads((folder / "wrong.json").read_text(encoding="utf-8"))
    assert told["passed"] is False
    assert len(told["blame"]) == 3
    (folder / "wrong.json").unlink()


WRONG = {
    "no rows": (["classes.backpass", "people.csv", "--rows", "0"], "--rows"),
    "more rows than there are": (
        ["classes.backpass", "people.csv", "--rows", "61"],
        "people.csv: --rows 61: there are 60 rows",
    ),
    "rows are a word": (["classes.backpass", "people.csv", "--rows", "few"], "--rows"),
    "no entries": (["classes.backpass", "people.csv", "--entries", "0"], "--entries '0'"),
    "entries are a word": (["classes.backpass", "people.csv", "--entries", "x"], "--entries 'x'"),
    "entries are half": (["classes.backpass", "people.csv", "--entries", "1.5"], "--entries"),
    "entries beyond counting": (["classes.backpass", "people.csv", "--entries", "9" * 20], "'999"),
    "no model": (["text.backpass", "people.csv"], "text.backpass"),
    "a table for a model": (["people.csv", "people.csv"], "people.csv"),
    "a model that is not there": (["nothing.backpass", "people.csv"], "nothing.backpass"),
    "a table that is not there": (["classes.backpass", "nothing.csv"], "nothing.csv"),
    "an empty table": (["classes.backpass", "empty.csv"], "empty.csv"),
    "no target": (["classes.backpass", "untargeted.csv"], "'old'"),
    "unseen labels": (["classes.backpass", "unseen.csv"], "'maybe'"),
    "text for numbers": (["classes.backpass", "words.csv"], "'age'"),
    "json of another kind": (
        ["classes.backpass", "people.csv", "--json", "c.txt"],
        "--json c.txt: the name must end in .json",
    ),
    "json over the table": (["classes.backpass", "people.csv", "--json", "people.csv"], "--json"),
    "json nowhere": (["classes.backpass", "people.csv", "--json", "no/c.json"], "no folder"),
    "no table": (["classes.backpass"], "TABLE"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_gets_one_line_and_exit_code_2(folder, capsys, case):
    arguments, words = WRONG[case]
    before = sorted(path.name for path in folder.iterdir())
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert err.startswith("error: ")
    assert words in err
    assert sorted(path.name for path in folder.iterdir()) == before
