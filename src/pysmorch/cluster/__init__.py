"""Work on several machines (`pip install "pysmorch[ray]"`)."""

from pysmorch.cluster.jobs import run_on
from pysmorch.cluster.joining import joined
from pysmorch.cluster.options import Cluster, as_cluster
from pysmorch.cluster.ring import LostWorkerError, Ring
from pysmorch.cluster.sharing import HandedOver, check_stop, current_ring, train_share
from pysmorch.cluster.tasks import in_order

__all__ = [
    "Cluster",
    "HandedOver",
    "LostWorkerError",
    "Ring",
    "as_cluster",
    "check_stop",
    "current_ring",
    "in_order",
    "joined",
    "run_on",
    "train_share",
]
