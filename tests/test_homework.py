"""A learner's answer: every way to hand it in, what counts as right, and what is refused."""

import html
import io
import json
import re
import zipfile

import numpy as np
import polars as pl
import pytest

from backpass import MLPClassifier, Network, cli, explain_mismatch
from backpass.derivatives.homework.answer_files import read_answer
from backpass.derivatives.homework.part import half_units
from backpass.derivatives.notation import NOTATIONS
from backpass.errors import InputError
from backpass.tabular.experiment import Question, run_experiment
from helpers import autograd_gradients, centred_gradients, draw_case

CASE = draw_case([3, 5, 4, 2], "tanh", "softmax", "cross_entropy", n=6, alpha=0.3)
NETWORK = Network.from_model(CASE.model)
RIGHT = CASE.run()[1]
WEIGHTS, BIASES = list(RIGHT.weights), list(RIGHT.biases)


def ask(answer, **options):
    return explain_mismatch(
        NETWORK, CASE.X, CASE.raw_y, answer, sample_weight=CASE.s, alpha=CASE.alpha, **options
    )


def names(verdict):
    return [set(explanation.names) for explanation in verdict.explanations]


# --- every way to hand it in ---------------------------------------------------------------------

NAMED = {f"{k}{i + 1}": x for k, xs in (("W", WEIGHTS), ("b", BIASES)) for i, x in enumerate(xs)}

WAYS = {
    "gradients": RIGHT,
    "flat": RIGHT.flat,
    "flat list": RIGHT.flat.tolist(),
    "mapping": NAMED,
    "mapping in part": {"b2": BIASES[1], "W3": WEIGHTS[2]},
    "mapping, other names": {f"d{k}": x for k, x in NAMED.items()},
    "mapping from 0": {f"{k[0]}{int(k[1]) - 1}": x for k, x in NAMED.items()},
    "pair of lists": (WEIGHTS, BIASES),
    "alternating": [x for pair in zip(WEIGHTS, BIASES, strict=True) for x in pair],
    "weights alone": WEIGHTS,
    "one matrix": WEIGHTS[1],
    "a list of lists": WEIGHTS[2].tolist(),
    "a column": BIASES[2][:, None],
    "a row": {"b1": BIASES[0][None, :]},
    "Fortran order": np.asfortranarray(WEIGHTS[1]),
    "big-endian": WEIGHTS[1].astype(">f8"),
}


@pytest.mark.parametrize("answer", WAYS.values(), ids=WAYS)
def test_a_right_answer_is_right_however_it_is_handed_in(answer):
    verdict = ask(answer)
    assert verdict.right, verdict.text
    assert not verdict.explanations
    assert all(part.off < 1e-14 for part in verdict.parts)
    assert "is right" in verdict.text


@pytest.mark.parametrize(
    "answer", ["flat", "mapping", "pair of lists", "alternating", "one matrix"]
)
def test_a_wrong_answer_is_named_however_it_is_handed_in(answer):
    wrong = {
        "flat": -RIGHT.flat,
        "mapping": {k: -x for k, x in NAMED.items()},
        "pair of lists": ([-W for W in WEIGHTS], [-b for b in BIASES]),
        "alternating": [-x for pair in zip(WEIGHTS, BIASES, strict=True) for x in pair],
        "one matrix": -WEIGHTS[1],
    }[answer]
    verdict = ask(wrong)
    assert not verdict.right
    assert names(verdict)[0] == {"sign"}


def test_the_array_is_found_by_its_shape():
    for layer, (W, b) in enumerate(zip(WEIGHTS, BIASES, strict=True), start=1):
        assert [(p.kind, p.layer) for p in ask(W).parts] == [("W", layer)]
        assert [(p.kind, p.layer) for p in ask(b).parts] == [("b", layer)]


def test_error_signals_and_the_forward_pass_are_judged_too():
    seen = {}
    NETWORK.loss_and_gradients(
        CASE.X, CASE.raw_y, CASE.s, alpha=CASE.alpha,
        observe=lambda name, layer, operands, result: seen.setdefault((name, layer), result),
    )  # fmt: skip
    for what, layer, name in [
        ("z", 2, "F1"), ("a", 3, "F2"), ("delta", 3, "B1"), ("delta", 1, "B2b"), ("g", 2, "B2a"),
    ]:  # fmt: skip
        assert ask(seen[name, layer], what=what, layer=layer).right
        assert not ask(2.5 * seen[name, layer], what=what, layer=layer).right
    assert ask(RIGHT.inputs, what="X").right
    assert ask({"X": RIGHT.inputs, "delta2": seen["B2b", 2]}).right
    columns = ask(seen["B2b", 2].T, what="delta", layer=2)
    assert names(columns)[0] == {"transposed"}


