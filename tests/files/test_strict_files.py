"""save writes nothing that load refuses, and load refuses what this version does not know, with the version that wrote it."""

import io
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pytest
from safetensors.numpy import save as to_bytes

import pysmorch as ps
from pysmorch.files import ModelFileError, model, writing
from tests.helpers import rewritten

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 3))
Y = np.arange(60) % 3


def network():
    return ps.Network(ps.SquareLoss(ps.Normalize(ps.Linear(ps.Data(shape=(None, 4)), 3))))


def classifier(**options):
    return ps.Classifier(**{"hidden": (4,), "epochs": 1, "random_state": 0, "preset": "fast"} | options).fit(X, Y)


class Doubled(ps.Layer):
    """A layer of a user's."""

    def compute(self, x):
        return 2 * x

    def pull_back(self, dwnstrm):
        return 2 * dwnstrm


class Relu(ps.Layer):
    """A layer of a user's with a name of the library."""

    def compute(self, x):
        return np.maximum(x, -1)

    def pull_back(self, dwnstrm):
        return dwnstrm * (self.in_array > -1)


class Halved(ps.SquareLoss):
    """A loss of a user's."""


class Forgetful(ps.Layer):
    """A layer whose arguments cannot be given again."""

    def __init__(self, in_layer, size):
        super().__init__(in_layer)
        self.size = -abs(size)
        if size < 0:
            raise ValueError("size must not be negative")


