r"""Losses: value, derivative, fused error signal and target encoding, one frozen record each.

A loss is added here; native code and the tests have a twin of it. Conventions: ``y`` (N, k) are the
encoded targets, ``p`` (N, k) the predictions ŷ = a_L. ``terms(y, p)`` (N, k) holds one cost per
sample and output; equation C sums them over the outputs and takes the (weighted) mean over the
samples. Logarithms are natural (nats). The derivative at a kink is the one scikit-learn and PyTorch
use: 0 for \|y − ŷ\|, and 0 where a hinge just touches.

``outputs`` declares which output activations go with a loss; a network with another pair raises.
For the pairs in ``fused`` the error signal of the output layer needs no division by ŷ and is
computed from the pre-activations, stable for any finite logit (note 3, "Backpropagation",
section 4.3.1: softmax with cross-entropy gives ŷ − e_ℓ).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType

from backpass.core.activations import ACTIVATIONS
from backpass.core.arrays import Array, log_one_plus_exp, namespace, real, sigma
from backpass.core.registry import Record, Registry, require
from backpass.core.targets import checked_targets, class_targets, is_sign, numeric_targets

HIDDEN = tuple(a.name for a in ACTIVATIONS.records() if a.hidden)
REAL_VALUED = (*HIDDEN, "exp")
SIGNED = ("identity", "tanh", "leaky_relu", "elu", "selu", "gelu", "silu", "mish")


@dataclass(frozen=True)
class Fused:
    """The cost and the error signal of a loss together with the output activation before it.

    Parameters
    ----------
    terms : callable
        Cost per sample and output from ``(y, z)``, z the pre-activation: (N, k).
    delta : callable
        ∂C/∂z from ``(y, p)``: (N, k).
    derivation : str
        LaTeX, one step a line.
    """

    terms: Callable[[Array, Array], Array]
    delta: Callable[[Array, Array], Array]
    derivation: str


@dataclass(frozen=True)
class Loss(Record):
    r"""One loss: its value, its derivative, and what it asks of targets and output.

    Parameters
    ----------
    name : str
        The name under which it is registered.
    terms : callable
        Cost per sample and output from ``(y, p)``: (N, k).
    derivative : callable
        ∂C/∂ŷ from ``(y, p)``: (N, k).
    encode : callable
        ``encode(y, k, xp, dtype)`` turns the user's targets, (N,) or (N, k), into (N, k).
    outputs : tuple of str
        Output activations that go with it; the first is the usual one.
    derivation : str
        LaTeX, one step a line.
    source : str
        Where it comes from.
    fused : mapping
        Output activation to :class:`Fused`.
    task : {"regression", "classification", "margin"}
        How a prediction is read: as a number, as probabilities, or by its sign.
    kinks : callable or None
        Residual whose sign change means that a kink was crossed, from ``(y, p)``.
    analytic : bool
        Whether the complex step applies on either side of the kinks.
    numbers : mapping
        The numbers it was made with.

    Examples
    --------
    >>> import numpy as np
    >>> squared_error = LOSSES.get_record("squared_error")
    >>> y, p = np.array([[1.0, 2.0]]), np.array([[1.5, 0.0]])
    >>> squared_error.terms(y, p), squared_error.derivative(y, p)
    (array([[0.125, 2.   ]]), array([[ 0.5, -2. ]]))
    """

    name: str
    terms: Callable[[Array, Array], Array]
    derivative: Callable[[Array, Array], Array]
    encode: Callable[[Array, int, object, object], Array]
    outputs: tuple[str, ...]
    derivation: str
    source: str
    fused: Mapping[str, Fused] = field(default_factory=lambda: MappingProxyType({}))
    task: str = "regression"
    kinks: Callable[[Array, Array], Array] | None = None
    analytic: bool = True
    numbers: Mapping[str, float] = field(default_factory=dict)


LOSSES: Registry[Loss] = Registry("loss")
"""Every loss by name."""


# --- small helpers -------------------------------------------------------------------------------


def _x_log_y(x: Array, y: Array) -> Array:
    """Return x·log(y), and 0 where x is 0 (0·log 0 = 0 in an entropy)."""
    xp = namespace(x, y)
    zero = x == 0
    return xp.where(zero, xp.zeros_like(y), x * xp.log(xp.where(zero, xp.ones_like(y), y)))


def _quotient(x: Array, y: Array) -> Array:
    """Return x / y, and 0 where x is 0."""
    xp = namespace(x, y)
    zero = x == 0
    return xp.where(zero, xp.zeros_like(y), x / xp.where(zero, xp.ones_like(y), y))


def _where_positive(x: Array, yes: Array, no: Array) -> Array:
    """Return `yes` where x > 0 or NaN, else `no`: a NaN prediction must not cost 0."""
    return namespace(x).where(real(x) <= 0, no, yes)


def _sign(x: Array) -> Array:
    """Return 1, 0 or −1 by the sign of the real part; NaN stays NaN."""
    xp = namespace(x)
    return xp.astype(xp.sign(real(x)), x.dtype)


# --- the losses ----------------------------------------------------------------------------------


@LOSSES.register
def squared_error() -> Loss:
    """Return half the squared error."""
    return Loss(
        "squared_error",
        terms=lambda y, p: 0.5 * (p - y) ** 2,
        derivative=lambda y, p: p - y,
        encode=partial(numeric_targets, name="squared_error"),
        outputs=(*REAL_VALUED, "softmax"),
        derivation=(
            r"C = \tfrac12 (\hat y - y)^2 \\"
            r"\frac{\partial C}{\partial \hat y} = \hat y - y"
        ),
        source="note 2, the loss function; note 4, slide Examples of individual cost functions",
    )


@LOSSES.register
def absolute_error() -> Loss:
    """Return the absolute error (L1), robust against outliers."""
    return Loss(
        "absolute_error",
        terms=lambda y, p: _sign(p - y) * (p - y),
        derivative=lambda y, p: _sign(p - y),
        encode=partial(numeric_targets, name="absolute_error"),
        outputs=REAL_VALUED,
        derivation=(
            r"C = |\hat y - y| \\"
            r"\frac{\partial C}{\partial \hat y} = \mathrm{sign}(\hat y - y),\quad 0 \text{ at } 0"
        ),
        source="note 4, slide Examples of individual cost functions (L1)",
        kinks=lambda y, p: p - y,
    )


@LOSSES.register
def huber(delta: float = 1.35) -> Loss:
    """Return Huber's loss: squared up to `delta`, linear beyond."""
    require(delta > 0, "huber: delta must be positive", delta)

    def inside(y: Array, p: Array) -> Array:
        r = real(p - y)
        return (r <= delta) & (r >= -delta)

    return Loss(
        "huber",
        terms=lambda y, p: namespace(p).where(
            inside(y, p), 0.5 * (p - y) ** 2, delta * (_sign(p - y) * (p - y) - 0.5 * delta)
        ),
        derivative=lambda y, p: namespace(p).where(inside(y, p), p - y, delta * _sign(p - y)),
        encode=partial(numeric_targets, name="huber"),
        outputs=REAL_VALUED,
        derivation=(
            r"C = \tfrac12 r^2 \text{ for } |r| \le \delta,\quad"
            r" \delta\,(|r| - \tfrac{\delta}{2}) \text{ otherwise},\quad r = \hat y - y \\"
            r"\frac{\partial C}{\partial \hat y} = r \text{ for } |r| \le \delta,\quad"
            r" \delta\,\mathrm{sign}(r) \text{ otherwise}"
        ),
        source="note 4, slide Examples of individual cost functions (Huber), equation (1)",
        numbers={"delta": delta},
    )


