import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score

import pysmorch as ps
from pysmorch.engine.extension import extension
from pysmorch.metrics import METRICS
from tests.training.example import X, Y, classifier

WEIGHTS = np.random.default_rng(3).random(200)


def test_metrics_by_name_are_measured_on_validation_data_and_by_evaluate():
    network = classifier()
    history = network.fit(X, Y, epochs=2, seed=0, validation_data=(X, Y), metrics=["auc", "f1", "top_2"])
    names = ["loss", "accuracy", "val_loss", "val_accuracy", "val_auc", "val_f1", "val_top_2"]
    assert list(history) == [*names, "learning_rate", "seconds"]
    measured = network.evaluate(X, Y, metrics=["auc", "f1", "top_2"])
    assert list(measured) == ["loss", "accuracy", "auc", "f1", "top_2"]
    assert measured["f1"] == history["val_f1"][-1]
    probabilities = network.loss.predictions(network.predict(X).astype(np.float64))
    assert measured["f1"] == f1_score(Y, probabilities.argmax(1), average="macro")
    assert measured["auc"] == pytest.approx(roc_auc_score(Y, probabilities, multi_class="ovr"))
    assert measured["top_2"] == np.mean((probabilities > probabilities[range(200), Y][:, None]).sum(1) < 2)


def test_the_default_metric_may_be_asked_for_and_is_measured_once():
    network = classifier()
    history = network.fit(X, Y, epochs=1, seed=0, metrics=["accuracy"])
    assert list(history) == ["loss", "accuracy", "learning_rate", "seconds"]
    assert list(network.evaluate(X, Y, metrics=["accuracy", "f1"])) == ["loss", "accuracy", "f1"]


def test_the_default_metric_is_the_metric_of_its_name():
    regression = ps.Network(ps.SquareLoss(ps.mlp(ps.Data(shape=(None, 5)), [8], 2, seed=0)))
    for network, labels in ((classifier(), Y), (regression, X[:, :2])):
        own = METRICS[network.loss.metric]
        outputs = network.predict(X, dtype="float64")
        found = own.measure(*network.loss.metric_arguments(own.takes, outputs, labels), WEIGHTS)
        assert found == pytest.approx(network.evaluate(X, labels, WEIGHTS)[own.name], rel=1e-9)


def test_other_metrics_need_validation_data_and_say_so():
    with pytest.raises(ValueError, match=r"metrics: auc, f1 can be measured on validation data only; pass validation"):
        classifier().fit(X, Y, metrics=["accuracy", "auc", "f1"])


def test_weights_of_the_validation_data_count_in_metrics():
    network = classifier()
    history = network.fit(X, Y, epochs=1, seed=0, validation_data=(X, Y, WEIGHTS), metrics=["f1"])
    predicted = network.predict(X).argmax(1)
    weighted = f1_score(Y, predicted, average="macro", sample_weight=WEIGHTS)
    assert history["val_f1"] == [pytest.approx(weighted)]
    assert weighted != f1_score(Y, predicted, average="macro")


def test_a_metric_of_ones_own_is_given_what_it_takes():
    seen = {}

    def look(labels, predictions):
        seen.update(labels=labels, predictions=predictions)
        return 1.0

    network = classifier()
    for takes in ("predictions", "classes", "probabilities", "scores"):
        assert network.evaluate(X, Y, metrics=[ps.Metric("mine", look, True, takes)])["mine"] == 1.0
        assert seen["labels"].shape == (200,)
        assert seen["predictions"].shape == ((200,) if takes == "classes" else (200, 3))
        if takes in ("predictions", "probabilities"):
            np.testing.assert_allclose(seen["predictions"].sum(1), 1, rtol=1e-5)


@pytest.mark.parametrize("outputs", [1, 3])
def test_metrics_of_classes_work_with_a_binary_cross_entropy(outputs):
    network = ps.Network(ps.BinaryCrossEntropy(ps.mlp(ps.Data(shape=(None, 5)), [16], outputs, seed=0)))
    labels = np.eye(3)[Y][:, :outputs] if outputs == 3 else (Y == 0).astype(float)
    network.fit(X, labels, epochs=10, seed=0, optimizer=ps.Adam(0.02))
    measured = network.evaluate(X, labels, metrics=["accuracy", "f1", "auc", "log_loss", "precision", "recall"])
    probabilities = network.loss.predictions(network.predict(X, dtype="float64"))
    average = "macro" if outputs == 3 else "binary"
    assert measured["f1"] == pytest.approx(f1_score(labels, probabilities > 0.5, average=average))
    assert measured["auc"] == pytest.approx(roc_auc_score(labels, probabilities))
    assert measured["log_loss"] == pytest.approx(measured["loss"] / outputs, rel=1e-5)


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        (["acuracy"], r"there is no metric 'acuracy'; did you mean 'accuracy'\? There are accuracy, .* top_5"),
        (["top_0"], "there is no metric 'top_0'"),
        ("auc", r'metrics must be a list such as \["auc", "f1"\]'),
        (["rmse"], "'rmse' takes values, which CrossEntropy does not predict; take one of accuracy, "),
        ({"mine": 3}, "metrics must map names to functions"),
        ([None], "there is no metric None"),
    ],
)
def test_metrics_that_do_not_fit_are_named(metrics, message):
    with pytest.raises(ValueError, match=message):
        classifier().evaluate(X, Y, metrics=metrics)


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_metrics_are_the_same_on_both_paths(engine):
    if engine == "native" and not extension():
        pytest.skip("the native extension is not built")
    network = classifier()
    history = network.fit(
        X, Y, epochs=3, seed=0, engine=engine, dtype="float64", validation_data=(X, Y), metrics=["log_loss"]
    )
    np.testing.assert_allclose(history["val_log_loss"], history["val_loss"], rtol=1e-12)
