"""The native engine against the reference engine over drawn networks, within derived bounds.

The bounds are those of tests/rounding.py. Fifty steps are held twice: each step alone, from the
parameters and the state that the engine itself had reached; and all of them together, where the
distance between two right trajectories is that of trajectories of the truth whose every gradient
and every sum is off by its whole bound, one way or the other at random.
"""

import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from backpass.core.gradient_noise import squared_gradient_norms
from backpass.core.optimizers import OPTIMIZERS
from helpers import HIDDEN, PAIRS, assert_close
from native_cases import (
    DTYPES,
    ISAS,
    NATIVE,
    REFERENCE,
    draw_batch,
    every_dtype,
    every_isa,
    forced,
    needs_native,
    new_network,
    seen_by,
    training_on,
)
from rounding import Bound, Pass, bounds, clipped, updated

pytestmark = needs_native

WIDTHS = st.sampled_from([1, 2, 7, 15, 16, 17, 33, 300])
ROWS = st.sampled_from([1, 2, 5, 8, 13, 29, 64, 113])


@st.composite
def problems(draw):
    """A network, its batch, a given and an instruction set."""
    output, loss = draw(st.sampled_from(PAIRS))
    sizes = draw(st.lists(WIDTHS, min_size=2, max_size=5))
    hidden = [draw(st.sampled_from(HIDDEN)) for _ in sizes[2:]]
    if loss == "cross_entropy":
        loss = draw(st.sampled_from([loss, "cross_entropy:label_smoothing=0.1"]))
    seed = draw(st.integers(0, 10**6))
    network = new_network(sizes, hidden, output, loss, draw(st.sampled_from(DTYPES)), seed)
    X, y, s = draw_batch(network, draw(ROWS), seed, draw(st.booleans()))
    if loss.startswith("cross_entropy"):
        y = as_drawn(draw(st.sampled_from(["labels", "column", "one-hot", "soft"])), y, sizes[-1])
    given = training_on(
        network, (X, y, s), draw(st.sampled_from(list(OPTIMIZERS))),
        alpha=draw(st.sampled_from([0.0, 0.3])), dropout=draw(st.sampled_from([0.0, 0.4])),
        clip_norm=draw(st.sampled_from([None, 0.05, 1.0])), seed=seed,
        ceiling=draw(st.sampled_from([None, 2.0])), batch_size=len(X),
    )  # fmt: skip
    return network, given, draw(st.sampled_from(ISAS))


def as_drawn(form, labels, k):
    """Return class labels in one of the forms that cross_entropy takes."""
    if form == "soft":
        p = np.random.default_rng(k).random((len(labels), k)) + 0.01
        return p / p.sum(axis=1, keepdims=True)
    column = labels[:, None] if k > 1 else labels  # of one output, a column is a probability
    return {"labels": labels, "column": column, "one-hot": np.eye(k)[labels]}[form]


@given(problems())
def test_output_cost_and_gradient(problem):
    network, given, isa = problem
    rows = np.arange(len(given.X))
    right = bounds(seen_by(network, given, rows))
    for engine in (NATIVE, REFERENCE):  # the reference engine in float32 has bounds to keep too
        with forced(isa):
            output = engine.predict(network.model, given.X)
            found = engine.start(given).evaluate(rows)
        assert_close(output, right.output.value, right.output.error, "output")
        assert_close(found.data, right.data.value, right.data.error, "mean loss")
        assert_close(found.penalty, right.penalty.value, right.penalty.error, "penalty")
        assert_close(found.gradient, right.gradient.value, right.gradient.error, "gradient")


@given(problems())
def test_one_step(problem):
    check_steps(*problem, batches=1)


