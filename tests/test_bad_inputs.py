"""Bad inputs, one table: every one gets one clear line, and nothing is written or changed."""

import io
import os
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from backpass import Network
from backpass.checkpoints import Checkpoints, checkpoints_in
from backpass.cli import app as cli
from backpass.tabular.experiment import Question, run_experiment
from backpass.tabular.recipe import RECIPE
from bad_commands import COMMANDS
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
    recipe = RECIPE.__class__(hidden=(4,), epochs=2)
    asked = {
        "m": Question("old", recipe=recipe, drop=["income", "w"], baselines=False),
        "q": Question(
            "income",
            recipe=recipe,
            weights="w",
            drop=["old", "height", "code"],
            baselines=False,
        ),
    }
    for name, question in asked.items():
        run_experiment(people(), question, save_to=folder / f"{name}.backpass")
    Network([2, 3, 1], seed=0).save(folder / "n.backpass")
    question = Question("old", recipe=recipe, baselines=False)
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
