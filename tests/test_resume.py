"""Checkpoints: a run that was cut off and went on has the bytes of one that was not.

A run is cut off where nothing can be prepared for: an exception right after a checkpoint, in the
middle of an epoch or between two, or SIGKILL. Every file that remains is all that the next run has.
"""

import errno
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from contextlib import ExitStack, suppress
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from backpass import MLPClassifier, MLPRegressor, Network, Recipe, TabularModel, train
from backpass.cli.interrupts import CtrlC
from backpass.core.optimizers import OPTIMIZERS
from backpass.core.schedules import SCHEDULES
from backpass.engines import ENGINES
from backpass.engines.extension import missing
from backpass.errors import InputError, ModelFileError
from backpass.storage.container import read_container, write_container
from backpass.storage.folder_lock import LOCK, folder_lock
from backpass.training.batches import SAMPLINGS
from backpass.training.checkpoints import Checkpoints, _newest, checkpoints_in
from backpass.training.snapshots import SNAPSHOT_SCHEMA, generator_state, set_generator_state
from helpers import assert_identical

RNG = np.random.default_rng(0)
X = RNG.normal(size=(53, 4))
Y = np.tanh(X @ RNG.normal(size=(4, 2)))
LABELS = (X[:, 0] + 0.3 * RNG.normal(size=53) > 0).astype(int)
SETTINGS = {"epochs": 4, "batch_size": 8, "learning_rate": 0.01, "sampling": "shuffle"}
AVAILABLE = [name for name in ENGINES if name == "reference" or not missing()]


class Crash(BaseException):
    """Not an Exception: nothing on the way handles it."""


def crashing(k):
    """Return a context in which a run ends right after its k-th checkpoint."""
    save, left = Checkpoints.save, [k]

    def saved(self, state, stop=""):
        save(self, state, stop)
        left[0] -= 1
        if not left[0]:
            raise Crash

    return mock.patch.object(Checkpoints, "save", saved)


@pytest.fixture
def crash_after():
    """Return a function that makes the next run end right after its k-th checkpoint."""
    with ExitStack() as stack:

        def crash(k):
            stack.close()
            stack.enter_context(crashing(k))

        yield crash


def new_network():
    return Network([4, 6, 2], "tanh", seed=1)


def run(network=None, **options):
    network = network or new_network()
    return network, train(network, X, Y, **{"seed": 0, **SETTINGS, **options})


def assert_same(got, want):
    """Fail unless networks and histories are equal to the last bit."""
    assert_identical(got[0].parameters.flat, want[0].parameters.flat, "parameters")
    assert_same_history(got[1], want[1])


def assert_same_history(got, want):
    for name, value in vars(want).items():
        if value is None or isinstance(value, str | int):
            assert getattr(got, name) == value, name
        elif name == "clock":
            assert got.clock == want.clock
        else:
            assert_identical(getattr(got, name), value, name)


def resumed(crash_after, folder, k, **options):
    """Return what a run gives that crashed after its k-th checkpoint and went on."""
    with_folder = {"checkpoint": folder, "checkpoint_every": 0, **options}
    crash_after(k)
    with pytest.raises(Crash):
        run(**with_folder)
    return run(**with_folder | {"checkpoint_every": None}, resume=True)


# --- the same bytes ------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", AVAILABLE)
@pytest.mark.parametrize("optimizer", list(OPTIMIZERS))
def test_every_optimizer_goes_on(tmp_path, crash_after, engine, optimizer):
    options = {"engine": engine, "optimizer": optimizer, "alpha": 0.01}
    whole = run(**options)
    for k in (1, 2, 5):
        assert_same(resumed(crash_after, tmp_path / str(k), k, **options), whole)


@pytest.mark.parametrize("engine", AVAILABLE)
@pytest.mark.parametrize("schedule", list(SCHEDULES))
def test_every_schedule_goes_on(tmp_path, crash_after, engine, schedule):
    options = {
        "engine": engine, "schedule": schedule, "dropout": 0.2, "clip_norm": 0.5,
        "gradient_norms": True, "learning_rate": 0.5, "patience": 0, "tolerance": 1e-2,
        "epochs": 8, "optimizer": "momentum",
    }  # fmt: skip
    whole = run(**options)
    for k in (1, 3, 6):
        assert_same(resumed(crash_after, tmp_path / str(k), k, **options), whole)


