"""Fitting takes no second copy of the data set, not even of the part that judges epochs."""

import subprocess
import sys
import textwrap
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import sklearn

from backpass import MLPClassifier, MLPRegressor
from backpass.core.parameters import MOST_UNITS
from backpass.engines import ENGINES, Problem
from backpass.estimators.data import BLOCK_BYTES, check_finite, check_targets, smallest_codes
from backpass.network.network import Network
from helpers import EPS, assert_close

COLUMNS, MEGABYTES = 784, 200

FIT = textwrap.dedent("""
    import sys, threading, warnings
    import numpy as np
    from backpass import MLPClassifier, MLPRegressor

    path, dtype, order, early, n, columns = sys.argv[1:]
    n, columns = int(n), int(columns)
    X = np.memmap(path, dtype, "r", shape=(n, columns), order=order)
    if dtype == "uint8":
        X = np.array(X)  # not a file, but memory that was there before the fit
    y = np.random.default_rng(0).integers(0, 3, n)
    warnings.simplefilter("ignore")

    def estimator(early):
        return MLPClassifier(
            (16,), max_iter=1, batch_size=1000, early_stopping=early, validation_fraction=0.5,
            random_state=0,
        )

    def anonymous():
        with open("/proc/self/status") as lines:
            return next(int(line.split()[1]) * 1024 for line in lines if "RssAnon" in line)

    few = np.arange(0, n, n // 5000)
    estimator(early == "early").fit(X[few], y[few])  # imports, and buffers of the matrix products
    before, over = anonymous(), threading.Event()
    peak = [before]

    def watch():
        while not over.wait(0.001):
            peak.append(max(peak.pop(), anonymous()))

    thread = threading.Thread(target=watch)
    thread.start()
    estimator(early == "early").fit(X, y)
    over.set()
    thread.join()
    print(peak[0] - before)
""")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("early", ["early", "all"])
@pytest.mark.parametrize(("dtype", "order"), [("uint8", "C"), ("float32", "C"), ("float32", "F")])
def test_a_fit_takes_no_copy_of_the_data(tmp_path, dtype, order, early):
    n = MEGABYTES * 10**6 // COLUMNS // np.dtype(dtype).itemsize
    X = np.memmap(tmp_path / "x", dtype, "w+", shape=(n, COLUMNS), order=order)
    X[:: n // 1000] = 1  # the rest of the file is a hole
    X.flush()
    del X
    command = [sys.executable, "-c", FIT, str(tmp_path / "x"), dtype, order, early, str(n)]
    done = subprocess.run([*command, str(COLUMNS)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    # per row: order of the rows and its draw, y sorted for its classes, codes: a dozen numbers;
    # per block of rows: X in its own dtype and in the network's, z and a, and what makes them
    limit = 12 * 8 * n + 6 * 8 * MOST_UNITS
    assert limit < 0.4 * MEGABYTES * 10**6  # the judged half alone would take half of that
    assert int(done.stdout) < limit


def message(check):
    """Return what a check of the data says, or nothing."""
    try:
        with np.errstate(invalid="ignore"):
            check()
    except ValueError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4"])
@pytest.mark.parametrize("order", ["C", "F", "strided"])
def test_looking_for_nan_takes_little_memory(dtype, order):
    X = np.full((200_000, 40), np.finfo(dtype).max / 4, dtype)  # any sum is infinite
    X = X[::2] if order == "strided" else np.asarray(X, order=order)
    tracemalloc.start()
    try:
        check_finite(X, MLPRegressor())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2 * BLOCK_BYTES
    for bad, words in [(-np.inf, "infinity or a value too large"), (np.nan, "contains NaN")]:
        X[-1, 20] = bad
        ours = message(lambda: check_finite(X, MLPRegressor()))
        assert words in ours
        theirs = message(
            lambda: sklearn.utils.assert_all_finite(
                X, estimator_name="MLPRegressor", input_name="X"
            )
        )
        assert ours.startswith(theirs.splitlines()[0].removesuffix(".") + "; ")
    with sklearn.config_context(assume_finite=True):
        check_finite(X, MLPRegressor())


def test_nan_is_refused_before_training_and_prediction():
    X = np.ones((40, 2), np.float16)
    y = np.arange(40) % 2
    with pytest.warns(UserWarning, match="Maximum iterations"):
        classifier = MLPClassifier((3,), "tanh", max_iter=1).fit(X, y)
    X[7, 1] = np.nan
    for call in (lambda: classifier.fit(X, y), lambda: classifier.predict(X)):
        with pytest.raises(ValueError, match="Input X contains NaN; fill missing values in"):
            call()


def test_a_bad_target_is_named_by_its_row():
    y = np.ones(200_000)
    y[150_000] = -1
    with pytest.raises(ValueError, match="row 150000"):
        MLPRegressor("poisson").fit(np.ones((200_000, 1), "u1"), y)
    check_targets(y, lambda part: part)


@pytest.mark.parametrize("count", [2, 127, 128, 40_000])
def test_codes_are_small_and_right(count):
    classes = np.arange(count) * 3
    y = np.random.default_rng(0).choice(classes, 70_000)
    codes = smallest_codes(classes, y)
    np.testing.assert_array_equal(classes[codes], y)
    assert codes.dtype == {2: "i1", 127: "i1", 128: "i2", 40_000: "i4"}[count]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("dtype", ["f8", "f2"])  # native code does not read the second
def test_rows_held_out_are_evaluated_block_by_block(monkeypatch, engine, dtype):
    monkeypatch.setattr("backpass.core.parameters.MOST_ROWS", 7)
    monkeypatch.setattr("backpass.engines.native.STAGED_ROWS", 7)
    rng = np.random.default_rng(0)
    network = Network([3, 4, 1], "tanh", seed=0)
    X, y, s = rng.normal(size=(50, 3)).astype(dtype), rng.normal(size=50), rng.uniform(size=50)
    rows = rng.permutation(50)[:20]
    s[rows[:7]] = 0  # a whole block
    run = ENGINES[engine].start(Problem(network.model, X, y))
    for weights in (None, s):
        few = None if weights is None else weights[rows]
        output, loss = run.evaluator(X, y, weights, rows)()
        assert_close(output, network.predict(X[rows]), 16 * EPS)  # sums of 4 numbers of at most 1
        whole = network.loss(X[rows], y[rows], few)
        assert_close(loss, whole, 32 * EPS * whole)
    assert np.isnan(run.evaluator(X, y, np.zeros(50), rows)()[1])
