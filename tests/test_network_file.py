"""Network files: what is saved comes back to the last bit, and nothing else is ever loaded."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from backpass import Network, register_activation
from backpass.core.losses import LOSSES as LOSS_RECORDS
from backpass.core.parameters import parameter_count
from backpass.errors import ModelFileError
from backpass.network.file import NETWORK_SCHEMA
from backpass.storage.container import read_container, write_container
from backpass.tabular.model import TabularModel
from helpers import ACTIVATIONS, HIDDEN, LOSSES, PAIRS, specs

SMALL = {"sizes": [2, 2, 1], "activations": ["tanh", "identity"], "loss": "squared_error"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.backpass"


def same_networks(left, right):
    """Whether two networks are equal to the last bit, in what they hold and what they answer."""
    assert (left.sizes, left.model.specs()) == (right.sizes, right.model.specs())
    assert left.parameters.flat.dtype == right.parameters.flat.dtype
    assert left.parameters.flat.tobytes() == right.parameters.flat.tobytes()
    X = np.random.default_rng(0).normal(size=(7, left.sizes[0]))
    assert left.predict(X).tobytes() == right.predict(X).tobytes()
    assert left.predict_one(X[0]).tobytes() == right.predict_one(X[0]).tobytes()


def through(path, network):
    network.save(path)
    return Network.load(path)


HIDDEN_SPECS = [spec for spec in specs(ACTIVATIONS) if spec.partition(":")[0] in HIDDEN]
LOSS_SPECS = [
    (output, spec) for spec in specs(LOSSES) for output in LOSS_RECORDS.get_record(spec).outputs
]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("spec", HIDDEN_SPECS)
def test_every_hidden_activation_comes_back(path, spec, dtype):
    network = Network([3, 4, 2], spec, seed=0, dtype=dtype)
    same_networks(through(path, network), network)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("output", "loss"), LOSS_SPECS)
def test_every_output_and_loss_comes_back(path, output, loss, dtype):
    network = Network([3, 4, 2], "tanh", output, loss, seed=0, dtype=dtype)
    same_networks(through(path, network), network)


FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def networks(draw):
    sizes = draw(st.lists(st.integers(1, 4), min_size=2, max_size=5))
    output, loss = draw(st.sampled_from(LOSS_SPECS))
    hidden = [draw(st.sampled_from(HIDDEN_SPECS)) for _ in sizes[2:]]
    dtype = draw(st.sampled_from(["float64", "float32"]))
    network = Network(sizes, hidden, output, loss, seed=0, dtype=dtype)
    numbers = st.floats(
        allow_nan=False, allow_infinity=False, width=8 * network.weights[0].itemsize
    )
    network.parameters.flat[:] = draw(hnp.arrays(dtype, parameter_count(sizes), elements=numbers))
    return network


@given(network=networks())
@pytest.mark.filterwarnings("ignore:(overflow|invalid value):RuntimeWarning")
def test_any_finite_network_comes_back(tmp_path_factory, network):
    path = tmp_path_factory.getbasetemp() / "any-net.backpass"
    same_networks(through(path, network), network)
    first = path.read_bytes()
    Network.load(path).save(path)
    assert path.read_bytes() == first  # equal networks, equal files


def test_another_reader_finds_the_matrices_under_their_names(path):
    network = Network([3, 4, 2], seed=0)
    network.save(path)
    tensors = safetensors.numpy.load_file(path)
    assert sorted(tensors) == ["W_1", "W_2", "b_1", "b_2"]
    for layer in (1, 2):
        np.testing.assert_array_equal(tensors[f"W_{layer}"], network.weights[layer - 1])
        np.testing.assert_array_equal(tensors[f"b_{layer}"], network.biases[layer - 1])


def test_arrays_of_another_library_come_back_as_numpys(path):
    strict = pytest.importorskip("array_api_strict")
    W, b = strict.asarray([[1.0], [2.0]]), strict.asarray([0.5])
    again = through(path, Network.from_arrays([W], [b]))
    assert isinstance(again.parameters.flat, np.ndarray)
    np.testing.assert_array_equal(again.parameters.flat, [1.0, 2.0, 0.5])


# --- right checksum, wrong content ---------------------------------------------------------------


def tensors_of(sizes, dtype=float):
    pairs = list(pairwise(sizes))
    weights = {f"W_{layer}": np.ones(pair, dtype) for layer, pair in enumerate(pairs, 1)}
    return weights | {f"b_{layer}": np.ones(pair[1], dtype) for layer, pair in enumerate(pairs, 1)}


GOOD = tensors_of([2, 2, 1])
WRONG = {
    "another key": (SMALL | {"code": "x"}, GOOD, "code: unknown key"),
    "no loss": ({k: SMALL[k] for k in ("sizes", "activations")}, GOOD, "loss: missing"),
    "one size": (SMALL | {"sizes": [2]}, GOOD, "sizes: expected a list"),
    "a size of 0": (SMALL | {"sizes": [2, 0, 1]}, GOOD, r"sizes\[1\]: expected an integer"),
    "huge sizes": (SMALL | {"sizes": [2**60, 2**60, 1]}, GOOD, "tensor W_1: .* does not fit"),
    "other sizes": (SMALL | {"sizes": [2, 3, 1]}, GOOD, "tensor W_1: .* does not fit"),
    "many layers": (SMALL | {"sizes": [1] * 10**5}, GOOD, "4 tensors do not fit its 100000 l"),
    "a missing tensor": (SMALL, {k: GOOD[k] for k in ("W_1", "b_1", "W_2")}, "3 tensors do not"),
    "a tensor more": (SMALL, GOOD | {"W_9": np.ones(1)}, "5 tensors do not fit sizes"),
    "another tensor": (SMALL, {k.replace("b_2", "c"): v for k, v in GOOD.items()}, '"b_2" is miss'),
    "integers": (SMALL, tensors_of([2, 2, 1], "int64"), "tensor W_1: int64"),
    "two dtypes": (SMALL, GOOD | {"b_2": np.ones(1, "float32")}, "tensor b_2: float32"),
    "NaN": (SMALL, GOOD | {"b_2": np.array([np.nan])}, "a parameter is not a finite number"),
    "infinity": (SMALL, GOOD | {"b_2": np.array([np.inf])}, "a parameter is not a finite number"),
    "an unknown activation": (
        SMALL | {"activations": ["cubed", "identity"]}, GOOD, "register_activation before loading"
    ),
    "an unknown loss": (SMALL | {"loss": "os.system"}, GOOD, "register_loss before loading"),
    "a long name": (SMALL | {"loss": "x" * 1000}, GOOD, "text of at most 200 characters"),
    "a number it does not take": (SMALL | {"loss": "huber:gamma=2"}, GOOD, "does not take 'gamma'"),
    "a number out of range": (SMALL | {"loss": "huber:delta=-1"}, GOOD, "delta must be positive"),
    "NaN as number": (SMALL | {"loss": "huber:delta=nan"}, GOOD, "delta must be positive"),
    "code as number": (SMALL | {"loss": "huber:delta=__import__('os')"}, GOOD, "must be a number"),
    "a hidden softmax": (SMALL | {"activations": ["softmax", "identity"]}, GOOD, "output only"),
    "a wrong pair": (SMALL | {"loss": "cross_entropy"}, GOOD, "does not go with output"),
    "one activation": (SMALL | {"activations": ["tanh"]}, GOOD, "2 layers need as many"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_wrong_content_is_refused_with_the_reason(path, case):
    meta, tensors, reason = WRONG[case]
    write_container(path, "network", meta, tensors)
    with pytest.raises(ModelFileError, match=reason) as caught:
        Network.load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert message.isprintable()
    assert len(message) < len(str(path)) + 400


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 2**70) | st.text(max_size=5) | FLOATS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
SPEC = st.sampled_from([*specs(ACTIVATIONS), *specs(LOSSES)]) | st.text()


@given(
    meta=st.fixed_dictionaries(
        {
            "sizes": st.lists(st.integers(0, 3)) | JSON,
            "activations": st.lists(SPEC) | JSON,
            "loss": SPEC | JSON,
        }
    ),
    tensors=st.dictionaries(
        st.sampled_from(["W_1", "b_1", "W_2", "b_2"]),
        hnp.arrays(st.sampled_from(["f8", "f4", "i8", "?"]), hnp.array_shapes(max_side=3)),
    ),
)
def test_any_content_is_a_network_or_refused(tmp_path_factory, meta, tensors):
    path = tmp_path_factory.getbasetemp() / "hostile-net.backpass"
    write_container(path, "network", meta, tensors)
    try:
        network = Network.load(path)
    except ModelFileError:
        return
    assert list(network.sizes) == meta["sizes"]


# --- what cannot be saved ------------------------------------------------------------------------


def refused_save(path, network, reason):
    path.write_bytes(b"old")
    with pytest.raises(ModelFileError, match=reason) as caught:
        network.save(path)
    assert str(caught.value).startswith(f"{path}: cannot be written: ")
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_not_saved(path, number):
    network = Network([2, 1], seed=0)
    network.parameters.flat[1] = number
    refused_save(path, network, "not a finite number; train with a lower learning rate")


def test_complex_parameters_are_not_saved(path):
    network = Network.from_arrays([np.ones((2, 1), complex)], [np.zeros(1)])
    refused_save(path, network, "tensor W_1 has dtype complex128; convert it to float64")


def test_records_that_a_name_would_not_bring_back_are_not_saved(path):
    relu = ACTIVATIONS.get_record("relu")
    refused_save(path, Network([1, 1, 1], replace(relu, name="mine")), "'mine' is not registered")
    other = replace(relu, value=lambda z: 2 * z)
    refused_save(path, Network([1, 1, 1], other), "'relu' has functions other than backpass's")


def test_a_registered_activation_is_kept_by_its_name(path):
    register_activation("cubed", lambda z: z**3, lambda z: 3 * z**2)
    try:
        network = Network([2, 3, 1], "cubed", seed=0)
        same_networks(through(path, network), network)
    finally:
        ACTIVATIONS.unregister("cubed")
    with pytest.raises(ModelFileError, match='"cubed" is not registered: call register_activation'):
        Network.load(path)


# --- kinds ---------------------------------------------------------------------------------------


def test_a_network_file_is_no_model_file_and_the_other_way_round(path):
    Network([2, 1], seed=0).save(path)
    with pytest.raises(ModelFileError, match=r'a "network", not a "model"; Network\.load reads it'):
        TabularModel.load(path)
    write_container(path, "model", {}, {})
    with pytest.raises(ModelFileError, match=r'a "model", not a "network"; TabularModel\.load and'):
        Network.load(path)


def test_the_schema_is_what_is_written(path):
    Network([2, 1], seed=0).save(path)
    meta, _ = read_container(path, "network", NETWORK_SCHEMA)
    assert meta == {"sizes": [2, 1], "activations": ["identity"], "loss": "squared_error"}
    assert json.dumps(meta)  # JSON all the way


def test_every_pair_is_among_the_round_trips():
    assert set(PAIRS) <= {(output, spec.partition(":")[0]) for output, spec in LOSS_SPECS}
