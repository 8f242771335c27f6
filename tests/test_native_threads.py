"""Results do not depend on the number of threads, nor on the run: the bytes are equal."""

import math
import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from backpass import MLPClassifier
from backpass.core.optimizers import OPTIMIZERS
from backpass.core.settings import Settings
from backpass.engines.extension import extension
from backpass.training.history import Validation
from backpass.training.lbfgs import train_lbfgs
from backpass.training.trainer import Trainer
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

THREADS = [1, 2, 3, 8]
SIZES = (21, 40, 33, 5)

CASES = {
    "plain": {"batch_size": 50},
    "fewer rows than threads": {"batch_size": 5, "epochs": 2, "rows": 143},
    "everything": {
        "batch_size": 64, "alpha": 0.3, "dropout": 0.3, "clip_norm": 0.2, "ceiling": 1.0,
        "schedule": "cosine", "learning_rate": 0.02,
    },
    "blocks": {"batch_size": None, "alpha": 0.3, "dropout": 0.1, "epochs": 2},
    "clipped blocks": {"batch_size": 2100, "clip_norm": 0.01, "epochs": 2},
}  # fmt: skip


def train(dtype, n_threads, *, optimizer="adam", epochs=4, rows=2311, weights=True, **settings):
    """Return everything that training computes, as bytes."""
    network = new_network(SIZES, "tanh", "softmax", "cross_entropy", dtype)
    X, y, s = draw_batch(network, rows, weights=weights)
    settings = Settings(
        optimizer=optimizer, epochs=epochs, n_threads=n_threads, gradient_norms=True,
        patience=math.inf, **settings,
    )  # fmt: skip
    trainer = Trainer(
        network, X, y, s, settings=settings, rng=np.random.default_rng(0), engine="native"
    )
    history = trainer.train()
    return {
        "parameters": network.parameters.flat,
        **trainer.run.state,
        "loss curve": np.array(history.loss_curve),
        "noise": np.array(history.gradient_noise),
        "mean squared": np.array(history.mean_squared_gradient_norms),
        "norms": trainer.run.squared_norms(np.arange(rows)),
        "gradient": trainer.run.evaluate(np.arange(rows)).gradient,
        "output": NATIVE.predict(network.model, X, n_threads),
    }


def assert_same(got, want):
    assert got.keys() == want.keys()
    for name in want:
        assert_identical(got[name], want[name], name)


@every_isa
@every_dtype
@pytest.mark.parametrize("case", CASES)
def test_bytes_do_not_depend_on_the_number_of_threads(case, dtype, isa):
    with forced(isa):
        want = train(dtype, 1, **CASES[case])
        assert np.isfinite(want["parameters"]).all()
        for n_threads in THREADS[1:]:
            assert_same(train(dtype, n_threads, **CASES[case]), want)


@every_dtype
@pytest.mark.parametrize("optimizer", list(OPTIMIZERS))
def test_with_every_optimizer(optimizer, dtype):
    common = {"optimizer": optimizer, "batch_size": 97, "alpha": 0.1, "rows": 400}
    want = train(dtype, 1, **common)
    for n_threads in THREADS[1:]:
        assert_same(train(dtype, n_threads, **common), want)


@every_dtype
def test_bytes_are_those_of_every_repeat(dtype):
    want = train(dtype, 3, **CASES["everything"])
    for _ in range(5):
        assert_same(train(dtype, 3, **CASES["everything"]), want)


@pytest.mark.parametrize("n_threads", [2, 3, 8])
def test_an_epoch_in_pieces_is_the_same_epoch(n_threads):
    """However many batches are handed over at a time, and whether other calls come between."""
    results = []
    for pieces in ([7, 1, 4, 8], [20]):
        network = new_network(SIZES, "relu", dtype="float32")
        batch = draw_batch(network, 61)
        given = training_on(network, batch, dropout=0.2, batch_size=7, n_threads=n_threads)
        order = np.random.default_rng(1).integers(0, 61, 140)
        run, start, costs = NATIVE.start(given), 0, []
        for piece in pieces:
            stop = start + 7 * piece
            costs.append(run.advance(order[start:stop], [0.01] * piece))
            run.evaluate(np.arange(61), gradient=piece % 2 == 0)
            run.squared_norms(np.arange(9))
            run.publish()
            start = stop
        results.append((network.parameters.flat, np.concatenate(costs), run.state["v"]))
    for got, want in zip(*results, strict=True):
        assert_identical(got, want)


@every_dtype
def test_early_stopping_stops_at_the_same_epoch(dtype):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(900, 12)).astype(dtype)
    y = (X[:, :3].sum(axis=1) + 0.8 * rng.normal(size=900) > 0).astype(int)
    weights = rng.random(900)

    def fitted(n_threads):
        return MLPClassifier(
            (24, 24), early_stopping=True, dropout=0.2, clip_norm=0.5, batch_size=64,
            max_iter=60, n_iter_no_change=3, random_state=0, n_threads=n_threads, engine="native",
            learning_rate_init=0.01, gradient_norms=True,
        ).fit(X, y, sample_weight=weights)  # fmt: skip

    want = fitted(1)
    assert 3 < want.n_iter_ < 60
    for n_threads in THREADS[1:]:
        got = fitted(n_threads)
        assert got.n_iter_ == want.n_iter_
        assert got.best_epoch_ == want.best_epoch_
        assert got.loss_curve_ == want.loss_curve_
        assert got.validation_scores_ == want.validation_scores_
        assert got.gradient_noise_ == want.gradient_noise_
        assert_identical(got.network_.parameters.flat, want.network_.parameters.flat)
        assert_identical(got.predict_proba(X), want.predict_proba(X))


