"""What the commands do."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn import config_context

from pysmorch.cli import figures, networks
from pysmorch.encoders import ColumnError, Encoder, kind_of
from pysmorch.estimators import Classifier, Regressor
from pysmorch.estimators.splitting import split_rows
from pysmorch.files import ModelFileError, write_whole
from pysmorch.files.writing import check_writable
from pysmorch.layers.base import Array
from pysmorch.loading import load
from pysmorch.metrics import as_metric
from pysmorch.sources import Source, has_image_files, known_labels, read, split_target

MAX_CLASSES_OF_NUMBERS = 20
"""A target of integers with at most so many distinct ones is taken to be classes."""


def train(
    source_name: str,
    target: str | None,
    labels: str | None,
    out: str,
    task: str | None,
    test: float,
    drop: list[str],
    header: bool,
    seed: int,
    quiet: bool,
    options: dict[str, Any],
    metric_names: list[str],
    chosen: networks.NetworkOptions,
) -> None:
    """Read, infer the task, hold out rows, train, measure, write."""
    _check_options(task, test, seed)
    metrics = [as_metric(name, "--metric") for name in metric_names]
    if metrics and test == 0:
        raise ValueError("--metric is measured on held-out rows, but --test 0 holds none out")
    check_writable(out)
    say = _silent if quiet else print
    source = read(source_name, header, labels, chosen.resize, chosen.colours, chosen.skip_bad)
    say(source.description)
    for remark in source.remarks:
        say(remark)
    source, y, target_name = _read_target(source, target, header, drop, say)
    kind = kind_of(source.features)
    task, reason = _infer_task(y, task)
    say(f"{task}: {reason}")
    figures.check_metrics(metrics, task)
    estimator: Any = Classifier if task == "classification" else Regressor
    model = estimator(random_state=seed, verbose=not quiet, pixels=source.pixels, **options)
    notes: dict[str, Any] = {"source": source.name, "task": task}
    networks.check_allowed(chosen, kind, source.name)
    if kind.networks:
        network, reason = networks.equip(model, chosen, kind, source.features.shape[1:], options)
        say(f"network: {network}{reason}")
        notes |= {"network": network, **chosen.notes}
    else:
        notes |= {"target": target_name, "header": header}
    if task == "classification":
        _check_classes(y, target_name, source, source_name)
    training, held_out = _split(y, task, test, seed, say)
    X_training, X_held_out = source.take(training).features, source.take(held_out).features
    del source  # images may take much memory
    with config_context(assume_finite=True):  # the source was searched as a whole, where rows have their lines
        model.fit(X_training, y[training])
    model.notes_ = notes
    if len(held_out):
        measured = figures.measure(model, X_held_out, y[held_out], y[training], metrics)
        model.notes_["test"] = measured.values
        print(f"on {len(held_out)} held-out rows:\n{measured.text}")
    model.save(out)
    print(f"model written to {out}")


def _check_options(task: str | None, test: float, seed: int) -> None:
    if task not in (None, "classification", "regression"):
        raise ValueError(f"--task must be classification or regression, but is {task!r}")
    if not 0 <= test < 1:
        raise ValueError(f"--test must be from 0 to below 1, but is {test}")
    if not 0 <= seed < 2**32:
        raise ValueError(f"--seed must be from 0 to {2**32 - 1}, but is {seed}")


def predict(
    model_name: str, source_name: str, out: str | None, no_header: bool | None, resize: str | None, skip_bad: bool
) -> None:
    """Write the predictions for all rows."""
    import pyarrow as pa
    from pyarrow import csv, parquet

    if out is not None and Path(out).suffix not in (".csv", ".parquet"):
        raise ValueError(f"--out must end in .csv or .parquet, but is {out}")
    if out is not None:
        check_writable(out)
    model = _load_estimator(model_name)
    source = _read_for(model, source_name, _header(model, no_header), None, resize, skip_bad)
    for remark in source.remarks:
        print(remark, file=sys.stderr)
    X = _features_for(model, source)
    columns: dict[str, Any] = {} if source.files is None else {"file": np.array(source.files)}
    columns |= _in_file(source, lambda: _predicted(model, X))
    table = pa.table({name: pa.array(column.tolist()) for name, column in columns.items()})
    if out is None:
        csv.write_csv(table, sys.stdout.buffer)
    elif out.endswith(".parquet"):
        write_whole(out, lambda file: parquet.write_table(table, file))
    else:
        write_whole(out, lambda file: csv.write_csv(table, file))
    if out is not None:
        print(f"{table.num_rows} predictions written to {out}")


def _predicted(model: Any, X: Any) -> dict[str, Array]:
    """Return the columns of predictions by name."""
    with config_context(assume_finite=True):  # the source was searched when its features were selected
        if isinstance(model, Classifier):
            p = model.predict_proba(X)
            columns = {f"probability of {label}": p[:, i] for i, label in enumerate(model.classes_.tolist())}
            return {"prediction": model.classes_[p.argmax(1)]} | columns
        values = model.predict(X).reshape(X.shape[0], -1)
    names = ["prediction"] if values.shape[1] == 1 else [f"prediction {i}" for i in range(values.shape[1])]
    return {name: values[:, i] for i, name in enumerate(names)}


def evaluate(
    model_name: str,
    source_name: str,
    target: str | None,
    labels: str | None,
    metric_names: list[str],
    no_header: bool | None,
    resize: str | None,
    skip_bad: bool,
) -> None:
    """Print the figures of a model on all rows of a source."""
    metrics = [as_metric(name, "--metric") for name in metric_names]
    model = _load_estimator(model_name)
    figures.check_metrics(metrics, "classification" if isinstance(model, Classifier) else "regression")
    header = _header(model, no_header)
    source = _read_for(model, source_name, header, labels, resize, skip_bad)
    for remark in source.remarks:
        print(remark)
    trained_target = model.notes_.get("target") if source.labels is None else None
    _, column, name = split_target(source, target or trained_target, header)
    known, y = known_labels(column, name)
    source = _with_labels(source, known, name, print)
    X = _features_for(model, source)
    y = _as_in_training(model, y)
    measured = _in_file(source, lambda: figures.measure(model, X, y, None, metrics))
    print(f"on {len(y)} rows of {source.name}:\n{measured.text}")


def show(model_name: str) -> None:
    """Print what is in a model file."""
    model = load(model_name)
    if not isinstance(model, (Classifier, Regressor)):
        print(f"{model_name}: a network\n{model.summary()}")
        return
    print(f"{model_name}: a {type(model).__name__}, {model.n_iter_} epochs, last loss {model.loss_curve_[-1]:.4g}")
    for name, value in model.notes_.items():
        if name != "test":
            print(f"  {name}: {value}")
    for name, value in model.notes_.get("test", {}).items():
        print(f"  test {name}: {value:.4g}")
    if isinstance(model, Classifier):
        print(f"  classes: {', '.join(map(str, model.classes_.tolist()[:30]))}")
    for line in model.encoder_.describe():
        print(f"  {line}")
    print(model.network_.summary())


def parse_hidden(hidden: str | None) -> tuple[int, ...] | None:
    """Return the widths in a text such as 256,128; 0 or nothing stands for no hidden layer."""
    if hidden is None:
        return None
    try:
        widths = tuple(int(width) for width in hidden.split(",") if width.strip())
    except ValueError:
        widths = (-1,)
    if any(width < 0 for width in widths):
        raise ValueError(f"--hidden must be widths such as 256,128, but is {hidden!r}")
    return tuple(width for width in widths if width)


def _silent(text: str) -> None:
    pass


# From sources to what estimators take.


def _read_target(
    source: Source, target: str | None, header: bool, drop: list[str], say: Callable[[str], None]
) -> tuple[Source, Array, str]:
    """Return the rows that have a label, without the columns that are to be dropped, their labels, and the target's name."""
    source, column, name = split_target(source, target, header)
    source = source.without(drop)
    if source.features.shape[1] == 0:
        raise ValueError(f"there are no columns besides the target {name!r}")
    known, y = known_labels(column, name)
    try:
        kind_of(source.features).check_features(source.features)
    except ColumnError as error:
        raise ValueError(f"{error.in_file(source.line_of)}, with --drop {error.column}") from None
    return _with_labels(source, known, name, say), y, name


