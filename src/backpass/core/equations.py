r"""The equations of backpass, one record each; code, docs and trace render these records.

Layout: samples in rows, ``W`` is (in, out), s the sample weights, S = Σ s. ``code`` is a Python
expression in the operands that the observer of :mod:`backpass.core.backprop` delivers; a test
evaluates it against the result, so that text and code cannot drift apart.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Equation:
    """One equation.

    Parameters
    ----------
    id : str
        The name used in code, docs, trace and tests: ``"F1"``.
    title : str
        What it computes, in the field's terms.
    latex : str
        The equation in our layout.
    code : str
        The same as a Python expression of the observed operands.
    shapes : str
        The shapes, result last.
    source : str
        The notes that it stands in, under their own symbols.

    Examples
    --------
    >>> EQUATIONS["F1"].code
    'a @ W + b'
    """

    id: str
    title: str
    latex: str
    code: str
    shapes: str
    source: str


EQUATIONS: dict[str, Equation] = {
    equation.id: equation
    for equation in (
        Equation(
            "F1",
            "pre-activation",
            r"z_l = a_{l-1} W_l + \mathbf{1}\, b_l^T",
            "a @ W + b",
            "a (N, in), W (in, out), b (out,) → z (N, out)",
            "note 3, sections 2 and 5.2 (a_i, A_k); note 4 (ζ); note 5 (z^{(l)}, Z^{(l)})",
        ),
        Equation(
            "F2",
            "activation",
            r"a_l = \varphi_l(z_l)",
            "phi.value(z)",
            "z (N, out) → a (N, out)",
            "note 3, section 2 (h_i = g(a_i), ŷ = O(a_L)); note 4 (α = Φ(ζ)); note 5 (a^{(l)})",
        ),
        Equation(
            "D",
            "dropout",
            r"a_l \leftarrow a_l \odot \mathrm{mask}_l / (1 - p)",
            "a * mask / (1 - p)",
            "a (N, out), mask (N, out), p scalar → a (N, out)",
            "Srivastava et al., 2014 (inverted, so that prediction needs no scaling)",
        ),
        Equation(
            "C",
            "cost",
            r"J = \frac{1}{S} \sum_n s_n \sum_k C(z_L[n, k], y[n, k])"
            r" + \frac{\alpha}{2 S} \sum_l \|W_l\|^2",
            "sum(s * sum(terms, axis=1)) / sum(s) + alpha * penalty / (2 * sum(s))",
            "terms (N, k), s (N,), penalty = Σ‖W‖² scalar → J scalar",
            "note 2 (L = 1/N Σ g); note 3, section 3; note 4 (ℰ = 1/N Σ 𝒞)",
        ),
        Equation(
            "B1z",
            "derivative to z of the output, by the chain rule",
            r"\frac{\partial C}{\partial z_L} = \frac{\partial C}{\partial a_L}"
            r"\frac{\partial a_L}{\partial z_L}",
            "dC * dphi if dphi.ndim == 2 else sum(dC[:, :, None] * dphi, axis=1)",
            "dC ∂C/∂a (N, k), dphi ∂a/∂z (N, k), of softmax a Jacobian each row → ∂C/∂z (N, k)",
            "note 3, section 4.3.1; note 4 (Backpropagation algorithm, line 1); note 5, step 2",
        ),
        Equation(
            "B1f",
            "derivative to z of the output, in one formula",
            r"\frac{\partial C}{\partial z_L} = \frac{\partial C(a_L(z_L), y)}{\partial z_L}"
            r" \quad (\text{usually } a_L - y)",
            "pair.delta(y, a)",
            "y (N, k), a (N, k) → ∂C/∂z (N, k)",
            "note 3, section 4.3.1 (∇a_L = −(e_ℓ − ŷ))",
        ),
        Equation(
            "B1",
            "error signal at the output",
            r"\delta_L[n] = \frac{s_n}{S}\,\frac{\partial C}{\partial z_L}[n]",
            "(s / sum(s))[:, None] * derivative",
            "s (N,), derivative ∂C/∂z (N, k) → delta (N, k)",
            "note 1 (e^L, E^L); note 3, section 5.2 (∇A_L = (Ŷ − E)/m); note 4 (ℬ^L); note 5",
        ),
        Equation(
            "B2a",
            "derivative to the activations below",
            r"g_l = \frac{\partial J}{\partial a_l} = \delta_{l+1} W_{l+1}^T",
            "delta @ W.T",
            "delta (N, out), W (in, out) → g (N, in)",
            "note 3, section 4.3.2 (∇_h); note 4 (𝒫)",
        ),
        Equation(
            "B2b",
            "error signal of a hidden layer",
            r"\delta_l = g_l \odot \varphi_l'(z_l)",
            "g * dphi",
            "g (N, out), dphi = φ'(z) (N, out) → delta (N, out)",
            "note 1 (e^l, E^l); note 2 (∂L/∂b^l); note 3, section 4.3.2 (∇_a); note 4 (ℬ); note 5",
        ),
        Equation(
            "B3",
            "weight gradient",
            r"\frac{\partial J}{\partial W_l} = a_{l-1}^T \delta_l + \frac{\alpha}{S} W_l",
            "a.T @ delta + (alpha / S) * W",
            "a (N, in), delta (N, out), W (in, out) → (in, out)",
            "note 1 (A^{l-1} (E^l)^T); notes 2 and 5; note 3, section 5.2;"
            " note 4, Gradient computation",
        ),
        Equation(
            "B4",
            "bias gradient",
            r"\frac{\partial J}{\partial b_l} = \mathbf{1}^T \delta_l",
            "sum(delta, axis=0)",
            "delta (N, out) → (out,)",
            "note 1 (Σ e_n); note 3, section 5.2 (∇A_k 1_m); note 4, Gradient computation; note 5",
        ),
        Equation(
            "U",
            "update",
            r"\theta \leftarrow U\bigl(\theta, \partial J / \partial \theta\bigr)",
            "optimizer.step(theta, gradient, state, t, rate)[0]",
            "theta (P,), gradient (P,) → theta (P,)",
            "note 4, slide Gradient descent; note 5, step 3",
        ),
    )
}
"""Every equation by its id."""
