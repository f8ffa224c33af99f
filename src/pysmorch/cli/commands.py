"""What the commands do."""

from __future__ import annotations

import sys
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from pysmorch.cli import figures, images
from pysmorch.engine.dataset import check_finite
from pysmorch.estimators import Classifier, Regressor
from pysmorch.estimators.base import split_rows
from pysmorch.files import ModelFileError, load, write_whole
from pysmorch.files.writing import check_writable
from pysmorch.layers.base import Array
from pysmorch.sources import Source, SourceError, describe_images, has_image_files, read

MAX_CLASSES_OF_NUMBERS = 20
"""A target of whole numbers with at most so many distinct ones is taken to be classes."""


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
    image_options: images.ImageOptions,
) -> None:
    """Read, infer the task, hold out rows, train, measure, write."""
    if task not in (None, "classification", "regression"):
        raise ValueError(f"--task must be classification or regression, but is {task!r}")
    if not 0 <= test < 1:
        raise ValueError(f"--test must be from 0 to below 1, but is {test}")
    if not 0 <= seed < 2**32:
        raise ValueError(f"--seed must be from 0 to {2**32 - 1}, but is {seed}")
    check_writable(out)
    say = _silent if quiet else print
    source = read(source_name, header, labels, image_options.resize, image_options.colours, image_options.skip_bad)
    say(source.description)
    for remark in source.remarks:
        say(remark)
    X, y, target_name = _features_and_target(source, target, header)
    X = _without(X, drop, source.name)
    X, y = _with_labels(X, y, target_name, say)
    task, reason = _infer_task(y, task)
    say(f"{task}: {reason}")
    estimator: Any = Classifier if task == "classification" else Regressor
    model = estimator(random_state=seed, verbose=not quiet, **options)
    notes: dict[str, Any] = {"source": source.name, "task": task}
    if _are_images(X):
        network, reason = images.equip(model, image_options, X.shape[1:], options)
        say(f"network: {network}{reason}")
        notes |= {"network": network, **image_options.notes}
    else:
        images.refuse(image_options, f"{source.name} has rows of columns")
        notes |= {"target": target_name, "header": header}
    if task == "classification" and len(np.unique(y)) < 2:
        raise ValueError(
            f"the target {target_name!r} has one class only, {y.tolist()[0]!r}; there is nothing to tell apart"
            + ("" if source.files is None else f"; put the images of others into folders of their own in {source_name}")
        )
    training, held_out = _split(y, task, test, seed, say)
    X_training, X_held_out = _take(X, training), _take(X, held_out)
    del source, X  # images may take much memory
    model.fit(X_training, y[training])
    model.notes_ = notes
    if len(held_out):
        measured = figures.measure(model, X_held_out, y[held_out], y[training])
        model.notes_["test"] = measured.values
        print(f"on {len(held_out)} held-out rows:\n{measured.text}")
    model.save(out)
    print(f"model written to {out}")


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
    if isinstance(model, Classifier):
        p = model.predict_proba(X)
        columns["prediction"] = model.classes_[p.argmax(1)]
        columns |= {f"probability of {label}": p[:, i] for i, label in enumerate(model.classes_.tolist())}
    else:
        values = model.predict(X).reshape(X.shape[0], -1)
        names = ["prediction"] if values.shape[1] == 1 else [f"prediction {i}" for i in range(values.shape[1])]
        columns |= {name: values[:, i] for i, name in enumerate(names)}
    table = pa.table({name: pa.array(column.tolist()) for name, column in columns.items()})
    if out is None:
        csv.write_csv(table, sys.stdout.buffer)
    elif out.endswith(".parquet"):
        write_whole(out, lambda file: parquet.write_table(table, file))
    else:
        write_whole(out, lambda file: csv.write_csv(table, file))
    if out is not None:
        print(f"{table.num_rows} predictions written to {out}")


