"""Bad inputs, one table: every one gets one clear line, and nothing is written or changed."""

import io
import os
import pickle
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from backpass import MLPClassifier, MLPRegressor, Network, Settings, cli, train
from backpass.errors import BackpassError, InputError
from backpass.tabular.experiment import Question, run_experiment
from backpass.tabular.model import TabularModel
from backpass.training.checkpoints import Checkpoints, checkpoints_in
from bad_arguments import FAST, RECIPE, Given
from bad_commands import COMMANDS
from bad_models import CALLS
from bad_parameters import OTHER_SETTINGS, PARAMETERS, SETTINGS
from bad_tables import GOOD


def people(rows=60, seed=0):
    """Return a small table of everything: numbers, text, gaps, both kinds of target."""
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 80, rows)
    return pl.DataFrame(
        {
            "age": age,
            "city": rng.choice(["Bonn", "Oslo", "Rome"], rows),
            "height": pl.Series([None if i % 9 == 0 else 150 + i % 40 for i in range(rows)]),
            "code": rng.integers(1, 4, rows),
            "w": rng.random(rows) + 0.5,
            "income": 1000 + 30 * age + rng.normal(0, 900, rows),
            "old": np.where(age + rng.normal(0, 5, rows) > 45, "yes", "no"),
        }
    )


# --- the command line --------------------------------------------------------------------------


@pytest.fixture(scope="session")
def kept(tmp_path_factory):
    """What lies in the folder before anything is typed, by name."""
    folder = tmp_path_factory.mktemp("kept")
    asked = {
        "m": Question("old", recipe=RECIPE, drop=["income", "w"], compare="none"),
        "q": Question(
            "income",
            recipe=RECIPE,
            sample_weight="w",
            drop=["old", "height", "code"],
            compare="none",
        ),
    }
    for name, question in asked.items():
        run_experiment(people(), question, save_to=folder / f"{name}.backpass")
    Network([2, 3, 1], seed=0).save(folder / "n.backpass")
    question = Question("old", recipe=RECIPE, compare="none")
    run_experiment(pl.read_csv(GOOD), question, checkpoints=Checkpoints(folder / "run"))
    people().write_csv(folder / "people.csv")
    for name in ("notes", "p.csv", "r.json", "r.html", "o.html", "m.onnx"):
        (folder / name).write_text("mine", encoding="utf-8")
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def folder(tmp_path, monkeypatch, kept):
    """A working folder of old files, among them two that may not be written."""
    for name, data in kept.items():
        put(tmp_path / name, data)
    for name in ("folder.csv", "folder.json", "folder.onnx", "locked"):
        (tmp_path / name).mkdir()
    put(tmp_path / "locked.backpass", kept["m.backpass"])
    (tmp_path / "loop").symlink_to("loop")
    usual = os.access

    def access(path, mode, **options):  # where the tests run as root, everything may be written
        locked = Path(path).name.startswith("locked") and mode & os.W_OK
        return not locked and usual(path, mode, **options)

    monkeypatch.setattr(os, "access", access)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(path, data):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)


def bring(folder, kept, files):
    """Write the files of a case: bytes, a copy of another file, or an alteration of one."""
    for name, what in files.items():
        if isinstance(what, tuple):
            data = what[1](kept[what[0]])
            assert data != kept[what[0]]
        else:
            data = kept[what] if isinstance(what, str) else what
        put(folder / name, data)


def everything(folder):
    """Return names, kinds, bytes and times of all that lies in a folder."""
    return {
        path.relative_to(folder): (
            path.lstat().st_mode,
            path.lstat().st_mtime_ns,
            path.read_bytes() if path.is_file() else None,
        )
        for path in [folder, *folder.rglob("*")]
    }


def filled(argument, folder):
    """Return an argument with the names that only this run knows."""
    checkpoint = checkpoints_in(folder / "run")[-1].name
    return argument.replace("{folder}", folder.name).replace("{checkpoint}", checkpoint)


@pytest.mark.parametrize("case", COMMANDS)
def test_a_wrong_command_gets_one_line_and_nothing_is_written(
    folder, kept, capsys, monkeypatch, case
):
    wrong = COMMANDS[case]
    bring(folder, kept, wrong.files)
    if wrong.stdin is not None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(wrong.stdin)))
    before = everything(folder)
    code = cli.main([filled(argument, folder) for argument in wrong.arguments])
    said = capsys.readouterr()
    assert code == 2, said.err
    assert bool(said.out) == wrong.begun
    assert len(said.err.splitlines()) == 1, said.err
    assert said.err.startswith("error: ")
    assert said.err.isprintable() or said.err[:-1].isprintable()
    for word in wrong.words.split():
        assert word in said.err, f"{word} is not in: {said.err}"
    assert everything(folder) == before


