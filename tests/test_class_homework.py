"""``backpass homework --answers``: who, which mistake, how many share it; names and formulas."""

import json
from functools import partial

import numpy as np
import polars as pl
import pytest

from backpass import Recipe, TabularModel, explain_mismatch
from backpass.cli import main, whole_class
from backpass.derivatives.homework.whole_class import answers_in, judged, pseudonym
from backpass.errors import InputError


@pytest.fixture(scope="module")
def school(tmp_path_factory):
    """Return a folder with a model, its table, and a class's answers."""
    place = tmp_path_factory.mktemp("school")
    rng = np.random.default_rng(0)
    table = pl.DataFrame({"size": rng.normal(size=40), "kind": rng.choice(["a", "b", "c"], 40)})
    recipe = Recipe(hidden_layer_sizes=(4,), activation="tanh", epochs=2)
    model = TabularModel.fit(table, "kind", recipe=recipe, seed=0)
    model.save(place / "m.backpass")
    table.write_csv(place / "t.csv")
    network, X, y, _ = model.rows_for_network(table[:10])
    gradients = network.loss_and_gradients(X, y)[1]
    named = zip(("W1", "W2", "b1", "b2"), (*gradients.weights, *gradients.biases), strict=True)
    right = {name: np.asarray(array, dtype=float) for name, array in named}

    folder = place / "answers"
    (folder / "Eva 1234_file").mkdir(parents=True)

    def hand_in(name, factor):
        np.savez(folder / name, **{key: factor * array for key, array in right.items()})

    hand_in("Anna.npz", 1)
    hand_in("Bo.npz", 10)
    hand_in("=1+1.npz", 10)
    np.save(folder / "Eva 1234_file" / "answer.npy", right["W2"])
    odd = {"W1": rng.normal(size=right["W1"].shape), "W2": right["W2"], "b2": right["b2"]}
    (folder / "Cem.json").write_text(json.dumps({k: x.tolist() for k, x in odd.items()}))
    (folder / "Dora.csv").write_text("Dora,0.5\n")
    (folder / "Falk.docx").write_bytes(b"PK")
    (folder / ".hidden").write_text("left by a system")
    return place


def run(school, monkeypatch, capsys, *arguments):
    monkeypatch.chdir(school)
    line = ["homework", "m.backpass", "t.csv", "--rows", "10"]
    code = main([*line, *arguments])
    return code, *capsys.readouterr()


EXPECTED = {
    "Anna": ("right", 2, ""),
    "Eva 1234_file": ("right", 2, ""),
    "Bo": ("wrong", 2, "1/N missing"),
    "'=1+1": ("wrong", 2, "1/N missing"),
    "Cem": ("wrong", 1, "no known mistake: "),
    "Dora": ("not judged", 1, "line 1: 'Dora' is not a number"),
    "Falk": ("not judged", 1, "an answer is a .npy, .npz, .csv, .json file"),
}


def test_one_line_each_in_terminal_csv_and_page(school, monkeypatch, capsys, tmp_path):
    file, page = tmp_path / "class.csv", tmp_path / "class.html"
    code, out, err = run(school, monkeypatch, capsys, "--answers", "answers", "-o", str(file))
    assert (code, err) == (1, "")
    assert "7 answers: 2 right, 3 wrong, 2 not judged" in out
    told = {who: rest for who, *rest in pl.read_csv(file).rows()}
    assert told.keys() == EXPECTED.keys()  # the formula is a text for a spreadsheet
    for who, (answer, count, mistake) in EXPECTED.items():
        assert told[who][:2] == [answer, count]
        assert (told[who][2] or "").startswith(mistake)
        assert who.lstrip("'") in out
    run(school, monkeypatch, capsys, "--answers", "answers", "-o", str(page))
    source = page.read_text(encoding="utf-8")
    assert all(who.lstrip("'") in source for who in EXPECTED)
    assert "<script" not in source
    assert "default-src 'none'" in source


@pytest.mark.parametrize("suffix", [".csv", ".html"])
def test_no_name_is_left_and_pseudonyms_stay(school, monkeypatch, capsys, tmp_path, suffix):
    file = tmp_path / f"class{suffix}"
    line = ["--answers", "answers", "-o", str(file), "--anonymous", "our word"]
    _, out, _ = run(school, monkeypatch, capsys, *line)
    for text in (out, file.read_text(encoding="utf-8")):
        assert not [
            name for name in ("Anna", "Bo", "Eva", "1+1", "Cem", "Dora", "Falk") if name in text
        ]
        assert pseudonym("anna", "our word") in text
        assert pseudonym("Anna", "another word") not in text
        assert "'…' is not a number" in text.replace("&#x27;", "'")


def test_ctrl_c_keeps_what_is_finished(school, monkeypatch, capsys, tmp_path):
    asked = []

    def interrupted(*given, **options):
        asked.append(given)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return explain_mismatch(*given, **options)

    monkeypatch.setattr("backpass.derivatives.homework.explain_mismatch", interrupted)
    file = tmp_path / "class.csv"
    code, out, err = run(school, monkeypatch, capsys, "--answers", "answers", "-o", str(file))
    assert code == 130
    assert err == "interrupted: 2 of 7 answers were judged\n"
    assert pl.read_csv(file).height == 2
    assert "2 answers: 1 right, 1 wrong" in out


def test_right_answers_alone_are_a_success(school, monkeypatch, capsys, tmp_path):
    (tmp_path / "Anna.npz").write_bytes((school / "answers" / "Anna.npz").read_bytes())
    code, out, _ = run(school, monkeypatch, capsys, "--answers", str(tmp_path))
    assert code == 0
    assert "1 answer: 1 right" in out


def test_whose_answers_they_are(tmp_path):
    for name in ("Ada.csv", "Bo.csv", "Bo.npy", "Cy 7/x.csv", "Di/a.csv", "Di/deep/b.csv", "__x/y"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1")
    (tmp_path / "Nobody").mkdir()
    names = [who for who, _ in answers_in(tmp_path)]
    assert names == ["Ada", "Bo.csv", "Bo.npy", "Cy 7", "Di/a", "Di/deep/b", "Nobody"]
    (nobody,) = judged(answers_in(tmp_path)[-1:], partial(explain_mismatch, None))
    assert nobody.outcome == "not judged"


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\t=1", "\r=1"])
def test_no_cell_is_a_formula(text):
    assert whole_class.harmless(text) == "'" + text


BAD = [
    ("", "give --answer FILE, or --answers FOLDER"),
    ("--answer a.csv --answers answers", "give --answer FILE, or --answers FOLDER"),
    ("--answers none", "none: there is no such folder"),
    ("--answers t.csv", "t.csv: is no folder"),
    ("--answers answers -o a.docx", "--output a.docx: the name must end in .csv"),
    ("--answers answers -o t.csv", "is read as input, too"),
    ("--answers answers --json a.json", "--json is of one answer"),
    ("--answers answers --notation greek", "unknown notation 'greek'"),
    ("--answer a.csv -o class.csv", "--output class.csv: the name must end in .html"),
    ("--answer a.csv --anonymous word", "--anonymous is of a class"),
]


@pytest.mark.parametrize(("arguments", "words"), BAD, ids=[line for line, _ in BAD])
def test_bad_arguments_get_one_line(school, monkeypatch, capsys, arguments, words):
    code, out, err = run(school, monkeypatch, capsys, *arguments.split())
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1


def test_an_empty_folder_is_told(tmp_path):
    with pytest.raises(InputError, match="holds no answer"):
        answers_in(tmp_path)
