"""The fit of a network by the workers of a cluster."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pysmorch.cluster import Cluster, as_cluster, run_on
from pysmorch.engine import NonFiniteError
from pysmorch.files.writing import write_new
from pysmorch.layers.randomness import draw_seed
from pysmorch.layers.trainable import has_parameters
from pysmorch.optimizers import Optimizer
from pysmorch.training.history import History
from pysmorch.training.loop import fit
from pysmorch.training.options import FitOptions
from pysmorch.training.progress import is_watched
from pysmorch.training.run import RESTORED
from pysmorch.training.run_folder import LAST, check_new

if TYPE_CHECKING:
    from pysmorch.network import Network


@dataclass
class NetworkFit:
    """What each worker does.

    Attributes
    ----------
    network, X, y, sample_weight, options
        Arguments of the fit.
    """

    network: Network
    X: Any
    y: Any
    sample_weight: Any
    options: FitOptions

    def run(self, checkpoint: Path, resume: Path | None, progress: bool) -> tuple[Network, dict[str, Any], History]:
        """Train; return the network, what the optimizer has then, and the history."""
        options = replace(self.options, checkpoint=checkpoint, resume=resume, progress=progress)
        network = copy.deepcopy(self.network)  # arrays that came here cannot be written
        optimizer = copy.deepcopy(self.options.optimizer)
        history = fit(network, self.X, self.y, self.sample_weight, replace(options, optimizer=optimizer))
        return network, vars(optimizer) if isinstance(optimizer, Optimizer) else {}, history


def fit_on_cluster(
    network: Network, X: Any, y: Any, sample_weight: Any, options: FitOptions, cluster: str | Cluster
) -> History:
    """Train a network on a cluster.

    Parameters
    ----------
    network : Network
        Which gets the parameters and states that the workers have found.
    X, y, sample_weight : Any
        As in `Network.fit`.
    options : FitOptions
        The others of its arguments.
    cluster : str or Cluster
        Where.

    Returns
    -------
    History
        What was measured in each epoch.

    Raises
    ------
    NonFiniteError
        The loss is no longer finite; the network is as it was before.
    """
    if options.seed is None and options.resume is None:  # that of a run is in its checkpoint
        options = replace(options, seed=draw_seed())
    work = NetworkFit(network, X, y, sample_weight, replace(options, checkpoint=None, resume=None))
    files, keep = files_of_run(options.checkpoint, options.resume)
    try:
        shown = is_watched() if options.progress is None else options.progress
        trained, of_optimizer, history = run_on(as_cluster(cluster), work, files, keep, shown)
    except NonFiniteError as error:
        message = error.args[0].replace(RESTORED, "The network is as it was before the fit")
        raise NonFiniteError(message, error.epoch, error.batch, error.layer) from None
    for layer, learned in zip(network.layers, trained.layers, strict=True):
        if has_parameters(layer):
            layer.replace_parameters(learned.W)
        if getattr(layer, "state", None):
            layer.state = learned.state
    if isinstance(options.optimizer, Optimizer):
        vars(options.optimizer).update(of_optimizer)
    return history


def files_of_run(
    checkpoint: str | Path | None, resume: str | Path | None
) -> tuple[dict[str, bytes], Callable[[str, bytes], None] | None]:
    """Return the checkpoints that a run goes on from, by their paths in its folder, and what writes new ones into the user's folder.

    Parameters
    ----------
    checkpoint, resume : str, Path or None
        As in `Network.fit`.

    Returns
    -------
    files : dict of str to bytes
        None of them for a new run.
    keep : callable or None
        Called with the path and the content of each new one.

    Raises
    ------
    OSError
        The folder cannot be written, has another run, or none to resume.
    """
    files = {}
    if resume is not None:
        there = Path(os.path.expanduser(resume))
        files = {path.relative_to(there).as_posix(): path.read_bytes() for path in sorted(there.rglob(LAST))}
        if not files:
            raise FileNotFoundError(f"{there}: there is no run to resume")
    elif checkpoint is not None:
        check_new(checkpoint)
    folder = resume if checkpoint is None else checkpoint
    if folder is None:
        return files, None
    into = Path(os.path.expanduser(folder))

    def keep(path: str, content: bytes) -> None:
        (into / path).parent.mkdir(parents=True, exist_ok=True)
        write_new(into / path, content, overwrite=True)

    return files, keep