@given(problems())
def test_norms_of_single_gradients(problem):
    network, given, isa = problem
    rows = np.arange(len(given.X))
    alone = training_on(network, (given.X, given.y, None))
    seen = seen_by(network, alone, rows)
    want = squared_gradient_norms(seen.model, seen.X, seen.y)
    error = norm_errors(seen, want)
    noise_error = np.average(error) + 64 * seen.eps * np.average(want)
    gradient = bounds(seen).gradient
    with forced(isa):
        run = NATIVE.start(alone)
        assert_close(run.squared_norms(rows), want, error, "squared norms")
        found = run.noise(rows)
    assert_close(found.mean_squared, np.average(want), noise_error, "mean squared")
    length = np.linalg.norm(gradient.value)
    off = np.linalg.norm(gradient.error)
    assert_close(
        found.squared_mean, length**2, off * (2 * length + off) + 64 * seen.eps * length**2
    )


def norm_errors(seen, want):
    """Return the bound of ‖g_n‖²: twice the norm times the bound of g_n, row by row."""
    errors = []
    for n in range(len(want)):
        row = type(seen)(seen.model, seen.X[[n]], seen.y[[n]], np.ones(1), seen.dtype)
        off = np.linalg.norm(Pass(row).gradient().error)
        errors.append(off * (2 * math.sqrt(want[n]) + off))
    return np.array(errors) + (64 + max(seen.model.parameters.sizes)) * seen.eps * want


def check_steps(network, given, isa, batches, rate=0.02):
    """Hold every step to the truth's step from where the engine itself had come."""
    M, flat = given.batch_size, network.parameters.flat
    order = np.random.default_rng(batches).integers(0, len(given.X), batches * M)
    with forced(isa):
        run = NATIVE.start(given)
    for t in range(1, batches + 1):
        rows = order[(t - 1) * M : t * M]
        if given.sample_weight is not None and not given.sample_weight[rows].any():
            continue
        before = {name: slot.astype(float) for name, slot in run.state.items()}
        problem = seen_by(network, given, rows, flat.copy(), run.steps)
        right = bounds(problem)
        costs = run.advance(rows, [rate])
        run.publish()
        assert_close(costs[0][0], right.data.value, right.data.error, f"loss {t}")
        gradient = clipped(right.gradient, given.settings.clip_norm, problem.eps)
        theta, state = updated(
            given.optimizer, problem, gradient, before, run.steps, rate, given.settings.alpha
        )
        assert_close(flat, theta.value, theta.error, f"parameters after {t}")
        for name, slot in run.state.items():
            assert_close(slot, state[name].value, state[name].error, f"{name} after {t}")


@every_isa
@every_dtype
@pytest.mark.parametrize("clip_norm", [None, 0.1])
def test_batches_of_several_blocks(clip_norm, dtype, isa):
    """More rows than are computed at a time: gradients are summed from block to block."""
    network = new_network((3, 5, 2), "tanh", dtype=dtype)
    given = training_on(
        network, draw_batch(network, 4501), "momentum", alpha=3.0, dropout=0.2, seed=1,
        clip_norm=clip_norm, batch_size=4400,
    )  # fmt: skip
    check_steps(network, given, isa, 2)
    right = bounds(seen_by(network, given, np.arange(4501)))
    with forced(isa):
        output = NATIVE.predict(network.model, given.X)
        found = NATIVE.start(given).evaluate(np.arange(4501))
    assert_close(output, right.output.value, right.output.error, "output")
    assert_close(found.gradient, right.gradient.value, right.gradient.error, "gradient")


# --- fifty steps -------------------------------------------------------------------------------


def fifty(dtype, optimizer, **options):
    network = new_network((7, 17, 16, 3), "tanh", "softmax", "cross_entropy", dtype)
    batch = draw_batch(network, 97)
    return network, training_on(network, batch, optimizer, batch_size=13, **options)


SETTINGS = [
    {"alpha": 0.1},
    {"alpha": 0.1, "dropout": 0.3, "seed": 5, "clip_norm": 0.3, "ceiling": 2.0},
]


@pytest.mark.slow
@every_isa
@every_dtype
@pytest.mark.parametrize("optimizer", list(OPTIMIZERS))
@pytest.mark.parametrize("settings", SETTINGS, ids=["plain", "everything"])
def test_each_of_fifty_steps(optimizer, settings, dtype, isa):
    network, given = fifty(dtype, optimizer, **settings)
    check_steps(network, given, isa, 50)


