"""Threads and processes: forks, joblib's workers, Ctrl-C, and what a hundred fits leave behind."""

import gc
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV

from backpass import MLPClassifier
from helpers import assert_identical
from native_cases import NATIVE, draw_batch, needs_native, new_network, training_on
from native_children import SIZES, fitted, put_fitted

pytestmark = needs_native

LINUX = sys.platform == "linux"
SECONDS = 120  # of waiting for what takes one: a hang, not a busy machine


def in_a_process(method):
    """Return what `fitted` gives in a child."""
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    child = context.Process(target=put_fitted, args=(queue,))
    child.start()
    got = queue.get(timeout=SECONDS)
    child.join(SECONDS)
    assert child.exitcode == 0
    return got


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_a_child_fits_after_its_parent(method):
    want = fitted()
    run = NATIVE.start(fresh_plan())  # its threads are alive while the child is made
    run.advance(np.arange(200), [0.01] * 2)
    assert in_a_process(method) == want
    run.advance(np.arange(200), [0.01] * 2)
    assert fitted() == want


def fresh_plan(n_threads=2):
    network = new_network(SIZES, "relu", "softmax", "cross_entropy", "float32")
    return training_on(network, draw_batch(network, 500), batch_size=100, n_threads=n_threads)


def waited_for(child):
    """Return the exit code of a child, which is killed when it hangs."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "hung"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_run_goes_on_on_both_sides_of_a_fork():
    """The child has the run, its parameters and its state, but none of its threads."""
    run, alone = NATIVE.start(fresh_plan(3)), NATIVE.start(fresh_plan(3))
    for one in (run, alone):
        one.advance(np.arange(500), [0.01] * 5)
    alone.advance(np.arange(500), [0.01] * 5)
    alone.publish()
    want = alone.model.parameters.flat.tobytes()

    def goes_on():
        run.advance(np.arange(500), [0.01] * 5)
        run.publish()
        return run.model.parameters.flat.tobytes() == want

    child = os.fork()
    if child == 0:
        os._exit(0 if goes_on() else 9)
    assert waited_for(child) == 0
    assert goes_on()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_fork_while_another_thread_trains():
    want = fitted()
    results, over = [], threading.Event()

    def keep_training():
        while not over.is_set():
            results.append(fitted())

    other = threading.Thread(target=keep_training)
    other.start()
    try:
        time.sleep(0.05)
        for _ in range(3):
            child = os.fork()
            if child == 0:
                os._exit(0 if fitted() == want else 9)
            assert waited_for(child) == 0
    finally:
        over.set()
        other.join(SECONDS)
    assert not other.is_alive()
    assert set(results) <= {want}


def test_a_grid_search_in_two_workers_finds_what_one_finds():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 6))
    y = (X[:, 0] + 0.3 * rng.normal(size=120) > 0).astype(int)
    model = MLPClassifier((16,), max_iter=500, tol=1e-2, random_state=0, engine="native")
    searches = [
        GridSearchCV(model, {"alpha": [1e-4, 1.0]}, n_jobs=n_jobs, cv=2, error_score="raise").fit(
            X, y
        )
        for n_jobs in (1, 2)
    ]
    for key in ("mean_test_score", "std_test_score"):
        assert_identical(searches[1].cv_results_[key], searches[0].cv_results_[key])
    assert_identical(*(s.best_estimator_.network_.parameters.flat for s in searches))


def status(name):
    """Return a number of /proc/self/status: threads, or kilobytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def files():
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.mark.skipif(not LINUX, reason="/proc is Linux's")
def test_a_hundred_fits_leave_nothing_behind():
    def hundred():
        for _ in range(100):
            fitted(n_threads=3, epochs=1)
        gc.collect()

    fitted(n_threads=3)
    hundred()
    before = status("Threads"), files(), status("RssAnon")
    hundred()
    after = status("Threads"), files(), status("RssAnon")
    assert after[0] <= before[0]
    assert after[1] <= before[1]
    # a run has 0.5 MB of parameters and buffers: one that stayed in ten would be 5 MB
    assert after[2] - before[2] < 3000


@pytest.mark.skipif(not LINUX, reason="/proc is Linux's")
def test_runs_take_their_threads_with_them():
    before = status("Threads")
    runs = [NATIVE.start(fresh_plan(3)) for _ in range(4)]
    for run in runs:
        run.advance(np.arange(100), [0.01])
    assert status("Threads") <= before + 4 * 2
    del runs, run
    gc.collect()
    assert status("Threads") <= before


NO_MORE_THREADS = textwrap.dedent("""
    import resource
    from pathlib import Path
    from native_cases import NATIVE, draw_batch, new_network, training_on
    import numpy as np

    network = new_network((20, 64, 64, 3), dtype="float32")
    batch = draw_batch(network, 2000)

    def computed(n_threads):
        run = NATIVE.start(training_on(network, batch, batch_size=100, n_threads=n_threads))
        costs = run.advance(np.arange(2000), [0.01] * 20)
        return costs.tobytes() + NATIVE.predict(network.model, batch[0], n_threads).tobytes()

    want = computed(1)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    # room for the buffers of the runs, 3 MB, and not for the stacks of seven threads, 8 MB each
    limit = pages * resource.getpagesize() + 24 * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    assert computed(8) == want
""")


@pytest.mark.skipif(not LINUX, reason="address space is limited on Linux")
def test_the_threads_that_there_are_compute_the_same():
    """Where the system gives no more, neither training nor predicting fails."""
    done = subprocess.run(
        [sys.executable, "-c", NO_MORE_THREADS], cwd=Path(__file__).parent,
        capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]


CTRL_C = textwrap.dedent("""
    import json, os, signal, sys, threading, time, warnings
    import numpy as np
    from backpass import MLPRegressor

    rng = np.random.default_rng(0)
    X = rng.normal(size=(30_000, 100)).astype("f4")
    y = X[:, :3].copy()
    warnings.simplefilter("ignore")
    found = []

    def interrupt():
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    for solver, n_threads, batch_size in json.loads(sys.argv[1]):
        model = MLPRegressor(
            hidden_layer_sizes=(300, 300), solver=solver, batch_size=batch_size, engine="native",
            n_threads=n_threads, max_iter=10**6, tol=0, max_fun=10**6,
        )
        sent = []
        threading.Timer(0.7, interrupt).start()
        model.fit(X, y)
        late = time.monotonic() - sent[0]
        usable = bool(np.isfinite(model.predict(X[:99])).all())
        found.append([late, model.stop_reason_, usable])
    print(json.dumps(found))
""")


@pytest.mark.usefixtures("heard_interrupts")
def test_ctrl_c_in_a_long_epoch_leaves_a_usable_estimator():
    """The fit would take days; the interrupt ends it, whatever solver and threads."""
    ways = [("adam", 1, 100), ("adam", 2, 100), ("adam", 2, 30_000), ("lbfgs", 1, 100)]
    done = subprocess.run(
        [sys.executable, "-c", CTRL_C, json.dumps(ways)],
        capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    for way, (late, reason, usable) in zip(ways, json.loads(done.stdout), strict=True):
        assert reason == "interrupted", way
        assert usable, way
        assert late < 3, way  # on an idle machine some 0.05; how late is measured, not tested
