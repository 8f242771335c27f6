"""The native engine knows every record of the package, and no record that is not the package's."""

import dataclasses

import numpy as np
import pytest

from backpass import MLPRegressor, train
from backpass.core.activations import ACTIVATIONS, Activation
from backpass.core.losses import LOSSES
from backpass.core.optimizers import OPTIMIZERS
from backpass.core.schedules import SCHEDULES
from backpass.core.settings import Settings
from backpass.engines import Problem, choose
from backpass.engines.extension import instruction_set
from backpass.errors import InputError
from backpass.network.network import Network
from helpers import HIDDEN, PAIRS, assert_close, specs
from native_cases import (
    ISAS,
    NATIVE,
    draw_batch,
    every_dtype,
    every_isa,
    forced,
    needs_native,
    new_network,
    seen_by,
    training_on,
)
from rounding import bounds, clipped, updated

pytestmark = needs_native

RATE = 0.05


def check_pass(network, given, n, isa):
    """Hold output, cost, gradient and one step of the native engine to their bounds."""
    rows, dtype = np.arange(n), network.parameters.flat.dtype
    problem = seen_by(network, given, rows)
    right = bounds(problem)
    with forced(isa):
        got = NATIVE.predict(network.model, given.X)
        assert got.dtype == dtype
        assert_close(got, right.output.value, right.output.error, "output")
        run = NATIVE.start(given)
        found = run.evaluate(rows)
        assert_close(found.data, right.data.value, right.data.error, "mean loss")
        assert_close(found.penalty, right.penalty.value, right.penalty.error, "penalty")
        assert_close(found.gradient, right.gradient.value, right.gradient.error, "gradient")
        assert run.evaluate(rows, gradient=False)[:2] == found[:2]
        costs = run.advance(rows, [RATE])
        run.publish()
    assert_close(costs[0], [right.data.value, right.penalty.value],
                 [right.data.error, right.penalty.error], "costs")  # fmt: skip
    theta, state = updated(
        given.optimizer, problem, right.gradient,
        given.optimizer.init(problem.model.parameters.flat), 1, RATE, given.settings.alpha,
    )  # fmt: skip
    assert_close(network.parameters.flat, theta.value, theta.error, "parameters")
    assert set(run.state) == set(state)
    for name, slot in run.state.items():
        assert slot.dtype == dtype
        assert_close(slot, state[name].value, state[name].error, name)


# --- every record ------------------------------------------------------------------------------


def test_this_machine_runs_its_baseline_and_the_fastest_comes_first():
    assert ISAS[-1] in ("baseline", "neon")
    assert instruction_set() == ISAS[0]
    for isa in ISAS:
        with forced(isa):
            assert instruction_set() == isa
    with forced("mmx"), pytest.raises(InputError, match="BACKPASS_FORCE_ISA='mmx' is not avail"):
        instruction_set()


def fitting_loss(activation):
    """Return an output and a loss for a network with this activation somewhere."""
    for loss in LOSSES.records():
        if activation.name in loss.outputs:
            return activation.name, loss.name
    return "identity", "squared_error"


@every_isa
@every_dtype
@pytest.mark.parametrize("spec", specs(ACTIVATIONS))
def test_every_activation(spec, dtype, isa):
    phi = ACTIVATIONS.get_record(spec)
    output, loss = fitting_loss(phi)
    hidden = spec if phi.name in HIDDEN else "tanh"
    network = new_network((6, 19, 4), hidden, output, loss, dtype)
    given = training_on(network, draw_batch(network, 23), alpha=0.3)
    assert NATIVE.obstacle(given) is None
    check_pass(network, given, 23, isa)


@every_isa
@every_dtype
@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_every_loss_with_each_of_its_outputs(output, loss, dtype, isa):
    for spec in specs({loss: LOSSES[loss]}):
        network = new_network((6, 9, 17), "tanh", output, spec, dtype)
        given = training_on(network, draw_batch(network, 11), ceiling=1.5)
        assert NATIVE.obstacle(given) is None
        check_pass(network, given, 11, isa)


