import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from pysmorch.sources import BUNDLED, Source, SourceError, known_labels, read, split_target
from tests.helpers import idx


@pytest.fixture
def csv(tmp_path):
    def write(text, name="data.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    return write


def columns_of(source):
    return {name: source.features[name].to_pylist() for name in source.features.column_names}


def test_cells_are_texts_and_missing_where_they_are_empty(csv):
    text = "a,b,c\n1,1.5,x\n?,NA,\n3,nan,z\n"
    source = read(csv(text))
    assert [str(source.features[name].type) for name in "abc"] == ["string"] * 3
    assert columns_of(source) == {"a": ["1", "?", "3"], "b": ["1.5", "NA", "nan"], "c": ["x", None, "z"]}
    assert source.description == "data.csv: 3 rows, 3 columns"


def test_blanks_around_names_do_not_count(csv):
    assert columns_of(read(csv("a, b\n1, x\n2,y \n"))) == {"a": ["1", "2"], "b": [" x", "y "]}


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_found(csv, separator):
    text = "\n".join(separator.join(row) for row in (["a", "b c", "d"], ["1", "x, y", "2.5"], ["3", "z", "4"]))
    if separator == ",":
        text = text.replace("x, y", '"x, y"')
    assert columns_of(read(csv(text))) == {"a": ["1", "3"], "b c": ["x, y", "z"], "d": ["2.5", "4"]}


def test_one_column_is_a_table_too(csv):
    assert columns_of(read(csv("a\n1\n2\n"))) == {"a": ["1", "2"]}


def test_without_a_header_columns_are_numbered(csv):
    assert columns_of(read(csv("1,x\n2,y\n"), header=False)) == {"0": ["1", "2"], "1": ["x", "y"]}


def test_a_byte_order_mark_windows_line_ends_and_gzip_are_read(csv):
    text = "\ufeffa,b\r\n1,x\r\n".encode()
    assert columns_of(read(csv(text))) == {"a": ["1"], "b": ["x"]}
    assert columns_of(read(csv(gzip.compress(text), "data.csv.gz"))) == {"a": ["1"], "b": ["x"]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("a,b\n", "no rows below the header"),
        ("a,b\n1,2\n3\n4,5\n", "line 3 has 1 columns, expected 2"),
        ("a,b\n1,2\n3,4,5\n", "line 3 has 3 columns, expected 2"),
        (b"a,b\n\xe9\xff,2\n", "not UTF-8"),
    ],
)
def test_a_broken_csv_is_refused_with_file_and_line(csv, text, message):
    with pytest.raises(SourceError, match=message) as info:
        read(csv(text))
    assert "data.csv" in str(info.value)
    assert "\n" not in str(info.value)


def test_parquet_is_read(tmp_path):
    table = pa.table({"a": [1, 2], "b": ["x", None]})
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet")
    assert read(str(tmp_path / "t.parquet")).features.equals(table)


def test_a_truncated_parquet_file_is_refused(tmp_path):
    path = tmp_path / "t.parquet"
    pyarrow.parquet.write_table(pa.table({"a": [1, 2]}), path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(SourceError, match=r"t\.parquet: not a Parquet file, or a damaged one"):
        read(str(path))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((5, 6), "5 rows, 6 columns"),
        ((5, 3, 2), "5 images of 3x2 pixels, grey"),
        ((5, 3, 2, 3), "5 images of 3x2 pixels, colour"),
        ((5, 3, 2, 4), "5 images of 3x2 pixels, 4 channels"),
        ((5, 2, 3, 2, 2), "5 rows, 24 columns"),
    ],
)
def test_npz_is_read_and_three_or_four_axes_are_images(tmp_path, shape, expected):
    array = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    np.savez(tmp_path / "d.npz", images=array, labels=np.arange(5))
    source = read(str(tmp_path / "d.npz"))
    assert source.description == f"d.npz: {expected}"
    assert source.features.dtype == np.uint8
    np.testing.assert_array_equal(source.features.ravel(), array.ravel())
    assert source.labels.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": np.zeros(3)}, r"has no array X .* there are a"),
        ({"X": np.zeros(3)}, "expected rows of features"),
        ({"X": np.zeros((3, 0, 2))}, "expected rows of features"),
        ({"X": np.zeros((3, 2)), "y": np.zeros(2)}, "X has 3 rows, but y has shape"),
        ({"X": np.array([[None, "a"]], dtype=object)}, "can run code"),
    ],
)
def test_an_npz_that_does_not_fit_is_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "d.npz", **arrays)
    with pytest.raises(SourceError, match=message):
        read(str(tmp_path / "d.npz"))