def test_there_are_enough_of_them():
    assert len(COMMANDS) >= 300
    assert len(CALLS) >= 200


# --- Python ------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def fitted():
    """Everything that a wrong call may be given, pickled, for each test to have its own."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 3)), np.array([0, 1] * 20)
    q, frame = X[:, 0] * 2 + 1, pd.DataFrame(X, columns=list("abc"))
    table = pl.DataFrame({"x": X[:, 0], "c": ["a", "b"] * 20, "w": rng.random(40) + 0.5})
    table = table.with_columns(y=pl.Series(["no", "yes"] * 20), q=pl.Series(rng.normal(size=40)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of too few epochs, and of a column like the target
        models = [
            MLPClassifier(**FAST).fit(X, y),
            MLPRegressor(**FAST).fit(X, q),
            MLPClassifier(**FAST).fit(frame, y),
            TabularModel.fit(table, "y", recipe=RECIPE),
            TabularModel.fit(table, "q", recipe=RECIPE),
        ]
    given = Given(X, y, q, frame, table, *models, Network([3, 4, 2], seed=0))
    return pickle.dumps(given), state(given)


@pytest.fixture
def given(fitted):
    return pickle.loads(fitted[0])


@pytest.fixture
def before(fitted):
    """The `state` of what is given, before anything is done with it."""
    return fitted[1]


def state(given):
    """Return what may not change: the data, and everything that the models hold or predict."""
    models = given.classifier, given.regressor, given.framed, given.model, given.quantity
    networks = [getattr(model, "network_", getattr(model, "network", None)) for model in models]
    flats = [network.parameters.flat.tobytes() for network in [*networks, given.network]]
    names = [sorted(vars(model)) for model in models]
    predicted = [
        given.classifier.predict_proba(given.X).tobytes(),
        given.regressor.predict(given.X).tobytes(),
        given.framed.predict_proba(given.frame).tobytes(),
    ]
    curves = [list(model.loss_curve_) for model in models[:3]]
    data = [given.X.tobytes(), given.y.tobytes(), given.q.tobytes()]
    tables = [given.frame.to_numpy().tobytes(), given.table.rows()]
    return [flats, names, predicted, curves, data, tables]


def check_refusal(error, words):
    """Assert that a message is one line where it is ours, and says what it should."""
    text = str(error)
    assert "Traceback" not in text
    if isinstance(error, BackpassError):
        assert text.isprintable(), text
    for word in words.split():
        assert word in text, f"{word} is not in: {text}"


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::backpass.errors.TableWarning")
@pytest.mark.parametrize("case", CALLS)
def test_a_wrong_call_is_refused_and_changes_nothing(folder, given, before, case):
    wrong = CALLS[case]
    parameters = given.classifier.get_params(), given.regressor.get_params()
    files = everything(folder)
    with pytest.raises(wrong.error) as raised:
        wrong.call(given)
    check_refusal(raised.value, wrong.words)
    assert issubclass(wrong.error, BackpassError) == isinstance(raised.value, BackpassError)
    given.classifier.set_params(**parameters[0])  # what the call asked for is the call's
    given.regressor.set_params(**parameters[1])
    assert state(given) == before
    assert everything(folder) == files


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", PARAMETERS)
def test_a_wrong_parameter_is_named_and_the_estimator_stays_as_it_was(given, before, name):
    values, words = PARAMETERS[name]
    good = given.classifier.get_params()
    for value in values:
        for fresh in (False, True):
            estimator = MLPClassifier(**FAST) if fresh else given.classifier
            estimator.set_params(**{name: value})
            with pytest.raises(InputError) as raised:
                estimator.fit(given.X, given.y)
            check_refusal(raised.value, words)
            if fresh:
                assert set(vars(estimator)) == set(vars(MLPClassifier()))
        given.classifier.set_params(**good)
    assert state(given) == before


@pytest.mark.parametrize("name", OTHER_SETTINGS)
def test_so_is_a_wrong_setting_of_the_estimators_own(name):
    values, words = OTHER_SETTINGS[name]
    for value in values:
        with pytest.raises(InputError) as raised:
            Settings(**{name: value})
        check_refusal(raised.value, words)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_wrong_setting_is_named_and_the_network_stays_as_it_was(folder, given, before, name):
    values, words = SETTINGS[name]
    files = everything(folder)
    for value in values:
        with pytest.raises(InputError) as raised:
            train(given.network, given.X, np.c_[given.q, given.q], **{name: value})
        check_refusal(raised.value, words)
    assert state(given) == before
    assert everything(folder) == files
