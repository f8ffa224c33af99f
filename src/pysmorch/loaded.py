"""Estimators as a process without scikit-learn loads them: they predict, and are made whole when more than that is needed.

scikit-learn takes ten times as long to import as a small network takes to be read and to answer, and five times the memory.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from pysmorch.prediction.classifier import ClassifierModel
from pysmorch.prediction.regressor import RegressorModel


class _Loaded:
    """What stands for an estimator: it is an instance of its class for `isinstance`, and becomes one when more is needed."""

    _name: str

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        """The class of the estimator."""
        return getattr(import_module("pysmorch.estimators"), self._name)

    def _complete(self) -> Any:
        """Become an estimator, in place: it has the same attributes."""
        vars(object)["__class__"].__set__(self, self.__class__)
        return self

    def __getattr__(self, name: str) -> Any:
        if name.endswith("_") and not name.startswith("_"):  # a fitted attribute, which no method would add
            raise AttributeError(f"{self._name!r} object has no attribute {name!r}")
        return getattr(self._complete(), name)

    def __repr__(self) -> str:
        return repr(self._complete())

    def __dir__(self) -> list[str]:
        return dir(self._complete())

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self._complete().__reduce_ex__(protocol)


class LoadedClassifier(_Loaded, ClassifierModel):
    """A Classifier that was loaded."""

    _name = "Classifier"


class LoadedRegressor(_Loaded, RegressorModel):
    """A Regressor that was loaded."""

    _name = "Regressor"


STANDING_FOR = {"classifier": LoadedClassifier, "regressor": LoadedRegressor}
"""By the kinds of model files."""
