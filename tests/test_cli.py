"""The command line: what it writes and says; what it refuses is in `test_bad_inputs`."""

import gzip
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import polars as pl
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

import backpass
from backpass import cli
from backpass.cli import arguments as cli_checks
from backpass.errors import NonFiniteError
from backpass.tabular.baselines import BASELINES, Baseline
from backpass.tabular.experiment import Question, run_experiment
from backpass.tabular.model import TabularModel
from backpass.tabular.recipe import Recipe

MAIN = "import sys; from backpass.cli import main; sys.exit(main())"
FAST = ["--epochs", "2", "--hidden", "4"]


def people(rows=60, seed=0):
    """Return a small table of everything: numbers, text, gaps, a date, both kinds of target."""
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 80, rows)
    city = rng.choice(["Bonn", "Oslo", "Rome"], rows)
    return pl.DataFrame(
        {
            "age": age,
            "city": city,
            "height": pl.Series([None if i % 9 == 0 else 150 + i % 40 for i in range(rows)]),
            "code": rng.integers(1, 4, rows),
            "w": rng.random(rows) + 0.5,
            "income": 1000 + 30 * age + rng.normal(0, 50, rows),
            "old": np.where(age + rng.normal(0, 5, rows) > 45, "yes", "no"),
        }
    )