@every_isa
@every_dtype
@pytest.mark.parametrize("clip_norm", [None, 0.1])
@pytest.mark.parametrize("spec", specs(OPTIMIZERS))
def test_every_optimizer(spec, clip_norm, dtype, isa):
    network = new_network(dtype=dtype)
    batch = draw_batch(network, 17)
    given = training_on(network, batch, spec, alpha=0.4)
    assert NATIVE.obstacle(given) is None
    if clip_norm is None:
        check_pass(network, given, 17, isa)
    else:  # the same step as with the gradient scaled by hand
        check_clipped(network, batch, spec, clip_norm, isa)


def check_clipped(network, batch, spec, clip_norm, isa):
    given = training_on(network, batch, spec, alpha=0.4, clip_norm=clip_norm)
    problem = seen_by(network, given, np.arange(17))
    gradient = bounds(problem).gradient
    assert np.linalg.norm(gradient.value) > clip_norm
    with forced(isa):
        run = NATIVE.start(given)
        run.advance(np.arange(17), [RATE])
        run.publish()
    theta, _ = updated(
        given.optimizer, problem, clipped(gradient, clip_norm, problem.eps),
        given.optimizer.init(problem.model.parameters.flat), 1, RATE, given.settings.alpha,
    )  # fmt: skip
    assert_close(network.parameters.flat, theta.value, theta.error, "parameters")


@pytest.mark.parametrize("schedule", list(SCHEDULES))
def test_every_schedule(schedule):
    """Rates are Python's: the same ones reach either engine."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 5)), rng.normal(size=(40, 3))
    networks = [new_network(), new_network()]
    common = {"optimizer": "sgd", "learning_rate": 0.05, "epochs": 6, "batch_size": 16}
    curves = [
        train(network, X, y, seed=0, engine=engine, schedule=schedule, **common)
        for network, engine in zip(networks, ("native", "reference"), strict=True)
    ]
    assert curves[0].learning_rates == curves[1].learning_rates
    np.testing.assert_allclose(curves[0].loss_curve, curves[1].loss_curve, rtol=1e-12)
    np.testing.assert_allclose(*(network.parameters.flat for network in networks), rtol=1e-10)


# --- records of one's own ----------------------------------------------------------------------


def own_tanh():
    tanh = ACTIVATIONS.get_record("tanh")
    return dataclasses.replace(tanh, value=lambda z: 2 * tanh.value(z))


def own_loss():
    loss = LOSSES.get_record("squared_error")
    return dataclasses.replace(loss, derivative=lambda y, p: 2 * (p - y))


def own_fused():
    loss = LOSSES.get_record("binary_cross_entropy")
    fused = loss.fused["logistic"]
    doubled = dataclasses.replace(fused, delta=lambda y, p: 2 * (p - y))
    return dataclasses.replace(loss, fused={"logistic": doubled})


def own_numbers():
    """Huber's functions for one delta, said to be those for another."""
    return dataclasses.replace(LOSSES.get_record("huber:delta=1"), numbers={"delta": 3.0})


