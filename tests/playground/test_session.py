"""A session: training, changes in the midst of it, the backward pass, the code."""

import base64
import contextlib
import io
import json
import threading

import numpy as np
import pytest

from pysmorch.playground.pictures import MOST_OF_CURVE, PIXELS, UNIT_PIXELS, thinned
from pysmorch.playground.session import MOST_EPOCHS
from tests.playground.tabs import FASTEST, Tab
from tests.playground.test_points import CSV

LAYERS = [{"units": 8, "activation": "tanh"}, {"units": 8, "activation": "tanh"}]


@pytest.fixture
def tab():
    with Tab() as opened:
        yield opened


def unpacked(text):
    return np.frombuffer(base64.b64decode(text), np.uint8)


def test_the_spiral_is_learned_to_more_than_97_per_cent(tab):
    tab.set(data="spiral", layers=LAYERS)
    measures = tab.train(400)["measures"]
    assert measures["accuracy"] > 0.97
    assert measures["val_accuracy"] > 0.97


def test_a_state_has_a_picture_of_every_unit_and_can_be_sent_as_json(tab):
    tab.set(data="blobs", layers=[{"units": 5, "activation": "relu"}])
    state = tab.train(3)
    json.dumps(state, allow_nan=False)
    hidden, output = state["layers"]
    assert [len(hidden["pictures"]), len(output["pictures"])] == [5, 3]
    assert unpacked(hidden["pictures"][0]).size == UNIT_PIXELS**2
    assert np.shape(hidden["weights"]) == (2, 5)
    assert np.shape(output["weights"]) == (5, 3)
    assert set(unpacked(state["boundary"]["classes"]).tolist()) <= {0, 1, 2}
    assert unpacked(state["boundary"]["sure"]).size == PIXELS**2
    assert state["epoch"] == len(state["curves"]["epoch"]) == 3
    assert all(hidden["gradients"][name] > 0 for name in ("weights", "biases"))


def test_before_the_first_epoch_there_are_no_gradients_and_no_measures(tab):
    state = tab.set(data="xor", layers=LAYERS)
    assert state["measures"] == {}
    assert state["layers"][0]["gradients"] == {"weights": None, "biases": None}


def test_a_regression_shows_values_and_its_error(tab):
    tab.set(data="plane", layers=LAYERS)
    state = tab.train(60)
    assert state["metric"] == "mae"
    assert state["measures"]["val_mae"] < 0.2
    values = unpacked(state["boundary"]["values"]).reshape(PIXELS, PIXELS)
    assert values[0, -1] > 200 > 55 > values[-1, 0]  # the sum is largest at the top right


def test_dead_units_are_marked(tab):
    dead = []
    for seed in range(6):
        tab.set(
            data="circles", layers=[{"units": 8, "activation": "relu"}], optimizer="sgd", learning_rate=3.0, seed=seed
        )
        dead += tab.train(20)["layers"][0]["dead"]
        if any(dead):
            break
    assert any(dead)
    tab.set(data="circles", layers=LAYERS)
    assert not any(tab.train(2)["layers"][0]["dead"])


def test_the_network_may_change_while_it_trains_and_nothing_old_comes_after(tab):
    tab.set(data="spiral", layers=LAYERS)
    tab.ask("train", pace=FASTEST)
    tab.until("state", running=True)
    for units in (3, 5, 12, 1):
        state = tab.set(data="moons", layers=[{"units": units, "activation": "relu"}])
        assert len(state["layers"][0]["pictures"]) == units
        later = tab.until("state", running=True)
        assert later["generation"] == tab.generation
        assert len(later["layers"][0]["pictures"]) == units
    tab.ask("pause")
    assert tab.until("state", running=False)["epoch"] > 0


def test_changes_of_the_training_keep_the_weights(tab):
    tab.set(data="spiral", layers=LAYERS)
    before = tab.train(20)
    after = tab.set(data="spiral", layers=LAYERS, optimizer="sgd", learning_rate=0.1, dropout=0.2, batch_size=64)
    assert after["epoch"] == 20
    for one, other in zip(before["layers"], after["layers"], strict=True):
        assert one["weights"] == other["weights"]
    assert tab.train(5)["epoch"] == 25


def test_starting_again_brings_back_the_first_weights(tab):
    first = tab.set(data="spiral", layers=LAYERS)
    tab.train(5)
    tab.ask("reset")
    again = tab.until("state")
    assert (again["epoch"], again["running"]) == (0, False)
    assert [layer["weights"] for layer in again["layers"]] == [layer["weights"] for layer in first["layers"]]


@pytest.mark.parametrize(
    "settings",
    [
        {"data": "spiral", "layers": LAYERS, "dropout": 0.1},
        {
            "data": "hills",
            "layers": [{"units": 4, "activation": "relu"}],
            "optimizer": "rmsprop",
            "learning_rate": 0.003,
        },
        {"data": "blobs", "count": 60, "noise": 0.5, "seed": 7, "batch_size": 8, "optimizer": "sgd"},
    ],
)
def test_the_code_trains_to_the_same_bits_also_after_a_pause(tab, settings):
    tab.set(**settings)
    tab.train(7)
    state = tab.train(5)
    tab.ask("code")
    code = tab.until("code")["code"]
    program = {}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(code, "as_code.py", "exec"), program)
    expected = {"loss": state["measures"]["val_loss"], state["metric"]: state["measures"][f"val_{state['metric']}"]}
    assert eval(printed.getvalue()) == expected