@pytest.fixture(autouse=True)
def few_trees(monkeypatch):
    """Boosted trees of a few seconds are not what is tested here."""

    def trees(task, seed, categorical):
        kind = HistGradientBoostingRegressor
        if task == "classification":
            kind = HistGradientBoostingClassifier
        return kind(random_state=seed, categorical_features=categorical, max_iter=2)

    monkeypatch.setitem(BASELINES, "boosted trees", Baseline(trees, trees=True))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with people.csv."""
    monkeypatch.chdir(tmp_path)
    people().write_csv("people.csv")
    return tmp_path


@pytest.fixture(scope="session")
def model_bytes(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "m.backpass"
    recipe = Question("old").recipe.__class__(hidden_layer_sizes=(4,), epochs=2)
    question = Question("old", recipe=recipe, drop=["income", "w"], compare="none")
    run_experiment(people(), question, save_to=path)
    return path.read_bytes()


@pytest.fixture
def model(folder, model_bytes):
    (folder / "m.backpass").write_bytes(model_bytes)
    return folder / "m.backpass"


def run(capsys, *arguments):
    """Run in this process; return exit code, output and error output."""
    code = cli.main([str(a) for a in arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


def process(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-c", MAIN, *map(str, arguments)],
        capture_output=True,
        timeout=120,
        **options,
    )


# --- fit -------------------------------------------------------------------------------------


def test_fit_trains_judges_compares_saves_and_says_so(folder, capsys):
    code, out, err = run(
        capsys, "fit", "people.csv", "-t", "old", "--drop", "income", "--categorical", "code", *FAST
    )
    assert code == 0
    for words in (
        "people.csv: 60 rows",
        "target old: classification (text), 2 classes: no",
        "48 rows to train on, 12 to test on",
        "left out as asked: income",
        "this network",
        "majority class",
        "linear model",
        "boosted trees",
        "confusion matrix",
        "people.backpass",
        "next   backpass predict people.backpass",
    ):
        assert words in out, words
    assert "\x1b" not in out + err
    assert max(map(len, out.splitlines())) <= 80
    assert TabularModel.load("people.backpass").target.classes == ("no", "yes")
    kinds = {c.name: c.kind for c in TabularModel.load("people.backpass").encoder.describe()}
    assert kinds["code"] == "category"


def test_fit_writes_strict_json_and_a_page(folder, capsys):
    files = ["--json", "a.json", "--report", "a.html", "--model", "a.backpass"]
    code, out, _ = run(capsys, "fit", "people.csv", "--target", "income", *FAST, *files)
    assert code == 0
    assert "errors, predicted − actual" in out

    def refuse(name):
        raise AssertionError(name)

    told = json.loads((folder / "a.json").read_text(encoding="utf-8"), parse_constant=refuse)
    assert told["split"] == {"train": 48, "test": 12, "seed": 0}
    assert told["table"]["task"] == "regression"
    assert told["table"]["columns"][2]["missing"] > 0
    assert len(told["history"]["loss"]) == told["history"]["epochs"] == 2
    assert len(told["history"]["layer_gradient_norms"]) == 2
    assert set(told["baselines"]) == {"majority class or mean", "linear model", "boosted trees"}
    assert set(told["baselines"]["linear model"]) == {"R²", "RMSE", "MAE", "seconds"}
    assert told["test"]["residual_quantiles"]["0.5"] is not None
    assert told["recipe"]["hidden_layer_sizes"] == [4]
    assert told["files"] == {"model": "a.backpass", "json": "a.json", "report": "a.html"}
    assert told["versions"]["backpass"]
    assert told["command"].startswith("backpass fit people.csv --target income")
    assert (folder / "a.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_the_same_seed_gives_the_same_file_and_another_one_does_not(folder, capsys):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        run(capsys, "fit", "people.csv", "-t", "old", *FAST, "--seed", seed, "-m", f"{name}.bp")
    models = [TabularModel.load(f"{name}.bp").network.parameters.flat for name in "abc"]
    assert np.array_equal(models[0], models[1])
    assert not np.array_equal(models[0], models[2])


def test_another_table_may_be_the_test(folder, capsys):
    people(30, seed=5).write_parquet("later.parquet")
    code, out, _ = run(
        capsys, "fit", "people.csv", "-t", "old", "--test", "later.parquet", "--drop", "income",
        *FAST,
    )  # fmt: skip
    assert code == 0
    assert "60 rows to train on, 30 to test on" in out
    assert "test scores, 30 rows" in out


def test_examples_find_their_target(folder, capsys):
    code, out, _ = run(capsys, "fit", "example:iris", *FAST)
    assert code == 0
    assert "target species" in out
    assert (folder / "iris.backpass").exists()


def test_an_older_model_is_replaced(model, capsys):
    before = model.read_bytes()
    code, _, _ = run(capsys, "fit", "people.csv", "-t", "old", *FAST, "--model", model)
    assert code == 0
    assert model.read_bytes() != before


def test_untidy_tables_are_dealt_with(folder, capsys):
    frame = people().with_columns(nothing=pl.lit(None, dtype=pl.String))
    frame = frame.with_columns(old=pl.when(pl.int_range(60) == 3).then(None).otherwise("old"))
    frame[10, "old"] = "perhaps"
    (folder / "untidy.csv").write_bytes(b"\xef\xbb\xbf" + frame.write_csv().encode())
    code, out, err = run(capsys, "fit", "untidy.csv", "-t", "old", *FAST, "--drop", "income")
    assert code == 0
    assert "59 rows" in out
    lines = err.splitlines()
    assert all(line.startswith("warning: ") for line in lines)
    assert any("'nothing'" in line for line in lines)
    assert any("'perhaps'" in line and "one row only" in line for line in lines)
    assert any("1 row(s) have no target 'old'" in line for line in lines)
    assert len(lines) == len(set(lines))


def test_what_is_not_plain_is_shown_and_options_settle_it(folder, capsys):
    rows = [f"{i % 7},{i % 10};1.{i:03};{'yn'[i % 2]}" for i in range(60)]
    (folder / "t.csv").write_text("\n".join(["a;b;y", *rows]))
    code, out, _ = run(capsys, "fit", "t.csv", "-t", "y", *FAST)
    assert (code, "read with a decimal comma, points between thousands" in out) == (0, True)
    options = ["--decimal", ",", "--thousands", "none", "--missing", "0,1", "--missing", "?"]
    code, out, err = run(capsys, "fit", "t.csv", "-t", "y", *FAST, *options)
    assert "read with a decimal comma, '0,1', '0', '1', '?' for missing" in " ".join(out.split())
    assert (code, "'1.000' in line 2 is no number where ','" in " ".join(err.split())) == (0, True)


def test_leaks_and_identifiers_are_pointed_out(folder, capsys):
    frame = people().with_row_index("number").with_columns(again=pl.col("old"))
    frame.write_csv("leak.csv")
    code, _, err = run(capsys, "fit", "leak.csv", "-t", "old", *FAST)
    assert code == 0
    assert re.search("warning: column 'again' alone predicts 'old'", err)
    assert re.search("warning: column 'number' .*identifier", err)


def test_a_name_with_a_comma_wins_over_a_list(folder, capsys):
    frame = people().rename({"age": "age, years"})
    frame.write_csv("comma.csv")
    code, out, _ = run(
        capsys,
        "fit",
        "comma.csv",
        "-t",
        "old",
        *FAST,
        "--drop",
        "age, years",
        "--drop",
        "city,code",
    )
    assert code == 0
    assert "left out as asked: age, years, city, code" in out


def test_default_model_names():
    names = [
        "-",
        "example:iris",
        "a/b.csv.gz",
        "b.TSV",
        "x.parquet",
        "y.XLSX",
        "z.jsonl.zst",
        "noext",
    ]
    want = ["model", "iris", "b", "b", "x", "y", "z", "noext"]
    assert [str(cli_checks.default_model(n)) for n in names] == [f"{w}.backpass" for w in want]


# --- predict and evaluate --------------------------------------------------------------------


def test_classes_that_look_like_formulas_are_predicted_as_the_table_has_them(tmp_path, capfdbinary):
    classes = ["=1+1", "-2 to 3"]
    table = pl.DataFrame({"x": ["a", "b"] * 20, "y": classes * 20})
    table.write_csv(tmp_path / "t.csv")
    recipe = Recipe(hidden_layer_sizes=(4,), epochs=2)
    TabularModel.fit(table, "y", recipe=recipe, seed=0).save(tmp_path / "m.backpass")
    assert cli.main(["predict", str(tmp_path / "m.backpass"), str(tmp_path / "t.csv")]) == 0
    told = capfdbinary.readouterr().out.decode().split("\n")[1:-1]
    assert len(told) == 40
    assert set(told) <= set(classes)


def test_predict_gives_a_row_for_a_row_in_order(model, capfdbinary):
    frame = people(23, seed=3).drop("old")
    frame.select(reversed(frame.columns)).write_csv("new.csv")
    assert cli.main(["predict", "m.backpass", "new.csv", "--proba"]) == 0
    out, err = capfdbinary.readouterr()
    assert err == b""
    told = pl.read_csv(out)
    assert told.columns == ["old", "old=no", "old=yes"]
    want = TabularModel.load("m.backpass").predict_table(frame, proba=True)
    assert told["old"].to_list() == want["old"].to_list()
    assert np.allclose(told["old=no"], want["old=no"])


@pytest.mark.parametrize("name", ["p.csv", "p.tsv", "p.parquet", "p.csv.gz", "p.tsv.gz"])
def test_predictions_go_to_a_file_by_its_suffix(model, capsys, name):
    assert run(capsys, "predict", "m.backpass", "people.csv", "-o", name) == (0, "", "")
    data = (model.parent / name).read_bytes()
    if name.endswith(".gz"):
        data = gzip.decompress(data)
    if "parquet" in name:
        told = pl.read_parquet(data)
    else:
        told = pl.read_csv(data, separator="\t" if "tsv" in name else ",")
    assert told.shape == (60, 1)
    assert told.columns == ["old"]


def test_one_row_of_numbers_in_a_text_column_is_read_as_text(folder, capsys):
    frame = people().with_columns(zip=pl.Series([["01", "02", "1x"][i % 3] for i in range(60)]))
    frame.drop("income").write_csv("zip.csv")
    assert run(capsys, "fit", "zip.csv", "-t", "old", *FAST)[0] == 0
    frame.drop("income")[:1].write_csv("one.csv")
    code, _, err = run(capsys, "predict", "zip.backpass", "one.csv", "-o", "p.csv")
    assert (code, err) == (0, "")


def test_evaluate_shows_and_writes_metrics(model, capsys):
    code, out, err = run(capsys, "evaluate", "m.backpass", "people.csv", "--json", "e.json")
    assert (code, err) == (0, "")
    assert "accuracy" in out
    assert "confusion matrix" in out
    told = json.loads((model.parent / "e.json").read_text(encoding="utf-8"))
    want = TabularModel.load("m.backpass").evaluate(people())
    assert told["test"]["metrics"] == pytest.approx(want)


def test_unseen_levels_give_one_warning_line(model, capsys):
    frame = people().with_columns(city=pl.lit("Pisa"))
    frame.write_csv("new.csv")
    code, _, err = run(capsys, "predict", "m.backpass", "new.csv", "-o", "p.csv")
    assert code == 0
    assert len(err.splitlines()) == 1
    assert err.startswith("warning: ")
    assert "'city'" in err


# --- training that goes wrong ----------------------------------------------------------------


def test_diverging_training_writes_no_model(folder, capsys, monkeypatch):
    def diverge(self, *arguments, **options):
        raise NonFiniteError("the loss is nan in epoch 1")

    monkeypatch.setattr("backpass.training.trainer.Trainer.train", diverge)
    code, _, err = run(capsys, "fit", "people.csv", "-t", "old", *FAST)
    assert code == 1
    assert err.splitlines()[-1].startswith("error: training diverged, and no model was written")
    assert not (folder / "people.backpass").exists()


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("--weights", "--sample-weight"),
        ("--max-iter", "--epochs"),
        ("--hidden-layer-sizes", "--hidden"),
        ("--random-state=3", "--seed"),
        ("--test-size", "--test-fraction"),
        ("--reprot", "--report"),
    ],
)
def test_an_option_is_found_by_what_it_is_called_elsewhere(capsys, typed, meant):
    code, out, err = run(capsys, "fit", "people.csv", typed, "3")
    assert (code, out) == (2, "")
    wanted = f"No such option: {typed.partition('=')[0]}; did you mean {meant}?"
    assert err == f"error: {wanted} (see: backpass fit --help)\n"


# --- Ctrl-C ----------------------------------------------------------------------------------


def interrupt_after(monkeypatch, epochs):
    from backpass.cli.progress import TerminalHooks

    def epoch(self, history):
        if history.epochs >= epochs:
            raise KeyboardInterrupt

    monkeypatch.setattr(TerminalHooks, "epoch", epoch)


def test_one_network_of_a_course_is_trained_as_asked(folder, capsys):
    code, _, _ = run(
        capsys, "fit", "people.csv", "-t", "old", "--activation", "tanh", "--hidden", "3"
    )
    network = TabularModel.load("people.backpass").network
    assert code == 0
    assert network.sizes[1:] == (3, 2)
    assert [activation.name for activation in network.model.activations] == ["tanh", "softmax"]


def test_interrupting_the_training_keeps_the_best(folder, capsys, monkeypatch):
    interrupt_after(monkeypatch, 3)
    code, out, err = run(
        capsys, "fit", "people.csv", "-t", "old", "--epochs", "9", "--json", "a.json",
        "--report", "a.html",
    )  # fmt: skip
    assert code == 130
    assert "interrupted" in err.splitlines()[-1]
    assert "kept" in err.splitlines()[-1]
    assert "boosted trees" not in out
    told = json.loads((folder / "a.json").read_text(encoding="utf-8"))
    assert told["interrupted"] is True
    assert told["history"]["epochs"] == 3
    assert TabularModel.load("people.backpass").history.best_epoch in (1, 2, 3)
    assert "interrupted early" in (folder / "a.html").read_text(encoding="utf-8")


def test_interrupting_the_comparison_keeps_the_model(folder, capsys, monkeypatch):
    def stop(self, name):
        if name == "boosted trees":
            raise KeyboardInterrupt

    monkeypatch.setattr("backpass.cli.progress.TerminalHooks.comparing", stop)
    code, out, err = run(capsys, "fit", "people.csv", "-t", "old", *FAST)
    assert code == 130
    assert "linear model" in out
    assert "boosted trees" not in out
    assert "cut short" in err.splitlines()[-1]
    assert (folder / "people.backpass").exists()


@pytest.mark.parametrize(
    "where",
    ["backpass.tabular.files.open_table", "backpass.tabular.preparation.PreparedTable.learn"],
)
def test_interrupting_anything_else_writes_nothing(folder, capsys, monkeypatch, where):
    def stop(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(where, stop)
    before = list(folder.iterdir())
    code, out, err = run(capsys, "fit", "people.csv", "-t", "old", *FAST)
    assert (code, out) == (130, "")
    assert err.splitlines() == ["interrupted: nothing was left half-written"]
    assert list(folder.iterdir()) == before


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.usefixtures("heard_interrupts")
def test_a_real_interrupt(folder):
    people(40_000).write_csv("many.csv")
    # wide enough that training takes many times as long as what comes before the interrupt
    arguments = ["fit", "many.csv", "-t", "income", "--epochs", "100000", "--hidden", "400,400"]
    running = subprocess.Popen(
        [sys.executable, "-c", MAIN, *arguments, "--time-limit", "60"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert "many.csv" in running.stdout.readline()
    time.sleep(2.5)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=60)
    assert running.returncode == 130, err
    assert "Traceback" not in err
    kept = (folder / "many.backpass").exists()
    assert err.splitlines()[-1].startswith(
        "interrupted: training" if kept else "interrupted: before"
    )
    assert not [p.name for p in folder.iterdir() if p.name.endswith(".tmp")]


# --- the outside world -----------------------------------------------------------------------


def test_the_whole_way_in_real_processes(folder):
    done = process("fit", "-", "--target", "old", "--drop", "income", *FAST,
                   input=(folder / "people.csv").read_bytes())  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert b"standard input: 60 rows" in done.stdout
    assert b"\x1b" not in done.stdout + done.stderr
    done = process("predict", "model.backpass", "people.csv")
    assert done.returncode == 0
    assert done.stderr == b""
    assert done.stdout.splitlines()[0] == b"old"
    assert len(done.stdout.splitlines()) == 61


def test_terminals_without_unicode_get_ascii(folder):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    people().rename({"city": "Städte"}).write_csv("u.csv")
    done = process("fit", "u.csv", "-t", "income", *FAST, env=environment)
    assert done.returncode == 0, done.stderr
    done.stdout.decode("ascii")
    assert b"R2" in done.stdout


def test_a_reader_that_stops_is_no_error(model):
    people(5000).write_csv("many.csv")
    shell = f'"{sys.executable}" -c "{MAIN}" predict m.backpass many.csv --proba | head -n 2'
    done = subprocess.run(shell, shell=True, capture_output=True, timeout=60, check=False)
    assert done.stderr == b""
    assert len(done.stdout.splitlines()) == 2


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")  # noqa: PTH110
@pytest.mark.parametrize(
    "arguments", [["predict", "m.backpass", "people.csv"], ["evaluate", "m.backpass", "people.csv"]]
)
def test_a_full_disk_under_standard_output(model, arguments):
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, "-c", MAIN, *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: standard output cannot be written: No space left on device"
    ]


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")  # noqa: PTH110
@pytest.mark.parametrize("lost", ["reader", "disk"])
def test_what_cannot_be_told_costs_no_model(folder, lost):
    """Neither a reader that stops before training has begun nor a full disk ends it."""
    arguments = [
        "fit",
        "people.csv",
        "-t",
        "old",
        *FAST,
        "--model",
        "o.backpass",
        "--json",
        "o.json",
    ]
    command = [sys.executable, "-c", MAIN, *arguments]
    if lost == "disk":
        with open("/dev/full", "wb") as full:  # noqa: PTH123
            done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
    else:
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False)
        os.close(writer)
    words = "standard output cannot be written: No space left on device; the model is in o.backpass"
    assert (done.returncode, done.stderr.decode()) == {
        "disk": (2, f"error: {words}\n"),
        "reader": (141, ""),
    }[lost]
    assert TabularModel.load("o.backpass").history.epochs
    assert json.loads((folder / "o.json").read_text())["test"]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="limits of POSIX")
@pytest.mark.parametrize(
    ("arguments", "old"),
    [
        (["fit", "people.csv", "-t", "old", *FAST, "--model", "m.backpass"], "m.backpass"),
        (["predict", "m.backpass", "big.csv", "-o", "p.csv"], "p.csv"),
    ],
)
def test_a_full_disk_leaves_the_old_file(model, arguments, old):
    people(3000).write_csv("big.csv")
    (model.parent / "p.csv").write_text("mine")
    before = {p.name: p.read_bytes() for p in model.parent.iterdir()}
    limit = 1024
    done = process(
        *arguments, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    )
    assert done.returncode == 2
    last = done.stderr.decode().splitlines()[-1]
    assert last.startswith("error: ")
    assert old in last
    assert "untouched" in last
    assert {p.name: p.read_bytes() for p in model.parent.iterdir()} == before


def test_help_and_version_are_quick_and_light():
    code = (
        "import sys; from backpass.cli import main; code = main(['--help']);"
        "heavy = [m for m in ('polars', 'sklearn', 'rich', 'scipy') if m in sys.modules];"
        "print(heavy, file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0
    assert done.stderr == "[]\n"
    assert "backpass fit example:digits" in done.stdout


@pytest.mark.parametrize("command", ["fit", "predict", "evaluate"])
def test_every_command_has_help_with_an_example(capsys, command):
    code, out, _ = run(capsys, command, "--help")
    assert code == 0
    assert f"backpass {command}" in out
    assert "Example" in out
    assert "\\b" not in out


def test_version(capsys):
    assert run(capsys, "--version") == (0, f"backpass {backpass.__version__}\n", "")


def test_names_from_a_file_do_not_reach_the_terminal_as_commands(folder, capsys):
    frame = people().rename({"city": "\x1b[31mred", "code": "[bold]x[/bold]"})
    frame.drop("income").write_csv("evil.csv")
    code, out, err = run(capsys, "fit", "evil.csv", "-t", "old", *FAST)
    assert code == 0
    assert "\x1b" not in out + err
    assert "[bold]x[/bold]" in out
    code, _, err = run(capsys, "fit", "evil.csv", "-t", "a\nb\x1b[1m")
    assert code == 2
    assert len(err.splitlines()) == 1
    assert "\x1b" not in err
