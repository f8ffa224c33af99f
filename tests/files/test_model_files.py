import errno
import json
import os
import resource

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save as to_bytes

import pysmorch as ps
from pysmorch.files import ModelFileError, write_whole
from pysmorch.gradcheck.cases import LAYER_CASES, LOSS_CASES
from tests.helpers import rewritten

X = np.random.default_rng(0).standard_normal((30, 4))


def small_network():
    h = ps.batch_norm(ps.mlp(ps.Data(shape=(None, 4)), [6], 5, dropout=0.2, seed=0))
    network = ps.Network(ps.CrossEntropy(ps.Linear(ps.Concat(h, ps.Tanh(h)), 3), class_weights=(1, 2, 3)))
    network.fit(X, np.arange(30) % 3, epochs=2, seed=0)
    return network


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def test_a_network_predicts_the_same_bits_after_a_round_trip(path):
    network = small_network()
    network.save(path)
    again = ps.load(path)
    np.testing.assert_array_equal(again.predict(X), network.predict(X))
    assert again.predict(X).dtype == network.predict(X).dtype
    assert str(again.summary()) == str(network.summary())
    assert again.loss.class_weights == network.loss.class_weights
    factors = [(layer.lr_factor, layer.decay_factor) for layer in network.layers]
    assert [(layer.lr_factor, layer.decay_factor) for layer in again.layers] == factors
    assert again.evaluate(X, np.arange(30) % 3) == network.evaluate(X, np.arange(30) % 3)


@pytest.mark.parametrize("case", LAYER_CASES)
def test_every_layer_can_be_saved(case, path):
    layer = LAYER_CASES[case]()
    inputs = tuple(feeder.data for feeder in layer.in_layers)
    network = ps.Network(ps.SquareLoss(layer))
    network.save(path)
    given = inputs if len(inputs) > 1 else inputs[0]
    np.testing.assert_array_equal(ps.load(path).predict(given), network.predict(given))


@pytest.mark.parametrize("case", LOSS_CASES)
def test_every_loss_can_be_saved(case, path):
    loss = LOSS_CASES[case]()
    network = ps.Network(loss)
    network.save(path)
    again = ps.load(path)
    X = network.inputs[0].data
    assert again.loss.config == loss.config
    assert again.evaluate(X, loss.labels) == network.evaluate(X, loss.labels)


def test_arrays_in_any_order_are_stored_rightly(path):
    network = ps.Network(ps.SquareLoss(ps.Linear(ps.Data(shape=(None, 4)), 3)))
    network.layers[1].replace_parameters(np.asfortranarray(np.arange(12.0).reshape(4, 3)))
    network.save(path)
    np.testing.assert_array_equal(ps.load(path).parameters["Linear1"], np.arange(12.0).reshape(4, 3))


def test_reading_leaves_numpys_global_state_alone(path):
    small_network().save(path)
    np.random.seed(0)
    expected = np.random.rand()
    np.random.seed(0)
    ps.load(path)
    assert np.random.rand() == expected


class Square(ps.Layer):
    """A layer of a user's own, with an argument."""

    def __init__(self, in_layer, factor=1.0):
        super().__init__(in_layer)
        self.factor = factor

    def compute(self, x):
        return self.factor * x**2

    def pull_back(self, dwnstrm):
        return 2 * self.factor * self.in_array * dwnstrm


def test_a_layer_of_ones_own_is_read_only_when_its_class_is_passed(path):
    network = ps.Network(ps.SquareLoss(Square(ps.Linear(ps.Data(shape=(None, 4)), 1), 3.0)))
    network.save(path)
    with pytest.raises(ModelFileError, match=r"class 'Square', which is not one of pysmorch; pass your class: load"):
        ps.load(path)
    np.testing.assert_array_equal(ps.load(path, layers=[Square]).predict(X), network.predict(X))


def test_what_cannot_be_described_is_not_saved_and_the_old_file_stays(path):
    class SeedStyle:
        def __init__(self, in_layer):
            self.in_layer, self.out_dims = in_layer, in_layer.out_dims

        def forward(self):
            return self.in_layer.forward()

        def backward(self, dwnstrm):
            self.in_layer.backward(dwnstrm)

    path.write_text("old")
    with pytest.raises(ValueError, match="SeedStyle1 cannot be saved"):
        ps.Network(ps.SquareLoss(SeedStyle(ps.Data(shape=(None, 4))))).save(path)
    with pytest.raises(ValueError, match="Square1's factor cannot be saved: a object is not plain data"):
        ps.Network(ps.SquareLoss(Square(ps.Data(shape=(None, 4)), object()))).save(path)
    assert path.read_text() == "old"


# Broken files.


def set_layer(i, **values):
    return lambda header: header["model"]["layers"][i].update(values)


