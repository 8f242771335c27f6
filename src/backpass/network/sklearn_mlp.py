"""Networks from scikit-learn's fitted MLPs, and fitted MLPs of scikit-learn from networks.

Both keep W as (in, out). scikit-learn has four activations, one for all hidden layers, and an
output that follows from the task: that is what can be expressed; the rest is refused by name.
"""

from typing import Any

import numpy as np

from backpass.core.activations import ACTIVATIONS
from backpass.core.arrays import to_numpy
from backpass.core.losses import LOSSES
from backpass.core.parameters import Model, Parameters, parameter_count
from backpass.core.registry import shown
from backpass.errors import InputError

_HIDDEN = ("identity", "logistic", "tanh", "relu")
_LOSSES = {
    "identity": "squared_error",
    "exp": "poisson",
    "softmax": "cross_entropy",
    "logistic": "binary_cross_entropy",
}
"""The loss that scikit-learn trains with, by the output activation."""


def model_from_sklearn(estimator: Any) -> Model:
    """Return the network inside a fitted MLP of scikit-learn, over a copy of its parameters.

    Parameters
    ----------
    estimator : sklearn.neural_network.MLPClassifier or MLPRegressor
        After fit, or a class derived from them.

    Raises
    ------
    InputError
        When it is something else, or not fitted yet.
    """
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    what = type(estimator).__name__
    if not isinstance(estimator, MLPClassifier | MLPRegressor):
        own = hasattr(estimator, "network_")
        advice = "take its network_" if own else "of a pipeline, give the last step"
        raise InputError(
            f"from_sklearn takes a fitted MLPClassifier or MLPRegressor of scikit-learn, "
            f"not {what}; {advice}"
        )
    if not hasattr(estimator, "coefs_"):
        raise InputError(f"from_sklearn: this {what} is not fitted yet; call fit first")
    pairs = zip(estimator.coefs_, estimator.intercepts_, strict=True)
    flat = np.concatenate([piece.reshape(-1) for pair in pairs for piece in pair])
    sizes = [estimator.coefs_[0].shape[0], *(W.shape[1] for W in estimator.coefs_)]
    output = estimator.out_activation_
    hidden = [estimator.activation] * (len(sizes) - 2)
    return Model.from_specs(Parameters(sizes, flat), [*hidden, output], _LOSSES[output])


def sklearn_estimator(model: Model, classes: Any = None) -> Any:
    """Return a fitted estimator of scikit-learn that predicts what the network does.

    Parameters
    ----------
    model : Model
        Its parameters are copied.
    classes : array-like, optional
        The label of each output, in ascending order, of a softmax; the two labels of one logistic
        output; 0, 1, … by default.

    Returns
    -------
    sklearn.neural_network.MLPClassifier or MLPRegressor
        Ready to predict, and for ``partial_fit``. A softmax of two classes becomes
        scikit-learn's one logistic output of the difference of the two scores.

    Raises
    ------
    InputError
        When scikit-learn cannot express the activations or the loss, or `classes` do not fit.
    """
    _check_expressible(model)
    parameters = _numpy_parameters(model)
    if model.activations[-1].name in ("softmax", "logistic"):
        return _classifier(model, parameters, classes)
    if classes is not None:
        raise InputError(f"classes are for a classification, not for loss {model.loss.name!r}")
    return _regressor(model, parameters)


def _check_expressible(model: Model) -> None:
    *hidden, output = model.activations
    for activation in hidden:
        if activation.name not in _HIDDEN or not ACTIVATIONS.is_ours(activation):
            raise InputError(
                f"scikit-learn has no hidden activation {shown(activation)!r}; it has "
                f"{', '.join(_HIDDEN)}"
            )
    names = [activation.name for activation in hidden]
    if len(set(names)) > 1:
        raise InputError(
            f"scikit-learn has one activation for all hidden layers, not {', '.join(names)}"
        )
    if output.name not in _LOSSES or not ACTIVATIONS.is_ours(output):
        raise InputError(
            f"scikit-learn has no output activation {shown(output)!r}; it has {', '.join(_LOSSES)}"
        )
    if shown(model.loss) != _LOSSES[output.name] or not LOSSES.is_ours(model.loss):
        raise InputError(
            f"scikit-learn trains an output {output.name!r} by {_LOSSES[output.name]!r}, not by "
            f"{shown(model.loss)!r}; where only predictions matter, give the network that loss: "
            "Network.from_arrays(network.weights, network.biases, ..., loss=...)"
        )


