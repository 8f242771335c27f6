"""What the tests of exported models share: running them, and how far apart two results may lie."""

from typing import Any

import numpy as np
import pytest

from backpass import Network
from rounding import Bound, Pass, Problem, widened

onnx = pytest.importorskip("onnx")  # whoever imports this module is skipped as well
onnxruntime = pytest.importorskip("onnxruntime")


def run(model: Any, inputs: dict[str, Any]) -> dict[str, Any]:
    """Return every output of an ONNX model by its name."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    content = model if isinstance(model, bytes) else model.SerializeToString()
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return dict(
        zip([o.name for o in session.get_outputs()], session.run(None, inputs), strict=True)
    )


def output_bound(network: Network, X: Any) -> Bound:
    """Return the output in float64, and how far a right computation in its dtype may be off."""
    names = {phi.name for phi in network.model.activations}
    # onnxruntime computes erf in float32 only
    dtype = np.float32 if "gelu" in names else network.parameters.flat.dtype
    n, k = len(X), network.sizes[-1]
    X = X.astype(np.float64)
    return Pass(Problem(widened(network.model), X, np.zeros((n, k)), np.ones(n), dtype)).a
