"""The models of tabular.py, all with their defaults, and what each needs done to a table first.

A column of the report is a model. Peers get what their documentation recommends: categories as their own kind where they know one,
indicators and scaled numbers where not. The library itself gets the data frame as it is.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd

OURS = "PySmorch"
PRESETS = ("fast", "balanced", "best")
MISSING = "(missing)"

Frames = tuple[pd.DataFrame, pd.DataFrame]


@dataclass
class Column:
    """A model: the package it needs, its constructor, and what is done to the features of training and of the held-out rows."""

    package: str
    make: Callable[..., Any]
    """Of whether it is a regression, the training features, the seed and the number of threads."""
    prepare: Callable[[pd.DataFrame, pd.DataFrame], Frames]
    settings: dict[str, Any] = field(default_factory=dict)
    """Parameters other than the defaults."""

    @property
    def reason_missing(self) -> str | None:
        """Why its package cannot be imported, or None."""
        try:
            import_module(self.package)
        except ImportError as error:
            return str(error)
        return None

    def missing_parameters(self, regression: bool) -> list[str]:
        """The settings that the estimator for this kind of target doesn't have."""
        return [name for name in self.settings if name not in parameters_of_ours(regression)]


def columns() -> dict[str, Column]:
    """All models by their names, the library's last."""
    found = dict(PEERS)
    if "preset" in parameters_of_ours(regression=False):
        return found | {f"{OURS} {preset}": ours({"preset": preset}) for preset in PRESETS}
    return found | {OURS: ours({})}


def ours(settings: dict[str, Any]) -> Column:
    """The library's estimators with some parameters."""

    def make(regression: bool, X: pd.DataFrame, seed: int, threads: int) -> Any:
        return estimator_of_ours(regression)(random_state=seed, threads=threads, **settings)

    return Column("pysmorch", make, unchanged, settings)


def estimator_of_ours(regression: bool) -> Any:
    """The class for this kind of target."""
    import pysmorch

    return pysmorch.Regressor if regression else pysmorch.Classifier


def parameters_of_ours(regression: bool) -> list[str]:
    """The names of the parameters of the library's estimator."""
    return list(inspect.signature(estimator_of_ours(regression)).parameters)


def unchanged(X: pd.DataFrame, X_test: pd.DataFrame) -> Frames:
    """The data frames as they are."""
    return X, X_test


def categories_of_training(X: pd.DataFrame, X_test: pd.DataFrame) -> Frames:
    """Only the categories that training has, others missing; columns named by numbers, since LightGBM refuses some characters."""
    X, X_test = (part.set_axis([f"c{i}" for i in range(X.shape[1])], axis=1) for part in (X, X_test))
    for name in _categories(X):
        X[name] = X[name].cat.remove_unused_categories()
        X_test[name] = X_test[name].cat.set_categories(X[name].cat.categories)
    return X, X_test


def texts(X: pd.DataFrame, X_test: pd.DataFrame) -> Frames:
    """Categories as texts, a missing one as a text of its own."""
    names = _categories(X)
    X, X_test = (
        part.astype(dict.fromkeys(names, object)).fillna(dict.fromkeys(names, MISSING)) for part in (X, X_test)
    )
    return X, X_test


def texts_and_medians(X: pd.DataFrame, X_test: pd.DataFrame) -> Frames:
    """The same, and the median of training for a missing number, which pytabkit's networks don't take."""
    medians = X.median(numeric_only=True)
    X, X_test = texts(X.fillna(medians), X_test.fillna(medians))
    return X, X_test


def _categories(X: pd.DataFrame) -> list[str]:
    return [name for name in X if isinstance(X[name].dtype, pd.CategoricalDtype)]


def lightgbm(regression: bool, X: pd.DataFrame, seed: int, threads: int) -> Any:
    """LightGBM, silent."""
    import lightgbm

    made = lightgbm.LGBMRegressor if regression else lightgbm.LGBMClassifier
    return made(random_state=seed, n_jobs=threads, verbose=-1)


def xgboost(regression: bool, X: pd.DataFrame, seed: int, threads: int) -> Any:
    """XGBoost, told that there may be categories."""
    import xgboost

    made = xgboost.XGBRegressor if regression else xgboost.XGBClassifier
    return made(random_state=seed, n_jobs=threads, enable_categorical=True)


def catboost(regression: bool, X: pd.DataFrame, seed: int, threads: int) -> Any:
    """CatBoost, told which columns are categories, silent, and without files."""
    import catboost

    made = catboost.CatBoostRegressor if regression else catboost.CatBoostClassifier
    names = [name for name in X if X[name].dtype == object]
    return made(random_seed=seed, thread_count=threads, cat_features=names, verbose=False, allow_writing_files=False)


def boosting(regression: bool, X: pd.DataFrame, seed: int, threads: int) -> Any:
    """scikit-learn's boosting, which takes the number of threads from the environment."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    return (HistGradientBoostingRegressor if regression else HistGradientBoostingClassifier)(random_state=seed)


def mlp(regression: bool, X: pd.DataFrame, seed: int, threads: int) -> Any:
    """scikit-learn's network, with imputed and scaled numbers, an indicator for each category, and a scaled target."""
    from sklearn.compose import TransformedTargetRegressor, make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    names = [name for name in X if X[name].dtype == object]
    features = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), names),
        remainder=make_pipeline(SimpleImputer(), StandardScaler()),
    )
    if regression:
        network = make_pipeline(features, MLPRegressor(random_state=seed))
        return TransformedTargetRegressor(network, transformer=StandardScaler())
    return make_pipeline(features, MLPClassifier(random_state=seed))


def pytabkit(name: str) -> Callable[..., Any]:
    """A network of pytabkit by the name of its classes, on the processor."""

    def make(regression: bool, X: pd.DataFrame, seed: int, threads: int) -> Any:
        import pytabkit

        made = getattr(pytabkit, f"{name}_{'Regressor' if regression else 'Classifier'}")
        return made(device="cpu", random_state=seed, n_threads=threads)

    return make


PEERS = {
    "LightGBM": Column("lightgbm", lightgbm, categories_of_training),
    "XGBoost": Column("xgboost", xgboost, categories_of_training),
    "CatBoost": Column("catboost", catboost, texts),
    "HistGradientBoosting": Column("sklearn", boosting, categories_of_training),
    "MLP": Column("sklearn", mlp, texts),
    "RealMLP-TD": Column("pytabkit", pytabkit("RealMLP_TD"), texts_and_medians),
    "TabM": Column("pytabkit", pytabkit("TabM_D"), texts_and_medians),
}


def probabilities(model: Any, X: pd.DataFrame, num_classes: int) -> np.ndarray:
    """Of all classes, 0 for one that training did not have."""
    found = np.zeros((len(X), num_classes))
    found[:, np.asarray(model.classes_, int)] = model.predict_proba(X)
    return found


def quantiles(model: Any, X: pd.DataFrame, levels: np.ndarray) -> np.ndarray | None:
    """The model's own quantiles at levels that are symmetric about a half, (rows, levels), or None where it has points only."""
    if not hasattr(model, "predict_interval"):
        return None
    lower = [model.predict_interval(X, coverage=1 - 2 * level) for level in levels[: len(levels) // 2]]
    return np.column_stack([*(pair[:, 0] for pair in lower), *(pair[:, 1] for pair in lower[::-1])])
