r"""The public network: a thin face over the model and the two passes."""

import os
from collections.abc import Sequence
from inspect import signature
from typing import Any, Never

import numpy as np

from backpass.core import backprop
from backpass.core.activations import Activation
from backpass.core.arrays import Array, namespace, scalar
from backpass.core.gradient_noise import GradientNoise
from backpass.core.hints import refuse_unknown
from backpass.core.initializers import Initializer
from backpass.core.losses import Loss
from backpass.core.parameters import Gradients, Model, Parameters
from backpass.core.registry import shown
from backpass.core.requirements import check_alpha
from backpass.core.settings import Settings
from backpass.engines import Problem, Run, choose, predictor, row_predictor
from backpass.network.batch import check_batch, check_rows, rows_for
from backpass.network.construction import HiddenSpec, model_from_arrays, new_model
from backpass.network.file import read_network, write_network


class Network:
    r"""A multilayer perceptron: layers of ``a_l = φ_l(a_{l-1} W_l + b_l)`` and a loss.

    Parameters
    ----------
    sizes : sequence of int
        Units of every layer: inputs, hidden layers, outputs.
    activation : str, Activation, or a sequence of them
        Activation of the hidden layers, one for all or one each.
    output : str or Activation
        Activation of the output layer.
    loss : str or Loss
        The loss; it must be declared for the output.
    init : str or Initializer
        How the first parameters are drawn.
    seed : int, Generator, RandomState or None
        What they are drawn from.
    dtype : {"float64", "float32"}
        Of parameters and results.

    Raises
    ------
    InputError
        When sizes, names or their combination cannot be used; by every method that takes rows, when
        shapes, targets or weights cannot.

    Attributes
    ----------
    parameters : Parameters
        θ: the flat buffer and its views.

    Examples
    --------
    >>> network = Network([2, 3, 1], activation="tanh", seed=0)
    >>> X, y = np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([1.0, 0.0])
    >>> network.predict(X).shape
    (2, 1)
    >>> J, gradients = network.loss_and_gradients(X, y)
    >>> network.parameters.flat -= 0.1 * gradients.flat  # one step of gradient descent
    >>> network.loss(X, y) < J
    True
    """

    model: Model
    _one_row: Any = None

    def __init__(
        self,
        sizes: Sequence[int],
        activation: HiddenSpec = "relu",
        output: str | Activation = "identity",
        loss: str | Loss = "squared_error",
        *,
        init: str | Initializer = "glorot_uniform",
        seed: Any = None,
        dtype: Any = "float64",
        **unknown: Never,
    ) -> None:
        if unknown:
            refuse_unknown(unknown, "argument of Network", signature(Network).parameters)
        self.model = new_model(sizes, activation, output, loss, init, seed, dtype)

    @classmethod
    def from_model(cls, model: Model) -> "Network":
        """Return a network over `model`, which is used, not copied."""
        network = cls.__new__(cls)
        network.model = model
        return network

    @classmethod
    def from_arrays(
        cls,
        weights: Sequence[Array],
        biases: Sequence[Array],
        activation: HiddenSpec = "relu",
        output: str | Activation = "identity",
        loss: str | Loss = "squared_error",
        *,
        layout: str = "code",
    ) -> "Network":
        """Return a network with copies of the given parameters, in their library and dtype.

        Parameters
        ----------
        weights : sequence of arrays
            W_1 … W_L, each (in, out), or (out, in) where the layout says so.
        biases : sequence of arrays (out,), (out, 1) or (1, out)
            b_1 … b_L.
        activation, output, loss
            As in the constructor.
        layout : str
            The notation that the matrices are written in, of
            :data:`~backpass.core.layouts.LAYOUTS`; `X` has a sample in each row in all of them.

        Raises
        ------
        InputError
            When there is no such layout, or the shapes do not fit together in it; where they
            would fit transposed, the message says so.

        Examples
        --------
        >>> W, b = np.array([[1.0], [2.0]]), np.array([0.5])
        >>> Network.from_arrays([W], [b]).predict(np.array([[1.0, 1.0]]))
        array([[3.5]])
        >>> Network.from_arrays([W.T], [b], layout="nabla").predict(np.array([[1.0, 1.0]]))
        array([[3.5]])
        """
        model = model_from_arrays(weights, biases, activation, output, loss, layout)
        return cls.from_model(model)

    @property
    def parameters(self) -> Parameters:
        """θ: the flat buffer and its views."""
        return self.model.parameters

    @property
    def sizes(self) -> tuple[int, ...]:
        """Units of every layer, input first."""
        return self.parameters.sizes

    @property
    def weights(self) -> tuple[Array, ...]:
        """W_1 … W_L, each (in, out); views of ``parameters.flat``."""
        return self.parameters.weights

    @property
    def biases(self) -> tuple[Array, ...]:
        """b_1 … b_L, each (out,); views of ``parameters.flat``."""
        return self.parameters.biases

    def predict(self, X: Array, *, engine: str = "auto") -> Array:
        """Return the output a_L (N, k) for the rows of `X` (N, n_0).

        What leaves the range of the dtype is infinite or NaN in it, without a warning; estimators
        and models of tables refuse such rows.

        Raises
        ------
        InputError
            When `X` does not fit the input layer.
        """
        X = rows_for(self.model, X)
        return predictor(engine, self.model, X).predict(self.model, X)

    def predict_one(self, x: Array) -> Array:
        """Return the output (k,) for one row `x` (n_0,), as fast as it goes.

        The first call finds the native code; later ones take microseconds. Rows of another dtype
        than the parameters are converted first; :meth:`predict` is better for many rows.

        Raises
        ------
        InputError
            When `x` does not fit the input layer.

        Examples
        --------
        >>> network = Network([2, 3, 1], seed=0)
        >>> x = np.array([0.5, 1.0])
        >>> bool(np.allclose(network.predict_one(x), network.predict(x[None, :])[0]))
        True
        """
        known = self._one_row
        flat = self.model.parameters.flat
        if known is None or known.model is not self.model or known.flat is not flat:
            known = self._one_row = row_predictor(self.model)
        return known.predict(x)

    def loss(
        self,
        X: Array,
        y: Array,
        sample_weight: Array | None = None,
        *,
        alpha: float = 0.0,
        engine: str = "auto",
    ) -> float:
        """Return J: the loss, mean over samples, sum over outputs, natural logarithms.

        Parameters
        ----------
        X : array of shape (N, n_0)
        y : array of shape (N,) or (N, k)
            Targets as the loss takes them.
        sample_weight : array of shape (N,), optional
            Weights s ≥ 0 of the mean; 1 each by default.
        alpha : float
            L2 strength: α Σ‖W‖² / (2 S) is added.
        engine : str
            ``"auto"`` or an engine's name.

        Raises
        ------
        InputError
            When shapes, targets or weights cannot be used.
        """
        run, rows = self._evaluation(X, y, sample_weight, alpha, engine)
        found = run.evaluate(rows, gradient=False)
        return found.data + found.penalty

    def loss_and_gradients(
        self,
        X: Array,
        y: Array,
        sample_weight: Array | None = None,
        *,
        alpha: float = 0.0,
        observe: backprop.Observer | None = None,
    ) -> tuple[float, Gradients]:
        """Return J and its derivatives to every weight, bias and input.

        Parameters
        ----------
        X, y, sample_weight, alpha
            As in :meth:`loss`.
        observe : callable, optional
            ``observe(id, layer, operands, result)`` sees every equation as it is computed.
        """
        check_alpha(alpha)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            X, targets, s = check_batch(self.model, X, y, sample_weight)
            J, gradients = backprop.loss_and_gradients(
                self.model, X, targets, s, alpha=alpha, observe=observe
            )
            return scalar(J), gradients

    def gradient_norms(self, X: Array, y: Array, *, engine: str = "auto") -> Array:
        """Return ‖g_n‖ of every sample, (N,): the norm, not its square.

        g_n is the gradient of sample n's cost alone, to all weights and biases; it is not formed.

        Parameters
        ----------
        X, y
            As in :meth:`loss`.

        Examples
        --------
        >>> network = Network([2, 3, 1], activation="tanh", seed=0)
        >>> X, y = np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([1.0, 0.0])
        >>> norms = network.gradient_norms(X, y)
        >>> first = network.loss_and_gradients(X[:1], y[:1])[1].flat
        >>> norms.shape, bool(np.isclose(norms[0], np.linalg.norm(first)))
        ((2,), True)
        """
        run, rows = self._evaluation(X, y, None, 0.0, engine)
        squared = run.squared_norms(rows)
        return namespace(squared).sqrt(squared)

    def gradient_noise(
        self, X: Array, y: Array, sample_weight: Array | None = None, *, engine: str = "auto"
    ) -> GradientNoise:
        """Return how noisy the gradient of one sample is: ``(mean_squared, squared_mean)``.

        mean ‖g_n‖² and ‖ḡ‖², ḡ the mean of the samples' gradients; ``.noise`` is their
        difference, mean ‖g_n − ḡ‖². A mini-batch of M samples drawn with replacement has 1/M of it.

        Parameters
        ----------
        X, y, sample_weight
            As in :meth:`loss`; weights make both means weighted ones.

        Examples
        --------
        >>> network = Network([2, 3, 1], activation="tanh", seed=0)
        >>> X, y = np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([1.0, 0.0])
        >>> scatter = network.gradient_noise(X, y)
        >>> g, h = (network.loss_and_gradients(X[[n]], y[[n]])[1].flat for n in (0, 1))
        >>> bool(np.isclose(scatter.noise, np.sum((g - h) ** 2) / 4))
        True
        """
        run, rows = self._evaluation(X, y, sample_weight, 0.0, engine)
        return run.noise(rows)

    def _evaluation(
        self, X: Array, y: Array, sample_weight: Array | None, alpha: float, engine: str
    ) -> tuple[Run, Array]:
        """Return what can evaluate these rows, after checking them, and their indices."""
        check_alpha(alpha)
        X, y, s = check_rows(self.model, X, y, sample_weight)
        settings = Settings(optimizer="sgd", alpha=alpha, batch_size=None)
        problem = Problem(self.model, X, y, s, settings)
        return choose(engine, problem).start(problem), np.arange(X.shape[0])

    def copy(self) -> "Network":
        """Return a network with parameters of its own."""
        return Network.from_model(self.model.with_parameters(self.parameters.copy()))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network to one safetensors file: arrays and checked JSON, no pickle.

        Parameters
        ----------
        path : str or os.PathLike
            The file to write; an old one of that name is replaced only by the whole new one.

        Raises
        ------
        ModelFileError
            When it cannot be written, a parameter is not finite, or a record is not registered.

        Examples
        --------
        >>> import tempfile
        >>> network = Network([2, 3, 1], activation="elu:alpha=0.5", seed=0)
        >>> X = np.array([[0.0, 1.0]])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     network.save(f"{folder}/small.backpass")
        ...     again = Network.load(f"{folder}/small.backpass")
        >>> again, bool((again.predict(X) == network.predict(X)).all())
        (Network([2, 3, 1], activation='elu:alpha=0.5', output='identity', ...), True)
        """
        write_network(path, self.model)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Network":
        """Return the network that `save` wrote, over NumPy arrays; nothing in it is executed.

        Parameters
        ----------
        path : str or os.PathLike
            The file to read.

        Raises
        ------
        ModelFileError
            When it is damaged, too new, or names a record that is not registered; it says where.
        """
        return cls.from_model(read_network(path))

    def to_torch(self) -> Any:
        """Return a copy as an ``nn.Sequential`` of PyTorch, where PyTorch is installed.

        Raises
        ------
        InputError
            When PyTorch is not installed, or an activation is not backpass's own.
        """
        from backpass.network.to_torch import torch_sequential  # few networks leave so

        return torch_sequential(self.model)

    @classmethod
    def from_sklearn(cls, estimator: Any) -> "Network":
        """Return the network inside a fitted MLP of scikit-learn, with its loss.

        Parameters
        ----------
        estimator : sklearn.neural_network.MLPClassifier or MLPRegressor
            After fit. Its parameters are copied; labels and L2 strength stay behind.

        Raises
        ------
        InputError
            When it is something else, or not fitted yet.

        Examples
        --------
        >>> from sklearn.neural_network import MLPRegressor
        >>> X, y = np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([1.0, 0.0])
        >>> mlp = MLPRegressor(solver="lbfgs", hidden_layer_sizes=(3,), random_state=0).fit(X, y)
        >>> network = Network.from_sklearn(mlp)
        >>> network, bool(np.allclose(network.predict(X)[:, 0], mlp.predict(X)))
        (Network([2, 3, 1], activation='relu', output='identity', loss='squared_error'), True)
        """
        from backpass.network.sklearn_mlp import model_from_sklearn  # few networks come so

        return cls.from_model(model_from_sklearn(estimator))

    def to_sklearn(self, *, classes: Any = None) -> Any:
        """Return a fitted estimator of scikit-learn that predicts what the network does.

        A softmax with cross-entropy becomes an MLPClassifier, and so does a logistic output with
        binary cross-entropy (two classes, or a label an output); identity with squared error and
        exp with Poisson deviance become an MLPRegressor. Hidden layers share one of identity,
        logistic, tanh and relu.

        Parameters
        ----------
        classes : array-like, optional
            The labels of a classification in ascending order; 0, 1, … by default.

        Raises
        ------
        InputError
            When scikit-learn has no such activation or loss, or `classes` do not fit.

        Examples
        --------
        >>> network = Network([2, 3, 2], "tanh", "softmax", "cross_entropy", seed=0)
        >>> mlp = network.to_sklearn(classes=["no", "yes"])
        >>> X = np.array([[0.0, 1.0], [1.0, 0.0]])
        >>> bool(np.allclose(mlp.predict_proba(X), network.predict(X)))
        True
        """
        from backpass.network.sklearn_mlp import sklearn_estimator  # few networks leave so

        return sklearn_estimator(self.model, classes)

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> "Network":
        return self.copy()

    def __getstate__(self) -> dict[str, Any]:
        theta, (activations, loss) = self.parameters, self.model.specs()
        arrays = {"sizes": list(theta.sizes), "flat": theta.flat}
        return {**arrays, "activations": activations, "loss": loss}

    def __setstate__(self, state: dict[str, Any]) -> None:
        parameters = Parameters(state["sizes"], state["flat"])
        self.model = Model.from_specs(parameters, state["activations"], state["loss"])

    def __repr__(self) -> str:
        activations, loss = [shown(a) for a in self.model.activations], shown(self.model.loss)
        hidden = activations[:-1]
        same = hidden[0] if len(set(hidden)) == 1 else hidden
        layers = f", activation={same!r}" if hidden else ""
        return f"Network({list(self.sizes)}{layers}, output={activations[-1]!r}, loss={loss!r})"
