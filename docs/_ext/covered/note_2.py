"""Note 2, Bro, do you even backprop?"""

from covered.row import Row

__all__ = ["ROWS"]

BIASES = r"Derivatives with respect to ${\bf b}^l$"
WEIGHTS = r"Derivatives with respect to ${\bf W}^l$"
OUTPUT = "note-2#the-output-layer"
STANDS = "note-2#the-bias-stands-for-the-pre-activation"

ROWS = {
    BIASES: (
        Row(
            "1-2",
            r"$g(x) = \frac12 \|x\|^2$, $\nabla g(x) = x$",
            "note-2#the-loss #loss-squared-error",
        ),
        Row("3", r"$L = \frac1N \sum_i g(a^L(x_i) - y_i)$", "note-2#the-loss", "batch C mean"),
        Row(
            "4",
            r"$\frac{\partial L}{\partial b^l} = \frac1N \sum_i \frac{\partial a^L}{\partial "
            r"b^l} \cdot (a^L(x_i) - y_i)$",
            "note-2#the-loss note-2#the-mean-taken-last",
            "batch B3 mean db",
            "derivatives.forms.recursion",
        ),
    ),
    f"{BIASES}, For the output layer": (
        Row("1-2", "Output layer: what $a^L$ is", OUTPUT, "batch F1 output; batch F2 output"),
        Row(
            "3",
            r"$\frac{\partial a^L}{\partial b^L_j} = \sum_k \frac{\partial a^L}{\partial "
            r"z^L_k} \frac{\partial z^L_k}{\partial b^L_j}$",
            "note-2#one-bias-at-a-time",
        ),
        Row(
            "4-6",
            r"$\mathbf e_k$, $\frac{\partial a^L}{\partial z^L_k} = f'(z^L_k)\, \mathbf e_k$, "
            r"$\frac{\partial z^L_k}{\partial b^L_j} = \delta_{jk}$, so $\frac{\partial "
            r"a^L}{\partial b^L_j} = f'(z^L_j)\, \mathbf e_j$",
            "note-2#one-bias-at-a-time",
        ),
        Row(
            "7",
            r"$\frac{\partial a^L}{\partial b^L} = \mathrm{diag}(f'(z^L_1), \ldots, "
            r"f'(z^L_{n_L}))$, stacked row by row",
            OUTPUT,
            "jacobian B4 output dfb",
            "derivatives.forms.layer_jacobians",
        ),
        Row(
            "8",
            r"$z^L_k = (w^L_k)^T \cdot a^{L-1} + b^L_k$",
            "note-2#one-bias-at-a-time",
            "parameter F1 every",
        ),
        Row(
            "9",
            r"$\frac{\partial L}{\partial b^L} = \frac1N \sum_i \mathrm{diag}(f'(z^L)) \cdot "
            r"(a^L(x_i) - y_i)$",
            OUTPUT,
            "batch B1z output; batch B3 mean db",
            "derivatives.forms.recursion",
        ),
    ),
    f"{BIASES}, For an interior layer $l$": (
        Row(
            "1-3",
            r"$\frac{\partial z^l}{\partial b^l} = I_{n_l}$: z and b are interchangeable in "
            r"derivatives",
            STANDS,
        ),
        Row(
            "4-5",
            r"$\frac{\partial a^l}{\partial b^l} = \mathrm{diag}(f'(z^l_1), \ldots, "
            r"f'(z^l_{n_l}))$ in any layer",
            STANDS,
            "jacobian B4 every dfb",
            "derivatives.forms.layer_jacobians",
        ),
        Row(
            "6-7",
            r"$\frac{\partial L}{\partial b^l} = \mathrm{diag}(f'(z^l)) \cdot (W^{l+1})^T "
            r"\cdot \frac{\partial L}{\partial b^{l+1}}$, by the chain rule",
            "note-2#an-interior-layer",
            "batch B2b hidden",
            "derivatives.forms.recursion",
        ),
    ),
    WEIGHTS: (
        Row(
            "1",
            r"$\frac{\partial L}{\partial w^l_i} = [\cdots 0 \;\; a^{l-1} \;\; 0 \cdots] \cdot "
            r"\frac{\partial L}{\partial b^l} = a^{l-1} \frac{\partial L}{\partial b^l_i}$",
            "note-2#the-weights",
            "parameter B3 every",
        ),
        Row(
            "2-3",
            r"$W^l = [w^l_1, \ldots, w^l_{n_l}]^T$, and the $\frac{\partial L}{\partial "
            r"w^l_i}$ stacked in columns",
            "note-2#the-weights",
        ),
        Row(
            "4",
            r"$\frac{\partial L}{\partial W^l} = \frac{\partial L}{\partial b^l} \cdot "
            r"(a^{l-1})^T$",
            "note-2#the-weights",
            "batch B3 every; batch B3 mean",
            "derivatives.forms.recursion",
        ),
    ),
}
"""By heading, and by the bold words that open a part of it."""
