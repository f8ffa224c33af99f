"""Workers that train a network together, here threads of one process, get the bits of one alone."""

import copy
import time

import numpy as np
import pytest

from pysmorch import (
    SGD,
    Adam,
    Bias,
    Classifier,
    Conv2d,
    CrossEntropy,
    Data,
    Dropout,
    EarlyStopping,
    Flatten,
    Linear,
    Network,
    NonFiniteError,
    Normalize,
    RandomFlip,
    Relu,
    Scale,
)
from pysmorch.cluster import HandedOver, LostWorkerError, sharing
from pysmorch.cluster.sharing import training_with

from .test_ring import on_ring


def dense():
    hidden = Dropout(Relu(Bias(Linear(Data(shape=(None, 6)), 20))), 0.3)
    return Network(CrossEntropy(Bias(Linear(hidden, 3))))


def images():
    x = RandomFlip(Data(shape=(None, 6, 6, 2)))
    x = Relu(Bias(Scale(Normalize(Conv2d(x, 8, 3)))))
    return Network(CrossEntropy(Bias(Linear(Flatten(x), 3))))


def data_for(network, count=150):
    generator = np.random.default_rng(0)
    X = generator.standard_normal((count, *network.inputs[0].out_dims[1:])).astype(np.float32)
    return X, generator.integers(0, 3, count), generator.uniform(0.1, 2, count)


def trained(network, **options):
    X, y, weights = data_for(network)
    chosen = {"epochs": 2, "batch_size": 70, "seed": 4, "optimizer": Adam(0.01, clip_norm=0.5), "threads": 1}
    history = network.fit(X, y, sample_weight=weights, **chosen | options)
    arrays = [W.tobytes() for W in network.parameters.values()]
    states = [state.tobytes() for layer in network.layers for state in (getattr(layer, "state", None) or {}).values()]
    return arrays, states, {name: values for name, values in history.items() if name != "seconds"}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("make", [dense, images])
def test_any_number_of_workers_gives_the_bits_of_one(make, dtype):
    np.random.seed(0)
    network = make()
    alone = trained(copy.deepcopy(network), dtype=dtype)
    for size in (2, 3):

        def work(ring):
            with training_with(ring):
                return trained(copy.deepcopy(network), dtype=dtype)

        assert all(found == alone for found in on_ring(size, work))


def test_more_workers_than_rows_of_a_batch_agree():
    network = dense()
    alone = trained(copy.deepcopy(network), batch_size=7)

    def work(ring):
        with training_with(ring):
            return trained(copy.deepcopy(network), batch_size=7)

    assert all(found == alone for found in on_ring(4, work))


def test_callbacks_that_decide_by_themselves_end_all_workers_after_the_same_epoch():
    def work(ring):
        def stop(training):
            if ring.rank == 0 and training.epoch == 2:
                training.stop("enough")

        network = dense()
        with training_with(ring):
            X, y, _ = data_for(network)
            return network.fit(X, y, epochs=5, seed=0, callbacks=[stop]).num_epochs

    assert on_ring(2, work) == [2, 2]


def test_a_loss_that_is_not_finite_ends_the_others():
    def work(ring):
        network = dense()
        X, y, _ = data_for(network)
        with training_with(ring), pytest.raises((NonFiniteError, LostWorkerError)) as raised:
            network.fit(X, y, epochs=9, seed=0, batch_size=150, optimizer=SGD(1e30))
        return raised.type

    assert NonFiniteError in on_ring(2, work)


def test_networks_of_an_ensemble_are_dealt_out():
    generator = np.random.default_rng(1)
    X = generator.standard_normal((300, 4))
    y = (X[:, 0] > 0).astype(int)
    model = Classifier(hidden=(8,), epochs=3, preset="balanced", random_state=0)
    alone = copy.deepcopy(model).fit(X, y).predict_proba(X)

    def work(ring):
        with training_with(ring):
            if ring.rank:
                with pytest.raises(HandedOver):
                    copy.deepcopy(model).fit(X, y)
                return None
            return copy.deepcopy(model).fit(X, y).predict_proba(X)

    assert np.array_equal(on_ring(3, work)[0], alone)


def test_early_stopping_ends_all_workers_at_the_same_epoch():
    network = dense()
    X, y, _ = data_for(network)

    def work(ring):
        own = copy.deepcopy(network)
        with training_with(ring):
            return own.fit(
                X,
                y,
                epochs=30,
                seed=0,
                optimizer=Adam(0.02),
                validation_data=(X, 2 - y),
                callbacks=[EarlyStopping(patience=2)],
            ).num_epochs

    epochs = on_ring(2, work)
    assert epochs[0] == epochs[1] < 30


def test_sharing_that_takes_longer_is_refused_with_the_figures(monkeypatch):
    def work(ring):
        ring.to_be_measured = True
        network = dense()
        X, y, _ = data_for(network)
        with (
            training_with(ring),
            pytest.raises(ValueError, match=r"one machine is faster: .* ms on one worker and") as raised,
        ):
            network.fit(X, y, epochs=1, seed=0)
        return str(raised.value)

    before = sharing._sum_up
    monkeypatch.setattr(sharing, "_sum_up", lambda *arguments: (before(*arguments), time.sleep(0.05)))  # surely slower
    assert len(set(on_ring(2, work))) == 1
