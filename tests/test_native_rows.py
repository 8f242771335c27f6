"""A run evaluates any rows by its own parameters: the bytes of predictions and of costs."""

import numpy as np
import pytest
import scipy.sparse

from backpass.core.losses import LOSSES
from backpass.core.settings import Settings
from backpass.engines import Problem
from backpass.engines.extension import extension, instruction_set, missing
from backpass.engines.native import specs_of
from helpers import assert_identical
from native_cases import (
    NATIVE,
    draw_batch,
    every_dtype,
    every_isa,
    forced,
    needs_native,
    new_network,
    training_on,
)

pytestmark = needs_native

SIZES = (21, 40, 33, 5)
ROWS = 2500  # more than are summed at a time, 2048


def evaluated(run, X, y, weights, rows=None, *, costs=True, outputs=True):
    """Return what a run says of rows: two costs and outputs, or None."""
    native, sizes, dtype = extension(), run.model.parameters.sizes, run.model.parameters.flat.dtype
    kind = native.Rows32 if dtype == np.float32 else native.Rows64
    labelled = y is not None and run.model.loss.name == "cross_entropy"
    X = (X.data, X.indices, X.indptr) if scipy.sparse.issparse(X) else X
    labels = np.array(y, np.int32) if labelled else None
    data = kind(X, None if labelled else y, labels, weights, n_in=sizes[0], n_out=sizes[-1])
    n = len(data) if rows is None else len(rows)
    costs = np.zeros(2) if costs else None
    outputs = np.zeros((n, sizes[-1]), dtype) if outputs else None
    run._run.evaluate_rows(data, rows, costs, None if outputs is None else outputs.reshape(-1))
    return costs, outputs


def trained_run(network, n_threads=2, **settings):
    """Return a run after some steps on rows of its own, and bring its network up to date."""
    given = training_on(network, draw_batch(network, 90, seed=9), batch_size=30, dropout=0.2,
                    n_threads=n_threads, **settings)  # fmt: skip
    run = NATIVE.start(given)
    run.advance(np.arange(90), [0.01] * 3)
    run.publish()
    return run


def cost_of(network, X, y, weights, alpha=0.0):
    """Return the two costs of a run of its own, as ``Network.loss`` makes it."""
    settings = Settings(optimizer="sgd", alpha=alpha, batch_size=None)
    run = NATIVE.start(Problem(network.model, X, y, weights, settings))
    found = run.evaluate(np.arange(X.shape[0]), gradient=False)
    return np.array([found.data, found.penalty])


def pairs():
    """Return the losses and output activations that there is native code for."""
    known = extension().knows
    return [
        (loss.name, phi)
        for loss in LOSSES.records()
        for phi in loss.outputs
        if known("loss", loss.name, phi) and known("activation", phi)
    ]


@every_dtype
@pytest.mark.parametrize(("loss", "output"), [] if missing() else pairs())
def test_the_bytes_of_predictions_and_costs(loss, output, dtype):
    network = new_network(SIZES, "tanh", output, loss, dtype)
    run = trained_run(network, alpha=0.3)
    X, y, s = draw_batch(network, 300, seed=1)
    costs, outputs = evaluated(run, X, y, s)
    assert_identical(outputs, NATIVE.predict(network.model, X))
    assert_identical(costs, cost_of(network, X, y, s, 0.3))


@every_isa
@every_dtype
@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("rows", [1, 9, 112, 113, 2048, 2049, ROWS])
def test_any_number_of_rows(rows, weights, dtype, isa):
    with forced(isa):
        network = new_network(SIZES, "gelu", "softmax", "cross_entropy", dtype)
        X, y, s = draw_batch(network, rows, seed=1, weights=weights)
        for n_threads in (1, 3):
            run = trained_run(network, n_threads, alpha=0.3)
            costs, outputs = evaluated(run, X, y, s)
            assert_identical(costs, cost_of(network, X, y, s, 0.3))
            if rows > 8:  # fewer go through the weights unpacked
                assert_identical(outputs, NATIVE.predict(network.model, X))
            assert_identical(evaluated(run, X, y, s, outputs=False)[0], costs)
            assert_identical(evaluated(run, X, None, None, costs=False)[1], outputs)


@every_dtype
@pytest.mark.parametrize("density", [0.02, 0.5])
def test_sparse_rows_and_rows_by_number(density, dtype):
    network = new_network((200, 30, 3), "relu", dtype=dtype)
    X = scipy.sparse.random_array((500, 200), density=density, format="csr", dtype=dtype, rng=0)
    _, y, s = draw_batch(network, 500, seed=1)
    run = trained_run(network, alpha=0.1)
    costs, outputs = evaluated(run, X, y, s)
    assert_identical(outputs, NATIVE.predict(network.model, X))
    assert_identical(costs, cost_of(network, X, y, s, 0.1))
    rows = np.random.default_rng(0).integers(0, 500, 700)
    some, their = evaluated(run, X, y, s, rows)
    assert_identical(their, outputs[rows])
    assert_identical(some, cost_of(network, X[rows], y[rows], s[rows], 0.1))


@every_dtype
def test_what_it_says_of_the_rows_it_trains_on(dtype):
    """The same as its own evaluation, whatever came before; and nothing of the run changes."""
    network = new_network(SIZES, "relu", "identity", "huber", dtype)
    X, y, s = draw_batch(network, 700)
    results = []
    for evaluates in (False, True):
        given = training_on(network, (X, y, s), alpha=0.2, dropout=0.1, batch_size=700, n_threads=2)
        run = NATIVE.start(given)
        for _ in range(3):
            run.advance(np.arange(700), [0.01])
            if evaluates:
                found = run.evaluate(np.arange(700), gradient=False)
                costs, _ = evaluated(run, X, y, s)
                assert_identical(costs, np.array([found.data, found.penalty]))
        results.append((run.state["v"], run.advance(np.arange(700), [0.01])))
    for got, want in zip(*results, strict=True):
        assert_identical(got, want)


def test_decoupled_decay_is_no_cost_and_no_weight_no_mean():
    network = new_network(SIZES)
    X, y, s = draw_batch(network, 50, seed=1)
    run = trained_run(network, optimizer="adamw", alpha=0.3)
    assert evaluated(run, X, y, s)[0][1] == 0
    assert np.isnan(evaluated(run, X, y, 0 * s)[0][0])
    X[3] = np.nan
    assert np.isnan(evaluated(run, X, y, s)[0][0])


def test_more_than_its_own_rows_may_be_predicted_after_other_rows():
    """No buffer is left from one call to the next: rows of another form follow."""
    network = new_network((200, 30, 3), "relu", dtype="float32")
    run = trained_run(network)
    X = scipy.sparse.random_array((300, 200), density=0.05, format="csr", dtype="f4", rng=0)
    dense = X.toarray()
    for rows in (X, dense, X[:40], dense[:150].astype("f8"), X):
        want = np.zeros((rows.shape[0], 3), "f4")
        parts = (rows.data, rows.indices, rows.indptr) if scipy.sparse.issparse(rows) else rows
        extension().predict(
            instruction_set(), list(network.sizes), specs_of(network.model),
            network.parameters.flat, parts, want.reshape(-1), 2,
        )  # fmt: skip
        assert_identical(evaluated(run, rows, None, None, costs=False)[1], want)
