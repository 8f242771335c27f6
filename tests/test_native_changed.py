"""Arrays that another thread writes to while native code reads them: no place out of bounds."""

import contextlib
import itertools
import threading
import time

import numpy as np
import pytest
import scipy.sparse

from backpass.engines.extension import extension
from helpers import assert_identical
from native_cases import NATIVE, draw_batch, needs_native, new_network, training_on

pytestmark = needs_native

N, WIDTH = 3000, 200


def while_computing(run, work, change):
    """Call `work` in a thread, and `change` again and again as long as the run computes."""
    results, changes = [], 0
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()
    while thread.is_alive():
        try:
            run.set_threads(1)
            time.sleep(0)
        except ValueError:  # it computes
            change()
            changes += 1
    thread.join()
    assert changes > 0
    return results[0]


def long_run(X, n_threads):
    """Return a run, and a call of it that takes some 100 ms and returns its costs."""
    network = new_network((WIDTH, 64, 3), dtype="float32")
    _, y, _ = draw_batch(network, N, weights=False)
    run = NATIVE.start(training_on(network, (X, y, None), batch_size=100, n_threads=n_threads))
    raw, rows = run._run, np.tile(np.arange(N), 20)
    batches = len(rows) // 100

    def work():
        costs = np.zeros(2 * batches)
        raw.advance(rows, np.full(batches, 0.01), costs)
        return costs

    return raw, rows, work


def test_row_numbers_may_change_while_they_are_used():
    X = np.random.default_rng(0).normal(size=(N, WIDTH)).astype("f4")
    want = long_run(X, 1)[2]()
    raw, rows, work = long_run(X, 1)
    assert_identical(while_computing(raw, work, lambda: rows.fill(2**40)), want)


@pytest.mark.parametrize("density", [0.02, 0.5])  # worked on as entries, and as dense rows
@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("part", ["indptr", "indices"])
def test_a_sparse_array_may_change_while_training(part, n_threads, density):
    X = scipy.sparse.random_array((N, WIDTH), density=density, format="csr", dtype="f4", rng=0)
    raw, _, work = long_run(X, n_threads)
    array = getattr(X, part)
    right = array.copy()

    def change():
        array.fill(2**31 - 1)
        array[::2] = -7
        array[...] = right
        array[...] = right[::-1]

    work()
    while_computing(raw, work, change)


@pytest.mark.parametrize("part", ["indptr", "indices"])
def test_a_sparse_array_may_change_while_predicting(part):
    network = new_network((WIDTH, 64, 3), dtype="float32")
    X = scipy.sparse.random_array((N, WIDTH), density=0.02, format="csr", dtype="f4", rng=0)
    array, over, output = getattr(X, part), threading.Event(), np.zeros(N * 3, "f4")
    right = array.copy()

    def change():
        while not over.is_set():
            array.fill(2**31 - 1)
            array[::2] = -7
            array[...] = right

    native = extension()
    given = (native.isas()[0], [WIDTH, 64, 3], [("tanh", []), ("identity", [])])
    flat, parts = network.parameters.flat, (X.data, X.indices, X.indptr)
    other = threading.Thread(target=change)
    other.start()
    try:
        for n_threads in [1, 2] * 200:
            with contextlib.suppress(ValueError):  # seen before anything was computed
                native.predict(*given, flat, parts, output, n_threads)
    finally:
        over.set()
        other.join()


def test_sizes_that_overflow_are_refused():
    native = extension()
    isa, flat = native.isas()[0], np.zeros(8)
    row = np.broadcast_to(np.zeros((1, 1), "u1"), (2**62, 1))  # 2^64 outputs: 0 of 64 bits
    with pytest.raises(ValueError, match="output does not fit"):
        native.predict(isa, [1, 4], [("relu", [])], flat, row, np.zeros(0), 1)
    run = native.Run64(
        isa, [1, 4], [("relu", [])], ("squared_error", []), ("sgd", []), native.Settings()
    )
    rows = native.Rows64(row, None, None, None, n_in=1, n_out=4)
    with pytest.raises(ValueError, match="output does not fit"):
        run.evaluate_rows(rows, None, None, np.zeros(0))
    # a few parameters more than 2^64: of those that 64 bits count, as many as there are
    large = 2**30
    most = 2 * large + 15 * (large + 1) * large
    middle, rest = divmod(2**64 + 8 - most - 2, large + 2)
    sizes = [1, *[large] * 16, middle, 1, rest // 3 + 1, 1]
    count = sum((n + 1) * k for n, k in itertools.pairwise(sizes)) - 2**64
    assert 0 < count < 100
    flat, layers = np.zeros(count), [("relu", [])] * (len(sizes) - 1)
    for make in (
        lambda: native.RowPredictor64(isa, sizes, layers, flat),
        lambda: native.predict(isa, sizes, layers, flat, row[:1], np.zeros(1), 1),
    ):
        with pytest.raises(ValueError, match="more parameters than there is memory"):
            make()
