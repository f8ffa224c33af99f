"""A Ray cluster of two nodes on this machine, and programs on it."""

import os

import pytest

os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
ray = pytest.importorskip("ray", reason='needs Ray; pip install "pysmorch[ray]"')
