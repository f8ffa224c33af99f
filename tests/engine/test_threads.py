"""How many threads a program may use."""

import os
import subprocess
import sys

import numpy as np
import pytest

import pysmorch as ps
from pysmorch.engine import threads
from pysmorch.engine.extension import extension


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch):
    for name in ("PYSMORCH_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(threads, "_chosen", None)
    monkeypatch.setattr(threads, "_cpu_quota", lambda: 0)
    if hasattr(os, "sched_getaffinity"):
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    else:
        monkeypatch.setattr(os, "cpu_count", lambda: 8)


def test_the_cores_of_the_process_are_used():
    assert threads.num_threads() == 8


def test_a_container_and_joblib_may_set_limits(monkeypatch):
    monkeypatch.setattr(threads, "_cpu_quota", lambda: 6)
    assert threads.num_threads() == 6
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert threads.num_threads() == 4
    monkeypatch.setenv("OMP_NUM_THREADS", "4,2")
    assert threads.num_threads() == 6


def test_the_environment_and_the_program_decide(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    monkeypatch.setenv("PYSMORCH_NUM_THREADS", "16")
    assert threads.num_threads() == 16
    monkeypatch.setenv("PYSMORCH_NUM_THREADS", "many")
    assert threads.num_threads() == 4
    ps.set_num_threads(3)
    assert threads.num_threads() == 3
    ps.set_num_threads(None)
    assert threads.num_threads() == 4


@pytest.mark.parametrize("count", [0, -1, 2.0, "2", True, 5000])
def test_a_number_of_threads_is_checked(count):
    with pytest.raises(ValueError, match="the number of threads must be from 1 to 1024"):
        ps.set_num_threads(count)
    network = ps.Network(ps.SquareLoss(ps.Linear(ps.Data(shape=(None, 2)), 1)))
    with pytest.raises(ValueError, match="the number of threads"):
        network.fit(np.ones((4, 2)), np.ones(4), threads=count)


def test_the_quota_of_a_container_is_read(monkeypatch, tmp_path):
    monkeypatch.undo()
    assert threads._cpu_quota() >= 0


@pytest.mark.skipif(extension() is None, reason="the native extension is not built")
@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
def test_processes_of_joblib_share_the_cores():
    code = (
        "import numpy as np, pysmorch as ps, os, threading, time\n"
        "from joblib import Parallel, delayed\n"
        "def work(seed):\n"
        "    from pysmorch.engine import num_threads\n"
        "    return num_threads()\n"
        "if __name__ == '__main__':\n"
        "    cores = len(os.sched_getaffinity(0))\n"
        "    print(cores, sum(Parallel(n_jobs=2)(delayed(work)(i) for i in range(2))))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    cores, used = map(int, done.stdout.split())
    assert used <= max(cores, 2)


@pytest.mark.skipif(extension() is None, reason="the native extension is not built")
@pytest.mark.skipif(sys.platform != "linux", reason="limits memory")
def test_a_failed_allocation_is_a_memory_error_and_the_next_call_works():
    code = (
        "import numpy as np, pysmorch as ps, resource\n"
        "n = ps.Network(ps.SquareLoss(ps.mlp(ps.Data(shape=(None, 1)), [100_000], 1, seed=0)))\n"
        "X = np.ones((20_000, 1), np.float32)\n"
        "n.fit(X[:8], X[:8], epochs=1, seed=0, engine='native')\n"
        "resource.setrlimit(resource.RLIMIT_AS, (4 << 30, resource.getrlimit(resource.RLIMIT_AS)[1]))\n"
        "try: n.fit(X, X, epochs=1, batch_size=20_000, seed=0, engine='native')\n"
        "except MemoryError: print('refused')\n"
        "n.fit(X[:8], X[:8], epochs=1, seed=0, engine='native')\n"
        "print(np.isfinite(n.predict(X[:3])).all())\n"
    )
    if "libasan" in os.environ.get("LD_PRELOAD", "") or "libtsan" in os.environ.get("LD_PRELOAD", ""):
        pytest.skip("a sanitizer needs all addresses")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.split() == ["refused", "True"], done.stderr