@pytest.mark.parametrize("name", NOTATIONS)
def test_the_layout_of_every_notation_is_read(name):
    notation = NOTATIONS[name]
    turned = [notation.from_our_weights(W) for W in WEIGHTS]
    flat = np.concatenate([x.ravel() for p in zip(turned, BIASES, strict=True) for x in p])
    for answer in (turned[0], (turned, BIASES), flat):
        assert ask(answer, layout=name).right
    assert ask(notation.from_our_rows(RIGHT.inputs), what="X", layout=name).right
    if notation.weights_transposed:
        verdict = ask((turned, BIASES))
        assert names(verdict)[0] == {"transposed"}
        assert f"{name!r} (note {notation.note})" in verdict.text


def test_an_entry_is_named_where_it_stands_in_the_answer():
    wrong = WEIGHTS[1].T.copy()
    wrong[3, 1] += 0.5
    for answer in (wrong, {"W2": wrong}):
        verdict = ask(answer, layout="nabla")
        assert verdict.differences[0].index == (3, 1)
        assert verdict.differences[0].theirs == wrong[3, 1]


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_an_estimator_and_its_own_penalty_are_taken():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 3)), np.array(["no", "yes"] * 20)
    model = MLPClassifier((4,), alpha=0.5, max_iter=3, random_state=0, tol=0).fit(X, y)
    network, rows, targets, _ = model.rows_for_network(X, y)
    gradients = network.loss_and_gradients(rows, targets, alpha=0.5)[1]
    assert explain_mismatch(model, X, y, gradients).right
    plain = network.loss_and_gradients(rows, targets)[1]
    assert names(explain_mismatch(model, X, y, plain))[0] == {"regularisation forgotten"}


# --- what counts as right ------------------------------------------------------------------------


