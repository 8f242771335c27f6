"""Epochs, batches, schedules and stopping: note 4's table is counted, not quoted."""

import math

import numpy as np
import pytest

from backpass import Network, train
from backpass.core.optimizers import OPTIMIZERS
from backpass.core.schedules import SCHEDULES
from backpass.core.settings import Settings
from backpass.engines import ENGINES, Problem, choose
from backpass.engines.reference import ReferenceRun
from backpass.errors import InputError, NonFiniteError
from backpass.training.batches import SAMPLINGS, Sampler, steps_per_epoch
from backpass.training.history import History, Validation
from backpass.training.trainer import Trainer

RNG = np.random.default_rng(0)
N = 53
X = RNG.normal(size=(N, 4))
Y = np.tanh(X @ RNG.normal(size=(4, 2)))


def new_network():
    return Network([4, 6, 2], "tanh", seed=1)


@pytest.mark.parametrize(
    ("method", "M", "updates"),
    [("gradient", None, 1), ("SGD", 1, N), ("mini-batch", 8, math.ceil(N / 8))],
)
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_note_4_summary_table(monkeypatch, method, M, updates, sampling):
    """Updates an epoch: 1, N, ⌈N/M⌉; sample gradients an update: N, 1, M."""
    seen = []
    step = ReferenceRun._step

    def counted(self, rows, rate):
        seen.append(len(rows))
        return step(self, rows, rate)

    monkeypatch.setattr(ReferenceRun, "_step", counted)
    train(
        new_network(), X, Y, seed=0, engine="reference", epochs=3, batch_size=M, sampling=sampling,
        optimizer="sgd", learning_rate=0.01,
    )  # fmt: skip
    assert len(seen) == 3 * updates == 3 * steps_per_epoch(N, M or N)
    assert sum(seen) == 3 * N
    assert max(seen) == (M or N)
    assert seen[: updates - 1] == [M or N] * (updates - 1)


def test_shuffling_visits_every_row_once_and_replacement_draws_uniformly():
    rows = np.arange(100, 153)
    shuffled = Sampler(rows, 7, "shuffle", np.random.default_rng(0))
    orders = [shuffled.epoch() for _ in range(2)]
    assert all(sorted(order) == list(rows) for order in orders)
    assert (orders[0] != orders[1]).any()
    drawn = Sampler(np.arange(4), 3, "replacement", np.random.default_rng(0))
    counts = np.bincount(np.concatenate([drawn.epoch() for _ in range(2000)]))
    # each count is binomial(8000, 1/4): five standard deviations
    assert (abs(counts - 2000) < 5 * math.sqrt(8000 * 0.25 * 0.75)).all()
    in_order = Sampler(rows, 50, "sequential", None)
    np.testing.assert_array_equal(in_order.epoch(), rows)
    assert len(in_order) == 2
    with pytest.raises(InputError, match="sampling must be one of"):
        Sampler(rows, 7, "bootstrap", None)
    with pytest.raises(InputError, match="batch_size must be at least 1"):
        Sampler(rows, 0, "shuffle", None)


@pytest.mark.parametrize("optimizer", list(OPTIMIZERS))
@pytest.mark.parametrize("engine", list(ENGINES))
def test_every_optimizer_lowers_the_loss(optimizer, engine):
    network = new_network()
    before = network.loss(X, Y)
    history = train(
        network, X, Y, seed=0, engine=engine, optimizer=optimizer, epochs=20, batch_size=16,
        learning_rate=0.02,
    )  # fmt: skip
    assert network.loss(X, Y) < 0.7 * before
    assert history.epochs == 20 == len(history.loss_curve) == len(history.learning_rates)


@pytest.mark.parametrize("schedule", list(SCHEDULES))
def test_every_schedule_steers_the_rate(schedule):
    history = train(new_network(), X, Y, seed=0, schedule=schedule, epochs=12, batch_size=16)
    rates = history.learning_rates
    assert all(0 <= rate <= 1e-3 for rate in rates)
    if schedule in ("cosine", "invscaling"):
        assert rates[-1] < rates[1]


