"""Training by the workers of a Ray cluster, here of one node."""

import os
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV

from pysmorch import (
    Adam,
    Bias,
    Callback,
    Classifier,
    Cluster,
    CrossEntropy,
    Data,
    Dropout,
    Linear,
    Network,
    NonFiniteError,
    Normalize,
    PysmorchWarning,
    Relu,
    load,
)
from pysmorch.cluster import jobs

ray = pytest.importorskip("ray", reason='needs Ray; pip install "pysmorch[ray]"')
pytestmark = [
    pytest.mark.usefixtures("node"),
    pytest.mark.filterwarnings("ignore:::ray", "ignore::ResourceWarning", "ignore::FutureWarning"),
]


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


class FullDisk(Callback):
    """Lets the first worker write no more than some bytes to a file, from the start on or after some epochs."""

    def __init__(self, epochs):
        self.epochs = epochs

    def on_fit_start(self, training):
        self.on_epoch_end(training)

    def on_epoch_end(self, training):
        import resource

        from pysmorch.cluster import current_ring

        ring = current_ring()
        if ring is not None and ring.rank == 0 and training.epoch == self.epochs:
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))


FULL = r"checkpoint \w+.safetensors could not be written: File too large"


def test_a_full_disk_is_said_with_its_node_and_no_folder_is_left(tmp_path):
    folders = set(Path(tempfile.gettempdir()).glob("pysmorch-*"))
    X, y = data()
    options = {"epochs": 4, "batch_size": 100, "seed": 1, "every": "1 epoch", "cluster": Cluster(workers=2)}
    with pytest.raises(OSError, match=rf"worker 0 on node \S+: {FULL}"):
        network().fit(X, y, checkpoint=tmp_path / "none", callbacks=[FullDisk(0)], **options)
    alone, together = network(), network()
    alone.fit(X, y, epochs=4, batch_size=100, seed=1)
    with pytest.warns(PysmorchWarning, match=rf"no checkpoint was written: .*{FULL}.* \(on node \S+\)"):
        together.fit(X, y, checkpoint=tmp_path / "run", callbacks=[FullDisk(2)], **options)
    assert bits(together) == bits(alone)
    assert set(Path(tempfile.gettempdir()).glob("pysmorch-*")) <= folders


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


def test_progress_and_warnings_of_the_first_worker_are_shown(capsys):
    X, y = data()
    network().fit(X, y, epochs=2, seed=1, progress=True, cluster=Cluster(workers=2))
    assert "epoch 1/2  loss" in capsys.readouterr().err
    made = Classifier(hidden=(8,), epochs=2, preset="balanced", random_state=0, verbose=True)
    with pytest.warns(PysmorchWarning, match="y has classes with few rows"):
        made.fit(X, np.where(np.arange(len(y)) < 2, 3, y), cluster=Cluster(workers=2))
    assert made.verbose
    assert "ended after" in capsys.readouterr().err


def test_the_command_line_trains_to_the_same_bits(tmp_path, run):
    X, y = data()
    rows = [
        f"{a},{'few' if b < 0 else 'many'},{'yes' if label else 'no'}"
        for (a, b), label in zip(X[:, :2], y > 0, strict=True)
    ]
    (tmp_path / "table.csv").write_text("\n".join(["a,b,y", *rows]))
    command = ["train", "table.csv", "--target", "y", "--epochs", "3", "--no-baselines"]
    assert run(*command, "--out", "one.safetensors")[0] == 0
    more = [
        "--out",
        "two.safetensors",
        "--cluster",
        "auto",
        "--workers",
        "2",
        "--checkpoint",
        "run",
        "--every",
        "1 epoch",
    ]
    assert run(*command, *more)[0] == 0
    one, two = (load(tmp_path / f"{name}.safetensors") for name in ("one", "two"))
    assert bits(one.network_) == bits(two.network_)
    assert list((tmp_path / "run").rglob("last.safetensors"))
    for options, message in (
        (["--workers", "2"], "--workers is for --cluster"),
        (["--cluster", "auto", "--workers", "many"], "--workers must be a number, as 2-8, or \"auto\", but is 'many'"),
        (["--cluster", "auto", "--time-limit", "5"], "--time-limit is for one machine"),
    ):
        code, _, errors = run(*command, *options)
        assert (code, errors.count("\n")) == (2, 1)
        assert message in errors


def test_searches_of_scikit_learn_run_on_a_cluster():
    import joblib
    from ray.util.joblib import register_ray

    X, y = data()
    register_ray()
    process = os.getpid()

    def away(model, X, y):
        return model.score(X, y) + (os.getpid() == process)

    settings = {"learning_rate": [0.01, 0.02]}
    search = GridSearchCV(Classifier(hidden=(8,), epochs=2, random_state=0), settings, cv=2, scoring=away)
    with joblib.parallel_config(backend="ray", n_jobs=-1):
        found = search.fit(X, y).cv_results_["mean_test_score"]
    assert np.array_equal(found, search.fit(X, y).cv_results_["mean_test_score"] - 1)


def test_workers_are_added_and_lost_without_a_bit(monkeypatch, tmp_path):
    @ray.remote(num_cpus=1)
    class Other:
        def runs(self):
            return True

    other, sizes, start = Other.remote(), [], jobs._Group.__init__
    assert ray.get(other.runs.remote())

    def begin(group, *arguments):
        start(group, *arguments)
        sizes.append(len(group.workers))
        if len(sizes) == 1:
            ray.kill(other)

    monkeypatch.setattr(jobs, "GROWING", 0.0)
    monkeypatch.setattr(jobs._Group, "__init__", begin)

    def last(training):
        """Wait with the last epoch for a third worker, then lose it."""
        from pysmorch.cluster import current_ring

        ring, done = current_ring(), tmp_path / "done"
        if ring is None or training.epoch < 3:
            return
        if ring.size == 3:
            if ring.rank == 2:
                done.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        elif not done.exists():
            time.sleep(30)

    X, y = data()
    options = {"epochs": 4, "batch_size": 100, "seed": 1, "every": "1 epoch"}
    alone, together = network(), network()
    alone.fit(X, y, **options)
    together.fit(X, y, callbacks=[last], cluster=Cluster(workers=(2, 3)), **options)
    assert sizes[:2] == [2, 3]
    assert (tmp_path / "done").exists()
    assert bits(together) == bits(alone)