def test_autograd_and_finite_differences_are_right_at_their_precision():
    by_autograd = autograd_gradients(CASE)[1]
    verdict = ask(by_autograd)
    assert verdict.right
    assert max(part.off for part in verdict.parts) < 1e-13
    J = lambda flat: float(CASE.value(flat, CASE.X))  # noqa: E731
    flat, h = CASE.model.parameters.flat, 1e-5
    steps = h * np.eye(flat.size)
    for rough in (
        np.array([(J(flat + e) - J(flat - e)) / (2 * h) for e in steps]),
        centred_gradients(CASE)[0],
    ):
        verdict = ask(rough)
        assert verdict.right, verdict.text
        off = max(part.off for part in verdict.parts)
        assert ("finite differences" in verdict.text) == (off > 1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("digits", [3, 4, 6, 8])
@pytest.mark.parametrize("form", ["decimals", "significant"])
def test_an_answer_that_was_printed_is_right_to_its_digits(digits, form):
    for W in WEIGHTS:
        if form == "decimals":
            rounded = np.round(W, digits)
            unit = 10.0**-digits
        else:
            rounded = np.array([[float(f"{x:.{digits - 1}e}") for x in row] for row in W])
            unit = 10.0 ** (np.floor(np.log10(abs(W))) - digits + 1)
        verdict = ask(rounded)
        assert verdict.right, verdict.text
        assert "digits that were given" in verdict.text
        assert digits > 6 or not ask(np.round(rounded + 20 * unit, 12)).right
        assert names(ask(-rounded))[0] == {"sign"}


def test_one_digit_is_too_few_and_that_is_said():
    W = np.array([[float(f"{x:.0e}") for x in row] for row in WEIGHTS[1]])
    verdict = ask(np.round(WEIGHTS[1], 1 - int(np.log10(abs(WEIGHTS[1]).max()))))
    assert not verdict.right
    assert "Numbers of one digit cannot be judged" in verdict.text
    assert not ask(W).right
    assert "one digit" not in ask(WEIGHTS[1] + 1).text


def test_float32_is_right_within_single_precision():
    for answer in (WEIGHTS[1].astype(np.float32), WEIGHTS[1].astype(np.float32).astype(float)):
        verdict = ask(answer)
        assert verdict.right
        assert "single precision" in verdict.text
    assert not ask((WEIGHTS[1] * 1.001).astype(np.float32)).right


@pytest.mark.parametrize("wrong", [1 + 1e-5, 1 - 1e-4, 1.01])
def test_what_is_off_by_more_than_differences_are_is_wrong(wrong):
    assert not ask(WEIGHTS[1] * wrong).right
    assert not ask(RIGHT.flat * wrong).right


def test_digits_are_found():
    for numbers, units in [
        ([0.12, 3.14], [0.005, 0.005]),
        ([1.2e-7, 3.4], [5e-9, 0.05]),
        ([0.0, 0.125], [5e-4, 5e-4]),
        ([1 / 3, 0.5], [0, 0]),
        ([0.5, 1.0], [0, 0]),  # one digit would agree with anything
        ([0.0, 0.0], [0, 0]),
    ]:
        got = half_units(np.array(numbers))
        assert np.allclose(got, units, rtol=1e-12, atol=0), numbers
    assert (half_units(np.array([0.1, 1 / 3], dtype=np.float32)) == 0).all()


# --- the verdict ---------------------------------------------------------------------------------


def test_a_verdict_is_shown_everywhere():
    verdict = ask(-WEIGHTS[1])
    from rich.console import Console

    console = Console(width=200, record=True, file=io.StringIO())
    console.print(verdict)
    assert console.export_text().split() == verdict.text.split()
    page = verdict._repr_html_()
    assert "<script" not in page
    assert html.escape("(∂J/∂z_L") not in page
    text = html.unescape(re.sub(r"<[^>]+>", " ", page))
    assert all(word in text for word in verdict.text.split() if word.isalpha())
    told = json.loads(json.dumps(verdict.to_dict(), allow_nan=False))
    assert told["right"] is False
    assert told["explanations"][0]["mistakes"][0]["name"] == "sign"
    assert json.loads(json.dumps(ask(WEIGHTS[1].T).to_dict(), allow_nan=False))["parts"]
    assert str(verdict) == verdict.text
    assert repr(verdict).startswith("Verdict(wrong: sign")
    assert repr(ask(WEIGHTS[0], what="W", layer=1)) == "Verdict(right)"
    assert repr(ask(WEIGHTS[0])) == "Verdict(right, 1 of 6 arrays)"


# --- what is refused -----------------------------------------------------------------------------

NAN = WEIGHTS[1].copy()
NAN[2, 3] = np.nan

BAD = {
    "shape": (np.ones((7, 9)), {}, r"shape \(7, 9\) fits nothing in layout code, .*∂J/∂W_1 \(3"),
    "shape of a layer": (
        np.ones((9, 9)),
        {"layer": 3},
        r"fits nothing in layout code, where it could be ∂J/∂W_3 \(4, 2\), ∂J/∂b_3 \(2,\)",
    ),
    "NaN": (NAN, {}, r"the answer\[2, 3\] is nan, not a finite number; look for"),
    "infinite": ({"b1": [1, np.inf, 2, -np.inf, 0]}, {}, r"b1\[1\] is inf.*and 1 more are not"),
    "layer": (WEIGHTS[1], {"layer": 4}, "there is no layer 4; layers are 1 … 3"),
    "layer 0": (WEIGHTS[1], {"layer": 0, "what": "W"}, "there is no layer 0"),
    "what": (WEIGHTS[1], {"what": "weights"}, "unknown what 'weights'; known: W, b, delta"),
    "layout": (WEIGHTS[1], {"layout": "fortran"}, "unknown notation 'fortran'; known: code"),
    "name": ({"V1": WEIGHTS[0]}, {}, "unknown name 'V1' in the answer; call the arrays W1"),
    "named layer": ({"W7": WEIGHTS[0]}, {}, "W7: there is no layer 7"),
    "layer of many": (NAMED, {"layer": 2}, "what and layer are for a single array"),
    "nothing": ({}, {}, "the answer is empty"),
    "twice": ({"W1": WEIGHTS[0], "w1": WEIGHTS[0]}, {}, "W1 and w1 name the same array"),
    "no numbers": (np.zeros((0, 3)), {}, "has no numbers in it"),
    "text": ("W1", {}, "the answer must be an array, a mapping"),
    "complex": (WEIGHTS[1] * 1j, {}, "real numbers, not an array of complex128 with 2 dimensions"),
    "text in a mapping": ({"W1": "x"}, {}, "W1: not an array of numbers"),
    "too many": ([WEIGHTS[0]] * 5, {}, r"lists \(weights, biases\) of 3 each"),
}


@pytest.mark.parametrize(("answer", "options", "message"), BAD.values(), ids=BAD)
def test_bad_answers_get_one_line(answer, options, message):
    with pytest.raises(InputError, match=message) as raised:
        ask(answer, **options)
    assert "\n" not in str(raised.value)


def test_a_network_that_overflows_cannot_be_compared_with():
    network = Network([1, 1], output="exp", loss="squared_error", seed=0)
    with pytest.raises(InputError, match="own gradient is not finite"):
        explain_mismatch(network, [[1e6 * np.sign(network.weights[0][0, 0])]], [1.0], [[1.0]])


# --- files ---------------------------------------------------------------------------------------


def test_files_are_read_back(tmp_path):
    W = WEIGHTS[0]
    np.save(tmp_path / "a.npy", W)
    np.savez(tmp_path / "a.npz", W1=W, b1=BIASES[0])
    (tmp_path / "a.json").write_text(json.dumps({"W1": W.tolist()}))
    (tmp_path / "b.json").write_text(json.dumps(W.tolist()))
    assert (read_answer(tmp_path / "a.npy") == W).all()
    assert (read_answer(tmp_path / "a.npz")["W1"] == W).all()
    assert (read_answer(tmp_path / "a.json")["W1"] == W).all()
    assert (read_answer(tmp_path / "b.json") == W).all()
    for name, separator in [("c.csv", ","), ("d.csv", ";"), ("e.csv", "\t"), ("f.csv", " ")]:
        np.savetxt(tmp_path / name, W, delimiter=separator, fmt="%.17g")
        assert (read_answer(tmp_path / name) == W).all()
    (tmp_path / "g.csv").write_bytes(b"\xef\xbb\xbf1,2\r\n\r\n3,4\r\n")
    assert read_answer(tmp_path / "g.csv").tolist() == [[1, 2], [3, 4]]


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


BAD_FILES = {
    "a.txt": (b"1", r"an answer is a \.npy, \.npz, \.csv, \.json file"),
    "objects.npy": (npy(np.array([{}], dtype=object)), "holds Python objects"),
    "short.npy": (npy(np.ones(9))[:-8], r"damaged: its header says \(9,\) of float64"),
    "huge.npy": (npy(np.ones(9)).replace(b"(9,), ", b"(9**9,)"), "not an .npy file|damaged"),
    "not.npy": (b"hello", "not an .npy file"),
    "empty.npy": (b"", "the file is empty"),
    "not.npz": (b"hello", "not an .npz file"),
    "text.csv": (b"a,b\n1,2\n", "line 1: 'a' is not a number; give numbers only"),
    "ragged.csv": (b"1,2\n3\n", "line 2 has 1 numbers, the first has 2"),
    "comma.csv": (b"0,5;1\n", "line 1: '0,5' is not a number; write 0.5"),
    "empty.csv": (b"\n", "has no numbers"),
    "latin.csv": (b"\xff1\n", "byte 0 is not UTF-8"),
    "bad.json": (b"{", "invalid JSON"),
    "nan.json": (b"[[NaN]]", "NaN is not allowed"),
    "ragged.json": (b"[[1, 2], [3]]", "the answer: its rows have different lengths"),
    "text.json": (b'{"W1": "x"}', "W1: not a number, a vector or a matrix of numbers"),
    "word.json": (b"true", "the answer: not a number, a vector or a matrix"),
}


@pytest.mark.parametrize(("name", "found"), BAD_FILES.items(), ids=BAD_FILES)
def test_bad_files_get_one_line_that_names_them(tmp_path, name, found):
    data, message = found
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=message) as raised:
        read_answer(tmp_path / name)
    assert name in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_zip_that_unpacks_to_too_much_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr("backpass.derivatives.homework.answer_files.LARGEST", 1 << 16)
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("W1.npy", npy(np.zeros(1 << 20)))
    with pytest.raises(InputError, match="unpacks to more than"):
        read_answer(tmp_path / "a.npz")
    np.save(tmp_path / "b.npy", np.zeros(1 << 20))
    with pytest.raises(InputError, match="answers of at most"):
        read_answer(tmp_path / "b.npy")


