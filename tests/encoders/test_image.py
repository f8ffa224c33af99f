import pickle
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.base import clone
from sklearn.model_selection import cross_val_score

import pysmorch as ps
from pysmorch import Classifier, Regressor
from pysmorch.encoders import image
from pysmorch.encoders.array import ArrayEncoder
from pysmorch.encoders.image import ImageEncoder, learn_scaling
from pysmorch.files import ModelFileError
from tests.helpers import rewritten

# Their networks are functions, which a file cannot hold.
pytestmark = pytest.mark.filterwarnings("ignore:a model file cannot hold the parameter network")

INPUT = np.random.default_rng(0).integers(0, 256, (40, 4, 5), dtype=np.uint8)
RNG = np.random.default_rng(0)
Y = np.arange(90) % 3
BARS = RNG.integers(0, 60, (90, 6, 6), dtype=np.uint8)
for bar, top in zip(BARS, 2 * Y, strict=True):
    bar[top : top + 2] += 120
NAMES = np.array(["top", "middle", "bottom"])[Y]


def small(layer, num_outputs):
    convolved = ps.Relu(ps.Bias(ps.Conv2d(layer, 3, 3, stride=2)))
    return ps.dense(ps.Flatten(convolved), num_outputs, activation=None)


def quick(make=Classifier, **options):
    return make(**{"network": small, "epochs": 8, "learning_rate": 0.05, "random_state": 0} | options)


@pytest.mark.parametrize("network", [small, None], ids=["convolution", "dense"])
@pytest.mark.parametrize("channels", [(), (1,), (3,)], ids=["no_axis", "grey", "colour"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.int64])
def test_images_are_told_apart(network, channels, dtype):
    X = np.broadcast_to(BARS.reshape(90, 6, 6, *[1] * len(channels)), (90, 6, 6, *channels)).astype(dtype)
    model = quick(network=network, hidden=(8,)).fit(X, NAMES)
    assert model.encoder_.image_shape == (6, 6, *(channels or (1,)))
    assert model.n_features_in_ == np.prod(model.encoder_.image_shape)
    assert model.score(X, NAMES) > 0.95
    assert model.predict(X[:2]).tolist() == NAMES[:2].tolist()
    np.testing.assert_array_equal(
        model.predict_proba(X), model.predict_proba(X.reshape(90, *model.encoder_.image_shape))
    )


def test_images_that_come_as_lists_are_arrays():
    model = quick(epochs=1).fit(BARS.tolist(), Y)
    assert model.encoder_.image_shape == (6, 6, 1)
    assert model.predict(BARS[:4].tolist()).shape == (4,)


def test_numbers_are_predicted_from_images(tmp_path):
    y = BARS.mean((1, 2)) + 100.0 * Y
    model = quick(Regressor, epochs=30).fit(BARS, y)
    assert model.score(BARS, y) > 0.9
    model.save(tmp_path / "m")
    np.testing.assert_array_equal(ps.load(tmp_path / "m").predict(BARS), model.predict(BARS))


def test_pixels_have_mean_zero_and_variance_one():
    rescale = quick(epochs=1).fit(BARS, Y).network_.layers[1]
    scaled = rescale.scale * BARS.astype(np.float64) + rescale.shift
    assert scaled.mean() == pytest.approx(0, abs=1e-12)
    assert scaled.std() == pytest.approx(1, abs=1e-12)


@given(arrays.arrays(np.uint8, (3, 2, 2, 2)), st.lists(st.integers(0, 3), min_size=3, max_size=3))
@settings(max_examples=50, deadline=None)
def test_the_scale_of_bytes_is_that_of_floats_and_weights_are_repetitions(X, counts):
    if not any(counts):
        counts = [1, 1, 1]
    repeated = np.repeat(X, counts, axis=0)
    expected = learn_scaling(repeated, None)
    for dtype in (np.uint8, np.float64):
        found = learn_scaling(X.astype(dtype), np.array(counts, float))
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    scaled = expected[0] * repeated + expected[1]
    assert abs(scaled.mean()) < 1e-9
    assert scaled.std() == pytest.approx(1 if len(np.unique(repeated)) > 1 else 0, abs=1e-9)


