"""What `pysmorch predict` does."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pysmorch.cli import data, on_cluster, output
from pysmorch.cli.groups import predicted_by_group, refuse_of_one, says_of_groups
from pysmorch.cli.models import load_model
from pysmorch.cli.options import PredictOptions
from pysmorch.cluster import in_order
from pysmorch.encoders import ColumnError
from pysmorch.files import write_whole
from pysmorch.layers.base import Array
from pysmorch.prediction.classifier import ClassifierModel
from pysmorch.prediction.conformal import radius_of
from pysmorch.prediction.files import had_header
from pysmorch.prediction.predicted import predict_all
from pysmorch.sources import Source, parts_of
from pysmorch.sources.addresses import is_address, name_of
from pysmorch.sources.several import TABLES, Part

PREDICTIONS = ("file of predictions", output.is_prediction)
"""What files may be replaced."""


def predict(options: PredictOptions) -> None:
    """Write the predictions for all rows, block by block where the source is read so."""
    out = options.out
    if out is not None:
        is_file = Path(out).suffix in (".csv", ".parquet")
        if out.endswith(("/", os.sep)) or (os.path.isdir(out) and not is_file):
            _predict_files(options, out)
            return
        if not is_file:
            raise ValueError(f"--out must end in .csv or .parquet, or in / for a folder, but is {out}")
        inputs = [options.model, *options.source]
        output.check_output(out, inputs, *PREDICTIONS, options.force)
    model = _load(options)
    source = data.read_for(model, options.source, options)
    for remark in source.remarks:
        output.print_escaped(remark, sys.stderr)
    tables = _tables(model, source, options)
    if out is None:
        for i, table in enumerate(tables):
            _print_table(table, header=i == 0)
    else:
        _write(out, tables)
        output.print_escaped(f"{source.features.shape[0]} predictions written to {out}")


def _load(options: PredictOptions) -> Any:
    """Return the model, for which the options are right."""
    model = load_model(options.model, options.precision)
    if says_of_groups(model):
        refuse_of_one(options)
    else:
        _check_coverage(model, options)
    on_cluster.join(options)
    return model


def _predict_files(options: PredictOptions, folder: str) -> None:
    """Write a file of predictions for each file of the source; each is written whole or not at all."""
    parts = parts_of(options.source)
    outs = _outs_of(parts, folder)
    for out in outs:
        os.makedirs(os.path.dirname(out), exist_ok=True)
        output.check_output(out, [options.model, *(part.path for part in parts)], *PREDICTIONS, options.force)
    model = _load(options)
    num_rows = 0
    for i, (part, out) in enumerate(zip(parts, outs, strict=True)):
        try:
            source = data.read_part_for(model, part, options)
            for remark in source.remarks:
                output.print_escaped(remark, sys.stderr)
            _write(out, _tables(model, source, options))
        except BaseException:
            output.print_escaped(f"{i} of {len(parts)} files were written to {folder} before {out}", sys.stderr)
            raise
        num_rows += source.features.shape[0]
    output.print_escaped(f"{num_rows} predictions written to {len(parts)} files of {folder}")


def _outs_of(parts: Sequence[Part], folder: str) -> list[str]:
    """Return the names of files of predictions: those of the source, from the folder that all of these have in common."""
    paths = [name_of(part.path) if is_address(part.path) else os.path.abspath(part.path) for part in parts]
    common = "" if is_address(parts[0].path) else os.path.commonpath(list(map(os.path.dirname, paths)))
    outs: dict[str, str] = {}
    for path, part in zip(paths, parts, strict=True):
        name = os.path.relpath(path, common) if common else path
        ending = ".csv" if re.search(r"\.(csv|tsv)\b", name, re.IGNORECASE) else ".parquet"
        out = os.path.join(
            folder, (TABLES.sub("", name) if TABLES.search(name) else os.path.splitext(name)[0]) + ending
        )
        if out in outs:
            raise ValueError(f"--out {folder}: the predictions of {outs[out]} and {part.path} would both be {out}")
        outs[out] = part.path
    return list(outs)


def _write(out: str, tables: Iterator[Any]) -> None:
    write_whole(out, lambda file: (_write_parquet if out.endswith(".parquet") else _write_csv)(file, tables))


def _check_coverage(model: Any, options: PredictOptions) -> None:
    """Refuse --interval and --set where the model cannot have them, before anything is read."""
    classifies = isinstance(model, ClassifierModel)
    if options.interval is not None and classifies:
        raise ValueError("--interval is for numbers, but the model predicts classes; take --set")
    if options.set_coverage is not None and not classifies:
        raise ValueError("--set is for classes, but the model predicts numbers; take --interval")
    coverage = options.set_coverage if classifies else options.interval
    if coverage is not None:
        radius_of(model, coverage)


def _tables(model: Any, source: Source, options: PredictOptions) -> Iterator[Any]:
    """Go through the blocks of a source as tables with the columns of --id, the files of images, and the predictions."""
    ids = options.ids or []
    for name in ids:
        data.check_column(source, name, "--id")
    return _blocks_of_tables(model, source, ids, options)


def _blocks_of_tables(model: Any, source: Source, ids: Sequence[str], options: PredictOptions) -> Iterator[Any]:
    import pyarrow as pa

    for block, predicted in _predicted_blocks(model, source, options):
        columns: dict[str, Any] = {} if block.files is None else {"file": np.array(block.files)}
        columns |= {name: block.features[name] for name in ids}
        for name in predicted.keys() & columns.keys():
            raise ValueError(
                f"--id {name}: a column of the predictions has this name too; rename that of {source.name}"
            )
        # Numbers of 8 bytes are quicker as they are, and get the same type.
        plain = {
            name: values if values.dtype.str in ("<f8", "<i8") else values.tolist()
            for name, values in predicted.items()
        }
        yield pa.table(columns | {name: pa.array(values) for name, values in plain.items()})


def _predicted_blocks(model: Any, source: Source, options: PredictOptions) -> Iterator[tuple[Source, dict[str, Array]]]:
    """Go through the blocks of a source with their columns of predictions, which this machine or a cluster computes."""
    coverage = options.set_coverage if isinstance(model, ClassifierModel) else options.interval
    cluster = on_cluster.cluster_of(options)
    blocks = (
        (block, (first, block if says_of_groups(model) else features_for(model, block)))
        for first, block in data.blocks_of(source, always=cluster is not None)
    )
    if cluster is None:
        for block, rows in blocks:
            yield block, data.in_file(source, partial(predict_block, (model, coverage), rows))
        return
    with closing(in_order(cluster, predict_block, (model, coverage), blocks, ahead=2)) as found:
        while (predicted := data.in_file(source, partial(next, found, None))) is not None:
            yield predicted


def predict_block(of_model: tuple[Any, float | None], rows: tuple[int, Any]) -> dict[str, Array]:
    """Return the columns of predictions of a block by name.

    Parameters
    ----------
    of_model : (object, float or None)
        The model, and the coverage of sets or intervals.
    rows : (int, object)
        How many rows are before the block, and what the model takes of it.

    Returns
    -------
    dict of str to ndarray
        As in the table that is written.
    """
    (model, coverage), (first, block) = of_model, rows
    try:
        if says_of_groups(model):
            return predicted_by_group(model, block)
        return predict_all(model, block, coverage).columns()
    except ColumnError as error:
        raise error.after(first) from None


def _write_parquet(file: BinaryIO, tables: Iterator[Any]) -> None:
    from pyarrow import parquet

    first = next(tables)
    with parquet.ParquetWriter(file, first.schema) as writer:
        for table in chain([first], tables):
            writer.write_table(table)


def _write_csv(file: BinaryIO, tables: Iterator[Any]) -> None:
    from pyarrow import csv

    for i, table in enumerate(tables):
        csv.write_csv(table, file, csv.WriteOptions(include_header=i == 0))


def features_for(model: Any, source: Source) -> Any:
    """Return the columns that a model knows, by name; by position where it has been trained without names."""
    return model.encoder_.select(source, by_position=not had_header(model.notes_))


def _print_table(table: Any, header: bool) -> None:
    """Print a table as CSV: as it is for programs, safe to read on a terminal."""
    from pyarrow import csv

    options = csv.WriteOptions(include_header=header)
    if not sys.stdout.isatty():
        csv.write_csv(table, sys.stdout.buffer, options)
        return
    text = io.BytesIO()
    csv.write_csv(table, text, options)
    output.print_escaped(text.getvalue().decode().removesuffix("\n"))
