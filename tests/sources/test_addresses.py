"""Tables at addresses: in a file system in memory that stands for object storage, and as file:///."""

import builtins
import re

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from pysmorch import Regressor
from pysmorch.sources import SourceError, read
from pysmorch.sources.addresses import files_like, has_pattern, is_address, local_path
from pysmorch.sources.limits import set_max_memory
from pysmorch.sources.streaming import StreamedTable

TABLE = pa.table(
    {"a": np.random.default_rng(0).normal(size=60), "town": ["Ulm", "Bonn", None] * 20, "y": np.arange(60.0) % 7}
)


@pytest.fixture
def store():
    """An empty bucket, and what writes a table into it."""
    fsspec = pytest.importorskip("fsspec")
    system = fsspec.filesystem("memory")

    def write(name, table=TABLE):
        with fsspec.open(f"memory://bucket/{name}", "wb") as file:
            if name.endswith(".csv"):
                pa.csv.write_csv(table, file)
            else:
                pa.parquet.write_table(table, file, row_group_size=25)
        return f"memory://bucket/{name}"

    yield write
    if system.exists("/bucket"):
        system.rm("/bucket", recursive=True)


@pytest.mark.parametrize("name", ["t.parquet", "t.csv", "deep/er/t.parquet"])
def test_a_file_at_an_address_is_read_as_one_on_a_disk(store, name, tmp_path):
    found = read(store(name))
    path = tmp_path / name.split("/")[-1]
    pa.csv.write_csv(TABLE, path) if name.endswith(".csv") else pa.parquet.write_table(TABLE, path)
    assert found.features.equals(read(str(path)).features)
    assert found.name == path.name
    assert read(path.as_uri()).features.equals(found.features)


@pytest.mark.parametrize("streamed", [False, True])
def test_folders_patterns_and_lists_of_addresses_are_one_table(store, streamed, request):
    for i in range(4):
        store(f"x/year={2020 + i // 2}/part-{i}.parquet", TABLE.slice(15 * i, 15))
    store("x/_notes/other.parquet", TABLE.select(["a"]))
    if streamed:
        request.getfixturevalue("no_memory")()
    folder = read("memory://bucket/x").features
    assert isinstance(folder, StreamedTable) == streamed
    expected = TABLE.append_column("year", pa.array([2020] * 30 + [2021] * 30))
    assert folder.columns(folder.column_names).equals(expected) if streamed else folder.equals(expected)
    assert read("memory://bucket/x/**/part-[01].parquet").features.shape == (30, 3)
    assert read(["memory://bucket/x/year=2021", "memory://bucket/x/year=2020/part-1.parquet"]).features.shape[0] == 45


@pytest.mark.filterwarnings("ignore:t.parquet is read block by block")
def test_an_estimator_trains_on_and_predicts_for_an_address_with_the_bits_of_a_table_in_memory(store, no_memory):
    address = store("t.parquet")
    options = {"epochs": 2, "random_state": 0, "early_stopping": False}
    in_memory = Regressor(**options).fit(TABLE.drop_columns(["y"]), TABLE["y"].to_numpy())
    no_memory()
    streamed = Regressor(**options).fit(address, "y")
    np.testing.assert_array_equal(streamed.predict(address), in_memory.predict(TABLE.drop_columns(["y"])))


def test_stars_do_not_go_beyond_a_folder_and_two_stars_do(store):
    names = ["x/a.parquet", "x/b/a.parquet", "x/b/c/a.parquet", "x/b/c.csv"]
    for name in names:
        store(name)
    assert files_like("memory://bucket/x/*.parquet") == ["memory://bucket/x/a.parquet"]
    assert files_like("memory://bucket/x/*/*.parquet") == ["memory://bucket/x/b/a.parquet"]
    assert len(files_like("memory://bucket/**/*.parquet")) == 3


@pytest.mark.parametrize(
    ("source", "found"),
    [("s3://b/x.csv", True), ("https://h/x.csv?a=1", True), ("x.csv", False), (r"C:\x.csv", False), ("a::b", False)],
)
def test_addresses_are_told_from_paths(source, found):
    assert is_address(source) == found
    assert local_path(source) == source
    assert not has_pattern(source)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("memory://bucket/none.parquet", "^memory://bucket/none.parquet: no such file or folder$"),
        ("memory://bucket/*.parquet", "no file fits this pattern"),
        ("memory://bucket/x", "there are no tables in this folder"),
        ("memory://bucket/x/note.txt", "the file is empty"),
        ("nothing://bucket/x", r"^nothing://bucket/x: cannot be read \(Protocol not known: nothing"),
        ("file://bucket/x", "has three slashes"),
    ],
)
def test_what_cannot_be_read_is_named(store, source, message):
    import fsspec

    with fsspec.open("memory://bucket/x/note.txt", "wb") as file:
        file.write(b"")
    with pytest.raises((FileNotFoundError, SourceError), match=message):
        read(source)


def test_a_library_that_is_missing_is_named(monkeypatch):
    usual = builtins.__import__

    def without(name, *arguments, **named):
        if name.startswith("fsspec"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return usual(name, *arguments, **named)

    monkeypatch.setattr("pysmorch.missing.import_module", without)
    expected = re.escape(
        'memory://b/x: addresses that begin with memory:// need fsspec: install it with pip install "pysmorch[remote]"'
    )
    with pytest.raises(ImportError, match=expected):
        read("memory://b/x")


def test_a_file_at_an_address_that_is_read_whole_may_be_too_large(store):
    address = store("t.csv")
    set_max_memory(100)
    try:
        with pytest.raises(SourceError, match=r"memory://bucket/t.csv takes .* of memory, but 100 bytes may be taken"):
            read(address)
    finally:
        set_max_memory(None)


def test_files_with_other_columns_are_named(store):
    store("x/1.parquet")
    other = store("x/2.parquet", TABLE.drop_columns(["town"]))
    with pytest.raises(SourceError, match=f"^{other} has other columns than memory://bucket/x/1.parquet: it lacks"):
        read("memory://bucket/x")
