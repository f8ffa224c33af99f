"""What all kinds of input have in common, and that a new one is a class and its line in the list."""

import string
from importlib import import_module

import numpy as np
import pytest

import pysmorch as ps
from pysmorch import encoders
from pysmorch.encoders import KINDS, Encoder, encoder_from_parts, encoder_to_parts, kind_of
from pysmorch.encoders.array import ArrayEncoder
from pysmorch.encoders.image import ImageEncoder
from pysmorch.files import ModelFileError

RNG = np.random.default_rng(0)
INPUTS = {kind: import_module(f"tests.encoders.test_{kind.__module__.split('.')[-1]}").INPUT for kind in KINDS}
"""The example that the tests of each kind give, 40 rows."""
Y = np.arange(40) % 2


class Letters(Encoder):
    """Words, as how often each letter is in them."""

    what = "words"
    entry = "letters"
    misfit = "its letters do not fit its network"

    @classmethod
    def understands(cls, X):
        return isinstance(X, list) and all(isinstance(word, str) for word in X)

    def check(self, X, estimator, reset):
        if not self.understands(X):
            raise TypeError(f"X must be a list of words, but is {type(X).__name__}")
        estimator.n_features_in_ = 1
        return X

    def learn(self, rows, weights, targets):
        self.letters = "".join(sorted({letter for word in rows for letter in word}))

    def encode(self, rows):
        return np.array([[word.count(letter) for letter in self.letters] for word in rows], dtype=np.float32)

    @property
    def shape(self):
        return (len(self.letters),)

    @property
    def num_features(self):
        return 1

    def input_layer(self):
        return ps.Data(shape=(None, *self.shape))

    def describe(self):
        return [f"letters: {self.letters}"]

    @classmethod
    def is_in(cls, header):
        return header.get(cls.entry) is not None

    def to_parts(self):
        return self.letters, {}

    @classmethod
    def from_parts(cls, header, tensors):
        self = cls()
        self.letters = header[cls.entry]
        return self


def test_a_new_kind_of_input_is_a_class_and_its_line_in_the_list(monkeypatch, tmp_path):
    monkeypatch.setattr(encoders, "KINDS", (Letters, *KINDS))
    words = ["".join(RNG.choice(list(string.ascii_lowercase), 6)) + "ae"[i % 2] * 3 for i in range(80)]
    labels = np.array(["a", "e"])[np.arange(80) % 2]
    model = ps.Classifier(hidden=(8,), epochs=40, learning_rate=0.05, random_state=0).fit(words, labels)
    assert model.score(words, labels) > 0.9
    model.partial_fit(words, labels)
    model.save(tmp_path / "words.safetensors")
    again = ps.load(tmp_path / "words.safetensors")
    np.testing.assert_array_equal(again.predict_proba(words), model.predict_proba(words))
    assert again.encoder_.describe() == [f"letters: {string.ascii_lowercase}"]
    with pytest.raises(TypeError, match="X must be a list of words"):
        model.predict(INPUTS[ArrayEncoder])


@pytest.mark.parametrize("kind", KINDS)
def test_each_input_is_of_one_kind_and_lists_of_lists_are_arrays(kind):
    assert kind_of(INPUTS[kind]) is kind
    assert kind_of([[1, 2], [3, 4]]) is ArrayEncoder


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore:column.*nearly the target")
def test_an_encoder_from_its_parts_encodes_the_same_bits(kind):
    model = ps.Classifier(hidden=(4,), epochs=1, random_state=0).fit(INPUTS[kind], Y)
    header, tensors = encoder_to_parts(model.encoder_)
    again = encoder_from_parts(header, tensors)
    assert type(again) is kind
    assert again.shape == model.encoder_.shape
    assert again.num_features == model.encoder_.num_features == model.n_features_in_
    assert again.describe() == model.encoder_.describe()
    rows = again.check(INPUTS[kind], model, reset=False)
    np.testing.assert_array_equal(again.encode(rows), model.encoder_.encode(rows))
    assert again.encode(rows).shape == (40, *again.shape)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore:column.*nearly the target")
def test_the_input_layer_takes_encoded_rows(kind):
    model = ps.Classifier(hidden=(4,), epochs=1, random_state=0).fit(INPUTS[kind], Y)
    (data,) = model.network_.inputs
    assert tuple(data.out_dims) == (None, *model.encoder_.shape)
    assert type(model.encoder_.input_layer()) is type(model.network_.layers[type(model.encoder_) is ImageEncoder])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore:column.*nearly the target")
def test_an_encoder_that_does_not_fit_its_network_is_refused(kind):
    model = ps.Classifier(hidden=(4,), epochs=1, random_state=0).fit(INPUTS[kind], Y)
    model.encoder_.check_fits(model.network_.inputs, model.n_features_in_)
    with pytest.raises(ModelFileError, match="not fit its network"):
        model.encoder_.check_fits([ps.Data(shape=(None, 7))], model.n_features_in_)
    with pytest.raises(ModelFileError, match="not as many as its features"):
        model.encoder_.check_fits(model.network_.inputs, 1000)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_offers_networks_that_it_can_choose_by_default(kind):
    for shape in ((8, 8, 1), (32, 32, 3)):
        name, size = kind.default_network(shape)
        assert name == "mlp" or name in kind.networks
        assert size