# --- the command line ----------------------------------------------------------------------------


def table():
    rng = np.random.default_rng(0)
    x = rng.normal(size=30)
    return pl.DataFrame({"x": x, "v": rng.normal(size=30), "kind": np.where(x > 0, "up", "down")})


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("homework")
    recipe = Question("kind").recipe.__class__(hidden_layer_sizes=(4,), epochs=2)
    run_experiment(
        table(),
        Question("kind", recipe=recipe, compare="none"),
        save_to=folder / "m.backpass",
    )
    return (folder / "m.backpass").read_bytes()


@pytest.fixture
def folder(tmp_path, monkeypatch, model_file):
    """A folder with a model, a table, and right and wrong answers for its first 8 rows."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.backpass").write_bytes(model_file)
    table().write_csv("t.csv")
    table().with_columns(kind=pl.lit("sideways")).write_csv("unseen.csv")
    from backpass import TabularModel

    model = TabularModel.load("m.backpass")
    rows = model.encode(table()[:8])
    gradients = model.network.loss_and_gradients(rows.X, rows.y)[1]
    np.save("right.npy", gradients.weights[1])
    np.savetxt("printed.csv", gradients.weights[1], delimiter=",", fmt="%.4g")
    np.savez("sum.npz", W1=8 * gradients.weights[0], W2=8 * gradients.weights[1])
    np.save("noise.npy", np.random.default_rng(1).normal(size=(4, 2)))
    np.save("wide.npy", np.ones((9, 9)))
    one = model.encode(table()[4:5])
    np.save("row.npy", model.network.loss_and_gradients(one.X, one.y)[1].weights[1])
    return tmp_path


def run(capsys, *arguments):
    code = cli.main(["homework", "m.backpass", *map(str, arguments)])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_the_command_says_right_or_wrong_by_its_exit_code(folder, capsys):
    for answer in ("right.npy", "printed.csv"):
        code, out, err = run(capsys, "t.csv", "--answer", answer, "--rows", 8)
        assert (code, err) == (0, "")
        assert "∂J/∂W_2 is right" in out
    code, out, _ = run(capsys, "t.csv", "--answer", "row.npy", "--row", 5)
    assert code == 0
    code, out, _ = run(capsys, "t.csv", "-a", "sum.npz", "--rows", 8, "--json", "v.json")
    assert code == 1
    assert "1. 1/N missing: ∂J/∂W_1, ∂J/∂W_2" in out
    told = json.loads((folder / "v.json").read_text(encoding="utf-8"))
    assert told["explanations"][0]["mistakes"][0]["equation"] == "B1"
    assert told["notation"] == "code"
    code, out, _ = run(capsys, "t.csv", "-a", "sum.npz", "--rows", 8, "--notation", "nabla")
    assert "1. 1/N missing: ∇W₁, ∇W₂" in out
    code, out, _ = run(capsys, "t.csv", "-a", "noise.npy", "--rows", 8, "--what", "W")
    assert code == 1
    assert "No known mistake" in out


CLI_BAD = {
    "row 0": (["--row", 0], "--row 0: t.csv has rows 1 … 30"),
    "row 31": (["--row", 31], "--row 31: t.csv has rows 1 … 30; give one of them"),
    "rows 0": (["--rows", 0], "--rows 0: t.csv has 30 rows; give 1 … 30"),
    "rows 31": (["--rows", 31], "--rows 31: t.csv has 30 rows"),
    "both": (["--row", 1, "--rows", 2], "give --rows or --row, not both"),
    "layer": (["--layer", 9], "there is no layer 9; layers are 1 … 2"),
    "what": (["--what", "V"], "unknown what 'V'; known: W, b, delta"),
    "layout": (["--layout", "x"], "unknown notation 'x'"),
    "notation": (["--notation", "x"], "unknown notation 'x'"),
    "shape": (["-a", "wide.npy"], "shape (9, 9) fits nothing"),
    "no file": (["-a", "none.npy"], "none.npy: there is no such file"),
    "folder": (["-a", "."], "an answer is a .npy"),
    "suffix": (["-a", "t.txt"], "an answer is a .npy"),
    "alpha": (["--alpha", -1], "Invalid value for '--alpha'"),
    "json": (["--json", "v.txt"], "the name must end in .json"),
    "json is input": (["-a", "a.json", "--json", "a.json"], "is read as input"),
}


@pytest.mark.parametrize(("options", "message"), CLI_BAD.values(), ids=CLI_BAD)
def test_bad_input_gets_one_line_and_writes_nothing(folder, capsys, options, message):
    before = sorted(p.name for p in folder.iterdir())
    answer = [] if "-a" in options else ["-a", "right.npy"]
    code, out, err = run(capsys, "t.csv", *answer, *options)
    assert code == 2
    assert out == ""
    assert message in err
    assert err.count("\n") == 1
    assert sorted(p.name for p in folder.iterdir()) == before


def test_tables_and_models_that_do_not_fit_are_refused(folder, capsys):
    code, _, err = run(capsys, "unseen.csv", "-a", "right.npy")
    assert code == 2
    assert "a class that training had not: 'sideways' in line 2; known: down, up" in err
    code, _, err = run(capsys, "none.csv", "-a", "right.npy")
    assert (code, err.count("\n")) == (2, 1)
    assert cli.main(["homework", "t.csv", "t.csv", "-a", "right.npy"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
