"""What `--cluster` does."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from pysmorch.cli.data import Rows, in_file
from pysmorch.cli.options import PredictOptions, TrainOptions
from pysmorch.cli.output import Interrupted
from pysmorch.cluster import Cluster, joined


def cluster_of(options: TrainOptions | PredictOptions) -> Cluster | None:
    """Return the cluster of the options, or None where this machine works alone.

    Raises ValueError for options that do not go with it.
    """
    text = options.workers if isinstance(options, TrainOptions) else "auto"
    if options.cluster is None:
        if text != "auto":
            raise ValueError("--workers is for --cluster ADDRESS; --threads says how many threads this machine uses")
        return None
    if type(options) is TrainOptions and options.time_limit is not None:
        raise ValueError("--time-limit is for one machine; leave out --cluster or the limit")
    least, _, most = text.partition("-")
    try:
        count: Any = text if text == "auto" else (int(least), int(most or least))
        return Cluster(address=options.cluster, workers=count)
    except ValueError:
        raise ValueError(f'--workers must be a number, as 2-8, or "auto", but is {text!r}') from None


def join(options: TrainOptions | PredictOptions) -> None:
    """Join the cluster of the options, if there is one, before anything is read.

    Raises ValueError where Ray is missing, and ConnectionError where there is no cluster.
    """
    cluster = cluster_of(options)
    if cluster is None:
        return
    try:
        joined(cluster)
    except ImportError as error:
        raise ValueError(f"--cluster: {error}") from None


def fit(model: Any, cluster: Cluster, training: Rows, all_rows: Any, **arguments: Any) -> None:
    """Train on a cluster; a model that was trained before is as it was when that fails.

    Raises Interrupted where Ctrl-C ends it and a checkpoint was written, what `Classifier.fit` raises; a ConnectionError where there is no cluster.
    """
    # They need scikit-learn, which predicting does without.
    from pysmorch.estimators.on_cluster import fit_on_cluster
    from pysmorch.estimators.unchanged import unchanged_on_error
    from pysmorch.training.run_folder import has_checkpoint

    source, checkpoint = training.source, arguments.pop("checkpoint")
    rows = {"X": source.features, "y": training.y, "sample_weight": training.weights, **arguments}
    resume = rows.pop("resume", None)
    try:
        with unchanged_on_error(model, model.warm_start and hasattr(model, "network_")):
            in_file(source, lambda: fit_on_cluster(model, cluster, checkpoint, resume, _texts_of(all_rows), **rows))
    except KeyboardInterrupt:
        if checkpoint is None or not has_checkpoint(checkpoint):
            raise
        raise Interrupted(f"interrupted; pysmorch resume {checkpoint} goes on") from None


def _texts_of(features: Any) -> Any:
    """Return what decides how texts of columns are read; the other columns need not be sent."""
    if not isinstance(features, pa.Table):
        return features
    return features.select([field.name for field in features.schema if pa.types.is_string(field.type)])
