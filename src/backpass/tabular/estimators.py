"""Packs of networks as estimators of scikit-learn: the same rows and seed, the same networks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import assert_all_finite
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.validation import check_is_fitted, column_or_1d

from backpass.core.requirements import COUNT, check_values, one_of
from backpass.errors import InputError
from backpass.estimators.compat import BaseEstimator, ClassifierMixin, RegressorMixin
from backpass.estimators.data import check_labels, in_one_line
from backpass.estimators.parameters import generator_of
from backpass.network.batch import refuse_overflow
from backpass.tabular.estimator_rows import (
    EstimatorRows,
    asked_table,
    compared_out_of_fold,
    frames_of,
    out_of_fold,
    prepared_rows,
    separated,
)
from backpass.tabular.frames import as_frame, has_names
from backpass.tabular.large.source import too_large
from backpass.tabular.model import TabularModel
from backpass.tabular.pack.pack import Pack
from backpass.tabular.pack.recipes import EFFORTS
from backpass.tabular.question import REQUIREMENTS, Question
from backpass.tabular.series import as_series
from backpass.tabular.targets import ClassTarget, NumberTarget

CHECKS = {"effort": one_of(*EFFORTS), "recipes": COUNT.or_none, **REQUIREMENTS}
"""What each parameter must be; `random_state` is scikit-learn's to judge."""