@pytest.mark.parametrize("sampling", ["shuffle", "replacement", "sequential"])
def test_every_step_is_a_place_to_go_on_from(tmp_path, crash_after, monkeypatch, sampling):
    """One mini-batch at a time: a checkpoint after each of 7 steps and each of 4 epochs."""
    monkeypatch.setattr("backpass.training.trainer.CHUNK_SECONDS", 0.0)
    options = {"sampling": sampling, "dropout": 0.3}
    whole = run(**options)
    for k in range(1, 4 * 7 + 4, 1 if sampling == "shuffle" else 5):
        assert_same(resumed(crash_after, tmp_path / str(k), k, **options), whole)


def test_crashing_at_every_checkpoint(tmp_path, crash_after, monkeypatch):
    """Each run lives for one checkpoint more; the last ends as the one that never crashed."""
    monkeypatch.setattr("backpass.training.trainer.CHUNK_SECONDS", 0.0)
    options = {"checkpoint": tmp_path, "checkpoint_every": 0, "resume": True}
    whole, steps = run(), 0
    for _ in range(100):
        crash_after(1)
        try:
            got = run(**options)
        except Crash:
            steps = int(checkpoints_in(tmp_path)[-1].name[11:23])
            continue
        break
    assert steps == 28
    assert_same(got, whole)


RUNS = st.fixed_dictionaries(
    {
        "engine": st.sampled_from(AVAILABLE),
        "optimizer": st.sampled_from(list(OPTIMIZERS)),
        "schedule": st.sampled_from(list(SCHEDULES)),
        "sampling": st.sampled_from(SAMPLINGS),
        "batch_size": st.sampled_from([1, 5, 53, None]),
        "dropout": st.sampled_from([0.0, 0.4]),
        "clip_norm": st.sampled_from([None, 0.1]),
        "alpha": st.sampled_from([0.0, 0.1]),
        "epochs": st.integers(1, 4),
        "patience": st.integers(0, 2),
        "tolerance": st.sampled_from([0.0, 0.1]),
    }
)


@settings(max_examples=25)
@given(options=RUNS, chunk=st.sampled_from([0.0, 0.05]), zeros=st.integers(0, 20), data=st.data())
def test_any_run_goes_on_from_anywhere(options, chunk, zeros, data):
    """Rows without weight too, of which whole mini-batches are no step."""
    weights = np.r_[np.zeros(zeros), np.ones(53 - zeros)]

    def trained(**checkpoints):
        network = new_network()
        told = {**SETTINGS, **options, "seed": 3, **checkpoints}
        return network, train(network, X, Y, weights, **told)

    whole, k = trained(), data.draw(st.integers(1, 60))
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch("backpass.training.trainer.CHUNK_SECONDS", chunk),
    ):
        with crashing(k), suppress(Crash):
            trained(checkpoint=folder, checkpoint_every=0)
        assert_same(trained(checkpoint=folder, resume=True), whole)


@pytest.mark.skipif(missing() is not None, reason="the native engine is not built")
def test_the_number_of_threads_may_change(tmp_path, crash_after):
    whole = run(n_threads=1, dropout=0.2)
    for before, after in ((1, 2), (2, 3), (3, 1)):
        options = {"checkpoint": tmp_path / str(before), "checkpoint_every": 0, "dropout": 0.2}
        crash_after(3)
        with pytest.raises(Crash):
            run(**options, n_threads=before)
        assert_same(run(**options, n_threads=after, resume=True), whole)


# --- estimators ----------------------------------------------------------------------------------

