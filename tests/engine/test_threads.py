"""How many threads a program may use."""

import os
import sys

import numpy as np
import pytest
import threadpoolctl

import pysmorch as ps
from pysmorch.cli.doctor import findings
from pysmorch.engine import threads
from pysmorch.engine.extension import extension
from tests.helpers import printed_by, without_sanitizers

READ_QUOTA = threads.cpu_quota  # the tests put something else in its place


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch):
    for name in ("PYSMORCH_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(threads, "_chosen", None)
    monkeypatch.setattr(threads, "cpu_quota", lambda: None)
    if hasattr(os, "sched_getaffinity"):
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    else:
        monkeypatch.setattr(os, "cpu_count", lambda: 8)


def test_the_cores_of_the_process_are_used():
    assert threads.num_threads() == 8


def test_a_container_and_joblib_may_set_limits(monkeypatch):
    monkeypatch.setattr(threads, "cpu_quota", lambda: 5.6)
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


@pytest.mark.skipif(extension() is None, reason="for the native extension")
def test_threadpoolctl_limits_the_threads_and_ends_its_limit():
    with threadpoolctl.threadpool_limits(2):
        assert threads.num_threads() == 2
        with threadpoolctl.threadpool_limits({"pysmorch": 1}):
            assert threads.num_threads() == 1
        ps.set_num_threads(4)
        assert threads.num_threads() == 2
        ps.set_num_threads(None)
    assert threads.num_threads() == 8
    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        assert threads.num_threads() == 8
    ours = [library for library in threadpoolctl.threadpool_info() if library["user_api"] == "pysmorch"]
    assert {library["num_threads"] for library in ours} <= {8}
    assert ours


@pytest.mark.parametrize("count", [0, -1, 2.0, "2", True, 5000])
def test_a_number_of_threads_is_checked(count):
    with pytest.raises(ValueError, match="count must be from 1 to 1024"):
        ps.set_num_threads(count)
    network = ps.Network(ps.SquareLoss(ps.Linear(ps.Data(shape=(None, 2)), 1)))
    with pytest.raises(ValueError, match="threads must be from 1 to 1024"):
        network.fit(np.ones((4, 2)), np.ones(4), threads=count)


@pytest.mark.parametrize(
    ("content", "quota", "count"),
    [("150000 100000\n", 1.5, 2), ("20000 100000\n", 0.2, 1), ("max 100000\n", None, 8), ("", None, 8)],
)
def test_the_quota_of_a_container_is_read(monkeypatch, tmp_path, content, quota, count):
    monkeypatch.setattr(threads, "cpu_quota", READ_QUOTA)
    monkeypatch.setattr(threads, "CPU_MAX", tmp_path / "cpu.max")
    assert threads.cpu_quota() is None  # there is no such file
    (tmp_path / "cpu.max").write_text(content)
    assert threads.cpu_quota() == quota
    assert threads.num_threads() == count


def test_the_doctor_says_how_many_cores_there_are_and_what_limits_them(monkeypatch):
    assert findings()["cores"] == f"8 of {os.cpu_count()}"
    monkeypatch.setattr(threads, "cpu_quota", lambda: 1.5)
    assert findings()["cores"] == f"8 of {os.cpu_count()}, limited to 1.5 by the container"


on_linux = pytest.mark.skipif(
    extension() is None or sys.platform != "linux", reason="for the native extension, on Linux"
)


@on_linux
def test_processes_of_joblib_share_the_cores():
    cores, used = printed_by(
        "from joblib import Parallel, delayed\n"
        "def work(seed):\n"
        "    from pysmorch.engine import num_threads\n"
        "    return num_threads()\n"
        "if __name__ == '__main__':\n"
        "    cores = len(os.sched_getaffinity(0))\n"
        "    print(cores, sum(Parallel(n_jobs=2)(delayed(work)(i) for i in range(2))))\n"
    )
    assert int(used) <= max(int(cores), 2)


@on_linux
@without_sanitizers
def test_a_failed_allocation_is_a_memory_error_and_the_next_call_works():
    assert printed_by(
        "import resource\n"
        "n = ps.Network(ps.SquareLoss(ps.mlp(ps.Data(shape=(None, 1)), [100_000], 1, seed=0)))\n"
        "X = np.ones((20_000, 1), np.float32)\n"
        "n.fit(X[:8], X[:8], epochs=1, seed=0, engine='native')\n"
        "resource.setrlimit(resource.RLIMIT_AS, (4 << 30, resource.getrlimit(resource.RLIMIT_AS)[1]))\n"
        "try: n.fit(X, X, epochs=1, batch_size=20_000, seed=0, engine='native')\n"
        "except MemoryError: print('refused')\n"
        "n.fit(X[:8], X[:8], epochs=1, seed=0, engine='native')\n"
        "print(np.isfinite(n.predict(X[:3])).all())\n"
    ) == ["refused", "True"]


@on_linux
@without_sanitizers
def test_a_failed_allocation_of_one_of_several_threads_is_a_memory_error_and_the_next_call_works():
    """Prediction puts zeros around an image, here 1 GiB for each thread."""
    assert printed_by(
        "import resource\n"
        "x = ps.Data(shape=(None, 1, 1, 4))\n"
        "n = ps.Network(ps.SquareLoss(ps.Flatten(ps.Conv2d(x, 2000, 3, padding=8192, stride=8192))))\n"
        "X = np.ones((100, 1, 1, 4), np.float32)\n"
        "n.fit(X[:1], np.zeros((1, 8000)), epochs=1, seed=0, engine='native')\n"
        "ps.set_num_threads(2)\n"
        "old = resource.getrlimit(resource.RLIMIT_AS)\n"
        "taken = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (taken + (1 << 29), old[1]))\n"
        "try: n.predict(X)\n"
        "except MemoryError: print('refused')\n"
        "y = ps.Network(ps.SquareLoss(ps.mlp(ps.Data(shape=(None, 4)), [300], 1, seed=0))).predict(X[:, 0, 0])\n"
        "print(n.predictor.is_native, np.isfinite(y).all())\n"
    ) == ["refused", "True", "True"]


@on_linux
@without_sanitizers
def test_a_failed_allocation_of_one_of_several_threads_ends_training_and_the_next_call_works():
    """A thread needs 32 MiB for the sums of so many channels."""
    assert printed_by(
        "import resource\n"
        "from pysmorch import engine\n"
        "K = 2**17\n"
        "n = ps.Network(ps.SquareLoss(ps.Linear(ps.Normalize(ps.Data(shape=(None, K))), 1)))\n"
        "X, y = np.ones((64, K), np.float32), np.ones((64, 1), np.float32)\n"
        "data = engine.Dataset.checked(n.inputs, n.loss, X, y, None, 'X')\n"
        "program = engine.NativeProgram(n.loss, ps.SGD(), 'float32', 0, data, threads=1)\n"
        "def step(threads):\n"
        "    program._threads = threads\n"
        "    return program.train(data, np.arange(64), 64, [engine.StepRates(0.1)], 0).rows\n"
        "print(step(1))\n"
        "taken = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "old = resource.getrlimit(resource.RLIMIT_AS)\n"
        "resource.setrlimit(resource.RLIMIT_AS, (taken + (24 << 20), old[1]))\n"
        "try: step(2)\n"
        "except MemoryError: print('refused')\n"
        "print(step(1))\n"
        "resource.setrlimit(resource.RLIMIT_AS, old)\n"
        "print(step(2))\n"
    ) == ["64", "refused", "64", "64"]
