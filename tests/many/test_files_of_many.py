"""The file of many models: what is damaged or altered is refused, and one model is read without the others."""

import io
import json

import numpy as np
import pytest

import pysmorch
from pysmorch import Classifier, ManyModels, ModelFileError, Regressor, fit_many
from pysmorch.many import for_small_groups


@pytest.fixture(scope="module")
def data():
    generator = np.random.default_rng(0)
    groups = np.repeat(["Bergen", "Oslo", "Tromsø"], 20)
    X = generator.standard_normal((60, 2))
    return X, groups, X[:, 0]


@pytest.fixture(scope="module")
def many(data):
    X, groups, y = data
    return fit_many(for_small_groups(Regressor, epochs=2, hidden=(2,), random_state=1), X, y, by=groups)


@pytest.fixture(scope="module")
def content(many):
    file = io.BytesIO()
    many.save(file)
    return file.getvalue()


def test_a_file_predicts_the_same_bits(tmp_path, data, many, content):
    X, groups, _ = data
    path = tmp_path / "shops.safetensors"
    many.save(path)
    assert path.read_bytes() == content
    for source in (path, str(path), content, io.BytesIO(content)):
        loaded = pysmorch.load(source)
        assert isinstance(loaded, ManyModels)
        assert loaded.groups == many.groups
        assert str(loaded.figures) == str(many.figures)
        np.testing.assert_array_equal(loaded.predict(X, by=groups), many.predict(X, by=groups))
    again = io.BytesIO()
    pysmorch.load(path).save(again)
    assert again.getvalue() == content
    pysmorch.load(path).save(path)  # over the file from which it is read
    assert path.read_bytes() == content


def test_the_bytes_of_a_file_do_not_depend_on_threads(data, content):
    X, groups, y = data
    estimator = for_small_groups(Regressor, epochs=2, hidden=(2,), random_state=1)
    file = io.BytesIO()
    fit_many(estimator.set_params(threads=3), X, y, by=groups).save(file)
    loaded = pysmorch.load(file.getvalue())
    assert len(file.getvalue()) == len(content) or loaded.models["Oslo"].threads == 3
    for group in loaded.models:
        np.testing.assert_array_equal(
            loaded.models[group].network_.layers[1].W, pysmorch.load(content).models[group].network_.layers[1].W
        )


def test_one_model_is_read_without_the_others(tmp_path, many, content):
    path = tmp_path / "shops.safetensors"
    path.write_bytes(content)
    loaded = pysmorch.load(path)
    sizes = many._contents.records.sizes
    damaged = bytearray(content)
    damaged[len(content) - 1 - int(sizes[3])] ^= 1  # in the last model
    path.write_bytes(damaged)  # into the file that is open
    assert loaded.models["Oslo"].n_iter_ == 2
    with pytest.raises(ModelFileError, match="the model of the group 'Tromsø': its checksum does not fit"):
        loaded.models["Tromsø"]


def read_all(content):
    loaded = pysmorch.load(content)
    for group in loaded.models:
        loaded.models[group]


def test_every_damaged_byte_is_found(content):
    generator = np.random.default_rng(2)
    for position in [*range(16), *generator.integers(0, len(content), 250).tolist()]:
        damaged = bytearray(content)
        damaged[position] ^= 1 << int(generator.integers(8))
        with pytest.raises(ModelFileError):
            read_all(bytes(damaged))