@pytest.mark.parametrize("rows", [0, 1, 8, 9, 112, 113, 1000])
@pytest.mark.parametrize("n_threads", THREADS)
def test_predictions_do_not_depend_on_threads_or_on_the_rows_beside_them(rows, n_threads):
    network = new_network((9, 33, 5), "gelu", "softmax", "cross_entropy", "float32")
    X = draw_batch(network, 1000)[0]
    want = NATIVE.predict(network.model, X, 1)
    got = NATIVE.predict(network.model, X[:rows], n_threads)
    assert got.shape == (rows, 5)
    if rows > 8:  # fewer go through the weights unpacked
        assert_identical(got, want[:rows])
    else:
        np.testing.assert_allclose(got, want[:rows], rtol=1e-4, atol=1e-7)


def test_a_batch_alone_costs_what_it_costs_among_others():
    """Rows of a batch are computed alike wherever they lie in it: masked edges, no tails."""
    network = new_network((17, 33, 3), "mish", dtype="float32")
    X, y, _ = draw_batch(network, 57, weights=False)
    run = NATIVE.start(training_on(network, (X, y, None)))
    together = run.squared_norms(np.arange(57))
    for n in (0, 5, 31, 56):
        assert_identical(run.squared_norms(np.array([n])), together[[n]])


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_small_vectors_of_lbfgs_are_not_shared_out(engine):
    """On a busy machine SciPy's products took ten times as long with the threads of BLAS."""
    seen = set()

    def look(history):
        seen.update(x["num_threads"] for x in threadpool_info() if x["user_api"] == "blas")

    network = new_network(SIZES, "tanh", "softmax", "cross_entropy", "float64")
    X, y, _ = draw_batch(network, 50)
    train_lbfgs(
        network, X, y, None, Settings(epochs=3), max_evaluations=50, on_epoch=look, engine=engine
    )
    assert seen == {1}


@every_dtype
def test_fewer_threads_than_the_run_was_made_with(dtype):
    """Some are left out of a step, and of the last one."""
    results = []
    for numbers in ([1, 1, 1, 1], [3, 2, 1, 2]):
        network = new_network(SIZES, "relu", dtype=dtype)
        run = NATIVE.start(
            training_on(network, draw_batch(network, 60), batch_size=20, n_threads=max(numbers))
        )
        for n in numbers:
            run._run.set_threads(n)
            costs = np.zeros(6)
            run._run.advance(np.arange(60), np.full(3, 0.01), costs)
        run.publish()
        results.append((network.parameters.flat, costs))
    for got, want in zip(*results, strict=True):
        assert_identical(got, want)


# --- several threads of Python -----------------------------------------------------------------


def test_two_fits_at_once_are_two_fits():
    want = [train(dtype, 2, **CASES["everything"]) for dtype in ("float32", "float64")]
    got = [None, None]

    def fit(i, dtype):
        got[i] = train(dtype, 2, **CASES["everything"])

    threads = [
        threading.Thread(target=fit, args=pair) for pair in enumerate(("float32", "float64"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    for one, other in zip(got, want, strict=True):
        assert_same(one, other)


def long_run(n_threads=1):
    """Return a function that computes for about half a second in one call, and its run."""
    network = new_network((64, 256, 256, 8), "tanh", dtype="float32")
    given = training_on(network, draw_batch(network, 512), batch_size=128, n_threads=n_threads)
    run = NATIVE.start(given)
    order = np.random.default_rng(0).integers(0, 512, 128 * 150)
    return lambda: run.advance(order, [1e-4] * 150)


def test_the_interpreter_runs_while_training():
    advance, seen, over = long_run(), [], threading.Event()

    def count():
        while not over.is_set():
            seen.append(len(seen))

    other = threading.Thread(target=count)
    other.start()
    before = len(seen)
    advance()
    during = len(seen) - before
    over.set()
    other.join()
    assert during > 10_000  # one call of some 100 ms: with the GIL held there would be none


@every_isa
def test_numbers_below_the_normal_ones_stay_what_they_are(isa):
    """Flush-to-zero is the workers' own: it is off again in the thread that called."""
    small, network = np.float32(1e-40), new_network(dtype="float32")
    batch = draw_batch(network, 600)

    def kept():
        return small * np.float32(1) != 0 and float(np.float64(1e-310) * 0.5) != 0

    assert kept()
    with forced(isa):
        for n_threads in (1, 3):
            run = NATIVE.start(training_on(network, batch, batch_size=100, n_threads=n_threads))
            run.advance(np.arange(600), [0.01] * 6)
            assert kept()
            run.noise(np.arange(600))
            run.publish()
            assert kept()
            NATIVE.predict(network.model, batch[0], n_threads)
            assert kept()
        batch[0][3] = np.nan
        assert len(run.advance(np.arange(600), [0.01] * 6)) == 1
        assert kept()
        network.predict_one(batch[0][0])
        assert kept()
        x = np.array([1.0], np.float32)
        for name in ("exp", "tanh"):
            extension().elementary_into(isa, name, x, x.copy())
            assert kept()


def test_validation_in_another_order_changes_nothing():
    """What judges an epoch reads the parameters, and does not touch the run."""
    results = []
    for judged in (False, True):
        network = new_network(SIZES, "relu", "softmax", "cross_entropy", "float32")
        X, y, s = draw_batch(network, 300)
        validation = Validation(X, y, score=lambda output, loss: float(output.sum()))
        trainer = Trainer(
            network, X, y, s, settings=Settings(epochs=3, n_threads=2, batch_size=32),
            rng=np.random.default_rng(0), engine="native",
            validation=validation if judged else None,
        )  # fmt: skip
        results.append(trainer.train().loss_curve)
    assert results[0] == results[1]
