"""What a driver does, without a cluster: its calls are made here, with what would have been sent."""

import itertools
import pickle
import signal
import subprocess
import sys
import time
from collections import deque
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from pysmorch import Classifier, Cluster, Tuner, fit_many, load
from pysmorch.cli import on_cluster, prediction
from pysmorch.cluster import LostWorkerError, joining
from pysmorch.cluster.joining import check_versions, located, rooms
from pysmorch.cluster.sharing import Stopped, stopped_by
from pysmorch.tuning import trials
from tests.cli.examples import write_csv

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 3))
Y = (X[:, 0] * X[:, 1] > 0).astype(int)
MODEL = Classifier(epochs=6, hidden=(4,), random_state=0, preset="fast")


def calls_here(cluster, call, shared, items, ahead=1):
    """What `in_order` does, in this process: with as many calls under way as there are workers."""
    waiting, (shared, call) = deque(), pickle.loads(pickle.dumps((shared, call)))
    for kept, item in items:
        waiting.append((kept, call(shared, pickle.loads(pickle.dumps(item)))))
        if len(waiting) == ahead * cluster.bounds()[0]:
            yield waiting.popleft()
    yield from waiting


@pytest.fixture
def cluster_here(monkeypatch):
    for module in (trials, prediction):
        monkeypatch.setattr(module, "in_order", calls_here)
    for module in ("pysmorch.tuning.tuner", "pysmorch.cli.on_cluster"):
        monkeypatch.setattr(f"{module}.joined", lambda cluster: None)


def made(tuner):
    return [(trial["state"], trial["loss"], trial["epochs"], trial["parameters"]) for trial in tuner.trials_]


@pytest.mark.usefixtures("cluster_here")
def test_one_worker_makes_the_trials_of_this_process_and_several_always_the_same():
    pytest.importorskip("optuna", reason="Optuna is not installed")
    alone = Tuner(MODEL, trials=13).search(X, Y)
    one, *two = (Tuner(MODEL, trials=13, cluster=Cluster(workers=count)).search(X, Y) for count in (1, 2, 2))
    assert made(one) == made(alone)
    assert (one.best_loss_, one.best_params_) == (alone.best_loss_, alone.best_params_)
    assert made(two[0]) == made(two[1])
    assert {trial["state"] for trial in two[0].trials_} == {"complete", "pruned"}
    independent = [[trial["parameters"] for trial in tuner.trials_[:10]] for tuner in (alone, two[0])]
    assert independent[0] == independent[1]
    losses = {str(trial["parameters"]): trial["loss"] for trial in alone.trials_ if trial["loss"] is not None}
    assert all(trial["loss"] in (None, losses.get(str(trial["parameters"]), trial["loss"])) for trial in two[0].trials_)


@pytest.mark.usefixtures("cluster_here")
def test_a_search_on_a_cluster_goes_on_after_an_interruption(tmp_path):
    pytest.importorskip("optuna", reason="Optuna is not installed")

    def interrupt(trial):
        if trial["number"] == 2:
            raise KeyboardInterrupt

    search = {"storage": tmp_path / "t.db", "cluster": Cluster(workers=2)}
    with pytest.raises(KeyboardInterrupt):
        Tuner(MODEL, trials=6, **search).search(X, Y, tell=interrupt)
    told = []
    states = [trial["state"] for trial in Tuner(MODEL, trials=6, **search).search(X, Y, tell=told.append).trials_]
    assert states.count("fail") == 1  # it was under way
    assert len(told) == 3
    assert len(states) == 7