OWN_MODELS = {
    "another function": (own_tanh, {"activation": "OWN"}, "activation 'tanh'"),
    "functions of another record": (
        lambda: dataclasses.replace(ACTIVATIONS.get_record("relu"), name="tanh"),
        {"activation": "OWN"}, "activation 'tanh'",
    ),
    "other numbers": (
        lambda: dataclasses.replace(ACTIVATIONS.get_record("elu:alpha=1"), numbers={"alpha": 2.0}),
        {"activation": "OWN"}, "activation 'elu'",
    ),
    "a function of NumPy": (
        lambda: dataclasses.replace(ACTIVATIONS.get_record("tanh"), value=np.tanh),
        {"activation": "OWN"}, "activation 'tanh'",
    ),
    "another output": (
        lambda: dataclasses.replace(ACTIVATIONS.get_record("identity"), value=lambda z: z + 1),
        {"output": "OWN"}, "activation 'identity'",
    ),
    "another derivative of a loss": (own_loss, {"loss": "OWN"}, "loss 'squared_error'"),
    "another error signal": (
        own_fused, {"output": "logistic", "loss": "OWN"}, "loss 'binary_cross_entropy'",
    ),
    "another output for a loss": (
        lambda: dataclasses.replace(LOSSES.get_record("hinge"), outputs=("softmax",)),
        {"output": "softmax", "loss": "OWN"}, "loss 'hinge'",
    ),
    "a loss with other numbers": (own_numbers, {"loss": "OWN"}, "loss 'huber'"),
    "a name of its own": (
        lambda: Activation("bent", lambda z: z, lambda z, a: 1 + 0 * z, "", ""),
        {"activation": "OWN"}, "activation 'bent'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", OWN_MODELS)
def test_records_of_ones_own_are_computed_by_the_reference_engine(kind):
    make, given, named = OWN_MODELS[kind]
    record = make()
    network = Network(
        [3, 4, 2], seed=0, **{key: record if x == "OWN" else x for key, x in given.items()}
    )
    X, y = np.ones((5, 3)), np.ones((5, 2))
    given = Problem(network.model, X, y)
    assert f"no native code for the {named}" in NATIVE.obstacle(given)
    assert choose("auto", given).name == "reference"
    with pytest.raises(InputError, match=f"'native' cannot train this: .*{named}"):
        train(network, X, y, engine="native", epochs=1)
    want = network.predict(X[:1], engine="reference")
    np.testing.assert_array_equal(network.predict(X[:1]), want)
    np.testing.assert_array_equal(network.predict_one(X[0]), want[0])
    with pytest.raises(InputError, match=named):
        network.predict(X, engine="native")


@pytest.mark.parametrize(
    "change",
    [
        lambda r: dataclasses.replace(r, step=lambda theta, g, state, t, rate: (theta, state)),
        lambda r: dataclasses.replace(r, step=OPTIMIZERS.get_record("sgd").step, slots=()),
        lambda r: dataclasses.replace(r, numbers={**r.numbers, "beta_1": 0.5}),
    ],
    ids=["own step", "step of another", "other numbers"],
)
def test_optimizers_of_ones_own(change):
    own = change(OPTIMIZERS.get_record("adam"))
    network, X = new_network(), np.ones((4, 5))
    given = Problem(network.model, X, np.ones((4, 3)), settings=Settings(optimizer=own))
    assert "no native code for the optimizer 'adam'" in NATIVE.obstacle(given)
    assert choose("auto", given).name == "reference"


def test_the_estimator_says_which_engine_it_used():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 3)), rng.normal(size=30)
    common = {"hidden_layer_sizes": (4,), "max_iter": 500, "tol": 1e-2, "random_state": 0}
    assert MLPRegressor(**common).fit(X, y).engine_ == "native"
    assert MLPRegressor(**common, solver="lbfgs").fit(X, y).engine_ == "native"
    assert MLPRegressor(**common, activation=own_tanh()).fit(X, y).engine_ == "reference"
    assert MLPRegressor(**common, engine="reference").fit(X, y).engine_ == "reference"
    with pytest.raises(InputError, match="no native code for the activation 'tanh'"):
        MLPRegressor(**common, activation=own_tanh(), engine="native").fit(X, y)


def test_arrays_that_native_code_cannot_read_are_named():
    network, y = new_network(), np.ones((4, 3))
    for X, why in [
        (np.ones((4, 5), dtype=object), "X must hold real numbers, not object"),
        (np.ones((4, 5), dtype=complex), "X must hold real numbers, not complex128"),
        ([[1.0] * 5] * 4, "X must be a NumPy array or a SciPy sparse array"),
    ]:
        given = Problem(network.model, X, y)
        assert NATIVE.obstacle(given) == why
