"""Note 1, Derivatives of all layers."""

from covered.row import Row

__all__ = ["ROWS"]

PARAMETER = "note-1#its-first-form-one-parameter-at-a-time"
UPDATING = "note-1#updating-the-derivatives"
LAYERS = "note-1#layers-l--l--1--1"
MATRICES = "Derivatives with Respect to Matrices"
UPDATES = "Updating the Derivatives for the Weight Matrices and Bias Vectors"
BATCH = "Backpropagation for Batch (Mini-Batch) Gradient Descent"

ROWS = {
    "Derivatives of all layers": (
        Row("", "The title: the error signal $e^l$ of every layer", page="note-1"),
    ),
    "Derivatives with Respect to Individual Parameters": (
        Row(
            "1",
            "Feedforward step: the activations $a^l$ of each layer are kept",
            "note-1#feedforward-step",
            "batch F1 every; batch F2 every",
            "core.backprop.forward core.backprop.Forward",
        ),
        Row(
            "2",
            r"$e^L_j = \partial J / \partial z^L_j$",
            PARAMETER,
            "parameter B1z output",
            "derivatives.forms.per_parameter",
        ),
        Row(
            "3 7",
            r"$\partial J / \partial w^l_{ij} = a^{l-1}_i e^l_j$, at the output and below",
            PARAMETER,
            "parameter B3 every",
            "derivatives.forms.per_parameter",
        ),
        Row(
            "4 8",
            r"$\partial J / \partial b^l_j = e^l_j$, at the output and below",
            PARAMETER,
            "parameter B4 every",
            "derivatives.forms.per_parameter",
        ),
        Row(
            "5-6",
            r"For layers $l = L-1, \ldots, 1$: $e^l_j = (w^{l+1}_{j:}\, e^{l+1}) f'(z^l_j)$",
            PARAMETER,
            "parameter B2b hidden",
            "derivatives.forms.per_parameter",
        ),
    ),
    MATRICES: (
        Row("1", r"The column $e^l \in \mathbb{R}^{d^l \times 1}$", "note-1#shapes-and-products"),
    ),
    f"{MATRICES}, Feedforward Step": (
        Row(
            "1",
            "Feedforward step for one input x",
            "note-1#feedforward-step",
            "sample F1 every; sample F2 every",
        ),
        Row(
            "2",
            r"$e^L = \partial J / \partial z^L$",
            "note-1#the-output-layer",
            "sample B1z output",
            "derivatives.forms.per_sample",
        ),
        Row(
            "3-4",
            r"$\partial J / \partial W^L = a^{L-1} (e^L)^T$, $\partial J / \partial b^L = e^L$",
            UPDATING,
            "sample B3 output; sample B4 output",
            "derivatives.forms.per_sample",
        ),
        Row(
            "5-6",
            r"For layers $l = L-1, \ldots, 1$: $e^l = (W^{l+1} e^{l+1}) \odot f'(z^l)$",
            LAYERS,
            "sample B2b hidden",
            "derivatives.forms.per_sample",
        ),
        Row(
            "7",
            r"The element-wise (Hadamard) product $\odot$ of vectors",
            "note-1#shapes-and-products",
        ),
    ),
    UPDATES: (
        Row(
            "1-2",
            r"$\partial J / \partial W^l = a^{l-1} (e^l)^T$, $\partial J / \partial b^l = e^l$",
            UPDATING,
            "sample B3 every; sample B4 every",
            "derivatives.forms.per_sample",
        ),
    ),
    f"{UPDATES}, Note": (
        Row(
            "1-2",
            "Note: dimensions must match, and the derivative by a matrix has its shape",
            "note-1#shapes-and-products",
        ),
    ),
    BATCH: (
        Row(
            "1-3",
            r"$X \in \mathbb{R}^{d^0 \times N}$, $Y$, $A^l$, $E^l$: a sample in each column, "
            r"the bias not counted",
            "note-1#shapes-and-products",
        ),
    ),
    f"{BATCH}, Feedforward Step": (
        Row(
            "1",
            "Feedforward step for a batch X",
            "note-1#feedforward-step",
            "batch F1 every; batch F2 every",
        ),
        Row(
            "2",
            r"$E^L = \partial J / \partial Z^L$",
            "note-1#the-output-layer",
            "batch B1z output dz; batch B1 output",
            "derivatives.forms.batch",
        ),
        Row(
            "3-4",
            r"$\partial J / \partial W^L = A^{L-1} (E^L)^T$, $\partial J / \partial b^L = "
            r"\sum_n e^L_n$",
            UPDATING,
            "batch B3 output; batch B4 output",
            "derivatives.forms.batch",
        ),
        Row(
            "5-6",
            r"For layers $l = L-1, \ldots, 1$: $E^l = (W^{l+1} E^{l+1}) \odot f'(Z^l)$",
            LAYERS,
            "batch B2b hidden",
            "derivatives.forms.batch",
        ),
        Row("7", r"The element-wise product $\odot$ of matrices", "note-1#shapes-and-products"),
    ),
    f"{BATCH}, {UPDATES}": (
        Row(
            "1-3",
            r"$\partial J / \partial W^l = A^{l-1} (E^l)^T$, $\partial J / \partial b^l = "
            r"\sum_n e^l_n$",
            UPDATING,
            "batch B3 every; batch B4 every",
            "derivatives.forms.batch",
        ),
        Row(
            "4",
            "Picture: Backpropagation",
            "note-1#its-picture",
            absent="a picture of the note's author; ours is drawn from a run",
        ),
    ),
}
"""By heading, and by the bold words that open a part of it."""