@pytest.mark.parametrize("dtype", [">f4", ">f8"])
def test_arrays_of_the_other_byte_order_come_back(tmp_path, dtype):
    saved = network()
    saved.layers[1].replace_parameters(np.arange(12).reshape(4, 3).astype(dtype))
    saved.save(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(ps.load(tmp_path / "m.safetensors").layers[1].W, np.arange(12).reshape(4, 3))


@pytest.mark.parametrize(
    ("W", "message"),
    [
        (np.ones((4, 3), "f2"), "Linear1.W has dtype float16, but a file holds float32"),
        (np.ones((4, 3), np.longdouble), "dtype"),
        (np.full((4, 3), np.nan), "the array Linear1.W has values that are not finite"),
        (np.full((4, 3), np.inf, np.float32), "not finite"),
    ],
    ids=["half", "long", "nan", "infinite"],
)
def test_what_load_would_refuse_is_refused_at_save_and_an_older_file_stays(tmp_path, W, message):
    path = tmp_path / "m.safetensors"
    saved = network()
    saved.save(path)
    before = path.read_bytes()
    saved.layers[1].replace_parameters(W)
    for target in (path, io.BytesIO()):
        with pytest.raises(ValueError, match=message):
            saved.save(target)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["m.safetensors"]


def test_labels_and_layers_that_cannot_be_made_again_are_refused_at_save(tmp_path):
    long = ps.Classifier(hidden=(4,), epochs=1, random_state=0).fit(X, np.array(["a", "x" * 2501, "y"])[Y])
    with pytest.raises(
        ValueError, match="the model cannot be saved: load would refuse it, since its classes are wrong"
    ):
        long.save(tmp_path / "m.safetensors")
    odd = ps.Network(ps.SquareLoss(Forgetful(ps.Data(shape=(None, 4)), 3)))
    with pytest.raises(ValueError, match="load would refuse it, since the size size = -3 is out of range"):
        odd.save(tmp_path / "m.safetensors")
    assert os.listdir(tmp_path) == []


def test_layers_and_losses_of_ones_own_are_loaded_with_their_classes(tmp_path):
    path = tmp_path / "m.safetensors"
    own = ps.Network(Halved(Relu(Doubled(ps.Linear(ps.Data(shape=(None, 4)), 3)))))
    own.save(path)
    rows = RNG.standard_normal((5, 4))
    again = ps.load(path, layers=[Doubled, Relu], losses=[Halved])
    np.testing.assert_array_equal(again.predict(rows), own.predict(rows))
    assert type(again.loss) is Halved
    with pytest.raises(ModelFileError, match=r"a layer of class 'Relu', .* pass your class"):
        ps.load(path, layers=[Doubled], losses=[Halved])  # the library's Relu is another layer
    with pytest.raises(ModelFileError, match=r"a loss of class 'Halved', .* load\(path, losses=\[Halved\]\)"):
        ps.load(path, layers=[Doubled, Relu])


def test_a_subclass_of_an_estimator_is_loaded_as_what_it_is_a_subclass_of(tmp_path):
    class Mine(ps.Classifier):
        pass

    mine = Mine(hidden=(4,), epochs=1, random_state=0).fit(X, Y)
    mine.save(tmp_path / "m.safetensors")
    with pytest.warns(ps.PysmorchWarning, match="a Mine, a class of your own") as caught:
        loaded = ps.load(tmp_path / "m.safetensors")
    assert caught[0].filename == __file__
    np.testing.assert_array_equal(loaded.predict_proba(X), mine.predict_proba(X))


CHANGES = [
    (lambda h: h.update(more=1), "its entry more is not one that this version knows"),
    (lambda h: h.update(format=0), "written in format 0, which there is not"),
    (lambda h: h["model"].update(calibration=[1]), "its entry calibration is not one"),
    (lambda h: h["model"]["columns"].update(bins="spline"), "its entry columns.bins is not one"),
    (lambda h: h["model"]["network"].update(device="x"), "its entry network.device is not one"),
    (lambda h: h["model"]["network"]["layers"][1].update(name="x"), "its entry network.layers.name is not one"),
    (lambda h: h["model"]["network"]["loss"].update(scale=2), "its entry network.loss.scale is not one"),
    (
        lambda h: h["model"]["network"]["layers"][1].update(lr_factor=-1.0),
        "has a lr_factor that is not a number from 0 to 1e",
    ),
    (
        lambda h: h["model"]["network"]["layers"][1].update(decay_factor=10**400),
        "the entry 'decay_factor' of its header is an integer that is out of range",
    ),
    (
        lambda h: h["model"].update(loss_curve=[10**400]),
        "the entry 'loss_curve' of its header is an integer that is out of range",
    ),
    (lambda h: h["model"]["labels"].update(classes=[1, 0, 2]), "the labels are not in order, or one is there twice"),
    (lambda h: h["model"]["labels"].update(classes=[0, 1, 1]), "the labels are not in order, or one is there twice"),
    (lambda h: h["model"]["labels"].update(classes=[0.0, 1.0, 2.5]), "the labels are not of dtype int64"),
    (lambda h: h["model"]["training"].update(steps=-1), "its optimizer has taken -1 steps"),
]


@pytest.mark.parametrize(("change", "message"), CHANGES, ids=[message for _, message in CHANGES])
def test_a_header_that_is_not_as_this_version_writes_it_is_refused_with_the_version(tmp_path, change, message):
    path = tmp_path / "m.safetensors"
    classifier().save(path)
    rewritten(path, change)
    with pytest.raises(ModelFileError, match=message) as refused:
        ps.load(path)
    assert str(refused.value).endswith(f"(written by pysmorch {ps.__version__})")


def test_a_file_of_a_newer_version_is_refused_with_both_versions(tmp_path):
    path = tmp_path / "m.safetensors"
    classifier().save(path)
    rewritten(path, lambda h: h["versions"].update(pysmorch="9.0.0"))
    ps.load(path)  # nothing in it is new
    rewritten(path, lambda h: h["model"].update(calibration=[1]))
    with pytest.raises(
        ModelFileError, match=rf"written by pysmorch 9\.0\.0, which is newer than this {ps.__version__}"
    ):
        ps.load(path)


def test_an_entry_that_is_there_twice_is_refused(tmp_path):
    path = tmp_path / "m.safetensors"
    classifier().save(path)
    header, tensors = model.read_parts(path)
    text = json.dumps(header).replace('"kind":', '"kind": "regressor", "kind":', 1)
    path.write_bytes(to_bytes(tensors, metadata={model.METADATA_KEY: text}))
    with pytest.raises(ModelFileError, match=r"its header is damaged .an entry is there twice"):
        ps.load(path)


@pytest.mark.parametrize("where", ["model", "array"])
def test_a_number_of_thousands_of_digits_in_a_header_is_refused_in_our_words(tmp_path, where):
    path = tmp_path / "m.safetensors"
    classifier().save(path)
    if where == "model":
        header, tensors = model.read_parts(path)
        text = json.dumps(header | {"format": "DIGITS"}).replace('"DIGITS"', "9" * 5000)
        path.write_bytes(to_bytes(tensors, metadata={model.METADATA_KEY: text}))
    else:
        content = path.read_bytes()
        size = int.from_bytes(content[:8], "little")
        header = content[8 : 8 + size].rstrip()[:-1] + b',"x":' + b"9" * 5000 + b"}"
        path.write_bytes(len(header).to_bytes(8, "little") + header + content[8 + size :])
    with pytest.raises(ModelFileError, match="there is a number of 5000 digits; at most 4300 are read"):
        ps.load(path)


def test_a_version_that_is_no_version_is_not_repeated(tmp_path):
    path = tmp_path / "m.safetensors"
    classifier().save(path)
    for version in ("9" * 5000, "\x1b[2J", 9, None):
        rewritten(path, lambda h, version=version: h["versions"].update(pysmorch=version))
        rewritten(path, lambda h: h["model"].update(calibration=1))
        with pytest.raises(ModelFileError, match=r"its entry calibration is not one that this version knows$"):
            ps.load(path)


def test_arrays_that_are_not_finite_and_layers_that_are_too_large_are_refused(tmp_path):
    path = tmp_path / "m.safetensors"
    network().save(path)
    rewritten(path, lambda h: None, {"Normalize1.running_var": np.array([1, np.inf, 1])})
    with pytest.raises(ModelFileError, match=r"the array Normalize1.running_var has values that are not finite"):
        ps.load(path)
    ps.Network(ps.SquareLoss(ps.Upsample2d(ps.Data(shape=(None, 4, 4, 1))))).save(path)
    rewritten(path, lambda h: h["model"]["layers"][1]["config"].update(factor=30000))
    with pytest.raises(ModelFileError, match=r"has 14400000000 values for each row, more than 134217728"):
        ps.load(path)


def test_ten_thousand_layers_are_loaded_and_predict_in_linear_time():
    times = []
    for count in (1000, 10000):
        layer = ps.Data(shape=(None, 4))
        for _ in range(count // 2):
            layer = ps.Relu(ps.Bias(layer))
        file = io.BytesIO()
        ps.Network(ps.SquareLoss(layer)).save(file)
        start = time.process_time()
        ps.load(file.getvalue()).predict(np.zeros((2, 4), np.float32))
        times.append(time.process_time() - start)
    assert times[1] < 40 * times[0]


def test_a_file_that_is_rewritten_in_place_does_not_change_a_loaded_model(tmp_path):
    path = tmp_path / "m.safetensors"
    saved = network()
    saved.save(path)
    again = ps.load(path)
    with open(path, "r+b") as file:
        file.truncate(0)
    np.testing.assert_array_equal(again.layers[1].W, saved.layers[1].W)


posix = pytest.mark.skipif(os.name != "posix", reason="there are no such locks, links and signals")


@posix
def test_temporary_files_of_killed_processes_are_removed_by_the_next_save(tmp_path):
    path = tmp_path / "m.safetensors"
    code = (
        "import os, sys, signal; from pysmorch.files.writing import write_whole\n"
        "write_whole(sys.argv[1], lambda file: os.kill(os.getpid(), signal.SIGKILL))"
    )
    for _ in range(3):
        assert subprocess.run([sys.executable, "-c", code, str(path)]).returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 1
    network().save(path)
    assert os.listdir(tmp_path) == ["m.safetensors"]


@posix
def test_the_temporary_file_of_a_process_that_writes_is_left_alone(tmp_path):
    path = tmp_path / "m.safetensors"
    inner = []

    def write(file):
        file.write(b"outer")
        writing.write_whole(path, lambda other: other.write(b"inner"))
        inner.append(path.read_bytes())

    writing.write_whole(path, write)
    assert inner == [b"inner"]
    assert path.read_bytes() == b"outer"
    assert os.listdir(tmp_path) == ["m.safetensors"]


@posix
def test_long_names_links_and_protection_are_kept(tmp_path):
    saved, long = network(), tmp_path / ("n" * 243 + ".safetensors")
    saved.save(long)
    assert long.is_file()
    (tmp_path / "link.safetensors").symlink_to(long)
    long.chmod(0o640)
    saved.save(tmp_path / "link.safetensors")
    assert (tmp_path / "link.safetensors").is_symlink()
    assert long.stat().st_mode & 0o777 == 0o640
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(OSError, match="is a link that leads to itself"):
        saved.save(tmp_path / "loop")


@posix
@pytest.mark.parametrize("call", ["fsync", "chmod", "replace", "open"])
@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_call_of_the_system_that_fails_leaves_the_older_file_and_the_message_is_true(
    tmp_path, monkeypatch, call, nth
):
    path, calls, original = tmp_path / "m.safetensors", [], getattr(os, call)
    network().save(path)
    before = path.read_bytes()

    def failing(*arguments, **options):
        calls.append(arguments)
        if len(calls) == nth:
            raise OSError(28, "No space left on device")
        return original(*arguments, **options)

    monkeypatch.setattr(os, call, failing)
    said = ""
    try:
        network().save(path)
    except OSError as error:
        said = str(error)
    monkeypatch.undo()
    changed = path.read_bytes() != before
    assert said == "" or ("was written, but whether it outlasts" if changed else "nothing was changed") in said
    assert os.listdir(tmp_path) == ["m.safetensors"]
    ps.load(path)


@pytest.mark.parametrize("holds", ["", "number ", "nothing"])
def test_a_column_that_holds_what_no_column_does_is_refused(tmp_path, holds):
    path = tmp_path / "m.safetensors"
    table = pa.table({"town": ["Ulm", "Bath", "Nice"] * 20})
    ps.Classifier(hidden=(4,), epochs=1, random_state=0).fit(table, np.arange(60) // 30).save(path)
    rewritten(path, lambda header: header["model"]["columns"]["columns"][0].update(holds=holds))
    with pytest.raises(ModelFileError, match="what it says of the column 'town' does not fit together"):
        ps.load(path)
