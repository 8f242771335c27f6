"""What may not change where a fit goes on with the network of an earlier one."""

from collections.abc import Callable
from typing import Any

from backpass.core.registry import shown
from backpass.errors import InputError
from backpass.estimators.parameter_checks import hidden_sizes
from backpass.network.network import hidden_records

__all__ = ["check_unchanged", "listed_activation"]


def listed_activation(activation: Any) -> Any:
    """Return the parameter `activation` as a network takes it: a name, a record, or a list.

    Examples
    --------
    >>> listed_activation("relu"), listed_activation(("relu", "tanh"))
    ('relu', ['relu', 'tanh'])
    """
    several = not isinstance(activation, str) and hasattr(activation, "__iter__")
    return list(activation) if several else activation


def check_unchanged(estimator: Any) -> None:
    """Refuse to go on with a network that the estimator's parameters no longer describe.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        Fitted.

    Raises
    ------
    InputError
        When its hidden layers, their activations or its loss were changed since.
    """
    network = estimator.network_
    n_hidden = len(network.sizes) - 2

    def activations() -> tuple[str, ...]:
        records = hidden_records(listed_activation(estimator.activation), n_hidden)
        return tuple(map(shown, records))

    asked: dict[str, tuple[Callable[[], Any], Any]] = {
        "hidden_layer_sizes": (
            lambda: hidden_sizes(estimator.hidden_layer_sizes),
            list(network.sizes[1:-1]),
        ),
        "activation": (activations, tuple(map(shown, network.model.activations[:-1]))),
        "loss": (lambda: shown(estimator._loss_record()), shown(network.model.loss)),
    }
    for name, (new, old) in asked.items():
        if new() != old:
            raise InputError(
                f"{name}={getattr(estimator, name)!r} is not that of the network to go on with; "
                "set it back, or train a new one: fit with warm_start=False"
            )