def test_every_length_is_found(content):
    for length in [0, 1, 7, 8, 100, len(content) // 2, len(content) - 1]:
        with pytest.raises(ModelFileError):
            pysmorch.load(content[:length])
    with pytest.raises(ModelFileError):
        pysmorch.load(content + b"\0")


def altered(content, change, with_checksum=True):
    """Return a file whose header somebody has changed, with a checksum that fits again."""
    from pysmorch.files.model import _checksum
    from pysmorch.files.tensors import head_of, layout_of

    size = 8 + int.from_bytes(content[:8], "little")
    described, start = layout_of(content, len(content))
    header = json.loads(json.loads(content[8:size])["__metadata__"]["pysmorch"])
    arrays = {
        name: np.frombuffer(content[start + first : start + last], dtype).reshape(shape).copy()
        for name, dtype, shape, first, last in described
    }
    change(header, arrays)
    records = arrays.pop("records")
    if with_checksum:
        header.pop("checksum")
        header["checksum"] = _checksum(header, arrays)
    shapes = [(name, array.dtype.name, array.shape) for name, array in [*arrays.items(), ("records", records)]]
    head = head_of(shapes, {"pysmorch": json.dumps(header)})
    return head + b"".join(array.tobytes() for array in arrays.values()) + records.tobytes()


def exchange(header, arrays):
    arrays["digests"][[0, 1]] = arrays["digests"][[1, 0]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda header, arrays: header["model"].update(models="network"), "its models are a 'network'"),
        (lambda header, arrays: header["model"].update(groups=[["a"], ["a"], ["b"]]), "one of them twice"),
        (lambda header, arrays: header["model"].update(groups=[["a"], ["b"]]), "does not fit its groups"),
        (lambda header, arrays: header["model"].update(groups=[["a", "b"], ["c"], ["d"]]), "another length"),
        (lambda header, arrays: header["model"].update(groups=[[1.5], ["c"], ["d"]]), "should be str"),
        (lambda header, arrays: header["model"].update(groups=[]), "no groups"),
        (lambda header, arrays: header["model"].update(more=1), "its entry more is not one"),
        (lambda header, arrays: header["model"].update(failed={"0": "why"}), "not those that it says"),
        (lambda header, arrays: header["model"].update(failed={"9": "why"}), "a group that there is not"),
        (lambda header, arrays: header["model"].update(fallback=True), "not those that it says"),
        (lambda header, arrays: header["model"].update(models="classifier"), "its classes are wrong"),
        (lambda header, arrays: header["model"].pop("seed"), "no entry 'seed'"),
        (lambda header, arrays: header.update(format=99), "newer version"),
        (lambda header, arrays: arrays["ends"].__setitem__(0, -5), "do not fill the file"),
        (lambda header, arrays: arrays["ends"].__setitem__(0, 10**12), "do not fill the file"),
        (lambda header, arrays: arrays.update(rows=arrays["rows"].astype(np.float64)), "another dtype"),
        (lambda header, arrays: arrays.update(digests=arrays["digests"][:, :8]), "another size than a SHA-256"),
    ],
)
def test_headers_that_do_not_fit_are_refused(content, change, message):
    with pytest.raises(ModelFileError, match=message):
        pysmorch.load(altered(content, change))


def test_models_that_were_exchanged_are_refused(content):
    assert pysmorch.load(altered(content, lambda header, arrays: None)).groups
    with pytest.raises(ModelFileError, match="the checksum does not fit"):
        pysmorch.load(altered(content, exchange, with_checksum=False))
    loaded = pysmorch.load(altered(content, exchange))
    with pytest.raises(ModelFileError, match="its checksum does not fit"):
        loaded.models["Bergen"]


def test_a_file_with_failed_groups_and_a_fallback(tmp_path):
    generator = np.random.default_rng(0)
    X, groups = generator.standard_normal((45, 2)), np.repeat([3, 1, 2], 15)
    y = np.where(groups == 2, 0, np.arange(45) % 3)
    estimator = for_small_groups(Classifier, epochs=2, hidden=(2,), random_state=1)
    with pytest.warns(pysmorch.PysmorchWarning, match="1 of 3 groups has no model"):
        many = fit_many(estimator, X, y, by=groups, fallback=estimator)
    many.notes_ = {"target": "y"}
    many.save(tmp_path / "many.safetensors")
    loaded = pysmorch.load(tmp_path / "many.safetensors")
    assert loaded.failed == many.failed
    assert list(loaded.models) == [1, 3]
    assert loaded.notes_ == {"target": "y"}
    assert loaded.classes_.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(loaded.predict_proba(X, by=groups), many.predict_proba(X, by=groups))


def test_nothing_is_written_where_a_file_cannot_be(tmp_path, many):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        many.save(tmp_path / "none" / "many.safetensors")
    with pytest.raises(TypeError, match="open for text"):
        many.save(io.StringIO())
    with pytest.raises(TypeError, match="save takes a path"):
        many.save(5)
    assert not list(tmp_path.iterdir())
