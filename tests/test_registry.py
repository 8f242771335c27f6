"""Registries: every record survives its text; every wrong text is told what is wrong."""

import copy
import dataclasses
import gc
import math

import numpy as np
import pytest

from backpass.core.activations import ACTIVATIONS, Activation
from backpass.core.initializers import INITIALIZERS
from backpass.core.losses import LOSSES
from backpass.core.optimizers import OPTIMIZERS
from backpass.core.registry import Registry
from backpass.core.schedules import SCHEDULES
from backpass.errors import BackpassError, InputError
from helpers import OTHER_NUMBERS, specs

REGISTRIES = {
    registry.kind: registry
    for registry in (ACTIVATIONS, INITIALIZERS, LOSSES, OPTIMIZERS, SCHEDULES)
}
CASES = [(kind, spec) for kind, registry in REGISTRIES.items() for spec in specs(registry)]


@pytest.mark.parametrize(("kind", "spec"), CASES)
def test_a_record_survives_its_text(kind, spec):
    registry = REGISTRIES[kind]
    record = registry.get_record(spec)
    again = registry.get_record(registry.spec(record))
    assert (again.name, dict(again.numbers)) == (record.name, dict(record.numbers))
    assert registry.get_record(record) is record
    assert record.name == spec.partition(":")[0]


@pytest.mark.parametrize("kind", REGISTRIES)
def test_names_are_the_records_names(kind):
    registry = REGISTRIES[kind]
    assert [record.name for record in registry.records()] == list(registry)
    assert len(registry) == len(set(registry)) > 0


@pytest.mark.parametrize("kind", REGISTRIES)
def test_an_unknown_name_is_told_the_nearest(kind):
    registry = REGISTRIES[kind]
    name = next(iter(registry))
    with pytest.raises(InputError, match=f"unknown {kind} '{name}x'; did you mean"):
        registry.get_record(f"{name}x")
    with pytest.raises(InputError, match=f"unknown {kind} '§§'; known: {name}, "):
        registry.get_record("§§")
    for thing in (3, None, object()):
        with pytest.raises(InputError, match=f"{kind} must be a name or a record, not "):
            registry.get_record(thing)


def test_wrong_numbers_are_named():
    with pytest.raises(InputError, match=r"loss 'huber' does not take 'detla'; it takes delta"):
        LOSSES.get_record("huber:detla=1")
    with pytest.raises(InputError, match=r"activation 'relu' does not take 'x'; .*no numbers"):
        ACTIVATIONS.get_record("relu:x=1")
    with pytest.raises(InputError, match=r"loss 'huber': delta must be a number, not 'wide'"):
        LOSSES.get_record("huber:delta=wide")
    with pytest.raises(InputError, match=r"loss 'huber': delta must be a number, not ''"):
        LOSSES.get_record("huber:delta")


def test_texts_may_have_spaces():
    assert LOSSES.get_record(" huber: delta = 2 , ").numbers == {"delta": 2.0}
    assert dict(OPTIMIZERS.get_record("adam:beta_1=0.5, epsilon=1e-3").numbers) == {
        "beta_1": 0.5, "beta_2": 0.999, "epsilon": 1e-3,
    }  # fmt: skip


@pytest.mark.parametrize(
    "number", [np.float64(0.1), np.float32(0.1), 1, np.int64(1), 1 / 3, math.pi]
)
def test_a_number_of_any_type_survives_its_text(number):
    """A grid search hands over NumPy's numbers."""
    record = LOSSES["huber"](delta=number)
    assert LOSSES.get_record(LOSSES.spec(record)).numbers["delta"] == float(number)


def test_registering_twice_or_without_defaults():
    registry: Registry[Activation] = Registry("activation")

    def relu():
        return ACTIVATIONS["relu"]()

    assert registry.register(relu) is registry["relu"]
    with pytest.raises(InputError, match="activation 'relu' is registered already; choose"):
        registry.register(relu)

    def steep(slope):
        return ACTIVATIONS["relu"]()

    with pytest.raises(InputError, match="activation 'steep': give 'slope' a default"):
        registry.register(steep)


