"""What fuzzing found, each as a small input; and a short run of every target, with no finding."""

import importlib
import io
import sys
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from backpass import Network, TabularModel, train
from backpass.core.activations import ACTIVATIONS
from backpass.core.losses import LOSSES
from backpass.core.optimizers import OPTIMIZERS
from backpass.derivatives.homework.answer_files import read_answer
from backpass.errors import InputError, ModelFileError, TableError, TableWarning
from backpass.storage.container import read_container, write_container
from backpass.tabular.column_values import as_days, as_numbers
from backpass.tabular.csv_text import split_delimited
from backpass.tabular.files import read_table
from backpass.tabular.model_file import MODEL_SCHEMA
from backpass.tabular.recipe import Recipe
from backpass.tabular.targets import ClassTarget
from backpass.training.run_identity import differences
from backpass.training.snapshots import SNAPSHOT_SCHEMA

FIXTURES = Path(__file__).parent / "fixtures"


# --- tables ----------------------------------------------------------------------------------


def test_a_line_with_more_fields_is_refused_in_a_table_of_one_column_too():
    with pytest.raises(TableError, match=r"t\.csv, line 3: 2 fields where the header has 1"):
        split_delimited(b"a\n1\n2,3\n", "t.csv")


def test_digits_of_other_scripts_are_text(tmp_path):
    (tmp_path / "t.csv").write_text("a;b\n٣,5;1\n4,5;2\n6,5;3")
    with pytest.warns(TableWarning, match="line 2 holds '٣,5'"):
        column = read_table(tmp_path / "t.csv")["a"]
    assert column.to_list() == ["٣,5", "4,5", "6,5"]


def test_a_parquet_file_that_makes_polars_panic_is_refused(tmp_path, monkeypatch):
    def panic(*_):
        raise pl.exceptions.PanicException("called `Result::unwrap()` on an `Err` value")

    monkeypatch.setattr(pl, "read_parquet", panic)
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    with pytest.raises(TableError, match=r"t\.parquet: damaged Parquet file; get another copy"):
        read_table(tmp_path / "t.parquet")


@pytest.mark.parametrize("reason", ["", "\n\nbad \x1b[2J\nmore"])
def test_the_reason_why_a_parquet_file_is_damaged_is_one_line(tmp_path, monkeypatch, reason):
    def refuse(*_):
        raise pl.exceptions.ComputeError(reason)

    monkeypatch.setattr(pl, "read_parquet", refuse)
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    with pytest.raises(TableError, match="damaged Parquet file: ") as caught:
        read_table(tmp_path / "t.parquet")
    assert str(caught.value).isprintable()


def test_milliseconds_that_are_no_microseconds_are_days():
    far = pl.Series([2**62, -(2**62), 0])
    want = np.array([2**62, -(2**62), 0]) / 86_400_000
    np.testing.assert_array_equal(as_days(far.cast(pl.Datetime("ms"))), want)
    np.testing.assert_array_equal(as_numbers(far.cast(pl.Duration("ms"))), want)


def test_classes_beyond_64_bits_are_given_back_as_text():
    target = ClassTarget.fit(pl.Series("y", [2**63, 1], dtype=pl.UInt64))
    assert target.decode(np.array([0, 1])).to_list() == ["1", str(2**63)]


# --- files -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"values": "integer", "classes": ["1", "x"]}, "not all can be of type integer"),
        ({"values": "integer", "classes": ["1", str(2**63)]}, "not all can be of type integer"),
        ({"values": "boolean", "classes": ["true", "x"]}, "not all can be of type boolean"),
        ({"values": "text", "classes": ["x", "x"]}, "one appears twice"),
        ({"values": "text", "classes": ["x", "\ud800"]}, "not valid Unicode"),
        ({"name": "\ud800"}, "not valid Unicode"),
    ],
)
def test_classes_that_cannot_be_given_back_are_refused(tmp_path, changes, reason):
    table = {"x": [1.5, 2, 3, 4] * 5, "y": [0, 1] * 10}
    model = TabularModel.fit(table, "y", recipe=Recipe(hidden_layer_sizes=(2,), epochs=1))
    path = tmp_path / "m.backpass"
    model.save(path)
    meta, tensors = read_container(path, "model", MODEL_SCHEMA)
    meta["target"] |= changes
    write_container(path, "model", meta, tensors)
    with pytest.raises(ModelFileError, match=f"target.*{reason}"):
        TabularModel.load(path)