ESTIMATORS = {
    "early stopping": MLPClassifier(
        8, max_iter=6, batch_size=9, early_stopping=True, n_iter_no_change=3, random_state=0
    ),
    "adaptive": MLPClassifier(
        8, solver="sgd", learning_rate="adaptive", learning_rate_init=0.5, max_iter=12,
        n_iter_no_change=1, tol=0.1, batch_size=20, random_state=0,
    ),
    "everything": MLPRegressor(
        hidden_layer_sizes=(8, 5), solver="adamw", dropout=0.3, learning_rate="cosine", max_iter=5,
        gradient_norms=True, clip_norm=1.0, batch_size=9, random_state=3,
    ),
    "rmsprop": MLPRegressor(hidden_layer_sizes=5, solver="rmsprop", max_iter=4, random_state=1),
}  # fmt: skip


def fitted(estimator, rows=X, y=None, **options):
    from sklearn.base import clone

    target = (LABELS if isinstance(estimator, MLPClassifier) else Y) if y is None else y
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it does not converge in so few epochs
        return clone(estimator).fit(rows, target, **options)


def assert_same_estimator(got, want):
    assert_same((got.network_, got._bp_history), (want.network_, want._bp_history))
    for name in ("n_iter_", "t_", "_bp_steps", "stop_reason_", "best_epoch_"):
        assert getattr(got, name) == getattr(want, name), name
    assert got._bp_optimizer_state.keys() == want._bp_optimizer_state.keys()
    for name, array in want._bp_optimizer_state.items():
        assert_identical(got._bp_optimizer_state[name], array, name)


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("k", [1, 4])
def test_estimators_go_on(tmp_path, crash_after, name, k):
    estimator, options = ESTIMATORS[name], {"checkpoint": tmp_path, "checkpoint_every": 0}
    crash_after(k)
    with pytest.raises(Crash):
        fitted(estimator, **options)
    assert_same_estimator(fitted(estimator, **options, resume=True), fitted(estimator))


def test_a_fit_without_a_seed_goes_on_with_its_own_split(tmp_path, crash_after):
    """The checkpoint holds the generator: a split that nobody could repeat is repeated."""
    options = {"checkpoint": tmp_path, "checkpoint_every": 0, "validation_data": (X, LABELS)}
    estimator = MLPClassifier(8, max_iter=4, early_stopping=True, dropout=0.2, batch_size=9)
    state = np.random.get_state()  # noqa: NPY002 - scikit-learn's random_state=None
    whole = fitted(estimator, validation_data=(X, LABELS))
    np.random.set_state(state)  # noqa: NPY002
    crash_after(3)
    with pytest.raises(Crash):
        fitted(estimator, **options)
    np.random.seed(99)  # noqa: NPY002 - as another process would have it
    assert_same_estimator(fitted(estimator, **options, resume=True), whole)


