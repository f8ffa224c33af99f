import numpy as np
import pytest

import pysmorch as ps
from tests.training.example import X, Y, classifier, weights_of


def test_early_stopping_takes_back_the_weights_of_the_best_epoch():
    network, best = classifier(), ps.EarlyStopping("val_loss", patience=3)
    wrong_labels = np.random.default_rng(1).integers(0, 3, 200)
    kept = {}
    history = network.fit(
        X,
        Y,
        epochs=50,
        seed=0,
        optimizer=ps.Adam(0.05),
        validation_data=(X, wrong_labels),
        callbacks=[best, lambda t: kept.update({t.epoch: weights_of(t.network)})],
    )
    assert history.num_epochs < 50
    assert best.best_epoch == 1 + int(np.argmin(history["val_loss"]))
    assert best.best_value == min(history["val_loss"])
    assert history.num_epochs == best.best_epoch + 3
    assert f"best in epoch {best.best_epoch}" in history.stopped_by
    np.testing.assert_array_equal(weights_of(network), kept[best.best_epoch])


def test_early_stopping_follows_any_metric():
    best = ps.EarlyStopping("val_zeros", patience=2, mode="max")
    metrics = {"zeros": lambda labels, predictions: float((predictions.argmax(1) == 0).mean())}
    history = classifier().fit(X, Y, epochs=20, seed=0, validation_data=(X, Y), metrics=metrics, callbacks=[best])
    assert best.best_value == max(history["val_zeros"])


def follow(monitor, network, labels, mode="auto", **options):
    best = ps.EarlyStopping(monitor, patience=3, mode=mode)
    history = network.fit(X, labels, epochs=8, seed=0, validation_data=(X, labels), callbacks=[best], **options)
    return best.best_value, history[monitor]


@pytest.mark.parametrize("monitor", ["val_auc", "val_accuracy", "accuracy", "val_top_2"])
def test_early_stopping_takes_larger_values_where_the_metric_says_so(monitor):
    best, values = follow(monitor, classifier(), Y, metrics=["auc", "top_2"], optimizer=ps.Adam(0.05))
    assert best == max(values)


@pytest.mark.parametrize("monitor", ["loss", "val_loss", "val_mae", "val_rmse", "seconds"])
def test_early_stopping_takes_smaller_values_of_losses_and_errors(monitor):
    network = ps.Network(ps.SquareLoss(ps.mlp(ps.Data(shape=(None, 5)), [8], 1, seed=0)))
    best, values = follow(monitor, network, X[:, 0], metrics=["rmse"])
    assert best == min(values)


def test_the_direction_comes_from_the_metric_and_not_from_words_in_its_name():
    gain = ps.Metric("loss_error_rmse", lambda labels, predictions: float(predictions.max()), maximize=True)
    best, values = follow("val_loss_error_rmse", classifier(), Y, metrics=[gain])
    assert best == max(values)


@pytest.mark.parametrize(("mode", "pick"), [("min", min), ("max", max)])
def test_a_function_of_ones_own_needs_a_mode(mode, pick):
    metrics = {"score": lambda labels, predictions: float(predictions.max())}
    best, values = follow("val_score", classifier(), Y, mode=mode, metrics=metrics)
    assert best == pick(values)
    with pytest.raises(ValueError, match=r"larger values of monitor 'val_score' .* pass mode=.* Metric\(name"):
        follow("val_score", classifier(), Y, metrics=metrics)


def test_a_monitor_that_is_not_measured_is_named_before_the_first_epoch():
    network = classifier()
    before = weights_of(network)
    with pytest.raises(ValueError, match=r"monitor 'val_auc' is not measured; there are loss, .*val_accuracy"):
        follow("val_auc", network, Y)
    np.testing.assert_allclose(weights_of(network), before, rtol=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: classifier().fit(X, Y, callbacks=[ps.EarlyStopping("learning_rate")]),
            'pass mode="min" or mode="max"',
        ),
        (lambda: ps.EarlyStopping(patience=0), "patience must be"),
        (lambda: ps.EarlyStopping(mode="up"), "mode must be"),
        (lambda: classifier().fit(X, Y, callbacks=[ps.EarlyStopping()], seed=0), "pass validation_data"),
    ],
)
def test_early_stopping_says_what_it_needs(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_callback_hears_of_everything_and_can_stop():
    events = []

    class Listener(ps.Callback):
        def on_fit_start(self, training):
            events.append("start")

        def on_epoch_end(self, training):
            events.append(training.epoch)
            if training.epoch == 2:
                training.stop("enough")

        def on_fit_end(self, training):
            events.append("end")

    history = classifier().fit(X, Y, epochs=9, seed=0, callbacks=[Listener()])
    assert events == ["start", 1, 2, "end"]
    assert history.stopped_by == "enough"


def test_an_interrupted_training_leaves_finite_weights_and_tells_the_callbacks():
    network, best = classifier(), ps.EarlyStopping("loss")

    def interrupt(training):
        if training.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        network.fit(X, Y, epochs=9, seed=0, callbacks=[best, interrupt])
    assert np.isfinite(weights_of(network)).all()
    assert best.best_epoch == 2


class TakesOutputs(ps.Callback):
    takes_outputs = True

    def __init__(self):
        self.found = []

    def on_epoch_end(self, training):
        expected = None if training.outputs is None else training.network.predict(X[:50])
        self.found.append((training.outputs, expected))


@pytest.mark.parametrize("engine", ["auto", "reference"])
@pytest.mark.parametrize("metrics", [[], ["auc", "log_loss"]])
def test_a_callback_takes_the_outputs_of_the_validation_data(engine, metrics):
    options = {"epochs": 3, "seed": 0, "validation_data": (X[:50], Y[:50]), "metrics": metrics, "engine": engine}
    taking = TakesOutputs()
    history = classifier().fit(X, Y, callbacks=[taking], **options)
    assert len(taking.found) == 3
    for outputs, expected in taking.found:
        np.testing.assert_array_equal(outputs, expected)
    assert not np.array_equal(taking.found[0][0], taking.found[2][0])
    without = classifier().fit(X, Y, **options)
    assert {k: v for k, v in history.items() if k != "seconds"} == {k: v for k, v in without.items() if k != "seconds"}


def test_without_validation_data_there_are_no_outputs_to_take():
    taking = TakesOutputs()
    classifier().fit(X, Y, epochs=2, seed=0, callbacks=[taking])
    assert taking.found == [(None, None)] * 2


def test_callbacks_of_the_networks_of_an_ensemble_take_outputs_too():
    taking = TakesOutputs()
    outputs = {}
    taking.on_epoch_end = lambda training: outputs.setdefault(training, []).append(training.outputs)
    model = ps.Classifier(members=2, epochs=2, random_state=0)
    model.fit(X, Y, eval_set=(X[:30], Y[:30]), callbacks=[taking])
    assert [len(found) for found in outputs.values()] == [2, 2]
    assert all(found.shape == (30, 3) for both in outputs.values() for found in both)
