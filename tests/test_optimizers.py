"""Every registered optimiser against plain loops, scikit-learn's, and PyTorch's where installed."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

from backpass.core.optimizers import OPTIMIZERS
from backpass.core.settings import Settings
from backpass.engines.protocols import Problem
from backpass.engines.reference import ReferenceEngine
from backpass.errors import InputError
from helpers import EPS, Case, assert_close, assert_identical, draw_case, specs

ALL = specs(OPTIMIZERS)
STEPS, SIZE = 25, 12
START = np.random.default_rng(0).normal(size=SIZE)
GRADIENTS = np.random.default_rng(1).normal(size=(STEPS, SIZE)) * 10.0 ** np.arange(-6, 6)


def train(spec, rate=0.01, gradients=GRADIENTS):
    """Return θ after every step."""
    optimizer = OPTIMIZERS.get_record(spec)
    theta, path = START.copy(), []
    state = optimizer.init(theta)
    for t, g in enumerate(gradients, start=1):
        theta, state = optimizer.step(theta, g, state, t, rate)
        path.append(theta)
    return np.array(path)


def scale(path):
    """Return how large the numbers got that were added up in each entry."""
    whole = np.vstack([START, path])
    return abs(whole).max(axis=0) + abs(np.diff(whole, axis=0)).sum(axis=0)


# --- plain loops, one number at a time --------------------------------------------------------


def loop(spec, rate, gradients):
    """Return θ after every step, by the textbook, one entry and one Python float at a time."""
    record = OPTIMIZERS.get_record(spec)
    n = dict(record.numbers)
    columns = []
    for theta, gs in zip(START.tolist(), np.transpose(gradients).tolist(), strict=True):
        m = v = 0.0
        column = []
        for t, g in enumerate(gs, start=1):
            if record.name == "sgd":
                theta = theta - rate * g
            elif record.name == "momentum":
                v = n["momentum"] * v - rate * g
                theta = theta + v
            elif record.name == "nesterov":
                # Sutskever: the gradient is taken ahead; in the shifted variable it reads so
                before, v = v, n["momentum"] * v - rate * g
                theta = theta - n["momentum"] * before + (1 + n["momentum"]) * v
            elif record.name in ("adam", "adamw"):
                m = n["beta_1"] * m + (1 - n["beta_1"]) * g
                v = n["beta_2"] * v + (1 - n["beta_2"]) * g * g
                size = math.sqrt(1 - n["beta_2"] ** t) / (1 - n["beta_1"] ** t)
                theta = theta - rate * size * m / (math.sqrt(v) + n["epsilon"])
            elif record.name == "rmsprop":
                v = n["decay"] * v + (1 - n["decay"]) * g * g
                theta = theta - rate * g / (math.sqrt(v) + n["epsilon"])
            else:
                raise AssertionError(f"write {record.name!r} down again in test_optimizers.loop")
            column.append(theta)
        columns.append(column)
    return np.transpose(columns)


@pytest.mark.parametrize("spec", ALL)
def test_against_plain_loops(spec):
    path = train(spec)
    # Adam's quotient cancels nothing, and each velocity is a sum of STEPS terms at most
    assert_close(path, loop(spec, 0.01, GRADIENTS), 8 * STEPS * EPS * scale(path))


def test_against_scikit_learns():
    """Its optimisers change lists of arrays in place; two arrays here."""
    for spec, make in {
        "sgd": lambda p: SGDOptimizer(p, 0.01, "constant", 0.0, nesterov=False),
        "momentum": lambda p: SGDOptimizer(p, 0.01, "constant", 0.9, nesterov=False),
        "momentum:momentum=0.5": lambda p: SGDOptimizer(p, 0.01, "constant", 0.5, nesterov=False),
        "nesterov": lambda p: SGDOptimizer(p, 0.01, "constant", 0.9, nesterov=True),
        "adam": lambda p: AdamOptimizer(p, 0.01),
        "adam:beta_1=0,beta_2=0.5": lambda p: AdamOptimizer(p, 0.01, 0.0, 0.5),
        "adam:epsilon=0.001": lambda p: AdamOptimizer(p, 0.01, epsilon=0.001),
    }.items():
        parts = [START[:5].copy(), START[5:].copy()]
        theirs, path = make(parts), []
        for g in GRADIENTS:
            theirs.update_params(parts, [g[:5], g[5:]])
            path.append(np.concatenate(parts))
        ours = train(spec)
        assert_close(ours, np.array(path), 8 * STEPS * EPS * scale(ours), spec)


def torch_path(make, rate=0.01):
    import torch

    theta = torch.tensor(START, dtype=torch.float64, requires_grad=True)
    optimizer, path = make(torch.optim, [theta], rate), []
    for g in GRADIENTS:
        theta.grad = torch.tensor(g, dtype=torch.float64)
        optimizer.step()
        path.append(theta.detach().numpy().copy())
    return np.array(path)


@pytest.mark.torch
@pytest.mark.parametrize(
    ("spec", "make"),
    [
        ("sgd", lambda o, p, r: o.SGD(p, r)),
        ("momentum", lambda o, p, r: o.SGD(p, r, momentum=0.9)),
        ("momentum:momentum=0.5", lambda o, p, r: o.SGD(p, r, momentum=0.5)),
        ("nesterov", lambda o, p, r: o.SGD(p, r, momentum=0.9, nesterov=True)),
        ("rmsprop", lambda o, p, r: o.RMSprop(p, r, alpha=0.9, eps=1e-8)),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_against_pytorch(spec, make):
    """Momentum keeps the rate inside the velocity here, outside there: the same at one rate."""
    ours = train(spec)
    assert_close(ours, torch_path(make), 16 * STEPS * EPS * scale(ours))


@pytest.mark.torch
def test_adam_against_pytorch_but_for_epsilons_place():
    """PyTorch adds ε after the bias correction: ε here is its ε·√(1 − β₂ᵗ)."""
    ours = train("adam:epsilon=1e-300")
    theirs = torch_path(lambda o, p, r: o.Adam(p, r, eps=1e-300))
    assert_close(ours, theirs, 16 * STEPS * EPS * scale(ours))


# --- by hand and by property ------------------------------------------------------------------


def test_by_hand():
    theta, g = np.array([1.0, -1.0]), np.array([0.5, -2.0])
    sgd = OPTIMIZERS["sgd"]()
    assert sgd.step(theta, g, {}, 1, 0.5)[0].tolist() == [0.75, 0.0]
    heavy = OPTIMIZERS["momentum"](momentum=0.5)
    first, state = heavy.step(theta, g, heavy.init(theta), 1, 0.5)
    assert first.tolist() == [0.75, 0.0]
    second, state = heavy.step(first, g, state, 2, 0.5)
    assert second.tolist() == [0.75 - 0.375, 1.5]
    ahead = OPTIMIZERS["nesterov"](momentum=0.5)
    assert ahead.step(theta, g, ahead.init(theta), 1, 0.5)[0].tolist() == [0.625, 0.5]


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_adams_first_step_has_the_size_of_the_rate(name):
    """m/(1 − β₁) = g and v/(1 − β₂) = g²: the step is η·sign(g), but for ε."""
    adam = OPTIMIZERS[name](epsilon=1e-300)
    theta = np.zeros(3)
    moved, _ = adam.step(theta, np.array([1e-6, -3.0, 1e8]), adam.init(theta), 1, 0.01)
    assert_close(moved, [-0.01, 0.01, -0.01], 8 * EPS * 0.01)


@pytest.mark.parametrize("spec", ALL)
def test_steps_are_pure(spec):
    optimizer = OPTIMIZERS.get_record(spec)
    theta, g = START.copy(), GRADIENTS[0].copy()
    state = optimizer.init(theta)
    assert tuple(state) == optimizer.slots
    assert all((slot == 0).all() and slot.shape == theta.shape for slot in state.values())
    for array in (theta, g, *state.values()):
        array.setflags(write=False)
    moved, after = optimizer.step(theta, g, state, 1, 0.01)
    again, after_again = optimizer.step(theta, g, state, 1, 0.01)
    assert tuple(after) == optimizer.slots
    assert_identical(moved, again)
    for slot in optimizer.slots:
        assert_identical(after[slot], after_again[slot])
        assert (state[slot] == 0).all()


@pytest.mark.parametrize("spec", ALL)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype_is_kept(spec, dtype):
    optimizer = OPTIMIZERS.get_record(spec)
    theta = START.astype(dtype)
    state = optimizer.init(theta)
    for t in (1, 2):
        theta, state = optimizer.step(theta, GRADIENTS[t].astype(dtype), state, t, 0.01)
        assert {x.dtype for x in (theta, *state.values())} == {np.dtype(dtype)}


@pytest.mark.parametrize("spec", ALL)
def test_entries_do_not_mix(spec):
    whole = train(spec)
    changed = GRADIENTS.copy()
    changed[:, 0] *= -3
    other = train(spec, gradients=changed)
    assert_identical(other[:, 1:], whole[:, 1:])
    assert (other[:, 0] != whole[:, 0]).all()


@pytest.mark.parametrize("spec", ALL)
def test_a_zero_gradient_from_the_start_moves_nothing(spec):
    assert (train(spec, gradients=np.zeros((3, SIZE))) == START).all()


@pytest.mark.parametrize("spec", ALL)
def test_a_bowl_is_descended(spec):
    optimizer = OPTIMIZERS.get_record(spec)
    theta = START.copy()
    state, curvature = optimizer.init(theta), np.linspace(0.5, 2, SIZE)
    for t in range(1, 2001):
        rate = 0.05 * (1 - t / 2001)
        theta, state = optimizer.step(theta, curvature * theta, state, t, rate)
    assert abs(theta).max() < 1e-2 * abs(START).max()


@given(
    st.floats(-1e30, 1e30), st.floats(1e-8, 1), st.integers(1, 10**6),
    st.sampled_from([s for s in ALL if "adam" in s]),
)  # fmt: skip
def test_adam_steps_are_bounded(g, rate, t, spec):
    adam = OPTIMIZERS.get_record(spec)
    theta = np.zeros(1)
    moved, _ = adam.step(theta, np.array([g]), adam.init(theta), 1, rate)
    assert abs(moved.item()) <= rate * (1 + 8 * EPS)
    late, _ = adam.step(theta, np.array([g]), adam.init(theta), t, rate)
    assert np.isfinite(late).all()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("momentum:momentum=1.1", "momentum: momentum must lie between 0 and 1, not 1.1"),
        ("nesterov:momentum=-1", "nesterov: momentum must lie between 0 and 1, not -1.0"),
        ("adam:beta_1=1", "adam: beta_1 must be at least 0 and below 1, not 1.0"),
        ("adamw:beta_2=nan", "adamw: beta_2 must be at least 0 and below 1, not nan"),
        ("adam:epsilon=0", "adam: epsilon must be positive, not 0.0"),
        ("rmsprop:decay=1", "rmsprop: decay must be at least 0 and below 1, not 1.0"),
        ("rmsprop:epsilon=-1", "rmsprop: epsilon must be positive, not -1.0"),
    ],
)
def test_numbers_out_of_range(spec, message):
    with pytest.raises(InputError, match=message):
        OPTIMIZERS.get_record(spec)


# --- in the engine: decay, clipping, skipped batches ------------------------------------------


def start(spec, alpha=0.0, seed=0, **options):
    case = draw_case([3, 5, 2], "tanh", "identity", "squared_error", n=8, seed=seed)
    settings = Settings(optimizer=spec, alpha=alpha, **options)
    problem = Problem(case.model, case.X, case.raw_y, case.s, settings)
    return case, ReferenceEngine().start(problem)


def test_decoupled_decay_shrinks_the_weights_and_not_the_biases():
    case, run = start("adamw", alpha=0.4)
    theta = case.model.parameters
    before = theta.copy()
    adam = OPTIMIZERS["adam"]()
    moved, _ = adam.step(theta.flat, case.run()[1].flat, adam.init(theta.flat), 1, 0.05)
    run.advance(np.arange(8), [0.05])
    decay = before.is_weight() * 0.05 * 0.4 * before.flat
    assert_close(theta.flat, moved - decay, 4 * EPS * (abs(moved) + abs(before.flat)))
    for b, b_moved in zip(theta.biases, type(theta)([3, 5, 2], moved).biases, strict=True):
        assert_identical(b, b_moved)


def test_decoupled_decay_is_not_in_the_recorded_loss():
    case, run = start("adamw", alpha=0.4)
    want = float(case.run()[0])
    assert_close(np.sum(run.advance(np.arange(8), [0.05])[0]), want, 16 * EPS * want)


def test_coupled_decay_goes_through_the_gradient():
    case, run = start("sgd", alpha=0.4)
    J, gradients = case.run(alpha=0.4)
    want = case.model.parameters.flat - 0.05 * gradients.flat
    cost = run.advance(np.arange(8), [0.05])[0]
    assert_identical(case.model.parameters.flat, want)
    assert_close(np.sum(cost), float(J), 16 * EPS * float(J))


@pytest.mark.torch
def test_decoupled_decay_against_pytorch():
    import torch

    case, run = start("adamw:epsilon=1e-300", alpha=0.4)
    theta = case.model.parameters
    pieces = [torch.tensor(x.copy(), requires_grad=True) for x in (*theta.weights, *theta.biases)]
    theirs = torch.optim.AdamW(
        [{"params": pieces[:2], "weight_decay": 0.4}, {"params": pieces[2:], "weight_decay": 0.0}],
        lr=0.05, eps=1e-300,
    )  # fmt: skip
    for _ in range(5):
        gradients = case.run()[1]
        for piece, g in zip(pieces, (*gradients.weights, *gradients.biases), strict=True):
            piece.grad = torch.tensor(g.copy())
        run.advance(np.arange(8), [0.05])
        theirs.step()
        for piece, x in zip(pieces, (*theta.weights, *theta.biases), strict=True):
            assert_close(x, piece.detach().numpy(), 1e3 * EPS * (1 + abs(x)))


@pytest.mark.parametrize("factor", [0.1, 0.999, 1.001, 10.0])
def test_clipping_by_the_global_norm(factor):
    norm = float(np.linalg.norm(start("sgd")[0].run()[1].flat))
    case, run = start("sgd", clip_norm=factor * norm)
    before, gradients = case.model.parameters.flat.copy(), case.run()[1].flat
    run.advance(np.arange(8), [1.0])
    step = before - case.model.parameters.flat
    assert_close(step, gradients * min(1.0, factor), 8 * EPS * (abs(before) + abs(gradients)))


@pytest.mark.parametrize("spec", ALL)
def test_a_batch_without_weight_changes_nothing(spec):
    case, run = start(spec, alpha=0.3)
    case.s[:4] = 0
    before = case.model.parameters.flat.copy()
    assert np.sum(run.advance(np.arange(4), [0.1])[0]) == 0
    assert run.steps == 0
    assert_identical(case.model.parameters.flat, before)
    run.advance(np.arange(8), [0.1])
    assert run.steps == 1
    assert (case.model.parameters.flat != before).any()


@pytest.mark.parametrize("spec", ALL)
def test_a_run_can_be_taken_up_again(spec):
    """Parameters, optimiser state and the count of steps are all there is."""
    batches = [np.random.default_rng(t).permutation(8)[:5] for t in range(6)]
    case, run = start(spec, alpha=0.1, dropout=0.3, seed=2, batch_size=5)
    run.advance(np.concatenate(batches), [0.05] * 6)
    half, first = start(spec, alpha=0.1, dropout=0.3, seed=2, batch_size=5)
    first.advance(np.concatenate(batches[:3]), [0.05] * 3)
    again = ReferenceEngine().start(first.problem, first.state, first.steps)
    again.advance(np.concatenate(batches[3:]), [0.05] * 3)
    assert_identical(half.model.parameters.flat, case.model.parameters.flat)


def test_training_stops_at_the_first_loss_that_is_not_finite():
    case, run = start("sgd", batch_size=2)
    before = case.model.parameters.flat.copy()
    case.X[2, 0] = np.nan
    costs = run.advance(np.arange(6), [0.01] * 3)
    assert len(costs) == 2
    assert not math.isfinite(np.sum(costs[-1]))
    assert case.model.is_finite()
    assert run.steps == 1
    assert (case.model.parameters.flat != before).any()


def test_dropout_draws_the_documented_masks():
    from backpass.core.dropout import dropout_mask

    case, run = start("sgd", dropout=0.4)
    rows = np.array([5, 0, 3])
    for step in range(3):
        masks = [dropout_mask(0, step, 1, 3, 5, 0.4).astype(float), None]
        batch = Case(case.model, case.X[rows], case.y[rows], case.s[rows])
        gradients = batch.run(masks=masks, dropout=0.4)[1]
        want = case.model.parameters.flat - 0.05 * gradients.flat
        run.advance(rows, [0.05])
        assert_identical(case.model.parameters.flat, want)