BAD_CURVES = {
    "two axes": (("curve.loss_curve", np.ones((2, 2))), "tensor curve.loss_curve must be"),
    "too long": (("curve.learning_rates", np.ones(3)), "tensor curve.learning_rates must be"),
    "flags": (("curve.loss_curve", np.ones(2, bool)), "tensor curve.loss_curve must be"),
    "NaN": (("curve.loss_curve", np.array([1, np.nan])), "a loss is not a finite number"),
    "parameters": (("parameters", np.array([1, np.inf])), "a parameter is not a finite number"),
}


@pytest.mark.parametrize("case", BAD_CURVES)
def test_numbers_that_do_not_fit_a_checkpoint_are_refused(tmp_path, case):
    (name, array), reason = BAD_CURVES[case]
    X, y = np.array([[0.0], [1.0]]), np.array([0.0, 1.0])

    def trained(epochs, resume):
        options = {"checkpoint": tmp_path, "resume": resume, "optimizer": "sgd"}
        return train(Network([1, 1], seed=0), X, y, seed=0, epochs=epochs, **options)

    trained(2, False)
    (path,) = tmp_path.glob("*.backpass")
    told, arrays = read_container(path, "checkpoint", SNAPSHOT_SCHEMA)
    write_container(path, "checkpoint", told, arrays | {name: array})
    with pytest.raises(ModelFileError, match=reason):
        trained(2, True)


def test_more_steps_than_a_run_comes_to_are_refused(tmp_path):
    X, y = np.array([[0.0], [1.0]]), np.array([0.0, 1.0])
    train(Network([1, 1], seed=0), X, y, seed=0, epochs=1, checkpoint=tmp_path)
    (path,) = tmp_path.glob("*.backpass")
    told, arrays = read_container(path, "checkpoint", SNAPSHOT_SCHEMA)
    write_container(path, "checkpoint", told | {"steps": 2**64}, arrays)
    with pytest.raises(InputError, match="steps: expected an integer"):
        train(Network([1, 1], seed=0), X, y, seed=0, epochs=2, checkpoint=tmp_path, resume=True)


def test_settings_of_a_stranger_do_not_reach_the_terminal_as_commands():
    assert differences({"\x1b[2J": "1"}, {}).isprintable()


def test_broken_headers_and_archives_of_answers_are_refused(tmp_path):
    file = io.BytesIO()
    np.save(file, np.ones(3))
    whole = file.getvalue()
    for data in (whole.replace(b"(3,)", b"(3,("), whole.replace(b"}", b"\0"), whole[:30]):
        (tmp_path / "a.npy").write_bytes(data)
        with pytest.raises(InputError, match=r"a\.npy: not an \.npy file, or a damaged one"):
            read_answer(tmp_path / "a.npy")
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("W1.npy", whole)
    data = bytearray(file.getvalue())
    data[data.rindex(b"PK\x05\x06") + 16] += 3  # where the directory begins
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(InputError, match=r"a\.npz: not an \.npz file, or a damaged one"):
        read_answer(tmp_path / "a.npz")


def test_the_parser_of_a_broken_header_does_not_warn(tmp_path):
    file = io.BytesIO()
    np.save(file, np.ones(3))
    (tmp_path / "a.npy").write_bytes(file.getvalue().replace(b"descr", b"\\escr"))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with pytest.raises(InputError, match="or a damaged one"):
            read_answer(tmp_path / "a.npy")
    assert not told


@pytest.mark.parametrize(
    ("registry", "spec"),
    [
        (OPTIMIZERS, "adam:epsilon=inf"),
        (LOSSES, "huber:delta=inf"),
        (ACTIVATIONS, "elu:alpha=1e999"),
    ],
)
def test_numbers_of_records_are_finite(registry, spec):
    with pytest.raises(InputError, match=r"must be .*not inf"):
        registry.get_record(spec)


# --- the fuzzer ------------------------------------------------------------------------------

ROOT = Path(__file__).parent.parent
TARGETS = {
    "network": 300,
    "model": 150,
    "checkpoint": 200,
    "table": 250,
    "answer": 500,
    "spec": 500,
}

needs_reliability = pytest.mark.skipif(
    not (ROOT / "reliability").is_dir(), reason="reliability/ is not in this checkout"
)


@pytest.fixture
def module(monkeypatch):
    """Import a module of the programs, which are not installed."""
    monkeypatch.syspath_prepend(str(ROOT))
    return lambda name: importlib.import_module(f"reliability.{name}")


