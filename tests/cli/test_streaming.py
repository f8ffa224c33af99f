"""The command line trains on and predicts for tables that the memory cannot hold, with the same results as in memory."""

from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from tests.cli.examples import QUICK, spoil, write_csv, write_days


def said(output):
    """What is printed, but for the line that says that a table is read block by block, and seconds."""
    return [line for line in output.splitlines() if "block by block" not in line and "epoch " not in line]


@pytest.fixture
def houses(run):
    """A CSV file, the same table as Parquet, and as three files of a folder."""
    write_csv(rows=300)
    table = pa.csv.read_csv("houses.csv")
    pa.parquet.write_table(table, "houses.parquet", row_group_size=70)
    Path("parts").mkdir()
    for i in range(3):
        pa.csv.write_csv(table.slice(100 * i, 100), f"parts/{i}.csv")
    return run


@pytest.mark.parametrize("source", ["houses.csv", "houses.parquet", "parts", "parts/*.csv"])
def test_train_and_predict_are_the_same_in_memory_and_block_by_block(houses, no_memory, source):
    results = []
    for out in ("whole", "blocks"):
        code, output, errors = houses("train", source, "--target", "price", "--out", f"{out}.safetensors", *QUICK)
        assert code == 0, errors
        code, _, errors = houses("predict", f"{out}.safetensors", source, "--out", f"{out}.csv", "--id", "age")
        assert code == 0, errors
        assert ("is read block by block: whole, it would take about 0.0 GB" in output) == (out == "blocks")
        code, measured, errors = houses("evaluate", f"{out}.safetensors", source)
        assert code == 0, errors
        files = [Path(f"{out}.{ending}").read_bytes() for ending in ("safetensors", "csv")]
        results.append([*files, [line.replace("blocks.", "whole.") for line in said(output)], said(measured)])
        no_memory()
    assert results[0] == results[1]


@pytest.mark.parametrize(
    "options",
    [
        ["--task", "regression", "--target", "age", "--missing", "?"],
        ["--target", "price", "--weight", "size"],
        ["--target", "price", "--drop", "age"],
        ["--target", "price", "--test-file", "houses.parquet"],
        ["--target", "price", "--early-stopping", "--metric", "auc"],
        ["--target", "price", "--test", "0", "--column", "town=text"],
        ["--target", "price", "--class-weight", "balanced"],
    ],
)
def test_options_mean_the_same_block_by_block(houses, no_memory, options):
    results = []
    for out in ("whole", "blocks"):
        code, output, errors = houses("train", "houses.csv", "--out", f"{out}.safetensors", *options, *QUICK)
        assert code == 0, errors
        results.append(
            [Path(f"{out}.safetensors").read_bytes(), [line.replace("blocks.", "whole.") for line in said(output)]]
        )
        no_memory()
    assert results[0] == results[1]


@pytest.mark.parametrize("options", [["--split-time", "day"], ["--split-group", "shop"]])
def test_latest_rows_and_groups_are_held_out_block_by_block_too(run, no_memory, options):
    write_days()
    models = []
    for _ in range(2):
        code, _, errors = run("train", "days.csv", "--target", "price", *options, *QUICK)
        assert code == 0, errors
        models.append(Path("model.safetensors").read_bytes())
        no_memory()
    assert models[0] == models[1]


def test_predictions_of_blocks_go_to_parquet_and_standard_output_too(houses, no_memory):
    assert houses("train", "houses.csv", "--target", "price", *QUICK)[0] == 0
    _, whole, _ = houses("predict", "model.safetensors", "houses.csv")
    no_memory()
    _, blocks, errors = houses("predict", "model.safetensors", "houses.csv", "--id", "town")
    assert "houses.csv is read block by block" in errors
    assert [line.split(",", 1)[1] for line in blocks.splitlines()] == whole.splitlines()
    assert houses("predict", "model.safetensors", "houses.csv", "--out", "p.parquet")[0] == 0
    found = pa.parquet.read_table("p.parquet")
    assert [str(label) for label in found["prediction"].to_pylist()] == [
        line.split(",")[0].strip('"') for line in whole.splitlines()[1:]
    ]


def test_a_cell_that_does_not_fit_is_named_by_its_line_and_nothing_is_written(houses, no_memory):
    assert houses("train", "houses.csv", "--target", "price", "--missing", "?", *QUICK)[0] == 0
    lines = Path("houses.csv").read_text().splitlines()
    lines[200] = "large,Ulm,3,dear"
    spoil("bad.csv", "\n".join(lines))
    expected = houses("predict", "model.safetensors", "bad.csv", "--out", "p.csv")
    no_memory()
    code, _, errors = houses("predict", "model.safetensors", "bad.csv", "--out", "p.csv")
    assert (code, expected[0]) == (2, 2)
    assert errors.splitlines()[-1] == expected[2].splitlines()[-1]
    assert "line 201" in errors
    assert not Path("p.csv").exists()


@pytest.mark.parametrize(
    ("cell", "row"), [("inf,Ulm,3,dear", 150), ("20,Ulm,3", 299), ('20,"Ulm,3,dear', 250), ("20,Ulm,3,dear,9", 7)]
)
def test_what_is_refused_in_memory_is_refused_block_by_block(houses, no_memory, cell, row):
    lines = Path("houses.csv").read_text().splitlines()
    lines[row] = cell
    spoil("bad.csv", "\n".join(lines) + "\n")
    code, _, expected = houses("train", "bad.csv", "--target", "price", *QUICK)
    assert code == 2
    no_memory()
    code, _, errors = houses("train", "bad.csv", "--target", "price", *QUICK)
    assert (code, errors) == (2, expected)


def test_a_text_in_a_single_row_is_seen_whichever_part_it_is_in(houses, no_memory):
    lines = Path("houses.csv").read_text().splitlines()
    lines[123] = "large,Ulm,3,dear"
    spoil("bad.csv", "\n".join(lines) + "\n")
    no_memory()
    code, output, errors = houses("train", "bad.csv", "--target", "price", *QUICK)
    assert code == 0, errors
    assert "column size: category" in output


def test_importance_is_refused_where_columns_cannot_be_shuffled_in_memory(houses, no_memory):
    assert houses("train", "houses.csv", "--target", "price", *QUICK)[0] == 0
    no_memory()
    code, _, errors = houses("evaluate", "model.safetensors", "houses.csv", "--importance")
    assert code == 2
    assert "--importance shuffles columns in memory, but the source is read block by block" in errors


def test_a_model_is_quantized_by_a_table_in_blocks_as_by_one_in_memory(houses, no_memory):
    assert houses("train", "houses.csv", "--target", "price", *QUICK)[0] == 0
    files = []
    for out in ("whole", "blocks"):
        code, _, errors = houses("quantize", "model.safetensors", "houses.csv", "--out", f"{out}.safetensors")
        assert code == 0, errors
        files.append(Path(f"{out}.safetensors").read_bytes())
        no_memory()
    assert files[0] == files[1]
