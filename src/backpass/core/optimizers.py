r"""Optimisers: equation U, one frozen record each, on the flat parameter buffer.

An optimiser is a pure function: ``step(theta, gradient, state, t, rate)`` returns the new
``theta`` and the new state; ``slots`` names the state arrays, each as long as ``theta`` and first
0; t = 1, 2, … counts the steps. This file is the one place to add one.

Conventions that differ elsewhere are stated: momentum keeps the learning rate inside the velocity
(scikit-learn; PyTorch keeps it outside, the same while the rate is constant); Adam's ε is added to
√v *before* the bias correction (scikit-learn and section 2 of Kingma and Ba; PyTorch adds it
after).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from backpass.core.arrays import Array, namespace
from backpass.core.registry import Record, Registry, require

State = dict[str, Array]


@dataclass(frozen=True)
class Optimizer(Record):
    r"""One update rule :math:`\theta \leftarrow U(\theta, \partial J/\partial\theta)`.

    Parameters
    ----------
    name : str
        The name under which it is registered.
    step : callable
        ``(theta, gradient, state, t, rate)`` to ``(theta, state)``; nothing is changed in place.
    slots : tuple of str
        Names of the state arrays.
    formula : str
        LaTeX of the update.
    source : str
        Where it comes from.
    decoupled : bool
        Whether weight decay acts on the weights directly (AdamW) instead of through the gradient.
    numbers : mapping
        The numbers it was made with.

    Examples
    --------
    >>> import numpy as np
    >>> momentum = OPTIMIZERS.get_record("momentum:momentum=0.5")
    >>> theta, state = np.array([1.0]), momentum.init(np.array([1.0]))
    >>> theta, state = momentum.step(theta, np.array([2.0]), state, 1, 0.1)
    >>> theta, state
    (array([0.8]), {'velocity': array([-0.2])})
    """

    name: str
    step: Callable[[Array, Array, State, int, float], tuple[Array, State]]
    slots: tuple[str, ...]
    formula: str
    source: str
    decoupled: bool = False
    numbers: Mapping[str, float] = field(default_factory=dict)

    def init(self, theta: Array) -> State:
        """Return the state before the first step: zeros like `theta` (P,) for every slot."""
        return {slot: namespace(theta).zeros_like(theta) for slot in self.slots}


OPTIMIZERS: Registry[Optimizer] = Registry("optimizer")
"""Every optimiser by name."""


def _check_fraction(name: str, **numbers: float) -> None:
    for key, value in numbers.items():
        require(0 <= value < 1, f"{name}: {key} must be at least 0 and below 1", value)


@OPTIMIZERS.register
def sgd() -> Optimizer:
    """Return plain gradient descent (full-batch, stochastic or mini-batch, by the batch size)."""

    def step(theta: Array, g: Array, state: State, t: int, rate: float) -> tuple[Array, State]:
        return theta - rate * g, {}

    return Optimizer(
        "sgd",
        step,
        (),
        r"\theta \leftarrow \theta - \eta\, g",
        "note 4, slide Gradient descent; note 5, step 3",
    )


@OPTIMIZERS.register
def momentum(momentum: float = 0.9) -> Optimizer:
    """Return gradient descent with heavy-ball `momentum`."""
    require(0 <= momentum <= 1, "momentum: momentum must lie between 0 and 1", momentum)

    def step(theta: Array, g: Array, state: State, t: int, rate: float) -> tuple[Array, State]:
        v = momentum * state["velocity"] - rate * g
        return theta + v, {"velocity": v}

    return Optimizer(
        "momentum",
        step,
        ("velocity",),
        r"v \leftarrow \mu v - \eta\, g,\quad \theta \leftarrow \theta + v",
        "Polyak, 1964",
        numbers={"momentum": momentum},
    )


@OPTIMIZERS.register
def nesterov(momentum: float = 0.9) -> Optimizer:
    """Return gradient descent with Nesterov's `momentum`, which looks one step ahead."""
    require(0 <= momentum <= 1, "nesterov: momentum must lie between 0 and 1", momentum)

    def step(theta: Array, g: Array, state: State, t: int, rate: float) -> tuple[Array, State]:
        v = momentum * state["velocity"] - rate * g
        return theta + momentum * v - rate * g, {"velocity": v}

    return Optimizer(
        "nesterov",
        step,
        ("velocity",),
        r"v \leftarrow \mu v - \eta\, g,\quad \theta \leftarrow \theta + \mu v - \eta\, g",
        "Nesterov, 1983; Sutskever et al., 2013",
        numbers={"momentum": momentum},
    )


def _adam(name: str, beta_1: float, beta_2: float, epsilon: float, decoupled: bool) -> Optimizer:
    _check_fraction(name, beta_1=beta_1, beta_2=beta_2)
    require(epsilon > 0, f"{name}: epsilon must be positive", epsilon)

    def step(theta: Array, g: Array, state: State, t: int, rate: float) -> tuple[Array, State]:
        m = beta_1 * state["m"] + (1 - beta_1) * g
        v = beta_2 * state["v"] + (1 - beta_2) * (g * g)
        rate = rate * (1 - beta_2**t) ** 0.5 / (1 - beta_1**t)
        return theta - rate * m / (namespace(v).sqrt(v) + epsilon), {"m": m, "v": v}

    return Optimizer(
        name,
        step,
        ("m", "v"),
        r"m \leftarrow \beta_1 m + (1 - \beta_1) g,\quad"
        r" v \leftarrow \beta_2 v + (1 - \beta_2) g^2,\quad"
        r" \theta \leftarrow \theta - \eta \frac{\sqrt{1 - \beta_2^t}}{1 - \beta_1^t}"
        r" \frac{m}{\sqrt v + \varepsilon}" + (r" - \eta \lambda \theta_W" if decoupled else ""),
        "Loshchilov and Hutter, 2019" if decoupled else "Kingma and Ba, 2015",
        decoupled,
        {"beta_1": beta_1, "beta_2": beta_2, "epsilon": epsilon},
    )


@OPTIMIZERS.register
def adam(beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8) -> Optimizer:
    """Return Adam: steps scaled by running moments of the gradient."""
    return _adam("adam", beta_1, beta_2, epsilon, decoupled=False)


@OPTIMIZERS.register
def adamw(beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8) -> Optimizer:
    """Return Adam whose weight decay is decoupled from the gradient."""
    return _adam("adamw", beta_1, beta_2, epsilon, decoupled=True)


@OPTIMIZERS.register
def rmsprop(decay: float = 0.9, epsilon: float = 1e-8) -> Optimizer:
    """Return RMSprop: steps scaled by a running mean of squared gradients."""
    _check_fraction("rmsprop", decay=decay)
    require(epsilon > 0, "rmsprop: epsilon must be positive", epsilon)

    def step(theta: Array, g: Array, state: State, t: int, rate: float) -> tuple[Array, State]:
        v = decay * state["v"] + (1 - decay) * (g * g)
        return theta - rate * g / (namespace(v).sqrt(v) + epsilon), {"v": v}

    return Optimizer(
        "rmsprop",
        step,
        ("v",),
        r"v \leftarrow \rho v + (1 - \rho) g^2,\quad"
        r" \theta \leftarrow \theta - \eta \frac{g}{\sqrt v + \varepsilon}",
        "Tieleman and Hinton, 2012",
        numbers={"decay": decay, "epsilon": epsilon},
    )