@LOSSES.register
def logistic() -> Loss:
    """Return log(1 + exp(−yŷ)) for labels y in {−1, 1} and a real score ŷ."""
    return Loss(
        "logistic",
        terms=lambda y, p: log_one_plus_exp(-y * p),
        derivative=lambda y, p: -y * sigma(-y * p),
        encode=partial(checked_targets, name="logistic", good=is_sign, needs="−1 or 1"),
        outputs=SIGNED,
        derivation=(
            r"C = \log(1 + e^{-y\hat y}) \\"
            r"\frac{\partial C}{\partial \hat y} = \frac{-y\,e^{-y\hat y}}{1 + e^{-y\hat y}}"
            r" = -y\,\sigma(-y\hat y)"
        ),
        source="note 4, slide Examples of individual cost functions (logistic regression)",
        task="margin",
    )


@LOSSES.register
def hinge() -> Loss:
    """Return max(0, 1 − yŷ) for labels y in {−1, 1} and a real score ŷ."""
    return Loss(
        "hinge",
        terms=lambda y, p: _where_positive(1 - y * p, 1 - y * p, namespace(p).zeros_like(p)),
        derivative=lambda y, p: _where_positive(1 - y * p, -y, namespace(p).zeros_like(p)),
        encode=partial(checked_targets, name="hinge", good=is_sign, needs="−1 or 1"),
        outputs=SIGNED,
        derivation=(
            r"C = \max(0, 1 - y\hat y) \\"
            r"\frac{\partial C}{\partial \hat y} = -y \text{ for } y\hat y < 1,"
            r"\quad 0 \text{ otherwise}"
        ),
        source="what the last of note 4, slide Examples of individual cost functions, aims at",
        task="margin",
        kinks=lambda y, p: 1 - y * p,
    )


