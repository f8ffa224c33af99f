"""What Classifier and Regressor share: columns, network, training, and their parts in a file."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from pysmorch.estimators.columns import ColumnError, Columns, as_table, is_table
from pysmorch.estimators.images import is_images, learn_scaling
from pysmorch.layers import (
    Data,
    Flatten,
    Layer,
    Rescale,
    mlp,
    weights_from,
)
from pysmorch.layers.activations import ACTIVATIONS
from pysmorch.layers.base import Array, format_dims
from pysmorch.losses import Loss
from pysmorch.network import Network
from pysmorch.optimizers import OPTIMIZERS, Optimizer
from pysmorch.schedules import Constant, OneCycle, Schedule
from pysmorch.training import Callback, EarlyStopping, History

EARLY_STOPPING_FROM = 5000
"""Rows from which early_stopping="auto" holds out validation data; with fewer, each row is worth more in training."""

CONVERGED_WITHIN = 1e-4
"""Without validation data, training ends when its loss has not fallen by this share of its first value for `patience`."""


class NetworkEstimator(BaseEstimator):  # type: ignore[misc]
    """The base of Classifier and Regressor; a subclass says what labels and outputs mean.

    A subclass defines `_learn_labels`, `_encode_labels`, `_num_outputs`, `_make_loss` and `_row_weights`.
    """

    network_: Network
    columns_: Columns | None
    image_shape_: tuple[int, ...] | None
    n_features_in_: int

    # What a subclass defines.

    def _learn_labels(self, y: Any, sample_weight: Array | None) -> None:
        raise NotImplementedError

    def _check_labels(self, y: Any, num_data: int) -> Array:
        """Return labels in the user's terms, checked for shape and kind."""
        raise NotImplementedError

    def _encode_labels(self, y: Array) -> Array:
        """Return labels as the loss takes them; those that were not learned are an error."""
        raise NotImplementedError

    def _num_outputs(self) -> int:
        raise NotImplementedError

    def _make_loss(self, output: Layer) -> Loss:
        raise NotImplementedError

    def _row_weights(self, codes: Array, sample_weight: Array | None) -> Array | None:
        return sample_weight

    # Training.

    def fit(self, X: Any, y: Any, sample_weight: Any = None, eval_set: Sequence[Any] | None = None) -> Any:
        """Learn from rows X and their labels y.

        Args:
            X: array (N, D) of finite numbers, a data frame of any library with numbers, text and missing values, or images
                (N, H, W) or (N, H, W, C).
            y: labels (N,), or (N, K) for several targets of a Regressor.
            sample_weight: one weight per row that is not negative.
            eval_set: (X, y) or (X, y, sample_weight) for early stopping and curves, instead of held-out rows.

        Raises ValueError or TypeError for data that cannot be used; messages name the column or the row.
        """
        codes, encoded, weights = self._start(X, y, sample_weight)
        self._set_schedule(OneCycle)
        seed = self._seed
        held_out = self._validation_data(eval_set)
        if held_out is None and self._holds_out(len(encoded)):
            classes = codes if codes.dtype.kind == "i" else None
            rows, validation, _ = split_rows(classes, len(encoded), self.validation_fraction, seed)
            held_out = (encoded[validation], codes[validation], None if weights is None else weights[validation])
            encoded, codes, weights = encoded[rows], codes[rows], None if weights is None else weights[rows]
        self._train(
            encoded,
            codes,
            weights,
            epochs=self.epochs,
            seed=seed,
            validation_data=held_out,
            callbacks=self._stopping(held_out is not None),
        )
        return self

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any, learn: Callable[[], None] | None = None) -> Any:
        """Go through the data once, from where training is; a first call begins it."""
        if not hasattr(self, "network_"):
            codes, encoded, weights = self._start(X, y, sample_weight, learn)
        else:
            encoded = self._encode(X)
            codes = self._encode_labels(self._check_labels(y, len(encoded)))
            weights = self._row_weights(codes, self._check_weights(sample_weight, encoded))
        self._set_schedule(lambda peak: Constant(peak / 5))
        self._train(encoded, codes, weights, epochs=1, seed=self._seed + 1 + len(self.loss_curve_))
        return self

    def _start(
        self, X: Any, y: Any, sample_weight: Any, learn: Callable[[], None] | None = None
    ) -> tuple[Array, Array, Array | None]:
        """Learn columns, or the scale of the pixels, and labels, and build the network."""
        self._check_parameters()
        if y is None:
            raise ValueError(f"requires y to be passed, but the target y is None: {type(self).__name__} needs labels")
        table = is_table(X)
        if table:
            validate_data(self, X, skip_check_array=True)
            X = as_table(X)
            num_data = len(X)
            if num_data == 0:
                raise ValueError("X has no rows: 0 sample(s), but a minimum of 1 is required")
        else:
            X = self._check_images(X, reset=True) if is_images(X) else self._check_array(X, reset=True)
            num_data = len(X)
        labels = self._check_labels(y, num_data)
        weights = self._check_weights(sample_weight, X)
        if learn is None:
            self._learn_labels(labels, weights)
        else:
            learn()
        codes = self._encode_labels(labels)
        self._seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        if not table and X.ndim == 4:
            self.columns_, self.image_shape_ = None, X.shape[1:]
            encoded = X
            self._build(Rescale(Data(shape=(None, *X.shape[1:])), *learn_scaling(X, weights)))
        else:
            columns = Columns.learn_table(X, weights) if table else Columns.learn_array(X, weights)
            self.columns_, self.image_shape_ = columns, None
            encoded = columns.encode_table(X) if table else columns.encode_array(X)
            self._build(Data(shape=(None, columns.width)))
        self.loss_curve_: list[float] = []
        self.validation_curve_: list[float] = []
        self.n_iter_ = 0
        return codes, encoded, self._row_weights(codes, weights)

    def _build(self, features: Layer) -> None:
        with weights_from(self._seed):
            if self.network is not None:
                output = self.network(features, self._num_outputs())
            else:
                rows = features if len(features.out_dims) == 2 else Flatten(features)
                output = mlp(rows, self.hidden, self._num_outputs(), ACTIVATIONS[self.activation], self.dropout)
        self.network_ = Network(self._make_loss(output))
        self.optimizer_ = self._make_optimizer()

    def _make_optimizer(self) -> Optimizer:
        if isinstance(self.optimizer, Optimizer):
            optimizer = copy.deepcopy(self.optimizer)
            optimizer.reset()
            return optimizer
        made: Callable[..., Optimizer] = OPTIMIZERS[self.optimizer]
        options = {"momentum": 0.9, "nesterov": True} if self.optimizer == "sgd" else {}
        return made(self.learning_rate, weight_decay=self.weight_decay, **options)

    def _set_schedule(self, of_number: Callable[[float], Schedule]) -> None:
        """Turn a learning rate that is a number into a schedule; an optimizer of the user's keeps its own."""
        if not isinstance(self.optimizer, Optimizer):
            given = self.learning_rate
            self.optimizer_.schedule = given if isinstance(given, Schedule) else of_number(float(given))

    def _train(self, encoded: Array, codes: Array, weights: Array | None, **options: Any) -> None:
        self.history_: History = self.network_.fit(
            encoded,
            codes,
            sample_weight=weights,
            optimizer=self.optimizer_,
            batch_size=self._batch_size(len(encoded)),
            progress=bool(self.verbose),
            precision=self.precision,
            **options,
        )
        self.loss_curve_ += self.history_["loss"]
        self.validation_curve_ += self.history_.get("val_loss", [])
        self.n_iter_ += self.history_.num_epochs

    def _stopping(self, has_validation: bool) -> list[Callback]:
        if has_validation:
            return [EarlyStopping("val_loss", self.patience)] if self.early_stopping else []
        return [_Converged(self.patience)]

    def _holds_out(self, num_data: int) -> bool:
        if self.early_stopping == "auto":
            return num_data >= EARLY_STOPPING_FROM
        return bool(self.early_stopping)

    def _validation_data(self, eval_set: Sequence[Any] | None) -> tuple[Array, Array, Array | None] | None:
        if eval_set is None:
            return None
        if not isinstance(eval_set, (tuple, list)) or len(eval_set) not in (2, 3):
            raise ValueError("eval_set must be (X, y) or (X, y, sample_weight)")
        X, y, *weights = eval_set
        encoded = self._encode(X)
        codes = self._encode_labels(self._check_labels(y, len(encoded)))
        checked = self._check_weights(weights[0] if weights else None, encoded)
        return encoded, codes, self._row_weights(codes, checked)

    def _batch_size(self, num_data: int) -> int:
        if self.batch_size != "auto":
            return int(self.batch_size)
        return int(min(256, max(32, num_data // 64)))

    # Checks.

    def _check_parameters(self) -> None:
        if self.network is not None and not callable(self.network):
            raise ValueError(
                "network must be a function of (input layer, number of outputs) that returns the last layer"
            )
        hidden = self.hidden
        if not isinstance(hidden, (tuple, list)) or any(not isinstance(h, (int, np.integer)) or h < 1 for h in hidden):
            raise ValueError(f"hidden must be a tuple of positive widths such as (256, 128), but is {hidden!r}")
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}, but is {self.activation!r}")
        if not isinstance(self.optimizer, Optimizer) and self.optimizer not in OPTIMIZERS:
            raise ValueError(
                f"optimizer must be one of {', '.join(OPTIMIZERS)}, or an object, but is {self.optimizer!r}"
            )
        if self.early_stopping not in (True, False, "auto"):
            raise ValueError(f'early_stopping must be True, False or "auto", but is {self.early_stopping!r}')
        if not 0 < self.validation_fraction < 1:
            raise ValueError(f"validation_fraction must be between 0 and 1, but is {self.validation_fraction!r}")
        if self.precision not in ("float32", "bf16", "auto"):
            raise ValueError(f'precision must be "float32", "bf16" or "auto", but is {self.precision!r}')
        if self.batch_size != "auto" and (not isinstance(self.batch_size, (int, np.integer)) or self.batch_size < 1):
            raise ValueError(f'batch_size must be "auto" or a positive integer, but is {self.batch_size!r}')

    def _check_array(self, X: Any, reset: bool) -> Array:
        pixels = isinstance(X, np.ndarray) and X.dtype == np.uint8
        checked: Array = validate_data(
            self, X, reset=reset, dtype=None if pixels else "numeric", ensure_min_features=1, ensure_all_finite=True
        )
        return checked

    def _check_images(self, X: Any, reset: bool) -> Array:
        """Return images with an axis for their channels, in the dtype that they have."""
        pixels = isinstance(X, np.ndarray) and X.dtype == np.uint8
        images: Array = check_array(X, dtype=None if pixels else "numeric", allow_nd=True, input_name="X")
        found = images.shape
        images = images[..., None] if images.ndim == 3 else images
        if 0 in found:
            raise ValueError(f"X has shape {found}; images need at least one pixel")
        if reset:
            self.n_features_in_ = prod(images.shape[1:])
            if hasattr(self, "feature_names_in_"):
                del self.feature_names_in_
        elif images.shape[1:] != self.image_shape_:
            raise ValueError(
                f"X has shape {found}, but this {type(self).__name__} was trained on images and expects shape "
                f"{format_dims((None, *(self.image_shape_ or ())))}"
            )
        return images

    def _check_weights(self, sample_weight: Any, X: Any) -> Array | None:
        if sample_weight is None:
            return None
        stand_in = np.zeros((len(X), 1))
        weights: Array = _check_sample_weight(sample_weight, stand_in, dtype=np.float64, ensure_non_negative=True)
        if not weights.any():
            raise ValueError("sample_weight must not be 0 for all rows")
        return weights

    def _encode(self, X: Any) -> Array:
        """Return rows as the network takes them; the columns must be those of the training."""
        check_is_fitted(self, "network_")
        if self.columns_ is None:
            return self._check_images(as_table(X).to_numpy() if is_table(X) else X, reset=False)
        if self.columns_.columns is None:
            if is_table(X):
                validate_data(self, X, skip_check_array=True, reset=False)
                X = as_table(X).to_numpy()
            return self.columns_.encode_array(self._check_array(X, reset=False))
        if not is_table(X):
            raise TypeError(
                f"this {type(self).__name__} was trained on a data frame with columns "
                f"{', '.join(self.columns_.names or [])}; pass a data frame, not {type(X).__name__}"
            )
        validate_data(self, X, skip_check_array=True, reset=False)
        table = as_table(X)
        missing = [name for name in self.columns_.names or [] if name not in table.columns]
        if missing:
            raise ColumnError(f"X has no column {', '.join(map(repr, missing))}, which the model was trained on")
        return self.columns_.encode_table(table)

    def _outputs(self, X: Any) -> Array:
        encoded = self._encode(X)
        outputs = self.network_.predict(encoded).astype(np.float64)
        return self.network_.loss.predictions(outputs)

    # Files.

    def save(self, path: str | Path) -> None:
        """Write the model into one .safetensors file, whole or not at all; `pysmorch.load` reads it."""
        from pysmorch.files import save

        check_is_fitted(self, "network_")
        save(self, path)

    def _label_parts(self) -> tuple[dict[str, Any], dict[str, Array]]:
        raise NotImplementedError

    def _take_label_parts(self, header: dict[str, Any], tensors: dict[str, Array]) -> None:
        raise NotImplementedError

    def to_parts(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Return the model as plain data and arrays."""
        from pysmorch.files import network_to_parts

        network, tensors = network_to_parts(self.network_)
        columns, column_tensors = (None, {}) if self.columns_ is None else self.columns_.to_parts()
        labels, label_tensors = self._label_parts()
        header = {
            "parameters": {name: value for name, value in self.get_params().items() if _is_plain(value)},
            "network": network,
            "columns": columns,
            "image_shape": self.image_shape_,
            "labels": labels,
            "num_features": self.n_features_in_,
            "feature_names": list(self.feature_names_in_) if hasattr(self, "feature_names_in_") else None,
            "loss_curve": self.loss_curve_,
            "validation_curve": self.validation_curve_,
            "num_epochs": self.n_iter_,
            "seed": self._seed,
            "notes": getattr(self, "notes_", {}),
        }
        named = {f"columns.{k}": v for k, v in column_tensors.items()} | {
            f"labels.{k}": v for k, v in label_tensors.items()
        }
        return header, tensors | named

    @classmethod
    def from_parts(cls, header: dict[str, Any], tensors: dict[str, Array], layers: Sequence[type[Layer]] = ()) -> Any:
        """Return the model of `to_parts`, after checking everything; ModelFileError says what is wrong."""
        from pysmorch.files import ModelFileError, network_from_parts
        from pysmorch.files.header import entries, entry

        def part(name: str) -> dict[str, Array]:
            return {k.removeprefix(f"{name}."): v for k, v in tensors.items() if k.startswith(f"{name}.")}

        parameters = entry(header, "parameters", dict)
        unknown = set(parameters) - set(cls._get_param_names())
        if unknown:
            raise ModelFileError(f"{cls.__name__} has no parameter {', '.join(sorted(unknown))}")
        self = cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in parameters.items()})
        self.network_ = network_from_parts(entry(header, "network", dict), tensors, layers)
        if header.get("image_shape") is None:  # there is no such entry in files of older versions
            self.columns_, self.image_shape_ = Columns.from_parts(entry(header, "columns", dict), part("columns")), None
        else:
            self.columns_, self.image_shape_ = None, tuple(entries(header, "image_shape", int))
        self._take_label_parts(entry(header, "labels", dict), part("labels"))
        self.n_features_in_ = entry(header, "num_features", int)
        if entry(header, "feature_names", list, type(None)) is not None:
            self.feature_names_in_ = np.array(entries(header, "feature_names", str), dtype=object)
        self.loss_curve_ = [float(v) for v in entries(header, "loss_curve", float, int)]
        self.validation_curve_ = [float(v) for v in entries(header, "validation_curve", float, int)]
        self.n_iter_ = entry(header, "num_epochs", int)
        self._seed = entry(header, "seed", int)
        self.notes_ = entry(header, "notes", dict)
        self._check_read(ModelFileError)
        return self

    def _check_read(self, error: type[ValueError]) -> None:
        """Say what does not fit in a model that was read."""
        columns = self.columns_
        (data,) = self.network_.inputs if len(self.network_.inputs) == 1 else (None,)
        if columns is None:
            shape = self.image_shape_ or ()
            if data is None or len(shape) != 3 or tuple(data.out_dims[1:]) != shape:
                raise error("the shape of its images does not fit its network")
            count = prod(shape)
        else:
            if data is None or tuple(data.out_dims[1:]) != (columns.width,):
                raise error("its columns do not fit its network")
            count = len(columns.mean if columns.names is None else columns.names)
        if count != self.n_features_in_:
            raise error("its columns are not as many as its features")
        if tuple(self.network_.output.out_dims[1:]) != (self._num_outputs(),):
            raise error("its labels do not fit its network")
        try:
            self._check_parameters()
            self.optimizer_ = self._make_optimizer()
        except (TypeError, ValueError) as wrong:
            raise error(f"its parameters are wrong: {wrong}") from wrong

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


def split_rows(classes: Array | None, num_rows: int, fraction: float, seed: int) -> tuple[Array, Array, bool]:
    """Return the rows for training, those held out, and whether both have all classes in the same shares.

    That is impossible where a class has one row only, or a part has fewer rows than there are classes.
    """
    rows = np.arange(num_rows)
    num_held_out = int(np.ceil(fraction * num_rows))
    stratified = False
    if classes is not None:
        counts = np.unique(classes, return_counts=True)[1]
        stratified = counts.min() > 1 and len(counts) <= min(num_held_out, num_rows - num_held_out)
    split: Any = train_test_split(rows, test_size=fraction, random_state=seed, stratify=classes if stratified else None)
    return np.sort(split[0]), np.sort(split[1]), bool(stratified)


class _Converged(Callback):
    """End training when its own loss no longer falls."""

    def __init__(self, patience: int) -> None:
        self.patience = patience

    def on_fit_start(self, training: Any) -> None:
        self.best = np.inf
        self.since = 0

    def on_epoch_end(self, training: Any) -> None:
        losses = training.history["loss"]
        if losses[-1] < self.best - CONVERGED_WITHIN * abs(losses[0]):
            self.best, self.since = losses[-1], 0
        else:
            self.since += 1
        if self.since >= self.patience:
            training.stop(f"the loss has not fallen any more for {self.patience} epochs")


def _is_plain(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return all(_is_plain(item) for item in value)
    return value is None or isinstance(value, (bool, int, float, str))
