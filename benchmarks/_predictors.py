"""What predicts in :mod:`benchmarks.prediction`: one class a program, each in its own worker.

All hold the same float32 parameters and answer with the probabilities of a softmax. `many` times
a call with all rows, `one` a call with one row; both take rows and give a NumPy array, as a user
has and wants them.
"""

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from benchmarks._common import Array, Layers, layers_of, load_problem

TURN = 0.3  # seconds of calls a turn

Predict = Callable[[Array], Any]


class Predictor:
    """What is common: the rows, the parameters, the clock.

    Parameters
    ----------
    folder : str
        Where the problem lies.
    sizes : list of int
    **arguments
        Of :meth:`set_up`.
    """

    def __init__(self, folder: str, sizes: list[int], **arguments: Any) -> None:
        self.X, self.y, flat = load_problem(folder)
        self.sizes = sizes
        self.set_up(layers_of(sizes, flat), **arguments)

    def set_up(self, layers: Layers) -> None:
        """Build the model, W (in, out) and b of every layer given."""
        raise NotImplementedError

    def predict(self, X: Array) -> Array:
        """Return the probabilities (N, k) for the rows of `X` (N, n_0)."""
        raise NotImplementedError

    def predict_one(self, X: Array) -> Array:
        """Return the probabilities for `X` (1, n_0), by the fastest public way."""
        return self.predict(X)

    def many(self) -> float:
        """Return the seconds of one call with all rows, the median over a turn."""
        return _median_call(self.predict, [self.X])

    def one(self) -> float:
        """Return the seconds of one call with one row, the median over a turn."""
        return _median_call(self.predict_one, [self.X[i : i + 1] for i in range(len(self.X))])

    def outputs(self) -> list[list[float]]:
        """Return the probabilities of the first rows, the first by `predict_one`."""
        first = np.reshape(np.asarray(self.predict_one(self.X[:1])), (1, -1))
        return [*first.tolist(), *np.asarray(self.predict(self.X))[1:100].tolist()]


def _median_call(predict: Predict, inputs: list[Array]) -> float:
    """Return the median time of calls with one input after another."""
    seconds: list[float] = []
    total, i = 0.0, 0
    predict(inputs[0])
    while total < TURN or i < 3:
        X = inputs[i % len(inputs)]
        started = time.perf_counter()
        predict(X)
        seconds.append(time.perf_counter() - started)
        total += seconds[-1]
        i += 1
    return float(np.median(seconds))


class Backpass(Predictor):
    """Ours: ``Network.predict``, and ``predict_one`` where there is one."""

    def set_up(self, layers: Layers) -> None:
        from backpass import Network

        weights, biases = zip(*layers, strict=True)
        self.network = Network.from_arrays(weights, biases, "relu", "softmax", "cross_entropy")
        self.own_way = getattr(self.network, "predict_one", None)

    def predict(self, X: Array) -> Array:
        return np.asarray(self.network.predict(X))

    def predict_one(self, X: Array) -> Array:
        return self.predict(X) if self.own_way is None else self.own_way(X[0])


class BackpassEstimator(Predictor):
    """Ours through ``MLPClassifier.predict_proba``, scikit-learn's checks included."""

    def set_up(self, layers: Layers) -> None:
        from backpass import MLPClassifier

        self.model = MLPClassifier(tuple(self.sizes[1:-1]), loss="cross_entropy")
        self.model.partial_fit(self.X[:100], self.y[:100], classes=np.arange(self.sizes[-1]))
        theta = self.model.network_.parameters
        for (W, b), to_W, to_b in zip(layers, theta.weights, theta.biases, strict=True):
            to_W[...], to_b[...] = W, b

    def predict(self, X: Array) -> Array:
        return np.asarray(self.model.predict_proba(X))


class Sklearn(Predictor):
    """scikit-learn's ``predict_proba``; with two classes one logistic unit, the same function."""

    def set_up(self, layers: Layers) -> None:
        from sklearn.neural_network import MLPClassifier

        warnings.simplefilter("ignore")
        self.model = MLPClassifier(tuple(self.sizes[1:-1]))
        self.model.partial_fit(self.X[:100], self.y[:100], classes=np.arange(self.sizes[-1]))
        W, b = layers[-1]
        if self.sizes[-1] == 2:
            layers = [*layers[:-1], (W[:, 1:] - W[:, :1], b[1:] - b[:1])]
        self.model.coefs_ = [W for W, _ in layers]
        self.model.intercepts_ = [b for _, b in layers]

    def predict(self, X: Array) -> Array:
        return np.asarray(self.model.predict_proba(X))


class Torch(Predictor):
    """PyTorch's modules, eager, in inference mode."""

    def set_up(self, layers: Layers, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        self.torch, parts = torch, []
        for W, b in layers:
            linear = torch.nn.Linear(*W.shape)
            with torch.no_grad():
                linear.weight.copy_(torch.from_numpy(W.T.copy()))
                linear.bias.copy_(torch.from_numpy(b))
            parts += [linear, torch.nn.ReLU()]
        self.model = torch.nn.Sequential(*parts[:-1], torch.nn.Softmax(dim=1)).eval()

    def predict(self, X: Array) -> Array:
        with self.torch.inference_mode():
            return np.asarray(self.model(self.torch.from_numpy(X)).numpy())


def onnx_model(layers: Layers) -> bytes:
    """Return an ONNX model of the network: Gemm, Relu, …, Softmax."""
    from onnx import TensorProto, helper, numpy_helper

    nodes, tensors, name = [], [], "X"
    for i, (W, b) in enumerate(layers):
        tensors += [numpy_helper.from_array(W, f"W{i}"), numpy_helper.from_array(b, f"b{i}")]
        nodes.append(helper.make_node("Gemm", [name, f"W{i}", f"b{i}"], [f"z{i}"]))
        last = i == len(layers) - 1
        kind, name = ("Softmax", "p") if last else ("Relu", f"a{i}")
        nodes.append(helper.make_node(kind, [f"z{i}"], [name]))
    shapes = {"X": ["N", layers[0][0].shape[0]], "p": ["N", layers[-1][0].shape[1]]}
    X, p = (helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in shapes.items())
    graph = helper.make_graph(nodes, "mlp", [X], [p], tensors)
    opset = helper.make_opsetid("", 17)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
    return bytes(model.SerializeToString())


class Onnxruntime(Predictor):
    """onnxruntime on a model made of the same arrays."""

    def set_up(self, layers: Layers, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        cpu = ["CPUExecutionProvider"]
        model = onnx_model(layers)
        self.session = onnxruntime.InferenceSession(model, options, providers=cpu)

    def predict(self, X: Array) -> Array:
        return np.asarray(self.session.run(None, {"X": X})[0])


class Jax(Predictor):
    """JAX: one jitted function, the parameters its constants."""

    def set_up(self, layers: Layers) -> None:
        import jax
        import jax.numpy as jnp

        theta = [(jnp.array(W), jnp.array(b)) for W, b in layers]

        @jax.jit
        def predict(X: Any) -> Any:
            a = X
            for W, b in theta[:-1]:
                a = jax.nn.relu(a @ W + b)
            W, b = theta[-1]
            return jax.nn.softmax(a @ W + b)

        self.compiled = predict

    def predict(self, X: Array) -> Array:
        return np.asarray(self.compiled(X))
