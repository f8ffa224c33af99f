import subprocess
import sys
from pathlib import Path

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


def test_an_object_of_a_subclass_is_saved_as_its_base_class(tmp_path):
    class Mine(ps.Network):
        pass

    assert kind_of(small_network(Mine)) == "network"
    small_network(Mine).save(tmp_path / "m")
    assert type(ps.load(tmp_path / "m")) is ps.Network


def test_a_network_is_loaded_without_scikit_learn():
    code = (
        f"import sys, pysmorch; pysmorch.load({str(MODELS / 'network.safetensors')!r}); print('sklearn' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
