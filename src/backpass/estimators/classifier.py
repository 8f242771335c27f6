"""MLPClassifier: a drop-in for scikit-learn's, and more."""

import math
from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import column_or_1d

from backpass.core.arrays import is_sparse
from backpass.core.losses import LOSSES, Loss
from backpass.errors import InputError, brief
from backpass.estimators.base import BaseMLP, steps_are_possible
from backpass.estimators.compat import ClassifierMixin, with_callbacks
from backpass.estimators.data import (
    check_labels,
    in_one_line,
    labels_in,
    plain_labels,
    smallest_codes,
)
from backpass.estimators.fitting import as_before_on_failure
from backpass.estimators.own_parameters import given, leaves_own_parameters


def _gives_probabilities(estimator: Any) -> bool:
    if estimator._bp_loss_name() in ("hinge", "logistic"):
        raise AttributeError(f"loss {estimator.loss!r} gives scores, not probabilities")
    return True


class MLPClassifier(ClassifierMixin, BaseMLP):  # type: ignore[misc]
    r"""Multilayer perceptron for classes: binary, multi-class or multi-label.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(100,)
        Units of the hidden layers; empty for none.
    activation : str, Activation, or a list of them, default="relu"
        Of the hidden layers, one for all or one each: identity, logistic, tanh, relu, leaky_relu,
        elu, selu, gelu, silu, mish, softplus.
    solver : {"lbfgs", "sgd", "adam", "adamw", "rmsprop"}, default="adam"
        The optimiser. ``"rmsprop"`` takes its decay from `beta_1`.
    alpha : float, default=0.0001
        L2 strength: α Σ‖W‖² / (2 S) is added to the cost. With ``"adamw"`` the decay is decoupled:
        every step takes η α W off the weights.
    batch_size : int or "auto", default="auto"
        Rows of a mini-batch; "auto" is min(200, rows).
    learning_rate : str, default="constant"
        The schedule: constant, invscaling, adaptive (these two for ``"sgd"`` only, as in
        scikit-learn), cosine, linear_warmup (over `max_iter` epochs, or calls of `partial_fit`).
    learning_rate_init : float, default=0.001
        η before the schedule's factor.
    power_t : float, default=0.5
        Exponent of ``"invscaling"``.
    max_iter : int, default=200
        Most epochs (iterations of ``"lbfgs"``).
    shuffle : bool or "blocks", default=True
        Whether each epoch sees the rows in a new order; "blocks" of them, for rows on a disk.
    random_state : int, RandomState or None, default=None
        Of the first parameters, the validation split, the order of the rows and dropout. The same
        seed trains the same network as scikit-learn's estimator of that name.
    tol : float, default=1e-4
        Training stalls when the loss (or validation score) improves by less.
    verbose : bool or int, default=False
        Whether every epoch is printed.
    warm_start : bool, default=False
        Whether `fit` goes on from the present parameters.
    momentum : float, default=0.9
        Of ``"sgd"``.
    nesterovs_momentum : bool, default=True
        Whether that momentum looks ahead.
    early_stopping : bool, default=False
        Whether to hold out `validation_fraction` of the rows (unless `fit` gets
        `validation_data`) and stop when their score stalls.
    validation_fraction : float, default=0.1
        Part of the rows held out.
    beta_1, beta_2 : float, default=0.9, 0.999
        Of ``"adam"`` and ``"adamw"``.
    epsilon : float, default=1e-8
        Of ``"adam"``, ``"adamw"`` and ``"rmsprop"``.
    n_iter_no_change : int or inf, default=10
        Training stops after more than so many epochs without improving.
    max_fun : int, default=15000
        Most evaluations of the loss by ``"lbfgs"``.
    loss : str or Loss, default="log_loss"
        ``"log_loss"`` is scikit-learn's: cross-entropy on softmax for several classes, binary
        cross-entropy on one logistic output a label otherwise. Also ``"cross_entropy"`` (softmax
        for two classes too, with ``"cross_entropy:label_smoothing=0.1"``),
        ``"binary_cross_entropy"`` (one logistic output a class), ``"squared_error"`` (Brier, on
        softmax), ``"hinge"`` and ``"logistic"`` (one score a class, no probabilities).
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, multiplied with the sample weights.
    dropout : float, default=0.0
        Probability of dropping a hidden unit in training (inverted dropout); L-BFGS ignores it.
    clip_norm : float, optional
        Largest 2-norm of a gradient; longer ones are scaled down to it. L-BFGS ignores it.
    early_stopping_metric : str, optional
        Name of a scikit-learn scorer that judges epochs; by default the accuracy.
    time_limit : float, optional
        Most seconds of training.
    gradient_norms : bool, default=False
        Whether the norm of each layer's gradient and the noise of a single sample's are recorded
        every epoch (not by ``"lbfgs"``); the noise takes a further pass over the rows.
    engine : {"auto", "native", "reference"}, default="auto"
        Who computes. ``"native"`` is C++ and fails where it cannot do what is asked,
        ``"reference"`` is the readable NumPy code, ``"auto"`` is the fastest that can; `engine_`
        says which it was.
    n_threads : int, optional
        Threads to compute with. The native engine's results do not depend on it, to the last bit;
        None measures which number is fastest; more than there are processors is slower, with
        short steps many times. The reference engine lets its matrix products use
        so many.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
    network_ : Network
        The trained network.
    coefs_, intercepts_ : list of arrays
        Its weights (in, out) and biases (out,). What is written to them or to the lists counts from
        then on; other shapes make another estimator, by :meth:`from_weights`.
    loss_, best_loss_ : float
        The last and the smallest training loss (the latter None with early stopping).
    loss_curve_ : list of float
        Training loss of every epoch: mean over samples, sum over outputs, L2 included.
    validation_scores_, validation_loss_curve_ : list of float or None
        Score and loss on the validation rows after every epoch.
    best_validation_score_, best_epoch_ : float and int, or None
        The best score and its epoch, from 1, whose parameters were restored; where a warm fit has
        found no better one, those of its last epoch stay.
    layer_gradient_norms_ : list of list of float
        One list an epoch, one number a layer; only with ``gradient_norms=True``.
    mean_squared_gradient_norms_, gradient_noise_ : list of float
        mean ‖g_n‖² and mean ‖g_n − ḡ‖² after every epoch over all rows trained on, at fixed θ, g_n
        the gradient of one sample's cost without dropout and L2; weighted means where samples or
        classes have weights. Only with ``gradient_norms=True``.
    n_iter_, t_ : int
        Epochs, and samples seen.
    n_features_in_, n_layers_, n_outputs_ : int
    out_activation_, engine_, stop_reason_ : str

    Notes
    -----
    The gradient is the one of scikit-learn's estimator, and with the same seed, data and float64
    so are the coefficients. As there, recorded log-losses clip probabilities at the dtype's eps.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> X = (X - X.mean(axis=0)) / X.std(axis=0)
    >>> classifier = MLPClassifier((16,), tol=0.01, random_state=0).fit(X, y)
    >>> bool(classifier.score(X, y) > 0.95)
    True
    """

    @leaves_own_parameters
    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: int | float = 10,
        max_fun: int = 15000,
        loss: Any = "log_loss",
        class_weight: Any = None,
        dropout: float = 0.0,
        clip_norm: float | None = None,
        early_stopping_metric: str | None = None,
        time_limit: float | None = None,
        gradient_norms: bool = False,
        engine: str = "auto",
        n_threads: int | None = None,
    ) -> None:
        self._bp_keep(locals())

    @available_if(steps_are_possible)
    @with_callbacks
    def partial_fit(
        self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None
    ) -> "MLPClassifier":
        """Train for one epoch on these rows, going on from where training stands.

        Parameters
        ----------
        X, y, sample_weight
            As in :meth:`fit`.
        classes : array-like, optional
            All classes there will ever be; needed at the first call.

        Returns
        -------
        self
        """
        first = not hasattr(self, "classes_")
        if classes is None and first:
            raise InputError("classes must be passed on the first call to partial_fit")
        with as_before_on_failure(self, first):
            if classes is not None:
                classes = labels_in(classes, "classes")
                if first:
                    with in_one_line():
                        multilabel = type_of_target(y).startswith("multilabel")
                    self._bp_set_classes(classes, multilabel)
                elif {*classes.tolist()} != {*self._bp_labels().tolist()}:
                    raise InputError(
                        f"classes={brief(classes)} is not the same as on the last call: "
                        f"{brief(self.classes_)}"
                    )
            self._bp_fit_rows(X, y, sample_weight, None, incremental=True)
        return self

    def predict(self, X: Any) -> Any:
        """Return the predicted class of every row, or the indicator matrix of its labels.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
        """
        return self._bp_decide(self._bp_checked_output(X))

    @available_if(_gives_probabilities)
    def predict_proba(self, X: Any) -> Any:
        """Return the probability of every class (N, n_classes), ordered as `classes_`.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
        """
        output = self._bp_checked_output(X)
        if output.shape[1] == 1:
            return np.concatenate((1 - output, output), axis=1)
        if self._bp_target_type == "multiclass" and self.out_activation_ == "logistic":
            # one independent label a class: made comparable, as scikit-learn's one-vs-rest does
            return output / np.maximum(
                output.sum(axis=1, keepdims=True), np.finfo(output.dtype).tiny
            )
        return output

    @available_if(_gives_probabilities)
    def predict_log_proba(self, X: Any) -> Any:
        """Return the natural logarithm of :meth:`predict_proba`.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy of the predictions, for labels as :meth:`fit` takes them.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
        sample_weight : array-like of shape (n_samples,), optional
        """
        predicted = self.predict(X)
        with in_one_line():
            return float(accuracy_score(y, predicted, sample_weight=sample_weight))

    # --- what the base asks for ------------------------------------------------------------------

    def _bp_loss_name(self) -> str:
        return str(getattr(self.loss, "name", self.loss)).partition(":")[0]

    def _bp_loss_record(self) -> Loss:
        if self._bp_loss_name() == "log_loss":
            several = self._bp_target_type == "multiclass"
            return LOSSES.get_record("cross_entropy" if several else "binary_cross_entropy")
        loss = LOSSES.get_record(self.loss)
        if loss.task == "regression" and loss.name != "squared_error":
            raise InputError(f"loss {loss.name!r} is for regression; use MLPRegressor")
        if self._bp_target_type == "multilabel" and loss.name == "cross_entropy":
            raise InputError(
                "cross_entropy takes one class a row; use binary_cross_entropy for labels"
            )
        return loss

    def _bp_output_activation(self, loss: Loss) -> str:
        if loss.name == "squared_error":
            return "logistic" if self._bp_target_type == "multilabel" else "softmax"
        return loss.outputs[0]

    def _bp_set_classes(self, classes: Any, multilabel: bool) -> None:
        self.classes_ = self._bp_classes = classes
        several = "multiclass" if len(classes) > 2 else "binary"
        self._bp_target_type = "multilabel" if multilabel else several

    def _bp_set_outputs(self, k: int, classes: Any, multilabel: bool) -> None:
        n = k if multilabel else max(k, 2)
        labels = np.arange(n) if classes is None else np.asarray(classes)
        if labels.shape != (n,) or not np.array_equal(np.unique(labels), labels):
            raise InputError(
                f"classes must be {n} different labels in ascending order for {k} output(s), not "
                f"{brief(classes)}; sort them, and the columns of the last layer with them"
            )
        self._bp_set_classes(labels, multilabel)
        if self._bp_loss_name() == "log_loss" and k == 2 and not multilabel:
            self.loss = "cross_entropy"  # a softmax of two, where fit would take one logistic
        wanted = k if multilabel else self._bp_n_outputs(self._bp_encode(labels))
        if wanted != k:
            raise InputError(f"loss {self.loss!r} takes {wanted} outputs for {n} classes, not {k}")

    def _bp_check_y(self, y: Any, classes: str) -> Any:
        y = y.toarray() if is_sparse(y) else np.asarray(y)
        labels, multilabel = plain_labels(y), False
        if labels is None:
            check_labels(y)
            if y.ndim == 2 and y.shape[1] == 1:
                y = column_or_1d(y, warn=True)
            labels, multilabel = labels_in(y, "y"), y.ndim == 2
        if classes == "new":
            self._bp_set_classes(labels, multilabel)
        else:
            self._bp_check_classes(set(labels.tolist()), all_of_them=classes == "same")
        return self._bp_encode(y)

    def _bp_labels(self) -> Any:
        """Return the labels in the order of the outputs: those of fit, or what renames them."""
        made = vars(self).get("_bp_classes", self.classes_)  # which old pickles have alone
        if self.classes_ is made:
            return made
        told, n = np.asarray(self.classes_), len(made)
        if told.shape != made.shape or len({*told.tolist()}) != n:
            raise InputError(
                f"classes_ must be {n} different labels, one for each class of the fit, not "
                f"{told.size} values; from_weights(coefs, intercepts, classes=…) takes others"
            )
        # scikit-learn ignores their order, in which our outputs are not either
        return made if {*told.tolist()} == {*made.tolist()} else told

    def _bp_check_classes(self, classes: set[Any], all_of_them: bool) -> None:
        known = set(self._bp_labels().tolist())
        if all_of_them and classes != known:
            raise InputError(
                "warm_start can only be used where `y` has the same classes as in the previous "
                f"call to fit. Previously got {self.classes_}, `y` has {np.array(sorted(classes))}"
            )
        if unknown := classes - known:
            raise InputError(
                f"`y` has classes not in `self.classes_`: {sorted(unknown)}; training began with "
                f"{sorted(known)}"
            )

    def _bp_encode(self, y: Any) -> Any:
        """Return class codes (N,), or one column a class or label, as the loss takes them."""
        loss = self._bp_loss_record()
        if self._bp_target_type == "multilabel":
            encoded = y != 0
        else:
            encoded = smallest_codes(self._bp_labels(), y)
            one_column = self._bp_target_type == "binary" and loss.name != "squared_error"
            if loss.name != "cross_entropy" and not one_column:
                encoded = encoded[:, None] == np.arange(self._bp_n_classes())
        return 2 * encoded.astype(np.int8) - 1 if loss.task == "margin" else encoded

    def _bp_original_y(self, y: Any) -> Any:
        """Return the labels that `_bp_encode` encoded."""
        if self._bp_target_type == "multilabel":
            return (y > 0).astype(int)
        return self._bp_labels()[self._bp_codes(y)]

    def _bp_codes(self, y: Any) -> Any:
        """Return the place in `classes_` of the labels that `_bp_encode` encoded."""
        return y.argmax(axis=1) if y.ndim == 2 else np.maximum(y, 0)

    def _bp_n_classes(self) -> int:
        return max(len(self.classes_), 2)

    def _bp_n_outputs(self, y: Any) -> int:
        if y.ndim == 2:
            return int(y.shape[1])
        return self._bp_n_classes() if self._bp_loss_record().name == "cross_entropy" else 1

    def _bp_decide(self, output: Any) -> Any:
        """Return labels from the network's output (N, k)."""
        decided = self._bp_decided_codes(output)
        return decided if self._bp_target_type == "multilabel" else self._bp_labels()[decided]

    def _bp_decided_codes(self, output: Any) -> Any:
        """Return places in `classes_` from the network's output, or the labels' indicators."""
        boundary = 0.0 if self._bp_network.model.loss.task == "margin" else 0.5
        if self._bp_target_type == "multilabel":
            return (output > boundary).astype(int)
        if output.shape[1] == 1:
            codes = (output[:, 0] > boundary).astype(int)
            return np.minimum(codes, len(self._bp_labels()) - 1)
        return output[:, : len(self._bp_labels())].argmax(axis=1)

    def _bp_stratify(self, y: Any) -> Any:
        # scikit-learn stratifies two classes, but neither several nor multi-label
        # the codes are ordered as the classes are, so they are split as the labels would be
        return y if self._bp_network.sizes[-1] == 1 else None

    def _bp_class_weights(self, y: Any) -> Any:
        told = given(self).class_weight
        if told is None:
            return None
        shown = f"class_weight={brief(told)}"
        if not isinstance(told, dict | list | str):
            raise InputError(f"{shown}: give 'balanced', a dict or a list of dicts")
        try:
            weights = compute_sample_weight(told, self._bp_original_y(y))
        except ValueError as error:
            message = str(error).replace("\n", " ")
            raise InputError(f"{shown}: {message}") from None
        if not (weights >= 0).all() or not 0 < weights.max() < math.inf:
            raise InputError(f"{shown}: give finite numbers of at least 0, not all 0")
        return weights

    def _bp_default_score(self, y: Any, output: Any, sample_weight: Any) -> float:
        decided = self._bp_decided_codes(output)
        if self._bp_target_type == "multilabel":
            right = ((y > 0) == (decided > 0)).all(axis=1)
        else:
            right = self._bp_codes(y) == decided
        return float(np.average(right, weights=sample_weight))  # scikit-learn's accuracy

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
