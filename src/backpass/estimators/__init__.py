"""MLPClassifier and MLPRegressor: a change of import from ``sklearn.neural_network``."""

from backpass.estimators.classifier import MLPClassifier
from backpass.estimators.regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
