"""Texts: words weigh by how few texts of the training have them."""

import io

import numpy as np
import pandas as pd
import pytest

import pysmorch as ps
from pysmorch import Classifier
from pysmorch.encoders import encoder_from_parts, encoder_to_parts
from pysmorch.encoders.cells import Cells, as_table
from pysmorch.encoders.table import TableEncoder
from pysmorch.files import ModelFileError

TEXTS = ["red house aa", "red garden bb", "red house garden cc", "red red red dd", "only once ee", None]
FRAME = pd.DataFrame({"t": TEXTS, "x": np.arange(6.0)})
CLASSES = np.array([0, 1] * 3)
SMALL = {"hidden": (4,), "epochs": 2, "random_state": 0, "preset": "fast", "columns": {"t": "text"}}

# Of five texts four have "red", two "garden" and two "house": log(6 / 5) + 1 and log(6 / 3) + 1, divided by their mean.
RED, OTHER = np.log(6 / 5) + 1, np.log(2) + 1
WEIGHTS = np.array([OTHER, OTHER, RED]) / ((2 * OTHER + RED) / 3)


def learned():
    encoder = TableEncoder()
    encoder.choose({"t": "text"}, None)
    encoder.learn(Cells(as_table(FRAME)), None, CLASSES)
    return encoder


def test_a_word_weighs_more_if_fewer_texts_have_it():
    encoder = learned()
    assert encoder.columns[0].values == ["garden", "house", "red"]
    np.testing.assert_allclose(encoder.columns[0].weights, WEIGHTS)
    encoded = encoder.encode(Cells(as_table(pd.DataFrame({"t": ["red house house", "blue", None], "x": [1.0, 2, 3]}))))
    np.testing.assert_allclose(encoded[:, -4:], [[0, *WEIGHTS[1:], 0], [0, 0, 0, 0], [0, 0, 0, 1]], rtol=1e-6)


def test_rows_that_are_stored_have_the_same_bits():
    encoder, cells = learned(), Cells(as_table(FRAME))
    np.testing.assert_array_equal(encoder.expand(*encoder.compact(cells)), encoder.encode(cells))


def test_a_model_keeps_the_weights_and_one_of_before_has_none():
    model = Classifier(**SMALL).fit(FRAME, CLASSES)
    file = io.BytesIO()
    model.save(file)
    np.testing.assert_array_equal(ps.load(file.getvalue()).predict_proba(FRAME), model.predict_proba(FRAME))
    header, tensors = encoder_to_parts(model.encoder_)
    part = header["columns"]["columns"][0]
    before = {name: value for name, value in part.items() if name != "weights"}
    header["columns"]["columns"][0] = before
    encoded = encoder_from_parts(header, tensors).encode(Cells(as_table(FRAME[:1])))
    np.testing.assert_array_equal(encoded[0, -4:], [0, 1, 1, 0])


@pytest.mark.parametrize("weights", [[1.0], [1.0, 2.0, float("nan")], ["a", "b", "c"]])
def test_weights_that_do_not_fit_are_refused(weights):
    header, tensors = encoder_to_parts(learned())
    header["columns"]["columns"][0]["weights"] = weights
    with pytest.raises(ModelFileError):
        encoder_from_parts(header, tensors)