def true_path(network, given, batches, rate, sign):
    """Return θ of the truth after `batches`, every gradient and sum off by `sign` its bound."""
    optimizer, flat = given.optimizer, network.parameters.flat.astype(float)
    state = optimizer.init(flat)
    for steps, rows in enumerate(batches):
        problem = seen_by(network, given, rows, flat, steps)
        gradient = bounds(problem).gradient
        moved = Bound(gradient.value + sign() * gradient.error, gradient.error)
        theta, slots = updated(
            optimizer, problem, clipped(moved, given.settings.clip_norm, problem.eps), state, steps
            + 1, rate, given.settings.alpha,
        )  # fmt: skip
        state = {name: slot.value for name, slot in slots.items()}
        flat = theta.value * (1 + problem.eps * sign())
    return flat


@every_dtype
@pytest.mark.parametrize("optimizer", list(OPTIMIZERS))
@pytest.mark.parametrize("settings", SETTINGS, ids=["plain", "everything"])
def test_fifty_steps_together(optimizer, settings, dtype):
    network, given = fifty(dtype, optimizer, **settings)
    rng, P = np.random.default_rng(0), len(network.parameters.flat)
    order = np.random.default_rng(3).integers(0, 97, 50 * 13)
    batches, start = order.reshape(50, 13), network.parameters.flat.copy()
    truth = true_path(network, given, batches, 0.02, lambda: 0.0)
    paths = [
        true_path(network, given, batches, 0.02, lambda: rng.choice([-1.0, 1.0], P))
        for _ in range(2)
    ]
    allowed = max(np.linalg.norm(path - truth) for path in paths)
    assert allowed < 0.05 * np.linalg.norm(truth - start)  # it says something
    for isa in ISAS:
        network.parameters.flat[...] = start
        with forced(isa):
            run = NATIVE.start(given)
        run.advance(order, [0.02] * 50)
        run.publish()
        assert np.linalg.norm(network.parameters.flat - truth) <= allowed


# --- the bounds themselves ---------------------------------------------------------------------


def without_mean(network, given, right):
    return right * given.sample_weight.sum()


def without_penalty(network, given, right):
    theta = network.parameters
    return right - given.settings.alpha / given.sample_weight.sum() * theta.is_weight() * theta.flat


def one_entry_off(network, given, right):
    right = right.copy()
    right[abs(right).argmax()] *= 1 + 1e-3
    return right


def units_moved_on(network, given, right):
    right = type(network.parameters)(network.sizes, right.copy())
    right.weights[0][...] = np.roll(right.weights[0], 1, axis=1)
    return right.flat


def last_row_forgotten(network, given, right):
    rows = np.arange(len(given.X) - 1)
    return bounds(seen_by(network, given, rows)).gradient.value


WRONG = {
    "no mean": without_mean,
    "no penalty": without_penalty,
    "an entry off by a thousandth": one_entry_off,
    "units in another order": units_moved_on,
    "the last row forgotten": last_row_forgotten,
    "negated": lambda network, given, right: -right,
    "one part in a thousand more": lambda network, given, right: 1.001 * right,
    "zero": lambda network, given, right: 0 * right,
    "not a number": lambda network, given, right: np.nan * right,
}


@every_dtype
@pytest.mark.parametrize("wrong", WRONG)
def test_the_bounds_refuse_gradients_known_to_be_wrong(wrong, dtype):
    network = new_network((7, 16, 3), "tanh", dtype=dtype)
    X, y, s = draw_batch(network, 9)
    s[-1] = 1
    given = training_on(network, (X, y, s), alpha=0.5)
    right = bounds(seen_by(network, given, np.arange(9))).gradient
    assert_close(right.value.astype(dtype), right.value, right.error)
    with pytest.raises(AssertionError):
        assert_close(WRONG[wrong](network, given, right.value), right.value, right.error)
    assert np.linalg.norm(right.error) < (3e-4 if dtype == np.float32 else 1e-12)
