"""Logs of trainings, for other programs: files, TensorBoard, and MLflow (`pysmorch.tracking.mlflow`).

Each is a callback: `fit(X, y, callbacks=[CSVLog("history.csv")])`.
"""

from pysmorch.tracking.events import TensorBoardLog
from pysmorch.tracking.lines import CSVLog, JSONLog

__all__ = ["CSVLog", "JSONLog", "TensorBoardLog"]
