"""The scikit-learn estimators: change ``from sklearn.neural_network import`` to ``from backpass``."""

from backpass.classifier import MLPClassifier
from backpass.regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
