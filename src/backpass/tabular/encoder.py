"""The encoding of a table as one transformer of scikit-learn.

It is one transformer rather than a pipeline of scikit-learn's own, because it takes the columns by
name and says in words what it cannot use.
"""

from __future__ import annotations

from typing import Any

from sklearn.utils.validation import check_is_fitted

from backpass.estimators.compat import BaseEstimator, OnnxStep, TransformerMixin
from backpass.tabular.encoding import TableEncoding


class TableEncoder(TransformerMixin, OnnxStep, TableEncoding, BaseEstimator):  # type: ignore[misc]
    """Turn the columns of a table into numbers that a network learns well from.

    ===================  ====================================================================
    column               outputs
    ===================  ====================================================================
    number, duration     ``(x − median) / interquartile range``, bent smoothly to ±`clip`
    text, truth value    0 or 1 for each level; rare levels share "(other)"
    date, time           a number, and sine and cosine of the year, week and day it spans
    ===================  ====================================================================

    A missing number or date becomes the median, and one more output says so; a missing
    category is a level. Columns that tell nothing are dropped with a `TableWarning`: constant
    or empty ones, and text that differs in more than half of the rows. Median and
    interquartile range rather than mean and standard deviation, because single wild values
    are usual in tables.

    Parameters
    ----------
    categorical : sequence of str, int or tuple, or None, default=()
        Names of number or date columns to be taken as categories, such as postcodes, or their
        positions where the table has no names. All other
        columns of numbers are numbers, even with few distinct values: 0, 1, 2 children have
        an order that levels would forget.
    max_levels : int, default=64
        How many levels of a category have an output of their own, the most frequent ones.
        Each costs a row of weights; 64 leaves room for months, states or shop branches.
    min_count : int, default=5
        In how many training rows a level must occur to have an output of its own (below 100
        rows, in a twentieth of them). What is learnt from fewer is mostly noise, and
        "(other)" then prepares for new levels.
    clip : float, default=3.0
        Scaled numbers ``t`` become ``t / √(1 + (t / clip)²)``: almost unchanged up to about
        half of `clip`, in order and bounded beyond, so that no outlier dominates a batch.
    dtype : {"float32", "float64"}, default="float32"
        Of the outputs; float32 is what networks train in.
    convention : Convention, default=None
        How numbers, dates and missing values are written where they are texts; what is None in it
        is told from the cells.
    bins : {"none", "auto"} or int, default="none"
        Into how many bins, between quantiles of the training rows, numbers and dates are cut as
        well: in the bin from p to q, x becomes ``(x − p) / (q − p)``, 0 below it and 1 above. With
        a weight for each, a network finds thresholds as trees do. Their outputs are the last ones.
        ``"auto"`` takes 24, fewer where rows are few or the outputs would be more than 4 096.

    Attributes
    ----------
    columns_ : list of Column
        What was learnt, one record for each column of the table in fit.
    n_features_in_ : int
        Number of columns in fit.
    feature_names_in_ : ndarray of str
        Names of the columns in fit, if it had names.

    Examples
    --------
    >>> from backpass.tabular.encoder import TableEncoder
    >>> table = {"size": [1.0, 2.0, 3.0, None], "city": ["Bonn", "Oslo", "Oslo", "Bonn"]}
    >>> encoder = TableEncoder().fit(table)
    >>> encoder.get_feature_names_out().tolist()
    ['size', 'size=(missing)', 'city=Bonn', 'city=Oslo']
    >>> encoder.transform(table).round(2).tolist()[3]
    [0.0, 1.0, 1.0, 0.0]
    """

    transform = TableEncoding.transform  # named here, so that set_output wraps it

    def _check_fitted(self) -> None:
        check_is_fitted(self)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = []  # `dtype` decides
        return tags
