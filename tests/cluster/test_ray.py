"""Training by the workers of a Ray cluster, here of one node."""

import os
import signal
import sys
import time

import numpy as np
import pytest

from pysmorch import (
    Adam,
    Bias,
    Classifier,
    Cluster,
    CrossEntropy,
    Data,
    Dropout,
    Linear,
    Network,
    NonFiniteError,
    Normalize,
    Relu,
)

os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
ray = pytest.importorskip("ray", reason='needs Ray; pip install "pysmorch[ray]"')
pytestmark = pytest.mark.filterwarnings("ignore:::ray", "ignore::ResourceWarning", "ignore::FutureWarning")


@pytest.fixture(scope="module", autouse=True)
def node():
    ray.init(address="local", num_cpus=3, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield
    ray.shutdown()


def data(count=256):
    generator = np.random.default_rng(0)
    X = generator.standard_normal((count, 6)).astype(np.float32)
    return X, X[:, :3].argmax(axis=1)


def network():
    np.random.seed(0)
    hidden = Dropout(Relu(Normalize(Bias(Linear(Data(shape=(None, 6)), 16)))), 0.2)
    return Network(CrossEntropy(Bias(Linear(hidden, 3))))


def bits(made):
    states = [value.tobytes() for layer in made.layers for value in (getattr(layer, "state", None) or {}).values()]
    return [W.tobytes() for W in made.parameters.values()], states


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_networks_have_the_bits_of_one_machine(workers):
    X, y = data()
    options = {"epochs": 2, "batch_size": 100, "seed": 1}
    alone, together, optimizer = network(), network(), Adam(0.01)
    history = alone.fit(X, y, optimizer=Adam(0.01), **options)
    found = together.fit(X, y, optimizer=optimizer, cluster=Cluster(workers=workers), **options)
    assert bits(together) == bits(alone)
    assert found["loss"] == history["loss"]
    assert optimizer.num_steps == 6


@pytest.mark.parametrize("preset", ["fast", "balanced"])
def test_estimators_have_the_bits_of_one_machine(preset):
    X, y = data()
    made = [Classifier(hidden=(8,), epochs=2, preset=preset, random_state=0) for _ in range(2)]
    made[0].fit(X, y)
    made[1].fit(X, y, cluster=Cluster(workers=2))
    assert np.array_equal(made[0].predict_proba(X), made[1].predict_proba(X))
    assert made[0].history_["loss"] == made[1].history_["loss"]


class Lost:
    """Ends the process of the second worker once, in the midst of the training."""

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, training):
        from pysmorch.cluster import current_ring

        ring, done = current_ring(), self.folder / "done"
        if ring is not None and ring.rank == 1 and training.epoch == 2 and not done.exists():
            done.touch()
            os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_that_is_lost_costs_no_bit(tmp_path):
    X, y = data()
    options = {"epochs": 4, "batch_size": 100, "seed": 1, "callbacks": [Lost(tmp_path)], "every": "1 epoch"}
    alone, together = network(), network()
    alone.fit(X, y, **options)
    together.fit(X, y, cluster=Cluster(workers=2), checkpoint=tmp_path / "run", **options)
    assert (tmp_path / "done").exists()
    assert bits(together) == bits(alone)
    assert (tmp_path / "run" / "last.safetensors").exists()


def test_a_run_goes_on_from_the_folder_of_its_checkpoints(tmp_path):
    X, y = data()

    def stop(training):
        if training.epoch == 2 and not (tmp_path / "stopped").exists():
            raise RuntimeError("an own reason")

    alone, together = network(), network()
    alone.fit(X, y, epochs=4, batch_size=100, seed=1)
    with pytest.raises(RuntimeError, match="an own reason"):
        together.fit(
            X,
            y,
            epochs=4,
            batch_size=100,
            seed=1,
            callbacks=[stop],
            every="1 epoch",
            checkpoint=tmp_path / "run",
            cluster=Cluster(workers=2),
        )
    (tmp_path / "stopped").touch()
    again = network()
    again.fit(X, y, callbacks=[stop], resume=tmp_path / "run", cluster=Cluster(workers=3))
    assert bits(again) == bits(alone)


def test_what_goes_wrong_is_said(tmp_path):
    X, y = data()
    with pytest.raises(ConnectionError, match="there is room for 3 workers with 1 processors each, but 9 are needed"):
        network().fit(X, y, cluster=Cluster(workers=9, patience=1))
    with pytest.raises(FileNotFoundError, match="worker 0 on node"):
        Classifier().fit(str(tmp_path / "nowhere.csv"), "y", cluster=Cluster(workers=2))
    with pytest.raises(ValueError, match="time_limit=5 is for one machine"):
        Classifier(time_limit=5).fit(X, y, cluster=Cluster(workers=2))
    while ray.available_resources().get("CPU", 0) < 3:  # those of the last training are given back a moment later
        time.sleep(0.1)
    with pytest.raises(ValueError, match="one machine is faster"):
        network().fit(X, y, cluster=Cluster())
    started = network()
    before = bits(started)
    with pytest.raises(NonFiniteError, match="The network is as it was before the fit"):
        started.fit(np.full_like(X, 3e38), y, epochs=2, cluster=Cluster(workers=2), optimizer=Adam(1e30))
    assert bits(started) == before


def test_wrong_clusters_are_refused():
    X, y = data()
    with pytest.raises(ValueError, match="workers must be a number, a pair"):
        Cluster(workers=(3, 2))
    with pytest.raises(ValueError, match="cpus must be a positive integer"):
        Cluster(cpus=0)
    with pytest.raises(TypeError, match='cluster must be "auto", the address'):
        network().fit(X, y, cluster=3)


def test_nothing_of_ray_is_imported_unasked():
    import subprocess

    code = "import sys, pysmorch; pysmorch.Cluster; pysmorch.Network; pysmorch.Classifier; print('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
