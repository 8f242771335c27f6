"""What MLPClassifier and MLPRegressor share: from scikit-learn's parameters to a trained network.

The order of random draws is scikit-learn's (parameters layer by layer, then the validation split,
then the order of each epoch), so that the same seed trains the same network.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from backpass.core.losses import Loss
from backpass.core.optimizers import OPTIMIZERS
from backpass.core.requirements import usable_weights
from backpass.core.settings import Settings
from backpass.errors import BackpassError, InputError
from backpass.estimators.compat import (
    BaseEstimator,
    CallbackSupportMixin,
    EpochCallbacks,
    OnnxStep,
    validate_data,
    with_callbacks,
)
from backpass.estimators.data import (
    as_floats,
    check_container,
    check_finite,
    in_one_line,
    is_plain,
    is_plain_target,
)
from backpass.estimators.fitted_network import FittedNetwork
from backpass.estimators.fitting import (
    Reporter,
    as_before_on_failure,
    warn_of_dead_units,
    warn_of_the_end,
)
from backpass.estimators.own_parameters import given, own_parameters
from backpass.estimators.parameters import (
    check_parameters,
    fit_settings,
    generator_of,
    hidden_sizes,
    listed_activation,
)
from backpass.estimators.sklearn_private import (
    refuse_theirs,
    says_what_is_instead,
    warn_of_private_methods,
)
from backpass.estimators.validation import one_validation_set, validation_of
from backpass.network.batch import refuse_overflow
from backpass.network.network import Network
from backpass.training.checkpoints import Checkpoints
from backpass.training.history import Validation
from backpass.training.lbfgs import train_lbfgs
from backpass.training.trainer import Trainer

FEW_ROWS = 16  # which the network computes one by one faster than together


@says_what_is_instead
class BaseMLP(FittedNetwork, OnnxStep, CallbackSupportMixin, BaseEstimator):  # type: ignore[misc]
    """Base of the two estimators; not for direct use."""

    _bp_steps: int
    _bp_y_is_numeric = False

    def _bp_keep(self, arguments: dict[str, Any]) -> None:
        """Keep what a constructor was given, unchanged, as scikit-learn asks of estimators."""
        for name, value in arguments.items():
            if name != "self" and name not in own_parameters(self):
                setattr(self, name, value)

    # --- what a subclass says ------------------------------------------------------------------

    def _bp_loss_record(self) -> Loss:
        raise NotImplementedError

    def _bp_check_y(self, y: Any, classes: str) -> Any:
        """Return the targets as the loss encodes them, (N,) or (N, k).

        `classes` says which may occur: ``"new"`` ones, all the ``"same"``, or any ``"known"``.
        """
        raise NotImplementedError

    def _bp_n_outputs(self, y: Any) -> int:
        raise NotImplementedError

    def _bp_set_outputs(self, k: int, classes: Any, multilabel: bool) -> None:
        """Take what `from_weights` is told of the classes for those of `k` outputs."""
        raise NotImplementedError

    def _bp_stratify(self, y: Any) -> Any:
        return None

    def _bp_default_score(self, y: Any, output: Any, sample_weight: Any) -> float:
        raise NotImplementedError

    def _bp_original_y(self, y: Any) -> Any:
        """Return the user's targets from `_bp_check_y`'s."""
        return y

    def _bp_class_weights(self, y: Any) -> Any:
        return None

    # --- fitting -------------------------------------------------------------------------------

    @with_callbacks
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        validation_data: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        checkpoint: str | Path | None = None,
        resume: bool = False,
        checkpoint_every: float | None = None,
    ) -> Self:
        """Train on `X` (N, n_features) and targets `y`.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Integer and boolean arrays are converted batch by batch, not whole.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Of a classifier: classes, or an indicator matrix of labels. Of a regressor: numbers.
        sample_weight : array-like of shape (n_samples,), optional
        validation_data : tuple, optional
            ``(X, y)`` or ``(X, y, sample_weight)`` that judge every epoch; the best is restored.
        X_val, y_val : array-like, optional
            The same in two parts, so that a pipeline can transform the first
            (``transform_input=["X_val"]``).
        checkpoint : str or Path, optional
            A folder of its own, where training is written down while it runs.
        resume : bool, default False
            Whether training goes on from the last checkpoint there, if there is one; it ends with
            the bytes of a fit that was never interrupted.
        checkpoint_every : float, optional
            Seconds between two checkpoints; by default 60, or 100 times as long as writing one
            takes. 0 writes at every opportunity.

        Returns
        -------
        self

        Raises
        ------
        InputError
            When a parameter or the data cannot be used.
        NonFiniteError
            As soon as the loss, a parameter or the validation is not finite; the estimator is then
            as it was before.
        """
        validation_data = one_validation_set(validation_data, X_val, y_val)
        checkpoints = Checkpoints.of(checkpoint, resume, checkpoint_every)
        self._bp_fit_rows(X, y, sample_weight, validation_data, False, checkpoints)
        return self

    def _bp_fit_rows(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        validation_data: Any,
        incremental: bool,
        checkpoints: Checkpoints | None = None,
    ) -> Any:
        """Check parameters and data, train, and leave the results as attributes."""
        check_parameters(self, incremental)
        if checkpoints is not None and self.solver == "lbfgs":
            raise InputError(
                "solver='lbfgs' has no checkpoints: SciPy keeps the state of its search to "
                "itself; use another solver, or leave out checkpoint"
            )
        warn_of_private_methods(self)
        first = "coefs_" not in vars(self) or not (self.warm_start or incremental)
        if not first:
            refuse_theirs(type(self), vars(self))
        with as_before_on_failure(self, first):
            X, y = self._bp_check_data(X, y, reset=first)
            targets = self._bp_check_y(y, "known" if incremental else "new" if first else "same")
            weights = self._bp_check_weights(X, targets, sample_weight)
            rng = generator_of(self)
            if first:
                self._bp_start(X, targets, rng)
            else:
                self._bp_go_on()
            if checkpoints is not None:  # the split and all that follows are drawn again
                checkpoints.start(rng, self.random_state)
                metric = given(self).early_stopping_metric
                checkpoints.note(
                    early_stopping_metric=getattr(metric, "__name__", metric) or "none"
                )
            validation, rows = validation_of(
                self, X, targets, weights, validation_data, rng, checkpoints
            )
            settings = fit_settings(self, len(rows))
            epochs = 1 if incremental else self.max_iter
            callbacks = EpochCallbacks(self, epochs, X, y, sample_weight)
            report = Reporter(self, callbacks)
            if self.solver == "lbfgs":
                train = partial(self._bp_search, X, targets, weights, settings, report)
            else:
                train = partial(
                    self._bp_train, X, targets, weights, rows, settings, validation, rng, report,
                    incremental, checkpoints,
                )  # fmt: skip
            ended_by = self._bp_reach(train, report)
        if ended_by is not None:
            raise ended_by
        # here, so that a script that makes errors of warnings has a fitted estimator all the same
        warn_of_the_end(self, incremental)
        if not incremental:
            warn_of_dead_units(self._bp_network, X, rows)
        callbacks.end()
        return self

    def _bp_reach(self, train: Callable[[], None], report: Reporter) -> Exception | None:
        """Train, and hold what that has come to; return an error that is not ours and ended it."""
        ended_by = None
        try:
            train()
        except BackpassError:
            raise
        except Exception as error:  # such as a time-out: what was reached stays, as there
            if not report.epochs:
                raise
            ended_by, self._bp_history.stop_reason = error, "interrupted"
        if self.solver == "lbfgs":  # in arrays of its own, as scikit-learn does
            self._bp_take(self._bp_network, anew=False)
        else:
            self._bp_hand_back()
        self._bp_set_results(report.epochs)
        return ended_by

    def _bp_search(
        self, X: Any, targets: Any, weights: Any, settings: Settings, report: Any
    ) -> None:
        """Train a copy of the network with L-BFGS."""
        self._bp_network = self._bp_network.copy()
        self._bp_history, self._bp_engine = train_lbfgs(
            self._bp_network,
            X,
            targets,
            weights,
            settings,
            max_evaluations=self.max_fun,
            on_epoch=report,
            history=self._bp_history,
            engine=given(self).engine,
        )
        if report.timed_out:
            self._bp_history.stop_reason = "time_limit"

    def _bp_train(
        self,
        X: Any,
        targets: Any,
        weights: Any,
        rows: Any,
        settings: Settings,
        validation: Validation | None,
        rng: Any,
        report: Any,
        incremental: bool,
        checkpoints: Checkpoints | None,
    ) -> None:
        """Train by mini-batches, going on with the optimiser's state where it is the same one."""
        slots = OPTIMIZERS.get_record(settings.optimizer).slots
        going_on = incremental and set(self._bp_optimizer_state or ()) == set(slots)
        trainer = Trainer(
            self._bp_network,
            X,
            targets,
            weights,
            settings=settings,
            rows=rows,
            rng=rng,
            validation=validation,
            engine=given(self).engine,
            history=self._bp_history,
            state=self._bp_optimizer_state if going_on else None,
            steps=self._bp_steps if going_on else 0,
            checkpoints=checkpoints,
        )
        self._bp_engine = trainer.engine.name
        report.begin(self._bp_history, trainer.state.first_epoch)
        trainer.train(1 if incremental else None, on_epoch=report)
        report.end(self._bp_history)
        self._bp_optimizer_state, self._bp_steps = trainer.state.optimizer, trainer.state.steps

    def _bp_check_data(self, X: Any, y: Any, reset: bool) -> tuple[Any, Any]:
        if is_plain(X) and is_plain_target(y, len(X)) and self._bp_fits(X, reset):
            self.n_features_in_ = X.shape[1]
        else:
            # "numeric" leaves numbers as they are: batches are converted, never the whole array
            with in_one_line():
                X, y = validate_data(
                    self,
                    check_container(X),
                    y,
                    accept_sparse="csr",
                    multi_output=True,
                    dtype="numeric",
                    y_numeric=self._bp_y_is_numeric,
                    ensure_all_finite=False,
                    reset=reset,
                )
            X = as_floats(X)
        check_finite(X, self)
        return X, y

    def _bp_check_weights(self, X: Any, y: Any, sample_weight: Any) -> Any:
        weights = self._bp_class_weights(y)
        with np.errstate(over="ignore"), in_one_line():  # infinite ones are refused below
            if sample_weight is not None:
                own = _check_sample_weight(sample_weight, X, dtype=np.float64)
                weights = own if weights is None else own * weights
        if weights is None:
            return None
        return usable_weights(weights, X.shape[0], np.empty(0, dtype=_float_dtype(X)))

    def _bp_start(self, X: Any, y: Any, rng: Any) -> None:
        """Draw the first parameters and begin a history."""
        hidden = hidden_sizes(self.hidden_layer_sizes)
        loss = self._bp_loss_record()
        network = Network(
            [X.shape[1], *hidden, self._bp_n_outputs(y)],
            listed_activation(self.activation),
            self._bp_output_activation(loss),
            loss,
            seed=rng,
            dtype=_float_dtype(X),
        )
        self._bp_begin_with(network)

    def _bp_output_activation(self, loss: Loss) -> str:
        return loss.outputs[0]

    def _bp_set_results(self, epochs: int) -> None:
        history = self._bp_history
        self.n_iter_ = epochs
        curve = self.loss_curve_ = history.loss_curve  # NumPy's numbers, as there
        curve[len(curve) - epochs :] = [np.float64(x) for x in curve[len(curve) - epochs :]]
        self.loss_ = curve[-1] if curve else np.float64(history.best_loss)
        self.t_ = history.clock.samples
        judged = bool(history.validation_scores)
        if judged or self.solver != "lbfgs":  # of which scikit-learn leaves none
            self.validation_scores_ = history.validation_scores if judged else None
            self.best_validation_score_ = history.best_score if judged else None
        self.validation_loss_curve_ = history.validation_loss_curve if judged else None
        self.best_epoch_ = history.best_epoch if judged else None
        self.best_loss_ = None if self.early_stopping else np.float64(history.best_loss)
        self.stop_reason_ = history.stop_reason
        if given(self).gradient_norms:
            self.layer_gradient_norms_ = history.layer_gradient_norms
            self.mean_squared_gradient_norms_ = history.mean_squared_gradient_norms
            self.gradient_noise_ = history.gradient_noise

    # --- prediction ----------------------------------------------------------------------------

    def _bp_checked_output(self, X: Any) -> Any:
        if "coefs_" not in vars(self):
            check_is_fitted(self)  # which says it, but takes longer than a row does
        plain = is_plain(X) and self._bp_fits(X, reset=False)
        if not plain:
            with in_one_line():
                X = validate_data(
                    self,
                    check_container(X),
                    accept_sparse="csr",
                    dtype="numeric",
                    ensure_all_finite=False,
                    reset=False,
                )
            X = as_floats(X)
        check_finite(X, self)
        network = self._bp_current_network()
        few = plain and len(X) <= FEW_ROWS and X.dtype == network.parameters.flat.dtype
        if few and given(self).engine == "auto":  # the same numbers, without packing the parameters
            output = np.array([network.predict_one(x) for x in X])
        else:
            output = network.predict(X, engine=given(self).engine)
        try:
            return refuse_overflow(output)
        except InputError:
            if network.model.is_finite():
                raise
        raise InputError("coefs_ or intercepts_ hold numbers that are not finite; set them anew")

    def _bp_fits(self, X: Any, reset: bool) -> bool:
        """Return whether a plain array has the right width, and no names are to be compared."""
        told = vars(self)
        return "feature_names_in_" not in told and (
            reset or X.shape[1] == told.get("n_features_in_")
        )

    def rows_for_network(self, X: Any, y: Any) -> tuple[Network, Any, Any, None]:
        """Return the fitted network, `X` and `y` as it takes them, and None: no sample weights.

        Raises
        ------
        NotFittedError, InputError
            Before fit; when `X` or `y` does not fit, or holds a label that fit has not seen.
        """
        check_is_fitted(self)
        if y is None:
            raise InputError("y is missing: give the targets of the rows")
        X, y = self._bp_check_data(X, y, reset=False)
        return self.network_, X, self._bp_check_y(y, "known"), None

    def __sklearn_is_fitted__(self) -> bool:
        return "coefs_" in vars(self)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def steps_are_possible(estimator: Any) -> bool:
    """Return True, or raise what scikit-learn raises where `partial_fit` cannot exist."""
    if estimator.solver == "lbfgs":
        raise AttributeError("partial_fit needs a stochastic solver; lbfgs is not one")
    return True


def _float_dtype(X: Any) -> Any:
    """Return float32 for float32 data and float64 for everything else."""
    return X.dtype if X.dtype == np.float32 else np.dtype(np.float64)
