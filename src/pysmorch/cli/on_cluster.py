"""What `pysmorch train --cluster` does."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from pysmorch.cli.data import Rows, in_file
from pysmorch.cli.options import TrainOptions
from pysmorch.cluster import Cluster
from pysmorch.estimators.on_cluster import fit_on_cluster
from pysmorch.estimators.unchanged import unchanged_on_error


def cluster_of(options: TrainOptions) -> Cluster | None:
    """Return the cluster of the options, or None where this machine trains.

    Raises ValueError for options that do not go with it.
    """
    if options.cluster is None:
        if options.workers != "auto":
            raise ValueError("--workers is for --cluster ADDRESS; --threads says how many threads this machine uses")
        return None
    if options.time_limit is not None:
        raise ValueError("--time-limit is for one machine; leave out --cluster or the limit")
    least, _, most = options.workers.partition("-")
    try:
        count: Any = options.workers if options.workers == "auto" else (int(least), int(most or least))
        return Cluster(address=options.cluster, workers=count)
    except ValueError:
        raise ValueError(f'--workers must be a number, as 2-8, or "auto", but is {options.workers!r}') from None


def fit(model: Any, cluster: Cluster, training: Rows, all_rows: Any, **arguments: Any) -> None:
    """Train on a cluster; a model that was trained before is as it was when that fails.

    Raises what `Classifier.fit` raises; a ConnectionError where there is no cluster.
    """
    source = training.source
    try:
        with unchanged_on_error(model, model.warm_start and hasattr(model, "network_")):
            in_file(
                source,
                lambda: fit_on_cluster(
                    model,
                    cluster,
                    arguments.pop("checkpoint"),
                    arguments.pop("resume", None),
                    _texts_of(all_rows),
                    X=source.features,
                    y=training.y,
                    sample_weight=training.weights,
                    **arguments,
                ),
            )
    except ImportError as error:
        raise ValueError(f"--cluster: {error}") from None


def _texts_of(features: Any) -> Any:
    """Return what decides how texts of columns are read; the other columns need not be sent."""
    if not isinstance(features, pa.Table):
        return features
    return features.select([field.name for field in features.schema if pa.types.is_string(field.type)])
