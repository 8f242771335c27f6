r"""Initialisers: how the first weights and biases are drawn, one record each.

Conventions: ``draw(rng, n_in, n_out, hidden)`` returns ``W`` (n_in, n_out) and ``b`` (n_out,) in
float64, weights drawn before biases, from any generator with ``uniform`` and ``normal`` methods
(:class:`numpy.random.Generator` or scikit-learn's ``RandomState``). ``hidden`` is the name of the
hidden activation, which scikit-learn's rule looks at.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backpass.core.registry import Record, Registry

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Initializer(Record):
    """One way to draw the weights and biases of a layer.

    Parameters
    ----------
    name : str
        The name under which it is registered.
    draw : callable
        ``draw(rng, n_in, n_out, hidden)`` to ``(W, b)``.
    formula : str
        LaTeX of the distribution.
    numbers : mapping
        The numbers it was made with.

    Examples
    --------
    >>> W, b = INITIALIZERS.get_record("he_normal").draw(np.random.default_rng(0), 3, 2, "relu")
    >>> W.shape, b
    ((3, 2), array([0., 0.]))
    """

    name: str
    draw: Callable[[Any, int, int, str], tuple[Floats, Floats]]
    formula: str
    numbers: Mapping[str, float] = field(default_factory=dict)


INITIALIZERS: Registry[Initializer] = Registry("initializer")
"""Every initialiser by name."""


@INITIALIZERS.register
def glorot_uniform() -> Initializer:
    """Return scikit-learn's rule: Glorot-uniform for weights *and* biases, narrower if logistic."""

    def draw(rng: Any, n_in: int, n_out: int, hidden: str) -> tuple[Floats, Floats]:
        bound = float(np.sqrt((2.0 if hidden == "logistic" else 6.0) / (n_in + n_out)))
        return rng.uniform(-bound, bound, (n_in, n_out)), rng.uniform(-bound, bound, n_out)

    return Initializer(
        "glorot_uniform",
        draw,
        r"W, b \sim U(-r, r),\ r = \sqrt{6 / (n_{in} + n_{out})}\ (2 \text{ for logistic})",
    )


def _normal(name: str, factor: float, formula: str) -> Initializer:
    def draw(rng: Any, n_in: int, n_out: int, hidden: str) -> tuple[Floats, Floats]:
        return rng.normal(0.0, float(np.sqrt(factor / n_in)), (n_in, n_out)), np.zeros(n_out)

    return Initializer(name, draw, formula)


@INITIALIZERS.register
def he_normal() -> Initializer:
    """Return He's rule for ReLU: normal of variance 2 / n_in, biases 0."""
    return _normal("he_normal", 2.0, r"W \sim N(0, 2 / n_{in}),\ b = 0")


@INITIALIZERS.register
def lecun_normal() -> Initializer:
    """Return LeCun's rule, which SELU asks for: normal of variance 1 / n_in, biases 0."""
    return _normal("lecun_normal", 1.0, r"W \sim N(0, 1 / n_{in}),\ b = 0")


@INITIALIZERS.register
def zeros() -> Initializer:
    """Return all zeros: only for a single layer, since equal units stay equal."""
    return Initializer(
        "zeros",
        lambda rng, n_in, n_out, hidden: (np.zeros((n_in, n_out)), np.zeros(n_out)),
        r"W = 0,\ b = 0",
    )
