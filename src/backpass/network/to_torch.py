"""A network as a module of PyTorch: `Linear` layers with their activations, in `nn.Sequential`.

PyTorch keeps W as (out, in), the transpose of ours. Only this file knows what its modules are
called; an activation that it lacks becomes a module around the record's own function, which is
written for any array library and which PyTorch differentiates by itself.
"""

from collections.abc import Callable
from typing import Any

from backpass.core.activations import ACTIVATIONS, Activation
from backpass.core.arrays import to_numpy
from backpass.core.parameters import Model
from backpass.core.registry import shown
from backpass.errors import InputError

# softplus: beyond 20, PyTorch's own threshold, log(1 + e^z) and z still differ in float64
_MODULES: dict[str, Callable[..., Any]] = {
    "logistic": lambda nn: nn.Sigmoid(),
    "tanh": lambda nn: nn.Tanh(),
    "relu": lambda nn: nn.ReLU(),
    "leaky_relu": lambda nn, slope: nn.LeakyReLU(slope),
    "elu": lambda nn, alpha: nn.ELU(alpha),
    "selu": lambda nn: nn.SELU(),
    "gelu": lambda nn: nn.GELU(),
    "silu": lambda nn: nn.SiLU(),
    "mish": lambda nn: nn.Mish(),
    "softplus": lambda nn: nn.Softplus(threshold=40),
    "softmax": lambda nn: nn.Softmax(dim=-1),
}
"""What PyTorch calls our activations; identity needs no module."""


def torch_sequential(model: Model) -> Any:
    """Return an ``nn.Sequential`` that computes what the network does.

    Parameters
    ----------
    model : Model
        Its parameters are copied.

    Returns
    -------
    torch.nn.Sequential
        On the processor, in the dtype of the parameters, ready to predict or to train.

    Raises
    ------
    InputError
        When PyTorch is not installed, or an activation was registered by the user.
    """
    torch = _torch()
    layers: list[Any] = []
    theta = model.parameters
    for W, b, phi in zip(theta.weights, theta.biases, model.activations, strict=True):
        layers.append(_linear(torch, to_numpy(W), to_numpy(b)))
        if phi.name != "identity":
            layers.append(_activation(torch.nn, phi))
    return torch.nn.Sequential(*layers)


def _torch() -> Any:
    try:
        import torch
    except ImportError:
        raise InputError(
            "to_torch needs PyTorch, which is not installed: pip install torch"
        ) from None
    return torch


def _linear(torch: Any, W: Any, b: Any) -> Any:
    # made without memory, then given ours: nothing is drawn, no generator moves
    layer = torch.nn.utils.skip_init(torch.nn.Linear, *W.shape, dtype=_dtype(torch, W))
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(W.T.copy()))
        layer.bias.copy_(torch.tensor(b))
    return layer


def _dtype(torch: Any, W: Any) -> Any:
    if W.dtype.name not in ("float32", "float64"):
        raise InputError(f"to_torch takes float32 or float64 parameters, not {W.dtype}")
    return getattr(torch, W.dtype.name)


def _activation(nn: Any, phi: Activation) -> Any:
    if not ACTIVATIONS.is_ours(phi):
        raise InputError(
            f"activation {phi.name!r} is not backpass's own, and PyTorch may not be able to "
            "differentiate its functions: write a torch.nn.Module of it, and the Sequential by hand"
        )
    if phi.name in _MODULES:
        return _MODULES[phi.name](nn, **phi.numbers)
    return _function_module(shown(phi))


def _function_module(spec: str) -> Any:
    """Return a module around a record's function; pickling keeps the record's name."""
    base: Any = _torch().nn.Module
    phi = ACTIVATIONS.get_record(spec)

    class Function(base):  # type: ignore[misc]
        def forward(self, z: Any) -> Any:
            return phi.value(z)

        def extra_repr(self) -> str:
            return spec

        def __reduce__(self) -> tuple[Any, ...]:
            return _function_module, (spec,)

    return Function()
