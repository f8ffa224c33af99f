"""MLflow (extra "mlflow"): trainings as runs, and models as MLflow's models, which predict what ours do."""

from __future__ import annotations

import functools
import os
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from pysmorch.estimators import Classifier, Regressor
from pysmorch.loading import load
from pysmorch.missing import module_of_extra
from pysmorch.network import Network
from pysmorch.tracking.epochs import EpochLog
from pysmorch.version import __version__

FILE = "model.safetensors"
LONGEST = 500
"""Letters of a parameter, the most that all stores of MLflow take."""


class MLflowLog(EpochLog):
    """Log what is measured in each epoch as metrics of the active MLflow run.

    Raises
    ------
    ImportError
        MLflow is not installed.
    """

    def __init__(self) -> None:
        self._mlflow = _mlflow()
        active = self._mlflow.active_run() or self._mlflow.start_run()
        self.run_id: str = active.info.run_id

    def write(self, epoch: int, measured: dict[str, float]) -> None:
        """Log the metrics of an epoch; those of further networks of an ensemble have their number before the name.

        Parameters
        ----------
        epoch : int
            From 1; the step of the metrics.
        measured : dict of str to float
            The value of each name in the history.
        """
        before = "" if self.network == 1 else f"network_{self.network}/"
        # The run is named, since networks of an ensemble are trained in threads, which have no active run.
        values = {before + name: value for name, value in measured.items()}
        self._mlflow.log_metrics(values, step=epoch, run_id=self.run_id)


def save_model(model: Any, path: str | os.PathLike[str], **options: Any) -> None:
    """Write a model as a folder that MLflow loads and serves.

    Parameters
    ----------
    model : Classifier, Regressor or Network
        A fitted model.
    path : str or path-like
        The folder, which must not exist.
    **options
        Arguments of `mlflow.pyfunc.save_model`, such as `signature` and `input_example`.

    Raises
    ------
    ImportError
        MLflow is not installed.
    """
    with tempfile.TemporaryDirectory() as folder:
        _mlflow().pyfunc.save_model(os.fspath(path), **_written(model, folder), **options)


def log_model(model: Any, name: str = "model", **options: Any) -> Any:
    """Log a model in the active MLflow run.

    Parameters
    ----------
    model : Classifier, Regressor or Network
        A fitted model.
    name : str, default="model"
        Its name within the run.
    **options
        Arguments of `mlflow.pyfunc.log_model`, such as `registered_model_name`.

    Returns
    -------
    mlflow.models.model.ModelInfo
        Its attribute `model_uri` is what `mlflow.pyfunc.load_model` takes.

    Raises
    ------
    ImportError
        MLflow is not installed.
    """
    with tempfile.TemporaryDirectory() as folder:
        return _mlflow().pyfunc.log_model(name=name, **_written(model, folder), **options)


def load_model(uri: str) -> Any:
    """Load a model that `save_model` or `log_model` wrote, as what it was.

    Parameters
    ----------
    uri : str
        A folder, or an address of MLflow such as "runs:/RUN/model".

    Returns
    -------
    Classifier, Regressor or Network
        The model itself; `mlflow.pyfunc.load_model` returns what MLflow makes of it.
    """
    _mlflow()
    from mlflow.artifacts import download_artifacts

    return load(next(Path(download_artifacts(uri)).rglob(FILE)))


def autolog(disable: bool = False) -> None:
    """Log every `fit` of a Classifier, a Regressor or a Network as an MLflow run: parameters, metrics of each epoch, the model.

    Parameters
    ----------
    disable : bool, default=False
        Whether to end that.

    Raises
    ------
    ImportError
        MLflow is not installed.
    """
    _mlflow()
    for kind in (Classifier, Regressor, Network):
        fit = kind.fit
        original = getattr(fit, "logs", None)
        if disable and original is not None:
            kind.fit = original  # type: ignore[method-assign]
        elif not disable and original is None:
            kind.fit = _logged(fit)  # type: ignore[method-assign]


def _logged(fit: Callable[..., Any]) -> Callable[..., Any]:
    """Return a `fit` that is logged, in the active run or in one of its own."""

    @functools.wraps(fit)
    def logged(self: Any, *arguments: Any, **options: Any) -> Any:
        mlflow = _mlflow()
        own = mlflow.active_run() is None
        log = MLflowLog()
        status = "FAILED"
        try:
            mlflow.log_params({name: str(value)[:LONGEST] for name, value in _parameters(self, options).items()})
            result = fit(self, *arguments, **options | {"callbacks": [*options.get("callbacks", ()), log]})
            log_model(self)
            status = "FINISHED"
            return result
        finally:
            if own:
                mlflow.end_run(status)

    logged.logs = fit  # type: ignore[attr-defined]
    return logged


def _parameters(model: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Return what is logged as parameters: those of an estimator; of a network the options of the fit that are short."""
    if not isinstance(model, Network):
        return dict(model.get_params(deep=False)) | {"pysmorch": __version__}
    plain = {name: value for name, value in options.items() if isinstance(value, (str, int, float, bool))}
    return plain | {"loss": type(model.loss).__name__, "layers": len(model.layers), "pysmorch": __version__}


def _written(model: Any, folder: str) -> dict[str, Any]:
    """Write a model file, and return how MLflow loads it."""
    path = Path(folder, FILE)
    model.save(path)
    return {
        "loader_module": __name__,
        "data_path": os.fspath(path),
        "pip_requirements": [f"pysmorch=={__version__}", "pandas"],
    }


class _Served:
    """What MLflow calls: it has the method `predict` of a model, whatever MLflow passes besides."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def predict(self, model_input: Any, params: Any = None) -> Any:
        """Return the predictions of a data frame or an array."""
        if isinstance(self.model, Network):
            return self.model.predict(getattr(model_input, "to_numpy", lambda: model_input)())
        return self.model.predict(model_input)


def _load_pyfunc(path: str) -> _Served:
    """Load the model of a folder; MLflow finds this function by its name."""
    return _Served(load(path))


def _mlflow() -> Any:
    """Return MLflow, or raise ImportError with what to install."""
    module_of_extra("mlflow.pyfunc", "runs of MLflow need it", "mlflow")
    return import_module("mlflow")