def evaluate(
    model_name: str,
    source_name: str,
    target: str | None,
    labels: str | None,
    no_header: bool | None,
    resize: str | None,
    skip_bad: bool,
) -> None:
    """Print the figures of a model on all rows of a source."""
    model = _load_estimator(model_name)
    header = _header(model, no_header)
    source = _read_for(model, source_name, header, labels, resize, skip_bad)
    for remark in source.remarks:
        print(remark)
    remembered = model.notes_.get("target") if source.labels is None else None
    _, y, name = _features_and_target(source, target or remembered, header)
    X, y = _with_labels(_features_for(model, source), y, name, print)
    y = _as_in_training(model, y)
    print(f"on {len(y)} rows of {source.name}:\n{figures.measure(model, X, y, None).text}")


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
    print(_describe_columns(model))
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


def _features_and_target(source: Source, target: str | None, header: bool) -> tuple[Any, Any, str]:
    if source.labels is not None:
        if target is not None:
            raise ValueError(f"{source.name} has labels of its own and no column {target!r}; leave out --target")
        return source.features, source.labels, "labels"
    if source.files is not None:
        raise SourceError(
            f"{source.name} has no class folders; put the images of each class into a folder of its own, "
            f"{source.name}/CLASS/FILE"
        )
    if isinstance(source.features, np.ndarray):
        raise SourceError(f"{source.name} has no labels; name them with --labels, or put an array y into the .npz")
    names = source.features.column_names
    if target is None:
        raise ValueError(f"which column is to be predicted? Give --target; the columns are {_listed(names)}")
    name = _resolve(target, names, source.name, header)
    column = source.features[name]
    return source.features.drop_columns([name]), column, name


