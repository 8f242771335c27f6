r"""The same gradients in the notes' other forms, each to be read next to its note.

:mod:`backpass.backprop` computes the gradient of J for a batch at once. Here it is computed one
parameter at a time, one sample at a time, as a product of Jacobians, and by the recursion in b;
:data:`FORMS` lists them. Every form takes ``(model, X, y, s, alpha=0.0)``, y encoded, NumPy
arrays, and returns :class:`~backpass.parameters.Gradients`; they agree to rounding.

Numbering follows the notes: layers are 1 … L, ``W[l]`` is W^l, ``a[0]`` is the sample x. ``W`` is
(in, out) as in notes 1, 4 and 5; notes 2 and 3 write its transpose. The notes derive one sample;
where they leave out the mean over samples, ``share`` = s_n / S puts it back.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

import numpy as np

from backpass import backprop
from backpass.activations import Activation
from backpass.errors import InputError
from backpass.ops import Array
from backpass.parameters import Gradients, Model, Parameters

__all__ = [
    "FORMS", "Factor", "Form", "LayerJacobians", "batch", "finite_differences", "jacobian",
    "layer_jacobians", "multiplications", "neuron_derivatives", "per_parameter", "per_sample",
    "prefix", "recursion", "thin_chain",
]  # fmt: skip


@dataclass(frozen=True)
class Form:
    """One way to compute the gradient.

    Parameters
    ----------
    name : str
        Its key in :data:`FORMS`.
    title : str
        What it works on at a time.
    source : str
        The notes that have it, and where.
    gradients : callable
        ``gradients(model, X, y, s, alpha=0.0)``.

    Examples
    --------
    >>> [form.name for form in FORMS.values()]
    ['per_parameter', 'per_sample', 'batch', 'jacobian', 'recursion']
    """

    name: str
    title: str
    source: str
    gradients: Callable[..., Gradients]


F = TypeVar("F", bound=Callable[..., Gradients])

FORMS: dict[str, Form] = {}
"""Every form by name."""


def _form(title: str, source: str) -> Callable[[F], F]:
    def register(gradients: F) -> F:
        FORMS[gradients.__name__] = Form(gradients.__name__, title, source, gradients)
        return gradients

    return register


# --- what the forms share ------------------------------------------------------------------------


def _from_one(layers: Sequence[Any]) -> dict[int, Any]:
    # L things, one a layer → numbered 1 … L as in the notes
    return dict(enumerate(layers, start=1))


def _zeros(model: Model, X: Array) -> tuple[Gradients, dict[int, Any], dict[int, Any], Array]:
    # X (N, n_0) → gradients of zeros, and views of them: ∂J/∂W^l, ∂J/∂b^l, ∂J/∂X
    flat, sizes = model.parameters.flat, model.parameters.sizes
    dX = np.zeros(X.shape, dtype=flat.dtype)
    gradients = Gradients(Parameters(sizes, np.zeros_like(flat)), dX)
    return gradients, _from_one(gradients.weights), _from_one(gradients.biases), dX


def _forward(model: Model, x: Array) -> tuple[list[Array], list[Array]]:
    # x (n_0,) → z, a: lists with z[l], a[l] (n_l,); note 5, "Summary", step 1
    z, a = [x], [x]  # a^0 = x; z[0] only fills the place
    theta = model.parameters
    for W, b, f in zip(theta.weights, theta.biases, model.activations, strict=True):
        z.append(W.T @ a[-1] + b)  # z^l = (W^l)ᵀ a^{l-1} + b^l
        a.append(f.value(z[-1][None, :])[0])  # a^l = f(z^l)
    return z, a


def _slope(f: Activation, z: Array, a: Array) -> Array:
    # z, a (n,) → f'(z) (n,); for softmax the Jacobian (n, n), [k, i] = ∂a_k/∂z_i
    return f.derivative(z[None, :], a[None, :])[0]


def _matrix(f: Activation, z: Array, a: Array) -> Array:
    # z, a (n,) → ∂a/∂z (n, n): diag(f'(z_1), …, f'(z_n)), or softmax's Jacobian
    return np.diag(_slope(f, z, a)) if f.elementwise else _slope(f, z, a)


def _cost_derivative(model: Model, a: Array, y: Array) -> Array:
    # a, y (k,) → ∂C/∂a^L (k,)
    return model.loss.derivative(y[None, :], a[None, :])[0]


def _add_penalty(gradients: Gradients, model: Model, alpha: float, s: Array) -> Gradients:
    # gradients of the mean cost → of J: ½ α Σ‖W‖² / S adds (α / S) W
    for dW, W in zip(gradients.weights, model.parameters.weights, strict=True):
        dW += (alpha / np.sum(s)) * W
    return gradients


# --- notes 1 and 5: one parameter, one sample, a batch --------------------------------------------


def _forward_by_sums(model: Model, x: Array) -> tuple[list[Any], list[Any]]:
    # x (n_0,) → z, a as in _forward; z_j^l = Σ_i w_ij^l a_i^{l-1} + b_j^l (note 5)
    z, a = [x], [x]
    theta = model.parameters
    for W, b, f in zip(theta.weights, theta.biases, model.activations, strict=True):
        below, units = a[-1], range(len(b))
        sums = [sum(W[i, j] * below[i] for i in range(len(below))) + b[j] for j in units]
        z.append(np.array(sums))
        a.append(f.value(z[-1][None, :])[0])
    return z, a


def _output_error_by_sums(model: Model, z: Array, a: Array, y: Array, share: Any) -> list[Any]:
    # z, a, y (k,) → e^L (k,): e_j = ∂J/∂z_j = (s_n/S) ∂C/∂a_j f'(z_j); softmax: sum over a_i
    f, units = model.activations[-1], range(len(a))
    dC, slope = _cost_derivative(model, a, y), _slope(f, z, a)
    if f.elementwise:
        return [share * (dC[j] * slope[j]) for j in units]
    return [share * sum(dC[i] * slope[i, j] for i in units) for j in units]


@_form(
    "one parameter, with sums",
    "note 1, Derivatives with Respect to Individual Parameters; note 5, At l-th layer",
)
def per_parameter(model: Model, X: Array, y: Array, s: Array, alpha: float = 0.0) -> Gradients:
    r"""Compute one parameter at a time, with sums over samples and units.

    Note 1, "Derivatives with Respect to Individual Parameters"; note 5, "At l-th layer":
    :math:`e_j^l = \bigl(\sum_k w_{jk}^{l+1} e_k^{l+1}\bigr) f'(z_j^l)`,
    :math:`\partial J/\partial w_{ij}^l = a_i^{l-1} e_j^l`,
    :math:`\partial J/\partial b_j^l = e_j^l`.

    Parameters
    ----------
    model : Model
    X : array of shape (N, n_0)
    y : array of shape (N, k)
        Encoded targets.
    s : array of shape (N,)
        Sample weights; their sum must be positive.
    alpha : float
        L2 strength.

    Examples
    --------
    >>> theta = Parameters([1, 1], np.array([2.0, -1.0]))
    >>> neuron = Model.from_specs(theta, ["logistic"], "squared_error")
    >>> X, y, s = np.array([[0.5]]), np.array([[1.0]]), np.ones(1)
    >>> per_parameter(neuron, X, y, s).flat  # z = 0, a = ½, e = (a − y)·a(1 − a) = −⅛
    array([-0.0625, -0.125 ])
    """
    W, f = _from_one(model.parameters.weights), _from_one(model.activations)
    last, (gradients, dW, db, dX) = len(f), _zeros(model, X)
    for n, share in enumerate(s / np.sum(s)):
        z, a = _forward_by_sums(model, X[n])
        e = _output_error_by_sums(model, z[last], a[last], y[n], share)
        for layer in range(last, 0, -1):
            below, units = range(len(a[layer - 1])), range(len(e))
            for j in units:
                for i in below:
                    dW[layer][i, j] += a[layer - 1][i] * e[j]
                db[layer][j] += e[j]
            g = [sum(W[layer][j, k] * e[k] for k in units) for j in below]
            if layer > 1:
                slope = _slope(f[layer - 1], z[layer - 1], a[layer - 1])
                e = [g[j] * slope[j] for j in below]
        dX[n] = g
    return _add_penalty(gradients, model, alpha, s)


@_form(
    "one sample, with vectors",
    "note 1, Derivatives with Respect to Matrices; note 3, section 5.1; note 5, Summary",
)
def per_sample(model: Model, X: Array, y: Array, s: Array, alpha: float = 0.0) -> Gradients:
    r"""Compute one sample at a time, with vectors; the mean over samples comes last.

    Note 1, "Derivatives with Respect to Matrices"; note 3, section 5.1 (with Wᵀ for W); note 5,
    "Summary", step 2: :math:`e^l = (W^{l+1} e^{l+1}) \odot f'(z^l)`,
    :math:`\partial C/\partial W^l = a^{l-1} (e^l)^T`, :math:`\partial C/\partial b^l = e^l`.

    Parameters
    ----------
    model, X, y, s, alpha
        As in :func:`per_parameter`.

    Examples
    --------
    >>> theta = Parameters([1, 1], np.array([2.0, -1.0]))
    >>> neuron = Model.from_specs(theta, ["logistic"], "squared_error")
    >>> per_sample(neuron, np.array([[0.5]]), np.array([[1.0]]), np.ones(1)).flat
    array([-0.0625, -0.125 ])
    """
    W, f = _from_one(model.parameters.weights), _from_one(model.activations)
    last, (gradients, dW, db, dX) = len(f), _zeros(model, X)
    for n, share in enumerate(s / np.sum(s)):
        z, a = _forward(model, X[n])
        dC, slope = _cost_derivative(model, a[last], y[n]), _slope(f[last], z[last], a[last])
        e = dC * slope if f[last].elementwise else dC @ slope  # e^L = ∂C/∂z^L
        for layer in range(last, 0, -1):
            dW[layer] += share * np.outer(a[layer - 1], e)
            db[layer] += share * e
            g = W[layer] @ e
            if layer > 1:
                e = g * _slope(f[layer - 1], z[layer - 1], a[layer - 1])
        dX[n] = share * g
    return _add_penalty(gradients, model, alpha, s)


@_form(
    "a batch, with matrices",
    "note 1, Backpropagation for Batch Gradient Descent; note 3, section 5.2; note 5, Summary",
)
def batch(
    model: Model, X: Array, y: Array, s: Array, alpha: float = 0.0, *, fused: bool = False
) -> Gradients:
    """Compute a batch with matrices: this is :func:`backpass.backprop.backward` itself.

    Note 1, "Backpropagation for Batch (Mini-Batch) Gradient Descent"; note 3, section 5.2; note 5,
    "For Minibatch-Gradient Descent"; samples in rows here, in columns there.

    Parameters
    ----------
    model, X, y, s, alpha
        As in :func:`per_parameter`.
    fused : bool
        Whether to start from ∂C/∂z in one formula where the loss declares it (note 3: ŷ − e_ℓ).

    Examples
    --------
    >>> theta = Parameters([1, 1], np.array([2.0, -1.0]))
    >>> neuron = Model.from_specs(theta, ["logistic"], "squared_error")
    >>> batch(neuron, np.array([[0.5]]), np.array([[1.0]]), np.ones(1)).flat
    array([-0.0625, -0.125 ])
    """
    passed = backprop.forward(model, X)
    return backprop.backward(model, passed, y, s, alpha=alpha, fused=fused)


# --- note 4: the product of the layers' Jacobians ------------------------------------------------


def neuron_derivatives(
    alpha: Array, omega: Array, beta: float, phi: Activation
) -> tuple[Array, Array, Array]:
    r"""Return ∂h/∂a, ∂h/∂w and ∂h/∂b of a single neuron h = Φ ∘ Ψ, Ψ(a, w, b) = wᵀa + b.

    Note 4, slide "Partial derivatives for a single neuron":
    :math:`\Phi'(\zeta)\,\omega^T`, :math:`\Phi'(\zeta)\,\alpha^T` and
    :math:`\Phi'(\zeta)` with :math:`\zeta = \omega^T \alpha + \beta`.

    Parameters
    ----------
    alpha : array of shape (n,)
        The neuron's input.
    omega : array of shape (n,)
        Its weights.
    beta : float
        Its bias.
    phi : Activation
        Φ, elementwise.

    Examples
    --------
    >>> from backpass.activations import ACTIVATIONS
    >>> phi = ACTIVATIONS.get_record("logistic")
    >>> neuron_derivatives(np.array([0.5, 1.0]), np.array([4.0, 2.0]), -4.0, phi)  # ζ = 0, Φ' = ¼
    (array([1. , 0.5]), array([0.125, 0.25 ]), array(0.25))
    """
    # alpha, omega (n,), beta () → (n,), (n,), ()
    zeta = np.array([[omega @ alpha + beta]])
    slope = phi.derivative(zeta, phi.value(zeta))[0, 0]
    return slope * omega, slope * alpha, np.asarray(slope)


class LayerJacobians(NamedTuple):
    """The Jacobian matrices of one layer f(a, W, b) with n inputs and m neurons.

    Parameters
    ----------
    a : array of shape (m, n)
        ∂f/∂a.
    w : array of shape (m, m, n)
        ``w[k]`` is ∂f/∂w_k: zero but in line k, where Φ acts on each neuron alone.
    b : array of shape (m, m)
        ∂f/∂b = diag(Φ'(ζ_1), …, Φ'(ζ_m)) = ∂f/∂ζ; column k is ∂f/∂b_k.
    """

    a: Array
    w: Array
    b: Array


def layer_jacobians(alpha: Array, Omega: Array, beta: Array, phi: Activation) -> LayerJacobians:
    r"""Return ∂f/∂a, every ∂f/∂w_k, and ∂f/∂b of a layer.

    Note 4, slide "Back to partial derivatives for a layer". The slide's diag(Φ') is the Jacobian
    ∂a/∂z of an elementwise Φ; softmax brings a full one, and its ∂f/∂w_k is zero in no line.

    Parameters
    ----------
    alpha : array of shape (n,)
        The layer's input.
    Omega : array of shape (n, m)
        (ω_1, …, ω_m), a column each neuron.
    beta : array of shape (m,)
        The biases.
    phi : Activation
        Φ.

    Examples
    --------
    >>> from backpass.activations import ACTIVATIONS
    >>> phi = ACTIVATIONS.get_record("relu")
    >>> J = layer_jacobians(np.array([3.0]), np.array([[2.0, -1.0]]), np.zeros(2), phi)
    >>> J.a, J.b, J.w[0]  # ζ = (6, −3): the second neuron is off
    (array([[2.],
           [0.]]), array([[1., 0.],
           [0., 0.]]), array([[3.],
           [0.]]))
    """
    # alpha (n,), Omega (n, m), beta (m,) → (m, n), (m, m, n), (m, m)
    zeta = Omega.T @ alpha + beta
    slope = _matrix(phi, zeta, phi.value(zeta[None, :])[0])
    w = [np.outer(slope[:, k], alpha) for k in range(len(beta))]
    return LayerJacobians(slope @ Omega.T, np.stack(w), slope)


def prefix(model: Model, x: Array, i: int) -> Array:
    """Return α^i = g^i(x), the output of the first `i` layers.

    Note 4, slide "What we want to compute".

    Parameters
    ----------
    model : Model
    x : array of shape (n_0,)
    i : int
        0 gives x itself.

    Examples
    --------
    >>> theta = Parameters([1, 1, 1], np.array([2.0, 0.0, -1.0, 5.0]))
    >>> model = Model.from_specs(theta, ["relu", "identity"], "squared_error")
    >>> prefix(model, np.array([3.0]), 1), prefix(model, np.array([3.0]), 2)
    (array([6.]), array([-1.]))
    """
    # x (n_0,) → (n_i,)
    if not 0 <= i < len(model.parameters.sizes):
        raise InputError(f"i must be 0 … {len(model.activations)}, not {i!r}")
    return _forward(model, x)[1][i]


@_form(
    "one sample, a product of Jacobians",
    "note 4, slide Back to partial derivatives for an entire network",
)
def jacobian(model: Model, X: Array, y: Array, s: Array, alpha: float = 0.0) -> Gradients:
    r"""Compute one sample at a time, as a product of the layers' Jacobians.

    Note 4, slides "Recap" and "Back to partial derivatives for an entire network":
    :math:`\mathcal P^{L+1} = \partial \mathcal C/\partial a^L`,
    :math:`\mathcal P^j = \mathcal P^{j+1} \cdot \partial f^j/\partial a^{j-1}`,
    :math:`\partial \mathcal E/\partial w_k^j = \mathcal P^{j+1} \cdot \partial f^j/\partial w_k^j`,
    :math:`\partial \mathcal E/\partial b^j = \mathcal P^{j+1} \cdot \partial f^j/\partial b^j`.

    Parameters
    ----------
    model, X, y, s, alpha
        As in :func:`per_parameter`.

    Examples
    --------
    >>> theta = Parameters([1, 1], np.array([2.0, -1.0]))
    >>> neuron = Model.from_specs(theta, ["logistic"], "squared_error")
    >>> jacobian(neuron, np.array([[0.5]]), np.array([[1.0]]), np.ones(1)).flat
    array([-0.0625, -0.125 ])
    """
    Omega, beta = _from_one(model.parameters.weights), _from_one(model.parameters.biases)
    Phi, (gradients, dOmega, dbeta, dX) = _from_one(model.activations), _zeros(model, X)
    last = len(Phi)
    for n, share in enumerate(s / np.sum(s)):
        a = _forward(model, X[n])[1]
        P = _cost_derivative(model, a[last], y[n])  # 𝒫^{L+1}
        for j in range(last, 0, -1):
            df = layer_jacobians(a[j - 1], Omega[j], beta[j], Phi[j])
            for k in range(len(beta[j])):
                dOmega[j][:, k] += share * (P @ df.w[k])
            dbeta[j] += share * (P @ df.b)
            P = P @ df.a  # 𝒫^j
        dX[n] = share * P  # 𝒫^1 = ∂C/∂a^0
    return _add_penalty(gradients, model, alpha, s)


# --- note 2: the recursion in b ------------------------------------------------------------------


@_form(
    "one sample, the recursion in b",
    "note 2, Derivatives with respect to b^l and with respect to W^l",
)
def recursion(model: Model, X: Array, y: Array, s: Array, alpha: float = 0.0) -> Gradients:
    r"""Compute by the recursion from ∂L/∂b^{l+1} to ∂L/∂b^l, W of (n_l, n_{l-1}); the mean last.

    Note 2, "Derivatives with respect to b^l" and "… to W^l":
    :math:`\partial L/\partial b^l
    = \mathrm{diag}(f'(z^l)) \cdot (W^{l+1})^T \cdot \partial L/\partial b^{l+1}`,
    :math:`\partial L/\partial W^l = \partial L/\partial b^l \cdot (a^{l-1})^T`.

    Parameters
    ----------
    model, X, y, s, alpha
        As in :func:`per_parameter`.

    Examples
    --------
    >>> theta = Parameters([1, 1], np.array([2.0, -1.0]))
    >>> neuron = Model.from_specs(theta, ["logistic"], "squared_error")
    >>> recursion(neuron, np.array([[0.5]]), np.array([[1.0]]), np.ones(1)).flat
    array([-0.0625, -0.125 ])
    """
    W = _from_one([weights.T for weights in model.parameters.weights])  # note 2's layout
    f, (gradients, _, db, dX) = _from_one(model.activations), _zeros(model, X)
    dW, last = _from_one([view.T for view in gradients.weights]), len(f)
    for n, share in enumerate(s / np.sum(s)):
        z, a = _forward(model, X[n])
        dL_da = _cost_derivative(model, a[last], y[n])  # ∇g(a^L − y), or any other loss
        for l in range(last, 0, -1):  # noqa: E741
            # note 2 stacks the ∂a/∂b_j row by row: the transpose of the Jacobian
            dL_db = _matrix(f[l], z[l], a[l]).T @ dL_da
            dW[l] += share * np.outer(dL_db, a[l - 1])
            db[l] += share * dL_db
            dL_da = W[l].T @ dL_db
        dX[n] = share * dL_da
    return _add_penalty(gradients, model, alpha, s)


# --- note 3: the thin network --------------------------------------------------------------------


class Factor(NamedTuple):
    """One fraction of note 3's chain.

    Parameters
    ----------
    name : str
        ``"∂ŷ/∂a_3"``.
    value : float
        Its value.
    brace : str
        What note 3 writes under its brace.
    """

    name: str
    value: float
    brace: str


def thin_chain(model: Model, x: float, y: float) -> tuple[list[Factor], float]:
    """Write out the chain of fractions of ∂𝓛/∂W_111 in a network with one neuron a layer.

    Note 3, sections 4.1 and 4.2, in its symbols: a is the pre-activation, h the activation.

    Parameters
    ----------
    model : Model
        Sizes 1, 1, …, 1.
    x, y : float
        One sample and its encoded target.

    Returns
    -------
    factors : list of Factor
        From the loss down to the weight.
    product : float
        Their product, ∂𝓛/∂W_111.

    Raises
    ------
    InputError
        When a layer has more than one neuron.

    Examples
    --------
    >>> theta = Parameters([1, 1, 1, 1], np.array([0.5, 0.0, -1.0, 0.5, 2.0, 0.25]))
    >>> model = Model.from_specs(theta, ["tanh", "logistic", "identity"], "squared_error")
    >>> factors, product = thin_chain(model, x=1.5, y=1.0)
    >>> for name, value, brace in factors:
    ...     print(f"{name:>11} = {value:7.4f}  {brace}")
          ∂𝓛/∂ŷ =  0.1825  talk to the output layer
        ∂ŷ/∂a_3 =  1.0000  talk to the output layer
      ∂a_3/∂h_2 =  2.0000  talk to the previous hidden layer
      ∂h_2/∂a_2 =  0.2489  talk to the previous hidden layer
      ∂a_2/∂h_1 = -1.0000  talk to the previous hidden layer
      ∂h_1/∂a_1 =  0.5966  talk to the previous hidden layer
    ∂a_1/∂W_111 =  1.5000  and now talk to the weights
    >>> print(f"{product:.4f}")
    -0.0813
    >>> X, Y = np.array([[1.5]]), np.array([[1.0]])
    >>> gradients = batch(model, X, Y, np.ones(1))
    >>> bool(np.isclose(product, gradients.weights[0][0, 0], rtol=1e-14))
    True
    """
    # x, y () → L·2 + 1 factors, each ()
    if set(model.parameters.sizes) != {1}:
        raise InputError(f"a thin network has sizes 1, 1, …, not {list(model.parameters.sizes)}")
    a, h = _forward(model, np.array([x]))
    W, last = _from_one(model.parameters.weights), len(model.activations)
    brace = "talk to the output layer"
    dL = _cost_derivative(model, h[last], np.array([y]))[0]
    factors = [Factor("∂𝓛/∂ŷ", float(dL), brace)]
    for k in range(last, 0, -1):
        if k < last:
            brace = "talk to the previous hidden layer"
            factors.append(Factor(f"∂a_{k + 1}/∂h_{k}", float(W[k + 1][0, 0]), brace))
        slope = _matrix(model.activations[k - 1], a[k], h[k])[0, 0]
        factors.append(Factor(f"∂{'ŷ' if k == last else f'h_{k}'}/∂a_{k}", float(slope), brace))
    factors.append(Factor("∂a_1/∂W_111", float(h[0][0]), "and now talk to the weights"))
    return factors, float(np.prod([factor.value for factor in factors]))


# --- what it costs -------------------------------------------------------------------------------


def finite_differences(
    model: Model, X: Array, y: Array, s: Array, alpha: float = 0.0, *, step: float = 6e-6
) -> Gradients:
    """Compute (J(θ + h) − J(θ − h)) / 2h for one parameter after the other; no input derivative.

    What the gradient would cost without backpropagation: two forward passes a parameter.

    Parameters
    ----------
    model, X, y, s, alpha
        As in :func:`per_parameter`.
    step : float
        h; ∛ε balances truncation (h²) and rounding (ε/h).

    Examples
    --------
    >>> theta = Parameters([1, 1], np.array([2.0, -1.0]))
    >>> neuron = Model.from_specs(theta, ["logistic"], "squared_error")
    >>> finite_differences(neuron, np.array([[0.5]]), np.array([[1.0]]), np.ones(1)).flat.round(8)
    array([-0.0625, -0.125 ])
    """
    theta, gradient = model.parameters, model.parameters.copy()

    def J(flat: Array) -> Array:
        moved = model.with_parameters(Parameters(theta.sizes, flat))
        return backprop.cost(moved, backprop.forward(moved, X), y, s, alpha=alpha)

    for i in range(len(theta.flat)):
        plus, minus = theta.flat.copy(), theta.flat.copy()
        plus[i], minus[i] = theta.flat[i] + step, theta.flat[i] - step
        gradient.flat[i] = (J(plus) - J(minus)) / (2 * step)
    return Gradients(gradient, None)


def multiplications(sizes: Sequence[int], n_samples: int) -> dict[str, int]:
    """Count the scalar multiplications of one gradient, forward pass included, in every form.

    Those inside activations and losses are left out: they are a few a unit, the same in every
    form. The output activation is elementwise; all derivatives to the inputs are included, but for
    finite differences, which have none and are counted for alpha = 0.

    Parameters
    ----------
    sizes : sequence of int
        Units of every layer, input first.
    n_samples : int
        N.

    Examples
    --------
    >>> counts = multiplications([10, 20, 20, 5], n_samples=100)
    >>> counts["batch"], counts["finite_differences"] // counts["batch"]
    (215700, 484)
    """
    layers, N = list(pairwise(sizes)), n_samples
    W, U = sum(n * m for n, m in layers), sum(sizes[1:])  # weights; units above the input
    mean = W + U + sizes[0]  # s_n / S times every derivative of a sample
    squares, cubes = sum(m * m for _, m in layers), sum(n * m * m for n, m in layers)
    together = 3 * W + U + sizes[-1]  # forward, B2a, B3: W each; B2b and B1: the units
    return {
        "per_parameter": N * together + W,  # the last W: the penalty
        "per_sample": N * (3 * W + U + mean) + W,
        "batch": N * together + W,
        "jacobian": N * (3 * W + 3 * cubes + squares + mean) + W,
        "recursion": N * (3 * W + squares + mean) + W,
        "finite_differences": 2 * (W + U) * N * (W + 1),  # 2 P forward passes and their costs
    }
