"""Runs that begin on a cluster and go on alone, or the other way round; files; warm starts; and what is wrong with them."""

import copy

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from pysmorch import Bias, Classifier, Cluster, CrossEntropy, Data, Linear, Network, load

pytest.importorskip("ray", reason='needs Ray; pip install "pysmorch[ray]"')
from .test_ray import bits, data, network

pytestmark = [
    pytest.mark.usefixtures("node"),
    pytest.mark.filterwarnings("ignore:::ray", "ignore::ResourceWarning", "ignore::FutureWarning"),
]
TWO = Cluster(workers=2)


class Stop:
    """Ends the run in its second epoch, once."""

    def __init__(self, folder):
        self.done = folder / "stopped"

    def __call__(self, training):
        if training.epoch == 2 and not self.done.exists():
            raise RuntimeError("an own reason")


@pytest.mark.parametrize(("first", "then"), [(None, TWO), (TWO, None)])
def test_a_run_goes_on_with_and_without_a_cluster(tmp_path, first, then):
    X, y = data()
    options = {"epochs": 4, "batch_size": 100, "seed": 1}
    alone, begun, again = network(), network(), network()
    alone.fit(X, y, **options)
    stop, folder = Stop(tmp_path), tmp_path / "run"
    with pytest.raises(RuntimeError, match="an own reason"):
        begun.fit(X, y, callbacks=[stop], every="1 epoch", checkpoint=folder, cluster=first, **options)
    stop.done.touch()
    history = again.fit(X, y, callbacks=[stop], resume=folder, cluster=then)
    assert bits(again) == bits(alone)
    assert history.num_epochs == 4


def test_a_warm_start_goes_on_from_a_cluster():
    X, y = data()
    alone = Classifier(hidden=(8,), epochs=2, preset="fast", random_state=0, warm_start=True)
    mixed = copy.deepcopy(alone)
    alone.fit(X, y).fit(X, y)
    mixed.fit(X, y, cluster=TWO).fit(X, y)
    assert np.array_equal(mixed.predict_proba(X), alone.predict_proba(X))
    alone.fit(X, y).partial_fit(X, y)
    mixed.fit(X, y, cluster=TWO).partial_fit(X, y)
    assert np.array_equal(mixed.predict_proba(X), alone.predict_proba(X))
    of_one, of_two = network(), network()
    of_one.fit(X, y, epochs=2, seed=1)
    of_one.fit(X, y, epochs=2, seed=2)
    of_two.fit(X, y, epochs=2, seed=1, cluster=TWO)
    of_two.fit(X, y, epochs=2, seed=2)
    assert bits(of_two) == bits(of_one)


def write_parts(folder, names=("a", "b", "y")):
    """Write two files, one with a row group that has no rows; the columns of the second one have these names."""
    generator = np.random.default_rng(0)
    folder.mkdir()
    for i, columns in enumerate((("a", "b", "y"), names)):
        a, b = generator.standard_normal((2, 1500))
        table = pa.table(dict(zip(columns, (a, b, np.where(a + b > 0, "yes", "no")), strict=True)))
        with parquet.ParquetWriter(folder / f"{i}.parquet", table.schema) as file:
            for part in (table[:700], table[:0], table[700:]):
                file.write_table(part)


def test_workers_read_files_block_by_block(tmp_path, run, no_memory):
    write_parts(tmp_path / "parts")
    command = ["train", "parts", "--target", "y", "--epochs", "2", "--preset", "fast", "--no-baselines"]
    no_memory()
    for name, more in (("alone", []), ("together", ["--cluster", "auto", "--workers", "2"])):
        code, output, errors = run(*command, "--out", f"{name}.safetensors", *more)
        assert code == 0, errors
        assert "block by block" in output + errors
    made = [load(tmp_path / f"{name}.safetensors").network_ for name in ("alone", "together")]
    assert bits(made[0]) == bits(made[1])


def test_what_is_wrong_with_files_and_runs_is_said(tmp_path):
    X, y = data()
    write_parts(tmp_path / "parts", ("a", "other", "y"))
    model = Classifier(epochs=1, preset="fast")
    with pytest.raises(ValueError, match="other") as alone:
        copy.deepcopy(model).fit(str(tmp_path / "parts"), "y")
    with pytest.raises(ValueError, match="other") as raised:
        model.fit(str(tmp_path / "parts"), "y", cluster=TWO)
    assert str(raised.value) == str(alone.value)
    assert any("on node" in note for note in raised.value.__notes__)
    network().fit(X, y, epochs=1, seed=1, checkpoint=tmp_path / "run")
    other = Network(CrossEntropy(Bias(Linear(Data(shape=(None, 6)), 3))))
    with pytest.raises(ValueError, match=r"network|layers") as raised:
        other.fit(X, y, resume=tmp_path / "run", cluster=TWO)
    with pytest.raises(ValueError, match="accumulate = 2 is for one machine"):
        network().fit(X, y, accumulate=2, cluster=TWO)
