import dataclasses
import inspect

import pytest

import pysmorch as ps
from pysmorch.training import FitOptions
from tests.training.example import X, Y, classifier

DEFAULTS = {
    name: parameter.default
    for name, parameter in inspect.signature(ps.Network.fit).parameters.items()
    if parameter.kind is parameter.KEYWORD_ONLY and name not in ("sample_weight", "cluster")
}


def test_the_options_are_the_arguments_of_fit():
    assert {field.name for field in dataclasses.fields(FitOptions)} == set(DEFAULTS)
    assert FitOptions(**DEFAULTS).epochs == 10


def test_options_do_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        FitOptions(**DEFAULTS).epochs = 3


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"epochs": 0}, "epochs must be a positive integer, but is 0"),
        ({"batch_size": 2.5}, "batch_size must be a positive integer, but is 2.5"),
        ({"epochs": True}, "epochs must be a positive integer, but is True"),
        ({"threads": 0}, "threads must be from 1 to 1024"),
        ({"seed": -1}, "seed"),
        ({"dtype": "float16"}, 'dtype must be "float32" or "float64"'),
        ({"engine": "gpu"}, 'engine must be "auto", "native", "reference" or "jax"'),
        ({"precision": "half"}, 'precision must be "float32", "bf16" or "auto"'),
        ({"validation_data": X}, "validation_data must be"),
    ],
)
def test_options_out_of_range_are_named(option, message):
    with pytest.raises(ValueError, match=message):
        FitOptions(**DEFAULTS | option)
    with pytest.raises(ValueError, match=message):
        classifier().fit(X, Y, **option)