def test_a_damaged_npz_is_refused(tmp_path):
    np.savez(tmp_path / "d.npz", X=np.zeros((30, 4)))
    content = (tmp_path / "d.npz").read_bytes()
    (tmp_path / "d.npz").write_bytes(content[:200])
    with pytest.raises(SourceError, match="damaged"):
        read(str(tmp_path / "d.npz"))


@pytest.mark.parametrize("pack", [gzip.compress, bytes], ids=["gz", "plain"])
def test_idx_images_and_labels_are_read(tmp_path, pack):
    images = np.arange(24).reshape(4, 3, 2)
    (tmp_path / "images").write_bytes(pack(idx(images)))
    (tmp_path / "labels").write_bytes(pack(idx(np.array([3, 1, 2, 1]))))
    source = read(str(tmp_path / "images"), labels=str(tmp_path / "labels"))
    assert source.features.dtype == np.uint8
    np.testing.assert_array_equal(source.features, images[:, :, :, None])
    assert source.labels.tolist() == [3, 1, 2, 1]


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (idx(np.zeros((4, 3, 2)))[:-1], None, "27 bytes? its sizes|truncated or altered"),
        (gzip.compress(idx(np.zeros((400, 3, 2))), mtime=0)[:-5], None, "damaged or truncated gzip"),
        (idx(np.zeros(4)), None, "holds labels, not images"),
        (idx(np.zeros((0, 3, 2))), None, "holds no images"),
        (idx(np.zeros((4, 2))), idx(np.zeros(3)), "expected one label each"),
        (idx(np.zeros((4, 2))), b"\0\0\x08", "not an idx file of bytes"),
        (idx(np.zeros((4, 2))), None, ""),
    ],
)
def test_idx_files_that_do_not_fit_are_named(tmp_path, images, labels, message):
    (tmp_path / "images").write_bytes(images)
    if labels is not None:
        (tmp_path / "labels").write_bytes(labels)
    label_file = str(tmp_path / "labels") if labels is not None or not message else None
    with pytest.raises((SourceError, FileNotFoundError), match=message or "labels: no such file"):
        read(str(tmp_path / "images"), labels=label_file)


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_sets_are_there(name):
    source = read(name)
    assert len(source.labels) == source.features.shape[0] > 100


def test_a_file_comes_before_a_bundled_set_of_the_same_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wine").write_text("a,b\n1,2\n")
    assert read("wine").features.shape == (1, 2)


def test_a_name_that_is_nothing_gets_a_hint(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"did you mean digits\?"):
        read("digit")
    with pytest.raises(SourceError, match="has no images"):
        read(str(tmp_path))
    (tmp_path / "t.csv").write_text("a\n1\n")
    with pytest.raises(SourceError, match=r"--resize, --grey, --colour and --skip-bad are for folders of images"):
        read(str(tmp_path / "t.csv"), resize=(2, 2))


def test_the_line_of_a_row_is_found_past_empty_lines_and_cells_of_several_lines(csv):
    text = 'a,b\n1,x\n\n2,"two\nlines"\n3,z\n'
    source = read(csv(text))
    assert [source.line_of(row) for row in range(3)] == [2, 5, 6]
    assert source.take(np.array([0, 2])).line_of(1) == 6
    bare = read(csv("1,x\n2,y\n"), header=False)
    assert [bare.line_of(row) for row in range(2)] == [1, 2]


def test_rows_are_taken_with_all_that_belongs_to_them():
    source = Source("s", np.arange(8).reshape(4, 2), np.array([0, 1, 0, 1]), list("abcd"))
    some = source.take(np.array([3, 1]))
    assert some.features.tolist() == [[6, 7], [2, 3]]
    assert some.labels.tolist() == [1, 1]
    assert some.files == ["d", "b"]
    assert some.line_of is None


def test_a_target_is_split_off_by_name_or_number_and_rows_without_it_are_told(csv):
    source = read(csv("a,b\n1,x\n2,?\n3,z\n"), missing=["?"])
    for target in ("b", "1", "-1"):
        rest, column, name = split_target(source, target, header=True)
        assert (rest.column_names, name) == (["a"], "b")
        known, labels = known_labels(column, name)
        assert (known.tolist(), labels.tolist()) == ([0, 2], ["x", "z"])
