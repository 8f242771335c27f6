"""MLPRegressor: a drop-in for scikit-learn's, and more."""

from typing import Any

import numpy as np
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _check_sample_weight, check_array, column_or_1d

from backpass.core.arrays import is_sparse
from backpass.core.losses import LOSSES, Loss
from backpass.errors import InputError
from backpass.estimators.base import BaseMLP, steps_are_possible
from backpass.estimators.compat import RegressorMixin, with_callbacks
from backpass.estimators.data import check_targets, in_one_line, r_squared

__all__ = ["MLPRegressor"]


class MLPRegressor(RegressorMixin, BaseMLP):  # type: ignore[misc]
    r"""Multilayer perceptron for numbers: one output or several.

    Parameters
    ----------
    loss : str or Loss, default="squared_error"
        squared_error (half), absolute_error, huber, pinball, shortfall, or poisson (half the
        deviance, on the output activation exp, for targets of at least 0); with numbers, as in
        ``"huber:delta=2"`` or ``"pinball:tau=0.9"``.
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
        scikit-learn), cosine, linear_warmup.
    learning_rate_init : float, default=0.001
        η before the schedule's factor.
    power_t : float, default=0.5
        Exponent of ``"invscaling"``.
    max_iter : int, default=200
        Most epochs (iterations of ``"lbfgs"``).
    shuffle : bool, default=True
        Whether each epoch sees the rows in a new order.
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
    dropout : float, default=0.0
        Probability of dropping a hidden unit in training (inverted dropout); L-BFGS ignores it.
    clip_norm : float, optional
        Largest 2-norm of a gradient; longer ones are scaled down to it. L-BFGS ignores it.
    early_stopping_metric : str, optional
        Name of a scikit-learn scorer that judges epochs; by default R².
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
    network_ : Network
        The trained network.
    coefs_, intercepts_ : list of arrays
        Its weights (in, out) and biases (out,), as views.
    loss_, best_loss_ : float
        The last and the smallest training loss (the latter None with early stopping).
    loss_curve_ : list of float
        Training loss of every epoch: mean over samples, sum over outputs, L2 included.
    validation_scores_, validation_loss_curve_ : list of float or None
        Score and loss on the validation rows after every epoch.
    best_validation_score_, best_epoch_ : float and int, or None
        The best score and its epoch, from 1, whose parameters were restored.
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
    The cost sums over the outputs. scikit-learn's gradient does too, but the squared loss it
    *reports*, and compares with `tol`, averages over them (its issue 8349): with several outputs
    the data term of our ``loss_curve_`` is k times its. For ``tol`` we use its average, so SGD and
    Adam stop at the same epoch with the same coefficients; its L-BFGS descends on the inconsistent
    pair and cannot agree.

    Examples
    --------
    >>> X = np.linspace(-1, 1, 200)[:, None]
    >>> y = X[:, 0] ** 2
    >>> regressor = MLPRegressor(hidden_layer_sizes=(16,), solver="lbfgs", random_state=0)
    >>> bool(regressor.fit(X, y).score(X, y) > 0.99)
    True
    """

    def __init__(
        self,
        loss: Any = "squared_error",
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
        dropout: float = 0.0,
        clip_norm: float | None = None,
        early_stopping_metric: str | None = None,
        time_limit: float | None = None,
        gradient_norms: bool = False,
        engine: str = "auto",
        n_threads: int | None = None,
    ) -> None:
        self.loss = loss
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.dropout = dropout
        self.clip_norm = clip_norm
        self.early_stopping_metric = early_stopping_metric
        self.time_limit = time_limit
        self.gradient_norms = gradient_norms
        self.engine = engine
        self.n_threads = n_threads

    @available_if(steps_are_possible)
    @with_callbacks
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> "MLPRegressor":
        """Train for one epoch on these rows, going on from where training stands.

        Parameters
        ----------
        X, y, sample_weight
            As in :meth:`fit`.

        Returns
        -------
        self
        """
        self._fit(X, y, sample_weight, None, incremental=True)
        return self

    def predict(self, X: Any) -> Any:
        """Return the predicted numbers, (N,) or (N, n_outputs).

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
        """
        return _one_column_flat(self._checked_output(X))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return R² of the predictions, as scikit-learn defines it, for numbers of any size.

        Targets and weights may have any form that :meth:`fit` takes.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), optional
        """
        predicted = self.predict(X)
        with in_one_line():
            weights = sample_weight
            if weights is not None:
                weights = _check_sample_weight(weights, predicted, dtype=np.float64)
            y = _numbers(check_array(y, ensure_2d=False, dtype=None, input_name="y"))
            return r_squared(_one_column_flat(y), predicted, weights)

    # --- what the base asks for ------------------------------------------------------------------

    _y_is_numeric = True

    def _loss_record(self) -> Loss:
        loss = LOSSES.get_record(self.loss)
        if loss.task != "regression":
            raise InputError(f"loss {loss.name!r} is for classes; use MLPClassifier")
        return loss

    def _check_y(self, y: Any, classes: str) -> Any:
        y = _numbers(y)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        # what the loss asks of its targets is found out here, before training
        loss, k = self._loss_record(), self._n_outputs(y)
        check_targets(y, lambda part: loss.encode(part, k, np, np.dtype(np.float64)))
        return y

    def _n_outputs(self, y: Any) -> int:
        return 1 if y.ndim == 1 else int(y.shape[1])

    def _default_score(self, y: Any, output: Any, sample_weight: Any) -> float:
        return r_squared(y, _one_column_flat(output), sample_weight)


def _numbers(y: Any) -> Any:
    """Return targets as numbers, those that are written as text, too."""
    if is_sparse(y):
        raise InputError("y is sparse; give y.toarray()")
    y = np.asarray(y)
    if y.dtype.kind in "mM":
        raise InputError(f"y holds dates or times ({y.dtype}); convert them to numbers")
    if y.dtype.kind in "OSU":
        with in_one_line():
            y = y.astype(np.float64)
    if y.dtype.kind == "f" and not np.isfinite(y).all():  # of None, say
        raise InputError("y holds missing or infinite values; leave such rows out")
    return y


def _one_column_flat(output: Any) -> Any:
    """Return (N, 1) as (N,)."""
    return output[:, 0] if output.ndim == 2 and output.shape[1] == 1 else output
