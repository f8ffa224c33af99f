"""Predictions and searches on a Ray cluster, here of one node."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from pysmorch import Classifier, Cluster, Tuner
from pysmorch.cluster import LostWorkerError, in_order
from tests.cli.examples import write_csv

pytestmark = pytest.mark.filterwarnings("ignore:::ray", "ignore::ResourceWarning", "ignore::FutureWarning")


def double(shared, item):
    time.sleep(item % 3 / 10)
    return shared + 2 * item, os.getpid()


def test_results_come_back_in_order_from_other_processes(node):
    drawn = []

    def items():
        for i in range(7):
            drawn.append(i)
            yield -i, i

    ahead = []
    for kept, (result, process) in in_order(Cluster(workers=2), double, 100, items()):
        ahead.append(len(drawn) + kept)
        assert result == 100 - 2 * kept
        assert process != os.getpid()
    assert ahead[:5] == [2] * 5  # no item is drawn before there is room


def end_once(folder, item):
    done = folder / f"done {item}"
    if not done.exists():
        done.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def end_always(shared, item):
    os.kill(os.getpid(), signal.SIGKILL)


def missing(shared, item):
    return Path(shared).read_bytes()


def other_versions(shared, item):
    return item


def test_a_lost_process_costs_no_result(node, tmp_path):
    assert [result for _, result in in_order(Cluster(), end_once, tmp_path, ((i, i) for i in range(3)))] == [0, 1, 2]
    with pytest.raises(LostWorkerError, match="a call was made 2 times, and each time its process was lost"):
        list(in_order(Cluster(restarts=1), end_always, None, [(0, 0)]))


def test_what_one_machine_lacks_is_said_with_its_name(node, tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError) as raised:
        list(in_order(Cluster(), missing, str(tmp_path / "x"), [(0, 0)]))
    assert "No such file" in str(raised.value)
    with pytest.raises(ConnectionError, match="there is room for 0 workers with 9 processors each, but 1 are needed"):
        list(in_order(Cluster(cpus=9, patience=1), double, 0, [(0, 0)]))
    monkeypatch.setattr("pysmorch.cluster.joining.__version__", "0.0.1")
    with pytest.raises(ValueError, match=r"cluster: node .* has PySmorch .*, but this machine has 0\.0\.1"):
        list(in_order(Cluster(), other_versions, None, [(0, 0)]))


def test_a_checkpoint_of_another_network_is_refused(node, tmp_path):
    from pysmorch import Bias, CrossEntropy, Data, Linear, Network
    from tests.cluster.test_ray import data, network

    X, y = data()
    network().fit(X, y, epochs=1, seed=1, checkpoint=tmp_path / "run")
    other = Network(CrossEntropy(Bias(Linear(Data(shape=(None, 6)), 3))))
    with pytest.raises(ValueError, match=r"^checkpoint last\.safetensors: the run has another network") as raised:
        other.fit(X, y, resume=tmp_path / "run", cluster=Cluster(workers=2))
    assert "on node" in raised.value.__notes__[0]


def test_a_search_has_the_best_result_of_this_process(node):
    pytest.importorskip("optuna", reason="Optuna is not installed")
    generator = np.random.default_rng(0)
    X = generator.normal(size=(80, 3))
    y = (X[:, 0] * X[:, 1] > 0).astype(int)
    model = Classifier(epochs=2, hidden=(4,), random_state=0, preset="fast")
    alone = Tuner(model, trials=4).search(X, y)
    together = Tuner(model, trials=4, cluster=Cluster(workers=2)).fit(X, y)
    assert together.trials_ == alone.trials_
    assert (together.best_loss_, together.best_params_) == (alone.best_loss_, alone.best_params_)


def test_the_command_line_predicts_and_searches_on_a_cluster(node, run):
    write_csv(rows=120)
    command = ["--target", "price", "--epochs", "2", "--preset", "fast", "--no-baselines", "--cluster", "auto"]
    code, output, errors = run("tune", "houses.csv", *command, "--workers", "2", "--trials", "3")
    assert code == 0, errors
    assert "best of 3 trials" in output
    command = ["predict", "model.safetensors", "houses.csv", "--id", "age"]
    assert run(*command, "--out", "one.csv")[0] == 0
    code, _, errors = run(*command, "--out", "two.csv", "--cluster", "auto")
    assert code == 0, errors
    assert Path("one.csv").read_bytes() == Path("two.csv").read_bytes()


PROGRAM = """
import os, sys, time
from pathlib import Path
from pysmorch import Cluster
from tests.cluster.test_ray import data, network

def tell(training):
    if training.epoch == 2:
        Path({began!r}).touch()
        time.sleep(0.2)

X, y = data()
ring = Cluster(address={address!r}, workers=2)
network().fit(X, y, epochs=40, batch_size=100, seed=1, callbacks=[tell], checkpoint={run!r}, cluster=ring)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_driver_leaves_a_checkpoint_and_no_worker(node, tmp_path, number):
    from tests.cluster.test_ray import bits, data, network

    began, folder = tmp_path / "began", tmp_path / "run"
    program = PROGRAM.format(began=str(began), run=str(folder), address=node.get_runtime_context().gcs_address)
    driver = subprocess.Popen([sys.executable, "-c", program], cwd=Path(__file__).parents[2], stderr=subprocess.DEVNULL)
    until = time.monotonic() + 120
    while not began.exists() and time.monotonic() < until:
        time.sleep(0.05)
    driver.send_signal(number)
    assert driver.wait(60) != 0
    assert (folder / "last.safetensors").exists()
    while node.available_resources().get("CPU", 0) < 3 and time.monotonic() < until:
        time.sleep(0.1)
    assert node.available_resources()["CPU"] == 3
    X, y = data()
    alone, again = network(), network()
    alone.fit(X, y, epochs=40, batch_size=100, seed=1)
    again.fit(X, y, resume=folder, callbacks=[lambda training: None])
    assert bits(again) == bits(alone)