@LOSSES.register
def shortfall() -> Loss:
    """Return max(0, y − ŷ), exactly as note 4 writes it: only falling short costs."""
    return Loss(
        "shortfall",
        terms=lambda y, p: _where_positive(y - p, y - p, namespace(p).zeros_like(p)),
        derivative=lambda y, p: _where_positive(
            y - p, -namespace(p).ones_like(p), namespace(p).zeros_like(p)
        ),
        encode=partial(numeric_targets, name="shortfall"),
        outputs=REAL_VALUED,
        derivation=(
            r"C = \max(0, y - \hat y) \\"
            r"\frac{\partial C}{\partial \hat y} = -1 \text{ for } \hat y < y,"
            r"\quad 0 \text{ otherwise}"
        ),
        source="note 4, slide Examples of individual cost functions (binary classification)",
        kinks=lambda y, p: y - p,
    )


def _log_softmax(z: Array) -> Array:
    """Return log softmax(z) by row, finite for every finite z."""
    xp = namespace(z)
    shifted = z - xp.max(real(z), axis=1, keepdims=True)
    return shifted - xp.log(xp.sum(xp.exp(shifted), axis=1, keepdims=True))


@LOSSES.register
def cross_entropy(label_smoothing: float = 0.0) -> Loss:
    """Return −log ŷ_ℓ of the true class ℓ; one-hot and soft targets too: −Σ y_k log ŷ_k."""
    require(
        0 <= label_smoothing < 1,
        "cross_entropy: label_smoothing must be at least 0 and below 1",
        label_smoothing,
    )
    return Loss(
        "cross_entropy",
        terms=lambda y, p: -_x_log_y(y, p),
        derivative=lambda y, p: -_quotient(y, p),
        encode=partial(class_targets, smoothing=label_smoothing),
        outputs=("softmax",),
        derivation=(
            r"C = -\sum_k y_k \log \hat y_k \\"
            r"\frac{\partial C}{\partial \hat y_k} = -\frac{y_k}{\hat y_k}"
        ),
        source="note 3, Backpropagation, section 4.3.1",
        task="classification",
        fused={
            "softmax": Fused(
                terms=lambda y, z: -y * _log_softmax(z),
                delta=lambda y, p: p - y,
                derivation=(
                    r"\frac{\partial C}{\partial z_i}"
                    r" = -\sum_k \frac{y_k}{\hat y_k}\,\hat y_k\,(\mathbb{1}_{k=i} - \hat y_i) \\"
                    r"= -y_i + \hat y_i \sum_k y_k = \hat y_i - y_i"
                ),
            )
        },
        numbers={"label_smoothing": label_smoothing} if label_smoothing else {},
    )


@LOSSES.register
def binary_cross_entropy() -> Loss:
    """Return −y log ŷ − (1 − y) log(1 − ŷ), for one or many independent labels."""
    return Loss(
        "binary_cross_entropy",
        terms=lambda y, p: -_x_log_y(y, p) - _x_log_y(1 - y, 1 - p),
        derivative=lambda y, p: _quotient(1 - y, 1 - p) - _quotient(y, p),
        encode=partial(
            checked_targets,
            name="binary_cross_entropy",
            good=lambda y: (y >= 0) & (y <= 1),
            needs="between 0 and 1",
        ),
        outputs=("logistic",),
        derivation=(
            r"C = -y \log \hat y - (1 - y) \log(1 - \hat y) \\"
            r"\frac{\partial C}{\partial \hat y} = \frac{1 - y}{1 - \hat y} - \frac{y}{\hat y}"
        ),
        source="cross-entropy of note 3 for two classes and one output",
        task="classification",
        fused={
            "logistic": Fused(
                terms=lambda y, z: y * log_one_plus_exp(-z) + (1 - y) * log_one_plus_exp(z),
                delta=lambda y, p: p - y,
                derivation=(
                    r"\frac{\partial C}{\partial z}"
                    r" = \Bigl(\frac{1 - y}{1 - \hat y} - \frac{y}{\hat y}\Bigr)"
                    r"\,\hat y\,(1 - \hat y)"
                    r" = (1 - y)\,\hat y - y\,(1 - \hat y) = \hat y - y"
                ),
            )
        },
    )


