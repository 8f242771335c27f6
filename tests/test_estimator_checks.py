"""All of scikit-learn's estimator checks pass; SCIPY_ARRAY_API=1 is set in conftest.py.

Without that variable scikit-learn silently skips some of them. The one skip that remains is of
the check that needs a ``decision_function``, which scikit-learn's own MLP does not have either.
"""

import os
import warnings

import pytest
from sklearn.utils.estimator_checks import check_estimator

from backpass import MLPClassifier, MLPRegressor

NEEDS_DECISION_FUNCTION = "check_classifiers_multilabel_output_format_decision_function"


@pytest.mark.parametrize(
    "estimator",
    [
        MLPClassifier(max_iter=100),
        MLPClassifier(max_iter=50, solver="adamw", learning_rate="cosine"),
        MLPRegressor(max_iter=100),
        MLPRegressor("huber:delta=1", max_iter=100, activation="silu"),
    ],
)
def test_every_check_passes(estimator):
    assert os.environ["SCIPY_ARRAY_API"] == "1"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(estimator, on_skip=None, on_fail=None)
    failed = {r["check_name"]: r["exception"] for r in results if r["status"] == "failed"}
    assert not failed
    skipped = {r["check_name"] for r in results if r["status"] == "skipped"}
    assert skipped <= {NEEDS_DECISION_FUNCTION}
    assert {r["status"] for r in results} <= {"passed", "skipped"}
    assert len(results) >= 55