class _TabularEstimator(BaseEstimator, ABC):  # type: ignore[misc]
    """Base of the two estimators; not for direct use."""

    _task: str  # as of a Question
    _class_weight: str | None = None  # likewise

    def __init__(
        self,
        *,
        effort: str = "default",
        recipes: int | None = None,
        bins: str | int = "auto",
        time_limit: float | None = None,
        compare: str = "none",
        random_state: Any = None,
        n_threads: int | None = None,
    ) -> None:
        self.effort = effort
        self.recipes = recipes
        self.bins = bins
        self.time_limit = time_limit
        self.compare = compare
        self.random_state = random_state
        self.n_threads = n_threads

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> Self:
        """Train a pack of networks on a table.

        Parameters
        ----------
        X : DataFrame of polars or pandas, array-like, or any other table of shape (N, n_features)
            Columns of numbers, texts, truth values and dates, with gaps: see
            :class:`~backpass.tabular.encoder.TableEncoder`.
        y : array-like of shape (N,), or str
            Labels of a classifier, numbers of a regressor, without gaps. A name: the column of `X`
            that holds them; `X` may then also be the name of a file, of many, or a lazy frame, of
            which there are no `oof_predictions_`. What memory has no room for is read in pieces.
        sample_weight : array-like of shape (N,), optional
            At least 0; rows of weight 0 are left out.
        groups : array-like of shape (N,), optional
            Rows of equal values, such as a customer's, stay in one fold.

        Returns
        -------
        self

        Raises
        ------
        TableError
            When the table cannot be used; the message says which column and row, and why.
        InputError
            When a parameter or `y` cannot be used.
        NonFiniteError
            When training diverges. The estimator is in each case as it was before.
        """
        check_values(self, CHECKS)
        if isinstance(y, str):
            if sample_weight is not None or groups is not None:
                raise InputError("weights and groups go with an array of targets, not with a name")
            of_files = isinstance(X, str | Path) or too_large(X)
            return self._fit_files(X, y) if of_files else self.fit(*separated(X, y))
        frame, values = as_frame(X), self._target_of(y)
        asked = asked_table(frame, values, getattr(y, "name", ""), sample_weight, groups)
        question = Question(
            asked.target,
            task=self._task,
            sample_weight=asked.sample_weight,
            group=asked.group,
            compare=self.compare,
            class_weight=self._class_weight,
            **self._asked(),
        )
        rows = self._weighed(prepared_rows(asked.table, question), values)
        model = TabularModel.train(rows.prepared)
        compared = compared_out_of_fold(model, rows.prepared)
        self._take(model, compared, frame.columns)
        if not has_names(X):
            del self.feature_names_in_
        self._set_target(values, values[rows.numbers])
        self.oof_predictions_ = self._decoded(out_of_fold(model, rows))
        return self

    def _fit_files(self, X: Any, y: str) -> Self:
        """Train on files, or a lazy frame; new ones are then held to how they are written."""
        if self.compare != "none" or vars(self).get("class_weight") is not None:
            raise InputError("compare and class_weight are of tables in memory; leave them out")
        model = TabularModel.fit(X, y, task=self._task, **self._asked())
        self._take(model, {}, [column.name for column in model.encoder.columns_])
        if isinstance(model.target, ClassTarget):
            labels = model.target.decode(np.arange(len(model.classes))).to_numpy()
            self._set_target(labels, labels)
        self.__dict__.pop("oof_predictions_", None)  # of a fit before
        return self

    def _take(self, model: TabularModel, compared: dict[str, float], names: list[str]) -> None:
        """Keep what was trained on columns of these names."""
        self.model_, self.comparison_ = model, compared
        self.n_features_in_, self.feature_names_in_ = len(names), np.array(names, dtype=object)
        self.out_of_fold_score_ = model.out_of_fold.get(model.main_metric, float("nan"))

    # --- what a subclass says ----------------------------------------------------------------

    @abstractmethod
    def _target_of(self, y: Any) -> NDArray[Any]:
        """Return targets (N,) after checking them."""

    def _weighed(self, rows: EstimatorRows, y: NDArray[Any]) -> EstimatorRows:
        """Return rows with weights by what their targets are, where some are asked for."""
        return rows

    def _set_target(self, y: NDArray[Any], used: NDArray[Any]) -> None:
        """Take what the targets of all rows, and of those that count, say of the outputs."""

    @abstractmethod
    def _decoded(self, output: NDArray[Any]) -> NDArray[np.float64]:
        """Return what outputs (N, k) say, in the units of the targets."""

    # --- helpers -----------------------------------------------------------------------------

    def _asked(self) -> dict[str, Any]:
        """Return what a pack is asked for by the parameters that it shares with the estimator."""
        names = ("effort", "recipes", "bins", "time_limit", "n_threads")
        return {"seed": self._seed(), **{name: getattr(self, name) for name in names}}

    def _seed(self) -> int:
        """Return the seed of the networks: an integer itself, so that it is the command line's."""
        drawn = generator_of(self)  # refuses what is none
        if isinstance(self.random_state, Integral):
            return int(self.random_state)
        return int(drawn.randint(np.iinfo(np.int32).max))

    def _column(self, y: Any) -> NDArray[Any]:
        """Return targets as an array of one dimension, of finite values where they are numbers."""
        kind = type(self).__name__
        if y is None:  # refused in scikit-learn's words, which its checks know
            raise InputError(f"{kind} requires y to be passed, but the target y is None; give it")
        if np.ma.is_masked(y):
            raise InputError("y has masked values, which would be used; leave such rows out")
        with in_one_line():
            column: NDArray[Any] = column_or_1d(y, warn=True)
            if column.dtype.kind == "f":
                assert_all_finite(column, estimator_name=kind, input_name="y")
        return column

    def _parts(self, X: Any) -> Iterator[NDArray[Any]]:
        """Return the encoded rows of a table, a part after the other.

        Not by the model's own methods: they collect warnings to number rows anew, which Python can
        do in one thread only, and here no row has another number.
        """
        check_is_fitted(self)
        for frame in frames_of(X, self):
            yield from self.model_.encoder.encode_in_parts(frame)

    def _output(self, X: Any) -> NDArray[Any]:
        """Return what the pack makes of the rows of a table, (N, k)."""
        outputs = [self.model_.predictor.predict(part) for part in self._parts(X)]
        output: NDArray[Any] = refuse_overflow(np.vstack(outputs))
        return output

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        return tags


