"""Estimators with scikit-learn's contract."""

from pysmorch.encoders import ColumnError
from pysmorch.estimators.classifier import Classifier
from pysmorch.estimators.regressor import Regressor

__all__ = ["Classifier", "ColumnError", "Regressor"]
