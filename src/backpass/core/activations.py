r"""Activations: value and derivative side by side, one frozen record each.

This file is the one place to add an activation: write ``value``, ``derivative`` and the lines that
derive the second from the first, and register it; the estimators, the command line, the docs and
the tests read the registry.

Conventions: ``z`` (N, d) is the pre-activation, ``a = value(z)`` (N, d) the activation. The
derivative is a function of both, because many are simplest in terms of ``a`` (note 3,
"Backpropagation", appendix 6.1: :math:`\sigma' = \sigma(1 - \sigma)`,
:math:`\tanh' = 1 - \tanh^2`). Branches are decided by the real part and written so that NaN
stays NaN.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from backpass.core.arrays import SQRT_HALF, Array, erf, log_one_plus_exp, namespace, real, sigma
from backpass.core.registry import Record, Registry, require


@dataclass(frozen=True)
class Activation(Record):
    r"""One activation function: its value, its derivative and how one follows from the other.

    Parameters
    ----------
    name : str
        The name under which it is registered.
    value : callable
        :math:`\varphi(z)`: (N, d) to (N, d).
    derivative : callable
        :math:`\varphi'(z)` from ``(z, a)``. (N, d) elementwise; for an activation that mixes the
        units of a row (softmax) the Jacobians (N, d, d), ``[n, k, i]`` = ∂a_k/∂z_i.
    derivation : str
        LaTeX, one step a line, from the value to the derivative.
    source : str
        Where it comes from.
    elementwise : bool
        Whether unit i of the result depends on unit i of ``z`` only.
    hidden : bool
        Whether hidden layers may use it.
    kinks : tuple of float
        Where the derivative jumps; there the derivative is the one of the left side.
    analytic : bool
        Whether the complex step applies on either side of the kinks.
    domain : tuple of float
        A range of ``z`` on which it can be tested without overflow.
    numbers : mapping
        The numbers it was made with.

    Examples
    --------
    >>> import numpy as np
    >>> tanh = ACTIVATIONS.get_record("tanh")
    >>> z = np.array([[0.0, 1.0]])
    >>> a = tanh.value(z)
    >>> tanh.derivative(z, a).round(4)
    array([[1.  , 0.42]])
    """

    name: str
    value: Callable[[Array], Array]
    derivative: Callable[[Array, Array], Array]
    derivation: str
    source: str
    elementwise: bool = True
    hidden: bool = True
    kinks: tuple[float, ...] = ()
    analytic: bool = True
    domain: tuple[float, float] = (-8.0, 8.0)
    numbers: Mapping[str, float] = field(default_factory=dict)


ACTIVATIONS: Registry[Activation] = Registry("activation")
"""Every activation by name."""


def _left_right(z: Array, left: Array, right: Array) -> Array:
    """Return `left` where z ≤ 0 and `right` where z > 0 or NaN."""
    return namespace(z).where(real(z) <= 0, left, right)


@ACTIVATIONS.register
def identity() -> Activation:
    """Return the identity, the output of a regression."""
    return Activation(
        "identity",
        value=lambda z: z,
        derivative=lambda z, a: namespace(z).ones_like(z),
        derivation=r"\varphi(z) = z \\ \varphi'(z) = 1",
        source="note 3, Backpropagation, section 2 (linear)",
    )


@ACTIVATIONS.register
def logistic() -> Activation:
    """Return the logistic function (sigmoid)."""
    return Activation(
        "logistic",
        value=sigma,
        derivative=lambda z, a: a * (1 - a),
        derivation=(
            r"\sigma(z) = \frac{1}{1 + e^{-z}} \\"
            r"\sigma'(z) = \frac{-1}{(1 + e^{-z})^2} \cdot \frac{d}{dz}(1 + e^{-z})"
            r" = \frac{e^{-z}}{(1 + e^{-z})^2} \\"
            r"= \frac{1}{1 + e^{-z}} \cdot \frac{(1 + e^{-z}) - 1}{1 + e^{-z}} \\"
            r"= \sigma(z)\,(1 - \sigma(z))"
        ),
        source="note 3, Backpropagation, appendix 6.1",
    )


@ACTIVATIONS.register
def tanh() -> Activation:
    """Return the hyperbolic tangent."""
    return Activation(
        "tanh",
        value=lambda z: namespace(z).tanh(z),
        derivative=lambda z, a: 1 - a * a,
        derivation=(
            r"\tanh(z) = \frac{e^z - e^{-z}}{e^z + e^{-z}} \\"
            r"\tanh'(z) = \frac{(e^z + e^{-z})(e^z + e^{-z}) - (e^z - e^{-z})(e^z - e^{-z})}"
            r"{(e^z + e^{-z})^2} \\"
            r"= 1 - \frac{(e^z - e^{-z})^2}{(e^z + e^{-z})^2} \\"
            r"= 1 - \tanh^2(z)"
        ),
        source="note 3, Backpropagation, appendix 6.1",
    )


@ACTIVATIONS.register
def relu() -> Activation:
    """Return the rectified linear unit max(0, z); its derivative at 0 is 0."""
    return Activation(
        "relu",
        value=lambda z: _left_right(z, namespace(z).zeros_like(z), z),
        derivative=lambda z, a: namespace(z).astype(real(z) > 0, z.dtype),
        derivation=(
            r"\varphi(z) = \max(0, z) \\"
            r"\varphi'(z) = 0 \text{ for } z < 0,\quad 1 \text{ for } z > 0 \\"
            r"\varphi'(0) := 0 \text{ (the left derivative)}"
        ),
        source="note 3, Backpropagation, section 3",
        kinks=(0.0,),
    )


@ACTIVATIONS.register
def leaky_relu(slope: float = 0.01) -> Activation:
    """Return the leaky ReLU with `slope` on the left."""
    require(0 <= slope < 1, "leaky_relu: slope must be at least 0 and below 1", slope)
    return Activation(
        "leaky_relu",
        value=lambda z: _left_right(z, slope * z, z),
        derivative=lambda z, a: _left_right(
            z, slope * namespace(z).ones_like(z), namespace(z).ones_like(z)
        ),
        derivation=(
            r"\varphi(z) = s z \text{ for } z \le 0,\quad z \text{ for } z > 0 \\"
            r"\varphi'(z) = s \text{ for } z \le 0,\quad 1 \text{ for } z > 0"
        ),
        source="Maas, Hannun and Ng, 2013",
        kinks=(0.0,),
        numbers={"slope": slope},
    )


@ACTIVATIONS.register
def elu(alpha: float = 1.0) -> Activation:
    """Return the exponential linear unit with left limit −`alpha`."""
    require(alpha >= 0, "elu: alpha must be at least 0", alpha)
    return Activation(
        "elu",
        value=lambda z: _left_right(z, alpha * _expm1_of_negative(z), z),
        # for z <= 0: alpha·e^z = a + alpha
        derivative=lambda z, a: _left_right(z, a + alpha, namespace(z).ones_like(z)),
        derivation=(
            r"\varphi(z) = \alpha\,(e^z - 1) \text{ for } z \le 0,\quad z \text{ for } z > 0 \\"
            r"\varphi'(z) = \alpha e^z = \varphi(z) + \alpha \text{ for } z \le 0,"
            r"\quad 1 \text{ for } z > 0"
        ),
        source="Clevert, Unterthiner and Hochreiter, 2016",
        kinks=() if alpha == 1 else (0.0,),
        numbers={"alpha": alpha},
    )


def _expm1_of_negative(z: Array) -> Array:
    """Return exp(z) − 1 where z ≤ 0, and 0 elsewhere, where it could overflow."""
    xp = namespace(z)
    return xp.expm1(_left_right(z, z, xp.zeros_like(z)))


SELU_SCALE = 1.0507009873554805
SELU_ALPHA = 1.6732632423543772


@ACTIVATIONS.register
def selu() -> Activation:
    """Return the self-normalising unit, an ELU scaled to keep mean 0 and variance 1."""
    limit = SELU_SCALE * SELU_ALPHA
    return Activation(
        "selu",
        value=lambda z: _left_right(z, limit * _expm1_of_negative(z), SELU_SCALE * z),
        derivative=lambda z, a: _left_right(z, a + limit, SELU_SCALE * namespace(z).ones_like(z)),
        derivation=(
            r"\varphi(z) = \lambda\alpha\,(e^z - 1) \text{ for } z \le 0,"
            r"\quad \lambda z \text{ for } z > 0 \\"
            r"\lambda = 1.0507\ldots,\ \alpha = 1.6732\ldots \\"
            r"\varphi'(z) = \lambda\alpha e^z = \varphi(z) + \lambda\alpha \text{ for } z \le 0,"
            r"\quad \lambda \text{ for } z > 0"
        ),
        source="Klambauer, Unterthiner, Mayr and Hochreiter, 2017",
        kinks=(0.0,),
    )


def _normal_cdf(z: Array) -> Array:
    return 0.5 * (1 + erf(SQRT_HALF * z))


def _normal_pdf(z: Array) -> Array:
    return namespace(z).exp(-0.5 * z * z) * 0.3989422804014327  # 1/√(2π)


@ACTIVATIONS.register
def gelu() -> Activation:
    """Return the Gaussian error linear unit z·P(Z ≤ z), exact (by erf)."""
    return Activation(
        "gelu",
        value=lambda z: z * _normal_cdf(z),
        derivative=lambda z, a: _normal_cdf(z) + z * _normal_pdf(z),
        derivation=(
            r"\varphi(z) = z\,\Phi(z),\quad \Phi(z) = \tfrac12\bigl(1 + \mathrm{erf}"
            r"(z/\sqrt2)\bigr),\quad \Phi'(z) = \tfrac{1}{\sqrt{2\pi}} e^{-z^2/2} \\"
            r"\varphi'(z) = \Phi(z) + z\,\Phi'(z)"
        ),
        source="Hendrycks and Gimpel, 2016",
    )


@ACTIVATIONS.register
def silu() -> Activation:
    """Return the sigmoid linear unit z·σ(z) (swish)."""
    return Activation(
        "silu",
        value=lambda z: z * sigma(z),
        derivative=lambda z, a: sigma(z) + a * (1 - sigma(z)),
        derivation=(
            r"\varphi(z) = z\,\sigma(z) \\"
            r"\varphi'(z) = \sigma(z) + z\,\sigma(z)(1 - \sigma(z)) \\"
            r"= \sigma(z) + \varphi(z)\,(1 - \sigma(z))"
        ),
        source="Elfwing, Uchibe and Doya, 2018",
    )


@ACTIVATIONS.register
def mish() -> Activation:
    """Return z·tanh(log(1 + exp z))."""

    def squashed(z: Array) -> Array:
        return namespace(z).tanh(log_one_plus_exp(z))

    return Activation(
        "mish",
        value=lambda z: z * squashed(z),
        derivative=lambda z, a: squashed(z) + z * (1 - squashed(z) ** 2) * sigma(z),
        derivation=(
            r"\varphi(z) = z\,t,\quad t = \tanh(s),\quad s = \log(1 + e^z) \\"
            r"s' = \sigma(z),\quad t' = (1 - t^2)\,\sigma(z) \\"
            r"\varphi'(z) = t + z\,(1 - t^2)\,\sigma(z)"
        ),
        source="Misra, 2020",
    )


@ACTIVATIONS.register
def softplus() -> Activation:
    """Return log(1 + exp z), a smooth ReLU."""
    return Activation(
        "softplus",
        value=log_one_plus_exp,
        derivative=lambda z, a: sigma(z),
        derivation=(
            r"\varphi(z) = \log(1 + e^z) \\"
            r"\varphi'(z) = \frac{e^z}{1 + e^z} = \frac{1}{1 + e^{-z}} = \sigma(z)"
        ),
        source="Dugas et al., 2001",
    )


@ACTIVATIONS.register
def exp() -> Activation:
    """Return the exponential, the output of a Poisson regression."""
    return Activation(
        "exp",
        value=lambda z: namespace(z).exp(z),
        derivative=lambda z, a: a,
        derivation=r"\varphi(z) = e^z \\ \varphi'(z) = e^z = \varphi(z)",
        source="the inverse of the log link of Poisson regression",
        hidden=False,
        domain=(-8.0, 4.0),
    )


def _softmax(z: Array) -> Array:
    """Return exp(z_k) / Σ_i exp(z_i) by row; the row's maximum is taken off first."""
    xp = namespace(z)
    # the shift cancels in the quotient, so it may be treated as a constant (real part only)
    e = xp.exp(z - xp.max(real(z), axis=1, keepdims=True))
    return e / xp.sum(e, axis=1, keepdims=True)


