"""Data sets in the plane, drawn or from CSV files."""

import gzip
import io
import zipfile

import numpy as np
import pytest

from pysmorch.playground import points, points_of_file
from pysmorch.playground.points import CLASSIFICATION, REGRESSION
from pysmorch.playground.uploads import MOST_BYTES, points_of_table, table_of
from pysmorch.sources.source import SourceError

ROWS = [(i % 7, i * 0.5, "yes" if i % 3 else "no", i % 4) for i in range(40)]
CSV = ("size,weight,kind,count\n" + "".join(f"{a},{b},{c},{d}\n" for a, b, c, d in ROWS)).encode()


@pytest.mark.parametrize("name", [*CLASSIFICATION, *REGRESSION])
def test_every_data_set_has_seventy_per_cent_for_training_scaled_to_mean_0_and_variance_1(name):
    data = points(name, count=200)
    assert (data.X_train.shape, data.X_test.shape) == ((140, 2), (60, 2))
    np.testing.assert_allclose(data.X_train.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(data.X_train.std(axis=0), 1)
    if name in CLASSIFICATION:
        assert set(data.y_train.tolist()) == set(range(len(data.classes)))
        assert data.num_outputs == len(data.classes)
    else:
        np.testing.assert_allclose([data.y_train.mean(), data.y_train.std()], [0, 1], atol=1e-12)
        assert data.num_outputs == 1


def test_the_same_seed_draws_the_same_points_and_another_one_others():
    one, same, other = (points("moons", seed=seed).X_train for seed in (3, 3, 4))
    assert (one == same).all()
    assert not (one == other).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "spirl"}, "name must be one of spiral, .* but is 'spirl'; did you mean 'spiral'"),
        ({"name": "xor", "count": 19}, "count must be an integer from 20 to 2000, but is 19"),
        ({"name": "xor", "count": 20.0}, "count must be an integer from 20 to 2000, but is 20.0"),
        ({"name": "xor", "noise": 2}, "noise must be from 0 to 1, but is 2"),
        ({"name": "xor", "noise": float("nan")}, "noise must be from 0 to 1, but is nan"),
    ],
)
def test_what_cannot_be_drawn_is_said(arguments, message):
    with pytest.raises(ValueError, match=message):
        points(**arguments)


def test_a_csv_file_has_columns_of_numbers_and_of_text_and_a_proposed_target():
    table = table_of("t.csv", CSV)
    assert list(table.numbers) == ["size", "weight", "count"]
    assert list(table.texts) == ["kind"]
    assert (table.default_features, table.default_target) == (("size", "weight"), "kind")
    data = points_of_table(table, ["size", "weight"], "kind")
    assert (data.classes, data.names) == (("no", "yes"), ("size", "weight"))
    assert len(data.X_train) + len(data.X_test) == 40
    assert sum(data.y_train) + sum(data.y_test) == 26  # i % 3 is not 0 for 26 of 40


def test_few_whole_numbers_are_classes_and_other_numbers_the_target_of_a_regression():
    table = table_of("t.csv", CSV)
    assert points_of_table(table, ["size", "weight"], "count").classes == ("0", "1", "2", "3")
    assert points_of_table(table, ["size", "count"], "weight").classes == ()


def test_rows_with_empty_cells_are_left_out():
    holes = CSV.replace(b"0,0.0,no,0\n", b",0.0,no,0\n").replace(b"1,0.5,yes,1\n", b"1,0.5,,1\n")
    data = points_of_table(table_of("t.csv", holes), ["size", "weight"], "kind")
    assert len(data.X_train) + len(data.X_test) == 38


def test_semicolons_and_decimal_commas_are_read():
    text = "a;b;y\n" + "".join(f"{i},5;{i % 5},25;{'pq'[i % 2]}\n" for i in range(30))
    table = table_of("t.csv", text.encode())
    assert table.numbers["a"][3] == 3.5


def test_of_many_rows_two_thousand_are_drawn():
    text = "a,b,y\n" + "".join(f"{i},{i % 13},{i % 2}\n" for i in range(5000))
    data = points_of_table(table_of("t.csv", text.encode()), ["a", "b"], "y")
    assert len(data.X_train) + len(data.X_test) == 2000


def test_a_file_gives_the_same_points_as_its_bytes(tmp_path):
    (tmp_path / "t.csv").write_bytes(CSV)
    one = points_of_file(tmp_path / "t.csv", ["size", "weight"], "kind", seed=5)
    other = points_of_table(table_of("t.csv", CSV), ["size", "weight"], "kind", seed=5)
    assert (one.X_train == other.X_train).all()


def archive():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        opened.writestr("t.csv", CSV)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "t.csv is empty; choose a CSV file"),
        (b"\x89PNG\r\n\x1a\n\0\0", "t.csv is no CSV file; save the table as text with commas"),
        (b"a\0b", "zero byte"),
        (archive(), "t.csv is no CSV file"),
        (gzip.compress(CSV), "t.csv is no CSV file"),
        (b'[{"a": 1}]', "t.csv is no CSV file"),
        (b"a,b,c\n1,2\n", "line 2 has 2 columns, expected 3"),
        (b"a,b\n1,2\n", "2 columns of numbers and 0 of text with from 2 to 8 distinct values; expected two of numbers"),
        (b"a,b,c\nx,y,1\nz,y,2\n", "has 1 column of numbers and 1 of text"),
        (b"a,b,c\n" + b"".join(b"1,2,name%d\n" % i for i in range(30)), "2 columns of numbers and 0 of text"),
        (b"\n" * 100_001, "has 100001 lines, expected at most 100000; keep fewer rows"),
        (b"," * 1_000_000, "has 1000001 columns, expected at most 200; keep those that count"),
        (b"x" * (MOST_BYTES + 1), "has 2.0 MB, and at most 2 MB are taken; keep fewer rows"),
        ((",".join(f"c{i}" for i in range(201)) + "\n" + ",".join("1" * 201) + "\n").encode(), "expected at most 200"),
    ],
)
def test_what_is_no_table_for_the_playground_is_said_in_one_line(content, message):
    with pytest.raises(SourceError, match=message) as error:
        table_of("t.csv", content)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("features", "target", "message"),
    [
        (["size", "wieght"], "kind", "features: t.csv has no column of numbers 'wieght'; did you mean 'weight'"),
        (["size", "kind"], "weight", "no column of numbers 'kind'"),
        (["size", "weight"], "knd", "target: t.csv has no column 'knd'; did you mean 'kind'"),
        (
            ["size", "weight"],
            "size",
            "features must be two columns and other ones than the target 'size', but are size, weight",
        ),
        (["size", "size"], "kind", "features must be two columns"),
        (["size"], "kind", "features must be two columns"),
    ],
)
def test_columns_that_do_not_fit_are_named(features, target, message):
    with pytest.raises(ValueError, match=message):
        points_of_table(table_of("t.csv", CSV), features, target)


def test_too_many_classes_and_too_few_rows_are_said():
    names = "a,b,c,y\n" + "".join(f"{i},{i},{i},n{i}\n" for i in range(30))
    with pytest.raises(ValueError, match="'y' has 30 classes; expected from 2 to 8"):
        points_of_table(table_of("t.csv", names.encode()), ["a", "b"], "y")
    few = "a,b,y\n" + "1,2,3\n2,3,4\n" * 5
    with pytest.raises(
        ValueError, match="has 10 rows without an empty cell in features and target; expected at least 20"
    ):
        points_of_table(table_of("t.csv", few.encode()), ["a", "b"], "y")
