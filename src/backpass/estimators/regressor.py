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
from backpass.estimators.own_parameters import leaves_own_parameters


class MLPRegressor(RegressorMixin, BaseMLP):  # type: ignore[misc]
    r"""Multilayer perceptron for numbers: one output or several.

    Parameters
    ----------
    loss : str or Loss, default="squared_error"
        squared_error (half), absolute_error, huber, pinball, shortfall, or poisson (half the
        deviance, on the output activation exp, for targets of at least 0); with numbers, as in
        ``"huber:delta=2"`` or ``"pinball:tau=0.9"``.
    hidden_layer_sizes, activation, solver, alpha, batch_size, learning_rate, learning_rate_init
        As in :class:`~backpass.estimators.classifier.MLPClassifier`, and so are the others but for:
    early_stopping_metric : str, optional
        Name of a scikit-learn scorer that judges epochs; by default R².

    Attributes
    ----------
    network_, coefs_, intercepts_, loss_curve_, validation_scores_, best_epoch_, n_iter_, engine_
        As in :class:`~backpass.estimators.classifier.MLPClassifier`, and so are the others; there
        are no classes.

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

    @leaves_own_parameters
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
        self._bp_keep(locals())

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
        self._bp_fit_rows(X, y, sample_weight, None, incremental=True)
        return self

    def predict(self, X: Any) -> Any:
        """Return the predicted numbers, (N,) or (N, n_outputs).

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
        """
        return _one_column_flat(self._bp_checked_output(X))

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

    _bp_y_is_numeric = True

    def _bp_loss_record(self) -> Loss:
        loss = LOSSES.get_record(self.loss)
        if loss.task != "regression":
            raise InputError(f"loss {loss.name!r} is for classes; use MLPClassifier")
        return loss

    def _bp_set_outputs(self, k: int, classes: Any, multilabel: bool) -> None:
        if classes is not None or multilabel:
            raise InputError("classes and multilabel are for MLPClassifier")

    def _bp_check_y(self, y: Any, classes: str) -> Any:
        y = _numbers(y)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        # what the loss asks of its targets is found out here, before training
        loss, k = self._bp_loss_record(), self._bp_n_outputs(y)
        check_targets(y, lambda part: loss.encode(part, k, np, np.dtype(np.float64)))
        return y

    def _bp_n_outputs(self, y: Any) -> int:
        return 1 if y.ndim == 1 else int(y.shape[1])

    def _bp_default_score(self, y: Any, output: Any, sample_weight: Any) -> float:
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