def set_config(i, **values):
    return lambda header: header["model"]["layers"][i]["config"].update(values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda h: h.update(format=2), "newer version, this one reads 1; update pysmorch"),
        (lambda h: h.pop("format"), "has no entry 'format'"),
        (lambda h: h.update(kind="forest"), "holds a 'forest'"),
        (lambda h: h.update(model=[]), "should be dict, but is list"),
        (lambda h: h["model"].pop("layers"), "has no entry 'layers'"),
        (lambda h: h["model"]["layers"].pop(), "its output is layer|fed by"),
        (lambda h: h["model"].update(output=99), "its output is layer 99"),
        (lambda h: h["model"]["loss"].update(type="Loss"), "a loss of class 'Loss'"),
        (lambda h: h["model"]["loss"]["config"].update(class_weights=[1]), "CrossEntropy cannot be made"),
        (set_layer(1, type="os.system"), "a layer of class 'os.system'"),
        (set_layer(1, type="Layer"), "a layer of class 'Layer'"),
        (set_layer(1, fed_by=[5]), "fed by"),
        (set_layer(1, fed_by=[-1]), "fed by"),
        (set_layer(1, fed_by="0"), "should be list, but is str"),
        (set_layer(1, fed_by=[]), "cannot be made"),
        (set_layer(1, lr_factor="x"), "should be float, but is str"),
        (set_config(1, num_out_features=10**15), "num_out_features = 1000000000000000 is out of range"),
        (set_config(1, num_out_features=2**30), "more than there are in the file"),
        (set_config(1, num_out_features=7), "ShapeError|shape|expected floats"),
        (set_config(1, num_out_features="7"), "must be a positive integer"),
        (set_config(1, seed=3), "Linear has no argument seed"),
        (set_config(0, shape=[None, 2**31 - 1]), "has 2147483647 values for each row, more than 134217728"),
        (set_config(0, shape=[]), "cannot be made"),
        (set_config(0, data=[1]), "cannot be made|has no argument"),
    ],
)
def test_a_header_that_does_not_fit_is_refused_in_one_line_with_the_file(path, change, message):
    small_network().save(path)
    rewritten(path, change)
    with pytest.raises(ModelFileError, match=message) as info:
        ps.load(path)
    assert str(path) in str(info.value)
    assert "\n" not in str(info.value)


def test_sizes_in_pairs_of_pairs_are_checked_too(path):
    ps.Network(ps.SquareLoss(ps.Flatten(ps.Pad2d(ps.Data(shape=(None, 2, 2, 1)), ((0, 1), (2, 3)))))).save(path)
    rewritten(path, set_config(1, padding=[[0, 1], [2, 10**15]]))
    with pytest.raises(ModelFileError, match="padding = 1000000000000000 is out of range"):
        ps.load(path)


@pytest.mark.parametrize("array", [np.zeros((1, 2), np.float32), np.zeros((4, 6), np.int64)])
def test_arrays_that_do_not_fit_are_refused(path, array):
    small_network().save(path)
    rewritten(path, lambda header: None, {"Linear1.W": array})
    with pytest.raises(ModelFileError, match=r"Linear1\.W"):
        ps.load(path)


def test_any_change_of_the_arrays_or_the_header_is_noticed(path):
    small_network().save(path)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ModelFileError, match="damaged or altered"):
        ps.load(path)


@given(data=st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_files_are_refused_wherever_the_damage_is(tmp_path, data):
    path = tmp_path / "model.safetensors"
    if not path.exists():
        small_network().save(path)
    content = bytearray(path.read_bytes())
    damaged = tmp_path / "damaged.safetensors"
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] ^= data.draw(st.integers(1, 255))
    damaged.write_bytes(content)
    with pytest.raises(ModelFileError):
        ps.load(damaged)


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x80\x04\x95pickle", b"\xff" * 100])
def test_other_files_are_not_models(path, content):
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match="not a model file"):
        ps.load(path)


def test_a_safetensors_file_of_somebody_else_is_not_a_model(path):
    path.write_bytes(to_bytes({"a": np.zeros(3)}))
    with pytest.raises(ModelFileError, match="not a model of pysmorch"):
        ps.load(path)


def test_missing_files_and_folders_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.safetensors: no such file"):
        ps.load(tmp_path / "nothing.safetensors")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        ps.load(tmp_path)


def test_parts_are_plain_data():
    header, tensors = small_network().to_parts()
    ps.Network.from_parts(json.loads(json.dumps(header)), tensors)


# Writing.


def fails_after_some_bytes(error):
    def write(file):
        file.write(b"half")
        raise error

    return write


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("x"), OSError(errno.ENOSPC, "full")])
def test_when_writing_fails_the_old_file_stays_and_nothing_is_left_behind(tmp_path, error):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(type(error)):
        write_whole(path, fails_after_some_bytes(error))
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_full_disk_is_named_and_changes_nothing(path):
    network = small_network()
    network.save(path)
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    import signal

    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
        with pytest.raises(OSError, match=r"could not be written: File too large; nothing was changed"):
            network.save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_what_cannot_be_written_to_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"the folder .*nowhere for m does not exist"):
        write_whole(tmp_path / "nowhere" / "m", lambda file: None)
    with pytest.raises(IsADirectoryError, match="is a folder"):
        write_whole(tmp_path, lambda file: None)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileExistsError, match="pipe is not a regular file"):
        write_whole(tmp_path / "pipe", lambda file: None)


def test_a_new_file_gets_the_usual_rights_and_an_old_one_keeps_its_own(tmp_path):
    before = os.umask(0o022)
    try:
        write_whole(tmp_path / "new", lambda file: file.write(b"x"))
    finally:
        os.umask(before)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o644
    os.chmod(tmp_path / "new", 0o600)
    write_whole(tmp_path / "new", lambda file: file.write(b"y"))
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o600