def _with_labels(source: Source, known: Array | None, name: str, say: Callable[[str], None]) -> Source:
    """Return the rows that have a label; how many have none is said."""
    if known is None:
        return source
    say(f"{source.features.shape[0] - len(known)} rows without a value of {name!r} are left out")
    return source.take(known)


def _in_file(source: Source, call: Callable[[], Any]) -> Any:
    """Return what a call returns; where it refuses a row of a source, name the line of the file."""
    try:
        return call()
    except ColumnError as error:
        raise error.in_file(source.line_of) from None


def _as_in_training(model: Any, y: Array) -> Array:
    """Return classes in the kind of the training: names of folders are text, also where idx files have numbers."""
    if isinstance(model, Regressor) or y.dtype.kind == model.classes_.dtype.kind:
        return y
    known = {str(label): label for label in model.classes_.tolist()}
    labels = [str(label) for label in y.tolist()]
    return np.array([known[label] for label in labels]) if known.keys() >= set(labels) else y


def _check_classes(y: Array, target: str, source: Source, source_name: str) -> None:
    if len(np.unique(y)) < 2:
        raise ValueError(
            f"the target {target!r} has one class only, {y.tolist()[0]!r}; a classifier needs at least two"
            + ("" if source.files is None else f"; put the images of others into folders of their own in {source_name}")
        )