def test_the_code_of_an_upload_reads_the_file(tab, tmp_path, monkeypatch):
    found = tab.session.upload("it's a table.csv", CSV)
    assert found["features"] == ("size", "weight")
    settings = {"data": "upload", "features": ["size", "weight"], "target": "kind", "layers": LAYERS}
    tab.set(**settings)
    state = tab.train(4)
    tab.ask("code")
    code = tab.until("code")["code"]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "it's a table.csv").write_bytes(CSV)
    program = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(code, "as_code.py", "exec"), program)
    data = program["data"]
    assert program["network"].evaluate(data.X_test, data.y_test)["loss"] == state["measures"]["val_loss"]


def test_another_file_is_another_network_even_with_the_same_settings(tab):
    tab.session.upload("one.csv", CSV)
    settings = {"data": "upload", "features": ["size", "weight"], "target": "kind", "layers": LAYERS}
    tab.set(**settings)
    tab.train(2)
    tab.session.upload("other.csv", CSV)
    assert tab.set(**settings)["epoch"] == 0


def test_a_backward_pass_goes_through_all_layers_and_back_and_changes_nothing(tab):
    before = tab.set(data="moons", layers=[{"units": 3, "activation": "relu"}], dropout=0.5)
    tab.ask("backward")
    answer = tab.until("steps")
    names = ["Data1", "Linear1", "Bias1", "Relu1", "Dropout1", "Linear2", "Bias2", "CrossEntropy"]
    assert [step["layer"] for step in answer["steps"]] == names + names[::-1]
    assert [step["pass"] for step in answer["steps"]] == ["forward"] * 8 + ["backward"] * 8
    assert all(f'data-layers="{name}"' in answer["svg"] for name in names)
    shapes = {
        (step["layer"], array["name"]): array["shape"] for step in answer["steps"][8:] for array in step["arrays"]
    }
    assert shapes["Linear1", "G"] == "2 × 3"
    assert shapes["Linear2", "G"] == "3 × 2"
    assert shapes["Linear2", "pass_back"] == shapes["Dropout1", "dwnstrm"] == "4 × 3"
    json.dumps(answer, allow_nan=False)
    tab.ask("pause")
    after = tab.until("state")
    assert after["layers"] == before["layers"]


def test_a_backward_pass_in_the_midst_of_a_training_leaves_no_trace(tab):
    settings = {"data": "moons", "layers": LAYERS, "dropout": 0.3}
    tab.set(**settings)
    undisturbed = tab.train(6)
    tab.ask("reset")
    tab.until("state")
    tab.train(3)
    tab.ask("backward")
    tab.until("steps")
    assert tab.train(3)["measures"] == undisturbed["measures"]


def test_a_loss_that_is_not_finite_is_said_and_the_session_goes_on(tab):
    tab.set(data="plane", layers=[], optimizer="sgd", learning_rate=10)
    tab.ask("train", pace=FASTEST)
    assert "the loss is not finite" in tab.until("error")["message"]
    state = tab.until("state", running=False)
    json.dumps(state, allow_nan=False)
    tab.set(data="plane", layers=[], optimizer="sgd", learning_rate=0.01)
    assert tab.set(data="xor")["epoch"] == 0


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"do": "dance"}, "do must be set, train, pause, reset, backward or code, but is 'dance'"),
        ({}, "do must be set"),
        ({"do": "set"}, "generation must be a whole number, but is None"),
        (
            {"do": "set", "generation": 9, "settings": {"data": "upload"}},
            "there is no file yet; choose a CSV file first",
        ),
        ({"do": "set", "generation": 9, "settings": {"seed": -1}}, "seed must be a whole number from 0"),
        ({"do": "train", "epochs": 0}, "epochs must be a whole number from 1 to 20000, but is 0"),
        ({"do": "train", "pace": 7}, "pace must be one of 5, 50, 100000, but is 7"),
    ],
)
def test_a_request_that_cannot_be_met_is_answered_with_one_line(tab, request_, message):
    tab.session.ask(request_)
    answer = tab.until("error")
    assert message in answer["message"]
    assert "\n" not in answer["message"]
    assert tab.set(data="xor")["kind"] == "state"


def test_the_thread_ends_with_the_session_also_in_the_midst_of_a_training():
    before = threading.active_count()
    with Tab() as tab:
        tab.ask("train", pace=FASTEST)
        tab.until("state", running=True)
        assert tab.session.is_alive
    assert not tab.session.is_alive
    assert threading.active_count() == before
    assert tab.answers.queue[-1] == {"kind": "end"}
    tab.ask("train")  # asks nobody, and does not wait


def test_curves_are_thinned_evenly_with_first_and_last_epoch():
    shown = thinned({"loss": [1.0 / (i + 1) for i in range(MOST_EPOCHS)]})
    assert len(shown["epoch"]) == MOST_OF_CURVE
    assert (shown["epoch"][0], shown["epoch"][-1]) == (1, MOST_EPOCHS)
    assert shown["loss"][0] == 1.0
    assert thinned({"loss": []}) == {"epoch": [], "loss": []}