def test_full_batch_gradient_descent_is_the_update_rule():
    """θ ← θ − η ∇J, written out (note 4, slide Gradient descent)."""
    network, by_hand = new_network(), new_network()
    train(network, X, Y, optimizer="sgd", batch_size=None, epochs=4, learning_rate=0.1)
    for _ in range(4):
        _, gradients = by_hand.loss_and_gradients(X, Y)
        by_hand.parameters.flat -= 0.1 * gradients.flat
    # shuffled rows are summed in another order: 53 terms of at most 53·eps each
    np.testing.assert_allclose(network.parameters.flat, by_hand.parameters.flat, rtol=1e-12)


def test_l2_and_decoupled_decay():
    coupled, plain, decoupled = new_network(), new_network(), new_network()
    common = {"batch_size": None, "epochs": 1, "learning_rate": 0.1, "sampling": "sequential"}
    train(plain, X, Y, optimizer="sgd", **common)
    train(coupled, X, Y, optimizer="sgd", alpha=2.0, **common)
    first = new_network()
    for a, b, W in zip(coupled.weights, plain.weights, first.weights, strict=True):
        np.testing.assert_allclose(a, b - 0.1 * 2.0 / N * W, rtol=1e-12)
    for a, b in zip(coupled.biases, plain.biases, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    adam = new_network()
    train(adam, X, Y, optimizer="adam", **common)
    train(decoupled, X, Y, optimizer="adamw", alpha=0.3, **common)
    for a, b, W in zip(decoupled.weights, adam.weights, first.weights, strict=True):
        np.testing.assert_allclose(a, b - 0.1 * 0.3 * W, rtol=1e-12)
    for a, b in zip(decoupled.biases, adam.biases, strict=True):
        np.testing.assert_array_equal(a, b)


def test_clipping_bounds_the_step():
    network = new_network()
    before = network.parameters.flat.copy()
    train(
        network, X, 1e6 * Y, optimizer="sgd", clip_norm=0.5, learning_rate=0.1, epochs=1,
        batch_size=None,
    )  # fmt: skip
    np.testing.assert_allclose(np.linalg.norm(network.parameters.flat - before), 0.05)


def test_a_split_epoch_gives_the_same_network(monkeypatch):
    """However many batches an engine is handed at a time, the steps are the same."""
    results = []
    for seconds in (0.0, 10.0):
        monkeypatch.setattr("backpass.training.trainer.CHUNK_SECONDS", seconds)
        network = new_network()
        train(network, X, Y, seed=3, epochs=3, batch_size=4, dropout=0.2)
        results.append(network.parameters.flat)
    np.testing.assert_array_equal(*results)


def test_non_finite_losses_stop_at_once_and_say_where():
    network = new_network()
    with pytest.raises(NonFiniteError, match=r"epoch 1, step 3, at learning rate 0\.001"):
        train(
            network, np.where(np.arange(N)[:, None] == 10, np.inf, X), Y, batch_size=5,
            sampling="sequential", epochs=2,
        )  # fmt: skip
    with pytest.raises(NonFiniteError, match="lower it, scale the inputs, or set clip_norm"):
        train(new_network(), X * 1e150, Y, optimizer="sgd", learning_rate=1e200)


def test_a_callback_the_clock_and_the_keyboard_stop_training():
    history = train(new_network(), X, Y, epochs=50, on_epoch=lambda h: h.epochs == 3)
    assert (history.stop_reason, history.epochs) == ("callback", 3)
    history = train(new_network(), X, Y, epochs=10**6, patience=math.inf, time_limit=0.05)
    assert history.stop_reason == "time_limit"
    assert history.epochs < 10**6

    def interrupt(h):
        if h.epochs == 2:
            raise KeyboardInterrupt

    network = new_network()
    history = train(network, X, Y, epochs=50, on_epoch=interrupt)
    assert (history.stop_reason, history.epochs) == ("interrupted", 2)
    assert network.model.is_finite()


def test_the_best_epoch_is_restored():
    network, seen = new_network(), []
    scores = iter([0.1, 0.5, 0.3, 0.4, 0.2])

    def remember(history):
        seen.append(network.parameters.flat.copy())

    trainer = Trainer(
        network, X, Y, settings=Settings(epochs=5), rng=np.random.default_rng(0),
        validation=Validation(X, Y, score=lambda output, loss: next(scores)),
    )  # fmt: skip
    history = trainer.train(on_epoch=remember)
    assert (history.best_epoch, history.best_score) == (2, 0.5)
    np.testing.assert_array_equal(network.parameters.flat, seen[1])


def test_training_goes_on_from_an_optimizer_state():
    """Two runs of 2 and 3 epochs are one of 5: state, steps and order go on."""
    whole, parts = new_network(), new_network()
    settings = Settings(optimizer="adam", batch_size=16, sampling="sequential", patience=math.inf)
    Trainer(whole, X, Y, settings=settings).train(5)
    first = Trainer(parts, X, Y, settings=settings)
    first.train(2)
    second = Trainer(
        parts, X, Y, settings=settings, history=first.history, state=first.run.state,
        steps=first.run.steps,
    )  # fmt: skip
    second.train(3)
    np.testing.assert_array_equal(whole.parameters.flat, parts.parameters.flat)
    assert second.history.epochs == 5


def test_adaptive_rates_are_divided_until_they_are_too_small():
    network = new_network()
    settings = Settings(
        schedule="adaptive", learning_rate=1e-4, tolerance=10.0, patience=1, epochs=100
    )
    history = Trainer(network, X, Y, settings=settings).train()
    assert history.stop_reason == "converged"
    assert history.clock.divisions == 3  # 1e-4, 2e-5, 4e-6, 8e-7: below 1e-6 it stops
    assert history.learning_rates[-1] == pytest.approx(8e-7)


def test_what_cannot_be_trained_is_refused():
    with pytest.raises(InputError, match="X has 53 rows and y has 52"):
        train(new_network(), X, Y[1:])
    with pytest.raises(InputError, match="not be empty"):
        train(new_network(), X[:0], Y[:0])
    with pytest.raises(InputError, match="unknown optimizer 'adm'; did you mean 'adam'"):
        train(new_network(), X, Y, optimizer="adm")
    with pytest.raises(InputError, match="unknown setting 'optimzer'; did you mean 'optimizer'"):
        train(new_network(), X, Y, optimzer="adam")
    with pytest.raises(InputError, match="unknown engine"):
        train(new_network(), X, Y, engine="warp")


def test_an_engine_asked_for_by_name_must_be_able_to(monkeypatch):
    class Picky:
        name = "picky"

        def obstacle(self, problem):
            return "it only likes Tuesdays"

    monkeypatch.setitem(ENGINES, "picky", Picky())
    problem = Problem(new_network().model, X, Y)
    with pytest.raises(InputError, match="'picky' cannot train this: it only likes Tuesdays"):
        choose("picky", problem)
    assert choose("auto", problem).name in ENGINES


def test_sample_weights_count_as_repeated_rows():
    s = np.arange(N) % 3
    weighted, repeated = new_network(), new_network()
    common = {"optimizer": "sgd", "batch_size": None, "epochs": 3, "alpha": 0.5}
    train(weighted, X, Y, s.astype(float), **common)
    train(repeated, np.repeat(X, s, axis=0), np.repeat(Y, s, axis=0), **common)
    np.testing.assert_allclose(
        weighted.parameters.flat, repeated.parameters.flat, rtol=1e-10, atol=1e-13
    )


def test_history_starts_empty():
    assert History().epochs == 0
    assert History().best_score == -math.inf


def test_small_networks_train_with_one_blas_thread():
    """Spinning BLAS threads make small steps ten times slower on a machine with other work."""
    import threadpoolctl

    def threads():
        return {pool["num_threads"] for pool in threadpoolctl.threadpool_info()
                if pool["user_api"] == "blas"}  # fmt: skip

    seen, before = [], threads()
    train(
        new_network(), X, Y, engine="reference", epochs=2, on_epoch=lambda h: seen.append(threads())
    )
    assert seen == [{1}, {1}]
    assert threads() == before