def _infer_task(y: Array, task: str | None) -> tuple[str, str]:
    count = len(np.unique(y))
    kind = "text values" if y.dtype.kind not in "fiub" else "numbers"
    found = f"the target has {count} distinct {kind}"
    whole = y.dtype.kind in "iub" or (y.dtype.kind == "f" and bool((y == np.round(y)).all()))
    classes = kind == "text values" or (whole and count <= MAX_CLASSES_OF_NUMBERS)
    inferred = "classification" if classes else "regression"
    if task is None or task == inferred:
        return inferred, found
    if task == "regression" and kind == "text values":
        raise ValueError(f"--task regression needs numbers, but {found}, such as {y[0]!r}")
    return task, f"{found}, and --task says so"


def _split(y: Array, task: str, test: float, seed: int, say: Any) -> tuple[Array, Array]:
    if test == 0:
        return np.arange(len(y)), np.arange(0)
    if len(y) < 5:
        raise ValueError(f"{len(y)} rows are too few to hold some out; add --test 0")
    training, held_out, stratified = split_rows(y if task == "classification" else None, len(y), test, seed)
    if task == "classification" and not stratified:
        say("some classes have too few rows to be in both parts; the held-out rows are drawn without regard to them")
    return training, held_out


def _read_for(
    model: Any, source_name: str, header: bool, labels: str | None, resize: str | None, skip_bad: bool
) -> Source:
    """Read a source; image files become as the model takes them."""
    size, colours = None if resize is None else networks.parse_size(resize), None
    if has_image_files(source_name):
        size, colours = model.encoder_.reading(size, "resize" in model.notes_)
    return read(source_name, header, labels, size, colours, skip_bad)


def _features_for(model: Any, source: Source) -> Any:
    """Return the columns that a model knows, by name; by position where it has been trained without names."""
    encoder: Encoder = model.encoder_
    return encoder.select(source, by_position=not model.notes_.get("header", True))


def _load_estimator(path: str) -> Any:
    model = load(path)
    if not isinstance(model, (Classifier, Regressor)):
        raise ModelFileError(f"{path} holds a bare network, which does not know its columns; use it from Python")
    return model


def _header(model: Any, no_header: bool | None) -> bool:
    return not no_header if no_header is not None else bool(model.notes_.get("header", True))