class TabularClassifier(ClassifierMixin, _TabularEstimator):  # type: ignore[misc]
    """A pack of networks that predicts classes from a table, as an estimator of scikit-learn.

    It takes columns of numbers, texts, truth values and dates as they are, with gaps.

    Parameters
    ----------
    effort : {"quick", "default", "best"}, default="default"
        How much work training may take: networks on 3, 5 or 10 folds, of at most 3, 5 or 12
        recipes.
    recipes : int, optional
        Most recipes, by default those of the effort.
    bins : {"auto", "none"} or int, default="auto"
        Into how many bins recipes may have numbers cut as well; see
        :class:`~backpass.tabular.encoder.TableEncoder`.
    time_limit : float, optional
        Most seconds of training; what is reached by then is kept.
    compare : {"none", "fast", "all"}, default="none"
        Which other models are trained on the same folds, for `comparison_`: a trivial, a linear one
        and boosted trees, for no longer than the pack; or also LightGBM, XGBoost and CatBoost,
        where they are installed, for as long as they take.
    random_state : int, RandomState or None, default=None
        An integer trains the same networks each time: those of ``TabularModel.fit`` with that
        effort and seed on the same rows. With None each fit draws a new seed.
    n_threads : int, optional
        How many networks are trained at once, by default as many as there are cores; the same come
        of any number.
    class_weight : dict of label to float, "balanced" or None, default=None
        How much the rows of a class count in training, 1 where it is not named; balanced: as much
        as those of any other class. Scores do not weigh them.

    Attributes
    ----------
    classes_ : ndarray of shape (k,)
        The labels in sorted order.
    n_features_in_ : int
        Number of columns in fit.
    feature_names_in_ : ndarray of str
        Names of the columns in fit, if it had names.
    model_ : TabularModel
        What was trained, for use outside of scikit-learn; its ``save`` writes a model file.
    oof_predictions_ : ndarray of shape (N, k)
        Probabilities of the training rows, each by networks and a blend that had not seen the row;
        NaN where training ended before there were any.
    out_of_fold_score_ : float
        Accuracy of these on the rows whose weight is above 0; NaN where there are none.
    comparison_ : dict of str to float
        The same of the other models that were asked for, by name.

    Examples
    --------
    >>> X = {"size": [i % 20 for i in range(200)], "city": ["Bonn", "Oslo"] * 100}
    >>> y = ["dear" if size > 9 else "cheap" for size in X["size"]]
    >>> classifier = TabularClassifier(effort="quick", random_state=0).fit(X, y)
    >>> classifier.predict({"size": [1, 18], "city": ["Oslo", "Bonn"]}).tolist()
    ['cheap', 'dear']
    >>> classifier.oof_predictions_.shape, classifier.out_of_fold_score_ > 0.9
    ((200, 2), True)
    """

    _task = "classification"

    def __init__(
        self,
        *,
        effort: str = "default",
        recipes: int | None = None,
        bins: str | int = "auto",
        time_limit: float | None = None,
        compare: str = "none",
        random_state: Any = None,
        n_threads: int | None = None,
        class_weight: Any = None,
    ) -> None:
        super().__init__(
            effort=effort,
            recipes=recipes,
            bins=bins,
            time_limit=time_limit,
            compare=compare,
            random_state=random_state,
            n_threads=n_threads,
        )
        self.class_weight = class_weight

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the most probable label of every row.

        Parameters
        ----------
        X : table of shape (N, n_features)
            With the columns of training: in any order, where they have names.

        Returns
        -------
        ndarray of shape (N,)
            Of the type of the labels in fit.
        """
        best = self.predict_proba(X).argmax(axis=1)
        labels: NDArray[Any] = self.classes_[best]
        return labels

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the probability of every class, in the order of `classes_`.

        Parameters
        ----------
        X : table of shape (N, n_features)

        Returns
        -------
        ndarray of shape (N, k)
        """
        return self._decoded(self._output(X))

    def _target_of(self, y: Any) -> NDArray[Any]:
        column = self._column(y)
        check_labels(column)
        return column

    @property
    def _class_weight(self) -> str | None:  # type: ignore[override]
        return self.class_weight if isinstance(self.class_weight, str) else None

    def _weighed(self, rows: EstimatorRows, y: NDArray[Any]) -> EstimatorRows:
        if self.class_weight is None or self._class_weight is not None:
            return rows
        with in_one_line():
            weights = compute_sample_weight(self.class_weight, y[rows.numbers])
        if not (np.isfinite(weights).all() and weights.min() > 0):
            raise InputError("class_weight must be positive; leave rows out by their weight")
        return rows.weighed(weights)

    def _set_target(self, y: NDArray[Any], used: NDArray[Any]) -> None:
        self.classes_ = np.unique(y)
        # outputs are in the order of the model's classes, which has numbers in texts by value
        labels, target = np.unique(used), self.model_.target
        order = np.argsort(target.encode(as_series(labels, target.name)))
        self._places = np.searchsorted(self.classes_, labels[order])

    def _decoded(self, output: NDArray[Any]) -> NDArray[np.float64]:
        chances = np.zeros((len(output), len(self.classes_)))  # of a class of weight 0: none
        chances[:, self._places] = output
        chances /= chances.sum(axis=1, keepdims=True)  # 1 in float64, as log_loss asks
        return chances


