"""Parameters are after loading what they were, and training goes on to the same bits as without the file."""

import io
import warnings

import numpy as np
import pytest

import pysmorch as ps
from pysmorch import Classifier, PysmorchWarning, Regressor
from pysmorch.files import ModelFileError
from pysmorch.files.plain import from_plain
from tests.helpers import rewritten

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 3))
Y = np.arange(60) % 3
SMALL = {"hidden": (8,), "epochs": 3, "random_state": 0, "preset": "fast"}


def through_a_file(model, layers=()):
    file = io.BytesIO()
    model.save(file)
    return ps.load(file.getvalue(), layers)


@pytest.mark.parametrize(
    "options",
    [
        {"hidden": (np.int64(16),)},
        {"hidden": [4, 4]},
        {"batch_size": np.int64(16)},
        {"dropout": np.float32(0.1), "learning_rate": np.float64(1e-3)},
        {"early_stopping": np.bool_(True)},
        {"class_weight": {0: 1.0, 1: 5.0, 2: np.float64(1.0)}},
        {"class_weight": "balanced"},
        {"optimizer": ps.SGD(0.05, momentum=0.9, nesterov=True)},
        {"optimizer": ps.AdamW(ps.WarmUp(ps.Cosine(0.01), epochs=1), clip_norm=1.0)},
        {"optimizer": ps.RMSprop()},
        {"learning_rate": ps.Cosine(0.01)},
        {"learning_rate": ps.Step(0.01, every=2)},
        {"learning_rate": ps.OneCycle(0.01, rise=0.5)},
        {"random_state": np.int32(3)},
        {"random_state": None},
        {"threads": 1, "warm_start": True},
    ],
    ids=str,
)
def test_parameters_are_what_they_were(options):
    model = Classifier(**SMALL | options).fit(X, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = through_a_file(model)
    for name, value in model.get_params().items():
        found = getattr(again, name)
        assert type(found) is type(value), name
        assert repr(found) == repr(value), name


def test_a_random_state_goes_on_where_it_was():
    model = Classifier(**SMALL | {"random_state": np.random.RandomState(3)}).fit(X, Y)
    again = through_a_file(model)
    np.testing.assert_array_equal(again.fit(X, Y).predict_proba(X), model.fit(X, Y).predict_proba(X))


def test_quantiles_and_networks_of_the_library_are_kept():
    model = Regressor(**SMALL, loss="quantile", quantile=(0.1, 0.9)).fit(X, Y)
    assert through_a_file(model).quantile == (0.1, 0.9)
    images = RNG.standard_normal((12, 28, 28, 1)).astype(np.float32)
    model = Classifier(network=ps.models.lenet, epochs=1, random_state=0).fit(images, np.arange(12) % 2)
    assert through_a_file(model).network is ps.models.lenet


class OwnSGD(ps.SGD):
    """An optimizer of a user's own."""

    native = None


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"network": lambda x, k: ps.dense(x, k, activation=None)}, r"network \(a function\)"),
        ({"optimizer": OwnSGD(0.1)}, r"optimizer \(a OwnSGD\)"),
        ({"loss": ps.CrossEntropy}, r"loss \(a type\)"),
    ],
)
def test_what_cannot_be_kept_is_a_warning_at_save(options, name, tmp_path):
    model = Classifier(**SMALL | options).fit(X, Y)
    with pytest.warns(PysmorchWarning, match=f"cannot hold the parameter {name}") as found:
        model.save(tmp_path / "m.safetensors")
    assert found[0].filename == __file__
    again = ps.load(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    again.partial_fit(X, Y)


@pytest.mark.parametrize("make", [Classifier, Regressor])
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "rmsprop", "sgd", ps.SGD(0.05, momentum=0.9)], ids=str)
@pytest.mark.parametrize("begin", ["fit", "partial_fit"])
def test_training_goes_on_to_the_same_bits_as_without_the_file(make, optimizer, begin):
    model = make(**SMALL, optimizer=optimizer, warm_start=True)
    getattr(model, begin)(X, Y)
    again = through_a_file(model)
    for one in (model, again):
        one.partial_fit(X, Y, sample_weight=np.linspace(1, 2, 60))
        one.fit(X, Y)
        one.partial_fit(X, Y)
    for name, W in model.network_.parameters.items():
        np.testing.assert_array_equal(again.network_.parameters[name], W)
    assert again.loss_curve_ == model.loss_curve_
    assert again.n_iter_ == model.n_iter_
    assert again.optimizer_.num_steps == model.optimizer_.num_steps


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m["parameters"].update(hidden={"is": "forest"}), "is a 'forest', which this version does not know"),
        (lambda m: m["parameters"].update(hidden={"value": 1}), "no entry 'is'"),
        (
            lambda m: m["parameters"].update(hidden={"is": "scalar", "dtype": "V", "value": 1}),
            "of kind 'scalar' is wrong",
        ),
        (lambda m: m["parameters"].update(optimizer={"is": "SGD", "value": {"speed": 1}}), "of kind 'SGD' is wrong"),
        (lambda m: m["parameters"].update(optimizer={"is": "SGD"}), "of kind 'SGD' is wrong"),
        (
            lambda m: m["parameters"].update(network={"is": "network", "value": "os.system"}),
            "of kind 'network' is wrong",
        ),
        (lambda m: m["parameters"].update(optimizer="sgd"), "the state 'velocity' of its optimizer is missing"),
        (lambda m: m["training"].update(steps="many"), "should be int, but is str"),
    ],
)
def test_parameters_that_were_not_written_so_are_refused(change, message, tmp_path):
    path = tmp_path / "m.safetensors"
    Classifier(**SMALL).fit(X, Y).save(path)
    rewritten(path, lambda header: change(header["model"]))
    with pytest.raises(ModelFileError, match=message):
        ps.load(path)


@pytest.mark.parametrize("rate", ["0.1", (0.1, 0.2), None, {"is": "list", "value": [0.1]}], ids=str)
@pytest.mark.parametrize("kind", ["Constant", "Cosine", "Step"])
def test_the_rates_of_a_schedule_in_a_file_are_numbers(kind, rate):
    plain = {"is": kind, "value": {"learning_rate": list(rate) if isinstance(rate, tuple) else rate}}
    with pytest.raises(ModelFileError, match=r"rates of a|is wrong"):
        from_plain(plain)