def _numpy_parameters(model: Model) -> Parameters:
    """Return a copy of the parameters as NumPy's, of a dtype that scikit-learn takes."""
    flat = np.array(to_numpy(model.parameters.flat))
    if flat.dtype not in (np.float32, np.float64):
        raise InputError(f"to_sklearn takes float32 or float64 parameters, not {flat.dtype}")
    return Parameters(model.parameters.sizes, flat)


def _regressor(model: Model, parameters: Parameters) -> Any:
    from sklearn.neural_network import MLPRegressor

    estimator = MLPRegressor(**_settings(model))
    if model.loss.name == "poisson":
        estimator.loss = "poisson"
    return _fitted(estimator, parameters, model.activations[-1].name)


def _classifier(model: Model, parameters: Parameters, classes: Any) -> Any:
    from sklearn.neural_network import MLPClassifier
    from sklearn.preprocessing import LabelBinarizer

    estimator = MLPClassifier(**_settings(model))
    output, k = model.activations[-1].name, parameters.sizes[-1]
    binarizer = LabelBinarizer()
    if output == "logistic" and k > 1:
        if classes is not None:
            raise InputError("classes are for a softmax or one logistic output, not for k labels")
        binarizer.fit(np.eye(k, dtype=int))
    else:
        binarizer.fit(_checked_classes(classes, max(k, 2) if output == "logistic" else k))
    if output == "softmax" and k == 2:
        output, parameters = "logistic", _difference(parameters)
    estimator.classes_, estimator._label_binarizer = binarizer.classes_, binarizer
    return _fitted(estimator, parameters, output)


def _checked_classes(classes: Any, k: int) -> Any:
    """Return `k` different labels in the order that scikit-learn keeps them in, the ascending."""
    if k < 2:
        raise InputError("scikit-learn's classifier needs two classes; this softmax has one output")
    labels = np.arange(k) if classes is None else np.asarray(classes)
    if labels.shape != (k,) or not np.array_equal(np.unique(labels), labels):
        raise InputError(f"classes must be {k} different labels in ascending order")
    return labels


def _difference(parameters: Parameters) -> Parameters:
    """Return parameters with one output, the second score less the first.

    softmax(z)_2 = 1 / (1 + exp(z_1 − z_2)) = σ(z_2 − z_1).
    """
    *below, last = zip(parameters.weights, parameters.biases, strict=True)
    sizes = (*parameters.sizes[:-1], 1)
    new = Parameters(sizes, np.empty(parameter_count(sizes), parameters.flat.dtype))
    for layer, (W, b) in enumerate(below):
        new.weights[layer][...], new.biases[layer][...] = W, b
    new.weights[-1][...] = last[0][:, 1:] - last[0][:, :1]
    new.biases[-1][...] = last[1][1:] - last[1][:1]
    return new


def _settings(model: Model) -> dict[str, Any]:
    hidden = [activation.name for activation in model.activations[:-1]]
    return {
        "hidden_layer_sizes": model.parameters.sizes[1:-1],
        "activation": hidden[0] if hidden else "relu",
        "alpha": 0.0,
    }


def _fitted(estimator: Any, parameters: Parameters, output: str) -> Any:
    """Return the estimator with what fit would have set, before its first step."""
    sizes = parameters.sizes
    estimator.coefs_ = [W.copy() for W in parameters.weights]
    estimator.intercepts_ = [b.copy() for b in parameters.biases]
    estimator.n_features_in_, estimator.n_outputs_ = sizes[0], sizes[-1]
    estimator.n_layers_, estimator.out_activation_ = len(sizes), output
    estimator.n_iter_, estimator.t_, estimator.loss_curve_ = 0, 0, []
    estimator.best_loss_, estimator.validation_scores_ = np.inf, None
    estimator.best_validation_score_, estimator._no_improvement_count = None, 0
    return estimator
