"""The tests. Processes of pytest-xdist share the cores: threads of each for every core would wait for one another most of the time.

Tests of threads say how many there are. This comes before NumPy, which reads the environment once.
"""

import os

_processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
if _processes > 1:
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // _processes)))
