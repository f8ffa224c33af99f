"""Training on several machines (`pip install "pysmorch[ray]"`)."""

from pysmorch.cluster.jobs import run_on
from pysmorch.cluster.options import Cluster, as_cluster
from pysmorch.cluster.ring import LostWorkerError, Ring
from pysmorch.cluster.sharing import HandedOver, current_ring, train_share

__all__ = ["Cluster", "HandedOver", "LostWorkerError", "Ring", "as_cluster", "current_ring", "run_on", "train_share"]
