"""What the page may choose, and what it is told of anything else."""

import pytest

from pysmorch.layers.activations import ACTIVATIONS
from pysmorch.playground.settings import Hidden, Settings, choices, read_settings


def test_nothing_said_is_the_default():
    assert read_settings({}) == Settings(layers=())
    assert read_settings({"layers": [{"units": 3, "activation": "relu"}]}).layers == (Hidden(3, "relu"),)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "given must be an object with settings, but is a list"),
        ({"colour": 1, "data": "xor"}, "given has unknown settings: colour"),
        ({"data": "/etc/passwd"}, "data must be one of spiral, .*, upload, but is '/etc/passwd'"),
        ({"data": ["xor"]}, "data must be one of"),
        ({"count": 10**9}, "count must be a whole number from 20 to 2000, but is 1000000000"),
        ({"count": True}, "count must be a whole number"),
        ({"noise": "much"}, "noise must be a number from 0 to 1, but is 'much'"),
        ({"noise": float("nan")}, "noise must be a number from 0 to 1, but is nan"),
        (
            {"layers": [{"units": 13, "activation": "relu"}]},
            "units of a layer must be a whole number from 1 to 12, but is 13",
        ),
        ({"layers": [{"units": 3, "activation": "softmax"}]}, "activation must be one of"),
        ({"layers": [{"units": 3}]}, "layer must have units and activation, but is {'units': 3}"),
        (
            {"layers": [{"units": 1, "activation": "relu"}] * 7},
            "layers must be a list of at most 6 hidden layers, but is .*…",
        ),
        ({"layers": "many"}, "layers must be a list"),
        ({"features": [1, 2]}, "features must be a list of columns"),
        ({"optimizer": "sgd2"}, "optimizer must be one of sgd"),
        ({"learning_rate": -1}, "learning_rate must be a number from 0 to 10, but is -1"),
        ({"learning_rate": 10**400}, "learning_rate must be a number from 0 to 10"),
        ({"dropout": 1}, "dropout must be a number from 0 to 0.9, but is 1"),
        ({"batch_size": 0}, "batch_size must be a whole number from 1 to 2000, but is 0"),
        ({"seed": 1.5}, "seed must be a whole number from 0 to 9999, but is 1.5"),
    ],
)
def test_what_is_no_setting_is_named_in_one_line(given, message):
    with pytest.raises(ValueError, match=message) as error:
        read_settings(given)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 250


def test_everything_that_the_page_offers_is_taken():
    offered = choices()
    for data in [*offered["data"]["classification"], *offered["data"]["regression"]]:
        read_settings({"data": data})
    for name in offered["activations"]:
        layers = [{"units": offered["most_units"], "activation": name}] * offered["most_layers"]
        assert len(read_settings({"layers": layers}).layers) == 6
    for setting, plural in (
        ("learning_rate", "learning_rates"),
        ("dropout", "dropouts"),
        ("batch_size", "batch_sizes"),
    ):
        for value in offered[plural]:
            assert getattr(read_settings({setting: value}), setting) == value
    assert set(offered["activations"]) == set(ACTIVATIONS)


def test_only_changes_of_the_training_keep_the_network():
    settings = Settings()
    assert settings.same_network(Settings(optimizer="sgd", learning_rate=0.3, dropout=0.5, batch_size=8))
    assert not settings.same_network(Settings(seed=1))
    assert not settings.same_network(Settings(layers=(Hidden(8, "tanh"), Hidden(8, "relu"))))