class TabularRegressor(RegressorMixin, _TabularEstimator):  # type: ignore[misc]
    """A pack of networks that predicts numbers from a table, as an estimator of scikit-learn.

    It takes columns of numbers, texts, truth values and dates as they are, with gaps.

    Parameters
    ----------
    effort, recipes, bins, time_limit, compare, random_state, n_threads
        As of :class:`TabularClassifier`, whose attributes it has but for `classes_`; the score of
        `comparison_` is R².

    Attributes
    ----------
    oof_predictions_ : ndarray of shape (N,)
        Predicted numbers of the training rows, each by networks and a blend that had not seen the
        row; NaN where training ended before there were any.
    out_of_fold_score_ : float
        R² of these on the rows whose weight is above 0; NaN where there are none.

    Examples
    --------
    >>> X = {"size": [i % 20 for i in range(200)], "city": ["Bonn", "Oslo"] * 100}
    >>> y = [100 * size + 500 * (city == "Oslo") for size, city in zip(*X.values())]
    >>> regressor = TabularRegressor(effort="quick", random_state=0).fit(X, y)
    >>> regressor.score(X, y) > 0.99, regressor.out_of_fold_score_ > 0.99
    (True, True)
    >>> low, high = regressor.predict_interval({"size": [7], "city": ["Oslo"]})[0]
    >>> bool(low < 1200 < high)
    True
    """

    _task = "regression"

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Return the predicted number of every row.

        Parameters
        ----------
        X : table of shape (N, n_features)
            With the columns of training: in any order, where they have names.

        Returns
        -------
        ndarray of shape (N,)
        """
        return self._decoded(self._output(X))

    def predict_interval(self, X: Any, coverage: float = 0.9) -> NDArray[np.float64]:
        """Return the ends of an interval around the prediction of every row.

        Of rows like those of training, about `coverage` lie inside: see
        :mod:`backpass.tabular.pack.intervals` for what a theorem says.

        Parameters
        ----------
        X : table of shape (N, n_features)
        coverage : float
            Part of the rows, between 0 and 1.

        Returns
        -------
        ndarray of shape (N, 2)
            Lower and upper ends.

        Raises
        ------
        InputError
            When `coverage` is none, the training rows are too few for it, or training was cut
            short.
        """
        parts, pack = self._parts(X), self.model_.predictor
        assert isinstance(pack, Pack)
        part = float(coverage) if isinstance(coverage, Real) else coverage
        ends = [np.column_stack(pack.interval(rows, part)) for rows in parts]
        low, high = refuse_overflow(np.vstack(ends)).T
        return np.column_stack([self._decoded(low[:, None]), self._decoded(high[:, None])])

    def _target_of(self, y: Any) -> NDArray[Any]:
        column = self._column(y)
        if column.dtype.kind in "mM":
            raise InputError(f"y holds dates or times ({column.dtype}); convert them to numbers")
        if column.dtype.kind in "OSU":  # numbers, as Python's objects or as texts
            with in_one_line():
                column = column.astype(np.float64)
                assert_all_finite(column, estimator_name=type(self).__name__, input_name="y")
        return column

    def _decoded(self, output: NDArray[Any]) -> NDArray[np.float64]:
        target = self.model_.target
        assert isinstance(target, NumberTarget)
        numbers: NDArray[np.float64] = np.array(target.decode(output[:, 0]))
        return numbers
