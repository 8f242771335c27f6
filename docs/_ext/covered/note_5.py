"""Note 5, Notation and summary."""

from covered.row import Row

__all__ = ["ROWS"]

SYMBOLS, PARAMETER = "note-5#symbols-and-shapes", "note-5#one-parameter-at-a-time"
FORWARD, BACKWARD, UPDATE = (
    "note-5#step-1-forward-pass",
    "note-5#step-2-loss-and-backward-pass",
    "note-5#step-3-update",
)
MINIBATCH = "For Minibatch-Gradient Descent"

ROWS = {
    "": (
        Row("1-5", r"$a$, $\mathbf a$, $\mathbf A$, $\mathbf A_{i,:}$, $\mathbf A_{:,j}$", SYMBOLS),
        Row(
            "6-8 17-18",
            r"$\mathbf W^{(l)} \in \mathbb{R}^{d^{(l-1)} \times d^{(l)}}$, $w^{(l)}_{ij}$, "
            r"$\mathbf b^{(l)}$",
            SYMBOLS,
            functions="derivatives.notation.Notation",
        ),
        Row(
            "9-13",
            r"$z^{(l)}_i$, $a^{(l)}_i$, $d^{(l)}$, $\mathbf z^{(l)}$, $\mathbf a^{(l)}$",
            SYMBOLS,
        ),
        Row("14-16", r"$\mathcal L$, $\odot$, $\mathbf x = \mathbf a^{(0)}$", SYMBOLS),
        Row(
            "19",
            r"$z^{(l)}_j = \sum_i w^{(l)}_{ij} a^{(l-1)}_i + b^{(l)}_j$",
            PARAMETER,
            "parameter F1 every",
            "derivatives.forms.per_parameter",
        ),
        Row(
            "20-21",
            r"$\mathbf z^{(l)} = (\mathbf W^{(l)})^T \mathbf a^{(l-1)} + \mathbf b^{(l)}$, "
            r"$\mathbf a^{(l)} = \mathbf f(\mathbf z^{(l)})$",
            FORWARD,
            "sample F1 every; sample F2 every",
            "core.backprop.forward",
        ),
        Row(
            "22",
            r"$\mathcal L = \mathbf g(\mathbf a^{(L)})$",
            BACKWARD,
            "sample C output",
            "core.backprop.cost",
        ),
        Row(
            "23-24",
            r"$\frac{\partial \mathcal L}{\partial w^{(l)}_{ij}} = \frac{\partial \mathcal "
            r"L}{\partial z^{(l)}_j} a^{(l-1)}_i$",
            PARAMETER,
            "parameter B3 every",
            "derivatives.forms.per_parameter",
        ),
        Row(
            "25-26",
            r"$\frac{\partial \mathcal L}{\partial b^{(l)}_j} = \frac{\partial \mathcal "
            r"L}{\partial z^{(l)}_j} = e^{(l)}_j$",
            PARAMETER,
            "parameter B4 every",
            "derivatives.forms.per_parameter",
        ),
    ),
    "At output layer ($L$-th layer)": (
        Row(
            "1",
            r"$\frac{\partial \mathcal L}{\partial w^{(L)}_{ij}} = \frac{\partial \mathcal "
            r"L}{\partial a^{(L)}_j} \mathbf f'(z^{(L)}_j) a^{(L-1)}_i$",
            PARAMETER,
            "parameter B1z output; parameter B3 output",
            "derivatives.forms.per_parameter",
        ),
        Row(
            "2",
            r"$\mathbf e^{(L)} = \frac{\partial \mathcal L}{\partial \mathbf a^{(L)}} \odot "
            r"\mathbf f'(\mathbf z^{(L)})$",
            BACKWARD,
            "sample B1z output",
            "derivatives.forms.per_sample",
        ),
        Row(
            "3-4",
            r"$\frac{\partial \mathcal L}{\partial \mathbf W^{(L)}} = \mathbf a^{(L-1)} "
            r"(\mathbf e^{(L)})^T$, $\frac{\partial \mathcal L}{\partial \mathbf b^{(L)}} = "
            r"\mathbf e^{(L)}$",
            BACKWARD,
            "sample B3 output; sample B4 output",
            "derivatives.forms.per_sample",
        ),
    ),
    r"At l-th layer ($1 \leq l < L$)": (
        Row(
            "1-4",
            r"The same gradients at layer l, one by one and as $\mathbf a^{(l-1)} (\mathbf "
            r"e^{(l)})^T$ and $\mathbf e^{(l)}$",
            f"{PARAMETER} {BACKWARD}",
            "parameter B3 hidden; parameter B4 hidden; sample B3 hidden; sample B4 hidden",
            "derivatives.forms.per_parameter derivatives.forms.per_sample",
        ),
        Row(
            "5-7",
            r"$\mathcal L$ as a function of $\mathbf z^{(l+1)}$: $e^{(l)}_j = \sum_k "
            r"e^{(l+1)}_k w^{(l+1)}_{jk} \mathbf f'(z^{(l)}_j)$",
            PARAMETER,
            "parameter B2b hidden",
            "derivatives.forms.per_parameter",
        ),
        Row(
            "8",
            r"$\mathbf e^{(l)} = \mathbf W^{(l+1)} \mathbf e^{(l+1)} \odot \mathbf f'(\mathbf "
            r"z^{(l)})$",
            BACKWARD,
            "sample B2b hidden",
            "derivatives.forms.per_sample",
        ),
    ),
    "Summary": (Row("1", "The algorithm in three steps", f"{FORWARD} {BACKWARD} {UPDATE}"),),
    "Summary, Step 1": (
        Row(
            "1-4",
            "Forward pass",
            FORWARD,
            "sample F1 every; sample F2 every",
            "core.backprop.forward",
        ),
    ),
    "Summary, Step 2": (
        Row(
            "1",
            r"$\mathcal L = \mathbf g(\mathbf a^{(L)})$",
            BACKWARD,
            "sample C output",
            "core.backprop.cost",
        ),
        Row(
            "2-5",
            r"Backward pass, l = L: $\mathbf e^{(L)}$ and its gradients",
            BACKWARD,
            "sample B1z output; sample B3 output; sample B4 output",
            "core.backprop.backward",
        ),
        Row(
            "6-9",
            r"$l = L-1, \ldots, 1$: $\mathbf e^{(l)}$ and its gradients",
            BACKWARD,
            "sample B2b hidden; sample B3 hidden; sample B4 hidden",
            "core.backprop.backward",
        ),
    ),
    "Summary, Step 3": (
        Row(
            "1-3",
            r"Update by SGD, $\mathbf W^{(l)} \leftarrow \mathbf W^{(l)} - \alpha "
            r"\frac{\partial \mathcal L}{\partial \mathbf W^{(l)}}$, likewise $\mathbf b^{(l)}$",
            UPDATE,
            "batch U every; batch U every b_new",
        ),
    ),
    MINIBATCH: (
        Row(
            "1-3",
            r"$\mathbf X = \mathbf A^{(0)} = [\mathbf x_1 \vert \ldots \vert \mathbf x_N]$, "
            r"$\mathbf Z^{(l)}$, $\mathbf A^{(l)} = \mathbf f(\mathbf Z^{(l)})$",
            f"{SYMBOLS} {FORWARD}",
            "batch F2 every",
        ),
        Row(
            "4-5",
            r"$\mathbf Z^{(l)} = (\mathbf W^{(l)})^T \mathbf A^{(l-1)} + \mathbf B^{(l)}$, the "
            r"bias N times side by side",
            FORWARD,
            "batch F1 every",
        ),
    ),
    f"{MINIBATCH}, At output layer ($l=L$)": (
        Row(
            "1-2",
            r"$\mathbf E^{(L)} = \frac{\partial \mathcal L}{\partial \mathbf A^{(L)}} \odot "
            r"\mathbf f'(\mathbf Z^{(L)})$",
            BACKWARD,
            "batch B1z output dz; batch B1 output",
            "derivatives.forms.batch",
        ),
        Row(
            "3",
            r"$\frac{\partial \mathcal L}{\partial \mathbf W^{(L)}} = \mathbf A^{(L-1)} "
            r"(\mathbf E^{(L)})^T = \sum_n \mathbf a_n^{(L-1)} (\mathbf e_n^{(L)})^T$",
            BACKWARD,
            "batch B3 output",
            "derivatives.forms.batch",
        ),
        Row(
            "4",
            r"$\frac{\partial \mathcal L}{\partial \mathbf b^{(L)}} = \mathbf E^{(L)} \mathbf "
            r"1 = \sum_n \mathbf e_n^{(L)}$",
            BACKWARD,
            "batch B4 output",
            "derivatives.forms.batch",
        ),
    ),
    rf"{MINIBATCH}, At l-th layer ($1 \leq l < L$)": (
        Row(
            "1",
            r"$\mathbf E^{(l)} = \mathbf W^{(l+1)} \mathbf E^{(l+1)} \odot \mathbf f'(\mathbf "
            r"Z^{(l)})$",
            BACKWARD,
            "batch B2b hidden",
            "derivatives.forms.batch",
        ),
        Row(
            "2-3",
            r"$\mathbf A^{(l-1)} (\mathbf E^{(l)})^T$ and $\mathbf E^{(l)} \mathbf 1 = \sum_n "
            r"\mathbf e_n^{(l)}$",
            BACKWARD,
            "batch B3 hidden; batch B4 hidden",
            "derivatives.forms.batch",
        ),
    ),
}
"""By the lines that open a part; the note has no headings. Before the first of them: no name."""
