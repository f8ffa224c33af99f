"""The fit of an estimator by the workers of a cluster: each does the same call, and computes some rows of every batch."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pysmorch.cluster import Cluster, as_cluster, run_on
from pysmorch.encoders import kinds_from
from pysmorch.training.on_cluster import files_of_run


@dataclass
class EstimatorFit:
    """What each worker does.

    Attributes
    ----------
    estimator : NetworkEstimator
        Before its fit.
    arguments : dict
        Of `fit`, by name.
    all_rows : pyarrow.Table, StreamedTable or ndarray
        From which it is decided how texts of columns are read, as in `kinds_from`.
    """

    estimator: Any
    arguments: dict[str, Any]
    all_rows: Any = None

    def run(self, checkpoint: Path, resume: Path | None, progress: bool) -> dict[str, Any]:
        """Fit; return all that the estimator has then."""
        estimator = copy.deepcopy(self.estimator)  # arrays that came here cannot be written
        estimator.set_params(verbose=progress)
        with kinds_from(self.all_rows):
            estimator.fit(**self.arguments, checkpoint=None if resume else checkpoint, resume=resume)
        return vars(estimator)


def fit_on_cluster(
    estimator: Any,
    cluster: str | Cluster,
    checkpoint: str | Path | None,
    resume: str | Path | None,
    all_rows: Any = None,
    **arguments: Any,
) -> None:
    """Fit an estimator on a cluster.

    Parameters
    ----------
    estimator : NetworkEstimator
        Inside `unchanged_on_error`.
    cluster : str or Cluster
        Where.
    checkpoint, resume : str, Path or None
        As in `fit`; the folders are on this machine.
    all_rows : pyarrow.Table, StreamedTable or ndarray, default=None
        Of a file of which some rows are held out: as in `kinds_from`.
    **arguments
        The others of `fit`.

    Raises
    ------
    ValueError
        There is a limit of time, at which workers would end at different steps.
    """
    if estimator.time_limit is not None:
        raise ValueError(
            f"time_limit={estimator.time_limit!r} is for one machine: workers of a cluster would end at different steps; leave it out"
        )
    work = EstimatorFit(estimator, arguments, all_rows)
    files, keep = files_of_run(checkpoint, resume)
    learned = run_on(as_cluster(cluster), work, files, keep, bool(estimator.verbose))
    vars(estimator).update(learned | {"verbose": estimator.verbose})