def test_sparse_rows_and_warm_start(tmp_path, crash_after):
    rows = sparse.csr_array(np.where(X > 0, X, 0))
    estimator = MLPClassifier(8, max_iter=3, batch_size=9, random_state=0, warm_start=True)
    whole, again = fitted(estimator, rows), fitted(estimator, rows)
    options = {"checkpoint": tmp_path, "checkpoint_every": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole.fit(rows, LABELS)
        crash_after(3)
        with pytest.raises(Crash):
            again.fit(rows, LABELS, **options)
        again.fit(rows, LABELS, **options, resume=True)
    assert_same_estimator(again, whole)
    assert again.n_iter_ == 3
    assert len(again.loss_curve_) == 6


def test_lbfgs_has_no_checkpoints(tmp_path):
    with pytest.raises(InputError, match=r"solver='lbfgs' has no checkpoints: .* another solver"):
        fitted(MLPClassifier(4, solver="lbfgs"), checkpoint=tmp_path / "new")
    assert not (tmp_path / "new").exists()


# --- tables --------------------------------------------------------------------------------------


def test_tables_go_on(tmp_path, crash_after):
    table = {"a": X[:, 0].tolist(), "b": X[:, 1].tolist(), "y": LABELS.tolist()}
    whole = TabularModel.fit(table, "y", recipe=Recipe(), seed=2)
    options = {"checkpoint": tmp_path, "checkpoint_every": 0, "recipe": Recipe(), "seed": 2}
    crash_after(9)
    with pytest.raises(Crash):
        TabularModel.fit(table, "y", **options)
    again = TabularModel.fit(table, "y", **options, resume=True)
    assert_same((again.network, again.history), (whole.network, whole.history))
    assert again.metric_curve == whole.metric_curve
    (_, told, _) = _newest(checkpoints_in(tmp_path))
    assert again.seconds > told["seconds"] > 0  # the time of all parts
    again.seconds = whole.seconds
    for name, model in (("again", again), ("whole", whole)):
        model.save(tmp_path / name)
    assert (tmp_path / "again").read_bytes() == (tmp_path / "whole").read_bytes()


# --- what is kept, and what is refused -----------------------------------------------------------


def test_a_finished_run_is_not_trained_again(tmp_path):
    whole = run(checkpoint=tmp_path)
    called = []
    assert_same(run(checkpoint=tmp_path, resume=True, on_epoch=called.append), whole)
    assert not called
    assert whole[1].stop_reason == "max_epochs"


def test_a_callbacks_stop_is_an_end_and_a_time_limits_is_none(tmp_path, monkeypatch):
    stopped = run(checkpoint=tmp_path / "a", on_epoch=lambda history: history.epochs == 2)
    assert_same(run(checkpoint=tmp_path / "a", resume=True), stopped)
    monkeypatch.setattr("backpass.training.trainer.CHUNK_SECONDS", 0.0)
    for _ in range(60):
        got = run(checkpoint=tmp_path / "b", resume=True, time_limit=1e-9)
        if got[1].stop_reason == "max_epochs":
            break
        assert got[1].stop_reason == "time_limit"
    got = run(checkpoint=tmp_path / "b", resume=True)
    assert_same(got, run())


def test_the_two_newest_are_kept_and_a_temporary_file_is_removed(tmp_path):
    run(checkpoint=tmp_path, checkpoint_every=0)
    (tmp_path / ".backpass-0123.tmp").write_bytes(b"half")
    names = [path.name for path in checkpoints_in(tmp_path)]
    assert len(names) == 2
    assert names[-1] == "checkpoint-000000000028.backpass"
    run(checkpoint=tmp_path, resume=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == [LOCK, *names]


def test_by_default_a_minute_lies_between_two_and_writing_takes_a_hundredth(tmp_path, monkeypatch):
    checkpoints, now = Checkpoints(tmp_path), [1000.0]
    monkeypatch.setattr("backpass.training.checkpoints.time.monotonic", lambda: now[0])
    for cost, wait in ((0.0, 60), (0.5, 60), (2.0, 200)):
        checkpoints._last, checkpoints._cost = now[0], cost
        now[0] += wait - 0.1
        assert not checkpoints.due
        now[0] += 0.2
        assert checkpoints.due


def test_a_damaged_newest_falls_back(tmp_path, crash_after):
    crash_after(4)
    with pytest.raises(Crash):
        run(checkpoint=tmp_path, checkpoint_every=0)
    newest = checkpoints_in(tmp_path)[-1]
    data = bytearray(newest.read_bytes())
    data[-1] ^= 1  # the last byte of the last tensor
    newest.write_bytes(data)
    with pytest.warns(UserWarning, match="SHA-256 .* goes on from the checkpoint before, checkp"):
        got = run(checkpoint=tmp_path, checkpoint_every=0, resume=True)
    assert_same(got, run())
    with warnings.catch_warnings():  # the damaged one is gone
        warnings.simplefilter("error")
        run(checkpoint=tmp_path, resume=True)


def test_where_all_are_damaged_it_says_how_to_go_on(tmp_path):
    run(checkpoint=tmp_path, checkpoint_every=0)
    for path in checkpoints_in(tmp_path):
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=r"no checkpoint can be read, .* give another folder"):
        run(checkpoint=tmp_path, resume=True)


def test_checkpoints_are_not_overwritten(tmp_path):
    run(checkpoint=tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(InputError, match=r"holds checkpoints .*resume=True"):
        run(checkpoint=tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


OTHERS = {
    "learning_rate is 0.01 there and 0.5 here": {"learning_rate": 0.5},
    "optimizer is adam:beta_1=0.9,.* there and sgd here": {"optimizer": "sgd"},
    "schedule is constant there and cosine:warmup=0.0 here": {"schedule": "cosine"},
    "epochs is 4 there and 5 here; .*dropout is 0.0 there and 0.1 here": {
        "epochs": 5, "dropout": 0.1,
    },
    "random seed is 0 there and 1 here": {"seed": 1},
    "layers is 4-6-2 there and 4-3-2 here": {"network": Network([4, 3, 2], "tanh", seed=1)},
    "activations is tanh, identity there and relu, identity here": {
        "network": Network([4, 6, 2], "relu", seed=1),
    },
    "dtype is float64 there and float32 here": {
        "network": Network([4, 6, 2], "tanh", seed=1, dtype="float32"),
    },
}  # fmt: skip


@pytest.mark.parametrize("message", OTHERS)
def test_other_settings_are_refused(tmp_path, message):
    run(checkpoint=tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(InputError, match=f"checkpoint-0+28.backpass: .*another .*run: .*{message}"):
        run(checkpoint=tmp_path, resume=True, **OTHERS[message])
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_other_data_are_refused(tmp_path):
    run(checkpoint=tmp_path)
    other = X.copy()
    other[17, 2] = np.nextafter(other[17, 2], 1)

    def refused(words, x, y, weights=None):
        with pytest.raises(InputError, match=words):
            train(
                new_network(), x, y, weights, seed=0, **SETTINGS, checkpoint=tmp_path, resume=True
            )

    refused("the values of X differ", other, Y)
    refused("the values of y differ", X, Y[::-1])
    refused(r"X is \(53, 4\) float64 there and \(53, 4\) float32 here", X.astype(np.float32), Y)
    refused(r"X is \(53, 4\) float64 there and \(50, 4\) float64 here", X[:50], Y[:50])
    refused(r"sample_weight is none there and \(53,\) float64 here", X, Y, np.ones(53))
    # the same values in another order of memory are the same data
    strided = np.asfortranarray(X)
    train(new_network(), strided, Y, seed=0, **SETTINGS, checkpoint=tmp_path, resume=True)


def test_other_validation_data_are_refused(tmp_path):
    estimator = MLPClassifier(4, max_iter=2, random_state=0)
    fitted(estimator, checkpoint=tmp_path, validation_data=(X, LABELS))
    with pytest.raises(InputError, match="the values of y_val differ"):
        fitted(estimator, checkpoint=tmp_path, resume=True, validation_data=(X, 1 - LABELS))
    with pytest.raises(InputError, match=r"X_val is \(53, 4\) float64 there and not told here"):
        fitted(estimator, checkpoint=tmp_path, resume=True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"resume": True}, "resume needs the folder .* checkpoint=FOLDER"),
        ({"checkpoint_every": 5}, "checkpoint_every needs the folder"),
        ({"checkpoint": ""}, "checkpoint needs the name of a folder, not an empty one"),
        ({"checkpoint": "x", "checkpoint_every": -1}, "must be seconds, at least 0, not -1"),
        ({"checkpoint": "x", "checkpoint_every": float("nan")}, "at least 0, not nan"),
        ({"checkpoint": "x", "checkpoint_every": "5"}, "must be seconds"),
        (
            {"checkpoint": "file"},
            "file: .* cannot be written there: file is a file; give another folder",
        ),
        ({"checkpoint": "file/below"}, "below: .* file is a file"),
        ({"checkpoint": "x\0"}, "cannot be written there: .*null"),
    ],
)
def test_options_that_cannot_be_used(tmp_path, monkeypatch, options, words):
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("")
    with pytest.raises(InputError, match=words):
        run(**options)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write")
def test_a_read_only_folder_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(InputError, match="nothing may be written there"):
            run(checkpoint=tmp_path)
    finally:
        tmp_path.chmod(0o700)


def test_a_folder_that_may_not_be_written_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("backpass.training.checkpoints.os.access", lambda path, mode: False)
    with pytest.raises(InputError, match="nothing may be written there; give another folder"):
        run(checkpoint=tmp_path / "new")


def test_a_full_disk_does_not_end_the_training(tmp_path, monkeypatch, crash_after):
    crash_after(2)
    with pytest.raises(Crash):
        run(checkpoint=tmp_path, checkpoint_every=0)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("backpass.storage.atomic_write.os.fsync", full)
    why = "no checkpoint could be written, .*No space .*free some"
    with pytest.warns(UserWarning, match=why) as told:
        got = run(checkpoint=tmp_path, checkpoint_every=0, resume=True)
    assert len(told) == 1  # however many could not be written
    assert_same(got, run())
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    monkeypatch.undo()
    assert_same(run(checkpoint=tmp_path, resume=True), run())


TAMPERED = {
    "tensor parameters must be": lambda told, arrays: arrays.update(parameters=np.zeros(3)),
    "tensor state.m must be .* missing": lambda told, arrays: arrays.pop("state.m"),
    "tensor order: a place": lambda told, arrays: arrays.update(order=arrays["order"] + 1),
    "tensor costs must be": lambda told, arrays: arrays.update(costs=np.zeros((3, 2))),
    "tensor curve.loss_curve is missing": lambda told, arrays: arrays.pop("curve.loss_curve"),
    "no mini-batch ends there": lambda told, arrays: told["progress"].update(done=7),
    "does not fit a Generator": lambda told, arrays: told["generator"].update(bit_generator="?"),
}


@pytest.mark.parametrize("words", TAMPERED)
def test_what_does_not_fit_is_refused_however_well_signed(tmp_path, crash_after, words):
    crash_after(1)
    with pytest.raises(Crash):
        run(checkpoint=tmp_path, checkpoint_every=0)
    (path,) = checkpoints_in(tmp_path)
    told, arrays = read_container(path, "checkpoint", SNAPSHOT_SCHEMA)
    TAMPERED[words](told, arrays)
    write_container(path, "checkpoint", told, arrays)
    with pytest.raises(ModelFileError, match=words):
        run(checkpoint=tmp_path, resume=True)


# --- a folder is one run's -----------------------------------------------------------------------


def test_two_runs_at_once_do_not_share_a_folder(tmp_path):
    messages = []

    def second(history):
        for resume in (False, True):
            with pytest.raises(InputError) as caught:
                run(checkpoint=tmp_path, resume=resume)
            messages.append(str(caught.value))

    got = run(checkpoint=tmp_path, checkpoint_every=0, on_epoch=second)
    assert_same(got, run())
    words = "another training run is using it; wait for its end, or give another folder"
    assert set(messages) == {f"{tmp_path}: {words}"}
    assert len(messages) == 2 * SETTINGS["epochs"]
    assert_same(run(checkpoint=tmp_path, resume=True), got)  # given back at the end


def test_a_run_that_another_has_overtaken_is_refused(tmp_path):
    """It looked at the folder, the other wrote there, and only then it sets out."""
    late = Checkpoints(tmp_path, resume=True)
    run(checkpoint=tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(InputError, match="has written there meanwhile; start again to go on"):
        late.held().__enter__()
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


HOLDER = """
import sys, time
from pathlib import Path
from backpass.storage.folder_lock import folder_lock
with folder_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_another_process_is_refused_and_one_that_was_killed_holds_nothing(tmp_path):
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout.readline() == "held\n"
            with pytest.raises(InputError, match="another training run is using it; wait for its"):
                run(checkpoint=tmp_path)
        finally:
            holder.kill()
    assert_same(run(checkpoint=tmp_path), run())


@pytest.mark.skipif(os.name == "nt", reason="flock is POSIX's")
@pytest.mark.parametrize("error", [errno.ENOTSUP, errno.ENOLCK, errno.EACCES, errno.EROFS])
def test_where_files_cannot_be_locked_training_goes_on(tmp_path, monkeypatch, error):
    import fcntl

    def refuse(*arguments):
        raise OSError(error, os.strerror(error))

    cannot_be_made = error in (errno.EACCES, errno.EROFS)
    monkeypatch.setattr(*((os, "open") if cannot_be_made else (fcntl, "flock")), refuse)
    with folder_lock(tmp_path), folder_lock(tmp_path):
        pass


# --- random generators ---------------------------------------------------------------------------

GENERATORS = {
    name: getattr(np.random, name) for name in ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")
}


@pytest.mark.parametrize("name", GENERATORS)
@pytest.mark.parametrize("kind", [np.random.Generator, np.random.RandomState])
def test_every_random_generator_goes_on(name, kind):
    rng, other = kind(GENERATORS[name](1)), kind(GENERATORS[name](2))
    rng.standard_normal()  # RandomState keeps a second one
    state = generator_state(rng)
    set_generator_state(other, state)
    for draw in ("standard_normal", "permutation"):
        want = getattr(rng, draw)(50)
        assert_identical(getattr(other, draw)(50), want)


def test_a_place_beyond_a_generators_buffer_is_refused():
    rng = np.random.RandomState(0)
    state = generator_state(rng)
    state["state"]["pos"] = 10**6
    with pytest.raises(ModelFileError, match="pos must be 0 to 624"):
        set_generator_state(rng, state)


# --- Ctrl-C and SIGKILL --------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGINT to one process")
@pytest.mark.usefixtures("heard_interrupts")
def test_ctrl_c_writes_a_last_checkpoint(tmp_path):
    whole = run(epochs=300)

    def interrupt(history):
        if history.epochs == 5:
            os.kill(os.getpid(), signal.SIGINT)

    got = run(epochs=300, checkpoint=tmp_path, on_epoch=interrupt)
    assert got[1].stop_reason == "interrupted"
    assert len(checkpoints_in(tmp_path)) == 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert_same(run(epochs=300, checkpoint=tmp_path, resume=True), whole)


def test_elsewhere_than_in_the_main_thread_ctrl_c_is_left_alone(tmp_path):
    found = []
    thread = threading.Thread(target=lambda: found.append(run(checkpoint=tmp_path)))
    thread.start()
    thread.join()
    assert_same(found[0], run())


@pytest.mark.usefixtures("heard_interrupts")
def test_a_second_ctrl_c_does_not_wait(tmp_path):
    checkpoints = Checkpoints(tmp_path)

    def press_twice():
        with checkpoints.deferring_interrupts():
            signal.raise_signal(signal.SIGINT)
            assert checkpoints.interrupted
            signal.raise_signal(signal.SIGINT)
            pytest.fail("it waited")

    with pytest.raises(KeyboardInterrupt):
        press_twice()


@pytest.mark.usefixtures("heard_interrupts")
def test_a_ctrl_c_after_the_last_step_is_not_lost(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    with pytest.raises(KeyboardInterrupt), checkpoints.deferring_interrupts():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.usefixtures("heard_interrupts")
def test_the_command_line_has_its_interrupts_deferred_too(tmp_path):
    handler, checkpoints = CtrlC(), Checkpoints(tmp_path)
    assert handler.listen()
    with pytest.raises(KeyboardInterrupt), checkpoints.deferring_interrupts():
        signal.raise_signal(signal.SIGINT)
    assert checkpoints.interrupted
    assert handler.heard == 0
    assert signal.getsignal(signal.SIGINT) is handler


CHILD = """
import sys
import numpy as np
from backpass import Network, train
rng = np.random.default_rng(0)
X = rng.normal(size=(400, 5))
network = Network([5, 16, 1], "tanh", seed=1)
history = train(
    network, X, np.sin(X[:, 0]), seed=0, epochs=100, batch_size=7, dropout=0.1, schedule="cosine",
    checkpoint=sys.argv[1], resume=True, checkpoint_every=0.01, tolerance=0.0, patience=1000,
)
np.savez(sys.argv[2], flat=network.parameters.flat, losses=history.loss_curve)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_killed_a_dozen_times_it_ends_with_the_same_bytes(tmp_path):
    def child(name):
        command = [sys.executable, "-c", CHILD, str(tmp_path / name), str(tmp_path / f"{name}.npz")]
        return subprocess.Popen(command)

    assert child("whole").wait() == 0
    rng, newest = np.random.default_rng(0), 0
    for _ in range(12):
        process, place = child("killed"), tmp_path / "killed"
        while process.poll() is None and _last_step(place) <= newest:
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.05))
        process.kill()
        process.wait()
        newest = _last_step(place)
    assert child("killed").wait() == 0
    with np.load(tmp_path / "whole.npz") as want, np.load(tmp_path / "killed.npz") as got:
        for name in want:
            assert_identical(got[name], want[name], name)