def _softmax_jacobian(z: Array, a: Array) -> Array:
    """Return [n, k, i] = ∂a_k/∂z_i = a_k (1_{k=i} − a_i)."""
    xp = namespace(z)
    one = xp.eye(a.shape[1], dtype=a.dtype)
    return a[:, :, None] * (one[None, :, :] - a[:, None, :])


@ACTIVATIONS.register
def softmax() -> Activation:
    """Return softmax, the output of a classification: positive and of sum 1 in each row."""
    return Activation(
        "softmax",
        value=_softmax,
        derivative=_softmax_jacobian,
        derivation=(
            r"a_k = \frac{e^{z_k}}{\sum_m e^{z_m}} \\"
            r"\text{quotient rule: }\Bigl(\frac{g}{h}\Bigr)' = \frac{g' h - g h'}{h^2} \\"
            r"\frac{\partial a_k}{\partial z_i}"
            r" = \frac{\mathbb{1}_{k=i}\, e^{z_k}}{\sum_m e^{z_m}}"
            r" - \frac{e^{z_k}\, e^{z_i}}{\bigl(\sum_m e^{z_m}\bigr)^2} \\"
            r"= a_k\,(\mathbb{1}_{k=i} - a_i)"
        ),
        source="note 3, Backpropagation, section 4.3.1",
        elementwise=False,
        hidden=False,
    )
