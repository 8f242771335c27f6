r"""The same gradients in the notes' other forms, each to be read next to its note.

:mod:`backpass.core.backprop` computes the gradient of J for a batch at once. Here it is computed
one parameter at a time, one sample at a time, as a product of Jacobians, and by the recursion in b;
:data:`FORMS` lists them. Every form takes ``(model, X, y, s, alpha=0.0)``, y encoded, NumPy arrays,
and returns :class:`~backpass.core.parameters.Gradients`; they agree to rounding.

Numbering follows the notes: layers are 1 … L, ``W[l]`` is W^l, ``a[0]`` is the sample x. ``W`` is
(in, out) as in notes 1, 4 and 5; notes 2 and 3 write its transpose. The notes derive one sample;
where they leave out the mean over samples, ``share`` = s_n / S puts it back.
"""

from backpass.derivatives.forms.common import FORMS, Form, finite_differences, multiplications
from backpass.derivatives.forms.note_2_and_3 import (
    Factor,
    Path,
    recursion,
    strongest_paths,
    thin_chain,
)
from backpass.derivatives.forms.note_4 import (
    LayerJacobians,
    jacobian,
    layer_jacobians,
    neuron_derivatives,
    prefix,
)
from backpass.derivatives.forms.notes_1_and_5 import batch, per_parameter, per_sample

__all__ = [
    "FORMS", "Factor", "Form", "LayerJacobians", "Path", "batch", "finite_differences", "jacobian",
    "layer_jacobians", "multiplications", "neuron_derivatives", "per_parameter", "per_sample",
    "prefix", "recursion", "strongest_paths", "thin_chain",
]  # fmt: skip
