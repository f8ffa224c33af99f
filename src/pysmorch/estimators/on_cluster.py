"""The fit of an estimator by the workers of a cluster: each does the same call, and computes some rows of every batch."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pysmorch.cluster import Cluster, as_cluster, run_on
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
    """

    estimator: Any
    arguments: dict[str, Any]

    def run(self, checkpoint: Path, resume: Path | None) -> dict[str, Any]:
        """Fit; return all that the estimator has then."""
        estimator = copy.deepcopy(self.estimator).set_params(verbose=False)  # arrays that came here cannot be written
        estimator.fit(**self.arguments, checkpoint=None if resume else checkpoint, resume=resume)
        return vars(estimator)


def fit_on_cluster(
    estimator: Any, cluster: str | Cluster, checkpoint: str | Path | None, resume: str | Path | None, **arguments: Any
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
    work = EstimatorFit(estimator, arguments)
    learned = run_on(as_cluster(cluster), work, *files_of_run(checkpoint, resume))
    vars(estimator).update(learned | {"verbose": estimator.verbose})
