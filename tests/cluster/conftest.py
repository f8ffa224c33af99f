"""A Ray cluster of one node for the tests that need one."""

import os

import pytest


@pytest.fixture(scope="package")
def node():
    """Ray, where this process has joined a node with three processors."""
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
    ray = pytest.importorskip("ray", reason='needs Ray; pip install "pysmorch[ray]"')
    ray.init(
        address="local",
        num_cpus=3,
        include_dashboard=False,
        object_store_memory=2**27,
        log_to_driver=False,
        logging_level="ERROR",
    )
    yield ray
    ray.shutdown()
