"""What Classifier and Regressor share: input, network and training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from functools import cache, partial
from pathlib import Path
from typing import Any, Self

from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, is_classifier
from sklearn.utils import check_random_state

from pysmorch import training
from pysmorch.cluster import Cluster
from pysmorch.encoders import encode_rows, kind_of
from pysmorch.encoders.explained import mean_row
from pysmorch.engine.rows import BYTES_AT_A_TIME
from pysmorch.estimators.budget import Budget, budget_of, say_what_fit
from pysmorch.estimators.calibration import Calibration, calibrate, check_can_calibrate
from pysmorch.estimators.ensemble import train_together
from pysmorch.estimators.fitting import Record, fit_options, set_schedule
from pysmorch.estimators.held_out import (
    HeldOut,
    check_measured,
    encoded_set_aside,
    encoded_validation,
    held_out_outputs,
    scores_of,
    set_aside,
    with_temperature,
    without_validation,
)
from pysmorch.estimators.members import network_of
from pysmorch.estimators.on_cluster import fit_on_cluster
from pysmorch.estimators.related import related_rows
from pysmorch.estimators.rows import Labelled, weighted_rows
from pysmorch.estimators.runs import notes_of, saved_run, seed_of_split, take_notes
from pysmorch.estimators.sampling import rows_to_encode
from pysmorch.estimators.small import MIN_ROWS, Choice, chooses_by_cross_validation
from pysmorch.estimators.splitting import SplitBy, holds_out
from pysmorch.estimators.tasks import CallbackSupportMixin, tasks_of, with_callbacks
from pysmorch.estimators.unchanged import unchanged_on_error
from pysmorch.estimators.whole import train_whole
from pysmorch.layers import Layer
from pysmorch.layers.base import Array
from pysmorch.layers.quantized import refuse_training
from pysmorch.losses import Loss
from pysmorch.metrics import Metric, Metrics, as_metrics
from pysmorch.prediction.base import NetworkModel
from pysmorch.prediction.dense import dense_of
from pysmorch.prediction.files import check_takes_files
from pysmorch.prediction.one_model import of_one_model
from pysmorch.prediction.parameters import make_optimizer
from pysmorch.prediction.presets import members_of
from pysmorch.schedules import Constant, OneCycle
from pysmorch.training import Callback, Training


class NetworkEstimator(NetworkModel, CallbackSupportMixin, BaseEstimator):  # type: ignore[misc]
    """The training of Classifier and Regressor, by scikit-learn's contract; a subclass says how labels are learned.

    A subclass defines `_learn_labels`, `_check_labels`, `_encode_labels` and `_make_loss`, and may define `_row_weights` and
    `_of_labels`.
    """

    @classmethod
    @cache  # scikit-learn inspects the constructor in every call
    def _get_param_names(cls) -> list[str]:
        names: list[str] = super()._get_param_names()
        return names

    # What a subclass defines.

    def _learn_labels(self, y: Any, sample_weight: Array | None) -> None:
        raise NotImplementedError

    def _check_labels(self, y: Any, num_data: int) -> Array:
        """Return labels in the user's terms, checked for shape and kind."""
        raise NotImplementedError

    def _encode_labels(self, y: Array) -> Array:
        """Return labels as the loss takes them; those that were not learned are an error."""
        raise NotImplementedError

    def _make_loss(self, output: Layer) -> Loss:
        raise NotImplementedError

    def _row_weights(self, codes: Array, sample_weight: Array | None) -> Array | None:
        return sample_weight

    def _anchors(self, codes: Array, weights: Array | None) -> list[Array]:
        """Return constant outputs to which those of the network may be brought nearer; none for a loss of the user's."""
        return []

    def _calibrates(self) -> bool:
        """Whether held-out rows calibrate the outputs."""
        return False

    def _wants_held_out(self) -> bool:
        """Whether rows are held out also where none of them ends the training."""
        return False

    def _threshold_from(self, held_out: HeldOut | None) -> float | None:
        """Return the decision threshold that held-out rows choose, or None where none is to be chosen."""
        return None

    def _learning_of(self, labels: Any) -> Callable[[], None] | None:
        """Return what learns from all labels, also those that are set aside; None where only those of the training count."""
        return None

    def _of_labels(self, metric: Metric) -> Metric:
        """Return a metric of the loss's labels and predictions that measures those of the user."""
        return metric

    # Training.

    def fit(
        self,
        X: Any,
        y: ArrayLike | str,
        sample_weight: ArrayLike | str | None = None,
        eval_set: Sequence[Any] | None = None,
        metrics: Metrics | None = None,
        callbacks: Sequence[Callback | Callable[[Training], Any]] = (),
        checkpoint: str | Path | None = None,
        every: str = "5 min",
        resume: str | Path | None = None,
        groups: ArrayLike | str | None = None,
        time: ArrayLike | str | None = None,
        cluster: str | Cluster | None = None,
    ) -> Self:
        """Learn from rows X and their labels y; a fit that raises leaves the estimator as it was before.

        Parameters
        ----------
        X : array-like, data frame or path
            Numbers (N, D), NaN where one is missing, also as a sparse matrix; a data frame of any library, also with text and missing
            values; images (N, H, W[, C]); or the path of a table, also of a folder or a pattern such as `"part-*.parquet"`.
            Parquet and CSV files that do not fit into the memory are read block by block: see docs/data.md.
        y : array-like of shape (N,), or (N, K) for several targets of a Regressor or several labels of a Classifier; or str
            The label of each row: a class of a Classifier, or 0 and 1 for each of several labels; numbers of a Regressor. Of a path the
            name of their column.
        sample_weight : array-like of shape (N,) or str, default=None
            Weights that are not negative; only their ratios count, and rows of weight 0 are as absent. Of a path also the name of
            their column.
        eval_set : tuple or list of tuple, default=None
            (X, y) or (X, y, sample_weight), validation data for early stopping and curves, instead of held-out rows. Of a list of
            such tuples the first one ends the training; the others are in `history_` as "val_2_loss", "val_3_loss" and so on.
        metrics : list of str or Metric, or dict of functions, default=None
            What else is measured on the validation data after every epoch, by names such as "auc", "f1" or "top_5"
            (`pysmorch.metrics.METRICS`), as `Metric` objects, or as functions of (labels, predictions) by name. They appear in
            `history_` as `"val_"` and the name. A Classifier gives functions class indices and probabilities, a Regressor gives all
            metrics labels and predictions in the units of y; the loss and "mae" of the training rows are those of the scaled
            targets. For the training rows only the loss and its default metric are measured: only these are sums over batches.
        callbacks : sequence of Callback or callable, default=()
            Objects such as `EarlyStopping("val_auc")`, or functions called with the `Training` after every epoch. An
            `EarlyStopping` replaces that of the parameters `early_stopping` and `patience`; rows are still held out.
        checkpoint : str or Path, default=None
            A new folder for the run, as in `Network.fit`: it can go on from there after an interruption.
        every : str, default="5 min"
            How often a checkpoint is written, such as "30 s", "1 h", "2 epochs" or "500 batches"; also at the end, whatever ends it.
        resume : str or Path, default=None
            The folder of a run that was interrupted. With the same parameters and data it goes on to the same bits as if it had not
            been.
        groups : array-like of shape (N,) or str, default=None
            The group of each row: rows that are held out, by whichever parameter, are whole groups, drawn at random, and so are the
            halves of a cross-validation. A name is that of a column of X, which is no feature then.
        time : array-like of shape (N,) or str, default=None
            The time of each row, also as a number: the latest rows are held out, those of one time together. A name is that of a
            column of X, which stays a feature. Not together with `groups`.
        cluster : str or Cluster, default=None
            "auto", the address "HOST:PORT" of the head node of a Ray cluster, or a `Cluster` that says how many workers: they train the
            network together, with the bits of this machine. Files must have the same path on all machines. See docs/cluster.md.

        Returns
        -------
        Classifier or Regressor
            Itself, fitted.

        Raises
        ------
        ValueError, TypeError
            For parameters out of range, data that cannot be used, and metrics that do not fit; messages name column or row.
        """
        self._refuse_training()
        with unchanged_on_error(self, self.warm_start and hasattr(self, "network_")):
            if cluster is None:
                self._fit(X, y, sample_weight, eval_set, metrics, callbacks, checkpoint, every, resume, groups, time)
            else:
                fit_on_cluster(
                    self,
                    cluster,
                    checkpoint,
                    resume,
                    X=X,
                    y=y,
                    sample_weight=sample_weight,
                    eval_set=eval_set,
                    metrics=metrics,
                    callbacks=callbacks,
                    every=every,
                    groups=groups,
                    time=time,
                )
        return self

    @with_callbacks
    def _fit(
        self,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        eval_set: Sequence[Any] | None = None,
        metrics: Metrics | None = None,
        callbacks: Sequence[Callback | Callable[[Training], Any]] = (),
        checkpoint: str | Path | None = None,
        every: str = "5 min",
        resume: str | Path | None = None,
        groups: ArrayLike | str | None = None,
        time: ArrayLike | str | None = None,
    ) -> None:
        """Learn as `fit` does; after an exception there is what was learned until then."""
        chosen = as_metrics(metrics)
        budget = budget_of(self, checkpoint is not None or resume is not None)
        saved = saved_run(self, checkpoint, resume)
        split_seed = seed_of_split(saved, self._draw_seed() if self.conformal_fraction else 0)
        data, not_encoded = self._data_and_set_aside(X, y, sample_weight, split_seed, groups, time, budget)
        if self._calibrates():
            check_can_calibrate(self.network_.output)
        set_schedule(self, OneCycle)
        validation = encoded_validation(self, eval_set)
        choice = None if saved is None else take_notes(self, saved.notes)
        shape = len(data.rows), self._members
        cross_validates = not validation and self._cross_validates(*shape)
        if not validation and self._holds_out(*shape):
            data, *validation = without_validation(self, data)
        # After the encoder has learned from the rows that are left.
        aside = None if not_encoded is None else encoded_set_aside(self, not_encoded)
        check_measured(self, chosen, bool(validation), *shape)
        run = {"checkpoint": checkpoint, "every": every, "resume": saved, "notes": partial(notes_of, self, split_seed)}
        of_labels = [self._of_labels(metric) for metric in chosen]
        tasks = tasks_of(self, X, y, sample_weight)
        told = [*callbacks, *tasks]
        choice = train_whole(self, data, validation, cross_validates, told, of_labels, budget, choice, run)
        self._settle(data.codes, None if choice is None else choice.calibration)
        self._learn_from_held_out(choice, validation[0] if validation else None, aside)
        if budget is not None:
            say_what_fit(self, budget)
        for task in tasks:
            task.finish()

    def _cross_validates(self, num_rows: int, members: int) -> bool:
        """Whether the next training holds out rows in turn, where no validation data are given."""
        return getattr(self, "n_iter_", 0) == 0 and chooses_by_cross_validation(self, num_rows, members)

    def _holds_out(self, num_rows: int, members: int) -> bool:
        """Whether it holds out the same rows for all networks then, of so many that are not set aside."""
        wanted = holds_out(self.early_stopping, num_rows) or (self._wants_held_out() and num_rows >= MIN_ROWS)
        return wanted and not self._cross_validates(num_rows, members)

    def _data_and_set_aside(
        self, X: Any, y: Any, sample_weight: Any, split_seed: int, groups: Any, time: Any, budget: Budget | None
    ) -> tuple[Labelled, tuple[Any, Any, Array | None] | None]:
        """Return the rows for training and validation, of which encoder and scale of labels are learned, and the others as they are."""
        self._check_parameters()
        goes_on = self.warm_start and hasattr(self, "network_")
        classes = getattr(self, "classes_", None) if goes_on else None
        learns_classes = is_classifier(self) and not goes_on
        rows = related_rows(X, y, sample_weight, groups, time, classes, learns_classes)
        X, y, sample_weight, by, group_column = rows
        learn, aside = None, None
        if self.conformal_fraction:
            fraction = self.conformal_fraction
            parts = set_aside(X, y, sample_weight, fraction, split_seed, classes, by, learns_classes)
            (X, y, sample_weight), aside, learn = parts.training, parts.set_aside, self._learning_of(parts.labels)
            by = parts.by
        if goes_on:
            data = self._encode_labelled(X, y, sample_weight, trained_before=True, by=by)
        else:
            X, y, sample_weight, by, labels = rows_to_encode(self, X, y, sample_weight, by, budget, split_seed)
            learn = learn if labels is None or learn is not None else self._learning_of(labels)
            data = self._start(X, y, sample_weight, learn, no_feature=group_column, by=by)
        return data._replace(by=by), aside

    def _learn_from_held_out(self, choice: Choice | None, validation: Labelled | None, aside: Labelled | None) -> None:
        """Calibrate by the validation rows, choose a threshold by them, and store scores: those of rows set aside, if there are any."""
        if choice is not None:
            threshold, scores = choice.threshold, choice.scores
        else:
            held_out = None if validation is None else held_out_outputs(self, validation)
            if held_out is not None and self._calibrates():
                held_out = with_temperature(self, held_out)
            threshold = self._threshold_from(held_out)
            scores = None if held_out is None else scores_of(self, held_out, False)
        if aside is not None:
            scores = scores_of(self, held_out_outputs(self, aside), True)
        if threshold is not None:
            self.threshold_ = threshold
        self.conformal_scores_ = scores

    def _refuse_training(self) -> None:
        """Raise ValueError where the network was quantized."""
        if hasattr(self, "network_"):
            refuse_training(self.network_.layers)

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any, learn: Callable[[], None] | None = None) -> Self:
        """Go through the data once, from where training is; a first call begins it."""
        self._refuse_training()
        with unchanged_on_error(self, hasattr(self, "network_")):
            self._train_once(X, y, sample_weight, learn)
        return self

    def _train_once(self, X: Any, y: Any, sample_weight: Any, learn: Callable[[], None] | None) -> None:
        if not hasattr(self, "network_"):
            data = self._start(X, y, sample_weight, learn, more=True)
        else:
            self.encoder_.unbound()
            data = self._encode_labelled(X, y, sample_weight)
        set_schedule(self, lambda peak: Constant(peak / 5))
        if self._members > 1:
            train_together(self, data, [], [], None, 1)
        else:
            self._train(data, epochs=1, seed=self._seed + 1 + self.n_iter_)
        self.conformal_scores_ = None  # they were those of the network before

    def _start(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        learn: Callable[[], None] | None = None,
        more: bool = False,
        no_feature: str | None = None,
        by: SplitBy | None = None,
    ) -> Labelled:
        """Learn how rows and labels are encoded, and build the network; whether more rows are to come is said by `more`."""
        self._check_parameters()
        X, y, weights = weighted_rows(X, y, sample_weight, learns_classes=is_classifier(self))
        encoder = kind_of(X, self.pixels, bool(self.columns) or self.missing is not None)()
        check_takes_files(encoder, X)
        encoder.choose((self.columns or {}) | ({} if no_feature is None else {no_feature: "id"}), self.missing)
        if more:
            encoder.expect_more()
        rows = encoder.check(X, self, reset=True)
        labels = self._check_labels(y, len(rows))
        if learn is None:
            self._learn_labels(labels, weights)
        else:
            learn()
        codes = self._encode_labels(labels)
        self._seed = self._draw_seed()
        encoder.keep_together(None if by is None else by.groups)
        encoder.learn(rows, weights, codes)
        self.encoder_ = encoder
        encoded = encode_rows(encoder, rows)
        self.baseline_ = mean_row(encoded, weights)
        # Where more rows are to come, how many there will be is not known.
        self._members = members_of(self, len(rows), self.n_features_in_, len(encoder.shape) > 1 or more)
        self._dense = dense_of(self, len(rows) if encoder.of_table and not more else None)
        self.network_ = network_of(self, encoder.input_layer(), self._members, encoded)
        self.optimizer_ = make_optimizer(self)
        self._forget_epochs()
        of_targets = encoder.target_features(rows, False)
        return Labelled(encoded, codes, self._row_weights(codes, weights), weights, of_targets=of_targets)

    def _draw_seed(self) -> int:
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _forget_epochs(self) -> None:
        self.loss_curve_: list[float] = []
        self.validation_curve_: list[float] = []
        self.n_iter_ = 0

    def _train(self, data: Labelled, **options: Any) -> None:
        """Train the network; its random stream goes on where that of the epochs so far ended, unless a seed is given."""
        seed = self._seed if self.n_iter_ == 0 else self._seed + 1 + self.n_iter_
        callbacks, notes = [*options.pop("callbacks", ()), Record(self)], options.pop("notes", None)
        fitted_with = fit_options(self, len(data.rows), **{"seed": seed, "callbacks": callbacks, **options})
        # The encoder has searched the rows for what is not finite.
        training.fit(self.network_, data.rows, data.codes, data.weights, fitted_with, False, self, notes)

    def _settle(self, codes: Array, calibration: Calibration | None) -> None:
        """Bring the outputs nearer to an anchor, as cross-validation found."""
        if calibration is not None:
            calibrate(self.network_.output, calibration)

    def _encode_labelled(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        trained_before: bool = False,
        by: SplitBy | None = None,
        argument: str | None = None,
    ) -> Labelled:
        """Return rows, labels and weights as the network takes them, after a training has begun.

        Where an argument of `fit` is named, there are warnings of what the encoder does not know of it.
        """
        X, y, weights = weighted_rows(X, y, sample_weight, getattr(self, "classes_", None))
        rows = self._checked(X)
        if argument is not None:
            self.encoder_.warn_of_unknown(rows, argument)
        codes = self._encode_labels(self._check_labels(y, len(rows)))
        of_targets = None
        if trained_before:
            self.encoder_.keep_together(None if by is None else by.groups)
            self.encoder_.learn_rows(rows, weights, codes)
            of_targets = self.encoder_.target_features(rows, True)
        encoded = encode_rows(self.encoder_, rows)
        return Labelled(encoded, codes, self._row_weights(codes, weights), weights, of_targets=of_targets)

    @of_one_model
    def quantize(self, X: Any) -> Self:
        """Return a model that predicts with weights of 8 bits: the network in a file of it is a quarter of the size.

        `Linear` layers and convolutions in one group multiply integers; all else is as it was. The new model cannot be trained:
        `sklearn.base.clone` makes one that can, from the beginning.

        Parameters
        ----------
        X : array-like or data frame
            Some hundred rows of the training or more, as for `predict`, from which the ranges of the layers' inputs are learned.

        Returns
        -------
        Classifier or Regressor
            Fitted, with a network of its own.

        Raises
        ------
        NotFittedError, ValueError, TypeError
            Before `fit`, for data that do not fit, and where there is no layer that can be quantized.
        """
        encoded = encode_rows(self.encoder_, self._checked(X), BYTES_AT_A_TIME)
        model = copy(self)
        model.network_ = self.network_.quantize(encoded)
        model.optimizer_ = make_optimizer(self)
        model.conformal_scores_ = None  # they are those of the network before
        return model

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        return tags
