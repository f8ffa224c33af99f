"""Several files as one table: patterns, lists, folders, partitioned folders."""

import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from pysmorch.sources import has_image_files, read


@pytest.mark.parametrize("pattern", ["part-*.csv", "part-?.csv", "part-[12].csv", "./part-*", "**/part-*.csv"])
def test_files_that_fit_a_pattern_are_one_table_in_the_order_of_the_alphabet(make, cells, pattern):
    make("a,b\n3,z\n", "part-2.csv")
    make("a,b\n1,x\n2,\n", "part-1.csv")
    assert cells(pattern) == {"a": ["1", "2", "3"], "b": ["x", None, "z"]}


def test_a_pattern_that_is_a_file_is_that_file(make, cells):
    make("a,b\n1,x\n", "part-1.csv")
    assert cells(make("a,b\n5,x\n", "part-[1].csv")) == {"a": ["5"], "b": ["x"]}


def test_a_list_of_files_is_one_table_in_their_order(make, cells):
    paths = [make("a;b\n3;z\n", "2.csv"), make(gzip.compress(b"a,b\n1,x\n"), "1.csv"), make("b\ta\ny\t5\n", "3")]
    assert cells(paths) == {"a": ["3", "1", "5"], "b": ["z", "x", "y"]}
    assert cells(paths[:1]) == {"a": ["3"], "b": ["z"]}


def test_lines_are_named_with_their_file(make):
    source = read([make("a,b\n1,x\n\n2,y\n", "1.csv"), make("# made in May\na,b\n3,z\n", "2.csv")])
    assert [source.line_of(row) for row in range(3)] == ["2 of 1.csv", "4 of 1.csv", "3 of 2.csv"]


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ("a,c\n1,2\n", "2.csv has other columns than 1.csv: it lacks b and has also c"),
        ("a\n1\n", "2.csv has other columns than 1.csv: it lacks b"),
        ("a,b,c\n1,2,3\n", "2.csv has other columns than 1.csv: it has also c"),
        ("A,b\n1,2\n", "it lacks a and has also A"),
        ("a,b\n1\n", "2.csv: line 2 has 1 columns"),
        ("", "2.csv: the file is empty"),
    ],
)
def test_a_file_with_other_columns_is_named(make, refusal, second, message):
    make("a,b\n1,2\n", "1.csv")
    make(second, "2.csv")
    with pytest.raises(ValueError) as info:
        read("*.csv")
    assert message in str(info.value)
    assert "\n" not in str(info.value)


def test_a_file_without_rows_is_no_fault_where_others_have_some(make, cells):
    make("a,b\n", "1.csv")
    make("a,b\n1,x\n", "2.csv")
    assert cells("*.csv") == {"a": ["1"], "b": ["x"]}
    make("a,b\n", "2.csv")
    with pytest.raises(ValueError, match="there are no rows"):
        read("*.csv")


def test_a_pattern_that_nothing_fits_is_refused(make):
    make("")
    with pytest.raises(FileNotFoundError, match=r"part-\*\.csv: no file fits this pattern"):
        read("part-*.csv")
    with pytest.raises(ValueError, match="source must name at least one file"):
        read([])


def test_remarks_are_said_once_with_their_files(make):
    for i in range(3):
        make("a,a\nx,y\n", f"{i}.csv")
    assert read("*.csv").remarks == ["2 columns are called 'a'; the later ones become a.1 (in 0.csv, 1.csv and 1 more)"]


def test_a_folder_of_tables_is_one_table(make, cells):
    make("a,b\n1,x\n", "t/1.csv")
    make(gzip.compress(b"a,b\n2,y\n"), "t/2.csv.gz")
    make("a,b\n3,z\n", "t/more/1.tsv")
    for hidden in ("t/.3.csv", "t/_SUCCESS", "t/_old.csv", "t/readme.md", "t/.git/4.csv"):
        make("other", hidden)
    assert cells("t") == {"a": ["1", "2", "3"], "b": ["x", "y", "z"]}
    assert read("t").name == "t"
    assert not has_image_files("t")


def test_a_folder_with_images_is_one_of_images_whatever_else_it_has(make):
    make("a,b\n1,x\n", "photos/labels.csv")
    make(b"", "photos/cat/1.png")
    assert has_image_files("photos")


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_folders_called_key_value_become_columns(make, cells, ending, tmp_path):
    make("")
    for i, (year, town) in enumerate([(2020, "Bad%20Ems"), (2020, "__HIVE_DEFAULT_PARTITION__"), (2021, "007")]):
        folder = tmp_path / "t" / f"year={year}" / f"town={town}"
        folder.mkdir(parents=True)
        if ending == "csv":
            (folder / "1.csv").write_text(f"a\n{i}\n")
        else:
            pyarrow.parquet.write_table(pa.table({"a": [i]}), folder / "1.parquet")
    typed = ending == "parquet"
    assert cells("t") == {
        "a": [0, 1, 2] if typed else ["0", "1", "2"],
        "year": [2020, 2020, 2021] if typed else ["2020", "2020", "2021"],
        "town": ["Bad Ems", None, "007"],
    }


def test_what_pandas_writes_in_partitions_is_read(make, tmp_path):
    import pandas as pd

    make("")
    frame = pd.DataFrame({"a": np.arange(6), "key": list("xyxyxy"), "year": [1, 1, 1, 2, 2, 2]})
    frame.to_parquet(tmp_path / "t", partition_cols=["key", "year"])
    found = read("t").features.to_pandas()[["a", "key", "year"]].sort_values("a").reset_index(drop=True)
    pd.testing.assert_frame_equal(found, frame, check_dtype=False)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (pa.array([1], pa.int8()), pa.array([2**60]), [1, 2**60]),
        (pa.nulls(1), pa.array(["x"]), [None, "x"]),
        (pa.array([1]), pa.array([0.5]), [1.0, 0.5]),
        (pa.array(["x"], pa.large_string()), pa.array(["y"]), ["x", "y"]),
        (pa.array([2**60 + 1]), pa.array([0.5]), None),
        (pa.array([1]), pa.array(["x"]), None),
        (pa.array([True]), pa.array([2]), None),
    ],
)
def test_types_of_several_files_are_joined_only_where_nothing_is_lost(make, cells, tmp_path, first, second, expected):
    make("")
    for i, column in enumerate((first, second)):
        pyarrow.parquet.write_table(pa.table({"a": column}), tmp_path / f"{i}.parquet")
    if expected is None:
        with pytest.raises(ValueError, match=rf"^1\.parquet: column 'a' has type {second.type}, but {first.type} in 0"):
            read("*.parquet")
    else:
        assert cells("*.parquet") == {"a": expected}


def test_arrays_are_not_read_together(make, tmp_path):
    make("")
    for i in range(2):
        np.savez(tmp_path / f"{i}.npz", X=np.zeros((2, 2)))
    with pytest.raises(ValueError, match=r"0\.npz is an array; of several files only tables are read as one"):
        read("*.npz")