@pytest.mark.slow
@needs_reliability
@pytest.mark.parametrize("name", TARGETS)
def test_hostile_inputs_are_refused_or_used(module, tmp_path, name):
    worker = module("_fuzz_worker")
    target = worker.TARGETS[name]()
    board = worker.fuzz(target, tmp_path, 0, TARGETS[name], 600)
    findings = [path.read_text() for path in tmp_path.glob("*.why")]
    assert not findings, "\n".join(findings)
    depths = board[worker.DEPTHS : worker.DEPTHS + len(target.layers) + 1]
    assert board[worker.EXECUTIONS] == depths.sum() == TARGETS[name]
    assert (depths[-2:] > 0).all()  # past the first layers, and accepted


@needs_reliability
def test_every_target_is_in_the_tests(module):
    assert set(TARGETS) == set(module("_fuzz_worker").TARGETS)


def raising(error):
    raise error


FAULTS = {
    "another exception": (lambda: {}["x"], lambda: None, "an undocumented KeyError"),
    "a panic": (lambda: raising(BaseException("x")), lambda: None, "an undocumented BaseExc"),
    "two lines": (lambda: raising(InputError("a\nb")), lambda: None, "no line of text"),
    "a terminal's command": (lambda: raising(InputError("\x1b[2J")), lambda: None, "no line"),
    "no message": (lambda: raising(InputError("")), lambda: None, "no line of text"),
    "an endless message": (lambda: raising(InputError("x" * 9999)), lambda: None, "9999 char"),
    "unusable": (lambda: None, lambda: raising(InputError("x")), "an undocumented InputError"),
    "a warning": (
        lambda: warnings.warn("x", RuntimeWarning, stacklevel=1),
        lambda: None,
        "an undocumented RuntimeWarning",
    ),
    "memory": (lambda: len(bytes(300 << 20)), lambda: None, "of memory"),
    "a refused seed": (lambda: raising(InputError("x")), lambda: None, "undamaged input is refu"),
}


@needs_reliability
@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_promise_is_written_down(module, tmp_path, fault):
    load, use, what = FAULTS[fault]

    class Broken(module("_fuzzing").Target):
        name, layers, traced = "broken", ("all",), True

        def seeds(self, folder):
            return [(".txt", b"seed")]

        def load(self, path):
            return load()

        def use(self, loaded, path):
            return use()

        def layer_of(self, message, functions):
            return 0

    board = module("_fuzz_worker").fuzz(Broken(), tmp_path, 0, 1, 600)
    (why,) = tmp_path.glob("broken-found-*.why")
    assert what in why.read_text()
    assert why.with_suffix("").read_bytes() == b"seed"
    assert board[0] == 1


@needs_reliability
def test_a_worker_that_dies_or_hangs_is_noticed_and_started_again(module, tmp_path):
    supervised = module("_supervised")
    lives = []
    codes = [
        "import os; os.abort()",
        "import time; B[1] = time.monotonic(); B.flush(); time.sleep(60)",
        "B[0] += 7",
    ]

    def command(seed, left):
        lives.append(seed)
        board = f"import numpy as np; B = np.memmap({str(tmp_path / 'board')!r}, float, 'r+')"
        return [sys.executable, "-c", f"{board}; {codes[len(lives) - 1]}"]

    (tmp_path / "x-input.txt").write_bytes(b"it")
    deaths = supervised.supervise(command, tmp_path, 60, 5, hung=0.5)
    assert [path.read_bytes() for _, path in deaths] == [b"it", b"it"]
    assert [why.partition("\n")[0] for why, _ in deaths] == [
        "died with exit status -6",
        "hung for more than 0 s",
    ]
    assert lives == [5, 6, 7]
    assert supervised.board_in(tmp_path)[supervised.EXECUTIONS] == 7


@needs_reliability
def test_a_finding_can_be_tried_again(module, tmp_path):
    path = tmp_path / "spec-found-x.txt"
    path.write_text("adam:epsilon=inf")
    fuzz = module("fuzz")
    assert fuzz.replay(path) == ""

    def unsound(epsilon=np.inf):
        return replace(OPTIMIZERS.get_record("adam"), name="unsound", numbers={"epsilon": epsilon})

    OPTIMIZERS.register(unsound)
    try:
        path.write_text("unsound")
        assert "epsilon" in fuzz.replay(path)
    finally:
        OPTIMIZERS.unregister("unsound")