def _resolve(target: str, names: list[str], source: str, header: bool) -> str:
    if target in names:
        return target
    try:
        return names[int(target)]
    except (ValueError, IndexError):
        close = get_close_matches(target, names, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        no_header = " (is the first line data? then add --no-header)" if header else ""
        raise ValueError(
            f"{source} has no column {target!r}{hint}; the columns are {_listed(names)}{no_header}"
        ) from None


def _without(X: Any, drop: list[str], source: str) -> Any:
    if not drop:
        return X
    if isinstance(X, np.ndarray):
        raise ValueError(f"--drop takes names of columns, but {source} is an array")
    for name in drop:
        if name not in X.column_names:
            raise ValueError(f"--drop: {source} has no column {name!r}; the columns are {_listed(X.column_names)}")
    return X.drop_columns(drop)


def _with_labels(X: Any, y: Any, name: str, say: Any) -> tuple[Any, Array]:
    """Return the rows that have a label; how many have none is said."""
    if isinstance(X, np.ndarray):
        check_finite(X, "X")
        if X.dtype.kind not in "fiub":
            raise ValueError(f"X must hold numbers, but has dtype {X.dtype}")
    elif X.num_columns == 0:
        raise ValueError(f"there are no columns besides the target {name!r}")
    if isinstance(y, np.ndarray):
        check_finite(y, "y")
        if y.ndim > 1:
            raise ValueError(f"y must have one label for each row, but has shape {y.shape}")
        if not isinstance(X, np.ndarray):
            _check_columns(X)
        return X, y
    known = y.is_valid().to_numpy(zero_copy_only=False)
    if not known.any():
        raise ValueError(f"the target {name!r} has no values")
    _check_columns(X)
    if not known.all():
        say(f"{int((~known).sum())} rows without a value of {name!r} are left out")
        X, y = X.filter(known), y.filter(known)
    import pyarrow as pa

    if pa.types.is_string(y.type) or pa.types.is_dictionary(y.type) or pa.types.is_large_string(y.type):
        return X, np.array(y.cast(pa.string()).to_pylist(), dtype=str)
    if pa.types.is_boolean(y.type):
        return X, np.array(y.to_pylist(), dtype=str)
    labels = y.to_numpy()
    if labels.dtype.kind not in "fiu":
        raise ValueError(f"the target {name!r} has type {y.type}; expected numbers or text")
    check_finite(labels, f"the target {name!r}")
    return X, labels


def _check_columns(X: Any) -> None:
    """Say which column has no value, or an infinite one, and in which row, counted from 1."""
    import pyarrow as pa

    for name in X.column_names:
        column = X[name]
        if column.null_count == len(column):
            raise ValueError(f"column {name!r} has no values; leave it out with --drop {name}")
        if pa.types.is_floating(column.type):
            infinite = np.flatnonzero(np.isinf(column.to_numpy()))
            if len(infinite):
                raise ValueError(
                    f"column {name!r} has an infinite value in row {infinite[0] + 1}; replace it, or use --drop {name}"
                )


def _as_in_training(model: Any, y: Array) -> Array:
    """Return classes in the kind of the training: names of folders are text, also where idx files have numbers."""
    if isinstance(model, Regressor) or y.dtype.kind == model.classes_.dtype.kind:
        return y
    known = {str(label): label for label in model.classes_.tolist()}
    labels = [str(label) for label in y.tolist()]
    return np.array([known[label] for label in labels]) if known.keys() >= set(labels) else y


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


def _take(X: Any, rows: Array) -> Any:
    return X[rows] if isinstance(X, np.ndarray) else X.take(rows)


def _are_images(X: Any) -> bool:
    return isinstance(X, np.ndarray) and X.ndim == 4


def _read_for(
    model: Any, source_name: str, header: bool, labels: str | None, resize: str | None, skip_bad: bool
) -> Source:
    """Read a source; image files become as the model takes them."""
    size = None if resize is None else images.parse_size(resize)
    if model.image_shape_ is None or not has_image_files(source_name):
        return read(source_name, header, labels, size, skip_bad=skip_bad)
    height, width, channels = model.image_shape_
    if size is None and "resize" in model.notes_:
        size = height, width
    return read(source_name, header, labels, size, "grey" if channels == 1 else "colour", skip_bad)


def _features_for(model: Any, source: Source) -> Any:
    """Return the columns that a model knows, by name; by place where neither has names."""
    X = source.features
    if model.image_shape_ is not None:
        return _images_for(model, source)
    names = model.columns_.names
    if names is None:
        if _are_images(X):
            X = X.reshape(len(X), -1)
        if not isinstance(X, np.ndarray):
            raise ValueError(f"the model was trained on an array, but {source.name} is a table")
        check_finite(X, "X")
        if X.shape[1] != model.n_features_in_:
            raise ValueError(f"{source.name} has {X.shape[1]} columns, but the model takes {model.n_features_in_}")
        return X
    if isinstance(X, np.ndarray):
        raise ValueError(
            f"the model was trained on a table with columns {_listed(names)}, but {source.name} is an array"
        )
    if not model.notes_.get("header", True) and X.num_columns == len(names):
        X = X.rename_columns(names)
    missing = [name for name in names if name not in X.column_names]
    if missing:
        raise ValueError(
            f"{source.name} has {X.num_columns} columns and lacks {_listed(missing)}, which the model was trained on"
        )
    return X.select(names)


def _images_for(model: Any, source: Source) -> Array:
    takes = f"images of {describe_images(model.image_shape_)}"
    if not _are_images(source.features):
        raise ValueError(f"the model takes {takes}, but is given {source.description}")
    if source.features.shape[1:] != model.image_shape_:
        height, width, _ = model.image_shape_
        advice = "" if source.files is None else f"; --resize {height}x{width} makes them fit"
        raise ValueError(f"the model takes {takes}, but is given {source.description}{advice}")
    check_finite(source.features, "X")
    return source.features


def _load_estimator(path: str) -> Any:
    model = load(path)
    if not isinstance(model, (Classifier, Regressor)):
        raise ModelFileError(f"{path} holds a bare network, which does not know its columns; use it from Python")
    return model


def _header(model: Any, no_header: bool | None) -> bool:
    return not no_header if no_header is not None else bool(model.notes_.get("header", True))


def _describe_columns(model: Any) -> str:
    if model.image_shape_ is not None:
        return f"  images: {describe_images(model.image_shape_)}"
    columns = model.columns_.columns
    if columns is None:
        return f"  columns: {model.n_features_in_} numbers"
    lines = []
    for column in columns:
        values = f", {len(column.values)} values" if column.kind != "number" else ""
        lines.append(f"  column {column.name}: {column.kind}{values}{', may be missing' if column.missing else ''}")
    return "\n".join(lines)


def _listed(names: list[str], most: int = 20) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
