"""What goes wrong while a table is read block by block is said in one line, and nothing is left behind."""

import errno
import os
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from pysmorch import Classifier
from pysmorch.encoders import shuffled
from pysmorch.encoders.spool import Spool
from pysmorch.encoders.streamed import StreamedRows
from pysmorch.sources.streaming import StreamedTable
from tests.cli.examples import QUICK


def rows(count, seed=0):
    rng = np.random.default_rng(seed)
    size = rng.normal(size=count)
    return pa.table({"size": size, "age": rng.integers(0, 99, count), "label": (size > 0).astype(np.int8)})


@pytest.fixture
def big(run, no_memory, tmp_path, monkeypatch):
    """Three files that are read block by block, and an empty folder for temporary files."""
    Path("big").mkdir()
    for i in range(3):
        pa.parquet.write_table(rows(100, i), f"big/{i}.parquet", row_group_size=40)
    Path("temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    no_memory()
    return run


def refused(run, *arguments):
    """The error of a training of the files, which leaves nothing behind."""
    code, _, errors = run("train", "big", "--target", "label", *QUICK, *arguments)
    assert code == 2, errors
    assert "Traceback" not in errors
    assert os.listdir("temporary") == []
    assert not Path("model.safetensors").exists()
    return errors.splitlines()[-1].removeprefix("pysmorch: error: ")


def test_a_column_of_another_type_is_named_with_its_file(big):
    pa.parquet.write_table(rows(9).set_column(0, "size", pa.array(["x"] * 9)), "big/1.parquet")
    assert refused(big).startswith("big/1.parquet: column 'size' has type string, but double in big/0.parquet")


def test_a_column_that_one_file_lacks_is_named(big):
    pa.parquet.write_table(rows(9).rename_columns(["size", "years", "label"]), "big/2.parquet")
    assert refused(big) == "big/2.parquet has other columns than big/0.parquet: it lacks age and has also years"


def test_files_and_row_groups_without_rows_change_nothing(big):
    assert big("train", "big", "--target", "label", *QUICK)[0] == 0
    expected = Path("model.safetensors").read_bytes()
    pa.parquet.write_table(rows(0), "big/0a.parquet")
    table = pa.parquet.read_table("big/1.parquet")
    with pa.parquet.ParquetWriter("big/1.parquet", table.schema) as writer:
        for part in (table.slice(0, 30), table.slice(0, 0), table.slice(30)):
            writer.write_table(part)
    assert pa.parquet.read_metadata("big/1.parquet").num_row_groups == 3
    code, _, errors = big("train", "big", "--target", "label", *QUICK)
    assert code == 0, errors
    assert Path("model.safetensors").read_bytes() == expected


def test_a_file_without_any_bytes_is_named(big):
    Path("big/1.parquet").write_bytes(b"")
    assert refused(big).startswith("big/1.parquet: ")


def after_the_labels(monkeypatch, change):
    """Let something happen to the files once their labels were read."""
    columns = StreamedTable.columns

    def read(self, names):
        found = columns(self, names)
        if names == ["label"]:
            change()
        return found

    monkeypatch.setattr(StreamedTable, "columns", read)


def test_a_file_that_vanishes_while_it_is_read_is_named(big, monkeypatch):
    after_the_labels(monkeypatch, lambda: os.remove("big/1.parquet"))
    assert "big/1.parquet" in refused(big)


def test_a_file_that_has_other_rows_when_it_is_read_again_is_named(big, monkeypatch):
    after_the_labels(monkeypatch, lambda: pa.parquet.write_table(rows(70), "big/1.parquet", row_group_size=40))
    assert refused(big) == "big/1.parquet had 100 rows when it was read first, and now has 70"


def test_a_disk_that_becomes_full_is_said_with_what_helps(big, monkeypatch):
    write, written = os.pwrite, []

    def fill_up(descriptor, view, offset):
        written.append(len(view))
        if sum(written) > 2000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, view, offset)

    monkeypatch.setattr("os.pwrite", fill_up)
    assert "No space left on device; set TMPDIR to a folder with more space" in refused(big)


@pytest.mark.parametrize(("owner", "name"), [(Spool, "append"), (shuffled, "_deal")])
def test_an_interruption_ends_what_reads_ahead_and_leaves_nothing(big, monkeypatch, owner, name):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(owner, name, interrupted)
    code, _, errors = big("train", "big", "--target", "label", *QUICK)
    assert (code, errors.splitlines()[-1]) == (130, "pysmorch: error: interrupted; no file was written")
    assert os.listdir("temporary") == []
    assert not [thread for thread in threading.enumerate() if thread.name == "reading ahead"]


def test_an_estimator_is_as_before_after_an_interruption(big, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(StreamedRows, "store", interrupted)
    model = Classifier(epochs=1, random_state=0)
    with pytest.raises(KeyboardInterrupt), pytest.warns(match="block by block"):
        model.fit("big", "label")
    assert not hasattr(model, "network_")


def test_max_memory_bounds_what_is_read_at_a_time(big):
    assert big("train", "big", "--target", "label", "--max-memory", "1MB", *QUICK)[0] == 0
    expected = Path("model.safetensors").read_bytes()
    Path("model.safetensors").unlink()
    assert "see --max-memory" in refused(big, "--max-memory", "100")
    assert big("train", "big", "--target", "label", *QUICK)[0] == 0
    assert Path("model.safetensors").read_bytes() == expected


def test_predictions_of_a_file_that_changes_are_not_written(big, monkeypatch):
    assert big("train", "big", "--target", "label", *QUICK)[0] == 0
    blocks = StreamedTable.blocks

    def shortened(self):
        for i, block in enumerate(blocks(self)):
            if i == 0:
                pa.parquet.write_table(rows(50), "big/2.parquet")
            yield block

    monkeypatch.setattr(StreamedTable, "blocks", shortened)
    code, _, errors = big("predict", "model.safetensors", "big", "--out", "p.parquet")
    assert code == 2
    assert "big/2.parquet had 100 rows when it was read first, and now has 50" in errors
    assert not Path("p.parquet").exists()