def _last_step(folder):
    found = checkpoints_in(folder)
    return int(found[-1].name[11:23]) if found else 0


# --- the command line ----------------------------------------------------------------------------


@pytest.fixture
def table(tmp_path, monkeypatch):
    """A working folder with t.csv."""
    monkeypatch.chdir(tmp_path)
    lines = [
        f"{a},{b},{'yes' if label else 'no'}" for (a, b, *_), label in zip(X, LABELS, strict=True)
    ]
    Path("t.csv").write_text("\n".join(["a,b,y", *lines]))
    return tmp_path


def fit_table(capsys, *arguments):
    from backpass.cli import main

    code = main(["fit", "t.csv", "--target", "y", "--epochs", "12", *map(str, arguments)])
    return code, capsys.readouterr().err


def main_told(capsys, *arguments):
    """Return what a fit says of where it went on from."""
    from backpass.cli import main

    code = main(["fit", "t.csv", "--target", "y", "--epochs", "12", *map(str, arguments)])
    out = " ".join(capsys.readouterr().out.split())
    assert code == 0
    pattern = r"went on from run/checkpoint-\d+\.backpass: epoch \d+, (.*?) trained 12"
    found = re.search(f"{pattern}|(no checkpoint in .*? anew)", out)
    return found[1] or found[2]