def test_the_scale_is_the_same_in_blocks_of_any_size(monkeypatch):
    expected = learn_scaling(BARS, None)
    monkeypatch.setattr(image, "PIXELS_AT_A_TIME", 100)
    for X in (BARS, BARS.astype(np.float32)):
        np.testing.assert_allclose(learn_scaling(X, None), expected, rtol=1e-12)
        np.testing.assert_allclose(learn_scaling(X, np.ones(90)), expected, rtol=1e-12)


def test_images_of_one_shade_are_zeros():
    scale, shift = learn_scaling(np.full((4, 3, 3, 1), 0.1), None)
    assert scale == 1
    assert shift == pytest.approx(-0.1)


@pytest.mark.parametrize("engine", ["reference", "auto"])
def test_bytes_train_to_the_same_bits_as_floats(engine):
    scale, shift = learn_scaling(BARS, None)
    images = BARS[..., None]

    def trained(X, rescaled):
        data = ps.Data(shape=(None, 6, 6, 1))
        with ps.weights_from(1):
            network = ps.Network(ps.CrossEntropy(small(ps.Rescale(data, scale, shift) if rescaled else data, 3)))
        network.fit(X, Y, epochs=8, batch_size=32, seed=1, engine=engine)
        return network.parameters

    by_bytes = trained(images, True)
    others = [trained(images.astype(np.float32), True)]
    if engine == "reference":  # the compiled program multiplies and adds in one step, which rounds once
        others.append(trained(np.float32(scale) * images.astype(np.float32) + np.float32(shift), False))
    for parameters in others:
        for name, W in by_bytes.items():
            np.testing.assert_array_equal(parameters[name], W, err_msg=name)


def test_weighted_images_are_repeated_images_in_one_full_batch():
    weights = RNG.integers(0, 4, 90)
    options = {"batch_size": 1000, "epochs": 3}
    weighted = quick(**options).fit(BARS, Y, sample_weight=weights)
    repeated = quick(**options).fit(np.repeat(BARS, weights, axis=0), np.repeat(Y, weights))
    np.testing.assert_allclose(weighted.predict_proba(BARS), repeated.predict_proba(BARS), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_training_makes_no_copy_of_bytes_in_floats(early_stopping, monkeypatch):
    monkeypatch.setattr(image, "PIXELS_AT_A_TIME", 2**14)
    X = RNG.integers(0, 256, (400, 64, 64), dtype=np.uint8)

    def least(layer, num_outputs):
        return ps.dense(ps.GlobalAvgPool2d(layer), num_outputs, activation=None)

    model = quick(network=least, epochs=1, batch_size=8, early_stopping=early_stopping, validation_fraction=0.02)
    model.fit(X[:16], Y[:16])
    tracemalloc.start()
    model.fit(X, Y[np.arange(400) % 90])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # Held-out rows make a copy of the bytes; floats would take four times as much.
    assert peak < (1.8 if early_stopping else 0.8) * X.nbytes


def test_partial_fit_an_eval_set_early_stopping_and_cross_validation_take_images():
    model = quick(early_stopping=True, validation_fraction=0.3, patience=2, epochs=3).fit(BARS, NAMES)
    assert len(model.validation_curve_) == model.n_iter_
    model.fit(BARS[:60], NAMES[:60], eval_set=(BARS[60:], NAMES[60:]))
    before = model.predict_proba(BARS)
    model.partial_fit(BARS, NAMES)
    assert not np.array_equal(model.predict_proba(BARS), before)
    assert cross_val_score(quick(), BARS, NAMES, cv=3).mean() > 0.8


def test_a_saved_model_of_images_predicts_the_same_bits_and_goes_on_training(tmp_path):
    model = quick().fit(BARS, NAMES)
    model.save(tmp_path / "m.safetensors")
    again = ps.load(tmp_path / "m.safetensors")
    assert again.encoder_.image_shape == (6, 6, 1)
    assert again.get_params() == model.get_params() | {"network": None}
    for other in (again, pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(other.predict_proba(BARS), model.predict_proba(BARS))
        other.partial_fit(BARS, NAMES)
        assert other.n_iter_ == 9
    copied = clone(model)
    assert copied.get_params() == model.get_params()
    assert not hasattr(copied, "network_")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.update(image_shape=[6, 5, 1]), "the shape of its images does not fit its network"),
        (lambda m: m.update(image_shape=[6, 6]), "the shape of its images does not fit its network"),
        (lambda m: m.update(image_shape=["6"]), "should be int"),
        (lambda m: m.update(image_shape=None), "should be dict"),
        (lambda m: m.update(num_features=35), "not as many as its features"),
    ],
)
def test_an_altered_shape_is_refused(change, message, tmp_path):
    path = tmp_path / "m.safetensors"
    quick(epochs=1).fit(BARS, Y).save(path)
    rewritten(path, lambda header: change(header["model"]))
    with pytest.raises(ModelFileError, match=message):
        ps.load(path)