@pytest.mark.parametrize(("kind", "spec"), CASES)
def test_equal_numbers_make_one_record(kind, spec):
    registry = REGISTRIES[kind]
    record = registry.get_record(spec)
    made = registry[record.name](**record.numbers)
    assert made is registry.get_record(registry.spec(record)) is record
    assert registry.is_ours(record)
    assert registry.is_ours(copy.deepcopy([copy.copy(record)])[0])  # as scikit-learn clones it
    assert not registry.is_ours(dataclasses.replace(record))


def test_a_search_over_numbers_leaves_no_records_behind():
    held = ACTIVATIONS.get_record("leaky_relu:slope=0.125")
    before = len(ACTIVATIONS._ours)
    for slope in np.linspace(0.3, 0.4, 1000):
        ACTIVATIONS["leaky_relu"](slope)
    gc.collect()
    assert len(ACTIVATIONS._ours) <= before + 1
    assert ACTIVATIONS.get_record("leaky_relu:slope=0.125") is held


def test_other_numbers_name_registered_records():
    known = {name for registry in REGISTRIES.values() for name in registry}
    assert set(OTHER_NUMBERS) <= known


def test_records_that_take_numbers_are_tested_with_others():
    for registry in REGISTRIES.values():
        for record in registry.records():
            assert not record.numbers or record.name in OTHER_NUMBERS


def test_input_errors_are_value_errors():
    assert issubclass(InputError, ValueError)
    assert issubclass(InputError, BackpassError)


def test_records_are_frozen():
    for registry in REGISTRIES.values():
        for record in registry.records():
            with pytest.raises(AttributeError):
                record.name = "other"


@pytest.mark.parametrize("spec", specs(INITIALIZERS))
@pytest.mark.parametrize("make", [np.random.default_rng, np.random.RandomState])
def test_initializers_draw_shapes_and_spread(spec, make):
    W, b = INITIALIZERS.get_record(spec).draw(make(0), 300, 200, "relu")
    assert W.shape == (300, 200)
    assert b.shape == (200,)
    variance = {
        "glorot_uniform": 6 / 500 / 3, "he_normal": 2 / 300, "lecun_normal": 1 / 300, "zeros": 0,
    }[spec]  # fmt: skip
    # the variance of 60 000 draws is known to about 0.6 %
    assert W.var() == pytest.approx(variance, rel=0.03)
    assert abs(W.mean()) <= 5 * math.sqrt(variance / W.size)
    assert (b == 0).all() or spec == "glorot_uniform"


def test_glorot_is_scikit_learns():
    from sklearn.neural_network import MLPClassifier

    X, y = np.random.default_rng(0).normal(size=(20, 4)), np.arange(20) % 3
    for hidden, factor in (("relu", 6), ("logistic", 2)):
        # one step of size 0 leaves what was drawn
        mlp = MLPClassifier(
            (5,), activation=hidden, solver="sgd", learning_rate_init=1e-300, random_state=7
        )
        mlp.partial_fit(X, y, classes=[0, 1, 2])
        rng = np.random.RandomState(7)
        for n_in, n_out, W_want, b_want in zip(
            (4, 5), (5, 3), mlp.coefs_, mlp.intercepts_, strict=True
        ):
            W, b = INITIALIZERS.get_record("glorot_uniform").draw(rng, n_in, n_out, hidden)
            assert (W_want == W).all()
            assert (b == b_want).all()
            assert abs(W).max() <= math.sqrt(factor / (n_in + n_out))


def test_a_record_of_the_users_own_works_but_is_not_written_as_text():
    """It could not be read back elsewhere: saving says so instead of failing at loading."""
    import pickle

    import numpy as np

    from backpass import Network
    from backpass.core.activations import ACTIVATIONS, Activation

    cube = Activation("cube", lambda z: z**3, lambda z, a: 3 * z**2, r"z^3 \\ 3 z^2", "here")
    network = Network([2, 3, 1], cube, seed=0)
    assert np.isfinite(network.predict(np.ones((1, 2)))).all()
    assert "activation='cube'" in repr(network)
    with pytest.raises(InputError, match="activation 'cube' is not registered: register it"):
        pickle.dumps(network)
    with pytest.raises(InputError, match="loss must be a name or a record"):
        Network([2, 1], loss=ACTIVATIONS.get_record("tanh"))
