"""Networks as modules of PyTorch: the same numbers, the same gradients."""

import copy
import io
import sys
from dataclasses import replace

import numpy as np
import pytest

from backpass import Network, register_activation
from backpass.errors import InputError, ModelFileError
from forward_rounding import output_tolerance
from helpers import ACTIVATIONS, HIDDEN, PAIRS, draw_case, gradient_tolerance, specs

try:
    import torch
except ImportError:
    torch = None

SPECS = [spec for spec in specs(ACTIVATIONS) if spec.partition(":")[0] in HIDDEN]


def same_outputs(network, scale=3.0):
    X = scale * np.random.default_rng(0).normal(size=(40, network.sizes[0]))
    X = X.astype(network.parameters.flat.dtype)
    module = network.to_torch()
    with torch.no_grad():
        found = module(torch.tensor(X)).numpy()
    assert found.dtype == X.dtype
    np.testing.assert_allclose(found, network.predict(X), rtol=0, atol=output_tolerance(network, X))
    return module


@pytest.mark.torch
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("spec", SPECS)
def test_every_hidden_activation(spec, dtype):
    same_outputs(Network([4, 5, 3, 2], spec, seed=0, dtype=dtype))


@pytest.mark.torch
@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("scale", [30.0, 700.0])
def test_large_pre_activations(spec, scale):
    same_outputs(Network([4, 5, 2], spec, seed=0), scale)


@pytest.mark.torch
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_every_output(output, loss, dtype):
    same_outputs(Network([4, 5, 3], "tanh", output, loss, seed=0, dtype=dtype))


@pytest.mark.torch
@pytest.mark.parametrize("spec", SPECS)
def test_its_gradients_are_ours(spec):
    case = draw_case([3, 4, 2], spec, "identity", "squared_error")
    network = Network.from_model(case.model)
    module = network.to_torch()
    s = torch.tensor(case.s)
    errors = (module(torch.tensor(case.X)) - torch.tensor(case.y)) ** 2 / 2
    ((s @ errors.sum(dim=1)) / s.sum()).backward()
    found = []
    for layer in module:
        if isinstance(layer, torch.nn.Linear):
            found += [layer.weight.grad.numpy().T.ravel(), layer.bias.grad.numpy()]
    wanted = case.run()[1].flat
    assert (np.abs(np.concatenate(found) - wanted) <= gradient_tolerance(case)[0]).all()


@pytest.mark.torch
def test_the_module_is_a_copy_and_draws_nothing():
    network = Network([2, 3, 1], seed=0)
    torch.manual_seed(0)
    first = torch.rand(3)
    torch.manual_seed(0)
    module = network.to_torch()
    assert torch.equal(torch.rand(3), first)
    before = network.parameters.flat.copy()
    with torch.no_grad():
        module[0].weight.zero_()
    np.testing.assert_array_equal(network.parameters.flat, before)
    assert all(parameter.requires_grad for parameter in module.parameters())


@pytest.mark.torch
def test_parameters_that_are_torchs_already():
    W, b = torch.ones(2, 1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    module = Network.from_arrays([W], [b]).to_torch()
    assert module(torch.ones(1, 2, dtype=torch.float64)).item() == 2


@pytest.mark.torch
def test_tensors_that_numpy_cannot_read_are_not_saved(tmp_path):
    b = torch.zeros(1, dtype=torch.float64)
    tracked = torch.ones(2, 1, dtype=torch.float64, requires_grad=True)
    for W in (tracked, torch.ones(2, 1, dtype=torch.bfloat16)):
        network = Network.from_arrays([W], [b.to(W.dtype)])
        with pytest.raises(ModelFileError, match="cannot be written: NumPy cannot read"):
            network.save(tmp_path / "net.backpass")
    assert not list(tmp_path.iterdir())
    network = Network.from_arrays([tracked.detach()], [b])
    network.save(tmp_path / "net.backpass")
    assert Network.load(tmp_path / "net.backpass").parameters.flat.tolist() == [1, 1, 0]


@pytest.mark.torch
def test_a_module_of_ours_is_copied_and_pickled():
    network = Network([2, 3, 1], "tanh", "exp", "poisson", seed=0)
    module = network.to_torch()
    assert "exp" in repr(module)
    x = torch.ones(1, 2, dtype=torch.float64)
    buffer = io.BytesIO()
    torch.save(module, buffer)
    buffer.seek(0)
    for again in (copy.deepcopy(module), torch.load(buffer, weights_only=False)):
        assert torch.equal(again(x), module(x))


@pytest.mark.torch
def test_functions_that_are_not_ours_are_refused():
    relu = ACTIVATIONS.get_record("relu")
    network = Network([2, 3, 1], replace(relu, value=lambda z: 2 * z))
    with pytest.raises(InputError, match="'relu' is not backpass's own"):
        network.to_torch()
    register_activation("cubed", lambda z: z**3, lambda z: 3 * z**2)
    try:
        with pytest.raises(InputError, match="'cubed' is not backpass's own"):
            Network([2, 3, 1], "cubed").to_torch()
    finally:
        ACTIVATIONS.unregister("cubed")
    with pytest.raises(InputError, match="float32 or float64 parameters, not complex128"):
        Network.from_arrays([np.ones((2, 1), complex)], [np.zeros(1)]).to_torch()


def test_without_pytorch_it_is_said_in_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(InputError, match=r"to_torch needs PyTorch, .*: pip install torch"):
        Network([2, 1]).to_torch()
