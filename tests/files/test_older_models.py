"""Model files of version 0.1.0, of each kind: they load, hold the same weights to the bit, and predict the same.

Some are from before the version was finished: one has shared indicators of categories.

Predictions are compared with a tolerance of float32 rounding: processors with other vector instructions, and other builds of NumPy,
round their sums and exponentials elsewhere.
"""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from safetensors.numpy import load_file

import pysmorch as ps
from pysmorch.files.model import read_parts

MODELS = Path(__file__).parent / "models"
NAMES = sorted(path.stem for path in MODELS.glob("*.safetensors"))
DATES = {"day": pa.date32(), "moment": pa.timestamp("us")}


def input_of(name):
    tables = json.loads((MODELS / "tables.json").read_text())
    if name not in tables:
        with np.load(MODELS / "inputs.npz") as arrays:
            return arrays[name]
    columns = {column: pa.array(cells) for column, cells in tables[name].items()}
    return pa.table({column: cells.cast(DATES.get(column, cells.type)) for column, cells in columns.items()})


def network_of(model):
    return model if isinstance(model, ps.Network) else model.network_


def test_there_is_a_file_of_each_kind_and_all_are_small():
    assert {name.split("_")[0] for name in NAMES} == {"network", "classifier", "regressor"}
    parts = {part for name in NAMES for part in name.split("_")}
    assert {"array", "pixels", "table", "images", "quantized"} <= parts
    assert {"ensemble", "calibrated", "embedding", "statistics", "quantiles", "counts", "labels"} <= parts
    assert {"threshold", "costs"} <= parts
    assert sum(path.stat().st_size for path in MODELS.iterdir()) < 300_000


@pytest.mark.parametrize("name", NAMES)
def test_an_older_model_predicts_what_it_predicted_when_it_was_saved(name):
    model = ps.load(MODELS / f"{name}.safetensors")
    with np.load(MODELS / "predictions.npz") as predictions:
        expected = predictions[name]
    predict = model.predict_proba if isinstance(model, ps.Classifier) else model.predict
    found = predict(input_of(name))
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_the_weights_of_an_older_model_are_those_in_its_file_to_the_bit(name):
    network = network_of(ps.load(MODELS / f"{name}.safetensors"))
    stored = load_file(MODELS / f"{name}.safetensors")
    assert network.parameters
    for layer, W in network.parameters.items():
        assert W.dtype == stored[f"{layer}.W"].dtype
        assert W.tobytes() == stored[f"{layer}.W"].tobytes()
    for layer, layer_name in zip(network.layers, network.names, strict=True):
        for key, array in layer.state.items():
            assert array.tobytes() == stored[f"{layer_name}.{key}"].tobytes()


@pytest.mark.parametrize("name", NAMES)
def test_an_older_model_is_saved_again_as_it_was_with_what_later_versions_add(name, tmp_path):
    ps.load(MODELS / f"{name}.safetensors").save(tmp_path / "again.safetensors")
    (old, old_arrays), (new, new_arrays) = (
        read_parts(path) for path in (MODELS / f"{name}.safetensors", tmp_path / "again.safetensors")
    )
    if "parameters" in old["model"]:  # a function that made the network is not in a file
        old["model"]["parameters"].setdefault("network", None)
        added = {
            name: value for name, value in new["model"]["parameters"].items() if name not in old["model"]["parameters"]
        }
        old["model"]["parameters"] |= added
        defaults = {"classifier": ps.Classifier, "regressor": ps.Regressor}[old["kind"]]().get_params()
        assert all(value == defaults[key] for key, value in added.items())
        old["model"].setdefault("training", {"steps": 0})
    assert new["model"] == old["model"]
    assert new["kind"] == old["kind"]
    assert {key: array.tobytes() for key, array in new_arrays.items()} == {
        key: array.tobytes() for key, array in old_arrays.items()
    }
