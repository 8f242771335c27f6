"""Leave an estimator as it was before when a fit of it fails."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from backpass.errors import BackpassError

__all__ = ["as_before_on_failure"]

PRIVATE = ("_history", "_optimizer_state", "_steps", "_target_type")  # set by fit, too


@contextmanager
def as_before_on_failure(estimator: Any, first: bool = False) -> Iterator[None]:
    """Leave an estimator fitted as it was, or not, where a fit raises an error.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
    first : bool
        Whether the fit begins anew. One that goes on changes the network in place, which only an
        error of backpass undoes; scikit-learn's errors come before that, when nothing is changed.

    Examples
    --------
    >>> from backpass import MLPRegressor
    >>> regressor = MLPRegressor()
    >>> with as_before_on_failure(regressor):
    ...     regressor.n_features_in_ = 3
    ...     raise BackpassError("diverged")
    Traceback (most recent call last):
    backpass.errors.BackpassError: diverged
    >>> hasattr(regressor, "n_features_in_")
    False
    """
    before = _fitted_state(estimator)
    try:
        yield
    except Exception as error:
        if not (first or isinstance(error, BackpassError)):
            raise
        for name in _fitted_state(estimator):
            delattr(estimator, name)
        for name, value in before.items():
            setattr(estimator, name, value)
        raise


def _fitted_state(estimator: Any) -> dict[str, Any]:
    """Return what fits have set; the parameters in it the trainer puts back itself."""
    kept = copy.copy(estimator)
    if "n_iter_" in vars(kept):
        kept._history = copy.copy(kept._history)
        for name, curve in vars(kept._history).items():
            if isinstance(curve, list):  # it goes on in place
                setattr(kept._history, name, list(curve))
        kept._set_results(kept.n_iter_)
    return {name: x for name, x in vars(kept).items() if name.endswith("_") or name in PRIVATE}