def test_a_file_from_before_there_were_images_is_read(tmp_path):
    path = tmp_path / "m.safetensors"
    X = BARS.reshape(90, 36)
    model = Classifier(hidden=(4,), epochs=1, random_state=0).fit(X, Y)
    model.save(path)

    def as_it_was(header):
        del header["model"]["image_shape"], header["model"]["parameters"]["precision"]

    rewritten(path, as_it_was)
    again = ps.load(path)
    assert isinstance(again.encoder_, ArrayEncoder)
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


def test_rows_after_images_and_images_after_rows_begin_anew():
    frame = pd.DataFrame(BARS.reshape(90, 36).astype(float), columns=[f"pixel {i}" for i in range(36)])
    model = quick(network=None, hidden=(8,), epochs=1).fit(frame, Y)
    model.fit(BARS, Y)
    assert not hasattr(model, "feature_names_in_")
    assert isinstance(model.encoder_, ImageEncoder)
    model.fit(BARS.reshape(90, 36), Y)
    assert model.encoder_.shape == (36,)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: quick().fit(BARS, Y).predict(np.zeros((5, 7, 6, 1))),
            r"X has shape \(5, 7, 6, 1\), but this Classifier was trained on images and expects shape \(N, 6, 6, 1\)",
        ),
        (lambda: quick().fit(BARS, Y).predict(BARS[0]), r"X has shape \(6, 6\), but this Classifier was trained on im"),
        (lambda: quick().fit(BARS, Y).predict(BARS.reshape(90, 36)), r"X has shape \(90, 36\), but .* \(N, 6, 6, 1\)"),
        (lambda: quick().fit(BARS, Y).predict(pd.DataFrame({"a": [1.0]})), r"X has shape \(1, 1\), but this"),
        (lambda: quick(network=None).fit(BARS.reshape(90, 36), Y).predict(BARS), "dim 3"),
        (lambda: quick().fit(np.where(BARS > 100, np.nan, BARS), Y), r"X has NaN in row \d+, position"),
        (lambda: quick().fit(BARS[:0], Y[:0]), "0 sample"),
        (lambda: quick().fit(BARS[:, :0], Y), r"X has shape \(90, 0, 6\); images need at least one pixel"),
        (lambda: quick().fit(BARS[..., None, None], Y), "dim 5"),
        (lambda: quick().fit([[[1], [2, 3]], [[1]]], [0, 1]), "inhomogeneous|sequence"),
        (lambda: quick().fit(BARS, Y[1:]), "y must have one label for each of the"),
        (lambda: quick().fit(BARS, Y, eval_set=(BARS[:, 1:], Y)), r"X has shape \(90, 5, 6\)"),
        (lambda: quick(precision="half").fit(BARS, Y), 'precision must be "float32", "float64", "bf16" or "auto"'),
    ],
)
def test_images_that_cannot_be_used_are_refused_in_words(call, message):
    with pytest.raises(ValueError, match=message):
        call()