@pytest.mark.usefixtures("cluster_here")
def test_trials_of_a_driver_that_was_killed_are_given_up(tmp_path, monkeypatch):
    pytest.importorskip("optuna", reason="Optuna is not installed")
    program = (
        "import os, signal, numpy as np\n"
        "from pysmorch import Cluster, Tuner\n"
        "from pysmorch.tuning import trials, tuner\n"
        "from tests.cluster.test_alone import MODEL, X, Y\n"
        "def in_order(cluster, call, shared, items):\n"
        "    next(iter(items))\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "    yield\n"
        "trials.in_order, tuner.joined = in_order, lambda cluster: None\n"
        f"Tuner(MODEL, 2, {str(tmp_path / 't.db')!r}, cluster='auto').search(X, Y)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parents[2], check=False)
    assert ended.returncode == -signal.SIGKILL
    monkeypatch.setattr("pysmorch.tuning.storage.GRACE", 1)
    time.sleep(2.1)  # times are stored in whole seconds
    search = Tuner(MODEL, 2, tmp_path / "t.db", cluster=Cluster(workers=1)).search(X, Y)
    assert [trial["state"] for trial in search.trials_] == ["fail", "complete", "complete"]


@pytest.mark.usefixtures("cluster_here")
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_rows_are_predicted_block_by_block_as_at_once(run, monkeypatch, no_memory, ending):
    write_csv(rows=300)
    assert run("train", "houses.csv", "--target", "price", "--epochs", "2", "--no-baselines")[0] == 0
    command = ["predict", "model.safetensors", "houses.csv", "--id", "age"]
    assert run(*command, "--out", f"alone.{ending}")[0] == 0
    monkeypatch.setattr("pysmorch.sources.streaming.ROWS_OF_A_BATCH", 37)
    monkeypatch.setattr(on_cluster, "cluster_of", lambda options: Cluster(workers=2))
    sent = []
    monkeypatch.setattr(
        prediction,
        "predict_block",
        lambda model, rows, call=prediction.predict_block: sent.append(rows) or call(model, rows),
    )
    monkeypatch.setattr(
        prediction,
        "in_order",
        lambda *arguments, ahead: ((kept, arguments[1](arguments[2], item)) for kept, item in arguments[3]),
    )
    assert run(*command, "--out", f"whole.{ending}")[0] == 0
    assert len(sent) == 9
    no_memory()
    assert run(*command, "--out", f"blocks.{ending}")[0] == 0
    found = [Path(f"{name}.{ending}").read_bytes() for name in ("alone", "whole", "blocks")]
    read = pa.csv.read_csv if ending == "csv" else pa.parquet.read_table
    tables = [read(pa.BufferReader(content)) for content in found]
    assert tables[0].equals(tables[1])
    assert tables[0].equals(tables[2])


@pytest.mark.usefixtures("cluster_here")
def test_a_bad_row_is_named_by_its_line_in_the_file(run, monkeypatch):
    write_csv(rows=100)
    assert run("train", "houses.csv", "--target", "price", "--epochs", "2", "--no-baselines")[0] == 0
    lines = Path("houses.csv").read_text().splitlines()
    name = lines[0].split(",").index("age")
    cells = lines[90].split(",")
    Path("bad.csv").write_text(
        "\n".join([*lines[:90], ",".join([*cells[:name], "inf", *cells[name + 1 :]]), *lines[91:]])
    )
    monkeypatch.setattr("pysmorch.sources.streaming.ROWS_OF_A_BATCH", 37)
    alone = run("predict", "model.safetensors", "bad.csv", "--out", "p.csv")
    together = run("predict", "model.safetensors", "bad.csv", "--out", "p.csv", "--cluster", "auto")
    assert alone == together
    assert alone[0] == 2
    assert "line 91" in alone[2]
    assert not Path("p.csv").exists()


def test_models_of_groups_predict_the_same_where_they_were_sent(tmp_path):
    rows = pa.table({"shop": ["a", "b"] * 40, "x": X[:, 0], "z": X[:, 1]})
    fit_many(Classifier(epochs=2, hidden=(4,), random_state=0), rows, Y, by="shop").save(tmp_path / "m.safetensors")
    many = load(tmp_path / "m.safetensors")
    block = SimpleNamespace(column_names=rows.column_names, features=rows)
    found = prediction.predict_block(pickle.loads(pickle.dumps((many, None))), (0, block))
    assert np.array_equal(found["prediction"], many.predict(rows))


def test_nodes_with_other_versions_are_named():
    here = {"node": "here", "pysmorch": "1.0", "python": "3.12", "ray": "2.60.0"}
    check_versions(here | {"node": "there"}, here)
    for name, called in joining.VERSIONS.items():
        with pytest.raises(
            ValueError, match=f"cluster: node there has {called} 0.9, but this machine has {here[name]}"
        ):
            check_versions(here | {"node": "there", name: "0.9"}, here)


def test_errors_of_one_machine_have_its_name():
    error = located(FileNotFoundError("x.csv: no such file"), "node b")
    assert isinstance(error, FileNotFoundError)
    assert str(error) == "node b: x.csv: no such file"
    assert str(located(ImportError("a search needs Optuna"), "node b")) == "node b: a search needs Optuna"
    other = located(ValueError("the rows are wrong"), "node b")
    assert (str(other), other.__notes__) == ("the rows are wrong", ["raised on node b"])


def test_room_is_waited_for_in_time():
    processors = itertools.chain([1, 3], itertools.repeat(9))
    ray = SimpleNamespace(available_resources=lambda: {"CPU": next(processors)})
    assert list(itertools.islice(rooms(ray, Cluster(workers=(2, 4), patience=30)), 2)) == [3, 4]
    none = SimpleNamespace(available_resources=dict)
    with pytest.raises(
        LostWorkerError, match=r"there is room for 0 workers with 2 processors each, but 1 are needed; waited 0\.1"
    ):
        next(rooms(none, Cluster(cpus=2, patience=0.1)))


def test_a_training_that_is_to_stop_leaves_a_checkpoint_that_goes_on_to_the_same_bits(tmp_path):
    import threading

    from tests.cluster.test_sharing import data_for, dense

    X, y, _ = data_for(dense())
    options = {"epochs": 4, "batch_size": 100, "seed": 1}

    def network():
        np.random.seed(0)
        return dense()

    alone, stopped, again = network(), network(), network()
    alone.fit(X, y, **options)
    event = threading.Event()

    def stop(training):
        if training.epoch == 2:
            event.set()

    with stopped_by(event), pytest.raises(Stopped):
        stopped.fit(X, y, checkpoint=tmp_path / "run", callbacks=[stop], **options)
    again.fit(X, y, resume=tmp_path / "run", callbacks=[lambda training: None])
    assert all(np.array_equal(alone.parameters[name], W) for name, W in again.parameters.items())
