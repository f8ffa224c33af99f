"""Clusters that cannot be used: no answer, other versions, a node without PySmorch."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import os, time
os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
import ray
from ray.cluster_utils import Cluster as Nodes
from pysmorch import Cluster
from pysmorch.cluster import in_order
from tests.cluster.test_ray import data, network

small = {"num_cpus": 1, "object_store_memory": 2**27}
nodes = Nodes(initialize_head=True, head_node_args=small | {"include_dashboard": False})
nodes.add_node(**small, env_vars={"PYTHONPATH": "/nowhere"})

def said(call):
    try:
        print("done", call())
    except (ValueError, OSError) as error:
        print(type(error).__name__, error)

version = ray.__version__
ray.__version__ = "2.0.0"
X, y = data()
cluster = Cluster(address=nodes.address, workers=2, patience=30)
said(lambda: network().fit(X, y, cluster=cluster))
ray.__version__ = version
said(lambda: network().fit(X, y, cluster=cluster))
said(lambda: list(in_order(cluster, max, 1, [(0, 2)])))
ray.shutdown()
nodes.shutdown()
"""


def test_nodes_that_lack_something_are_named():
    pytest.importorskip("ray.cluster_utils", reason='needs Ray; pip install "pysmorch[ray]"')
    import pysmorch

    found = subprocess.run(
        [sys.executable, "-c", "import pysmorch"], cwd="/", env={"PYTHONPATH": "/nowhere"}, check=False
    )
    if found.returncode == 0:
        pytest.skip("PySmorch is installed for all processes")
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(root), str(Path(pysmorch.__file__).parents[1])])}
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM],
        env=environment,
        cwd=root,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    lines = [line for line in ended.stdout.splitlines() if "cluster: " in line or line.startswith("done")]
    assert len(lines) == 3, ended.stdout + ended.stderr
    assert "has other versions than this machine: Version mismatch" in lines[0]
    assert "Ray: 2.0.0" in lines[0]
    for line in lines[1:]:
        assert line.startswith("ValueError cluster: node ")
        assert "cannot load PySmorch (No module named 'pysmorch'); install the same version on all" in line
