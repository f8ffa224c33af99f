import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pysmorch as ps
from pysmorch.files import ModelFileError, class_of, save
from pysmorch.files.registry import kind_of

MODELS = Path(__file__).parent / "models"


def small_network(cls=ps.Network):
    return cls(ps.SquareLoss(ps.Linear(ps.Data(shape=(None, 2)), 1)))


@pytest.mark.parametrize("cls", [ps.Network, ps.Classifier, ps.Regressor])
def test_each_class_is_registered_as_its_kind(cls):
    assert class_of(cls.__name__.lower()) is cls


def test_what_no_class_is_registered_for_is_neither_saved_nor_read(tmp_path):
    with pytest.raises(TypeError, match="a dict cannot be saved; expected one of network"):
        save({}, tmp_path / "m")
    with pytest.raises(ModelFileError, match="it holds a 'painting', which this version does not know"):
        class_of("painting")


class MyNetwork(ps.Network):
    pass


class Sure(ps.Classifier):
    """A classifier with a parameter and a method of its own."""

    def __init__(self, limit=0.5, epochs=1):
        super().__init__(hidden=(4,), epochs=epochs, random_state=0)
        self.limit = limit

    def is_sure(self, X):
        return self.predict_proba(X).max(1) > self.limit


def test_an_object_of_a_subclass_is_loaded_as_one_where_the_class_is_passed(tmp_path):
    assert kind_of(small_network(MyNetwork)) == "network:MyNetwork"
    small_network(MyNetwork).save(tmp_path / "m")
    with pytest.warns(
        ps.PysmorchWarning, match="a MyNetwork, a class of your own, and is loaded as the Network that it is"
    ):
        assert type(ps.load(tmp_path / "m")) is ps.Network
    with pytest.warns(ps.PysmorchWarning, match=r"load\(path, models=\[MyNetwork\]\)"):
        ps.load(tmp_path / "m", models=[ps.Network, Sure])
    assert type(ps.load(tmp_path / "m", models=[MyNetwork])) is MyNetwork


def test_an_estimator_of_a_subclass_is_loaded_with_its_parameters(tmp_path):
    X = np.random.default_rng(0).normal(size=(40, 3))
    model = Sure(limit=0.7).fit(X, X[:, 0] > 0)
    model.save(tmp_path / "m")
    with (
        pytest.warns(ps.PysmorchWarning, match="a Sure, a class of your own"),
        pytest.raises(ModelFileError, match="Classifier has no parameter limit"),
    ):
        ps.load(tmp_path / "m")
    loaded = ps.load(tmp_path / "m", models=[Sure])
    assert (type(loaded), loaded.limit) == (Sure, 0.7)
    np.testing.assert_array_equal(loaded.is_sure(X), model.is_sure(X))


def test_a_subclass_that_load_could_not_make_is_not_saved(tmp_path):
    class Named(ps.Network):
        def __init__(self, loss, name):
            super().__init__(loss)
            self.name = name

    network = Named(ps.SquareLoss(ps.Linear(ps.Data(shape=(None, 2)), 1)), "mine")
    with pytest.raises(ValueError, match="cannot be saved: load would refuse it"):
        network.save(tmp_path / "m")
    assert not (tmp_path / "m").exists()


class Cube(ps.Layer):
    def compute(self, x):
        return x**3

    def pull_back(self, dwnstrm):
        return 3 * self.in_array**2 * dwnstrm


class FourthPower(ps.SquareLoss):
    def sample_losses(self, x, y):
        return np.sum((x - y) ** 4, axis=1)

    def sample_gradients(self, x, y):
        return 4 * (x - y) ** 3


def cubes(x, num_outputs):
    return ps.Linear(Cube(ps.Linear(x, 3)), num_outputs)


def make_own(of_run):
    X = np.random.default_rng(0).normal(size=(40, 3))
    y = X @ [1.0, 2.0, 3.0]
    model = ps.Regressor(network=cubes, loss=FourthPower, epochs=2, learning_rate=1e-3, random_state=0)
    return X, model.fit(X, y, checkpoint=of_run)


@pytest.mark.parametrize("what", ["estimator", "network", "checkpoint"])
def test_layers_and_losses_of_your_own_are_loaded_where_their_classes_are_passed(tmp_path, what):
    X, model = make_own(tmp_path / "run")
    path = tmp_path / ("run/last.safetensors" if what == "checkpoint" else "m")
    if what == "estimator":
        with pytest.warns(ps.PysmorchWarning, match="a model file cannot hold the parameter"):
            model.save(path)
    if what == "network":
        model.network_.save(path)
    with pytest.raises(ModelFileError, match=r"pass your class: load\(path, layers=\[Cube\]\)"):
        ps.load(path)
    with pytest.raises(ModelFileError, match=r"pass your class: load\(path, losses=\[FourthPower\]\)"):
        ps.load(path, layers=[Cube])
    loaded = ps.load(path, layers=[Cube], losses=[FourthPower])
    if what == "network":
        rows = model.encoder_.encode(X)
        np.testing.assert_array_equal(loaded.predict(rows), model.network_.predict(rows))
    else:
        np.testing.assert_array_equal(loaded.predict(X), model.predict(X))


def test_a_network_is_loaded_without_scikit_learn():
    code = (
        f"import sys, pysmorch; pysmorch.load({str(MODELS / 'network.safetensors')!r}); print('sklearn' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
