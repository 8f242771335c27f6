"""The scikit-learn estimators: a change of import from ``sklearn.neural_network``."""

from backpass.classifier import MLPClassifier
from backpass.regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