def _log_softplus(z: Array) -> Array:
    """Return log log(1 + exp(z)): z itself where exp(z) is far below eps and may be 0."""
    xp = namespace(z)
    far = real(z) < -40
    return xp.where(far, z, xp.log(log_one_plus_exp(xp.where(far, xp.zeros_like(z), z))))


def _shrinking_ratio(p: Array) -> Array:
    """Return (1 − exp(−p)) / p, and its limit 1 where p is 0."""
    xp = namespace(p)
    zero = p == 0
    safe = xp.where(zero, xp.ones_like(p), p)
    return xp.where(zero, safe, -xp.expm1(-safe) / safe)


@LOSSES.register
def poisson() -> Loss:
    """Return half the Poisson deviance, y log(y/ŷ) − y + ŷ, for counts y ≥ 0 and ŷ > 0."""
    return Loss(
        "poisson",
        terms=lambda y, p: _x_log_y(y, _quotient(y, p)) - y + p,
        derivative=lambda y, p: 1 - _quotient(y, p),
        encode=partial(checked_targets, name="poisson", good=lambda y: y >= 0, needs="at least 0"),
        outputs=("exp", "softplus"),
        derivation=(
            r"C = y \log\frac{y}{\hat y} - y + \hat y \\"
            r"\frac{\partial C}{\partial \hat y} = 1 - \frac{y}{\hat y}"
        ),
        source="half the Poisson deviance, as scikit-learn's",
        fused={
            "exp": Fused(
                terms=lambda y, z: _x_log_y(y, y) - y * z - y + namespace(z).exp(z),
                delta=lambda y, p: p - y,
                derivation=(
                    r"\frac{\partial C}{\partial z} = \Bigl(1 - \frac{y}{\hat y}\Bigr)\,\hat y"
                    r" = \hat y - y"
                ),
            ),
            "softplus": Fused(
                terms=lambda y, z: _x_log_y(y, y) - y * _log_softplus(z) - y + log_one_plus_exp(z),
                delta=lambda y, p: -namespace(p).expm1(-p) - y * _shrinking_ratio(p),
                derivation=(
                    r"\hat y = \log(1 + e^z) \Rightarrow \sigma(z) = 1 - e^{-\hat y} \\"
                    r"\frac{\partial C}{\partial z} = \Bigl(1 - \frac{y}{\hat y}\Bigr)\,\sigma(z)"
                    r" = (1 - e^{-\hat y}) - y\,\frac{1 - e^{-\hat y}}{\hat y}"
                ),
            ),
        },
    )


@LOSSES.register
def pinball(tau: float = 0.5) -> Loss:
    """Return the quantile loss, smallest at the `tau`-quantile of y."""
    require(0 < tau < 1, "pinball: tau must lie between 0 and 1", tau)
    return Loss(
        "pinball",
        terms=lambda y, p: _where_positive(
            y - p, tau * (y - p), (1 - tau) * _sign(y - p) * (y - p)
        ),
        derivative=lambda y, p: _where_positive(
            y - p, -tau * namespace(p).ones_like(p), (tau - 1) * _sign(y - p)
        ),
        encode=partial(numeric_targets, name="pinball"),
        outputs=REAL_VALUED,
        derivation=(
            r"C = \tau\,(y - \hat y) \text{ for } \hat y < y,\quad"
            r" (1 - \tau)\,(\hat y - y) \text{ otherwise} \\"
            r"\frac{\partial C}{\partial \hat y} = -\tau \text{ for } \hat y < y,\quad"
            r" 1 - \tau \text{ for } \hat y > y,\quad 0 \text{ at } 0"
        ),
        source="Koenker and Bassett, 1978",
        kinks=lambda y, p: y - p,
        numbers={"tau": tau},
    )