def trained(path):
    """Return what a model file holds but for the seconds that training took."""
    from backpass.tabular.model_file import KIND, MODEL_SCHEMA

    told, arrays = read_container(path, KIND, MODEL_SCHEMA)
    told["history"].pop("seconds")
    return told, arrays


def test_the_command_line_goes_on(table, capsys, crash_after):
    assert fit_table(capsys, "--model", "whole.backpass") == (0, "")
    options = ["--model", "again.backpass", "--checkpoint", "run", "--checkpoint-every", 0]
    crash_after(15)
    with pytest.raises(Crash):
        fit_table(capsys, *options)
    assert not Path("again.backpass").exists()
    code, error = fit_table(capsys, *options)
    assert code == 2
    assert "run: it holds checkpoints" in error
    assert "--resume" in error
    assert main_told(capsys, *options, "--resume", "--json", "a.json") == "in the midst of training"
    (want, arrays), (got, others) = trained("whole.backpass"), trained("again.backpass")
    assert got == want
    for name, array in arrays.items():
        assert_identical(others[name], array, name)
    assert "--resume --checkpoint-every 0.0" in Path("a.json").read_text()
    assert main_told(capsys, *options, "--resume") == "where training had ended"
    options[3] = "other"
    assert main_told(capsys, *options, "--resume") == "no checkpoint in other yet: started anew"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--resume"], "give checkpoint=FOLDER (--checkpoint FOLDER)"),
        (["--checkpoint", "new", "--checkpoint-every", "-1"], "at least 0, not -1"),
        (["--checkpoint", "t.csv"], "t.csv is a file; give another folder"),
        (["--checkpoint", "m.backpass", "--model", "m.backpass"], "is the file of --model, too"),
        (["--checkpoint", "run", "--resume", "--hidden", "3"], "layers is 2-128-128-2 there and"),
        (["--checkpoint", "run", "--resume", "--seed", "5"], "random seed is 0 there and 5 here"),
        (["--checkpoint", "run", "--resume", "--drop", "a"], "float32 there and (42, 1) float32"),
    ],
)
def test_wrong_options_get_one_line_and_nothing_is_written(table, capsys, arguments, words):
    if "run" in arguments:
        assert fit_table(capsys, "--checkpoint", "run")[0] == 0
        Path("t.backpass").unlink()
    before = {path: path.read_bytes() for path in table.rglob("*") if path.is_file()}
    code, error = fit_table(capsys, *arguments)
    assert code == 2
    assert words in error
    assert error.count("\n") == 1
    assert {path: path.read_bytes() for path in table.rglob("*") if path.is_file()} == before
    assert not Path("new").exists()
